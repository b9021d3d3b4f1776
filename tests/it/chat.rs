//! Chat completions: the request changes in `model` alone on its way up, the answer in `model` alone on its way
//! back.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Script, Upstream};

#[tokio::test]
async fn only_the_model_changes_on_the_way_up_and_on_the_way_back() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.text(), aliased(CHAT_ANSWER));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let seen = upstream.last();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(seen.text(), CHAT.replacen(r#""model" : "chat""#, r#""model" : "gpt-real""#, 1));
}

#[tokio::test]
async fn the_route_is_found_with_a_trailing_slash_a_query_and_without_its_version() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let targets = [
        "/v1/chat/completions/",
        "/v1/chat/completions?api-version=1",
        "/chat/completions",
        "/chat/completions/?x",
    ];
    for target in targets {
        let answer = gateway.ask(&Request::post(target, CHAT).bearer(CALLER)).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert!(
            upstream.last().path.starts_with("/v1/chat/completions"),
            "{target} leads to {}",
            upstream.last().path
        );
    }
}

#[tokio::test]
async fn a_chunked_request_reaches_the_upstream_like_one_with_a_length() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    for size in [1, 7, 4096] {
        client.write(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER).chunked(size)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)), "chunks of {size}");
        let seen = upstream.last();
        assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
        assert!(seen.text().contains("gpt-real"));
    }
}

#[tokio::test]
async fn bodies_around_and_above_a_read_buffer_arrive_whole() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    for size in [65_535, 65_536, 65_537, 200 * 1024, 3 << 20] {
        let text = "y".repeat(size);
        let body = json!({"model": "chat", "messages": [{"role": "user", "content": text}]}).to_string();
        let request = Request::post("/v1/chat/completions", body.clone()).bearer(CALLER);
        for bytes in [request.bytes(), request.chunked(16_000)] {
            client.write(&bytes).await;
            assert_eq!(client.answer().await.status, 200, "{size} bytes of text");
            let expected = body.replacen(r#""model":"chat""#, r#""model":"gpt-real""#, 1);
            assert!(upstream.last().body == expected.as_bytes(), "{size} bytes of text arrive unchanged");
        }
    }
}

#[tokio::test]
async fn an_answer_in_chunks_or_ended_by_the_close_reaches_the_caller_whole() {
    let chunked = Script::reading()
        .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .send(CHAT_ANSWER.as_bytes().chunks(5).flat_map(replies::chunk).collect::<Vec<u8>>())
        .send(replies::LAST_CHUNK);
    let closed = Script::reading()
        .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        .send(CHAT_ANSWER)
        .close();
    let upstream = Upstream::queue([chunked, closed]).await;
    let gateway = Setup::new(&upstream).start().await;
    for form in ["chunked", "ended by the close"] {
        let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)), "{form}");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{form}");
    }
}

#[tokio::test]
async fn a_stream_arrives_frame_by_frame_with_the_alias_in_place_of_the_model() {
    let upstream = Upstream::doing(replies::stream(CHAT_FRAMES)).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    let request = Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER);
    let head = client.open(&request).await;
    assert_eq!(head.status, 200);
    assert!(head.headers.first("content-type").is_some_and(|t| t.starts_with("text/event-stream")));
    assert_eq!(head.headers.first("content-length"), None);
    let expected: Vec<String> = CHAT_FRAMES.iter().map(|frame| aliased(frame)).collect();
    assert_eq!(client.events().await, expected);
    client.assert_kept().await;
}

#[tokio::test]
async fn the_usage_frame_is_asked_for_and_hidden_from_a_caller_who_did_not_ask() {
    let upstream = Upstream::doing(replies::stream(CHAT_FRAMES)).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    let head = client.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    let mut expected: Vec<String> = CHAT_FRAMES.iter().map(|frame| aliased(frame)).collect();
    expected.remove(CHAT_USAGE_FRAME);
    assert_eq!(client.events().await, expected);
    let mut asked: Value = serde_json::from_str(CHAT_STREAM_REQUEST).expect("JSON");
    asked["model"] = json!("gpt-real");
    asked["stream_options"] = json!({"include_usage": true});
    assert_eq!(upstream.last().json(), asked);
    let id = head.headers.first("x-aisix-request-id").expect("a request id");
    let line = gateway.log.access(id).await;
    assert_eq!((line.number("prompt_tokens"), line.number("completion_tokens")), (Some(9), Some(2)));
}

#[tokio::test]
async fn a_caller_who_asks_for_usage_changes_nothing_but_the_model() {
    let upstream = Upstream::doing(replies::stream(CHAT_FRAMES)).await;
    let gateway = Setup::new(&upstream).start().await;
    let request = Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER);
    gateway.ask(&request).await;
    let expected = CHAT_STREAM_USAGE_REQUEST.replace(r#""model":"chat""#, r#""model":"gpt-real""#);
    assert_eq!(upstream.last().text(), expected);
}

#[tokio::test]
async fn the_access_log_tells_what_happened() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let request = Request::post("/v1/chat/completions?secret=1", CHAT).bearer(CALLER);
    let answer = gateway.ask(&request.header("x-aisix-request-id", "it-log-1")).await;
    assert_eq!(answer.header("x-aisix-request-id"), Some("it-log-1"));
    let line = gateway.log.access("it-log-1").await;
    assert_eq!(line.status(), 200);
    assert_eq!((line.text("method"), line.text("path")), ("POST", "/v1/chat/completions"));
    assert_eq!((line.text("model"), line.text("provider")), ("chat", "openai"));
    let tokens = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| line.number(name));
    assert_eq!(tokens, [Some(11), Some(7), Some(18)]);
    assert!(!line.text("api_key_id").is_empty());
    assert!(!line.field("latency_ms").is_null());
    assert!(line.field("error_kind").is_null());
}

#[tokio::test]
async fn the_longest_wildcard_wins_and_an_exact_alias_wins_over_it() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = Setup::new(&upstream)
        .model("vendor/*", json!({"model_name": "short-*"}))
        .model("vendor/large-*", json!({"model_name": "long-*"}))
        .model("vendor/large-exact", json!({"model_name": "exact"}));
    let gateway = setup.start().await;
    let cases = [("vendor/a", "short-a"), ("vendor/large-b", "long-b"), ("vendor/large-exact", "exact")];
    for (alias, reached) in cases {
        let body = json!({"model": alias, "messages": [{"role": "user", "content": "x"}]}).to_string();
        let answer = gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await;
        assert_eq!(answer.json()["model"], alias);
        assert_eq!(upstream.last().json()["model"], reached, "{alias}");
    }
}
