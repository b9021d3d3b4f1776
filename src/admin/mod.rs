//! The operators' doors: the Admin API and probes on the admin listener, metrics and status on theirs.

pub mod access;
pub mod api;
pub mod door;
mod drain;
mod effects;
pub mod explain;
mod filters;
mod former;
pub mod health;
mod import;
pub mod openapi;
mod page;
pub mod reference;
mod refusal;
mod reply;
mod request;
mod revisions;
mod rows;
pub mod status;
mod time;

use std::sync::Arc;

use async_trait::async_trait;
use http::Method;
use pingora_core::protocols::http::ServerSession;

use crate::life::{Life, Probe};
use crate::telemetry::Metrics;
use api::{Api, Generation};
use door::Answering;
use page::Page;
use refusal::nothing;
use reply::Reply;
use request::Request;
use status::Board;

/// The admin listener: probes and the Admin API, and a clear word about everything else.
pub struct AdminApp {
    pub life: Arc<Life>,
    pub api: Api,
}

/// The metrics listener: `/metrics` and `/status/…`, without credentials and without secrets.
pub struct MetricsApp {
    pub metrics: Arc<Metrics>,
    pub board: Arc<Board>,
    /// Path of the scrape, `/metrics` unless configured.
    pub path: String,
    /// Brings counters up to totals that other rooms keep, before a scrape.
    pub catch_up: Box<dyn Fn(&Metrics) + Send + Sync>,
}

#[async_trait]
impl Answering for AdminApp {
    async fn answer(&self, session: &mut ServerSession) -> Reply {
        let path = path_of(session);
        let probe = match path.as_str() {
            "/livez" => Probe::Livez,
            "/readyz" => Probe::Readyz,
            "/admin/openapi.json" => return published(session, &openapi::PUBLISHED),
            "/admin/openapi-scalar" | "/openapi" => return published(session, &reference::PUBLISHED),
            path => {
                let Some((generation, below)) = root(path) else { return nothing() };
                return self.operate(session, generation, below).await.unwrap_or_else(|wrong| wrong);
            }
        };
        if !is_read(session) {
            return Reply::wrong_method("GET, HEAD");
        }
        let (status, text) = self.life.probe(probe, session.req_header().uri.query());
        Reply::text(status, text)
    }
}

impl AdminApp {
    /// A request below the root of the API. Nobody's body is read before its sender is known.
    async fn operate(
        &self,
        session: &mut ServerSession,
        generation: Generation,
        below: &str,
    ) -> Result<Reply, Reply> {
        let mut request = Request::of(session.req_header(), below);
        let who = self.api.admit(generation, &request)?;
        request.read_body(session).await?;
        self.api.serve(generation, who, &request).await
    }
}

#[async_trait]
impl Answering for MetricsApp {
    async fn answer(&self, session: &mut ServerSession) -> Reply {
        if !is_read(session) {
            return Reply::wrong_method("GET, HEAD");
        }
        let path = path_of(session);
        if path == self.path {
            (self.catch_up)(&self.metrics);
            self.board.count();
            return Reply::new(200, "text/plain; version=0.0.4", self.metrics.render());
        }
        match path.as_str() {
            "/status/config" => {
                // Digests of all that there is take their time.
                let board = Arc::clone(&self.board);
                match tokio::task::spawn_blocking(move || board.config()).await {
                    Ok(page) => Reply::json(200, &page),
                    Err(_) => Reply::error(500, "the status could not be worked out"),
                }
            }
            "/status/models" => Reply::json(200, &health::models(&self.board)),
            "/status/ready" if self.board.is_configured() => Reply::text(200, "ok"),
            "/status/ready" => Reply::text(503, "no configuration available"),
            _ => nothing(),
        }
    }
}

/// A page for everybody.
fn published(session: &ServerSession, page: &Page) -> Reply {
    match is_read(session) {
        true => page.reply(session.req_header()),
        false => Reply::wrong_method("GET, HEAD"),
    }
}

/// The API that a path belongs to, and the rest of the path.
fn root(path: &str) -> Option<(Generation, &str)> {
    let roots = [("/admin/v1/", Generation::Second), ("/aisix/admin/", Generation::First)];
    roots.into_iter().find_map(|(root, generation)| Some((generation, path.strip_prefix(root)?)))
}

fn path_of(session: &ServerSession) -> String {
    let path = session.req_header().uri.path();
    match path.trim_end_matches('/') {
        "" => "/".into(),
        trimmed => trimmed.to_owned(),
    }
}

fn is_read(session: &ServerSession) -> bool {
    matches!(session.req_header().method, Method::GET | Method::HEAD)
}
