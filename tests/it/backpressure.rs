//! A caller who reads slowly slows the upstream down; the gateway does not keep what cannot be delivered.

use std::time::Duration;

use crate::support::client::{Client, Request};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;
use crate::support::within;

/// What the upstream offers.
const OFFER: usize = 400 << 20;
/// The most that may lie between the two ends: the socket buffers of four ends, as large as Linux lets them grow.
const BETWEEN: usize = 48 << 20;

/// The bytes taken from the upstream once they have stopped growing.
async fn settled(upstream: &Upstream) -> usize {
    within("the flood to stop", async {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let now = upstream.flooded();
            if now > 0 && now == before {
                return now;
            }
            before = now;
        }
    })
    .await
}

#[tokio::test]
async fn an_unread_stream_stops_the_upstream_and_resumes_when_read() {
    let upstream = Upstream::doing(replies::open_stream().flood(OFFER)).await;
    let gateway = Setup::new(&upstream).start().await;
    let mut client = gateway.client().await;
    client.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    let taken = settled(&upstream).await;
    assert!(taken < BETWEEN, "{taken} bytes were taken for a caller who reads nothing");
    let mut read = 0;
    while read <= taken {
        read += client.event().await.expect("the stream goes on").len();
    }
    assert!(upstream.flooded() > taken, "reading lets the upstream go on");
}

#[tokio::test]
async fn a_caller_who_never_reads_is_given_up() {
    let upstream = Upstream::doing(replies::open_stream().flood(OFFER)).await;
    let gateway = Setup::new(&upstream).config("downstream.write_timeout_ms", 500).start().await;
    let mut client = gateway.client().await;
    let request = Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER);
    client.open(&request.header("x-aisix-request-id", "it-slow")).await;
    upstream.request(0).await.gone().await;
    let line = gateway.log.access("it-slow").await;
    assert!(!line.text("error_kind").is_empty(), "{line:?}");
    drop(client);
}

#[tokio::test]
async fn a_slow_reader_does_not_hold_up_the_others() {
    let upstream = Upstream::queue([replies::open_stream().flood(OFFER)]).await;
    upstream.always(replies::json(200, CHAT_ANSWER));
    let gateway = Setup::new(&upstream).start().await;
    let mut slow = gateway.client().await;
    slow.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    settled(&upstream).await;
    let mut others: Vec<Client> = Vec::new();
    for _ in 0..8 {
        others.push(gateway.client().await);
    }
    for client in &mut others {
        let answer = client.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
        assert_eq!(answer.status, 200);
    }
}
