//! One exchange over HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, Version as HttpVersion, header};
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_error::{Error as PingoraError, ErrorType};
use pingora_http::RequestHeader;

use super::{Known, Peer, Shared, Version, brief};
use crate::upstream::transport::{Call, Fault, FaultKind, Fields, Outgoing, mapped};

/// One request and its answer, on a stream of a running or a new connection.
pub struct Http2Call {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    known: Arc<Known>,
    authority: HeaderValue,
    /// None once it was given back.
    session: Option<Http2Session>,
    reused: bool,
    /// The session took the head of the request; before that there is no answer to look for.
    sent: bool,
    answered: bool,
}

impl Http2Call {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: Arc<Peer>,
        known: Arc<Known>,
        authority: HeaderValue,
        session: Http2Session,
        reused: bool,
    ) -> Self {
        let session = Some(session);
        Http2Call { shared, peer, known, authority, session, reused, sent: false, answered: false }
    }

    fn request_header(&self, request: &Outgoing<'_>) -> Result<RequestHeader, Fault> {
        let path = request.path.as_ref();
        let uri =
            Uri::builder().scheme("https").authority(self.authority.as_bytes()).path_and_query(path).build();
        let uri = uri.map_err(|error| Fault::new(FaultKind::Protocol, error))?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method.clone_from(&request.method);
        parts.uri = uri;
        parts.version = HttpVersion::HTTP_2;
        parts.headers = mapped(&request.headers, 2);
        if request.method == Method::POST {
            parts.headers.insert(header::CONTENT_LENGTH, request.body.len().into());
        }
        Ok(parts.into())
    }

    async fn send_body(&mut self, request: &Outgoing<'_>) -> Result<(), Fault> {
        let mut rest = request.body.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            let writing = self.session().write_request_body(piece, rest.is_empty());
            let wrote = pingora_timeout::timeout(WRITE_STALL, writing).await;
            let wrote = wrote
                .map_err(|_| Fault::new(FaultKind::Closed, "the upstream stopped reading the request"))?;
            wrote.map_err(|error| self.fault(&error))?;
        }
        let finished = self.session().finish_request_body();
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

    fn session(&mut self) -> &mut Http2Session {
        self.session.as_mut().expect("taken only by release and drop, which end the call")
    }

    fn give_back(&mut self) {
        if let Some(session) = self.session.take() {
            self.shared.connector.release_http_session(session, &self.peer.http, self.shared.idle);
        }
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

/// An abandoned stream is reset, and its connection goes back to the pool, where its idle time ends it.
impl Drop for Http2Call {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Call for Http2Call {
    fn reused(&self) -> bool {
        self.reused
    }

    async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Fault> {
        let head = Box::new(self.request_header(request)?);
        let wrote = self.session().write_request_header(head, request.body.is_empty());
        wrote.map_err(|error| self.fault(&error))?;
        self.sent = true;
        self.send_body(request).await
    }

    async fn head(&mut self) -> Result<u16, Fault> {
        if !self.sent {
            return Err(Fault::new(FaultKind::Closed, "the request was not sent"));
        }
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

    fn fields(&self) -> Fields<'_> {
        let head = self.session.as_ref().and_then(Http2Session::response_header);
        head.map_or(Fields::None, |head| Fields::Map(&head.headers))
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        let read = self.session().read_response_body().await;
        read.map_err(|error| self.fault(&error))
    }

    /// A stream says itself when it ends.
    fn close_delimited(&self) -> bool {
        false
    }

    async fn release(mut self) {
        self.give_back();
    }
}

/// A request body is written in pieces, so that an upstream that stops reading is noticed.
const PIECE_BYTES: usize = 256 * 1024;
/// Longest time an upstream may leave a piece unread. It may have answered already and wait for us to look.
const WRITE_STALL: Duration = Duration::from_secs(5);
