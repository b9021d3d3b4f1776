//! AWS's event stream coding: messages of headers and a payload, with their lengths and two checksums
//! (docs.aws.amazon.com/transcribe, "Event stream encoding"; CRC-32 as in RFC 1952).

/// Appends one message. `write` writes its payload, which is JSON.
pub(super) fn push(kind: Kind, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PRELUDE]);
    let (name_header, kind_value) = match kind {
        Kind::Event => (":event-type", "event"),
        Kind::Exception => (":exception-type", "exception"),
    };
    for (header, value) in
        [(name_header, name), (":content-type", "application/json"), (":message-type", kind_value)]
    {
        push_header(header, value, out);
    }
    let headers = out.len() - start - PRELUDE;
    write(out);
    let total = out.len() - start + CHECKSUM;
    overwrite(out, start, total as u32);
    overwrite(out, start + 4, headers as u32);
    let prelude = crc32fast::hash(out.get(start..start + 8).unwrap_or_default());
    overwrite(out, start + 8, prelude);
    let message = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&message.to_be_bytes());
}

/// What a message is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Event,
    /// An error that ends the stream.
    Exception,
}

/// A header whose value is a string, which is value type 7.
fn push_header(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
    out.push(7);
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value.as_bytes());
}

fn overwrite(out: &mut [u8], at: usize, number: u32) {
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}

/// Total length, length of the headers, and their checksum.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_bytes_of_the_coding() {
        let mut out = b"before".to_vec();
        push(Kind::Event, "messageStop", &mut out, |out| out.extend_from_slice(b"{}"));
        let message = &out[6..];
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().expect("four bytes"));
        assert_eq!(number(0) as usize, message.len());
        // `:event-type` 1+11+1+2+11, `:content-type` 1+13+1+2+16, `:message-type` 1+13+1+2+5.
        assert_eq!(number(4), 26 + 33 + 22);
        assert_eq!(number(8), crc32fast::hash(&message[..8]));
        assert_eq!(&message[12..27], b"\x0b:event-type\x07\x00\x0b");
        assert_eq!(number(message.len() - 4), crc32fast::hash(&message[..message.len() - 4]));
        assert!(message[..message.len() - 4].ends_with(b"{}"));
    }
}
