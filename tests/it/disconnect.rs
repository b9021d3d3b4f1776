//! Callers who leave: the upstream is let go at once, and the log says what had been consumed.

use tokio::io::AsyncReadExt;

use crate::support::client::{Client, Request};
use crate::support::door::{Door, through_both_http_1_doors, through_every_door, through_every_door_and_tls};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::logs::Record;
use crate::support::replies;
use crate::support::upstream::{Gate, Script, Upstream};
use crate::support::within;

through_every_door_and_tls! {
    leaving_before_the_head_lets_the_upstream_go,
    leaving_a_stream_lets_the_upstream_go_and_accounts_what_was_consumed,
    leaving_during_an_upload_never_reaches_the_upstream,
}

through_every_door! {
    leaving_during_an_answer_body_lets_the_upstream_go,
    leaving_before_the_body_never_reaches_the_upstream,
    leaving_during_the_handshake_with_the_upstream_ends_it,
    leaving_between_two_tries_prevents_the_second,
    the_next_call_works_and_nothing_stays_in_flight,
}

through_both_http_1_doors! {
    a_caller_who_stays_is_not_taken_for_one_who_left,
    leaving_with_the_next_request_sent_ahead_lets_the_upstream_go,
    a_caller_who_ends_its_sending_side_has_left,
    leaving_in_the_head_is_nobodys_business,
}

fn assert_left(line: &Record) {
    assert_eq!((line.status(), line.text("error_kind")), (499, "client_disconnected"));
}

async fn leaving_before_the_head_lets_the_upstream_go(door: Door) {
    let targets = [
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT_STREAM_REQUEST),
        ("/v1/messages", MESSAGE),
    ];
    for (target, body) in targets {
        let upstream = Upstream::doing(Script::reading().hang()).await;
        let gateway = door.setup(&upstream).config("upstream.retries", 2).start().await;
        let mut caller = gateway.caller().await;
        let request = Request::post(target, body).bearer(CALLER).header("x-aisix-request-id", "it-left");
        caller.begin(&request).await;
        let seen = upstream.request(0).await;
        drop(caller);
        seen.gone().await;
        assert_left(&gateway.log.access("it-left").await);
        assert_eq!(upstream.count(), 1, "nothing is tried again for somebody who left");
    }
}

async fn leaving_during_an_answer_body_lets_the_upstream_go(door: Door) {
    let script = Script::reading().send(replies::head(200, &[], "application/json", 500)).send("{").hang();
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    caller.begin(&request.header("x-aisix-request-id", "it-left")).await;
    let seen = upstream.request(0).await;
    drop(caller);
    seen.gone().await;
    assert_left(&gateway.log.access("it-left").await);
}

async fn leaving_a_stream_lets_the_upstream_go_and_accounts_what_was_consumed(door: Door) {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(MESSAGE_FRAMES, &gate)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/messages", MESSAGE_STREAM_REQUEST).bearer(CALLER);
    caller.open(&request.header("x-aisix-request-id", "it-left")).await;
    assert_eq!(caller.event().await, Some(aliased(MESSAGE_FRAMES[0])));
    let seen = upstream.request(0).await;
    assert!(!seen.is_gone(), "the upstream is still read while the caller is there");
    drop(caller);
    seen.gone().await;
    let line = gateway.log.access("it-left").await;
    assert_left(&line);
    assert_eq!((line.number("prompt_tokens"), line.number("completion_tokens")), (Some(25), Some(1)));
    assert_eq!(line.text("model"), "claude");
}

async fn leaving_during_an_upload_never_reaches_the_upstream(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    caller.begin_part(&request.header("x-aisix-request-id", "it-left"), CHAT.len() - 20).await;
    drop(caller);
    assert_left(&gateway.log.access("it-left").await);
    assert_eq!(upstream.count(), 0);
}

async fn leaving_before_the_body_never_reaches_the_upstream(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    caller.begin_part(&request.header("x-aisix-request-id", "it-left"), 0).await;
    drop(caller);
    assert_left(&gateway.log.access("it-left").await);
    assert_eq!(upstream.count(), 0);
}

async fn leaving_during_the_handshake_with_the_upstream_ends_it(door: Door) {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("https://{}/v1", silent.local_addr().expect("an address"));
    let upstream = Upstream::queue([]).await;
    let setup = door.setup(&upstream).change("provider_keys", "openai-up", "api_base", base.into());
    let gateway = setup.start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    caller.begin(&request.header("x-aisix-request-id", "it-left")).await;
    let (mut connection, _) = within("a connection", silent.accept()).await.expect("a connection");
    drop(caller);
    let ended = within("the end of the connection", connection.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert_left(&gateway.log.access("it-left").await);
}

async fn leaving_between_two_tries_prevents_the_second(door: Door) {
    let upstream = Upstream::doing(replies::answer(503, &[("retry-after", "2")], "{}")).await;
    let gateway = door.setup(&upstream).config("upstream.retries", 1).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    caller.begin(&request.header("x-aisix-request-id", "it-left")).await;
    upstream.request(0).await;
    drop(caller);
    assert_left(&gateway.log.access("it-left").await);
    assert_eq!(upstream.count(), 1);
}

async fn leaving_in_the_head_is_nobodys_business(door: Door) {
    let upstream = Upstream::queue([]).await;
    let mut gateway = door.setup(&upstream).start().await;
    let head = Request::post("/v1/chat/completions", CHAT).bearer(CALLER).head_bytes();
    for part in [1, 30, head.len() - 1] {
        gateway.client().await.write(&head[..part]).await;
    }
    gateway.client().await.assert_kept().await;
    gateway.signal(rustix::process::Signal::TERM);
    assert!(gateway.exit().await.success());
    gateway.log.containing("drain complete").await;
    let logged = gateway.log.access_so_far();
    assert!(logged.iter().all(|line| line.text("path") != "/v1/chat/completions"), "{logged:?}");
}

/// A caller who is answered slowly, its connection, and the request at the upstream.
async fn waiting(door: Door) -> (Gateway, Upstream, Client) {
    let upstream = Upstream::doing(Script::reading().hang()).await;
    let gateway = door.setup(&upstream).start().await;
    let mut client = gateway.client().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    client.write(&request.header("x-aisix-request-id", "it-left").bytes()).await;
    upstream.request(0).await;
    (gateway, upstream, client)
}

async fn leaving_with_the_next_request_sent_ahead_lets_the_upstream_go(door: Door) {
    let (gateway, upstream, mut client) = waiting(door).await;
    client.write(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER).bytes()).await;
    drop(client);
    upstream.seen(0).gone().await;
    assert_left(&gateway.log.access("it-left").await);
    assert_eq!(upstream.count(), 1, "nobody waits for the second answer");
}

async fn a_caller_who_ends_its_sending_side_has_left(door: Door) {
    let (gateway, upstream, mut client) = waiting(door).await;
    client.end_sending().await;
    upstream.seen(0).gone().await;
    assert_left(&gateway.log.access("it-left").await);
    client.assert_closed().await;
}

async fn a_caller_who_stays_is_not_taken_for_one_who_left(door: Door) {
    let gate = Gate::closed();
    let script = Script::reading()
        .wait(&gate)
        .send(replies::head(200, &[], "application/json", CHAT_ANSWER.len()))
        .send(CHAT_ANSWER);
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
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

async fn the_next_call_works_and_nothing_stays_in_flight(door: Door) {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = door.setup(&upstream).start().await;
    for round in 0..5 {
        let mut caller = gateway.caller().await;
        caller.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
        drop(caller);
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
