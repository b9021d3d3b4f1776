//! Base64, for dialects that want as text what another sends as bytes, and the other way round.

/// The bytes. Both alphabets are understood, with and without padding; white space is passed over.
pub fn decode(data: &str) -> Option<Vec<u8>> {
    let digits = data.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let (bytes, left) = gather(digits.take_while(|byte| *byte != b'='))?;
    // Fewer bits than a letter has are padding.
    (left < 6).then_some(bytes)
}

/// The bytes that digits stand for, and how many bits are left over. None where one is no digit of either alphabet.
pub fn gather(digits: impl Iterator<Item = u8>) -> Option<(Vec<u8>, u32)> {
    let mut bytes = Vec::with_capacity(digits.size_hint().1.unwrap_or(0) / 4 * 3 + 3);
    let (mut bits, mut held) = (0u32, 0);
    for byte in digits {
        bits = bits << 6 | u32::from(value(byte)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some((bytes, held))
}

/// Some bytes, padded.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) as usize & 63;
            let letter = ALPHABET.get(digit).copied().filter(|_| place <= three.len());
            out.push(char::from(letter.unwrap_or(b'=')));
        }
    }
    out
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

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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
