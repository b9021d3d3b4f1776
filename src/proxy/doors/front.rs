//! Looks at a connection and picks its door.
//!
//! HTTP/2, by ALPN or by its preface in the clear, goes to Pingora whole. Of HTTP/1.1 the front reads each
//! head itself: under one deadline from its first byte to its last, bounded in size, and strictly framed.
//! Then it lends the connection to a session for that one message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::{HttpProxy, ProxyHttp};
use tokio::io::AsyncWriteExt;

use super::conn::Conn;
use super::framing::{self, Head};
use crate::dialect::DialectId;
use crate::error::{Error, Kind};
use crate::proxy::node::Node;
use crate::proxy::{answer, routes, settle};
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
    Head(Head),
    Http2,
    /// Nothing, and nothing to say.
    End,
    Refused(Error, String),
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
        let mut conn = Conn::new(stream);
        let mut first = true;
        loop {
            match self.arrival(&mut conn, first, shutdown).await {
                Arrival::Head(head) => {
                    conn.lend(head.len, head.body);
                    conn = self.serve(conn, shutdown).await?;
                }
                Arrival::Http2 => {
                    conn.lend_all();
                    return self.proxy.process_new(Box::new(conn), shutdown).await;
                }
                Arrival::Refused(error, path) => {
                    self.refuse(conn, error, &path).await;
                    return None;
                }
                Arrival::End => return None,
            }
            first = false;
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
    async fn serve(&self, conn: Conn, shutdown: &ShutdownWatch) -> Option<Conn> {
        let mut session = ServerSession::new_http1(Box::new(conn));
        // The head is complete already; how long a connection may idle is decided here, not there.
        session.set_keepalive(Some(KEEPALIVE_SECONDS));
        let reused = self.proxy.process_new_http(session, shutdown).await?;
        let (stream, _) = reused.consume();
        Conn::from_stream(stream).filter(Conn::at_boundary)
    }

    async fn arrival(&self, conn: &mut Conn, first: bool, shutdown: &ShutdownWatch) -> Arrival {
        conn.skip_line_breaks();
        let idle = if first { Some(self.settings.header_timeout) } else { self.settings.idle_timeout };
        while conn.pending().is_empty() {
            if !self.await_bytes(conn, idle, shutdown).await {
                return Arrival::End;
            }
            conn.skip_line_breaks();
        }
        let deadline = Instant::now() + self.settings.header_timeout;
        loop {
            if let Some(arrival) = self.look(conn, first) {
                return arrival;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match pingora_timeout::timeout(left, conn.fill()).await {
                Err(_) => return Arrival::Refused(slow_head(), String::new()),
                Ok(Ok(0) | Err(_)) => return Arrival::End,
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Waits for the first byte of a request. False when there will be none.
    async fn await_bytes(&self, conn: &mut Conn, idle: Option<Duration>, shutdown: &ShutdownWatch) -> bool {
        let mut shutdown = shutdown.clone();
        let closing = async {
            // An error means that the sender is gone, and with it the server.
            let _ = shutdown.wait_for(|closing| *closing).await;
        };
        let reading = async {
            match idle {
                Some(idle) => pingora_timeout::timeout(idle, conn.fill()).await.unwrap_or(Ok(0)),
                None => conn.fill().await,
            }
        };
        tokio::select! {
            biased;
            read = reading => matches!(read, Ok(1..)),
            () = closing => false,
        }
    }

    /// What the pending bytes are, once they tell.
    fn look(&self, conn: &Conn, first: bool) -> Option<Arrival> {
        let pending = conn.pending();
        if first && self.settings.http2 && PREFACE.starts_with(&pending[..pending.len().min(PREFACE.len())]) {
            return (pending.len() >= PREFACE.len()).then_some(Arrival::Http2);
        }
        match framing::head(pending) {
            Ok(Some(head)) if head.len > self.settings.max_header_bytes => Some(large_head(head.path)),
            Ok(Some(head)) => Some(Arrival::Head(head)),
            Ok(None) if pending.len() > self.settings.max_header_bytes => Some(large_head(String::new())),
            Ok(None) => None,
            Err((error, path)) => Some(Arrival::Refused(error, path)),
        }
    }

    /// Answers what never became a request, closes, and tells the world.
    async fn refuse(&self, mut conn: Conn, error: Error, path: &str) {
        let envelope = routes::envelope_of(path);
        let id = uuid::Uuid::new_v4().to_string();
        let answer = refusal(envelope, &error, &id);
        settle::unparsed(&self.node, &id, envelope, &error);
        let write = async {
            conn.write_all(&answer).await?;
            conn.flush().await?;
            conn.shutdown().await?;
            // What the caller still sends is read for a moment: closing on unread bytes would reset the
            // connection and take the answer with it.
            while conn.pending().len() < MAX_LINGER_BYTES && conn.fill().await? > 0 {}
            std::io::Result::Ok(())
        };
        let _ = pingora_timeout::timeout(LINGER, write).await;
    }
}

fn large_head(path: String) -> Arrival {
    Arrival::Refused(
        Error::new(Kind::HeadTooLarge, "the request head is too large; send fewer or shorter headers"),
        path,
    )
}

fn slow_head() -> Error {
    Error::new(Kind::SlowCaller, "the request head took too long to arrive")
}

fn refusal(envelope: DialectId, error: &Error, id: &str) -> Vec<u8> {
    let body = envelope.dialect().write_error(error, id);
    let status = error.status();
    let reason =
        http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("");
    let vendors = if envelope == DialectId::Anthropic { "request-id" } else { "x-request-id" };
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
const MAX_LINGER_BYTES: usize = 1024 * 1024;
