//! The tries: targets in order, each as often as its budget allows, until one gives an answer.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt::{Answer, Ask, Budgets, Failure, Trace, attempt};
use super::endpoint::{Endpoint, Endpoints};
use super::transport::Upstream;
use crate::error::{Error, Kind};
use crate::resources::Model;
use crate::routing::{Plan, Target};

/// The deployment's times and retry budgets; a model row overrides what it sets.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub connect: Option<Duration>,
    /// Whole answers.
    pub timeout: Option<Duration>,
    /// Streams: to the head, and between pieces. None defers to `timeout`.
    pub stream_timeout: Option<Duration>,
    pub first_frame: Option<Duration>,
    /// Longest time a stream's head waits for its first frame.
    pub hold: Option<Duration>,
    /// Tries after the first on the same target, for the last target of a plan.
    pub retries: u32,
    pub max_answer: usize,
}

impl Policy {
    /// The times of one try at `model`.
    pub fn budgets(&self, model: &Model, stream: bool) -> Budgets {
        let whole = match model.timeout {
            Some(0) => None,
            Some(millis) => Some(Duration::from_millis(millis)),
            None => self.timeout,
        };
        let gap = if stream { self.stream_budget(model, whole) } else { whole };
        Budgets {
            connect: self.connect,
            head: gap,
            first_frame: self.first_frame.or(gap),
            gap,
            hold: self.hold,
            max_answer: self.max_answer,
        }
    }

    fn stream_budget(&self, model: &Model, whole: Option<Duration>) -> Option<Duration> {
        match model.stream_timeout.filter(|&millis| millis > 0) {
            Some(millis) => Some(Duration::from_millis(millis)),
            None if model.timeout.is_some() => whole,
            None => self.stream_timeout.or(self.timeout),
        }
    }
}

/// Receives what happened, try by try, so that a request abandoned half way is still told truly.
pub trait Ledger: Send {
    /// A try begins.
    fn begin(&mut self, target: &Target, endpoint: &Arc<Endpoint>);
    /// What the running try has found out so far.
    fn trace(&mut self) -> &mut Trace;
    /// The try ended: `None` with an answer, else with an error.
    fn end(&mut self, error: Option<&Error>);
}

/// Tries the plan's targets until one answers.
///
/// # Errors
/// The last failure.
pub async fn dispatch<U: Upstream>(
    upstream: &U,
    endpoints: &Endpoints,
    plan: &Plan,
    ask: &Ask<'_>,
    policy: &Policy,
    ledger: &mut impl Ledger,
) -> Result<Answer<U::Call>, Failure> {
    let mut last = Failure::from(Error::new(Kind::NoTarget, "no target of this model can answer now"));
    for (index, target) in plan.targets.iter().enumerate() {
        let endpoint = match endpoints.of(&target.model) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                last = error.into();
                continue;
            }
        };
        let retries = Retries::of(target, policy, index + 1 == plan.targets.len());
        match try_target(upstream, endpoint, target, ask, policy, retries, ledger).await {
            Err(failure) if failure.error.retryable() => last = failure,
            settled => return settled,
        }
    }
    Err(last)
}

async fn try_target<U: Upstream>(
    upstream: &U,
    endpoint: &Arc<Endpoint>,
    target: &Target,
    ask: &Ask<'_>,
    policy: &Policy,
    retries: Retries,
    ledger: &mut impl Ledger,
) -> Result<Answer<U::Call>, Failure> {
    let budgets = policy.budgets(&target.model, ask.peek.stream);
    let mut tries = 0;
    loop {
        ledger.begin(target, endpoint);
        let result = attempt(upstream, endpoint, &target.upstream_model, ask, &budgets, ledger.trace()).await;
        ledger.end(match &result {
            Ok(Answer::Whole(answer)) => answer.refused.as_ref(),
            Ok(Answer::Stream(_)) => None,
            Err(failure) => Some(&failure.error),
        });
        match result {
            Err(failure) if retries.allow(tries, &failure) => {
                tokio::time::sleep(backoff(tries, failure.error.retry_after)).await;
                tries += 1;
            }
            settled => return settled,
        }
    }
}

/// How often one target may be tried again.
#[derive(Clone, Copy)]
struct Retries {
    budget: u32,
    /// A budget written for the model covers everything; the deployment's default never covers timeouts.
    covers_timeouts: bool,
}

impl Retries {
    fn of(target: &Target, policy: &Policy, last_target: bool) -> Self {
        match target.model.retries {
            Some(budget) => Retries { budget, covers_timeouts: true },
            None => Retries { budget: if last_target { policy.retries } else { 0 }, covers_timeouts: false },
        }
    }

    fn allow(self, tries: u32, failure: &Failure) -> bool {
        tries < self.budget && failure.error.retryable() && (self.covers_timeouts || !failure.timed_out)
    }
}

/// The upstream's own hint when it is short, else doubling from 250 ms to 2 s; plus up to 250 ms at random,
/// so that callers who failed together do not return together.
fn backoff(tries: u32, hint: Option<u32>) -> Duration {
    let base = match hint {
        Some(seconds) if seconds <= LONGEST_HINT => Duration::from_secs(seconds.into()),
        _ => (FIRST_BACKOFF * 2u32.saturating_pow(tries.min(8))).min(LONGEST_BACKOFF),
    };
    base + Duration::from_millis(RandomState::new().hash_one(Instant::now()) % JITTER_MILLIS)
}

const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// Seconds of `Retry-After` that are worth waiting within one request.
const LONGEST_HINT: u32 = 5;
const JITTER_MILLIS: u64 = 250;

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            connect: None,
            timeout: Some(Duration::from_secs(100)),
            stream_timeout: None,
            first_frame: None,
            hold: None,
            retries: 2,
            max_answer: 1 << 20,
        }
    }

    #[test]
    fn a_model_overrides_the_deployments_times_and_zero_means_none() {
        let cases = [
            (None, None, false, Some(100_000)),
            (Some(5_000), None, false, Some(5_000)),
            (Some(0), None, false, None),
            (Some(5_000), Some(700), true, Some(700)),
            (Some(5_000), Some(0), true, Some(5_000)),
            (Some(0), None, true, None),
            (None, None, true, Some(100_000)),
        ];
        for (timeout, stream_timeout, stream, expected) in cases {
            let model = Model { timeout, stream_timeout, ..Model::default() };
            let gap = policy().budgets(&model, stream).gap;
            assert_eq!(gap, expected.map(Duration::from_millis), "{timeout:?} {stream_timeout:?} {stream}");
        }
    }

    #[test]
    fn backoff_doubles_up_to_a_bound_and_follows_a_short_hint() {
        let between = |duration: Duration, low: u64| {
            (low..low + JITTER_MILLIS).contains(&u64::try_from(duration.as_millis()).expect("short"))
        };
        assert!(between(backoff(0, None), 250));
        assert!(between(backoff(1, None), 500));
        assert!(between(backoff(9, None), 2_000));
        assert!(between(backoff(0, Some(3)), 3_000));
        assert!(between(backoff(0, Some(60)), 250));
    }

    #[test]
    fn the_default_budget_covers_no_timeouts_and_an_explicit_one_covers_all() {
        let failure = |timed_out| Failure { timed_out, ..Error::new(Kind::UpstreamTimeout, "late").into() };
        let default = Retries { budget: 2, covers_timeouts: false };
        let explicit = Retries { budget: 1, covers_timeouts: true };
        assert!(default.allow(0, &failure(false)) && !default.allow(0, &failure(true)));
        assert!(explicit.allow(0, &failure(true)) && !explicit.allow(1, &failure(true)));
    }
}
