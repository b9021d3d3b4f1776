//! Keys of the configuration that change what a caller meets, from every source.

use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::gateway::{command, run};
use crate::support::replies;
use crate::support::upstream::Upstream;

through_every_door! {
    the_environment_overrides_the_file,
    a_request_id_is_taken_from_the_headers_listed_in_their_order,
    a_path_is_rewritten_once_before_it_is_routed,
    the_access_log_can_be_switched_off,
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

async fn the_environment_overrides_the_file(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let mut setup = door.setup(&upstream).config("proxy.request_body_limit_bytes", 1_000_000);
    setup.env.push(("AISIX_PROXY__REQUEST_BODY_LIMIT_BYTES".into(), "10".into()));
    setup.env.push(("AISIX_PROXY__REQUEST_ID__ACCEPT_HEADERS".into(), "x-one, x-two".into()));
    let gateway = setup.start().await;
    let answer = gateway.ask(&chat().header("x-two", "from-two")).await;
    assert_eq!((answer.status, answer.header("x-aisix-request-id")), (413, Some("from-two")));
}

#[tokio::test]
async fn an_unknown_variable_of_ours_stops_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = command(folder.path());
    command.env("AISIX_PROXY__ADRR", "127.0.0.1:0");
    let (status, _, stderr) = run(command).await;
    assert!(!status.success());
    assert!(stderr.to_uppercase().contains("AISIX_PROXY__ADRR"), "{stderr}");
}

async fn a_request_id_is_taken_from_the_headers_listed_in_their_order(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let accept = json!(["x-first", "x-second"]);
    let gateway =
        door.setup(&upstream).config("proxy.request_id", json!({"accept_headers": accept})).start().await;
    let request = chat().header("x-second", "two").header("x-aisix-request-id", "unlisted");
    let answer = gateway.ask(&request).await;
    assert_eq!(answer.header("x-aisix-request-id"), Some("two"));
    assert_eq!(upstream.last().header("x-aisix-request-id"), Some("two"));
    let answer = gateway.ask(&request.header("x-first", "one")).await;
    assert_eq!(answer.header("x-aisix-request-id"), Some("one"));
}

async fn a_path_is_rewritten_once_before_it_is_routed(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let rules = json!([{"match": "^/tenants/([a-z]+)/chat$", "rewrite": "/v1/chat/completions"}]);
    let gateway = door.setup(&upstream).config("proxy.url_rewrites", rules).start().await;
    let mut request = chat();
    request.target = "/tenants/blue/chat?x=1".into();
    let answer = gateway.ask(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn the_access_log_can_be_switched_off(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let mut gateway = door.setup(&upstream).config("observability.access_log", false).start().await;
    gateway.ask(&chat()).await;
    gateway.signal(rustix::process::Signal::TERM);
    gateway.exit().await;
    gateway.log.containing("drain complete").await;
    assert!(gateway.log.access_so_far().is_empty());
}
