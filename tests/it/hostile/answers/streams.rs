//! Event streams whose framing is wrong.

use super::*;
use crate::support::upstream::Gate;

fn head(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{fields}\r\n").into_bytes()
}

fn frames() -> String {
    CHAT_FRAMES.concat()
}

/// The first two frames.
fn begun() -> String {
    CHAT_FRAMES[..2].concat()
}

fn chunks(text: &str) -> Vec<u8> {
    [head("transfer-encoding: chunked\r\n"), replies::chunk(text.as_bytes())].concat()
}

fn plain(text: &str, length: usize) -> Vec<u8> {
    [head(&format!("content-length: {length}\r\n")), text.as_bytes().to_vec()].concat()
}

/// What may stand where the next chunk should, and what is wrong with it.
fn no_chunks() -> Vec<(&'static str, String)> {
    let rest = CHAT_FRAMES[2..].concat();
    let size = rest.len();
    vec![
        ("a chunk size of letters", format!("zz\r\n{rest}")),
        ("a chunk size with a sign", format!("-5\r\n{rest}")),
        ("a chunk size that wraps", format!("1{size:016x}\r\n{rest}\r\n0\r\n\r\n")),
        ("no chunk size", format!("\r\n{rest}")),
        ("LF after a chunk size", format!("{size:x}\n{rest}\r\n0\r\n\r\n")),
        ("a chunk longer than its size", format!("5\r\n{rest}\r\n0\r\n\r\n")),
    ]
}

#[tokio::test]
async fn a_stream_whose_framing_breaks_once_it_flows_says_so_in_the_stream() {
    for (what, more) in no_chunks() {
        let gate = Gate::closed();
        let script = Script::reading().send(chunks(CHAT_FRAMES[0])).wait(&gate).send(more);
        let upstream = Upstream::doing(script).await;
        let gateway = Setup::new(&upstream).start().await;
        let mut client = gateway.client().await;
        let request = Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER);
        client.open(&request).await;
        assert_eq!(client.event().await, Some(aliased(CHAT_FRAMES[0])), "{what}");
        gate.step();
        let rest = client.events().await.concat();
        assert!(rest.contains("event: error\n") && !rest.contains("[DONE]"), "{what}: {rest}");
        upstream.last().gone().await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_at_its_beginning_ends_without_a_word_of_success() {
    // Where the fault arrives together with the first event, nothing has been said yet that a 502 would contradict.
    let row = |name, script| Row::new(name, script, &[Comes::BrokenStream, Comes::BadGateway], After::Gone);
    let then = |more: &str| [chunks(&begun()).as_slice(), more.as_bytes()].concat();
    let broken = |(name, more): (&'static str, String)| row(name, Script::reading().send(then(&more)));
    let cut = |name, bytes: Vec<u8>| row(name, Script::reading().send(bytes).close());
    let reset = |name, bytes: Vec<u8>| row(name, Script::reading().send(bytes).reset());
    let mut rows: Vec<Row> = no_chunks().into_iter().map(broken).collect();
    rows.extend([
        cut("closed between chunks", then("")),
        cut("closed in a chunk size", then("1")),
        cut("closed in a chunk", then("fff\r\ndata: {\"id\"")),
        cut("closed before its length", plain(&begun(), 5000)),
        cut("closed without a length", [head(""), begun().into_bytes()].concat()),
        reset("reset between chunks", then("")),
        reset("reset in a chunk", then("fff\r\ndata: {\"id\"")),
        reset("reset without a length", [head(""), begun().into_bytes()].concat()),
    ]);
    check_streams(rows).await;
}

#[tokio::test]
async fn a_stream_that_was_complete_is_whole_whatever_follows() {
    let whole = frames();
    let row = |name, script| Row::new(name, script, &[Comes::Stream], After::Gone);
    let ended = [chunks(&whole).as_slice(), replies::LAST_CHUNK].concat();
    let with = |more: &[u8]| Script::reading().send([ended.as_slice(), more].concat());
    check_streams(vec![
        row("an answer behind it", with(&foreign())),
        row("a byte behind it", with(b"x")),
        row("closed before its last chunk", Script::reading().send(chunks(&whole)).close()),
        row("closed before its length", Script::reading().send(plain(&whole, whole.len() + 10)).close()),
        row(
            "closed without a length",
            Script::reading().send([head(""), whole.clone().into_bytes()].concat()).close(),
        ),
        row(
            "an answer behind its length",
            Script::reading().send([plain(&whole, whole.len()), foreign()].concat()),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_stream_longer_than_its_length_ends_at_its_length() {
    let first = CHAT_FRAMES[0].len();
    let row = |name, length| {
        let script = Script::reading().send(plain(&frames(), length));
        Row::new(name, script, &[Comes::ShortStream], After::Gone)
    };
    check_streams(vec![
        row("behind a frame", first),
        row("within a frame", first + 20),
        row("before the terminator", frames().len() - CHAT_FRAMES[5].len()),
    ])
    .await;
}

#[tokio::test]
async fn a_stream_that_is_wrong_from_its_beginning_is_a_bad_gateway() {
    let bad = |name, bytes: Vec<u8>| Row::bad(name, bytes);
    let lengths = format!("content-length: {}\r\ncontent-length: 5\r\n", frames().len());
    check_streams(vec![
        bad("two lengths", [head(&lengths), frames().into_bytes()].concat()),
        bad(
            "chunks without a size",
            [head("transfer-encoding: chunked\r\n"), frames().into_bytes()].concat(),
        ),
        bad(
            "a length and chunks",
            [head("content-length: 5\r\ntransfer-encoding: chunked\r\n"), chunks(&frames())].concat(),
        ),
        bad("an empty one", plain("", 0)),
        bad("an empty one in chunks", [chunks(""), Vec::new()].concat()),
        bad(
            "on a status that has no body",
            b"HTTP/1.1 204 No Content\r\ncontent-type: text/event-stream\r\n\r\n".to_vec(),
        ),
    ])
    .await;
}
