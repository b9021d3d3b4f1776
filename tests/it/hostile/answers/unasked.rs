//! Upstreams that speak out of turn, or in small bites for ever.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::support::within;

/// A gateway whose chat upstream is this listener.
async fn gateway_on(listener: &TcpListener, timeout: u64) -> Gateway {
    let unused = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let base = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let setup = Setup::new(&unused).change("provider_keys", "openai-up", "api_base", base.into());
    setup.config("upstream.timeout_ms", timeout).config("proxy.workers", 1).start().await
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

/// The next connection, with a whole request read from it.
async fn asked(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = within("a connection", listener.accept()).await.expect("a connection");
    stream.set_nodelay(true).expect("an option of TCP");
    let mut seen = Vec::new();
    // The last bytes of the request all tests here send.
    while !seen.ends_with(b"}]} }") {
        let read = within("a request", stream.read_buf(&mut seen)).await.expect("a request");
        assert!(read > 0, "the gateway left in the middle of its request");
    }
    stream
}

/// Answers one request well; the connection, open.
async fn answer_one(listener: &TcpListener) -> TcpStream {
    let mut stream = asked(listener).await;
    stream.write_all(&behind("")).await.expect("the gateway reads");
    stream
}

/// What a caller gets from an upstream whose connections from now on all answer well.
async fn ask_anew(gateway: &Gateway, listener: &TcpListener) -> Answer {
    let serve = async {
        let mut open = Vec::new();
        loop {
            open.push(answer_one(listener).await);
        }
    };
    tokio::select! {
        answer = async { gateway.ask(&chat()).await } => answer,
        () = serve => unreachable!("it serves for ever"),
    }
}

#[tokio::test]
async fn what_arrives_on_an_idle_connection_is_never_an_answer() {
    let request_timeout = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let cases = [
        ("an answer", foreign()),
        ("half an answer", foreign()[..60].to_vec()),
        ("an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
        ("a word of farewell", request_timeout.as_bytes().to_vec()),
        ("an empty line", b"\r\n".to_vec()),
        ("a byte", b"x".to_vec()),
    ];
    for (what, unasked) in cases {
        let listener = listener().await;
        let gateway = gateway_on(&listener, PATIENT).await;
        let request = chat();
        let (first, mut idle) = tokio::join!(gateway.ask(&request), answer_one(&listener));
        assert!(Comes::Good.is(&first), "{what}: {} {}", first.status, first.text());
        idle.write_all(&unasked).await.expect("the connection is kept");
        let second = ask_anew(&gateway, &listener).await;
        assert!(Comes::Good.is(&second), "{what}: {} {}", second.status, second.text());
    }
}

#[tokio::test]
async fn an_answer_before_its_request_shifts_nobodys_answers() {
    let listener = listener().await;
    let gateway = gateway_on(&listener, PATIENT).await;
    let early = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(&behind("")).await.expect("the gateway reads");
        let mut seen = Vec::new();
        while !seen.ends_with(b"}]} }") && matches!(stream.read_buf(&mut seen).await, Ok(1..)) {}
        // The gateway may have closed already.
        let _ = stream.write_all(&foreign()).await;
        stream
    };
    let request = chat();
    let (first, _stream) = tokio::join!(gateway.ask(&request), early);
    assert!(matches!(first.status, 200 | 502), "{}", first.text());
    for _ in 0..2 {
        let next = ask_anew(&gateway, &listener).await;
        assert!(Comes::Good.is(&next), "{} {}", next.status, next.text());
    }
}

#[tokio::test]
async fn an_answer_byte_by_byte_is_served() {
    let listener = listener().await;
    let gateway = gateway_on(&listener, PATIENT).await;
    let bytewise = async {
        let mut stream = asked(&listener).await;
        for byte in behind("") {
            stream.write_all(&[byte]).await.expect("the gateway reads");
            tokio::task::yield_now().await;
        }
        stream
    };
    let request = chat();
    let (answer, _stream) = tokio::join!(gateway.ask(&request), bytewise);
    assert!(Comes::Good.is(&answer), "{} {}", answer.status, answer.text());
}

#[tokio::test]
async fn an_answer_that_comes_in_small_bites_for_ever_is_given_up() {
    let listener = listener().await;
    let gateway = gateway_on(&listener, 500).await;
    let cases = [
        ("status line", "HTTP/1.1 200 O", "K"),
        ("field", "HTTP/1.1 200 OK\r\nx: ", "y"),
        ("series of fields", "HTTP/1.1 200 OK\r\n", "x: y\r\n"),
        ("series of interim answers", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("body", "HTTP/1.1 200 OK\r\n\r\n", " "),
        ("chunk size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0"),
        ("chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfff\r\n", " "),
    ];
    for (what, start, more) in cases {
        let trickle = async {
            let mut stream = asked(&listener).await;
            let mut wrote = stream.write_all(start.as_bytes()).await;
            while wrote.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                wrote = stream.write_all(more.as_bytes()).await;
            }
        };
        let request = chat();
        let (answer, ()) = tokio::join!(gateway.ask(&request), trickle);
        let given_up = Comes::Late.is(&answer) || Comes::BadGateway.is(&answer);
        assert!(given_up, "a {what} without end: {} {}", answer.status, answer.text());
    }
}

/// Milliseconds an upstream has for a good answer: enough on any machine.
const PATIENT: u64 = 6000;
