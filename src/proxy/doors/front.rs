//! Looks at a connection and picks its door.
//!
//! HTTP/2, by ALPN or by its preface in the clear, goes to Pingora whole. Of HTTP/1.1 the front reads each
//! head itself: under one deadline from its first byte to its last, bounded in size, and strictly framed.
//! What the gateway models it serves through the lean door; what is not plain HTTP/1.1, or no modelled route, is
//! lent to Pingora's proxy for that one message.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::{HttpProxy, ProxyHttp};

use super::Times;
use super::lean::{self, After, Connection};
use super::lent::Lent;
use crate::dialect::DialectId;
use crate::error::{Error, Kind};
use crate::http1::Flaw;
use crate::life::Seat;
use crate::proxy::node::Node;
use crate::proxy::routes::Found;
use crate::proxy::{answer, exchange, routes, settle};
use crate::upstream::transport::Upstream;

/// How connections are treated before there is a request.
#[derive(Clone, Copy, Debug)]
pub struct FrontSettings {
    /// From a head's first byte to its last, and from the connection to its first head.
    pub header_timeout: Duration,
    /// Between two requests; None keeps a connection for ever.
    pub idle_timeout: Option<Duration>,
    pub max_header_bytes: usize,
    pub http2: bool,
    /// Serve HTTP/1.1 through the lean door.
    pub lean: bool,
    /// Times of a request.
    pub times: Times,
}

/// The app behind the proxy listener.
pub struct Front<U: Upstream, SV> {
    proxy: Arc<HttpProxy<SV>>,
    node: Arc<Node<U>>,
    settings: FrontSettings,
}

impl<U: Upstream, SV> Front<U, SV> {
    pub fn new(proxy: HttpProxy<SV>, node: Arc<Node<U>>, settings: FrontSettings) -> Self {
        Front { proxy: Arc::new(proxy), node, settings }
    }
}

/// What stands at the start of a connection or after a message.
enum Arrival {
    /// A sound head of so many bytes.
    Head(usize),
    Http2,
    /// Nothing, and nothing to say.
    End,
    Refused(Error),
}

#[async_trait]
impl<U, SV> ServerApp for Front<U, SV>
where
    U: Upstream,
    SV: ProxyHttp + Send + Sync + 'static,
    SV::CTX: Send + Sync,
{
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return self.proxy.process_new(stream, shutdown).await;
        }
        let seat = self.node.life.seat();
        let mut conn = Connection::new(stream);
        let mut first = true;
        loop {
            let after = match self.arrival(&mut conn, first, &seat).await {
                Arrival::Head(len) if self.is_for_lean(&conn) => {
                    conn.inbox.used(len);
                    lean::serve(&self.node, &mut conn, self.settings.times).await
                }
                Arrival::Head(len) => {
                    let lent = Box::pin(self.lend(Lent::message(conn, len), shutdown));
                    conn = lent.await?;
                    After::Kept
                }
                Arrival::Http2 => {
                    return self.proxy.process_new(Box::new(Lent::everything(conn)), shutdown).await;
                }
                Arrival::Refused(error) => {
                    self.refuse(&mut conn, error).await;
                    conn.close(MAX_LINGER_BYTES, LINGER).await;
                    return None;
                }
                Arrival::End => return None,
            };
            match after {
                After::Kept => first = false,
                After::Closed => {
                    conn.close(MAX_LINGER_BYTES, SHORT_LINGER).await;
                    return None;
                }
                After::Cut => return None,
            }
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl<U, SV> Front<U, SV>
where
    U: Upstream,
    SV: ProxyHttp + Send + Sync + 'static,
    SV::CTX: Send + Sync,
{
    /// Plain HTTP/1.1 to a route whose bodies are understood?
    fn is_for_lean(&self, conn: &Connection) -> bool {
        let head = &conn.head;
        let plain = head.minor == 1 && !head.upgrade && head.path().starts_with('/');
        self.settings.lean
            && plain
            && !matches!(exchange::find(&self.node, &head.method, head.path()), Found::Unknown)
    }

    /// Lends one message to a Pingora session. None when the connection has ended with it.
    async fn lend(&self, lent: Lent, shutdown: &ShutdownWatch) -> Option<Connection> {
        let mut session = ServerSession::new_http1(Box::new(lent));
        // The head is complete already; how long a connection may idle is decided here, not there.
        session.set_keepalive(Some(KEEPALIVE_SECONDS));
        let reused = self.proxy.process_new_http(session, shutdown).await?;
        let (stream, _) = reused.consume();
        Lent::back(stream)
    }

    async fn arrival(&self, conn: &mut Connection, first: bool, seat: &Seat) -> Arrival {
        let mut deadline = None;
        let idle = if first { Some(self.settings.header_timeout) } else { self.settings.idle_timeout };
        conn.skip_empty_lines();
        while conn.inbox.is_empty() {
            // An empty line is the beginning of a head that had better follow.
            let left =
                deadline.map_or(idle, |due: Instant| Some(due.saturating_duration_since(Instant::now())));
            if !await_bytes(conn, left, seat).await {
                return Arrival::End;
            }
            if conn.skip_empty_lines() && deadline.is_none() {
                deadline = Some(Instant::now() + self.settings.header_timeout);
            }
        }
        let mut seen = 0;
        loop {
            // A long head is not read anew for every byte of it, only where a line may have ended.
            let fresh = conn.inbox.pending().get(seen..).unwrap_or_default();
            let worth_a_look = seen < EAGER_BYTES || memchr::memchr(b'\n', fresh).is_some();
            if worth_a_look && let Some(arrival) = self.look(conn, first) {
                return arrival;
            }
            seen = conn.inbox.pending().len();
            if seen > self.settings.max_header_bytes {
                return Arrival::Refused(large_head());
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.settings.header_timeout);
            match conn.fill(Some(deadline.saturating_duration_since(Instant::now()))).await {
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                    // Empty lines, which may have come in pieces, are as little of a request as half of one.
                    conn.skip_empty_lines();
                    let begun = !matches!(conn.inbox.pending(), b"" | b"\r");
                    return if begun { Arrival::Refused(slow_head()) } else { Arrival::End };
                }
                Ok(0) | Err(_) => return Arrival::End,
                Ok(_) => {}
            }
        }
    }

    /// What the waiting bytes are, once they tell.
    fn look(&self, conn: &mut Connection, first: bool) -> Option<Arrival> {
        let pending = conn.inbox.pending();
        if first && self.settings.http2 && PREFACE.starts_with(&pending[..pending.len().min(PREFACE.len())]) {
            return (pending.len() >= PREFACE.len()).then_some(Arrival::Http2);
        }
        match conn.head.read(pending) {
            Ok(Some(len)) if len > self.settings.max_header_bytes => Some(Arrival::Refused(large_head())),
            Ok(Some(len)) => Some(Arrival::Head(len)),
            Ok(None) => None,
            Err(flaw) => Some(Arrival::Refused(refusal(flaw))),
        }
    }

    /// Answers what never became a request, and tells the world.
    async fn refuse(&self, conn: &mut Connection, error: Error) {
        let envelope = routes::envelope_of(conn.head.path());
        let id = uuid::Uuid::new_v4().to_string();
        let answer = refusal_bytes(envelope, &error, &id);
        settle::unparsed(&self.node, &id, envelope, &error);
        let _ = conn.write(&answer, Some(LINGER)).await;
    }
}

/// Waits for the first byte of a request. False when there will be none.
async fn await_bytes(conn: &mut Connection, idle: Option<Duration>, seat: &Seat) -> bool {
    conn.inbox.rest();
    let Connection { stream, inbox, alarm, .. } = conn;
    let arrived = alarm.bound(idle, |cx| match inbox.poll_fill(stream, cx) {
        Poll::Pending if seat.is_closing(cx) => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
        Poll::Ready(read) => Poll::Ready(matches!(read, Ok(1..))),
    });
    arrived.await.unwrap_or(false)
}

fn refusal(flaw: Flaw) -> Error {
    match flaw {
        Flaw::Invalid(what) => Error::bad_request(what),
        Flaw::TooManyFields => Error::new(Kind::HeadTooLarge, "the request has too many header fields"),
        Flaw::Tunnel => Error::new(Kind::WrongMethod, "this gateway opens no tunnels"),
    }
}

fn large_head() -> Error {
    Error::new(Kind::HeadTooLarge, "the request head is too large; send fewer or shorter headers")
}

fn slow_head() -> Error {
    Error::new(Kind::SlowCaller, "the request head took too long to arrive")
}

fn refusal_bytes(envelope: DialectId, error: &Error, id: &str) -> Vec<u8> {
    let body = envelope.dialect().write_error(error, id);
    let status = error.status();
    let reason =
        http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("");
    let vendors = answer::request_id_header(envelope);
    let mut answer = format!(
        "HTTP/1.1 {status} {reason}\r\nServer: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n{vendors}: {id}\r\nx-aisix-request-id: {id}\r\n\r\n",
        answer::SERVER,
        body.len(),
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

/// <https://www.rfc-editor.org/rfc/rfc9113#section-3.4>
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What Pingora is told; the front's own idle timeout is what counts.
const KEEPALIVE_SECONDS: u64 = 60;
const LINGER: Duration = Duration::from_secs(2);
/// The same after an answer that was expected to be the last.
const SHORT_LINGER: Duration = Duration::from_millis(500);
/// Up to here a head is looked at whenever more of it arrives, so that what is none is refused at once.
const EAGER_BYTES: usize = 512;
const MAX_LINGER_BYTES: usize = 1024 * 1024;
