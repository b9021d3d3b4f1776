//! Other processes that hold state for this one.

use std::time::Duration;

use serde::Deserialize;

use super::Config;
use super::traffic::ClientTls;
use crate::document::Secret;

/// What holds for resources that another process keeps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Store {
    /// How long it may be out of reach before `/readyz` answers 503. 0 = for ever.
    pub contact_timeout_secs: u64,
    /// Where a copy of what it holds is kept on this machine, to start with when it is out of reach. None =
    /// `last-known-good.json` in the data directory, empty = no copy.
    pub last_known_good_file: Option<String>,
}

impl Default for Store {
    fn default() -> Self {
        Store { contact_timeout_secs: 300, last_known_good_file: None }
    }
}

impl Config {
    pub fn store_contact_timeout(&self) -> Option<Duration> {
        let bound = self.store.contact_timeout_secs;
        (bound > 0).then(|| Duration::from_secs(bound))
    }

    /// `store.last_known_good_file`, or what it is called in managed mode.
    pub fn last_known_good_file(&self) -> Option<&str> {
        self.store.last_known_good_file.as_deref().or(self.managed.snapshot_cache_path.as_deref())
    }
}

/// Resources in etcd, shared by any number of gateways.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Etcd {
    /// Addresses of members, `http://` or `https://`. One of them is used at a time, the next one when it fails.
    pub endpoints: Vec<String>,
    /// Root of all keys.
    pub prefix: String,
    /// When not empty, keys live under `<prefix>/<env_id>/`.
    pub env_id: String,
    pub user: Option<String>,
    /// Name of the environment variable that holds the password.
    pub password_env: Option<String>,
    /// How long connecting may take.
    pub dial_timeout_ms: u64,
    /// How long an answer may take.
    pub request_timeout_ms: u64,
    pub tls: Option<EtcdTls>,
}

impl Default for Etcd {
    fn default() -> Self {
        Etcd {
            endpoints: Vec::new(),
            prefix: "/aisix".to_owned(),
            env_id: String::new(),
            user: None,
            password_env: None,
            dial_timeout_ms: 5000,
            request_timeout_ms: 5000,
            tls: None,
        }
    }
}

/// Mutual TLS towards etcd, paths of PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EtcdTls {
    pub ca_cert_file: String,
    pub client_cert_file: String,
    pub client_key_file: String,
    /// Name to check; None = the host of the first endpoint.
    pub domain_name: Option<String>,
}

/// Where state is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    #[default]
    Memory,
    Redis,
}

/// The cache of answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Cache {
    pub backend: Backend,
    /// Required when the backend is `redis`.
    pub redis: Option<Redis>,
}

/// The counters behind limits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RateLimit {
    pub backend: Backend,
    /// Required when the backend is `redis`.
    pub redis: Option<Redis>,
    /// Age at which a slot of a vanished process is freed, in seconds. Not 0 with redis.
    pub concurrency_ttl_secs: u64,
}

impl Default for RateLimit {
    fn default() -> Self {
        RateLimit { backend: Backend::Memory, redis: None, concurrency_ttl_secs: 300 }
    }
}

/// One Redis deployment. Addresses carry passwords and are secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Redis {
    pub mode: RedisMode,
    /// The address in mode `single`.
    pub url: Option<Secret>,
    /// The addresses in mode `cluster`.
    pub nodes: Vec<Secret>,
    /// The addresses in mode `sentinel`.
    pub sentinels: Vec<Secret>,
    /// The name of the master in mode `sentinel`.
    pub master_name: Option<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// The database of the sentinels' master.
    pub database: Option<u32>,
    /// For `rediss://` addresses.
    pub tls: Option<ClientTls>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedisMode {
    #[default]
    Single,
    Cluster,
    Sentinel,
}

/// Keys of the cloud tenant mode. Understood, but the mode is not available in this build.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Managed {
    pub enabled: bool,
    pub cp_base_url: Option<String>,
    pub cp_etcd_endpoint: Option<String>,
    pub cp_ca_cert_file: Option<String>,
    pub cp_cert_pem: Option<String>,
    pub cp_key_pem: Option<Secret>,
    pub cp_ca_pem: Option<String>,
    pub cp_cert_file: Option<String>,
    pub cp_key_file: Option<String>,
    pub cp_ca_file: Option<String>,
    pub mtls_dir: String,
    pub dp_id_file: String,
    /// Another name for `store.last_known_good_file`.
    pub snapshot_cache_path: Option<String>,
    /// Clamped to 5 to 300.
    pub heartbeat_interval_secs: u64,
}

impl Default for Managed {
    fn default() -> Self {
        Managed {
            enabled: false,
            cp_base_url: None,
            cp_etcd_endpoint: None,
            cp_ca_cert_file: None,
            cp_cert_pem: None,
            cp_key_pem: None,
            cp_ca_pem: None,
            cp_cert_file: None,
            cp_key_file: None,
            cp_ca_file: None,
            mtls_dir: "/var/lib/aisix/mtls".to_owned(),
            dp_id_file: "/var/lib/aisix/dp_id".to_owned(),
            snapshot_cache_path: None,
            heartbeat_interval_secs: 15,
        }
    }
}
