//! Bounds on what flows: towards upstreams, towards callers, and at the end.
//!
//! Durations are numbers as they stand in the file; the methods give them as `Option<Duration>`, where 0
//! is None, no bound.

use std::time::Duration;

use serde::Deserialize;

/// How upstreams are reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Upstream {
    /// Milliseconds for an answer; a model's own `timeout` wins.
    pub timeout_ms: u64,
    /// Milliseconds between two chunks of a stream; a model's own `stream_timeout` wins, 0 falls back to
    /// `timeout_ms`.
    pub stream_timeout_ms: u64,
    /// Milliseconds until the first chunk of a stream; 0 falls back to the bound between chunks.
    pub first_frame_timeout_ms: u64,
    /// Milliseconds for a whole exchange, streams included; 0 = no bound.
    pub total_timeout_ms: u64,
    /// Milliseconds for name lookup, TCP and TLS.
    pub connect_timeout_ms: u64,
    /// Seconds of silence before the first TCP keep-alive probe; 0 = no probes.
    pub tcp_keepalive_secs: u64,
    /// Seconds between probes.
    pub tcp_keepalive_interval_secs: u64,
    /// Unanswered probes before the connection counts as dead.
    pub tcp_keepalive_retries: u32,
    /// Seconds an idle connection is kept; below the shortest idle timeout on the path.
    pub pool_idle_timeout_secs: u64,
    /// Idle connections kept per host; None = no bound.
    pub pool_max_idle_per_host: Option<usize>,
    /// Longest whole answer that is read into memory, in bytes; 0 = no bound.
    pub max_answer_bytes: usize,
    /// Tries again on the same target.
    pub retries: u32,
    pub tls: ClientTls,
}

impl Default for Upstream {
    fn default() -> Self {
        Upstream {
            timeout_ms: 6_000_000,
            stream_timeout_ms: 0,
            first_frame_timeout_ms: 0,
            total_timeout_ms: 0,
            connect_timeout_ms: 5000,
            tcp_keepalive_secs: 60,
            tcp_keepalive_interval_secs: 30,
            tcp_keepalive_retries: 5,
            pool_idle_timeout_secs: 30,
            pool_max_idle_per_host: None,
            max_answer_bytes: 64 << 20,
            retries: 2,
            tls: ClientTls::default(),
        }
    }
}

impl Upstream {
    /// Time for an answer.
    pub fn timeout(&self) -> Option<Duration> {
        millis(self.timeout_ms)
    }

    /// Time between two chunks of a stream: its own bound, else that for an answer.
    pub fn stream_timeout(&self) -> Option<Duration> {
        millis(self.stream_timeout_ms).or_else(|| self.timeout())
    }

    /// Time until the first chunk of a stream: its own bound, else that between chunks.
    pub fn first_frame_timeout(&self) -> Option<Duration> {
        millis(self.first_frame_timeout_ms).or_else(|| self.stream_timeout())
    }

    /// Time for a whole exchange.
    pub fn total_timeout(&self) -> Option<Duration> {
        millis(self.total_timeout_ms)
    }

    /// Time for name lookup, TCP and TLS.
    pub fn connect_timeout(&self) -> Option<Duration> {
        millis(self.connect_timeout_ms)
    }

    /// Silence before the first TCP keep-alive probe.
    pub fn tcp_keepalive(&self) -> Option<Duration> {
        seconds(self.tcp_keepalive_secs)
    }

    /// Time between TCP keep-alive probes.
    pub fn tcp_keepalive_interval(&self) -> Option<Duration> {
        seconds(self.tcp_keepalive_interval_secs)
    }

    /// Time an idle connection is kept.
    pub fn pool_idle_timeout(&self) -> Option<Duration> {
        seconds(self.pool_idle_timeout_secs)
    }

    /// Longest whole answer in bytes.
    pub fn answer_limit(&self) -> Option<usize> {
        (self.max_answer_bytes > 0).then_some(self.max_answer_bytes)
    }
}

/// Whom to trust at the other end of a connection, and who we are; paths of PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClientTls {
    /// Trusted in addition to the roots of the platform.
    pub ca_file: Option<String>,
    /// Only together with `client_key_file`.
    pub client_cert_file: Option<String>,
    pub client_key_file: Option<String>,
    /// False accepts any certificate.
    pub verify: bool,
}

impl Default for ClientTls {
    fn default() -> Self {
        ClientTls { ca_file: None, client_cert_file: None, client_key_file: None, verify: true }
    }
}

/// How callers are served.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Downstream {
    /// Seconds an idle keep-alive connection is kept; 0 = for ever. Never interrupts a request.
    pub idle_timeout_secs: u64,
    /// Seconds of silence in a stream before a comment frame is sent; 0 = never.
    pub sse_keepalive_interval_secs: u64,
    /// The same in milliseconds; wins when set. 0 = not set.
    pub sse_keepalive_interval_ms: u64,
    /// Longest time in milliseconds a caller may take nothing of an answer; 0 = no bound.
    pub write_timeout_ms: u64,
}

impl Default for Downstream {
    fn default() -> Self {
        Downstream {
            idle_timeout_secs: 75,
            sse_keepalive_interval_secs: 15,
            sse_keepalive_interval_ms: 0,
            write_timeout_ms: 60_000,
        }
    }
}

impl Downstream {
    /// Time an idle keep-alive connection is kept.
    pub fn idle_timeout(&self) -> Option<Duration> {
        seconds(self.idle_timeout_secs)
    }

    /// Silence in a stream before a comment frame.
    pub fn sse_keepalive_interval(&self) -> Option<Duration> {
        millis(self.sse_keepalive_interval_ms).or_else(|| seconds(self.sse_keepalive_interval_secs))
    }

    /// Longest time a caller may take nothing of an answer.
    pub fn write_timeout(&self) -> Option<Duration> {
        millis(self.write_timeout_ms)
    }
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Shutdown {
    /// Seconds for which it goes on accepting while it reports itself not ready.
    pub min_drain_secs: u64,
    /// Seconds for which running streams may go on after that; 0 = until they end.
    pub stream_budget_secs: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown { min_drain_secs: 30, stream_budget_secs: 600 }
    }
}

impl Shutdown {
    /// The drain window; None = none.
    pub fn min_drain(&self) -> Option<Duration> {
        seconds(self.min_drain_secs)
    }

    /// Time for running streams after the drain window; None = no bound.
    pub fn stream_budget(&self) -> Option<Duration> {
        seconds(self.stream_budget_secs)
    }
}

/// What the list of models shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Models {
    /// Show aliases with several targets too.
    pub show_routing: bool,
}

/// Conversations kept for callers of the Responses API whose provider keeps none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Responses {
    /// Memory for them in bytes; 0 keeps none. The latest ones stay.
    pub history_bytes: u64,
    /// Seconds for which a conversation may be gone on with.
    pub history_ttl_secs: u64,
}

impl Default for Responses {
    fn default() -> Self {
        Responses { history_bytes: 64 << 20, history_ttl_secs: 3600 }
    }
}

/// 0 is None.
pub(super) fn millis(number: u64) -> Option<Duration> {
    (number > 0).then(|| Duration::from_millis(number))
}

/// 0 is None.
fn seconds(number: u64) -> Option<Duration> {
    (number > 0).then(|| Duration::from_secs(number))
}
