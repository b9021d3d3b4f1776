//! How bytes of HTTP/1.1 are cut into segments: it never matters on the way in, and what belongs together leaves
//! together.

use crate::support::client::{Client, Request};
use crate::support::door::{Door, through_both_http_1_doors, through_both_http_1_doors_and_tls};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Gate, Upstream};
use crate::support::wire::find;

through_both_http_1_doors_and_tls! {
    a_small_answer_arrives_in_one_piece,
    frames_sent_together_arrive_together,
}

through_both_http_1_doors! {
    a_request_split_at_any_byte_is_answered_like_a_whole_one,
    a_pipeline_cut_anyhow_is_answered_in_order,
    a_request_is_answered_before_the_next_one_is_complete,
}

/// Short, so that there are few places to split it.
const SHORT: &str = r#"{"model":"chat","messages":[{"role":"user","content":"é"}]}"#;
/// Connections at a time, of each of two processes.
const AT_A_TIME: usize = 64;

fn short() -> Request {
    Request::post("/v1/chat/completions", SHORT).bearer(CALLER)
}

fn stream() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

/// The short request in chunks with everything that may stand around them.
fn dressed() -> Vec<u8> {
    let (first, second) = SHORT.split_at(25);
    let body = format!(
        "{:x};a=\"b\";c\r\n{first}\r\n{:X}\r\n{second}\r\n00;last\r\nx-trailer: 1\r\n\r\n",
        first.len(),
        second.len()
    );
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CALLER}\r\n\
         Transfer-Encoding: Chunked\r\n\r\n"
    );
    [head, body].concat().into_bytes()
}

/// All first parts are written before the first of the second parts is, so that the gateway meets every split.
async fn assert_split_anywhere(gateway: &Gateway, upstream: &Upstream, request: &[u8], expected: &str) {
    let places: Vec<usize> = (1..request.len()).collect();
    for places in places.chunks(AT_A_TIME) {
        let mut clients: Vec<(usize, Client)> = Vec::new();
        for &place in places {
            let mut client = gateway.client().await;
            client.write(&request[..place]).await;
            clients.push((place, client));
        }
        for (place, client) in &mut clients {
            client.write(&request[*place..]).await;
        }
        for (place, mut client) in clients {
            let answer = client.answer().await;
            let split = String::from_utf8_lossy(&request[..place]).into_owned();
            assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)), "split after {split:?}");
        }
    }
    assert_eq!(upstream.count(), request.len() - 1);
    for number in 0..upstream.count() {
        assert_eq!(upstream.seen(number).text(), expected, "what the upstream received");
    }
}

async fn a_request_split_at_any_byte_is_answered_like_a_whole_one(door: Door) {
    let expected = SHORT.replacen(r#""model":"chat""#, r#""model":"gpt-real""#, 1);
    for request in [short().bytes(), dressed()] {
        let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
        let gateway = door.setup(&upstream).start().await;
        assert_split_anywhere(&gateway, &upstream, &request, &expected).await;
    }
}

async fn a_pipeline_cut_anyhow_is_answered_in_order(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let pipeline = [
        short().header("x-aisix-request-id", "one").bytes(),
        dressed(),
        Request::get("/v1/models").bearer(CALLER).header("x-aisix-request-id", "three").bytes(),
        Request::post("/v1/chat/completions", SHORT).header("x-aisix-request-id", "four").bytes(),
        short().header("x-aisix-request-id", "five").bytes(),
    ];
    let bytes = pipeline.concat();
    for size in [1, 2, 3, 5, 64, pipeline[0].len(), pipeline[0].len() + 1, bytes.len()] {
        let mut client = gateway.client().await;
        for piece in bytes.chunks(size) {
            client.write(piece).await;
        }
        for (id, status) in
            [(Some("one"), 200), (None, 200), (Some("three"), 200), (Some("four"), 401), (Some("five"), 200)]
        {
            let answer = client.answer().await;
            assert_eq!(answer.status, status, "{id:?} in segments of {size}: {}", answer.text());
            if let Some(id) = id {
                assert_eq!(answer.header("x-aisix-request-id"), Some(id), "in segments of {size}");
            }
        }
        client.assert_kept().await;
    }
}

async fn a_request_is_answered_before_the_next_one_is_complete(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut client = gateway.client().await;
    let next = short().bytes();
    for part in [1, 20, next.len() - 1] {
        client.write(&[short().bytes().as_slice(), &next[..part]].concat()).await;
        assert_eq!(client.answer().await.status, 200, "with {part} bytes of the next request behind it");
        client.write(&next[part..]).await;
        assert_eq!(client.answer().await.status, 200, "after {part} bytes that came early");
    }
}

async fn a_small_answer_arrives_in_one_piece(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let requests = [
        (short(), 200),
        (Request::get("/v1/models").bearer(CALLER), 200),
        (Request::post("/v1/chat/completions", SHORT), 401),
        (Request::get("/v1/nowhere").bearer(CALLER), 404),
    ];
    let mut client = gateway.client().await;
    for (request, status) in requests {
        client.write(&request.bytes()).await;
        let piece = String::from_utf8(client.read_once().await).expect("UTF-8");
        let (head, body) = piece.split_once("\r\n\r\n").expect("the head and what follows it");
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        let length = format!("content-length: {}", body.len());
        assert!(head.lines().any(|line| line == length), "the body is not whole:\n{piece}");
        assert!(!body.is_empty());
    }
}

async fn frames_sent_together_arrive_together(door: Door) {
    let gate = Gate::closed();
    let together = |frames: &[&str]| -> Vec<u8> {
        frames.iter().flat_map(|frame| replies::chunk(frame.as_bytes())).collect()
    };
    let script = replies::open_stream()
        .send(together(&CHAT_FRAMES[..1]))
        .wait(&gate)
        .send(together(&CHAT_FRAMES[1..4]))
        .wait(&gate)
        .send([&together(&CHAT_FRAMES[4..]), replies::LAST_CHUNK].concat());
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
    let mut client = gateway.client().await;
    client.write(&stream().bytes()).await;
    let mut first = client.read_once().await;
    while find(&first, aliased(CHAT_FRAMES[0]).as_bytes()).is_none() {
        first.extend(client.read_once().await);
    }
    gate.step();
    let piece = String::from_utf8(client.read_once().await).expect("UTF-8");
    for frame in &CHAT_FRAMES[1..4] {
        assert!(piece.contains(&aliased(frame)), "{frame} came later than:\n{piece}");
    }
    gate.step();
    let piece = String::from_utf8(client.read_once().await).expect("UTF-8");
    assert!(piece.contains(&aliased(CHAT_FRAMES[4])) && piece.contains(CHAT_FRAMES[5]), "{piece}");
}
