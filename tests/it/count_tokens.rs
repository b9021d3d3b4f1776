//! Token counting: the body travels verbatim but for the model, the answer verbatim.

use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::Upstream;

through_every_door! {
    the_body_changes_in_model_alone_and_the_answer_not_at_all,
    counting_is_not_accounted_as_tokens,
    its_errors_wear_the_anthropic_envelope,
}

const COUNT: &str = r#"{"messages":[{"role":"user","content":"h\u00e9llo"}], "model":"claude", "tools":[]}"#;

async fn the_body_changes_in_model_alone_and_the_answer_not_at_all(door: Door) {
    let upstream = Upstream::doing(replies::json(200, "{\"input_tokens\": 14, \"x_new\":1.0}")).await;
    let gateway = door.setup(&upstream).start().await;
    for target in
        ["/v1/messages/count_tokens", "/v1/messages/count_tokens?beta=true", "/messages/count_tokens/"]
    {
        let answer = gateway.ask(&Request::post(target, COUNT).header("x-api-key", CALLER)).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "{\"input_tokens\": 14, \"x_new\":1.0}"));
        let seen = upstream.last();
        assert!(seen.path.starts_with("/v1/messages/count_tokens"), "{target} leads to {}", seen.path);
        assert_eq!(seen.text(), COUNT.replace(r#""model":"claude""#, r#""model":"claude-real""#));
        assert_eq!(seen.header("x-api-key"), Some(ANTHROPIC_SECRET));
    }
}

async fn counting_is_not_accounted_as_tokens(door: Door) {
    let upstream = Upstream::doing(replies::json(200, "{\"input_tokens\":14}")).await;
    let gateway = door.setup(&upstream).start().await;
    let request = Request::post("/v1/messages/count_tokens", COUNT).bearer(CALLER);
    gateway.ask(&request.header("x-aisix-request-id", "it-count")).await;
    let line = gateway.log.access("it-count").await;
    assert_eq!(line.text("path"), "/v1/messages/count_tokens");
    assert_eq!((line.number("prompt_tokens"), line.number("total_tokens")), (None, None));
    assert_eq!(gateway.scrape().await.sum("aisix_llm_input_tokens_total", &[]), 0.0);
}

async fn its_errors_wear_the_anthropic_envelope(door: Door) {
    let upstream = Upstream::doing(replies::json(200, "{\"input_tokens\":14}")).await;
    let gateway = door.setup(&upstream).start().await;
    let to = |body: &str| Request::post("/v1/messages/count_tokens", body);
    let unknown = COUNT.replace("claude", "nowhere");
    let other = json!({"model": "chat", "messages": [{"role": "user", "content": "x"}]}).to_string();
    let cases = [
        (to(COUNT), 401, "authentication_error"),
        (to("{").bearer(CALLER), 400, "invalid_request_error"),
        (to(&unknown).bearer(CALLER), 404, "not_found_error"),
        (to(&other).bearer(CALLER), 501, "api_error"),
    ];
    for (request, status, kind) in cases {
        let answer = gateway.ask(&request).await;
        assert_eq!((answer.status, answer.error_type().as_str()), (status, kind), "{}", answer.text());
        assert_eq!(answer.json()["type"], "error");
    }
    assert_eq!(upstream.count(), 0);
}
