//! The end of every request: what was reserved becomes what was used, and the world is told, once.

use super::exchange::Exchange;
use super::node::Node;
use super::routes::{Action, Found};
use crate::telemetry::{Record, TokenCounts};

/// Commits the hold and emits the record. The only caller of `telemetry.emit`.
pub fn run<U>(node: &Node<U>, mut x: Exchange) {
    if let Some(hold) = x.hold.take() {
        hold.commit(&x.usage);
    }
    if is_probe(&x) {
        return;
    }
    let attempts = x.tries.finish().to_vec();
    let duration = x.began.elapsed();
    node.telemetry.emit(&Record {
        at: x.at,
        request_id: &x.id,
        trace_id: x.trace_id.as_deref(),
        method: x.method.as_str(),
        endpoint: endpoint(&x.found),
        inbound_protocol: x.envelope.name(),
        http_version: x.version,
        status: x.status,
        error_kind: x.error.as_ref().map(|error| error.kind.row().name),
        error: x.error.as_ref().map(ToString::to_string),
        alias: x.alias.as_deref(),
        model: x.model.as_ref().map(|model| model.display_name.as_str()),
        api_key_id: x.caller.as_ref().map(|caller| caller.key.id.as_str()),
        auth: x.auth,
        stream: x.stream,
        tokens: tokens(&x),
        upstream: (x.tries.duration() + x.waited).min(duration),
        attempts: &attempts,
        duration,
        first_byte: x.first_byte,
        request_bytes: x.request_bytes,
        response_bytes: x.response_bytes,
    });
}

/// Probes come every second and say nothing about traffic; they are neither counted nor logged.
fn is_probe(x: &Exchange) -> bool {
    matches!(&x.found, Found::Route(route) if matches!(route.action, Action::Livez | Action::Readyz | Action::Banner))
}

fn endpoint(found: &Found) -> &'static str {
    match found {
        Found::Route(route) | Found::WrongMethod(route) => route.path,
        Found::Unknown => "other",
    }
}

fn tokens(x: &Exchange) -> TokenCounts {
    TokenCounts {
        input: x.usage.input,
        output: x.usage.output,
        total: x.usage.total,
        cache_read: x.usage.cache_read,
        cache_write: x.usage.cache_write,
        reasoning: x.usage.reasoning,
    }
}

/// Tells about bytes that never became a request.
pub fn unparsed<U>(
    node: &Node<U>,
    id: &str,
    envelope: crate::dialect::DialectId,
    error: crate::error::Error,
) {
    node.telemetry.emit(&Record {
        at: std::time::SystemTime::now(),
        request_id: id,
        trace_id: None,
        method: "-",
        endpoint: "other",
        inbound_protocol: envelope.name(),
        http_version: "HTTP/1.1",
        status: error.status(),
        error_kind: Some(error.kind.row().name),
        error: Some(error.to_string()),
        alias: None,
        model: None,
        api_key_id: None,
        auth: None,
        stream: false,
        tokens: TokenCounts::default(),
        attempts: &[],
        duration: std::time::Duration::ZERO,
        first_byte: None,
        upstream: std::time::Duration::ZERO,
        request_bytes: 0,
        response_bytes: 0,
    });
}
