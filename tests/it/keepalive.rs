//! Connections of callers: what they carry, one request after the other, and what ends them.

use crate::support::client::Request;
use crate::support::door::{
    Door, through_both_http_1_doors, through_both_http_1_doors_and_tls, through_every_door,
    through_every_door_and_tls,
};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Gate, Upstream};

through_every_door_and_tls! { a_connection_carries_requests_of_every_kind }

through_every_door! {
    a_connection_survives_every_error_written_here,
    a_refused_body_that_was_sent_is_stepped_over,
}

through_both_http_1_doors_and_tls! {
    pipelined_requests_are_answered_in_order,
    a_caller_who_asks_for_the_close_gets_it,
    an_idle_connection_is_closed_and_a_busy_one_is_not,
}

through_both_http_1_doors! {
    stray_line_ends_around_requests_are_forgiven,
    requests_of_unusual_forms_leave_the_connection_to_the_next,
    an_error_that_leaves_a_body_unread_ends_the_connection,
    an_http_1_0_caller_may_keep_its_connection,
    an_http_1_0_caller_who_does_not_ask_is_answered_and_closed,
}

async fn answering(door: Door) -> (Gateway, Upstream) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    (door.setup(&upstream).start().await, upstream)
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

fn stream() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

async fn a_connection_carries_requests_of_every_kind(door: Door) {
    let (gateway, upstream) = answering(door).await;
    let mut caller = gateway.caller().await;
    for round in 0..10 {
        assert_eq!(caller.ask(&chat()).await.text(), aliased(CHAT_ANSWER), "round {round}");
        upstream.next(replies::stream(CHAT_FRAMES));
        caller.open(&stream()).await;
        assert_eq!(caller.events().await.concat(), aliased(&CHAT_FRAMES.concat()), "round {round}");
        assert_eq!(caller.ask_in_pieces(&chat(), 100).await.text(), aliased(CHAT_ANSWER), "round {round}");
        upstream.next(replies::json(422, r#"{"error":{"message":"no"}}"#));
        assert_eq!(caller.ask(&chat()).await.status, 422, "round {round}");
        assert_eq!(caller.ask(&Request::get("/v1/models").bearer(CALLER)).await.status, 200);
        assert_eq!(caller.ask(&Request::get("/v1/models")).await.status, 401);
        caller.assert_kept().await;
    }
}

async fn a_connection_survives_every_error_written_here(door: Door) {
    let (gateway, _) = answering(door).await;
    let with = |body: &str| Request::post("/v1/chat/completions", body).bearer(CALLER);
    let cases = [
        (Request::post("/v1/chat/completions", CHAT), 401),
        (Request::post("/v1/nowhere", CHAT).bearer(CALLER), 404),
        (Request::get("/v1/messages").bearer(CALLER), 405),
        (with("{"), 400),
        (with(r#"{"model":"nowhere","messages":[{"role":"user","content":"x"}]}"#), 404),
        (with(r#"{"model":"claude","n":2,"messages":[{"role":"user","content":"x"}]}"#), 400),
    ];
    let mut caller = gateway.caller().await;
    for (request, status) in cases {
        let answer = caller.ask(&request).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        caller.assert_kept().await;
    }
}

async fn a_refused_body_that_was_sent_is_stepped_over(door: Door) {
    let (gateway, upstream) = answering(door).await;
    let mut caller = gateway.caller().await;
    let mut refused = Request::post("/v1/chat/completions", vec![b'x'; 300_000]);
    for target in ["/v1/chat/completions", "/v1/nowhere", "/v1/models"] {
        refused.target = target.into();
        let status = caller.ask(&refused).await.status;
        assert!(matches!(status, 401 | 404 | 405), "{target}: {status}");
        caller.assert_kept().await;
    }
    assert_eq!(upstream.count(), 0);
}

async fn pipelined_requests_are_answered_in_order(door: Door) {
    let (gateway, upstream) = answering(door).await;
    let mut client = gateway.client().await;
    let mut bytes = chat().header("x-aisix-request-id", "one").bytes();
    bytes.extend(Request::get("/livez").header("x-aisix-request-id", "two").bytes());
    bytes.extend(chat().header("x-aisix-request-id", "three").chunked(9));
    bytes.extend(Request::get("/v1/models").bearer(CALLER).header("x-aisix-request-id", "four").bytes());
    client.write(&bytes).await;
    for id in ["one", "two", "three", "four"] {
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("x-aisix-request-id")), (200, Some(id)));
    }
    assert_eq!(upstream.count(), 2);
}

async fn stray_line_ends_around_requests_are_forgiven(door: Door) {
    let (gateway, _) = answering(door).await;
    let mut client = gateway.client().await;
    for _ in 0..2 {
        client.write(b"\r\n").await;
        client.write(&chat().bytes()).await;
        client.write(b"\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
}

/// What the lean codec does not serve itself must not cost the connection.
async fn requests_of_unusual_forms_leave_the_connection_to_the_next(door: Door) {
    let (gateway, upstream) = answering(door).await;
    let mut absolute = chat();
    absolute.target = "http://gateway.test/v1/chat/completions".into();
    let offer = |request: Request| {
        request
            .header("connection", "Upgrade, HTTP2-Settings")
            .header("upgrade", "h2c")
            .header("http2-settings", "AAMAAABkAAQAAP__")
    };
    let requests = [
        (chat(), 200),
        (offer(Request::get("/livez")), 200),
        (offer(chat()), 200),
        (absolute, 200),
        (Request::new("OPTIONS", "/v1/models").bearer(CALLER), 405),
        (Request::new("BREW", "/v1/nowhere").bearer(CALLER), 404),
        (chat(), 200),
    ];
    let mut in_turn = gateway.client().await;
    for (request, status) in &requests {
        let answer = in_turn.ask(request).await;
        assert_eq!(answer.status, *status, "{} {} in turn", request.method, request.target);
    }
    let mut ahead = gateway.client().await;
    ahead.write(&requests.iter().flat_map(|(request, _)| request.bytes()).collect::<Vec<u8>>()).await;
    for (request, status) in &requests {
        let answer = ahead.answer().await;
        assert_eq!(answer.status, *status, "{} {} sent ahead", request.method, request.target);
    }
    assert_eq!(upstream.count(), 8);
}

async fn a_caller_who_asks_for_the_close_gets_it(door: Door) {
    let (gateway, _) = answering(door).await;
    let mut client = gateway.client().await;
    let answer = client.ask(&chat().header("connection", "close")).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    client.assert_closed().await;
    let mut client = gateway.client().await;
    client.write(b"GET /livez HTTP/1.0\r\n\r\n").await;
    let rest = String::from_utf8(client.remainder().await).expect("UTF-8");
    assert!(rest.contains(" 200 ") && rest.ends_with("ok"), "{rest}");
}

async fn an_error_that_leaves_a_body_unread_ends_the_connection(door: Door) {
    let (gateway, upstream) = answering(door).await;
    let hidden = Request::get("/livez").bytes();
    let mut refused = Request::post("/v1/chat/completions", vec![b' '; 30_000_000]);
    let announced = [refused.head_bytes(), hidden.clone()].concat();
    refused.body = hidden;
    let chunked = refused.chunked(1000);
    let refuse = async |bytes: &[u8]| {
        let mut client = gateway.client().await;
        client.write(bytes).await;
        assert_eq!(client.answer().await.status, 401, "before the rest of the body");
        client.assert_closed().await;
    };
    tokio::join!(refuse(&announced), refuse(&chunked[..chunked.len() - 1]));
    assert_eq!(upstream.count(), 0);
}

async fn an_idle_connection_is_closed_and_a_busy_one_is_not(door: Door) {
    let upstream = Upstream::queue([]).await;
    let gateway = door.setup(&upstream).config("downstream.idle_timeout_secs", 1).start().await;
    let mut client = gateway.client().await;
    client.assert_kept().await;
    client.assert_closed().await;
    let gate = Gate::closed();
    upstream.always(replies::gated_stream(CHAT_FRAMES, &gate));
    let mut client = gateway.client().await;
    client.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    client.event().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    gate.open();
    assert!(client.events().await.last().is_some_and(|last| last.contains("[DONE]")));
}

async fn an_http_1_0_caller_may_keep_its_connection(door: Door) {
    let (gateway, _) = answering(door).await;
    let mut client = gateway.client().await;
    for _ in 0..2 {
        client.write(b"GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        if answer.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("keep-alive")) {
            return client.assert_closed().await;
        }
    }
}

async fn an_http_1_0_caller_who_does_not_ask_is_answered_and_closed(door: Door) {
    let (gateway, upstream) = answering(door).await;
    let request = String::from_utf8(chat().bytes()).expect("UTF-8").replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut client = gateway.client().await;
    client.write(request.as_bytes()).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
    assert_eq!(answer.header("transfer-encoding"), None);
    client.assert_closed().await;
    assert_eq!(upstream.count(), 1);
}
