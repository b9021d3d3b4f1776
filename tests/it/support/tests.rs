//! The instruments checked against each other: what the double plays is what the client reads.

use super::certs::Authority;
use super::client::{Client, Request, connect_tls};
use super::door::Door;
use super::fixtures::{CALLER, CHAT, CHAT_ANSWER, CHAT_FRAMES};
use super::replies;
use super::upstream::{Gate, Script, Upstream};

#[tokio::test]
async fn the_double_records_bytes_and_plays_its_scripts_in_order() {
    let upstream = Upstream::queue([replies::json(200, "{}"), replies::json(503, "no")]).await;
    let mut client = Client::connect(upstream.addr).await;
    let request = Request::post("/a?b", "body").header("X-One", "1");
    assert_eq!(client.ask(&request).await.text(), "{}");
    client.write(&request.chunked(1)).await;
    assert_eq!((client.answer().await.status, upstream.connections()), (503, 1));
    for seen in [upstream.seen(0), upstream.seen(1)] {
        assert_eq!(
            (seen.path.as_str(), seen.header("x-one"), seen.text().as_str()),
            ("/a?b", Some("1"), "body")
        );
    }
}

#[tokio::test]
async fn a_gate_holds_a_frame_back_until_its_step() {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let mut client = Client::connect(upstream.addr).await;
    client.open(&Request::post("/", "{}")).await;
    for frame in CHAT_FRAMES {
        assert_eq!(client.event().await.as_deref(), Some(*frame));
        gate.step();
    }
    assert_eq!(client.event().await, None);
}

#[tokio::test]
async fn the_double_notices_a_peer_that_leaves() {
    let gate = Gate::closed();
    for script in [Script::reading().hang(), Script::reading().wait(&gate), replies::json(200, "{}")] {
        let upstream = Upstream::doing(script).await;
        let mut client = Client::connect(upstream.addr).await;
        client.write(&Request::post("/", "{}").bytes()).await;
        let seen = upstream.request(0).await;
        assert!(!seen.is_gone());
        drop(client);
        seen.gone().await;
    }
}

#[tokio::test]
async fn the_double_closes_and_resets() {
    let upstream = Upstream::queue([Script::reading().close(), Script::reading().send("x").reset()]).await;
    for _ in 0..2 {
        let mut client = Client::connect(upstream.addr).await;
        client.write(&Request::post("/", "{}").bytes()).await;
        assert!(client.remainder().await.len() <= 1);
    }
}

#[tokio::test]
async fn certificates_of_one_authority_are_trusted_by_it_alone() {
    let authority = Authority::new("one");
    let upstream = Upstream::doing_tls(replies::json(200, "{}"), authority.issue("up").server()).await;
    let tls = connect_tls(upstream.addr, authority.client(&[])).await;
    assert_eq!(Client::over(Box::new(tls)).ask(&Request::post("/", "{}")).await.status, 200);
    let stranger = Authority::new("two").client(&[]);
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(stranger));
    let stream = super::client::connect(upstream.addr).await;
    assert!(connector.connect("localhost".try_into().expect("a name"), stream).await.is_err());
}

/// Nothing an honest caller goes by, but the spelling of names tells which of our codecs wrote a head.
#[tokio::test]
async fn the_doors_of_http_1_are_two() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    for (door, spelling) in [(Door::Lean, "\r\ncontent-length: "), (Door::Pingora, "\r\nContent-Length: ")] {
        let gateway = door.setup(&upstream).start().await;
        let mut client = gateway.client().await;
        client.write(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER).bytes()).await;
        let answer = String::from_utf8(client.read_once().await).expect("UTF-8");
        assert!(answer.contains(spelling), "{door:?}: {answer}");
    }
}
