//! A caller who reads slowly slows the upstream down; the gateway does not keep what cannot be delivered.

use std::time::Duration;

use crate::support::caller::Caller;
use crate::support::client::Request;
use crate::support::door::{Door, through_every_door, through_every_door_and_tls};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::Upstream;
use crate::support::within;

through_every_door_and_tls! {
    an_unread_stream_stops_the_upstream_and_resumes_when_read,
    a_caller_who_never_reads_is_given_up,
}

through_every_door! {
    a_caller_who_never_reads_a_long_answer_is_given_up,
    a_slow_reader_does_not_hold_up_the_others,
}

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

async fn an_unread_stream_stops_the_upstream_and_resumes_when_read(door: Door) {
    let upstream = Upstream::doing(replies::open_stream().flood(OFFER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    let taken = settled(&upstream).await;
    assert!(taken < BETWEEN, "{taken} bytes were taken for a caller who reads nothing");
    let mut read = 0;
    while read <= taken {
        read += caller.event().await.expect("the stream goes on").len();
    }
    assert!(upstream.flooded() > taken, "reading lets the upstream go on");
}

async fn a_caller_who_never_reads_is_given_up(door: Door) {
    let upstream = Upstream::doing(replies::open_stream().flood(OFFER)).await;
    let gateway = door.setup(&upstream).config("downstream.write_timeout_ms", 500).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER);
    caller.open(&request.header("x-aisix-request-id", "it-slow")).await;
    upstream.request(0).await.gone().await;
    let line = gateway.log.access("it-slow").await;
    assert!(!line.text("error_kind").is_empty(), "{line:?}");
    drop(caller);
}

async fn a_caller_who_never_reads_a_long_answer_is_given_up(door: Door) {
    let long = CHAT_ANSWER.replacen("fp_1", &"f".repeat(BETWEEN / 2), 1);
    let upstream = Upstream::doing(replies::json(200, &long)).await;
    let gateway = door.setup(&upstream).config("downstream.write_timeout_ms", 500).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    caller.open(&request.header("x-aisix-request-id", "it-slow")).await;
    let line = gateway.log.access("it-slow").await;
    assert!(!line.text("error_kind").is_empty(), "{line:?}");
    drop(caller);
}

async fn a_slow_reader_does_not_hold_up_the_others(door: Door) {
    let upstream = Upstream::queue([replies::open_stream().flood(OFFER)]).await;
    upstream.always(replies::json(200, CHAT_ANSWER));
    let gateway = door.setup(&upstream).start().await;
    let mut slow = gateway.caller().await;
    slow.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    settled(&upstream).await;
    let mut others: Vec<Caller> = Vec::new();
    for _ in 0..8 {
        others.push(gateway.caller().await);
    }
    for caller in &mut others {
        let answer = caller.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
        assert_eq!(answer.status, 200);
    }
}
