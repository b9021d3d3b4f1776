//! Everything that can happen to etcd, while requests are made all the time: none of them fails, nobody is let in who
//! should not be, and in the end what etcd holds is what is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tokio::task::JoinHandle;

use super::*;
use crate::support::detour::Detour;
use crate::support::etcd::until_said;
use crate::support::eventually;

/// How long etcd stands still. A minute or more by hand.
fn stillness() -> Duration {
    let seconds = std::env::var("IT_ETCD_PAUSE_SECS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

/// Callers with a good key and with one that nobody made, without pause.
struct Traffic {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<()>>,
}

impl Traffic {
    fn through(gateway: &Gateway) -> Self {
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let callers = [(CALLER, 200), (STRANGER, 401)].map(|(key, expected)| {
            let (stop, made, to) = (Arc::clone(&stop), Arc::clone(&made), gateway.proxy);
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = Request::post("/v1/chat/completions", CHAT).bearer(key).send(to).await;
                    assert_eq!(answer.status, expected, "{}", answer.text());
                    made.fetch_add(1, Ordering::Relaxed);
                    // A pace that leaves the machine to the others.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        });
        Traffic { stop, made, callers: callers.into() }
    }

    /// Waits until some more requests were answered as they should be.
    async fn goes_on(&self) {
        let enough = self.made.load(Ordering::Relaxed) + 20;
        let failed = || self.callers.iter().any(JoinHandle::is_finished);
        eventually("requests", || async {
            (failed() || self.made.load(Ordering::Relaxed) >= enough).then_some(())
        })
        .await;
        assert!(!failed(), "a request was answered wrongly");
    }

    async fn end(self) {
        self.goes_on().await;
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.expect("every request was answered as it should be");
        }
    }
}

const STRANGER: &str = "sk-ffffffffffffffffffffffffffffffff";

/// A key that is made now is honoured: what is served follows etcd.
async fn converges(fleet: &Fleet) {
    let gateway = fleet.gateway();
    let body = json!({"display_name": "after", "allowed_models": ["*"]});
    let made = eventually("a write that succeeds", || async {
        let answer = gateway.operate("POST", "/admin/v1/api_keys", Some(&body)).await;
        (answer.status == 200).then(|| answer.json())
    })
    .await;
    let (id, key) = (made["id"].as_str().expect("an id"), made["plaintext"].as_str().expect("a key"));
    until_chat_is(gateway, key, 200).await;
    fleet.etcd.ctl(&["del", &format!("/aisix/api_keys/{id}")]).await;
    until_chat_is(gateway, key, 401).await;
}

#[tokio::test]
async fn etcd_is_killed_and_comes_back() {
    let mut fleet = Fleet::serving(1).await;
    let traffic = Traffic::through(fleet.gateway());
    let from = fleet.gateway().log.all().len();
    fleet.etcd.kill().await;
    until_said(&fleet.gateway().log, from, "contact with etcd is lost").await;
    let body = json!({"display_name": "lost", "allowed_models": []});
    let refused = fleet.gateway().operate("POST", "/admin/v1/api_keys", Some(&body)).await;
    assert!(refused.status >= 500 && refused.text().contains("etcd"), "{}", refused.text());
    traffic.goes_on().await;
    fleet.etcd.restart().await;
    converges(&fleet).await;
    traffic.end().await;
}

#[tokio::test]
async fn etcd_stands_still_for_a_while() {
    let fleet = Fleet::serving(1).await;
    let traffic = Traffic::through(fleet.gateway());
    let from = fleet.gateway().log.all().len();
    fleet.etcd.signal(Signal::STOP);
    // Nothing closes the connection: the silence itself has to be noticed.
    until_said(&fleet.gateway().log, from, "contact with etcd is lost").await;
    tokio::time::sleep(stillness()).await;
    traffic.goes_on().await;
    fleet.etcd.signal(Signal::CONT);
    converges(&fleet).await;
    traffic.end().await;
}

#[tokio::test]
async fn etcd_is_slow() {
    let mut fleet = Fleet::empty(0).await;
    let detour = Detour::to(fleet.etcd.addr).await;
    let gateway = fleet.setup(&[detour.endpoint()]).start().await;
    fleet.gateways.push(gateway);
    fleet.furnish().await;
    let traffic = Traffic::through(fleet.gateway());
    detour.slow_down(Duration::from_millis(200));
    converges(&fleet).await;
    traffic.goes_on().await;
    // Slower than anybody waits for an answer.
    let from = fleet.gateway().log.all().len();
    detour.slow_down(Duration::from_secs(30));
    until_said(&fleet.gateway().log, from, "contact with etcd is lost").await;
    traffic.goes_on().await;
    detour.slow_down(Duration::ZERO);
    converges(&fleet).await;
    traffic.end().await;
}

#[tokio::test]
async fn the_answer_to_a_write_is_lost_and_the_write_is_not() {
    let mut fleet = Fleet::empty(0).await;
    let detour = Detour::to(fleet.etcd.addr).await;
    let gateway = fleet.setup(&[detour.endpoint()]).start().await;
    fleet.gateways.push(gateway);
    fleet.furnish().await;
    for round in 0..3 {
        detour.mute();
        let (id, key) = new_key(fleet.gateway(), &format!("k{round}")).await;
        assert_eq!(chat(fleet.gateway(), &key).await.status, 200);
        assert!(!fleet.etcd.get(&format!("/aisix/api_keys/{id}")).await.is_empty());
    }
    let listed = fleet.gateway().operate("GET", "/admin/v1/api_keys", None).await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(4), "each was made once: {listed}");
}

#[tokio::test]
async fn all_rows_are_deleted_and_that_is_what_counts() {
    let fleet = Fleet::serving(2).await;
    fleet.etcd.ctl(&["del", "--prefix", "/aisix/"]).await;
    for gateway in &fleet.gateways {
        until_chat_is(gateway, CALLER, 401).await;
    }
    // The gateways' own keys went with the rows; writing goes on all the same.
    fleet.furnish().await;
}

#[tokio::test]
async fn rows_that_are_deleted_while_nobody_listens_are_gone_all_the_same() {
    let mut fleet = Fleet::empty(0).await;
    let detour = Detour::to(fleet.etcd.addr).await;
    let gateway = fleet.setup(&[detour.endpoint()]).start().await;
    fleet.gateways.push(gateway);
    fleet.furnish().await;
    let (id, key) = new_key(fleet.gateway(), "short").await;
    let traffic = Traffic::through(fleet.gateway());
    let from = fleet.gateway().log.all().len();
    detour.close();
    until_said(&fleet.gateway().log, from, "contact with etcd is lost").await;
    // The history between then and now is cut off as well: the watch cannot go on where it was.
    fleet.etcd.ctl(&["del", &format!("/aisix/api_keys/{id}")]).await;
    fleet.etcd.put("/aisix/unrelated/x", "{}").await;
    let revision = fleet.etcd.revision().await;
    fleet.etcd.ctl(&["compact", &revision.to_string()]).await;
    traffic.goes_on().await;
    detour.open();
    until_chat_is(fleet.gateway(), &key, 401).await;
    converges(&fleet).await;
    traffic.end().await;
}

#[tokio::test]
async fn etcd_comes_back_with_nothing_in_it_and_is_not_believed_until_rows_are_there() {
    let mut fleet = Fleet::serving(1).await;
    let copy = fleet.etcd.copy().await;
    let traffic = Traffic::through(fleet.gateway());
    let from = fleet.gateway().log.all().len();
    fleet.etcd.kill().await;
    fleet.etcd.restart_empty().await;
    until_said(&fleet.gateway().log, from, "etcd was replaced or lost its data").await;
    traffic.goes_on().await;
    let body = json!({"display_name": "lost", "allowed_models": []});
    let refused = fleet.gateway().operate("POST", "/admin/v1/api_keys", Some(&body)).await;
    assert!(
        refused.status >= 500 && refused.text().contains("was replaced or lost its data"),
        "{}",
        refused.text()
    );

    // Somebody restores the rows one by one, and the caller's key comes last.
    let (keys, others): (Vec<_>, Vec<_>) = copy.iter().partition(|(key, _)| key.contains("/api_keys/"));
    for (key, value) in others.into_iter().chain(keys) {
        fleet.etcd.put(key, value).await;
        traffic.goes_on().await;
    }
    converges(&fleet).await;
    traffic.end().await;
}

#[tokio::test]
async fn a_gateway_that_starts_on_an_empty_etcd_serves_nobody_until_there_are_rows() {
    let fleet = Fleet::empty(1).await;
    assert_eq!(chat(fleet.gateway(), CALLER).await.status, 401);
    fleet.furnish().await;
}
