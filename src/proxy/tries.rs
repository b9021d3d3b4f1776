//! The tries of one request, as they happen.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use crate::dialect::Usage;
use crate::error::{Error, Kind, Side};
use crate::resources::model::Cooldown;
use crate::routing::{Busy, Cause, Claim, Plan, Target, Told, Trial};
use crate::telemetry::{Attempt, TokenCounts, Verdict};
use crate::upstream::Endpoint;
use crate::upstream::attempt::Trace;
use crate::upstream::dispatch::Ledger;

/// Finished tries and those under way.
#[derive(Default)]
pub struct Tries {
    all: SmallVec<[Try; 1]>,
    trace: Trace,
    /// The trial of the try that begins next.
    trial: Option<Trial>,
    /// Tries that run side by side, until they are joined to the others.
    branches: Box<[Tries]>,
    /// Are targets that are left alone for a while passed over?
    gated: bool,
    stream: bool,
}

/// One try at one target.
struct Try {
    target: Target,
    endpoint: Arc<Endpoint>,
    began: Instant,
    trace: Trace,
    /// How it ended; None while it is under way.
    end: Option<(Ended, Duration)>,
    stream: bool,
    /// Counts the try at its target until the request is settled: a stream keeps its target busy to its last frame.
    _busy: Busy,
    /// Held by the one try that may find out whether a target is well again.
    _trial: Option<Trial>,
}

/// How a try ended.
#[derive(Clone, Copy)]
struct Ended {
    /// `ok`, or the name of what went wrong.
    outcome: &'static str,
    verdict: Verdict,
    /// What it tells of the target, where it failed.
    failure: Option<Told>,
}

impl Ended {
    /// `status` is what the upstream answered with.
    fn of(error: Option<&Error>, status: Option<u16>) -> Self {
        let Some(error) = error else {
            return Ended { outcome: "ok", verdict: Verdict::Well, failure: None };
        };
        let status = match error.kind {
            Kind::UpstreamRefused => Some(error.status()),
            _ => status.filter(|status| *status >= 400),
        };
        let mut ended = Ended::with(error.kind, status);
        if let (Some(Told::Failed { retry_after, .. }), Some(seconds)) =
            (&mut ended.failure, error.retry_after)
        {
            *retry_after = Some(Duration::from_secs(seconds.into()));
        }
        ended
    }

    /// A try that nobody waits for any longer.
    fn given_up(outcome: &'static str) -> Self {
        Ended { outcome, verdict: Verdict::Nothing, failure: Some(Told::Nothing) }
    }

    /// A refusal tells of the request, unless it is one of too many requests or of one that took too long.
    fn with(kind: Kind, status: Option<u16>) -> Self {
        let verdict = match kind {
            Kind::UpstreamRefused if matches!(status, Some(408 | 429)) => Verdict::Failed,
            Kind::UpstreamRefused => Verdict::Nothing,
            kind if kind.row().side == Side::Upstream => Verdict::Failed,
            _ => Verdict::Nothing,
        };
        let cause = match kind {
            Kind::UpstreamTimeout => Some(Cause::Timeout),
            Kind::UpstreamUnreadable => Some(Cause::Decode),
            Kind::UpstreamUnreachable | Kind::UpstreamCut => Some(Cause::Transport),
            Kind::UpstreamRefused | Kind::UpstreamCredential => Some(Cause::Status),
            Kind::UpstreamFailed if status.is_some() => Some(Cause::Status),
            Kind::UpstreamFailed => Some(Cause::InBand),
            _ => None,
        };
        let failed = |cause| Told::Failed { cause, status, retry_after: None };
        Ended { outcome: kind.row().name, verdict, failure: Some(cause.map_or(Told::Nothing, failed)) }
    }
}

impl Ledger for Tries {
    fn admit(&mut self, target: &Target, last: bool) -> Result<(), Error> {
        if !self.gated {
            return Ok(());
        }
        self.trial = match target.state.claim(Instant::now()) {
            Claim::Ready => None,
            Claim::Trial(trial) => Some(trial),
            // Others have found out since the plan was made that it is unwell. Better to ask it than nobody.
            Claim::Refused { .. } if last => None,
            Claim::Refused { .. } => {
                return Err(Error::new(Kind::NoTarget, "no target of this model can answer now"));
            }
        };
        Ok(())
    }

    fn begin(&mut self, target: &Target, endpoint: &Arc<Endpoint>) {
        self.trace = Trace::default();
        self.all.push(Try {
            _busy: target.state.enter(),
            _trial: self.trial.take(),
            target: target.clone(),
            endpoint: Arc::clone(endpoint),
            began: Instant::now(),
            trace: Trace::default(),
            end: None,
            stream: self.stream,
        });
    }

    fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    fn end(&mut self, error: Option<&Error>) {
        self.close(Ended::of(error, self.trace.status));
    }

    fn fork(&mut self, parts: usize) -> &mut [Self] {
        let (gated, stream) = (self.gated, self.stream);
        let branch = || Tries { gated, stream, ..Tries::default() };
        self.branches = std::iter::repeat_with(branch).take(parts).collect();
        &mut self.branches
    }

    fn join(&mut self, winner: usize) {
        let mut last = None;
        for (index, mut branch) in std::mem::take(&mut self.branches).into_iter().enumerate() {
            branch.join(0);
            if index == winner {
                last = Some(branch);
                continue;
            }
            branch.close(Ended::given_up(OUTRUN));
            self.all.extend(branch.all.drain(..));
        }
        if let Some(mut won) = last {
            self.all.extend(won.all.drain(..));
            self.trace = won.trace;
        }
    }
}

impl Tries {
    /// The tries of a plan begin.
    pub fn of(&mut self, plan: &Plan, stream: bool) {
        self.gated = !plan.anyway;
        self.stream = stream;
    }

    /// Those that had not ended have, by what ended the request.
    pub fn finish(&mut self, unfinished: Kind) {
        self.branches.iter_mut().for_each(|branch| branch.finish(unfinished));
        self.join(0);
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

    /// The target of the latest try.
    pub fn target(&self) -> Option<&Target> {
        self.all.last().map(|last| &last.target)
    }

    /// What the answer of the latest try consumed, as far as it is known now.
    pub fn consumed(&mut self, usage: &Usage) {
        if let Some(last) = self.all.last_mut() {
            last.trace.usage = *usage;
        }
    }

    /// What the target of the latest try could not be told.
    pub fn losses(&self) -> &[Cow<'static, str>] {
        self.all.last().map_or(&[], |last| last.trace.losses.names())
    }

    /// The answer that had begun failed after all.
    pub fn spoil(&mut self, error: &Error) {
        if let Some(last) = self.all.last_mut() {
            let ended = Ended::of(Some(error), None);
            last.report(ended, Duration::ZERO);
            if let Some((former, _)) = &mut last.end {
                *former = ended;
            }
        }
    }

    fn close(&mut self, ended: Ended) {
        if let Some(last) = self.all.last_mut().filter(|last| last.end.is_none()) {
            last.trace = std::mem::take(&mut self.trace);
            let took = last.began.elapsed();
            last.end = Some((ended, took));
            last.report(ended, took);
        }
    }
}

impl Try {
    /// Tells the target's state how the try went.
    fn report(&self, ended: Ended, took: Duration) {
        let rules = self.target.model.cooldown.as_ref().unwrap_or(&COOLDOWN);
        let told = ended.failure.unwrap_or(Told::Answered { latency: took, streamed: self.stream });
        self.target.state.report(rules, told, Instant::now());
    }

    fn attempt(&self) -> Attempt<'_> {
        let model = &*self.target.model;
        let upstream_label = if model.is_wildcard() {
            model.model_name.as_deref().unwrap_or("*")
        } else {
            &self.target.upstream_model
        };
        let (outcome, verdict, duration) = match &self.end {
            Some((ended, duration)) => (ended.outcome, ended.verdict, *duration),
            None => Default::default(),
        };
        Attempt {
            model: &model.display_name,
            provider: &self.endpoint.provider,
            upstream_model: &self.target.upstream_model,
            upstream_label,
            provider_key_id: &self.endpoint.provider_key_id,
            status: self.trace.status,
            outcome,
            verdict,
            reused: self.trace.reused,
            duration,
            provider_request_id: self.trace.provider_request_id.as_deref(),
            tokens: counts(&self.trace.usage),
        }
    }
}

/// Usage as the record has it.
pub fn counts(usage: &Usage) -> TokenCounts {
    TokenCounts {
        input: usage.input,
        output: usage.output,
        total: usage.total,
        cache_read: usage.cache_read,
        cache_write: usage.cache_write,
        reasoning: usage.reasoning,
    }
}

/// The rules of models that have none of their own.
static COOLDOWN: LazyLock<Cooldown> = LazyLock::new(Cooldown::default);
/// A try whose answer came after that of another one.
const OUTRUN: &str = "outrun";
