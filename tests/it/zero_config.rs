//! A newcomer starts the binary and nothing else: it says what to do, and both dialects answer.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::CALLER;
use crate::support::gateway::Gateway;

through_every_door! {
    both_dialects_answer_plain_and_streamed,
}

fn body(model: &str, stream: bool) -> String {
    json!({"model": model, "max_tokens": 50, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
        .to_string()
}

#[tokio::test]
async fn the_banner_names_addresses_aliases_a_first_call_and_a_key_that_works() {
    let gateway = Gateway::start_without_config(Door::Lean, None).await;
    let banner = gateway.stdout.all().join("\n");
    let (proxy, admin, metrics) =
        (gateway.proxy.to_string(), gateway.admin.to_string(), gateway.metrics.to_string());
    for part in [proxy.as_str(), &admin, &metrics, "sim-openai", "sim-anthropic", "curl"] {
        assert!(banner.contains(part), "{part} is missing in:\n{banner}");
    }
    let key = banner.split(|c: char| c != '-' && !c.is_ascii_alphanumeric()).find(|word| is_caller_key(word));
    let key = key.unwrap_or_else(|| panic!("no key in:\n{banner}"));
    assert_eq!(gateway.ask(&Request::get("/v1/models").bearer(key)).await.status, 200);
}

/// `sk-` and 32 hexadecimal digits.
fn is_caller_key(word: &str) -> bool {
    word.strip_prefix("sk-").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[tokio::test]
async fn a_key_the_operator_chose_is_not_repeated() {
    let gateway = Gateway::start_without_config(Door::Lean, Some(CALLER)).await;
    assert!(!gateway.stdout.all().join("\n").contains(CALLER));
    assert_eq!(gateway.ask(&Request::get("/v1/models").bearer(CALLER)).await.status, 200);
}

async fn both_dialects_answer_plain_and_streamed(door: Door) {
    let gateway = Gateway::start_without_config(door, Some(CALLER)).await;
    let routes = [("/v1/chat/completions", "sim-openai"), ("/v1/messages", "sim-anthropic")];
    for (target, alias) in routes {
        let answer = gateway.ask(&Request::post(target, body(alias, false)).bearer(CALLER)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["model"], alias);
        assert!(answer.json()["usage"].is_object());
        let mut caller = gateway.caller().await;
        caller.open(&Request::post(target, body(alias, true)).bearer(CALLER)).await;
        let events = caller.events().await;
        assert!(events.len() > 3, "{events:?}");
        let last = events.last().map(String::as_str).unwrap_or_default();
        assert!(last.contains("[DONE]") || last.contains("message_stop"), "{last}");
    }
    let models: Value = gateway.ask(&Request::get("/v1/models").bearer(CALLER)).await.json();
    assert!(models.to_string().contains("sim-openai") && models.to_string().contains("sim-anthropic"));
    assert_eq!(gateway.ask(&Request::get("/v1/models")).await.status, 401);
}
