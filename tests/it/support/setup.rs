//! The configuration and resources of a gateway under test: standing ones that most tests share, and changes.

use serde_json::{Value, json};

use super::certs::Authority;
use super::door::Door;
use super::fixtures::{ADMIN, ANTHROPIC_SECRET, CALLER, OPENAI_SECRET};
use super::gateway::Gateway;
use super::upstream::Upstream;

/// What a gateway is started with. `chat` leads to the OpenAI-shaped upstream and `claude` to the Anthropic-shaped
/// one; both are the same double. One caller key may use everything. There are no retries unless asked for, and one
/// worker unless more are: each has upstream connections of its own.
pub struct Setup {
    pub config: Value,
    pub resources: Value,
    pub env: Vec<(String, String)>,
    /// Files which the configuration names, by their names in the gateway's folder.
    pub files: Vec<(&'static str, String)>,
    /// Where callers go in.
    pub door: Door,
    /// Who vouches for the listener, where it speaks TLS.
    pub authority: Option<Authority>,
}

impl Setup {
    /// The standing configuration. Callers go in as they do by default, with HTTP/1.1.
    pub fn new(upstream: &Upstream) -> Self {
        Setup::standing(upstream, Door::Lean)
    }

    /// The same for a door which [`Door::setup`] opens.
    pub fn standing(upstream: &Upstream, door: Door) -> Self {
        let host = match upstream.scheme {
            "https" => format!("https://localhost:{}", upstream.addr.port()),
            _ => format!("http://{}", upstream.addr),
        };
        let resources = json!({
            "_format_version": "1",
            "provider_keys": [
                {"display_name": "openai-up", "provider": "openai", "api_key": OPENAI_SECRET,
                 "api_base": format!("{host}/v1")},
                {"display_name": "anthropic-up", "provider": "anthropic", "api_key": ANTHROPIC_SECRET,
                 "api_base": host},
            ],
            "models": [
                {"display_name": "chat", "provider": "openai", "model_name": "gpt-real",
                 "provider_key": "openai-up"},
                {"display_name": "claude", "provider": "anthropic", "model_name": "claude-real",
                 "provider_key": "anthropic-up"},
            ],
            "api_keys": [],
        });
        let config = json!({
            "proxy": {"addr": "127.0.0.1:0", "workers": 1},
            "admin": {"addr": "127.0.0.1:0"},
            "observability": {"metrics": {"prometheus": {"addr": "127.0.0.1:0"}}},
            "upstream": {"retries": 0},
            "shutdown": {"min_drain_secs": 0},
        });
        let setup = Setup { config, resources, env: Vec::new(), files: Vec::new(), door, authority: None };
        setup.api_key("alice", CALLER, json!({"allowed_models": ["*"]}))
    }

    /// Gives the listener a certificate of an authority of its own.
    pub fn behind_tls(mut self) -> Self {
        let authority = Authority::new("listener");
        let identity = authority.issue("gateway");
        self.files = vec![("cert.pem", identity.certificate), ("key.pem", identity.key)];
        self.authority = Some(authority);
        self.config("proxy.tls", json!({"cert_file": "cert.pem", "key_file": "key.pem"}))
    }

    /// Keeps resources in a database, which the Admin API writes.
    pub fn stored(self, file: &std::path::Path) -> Self {
        self.config("store_file", file.to_string_lossy().into_owned())
            .config("admin.admin_keys", json!([ADMIN]))
    }

    /// Keeps resources in etcd, which the Admin API writes. Little patience, so that tests need little.
    pub fn in_etcd(self, endpoints: &[String]) -> Self {
        self.config("etcd.endpoints", json!(endpoints))
            .config("etcd.dial_timeout_ms", 1000)
            .config("etcd.request_timeout_ms", 1000)
            .config("admin.admin_keys", json!([ADMIN]))
    }

    /// Sets a key of the configuration by its dotted path.
    pub fn config(mut self, path: &str, value: impl Into<Value>) -> Self {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (parents, last) = pointer.rsplit_once('/').expect("a slash in front");
        let mut place = &mut self.config;
        for name in parents.split('/').filter(|name| !name.is_empty()) {
            place = &mut place[name];
        }
        place[last] = value.into();
        self
    }

    /// Adds a row to a collection of the resources.
    pub fn row(mut self, collection: &str, row: Value) -> Self {
        self.resources[collection].as_array_mut().expect("a collection").push(row);
        self
    }

    /// Adds a model on the OpenAI-shaped upstream.
    pub fn model(self, alias: &str, more: Value) -> Self {
        let row = json!({"display_name": alias, "provider": "openai", "model_name": "gpt-real",
            "provider_key": "openai-up"});
        self.row("models", merged(row, more))
    }

    /// Adds a model on the Anthropic-shaped upstream.
    pub fn claude(self, alias: &str, more: Value) -> Self {
        let row = json!({"display_name": alias, "provider": "anthropic", "model_name": "claude-real",
            "provider_key": "anthropic-up"});
        self.row("models", merged(row, more))
    }

    /// Adds a caller key; its plaintext travels through the environment.
    pub fn api_key(mut self, name: &str, plaintext: &str, more: Value) -> Self {
        let variable = format!("IT_KEY_{}", name.to_uppercase().replace('-', "_"));
        self.env.push((variable.clone(), plaintext.to_owned()));
        let row = json!({"display_name": name, "key_env": variable});
        self.row("api_keys", merged(row, more))
    }

    /// Changes a member of a row, e.g. `("provider_keys", "openai-up", "/request", …)`.
    pub fn change(mut self, collection: &str, name: &str, member: &str, value: Value) -> Self {
        let rows = self.resources[collection].as_array_mut().expect("a collection");
        let row = rows.iter_mut().find(|row| row["display_name"] == name).expect("the row");
        row[member] = value;
        self
    }

    /// Starts the gateway and waits until its probe says that it is ready.
    pub async fn start(self) -> Gateway {
        let gateway = Gateway::start(self).await;
        gateway.until_ready().await;
        gateway
    }

    /// Starts the gateway and waits for its own word alone.
    pub async fn start_unwatched(self) -> Gateway {
        Gateway::start(self).await
    }
}

fn merged(mut row: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("an object") {
        row[name] = value.clone();
    }
    row
}
