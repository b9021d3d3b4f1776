//! Amazon's event stream: binary messages with headers and a payload, each guarded by two checksums.
//!
//! Format: Smithy, "Amazon Event Stream Specification"
//! (<https://smithy.io/2.0/aws/amazon-eventstream.html>). A message is its length, the length of its headers, the CRC
//! of these two, the headers, the payload, and the CRC of all before; numbers are big-endian.

use bytes::BytesMut;

use super::sse::{Cut, MAX_FRAME};
use crate::error::{Error, Kind, Result};

/// Cuts a stream into messages, whichever way it is chunked.
#[derive(Debug, Default)]
pub struct Cutter {
    /// Begin of a message that has not ended yet.
    carry: BytesMut,
}

impl Cutter {
    /// The next message that ends in `chunk`, read from `start` on; `start` is where the message before it ended. When
    /// the chunk ends first, what it holds of a message is kept.
    ///
    /// # Errors
    /// `UpstreamUnreadable`: no message begins here, or one that is longer than [`MAX_FRAME`]. The stream cannot be
    /// taken up again.
    pub fn next(&mut self, chunk: &[u8], start: usize) -> Result<Option<Cut>> {
        let mut rest = chunk.get(start..).unwrap_or_default();
        if self.carry.is_empty()
            && let Some(prelude) = Prelude::read(rest)?
            && rest.len() >= prelude.length
        {
            return Ok(Some(Cut::Inside(start..start + prelude.length)));
        }
        loop {
            let whole = match Prelude::read(&self.carry)? {
                Some(prelude) => prelude.length,
                None => PRELUDE,
            };
            if whole > PRELUDE && self.carry.len() >= whole {
                return Ok(Some(Cut::Joined(std::mem::take(&mut self.carry), chunk.len() - rest.len())));
            }
            if rest.is_empty() {
                return Ok(None);
            }
            let (taken, left) = rest.split_at(rest.len().min(whole - self.carry.len()));
            self.carry.extend_from_slice(taken);
            rest = left;
        }
    }

    /// The bytes after the last complete message.
    pub fn finish(&mut self) -> BytesMut {
        std::mem::take(&mut self.carry)
    }
}

/// What a message begins with.
#[derive(Clone, Copy, Debug)]
struct Prelude {
    /// Bytes of the whole message.
    length: usize,
    /// Bytes of its headers.
    headers: usize,
}

impl Prelude {
    /// None while not all of it has come.
    fn read(bytes: &[u8]) -> Result<Option<Prelude>> {
        let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
        let length = number(prelude, 0) as usize;
        let headers = number(prelude, 4) as usize;
        if crc32fast::hash(prelude.get(..8).unwrap_or_default()) != number(prelude, 8) {
            return Err(unreadable("the checksum of a message's beginning is wrong"));
        }
        if length > MAX_FRAME {
            return Err(unreadable("a message is longer than the size limit"));
        }
        if length < PRELUDE + TRAILER || headers > length - PRELUDE - TRAILER {
            return Err(unreadable("a message's lengths do not fit"));
        }
        Ok(Some(Prelude { length, headers }))
    }
}

/// What a message says. Headers without meaning here are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// `:message-type`: `event`, `exception`, `error`.
    pub kind: &'a str,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub name: Option<&'a str>,
    /// `:error-message`.
    pub error: Option<&'a str>,
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads one message.
    ///
    /// # Errors
    /// `UpstreamUnreadable`: a checksum or a header is wrong.
    pub fn read(bytes: &'a [u8]) -> Result<Message<'a>> {
        let prelude = Prelude::read(bytes)?.filter(|prelude| prelude.length == bytes.len());
        let Some(prelude) = prelude else { return Err(unreadable("a message is cut short")) };
        let end = prelude.length - TRAILER;
        if crc32fast::hash(bytes.get(..end).unwrap_or_default()) != number(bytes, end) {
            return Err(unreadable("the checksum of a message is wrong"));
        }
        let payload = PRELUDE + prelude.headers;
        let mut message =
            Message { payload: bytes.get(payload..end).unwrap_or_default(), ..Message::default() };
        let mut headers = bytes.get(PRELUDE..payload).unwrap_or_default();
        while !headers.is_empty() {
            let header = message.take_header(headers);
            headers = header.ok_or_else(|| unreadable("a message's header is wrong"))?;
        }
        Ok(message)
    }

    /// Takes the first header; what follows it is returned.
    fn take_header(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (length, rest) = bytes.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (length, rest) = match *kind {
            0 | 1 => (0, rest),
            2 => (1, rest),
            3 => (2, rest),
            4 => (4, rest),
            5 | 8 => (8, rest),
            TEXT | 6 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            9 => (16, rest),
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        if *kind == TEXT {
            let text = std::str::from_utf8(value).ok()?;
            match name {
                b":message-type" => self.kind = text,
                b":event-type" | b":exception-type" | b":error-code" => self.name = Some(text),
                b":error-message" => self.error = Some(text),
                _ => {}
            }
        }
        Some(rest)
    }
}

/// Appends an event whose payload is JSON.
pub fn write_event(out: &mut Vec<u8>, name: &str, payload: impl FnOnce(&mut Vec<u8>)) {
    write(out, &[(":event-type", name), JSON, (":message-type", "event")], payload);
}

/// Appends an exception whose payload is JSON.
pub fn write_exception(out: &mut Vec<u8>, name: &str, payload: impl FnOnce(&mut Vec<u8>)) {
    write(out, &[(":exception-type", name), JSON, (":message-type", "exception")], payload);
}

/// Appends a message. Names and values must be shorter than 256 bytes.
fn write(out: &mut Vec<u8>, headers: &[(&str, &str)], payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PRELUDE]);
    for (name, value) in headers {
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&[TEXT, 0, value.len() as u8]);
        out.extend_from_slice(value.as_bytes());
    }
    let headers = out.len() - start - PRELUDE;
    payload(out);
    let length = out.len() - start + TRAILER;
    let Some(message) = out.get_mut(start..) else { return };
    let mut put = |at: usize, number: u32| {
        if let Some(place) = message.get_mut(at..at + 4) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        crc32fast::hash(message.get(..at + 4).unwrap_or_default())
    };
    put(0, length as u32);
    let crc = put(4, headers as u32);
    put(8, crc);
    let crc = crc32fast::hash(message);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// The number of four bytes that stands there.
fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    u32::from_be_bytes(four.copied().unwrap_or_default())
}

#[cold]
fn unreadable(cause: &'static str) -> Error {
    Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(cause)
}

const JSON: (&str, &str) = (":content-type", "application/json");
/// Bytes before the headers: two lengths and their checksum.
const PRELUDE: usize = 12;
/// Bytes after the payload: the checksum.
const TRAILER: usize = 4;
/// The type of a header that is a text.
const TEXT: u8 = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The messages of a stream, and what is left of it, for one way of chunking it.
    fn cut(stream: &[u8], splits: &[usize]) -> Result<(Vec<Vec<u8>>, Vec<u8>)> {
        let mut cutter = Cutter::default();
        let mut messages = Vec::new();
        let mut places = splits.to_vec();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        for pair in places.windows(2) {
            let chunk = &stream[pair[0]..pair[1]];
            let mut at = 0;
            while let Some(cut) = cutter.next(chunk, at)? {
                let (message, end) = match cut {
                    Cut::Inside(place) => (chunk[place.clone()].to_vec(), place.end),
                    Cut::Joined(message, end) => (message.to_vec(), end),
                };
                messages.push(message);
                at = end;
            }
        }
        Ok((messages, cutter.finish().to_vec()))
    }

    fn sample() -> Vec<u8> {
        let mut out = Vec::new();
        write_event(&mut out, "messageStart", |out| out.extend_from_slice(b"{\"role\":\"assistant\"}"));
        write_event(&mut out, "contentBlockStop", |_| {});
        write_exception(&mut out, "throttlingException", |out| out.extend_from_slice(b"{\"message\":\"m\"}"));
        out
    }

    #[test]
    fn the_empty_message_of_amazons_own_tests_is_read() {
        let empty = [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255];
        assert_eq!(Message::read(&empty).expect("a message"), Message::default());
        let (messages, rest) = cut(&empty, &[3, 12, 13]).expect("a message");
        assert_eq!((messages.as_slice(), rest.len()), ([empty.to_vec()].as_slice(), 0));
    }

    #[test]
    fn what_is_written_is_read() {
        let stream = sample();
        let (messages, _) = cut(&stream, &[]).expect("messages");
        let read: Vec<Message<'_>> =
            messages.iter().map(|message| Message::read(message).expect("a message")).collect();
        let message = |kind, name, payload| Message { kind, name: Some(name), error: None, payload };
        assert_eq!(
            read,
            [
                message("event", "messageStart", b"{\"role\":\"assistant\"}".as_slice()),
                message("event", "contentBlockStop", b""),
                message("exception", "throttlingException", b"{\"message\":\"m\"}"),
            ]
        );
    }

    #[test]
    fn headers_of_other_types_are_passed_over() {
        let mut headers = Vec::new();
        for (kind, length) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
            headers.extend_from_slice(&[1, b'a', kind]);
            headers.extend_from_slice(&vec![7; length]);
        }
        headers.extend_from_slice(&[1, b'b', 6, 0, 2, 1, 1]);
        headers.extend_from_slice(b"\x0b:error-code\x07\x00\x01c\x0e:error-message\x07\x00\x01m");
        let mut message = ((headers.len() + 16) as u32).to_be_bytes().to_vec();
        message.extend_from_slice(&(headers.len() as u32).to_be_bytes());
        message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
        message.extend_from_slice(&headers);
        message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
        let read = Message::read(&message).expect("a message");
        assert_eq!((read.name, read.error, read.payload), (Some("c"), Some("m"), b"".as_slice()));
    }

    #[test]
    fn a_byte_that_changed_on_the_way_is_noticed() {
        let stream = sample();
        for at in 0..stream.len() {
            let mut broken = stream.clone();
            broken[at] ^= 0x40;
            let read = cut(&broken, &[]).and_then(|(messages, _)| {
                messages.iter().try_for_each(|message| Message::read(message).map(drop))
            });
            assert!(read.is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused_before_it_comes() {
        let mut prelude = ((MAX_FRAME + 1) as u32).to_be_bytes().to_vec();
        prelude.extend_from_slice(&[0; 4]);
        prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
        assert!(Cutter::default().next(&prelude, 0).is_err());
        let mut lengths = [[0, 0, 0, 16], [0, 0, 0, 1]].concat();
        lengths.extend_from_slice(&crc32fast::hash(&lengths).to_be_bytes());
        assert!(Cutter::default().next(&lengths, 0).is_err());
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_messages(splits in proptest::collection::vec(0usize..400, 0..12), tail in 0usize..40) {
            let mut stream = sample();
            let again = stream[..tail].to_vec();
            stream.extend_from_slice(&again);
            let splits: Vec<usize> = splits.into_iter().map(|at| at.min(stream.len())).collect();
            let expected = cut(&stream, &[]).expect("messages");
            prop_assert_eq!(expected.1.len(), tail);
            prop_assert_eq!(cut(&stream, &splits).expect("messages"), expected);
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = cut(&bytes, &[]);
            let _ = Message::read(&bytes);
        }
    }
}
