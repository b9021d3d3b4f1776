//! How models and configuration are, and what the API says of itself.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::operated::Operated;
use crate::support::replies;

#[tokio::test]
async fn health_follows_the_failures_of_a_model_and_a_success_ends_them() {
    let operated = Operated::start().await;
    operated.provider_key().await;
    let model = operated.model().await;
    operated.create("api_keys", json!({"display_name": "k", "key": CALLER, "allowed_models": ["*"]})).await;
    let health = async || operated.gateway.operate("GET", "/admin/v1/health", None).await.json();
    let first = health().await;
    assert_eq!(first["status"], "ok", "{first}");
    assert_eq!(first["models"], json!([{"id": model["id"], "name": "chat", "health": 0}]));
    assert_eq!(first["config"], json!({"snapshot_revision": 3, "snapshot_age_seconds": 0}));
    operated.upstream.always(replies::json(500, "{}"));
    for (calls, status, level) in [(3, "ok", 0), (1, "degraded", 1), (4, "unhealthy", 2)] {
        for _ in 0..calls {
            assert_eq!(operated.chat(CALLER).await.status, 502);
        }
        // A request is told of when its answer has left.
        eventually(&format!("health {level} after failures"), || async {
            let page = health().await;
            (page["status"] == status && page["models"][0]["health"] == level).then_some(())
        })
        .await;
    }
    let row = &operated.gateway.operate("GET", "/admin/v1/models/status", None).await.json()[0];
    assert_eq!(row["status"], "unhealthy", "{row}");
    assert_eq!(row["status_reason"], "8 consecutive upstream failures");
    let open = Request::get("/status/models").send(operated.gateway.metrics).await.json();
    assert_eq!(&open[0], row, "the metrics listener shows the same");

    operated.upstream.always(replies::json(400, r#"{"error":{"message":"no"}}"#));
    assert_eq!(operated.chat(CALLER).await.status, 400);
    assert_eq!(
        health().await["models"][0]["health"],
        2,
        "a refusal is the caller's affair and no sign of health"
    );
    operated.upstream.always(replies::json(200, CHAT_ANSWER));
    assert_eq!(operated.chat(CALLER).await.status, 200);
    eventually("an end of the failures", || async { (health().await["status"] == "ok").then_some(()) }).await;
}

#[tokio::test]
async fn health_and_status_are_for_operators_only() {
    let operated = Operated::start().await;
    for target in ["/admin/v1/health", "/admin/v1/models/status"] {
        assert_eq!(Request::get(target).send(operated.gateway.admin).await.status, 401);
        assert_eq!(operated.gateway.operate("POST", target, Some(&json!({}))).await.status, 405, "{target}");
    }
}

#[tokio::test]
async fn the_document_and_its_page_need_no_key_and_are_known_by_their_tags() {
    let operated = Operated::start().await;
    let admin = operated.gateway.admin;
    for target in ["/admin/openapi.json", "/admin/openapi-scalar", "/openapi"] {
        let answer = Request::get(target).send(admin).await;
        assert_eq!(answer.status, 200, "{target}");
        let tag = answer.header("etag").expect("a tag").to_owned();
        let known = Request::get(target).header("if-none-match", &tag).send(admin).await;
        assert_eq!((known.status, known.body.len()), (304, 0), "{target}");
        let head = Request::new("HEAD", target).send(admin).await;
        let length = answer.body.len().to_string();
        assert_eq!((head.status, head.header("content-length")), (200, Some(length.as_str())), "{target}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_anywhere_and_says_so_to_the_browser() {
    let operated = Operated::start().await;
    let page = Request::get("/openapi").send(operated.gateway.admin).await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let text = page.text();
    for outside in
        ["src=", "url(", "@import", "<link", "<iframe", "fetch(", "javascript:", " style=", " onclick="]
    {
        assert!(!text.contains(outside), "{outside}");
    }
    let document = Request::get("/admin/openapi.json").send(operated.gateway.admin).await.json();
    let paths = document["paths"].as_object().expect("paths");
    for operation in paths.values().flat_map(|path| path.as_object().expect("methods").values()) {
        if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
            assert!(text.contains(&format!("id=\"{id}\"")), "{id} is not on the page");
        }
    }
}
