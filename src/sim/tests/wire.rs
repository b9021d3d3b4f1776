//! HTTP as the provider speaks it: framing, keep-alive, pipelining, limits.

use super::client::Client;
use super::plain;

const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello [[sim tokens=3]]"}]}"#;

fn request(headers: &str, body: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\n{headers}\r\n{body}")
}

fn plain_request() -> String {
    request(&format!("content-length: {}\r\n", BODY.len()), BODY)
}

/// The body in chunks of `size`, with an extension and a trailer.
fn chunked_request(size: usize) -> String {
    let chunks: String = BODY
        .as_bytes()
        .chunks(size)
        .map(|chunk| format!("{:x};ext=1\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    request("Transfer-Encoding: Chunked\r\n", &format!("{chunks}0\r\ntrailer: x\r\n\r\n"))
}

#[test]
fn a_request_split_at_any_byte_is_answered_the_same() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for request in [plain_request(), chunked_request(7)] {
        for at in (1..request.len()).step_by(3) {
            let (before, after) = request.as_bytes().split_at(at);
            client.send(before);
            // A round trip on another connection: the first part has been read by then.
            assert_eq!(Client::to(provider.addr()).get("/livez").status, 200);
            client.send(after);
            let answer = client.answer();
            assert_eq!(
                (answer.status, answer.json()["usage"]["completion_tokens"].as_u64()),
                (200, Some(3)),
                "{at}"
            );
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let streamed = BODY.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let streamed = request(&format!("content-length: {}\r\n", streamed.len()), &streamed);
    client.send([plain_request(), streamed, chunked_request(100), plain_request()].concat().as_bytes());
    let answers = [(); 4].map(|()| client.answer());
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.complete));
    assert_eq!(
        answers.each_ref().map(|answer| answer.body.starts_with("data: ")),
        [false, true, false, false]
    );
}

#[test]
fn a_caller_that_waits_for_continue_is_told_to() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    client
        .send(request(&format!("expect: 100-continue\r\ncontent-length: {}\r\n", BODY.len()), "").as_bytes());
    assert_eq!(client.head().as_deref(), Some("HTTP/1.1 100 Continue\r\n\r\n"));
    client.send(BODY.as_bytes());
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_caller_that_wants_the_connection_closed_gets_it_closed() {
    let provider = plain();
    for request in [
        "GET /livez HTTP/1.1\r\nconnection: Close\r\n\r\n",
        "GET /livez HTTP/1.0\r\n\r\n",
        "GET /livez HTTP/1.1\r\nconnection: close, te\r\n\r\n",
    ] {
        let mut client = Client::to(provider.addr());
        let answer = client.raw(request);
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
        assert!(answer.headers.contains("connection: close") && client.is_closed(), "{request}");
    }
    let mut client = Client::to(provider.addr());
    let asked = "GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    assert_eq!([client.raw(asked).status, client.raw(asked).status], [200, 200]);
}

#[test]
fn an_old_caller_gets_a_stream_without_chunks() {
    let provider = plain();
    let body = BODY.replace("{\"model\"", "{\"stream\":true,\"model\"");
    let head = format!("POST /v1/chat/completions HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len());
    let answer = Client::to(provider.addr()).raw(&format!("{head}{body}"));
    assert!(!answer.headers.contains("transfer-encoding") && answer.body.starts_with("data: {"));
    assert_eq!(answer.data().last(), Some("[DONE]"));
}

#[test]
fn a_head_request_has_no_body() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for path in ["/", "/livez", "/v1/models"] {
        client.send(format!("HEAD {path} HTTP/1.1\r\n\r\n").as_bytes());
        let head = client.head().expect("a head");
        assert!(head.starts_with("HTTP/1.1 200") && !head.contains("content-length: 0"), "{head}");
    }
    assert_eq!(client.get("/livez").body, "ok\n");
}

#[test]
fn what_cannot_be_read_is_refused_and_the_connection_closed() {
    let provider = plain();
    let long = format!("GET /livez HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200));
    for (request, status) in [
        ("nonsense\r\n\r\n", 400),
        ("POST /v1/messages HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        ("POST /v1/messages HTTP/1.1\r\ncontent-length: +5\r\n\r\n", 400),
        ("POST /v1/messages HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
        ("POST /v1/messages HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        ("POST /v1/messages HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        ("POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        ("POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabcd\r\n", 400),
        ("POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n", 413),
        ("POST /v1/messages HTTP/1.1\r\ncontent-length: 67108865\r\n\r\n", 413),
        (long.as_str(), 431),
        (many.as_str(), 431),
    ] {
        let mut client = Client::to(provider.addr());
        let answer = client.raw(request);
        assert_eq!(answer.status, status, "{request:.80}");
        assert!(answer.json()["error"]["message"].is_string() && client.is_closed());
    }
}

#[test]
fn a_large_body_and_a_large_answer_arrive_whole() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let prompt = "word ".repeat(1_000_000);
    let messages = format!(r#""messages":[{{"role":"user","content":"{prompt}[[sim tokens=50000]]"}}]"#);
    let whole = client.chat(&messages);
    assert_eq!(whole.json()["usage"]["completion_tokens"], 50_000);
    assert!(whole.json()["usage"]["prompt_tokens"].as_u64().is_some_and(|count| count > 1_250_000));
    let stream = client.chat(&format!(r#""stream":true,{messages}"#));
    let words = stream.frames().iter().filter(|frame| frame["choices"][0]["delta"]["content"] != "").count();
    // Every word, and the finish.
    assert_eq!((stream.complete, words), (true, 50_001));
}
