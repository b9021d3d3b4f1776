//! What is known of one target while the gateway runs: how busy, how fast and how well it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::resources::model::Cooldown;

/// The state of one direct model. It outlives changes of its row. Reading and writing it takes no lock.
#[derive(Debug)]
pub struct TargetState {
    in_flight: AtomicU32,
    drained: AtomicBool,
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
pub struct Trial(Arc<TargetState>);

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
        Arc::new(TargetState { in_flight: AtomicU32::new(0), drained: AtomicBool::new(false) })
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
    pub fn claim(self: &Arc<Self>, _now: Instant) -> Claim {
        Claim::Ready
    }

    /// Takes note of how a try ended.
    pub fn report(&self, _rules: &Cooldown, _told: Told, _now: Instant) {}

    /// Sets the target aside, or takes it back.
    pub fn drain(&self, drained: bool) {
        self.drained.store(drained, Ordering::Relaxed);
    }

    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// A probe failed; the verdict is forgotten at `until`.
    pub fn mark_unwell(&self, _until: Instant) {}

    /// A probe succeeded.
    pub fn mark_well(&self) {}

    pub fn is_unwell(&self, _now: Instant) -> bool {
        false
    }

    pub fn view(&self, _now: Instant) -> StateView {
        StateView {
            circuit: Circuit::Closed,
            reason: None,
            open_for: None,
            openings: 0,
            failures: 0,
            in_flight: self.in_flight(),
            latency: None,
            first_frame: None,
            drained: self.is_drained(),
            unwell_for: None,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reason {
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
