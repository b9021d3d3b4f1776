//! Hostile requests at the HTTP/1.1 doors.
//!
//! Every row goes through both doors, written whole and byte by byte, with an innocent request right behind it. What is
//! refused is refused once and with the close: nothing of it reaches the upstream, and the request behind it is not
//! answered, because nobody can tell any more where it begins. What is served leaves the request behind it untouched.

mod broken_off;
mod chunks;
mod codings;
mod fields;
mod lengths;
mod protocols;
mod targets;

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::fixtures::{CALLER, CHAT_ANSWER, aliased};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// The body of most rows: sound, so that a lenient reading of what stands before it would be served.
const BODY: &str = r#"{"model":"chat","messages":[0]}"#;
/// Its length in hexadecimal, for chunks.
const SIZE: &str = "1f";
const _: () = assert!(BODY.len() == 0x1f);
const INNOCENT_BODY: &str = r#"{"model":"chat","messages":[0],"user":"innocent"}"#;

/// One hostile request.
struct Row {
    name: &'static str,
    bytes: Vec<u8>,
    end: End,
    outcome: Outcome,
}

/// How the bytes of a row are written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Whole,
    Bytewise,
}

/// What the caller does after the bytes of a row.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Sends the innocent request.
    Innocent,
    /// Sends nothing more and waits.
    Silence,
    /// Closes its side.
    HalfClose,
    /// Sends this again and again.
    Trickle(&'static [u8]),
}

/// What must come of a row.
#[derive(Clone)]
struct Outcome {
    /// The statuses of the answers in their order; each any of several.
    statuses: Vec<&'static [u16]>,
    after: After,
    /// `100 Continue` is allowed.
    invited: bool,
}

/// What becomes of the connection after the answers.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// The innocent request is answered.
    GoesOn,
    /// It is closed, and the last answer says so.
    Closes,
    /// It is closed. The answer had left before the fault was seen.
    Breaks,
}

/// Refused with the close.
fn refused(with: &'static [u16]) -> Outcome {
    Outcome { statuses: vec![with], after: After::Closes, invited: false }
}

/// Answered, and the connection goes on.
fn answered(with: &'static [u16]) -> Outcome {
    Outcome { statuses: vec![with], after: After::GoesOn, invited: false }
}

/// Answered before the fault was seen, and closed.
fn broken(with: &'static [u16]) -> Outcome {
    Outcome { statuses: vec![with], after: After::Breaks, invited: false }
}

/// Closed without a word.
fn unanswered() -> Outcome {
    Outcome { statuses: Vec::new(), after: After::Breaks, invited: false }
}

impl Outcome {
    /// What follows is refused with the close.
    fn then_refused(mut self, with: &'static [u16]) -> Self {
        self.statuses.push(with);
        self.after = After::Closes;
        self
    }

    fn invited(mut self) -> Self {
        self.invited = true;
        self
    }
}

impl Row {
    fn new(name: &'static str, bytes: impl Into<Vec<u8>>, outcome: Outcome) -> Self {
        Row { name, bytes: bytes.into(), end: End::Innocent, outcome }
    }

    fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

/// A chat request with these fields and this body. The fields bring their own line ends.
fn post(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let start = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {CALLER}\r\n\
         content-type: application/json\r\n"
    );
    [start.as_bytes(), fields.as_ref(), b"\r\n", body.as_ref()].concat()
}

/// A request that would reach the upstream if it were taken for one.
fn smuggled() -> String {
    marked("smuggled", "")
}

/// A sound request that wants the close, so that the end of a row is seen at once.
fn innocent() -> String {
    marked("innocent", "connection: close\r\n")
}

fn marked(mark: &str, fields: &str) -> String {
    let body = INNOCENT_BODY.replace("innocent", mark);
    let framing = format!("x-aisix-request-id: {mark}\r\n{fields}content-length: {}\r\n", body.len());
    text(&post(framing, body))
}

/// Two gateways on one upstream, alike but for the door HTTP/1.1 comes in by.
struct Doors {
    doors: [(&'static str, Gateway); 2],
    upstream: Upstream,
}

impl Doors {
    async fn open(changes: &[(&str, Value)]) -> Self {
        let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
        let start = |lean: bool| {
            let setup = Setup::new(&upstream).config("proxy.lean_http1", lean).config("proxy.workers", 1);
            changes.iter().fold(setup, |setup, (path, value)| setup.config(path, value.clone())).start()
        };
        let doors = [("lean", start(true).await), ("ProxyHttp", start(false).await)];
        Doors { doors, upstream }
    }

    /// Sends every row through both doors and panics with all that came out wrong.
    async fn check(self, rows: Vec<Row>) {
        let mut wrong = Vec::new();
        for row in &rows {
            let before = self.upstream.count();
            let outcomes = self.outcomes(row).await;
            wrong.extend(verdict(row, &outcomes));
            let relayed =
                outcomes.iter().filter_map(|(.., seen)| seen.as_ref().ok()).map(|seen| seen.relayed);
            let upstream = self.check_upstream(before, relayed.sum());
            wrong.extend(upstream.map(|what| format!("{}: {what}", row.name)));
        }
        assert!(wrong.is_empty(), "{} wrong outcomes:\n{}", wrong.len(), wrong.join("\n"));
    }

    /// The same with all rows at once, for rows that wait for a timer. None of them reaches the upstream.
    async fn check_together(self, rows: Vec<Row>) {
        let verdicts = rows.iter().map(|row| async { verdict(row, &self.outcomes(row).await) });
        let wrong = join_all(verdicts).await.concat();
        assert!(wrong.is_empty(), "{} wrong outcomes:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(self.upstream.count(), 0);
    }

    async fn outcomes(&self, row: &Row) -> Vec<(&'static str, Way, Result<Seen, String>)> {
        let mut outcomes = Vec::new();
        for (door, gateway) in &self.doors {
            outcomes.push((*door, Way::Whole, try_row(gateway, row, Way::Whole).await));
            if row.bytes.len() <= LONGEST_BYTEWISE {
                outcomes.push((*door, Way::Bytewise, try_row(gateway, row, Way::Bytewise).await));
            }
        }
        outcomes
    }

    /// The upstream saw as many requests as were answered by it, and none but whole and known ones.
    fn check_upstream(&self, before: usize, relayed: usize) -> Option<String> {
        let count = self.upstream.count();
        if count - before != relayed {
            return Some(format!("{} requests reached the upstream, {relayed} came back", count - before));
        }
        let known = [BODY, INNOCENT_BODY].map(|body| body.replace("chat", "gpt-real"));
        let mut bodies = (before..count).map(|number| self.upstream.seen(number).text());
        let unknown = bodies.find(|body| !known.contains(body))?;
        Some(format!("the upstream received {unknown}"))
    }
}

/// What became of a row that went as it should.
struct Seen {
    statuses: Vec<u16>,
    /// How many of the answers came from the upstream.
    relayed: usize,
}

/// Sends a row, and the reason if what comes of it is wrong.
async fn try_row(gateway: &Gateway, row: &Row, way: Way) -> Result<Seen, String> {
    let mut bytes = row.bytes.clone();
    if row.end == End::Innocent {
        bytes.extend_from_slice(innocent().as_bytes());
    }
    let piece = if way == Way::Bytewise { 1 } else { bytes.len() };
    let heard = talk(gateway, &bytes, piece, row.end).await;
    let heard = heard.map_err(|heard| format!("still open after {:?}", text(&heard)))?;
    let answers = answers(&heard).ok_or_else(|| format!("no answers: {:?}", text(&heard)))?;
    let statuses = judge(&row.outcome, &answers).map_err(|what| {
        let told: Vec<_> = answers.iter().map(Answer::brief).collect();
        format!("{what}: {}", told.join("; "))
    })?;
    let relayed = answers.iter().filter(|answer| answer.body == aliased(CHAT_ANSWER).as_bytes()).count();
    Ok(Seen { statuses, relayed })
}

/// What is wrong with a row, given what came of it by every door and in every way.
fn verdict(row: &Row, outcomes: &[(&'static str, Way, Result<Seen, String>)]) -> Vec<String> {
    let faults = outcomes.iter().filter_map(|(door, way, seen)| {
        seen.as_ref().err().map(|what| format!("{}: {door}, {way:?}: {what}", row.name))
    });
    let mut wrong: Vec<String> = faults.collect();
    let mut statuses: Vec<_> =
        outcomes.iter().filter_map(|(.., seen)| seen.as_ref().ok()).map(|seen| &seen.statuses).collect();
    statuses.dedup();
    if statuses.len() > 1 {
        wrong.push(format!("{}: the doors or the ways differ: {statuses:?}", row.name));
    }
    wrong
}

fn judge(outcome: &Outcome, answers: &[Answer]) -> Result<Vec<u16>, String> {
    let (interim, finals): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status < 200);
    if !interim.is_empty() && !outcome.invited {
        return Err("an interim answer nobody asked for".to_owned());
    }
    let seen: Vec<u16> = finals.iter().map(|answer| answer.status).collect();
    let mut expected = outcome.statuses.clone();
    if outcome.after == After::GoesOn {
        expected.push(&[200]);
    }
    let fits =
        seen.len() == expected.len() && seen.iter().zip(&expected).all(|(seen, any)| any.contains(seen));
    if !fits {
        return Err(format!("{seen:?} instead of {expected:?}"));
    }
    let behind = finals.iter().position(|answer| answer.header("x-aisix-request-id") == Some("innocent"));
    if behind != (outcome.after == After::GoesOn).then(|| finals.len() - 1) {
        return Err("the answer to the innocent request is in the wrong place".to_owned());
    }
    if let Some(answer) = finals.iter().find(|answer| answer.status >= 400 && !answer.is_our_error()) {
        return Err(format!("{} is not in the gateway's own words", answer.status));
    }
    let closes = |answer: &&Answer| answer.header("connection") == Some("close");
    if outcome.after == After::Closes && !finals.last().is_some_and(closes) {
        return Err("the close is not announced".to_owned());
    }
    Ok(seen)
}

/// Writes in pieces of this size, goes on as `end` says, and reads to the close; what was read so far as an error when
/// there is none.
async fn talk(gateway: &Gateway, bytes: &[u8], piece: usize, end: End) -> Result<Vec<u8>, Vec<u8>> {
    let mut stream = TcpStream::connect(gateway.proxy).await.expect("the gateway accepts");
    stream.set_nodelay(true).expect("an option of TCP");
    let (mut reader, mut writer) = stream.split();
    let mut heard = Vec::new();
    let listening = async { while matches!(reader.read_buf(&mut heard).await, Ok(1..)) {} };
    let talking = async {
        for piece in bytes.chunks(piece.max(1)) {
            writer.write_all(piece).await?;
        }
        match end {
            End::HalfClose => writer.shutdown().await,
            End::Trickle(more) => loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                writer.write_all(more).await?;
            },
            End::Innocent | End::Silence => Ok(()),
        }
    };
    let both = async {
        tokio::pin!(listening);
        tokio::select! {
            () = &mut listening => return,
            // A peer that has closed takes nothing more; what it said before that is still to be read.
            _ = talking => {}
        }
        listening.await;
    };
    match tokio::time::timeout(PATIENCE, both).await {
        Ok(()) => Ok(heard),
        Err(_) => Err(heard),
    }
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// For the message of a failing test.
    fn brief(&self) -> String {
        let (close, mark) = (self.header("connection"), self.header("x-aisix-request-id"));
        let mark = mark.filter(|mark| mark.len() < 10).unwrap_or_default();
        let server = self.header("server").unwrap_or_default();
        let body: String = text(&self.body).chars().take(90).collect();
        format!("{} {mark} {server} {} {body}", self.status, close.unwrap_or_default())
    }

    fn is_our_error(&self) -> bool {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let ours = self.header("server").is_some_and(|server| server.starts_with("AISIX/"));
        ours && body["error"]["type"].as_str().is_some_and(|kind| !kind.is_empty())
    }
}

/// All answers in what a gateway sent; `None` when it is anything else. The gateway gives every body a length here.
fn answers(mut bytes: &[u8]) -> Option<Vec<Answer>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut slots);
        let httparse::Status::Complete(head) = parsed.parse(bytes).ok()? else { return None };
        let pair = |h: &httparse::Header<'_>| (h.name.to_owned(), text(h.value));
        let headers = parsed.headers.iter().map(pair).collect();
        let mut answer = Answer { status: parsed.code?, headers, body: Vec::new() };
        let length = if answer.status < 200 { 0 } else { answer.header("content-length")?.parse().ok()? };
        answer.body = bytes.get(head..head + length)?.to_vec();
        bytes = &bytes[head + length..];
        all.push(answer);
    }
    Some(all)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Longer rows are about size, not about where they are cut.
const LONGEST_BYTEWISE: usize = 2000;
/// How long a connection may stay open before a row is given up. Only a row that has gone wrong takes that long.
const PATIENCE: Duration = Duration::from_secs(8);
