//! One exchange over a Pingora session.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version as HttpVersion, header};
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error as PingoraError, ErrorType};
use pingora_http::RequestHeader;

use super::{Known, Pools, Version, brief};
use crate::upstream::transport::{Call, Fault, FaultKind, Outgoing};
use crate::wire::Gathered;

/// One request and its answer, on a pooled or a new connection.
pub struct PingoraCall {
    pools: Arc<Pools>,
    peer: Arc<HttpPeer>,
    known: Arc<Known>,
    authority: HeaderValue,
    /// None once it was given back.
    session: Option<HttpSession>,
    reused: bool,
    /// The session took the head of the request; before that there is no answer to look for.
    sent: bool,
    answered: bool,
}

impl PingoraCall {
    pub(super) fn new(
        pools: Arc<Pools>,
        peer: Arc<HttpPeer>,
        known: Arc<Known>,
        authority: HeaderValue,
        session: HttpSession,
        reused: bool,
    ) -> Self {
        let session = Some(session);
        PingoraCall { pools, peer, known, authority, session, reused, sent: false, answered: false }
    }

    fn request_header(&self, request: &Outgoing) -> Result<RequestHeader, Fault> {
        let http2 = matches!(self.session, Some(HttpSession::H2(_)));
        let path = request.path.as_str();
        let uri = if http2 {
            Uri::builder().scheme("https").authority(self.authority.as_bytes()).path_and_query(path).build()
        } else {
            Uri::builder().path_and_query(path).build()
        };
        let uri = uri.map_err(|error| Fault::new(FaultKind::Protocol, error))?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = Method::POST;
        parts.uri = uri;
        parts.version = if http2 { HttpVersion::HTTP_2 } else { HttpVersion::HTTP_11 };
        parts.headers = HeaderMap::with_capacity(request.headers.len() + 2);
        if !http2 {
            parts.headers.append(header::HOST, self.authority.clone());
        }
        for (name, value) in &request.headers {
            parts.headers.append(name.clone(), value.clone());
        }
        // Whatever else is in the list, there is one length and it is the true one.
        parts.headers.remove(header::TRANSFER_ENCODING);
        parts.headers.insert(header::CONTENT_LENGTH, request.body.len().into());
        Ok(parts.into())
    }

    /// Head and body leave together where the connection is our own.
    fn hold(&self, held: bool) {
        if let Some(HttpSession::H1(session)) = &self.session
            && let Some(gathered) = (**session.stream()).as_any().downcast_ref::<Gathered>()
        {
            gathered.hold(held);
        }
    }

    async fn send_body(&mut self, request: &Outgoing) -> Result<(), Fault> {
        let mut rest = request.body.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            let writing = self.session().write_request_body(piece, rest.is_empty());
            let wrote = pingora_timeout::timeout(WRITE_STALL, writing).await;
            let wrote = wrote
                .map_err(|_| Fault::new(FaultKind::Closed, "the upstream stopped reading the request"))?;
            wrote.map_err(|error| self.fault(&error))?;
        }
        self.hold(false);
        let finished = self.session().finish_request_body().await;
        finished.map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &PingoraError) -> Fault {
        let kind = match error.etype() {
            ErrorType::InvalidHTTPHeader => FaultKind::Protocol,
            _ if self.answered => FaultKind::Cut,
            // This upstream wants HTTP/1.1 for what was asked of it.
            ErrorType::H2Downgrade => {
                self.known.learn(Version::OnlyOne);
                FaultKind::Refused
            }
            _ => error.root_cause().downcast_ref().map_or(FaultKind::Closed, http2_fault),
        };
        Fault::new(kind, brief(error))
    }

    fn session(&mut self) -> &mut HttpSession {
        self.session.as_mut().expect("taken only by release and drop, which end the call")
    }
}

/// What HTTP/2 says about a request without an answer (<https://www.rfc-editor.org/rfc/rfc9113#section-8.7>).
fn http2_fault(error: &h2::Error) -> FaultKind {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => FaultKind::Refused,
        Some(h2::Reason::NO_ERROR) if error.is_go_away() => FaultKind::Refused,
        _ if error.is_reset() => FaultKind::Reset,
        _ => FaultKind::Closed,
    }
}

/// An abandoned HTTP/2 stream is reset, and its connection goes back to the pool, where its idle time ends
/// it. An abandoned HTTP/1.1 connection is closed by being dropped.
impl Drop for PingoraCall {
    fn drop(&mut self) {
        if let Some(HttpSession::H2(session)) = self.session.take() {
            self.pools.h2.release_http_session(session, &*self.peer, self.pools.idle);
        }
    }
}

impl Call for PingoraCall {
    fn reused(&self) -> bool {
        self.reused
    }

    async fn send(&mut self, request: &Outgoing) -> Result<(), Fault> {
        let head = Box::new(self.request_header(request)?);
        self.hold(true);
        let wrote = self.session().write_request_header(head).await;
        wrote.map_err(|error| self.fault(&error))?;
        self.sent = true;
        self.send_body(request).await
    }

    async fn head(&mut self) -> Result<u16, Fault> {
        if !self.sent {
            return Err(Fault::new(FaultKind::Closed, "the request was not sent"));
        }
        self.hold(false);
        loop {
            let read = self.session().read_response_header().await;
            read.map_err(|error| self.fault(&error))?;
            let status = self.session().response_header().map_or(0, |head| head.status.as_u16());
            match status {
                101 => return Err(Fault::new(FaultKind::Protocol, "an upgrade nobody asked for")),
                100..=199 => {}
                _ => {
                    self.answered = true;
                    return Ok(status);
                }
            }
        }
    }

    fn headers(&self) -> &HeaderMap {
        static NONE: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
        self.session.as_ref().and_then(HttpSession::response_header).map_or(&NONE, |head| &head.headers)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        let read = self.session().read_response_body().await;
        read.map_err(|error| self.fault(&error))
    }

    fn close_delimited(&self) -> bool {
        let headers = self.headers();
        matches!(self.session, Some(HttpSession::H1(_)))
            && !headers.contains_key(header::CONTENT_LENGTH)
            && !headers.contains_key(header::TRANSFER_ENCODING)
    }

    async fn release(mut self) {
        if let Some(session) = self.session.take() {
            self.pools.release(session, &self.peer).await;
        }
    }
}

/// A request body is written in pieces, so that an upstream that stops reading is noticed.
const PIECE_BYTES: usize = 256 * 1024;
/// Longest time an upstream may leave a piece unread. It may have answered already and wait for us to look.
const WRITE_STALL: Duration = Duration::from_secs(5);
