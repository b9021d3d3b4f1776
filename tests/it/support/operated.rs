//! A gateway that operators write to.

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, Request};
use super::fixtures::*;
use super::gateway::Gateway;
use super::replies;
use super::setup::Setup;
use super::upstream::Upstream;

/// A gateway with an empty database, and the upstream that its rows will lead to.
pub struct Operated {
    pub gateway: Gateway,
    pub upstream: Upstream,
    pub folder: TempDir,
}

impl Operated {
    pub async fn start() -> Self {
        Operated::configured(|setup| setup).await
    }

    /// With more in its configuration.
    pub async fn configured(more: impl FnOnce(Setup) -> Setup) -> Self {
        let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
        let folder = tempfile::tempdir().expect("a folder");
        let setup = Setup::new(&upstream).stored(&folder.path().join("a.db"));
        let gateway = more(setup).start().await;
        Operated { gateway, upstream, folder }
    }

    /// Starts it anew over the same database.
    pub async fn restarted(mut self, signal: Signal) -> Self {
        self.gateway.signal(signal);
        self.gateway.exit().await;
        let setup = Setup::new(&self.upstream).stored(&self.folder.path().join("a.db"));
        Operated { gateway: setup.start().await, ..self }
    }

    pub async fn create(&self, collection: &str, body: Value) -> Value {
        let answer = self.gateway.operate("POST", &format!("/admin/v1/{collection}"), Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    pub async fn provider_key(&self) -> Value {
        let base = format!("http://{}/v1", self.upstream.addr);
        let body =
            json!({"display_name": "up", "provider": "openai", "api_key": OPENAI_SECRET, "api_base": base});
        self.create("provider_keys", body).await
    }

    pub async fn model(&self) -> Value {
        let body = json!({"display_name": "chat", "provider": "openai", "model_name": "gpt-real", "provider_key": "up"});
        self.create("models", body).await
    }

    pub async fn chat(&self, key: &str) -> Answer {
        self.gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(key)).await
    }
}

/// Where a row of an answer is read.
pub fn path(collection: &str, row: &Value) -> String {
    format!("/admin/v1/{collection}/{}", row["id"].as_str().expect("an id"))
}
