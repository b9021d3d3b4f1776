//! HTTP/1.1 as far as a provider needs it (RFC 9112): reading a request's head, undoing the chunked coding of
//! its body, writing a response's head. No I/O.

use std::mem::MaybeUninit;

use super::call::{Dialect, Refusal};
use super::json::push_number;
use super::route::{Platform, Route, Target};
use super::script::Script;
use super::server::Shared;

/// A request's head, with nothing borrowed from the bytes it was read from.
#[derive(Debug)]
pub(super) struct Head {
    /// Bytes of the head, the empty line included.
    pub(super) len: usize,
    pub(super) route: Route,
    pub(super) body: RequestBody,
    pub(super) keep_alive: bool,
    /// An HTTP/1.0 caller does not know the chunked coding.
    pub(super) knows_chunked: bool,
    /// A HEAD request: the answer's head only.
    pub(super) head_only: bool,
    pub(super) expects_continue: bool,
    pub(super) platform: Platform,
    pub(super) keys: Keys,
    pub(super) script: Script,
    /// What is wrong with an `x-sim-*` header.
    pub(super) complaint: Option<String>,
    has_anthropic_version: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RequestBody {
    Length(usize),
    Chunked,
}

/// The keys a request came with, as far as a vendor asks for one.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// `authorization: Bearer …`
    pub(super) bearer: bool,
    /// `authorization: AWS4-HMAC-SHA256 …` in its full form, with the date it needs.
    pub(super) signature: bool,
    signed_date: bool,
    /// `api-key`, Azure's.
    pub(super) azure: bool,
    /// `x-goog-api-key`, or `key` in the query.
    pub(super) google: bool,
    /// The key is the one the simulated provider refuses.
    pub(super) refused: bool,
}

impl Keys {
    /// Whether AWS would look further than at the presence of a signature.
    pub(super) fn aws(&self) -> bool {
        self.bearer || (self.signature && self.signed_date)
    }

    fn authorization(&mut self, value: &[u8]) {
        self.refused |= value.ends_with(REFUSED_KEY);
        let value = str::from_utf8(value).unwrap_or_default();
        self.bearer |= value.len() > "Bearer ".len() && value.starts_with("Bearer ");
        self.signature |= value.strip_prefix("AWS4-HMAC-SHA256 ").is_some_and(|parts| {
            let signed = parts.split(',').find_map(|part| part.trim().strip_prefix("SignedHeaders="));
            let signs =
                |name: &str| signed.is_some_and(|names| names.split(';').any(|signed| signed == name));
            parts.contains("Credential=")
                && parts.contains("Signature=")
                && signs("host")
                && signs("x-amz-date")
        });
    }
}

impl Head {
    /// Reads the head at the beginning of `bytes`; none if it is not complete yet.
    pub(super) fn parse(bytes: &[u8], shared: &Shared) -> Result<Option<Head>, Refusal> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        let len = match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::new(431, "The request head is too large."));
            }
            Err(error) => return Err(Refusal::new(400, format!("This is not HTTP/1.1: {error}."))),
        };
        let method = request.method.unwrap_or_default();
        let http11 = request.version == Some(1);
        let Target { route, platform, query_key } = Target::of(method, request.path.unwrap_or_default());
        let mut head = Head {
            len,
            script: route.script(shared),
            route,
            body: RequestBody::Length(0),
            keep_alive: http11,
            knows_chunked: http11,
            head_only: method == "HEAD",
            expects_continue: false,
            platform,
            keys: Keys {
                google: query_key.is_some(),
                refused: query_key.is_some_and(|key| key.as_bytes() == REFUSED_KEY),
                ..Keys::default()
            },
            complaint: None,
            has_anthropic_version: false,
        };
        head.read_headers(request.headers)?;
        Ok(Some(head))
    }

    /// Whose envelope and shapes the answer has.
    pub(super) fn dialect(&self) -> Dialect {
        match self.route {
            Route::Models | Route::Model(_) if self.has_anthropic_version => Dialect::Anthropic,
            ref route => route.dialect(),
        }
    }

    fn read_headers(&mut self, headers: &[httparse::Header]) -> Result<(), Refusal> {
        let mut length = None;
        let mut chunked = false;
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            match header.name.len() {
                14 if is("content-length") => length = Some(content_length(header.value, length)?),
                17 if is("transfer-encoding") => chunked = is_chunked(header.value)?,
                17 if is("anthropic-version") => self.has_anthropic_version = true,
                10 if is("connection") => self.keep_alive = keeps_alive(header.value, self.keep_alive),
                6 if is("expect") => {
                    self.expects_continue = header.value.eq_ignore_ascii_case(b"100-continue");
                }
                13 if is("authorization") => self.keys.authorization(header.value),
                9 if is("x-api-key") => self.keys.refused |= header.value == REFUSED_KEY,
                7 if is("api-key") => {
                    self.keys.azure = !header.value.is_empty();
                    self.keys.refused |= header.value == REFUSED_KEY;
                }
                14 if is("x-goog-api-key") => {
                    self.keys.google = !header.value.is_empty();
                    self.keys.refused |= header.value == REFUSED_KEY;
                }
                10 if is("x-amz-date") => self.keys.signed_date = true,
                _ => self.read_override(header),
            }
        }
        self.body = match (chunked, length) {
            (true, Some(_)) => return Err(Refusal::new(400, "Both content-length and transfer-encoding.")),
            (true, None) => RequestBody::Chunked,
            (false, length) => RequestBody::Length(length.unwrap_or(0)),
        };
        Ok(())
    }

    fn read_override(&mut self, header: &httparse::Header) {
        let Some((prefix, name)) = header.name.split_at_checked(OVERRIDE.len()) else { return };
        if !prefix.eq_ignore_ascii_case(OVERRIDE) {
            return;
        }
        let value = str::from_utf8(header.value).unwrap_or("?").trim();
        let outcome = self.script.set(&name.to_ascii_lowercase(), value);
        self.complaint = self.complaint.take().or(outcome.err());
    }
}

/// Undoes the chunked transfer coding (RFC 9112, section 7.1) as bytes arrive.
#[derive(Debug, Default)]
pub(super) struct Dechunker {
    /// The body so far.
    pub(super) decoded: Vec<u8>,
    /// Coded bytes understood so far.
    pub(super) taken: usize,
    state: ChunkState,
}

#[derive(Debug, Default, Clone, Copy)]
enum ChunkState {
    #[default]
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

impl Dechunker {
    /// Goes on through `coded`, the whole coded body as far as it has arrived; whether the body is complete.
    pub(super) fn advance(&mut self, coded: &[u8]) -> Result<bool, Refusal> {
        let broken = || Refusal::new(400, "The chunked request body is broken.");
        loop {
            let rest = coded.get(self.taken..).unwrap_or_default();
            match self.state {
                ChunkState::Done => return Ok(true),
                ChunkState::Size => match httparse::parse_chunk_size(rest).map_err(|_| broken())? {
                    httparse::Status::Partial if rest.len() > MAX_HEAD => return Err(broken()),
                    httparse::Status::Partial => return Ok(false),
                    httparse::Status::Complete((len, size)) => self.begin_chunk(len, size)?,
                },
                ChunkState::Data(left) => {
                    let piece = rest.get(..left.min(rest.len())).unwrap_or_default();
                    if piece.is_empty() {
                        return Ok(false);
                    }
                    self.decoded.extend_from_slice(piece);
                    self.taken += piece.len();
                    self.state = match left - piece.len() {
                        0 => ChunkState::DataEnd,
                        left => ChunkState::Data(left),
                    };
                }
                ChunkState::DataEnd => match rest.get(..2) {
                    None => return Ok(false),
                    Some(b"\r\n") => {
                        self.taken += 2;
                        self.state = ChunkState::Size;
                    }
                    Some(_) => return Err(broken()),
                },
                ChunkState::Trailer => match memchr::memchr(b'\n', rest) {
                    None if rest.len() > MAX_HEAD => return Err(broken()),
                    None => return Ok(false),
                    Some(end) => {
                        let empty = matches!(rest.get(..end), Some(b"\r" | b""));
                        self.taken += end + 1;
                        self.state = if empty { ChunkState::Done } else { ChunkState::Trailer };
                    }
                },
            }
        }
    }

    fn begin_chunk(&mut self, len: usize, size: u64) -> Result<(), Refusal> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > MAX_BODY.saturating_sub(self.decoded.len()) {
            return Err(too_large());
        }
        self.taken += len;
        self.state = if size == 0 { ChunkState::Trailer } else { ChunkState::Data(size) };
        Ok(())
    }
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) media: Media,
    pub(super) dialect: Dialect,
    pub(super) serial: u64,
    pub(super) body: ResponseBody,
    pub(super) retry_after: Option<u32>,
    /// AWS's name of an error.
    pub(super) error_type: Option<&'static str>,
    pub(super) close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Media {
    Json,
    Events,
    /// AWS's event stream.
    Messages,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ResponseBody {
    Length(usize),
    Chunked,
    UntilClose,
}

impl ResponseHead {
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        push_number(out, self.status.into());
        out.push(b' ');
        out.extend_from_slice(reason(self.status));
        out.extend_from_slice(b"\r\nserver: aisix-sim\r\ncontent-type: ");
        out.extend_from_slice(match self.media {
            Media::Json => b"application/json",
            Media::Events => b"text/event-stream; charset=utf-8\r\ncache-control: no-cache",
            Media::Messages => b"application/vnd.amazon.eventstream",
            Media::Text => b"text/plain",
        });
        out.extend_from_slice(match self.dialect {
            Dialect::OpenAi | Dialect::Responses => b"\r\nx-request-id: req_sim_",
            Dialect::Anthropic => b"\r\nrequest-id: req_sim_",
            Dialect::Bedrock => b"\r\nx-amzn-requestid: req_sim_",
            Dialect::Gemini => b"\r\nx-goog-request-id: req_sim_" as &[u8],
        });
        push_number(out, self.serial);
        if let Some(error_type) = self.error_type {
            out.extend_from_slice(b"\r\nx-amzn-errortype: ");
            out.extend_from_slice(error_type.as_bytes());
        }
        if let Some(seconds) = self.retry_after {
            out.extend_from_slice(b"\r\nretry-after: ");
            push_number(out, seconds.into());
        }
        match self.body {
            ResponseBody::Length(length) => {
                out.extend_from_slice(b"\r\ncontent-length: ");
                push_number(out, length as u64);
            }
            ResponseBody::Chunked => out.extend_from_slice(b"\r\ntransfer-encoding: chunked"),
            ResponseBody::UntilClose => {}
        }
        out.extend_from_slice(if self.close { b"\r\nconnection: close\r\n\r\n" } else { b"\r\n\r\n" });
    }
}

fn content_length(value: &[u8], earlier: Option<usize>) -> Result<usize, Refusal> {
    let digits =
        str::from_utf8(value).ok().map(str::trim).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let length = digits.and_then(|text| text.parse().ok());
    match (length, earlier) {
        (None, _) => Err(Refusal::new(400, "content-length is not a number.")),
        (Some(length), Some(earlier)) if length != earlier => {
            Err(Refusal::new(400, "Two different content-lengths."))
        }
        (Some(length), _) if length > MAX_BODY => Err(too_large()),
        (Some(length), _) => Ok(length),
    }
}

fn is_chunked(value: &[u8]) -> Result<bool, Refusal> {
    match value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
        true => Ok(true),
        false => Err(Refusal::new(501, "No transfer coding but chunked is understood.")),
    }
}

fn keeps_alive(value: &[u8], otherwise: bool) -> bool {
    let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    options.clone().all(|option| !option.eq_ignore_ascii_case(b"close"))
        && (otherwise || options.any(|option| option.eq_ignore_ascii_case(b"keep-alive")))
}

fn too_large() -> Refusal {
    Refusal::new(413, "The request body is larger than 64 MiB.")
}

fn reason(status: u16) -> &'static [u8] {
    match status {
        200 => b"OK",
        400 => b"Bad Request",
        401 => b"Unauthorized",
        403 => b"Forbidden",
        404 => b"Not Found",
        408 => b"Request Timeout",
        413 => b"Content Too Large",
        424 => b"Failed Dependency",
        422 => b"Unprocessable Content",
        429 => b"Too Many Requests",
        431 => b"Request Header Fields Too Large",
        500 => b"Internal Server Error",
        502 => b"Bad Gateway",
        503 => b"Service Unavailable",
        504 => b"Gateway Timeout",
        529 => b"Overloaded",
        _ => b"Simulated",
    }
}

/// The interim response that lets a waiting caller send its body.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const MAX_HEADERS: usize = 128;
const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 64 * 1024 * 1024;
const OVERRIDE: &str = "x-sim-";
/// Any other key, or none, is accepted.
const REFUSED_KEY: &[u8] = b"sk-sim-bad";
