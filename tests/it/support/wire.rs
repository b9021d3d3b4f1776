//! HTTP/1.1 on the level of bytes, shared by the client and the upstream double: heads, header lists, bodies.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Both directions of a connection, plain or TLS.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Headers in the order of the wire, names in lower case.
#[derive(Clone, Debug, Default)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// How many times a header is present.
    pub fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(n, _)| n == name).count()
    }

    fn parsed(raw: &[httparse::Header<'_>]) -> Self {
        let pair = |h: &httparse::Header<'_>| {
            (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).into_owned())
        };
        Headers(raw.iter().map(pair).collect())
    }
}

/// Bytes which arrived and were not yet consumed, with the readers both ends need.
pub struct Reader {
    pub io: Box<dyn Io>,
    pub buffer: BytesMut,
}

impl Reader {
    pub fn new(io: Box<dyn Io>) -> Self {
        Reader { io, buffer: BytesMut::new() }
    }

    /// Reads once more. `false` when the peer has closed, cleanly or not.
    pub async fn fill(&mut self) -> bool {
        self.buffer.reserve(READ_BYTES);
        matches!(self.io.read_buf(&mut self.buffer).await, Ok(n) if n > 0)
    }

    /// Everything up to and including `mark`; `None` when the peer closed first.
    pub async fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.buffer[from..], mark) {
                return Some(self.buffer.split_to(from + at + mark.len()).to_vec());
            }
            from = self.buffer.len().saturating_sub(mark.len() - 1);
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Exactly `length` bytes; `None` when the peer closed first.
    pub async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        Some(self.buffer.split_to(length).to_vec())
    }

    /// The next piece of a chunked body: empty after the last chunk, `None` when it was cut.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.until(b"\r\n").await?;
        let size = std::str::from_utf8(&line).ok()?.trim().split(';').next()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        let data = self.exactly(size).await?;
        self.until(b"\r\n").await.map(|_| data)
    }

    /// A whole body by its framing headers; `None` when it was cut short.
    pub async fn body(&mut self, headers: &Headers) -> Option<Vec<u8>> {
        if headers.first("transfer-encoding").is_some() {
            let mut whole = Vec::new();
            loop {
                let piece = self.chunk().await?;
                if piece.is_empty() {
                    return Some(whole);
                }
                whole.extend(piece);
            }
        }
        let length = headers.first("content-length").map_or(0, |l| l.parse().expect("a length"));
        self.exactly(length).await
    }
}

/// A request head as the upstream double reads it.
pub fn request_head(raw: &[u8]) -> (String, String, Headers) {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut slots);
    let status = parsed.parse(raw).expect("a request head");
    assert!(status.is_complete(), "half a request head");
    let method = parsed.method.expect("a method").to_owned();
    let path = parsed.path.expect("a path").to_owned();
    (method, path, Headers::parsed(parsed.headers))
}

/// Status and headers of a response head.
pub fn response_head(raw: &[u8]) -> (u16, Headers) {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Response::new(&mut slots);
    let status = parsed.parse(raw).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(raw)));
    assert!(status.is_complete(), "half a response head");
    (parsed.code.expect("a status"), Headers::parsed(parsed.headers))
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

/// Room for one read.
const READ_BYTES: usize = 64 * 1024;
