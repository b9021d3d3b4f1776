//! What the process tells about itself.

use std::net::{Ipv4Addr, SocketAddr};

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::listeners::socket;

/// Logs, metrics, traces.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Observability {
    /// Name of this service in traces.
    pub service_name: String,
    /// A tracing filter: `info`, `aisix=debug,info`.
    pub log_level: String,
    /// One log line per request.
    pub access_log: bool,
    pub metrics: Metrics,
    pub tracing: Tracing,
}

impl Default for Observability {
    fn default() -> Self {
        Observability {
            service_name: "aisix".to_owned(),
            log_level: "info".to_owned(),
            access_log: true,
            metrics: Metrics::default(),
            tracing: Tracing::default(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Metrics {
    pub prometheus: Prometheus,
    pub otlp: MetricsOtlp,
    /// Labels for callers by their `User-Agent`; the first that matches. At most 64.
    pub client_type_rules: Vec<ClientTypeRule>,
    pub buckets: Buckets,
}

/// The listener for scrapes and status.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Prometheus {
    pub enabled: bool,
    /// A missing leading slash is added; empty is `/metrics`.
    pub path: String,
    #[serde(deserialize_with = "socket")]
    pub addr: SocketAddr,
}

impl Default for Prometheus {
    fn default() -> Self {
        Prometheus {
            enabled: true,
            path: "/metrics".to_owned(),
            addr: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9090)),
        }
    }
}

impl Prometheus {
    /// The path to serve: with its leading slash, `/metrics` when empty.
    pub fn path(&self) -> String {
        match self.path.trim().trim_start_matches('/') {
            "" => "/metrics".to_owned(),
            path => format!("/{path}"),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MetricsOtlp {
    pub enabled: bool,
    pub endpoint: Option<String>,
}

/// A label for callers whose `User-Agent` matches.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClientTypeRule {
    /// Regular expression, without regard to case, not anchored, at most 512 bytes.
    pub pattern: String,
    /// `[a-z0-9][a-z0-9._-]*`, at most 64 bytes.
    pub client: String,
}

impl ClientTypeRule {
    /// The compiled pattern.
    ///
    /// # Errors
    /// It is not a regular expression; [`super::Config::load`] refuses such a rule.
    pub fn regex(&self) -> Result<Regex, regex::Error> {
        RegexBuilder::new(&self.pattern).case_insensitive(true).build()
    }
}

/// Upper bounds of histogram buckets in seconds, ascending; None = those of the metric.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Buckets {
    pub request_e2e_latency: Option<Vec<f64>>,
    pub request_ttft: Option<Vec<f64>>,
    pub guardrail_latency: Option<Vec<f64>>,
    pub a2a_ttfb: Option<Vec<f64>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Tracing {
    pub otlp: TracingOtlp,
}

/// Export of traces over OTLP.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct TracingOtlp {
    pub enabled: bool,
    /// Required when enabled.
    pub endpoint: Option<String>,
    /// Share of requests that are traced, 0 to 1.
    pub sample_ratio: f64,
}

impl Default for TracingOtlp {
    fn default() -> Self {
        TracingOtlp { enabled: false, endpoint: None, sample_ratio: 1.0 }
    }
}
