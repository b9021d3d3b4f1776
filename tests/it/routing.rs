//! Aliases of several targets, as callers meet them.

/// Conversations that stay where they are.
mod affinity;
/// State of one account in a conversation that another one goes on with.
mod bound;
/// Which target a request goes to.
mod choice;
/// Whatever one target does, the caller gets the answer of another.
mod failover;
/// Two targets at once, and the first one who answers.
mod hedge;
/// Targets that are left alone for a while.
mod unwell;

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::Door;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Script, Upstream};

/// Several OpenAI-shaped providers, `a`, `b`, `c`, each behind a model of its name.
struct Fleet {
    upstreams: Vec<Upstream>,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Fleet {
    /// As many as there are scripts.
    async fn of<const N: usize>(scripts: [Script; N]) -> Self {
        let mut upstreams = Vec::new();
        for script in scripts {
            upstreams.push(Upstream::doing(script).await);
        }
        Fleet { upstreams }
    }

    /// A gateway in front of them, and the alias `many` of them all with this routing block.
    fn setup(&self, door: Door, routing: Value) -> Setup {
        self.setup_with(door, routing, json!({}))
    }

    /// The same with more members for every model.
    fn setup_with(&self, door: Door, mut routing: Value, members: Value) -> Setup {
        let mut setup = door.setup(&self.upstreams[0]);
        for (name, upstream) in NAMES.iter().zip(&self.upstreams) {
            let key = format!("key-{name}");
            setup = setup.row(
                "provider_keys",
                json!({"display_name": key, "provider": "openai", "api_key": OPENAI_SECRET,
                    "api_base": format!("http://{}/v1", upstream.addr)}),
            );
            let mut model = json!({"display_name": name, "provider": "openai", "model_name": format!("gpt-{name}"),
                "provider_key": key});
            for (member, value) in members.as_object().expect("an object") {
                model[member] = value.clone();
            }
            setup = setup.row("models", model);
        }
        if routing.get("targets").is_none() {
            let targets: Vec<Value> =
                NAMES.iter().take(self.upstreams.len()).map(|name| json!({"model": name})).collect();
            routing["targets"] = targets.into();
        }
        setup.row("models", json!({"display_name": "many", "routing": routing}))
    }

    /// Requests each has had.
    fn counts(&self) -> Vec<usize> {
        self.upstreams.iter().map(Upstream::count).collect()
    }
}

fn ok() -> Script {
    replies::json(200, CHAT_ANSWER)
}

/// One chat request for an alias.
fn ask(alias: &str) -> Request {
    let body = json!({"model": alias, "messages": [{"role": "user", "content": "hi"}]});
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

/// The same, as a stream.
fn ask_stream(alias: &str) -> Request {
    let body = json!({"model": alias, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

/// The models that were tried for an answer, in order, with what became of each.
async fn attempts(gateway: &Gateway, answer: &Answer) -> Vec<(String, String)> {
    let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
    match line.field("attempts").as_array() {
        Some(tries) => {
            let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
            tries.iter().map(|one| (text(one, "model"), text(one, "outcome"))).collect()
        }
        None => vec![(line.text("served_by_model").to_owned(), "ok".to_owned())],
    }
}
