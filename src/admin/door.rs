//! How operators' connections are served: on Pingora's HTTP/1.1 sessions, every step within a time, so that a client
//! that dawdles keeps nothing but its own connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use tokio::time::timeout;

use super::reply::Reply;

/// Answers requests whose head has been read.
#[async_trait]
pub trait Answering: Send + Sync {
    async fn answer(&self, session: &mut ServerSession) -> Reply;
}

/// Reads heads, and writes what comes of them.
pub struct Door<A>(pub A);

#[async_trait]
impl<A: Answering + 'static> HttpServerApp for Door<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        session.set_read_timeout(Some(PAUSE));
        session.set_write_timeout(Some(PAUSE));
        let again = session.take_connection_user_context().is_some();
        let patience = if again { Duration::from_secs(IDLE_SECONDS) + HEAD_TIME } else { HEAD_TIME };
        match timeout(patience, session.read_request()).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return None,
            Ok(Err(error)) => {
                tracing::debug!(%error, "an operator's request cannot be read");
                return None;
            }
        }
        session.set_keepalive((!*shutdown.borrow()).then_some(IDLE_SECONDS));
        let reply = self.0.answer(&mut session).await;
        if let Err(error) = write(&mut session, reply).await {
            tracing::debug!(%error, "an operator's answer cannot be written");
            return None;
        }
        let mut settings = HttpPersistentSettings::for_session(&session);
        settings.set_user_context(Box::new(ServedBefore));
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

/// Stands on a connection that has served a request.
struct ServedBefore;

async fn write(session: &mut ServerSession, reply: Reply) -> pingora_core::Result<()> {
    let head = session.req_header().method == Method::HEAD;
    let (parts, body) = reply.into_response().into_parts();
    session.write_response_header(Box::new(parts.into())).await?;
    if !head {
        // In pieces, so that the time is one for progress and not for the whole.
        for start in (0..body.len()).step_by(PIECE) {
            let piece = body.slice(start..body.len().min(start + PIECE));
            session.write_response_body(piece, false).await?;
        }
    }
    session.finish_body().await?;
    if !session.is_body_done() {
        // A peer that is still sending might otherwise never read why nobody listens.
        let _ = timeout(LINGER, session.drain_request_body()).await;
    }
    Ok(())
}

/// Time for a request head; later ones of a connection have it beside the time between two requests.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Longest pause within a request or an answer.
const PAUSE: Duration = Duration::from_secs(30);
/// Longest time between two requests of a connection.
const IDLE_SECONDS: u64 = 60;
/// Time to read on after an answer that was given before the request had ended.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes written at once.
const PIECE: usize = 64 << 10;
