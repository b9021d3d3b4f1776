//! HTTP/1.1 bodies at the edge of the rules: what is served, what is refused, and what that does to the connection.

use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::door::{
    Door, through_both_http_1_doors, through_both_http_1_doors_and_tls, through_every_door,
};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::Upstream;

through_every_door! {
    a_slow_body_that_makes_progress_is_bounded_by_its_total_time_alone,
    a_body_of_exactly_the_limit_is_served,
}

through_both_http_1_doors_and_tls! {
    a_request_arriving_byte_by_byte_is_served,
    a_caller_who_expects_100_is_told_to_continue_before_sending,
    a_stalled_body_is_answered_with_408_and_the_close,
    a_body_over_the_limit_is_refused_without_being_read,
    chunk_extensions_and_trailers_are_accepted_and_go_nowhere,
}

through_both_http_1_doors! {
    a_caller_who_expects_100_is_refused_before_sending,
    ambiguous_lengths_are_refused_and_end_the_connection,
    a_caller_who_expects_100_may_send_at_once,
    broken_chunks_are_refused_and_end_the_connection,
    what_was_smuggled_behind_a_refused_request_is_never_served,
}

async fn gateway_with(door: Door, changes: &[(&str, Value)]) -> (Gateway, Upstream) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let mut setup = door.setup(&upstream);
    for (path, value) in changes {
        setup = setup.config(path, value.clone());
    }
    (setup.start().await, upstream)
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

/// A chat request with exactly these framing headers and this body.
fn framed(framing: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {CALLER}\r\n\
         content-type: application/json\r\n{framing}\r\n{body}"
    )
    .into_bytes()
}

async fn a_request_arriving_byte_by_byte_is_served(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let mut client = gateway.client().await;
    for byte in chat().bytes() {
        client.write(&[byte]).await;
    }
    assert_eq!(client.answer().await.status, 200);
}

async fn a_caller_who_expects_100_is_told_to_continue_before_sending(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let mut client = gateway.client().await;
    let request = chat().header("expect", "100-continue");
    client.write(&request.head_bytes()).await;
    assert_eq!(client.head().await.status, 100);
    client.write(&request.body).await;
    assert_eq!(client.answer().await.status, 200);
    client.assert_kept().await;
}

async fn a_caller_who_expects_100_is_refused_before_sending(door: Door) {
    let (gateway, _) = gateway_with(door, &[("proxy.request_body_limit_bytes", json!(100))]).await;
    let unauthenticated = Request::post("/v1/chat/completions", "{}").header("expect", "100-continue");
    let large = chat().header("expect", "100-continue");
    for (request, status) in [(unauthenticated, 401), (large, 413)] {
        let mut client = gateway.client().await;
        client.write(&request.head_bytes()).await;
        assert_eq!(client.head().await.status, status);
    }
}

async fn a_caller_who_expects_100_may_send_at_once(door: Door) {
    let (gateway, upstream) = gateway_with(door, &[]).await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        client.write(&chat().header("expect", "100-continue").bytes()).await;
        assert_eq!(client.answer().await.status, 200);
    }
    assert_eq!(upstream.count(), 3);
}

async fn ambiguous_lengths_are_refused_and_end_the_connection(door: Door) {
    let length = CHAT.len();
    let cases = [
        ("different lengths", format!("content-length: {length}\r\ncontent-length: 5\r\n")),
        ("the same length twice", format!("content-length: {length}\r\ncontent-length: {length}\r\n")),
        ("a list of lengths", format!("content-length: {length}, {length}\r\n")),
        ("a negative length", "content-length: -5\r\n".to_owned()),
        ("a signed length", format!("content-length: +{length}\r\n")),
        ("a length in hexadecimal", "content-length: 0x10\r\n".to_owned()),
        ("a length beyond numbers", "content-length: 99999999999999999999999\r\n".to_owned()),
        ("a length and chunks", format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n")),
        ("chunks not last", "transfer-encoding: chunked, gzip\r\n".to_owned()),
        ("an unknown coding", "transfer-encoding: xchunked\r\n".to_owned()),
        ("no coding", format!("transfer-encoding: identity\r\ncontent-length: {length}\r\n")),
        ("a space before the colon", format!("transfer-encoding : chunked\r\ncontent-length: {length}\r\n")),
        ("a control byte", "transfer-encoding: \x0bchunked\r\n".to_owned()),
        ("chunks and nothing", "transfer-encoding: chunked, \r\n".to_owned()),
        ("chunks twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".to_owned()),
    ];
    let (gateway, upstream) = gateway_with(door, &[]).await;
    for (what, framing) in cases {
        let mut client = gateway.client().await;
        client.write(&framed(&framing, CHAT)).await;
        let head = client.head().await;
        assert!(matches!(head.status, 400 | 413 | 501), "{what}: {}", head.status);
        client.rest(&head).await;
        client.assert_closed().await;
        assert_eq!(upstream.count(), 0, "{what}");
    }
}

async fn broken_chunks_are_refused_and_end_the_connection(door: Door) {
    let endless = "1".repeat(100_000);
    let bodies = [
        endless.as_str(),
        "2;x=\n{}\r\n0\r\n\r\n",
        "2\n{}\n0\n\n",
        "zz\r\n{}\r\n0\r\n\r\n",
        "-1\r\n",
        "5\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{",
        "\r\n\r\n",
    ];
    let (gateway, upstream) = gateway_with(door, &[("proxy.body_timeout_ms", json!(500))]).await;
    for body in bodies {
        let mut client = gateway.client().await;
        client.write(&framed("transfer-encoding: chunked\r\n", body)).await;
        let head = client.head().await;
        assert!(matches!(head.status, 400 | 408 | 413), "{body:?}: {}", head.status);
        client.rest(&head).await;
        client.assert_closed().await;
        assert_eq!(upstream.count(), 0, "{body:?}");
    }
}

async fn a_stalled_body_is_answered_with_408_and_the_close(door: Door) {
    let (gateway, upstream) = gateway_with(door, &[("proxy.body_timeout_ms", json!(300))]).await;
    for bytes in [chat().bytes(), chat().chunked(50)] {
        let mut client = gateway.client().await;
        client.write(&bytes[..bytes.len() - 30]).await;
        assert_timeout(&mut client).await;
    }
    assert_eq!(upstream.count(), 0);
}

async fn a_slow_body_that_makes_progress_is_bounded_by_its_total_time_alone(door: Door) {
    let times =
        |total: u64| [("proxy.body_timeout_ms", json!(2000)), ("proxy.body_total_timeout_ms", json!(total))];
    for (total, status) in [(60_000, 200), (300, 408)] {
        let (gateway, _) = gateway_with(door, &times(total)).await;
        let mut caller = gateway.caller().await;
        let request = chat();
        caller.begin_part(&request, 0).await;
        let mut pieces = request.body.chunks(request.body.len().div_ceil(8)).peekable();
        while let Some(piece) = pieces.next() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            caller.more(piece, pieces.peek().is_none()).await;
        }
        assert_eq!(caller.head().await.status, status, "total {total} ms");
    }
}

async fn assert_timeout(client: &mut Client) {
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.error_type().as_str()), (408, "timeout"), "{}", answer.text());
    client.assert_closed().await;
}

async fn a_body_over_the_limit_is_refused_without_being_read(door: Door) {
    let (gateway, upstream) = gateway_with(door, &[("proxy.request_body_limit_bytes", json!(1000))]).await;
    let routes = [("/v1/chat/completions", "invalid_request_error"), ("/v1/messages", "request_too_large")];
    for (target, kind) in routes {
        let mut client = gateway.client().await;
        let mut request = Request::post(target, vec![]).bearer(CALLER);
        request.body = vec![b' '; 50_000_000];
        client.write(&request.head_bytes()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.error_type().as_str()), (413, kind));
        assert!(answer.error_field("message").contains("1000-byte limit"), "{}", answer.text());
        request.body.truncate(200_000);
        let mut client = gateway.client().await;
        client.write_anyway(&request.chunked(1000)).await;
        assert_eq!(client.answer().await.status, 413, "{target} in chunks");
    }
    assert_eq!(upstream.count(), 0);
}

async fn a_body_of_exactly_the_limit_is_served(door: Door) {
    let (gateway, _) = gateway_with(door, &[("proxy.request_body_limit_bytes", json!(CHAT.len()))]).await;
    let mut caller = gateway.caller().await;
    assert_eq!(caller.ask(&chat()).await.status, 200);
    assert_eq!(caller.ask_in_pieces(&chat(), 33).await.status, 200);
    let mut longer = chat();
    longer.body.push(b' ');
    assert_eq!(caller.ask(&longer).await.status, 413);
    assert_eq!(gateway.caller().await.ask_in_pieces(&longer, 33).await.status, 413);
}

async fn chunk_extensions_and_trailers_are_accepted_and_go_nowhere(door: Door) {
    let (gateway, upstream) = gateway_with(door, &[]).await;
    let mut client = gateway.client().await;
    let length = CHAT.len();
    let body = format!("{length:X};name=\"value\"\r\n{CHAT}\r\n0;last\r\nx-trailer: 1\r\n\r\n");
    client.write(&framed("transfer-encoding: chunked\r\n", &body)).await;
    assert_eq!(client.answer().await.status, 200);
    let seen = upstream.last();
    assert_eq!((seen.body.len(), seen.header("x-trailer")), (length + "gpt-real".len() - "chat".len(), None));
    client.assert_kept().await;
}

async fn what_was_smuggled_behind_a_refused_request_is_never_served(door: Door) {
    let (gateway, upstream) = gateway_with(door, &[]).await;
    let hidden = String::from_utf8(chat().bytes()).expect("UTF-8");
    let cases = [
        framed("content-length: 4\r\ntransfer-encoding: chunked\r\n", &format!("0\r\n\r\n{hidden}")),
        framed(&format!("content-length: 0\r\ncontent-length: {}\r\n", hidden.len()), &hidden),
    ];
    for bytes in cases {
        let mut client = gateway.client().await;
        client.write_anyway(&bytes).await;
        let rest = String::from_utf8_lossy(&client.remainder().await).into_owned();
        assert_eq!(rest.matches("HTTP/1.1 ").count(), 1, "{rest}");
        assert!(rest.starts_with("HTTP/1.1 400"), "{rest}");
    }
    assert_eq!(upstream.count(), 0);
}
