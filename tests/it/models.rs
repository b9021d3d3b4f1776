//! The list of models: what a key may call, sorted, in the shape the caller reads.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::CALLER;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

through_every_door! {
    the_list_is_sorted_filtered_and_without_patterns_or_groups,
    the_shape_is_openais_unless_the_caller_speaks_anthropic,
    a_refusal_wears_the_envelope_of_the_shape_asked_for,
    groups_are_listed_when_the_operator_wants,
    unknown_routes_and_wrong_verbs_are_told_apart,
}

async fn setup(door: Door) -> Setup {
    let upstream = Upstream::doing(replies::json(500, "{}")).await;
    door.setup(&upstream)
        .model("a-first", json!({}))
        .model("wild-*", json!({"model_name": "*"}))
        .row("models", json!({"display_name": "many", "routing": {"targets": [{"model": "chat"}]}}))
        .api_key("narrow", "sk-narrow", json!({"allowed_models": ["cl*", "many"]}))
        .api_key("nothing", "sk-nothing", json!({"allowed_models": []}))
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().expect("a list").iter().map(|m| m["id"].as_str().expect("an id")).collect()
}

async fn the_list_is_sorted_filtered_and_without_patterns_or_groups(door: Door) {
    let gateway = setup(door).await.start().await;
    let cases =
        [(CALLER, vec!["a-first", "chat", "claude"]), ("sk-narrow", vec!["claude"]), ("sk-nothing", vec![])];
    for (key, expected) in cases {
        let answer = gateway.ask(&Request::get("/v1/models").bearer(key)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(ids(&answer.json()), expected);
    }
}

async fn the_shape_is_openais_unless_the_caller_speaks_anthropic(door: Door) {
    let gateway = setup(door).await.start().await;
    for target in ["/v1/models", "/models", "/v1/models/", "/v1/models?limit=1000"] {
        let list = gateway.ask(&Request::get(target).bearer(CALLER)).await.json();
        assert_eq!(list["object"], "list", "{target}");
        let first = &list["data"][0];
        assert_eq!((&first["object"], &first["owned_by"]), (&json!("model"), &json!("openai")));
        assert!(first["created"].is_u64());
    }
    let anthropic = Request::get("/v1/models?limit=1000").header("x-api-key", CALLER);
    let list = gateway.ask(&anthropic.header("anthropic-version", "2023-06-01")).await.json();
    assert_eq!(ids(&list), ["a-first", "chat", "claude"]);
    assert_eq!((&list["first_id"], &list["last_id"]), (&json!("a-first"), &json!("claude")));
    assert_eq!(list["has_more"], false);
    let first = &list["data"][0];
    assert_eq!(first["type"], "model");
    assert!(first["display_name"].is_string() && first["created_at"].is_string());
}

async fn a_refusal_wears_the_envelope_of_the_shape_asked_for(door: Door) {
    let gateway = setup(door).await.start().await;
    let answer = gateway.ask(&Request::get("/v1/models")).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (401, "invalid_api_key"));
    let answer = gateway.ask(&Request::get("/v1/models").header("anthropic-version", "2023-06-01")).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (401, "authentication_error"));
    assert_eq!(answer.json()["type"], "error");
}

async fn groups_are_listed_when_the_operator_wants(door: Door) {
    let gateway = setup(door).await.config("models.show_routing", true).start().await;
    let answer = gateway.ask(&Request::get("/v1/models").bearer(CALLER)).await;
    assert_eq!(ids(&answer.json()), ["a-first", "chat", "claude", "many"]);
}

async fn unknown_routes_and_wrong_verbs_are_told_apart(door: Door) {
    let gateway = setup(door).await.start().await;
    let cases = [
        (Request::get("/v1/nowhere").bearer(CALLER), 404),
        (Request::get("/v1/chat/completions").bearer(CALLER), 405),
        (Request::new("DELETE", "/v1/models").bearer(CALLER), 405),
        (Request::get("/").bearer(CALLER), 200),
        (Request::new("HEAD", "/"), 200),
    ];
    for (request, status) in cases {
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status, status, "{} {}: {}", request.method, request.target, answer.text());
        assert_eq!(answer.header("allow").is_some(), status == 405, "a 405 names the verbs that work");
    }
}
