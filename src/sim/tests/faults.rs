//! Errors and faults: what a request is refused for, what settings and scripts make go wrong, and the pace.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::settings::Settings;
use super::client::Client;
use super::{plain, provider};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const HELLO: &str = r#""messages":[{"role":"user","content":"Hello"}]"#;

/// A user message with this directive.
fn directed(directive: &str) -> String {
    format!(r#""messages":[{{"role":"user","content":"Hello [[sim {directive}]]"}}]"#)
}

#[test]
fn a_request_without_a_required_member_is_refused_in_the_dialects_envelope() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for (path, body, naming) in [
        (CHAT, r#"{"model":"m"}"#, "messages"),
        (CHAT, r#"{"messages":[{"role":"user","content":"x"}]}"#, "model"),
        (CHAT, r#"{"model":"m","messages":[]}"#, "messages"),
        (CHAT, r#"{"model":"m","n":0,"messages":[{"role":"user","content":"x"}]}"#, "'n'"),
        (CHAT, r#"{"model":"m","messages":"x"}"#, "messages"),
        (CHAT, r#"{"model":"#, "JSON"),
        (MESSAGES, r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, "max_tokens"),
        (MESSAGES, r#"{"model":"m","max_tokens":5}"#, "messages"),
        (MESSAGES, r#"{"max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#, "model"),
        (MESSAGES, "", "JSON"),
    ] {
        let answer = client.post(path, "", body);
        let envelope = answer.json();
        assert_eq!(
            (answer.status, &envelope["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{body}"
        );
        assert!(
            envelope["error"]["message"].as_str().is_some_and(|text| text.contains(naming)),
            "{envelope}"
        );
        assert_eq!(envelope["type"] == "error", path == MESSAGES, "{envelope}");
    }
}

#[test]
fn only_the_bad_key_is_refused() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = format!(r#"{{"model":"m","max_tokens":5,{HELLO}}}"#);
    for (header, status) in [
        ("", 200),
        ("authorization: Bearer sk-anything\r\n", 200),
        ("authorization: Bearer sk-sim-bad\r\n", 401),
        ("X-API-Key: sk-sim-bad\r\n", 401),
    ] {
        let chat = client.post(CHAT, header, &body);
        let message = client.post(MESSAGES, header, &body);
        assert_eq!((chat.status, message.status), (status, status), "{header}");
        if status == 401 {
            assert_eq!(chat.json()["error"]["code"], "invalid_api_key");
            assert_eq!(message.json()["error"]["type"], "authentication_error");
        }
    }
}

#[test]
fn an_unknown_route_is_not_found() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for path in ["/v1/embeddings", "/v2/chat/completions", "/v1/chat", "/v1chat/completions"] {
        let answer = client.post(path, "", "{}");
        assert_eq!(
            (answer.status, answer.json()["error"]["type"].as_str()),
            (404, Some("invalid_request_error"))
        );
    }
    assert_eq!(client.get(CHAT).status, 404);
}

#[test]
fn headers_script_an_answer_and_a_directive_overrides_them() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let tokens = |headers: &str, directive: &str, client: &mut Client| {
        let body = format!(r#"{{"model":"m",{}}}"#, directed(directive));
        client.post(CHAT, headers, &body).json()["usage"]["completion_tokens"].as_u64()
    };
    assert_eq!(tokens("X-Sim-Tokens: 7\r\n", "", &mut client), Some(7));
    assert_eq!(tokens("x-sim-tokens: 7\r\n", "tokens=5", &mut client), Some(5));
    assert_eq!(tokens("", "tokens=200", &mut client), Some(200));
}

#[test]
fn only_the_last_user_message_directs() {
    let provider = plain();
    let messages = r#""messages":[{"role":"user","content":"[[sim tokens=5]]"},
        {"role":"assistant","content":"[[sim tokens=6]]"},{"role":"user","content":"go on"}]"#;
    let body = Client::to(provider.addr()).chat(messages).json();
    assert_eq!(body["usage"]["completion_tokens"], 16);
}

#[test]
fn a_scripted_status_comes_with_its_type_and_retry_after() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for (status, openai, anthropic) in [
        (429, "requests", "rate_limit_error"),
        (500, "server_error", "api_error"),
        (529, "server_error", "overloaded_error"),
        (403, "invalid_request_error", "permission_error"),
    ] {
        let members = directed(&format!("status={status} retry-after=7"));
        let (chat, message) = (client.chat(&members), client.message(&members));
        assert_eq!((chat.status, message.status), (status, status));
        assert_eq!(
            (&chat.json()["error"]["type"], &message.json()["error"]["type"]),
            (&json!(openai), &json!(anthropic))
        );
        assert!(
            chat.headers.contains("retry-after: 7\r\n") && message.headers.contains("retry-after: 7\r\n")
        );
    }
}

#[test]
fn a_misspelt_directive_is_refused() {
    let provider = plain();
    let answer = Client::to(provider.addr()).chat(&directed("tokns=5"));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("tokns"), "{}", answer.body);
}

#[test]
fn every_nth_call_fails_and_a_script_can_spare_it() {
    let provider = provider(Settings { error_status: Some(503), error_every: 2, ..Settings::default() });
    let mut client = Client::to(provider.addr());
    let statuses =
        [HELLO, HELLO, HELLO, &directed("status=200"), HELLO].map(|members| client.chat(members).status);
    assert_eq!(statuses, [200, 503, 200, 200, 200]);
    assert_eq!(client.get("/v1/models").status, 200);
    assert_eq!(client.chat(HELLO).status, 503);
}

#[test]
fn a_hang_up_leaves_the_answer_unfinished() {
    let provider = provider(Settings { hangup_every: 1, ..Settings::default() });
    let mut client = Client::to(provider.addr());
    let stream = client.chat(&format!(r#""stream":true,{HELLO}"#));
    assert!(!stream.complete && client.is_closed());
    // The role, and the two content frames of the default place.
    assert_eq!(stream.frames().len(), 3);
    let mut client = Client::to(provider.addr());
    let whole = client.message(HELLO);
    assert!(!whole.complete && !whole.body.is_empty() && client.is_closed());
    let mut client = Client::to(provider.addr());
    client.send(b"POST /v1/messages HTTP/1.1\r\nx-sim-hangup: head\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head(), None);
}

#[test]
fn a_stall_sends_its_frames_and_then_nothing_but_stays_open() {
    let provider = plain();
    for (members, frames) in [(directed("stall=3"), 4), (directed("stall=0"), 1), (directed("stall=999"), 17)]
    {
        let mut client = Client::to(provider.addr());
        let body = format!(r#"{{"model":"m","stream":true,{members}}}"#);
        client
            .send(format!("POST {CHAT} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes());
        let received = String::from_utf8(client.until_silence(Duration::from_millis(300))).expect("UTF-8");
        assert_eq!(received.matches("data: {").count(), frames, "{members}");
        assert!(!received.contains("[DONE]"));
    }
}

#[test]
fn a_malformed_answer_is_framed_well_and_holds_broken_json() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for members in [directed("malformed"), format!(r#""stream":true,{}"#, directed("malformed=1"))] {
        for answer in [client.chat(&members), client.message(&members)] {
            assert!(answer.complete && answer.status == 200);
            let broken = match answer.headers.contains("event-stream") {
                true => answer.data().filter(|data| *data != "[DONE]").count() - answer.frames().len(),
                false => usize::from(serde_json::from_str::<serde_json::Value>(&answer.body).is_err()),
            };
            assert_eq!(broken, 1, "{}", answer.body);
        }
    }
}

#[test]
fn an_error_in_a_stream_is_its_last_frame() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let members = format!(r#""stream":true,{}"#, directed("error=2"));
    let chat = client.chat(&members);
    assert!(
        chat.complete && chat.frames().last().is_some_and(|frame| frame["error"]["type"] == "server_error")
    );
    let message = client.message(&members);
    assert_eq!(message.events().last(), Some(&"error"));
    assert_eq!(
        message.frames().last().map(|frame| frame["error"]["type"].clone()),
        Some(json!("overloaded_error"))
    );
}

#[test]
fn a_paced_answer_takes_its_time_whole_or_streamed() {
    let provider = provider(Settings { ttft: Duration::from_millis(40), tps: 200, ..Settings::default() });
    let mut client = Client::to(provider.addr());
    // 40 ms to the first token and 16 tokens at 200 a second.
    let expected = Duration::from_millis(120);
    for members in [HELLO.to_owned(), format!(r#""stream":true,{HELLO}"#)] {
        let started = Instant::now();
        let answer = client.message(&members);
        let taken = started.elapsed();
        assert!(taken >= expected && taken < expected * 8, "{taken:?}");
        assert!(answer.complete);
    }
}

#[test]
fn a_paced_stream_arrives_frame_by_frame() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = format!(r#"{{"model":"m","stream":true,{}}}"#, directed("tokens=3 tps=20 chunk-tokens=1"));
    client.send(format!("POST {CHAT} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    client.head().expect("a head");
    let started = Instant::now();
    let mut arrivals = Vec::new();
    for _ in 0..3 {
        let (size, _) = client.exactly(10);
        let size =
            usize::from_str_radix(String::from_utf8(size).expect("a size").trim(), 16).expect("a size");
        client.exactly(size + 2);
        arrivals.push(started.elapsed());
    }
    // The first frame is due at once, the third two twentieths of a second later.
    assert!(arrivals[0] < Duration::from_millis(60), "{arrivals:?}");
    assert!(arrivals[2] >= Duration::from_millis(80), "{arrivals:?}");
}
