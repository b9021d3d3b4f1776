//! The seam between the exchange engine and whatever carries its bytes.
//!
//! [`Upstream`] opens one call at a time; a [`Call`] sends one request and reads one answer. The engine
//! decides about time, retries and commitment; an implementation only moves bytes and says truthfully what
//! happened to them.

pub mod client;
pub mod lean;
pub mod pingora;
pub mod tls;

#[cfg(test)]
pub mod memory;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::endpoint::Endpoint;
use crate::document::header::is_reserved;
use crate::http1;
pub use crate::http1::Headers;

/// One request on its way out. `Host` and framing are added by the transport.
#[derive(Debug)]
pub struct Outgoing<'e> {
    /// A body is sent with POST only.
    pub method: Method,
    /// Path and query.
    pub path: Cow<'e, str>,
    pub headers: Headers,
    pub body: Bytes,
}

impl<'e> Outgoing<'e> {
    pub fn post(path: Cow<'e, str>, headers: Headers, body: Bytes) -> Self {
        Outgoing { method: Method::POST, path, headers, body }
    }

    /// Asks for what is there.
    pub fn get(path: &'e str, headers: Headers) -> Self {
        Outgoing { method: Method::GET, path: path.into(), headers, body: Bytes::new() }
    }
}

/// Opens calls.
pub trait Upstream: Send + Sync + 'static {
    type Call: Call;

    /// A connection to `endpoint`: pooled, or new when `fresh`. Everything up to a usable connection (name
    /// lookup, TCP, TLS) fits into `budget`.
    fn open(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        budget: Option<Duration>,
    ) -> impl Future<Output = Result<Self::Call, Fault>> + Send;
}

/// One request and its answer. Dropping a call at any point cuts the exchange: the connection is closed, or
/// the stream reset.
pub trait Call: Send {
    /// Did it begin on a connection that had served before?
    fn reused(&self) -> bool;

    /// Sends the whole request.
    fn send(&mut self, request: &Outgoing<'_>) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Waits for the final answer's head, passing over 1xx, and returns its status.
    fn head(&mut self) -> impl Future<Output = Result<u16, Fault>> + Send;

    /// Header fields of the answer; none before [`Call::head`].
    fn fields(&self) -> Fields<'_>;

    /// Next piece of the body; None at its end. What arrived together comes out together.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send;

    /// Reads the next piece of the body onto the end of `body`; false at its end.
    fn chunk_onto(&mut self, body: &mut Vec<u8>) -> impl Future<Output = Result<bool, Fault>> + Send {
        async {
            let piece = self.chunk().await?;
            body.extend_from_slice(piece.as_deref().unwrap_or_default());
            Ok(piece.is_some())
        }
    }

    /// Does only the end of the connection end this body? Then a cut cannot be told from the end.
    fn close_delimited(&self) -> bool;

    /// The answer was read to its end: the connection may serve again.
    fn release(self) -> impl Future<Output = ()> + Send;
}

/// Header fields of an answer, wherever they are kept.
#[derive(Clone, Copy, Debug)]
pub enum Fields<'a> {
    None,
    Wire(&'a http1::Fields),
    Map(&'a HeaderMap),
}

impl<'a> Fields<'a> {
    /// First value of a field; `name` in lower case.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        match self {
            Fields::None => None,
            Fields::Wire(fields) => fields.get(name),
            Fields::Map(map) => map.get(name).map(HeaderValue::as_bytes),
        }
    }

    /// First value of a field, if it is text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Copies of the fields whose lower-case name `keep` accepts.
    pub fn copied(&self, keep: impl Fn(&str) -> bool) -> Headers {
        match self {
            Fields::None => Headers::default(),
            Fields::Wire(fields) => fields.copied(keep),
            Fields::Map(map) => copied(map, keep),
        }
    }
}

/// Copies of the headers whose lower-case name `keep` accepts.
pub fn copied(map: &HeaderMap, keep: impl Fn(&str) -> bool) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in map.iter().filter(|(name, _)| keep(name.as_str())) {
        headers.push(name, value);
    }
    headers
}

/// The headers as HTTP/2 wants them, with room for `more`. Credentials are marked, so that no table of a
/// connection remembers them (<https://www.rfc-editor.org/rfc/rfc7541#section-7.1.3>).
pub fn mapped(headers: &Headers, more: usize) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len() + more);
    for (name, value) in headers.iter() {
        let sound = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value));
        if let (Ok(key), Ok(mut value)) = sound {
            value.set_sensitive(is_reserved(name));
            map.append(key, value);
        }
    }
    map
}

/// What went wrong underneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Lookup, TCP or TLS failed.
    Connect,
    /// The time for any of these ran out.
    ConnectTimeout,
    /// The peer closed or reset before a byte of the answer.
    Closed,
    /// The peer let go of the request before it looked at it, and says so: it may be sent again, elsewhere.
    Refused,
    /// The peer broke off this exchange before a byte of the answer, and nothing but this exchange.
    Reset,
    /// The peer closed or reset in the middle of the answer.
    Cut,
    /// What arrived is not HTTP.
    Protocol,
}

/// A failure of the transport, with the cause for the log.
#[derive(Clone, Debug)]
pub struct Fault {
    pub kind: FaultKind,
    pub cause: String,
}

impl Fault {
    pub fn new(kind: FaultKind, cause: impl fmt::Display) -> Self {
        Fault { kind, cause: cause.to_string() }
    }
}

/// A body collected by someone who knows when to stop.
#[derive(Debug, Default)]
pub struct Collected {
    first: Option<Bytes>,
    rest: Vec<u8>,
    expected: usize,
}

impl Collected {
    /// For a body that is announced with so many bytes.
    pub fn expecting(bytes: u64) -> Self {
        let expected = usize::try_from(bytes).unwrap_or(usize::MAX).min(MAX_RESERVED);
        Collected { expected, ..Collected::default() }
    }

    /// Adds a piece; a body that came in one is never copied.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        match &self.first {
            None if self.rest.is_empty() => self.first = Some(piece),
            None => self.rest.extend_from_slice(&piece),
            Some(first) => {
                self.rest.reserve((first.len() + piece.len()).max(self.expected));
                self.rest.extend_from_slice(first);
                self.rest.extend_from_slice(&piece);
                self.first = None;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.first.as_ref().map_or(self.rest.len(), Bytes::len)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn into_bytes(self) -> Bytes {
        self.first.unwrap_or_else(|| Bytes::from(self.rest))
    }
}

/// Reserved for an announced body before it arrives; beyond that memory follows the bytes.
const MAX_RESERVED: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_one_piece_is_not_copied_and_pieces_keep_their_order() {
        let piece = Bytes::from_static(b"whole");
        let mut one = Collected::default();
        one.push(piece.clone());
        assert_eq!(one.into_bytes().as_ptr(), piece.as_ptr());
        let mut many = Collected::default();
        for piece in ["a", "b", "", "c"] {
            many.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!((many.len(), many.into_bytes()), (3, Bytes::from_static(b"abc")));
    }
}
