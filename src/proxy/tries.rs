//! The tries of one request, as they happen.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::routing::Target;
use crate::telemetry::Attempt;
use crate::upstream::Endpoint;
use crate::upstream::attempt::Trace;
use crate::upstream::dispatch::Ledger;

/// Finished tries and the one under way.
#[derive(Default)]
pub struct Tries {
    finished: Vec<Attempt>,
    running: Option<(Attempt, Instant)>,
    trace: Trace,
}

impl Ledger for Tries {
    fn begin(&mut self, target: &Target, endpoint: &Endpoint) {
        self.trace = Trace::default();
        let configured = || target.model.model_name.clone().unwrap_or_else(|| "*".into());
        let attempt = Attempt {
            model: target.model.display_name.clone(),
            provider: endpoint.provider.clone(),
            upstream_model: target.upstream_model.to_string(),
            upstream_label: if target.model.is_wildcard() {
                configured()
            } else {
                target.upstream_model.to_string()
            },
            provider_key_id: endpoint.provider_key_id.clone(),
            status: None,
            outcome: "",
            reused: false,
            duration: Duration::ZERO,
            provider_request_id: None,
        };
        self.running = Some((attempt, Instant::now()));
    }

    fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    fn end(&mut self, error: Option<&Error>) {
        self.close(error.map_or("ok", |error| error.kind.row().name));
    }
}

impl Tries {
    /// All tries; one that was abandoned ended by what ended the request.
    pub fn finish(&mut self, unfinished: Kind) -> Vec<Attempt> {
        self.close(unfinished.row().name);
        std::mem::take(&mut self.finished)
    }

    /// The answer that had begun failed after all.
    pub fn spoil(&mut self, error: &Error) {
        if let Some(last) = self.finished.last_mut() {
            last.outcome = error.kind.row().name;
        }
    }

    fn close(&mut self, outcome: &'static str) {
        if let Some((mut attempt, began)) = self.running.take() {
            let trace = std::mem::take(&mut self.trace);
            attempt.status = trace.status;
            attempt.reused = trace.reused;
            attempt.provider_request_id = trace.provider_request_id;
            attempt.outcome = outcome;
            attempt.duration = began.elapsed();
            self.finished.push(attempt);
        }
    }
}
