//! Answers in one piece: the gateway's own, an upstream's, and every refusal.

use bytes::Bytes;
use http::Method;

use super::downstream::{Broken, Downstream, ResponseHead};
use super::exchange::Exchange;
use super::explain;
use super::node::Node;
use super::routes::{Action, Found, Route};
use crate::dialect::DialectId;
use crate::error::{Error, Kind};
use crate::upstream::transport::Headers;
use crate::upstream::{Operation, WholeAnswer};

/// Sends a body the gateway wrote itself.
pub async fn local<D: Downstream>(
    down: &mut D,
    x: &mut Exchange,
    status: u16,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Result<(), Error> {
    let mut headers = Headers::default();
    headers.push_static("content-type", content_type);
    headers.push_static("x-content-type-options", "nosniff");
    send_whole(down, x, status, headers, body.into()).await
}

/// Sends an upstream's whole answer, a native refusal included.
pub async fn upstream<D: Downstream>(
    down: &mut D,
    x: &mut Exchange,
    answer: WholeAnswer,
) -> Result<(), Error> {
    x.usage.add(&answer.usage);
    let mut headers = answer.headers;
    if !headers.contains("content-type") {
        headers.push_static("content-type", "application/json");
    }
    x.error = answer.refused;
    send_whole(down, x, answer.status, headers, answer.body).await
}

/// Answers a request that failed before anything was sent: in the caller's envelope, or not at all when
/// there is nobody to read it.
pub async fn refuse<D: Downstream, U>(node: &Node<U>, down: &mut D, x: &mut Exchange, error: Error) {
    let body = x.envelope.dialect().write_error(&error, &x.id);
    let headers = refusal_headers(x, &error);
    let status = error.status();
    let nobody = error.kind == Kind::CallerGone;
    if matches!(error.kind, Kind::SlowCaller | Kind::CallerGone) || node.life.is_draining() {
        down.close_after();
    }
    x.fail(error);
    if nobody {
        return down.abort().await;
    }
    // The caller may leave while it is being refused; the refusal stands in the record either way.
    let _ = send_whole(down, x, status, headers, body.into()).await;
}

fn refusal_headers(x: &Exchange, error: &Error) -> Headers {
    let mut headers = Headers::default();
    headers.push_static("content-type", "application/json");
    headers.push_absent(&x.hints);
    if let Some(seconds) = error.retry_after.filter(|_| !headers.contains("retry-after")) {
        headers.push_text("retry-after", &seconds.to_string());
    }
    if let Found::WrongMethod(route) = &x.found {
        headers.push_text("allow", &route.allow());
    }
    headers
}

async fn send_whole<D: Downstream>(
    down: &mut D,
    x: &mut Exchange,
    status: u16,
    mut headers: Headers,
    body: Bytes,
) -> Result<(), Error> {
    x.answered(status);
    own_headers(x, &mut headers);
    let length = body.len() as u64;
    down.send_head(ResponseHead { status, headers, length: Some(length) }).await.map_err(gone)?;
    if *down.method() != Method::HEAD {
        down.send(body, true).await.map_err(gone)?;
        x.flow.response_bytes += length;
    }
    Ok(())
}

/// What every answer carries: who answered, and under which id. An upstream's own request id stays.
pub fn own_headers(x: &Exchange, headers: &mut Headers) {
    headers.push_static("server", SERVER);
    let vendors = request_id_header(x.envelope);
    if !headers.contains(vendors) {
        headers.push_text(vendors, &x.id);
    }
    if let Found::Route(Route {
        action: Action::Exchange(Operation::Generate),
        dialect: DialectId::OpenAiChat,
        ..
    }) = &x.found
        && x.status < 300
    {
        headers.push_text("x-aisix-call-id", &x.id);
    }
    headers.push_text("x-aisix-request-id", &x.id);
    if let Some(route) = &x.route {
        headers.push_text("x-aisix-route", route);
    }
    if x.tells_losses && !x.tries.losses().is_empty() {
        headers.push_text(DROPPED_FIELDS, &x.tries.losses().join(", "));
    }
    let chosen = x.decision.is_some() || x.model.as_ref().is_some_and(|model| model.semantic.is_some());
    if let Some(target) = x.tries.target().filter(|_| chosen && x.status < 300) {
        headers.push_text("x-aisix-served-by", &target.model.display_name);
    }
    if x.explains {
        headers.push_text(explain::EXPLAIN, &explain::line(x));
    }
}

/// Where a vendor's clients look for the id of a request.
pub fn request_id_header(dialect: DialectId) -> &'static str {
    if dialect == DialectId::Anthropic { "request-id" } else { "x-request-id" }
}

/// A caller that does not take its answer has left or is too slow to serve.
pub fn gone(broken: Broken) -> Error {
    match broken {
        Broken::Slow => Error::new(Kind::CallerGone, "the caller stopped reading its answer"),
        _ => Error::new(Kind::CallerGone, "the caller left before its answer was complete"),
    }
}

/// Sent by a caller, any value: the answer is to name what its target could not be told. In an answer: those names.
pub const DROPPED_FIELDS: &str = "x-aisix-dropped-fields";

/// Value of the `Server` header.
pub const SERVER: &str = concat!("AISIX/", env!("CARGO_PKG_VERSION"));
