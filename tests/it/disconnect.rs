//! Callers who leave: the upstream is let go at once, and the log says what had been consumed.

use crate::support::client::Request;
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::logs::Record;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Script, Upstream};

fn assert_left(line: &Record) {
    assert_eq!((line.status(), line.text("error_kind")), (499, "client_disconnected"));
}

#[tokio::test]
async fn leaving_before_the_head_lets_the_upstream_go() {
    let targets = [
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT_STREAM_REQUEST),
        ("/v1/messages", MESSAGE),
    ];
    for (target, body) in targets {
        let upstream = Upstream::doing(Script::reading().hang()).await;
        let gateway = Setup::new(&upstream).config("upstream.retries", 2).start().await;
        let mut client = gateway.client().await;
        let request = Request::post(target, body).bearer(CALLER).header("x-aisix-request-id", "it-left");
        client.write(&request.bytes()).await;
        let seen = upstream.request(0).await;
        drop(client);
        seen.gone().await;
        assert_left(&gateway.log.access("it-left").await);
        assert_eq!(upstream.count(), 1, "nothing is tried again for somebody who left");
    }
}

#[tokio::test]
async fn leaving_during_an_answer_body_lets_the_upstream_go() {
    let script = Script::reading().send(replies::head(200, &[], "application/json", 500)).send("{").hang();
    let upstream = Upstream::doing(script).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    client.write(&request.header("x-aisix-request-id", "it-left").bytes()).await;
    let seen = upstream.request(0).await;
    drop(client);
    seen.gone().await;
    assert_left(&gateway.log.access("it-left").await);
}

#[tokio::test]
async fn leaving_a_stream_lets_the_upstream_go_and_accounts_what_was_consumed() {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(MESSAGE_FRAMES, &gate)).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    let request = Request::post("/v1/messages", MESSAGE_STREAM_REQUEST).bearer(CALLER);
    client.open(&request.header("x-aisix-request-id", "it-left")).await;
    assert_eq!(client.event().await, Some(aliased(MESSAGE_FRAMES[0])));
    let seen = upstream.request(0).await;
    assert!(!seen.is_gone(), "the upstream is still read while the caller is there");
    drop(client);
    seen.gone().await;
    let line = gateway.log.access("it-left").await;
    assert_left(&line);
    assert_eq!((line.number("prompt_tokens"), line.number("completion_tokens")), (Some(25), Some(1)));
    assert_eq!(line.text("model"), "claude");
}

#[tokio::test]
async fn leaving_during_an_upload_never_reaches_the_upstream() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    let bytes = request.header("x-aisix-request-id", "it-left").bytes();
    client.write(&bytes[..bytes.len() - 20]).await;
    drop(client);
    assert_left(&gateway.log.access("it-left").await);
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_caller_who_stays_is_not_taken_for_one_who_left() {
    let gate = Gate::closed();
    let script = Script::reading()
        .wait(&gate)
        .send(replies::head(200, &[], "application/json", CHAT_ANSWER.len()))
        .send(CHAT_ANSWER);
    let upstream = Upstream::doing(script).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    client.write(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER).bytes()).await;
    let seen = upstream.request(0).await;
    client.write(b"\r\n").await;
    client.write(&Request::get("/livez").bytes()).await;
    gate.open();
    assert_eq!(client.answer().await.status, 200);
    assert!(!seen.is_gone());
    assert_eq!(client.answer().await.text(), "ok", "the request sent meanwhile is served afterwards");
}

#[tokio::test]
async fn the_next_call_works_and_nothing_stays_in_flight() {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = Setup::new(&upstream).start().await;
    for round in 0..5 {
        let mut client = gateway.client().await;
        client.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
        drop(client);
        upstream.request(round).await.gone().await;
    }
    upstream.always(replies::json(200, CHAT_ANSWER));
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    assert_eq!(answer.text(), aliased(CHAT_ANSWER));
    eventually("an empty gateway", || async {
        let scrape = gateway.scrape().await;
        (scrape.sum("aisix_proxy_in_flight_requests", &[]) == 0.0
            && scrape.sum("aisix_proxy_client_cancelled_requests_total", &[]) == 5.0)
            .then_some(())
    })
    .await;
}
