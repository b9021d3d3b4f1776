//! Connections to upstreams that speak HTTP/1.1: which are used again, for whom, and how long they are kept.

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::certs::Authority;
use crate::support::client::{Answer, Request};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Script, Upstream};

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

fn stream() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

fn ok() -> Script {
    replies::json(200, CHAT_ANSWER)
}

/// Sends a request on a connection of its own.
fn asking(gateway: &Gateway, request: Request) -> JoinHandle<Answer> {
    let entrance = gateway.entrance.clone();
    tokio::spawn(async move { entrance.ask(&request).await })
}

async fn assert_served(gateway: &Gateway) {
    let answer = gateway.ask(&chat()).await;
    assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
}

/// Leaves so many idle connections: as many requests at the same time, answered together.
async fn warmed(gateway: &Gateway, upstream: &Upstream, connections: usize) {
    let gate = Gate::closed();
    for _ in 0..connections {
        let head = replies::head(200, &[], "application/json", CHAT_ANSWER.len());
        upstream.next(Script::reading().wait(&gate).send(head).send(CHAT_ANSWER));
    }
    let asked: Vec<_> = (0..connections).map(|_| asking(gateway, chat())).collect();
    upstream.request(connections - 1).await;
    assert_eq!(upstream.connections(), connections);
    gate.open();
    for asked in asked {
        assert_eq!(asked.await.expect("an answer").status, 200);
    }
}

/// A whole answer in chunks with everything that may stand around them.
fn dressed(kind: &str, pieces: &[&str]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: Chunked\r\nTrailer: x-checksum\r\n\r\n"
    );
    for piece in pieces {
        bytes.push_str(&format!("{:X};a=\"b\";c\r\n{piece}\r\n", piece.len()));
    }
    bytes.push_str("000;last\r\nx-checksum: 1\r\nx-more: 2\r\n\r\n");
    bytes.into_bytes()
}

#[tokio::test]
async fn answers_of_every_form_leave_the_connection_to_the_next() {
    let error = r#"{"error":{"message":"no","type":"x"}}"#;
    let (first, second) = CHAT_ANSWER.split_at(77);
    let cases = [
        (chat(), ok(), 200, aliased(CHAT_ANSWER)),
        (stream(), replies::stream(CHAT_FRAMES), 200, aliased(&CHAT_FRAMES.concat())),
        (chat(), replies::json(422, error), 422, error.to_owned()),
        (
            chat(),
            Script::reading().send(dressed("application/json", &[first, second])),
            200,
            aliased(CHAT_ANSWER),
        ),
        (
            stream(),
            Script::reading().send(dressed("text/event-stream", CHAT_FRAMES)),
            200,
            aliased(&CHAT_FRAMES.concat()),
        ),
        (
            chat(),
            Script::reading()
                .send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
                .send(replies::head(200, &[], "application/json", CHAT_ANSWER.len()))
                .send(CHAT_ANSWER),
            200,
            aliased(CHAT_ANSWER),
        ),
    ];
    let upstream = Upstream::queue(cases.iter().map(|(_, script, ..)| script.clone())).await;
    upstream.always(ok());
    let gateway = Setup::new(&upstream).start().await;
    for (request, _, status, text) in &cases {
        let answer = gateway.ask(request).await;
        assert_eq!((answer.status, &answer.text()), (*status, text));
        assert_eq!((answer.header("x-checksum"), answer.header("trailer")), (None, None));
    }
    assert_served(&gateway).await;
    assert_eq!((upstream.count(), upstream.connections()), (cases.len() + 1, 1));
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_is_an_answer() {
    let head = replies::head(200, &[], "application/json", CHAT_ANSWER.len());
    let upstream = Upstream::queue([
        Script::reading().trickle([&head, CHAT_ANSWER.as_bytes()].concat()),
        Script::reading().trickle(dressed("application/json", &[CHAT_ANSWER])),
        Script::reading().trickle(dressed("text/event-stream", CHAT_FRAMES)),
    ])
    .await;
    let gateway = Setup::new(&upstream).start().await;
    assert_served(&gateway).await;
    assert_served(&gateway).await;
    assert_eq!(gateway.ask(&stream()).await.text(), aliased(&CHAT_FRAMES.concat()));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_will_not_serve_again_is_closed_and_not_asked() {
    let length = CHAT_ANSWER.len();
    let head = |more: &str| format!("{more}content-type: application/json\r\n");
    let cases = [
        ("connection: close", head("HTTP/1.1 200 OK\r\nconnection: close\r\n"), true),
        ("one word of many", head("HTTP/1.1 200 OK\r\nConnection: x-hop, Close\r\n"), true),
        ("HTTP/1.0", head("HTTP/1.0 200 OK\r\n"), true),
    ];
    for (what, head, with_length) in cases {
        let length = if with_length { format!("content-length: {length}\r\n") } else { String::new() };
        let gate = Gate::closed();
        // The upstream leaves the closing to the gateway.
        let script = Script::reading().send(format!("{head}{length}\r\n{CHAT_ANSWER}")).wait(&gate);
        let upstream = Upstream::queue([script.clone(), script]).await;
        upstream.always(ok());
        let gateway = Setup::new(&upstream).start().await;
        for connection in 0..2 {
            assert_served(&gateway).await;
            assert_eq!(upstream.seen(connection).connection, connection, "{what}");
            upstream.seen(connection).gone().await;
        }
        assert_served(&gateway).await;
        assert_eq!((upstream.count(), upstream.connections()), (3, 3), "{what}");
    }
}

#[tokio::test]
async fn no_more_idle_connections_are_kept_than_the_operator_wants() {
    let upstream = Upstream::doing(ok()).await;
    let gateway = Setup::new(&upstream).config("upstream.pool_max_idle_per_host", 2).start().await;
    warmed(&gateway, &upstream, 5).await;
    let closed = || async {
        let closed = (0..5).filter(|number| upstream.seen(*number).is_gone()).count();
        (closed == 3).then_some(())
    };
    eventually("three of five idle connections to be closed", closed).await;
    for _ in 0..5 {
        assert_served(&gateway).await;
    }
    assert_eq!(upstream.connections(), 5, "the two that are left are used");
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_time_has_come() {
    let upstream = Upstream::doing(ok()).await;
    let gateway = Setup::new(&upstream).config("upstream.pool_idle_timeout_secs", 1).start().await;
    assert_served(&gateway).await;
    upstream.seen(0).gone().await;
    assert_served(&gateway).await;
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_connection_does_not_age_while_it_is_used() {
    let gate = Gate::closed();
    let upstream = Upstream::queue([ok(), replies::gated_stream(CHAT_FRAMES, &gate)]).await;
    upstream.always(ok());
    let gateway = Setup::new(&upstream).config("upstream.pool_idle_timeout_secs", 1).start().await;
    assert_served(&gateway).await;
    let mut caller = gateway.caller().await;
    caller.open(&stream()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    gate.open();
    assert_eq!(caller.events().await.concat(), aliased(&CHAT_FRAMES.concat()));
    assert_served(&gateway).await;
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_stale_connection_is_replaced_by_a_new_one_and_not_by_another_stale_one() {
    for stale in [Script::reading().reset(), Script::reading().close(), Script::early().reset()] {
        let upstream = Upstream::doing(ok()).await;
        let gateway = Setup::new(&upstream).start().await;
        warmed(&gateway, &upstream, 3).await;
        upstream.next(stale);
        assert_served(&gateway).await;
        assert_eq!((upstream.count(), upstream.connections()), (5, 4));
        assert_eq!(upstream.last().connection, 3, "the second time on a connection of its own");
    }
}

#[tokio::test]
async fn a_new_connection_that_dies_too_is_a_failure() {
    let upstream = Upstream::queue([ok(), Script::reading().reset()]).await;
    upstream.always(Script::reading().reset());
    let gateway = Setup::new(&upstream).start().await;
    assert_served(&gateway).await;
    let answer = gateway.ask(&chat()).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (502, "transport_error"));
    assert_eq!(upstream.count(), 3, "once on the old connection, once on a new one");
}

#[tokio::test]
async fn a_reused_connection_that_dies_within_its_answer_is_not_stale() {
    let begun = ["HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"];
    for begun in begun {
        let upstream = Upstream::queue([ok(), Script::reading().send(begun).close()]).await;
        upstream.always(ok());
        let gateway = Setup::new(&upstream).start().await;
        assert_served(&gateway).await;
        assert_eq!(gateway.ask(&chat()).await.status, 502, "after {begun:?}");
        assert_eq!(upstream.count(), 2, "nothing is sent twice after {begun:?}");
    }
}

/// 8 MiB, more than lies in socket buffers.
fn upload() -> Request {
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": "u".repeat(8 << 20)}]});
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

/// Uploads to an upstream that plays this script, then sends an ordinary request; the connections there were.
async fn assert_given(script: Script, status: u16, text: &str) -> usize {
    let upstream = Upstream::queue([script]).await;
    upstream.always(ok());
    let gateway = Setup::new(&upstream).config("upstream.timeout_ms", 50_000).start().await;
    let answer = gateway.ask(&upload()).await;
    assert_eq!(answer.status, status, "{:.200}", answer.text());
    assert!(answer.text() == aliased(text), "{} bytes instead of {}", answer.body.len(), text.len());
    assert_served(&gateway).await;
    assert_eq!(upstream.count(), 2, "nothing is sent twice");
    upstream.connections()
}

#[tokio::test]
async fn a_refusal_before_the_end_of_the_upload_is_given_and_ends_the_connection() {
    let error = r#"{"error":{"message":"too large","type":"invalid_request_error"}}"#;
    let refusal = [replies::head(413, &[], "application/json", error.len()), error.into()].concat();
    let gate = Gate::closed();
    let reads_no_more = Script::early().read_some(1000).send(refusal.clone()).ignore_until(&gate);
    let at_once = Script::early().send(refusal).ignore_until(&gate);
    for script in [reads_no_more, at_once] {
        assert_eq!(assert_given(script, 413, error).await, 2, "half a request is never followed by another");
    }
}

#[tokio::test]
async fn a_success_before_the_end_of_the_upload_is_given() {
    let success =
        [replies::head(200, &[], "application/json", CHAT_ANSWER.len()), CHAT_ANSWER.into()].concat();
    let reads_on = Script::early().read_some(1000).send(success).read_body();
    assert_given(reads_on, 200, CHAT_ANSWER).await;
}

#[tokio::test]
async fn a_success_of_an_upstream_that_reads_no_more_is_given() {
    let success =
        [replies::head(200, &[], "application/json", CHAT_ANSWER.len()), CHAT_ANSWER.into()].concat();
    let gate = Gate::closed();
    let reads_no_more = Script::early().read_some(1000).send(success).ignore_until(&gate);
    assert_eq!(assert_given(reads_no_more, 200, CHAT_ANSWER).await, 2);
}

#[tokio::test]
async fn a_long_answer_during_an_upload_does_not_wait_for_its_end() {
    let long = CHAT_ANSWER.replacen("fp_1", &"f".repeat(12 << 20), 1);
    let success = [replies::head(200, &[], "application/json", long.len()), long.clone().into()].concat();
    let answers_first = Script::early().read_some(1000).send(success).read_body();
    assert_given(answers_first, 200, &long).await;
}

#[tokio::test]
async fn connections_of_different_identities_are_never_shared() {
    let authority = Authority::new("upstream");
    let server = authority.server_asking(authority.issue("up"));
    let upstream = Upstream::doing_tls(ok(), server).await;
    let (one, two) = (authority.issue("one"), authority.issue("two"));
    let with = |identity: &crate::support::certs::Identity, more: Value| {
        let mut tls = json!({"ca_cert": authority.pem(), "client_cert": identity.certificate,
            "client_key": identity.key});
        tls.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        tls
    };
    let port = upstream.addr.port();
    let keys = [
        ("one", "localhost", with(&one, json!({}))),
        ("two", "localhost", with(&two, json!({}))),
        ("careless", "localhost", with(&one, json!({"verify": false}))),
        ("elsewhere", "127.0.0.1", with(&one, json!({}))),
    ];
    let mut setup = Setup::new(&upstream);
    for (name, host, tls) in &keys {
        let key = json!({"display_name": name, "provider": "openai", "api_key": OPENAI_SECRET,
            "api_base": format!("https://{host}:{port}/v1"), "tls": tls});
        setup = setup.row("provider_keys", key).model(name, json!({"provider_key": name}));
    }
    let gateway = setup.start().await;
    for _ in 0..3 {
        for (number, (name, ..)) in keys.iter().enumerate() {
            let body = json!({"model": name, "messages": [{"role": "user", "content": "x"}]}).to_string();
            let answer = gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            assert_eq!(upstream.last().connection, number, "{name} keeps to its own connection");
        }
    }
    assert_eq!(upstream.connections(), keys.len());
}
