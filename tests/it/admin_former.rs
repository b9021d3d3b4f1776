//! The Admin API below `/aisix/admin`, as programs of the first generation use it.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::fixtures::*;
use crate::support::operated::Operated;

/// With the bare key in `Authorization`, as was the custom.
async fn ask(operated: &Operated, method: &'static str, target: &str, body: Option<Value>) -> Answer {
    let mut request = Request::new(method, &format!("/aisix/admin{target}")).header("authorization", ADMIN);
    request.body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    request.send(operated.gateway.admin).await
}

#[tokio::test]
async fn rows_are_written_read_and_deleted_in_the_former_shapes() {
    let operated = Operated::start().await;
    operated.provider_key().await;
    assert_eq!(ask(&operated, "GET", "/models", None).await.json(), json!({"total": 0, "list": []}));
    let row =
        json!({"display_name": "chat", "provider": "openai", "model_name": "gpt-real", "provider_key": "up"});
    let made = ask(&operated, "POST", "/models", Some(row.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(made["value"]["display_name"], "chat");
    assert_eq!(made.as_object().map(serde_json::Map::len), Some(2), "an item without indices: {made}");
    let key = made["key"].as_str().expect("a key");
    assert!(key.starts_with("/models/"), "{key}");

    let read = ask(&operated, "GET", key, None).await.json();
    assert_eq!((&read["key"], &read["value"]), (&made["key"], &made["value"]));
    assert!(read["created_index"].is_u64() && read["modified_index"].is_u64(), "{read}");
    let list = ask(&operated, "GET", "/models", None).await.json();
    assert_eq!(list, json!({"total": 1, "list": [read]}));

    let again = ask(&operated, "PUT", key, Some(row.clone())).await;
    assert_eq!((again.status, again.json()["key"].clone()), (200, made["key"].clone()));
    let mut other = row.clone();
    other["display_name"] = json!("other");
    let upserted = ask(&operated, "PUT", "/models/my-own-id", Some(other)).await;
    assert_eq!((upserted.status, upserted.json()["key"].clone()), (201, json!("/models/my-own-id")));

    let gone = ask(&operated, "DELETE", key, None).await;
    assert_eq!((gone.status, gone.json()), (200, json!({"deleted": 1, "key": key})));
    let providers = ask(&operated, "GET", "/providers", None).await.json();
    assert_eq!(providers["list"][0]["value"]["api_key"], "********");
    assert_eq!(ask(&operated, "GET", "/guardrails", None).await.json()["total"], 0);
}

#[tokio::test]
async fn a_caller_key_is_given_in_plaintext_and_not_shown_again() {
    let operated = Operated::start().await;
    operated.provider_key().await;
    operated.model().await;
    let row =
        json!({"key": CALLER, "display_name": "k", "allowed_models": ["chat"], "rate_limit": {"rpm": 60}});
    let made = ask(&operated, "POST", "/apikeys", Some(row.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(operated.chat(CALLER).await.status, 200);
    assert!(!ask(&operated, "GET", "/apikeys", None).await.text().contains(CALLER));
    let twice = json!({"key": CALLER, "display_name": "k2", "allowed_models": []});
    let refused = ask(&operated, "POST", "/apikeys", Some(twice)).await;
    assert_eq!((refused.status, refused.json()), (400, json!({"error_msg": "API key already exists"})));
    let without =
        ask(&operated, "POST", "/apikeys", Some(json!({"display_name": "n", "allowed_models": ["chat"]})))
            .await;
    let plaintext = without.json()["value"]["key"].as_str().expect("the key that was made").to_owned();
    assert_eq!(operated.chat(&plaintext).await.status, 200);
}

#[tokio::test]
async fn refusals_are_worded_as_they_were() {
    let operated = Operated::start().await;
    let wrong_bytes = Request::post("/aisix/admin/models", "{").header("x-api-key", ADMIN);
    let message = wrong_bytes.send(operated.gateway.admin).await.json()["error_msg"].clone();
    assert!(message.as_str().is_some_and(|text| text.starts_with("Invalid JSON: ")), "{message}");
    let row = json!({"display_name": "m", "routing": {"targets": [{"model": 1}, {"weight": 1}]}});
    let refused = ask(&operated, "POST", "/models", Some(row)).await;
    let message = refused.json()["error_msg"].as_str().expect("words").to_owned();
    assert_eq!(refused.status, 400);
    assert!(
        message.starts_with(
            "JSON schema validation error: property \"/routing/targets/0/model\" validation failed: "
        ),
        "{message}"
    );
    assert_eq!(message.lines().count(), 2, "a line for each violation: {message}");
    for (method, target, words) in [
        ("GET", "/models/none", "Model with ID none not found"),
        ("DELETE", "/apikeys/none", "API key with ID none not found"),
    ] {
        let answer = ask(&operated, method, target, None).await;
        assert_eq!((answer.status, answer.json()), (404, json!({"error_msg": words})));
    }
    for (method, target, status) in [("GET", "/policies", 404), ("PATCH", "/models/x", 405), ("GET", "", 404)]
    {
        assert_eq!(ask(&operated, method, target, None).await.status, status, "{method} {target}");
    }
    let stranger = Request::get("/aisix/admin/models").header("authorization", "sk-guess");
    assert_eq!(stranger.send(operated.gateway.admin).await.status, 401);
    let bare =
        Request::get("/admin/v1/models").header("authorization", ADMIN).send(operated.gateway.admin).await;
    assert_eq!(bare.status, 401, "elsewhere a bare key is malformed");
}
