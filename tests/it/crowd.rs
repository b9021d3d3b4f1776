//! Many callers at once, some of whom leave: everybody who stays gets the answer to what was asked.

use serde_json::json;

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, Entrance, through_every_door_and_tls};
use crate::support::eventually;
use crate::support::fixtures::CALLER;
use crate::support::gateway::Gateway;
use crate::support::upstream::{Script, Upstream};

through_every_door_and_tls! {
    everybody_gets_their_own_answer_while_others_leave,
}

const CALLERS: usize = 40;
const CALLS: usize = 12;

/// A request nobody else sends, of a length nobody else sends.
fn own_request(caller: usize, call: usize) -> (Request, String) {
    let text = format!("{caller}/{call}/{}", "p".repeat(caller * 97 + call * 1013));
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": text}]}).to_string();
    (Request::post("/v1/chat/completions", body).bearer(CALLER), text)
}

fn assert_own(answer: &Answer, text: &str) {
    let answer = answer.json();
    assert_eq!(answer["model"], "chat");
    assert!(answer["echo"]["messages"][0]["content"] == text, "the answer to somebody else's question");
}

async fn echoing(door: Door) -> (Gateway, Upstream) {
    let upstream = Upstream::doing(Script::reading().echo()).await;
    (door.setup(&upstream).config("proxy.workers", 3).start().await, upstream)
}

/// Calls over and over; every third call of every second caller is abandoned half way.
async fn calls(entrance: Entrance, caller: usize) {
    let mut connection = entrance.caller().await;
    for call in 0..CALLS {
        let (request, text) = own_request(caller, call);
        if caller % 2 == 1 && call % 3 == 2 {
            connection.begin_part(&request, request.body.len() - (caller % 5) * 10).await;
            connection = entrance.caller().await;
            continue;
        }
        let answer = connection.ask(&request).await;
        assert_eq!(answer.status, 200);
        assert_own(&answer, &text);
    }
}

async fn everybody_gets_their_own_answer_while_others_leave(door: Door) {
    let (gateway, upstream) = echoing(door).await;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        tasks.spawn(calls(gateway.entrance.clone(), caller));
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every caller is served");
    }
    assert!(upstream.connections() < upstream.count() / 2, "connections are shared");
    eventually("an empty gateway", || async {
        (gateway.scrape().await.sum("aisix_proxy_in_flight_requests", &[]) == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn everybody_on_one_http_2_connection_gets_their_own_answer() {
    let (gateway, _upstream) = echoing(Door::Http2).await;
    let h2 = gateway.entrance.h2().await;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS * 4 {
        let h2 = h2.clone();
        tasks.spawn(async move {
            let (request, text) = own_request(caller % CALLERS, caller / CALLERS);
            let answer = h2.ask(&request).await;
            assert_eq!(answer.status, 200);
            assert_own(&answer, &text);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every caller is served");
    }
}
