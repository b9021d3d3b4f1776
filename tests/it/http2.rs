//! HTTP/2 callers: the same answers as over HTTP/1.1, many at once, and a reset instead of a closed connection.

use crate::support::client::{Client, Request, connect_tls};
use crate::support::door::{Door, through_both_http_1_doors};
use crate::support::fixtures::*;
use crate::support::h2::H2;
use crate::support::replies;
use crate::support::upstream::{Gate, Script, Upstream};

through_both_http_1_doors! { http_1_callers_are_still_served_where_http_2_is_off }

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

fn stream() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

#[tokio::test]
async fn plain_answers_errors_and_streams_share_a_connection() {
    let upstream = Upstream::queue([replies::json(200, CHAT_ANSWER), replies::stream(CHAT_FRAMES)]).await;
    let gateway = Door::Http2.setup(&upstream).start().await;
    let h2 = gateway.entrance.h2().await;
    let answer = h2.ask(&chat()).await;
    assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
    assert!(answer.header("x-aisix-request-id").is_some() && answer.header("x-request-id").is_some());
    for name in ["connection", "transfer-encoding", "keep-alive"] {
        assert_eq!(answer.header(name), None, "{name} has no place in HTTP/2");
    }
    let refused = h2.ask(&Request::post("/v1/chat/completions", CHAT)).await;
    assert_eq!((refused.status, refused.error_type().as_str()), (401, "invalid_api_key"));
    let streamed = h2.ask(&stream()).await;
    assert_eq!((streamed.status, streamed.text()), (200, aliased(&CHAT_FRAMES.concat())));
    let probe = h2.ask(&Request::get("/livez")).await;
    assert_eq!((probe.status, probe.text().as_str()), (200, "ok"));
}

#[tokio::test]
async fn a_reset_stream_lets_its_upstream_go_and_leaves_the_others_alone() {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = Door::Http2.setup(&upstream).start().await;
    let h2 = gateway.entrance.h2().await;
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
    let gateway = Door::Http2.setup(&upstream).start().await;
    let h2 = gateway.entrance.h2().await;
    let request = chat().header("x-aisix-request-id", "it-reset");
    let waiting = tokio::spawn(async move { h2.ask(&request).await.status });
    let seen = upstream.request(0).await;
    waiting.abort();
    seen.gone().await;
    assert_eq!(gateway.log.access("it-reset").await.status(), 499);
}

#[tokio::test]
async fn alpn_chooses_the_protocol_on_a_tls_listener() {
    for door in [Door::LeanTls, Door::PingoraTls] {
        let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
        let gateway = door.setup(&upstream).start().await;
        let authority = gateway.authority.as_ref().expect("a listener of TLS");
        for (offered, chosen) in
            [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"][..], Some("http/1.1")), (&[][..], None)]
        {
            let tls = connect_tls(gateway.proxy, authority.client(offered)).await;
            let protocol = tls.get_ref().1.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
            assert_eq!(protocol.as_deref(), chosen, "offered {offered:?}");
            let answer = match chosen {
                Some("h2") => H2::over(tls).await.ask(&chat()).await,
                _ => Client::over(Box::new(tls)).ask(&chat()).await,
            };
            assert_eq!(answer.status, 200, "offered {offered:?}");
        }
    }
}

async fn http_1_callers_are_still_served_where_http_2_is_off(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).config("proxy.http2", false).start().await;
    assert_eq!(gateway.ask(&chat()).await.status, 200);
}

#[tokio::test]
async fn bodies_too_large_or_too_slow_are_refused() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = Door::Http2.setup(&upstream).config("proxy.request_body_limit_bytes", 1000);
    let gateway = setup.config("proxy.body_timeout_ms", 300).start().await;
    let h2 = gateway.entrance.h2().await;
    let mut large = chat();
    large.body.resize(5000, b' ');
    assert_eq!(h2.ask(&large).await.status, 413);
    assert_eq!(h2.begin_part(&chat(), 30).await.head().await.status, 408);
    assert_eq!(h2.ask(&chat()).await.status, 200, "the connection lives on");
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_drain_lets_a_running_stream_finish() {
    for _ in 0..8 {
        let gate = Gate::closed();
        let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
        let mut gateway = Door::Http2.setup(&upstream).start().await;
        let mut reply = gateway.entrance.h2().await.open(&stream()).await;
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
