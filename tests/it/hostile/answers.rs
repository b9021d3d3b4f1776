//! Hostile answers of an upstream.
//!
//! Every row is played on a fresh connection; then a second caller asks. What the first one gets is in the row. The
//! second one gets a good answer whatever came before, and by its connection it shows whether the first one's was used
//! again: never when there is any doubt where the hostile answer ended.

mod broken_off;
mod chunks;
mod heads;
mod lengths;
mod streams;
mod unasked;

use crate::support::client::{Answer, Request};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Script, Upstream};

/// One hostile answer.
struct Row {
    name: &'static str,
    script: Script,
    /// What the caller may get.
    comes: &'static [Comes],
    after: After,
}

/// What a caller gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    /// The good answer, as if nothing were wrong.
    Good,
    /// The gateway's own 502.
    BadGateway,
    /// The gateway's own 504.
    Late,
    /// The refusal of the upstream with this status.
    Refusal(u16),
    /// All events of a stream.
    Stream,
    /// The first events, and an error in the stream in the place of the rest.
    BrokenStream,
    /// The first events and no word of success.
    ShortStream,
}

/// What becomes of the upstream connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Kept,
    Gone,
    Either,
}

impl Row {
    fn new(name: &'static str, script: Script, comes: &'static [Comes], after: After) -> Self {
        Row { name, script, comes, after }
    }

    /// Bytes that stand for an answer to be given up, on a connection that stays open.
    fn bad(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Row::new(name, Script::reading().send(bytes), &[Comes::BadGateway], After::Gone)
    }

    /// Bytes that may be understood or given up, but not half of both.
    fn either(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Row::new(name, Script::reading().send(bytes), &[Comes::Good, Comes::BadGateway], After::Either)
    }

    /// Bytes that are a good answer, and what becomes of their connection.
    fn good(name: &'static str, bytes: impl Into<Vec<u8>>, after: After) -> Self {
        Row::new(name, Script::reading().send(bytes), &[Comes::Good], after)
    }
}

/// An answer with these fields and this body. The fields bring their own line ends.
fn answer(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n".as_slice();
    [start, fields.as_ref(), b"\r\n", body.as_ref()].concat()
}

/// The field for a length.
fn length(length: impl std::fmt::Display) -> String {
    format!("content-length: {length}\r\n")
}

/// A good answer behind these bytes.
fn behind(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [bytes.as_ref(), &answer(length(CHAT_ANSWER.len()), CHAT_ANSWER)].concat()
}

/// A good answer of somebody else, which no caller may ever see.
fn foreign() -> Vec<u8> {
    let body = CHAT_ANSWER.replace("chatcmpl-1", "chatcmpl-foreign");
    answer(length(body.len()), body)
}

/// Plays every row to a caller of its own and panics with all that came out wrong.
async fn check(rows: Vec<Row>) {
    let whole = [("/v1/chat/completions", CHAT), ("/v1/messages", MESSAGE)];
    check_with(&[], &whole, rows).await;
}

/// The same for rows that wait for a timer of 400 ms, and with one kind of caller.
async fn check_late(rows: Vec<Row>) {
    check_with(&[("upstream.timeout_ms", 400)], &[("/v1/chat/completions", CHAT)], rows).await;
}

/// The same with callers who ask for streams.
async fn check_streams(rows: Vec<Row>) {
    check_with(&[], &[("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST)], rows).await;
}

async fn check_with(changes: &[(&str, u64)], requests: &[(&'static str, &'static str)], rows: Vec<Row>) {
    // The good answer ends its connection, so that every row begins on a fresh one.
    let upstream = Upstream::doing(replies::answer(200, &[("connection", "close")], CHAT_ANSWER)).await;
    let setup = Setup::new(&upstream).config("upstream.timeout_ms", 6000).config("proxy.workers", 1);
    let setup = changes.iter().fold(setup, |setup, (path, value)| setup.config(path, *value));
    let gateway = setup.start().await;
    let mut wrong = Vec::new();
    for row in &rows {
        for (target, body) in requests {
            // The fixtures are answers of one dialect; failures look different in each.
            if *target == "/v1/messages" && !row.comes.iter().all(|comes| comes.is_failure()) {
                continue;
            }
            let request = Request::post(target, *body).bearer(CALLER);
            if let Err(what) = try_row(&gateway, &upstream, row, &request).await {
                wrong.push(format!("{} ({target}): {what}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong outcomes:\n{}", wrong.len(), wrong.join("\n"));
}

async fn try_row(gateway: &Gateway, upstream: &Upstream, row: &Row, request: &Request) -> Result<(), String> {
    let before = upstream.count();
    upstream.next(row.script.clone());
    let first = gateway.ask(request).await;
    let second = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    let seen = format!("{} {:.120}", first.status, first.text());
    if !row.comes.iter().any(|comes| comes.is(&first)) {
        return Err(format!("{:?} expected, not {seen}", row.comes));
    }
    if !Comes::Good.is(&second) {
        return Err(format!("the next caller got {} {:.120} after {seen}", second.status, second.text()));
    }
    if upstream.count() != before + 2 {
        return Err(format!("{} requests at the upstream", upstream.count() - before));
    }
    let kept = upstream.seen(before).connection == upstream.seen(before + 1).connection;
    match (row.after, kept) {
        (After::Gone, true) => Err(format!("the connection was used again after {seen}")),
        (After::Kept, false) => Err(format!("the connection was not used again after {seen}")),
        _ => Ok(()),
    }
}

impl Comes {
    fn is_failure(self) -> bool {
        matches!(self, Comes::BadGateway | Comes::Late)
    }

    fn is(self, answer: &Answer) -> bool {
        let text = answer.text();
        let frames = aliased(&CHAT_FRAMES.concat());
        let begun = answer.status == 200 && text.starts_with(&aliased(CHAT_FRAMES[0]));
        match self {
            Comes::Good => answer.status == 200 && text == aliased(CHAT_ANSWER),
            Comes::BadGateway => is_own_error(answer, 502),
            Comes::Late => is_own_error(answer, 504),
            Comes::Refusal(status) => answer.status == status,
            Comes::Stream => answer.status == 200 && text == frames,
            Comes::BrokenStream => begun && text.contains("event: error\n") && !text.contains("[DONE]"),
            Comes::ShortStream => begun && text != frames && !text.contains("[DONE]"),
        }
    }
}

/// In the envelope of the caller's dialect, and in words that are not the upstream's.
fn is_own_error(answer: &Answer, status: u16) -> bool {
    let ours = ["transport_error", "upstream_decode_error", "upstream_error", "stream_aborted", "timeout"];
    let anthropic = ["api_error", "timeout_error"];
    let kind = answer.status == status && {
        let (json, kind) = (answer.json(), answer.error_type());
        if json["type"] == "error" {
            anthropic.contains(&kind.as_str())
        } else {
            ours.contains(&kind.as_str())
        }
    };
    kind && !answer.text().contains("foreign")
}
