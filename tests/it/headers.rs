//! Which headers travel: the caller's stay outside unless allowed, the provider's come back by a list.

use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

through_every_door! {
    the_upstream_sees_the_providers_credential_and_nothing_of_the_caller,
    what_vendors_invent_passes_unless_the_operator_lists_what_may,
    default_headers_are_added_and_not_overwritten_by_the_caller,
    header_templates_are_filled_and_unresolved_ones_drop_their_header,
    the_providers_limits_and_ids_come_back_and_its_cookies_do_not,
    every_answer_carries_ids_and_the_server_name,
    an_unacceptable_request_id_is_replaced,
    a_query_travels_unless_it_could_hold_a_key,
    vendor_versions_of_the_caller_reach_the_upstream_once,
    the_upstream_is_told_which_kind_of_answer_is_wanted,
}

/// What a caller may send and no upstream must ever see.
const STAYS_OUTSIDE: &[(&str, &str)] = &[
    ("cookie", "session=1"),
    ("proxy-authorization", "Basic x"),
    ("x-goog-api-key", "g"),
    ("api-key", "a"),
    ("x-amz-security-token", "t"),
    ("x-stainless-lang", "python"),
    ("x-aisix-routing-tags", "eu"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "a=b"),
    ("te", "trailers"),
    ("accept-encoding", "gzip, br"),
    ("x-forwarded-for", "10.0.0.1"),
];

async fn the_upstream_sees_the_providers_credential_and_nothing_of_the_caller(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    for (name, value) in STAYS_OUTSIDE {
        request = request.header(name, value);
    }
    let answer = gateway.ask(&request.header("x-aisix-request-id", "it-hygiene")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = upstream.last();
    let bearer = format!("Bearer {OPENAI_SECRET}");
    assert_eq!(seen.header("authorization"), Some(bearer.as_str()));
    assert_eq!(seen.header("host"), Some(upstream.addr.to_string().as_str()));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("x-aisix-request-id"), Some("it-hygiene"));
    assert!(seen.header("user-agent").is_some_and(|agent| agent.to_lowercase().starts_with("aisix/")));
    assert!(matches!(seen.header("accept-encoding"), None | Some("identity")));
    for (name, value) in STAYS_OUTSIDE {
        assert_ne!(seen.header(name), Some(*value), "{name} reached the upstream");
    }
    for (name, _) in &seen.headers.0 {
        assert_eq!(seen.headers.count(name), 1, "{name} is sent once");
    }
}

async fn what_vendors_invent_passes_unless_the_operator_lists_what_may(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let listed = json!(["X-Feature-*", "cookie", "x-stainless-lang", "x-api-key"]);
    for (list, beta) in [(json!([]), Some("assistants=v9")), (listed, None)] {
        let rules = json!({"forward_client_headers": list});
        let gateway =
            door.setup(&upstream).change("provider_keys", "openai-up", "request", rules).start().await;
        let request = Request::post("/v1/chat/completions", CHAT)
            .bearer(CALLER)
            .header("X-Feature-One", "1")
            .header("openai-beta", "assistants=v9")
            .header("cookie", "a=b")
            .header("x-stainless-lang", "js")
            .header("x-api-key", "sk-second");
        gateway.ask(&request).await;
        let seen = upstream.last();
        assert_eq!((seen.header("x-feature-one"), seen.header("openai-beta")), (Some("1"), beta));
        let never = ["cookie", "x-stainless-lang", "x-api-key"].map(|name| seen.header(name));
        assert_eq!(never, [None; 3], "no list opens these");
    }
}

async fn default_headers_are_added_and_not_overwritten_by_the_caller(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let rules = json!({"default_headers": {"x-team": "blue", "x-both": "default"}});
    let gateway = door.setup(&upstream).change("provider_keys", "openai-up", "request", rules).start().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER).header("x-both", "client");
    gateway.ask(&request).await;
    let seen = upstream.last();
    assert_eq!((seen.header("x-team"), seen.header("x-both")), (Some("blue"), Some("default")));
    assert_eq!(seen.headers.count("x-both"), 1);
}

async fn header_templates_are_filled_and_unresolved_ones_drop_their_header(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let rules = json!({"default_headers": {
        "x-caller": "k=${request.api_key.name}", "x-id": "${request.id}", "x-model": "${model.name}",
        "x-team": "${request.api_key.team_id}",
    }});
    let gateway = door.setup(&upstream).change("provider_keys", "openai-up", "request", rules);
    let gateway = escape_templates(gateway).start().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    gateway.ask(&request.header("x-aisix-request-id", "it-template")).await;
    let seen = upstream.last();
    assert_eq!(seen.header("x-caller"), Some("k=alice"));
    assert_eq!(seen.header("x-id"), Some("it-template"));
    assert_eq!(seen.header("x-model"), Some("chat"));
    assert_eq!(seen.header("x-team"), None);
}

/// In the resources file a literal `$` is written `$$`.
fn escape_templates(mut setup: Setup) -> Setup {
    let text = setup.resources.to_string().replace("${", "$${");
    setup.resources = serde_json::from_str(&text).expect("JSON");
    setup
}

async fn the_providers_limits_and_ids_come_back_and_its_cookies_do_not(door: Door) {
    let passing = [
        ("openai-processing-ms", "12"),
        ("x-ratelimit-remaining-requests", "99"),
        ("x-ratelimit-reset-tokens", "6ms"),
        ("x-request-id", "req_upstream"),
    ];
    let kept_back = [("set-cookie", "a=b"), ("server", "cloud"), ("x-internal", "1"), ("alt-svc", "h3")];
    let all: Vec<_> = passing.into_iter().chain(kept_back).collect();
    let upstream = Upstream::doing(replies::answer(200, &all, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    for (name, value) in passing {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    for (name, value) in kept_back {
        assert_ne!(answer.header(name), Some(value), "{name}");
    }
    assert!(answer.header("server").is_some_and(|server| server.starts_with("AISIX/")));
    let line = gateway.log.access(answer.header("x-aisix-request-id").expect("our own id")).await;
    assert_eq!(line.text("provider_request_id"), "req_upstream");
}

async fn every_answer_carries_ids_and_the_server_name(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let chat = |body: &str| Request::post("/v1/chat/completions", body).bearer(CALLER);
    let cases = [
        (chat(CHAT), "x-request-id"),
        (chat("{"), "x-request-id"),
        (Request::post("/v1/chat/completions", CHAT), "x-request-id"),
        (Request::get("/v1/models").bearer(CALLER), "x-request-id"),
        (Request::get("/nowhere"), "x-request-id"),
        (Request::post("/v1/messages", MESSAGE), "request-id"),
        (Request::post("/v1/messages", "{").bearer(CALLER), "request-id"),
    ];
    for (request, vendor) in cases {
        let answer = gateway.ask(&request).await;
        let id = answer.header("x-aisix-request-id").expect("our request id").to_owned();
        assert!(!id.is_empty());
        assert_eq!(answer.header(vendor), Some(id.as_str()), "{} {}", request.method, request.target);
        assert!(answer.header("server").is_some_and(|server| server.starts_with("AISIX/")));
    }
}

async fn an_unacceptable_request_id_is_replaced(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let long = "x".repeat(257);
    for bad in ["", "with space", long.as_str()] {
        let request = Request::get("/v1/models").bearer(CALLER).header("x-aisix-request-id", bad);
        let answer = gateway.ask(&request).await;
        let id = answer.header("x-aisix-request-id").expect("a request id");
        assert!(id.len() == 36 && id != bad, "{bad:?} became {id:?}");
    }
}

async fn a_query_travels_unless_it_could_hold_a_key(door: Door) {
    let upstream = Upstream::doing(replies::json(200, MESSAGE_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let cases = [
        ("?beta=true", "/v1/messages?beta=true"),
        ("?beta=true&key=sk-of-the-caller", "/v1/messages"),
        ("?api_key=sk-of-the-caller", "/v1/messages"),
    ];
    for (query, path) in cases {
        let request = Request::post(&format!("/v1/messages{query}"), MESSAGE).bearer(CALLER);
        assert_eq!(gateway.ask(&request).await.status, 200);
        assert_eq!(upstream.last().path, path);
    }
}

async fn vendor_versions_of_the_caller_reach_the_upstream_once(door: Door) {
    let upstream = Upstream::doing(replies::json(200, MESSAGE_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let request = Request::post("/v1/messages", MESSAGE)
        .bearer(CALLER)
        .header("anthropic-version", "2099-01-01")
        .header("anthropic-beta", "one-2026,two-2026");
    gateway.ask(&request).await;
    let seen = upstream.last();
    assert_eq!(seen.header("anthropic-version"), Some("2099-01-01"));
    assert_eq!(seen.header("anthropic-beta"), Some("one-2026,two-2026"));
    assert_eq!(seen.headers.count("anthropic-version"), 1);
}

async fn the_upstream_is_told_which_kind_of_answer_is_wanted(door: Door) {
    let upstream = Upstream::queue([replies::json(200, CHAT_ANSWER), replies::stream(CHAT_FRAMES)]).await;
    let gateway = door.setup(&upstream).start().await;
    for (body, accept) in [(CHAT, "application/json"), (CHAT_STREAM_REQUEST, "text/event-stream")] {
        gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await;
        assert_eq!(upstream.last().header("accept"), Some(accept));
    }
}
