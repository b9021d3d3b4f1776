//! Request heads: what is not one, comes too slowly, is too large, or asks for another protocol.

use serde_json::json;

use crate::support::client::{Client, Request};
use crate::support::door::{
    Door, through_both_http_1_doors, through_both_http_1_doors_and_tls, through_every_door,
};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::Upstream;

through_every_door! {
    a_request_for_the_head_alone_gets_no_more,
    as_many_fields_as_any_client_sends_are_served_and_a_flood_of_them_is_refused,
}

through_both_http_1_doors_and_tls! {
    a_slow_head_is_answered_with_408_and_the_close_on_any_request_of_a_connection,
    a_refused_head_is_answered_like_any_request_and_logged,
}

through_both_http_1_doors! {
    malformed_heads_are_refused_and_end_the_connection,
    a_head_that_trickles_is_not_kept_alive_by_its_trickle,
    an_oversized_head_is_refused,
    a_target_in_absolute_form_is_served,
    a_wish_to_upgrade_is_answered_at_once,
    verbs_of_other_protocols_are_refused_under_our_own_name,
    a_silent_connection_is_closed_without_a_word,
    bodies_where_none_belongs_are_stepped_over,
}

async fn gateway_with(door: Door, changes: &[(&str, serde_json::Value)]) -> (Gateway, Upstream) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup =
        changes.iter().fold(door.setup(&upstream), |setup, (path, value)| setup.config(path, value.clone()));
    (setup.start().await, upstream)
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

async fn assert_timeout(client: &mut Client) {
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.error_type().as_str()), (408, "timeout"), "{}", answer.text());
    client.assert_closed().await;
}

async fn malformed_heads_are_refused_and_end_the_connection(door: Door) {
    let heads: &[&[u8]] = &[
        b"NONSENSE\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost : x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: x\r\nbad\x00name: y\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ];
    let (gateway, _) = gateway_with(door, &[("proxy.header_timeout_ms", json!(500))]).await;
    for head in heads {
        let mut client = gateway.client().await;
        client.write_anyway(head).await;
        let answer = String::from_utf8_lossy(&client.remainder().await).into_owned();
        let refused =
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 505");
        assert!(refused, "{:?}: {answer}", String::from_utf8_lossy(head));
    }
    assert_eq!(gateway.ask(&Request::get("/livez")).await.status, 200);
}

async fn a_slow_head_is_answered_with_408_and_the_close_on_any_request_of_a_connection(door: Door) {
    let (gateway, _) = gateway_with(door, &[("proxy.header_timeout_ms", json!(300))]).await;
    for requests_before in [0, 1] {
        let mut client = gateway.client().await;
        for _ in 0..requests_before {
            client.assert_kept().await;
        }
        client.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
        assert_timeout(&mut client).await;
    }
}

async fn a_head_that_trickles_is_not_kept_alive_by_its_trickle(door: Door) {
    let (gateway, _) = gateway_with(door, &[("proxy.header_timeout_ms", json!(400))]).await;
    let mut client = gateway.client().await;
    client.write(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    for _ in 0..20 {
        client.write_anyway(b"y").await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    client.write_anyway(b"\r\n\r\n").await;
    let rest = String::from_utf8(client.remainder().await).unwrap_or_default();
    assert!(
        rest.is_empty() || rest.starts_with("HTTP/1.1 408 "),
        "a second of trickle is not served: {rest}"
    );
}

async fn an_oversized_head_is_refused(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let large = "h".repeat(70_000);
    for request in
        [Request::get("/v1/models").header("x-large", &large), Request::get(&format!("/v1/models?{large}"))]
    {
        let mut client = gateway.client().await;
        client.write_anyway(&request.bearer(CALLER).bytes()).await;
        let head = client.head().await;
        assert!(matches!(head.status, 431 | 414), "{}", head.status);
    }
    let fits = "h".repeat(30_000);
    let answer = gateway.ask(&Request::get("/v1/models").bearer(CALLER).header("x-large", &fits)).await;
    assert_eq!(answer.status, 200);
}

async fn as_many_fields_as_any_client_sends_are_served_and_a_flood_of_them_is_refused(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let with = |fields: usize| {
        (0..fields).fold(Request::get("/v1/models").bearer(CALLER), |request, number| {
            request.header(&format!("x-field-{number}"), "1")
        })
    };
    assert_eq!(gateway.ask(&with(100)).await.status, 200);
    // In HTTP/2 the bound is on the size of the list alone.
    let flood = if door.is_http_2() { 3_000 } else { 300 };
    let mut caller = gateway.caller().await;
    assert_eq!(caller.ask(&with(flood)).await.status, 431);
}

async fn a_request_for_the_head_alone_gets_no_more(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let mut caller = gateway.caller().await;
    let cases = [("/livez", 200), ("/v1/models", 401), ("/v1/chat/completions", 405), ("/v1/nowhere", 404)];
    for (target, status) in cases {
        let answer = caller.ask(&Request::new("HEAD", target)).await;
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{target}");
        caller.assert_kept().await;
    }
    let head = caller.ask(&Request::new("HEAD", "/v1/models").bearer(CALLER)).await;
    let whole = caller.ask(&Request::get("/v1/models").bearer(CALLER)).await;
    assert_eq!(head.header("content-length"), whole.header("content-length"));
}

async fn a_target_in_absolute_form_is_served(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    for target in ["http://gateway.test/v1/chat/completions", "/v1/chat/completions#fragment"] {
        let mut request = chat();
        request.target = target.to_owned();
        let status = gateway.client().await.ask(&request).await.status;
        assert!(status == 200 || (target.contains('#') && matches!(status, 400 | 404)), "{target}: {status}");
    }
}

async fn a_wish_to_upgrade_is_answered_at_once(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let request = Request::get("/v1/responses")
        .bearer(CALLER)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = gateway.ask(&request).await;
    assert!(matches!(answer.status, 404 | 405 | 426), "{}", answer.status);
}

async fn a_refused_head_is_answered_like_any_request_and_logged(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let large = "h".repeat(70_000);
    let cases = [
        (format!("POST /v1/messages HTTP/1.1\r\nhost: a\r\nx-large: {large}\r\n\r\n"), 431, "request-id"),
        (format!("GET /v1/models HTTP/1.1\r\nhost: a\r\nx-large: {large}\r\n\r\n"), 431, "x-request-id"),
        ("GET /livez HTTP/1.1\r\n\r\n".to_owned(), 400, "x-request-id"),
        ("GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), 400, "x-request-id"),
    ];
    for (head, status, vendor) in cases {
        let mut client = gateway.client().await;
        client.write_anyway(head.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
        assert!(answer.header("server").is_some_and(|server| server.starts_with("AISIX/")));
        assert!(!answer.error_type().is_empty());
        let id = answer.header("x-aisix-request-id").expect("a request id");
        assert_eq!(answer.header(vendor), Some(id));
        assert_eq!(gateway.log.access(id).await.status(), u64::from(status));
    }
}

async fn verbs_of_other_protocols_are_refused_under_our_own_name(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    for head in ["CONNECT a.test:443 HTTP/1.1", "TRACE / HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        let mut client = gateway.client().await;
        client.write(format!("{head}\r\nhost: a.test\r\nconnection: close\r\n\r\n").as_bytes()).await;
        let answer = client.answer().await;
        assert!(matches!(answer.status, 400 | 404 | 405 | 501), "{head}: {}", answer.status);
        assert!(answer.header("server").is_some_and(|server| server.starts_with("AISIX/")), "{head}");
        client.assert_closed().await;
    }
}

async fn a_silent_connection_is_closed_without_a_word(door: Door) {
    let (gateway, _) = gateway_with(door, &[("proxy.header_timeout_ms", json!(300))]).await;
    gateway.client().await.assert_closed().await;
    let mut half_a_preface = gateway.client().await;
    half_a_preface.write(b"PRI * HTTP/2").await;
    let rest = String::from_utf8(half_a_preface.remainder().await).expect("UTF-8");
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
}

async fn bodies_where_none_belongs_are_stepped_over(door: Door) {
    let (gateway, _) = gateway_with(door, &[]).await;
    let mut client = gateway.client().await;
    let mut bytes = Request::get("/v1/models").bearer(CALLER).bytes();
    bytes.extend(Request::new("HEAD", "/v1/models").bearer(CALLER).bytes());
    bytes.extend(Request::get("/livez").header("content-length", "5").bytes());
    bytes.extend(b"helloGET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    client.write(&bytes).await;
    let rest = String::from_utf8(client.remainder().await).expect("UTF-8");
    assert_eq!(rest.matches("HTTP/1.1 200 OK").count(), 4, "{rest}");
    assert!(rest.ends_with("\r\n\r\nok"), "{rest}");
}
