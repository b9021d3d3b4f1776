//! Upstreams that speak HTTP/2: callers see no difference. How connections are shared, and what the failure of a
//! stream or of a connection means, is told in the modules.

/// Requests share connections and do not feel each other.
mod connections;
/// Streams and connections that end before their time.
mod failures;

use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::certs::Authority;
use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;
use crate::support::upstream_h2::{Exchange, H2Upstream};

through_every_door! { answers_and_streams_pass_byte_exact }

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

fn stream() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

/// 6 MB, more than the upstream's window and the socket buffers take.
fn upload() -> Request {
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": "u".repeat(6 << 20)}]});
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

/// The standing resources, all of them led to this upstream.
async fn setup(door: Door, upstream: &H2Upstream) -> Setup {
    let nobody = Upstream::queue([]).await;
    let base = upstream.base();
    let trust = json!({"ca_cert": upstream.authority.pem()});
    door.setup(&nobody)
        .change("provider_keys", "openai-up", "api_base", json!(format!("{base}/v1")))
        .change("provider_keys", "openai-up", "tls", trust.clone())
        .change("provider_keys", "anthropic-up", "api_base", json!(base))
        .change("provider_keys", "anthropic-up", "tls", trust)
}

async fn both(door: Door) -> (H2Upstream, Gateway) {
    let upstream = H2Upstream::start().await;
    let gateway = setup(door, &upstream).await.start().await;
    (upstream, gateway)
}

/// Sends a request on a connection of its own.
fn asking(gateway: &Gateway, request: Request) -> JoinHandle<Answer> {
    let entrance = gateway.entrance.clone();
    tokio::spawn(async move { entrance.ask(&request).await })
}

/// The request tried once more, or the answer that came instead.
async fn again_or_answer(upstream: &mut H2Upstream, asked: JoinHandle<Answer>) -> Result<Exchange, Answer> {
    tokio::select! {
        again = upstream.next() => Ok(again),
        answer = asked => Err(answer.expect("an answer")),
    }
}

/// One exchange that goes well, so that a connection is in the pool.
async fn warmed(upstream: &mut H2Upstream, gateway: &Gateway) {
    assert_served(upstream, gateway).await;
}

/// Asserts that a request is answered; the number of its connection.
async fn assert_served(upstream: &mut H2Upstream, gateway: &Gateway) -> usize {
    let request = chat();
    let (answer, connection) = tokio::join!(gateway.ask(&request), async {
        let exchange = upstream.next().await;
        let connection = exchange.connection;
        exchange.answer(200, CHAT_ANSWER).await;
        connection
    });
    assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
    connection
}

async fn joined(answer: JoinHandle<Answer>) -> Answer {
    answer.await.expect("an answer")
}

async fn begun(upstream: &mut H2Upstream) -> Exchange {
    let mut exchange = upstream.next().await;
    exchange.body().await;
    exchange.open_stream();
    assert!(exchange.send(CHAT_FRAMES[0]).await);
    exchange
}

async fn finished(mut exchange: Exchange) {
    assert!(exchange.send(&CHAT_FRAMES[1..].concat()).await);
    exchange.end();
}

async fn answers_and_streams_pass_byte_exact(door: Door) {
    let (mut upstream, gateway) = both(door).await;
    for (request, answer) in [(chat(), CHAT_ANSWER.to_owned()), (stream(), CHAT_FRAMES.concat())] {
        let (told, received) = tokio::join!(gateway.ask(&request), async {
            let mut exchange = upstream.next().await;
            let body = exchange.body().await;
            if answer == CHAT_ANSWER {
                exchange.answer(200, CHAT_ANSWER).await;
            } else {
                exchange.open_stream();
                assert!(exchange.send(CHAT_FRAMES[0]).await);
                finished(exchange).await;
            }
            body
        });
        assert_eq!(told.text(), aliased(&answer));
        let sent = String::from_utf8(request.body.clone()).expect("UTF-8");
        let sent = sent.replacen(r#""chat""#, r#""gpt-real""#, 1);
        assert_eq!(String::from_utf8(received).expect("UTF-8"), sent);
    }
    assert_eq!(upstream.connections(), 1, "one connection carries everything");
}

#[tokio::test]
async fn the_request_has_what_http_2_asks_for_and_nothing_that_belongs_to_http_1() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    let mut request = chat();
    for (name, value) in [
        ("connection", "keep-alive, x-for-this-hop"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("x-for-this-hop", "1"),
    ] {
        request = request.header(name, value);
    }
    request.target.push_str("?beta=true");
    let asked = asking(&gateway, request);
    let mut exchange = upstream.next().await;
    let body = exchange.body().await;
    let uri = &exchange.head.uri;
    assert_eq!((exchange.head.method.as_str(), uri.scheme_str()), ("POST", Some("https")));
    assert_eq!(uri.authority().map(|a| a.as_str()), upstream.base().strip_prefix("https://"));
    assert_eq!(uri.path_and_query().map(|p| p.as_str()), Some("/v1/chat/completions?beta=true"));
    assert_eq!(exchange.header("content-length"), Some(body.len().to_string().as_str()));
    let secret = format!("Bearer {OPENAI_SECRET}");
    assert_eq!(exchange.header("authorization"), Some(secret.as_str()));
    for name in [
        "host",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "http2-settings",
        "transfer-encoding",
    ] {
        assert_eq!(exchange.header(name), None, "{name}");
    }
    exchange.answer(200, CHAT_ANSWER).await;
    assert_eq!(joined(asked).await.status, 200);
}

#[tokio::test]
async fn an_operators_header_that_belongs_to_http_1_harms_nobody() {
    for (name, value) in
        [("keep-alive", "timeout=5"), ("upgrade", "h2c"), ("te", "gzip"), ("proxy-connection", "close")]
    {
        let mut upstream = H2Upstream::start().await;
        let headers = json!({"default_headers": {name: value, "x-of-the-operator": "1"}});
        let setup =
            setup(Door::Lean, &upstream).await.change("provider_keys", "openai-up", "request", headers);
        let gateway = setup.start().await;
        let asked = asking(&gateway, chat());
        let mut exchange = match again_or_answer(&mut upstream, asked).await {
            Ok(exchange) => exchange,
            Err(answer) => panic!("{name}: {} {}", answer.status, answer.text()),
        };
        exchange.body().await;
        assert_eq!((exchange.header(name), exchange.header("x-of-the-operator")), (None, Some("1")));
        exchange.answer(200, CHAT_ANSWER).await;
    }
}

#[tokio::test]
async fn large_requests_and_answers_arrive_whole() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    for size in [65_535, 65_536, 200 << 10, 3 << 20] {
        let body =
            json!({"model": "chat", "messages": [{"role": "user", "content": "w".repeat(size)}]}).to_string();
        let asked = asking(&gateway, Request::post("/v1/chat/completions", body.clone()).bearer(CALLER));
        let mut exchange = upstream.next().await;
        let expected = body.replacen(r#""model":"chat""#, r#""model":"gpt-real""#, 1);
        assert!(exchange.body().await == expected.as_bytes(), "{size} bytes of a request");
        let large = CHAT_ANSWER.replacen("fp_1", &"f".repeat(size), 1);
        exchange.answer(200, &large).await;
        assert!(joined(asked).await.text() == aliased(&large), "{size} bytes of an answer");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn interim_heads_and_trailers_are_passed_over() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    for request in [chat(), stream()] {
        let asked = asking(&gateway, request.clone());
        let mut exchange = upstream.next().await;
        exchange.interim(100);
        exchange.body().await;
        exchange.interim(103);
        exchange.interim(103);
        let expected = if request.body == CHAT.as_bytes() {
            exchange.open(200, &[("content-type", "application/json")]);
            CHAT_ANSWER.to_owned()
        } else {
            exchange.open_stream();
            CHAT_FRAMES.concat()
        };
        assert!(exchange.send(&expected).await);
        exchange.end_with_trailers();
        let answer = joined(asked).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(&expected)));
        assert_eq!(answer.header("x-checksum"), None);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_upstream_that_offers_only_http_1_is_served_over_http_1() {
    let authority = Authority::new("upstream");
    let mut tls = authority.issue("up").server();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let upstream = Upstream::doing_tls(replies::json(200, CHAT_ANSWER), tls).await;
    let trust = json!({"ca_cert": authority.pem()});
    let gateway = Setup::new(&upstream).change("provider_keys", "openai-up", "tls", trust).start().await;
    for _ in 0..3 {
        assert_eq!(gateway.ask(&chat()).await.text(), aliased(CHAT_ANSWER));
    }
    upstream.next(replies::stream(CHAT_FRAMES));
    assert_eq!(gateway.ask(&stream()).await.text(), aliased(&CHAT_FRAMES.concat()));
    assert_eq!((upstream.count(), upstream.connections()), (4, 1));
    let host = format!("localhost:{}", upstream.addr.port());
    assert_eq!(upstream.last().header("host"), Some(host.as_str()));
}
