use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

through_every_door! {
    thoughts_of_one_account_do_not_reach_another,
    what_an_upstream_does_not_know_is_left_out_and_asked_again,
    a_single_target_hands_on_the_refusal,
}

/// What Anthropic answers to a signature that is not its own.
const REFUSAL: &str = r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}"#;

/// A later turn of a conversation in which the model has thought.
fn turn() -> Request {
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"});
    let body = json!({"model": "many", "max_tokens": 64, "messages": [
        {"role": "user", "content": "cats?"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "cats."}]},
        {"role": "user", "content": "more"},
    ]});
    Request::post("/v1/messages", body.to_string()).bearer(CALLER)
}

fn first_turn() -> Request {
    let body = json!({"model": "many", "max_tokens": 64, "messages": [{"role": "user", "content": "cats?"}]});
    Request::post("/v1/messages", body.to_string()).bearer(CALLER)
}

/// Two accounts of Anthropic's behind one alias.
fn accounts(door: Door, one: &Upstream, two: &Upstream) -> Setup {
    let key = json!({"display_name": "two", "provider": "anthropic", "api_key": ANTHROPIC_SECRET,
        "api_base": format!("http://{}", two.addr)});
    let setup = door.setup(one).row("provider_keys", key).claude("claude-2", json!({"provider_key": "two"}));
    let targets = json!([{"model": "claude"}, {"model": "claude-2"}]);
    setup.row("models", json!({"display_name": "many", "routing": {"targets": targets}}))
}

fn thoughts(body: &Value) -> usize {
    body.to_string().matches("signature").count()
}

async fn thoughts_of_one_account_do_not_reach_another(door: Door) {
    let one = Upstream::doing(replies::json(200, MESSAGE_ANSWER)).await;
    let two = Upstream::doing(replies::json(200, MESSAGE_ANSWER)).await;
    let gateway = accounts(door, &one, &two).start().await;
    assert_eq!(gateway.ask(&first_turn()).await.status, 200);
    assert_eq!(gateway.ask(&turn()).await.status, 200);
    assert_eq!(thoughts(&one.last().json()), 1, "its own thoughts go back to it");
    one.always(replies::json(529, "{}"));
    let asked = turn().header("x-aisix-dropped-fields", "1");
    let answer = gateway.ask(&asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((two.count(), thoughts(&two.last().json())), (1, 0), "{}", two.last().text());
    assert!(two.last().text().contains("cats."), "{}", two.last().text());
    assert!(answer.header("x-aisix-dropped-fields").is_some(), "{:?}", answer.headers);
}

async fn what_an_upstream_does_not_know_is_left_out_and_asked_again(door: Door) {
    let one = Upstream::queue([replies::json(400, REFUSAL), replies::json(200, MESSAGE_ANSWER)]).await;
    let two = Upstream::doing(replies::json(500, "{}")).await;
    let gateway = accounts(door, &one, &two).start().await;
    let answer = gateway.ask(&turn()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((one.count(), two.count()), (2, 0));
    assert_eq!((thoughts(&one.seen(0).json()), thoughts(&one.seen(1).json())), (1, 0));
}

async fn a_single_target_hands_on_the_refusal(door: Door) {
    let one = Upstream::doing(replies::json(400, REFUSAL)).await;
    let gateway = door.setup(&one).start().await;
    let mut request = turn();
    request.body = String::from_utf8(request.body).expect("text").replace("many", "claude").into_bytes();
    let answer = gateway.ask(&request).await;
    assert_eq!((answer.status, answer.text().as_str(), one.count()), (400, REFUSAL, 1));
}
