//! What is known of one target while the gateway runs: how busy, how fast and how well it is.

mod average;
mod breaker;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use average::Average;
use breaker::{Breaker, Failure, Standing};
use window::Window;

use crate::resources::model::Cooldown;

/// The state of one direct model. It outlives changes of its row. Reading and writing it takes no lock.
#[derive(Debug)]
pub struct TargetState {
    /// Where the milliseconds of all that is below begin.
    born: Instant,
    in_flight: AtomicU32,
    latency: Average,
    first_frame: Average,
    breaker: Breaker,
    /// Times the breaker was opened.
    opened: AtomicU64,
    window: Window,
    drained: AtomicBool,
    /// Until when the bad verdict of a probe holds; 0 = there is none.
    unwell_until: AtomicU64,
}

/// One try at a target that is under way; dropped when it ends.
#[derive(Debug)]
#[must_use = "the try counts for as long as this lives"]
pub struct Busy(Arc<TargetState>);

/// May a target be tried?
#[derive(Debug)]
pub enum Claim {
    Ready,
    /// Once, to see whether it is well again. Kept until the try has been reported.
    Trial(Trial),
    /// It is left alone until then, or another request tries it right now.
    Refused {
        until: Instant,
    },
}

/// The only try at a target that was left alone for a while. Dropped without a report it gives the trial back.
#[derive(Debug)]
pub struct Trial {
    state: Arc<TargetState>,
    /// The end of the time for which the target was left alone; tells one trial from another.
    until: u64,
}

/// How a try ended, as far as it tells of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told {
    /// `latency` is the time to the first frame of a stream, else that of the whole answer.
    Answered { latency: Duration, streamed: bool },
    Failed {
        cause: Cause,
        /// The status of a refusal, or the one embedded in an error within a stream.
        status: Option<u16>,
        /// Until when the target asks to be left alone, from now.
        retry_after: Option<Duration>,
    },
    /// The request was at fault, or nobody waited for the answer.
    Nothing,
}

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// An answer with a status that is none of success.
    Status,
    Timeout,
    /// Not reached, or cut off.
    Transport,
    /// The answer could not be read.
    Decode,
    /// An error within a stream.
    InBand,
}

/// Why a target is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    AuthFailure,
    RequestTimeoutStatus,
    RateLimited,
    ServerError,
    StatusFailure,
    RequestTimeout,
    TransportError,
    DecodeError,
    InBandError,
    /// Too large a share of the latest tries failed.
    ErrorRate,
}

/// A target's state at one moment, for status pages.
#[derive(Clone, Debug, PartialEq)]
pub struct StateView {
    pub circuit: Circuit,
    /// Why it was opened last; None while it is closed.
    pub reason: Option<Reason>,
    /// How long it stays open.
    pub open_for: Option<Duration>,
    /// Times it was opened without a success between.
    pub openings: u32,
    /// Times it was opened since the process began.
    pub opened: u64,
    /// Failures in a row.
    pub failures: u32,
    pub in_flight: u32,
    /// Averages of whole answers and of first frames; None before the first.
    pub latency: Option<Duration>,
    pub first_frame: Option<Duration>,
    /// Set aside by the operator.
    pub drained: bool,
    /// How long the bad verdict of a probe still holds.
    pub unwell_for: Option<Duration>,
}

/// Is a target tried?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Circuit {
    Closed,
    /// Left alone.
    Open,
    /// One try at a time.
    HalfOpen,
}

impl TargetState {
    /// A target of which nothing is known yet.
    pub fn new() -> Arc<Self> {
        Arc::new(TargetState {
            born: Instant::now(),
            in_flight: AtomicU32::new(0),
            latency: Average::default(),
            first_frame: Average::default(),
            breaker: Breaker::default(),
            opened: AtomicU64::new(0),
            window: Window::default(),
            drained: AtomicBool::new(false),
            unwell_until: AtomicU64::new(0),
        })
    }

    /// Counts a try until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Asked just before a try.
    pub fn claim(self: &Arc<Self>, now: Instant) -> Claim {
        let millis = self.millis(now);
        let word = self.breaker.claim(millis);
        match word.standing(millis) {
            Standing::Closed => Claim::Ready,
            Standing::HalfOpen => Claim::Trial(Trial { state: Arc::clone(self), until: word.until }),
            Standing::OpenUntil(until) => Claim::Refused { until: self.instant(until) },
            Standing::OnTrial => Claim::Refused { until: now },
        }
    }

    /// Takes note of how a try ended. Whatever it was, a success makes the target one that is well.
    pub fn report(&self, rules: &Cooldown, told: Told, now: Instant) {
        let now = self.millis(now);
        let window = rules.window_seconds.saturating_mul(1000);
        match told {
            Told::Nothing => {}
            Told::Answered { latency, streamed } => {
                let average = if streamed { &self.first_frame } else { &self.latency };
                average.add(latency, now);
                self.unwell_until.store(0, Ordering::Relaxed);
                if self.breaker.succeed().openings > 0 {
                    self.window.clear();
                }
                if rules.error_rate.is_some() {
                    self.window.record(false, now, window);
                }
            }
            Told::Failed { cause, status, retry_after } => {
                let Some(reason) = reason(rules, cause, status).filter(|_| rules.enabled) else { return };
                let mut failure = failure(rules, reason, retry_after);
                if let Some(most) = rules.error_rate {
                    self.window.record(true, now, window);
                    let tally = self.window.tally(now, window);
                    let much = tally.tries >= u64::from(rules.min_requests) && tally.rate() >= most;
                    if much && !failure.at_once {
                        failure = Failure { reason: Reason::ErrorRate, at_once: true, ..failure };
                    }
                }
                if self.breaker.fail(failure, now) {
                    self.opened.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Sets the target aside, or takes it back.
    pub fn drain(&self, drained: bool) {
        self.drained.store(drained, Ordering::Relaxed);
    }

    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// A probe failed; the verdict is forgotten at `until`.
    pub fn mark_unwell(&self, until: Instant) {
        self.unwell_until.store(self.millis(until), Ordering::Relaxed);
    }

    /// A probe succeeded.
    pub fn mark_well(&self) {
        self.unwell_until.store(0, Ordering::Relaxed);
    }

    pub fn is_unwell(&self, now: Instant) -> bool {
        self.millis(now) < self.unwell_until.load(Ordering::Relaxed)
    }

    /// Until when it is left alone; None = it may be tried, be it to see whether it is well again.
    pub fn cooling(&self, now: Instant) -> Option<Instant> {
        match self.breaker.load().standing(self.millis(now)) {
            Standing::Closed | Standing::HalfOpen => None,
            Standing::OpenUntil(until) => Some(self.instant(until)),
            Standing::OnTrial => Some(now),
        }
    }

    /// How fast it is, in whole answers or in first frames; None = unknown, or known from long ago only.
    pub fn speed(&self, streamed: bool, now: Instant) -> Option<Duration> {
        let average = if streamed { &self.first_frame } else { &self.latency };
        average.fresh(self.millis(now))
    }

    pub fn view(&self, now: Instant) -> StateView {
        let word = self.breaker.load();
        let now = self.millis(now);
        let left = |until: u64| (until > now).then(|| Duration::from_millis(until - now));
        StateView {
            circuit: match word.standing(now) {
                Standing::Closed => Circuit::Closed,
                Standing::OpenUntil(_) => Circuit::Open,
                Standing::HalfOpen | Standing::OnTrial => Circuit::HalfOpen,
            },
            reason: word.reason.filter(|_| word.openings > 0),
            open_for: left(word.until).filter(|_| word.openings > 0),
            openings: word.openings,
            opened: self.opened.load(Ordering::Relaxed),
            failures: word.failures,
            in_flight: self.in_flight(),
            latency: self.latency.get(),
            first_frame: self.first_frame.get(),
            drained: self.is_drained(),
            unwell_for: left(self.unwell_until.load(Ordering::Relaxed)),
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }

    fn instant(&self, millis: u64) -> Instant {
        self.born.checked_add(Duration::from_millis(millis)).unwrap_or(self.born)
    }
}

/// Why a failure speaks against the target; None = it does not.
fn reason(rules: &Cooldown, cause: Cause, status: Option<u16>) -> Option<Reason> {
    let by_status = |status: u16| rules.trigger_statuses.contains(&status).then(|| Reason::of(status));
    match (cause, status) {
        (Cause::Status | Cause::InBand, Some(status)) => by_status(status),
        (Cause::Timeout, _) => rules.trigger_on_timeout.then_some(Reason::RequestTimeout),
        (Cause::Decode, _) => rules.trigger_on_transport.then_some(Reason::DecodeError),
        (Cause::InBand, None) => rules.trigger_on_transport.then_some(Reason::InBandError),
        (Cause::Transport | Cause::Status, _) => rules.trigger_on_transport.then_some(Reason::TransportError),
    }
}

fn failure(rules: &Cooldown, reason: Reason, retry_after: Option<Duration>) -> Failure {
    let hint = retry_after.filter(|_| rules.honor_retry_after);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Failure {
        reason,
        millis: hint.map_or(rules.default_seconds.saturating_mul(1000), millis),
        most_millis: rules.max_seconds.saturating_mul(1000),
        after: rules.after_failures,
        at_once: reason == Reason::RateLimited && hint.is_some(),
        hinted: hint.is_some(),
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.state.breaker.give_back(self.until);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reason {
    /// In the order of the enum, so that a reason is the index of itself.
    const ALL: [Reason; 10] = [
        Reason::AuthFailure,
        Reason::RequestTimeoutStatus,
        Reason::RateLimited,
        Reason::ServerError,
        Reason::StatusFailure,
        Reason::RequestTimeout,
        Reason::TransportError,
        Reason::DecodeError,
        Reason::InBandError,
        Reason::ErrorRate,
    ];

    /// That of a refusal.
    fn of(status: u16) -> Reason {
        match status {
            401 => Reason::AuthFailure,
            408 => Reason::RequestTimeoutStatus,
            429 => Reason::RateLimited,
            500..=599 => Reason::ServerError,
            _ => Reason::StatusFailure,
        }
    }

    /// As status pages and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::AuthFailure => "upstream_auth_failure",
            Reason::RequestTimeoutStatus => "upstream_request_timeout",
            Reason::RateLimited => "upstream_rate_limited",
            Reason::ServerError => "upstream_server_error",
            Reason::StatusFailure => "upstream_status_failure",
            Reason::RequestTimeout => "request_timeout",
            Reason::TransportError => "transport_error",
            Reason::DecodeError => "upstream_decode_error",
            Reason::InBandError => "upstream_in_band_error",
            Reason::ErrorRate => "error_rate",
        }
    }
}

impl Circuit {
    pub fn name(self) -> &'static str {
        match self {
            Circuit::Closed => "closed",
            Circuit::Open => "open",
            Circuit::HalfOpen => "half_open",
        }
    }
}
