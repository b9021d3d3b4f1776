//! Base64 read back, for dialects that want as text what another sends as bytes.

/// The bytes. Both alphabets are understood, with and without padding; white space is passed over.
pub fn decode(data: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(data.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0u32, 0);
    let digits = data.bytes().filter(|byte| !byte.is_ascii_whitespace());
    for byte in digits.take_while(|byte| *byte != b'=') {
        bits = bits << 6 | u32::from(value(byte)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    // Fewer bits than a letter has are padding.
    (held < 6).then_some(bytes)
}

/// The text, if it is one.
pub fn decode_text(data: &str) -> Option<String> {
    decode(data).and_then(|bytes| String::from_utf8(bytes).ok())
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_is_read() {
        // RFC 4648, section 10.
        let table = [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmFy", "foobar"),
        ];
        for (written, text) in table {
            assert_eq!(decode_text(written).as_deref(), Some(text), "{written}");
            assert_eq!(decode_text(written.trim_end_matches('=')).as_deref(), Some(text), "{written}");
        }
        assert_eq!(decode("-_-_ +/\n+/"), Some(vec![0xfb, 0xff, 0xbf, 0xfb, 0xff, 0xbf]));
        assert_eq!((decode("Z"), decode("Zm9v!"), decode_text("/w==")), (None, None, None));
    }
}
