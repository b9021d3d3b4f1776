//! What the caller reads when the upstream refuses, fails, is late, or talks nonsense.

use futures_util::future::join_all;

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door, through_every_door_and_tls};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door_and_tls! {
    a_refusal_in_the_callers_own_envelope_is_handed_on_unmodified,
}

through_every_door! {
    a_refusal_in_any_other_form_is_wrapped_with_its_status,
    a_refused_provider_credential_is_the_gateways_fault_and_not_the_callers,
    a_failing_upstream_becomes_a_bad_gateway_that_names_the_status_alone,
    an_upstream_that_never_answers_or_stalls_in_its_body_is_a_timeout,
    an_unreachable_upstream_is_a_transport_error_without_its_address,
    nonsense_instead_of_an_answer_is_a_decode_error,
    an_upstream_that_speaks_no_http_or_breaks_off_is_a_bad_gateway,
    a_stream_that_fails_before_its_first_frame_is_answered_with_a_status,
    a_long_error_body_is_cut_and_the_connection_lives_on,
    an_answer_or_a_head_beyond_all_bounds_is_given_up,
    the_total_time_bounds_retries_and_waits_together,
    a_model_with_a_time_of_its_own_keeps_to_it,
}

const OPENAI_ERROR: &str = r#"{ "error":{"message":"context length is 8192","type":"invalid_request_error","param":"messages","code":"context_length_exceeded","x":1.0} }"#;
const ANTHROPIC_ERROR: &str = r#"{"type":"error", "error":{"type":"invalid_request_error","message":"prompt is too long"},"request_id":"req_9"}"#;

/// The two routes, an own error of each dialect, and a request.
const DIALECTS: &[(&str, &str, &str)] =
    &[("/v1/chat/completions", CHAT, OPENAI_ERROR), ("/v1/messages", MESSAGE, ANTHROPIC_ERROR)];

async fn answer_to(door: Door, target: &str, body: &str, script: Script) -> (Answer, Upstream) {
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).config("upstream.timeout_ms", 400).start().await;
    let answer = gateway.ask(&Request::post(target, body).bearer(CALLER)).await;
    (answer, upstream)
}

async fn a_refusal_in_the_callers_own_envelope_is_handed_on_unmodified(door: Door) {
    let hints = [("retry-after", "7"), ("retry-after-ms", "7100"), ("x-should-retry", "false")];
    let upstream = Upstream::doing(replies::json(200, "{}")).await;
    let gateway = door.setup(&upstream).start().await;
    for (target, body, error) in DIALECTS {
        for status in [400, 403, 404, 408, 409, 413, 422, 429] {
            upstream.always(replies::answer(status, &hints, error));
            let answer = gateway.ask(&Request::post(target, *body).bearer(CALLER)).await;
            assert_eq!((answer.status, answer.text().as_str()), (status, *error), "{target}");
            for (name, value) in hints {
                assert_eq!(answer.header(name), Some(value), "{target} {status} {name}");
            }
        }
    }
}

async fn a_refusal_in_any_other_form_is_wrapped_with_its_status(door: Door) {
    let bodies = ["<html>no</html>", "", "{\"detail\":\"quota\"}", "[1]", "{\"error\":\"plain\"}"];
    let upstream = Upstream::doing(replies::json(200, "{}")).await;
    let gateway = door.setup(&upstream).start().await;
    for (status, anthropic) in
        [(404, "not_found_error"), (429, "rate_limit_error"), (422, "invalid_request_error")]
    {
        for body in bodies {
            upstream.always(replies::typed(status, "text/html", body));
            let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
            assert_eq!((answer.status, answer.error_type().as_str()), (status, "upstream_error"), "{body}");
            assert!(!answer.text().contains("<html>"));
            let answer = gateway.ask(&Request::post("/v1/messages", MESSAGE).bearer(CALLER)).await;
            assert_eq!((answer.status, answer.error_type().as_str()), (status, anthropic), "{body}");
            assert_eq!(answer.json()["type"], "error");
        }
    }
}

async fn a_refused_provider_credential_is_the_gateways_fault_and_not_the_callers(door: Door) {
    let upstream = Upstream::queue([]).await;
    let gateway = door.setup(&upstream).start().await;
    for (target, body, error) in DIALECTS {
        upstream.next(replies::json(401, error));
        let answer = gateway.ask(&Request::post(target, *body).bearer(CALLER)).await;
        assert_eq!(answer.status, 502, "{target}: {}", answer.text());
        assert!(!answer.text().contains("context length"), "the provider's words stay inside");
        match *target {
            "/v1/messages" => assert_eq!(answer.error_type(), "api_error"),
            _ => {
                let told = (answer.error_type(), answer.error_field("code"));
                assert_eq!(told, ("upstream_error".into(), "upstream_auth_failed".into()));
            }
        }
    }
}

async fn a_failing_upstream_becomes_a_bad_gateway_that_names_the_status_alone(door: Door) {
    let hints = [("retry-after", "3"), ("x-should-retry", "true")];
    let upstream = Upstream::doing(replies::json(200, "{}")).await;
    let gateway = door.setup(&upstream).start().await;
    for (target, body, error) in DIALECTS {
        for status in [500, 502, 503, 504, 529, 302] {
            upstream.always(replies::answer(status, &hints, error));
            let answer = gateway.ask(&Request::post(target, *body).bearer(CALLER)).await;
            let message = format!("upstream returned {status}");
            assert_eq!((answer.status, answer.error_field("message")), (502, message), "{target}");
            let kind = if *target == "/v1/messages" { "api_error" } else { "upstream_error" };
            assert_eq!(answer.error_type(), kind);
            if status >= 500 {
                for (name, value) in hints {
                    assert_eq!(answer.header(name), Some(value), "{target} {status} {name}");
                }
            }
        }
    }
}

async fn an_upstream_that_never_answers_or_stalls_in_its_body_is_a_timeout(door: Door) {
    let half = &CHAT_ANSWER[..40];
    let stalls = [
        ("before the head", Script::reading().hang()),
        ("within the head", Script::reading().send("HTTP/1.1 200 OK\r\ncontent-").hang()),
        (
            "within the body",
            Script::reading().send(replies::head(200, &[], "application/json", 500)).send(half).hang(),
        ),
        ("within an error", Script::reading().send(replies::head(500, &[], "application/json", 500)).hang()),
    ];
    let cases = stalls.iter().flat_map(|stall| DIALECTS.iter().map(move |dialect| (stall, dialect)));
    join_all(cases.map(|((when, script), dialect)| assert_given_up(door, when, script, dialect))).await;
}

/// Asserts what a caller of this dialect reads when the upstream stalls, and that the upstream is let go.
async fn assert_given_up(door: Door, when: &str, script: &Script, (target, body, _): &(&str, &str, &str)) {
    let (answer, upstream) = answer_to(door, target, body, script.clone()).await;
    if when == "within an error" {
        assert_eq!(answer.status, 502, "the status was known: {}", answer.text());
    } else {
        assert_eq!(answer.status, 504, "{when} {target}: {}", answer.text());
        assert!(answer.error_field("message").contains("timed out"), "{}", answer.text());
        let kind = if *target == "/v1/messages" { "api_error" } else { "timeout" };
        assert_eq!(answer.error_type(), kind);
    }
    upstream.last().gone().await;
}

async fn an_unreachable_upstream_is_a_transport_error_without_its_address(door: Door) {
    let upstream = Upstream::doing(replies::json(200, "{}")).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    for base in [format!("http://{address}/v1"), "http://nowhere.invalid/v1".to_owned()] {
        let setup =
            door.setup(&upstream).change("provider_keys", "openai-up", "api_base", base.clone().into());
        let gateway = setup.start().await;
        let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
        assert_eq!((answer.status, answer.error_type().as_str()), (502, "transport_error"), "{base}");
        assert!(!answer.text().contains("nowhere") && !answer.text().contains(&address.port().to_string()));
    }
}

async fn nonsense_instead_of_an_answer_is_a_decode_error(door: Door) {
    let upstream = Upstream::queue([]).await;
    let gateway = door.setup(&upstream).start().await;
    for body in ["", "not json", "[]", "\"text\"", "{\"id\":", "<html></html>"] {
        for (target, request, _) in DIALECTS {
            upstream.next(replies::json(200, body));
            let answer = gateway.ask(&Request::post(target, *request).bearer(CALLER)).await;
            assert_eq!(answer.status, 502, "{target} {body:?}: {}", answer.text());
            let kind = if *target == "/v1/messages" { "api_error" } else { "upstream_decode_error" };
            assert_eq!(answer.error_type(), kind, "{body:?}");
        }
    }
}

async fn an_upstream_that_speaks_no_http_or_breaks_off_is_a_bad_gateway(door: Door) {
    let head = replies::head(200, &[], "application/json", CHAT_ANSWER.len());
    let scripts = [
        ("no http", Script::reading().send("SSH-2.0-OpenSSH\r\n\r\n").close()),
        ("closed without a word", Script::reading().close()),
        ("reset without a word", Script::reading().reset()),
        ("cut in the head", Script::reading().send("HTTP/1.1 200 OK\r\n").close()),
        ("cut in the body", Script::reading().send(head.clone()).send(&CHAT_ANSWER[..100]).close()),
        ("reset in the body", Script::reading().send(head).send(&CHAT_ANSWER[..100]).reset()),
    ];
    for (what, script) in scripts {
        let (answer, _) = answer_to(door, "/v1/chat/completions", CHAT, script).await;
        assert_eq!(answer.status, 502, "{what}: {}", answer.text());
        let known = ["transport_error", "stream_aborted", "upstream_decode_error"];
        assert!(known.contains(&answer.error_type().as_str()), "{what}: {}", answer.text());
    }
}

async fn a_stream_that_fails_before_its_first_frame_is_answered_with_a_status(door: Door) {
    let gate = Gate::closed();
    let in_band = "data: {\"error\":{\"message\":\"slow down\",\"type\":\"rate\",\"code\":429}}\n\n";
    let cases = [
        ("ended", replies::open_stream().send(replies::LAST_CHUNK), 502),
        ("cut", replies::open_stream().close(), 502),
        ("silent", replies::open_stream().wait(&gate), 504),
        ("refused", replies::answer(429, &[("retry-after", "2")], OPENAI_ERROR), 429),
        ("failed", replies::json(503, "{}"), 502),
        ("in-band error", replies::stream(&[in_band]), 429),
    ];
    let upstream = Upstream::queue([]).await;
    let setup = door.setup(&upstream).config("upstream.stream_timeout_ms", 400);
    let gateway = setup.config("upstream.first_frame_timeout_ms", 400).start().await;
    for (what, script, status) in cases {
        upstream.next(script);
        let answer =
            gateway.ask(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert!(answer.json()["error"].is_object(), "{what}");
        let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
        assert_eq!(line.status(), u64::from(status), "{what}");
        assert!(!line.text("error_kind").is_empty(), "{what}");
    }
}

async fn a_long_error_body_is_cut_and_the_connection_lives_on(door: Door) {
    let long = format!("{{\"error\":{{\"message\":\"{}\",\"x\":1}}}}", "é".repeat(100_000));
    let upstream = Upstream::queue([replies::json(400, &long), replies::json(200, CHAT_ANSWER)]).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    let refused = caller.ask(&request).await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].is_object());
    assert_eq!(caller.ask(&request).await.status, 200);
}

async fn an_answer_or_a_head_beyond_all_bounds_is_given_up(door: Door) {
    let large = format!("{{\"model\":\"m\",\"text\":\"{}\"}}", "a".repeat(300_000));
    let head =
        format!("HTTP/1.1 200 OK\r\nx-large: {}\r\ncontent-length: 2\r\n\r\n{{}}", "h".repeat(2 << 20));
    let chunks: Vec<u8> = large.as_bytes().chunks(1000).flat_map(replies::chunk).collect();
    let chunked = Script::reading()
        .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .send(chunks)
        .send(replies::LAST_CHUNK);
    let scripts = [
        ("a long answer", replies::json(200, &large)),
        ("a long answer in chunks", chunked),
        ("a long head", Script::reading().send(head)),
    ];
    let upstream = Upstream::queue([]).await;
    let gateway = door.setup(&upstream).config("upstream.max_answer_bytes", 100_000).start().await;
    for (what, script) in scripts {
        upstream.next(script);
        let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
        assert_eq!(answer.status, 502, "{what}: {}", answer.text());
    }
}

async fn the_total_time_bounds_retries_and_waits_together(door: Door) {
    let upstream = Upstream::doing(Script::reading().hang()).await;
    let setup = door.setup(&upstream).config("upstream.total_timeout_ms", 500);
    let gateway = setup.config("upstream.retries", 5).start().await;
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (504, "timeout"));
}

async fn a_model_with_a_time_of_its_own_keeps_to_it(door: Door) {
    let upstream = Upstream::doing(Script::reading().hang()).await;
    let setup = door.setup(&upstream).change("models", "chat", "timeout", serde_json::json!(300));
    let gateway = setup.start().await;
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (504, "timeout"));
    assert!(answer.error_field("message").contains("300 ms"), "{}", answer.text());
}
