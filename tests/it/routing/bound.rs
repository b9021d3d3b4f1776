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
    a_stored_answer_is_gone_on_from_where_it_is_kept,
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

/// An answer that its provider keeps, under an id of its own.
fn kept(id: &str) -> String {
    json!({"id": id, "object": "response", "created_at": 1, "status": "completed", "model": "gpt-real-2026",
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": []}]}],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}})
    .to_string()
}

async fn a_stored_answer_is_gone_on_from_where_it_is_kept(door: Door) {
    let one = Upstream::doing(replies::json(200, &kept("resp_one"))).await;
    let two = Upstream::doing(replies::json(200, &kept("resp_two"))).await;
    let key = |name: &str, at: &Upstream| {
        json!({"display_name": name, "provider": "openai", "adapter": "openai-responses",
            "api_key": OPENAI_SECRET, "api_base": format!("http://{}/v1", at.addr)})
    };
    let targets = json!([{"model": "m1"}, {"model": "m2"}]);
    let routing = json!({"strategy": "round_robin", "targets": targets});
    let setup = door.setup(&one).row("provider_keys", key("k1", &one)).row("provider_keys", key("k2", &two));
    let setup = setup.model("m1", json!({"provider_key": "k1"})).model("m2", json!({"provider_key": "k2"}));
    let gateway = setup.row("models", json!({"display_name": "many", "routing": routing})).start().await;
    let ask = |previous: Option<&str>| {
        let body = json!({"model": "many", "input": "hi", "previous_response_id": previous});
        Request::post("/v1/responses", body.to_string()).bearer(CALLER)
    };
    for _ in 0..2 {
        assert_eq!(gateway.ask(&ask(None)).await.status, 200);
    }
    assert_eq!((one.count(), two.count()), (1, 1));
    for number in 2..6 {
        assert_eq!(gateway.ask(&ask(Some("resp_two"))).await.status, 200);
        assert_eq!((one.count(), two.count()), (1, number));
    }
    assert_eq!(gateway.ask(&ask(Some("resp_one"))).await.status, 200);
    assert_eq!((one.count(), two.count()), (2, 5));
}
