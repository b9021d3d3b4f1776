//! What is known about one finished request, as plain data.

use std::time::{Duration, SystemTime};

use super::streaks::Verdict;

/// One request, from its first byte to its last. Strings that end up as metric labels are configured names
/// or constants, never raw input, except `alias`, which only the log shows.
#[derive(Debug)]
pub struct Record<'a> {
    pub at: SystemTime,
    pub request_id: &'a str,
    /// Trace id of a caller's valid `traceparent`.
    pub trace_id: Option<&'a str>,
    pub method: &'a str,
    /// Route template, or `other`.
    pub endpoint: &'static str,
    /// Dialect of the caller's envelope.
    pub inbound_protocol: &'static str,
    /// `HTTP/1.1` and the like.
    pub http_version: &'static str,
    pub status: u16,
    /// Name of the kind of error, when there was one.
    pub error_kind: Option<&'static str>,
    pub error: Option<String>,
    /// The alias as the caller sent it.
    pub alias: Option<&'a str>,
    /// The configured row that matched.
    pub model: Option<&'a str>,
    pub api_key_id: Option<&'a str>,
    /// Result of the credential check: `allowed`, `denied`, or absent where none was made, with the reason.
    pub auth: Option<(&'static str, &'static str)>,
    pub stream: bool,
    pub tokens: TokenCounts,
    pub attempts: &'a [Attempt<'a>],
    /// How the target was chosen, for an alias with several.
    pub decision: Option<String>,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// Until the first byte of the answer left.
    pub first_byte: Option<Duration>,
    /// Time spent waiting for upstreams.
    pub upstream: Duration,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Fields of the request that the target of the last try could not be told, each with the label it is counted under.
    pub dropped: &'a [(&'a str, &'static str)],
    /// How draining a body beyond the limit ended.
    pub over_limit: Option<&'static str>,
}

/// Tokens as the provider reported them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub total: Option<u64>,
    pub cache_read: Option<u64>,
    pub cache_write: Option<u64>,
    pub reasoning: Option<u64>,
}

/// One try at one target.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    /// Display name of the target's model row.
    pub model: &'a str,
    pub provider: &'a str,
    /// Model id the upstream was asked for.
    pub upstream_model: &'a str,
    /// The same for metrics: behind a wildcard the configured pattern, never the caller's own text.
    pub upstream_label: &'a str,
    pub provider_key_id: &'a str,
    /// Status of the upstream's answer, when it gave one.
    pub status: Option<u16>,
    /// `ok`, or the name of the error kind.
    pub outcome: &'static str,
    pub verdict: Verdict,
    /// Was a pooled connection used?
    pub reused: bool,
    pub duration: Duration,
    /// The provider's own id of the request.
    pub provider_request_id: Option<&'a str>,
    /// What it consumed, as far as the provider told.
    pub tokens: TokenCounts,
}

impl Record<'_> {
    /// `success`, `client_error`, `rate_limited` or `upstream_error`.
    pub fn outcome(&self) -> &'static str {
        match self.status {
            429 => "rate_limited",
            400..=499 => "client_error",
            500.. => "upstream_error",
            _ => "success",
        }
    }

    /// The time the gateway itself added: everything but the waiting for upstreams.
    pub fn added(&self) -> Duration {
        self.duration.saturating_sub(self.upstream)
    }
}
