//! What all requests of one running gateway share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use http::HeaderName;
use ipnet::IpNet;
use regex::Regex;

use super::history::History;
use super::vectors::Vectors;
use crate::life::Life;
use crate::resources::Snapshot;
use crate::routing::Board;
use crate::telemetry::{Metrics, Telemetry};
use crate::upstream::transport::tls::TlsIdentity;
use crate::upstream::{Endpoints, Policy};

/// One running gateway.
pub struct Node<U> {
    pub settings: Settings,
    /// Replaced as a whole; a request keeps the one it began with.
    pub world: ArcSwap<World>,
    pub upstream: U,
    pub telemetry: Arc<Telemetry>,
    pub life: Arc<Life>,
    pub history: Box<dyn History>,
    pub vectors: Vectors,
}

/// One applied configuration with everything worked out from it.
pub struct World {
    pub snapshot: Arc<Snapshot>,
    pub endpoints: Endpoints,
    pub board: Board,
    pub applied_at: SystemTime,
}

impl World {
    /// What follows from a configuration alone.
    pub fn of(snapshot: Snapshot, trust: &TlsIdentity) -> Self {
        World {
            endpoints: Endpoints::build(&snapshot, trust),
            board: Board::default().next(&Snapshot::empty(), &snapshot),
            snapshot: Arc::new(snapshot),
            applied_at: SystemTime::now(),
        }
    }
}

/// How this process treats requests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Largest request body in bytes; None = any.
    pub body_limit: Option<usize>,
    /// Longest time for a whole request body.
    pub body_total: Option<Duration>,
    pub heartbeat: Option<Duration>,
    /// Longest time for a whole exchange, streams included.
    pub total: Option<Duration>,
    pub trusted_proxies: Vec<IpNet>,
    pub real_ip_recursive: bool,
    pub real_ip_header: String,
    /// Headers in which a caller may bring its own request id.
    pub request_id_headers: Vec<HeaderName>,
    pub rewrites: Vec<(Regex, String)>,
    pub show_routing: bool,
    pub policy: Policy,
}

impl Settings {
    /// Is `address` a proxy whose word about the client counts?
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

/// Counts one request until it is dropped.
pub struct InFlight {
    life: Arc<Life>,
    metrics: Arc<Metrics>,
}

impl InFlight {
    pub fn enter(life: &Arc<Life>, metrics: &Arc<Metrics>) -> Self {
        life.enter();
        metrics.begin();
        InFlight { life: Arc::clone(life), metrics: Arc::clone(metrics) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.end();
        self.life.leave();
    }
}
