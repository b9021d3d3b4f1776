//! The lean client against a scripted upstream on loopback.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::upstream::transport::Headers;

/// Both ends of a connection, and where a used one goes.
struct Line {
    call: LeanCall,
    far: TcpStream,
    pools: Arc<Pools>,
    key: Arc<Key>,
}

async fn line() -> Line {
    let pools = Arc::new(Pools::new(1, Bounds { per_peer: 2, idle: Some(Duration::from_secs(30)) }));
    let (conn, far, address) = connected().await;
    let key = Arc::new(Key { address, sni: None, identity: 0 });
    let authority = HeaderValue::from_static("up");
    let call = LeanCall::new(Arc::clone(&pools), Arc::clone(&key), authority, conn, false);
    Line { call, far, pools, key }
}

async fn connected() -> (Box<Connection>, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let stream = pingora_core::protocols::l4::stream::Stream::from(near.expect("connected"));
    (Box::new(Connection::new(Box::new(stream))), far.expect("accepted").0, address)
}

fn request(body: Vec<u8>) -> Outgoing<'static> {
    let mut headers = Headers::default();
    headers.push_static("content-type", "application/json");
    Outgoing::post("/v1/x?y".into(), headers, body.into())
}

/// The whole body of the answer, or how it failed.
async fn body(call: &mut LeanCall) -> Result<Vec<u8>, FaultKind> {
    let mut body = Vec::new();
    while call.chunk_onto(&mut body).await.map_err(|fault| fault.kind)? {}
    Ok(body)
}

/// Asks, answers with `answer` and perhaps the end of the connection; status and body.
async fn exchange(line: &mut Line, answer: &[u8], ends: bool) -> Result<(u16, Vec<u8>), FaultKind> {
    line.call.send(&request(b"{}".to_vec())).await.map_err(|fault| fault.kind)?;
    line.far.write_all(answer).await.expect("taken");
    if ends {
        line.far.shutdown().await.expect("ended");
    }
    let status = line.call.head().await.map_err(|fault| fault.kind)?;
    Ok((status, body(&mut line.call).await?))
}

#[tokio::test]
async fn a_request_arrives_as_one_message_with_one_length() {
    let mut line = line().await;
    let mut asked = request(b"{\"a\":1}".to_vec());
    asked.headers.push_static("content-length", "99");
    asked.headers.push_static("transfer-encoding", "chunked");
    line.call.send(&asked).await.expect("sent");
    let mut seen = vec![0; 1024];
    let count = line.far.read(&mut seen).await.expect("read");
    assert_eq!(
        String::from_utf8_lossy(&seen[..count]),
        "POST /v1/x?y HTTP/1.1\r\nhost: up\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}"
    );
}

#[tokio::test]
async fn answers_of_every_framing_are_read_to_their_end() {
    let long = vec![b'x'; 300_000];
    let framed = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", long.len());
    /// Name, bytes, does the connection end, the body, can the connection serve again.
    type Case<'a> = (&'a str, Vec<u8>, bool, &'a [u8], bool);
    let cases: [Case<'_>; 6] = [
        ("length", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), false, b"ok", true),
        ("long", [framed.as_bytes(), &long].concat(), false, &long, true),
        (
            "chunked",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\nT: 1\r\n\r\n".to_vec(),
            false,
            b"ok",
            true,
        ),
        ("close-delimited", b"HTTP/1.1 200 OK\r\n\r\nok".to_vec(), true, b"ok", false),
        ("bodiless", b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), false, b"", true),
        (
            "after interim answers",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                .to_vec(),
            false,
            b"ok",
            true,
        ),
    ];
    for (name, answer, ends, expected, kept) in cases {
        let mut line = line().await;
        let asking = async {
            line.call.send(&request(b"{}".to_vec())).await.expect("sent");
            line.call.head().await.expect(name);
            body(&mut line.call).await.expect(name)
        };
        let answering = async {
            line.far.write_all(&answer).await.expect("taken");
            if ends {
                line.far.shutdown().await.expect("ended");
            }
        };
        let (got, ()) = tokio::join!(asking, answering);
        assert!(got == expected, "{name}");
        assert_eq!(line.call.close_delimited(), name == "close-delimited", "{name}");
        line.call.release().await;
        assert_eq!(line.pools.take(&line.key).is_some(), kept, "{name}");
    }
}

#[tokio::test]
async fn a_broken_answer_says_how_it_broke() {
    let cases: [(&[u8], FaultKind); 8] = [
        (b"", FaultKind::Closed),
        (b"HTTP/1.1 200 OK\r\nContent-Le", FaultKind::Cut),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", FaultKind::Cut),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", FaultKind::Cut),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", FaultKind::Cut),
        (b"SSH-2.0-OpenSSH\r\n\r\n", FaultKind::Protocol),
        (b"HTTP/1.1 101 Switching\r\n\r\n", FaultKind::Protocol),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", FaultKind::Protocol),
    ];
    for (answer, expected) in cases {
        let mut line = line().await;
        let failed = exchange(&mut line, answer, true).await.expect_err("broken");
        assert_eq!(failed, expected, "{:?}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn an_early_refusal_is_heard_while_a_long_body_is_on_its_way() {
    let mut line = line().await;
    let asked = request(vec![b'x'; 32 << 20]);
    line.far.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await.expect("taken");
    // The far end reads nothing.
    line.call.send(&asked).await.expect("an answer ends the upload");
    assert_eq!(line.call.head().await.expect("a head"), 413);
    assert_eq!(body(&mut line.call).await.expect("a body"), b"no");
    line.call.release().await;
    assert!(line.pools.take(&line.key).is_none(), "half a request stands on this connection");
}

#[tokio::test]
async fn an_early_acceptance_does_not_end_the_upload() {
    let mut line = line().await;
    let asked = request(vec![b'x'; 8 << 20]);
    line.far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await.expect("taken");
    let reading = async {
        let mut seen = 0;
        let mut piece = vec![0; 1 << 16];
        while seen < 8 << 20 {
            seen += line.far.read(&mut piece).await.expect("read");
        }
        line.far.write_all(b"ok").await.expect("taken");
    };
    let answering = async {
        line.call.send(&asked).await.expect("accepted");
        assert_eq!(line.call.head().await.expect("a head"), 200);
        body(&mut line.call).await
    };
    let (answer, ()) = tokio::join!(answering, reading);
    assert_eq!(answer.expect("a body"), b"ok");
    line.call.release().await;
    assert!(line.pools.take(&line.key).is_some());
}

#[tokio::test]
async fn a_whole_answer_counts_though_the_upload_never_ends() {
    let mut line = line().await;
    let asked = request(vec![b'x'; 32 << 20]);
    line.far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("taken");
    line.call.send(&asked).await.expect("accepted");
    assert_eq!(line.call.head().await.expect("a head"), 200);
    assert_eq!(body(&mut line.call).await.expect("a body"), b"ok");
    line.call.release().await;
    assert!(line.pools.take(&line.key).is_none(), "half a request stands on this connection");
}

#[tokio::test]
async fn a_connection_with_unasked_bytes_is_never_used_again() {
    let mut line = line().await;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
    assert_eq!(exchange(&mut line, answer, false).await, Ok((200, b"ok".to_vec())));
    line.call.release().await;
    assert!(line.pools.take(&line.key).is_none());
}

#[tokio::test]
async fn frames_that_arrived_together_come_out_together() {
    let mut line = line().await;
    line.call.send(&request(b"{}".to_vec())).await.expect("sent");
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n2\r\nb\n\r\n2\r\nc\n\r\n";
    line.far.write_all(answer).await.expect("taken");
    line.call.head().await.expect("a head");
    assert_eq!(line.call.chunk().await.expect("sound").expect("a piece").as_ref(), b"a\nb\nc\n");
}

#[tokio::test]
async fn a_pool_keeps_the_newest_and_no_more_than_it_may() {
    let line = line().await;
    let mut far = Vec::new();
    for _ in 0..3 {
        let (conn, end, _) = connected().await;
        line.pools.put(&line.key, conn);
        far.push(end);
    }
    assert!(line.pools.take(&line.key).is_some());
    assert!(line.pools.take(&line.key).is_some());
    assert!(line.pools.take(&line.key).is_none(), "two may idle, the third made room");
    let other = Arc::new(Key { identity: 7, ..(*line.key).clone() });
    let (conn, _end, _) = connected().await;
    line.pools.put(&line.key, conn);
    assert!(line.pools.take(&other).is_none(), "another identity is another connection");
}

#[tokio::test]
async fn a_connection_that_ended_while_idle_is_not_taken() {
    let line = line().await;
    let (mut conn, far, _) = connected().await;
    drop(far);
    // Its end has arrived.
    poll_fn(|cx| {
        let quiet = inbox::poll_scratch(&mut conn.stream, cx, |_| {});
        quiet.map(|_| ())
    })
    .await;
    line.pools.put(&line.key, conn);
    assert!(line.pools.take(&line.key).is_none());
}
