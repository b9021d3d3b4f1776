//! Second tries: what is tried again, how often, and what must never be.

use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door! {
    a_failure_before_any_byte_is_tried_again_with_the_whole_body,
    a_stream_is_tried_again_before_its_first_frame_and_never_after,
    tries_are_bounded_and_the_last_failure_is_reported,
    refusals_and_timeouts_are_not_tried_again,
    the_models_own_budget_goes_before_the_general_one,
    a_connection_is_reused_and_one_gone_stale_costs_nothing,
    the_connection_of_a_failed_answer_is_reused,
    a_refusal_during_an_upload_with_the_close_reaches_the_caller,
    a_refusal_during_an_upload_that_is_read_to_its_end_reaches_the_caller,
    a_refusal_during_an_upload_that_is_no_longer_read_reaches_the_caller,
    interim_answers_of_the_upstream_are_skipped,
    bytes_beyond_an_answer_never_reach_another_caller,
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

async fn a_failure_before_any_byte_is_tried_again_with_the_whole_body(door: Door) {
    let failures = [
        ("a 503", replies::json(503, "{}")),
        ("a reset", Script::reading().reset()),
        ("a close", Script::reading().close()),
        ("nonsense", replies::json(200, "nonsense")),
        (
            "a cut body",
            Script::reading().send(replies::head(200, &[], "application/json", 90)).send("{").close(),
        ),
    ];
    for (what, failure) in failures {
        let upstream = Upstream::queue([failure, replies::json(200, CHAT_ANSWER)]).await;
        let gateway = door.setup(&upstream).config("upstream.retries", 1).start().await;
        let body = json!({"model": "chat", "messages": [{"role": "user", "content": "z".repeat(200_000)}]});
        let answer =
            gateway.ask(&Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)), "{what}");
        assert_eq!(upstream.count(), 2, "{what}");
        assert!(upstream.seen(1).body.len() > 200_000, "{what}");
        let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
        assert_eq!(line.status(), 200);
    }
}

async fn a_stream_is_tried_again_before_its_first_frame_and_never_after(door: Door) {
    let early = Upstream::queue([replies::open_stream().close(), replies::stream(CHAT_FRAMES)]).await;
    let gateway = door.setup(&early).config("upstream.retries", 1).start().await;
    let request = Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER);
    let answer = gateway.ask(&request).await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(early.count(), 2);

    let begun = replies::open_stream().send(replies::chunk(CHAT_FRAMES[0].as_bytes())).close();
    let late = Upstream::queue([begun, replies::stream(CHAT_FRAMES)]).await;
    let gateway = door.setup(&late).config("upstream.retries", 1).start().await;
    let answer = gateway.ask(&request).await;
    assert!(
        answer.text().contains("event: error\n") && !answer.text().contains("[DONE]"),
        "{}",
        answer.text()
    );
    assert_eq!(late.count(), 1);
}

async fn tries_are_bounded_and_the_last_failure_is_reported(door: Door) {
    let upstream = Upstream::doing(replies::json(503, "{}")).await;
    let gateway = door.setup(&upstream).config("upstream.retries", 2).start().await;
    let answer = gateway.ask(&chat()).await;
    assert_eq!((answer.status, answer.error_field("message").as_str()), (502, "upstream returned 503"));
    assert_eq!(upstream.count(), 3);
}

async fn refusals_and_timeouts_are_not_tried_again(door: Door) {
    let cases = [
        ("400", replies::json(400, "{}")),
        ("401", replies::json(401, "{}")),
        ("429", replies::json(429, "{}")),
        ("a timeout", Script::reading().hang()),
    ];
    for (what, script) in cases {
        let upstream = Upstream::doing(script).await;
        let setup = door.setup(&upstream).config("upstream.retries", 2).config("upstream.timeout_ms", 400);
        let gateway = setup.start().await;
        gateway.ask(&chat()).await;
        assert_eq!(upstream.count(), 1, "{what}");
    }
}

async fn the_models_own_budget_goes_before_the_general_one(door: Door) {
    let upstream = Upstream::doing(replies::json(503, "{}")).await;
    let setup = door.setup(&upstream).config("upstream.retries", 2);
    let gateway = setup.change("models", "chat", "retries", json!(0)).start().await;
    assert_eq!(gateway.ask(&chat()).await.status, 502);
    assert_eq!(upstream.count(), 1);
}

async fn a_connection_is_reused_and_one_gone_stale_costs_nothing(door: Door) {
    let ok = || replies::json(200, CHAT_ANSWER);
    let upstream = Upstream::queue([ok(), ok().close(), ok(), Script::reading().reset(), ok()]).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    assert_eq!(caller.ask(&chat()).await.status, 200);
    assert_eq!(caller.ask(&chat()).await.status, 200);
    assert_eq!(upstream.connections(), 1, "the second request reuses the first connection");
    assert_eq!(caller.ask(&chat()).await.status, 200, "the closed connection is noticed");
    assert_eq!(upstream.seen(2).connection, 1);
    let answer = caller.ask(&chat()).await;
    assert_eq!(answer.status, 200, "a reused connection that dies without a byte: {}", answer.text());
    assert_eq!((upstream.count(), upstream.seen(4).connection), (5, 2));
}

async fn the_connection_of_a_failed_answer_is_reused(door: Door) {
    let upstream = Upstream::queue([replies::json(503, "{}"), replies::json(200, CHAT_ANSWER)]).await;
    let gateway = door.setup(&upstream).config("upstream.retries", 1).start().await;
    assert_eq!(gateway.ask(&chat()).await.status, 200);
    assert_eq!(upstream.connections(), 1);
}

/// A refusal with which an upstream interrupts an upload, and its body.
fn interruption() -> (Vec<u8>, &'static str) {
    let error = r#"{"error":{"message":"too large for this model","type":"invalid_request_error"}}"#;
    let head = replies::head(413, &[("connection", "close")], "application/json", error.len());
    ([head, error.as_bytes().to_vec()].concat(), error)
}

/// Uploads 6 MB, more than lies in socket buffers, against a script that interrupts.
async fn assert_interrupted(door: Door, script: Script) {
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).config("upstream.retries", 2).start().await;
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": "u".repeat(6 << 20)}]});
    let answer = gateway.ask(&Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)).await;
    assert_eq!((answer.status, answer.text().as_str()), (413, interruption().1));
    assert_eq!(upstream.count(), 1);
}

async fn a_refusal_during_an_upload_with_the_close_reaches_the_caller(door: Door) {
    assert_interrupted(door, Script::early().send(interruption().0).close()).await;
    assert_interrupted(door, Script::early().read_some(1000).send(interruption().0).close()).await;
}

async fn a_refusal_during_an_upload_that_is_read_to_its_end_reaches_the_caller(door: Door) {
    let gate = Gate::closed();
    assert_interrupted(door, Script::early().send(interruption().0).wait(&gate)).await;
}

async fn a_refusal_during_an_upload_that_is_no_longer_read_reaches_the_caller(door: Door) {
    let gate = Gate::closed();
    assert_interrupted(door, Script::early().read_some(1000).send(interruption().0).ignore_until(&gate))
        .await;
}

async fn interim_answers_of_the_upstream_are_skipped(door: Door) {
    let script = Script::reading()
        .send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        .send(replies::head(200, &[], "application/json", CHAT_ANSWER.len()))
        .send(CHAT_ANSWER);
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
    for _ in 0..2 {
        let answer = gateway.ask(&chat()).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
    }
}

async fn bytes_beyond_an_answer_never_reach_another_caller(door: Door) {
    let script = Script::reading()
        .send(replies::head(200, &[], "application/json", CHAT_ANSWER.len()))
        .send(format!("{CHAT_ANSWER}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}"));
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    for _ in 0..3 {
        let answer = caller.ask(&chat()).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
    }
    assert_eq!(upstream.connections(), 3, "a connection with bytes left over is not reused");
}
