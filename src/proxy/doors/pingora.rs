//! The `ProxyHttp` door: Pingora's own HTTP/1.1 and HTTP/2 sessions.
//!
//! A modelled request never uses Pingora's forwarding: the head of an upstream's answer would reach the
//! caller before its body is known, and nothing could fail over any more. The walk runs inside
//! `proxy_upstream_filter` and answers there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};
use pingora_core::protocols::http::ServerSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, ErrorType};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use smallvec::SmallVec;

use super::Times;
use super::lent::Lent;
use crate::proxy::downstream::{Broken, Downstream, Drained, ResponseHead};
use crate::proxy::lifecycle;
use crate::proxy::node::Node;
use crate::upstream::transport::{Headers, Upstream, copied, mapped};

/// The door.
pub struct Door<U: Upstream> {
    node: Arc<Node<U>>,
    times: Times,
}

impl<U: Upstream> Door<U> {
    pub fn new(node: Arc<Node<U>>, times: Times) -> Self {
        Door { node, times }
    }
}

#[async_trait]
impl<U: Upstream> ProxyHttp for Door<U> {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut ()) -> pingora_error::Result<()> {
        let session = session.as_downstream_mut();
        session.set_write_timeout(self.times.write);
        session.set_read_timeout(self.times.read);
        // The walk drains what is left of a request itself, after its answer.
        session.set_close_on_response_before_downstream_finish(false);
        // Pingora looks at the first Connection field alone.
        if says_close(&session.req_header().headers) {
            session.set_keepalive(None);
        }
        Ok(())
    }

    async fn proxy_upstream_filter(
        &self,
        session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_error::Result<bool> {
        let mut down = PingoraDown::new(session.as_downstream_mut(), self.times);
        lifecycle::serve(&*self.node, &mut down).await;
        Ok(false)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_error::Result<Box<HttpPeer>> {
        PingoraError::e_explain(ErrorType::InternalError, "modelled requests are never forwarded by Pingora")
    }

    /// Nothing is left to say: the walk has answered whatever could be answered.
    async fn fail_to_proxy(
        &self,
        _session: &mut Session,
        _error: &PingoraError,
        _ctx: &mut (),
    ) -> FailToProxy {
        FailToProxy { error_code: 0, can_reuse_downstream: false }
    }
}

/// [`Downstream`] over a Pingora session.
pub struct PingoraDown<'s> {
    session: &'s mut ServerSession,
    times: Times,
    /// The caller waits for `100 Continue` before it sends its body.
    waits: bool,
    body_done: bool,
    closing: bool,
}

impl<'s> PingoraDown<'s> {
    fn new(session: &'s mut ServerSession, times: Times) -> Self {
        let request = session.req_header();
        let waits = request.version == Version::HTTP_11
            && request
                .headers
                .get(header::EXPECT)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        PingoraDown { session, times, waits, body_done: false, closing: false }
    }

    fn is_http1(&self) -> bool {
        self.session.as_http1().is_some()
    }
}

impl Downstream for PingoraDown<'_> {
    fn method(&self) -> &Method {
        &self.session.req_header().method
    }

    fn path(&self) -> &str {
        self.session.req_header().uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.session.req_header().uri.query()
    }

    fn version(&self) -> &'static str {
        match self.session.req_header().version {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.session.req_header().headers.get(name).map(HeaderValue::as_bytes)
    }

    fn header_values(&self, name: &str) -> SmallVec<[&[u8]; 2]> {
        self.session.req_header().headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    fn announced(&self) -> Option<u64> {
        std::str::from_utf8(self.header("content-length")?).ok()?.trim().parse().ok()
    }

    fn headers_where(&self, keep: fn(&str) -> bool) -> Headers {
        copied(&self.session.req_header().headers, keep)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.session.client_addr()?.as_inet().map(|address| address.ip())
    }

    async fn invite(&mut self) -> Result<(), Broken> {
        if std::mem::take(&mut self.waits) {
            self.session.write_continue_response().await.map_err(|error| broken(&error))?;
        }
        Ok(())
    }

    async fn read_onto(&mut self, body: &mut Vec<u8>) -> Result<bool, Broken> {
        let reading = self.session.read_request_body();
        // Pingora bounds reads of HTTP/1.1 alone.
        let read = match self.times.read {
            Some(timeout) => pingora_timeout::timeout(timeout, reading).await.map_err(|_| Broken::Slow)?,
            None => reading.await,
        };
        let piece = match read.map_err(|error| broken(&error)) {
            Ok(piece) => piece,
            Err(error) => {
                if matches!(error, Broken::Framing(_)) {
                    // Nobody knows where the next message begins.
                    self.close_after();
                }
                return Err(error);
            }
        };
        self.body_done = piece.is_none();
        body.extend_from_slice(piece.as_deref().unwrap_or_default());
        Ok(!self.body_done)
    }

    async fn send_head(&mut self, head: ResponseHead) -> Result<(), Broken> {
        if self.waits {
            // The caller was never invited: what it will send now cannot be known.
            self.close_after();
        }
        if self.closing {
            self.session.set_keepalive(None);
        }
        let chunked = head.length.is_none() && self.session.req_header().version == Version::HTTP_11;
        let response = Box::new(response_header(&head, chunked));
        self.session.write_response_header(response).await.map_err(|error| broken(&error))
    }

    async fn send(&mut self, piece: Bytes, last: bool) -> Result<(), Broken> {
        if piece.is_empty() && (!last || self.is_http1()) {
            // Heads never wait here, and the end of an HTTP/1.1 body is written when the session finishes.
            return Ok(());
        }
        self.session.write_response_body(piece, last).await.map_err(|error| broken(&error))
    }

    async fn gone(&mut self) {
        // Only an error tells of a departure: the message has been read, so no data can come.
        while self.session.read_body_or_idle(true).await.is_ok() {}
    }

    async fn drain(&mut self) -> Drained {
        if self.body_done || !self.is_http1() || self.session.is_body_done() {
            return Drained::Completed;
        }
        let mut drained = 0;
        let draining = async {
            // The caller may wait for the answer before it stops sending.
            if self.session.finish_body().await.is_err() {
                return Drained::ReadError;
            }
            if self.closing && self.waits {
                return Drained::Completed;
            }
            loop {
                match self.session.read_request_body().await {
                    Ok(Some(piece)) => drained += piece.len(),
                    Ok(None) => return Drained::Completed,
                    Err(_) => return Drained::ReadError,
                }
                if drained > MAX_DRAINED_BYTES {
                    return Drained::CapReached;
                }
            }
        };
        let patience = if self.closing { LINGER } else { DRAIN_PATIENCE };
        let outcome = pingora_timeout::timeout(patience, draining).await.unwrap_or(Drained::TimedOut);
        if outcome != Drained::Completed {
            self.close_after();
        }
        outcome
    }

    fn close_after(&mut self) {
        self.closing = true;
        self.session.set_keepalive(None);
    }

    async fn abort(&mut self) {
        self.closing = true;
        self.session.set_keepalive(None);
        match self.session.stream() {
            Some(stream) => Lent::cut(stream),
            // HTTP/2: a reset of this one stream, which waits for nobody.
            None => self.session.shutdown().await,
        }
    }
}

fn says_close(headers: &HeaderMap) -> bool {
    let tokens =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&b| b == b','));
    tokens.map(<[u8]>::trim_ascii).any(|token| token.eq_ignore_ascii_case(b"close"))
}

fn response_header(head: &ResponseHead, chunked: bool) -> ResponseHeader {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Room for what the session adds.
    parts.headers = mapped(&head.headers, 3);
    if let Some(length) = head.length {
        parts.headers.insert(header::CONTENT_LENGTH, length.into());
    } else if chunked {
        parts.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.into()
}

fn broken(error: &PingoraError) -> Broken {
    match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Broken::Slow,
        _ if is_framing(error) => Broken::Framing("the request body is framed wrongly"),
        _ => Broken::Gone,
    }
}

/// Did our own check of the framing refuse a byte?
fn is_framing(error: &PingoraError) -> bool {
    let io = error.root_cause().downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData)
}

/// Bytes of a refused body that are read away so that the caller can read its answer.
const MAX_DRAINED_BYTES: usize = 32 * 1024 * 1024;
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a connection that will be closed anyway: closing on unread bytes would reset it and could take
/// the answer with it.
const LINGER: Duration = Duration::from_millis(500);
