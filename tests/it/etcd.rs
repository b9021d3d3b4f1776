//! Resources in etcd: what is written through one gateway, or by anybody else, is served by all; and nothing that
//! happens to etcd is noticed by a caller.

/// TLS, users, and members that do not answer.
mod access;
/// Everything that can happen to etcd, while requests are made all the time.
mod chaos;
/// Several gateways on one etcd.
mod fleet;
/// Outages that last, and what the gateway says of itself.
mod outage;
/// Rows as they lie in etcd, good and bad.
mod rows;

use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::client::Request;
use crate::support::etcd::Etcd;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// An etcd, the upstream its rows lead to, and gateways that serve them.
struct Fleet {
    etcd: Etcd,
    upstream: Upstream,
    gateways: Vec<Gateway>,
}

impl Fleet {
    /// So many gateways on one etcd, in which there is nothing yet.
    async fn empty(gateways: usize) -> Self {
        let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
        let mut fleet = Fleet { etcd: Etcd::start().await, upstream, gateways: Vec::new() };
        for _ in 0..gateways {
            let gateway = fleet.setup(&[fleet.etcd.endpoint()]).start().await;
            fleet.gateways.push(gateway);
        }
        fleet
    }

    /// With a provider key, the model `chat`, and the key of a caller who may use it.
    async fn serving(gateways: usize) -> Self {
        let fleet = Fleet::empty(gateways).await;
        fleet.furnish().await;
        fleet
    }

    fn setup(&self, endpoints: &[String]) -> Setup {
        Setup::new(&self.upstream).in_etcd(endpoints)
    }

    async fn furnish(&self) {
        let first = &self.gateways[0];
        create(first, "provider_keys", self.provider_key()).await;
        create(
            first,
            "models",
            json!({"display_name": "chat", "provider": "openai", "model_name": "gpt-real",
            "provider_key": "up"}),
        )
        .await;
        create(first, "api_keys", json!({"display_name": "k", "key": CALLER, "allowed_models": ["*"]})).await;
        for gateway in &self.gateways {
            until_chat_is(gateway, CALLER, 200).await;
        }
    }

    fn provider_key(&self) -> Value {
        let base = format!("http://{}/v1", self.upstream.addr);
        json!({"display_name": "up", "provider": "openai", "api_key": OPENAI_SECRET, "api_base": base})
    }

    fn gateway(&self) -> &Gateway {
        &self.gateways[0]
    }
}

async fn create(gateway: &Gateway, collection: &str, body: Value) -> Value {
    let answer = gateway.operate("POST", &format!("/admin/v1/{collection}"), Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A caller key whose plaintext the gateway makes: its id and that.
async fn new_key(gateway: &Gateway, name: &str) -> (String, String) {
    let row = create(gateway, "api_keys", json!({"display_name": name, "allowed_models": ["*"]})).await;
    let text = |name: &str| row[name].as_str().expect("a text").to_owned();
    (text("id"), text("plaintext"))
}

async fn chat(gateway: &Gateway, key: &str) -> Answer {
    gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(key)).await
}

async fn until_chat_is(gateway: &Gateway, key: &str, status: u16) {
    crate::support::eventually(&format!("a chat answered with {status}"), || async {
        (chat(gateway, key).await.status == status).then_some(())
    })
    .await;
}
