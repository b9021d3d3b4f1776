//! Many callers at once, some of whom leave: everybody who stays gets the answer to what was asked.

use serde_json::{Value, json};

use crate::support::client::{Client, Request, connect};
use crate::support::eventually;
use crate::support::fixtures::CALLER;
use crate::support::gateway::Gateway;
use crate::support::h2::H2;
use crate::support::setup::Setup;
use crate::support::upstream::{Script, Upstream};

const CALLERS: usize = 40;
const CALLS: usize = 12;

/// A request nobody else sends, of a length nobody else sends.
fn own_request(caller: usize, call: usize) -> (Request, String) {
    let text = format!("{caller}/{call}/{}", "p".repeat(caller * 97 + call * 1013));
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": text}]}).to_string();
    (Request::post("/v1/chat/completions", body).bearer(CALLER), text)
}

fn assert_own(body: &[u8], text: &str) {
    let answer: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(answer["model"], "chat");
    assert!(answer["echo"]["messages"][0]["content"] == text, "the answer to somebody else's question");
}

async fn echoing() -> (Gateway, Upstream) {
    let upstream = Upstream::doing(Script::reading().echo()).await;
    (Setup::new(&upstream).start().await, upstream)
}

/// Calls over and over; every third call of every second caller is abandoned half way.
async fn calls(mut client: Client, gateway: std::net::SocketAddr, caller: usize) {
    for call in 0..CALLS {
        let (request, text) = own_request(caller, call);
        if caller % 2 == 1 && call % 3 == 2 {
            let bytes = request.bytes();
            client.write(&bytes[..bytes.len() - (caller % 5) * 10]).await;
            client = Client::connect(gateway).await;
            continue;
        }
        let answer = client.ask(&request).await;
        assert_eq!(answer.status, 200);
        assert_own(&answer.body, &text);
    }
}

#[tokio::test]
async fn everybody_gets_their_own_answer_while_others_leave() {
    let (gateway, upstream) = echoing().await;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        tasks.spawn(calls(gateway.client().await, gateway.proxy, caller));
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
    let (gateway, _upstream) = echoing().await;
    let h2 = H2::over(connect(gateway.proxy).await).await;
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS * 4 {
        let h2 = h2.clone();
        tasks.spawn(async move {
            let (request, text) = own_request(caller % CALLERS, caller / CALLERS);
            let (status, _, body) = h2.ask(&request).await;
            assert_eq!(status, 200);
            assert_own(&body, &text);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every caller is served");
    }
}
