//! Answers that stop half way: closed, reset, or silent.

use super::*;

fn chunked() -> Vec<u8> {
    let half = CHAT_ANSWER.len() / 2;
    let (first, second) = CHAT_ANSWER.as_bytes().split_at(half);
    let trailer = b"0\r\nx-sum: 1\r\n\r\n";
    answer(
        "transfer-encoding: chunked\r\n",
        [replies::chunk(first), replies::chunk(second), trailer.to_vec()].concat(),
    )
}

/// The bytes up to the end of this text.
fn until(bytes: &[u8], mark: &str) -> Vec<u8> {
    let at = bytes.windows(mark.len()).position(|window| window == mark.as_bytes()).expect("the mark");
    bytes[..at + mark.len()].to_vec()
}

/// Every place worth stopping at, with what was sent until then. All but the first came after a byte of the answer.
fn places() -> Vec<(&'static str, Vec<u8>)> {
    let (plain, chunks) = (behind(""), chunked());
    let to_close = answer("connection: close\r\n", &CHAT_ANSWER[..200]);
    vec![
        ("in the first byte", until(&plain, "H")),
        ("in the status line", until(&plain, "HTTP/1.1 20")),
        ("behind the status line", until(&plain, "OK\r\n")),
        ("in a field", until(&plain, "content-")),
        ("before the empty line", until(&plain, "json\r\n")),
        ("in the empty line", [until(&plain, "content-length: "), b"500\r\n\r".to_vec()].concat()),
        ("behind the head", until(&plain, "\r\n\r\n")),
        ("in the body", until(&plain, "chatcmpl-1")),
        ("before the last byte", plain[..plain.len() - 1].to_vec()),
        ("in a body without a length", to_close),
        ("before the first chunk", until(&chunks, "\r\n\r\n")),
        ("in a chunk size", [until(&chunks, "\r\n\r\n"), b"1".to_vec()].concat()),
        ("in a chunk", until(&chunks, "chatcmpl-1")),
        (
            "between two chunks",
            chunks[..chunks.len()
                - 16
                - replies::chunk(&CHAT_ANSWER.as_bytes()[CHAT_ANSWER.len() / 2..]).len()]
                .to_vec(),
        ),
        ("before the last chunk", chunks[..chunks.len() - 16].to_vec()),
    ]
}

#[tokio::test]
async fn an_answer_closed_half_way_is_given_up() {
    let row = |(name, bytes)| {
        Row::new(name, Script::reading().send(bytes).close(), &[Comes::BadGateway], After::Gone)
    };
    check(places().into_iter().map(row).collect()).await;
}

#[tokio::test]
async fn an_answer_reset_half_way_is_given_up() {
    let row = |(name, bytes)| {
        Row::new(name, Script::reading().send(bytes).reset(), &[Comes::BadGateway], After::Gone)
    };
    check(places().into_iter().map(row).collect()).await;
}

#[tokio::test]
async fn an_answer_that_falls_silent_is_not_waited_for() {
    let row =
        |(name, bytes)| Row::new(name, Script::reading().send(bytes).hang(), &[Comes::Late], After::Gone);
    let mut rows: Vec<Row> = places().into_iter().map(row).collect();
    rows.push(row(("before the first byte", Vec::new())));
    check_late(rows).await;
}

#[tokio::test]
async fn an_upstream_that_leaves_around_an_answer_is_forgiven_nothing_and_nothing_more() {
    let chunks = chunked();
    let in_trailer = until(&chunks, "x-sum");
    let bad = &[Comes::BadGateway];
    let refusal = replies::head(413, &[("connection", "close")], "application/json", 2);
    check(vec![
        Row::new("closed before the request was read", Script::early().close(), bad, After::Gone),
        Row::new("reset before the request was read", Script::early().reset(), bad, After::Gone),
        Row::new("closed without a word", Script::reading().close(), bad, After::Gone),
        Row::new("reset without a word", Script::reading().reset(), bad, After::Gone),
        Row::new(
            "closed behind the answer",
            Script::reading().send(behind("")).close(),
            &[Comes::Good],
            After::Gone,
        ),
        Row::new(
            "closed behind the last chunk",
            Script::reading().send(chunks).close(),
            &[Comes::Good],
            After::Gone,
        ),
        Row::new(
            "closed in the trailers",
            Script::reading().send(in_trailer).close(),
            &[Comes::Good, Comes::BadGateway],
            After::Gone,
        ),
        Row::new(
            "a whole body without a length",
            Script::reading().send(answer("", CHAT_ANSWER)).close(),
            &[Comes::Good],
            After::Gone,
        ),
        Row::new(
            "a body without a length, reset",
            Script::reading().send(answer("", &CHAT_ANSWER[..90])).reset(),
            bad,
            After::Gone,
        ),
        Row::new(
            "an answer before the request was read",
            Script::early().send(behind("")).close(),
            &[Comes::Good],
            After::Gone,
        ),
        Row::new(
            "a refusal before the request was read",
            Script::early().send(refusal).send("{}").close(),
            &[Comes::Refusal(413)],
            After::Gone,
        ),
    ])
    .await;
}
