//! Outages of etcd that last: a start without it, and what the gateway says of itself meanwhile.

use rustix::process::Signal;
use serde_json::Value;

use super::*;
use crate::support::eventually;

async fn status(gateway: &Gateway) -> Value {
    Request::get("/status/config").send(gateway.metrics).await.json()
}

async fn until_state_is(gateway: &Gateway, state: &str) -> Value {
    eventually(&format!("the state {state}"), || async {
        let page = status(gateway).await;
        (page["state"] == state).then_some(page)
    })
    .await
}

#[tokio::test]
async fn a_gateway_starts_without_etcd_from_its_own_copy_and_follows_etcd_when_it_is_back() {
    let mut fleet = Fleet::empty(0).await;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.json").to_string_lossy().into_owned();
    let setup = |fleet: &Fleet| {
        fleet.setup(&[fleet.etcd.endpoint()]).config("store.last_known_good_file", copy.as_str())
    };
    let first = setup(&fleet).start().await;
    fleet.gateways.push(first);
    fleet.furnish().await;
    let mut first = fleet.gateways.remove(0);
    first.signal(Signal::TERM);
    assert!(first.exit().await.success());
    fleet.etcd.kill().await;

    let second = setup(&fleet).start().await;
    fleet.gateways.push(second);
    assert_eq!(chat(fleet.gateway(), CALLER).await.status, 200);
    assert_eq!(chat(fleet.gateway(), "sk-nobody-made-this-one").await.status, 401);
    let page = status(fleet.gateway()).await;
    assert_eq!(
        [&page["state"], &page["source"]["connected"], &page["from_last_known_good"]],
        [&json!("degraded"), &json!(false), &json!(true)],
        "{page}"
    );
    let body = json!({"display_name": "lost", "allowed_models": []});
    let refused = fleet.gateway().operate("POST", "/admin/v1/api_keys", Some(&body)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());

    fleet.etcd.restart().await;
    let page = until_state_is(fleet.gateway(), "synced").await;
    assert_eq!([&page["source"]["connected"], &page["from_last_known_good"]], [true, false], "{page}");
    let (_, key) = new_key(fleet.gateway(), "after").await;
    until_chat_is(fleet.gateway(), &key, 200).await;
}

#[tokio::test]
async fn a_gateway_without_contact_for_long_serves_on_and_is_not_ready_until_etcd_is_back() {
    let mut fleet = Fleet::empty(0).await;
    let setup = fleet.setup(&[fleet.etcd.endpoint()]).config("store.contact_timeout_secs", 1);
    let gateway = setup.start().await;
    fleet.gateways.push(gateway);
    fleet.furnish().await;
    assert_eq!(status(fleet.gateway()).await["state"], "synced");
    let ready = |expected: u16| {
        let gateway = fleet.gateway();
        eventually("the readiness", move || async move {
            (gateway.probe("/readyz").await == expected).then_some(())
        })
    };
    ready(200).await;
    fleet.etcd.signal(Signal::STOP);
    ready(503).await;
    assert_eq!(chat(fleet.gateway(), CALLER).await.status, 200);
    let page = until_state_is(fleet.gateway(), "degraded").await;
    assert_eq!(page["source"]["connected"], false, "{page}");
    fleet.etcd.signal(Signal::CONT);
    ready(200).await;
    until_state_is(fleet.gateway(), "synced").await;
}
