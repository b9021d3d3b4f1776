//! The operators' doors: the Admin API and probes on the admin listener, metrics and status on theirs.

pub mod access;
pub mod api;
mod openapi;
mod reply;
mod revisions;
pub mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use http::{Method, Response};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

use crate::life::{Life, Probe};
use crate::telemetry::Metrics;
use api::{Api, Request};
use reply::Reply;
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
    /// Lines the access log gave up.
    pub log_drops: Option<Arc<AtomicU64>>,
}

#[async_trait]
impl ServeHttp for AdminApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header().method == Method::HEAD;
        self.reply(session).await.into_response(head)
    }
}

impl AdminApp {
    async fn reply(&self, session: &mut ServerSession) -> Reply {
        let path = path_of(session);
        let probe = match path.as_str() {
            "/livez" => Probe::Livez,
            "/readyz" => Probe::Readyz,
            "/admin/openapi.json" if is_read(session) => return Reply::json(200, &openapi::document()),
            path => {
                return match path.strip_prefix("/admin/v1/") {
                    Some(below) => match request(session, below).await {
                        Ok(request) => self.api.serve(request).await,
                        Err(reply) => reply,
                    },
                    None => Reply::error(404, "there is nothing at this path"),
                };
            }
        };
        if !is_read(session) {
            return Reply::error(405, "this path takes GET and HEAD");
        }
        let (status, text) = self.life.probe(probe, session.req_header().uri.query());
        Reply::text(status, text)
    }
}

/// The request below a path of the API, with its body.
async fn request(session: &mut ServerSession, below: &str) -> Result<Request, Reply> {
    let head = session.req_header();
    let value = |name: &str| head.headers.get(name).map(|value| value.as_bytes().to_vec());
    let text = |name: &str| value(name).and_then(|value| String::from_utf8(value).ok());
    let pairs = |query: &str| {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect()
    };
    let mut request = Request {
        method: if head.method == Method::HEAD { Method::GET } else { head.method.clone() },
        path: below.split('/').map(decoded).collect(),
        query: head.uri.query().map(pairs).unwrap_or_default(),
        authorization: value("authorization"),
        x_api_key: value("x-api-key"),
        if_match: text("if-match"),
        if_none_match: text("if-none-match"),
        body: Vec::new(),
    };
    loop {
        match session.read_request_body().await {
            Ok(Some(piece)) if request.body.len() + piece.len() <= MOST_BODY_BYTES => {
                request.body.extend_from_slice(&piece);
            }
            Ok(Some(_)) => return Err(Reply::error(413, "the body is larger than 4 MiB")),
            Ok(None) => return Ok(request),
            Err(_) => return Err(Reply::error(400, "the body could not be read")),
        }
    }
}

/// Percent-encoding undone. What is none stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[async_trait]
impl ServeHttp for MetricsApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let head = session.req_header().method == Method::HEAD;
        self.reply(session).await.into_response(head)
    }
}

impl MetricsApp {
    async fn reply(&self, session: &ServerSession) -> Reply {
        if !is_read(session) {
            return Reply::error(405, "this listener takes GET and HEAD");
        }
        let path = path_of(session);
        if path == self.path {
            if let Some(drops) = &self.log_drops {
                self.metrics.log_drops(drops.load(Ordering::Relaxed));
            }
            self.metrics.configuration(&self.board.counted());
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
            "/status/models" => Reply::json(200, &self.board.models()),
            "/status/ready" if self.board.is_configured() => Reply::text(200, "ok"),
            "/status/ready" => Reply::text(503, "no configuration available"),
            _ => Reply::error(404, "there is nothing at this path"),
        }
    }
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

/// Largest body of a request to the Admin API: OpenAPI documents of MCP servers are among them.
const MOST_BODY_BYTES: usize = 4 << 20;
