//! HTTP/1.1 answers: heads, and bodies of a known length or in chunks.

use memchr::memmem;

/// Length of the head at the start of `bytes`, its empty line included.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Known(usize),
    Chunked,
}

/// What the head of a whole answer says of its body. Anything but a 200 is an error.
pub fn body_length(head: &[u8]) -> Result<Length, String> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let status = lines.next().unwrap_or_default();
    if !status.starts_with(b"HTTP/1.1 200") {
        return Err(format!("status line `{}`", String::from_utf8_lossy(status)));
    }
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            return length.map(Length::Known).ok_or_else(|| "a length that is no number".to_owned());
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") && value.eq_ignore_ascii_case(b"chunked") {
            return Ok(Length::Chunked);
        }
    }
    Err("the answer has no length".to_owned())
}

/// What the head of an event stream says, as far as it matters here.
pub fn check_head(head: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !text.starts_with("http/1.1 200") {
        return Err(format!("status line `{}`", text.lines().next().unwrap_or_default()));
    }
    if !text.contains("\r\ntransfer-encoding: chunked\r\n") {
        return Err("the stream is not chunked".to_owned());
    }
    if !text.contains("\r\ncontent-type: text/event-stream") {
        return Err("the answer is no event stream".to_owned());
    }
    Ok(())
}

/// Takes a chunked body apart, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Dechunker {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Size,
    Data(usize),
    /// Bytes of the line end after the data that are still to come.
    DataEnd(usize),
    Done,
}

impl Dechunker {
    /// Appends the body bytes of `input` to `body` and returns how much of `input` was used. What is left
    /// over is the beginning of a size line.
    pub fn push(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, String> {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            match self.state {
                State::Done => return Ok(at),
                _ if rest.is_empty() => return Ok(at),
                State::Size => {
                    let Some(end) = memmem::find(rest, b"\r\n") else { return Ok(at) };
                    let size = chunk_size(rest.get(..end).unwrap_or_default())?;
                    if size == 0 && rest.len() < end + 4 {
                        return Ok(at);
                    }
                    at += if size == 0 { end + 4 } else { end + 2 };
                    self.state = if size == 0 { State::Done } else { State::Data(size) };
                }
                State::Data(left) => {
                    let taken = left.min(rest.len());
                    body.extend_from_slice(rest.get(..taken).unwrap_or_default());
                    at += taken;
                    self.state = if taken == left { State::DataEnd(2) } else { State::Data(left - taken) };
                }
                State::DataEnd(left) => {
                    let taken = left.min(rest.len());
                    at += taken;
                    self.state = if taken == left { State::Size } else { State::DataEnd(left - taken) };
                }
            }
        }
    }

    /// Has the last chunk been seen?
    pub fn done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, String> {
    let text = std::str::from_utf8(line).unwrap_or_default();
    let digits = text.split(';').next().unwrap_or_default().trim();
    usize::from_str_radix(digits, 16).map_err(|_| format!("chunk size `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_cut_anywhere_comes_out_the_same() {
        let wire = b"5\r\nhello\r\n00000006\r\n world\r\n0\r\n\r\n";
        for cut in 0..=wire.len() {
            let (mut dechunker, mut body, mut input) = (Dechunker::default(), Vec::new(), Vec::new());
            for part in [wire.get(..cut), wire.get(cut..)] {
                input.extend_from_slice(part.expect("the cut lies inside"));
                let used = dechunker.push(&input, &mut body).expect("sound");
                input.drain(..used);
            }
            assert_eq!(
                (body.as_slice(), dechunker.done()),
                (b"hello world".as_slice(), true),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_whole_answer_says_how_long_its_body_is() {
        let of = |lines: &str| body_length(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n").as_bytes());
        assert_eq!(of("server: x\r\ncontent-LENGTH: 12"), Ok(Length::Known(12)));
        assert_eq!(of("Transfer-Encoding: chunked"), Ok(Length::Chunked));
        assert!(of("content-length: many").is_err() && of("server: x").is_err());
        assert!(body_length(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\n").is_err());
    }

    #[test]
    fn heads_that_are_not_a_stream_are_refused() {
        let good = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(check_head(good.as_bytes()), Ok(()));
        assert_eq!(head_length(good.as_bytes()), Some(good.len()));
        for (from, to) in [("200", "502"), ("chunked", "gzip"), ("text/event-stream", "application/json")] {
            assert!(check_head(good.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
