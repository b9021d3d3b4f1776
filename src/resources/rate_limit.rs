//! The limits a caller key, a model or a policy may carry.

use schemars::JsonSchema;
use serde::Deserialize;

/// Limits over fixed windows and on requests in flight. A member that is absent does not limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct RateLimit {
    /// Requests per second.
    pub rps: Option<u64>,
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Requests per hour.
    pub rph: Option<u64>,
    /// Requests per day (86,400 seconds).
    pub rpd: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// Tokens per day (86,400 seconds).
    pub tpd: Option<u64>,
    /// Requests in flight.
    pub concurrency: Option<u64>,
}

/// Limits on the use of one MCP server; there are no tokens to count there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct McpRateLimit {
    /// Requests per second.
    pub rps: Option<u64>,
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Requests per hour.
    pub rph: Option<u64>,
    /// Requests per day (86,400 seconds).
    pub rpd: Option<u64>,
    /// Requests in flight.
    pub concurrency: Option<u64>,
}
