//! HTTP/2 callers: the same answers as over HTTP/1.1, many at once, and a reset instead of a closed connection.

use serde_json::json;

use crate::support::certs::Authority;
use crate::support::client::{Request, connect, connect_tls};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::h2::H2;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Script, Upstream};

async fn prior_knowledge(gateway: &Gateway) -> H2 {
    H2::over(connect(gateway.proxy).await).await
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

fn stream() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

#[tokio::test]
async fn plain_answers_errors_and_streams_share_a_connection() {
    let upstream = Upstream::queue([replies::json(200, CHAT_ANSWER), replies::stream(CHAT_FRAMES)]).await;
    let gateway = Setup::new(&upstream).start().await;
    let h2 = prior_knowledge(&gateway).await;
    let (status, headers, body) = h2.ask(&chat()).await;
    assert_eq!((status, String::from_utf8(body).expect("UTF-8")), (200, aliased(CHAT_ANSWER)));
    assert!(headers.contains_key("x-aisix-request-id") && headers.contains_key("x-request-id"));
    for name in ["connection", "transfer-encoding", "keep-alive"] {
        assert!(!headers.contains_key(name), "{name} has no place in HTTP/2");
    }
    let (status, _, body) = h2.ask(&Request::post("/v1/chat/completions", CHAT)).await;
    let error: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((status, &error["error"]["type"]), (401, &json!("invalid_api_key")));
    let (status, _, body) = h2.ask(&stream()).await;
    assert_eq!((status, String::from_utf8(body).expect("UTF-8")), (200, aliased(&CHAT_FRAMES.concat())));
    let (status, _, body) = h2.ask(&Request::get("/livez")).await;
    assert_eq!((status, body.as_slice()), (200, b"ok".as_slice()));
}

#[tokio::test]
async fn every_event_arrives_before_the_next_is_released() {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = Setup::new(&upstream).start().await;
    let h2 = prior_knowledge(&gateway).await;
    let mut reply = h2.open(&stream()).await;
    for frame in CHAT_FRAMES {
        let mut event = Vec::new();
        while !event.ends_with(b"\n\n") {
            event.extend_from_slice(&reply.piece().await.expect("an event"));
        }
        assert_eq!(String::from_utf8(event).expect("UTF-8"), aliased(frame));
        gate.step();
    }
    assert_eq!(reply.piece().await, None);
}

#[tokio::test]
async fn large_bodies_pass_the_flow_control_window() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let h2 = prior_knowledge(&gateway).await;
    for size in [65_535, 65_536, 200_000, 2 << 20] {
        let body =
            json!({"model": "chat", "messages": [{"role": "user", "content": "w".repeat(size)}]}).to_string();
        let (status, _, _) =
            h2.ask(&Request::post("/v1/chat/completions", body.clone()).bearer(CALLER)).await;
        assert_eq!(status, 200);
        let expected = body.replacen(r#""model":"chat""#, r#""model":"gpt-real""#, 1);
        assert!(upstream.last().body == expected.as_bytes(), "{size} bytes arrive unchanged");
    }
}

#[tokio::test]
async fn a_reset_stream_lets_its_upstream_go_and_leaves_the_others_alone() {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = Setup::new(&upstream).start().await;
    let h2 = prior_knowledge(&gateway).await;
    let mut left = h2.open(&stream().header("x-aisix-request-id", "it-reset")).await;
    left.piece().await;
    let mut kept = h2.open(&stream()).await;
    kept.piece().await;
    left.cancel();
    upstream.request(0).await.gone().await;
    let line = gateway.log.access("it-reset").await;
    assert_eq!((line.status(), line.text("error_kind")), (499, "client_disconnected"));
    assert!(!upstream.seen(1).is_gone());
    gate.open();
    assert!(kept.rest().await.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_reset_before_the_head_lets_the_upstream_go() {
    let upstream = Upstream::doing(Script::reading().hang()).await;
    let gateway = Setup::new(&upstream).start().await;
    let h2 = prior_knowledge(&gateway).await;
    let request = chat().header("x-aisix-request-id", "it-reset");
    let waiting = tokio::spawn(async move { h2.ask(&request).await.0 });
    let seen = upstream.request(0).await;
    waiting.abort();
    seen.gone().await;
    assert_eq!(gateway.log.access("it-reset").await.status(), 499);
}

#[tokio::test]
async fn a_mid_stream_failure_is_told_in_the_stream() {
    let script = replies::open_stream().send(replies::chunk(CHAT_FRAMES[0].as_bytes())).close();
    let upstream = Upstream::doing(script).await;
    let gateway = Setup::new(&upstream).start().await;
    let (status, _, body) = prior_knowledge(&gateway).await.ask(&stream()).await;
    let text = String::from_utf8(body).expect("UTF-8");
    assert_eq!(status, 200);
    assert!(text.contains("event: error\n") && !text.contains("[DONE]"), "{text}");
}

#[tokio::test]
async fn alpn_chooses_the_protocol_on_a_tls_listener() {
    let authority = Authority::new("listener");
    let identity = authority.issue("gateway");
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, &identity.certificate).expect("a file");
    std::fs::write(&key, &identity.key).expect("a file");
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = Setup::new(&upstream).config("proxy.tls", json!({"cert_file": certificate, "key_file": key}));
    let gateway = setup.start().await;
    for (offered, chosen) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"][..], Some("http/1.1")), (&[][..], None)]
    {
        let tls = connect_tls(gateway.proxy, authority.client(offered)).await;
        let protocol = tls.get_ref().1.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
        assert_eq!(protocol.as_deref(), chosen, "offered {offered:?}");
        let status = if chosen == Some("h2") {
            H2::over(tls).await.ask(&chat()).await.0
        } else {
            crate::support::client::Client::over(Box::new(tls)).ask(&chat()).await.status
        };
        assert_eq!(status, 200, "offered {offered:?}");
    }
}

#[tokio::test]
async fn http_1_callers_are_still_served_where_http_2_is_off() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).config("proxy.http2", false).start().await;
    assert_eq!(gateway.ask(&chat()).await.status, 200);
}

#[tokio::test]
async fn bodies_too_large_or_too_slow_are_refused() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = Setup::new(&upstream).config("proxy.request_body_limit_bytes", 1000);
    let gateway = setup.config("proxy.body_timeout_ms", 300).start().await;
    let h2 = prior_knowledge(&gateway).await;
    let mut large = chat();
    large.body.resize(5000, b' ');
    assert_eq!(h2.ask(&large).await.0, 413);
    assert_eq!(h2.ask_slowly(&chat(), 30).await, 408);
    assert_eq!(h2.ask(&chat()).await.0, 200, "the connection lives on");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_drain_lets_a_running_stream_finish() {
    for _ in 0..8 {
        let gate = Gate::closed();
        let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
        let mut gateway = Setup::new(&upstream).start().await;
        let mut reply = prior_knowledge(&gateway).await.open(&stream()).await;
        reply.piece().await;
        gateway.signal(rustix::process::Signal::TERM);
        let draining = || async { (gateway.probe("/readyz").await == 503).then_some(()) };
        crate::support::eventually("readiness to end", draining).await;
        gate.open();
        let whole = reply.rest().await;
        assert!(whole.ends_with(b"data: [DONE]\n\n"), "the stream is read to its end");
        assert!(gateway.exit().await.success());
    }
}
