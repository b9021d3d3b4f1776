//! How this process runs: listeners, stores, telemetry, bounds.
//!
//! The structs of this room are the definition of the bootstrap file: their fields are the keys, their
//! defaults the defaults. [`load`] merges defaults, file and environment and refuses what it does not know.
//! What callers may do is not said here but in `resources`.

mod check;
mod listeners;
mod load;
mod log;
mod observability;
mod stores;
mod traffic;

use serde::Deserialize;

pub use listeners::{Admin, Operator, Proxy, RealIp, RequestId, ServerTls, UrlRewrite};
pub use load::{IGNORED, environment};
pub use log::{LogFormat, log_format};
pub use observability::{
    Buckets, ClientTypeRule, Metrics, MetricsOtlp, Observability, Prometheus, Tracing, TracingOtlp,
};
pub use stores::{Backend, Cache, Etcd, EtcdTls, Managed, RateLimit, Redis, RedisMode, Store};
pub use traffic::{ClientTls, Downstream, Models, Responses, Shutdown, Upstream};

/// Everything the process is told at start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Path of the resources file, relative to the working directory.
    pub resources_file: Option<String>,
    /// Path of the database in which resources are kept and which the Admin API writes, in place of `resources_file`. Made
    /// when it is not there.
    pub store_file: Option<String>,
    pub store: Store,
    /// Endpoint for every Bedrock guardrail; empty counts as absent.
    pub bedrock_endpoint_url: Option<String>,
    pub etcd: Etcd,
    pub proxy: Proxy,
    pub admin: Admin,
    pub observability: Observability,
    pub cache: Cache,
    pub ratelimit: RateLimit,
    pub upstream: Upstream,
    pub downstream: Downstream,
    pub shutdown: Shutdown,
    pub models: Models,
    pub responses: Responses,
    pub managed: Managed,
}

#[cfg(test)]
mod tests;
