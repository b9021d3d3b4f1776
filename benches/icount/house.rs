//! A gateway without sockets: one provider and one model for each dialect, one caller key, settings as shipped.

use std::sync::Arc;
use std::time::Duration;

use aisix::life::Life;
use aisix::proxy::history::Memory;
use aisix::proxy::vectors::Vectors;
use aisix::proxy::{Node, Settings, World};
use aisix::resources::{ApiKey, Model, ProviderKey, Snapshot};
use aisix::telemetry::access_log::{AccessLog, Format};
use aisix::telemetry::{Metrics, Telemetry};
use aisix::upstream::Policy;
use aisix::upstream::transport::Upstream;
use aisix::upstream::transport::tls::TlsIdentity;
use arc_swap::ArcSwap;

use super::samples::{ALIAS, CALLER_KEY, UPSTREAM_MODEL};

/// A gateway for requests of one vendor's dialect.
pub fn node<U: Upstream>(vendor: &str, upstream: U) -> Node<U> {
    let mut key = ProviderKey::new("provider", vendor, "sk-upstream");
    key.api_base = Some("http://127.0.0.1:1/v1".to_owned());
    let snapshot = Snapshot::builder()
        .add_provider_key(key, "provider-key-id")
        .add_model(Model::direct(ALIAS, vendor, UPSTREAM_MODEL, "provider-key-id"), "model-id")
        .add_api_key(ApiKey::new(CALLER_KEY, &["*"]), "caller-key-id")
        .build()
        .expect("the rows fit together");
    let world = World::of(snapshot, &TlsIdentity::default());
    // A request's own part is to write its line and to hand it over; the log's thread is not counted.
    let log = AccessLog::start(Format::Json, Box::new(std::io::sink())).expect("a thread starts");
    Node {
        settings: settings(),
        world: ArcSwap::from_pointee(world),
        upstream,
        telemetry: Arc::new(Telemetry::new(
            Arc::new(Metrics::new().expect("the families are sound")),
            Some(log),
        )),
        life: Arc::new(Life::default()),
        history: Box::new(Memory::new(1 << 20, Duration::from_secs(60))),
        vectors: Vectors::new(1 << 20),
    }
}

/// As an empty configuration file has them.
fn settings() -> Settings {
    Settings {
        body_limit: Some(32 << 20),
        body_total: Some(Duration::from_secs(600)),
        heartbeat: Some(Duration::from_secs(15)),
        total: None,
        trusted_proxies: Vec::new(),
        real_ip_recursive: false,
        real_ip_header: "x-forwarded-for".to_owned(),
        request_id_headers: Vec::new(),
        rewrites: Vec::new(),
        show_routing: false,
        policy: Policy {
            connect: Some(Duration::from_secs(5)),
            timeout: Some(Duration::from_secs(6000)),
            stream_timeout: Some(Duration::from_secs(6000)),
            first_frame: None,
            hold: Some(Duration::from_secs(15)),
            retries: 2,
            max_answer: 64 << 20,
        },
    }
}
