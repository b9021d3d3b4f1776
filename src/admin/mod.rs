//! The operators' doors: probes on the admin listener, metrics and status on theirs.

pub mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use http::{Method, Response, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

use crate::life::{Life, Probe};
use crate::telemetry::Metrics;
use status::Board;

/// The admin listener: probes, and a clear word about everything else.
pub struct AdminApp {
    pub life: Arc<Life>,
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
        let (path, query) = (path_of(session), session.req_header().uri.query());
        let probe = match path.as_str() {
            "/livez" => Probe::Livez,
            "/readyz" => Probe::Readyz,
            _ => return admin_error(404, "there is nothing at this path"),
        };
        if !is_read(session) {
            return admin_error(405, "this path takes GET and HEAD");
        }
        let (status, text) = self.life.probe(probe, query);
        answer(session, status, TEXT, text.into_bytes())
    }
}

#[async_trait]
impl ServeHttp for MetricsApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        if !is_read(session) {
            return admin_error(405, "this listener takes GET and HEAD");
        }
        let path = path_of(session);
        if path == self.path {
            if let Some(drops) = &self.log_drops {
                self.metrics.log_drops(drops.load(Ordering::Relaxed));
            }
            return answer(session, 200, "text/plain; version=0.0.4", self.metrics.render());
        }
        match path.as_str() {
            "/status/config" => answer(session, 200, JSON, self.board.config().to_string().into_bytes()),
            "/status/models" => answer(session, 200, JSON, self.board.models().to_string().into_bytes()),
            "/status/ready" if self.board.is_configured() => answer(session, 200, TEXT, b"ok".to_vec()),
            "/status/ready" => answer(session, 503, TEXT, b"no configuration available".to_vec()),
            _ => admin_error(404, "there is nothing at this path"),
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

fn admin_error(status: u16, message: &str) -> Response<Vec<u8>> {
    let body = serde_json::json!({ "error_msg": message }).to_string().into_bytes();
    response(status, JSON, body.len(), body)
}

fn answer(session: &ServerSession, status: u16, content_type: &str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = body.len();
    let body = if session.req_header().method == Method::HEAD { Vec::new() } else { body };
    response(status, content_type, length, body)
}

fn response(status: u16, content_type: &str, length: usize, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::SERVER, concat!("AISIX/", env!("CARGO_PKG_VERSION"))),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CONTENT_LENGTH, length.into());
    response
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
