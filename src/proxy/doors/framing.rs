//! Where an HTTP/1.1 message ends, without leniency.
//!
//! Two parsers that disagree about the end of a message let one caller write another's request. So what
//! RFC 9112 calls ambiguous is refused here, before anything else looks at it.

use crate::error::{Error, Kind, Result};

/// What a request head says about its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, the empty line included.
    pub len: usize,
    pub body: BodyEnd,
    pub path: String,
}

/// How a body ends, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(ChunkScan),
}

/// Looks for a complete head at the start of `bytes`.
///
/// # Errors
/// What is wrong with it, and the path as far as it could be read, for the choice of envelope.
pub fn head(bytes: &[u8]) -> Result<Option<Head>, (Error, String)> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut slots);
    let parsed = request.parse(bytes);
    let path = request.path.unwrap_or_default().to_owned();
    let refuse = |error: Error| Err((error, path.clone()));
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return refuse(Error::new(Kind::HeadTooLarge, "the request has too many header fields"));
        }
        Err(_) => return refuse(Error::bad_request("the request head is not valid HTTP/1.1")),
    };
    if let Some(what) = bytes.get(..len).and_then(bare_line_feed) {
        return refuse(Error::bad_request(what));
    }
    if request.method == Some("CONNECT") {
        return refuse(Error::new(Kind::WrongMethod, "this gateway opens no tunnels"));
    }
    match body_end(&request) {
        Ok(body) => Ok(Some(Head { len, body, path })),
        Err(error) => refuse(error),
    }
}

fn bare_line_feed(head: &[u8]) -> Option<&'static str> {
    let bare = memchr::memchr_iter(b'\n', head).any(|at| at == 0 || head.get(at - 1) != Some(&b'\r'));
    bare.then_some("the lines of a request head must end in CR LF")
}

fn body_end(request: &httparse::Request<'_, '_>) -> Result<BodyEnd> {
    let values = |name: &'static str| {
        request
            .headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    };
    let hosts = values("host").count();
    if hosts > 1 || (hosts == 0 && request.version == Some(1)) {
        return Err(Error::bad_request("the request needs exactly one Host header"));
    }
    let mut lengths = values("content-length");
    let mut encodings = values("transfer-encoding");
    match (lengths.next(), encodings.next()) {
        (None, None) => Ok(BodyEnd::Length(0)),
        (Some(_), Some(_)) => {
            Err(Error::bad_request("the request has both Content-Length and Transfer-Encoding"))
        }
        (Some(length), None) => {
            if lengths.next().is_some() {
                return Err(Error::bad_request("conflicting Content-Length headers"));
            }
            content_length(length).map(BodyEnd::Length)
        }
        (None, Some(encoding)) => {
            let only_chunked =
                encodings.next().is_none() && encoding.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if !only_chunked || request.version == Some(0) {
                return Err(Error::bad_request(
                    "the only Transfer-Encoding understood is chunked, on HTTP/1.1",
                ));
            }
            Ok(BodyEnd::Chunked(ChunkScan::default()))
        }
    }
}

/// Digits only: no sign, no space, no list, and a number that fits.
fn content_length(value: &[u8]) -> Result<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten();
    number.ok_or_else(|| Error::bad_request("invalid Content-Length header"))
}

impl BodyEnd {
    /// How many of `bytes` belong to this message. Less than all means that the message ended there.
    ///
    /// # Errors
    /// What is wrong with the framing.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        match self {
            BodyEnd::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                Ok(taken)
            }
            BodyEnd::Chunked(scan) => scan.take(bytes),
        }
    }

    /// Has the message ended?
    pub fn done(&self) -> bool {
        match self {
            BodyEnd::Length(left) => *left == 0,
            BodyEnd::Chunked(scan) => scan.state == ChunkState::Done,
        }
    }
}

/// Follows a chunked body to its end without touching it
/// (<https://www.rfc-editor.org/rfc/rfc9112#section-7.1>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkScan {
    state: ChunkState,
    /// Size being read, or bytes left of the chunk's data.
    left: u64,
    /// Hexadecimal digits of the size so far.
    digits: u8,
    /// Bytes of the current line, or of all trailers.
    line: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

impl ChunkScan {
    fn take(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                ChunkState::Done => break,
                ChunkState::Data => {
                    let piece = (bytes.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.left -= piece as u64;
                    at += piece;
                    if self.left == 0 {
                        self.state = ChunkState::DataCr;
                    }
                }
                _ => {
                    self.step(byte)?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        use ChunkState::*;
        self.state = match (self.state, byte) {
            (Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => return self.digit(byte),
            (Size, b'\r') if self.digits > 0 => SizeLf,
            (Size, b';') if self.digits > 0 => self.next_line_byte(Extension)?,
            (Size, _) => return Err("invalid chunk size"),
            (Extension, b'\r') => SizeLf,
            (Extension, b'\n') => return Err("a chunk size line must end in CR LF"),
            (Extension, _) => self.next_line_byte(Extension)?,
            (SizeLf, b'\n') => self.sized(),
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (TrailerStart, b'\r') => EndLf,
            (TrailerStart | Trailer, b'\n') => return Err("a trailer line must end in CR LF"),
            (Trailer, b'\r') => TrailerLf,
            (TrailerStart | Trailer, _) => self.next_line_byte(Trailer)?,
            (TrailerLf, b'\n') => TrailerStart,
            (EndLf, b'\n') => Done,
            _ => return Err("a chunk is not followed by CR LF"),
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<(), &'static str> {
        self.digits += 1;
        if self.digits > MAX_SIZE_DIGITS {
            return Err("a chunk is too large");
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => byte - b'A' + 10,
        };
        self.left = self.left << 4 | u64::from(value);
        Ok(())
    }

    fn sized(&mut self) -> ChunkState {
        self.digits = 0;
        self.line = 0;
        if self.left == 0 { ChunkState::TrailerStart } else { ChunkState::Data }
    }

    fn next_line_byte(&mut self, state: ChunkState) -> Result<ChunkState, &'static str> {
        self.line += 1;
        if self.line > MAX_LINE_BYTES { Err("a chunk extension or trailer is too long") } else { Ok(state) }
    }
}

/// Header fields a request may have.
const MAX_HEADERS: usize = 128;
/// 2^60 bytes and more are nobody's chunk.
const MAX_SIZE_DIGITS: u8 = 15;
/// Bytes of one chunk's extensions, or of all trailers.
const MAX_LINE_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &str) -> Result<Option<Head>, (Error, String)> {
        head(format!("POST /v1/messages HTTP/1.1\r\nHost: a\r\n{extra}\r\n").as_bytes())
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        for extra in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Host: b\r\n",
            "X-Folded: a\r\n b\r\n",
            "X-Bare: a\nX-B: c\r\n",
            "Bad Name: a\r\n",
            "X\0: a\r\n",
        ] {
            let (error, path) = parse(extra).expect_err(extra);
            assert_eq!((error.kind, path.as_str()), (Kind::BadRequest, "/v1/messages"), "{extra}");
        }
    }

    #[test]
    fn plain_heads_say_how_their_body_ends() {
        let end = |extra| parse(extra).expect("sound").expect("complete").body;
        assert_eq!(end(""), BodyEnd::Length(0));
        assert_eq!(end("Content-Length: 12\r\n"), BodyEnd::Length(12));
        assert!(matches!(end("transfer-encoding: Chunked\r\n"), BodyEnd::Chunked(_)));
        assert_eq!(head(b"GET / HTTP/1.1\r\nHost:").expect("sound so far"), None);
        assert!(head(b"GET / HTTP/1.1\r\n\r\n").is_err(), "HTTP/1.1 needs a Host");
        assert!(head(b"GET / HTTP/1.0\r\n\r\n").expect("sound").is_some());
    }

    #[test]
    fn a_chunked_body_ends_at_the_same_byte_however_it_is_cut() {
        let body = b"4;ext=1\r\nWiki\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-T: 1\r\n\r\n";
        let with_more = [body.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
        for cut in 0..=with_more.len() {
            let mut scan = BodyEnd::Chunked(ChunkScan::default());
            let (first, second) = with_more.split_at(cut);
            let mut taken = scan.take(first).expect("sound");
            if taken == first.len() {
                taken += scan.take(second).expect("sound");
            }
            assert_eq!((taken, scan.done()), (body.len(), true), "cut at {cut}");
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        for body in [
            "\r\n",
            "g\r\n",
            "1\nx",
            "1\r\nxy",
            "1\r\nx\n",
            "-1\r\n",
            " 1\r\n",
            "1 \r\n",
            "FFFFFFFFFFFFFFFFFF\r\n",
            "0\r\nX: 1\n",
            "1;a\nx",
        ] {
            let mut scan = BodyEnd::Chunked(ChunkScan::default());
            assert!(scan.take(body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
