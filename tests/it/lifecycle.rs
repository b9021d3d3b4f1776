//! The process: probes, drain, signals, and ports that are taken.

use rustix::process::Signal;
use serde_json::json;

use crate::support::caller::Caller;
use crate::support::client::Request;
use crate::support::door::{Door, through_every_door, through_every_door_and_tls};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::{Gateway, command, run, write_files};
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door_and_tls! {
    a_drain_refuses_readiness_at_once_serves_on_and_lets_streams_finish,
    idle_connections_do_not_hold_up_the_end,
}

through_every_door! {
    the_drain_window_is_kept_even_when_nothing_is_in_flight,
    streams_are_cut_honestly_when_their_budget_is_spent,
    an_upstream_that_hangs_does_not_outlive_a_second_signal,
    a_second_signal_ends_a_drain,
}

fn stream() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

/// A gateway with a stream running through it.
async fn streaming(
    door: Door,
    gate: &Gate,
    configure: impl Fn(Setup) -> Setup,
) -> (Gateway, Caller, Upstream) {
    let upstream = Upstream::queue([replies::gated_stream(CHAT_FRAMES, gate)]).await;
    upstream.always(replies::json(200, CHAT_ANSWER));
    let gateway = configure(door.setup(&upstream).config("proxy.workers", 2)).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&stream()).await;
    assert_eq!(caller.event().await, Some(aliased(CHAT_FRAMES[0])));
    (gateway, caller, upstream)
}

/// Asserts that a request is served and its caller told that the connection ends: in HTTP/1.1 with the answer, in
/// HTTP/2 by GOAWAY, which the end of the connection shows.
async fn assert_served_and_told(door: Door, gateway: &Gateway) {
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
    assert_eq!(answer.header("connection"), (!door.is_http_2()).then_some("close"));
}

#[tokio::test]
async fn probes_answer_on_both_listeners() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    for address in [gateway.proxy, gateway.admin] {
        for path in ["/livez", "/readyz"] {
            let answer = Request::get(path).send(address).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{path}");
            assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
        let verbose = Request::get("/readyz?verbose").send(address).await.text();
        assert_eq!(verbose.trim_end(), "[+]shutdown ok\n[+]config ok\nreadyz check passed");
        let verbose = Request::get("/livez?verbose").send(address).await.text();
        assert_eq!(verbose.trim_end(), "[+]ping ok\n[+]shutdown ok\nlivez check passed");
    }
    let answer = Request::get("/nowhere").send(gateway.admin).await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error_msg"].is_string());
}

#[tokio::test]
async fn the_status_listener_shows_the_configuration_in_force() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let ready = Request::get("/status/ready").send(gateway.metrics).await;
    assert_eq!((ready.status, ready.text().as_str()), (200, "ok"));
    for path in ["/status/config", "/status/models"] {
        let answer = Request::get(path).send(gateway.metrics).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.json();
    }
    let models = Request::get("/status/models").send(gateway.metrics).await.text();
    assert!(models.contains("claude") && models.contains("chat"), "{models}");
}

async fn a_drain_refuses_readiness_at_once_serves_on_and_lets_streams_finish(door: Door) {
    let gate = Gate::closed();
    let (mut gateway, mut caller, _upstream) = streaming(door, &gate, |setup| setup).await;
    gateway.signal(Signal::TERM);
    let draining = || async { (gateway.probe("/readyz").await == 503).then_some(()) };
    eventually("readiness to end", draining).await;
    let proxy = gateway.ask(&Request::get("/readyz")).await;
    assert_eq!(proxy.status, 503);
    let text = proxy.text();
    assert!(text.contains("[-]shutdown failed: draining") && text.contains("readyz check failed"), "{text}");
    let live = gateway.ask(&Request::get("/livez")).await;
    assert_eq!(live.status, 503);
    assert_served_and_told(door, &gateway).await;
    assert!(!gateway.has_ended(), "the stream is waited for");
    gate.open();
    let expected: Vec<String> = CHAT_FRAMES[1..].iter().map(|frame| aliased(frame)).collect();
    assert_eq!(caller.events().await, expected);
    assert!(gateway.exit().await.success());
    gateway.log.containing("drain complete").await;
}

async fn the_drain_window_is_kept_even_when_nothing_is_in_flight(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let mut gateway = door.setup(&upstream).config("shutdown.min_drain_secs", 2).start().await;
    let begun = std::time::Instant::now();
    gateway.signal(Signal::TERM);
    eventually("readiness to end", || async { (gateway.probe("/readyz").await == 503).then_some(()) }).await;
    assert_served_and_told(door, &gateway).await;
    assert!(gateway.exit().await.success());
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
}

async fn idle_connections_do_not_hold_up_the_end(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let mut gateway = door.setup(&upstream).start().await;
    let mut idle = gateway.caller().await;
    idle.assert_kept().await;
    gateway.signal(Signal::TERM);
    assert!(gateway.exit().await.success());
    idle.assert_closed().await;
}

async fn streams_are_cut_honestly_when_their_budget_is_spent(door: Door) {
    let gate = Gate::closed();
    let (mut gateway, mut caller, upstream) =
        streaming(door, &gate, |setup| setup.config("shutdown.stream_budget_secs", 1)).await;
    gateway.signal(Signal::TERM);
    let (rest, _) = caller.remains().await;
    let rest = String::from_utf8(rest).expect("UTF-8");
    assert!(!rest.contains("[DONE]"), "{rest}");
    upstream.seen(0).gone().await;
    gateway.exit().await;
}

#[tokio::test]
async fn a_signal_sent_the_moment_it_is_ready_is_obeyed() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    for _ in 0..20 {
        let mut gateway = Setup::new(&upstream).start_unwatched().await;
        gateway.reload();
        gateway.signal(Signal::TERM);
        assert!(gateway.exit().await.success());
        gateway.log.containing("drain complete").await;
    }
}

#[tokio::test]
async fn an_interrupt_ends_it_quickly() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let mut gateway = Setup::new(&upstream).config("shutdown.min_drain_secs", 600).start().await;
    gateway.signal(Signal::INT);
    gateway.exit().await;
}

async fn a_second_signal_ends_a_drain(door: Door) {
    let gate = Gate::closed();
    let (mut gateway, _client, _upstream) =
        streaming(door, &gate, |setup| setup.config("shutdown.min_drain_secs", 600)).await;
    gateway.signal(Signal::TERM);
    eventually("readiness to end", || async { (gateway.probe("/readyz").await == 503).then_some(()) }).await;
    gateway.signal(Signal::TERM);
    gateway.exit().await;
}

#[tokio::test]
async fn a_second_gateway_on_a_taken_port_ends_with_a_reason() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let first = Setup::new(&upstream).start().await;
    let listeners = [
        ("proxy.addr", first.proxy),
        ("admin.addr", first.admin),
        ("observability.metrics.prometheus.addr", first.metrics),
    ];
    for (listener, address) in listeners {
        let setup = Setup::new(&upstream).config(listener, address.to_string());
        let folder = tempfile::tempdir().expect("a folder");
        write_files(folder.path(), &setup);
        let mut second = command(folder.path());
        second.arg("--config").arg(folder.path().join("aisix.json")).envs(setup.env);
        let (status, _, stderr) = run(second).await;
        assert!(!status.success(), "{listener} is taken");
        assert!(stderr.contains(&address.to_string()), "{listener}: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    assert_eq!(first.ask(&Request::get("/livez")).await.status, 200);
}

async fn an_upstream_that_hangs_does_not_outlive_a_second_signal(door: Door) {
    let upstream = Upstream::doing(Script::reading().hang()).await;
    let mut gateway = door.setup(&upstream).config("upstream.timeout_ms", json!(0)).start().await;
    let mut caller = gateway.caller().await;
    caller.begin(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    let seen = upstream.request(0).await;
    gateway.signal(Signal::TERM);
    eventually("readiness to end", || async { (gateway.probe("/readyz").await == 503).then_some(()) }).await;
    gateway.signal(Signal::INT);
    gateway.exit().await;
    seen.gone().await;
}
