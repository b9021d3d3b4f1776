//! The tries of one request, as they happen.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::error::{Error, Kind, Side};
use crate::routing::Target;
use crate::telemetry::{Attempt, Verdict};
use crate::upstream::Endpoint;
use crate::upstream::attempt::Trace;
use crate::upstream::dispatch::Ledger;

/// Finished tries and the one under way.
#[derive(Default)]
pub struct Tries {
    all: SmallVec<[Try; 1]>,
    trace: Trace,
}

/// One try at one target.
struct Try {
    target: Target,
    endpoint: Arc<Endpoint>,
    began: Instant,
    trace: Trace,
    /// How it ended; None while it is under way.
    end: Option<(Ended, Duration)>,
}

/// How a try ended.
#[derive(Clone, Copy, Default)]
struct Ended {
    /// `ok`, or the name of what went wrong.
    outcome: &'static str,
    verdict: Verdict,
}

impl Ended {
    fn of(error: Option<&Error>) -> Self {
        match error {
            None => Ended { outcome: "ok", verdict: Verdict::Well },
            Some(error) => Ended::with(error.kind, Some(error.status())),
        }
    }

    /// A refusal tells of the request, unless it is one of too many requests or of one that took too long.
    fn with(kind: Kind, status: Option<u16>) -> Self {
        let verdict = match kind {
            Kind::UpstreamRefused if matches!(status, Some(408 | 429)) => Verdict::Failed,
            Kind::UpstreamRefused => Verdict::Nothing,
            kind if kind.row().side == Side::Upstream => Verdict::Failed,
            _ => Verdict::Nothing,
        };
        Ended { outcome: kind.row().name, verdict }
    }
}

impl Ledger for Tries {
    fn begin(&mut self, target: &Target, endpoint: &Arc<Endpoint>) {
        self.trace = Trace::default();
        self.all.push(Try {
            target: target.clone(),
            endpoint: Arc::clone(endpoint),
            began: Instant::now(),
            trace: Trace::default(),
            end: None,
        });
    }

    fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    fn end(&mut self, error: Option<&Error>) {
        self.close(Ended::of(error));
    }
}

impl Tries {
    /// The last try has ended, if it had not: by what ended the request.
    pub fn finish(&mut self, unfinished: Kind) {
        self.close(Ended::with(unfinished, None));
    }

    /// Time spent in all tries.
    pub fn duration(&self) -> Duration {
        self.all.iter().filter_map(|one| Some(one.end?.1)).sum()
    }

    /// What is told of the tries.
    pub fn attempts(&self) -> SmallVec<[Attempt<'_>; 1]> {
        self.all.iter().map(Try::attempt).collect()
    }

    /// What the target of the latest try could not be told.
    pub fn losses(&self) -> &[Cow<'static, str>] {
        self.all.last().map_or(&[], |last| last.trace.losses.names())
    }

    /// The answer that had begun failed after all.
    pub fn spoil(&mut self, error: &Error) {
        if let Some(Try { end: Some((ended, _)), .. }) = self.all.last_mut() {
            *ended = Ended::of(Some(error));
        }
    }

    fn close(&mut self, ended: Ended) {
        if let Some(last) = self.all.last_mut().filter(|last| last.end.is_none()) {
            last.trace = std::mem::take(&mut self.trace);
            last.end = Some((ended, last.began.elapsed()));
        }
    }
}

impl Try {
    fn attempt(&self) -> Attempt<'_> {
        let model = &*self.target.model;
        let upstream_label = if model.is_wildcard() {
            model.model_name.as_deref().unwrap_or("*")
        } else {
            &self.target.upstream_model
        };
        let (ended, duration) = self.end.unwrap_or_default();
        Attempt {
            model: &model.display_name,
            provider: &self.endpoint.provider,
            upstream_model: &self.target.upstream_model,
            upstream_label,
            provider_key_id: &self.endpoint.provider_key_id,
            status: self.trace.status,
            outcome: ended.outcome,
            verdict: ended.verdict,
            reused: self.trace.reused,
            duration,
            provider_request_id: self.trace.provider_request_id.as_deref(),
        }
    }
}
