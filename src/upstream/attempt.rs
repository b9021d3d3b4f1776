//! One try at one target: connect, send, wait, read as far as is needed to commit.
//!
//! Nothing has reached the caller while this runs, so every failure here may still be answered by another
//! try. A whole answer commits when it has been read and edited; a stream commits with its first frame.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use memchr::memmem;

use super::endpoint::Endpoint;
use super::fleet::Seat;
use super::headers;
use super::outgoing::outgoing;
use super::passage::Passage;
use super::providers::Operation;
use super::refusal::{in_band_failure, read_refusal};
use super::transport::{Call, Collected, Fault, FaultKind, Fields, Headers, Outgoing, Upstream};
use crate::dialect::canon::Losses;
use crate::dialect::ensemble::{Judge, Tuning};
use crate::dialect::refusal::Meaning;
use crate::dialect::{Answer as DialectAnswer, DialectId, Peek, StreamPass, Usage, skim};
use crate::error::{Error, Kind, Result};
use crate::http1;

/// What the caller wants, whoever will answer it.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub operation: Operation,
    /// The caller's dialect.
    pub dialect: DialectId,
    pub body: &'a Bytes,
    pub peek: &'a Peek,
    /// The name the caller used; answers carry it.
    pub alias: &'a str,
    /// The caller's headers that may travel.
    pub headers: &'a Headers,
    pub query: Option<&'a str>,
    /// A stream is to be one JSON array (Gemini without `alt=sse`).
    pub as_array: bool,
    /// The items of the conversation the request goes on from, where the gateway keeps it.
    pub history: Option<&'a str>,
    pub part: Part<'a>,
    pub request_id: &'a str,
    /// Place among those who wait for one of several servers: higher ones go first.
    pub priority: i32,
    /// Seconds since 1970 at which the request came.
    pub created: u64,
    /// Fills a `${name}` in an operator's default header.
    pub fill: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// The part that an ask has in answering its caller.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// All of it.
    Sole,
    /// One answer of several, from which a judge makes one.
    Panel(Tuning),
    /// The judge. What it is asked is not in the body, which is the caller's.
    Judge(&'a Judge),
}

/// Times for one try. None = no bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budgets {
    pub connect: Option<Duration>,
    /// From the first byte sent to the head of the answer.
    pub head: Option<Duration>,
    /// From the head of a stream to its first frame.
    pub first_frame: Option<Duration>,
    /// Between two pieces of a body.
    pub gap: Option<Duration>,
    /// Longest time a stream's head is held back for its first frame. It commits without one then, so that
    /// the caller sees signs of life.
    pub hold: Option<Duration>,
    /// Largest answer that is read whole, in bytes.
    pub max_answer: usize,
}

/// An answer that will reach the caller.
pub enum Answer<C> {
    Whole(Box<WholeAnswer>),
    Stream(Box<StreamAnswer<C>>),
}

impl<C> Answer<C> {
    /// The id of an answer in the form of OpenAI's responses, as far as it has come.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        match self {
            Answer::Whole(whole) => skim::string(&whole.body, &["id"]),
            Answer::Stream(stream) => {
                let data = memmem::find(&stream.first, b"data:")?;
                skim::string(stream.first.get(data + b"data:".len()..)?, &["response", "id"])
            }
        }
    }
}

/// An answer in one piece: a success, or a refusal in the caller's own dialect.
#[derive(Debug)]
pub struct WholeAnswer {
    pub status: u16,
    pub headers: Headers,
    pub body: Bytes,
    pub usage: Usage,
    /// Set when the upstream refused and its own words are handed on.
    pub refused: Option<Error>,
    /// The caller may go on from it, and the provider does not keep it.
    pub keeps: bool,
}

/// A stream of which the first frames are in hand.
pub struct StreamAnswer<C> {
    pub status: u16,
    pub headers: Headers,
    pub call: C,
    pub pass: Box<dyn StreamPass>,
    /// Frames that may leave at once.
    pub first: Bytes,
    /// The upstream has already ended.
    pub ended: bool,
    /// Longest silence allowed from here on.
    pub gap: Option<Duration>,
    /// May comments stand between frames?
    pub comments: bool,
    /// As [`WholeAnswer::keeps`].
    pub keeps: bool,
    /// Held until the stream has ended, where the target is one of several servers.
    pub seat: Option<Seat>,
}

/// A try that gave no answer.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    /// Retry hints of the upstream, for the caller.
    pub hints: Box<Headers>,
    /// Did time run out?
    pub timed_out: bool,
    /// Was there no connection, so that nothing of the request has left?
    pub unreached: bool,
    /// Cannot this target do what the caller asks?
    pub cannot: bool,
    /// Status with which the upstream refused, in its head or in-band.
    pub refused_with: Option<u16>,
    /// What its refusal is about, where another target may do better.
    pub meaning: Option<Meaning>,
    /// Does it refuse what another account has put into the conversation?
    pub bound_state: bool,
    /// The upstream's own words, for a caller of its dialect, should this be the last try.
    pub native: Option<Box<WholeAnswer>>,
}

impl Failure {
    /// The upstream's own words where they may be handed on, else the failure.
    ///
    /// # Errors
    /// There are none.
    pub fn into_answer<C>(mut self) -> Result<Answer<C>, Failure> {
        match self.native.take() {
            Some(answer) => Ok(Answer::Whole(answer)),
            None => Err(self),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure {
            error,
            hints: Box::default(),
            timed_out: false,
            unreached: false,
            cannot: false,
            refused_with: None,
            meaning: None,
            bound_state: false,
            native: None,
        }
    }
}

/// What one try found out besides its answer, kept even if the try is abandoned half way.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub status: Option<u16>,
    pub reused: bool,
    pub provider_request_id: Option<String>,
    /// Why it went to one of several servers and no other, in a word; see [`Seat::why`].
    pub picked: &'static str,
    /// What was left out of the request for this target.
    pub losses: Losses,
    /// What it consumed, as far as that was told.
    pub usage: Usage,
}

/// Runs one try. A pooled connection that turns out to be dead before a byte of the answer is replaced once
/// by a fresh one: the commonest failure of long-lived pools, and not the target's.
pub async fn attempt<U: Upstream>(
    upstream: &U,
    endpoint: &Endpoint,
    upstream_model: &str,
    ask: &Ask<'_>,
    budgets: &Budgets,
    trace: &mut Trace,
) -> Result<Answer<U::Call>, Failure> {
    let (passage, body) = Passage::to(endpoint, upstream_model, ask)
        .map_err(|error| Failure { cannot: true, ..error.into() })?;
    trace.losses = passage.losses().clone();
    let request = outgoing(endpoint, passage.dialect, upstream_model, ask, body).await?;
    let began = Instant::now();
    let mut fresh = false;
    let (call, status) = loop {
        let mut call = upstream
            .open(endpoint, fresh, budgets.connect)
            .await
            .map_err(|fault| connect_failure(fault, budgets))?;
        trace.reused = call.reused();
        match exchange(&mut call, &request, budgets).await {
            Ok(status) => break (call, status),
            Err(Stopped::Fault(fault)) if !fresh && is_stale(fault.kind, call.reused()) => fresh = true,
            Err(stopped) => return Err(stopped.into_failure(budgets.head)),
        }
    };
    trace.status = Some(status);
    trace.provider_request_id = provider_request_id(call.fields());
    match status {
        200..=299 if is_event_stream(call.fields()) => {
            begin_stream(call, status, &passage, ask, budgets).await
        }
        200..=299 => {
            let due = budgets.head.filter(|_| !ask.peek.stream).map(|budget| began + budget);
            let answer = read_whole(call, status, &passage, ask, budgets, due).await?;
            trace.usage = answer.usage;
            Ok(Answer::Whole(Box::new(answer)))
        }
        _ => Err(read_refusal(call, status, &passage).await),
    }
}

/// Does the failure say nothing about the target, only about the connection that was tried?
fn is_stale(kind: FaultKind, reused: bool) -> bool {
    kind == FaultKind::Refused || kind == FaultKind::Closed && reused
}

/// Sends the request and waits for the head. An upstream may answer before it has read everything, and
/// close: after a failed write its answer is still looked for, so that an early 413 arrives as one.
async fn exchange<C: Call>(call: &mut C, request: &Outgoing<'_>, budgets: &Budgets) -> Result<u16, Stopped> {
    let talk = async {
        match call.send(request).await {
            Ok(()) => call.head().await,
            Err(fault) if matches!(fault.kind, FaultKind::Closed | FaultKind::Reset) => {
                match pingora_timeout::timeout(EARLY_ANSWER, call.head()).await {
                    Ok(Ok(status)) => Ok(status),
                    // What the peer says about the request is worth more than that it could not be written.
                    Ok(Err(told)) if matches!(told.kind, FaultKind::Refused | FaultKind::Reset) => Err(told),
                    _ => Err(fault),
                }
            }
            Err(fault) => Err(fault),
        }
    };
    match bounded(budgets.head, talk).await {
        Some(result) => result.map_err(Stopped::Fault),
        None => Err(Stopped::TimedOut),
    }
}

enum Stopped {
    Fault(Fault),
    TimedOut,
}

impl Stopped {
    fn into_failure(self, budget: Option<Duration>) -> Failure {
        match self {
            Stopped::Fault(fault) => fault_failure(&fault),
            Stopped::TimedOut => timed_out(budget),
        }
    }
}

async fn begin_stream<C: Call>(
    mut call: C,
    status: u16,
    passage: &Passage,
    ask: &Ask<'_>,
    budgets: &Budgets,
) -> Result<Answer<C>, Failure> {
    let mut pass = passage.stream(ask);
    let headers = match ask.as_array {
        true => with_type(call.fields(), passage, "application/json"),
        false => answer_headers(call.fields(), passage, "text/event-stream"),
    };
    let held_until = budgets.hold.map(|hold| Instant::now() + hold);
    let due = budgets.first_frame.map(|budget| Instant::now() + budget);
    let mut first = Collected::default();
    let mut ended = false;
    while !ended && pass.events() == 0 {
        let wait = [held_until, due].into_iter().flatten().min();
        match bounded_until(wait, call.chunk()).await {
            None if due.is_none_or(|due| Instant::now() < due) => break,
            None => return Err(timed_out(budgets.first_frame)),
            Some(Ok(Some(chunk))) => first.push(pass.push(chunk)?),
            Some(Ok(None)) => {
                first.push(pass.finish()?);
                ended = true;
            }
            Some(Err(fault)) => return Err(fault_failure(&fault)),
        }
    }
    if let Some(problem) = pass.problem().filter(|_| pass.stillborn()) {
        return Err(in_band_failure(problem));
    }
    if ended && pass.events() == 0 {
        return Err(
            Error::new(Kind::UpstreamCut, "the upstream ended its stream before the first event").into()
        );
    }
    Ok(Answer::Stream(Box::new(StreamAnswer {
        status,
        headers,
        call,
        pass,
        first: first.into_bytes(),
        ended,
        gap: budgets.gap,
        comments: !ask.as_array,
        keeps: passage.keeps(),
        seat: None,
    })))
}

/// Reads an answer to its end: by `due`, or with no silence longer than the gap.
async fn read_whole<C: Call>(
    mut call: C,
    status: u16,
    passage: &Passage,
    ask: &Ask<'_>,
    budgets: &Budgets,
    due: Option<Instant>,
) -> Result<WholeAnswer, Failure> {
    let mut body = Vec::with_capacity(announced(call.fields()).min(MAX_RESERVED));
    loop {
        let wait = due.or_else(|| budgets.gap.map(|gap| Instant::now() + gap));
        match bounded_until(wait, call.chunk_onto(&mut body)).await {
            None => return Err(timed_out(budgets.gap)),
            Some(Ok(true)) => {}
            Some(Ok(false)) => break,
            Some(Err(fault)) => return Err(fault_failure(&fault)),
        }
        if body.len() > budgets.max_answer {
            return Err(Error::new(Kind::UpstreamUnreadable, "the upstream's answer is too large").into());
        }
    }
    let body = Bytes::from(body);
    let told = if ask.peek.stream { passage.answer_as_stream(&body, ask.as_array) } else { None };
    let events = told.is_some() && !ask.as_array;
    let kind = if events { "text/event-stream" } else { "application/json" };
    let headers = answer_headers(call.fields(), passage, kind);
    let DialectAnswer { body, usage } = told.unwrap_or_else(|| passage.answer(&body, ask.alias))?;
    call.release().await;
    let keeps = passage.keeps();
    Ok(WholeAnswer { status, headers, body, usage, refused: None, keeps })
}

/// Headers of an answer. One that is translated has a content type of its own, and none that speak of the dialect it
/// came in.
fn answer_headers(fields: Fields<'_>, passage: &Passage, content_type: &'static str) -> Headers {
    if passage.is_native() { returned_headers(fields) } else { with_type(fields, passage, content_type) }
}

fn with_type(fields: Fields<'_>, passage: &Passage, content_type: &'static str) -> Headers {
    let native = passage.is_native();
    let returned = |name: &str| headers::returns(name) && (native || !headers::is_of_one_dialect(name));
    let mut headers = fields.copied(returned);
    headers.push_static("content-type", content_type);
    headers
}

pub(super) fn returned_headers(fields: Fields<'_>) -> Headers {
    fields.copied(|name| name == "content-type" || headers::returns(name))
}

fn announced(fields: Fields<'_>) -> usize {
    let length = fields.get("content-length").and_then(|value| http1::content_length(value).ok());
    length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0)
}

fn is_event_stream(fields: Fields<'_>) -> bool {
    let kind = fields.get("content-type").unwrap_or_default().trim_ascii_start();
    let is = |stream: &[u8]| kind.get(..stream.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(stream));
    is(EVENT_STREAM) || is(AMAZON_EVENT_STREAM)
}

fn provider_request_id(fields: Fields<'_>) -> Option<String> {
    let id = fields.text("x-request-id").or_else(|| fields.text("request-id"))?;
    id.is_ascii().then(|| id.get(..id.len().min(MAX_ID_BYTES)).unwrap_or(id).to_owned())
}

fn connect_failure(fault: Fault, budgets: &Budgets) -> Failure {
    let mut failure = match fault.kind {
        FaultKind::ConnectTimeout => {
            let mut failure = timed_out(budgets.connect);
            failure.error = failure.error.because(fault.cause);
            failure
        }
        _ => fault_failure(&fault),
    };
    failure.unreached = true;
    failure
}

fn fault_failure(fault: &Fault) -> Failure {
    let (kind, message) = match fault.kind {
        FaultKind::Connect | FaultKind::ConnectTimeout => {
            (Kind::UpstreamUnreachable, "the upstream could not be reached")
        }
        FaultKind::Closed | FaultKind::Refused | FaultKind::Reset => {
            (Kind::UpstreamUnreachable, "the upstream closed the connection without an answer")
        }
        FaultKind::Cut => (Kind::UpstreamUnreachable, "the upstream broke off in the middle of its answer"),
        FaultKind::Protocol => (Kind::UpstreamUnreadable, "upstream returned an unreadable answer"),
    };
    Error::new(kind, message).because(&fault.cause).into()
}

pub(super) fn timed_out(budget: Option<Duration>) -> Failure {
    let millis = budget.unwrap_or_default().as_millis();
    let error = Error::new(Kind::UpstreamTimeout, format!("upstream request timed out after {millis} ms"));
    Failure { timed_out: true, ..error.into() }
}

pub(super) async fn bounded<F: Future>(budget: Option<Duration>, work: F) -> Option<F::Output> {
    match budget {
        Some(budget) => pingora_timeout::timeout(budget, work).await.ok(),
        None => Some(work.await),
    }
}

async fn bounded_until<F: Future>(deadline: Option<Instant>, work: F) -> Option<F::Output> {
    bounded(deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())), work).await
}

/// How long an answer is looked for after the upstream stopped taking the request.
const EARLY_ANSWER: Duration = Duration::from_secs(1);
const MAX_ID_BYTES: usize = 128;
const EVENT_STREAM: &[u8] = b"text/event-stream";
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>
const AMAZON_EVENT_STREAM: &[u8] = b"application/vnd.amazon.eventstream";
/// Reserved for an announced answer before it arrives; beyond that memory follows the bytes.
const MAX_RESERVED: usize = 1024 * 1024;
