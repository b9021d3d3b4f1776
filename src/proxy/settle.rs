//! The end of every request: what was reserved becomes what was used, and the world is told, once.

use std::time::{Duration, SystemTime};

use smallvec::SmallVec;

use super::downstream::Drained;
use super::exchange::Exchange;
use super::node::Node;
use super::routes::{Action, Found};
use super::tries::counts;
use crate::dialect::DialectId;
use crate::dialect::canon::feature::FEATURES;
use crate::error::{Error, Kind};
use crate::telemetry::{Record, TokenCounts};

/// Holds an exchange until it is settled. Should the task that serves it be dropped, as the end of the
/// process does, it is settled all the same.
pub struct Settling<'n, U> {
    node: &'n Node<U>,
    exchange: Option<Box<Exchange>>,
}

impl<'n, U> Settling<'n, U> {
    pub fn new(node: &'n Node<U>, exchange: Exchange) -> Self {
        Settling { node, exchange: Some(Box::new(exchange)) }
    }

    pub fn exchange(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect("taken only by settle, which consumes")
    }

    /// The request has ended.
    pub fn settle(mut self) {
        if let Some(exchange) = self.exchange.take() {
            run(self.node, *exchange);
        }
    }
}

impl<U> Drop for Settling<'_, U> {
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.fail(Error::new(Kind::Draining, "the gateway stopped before the answer was complete"));
            run(self.node, *exchange);
        }
    }
}

/// Commits the hold and emits the record. The only caller of `telemetry.emit`.
fn run<U>(node: &Node<U>, mut x: Exchange) {
    if let Some(hold) = x.hold.take() {
        hold.commit(&x.usage);
    }
    if is_probe(&x) {
        return;
    }
    let unfinished = x.error.as_ref().map_or(Kind::Internal, |error| error.kind);
    x.tries.finish(unfinished);
    let (attempts, upstream) = (x.tries.attempts(), x.tries.duration());
    let duration = x.began.elapsed();
    let dropped: SmallVec<[_; 4]> = x.tries.losses().iter().map(|name| (&**name, loss_label(name))).collect();
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
        tokens: counts(&x.usage),
        upstream: (upstream + x.flow.waited).min(duration),
        attempts: &attempts,
        decision: x.decision.as_ref().map(ToString::to_string),
        duration,
        first_byte: x.first_byte,
        request_bytes: x.request_bytes,
        response_bytes: x.flow.response_bytes,
        dropped: &dropped,
        over_limit: over_limit(&x),
    });
}

/// Names of callers' own making are not labels.
fn loss_label(name: &str) -> &'static str {
    FEATURES.iter().find(|row| row.name == name).map_or("other", |row| row.name)
}

/// Probes come every second and say nothing about traffic; they are neither counted nor logged.
fn is_probe(x: &Exchange) -> bool {
    matches!(&x.found, Found::Route(route) if matches!(route.action, Action::Livez | Action::Readyz | Action::Banner))
}

/// A body that was too large is counted with what became of the rest of it.
fn over_limit(x: &Exchange) -> Option<&'static str> {
    let refused = x.error.as_ref().is_some_and(|error| error.kind == Kind::BodyTooLarge);
    refused.then(|| x.drained.map_or("client_read_error", Drained::name))
}

fn endpoint(found: &Found) -> &'static str {
    match found {
        Found::Route(route) | Found::WrongMethod(route) => route.path,
        Found::Unknown => "other",
    }
}

/// Tells about bytes that never became a request.
pub fn unparsed<U>(node: &Node<U>, id: &str, envelope: DialectId, error: &Error) {
    node.telemetry.emit(&Record {
        at: SystemTime::now(),
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
        decision: None,
        duration: Duration::ZERO,
        first_byte: None,
        upstream: Duration::ZERO,
        request_bytes: 0,
        response_bytes: 0,
        dropped: &[],
        over_limit: None,
    });
}
