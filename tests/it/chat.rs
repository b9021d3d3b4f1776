//! Chat completions: the request changes in `model` alone on its way up, the answer in `model` alone on its way
//! back.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door, through_every_door_and_tls};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::{Script, Upstream};

through_every_door_and_tls! {
    only_the_model_changes_on_the_way_up_and_on_the_way_back,
    bodies_around_and_above_a_read_buffer_arrive_whole,
    a_stream_arrives_frame_by_frame_with_the_alias_in_place_of_the_model,
}

through_every_door! {
    the_route_is_found_with_a_trailing_slash_a_query_and_without_its_version,
    a_chunked_request_reaches_the_upstream_like_one_with_a_length,
    an_answer_in_chunks_or_ended_by_the_close_reaches_the_caller_whole,
    the_usage_frame_is_asked_for_and_hidden_from_a_caller_who_did_not_ask,
    a_caller_who_asks_for_usage_changes_nothing_but_the_model,
    the_access_log_tells_what_happened,
    the_longest_wildcard_wins_and_an_exact_alias_wins_over_it,
}

async fn only_the_model_changes_on_the_way_up_and_on_the_way_back(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.text(), aliased(CHAT_ANSWER));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let seen = upstream.last();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(seen.text(), CHAT.replacen(r#""model" : "chat""#, r#""model" : "gpt-real""#, 1));
}

async fn the_route_is_found_with_a_trailing_slash_a_query_and_without_its_version(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
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

async fn a_chunked_request_reaches_the_upstream_like_one_with_a_length(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    // HTTP/2 takes a burst of frames of one byte for a flood.
    let smallest = if door.is_http_2() { 5 } else { 1 };
    for size in [smallest, 7, 4096] {
        let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
        let answer = caller.ask_in_pieces(&request, size).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)), "chunks of {size}");
        let seen = upstream.last();
        assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
        assert!(seen.text().contains("gpt-real"));
    }
}

async fn bodies_around_and_above_a_read_buffer_arrive_whole(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    for size in [65_535, 65_536, 65_537, 200 * 1024, 3 << 20] {
        let text = "y".repeat(size);
        let body = json!({"model": "chat", "messages": [{"role": "user", "content": text}]}).to_string();
        let request = Request::post("/v1/chat/completions", body.clone()).bearer(CALLER);
        for in_pieces in [false, true] {
            let answer = match in_pieces {
                false => caller.ask(&request).await,
                true => caller.ask_in_pieces(&request, 16_000).await,
            };
            assert_eq!(answer.status, 200, "{size} bytes of text");
            let expected = body.replacen(r#""model":"chat""#, r#""model":"gpt-real""#, 1);
            assert!(upstream.last().body == expected.as_bytes(), "{size} bytes of text arrive unchanged");
        }
    }
}

async fn an_answer_in_chunks_or_ended_by_the_close_reaches_the_caller_whole(door: Door) {
    let chunked = Script::reading()
        .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .send(CHAT_ANSWER.as_bytes().chunks(5).flat_map(replies::chunk).collect::<Vec<u8>>())
        .send(replies::LAST_CHUNK);
    let closed = Script::reading()
        .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        .send(CHAT_ANSWER)
        .close();
    let upstream = Upstream::queue([chunked, closed]).await;
    let gateway = door.setup(&upstream).start().await;
    for form in ["chunked", "ended by the close"] {
        let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)), "{form}");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{form}");
    }
}

async fn a_stream_arrives_frame_by_frame_with_the_alias_in_place_of_the_model(door: Door) {
    let upstream = Upstream::doing(replies::stream(CHAT_FRAMES)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER);
    let head = caller.open(&request).await;
    assert_eq!(head.status, 200);
    assert!(head.headers.first("content-type").is_some_and(|t| t.starts_with("text/event-stream")));
    assert_eq!(head.headers.first("content-length"), None);
    let expected: Vec<String> = CHAT_FRAMES.iter().map(|frame| aliased(frame)).collect();
    assert_eq!(caller.events().await, expected);
    caller.assert_kept().await;
}

async fn the_usage_frame_is_asked_for_and_hidden_from_a_caller_who_did_not_ask(door: Door) {
    let upstream = Upstream::doing(replies::stream(CHAT_FRAMES)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let head = caller.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    let mut expected: Vec<String> = CHAT_FRAMES.iter().map(|frame| aliased(frame)).collect();
    expected.remove(CHAT_USAGE_FRAME);
    assert_eq!(caller.events().await, expected);
    let mut asked: Value = serde_json::from_str(CHAT_STREAM_REQUEST).expect("JSON");
    asked["model"] = json!("gpt-real");
    asked["stream_options"] = json!({"include_usage": true});
    assert_eq!(upstream.last().json(), asked);
    let id = head.headers.first("x-aisix-request-id").expect("a request id");
    let line = gateway.log.access(id).await;
    assert_eq!((line.number("prompt_tokens"), line.number("completion_tokens")), (Some(9), Some(2)));
}

async fn a_caller_who_asks_for_usage_changes_nothing_but_the_model(door: Door) {
    let upstream = Upstream::doing(replies::stream(CHAT_FRAMES)).await;
    let gateway = door.setup(&upstream).start().await;
    let request = Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER);
    gateway.ask(&request).await;
    let expected = CHAT_STREAM_USAGE_REQUEST.replace(r#""model":"chat""#, r#""model":"gpt-real""#);
    assert_eq!(upstream.last().text(), expected);
}

async fn the_access_log_tells_what_happened(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
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

async fn the_longest_wildcard_wins_and_an_exact_alias_wins_over_it(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = door
        .setup(&upstream)
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
