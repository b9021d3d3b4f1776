//! The sockets callers and operators connect to.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;
use regex::Regex;
use serde::{Deserialize, Deserializer, de};

use super::traffic::millis;
use crate::document::{Secret, cidr};

/// The listener for caller traffic.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Proxy {
    /// Where to listen. Must be given in a file; 127.0.0.1:3000 without one.
    #[serde(deserialize_with = "socket")]
    pub addr: SocketAddr,
    /// Longest request body in bytes; 0 = no bound.
    pub request_body_limit_bytes: usize,
    /// Longest request head in bytes.
    pub max_header_bytes: usize,
    /// Milliseconds in which a request head must be complete; 0 = no bound.
    pub header_timeout_ms: u64,
    /// Longest pause between two pieces of a request body, in milliseconds; 408 afterwards, 0 = no bound.
    pub body_timeout_ms: u64,
    /// Milliseconds for a whole request body; 408 afterwards, 0 = no bound.
    pub body_total_timeout_ms: u64,
    /// Accept HTTP/2 too: by ALPN under TLS, by prior knowledge without.
    pub http2: bool,
    /// Serve plain HTTP/1.1 through the gateway's own lean codec; false = through Pingora's sessions, which cost
    /// about three times as much and behave the same.
    pub lean_http1: bool,
    pub tls: Option<ServerTls>,
    pub real_ip: RealIp,
    pub request_id: RequestId,
    /// One event loop, listener and upstream pool per worker. On Linux by default.
    pub thread_per_core: Option<bool>,
    /// Workers, at least 1; the available parallelism by default.
    pub workers: Option<usize>,
    /// Applied to the path before routing; the first that matches, once.
    pub url_rewrites: Vec<UrlRewrite>,
}

impl Default for Proxy {
    fn default() -> Self {
        Proxy {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 3000)),
            request_body_limit_bytes: 32 << 20,
            max_header_bytes: 64 << 10,
            header_timeout_ms: 10_000,
            body_timeout_ms: 60_000,
            body_total_timeout_ms: 600_000,
            http2: true,
            lean_http1: true,
            tls: None,
            real_ip: RealIp::default(),
            request_id: RequestId::default(),
            thread_per_core: None,
            workers: None,
            url_rewrites: Vec::new(),
        }
    }
}

impl Proxy {
    /// None = no bound.
    pub fn body_limit(&self) -> Option<usize> {
        (self.request_body_limit_bytes > 0).then_some(self.request_body_limit_bytes)
    }

    /// Time for a request head.
    pub fn header_timeout(&self) -> Option<Duration> {
        millis(self.header_timeout_ms)
    }

    /// Longest time without progress in a request body.
    pub fn body_timeout(&self) -> Option<Duration> {
        millis(self.body_timeout_ms)
    }

    /// Time for a whole request body.
    pub fn body_total_timeout(&self) -> Option<Duration> {
        millis(self.body_total_timeout_ms)
    }

    /// One event loop per worker?
    pub fn thread_per_core(&self) -> bool {
        self.thread_per_core.unwrap_or(cfg!(target_os = "linux"))
    }

    /// How many workers, the available parallelism (at least 1) unless given.
    pub fn workers(&self) -> usize {
        self.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }
}

/// Certificate chain and key of a listener, paths of PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerTls {
    pub cert_file: String,
    pub key_file: String,
}

/// Whose word is taken for the caller's address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RealIp {
    /// Peers that may name the caller; a bare address stands for itself alone.
    #[serde(deserialize_with = "cidr::list")]
    pub trusted_proxies: Vec<IpNet>,
    /// Skip trusted addresses from the right, as nginx `real_ip_recursive` does.
    pub recursive: bool,
    /// The header that names the caller.
    pub header: String,
}

impl Default for RealIp {
    fn default() -> Self {
        RealIp { trusted_proxies: Vec::new(), recursive: false, header: "x-forwarded-for".to_owned() }
    }
}

/// Where a request id may come from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RequestId {
    /// Headers a caller may supply it in, in this order; empty = always made here.
    pub accept_headers: Vec<String>,
}

impl Default for RequestId {
    fn default() -> Self {
        RequestId { accept_headers: vec!["x-aisix-request-id".to_owned()] }
    }
}

/// A replacement in the raw, percent-encoded path. The query is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct UrlRewrite {
    pub name: Option<String>,
    /// Regular expression; must not match the empty text.
    #[serde(rename = "match")]
    pub pattern: String,
    /// What the matched part becomes: `$1`, `${name}`, `$$`.
    pub rewrite: String,
}

impl UrlRewrite {
    /// The compiled pattern.
    ///
    /// # Errors
    /// It is not a regular expression; [`super::Config::load`] refuses such a rule.
    pub fn regex(&self) -> Result<Regex, regex::Error> {
        Regex::new(&self.pattern)
    }
}

/// The listener for operators.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Admin {
    pub enabled: bool,
    #[serde(deserialize_with = "socket")]
    pub addr: SocketAddr,
    /// Credentials of operators, who may read and write. May be empty on a loopback address, where only probes are
    /// served then.
    pub admin_keys: Vec<Secret>,
    /// Credentials with names, which the audit log shows, and with less than all rights where that is enough.
    pub operators: Vec<Operator>,
    pub tls: Option<ServerTls>,
}

/// The credential of one operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Operator {
    /// Stands in the audit log.
    pub name: String,
    pub key: Secret,
    /// May it only read, and try out what a change would do?
    #[serde(default)]
    pub read_only: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Admin {
            enabled: true,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 3001)),
            admin_keys: Vec::new(),
            operators: Vec::new(),
            tls: None,
        }
    }
}

impl Admin {
    /// Is there anybody who may use the Admin API?
    pub fn has_keys(&self) -> bool {
        !self.admin_keys.is_empty() || !self.operators.is_empty()
    }
}

/// An address and port, for `deserialize_with`.
pub(super) fn socket<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!("{text:?} is not an address with a port such as 127.0.0.1:3000"))
    })
}
