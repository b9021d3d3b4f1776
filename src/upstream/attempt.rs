//! One try at one target: connect, send, wait, read as far as is needed to commit.
//!
//! Nothing has reached the caller while this runs, so every failure here may still be answered by another
//! try. A whole answer commits when it has been read and edited; a stream commits with its first frame.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;

use super::endpoint::Endpoint;
use super::headers;
use super::providers::Operation;
use super::transport::{Call, Collected, Fault, FaultKind, Fields, Headers, Outgoing, Upstream};
use crate::dialect::{Answer as DialectAnswer, DialectId, Peek, Problem, StreamEdits, StreamPass, Usage};
use crate::error::{Error, Kind, Result};
use crate::http1;

/// What the caller wants, whoever will answer it.
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
    pub request_id: &'a str,
    /// Fills a `${name}` in an operator's default header.
    pub fill: &'a (dyn Fn(&str) -> Option<String> + Sync),
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

/// An answer in one piece: a success, or a refusal in the caller's own dialect.
#[derive(Debug)]
pub struct WholeAnswer {
    pub status: u16,
    pub headers: Headers,
    pub body: Bytes,
    pub usage: Usage,
    /// Set when the upstream refused and its own words are handed on.
    pub refused: Option<Error>,
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
}

/// A try that gave no answer.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    /// Retry hints of the upstream, for the caller.
    pub hints: Headers,
    /// Did time run out?
    pub timed_out: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, hints: Headers::default(), timed_out: false }
    }
}

/// What one try found out besides its answer, kept even if the try is abandoned half way.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub status: Option<u16>,
    pub reused: bool,
    pub provider_request_id: Option<String>,
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
    let request = outgoing(endpoint, upstream_model, ask);
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
        200..=299 if is_event_stream(call.fields()) => begin_stream(call, status, ask, budgets).await,
        200..=299 => {
            let due = budgets.head.filter(|_| !ask.peek.stream).map(|budget| began + budget);
            read_whole(call, status, ask, budgets, due).await
        }
        _ => Err(read_refusal(call, status, ask.dialect).await).or_else(native_refusal),
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
    ask: &Ask<'_>,
    budgets: &Budgets,
) -> Result<Answer<C>, Failure> {
    let edits = StreamEdits { model: Some(ask.alias.to_owned()), hide_usage: !ask.peek.usage_asked };
    let mut pass = ask.dialect.dialect().stream(edits);
    let headers = returned_headers(call.fields());
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
                first.push(pass.finish());
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
    })))
}

/// Reads an answer to its end: by `due`, or with no silence longer than the gap.
async fn read_whole<C: Call>(
    mut call: C,
    status: u16,
    ask: &Ask<'_>,
    budgets: &Budgets,
    due: Option<Instant>,
) -> Result<Answer<C>, Failure> {
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
    let headers = returned_headers(call.fields());
    let DialectAnswer { body, usage } = ask.dialect.dialect().splice_answer(&Bytes::from(body), ask.alias)?;
    call.release().await;
    Ok(Answer::Whole(Box::new(WholeAnswer { status, headers, body, usage, refused: None })))
}

/// A refusal as the engine sees it: what it means, and, when it is written in the caller's own dialect, the
/// upstream's very words.
struct Refusal {
    failure: Failure,
    native: Option<WholeAnswer>,
}

async fn read_refusal<C: Call>(mut call: C, status: u16, dialect: DialectId) -> Refusal {
    let mut body = Collected::default();
    let complete = pingora_timeout::timeout(REFUSAL_PATIENCE, async {
        while let Ok(Some(chunk)) = call.chunk().await {
            if body.len() < MAX_REFUSAL_BYTES {
                body.push(chunk);
            } else if body.len() + chunk.len() > MAX_DRAINED_BYTES {
                return false;
            }
        }
        true
    })
    .await
    .unwrap_or(false);
    let body = body.into_bytes();
    let problem = dialect.dialect().read_error(status, &body);
    let failure = Failure {
        error: refusal_error(status, &problem, call.fields()),
        hints: call.fields().copied(headers::is_retry_hint),
        timed_out: false,
    };
    let relayed = failure.error.kind == Kind::UpstreamRefused && problem.native && complete;
    let headers = returned_headers(call.fields());
    let native = relayed.then(|| WholeAnswer {
        status,
        headers,
        body,
        usage: Usage::default(),
        refused: Some(failure.error.clone()),
    });
    if complete {
        call.release().await;
    }
    Refusal { failure, native }
}

fn native_refusal<C>(refusal: Refusal) -> Result<Answer<C>, Failure> {
    match refusal.native {
        Some(answer) => Ok(Answer::Whole(Box::new(answer))),
        None => Err(refusal.failure),
    }
}

/// What a refusal means to the caller. The upstream's opinion of *our* credential is not the caller's 401,
/// and the bodies of server errors stay here.
fn refusal_error(status: u16, problem: &Problem, fields: Fields<'_>) -> Error {
    let error = match status {
        401 => Error::new(
            Kind::UpstreamCredential,
            "the provider refused the gateway's own credential; tell the operator",
        )
        .code("upstream_auth_failed"),
        400..=499 => {
            let message = problem.message.clone().unwrap_or_else(|| format!("upstream returned {status}"));
            let mut error = Error::new(Kind::UpstreamRefused, message).with_status(status);
            error.code = problem.code.clone().map(Into::into);
            error.param = problem.param.clone().map(Into::into);
            error
        }
        _ => Error::new(Kind::UpstreamFailed, format!("upstream returned {status}")),
    };
    let error = error.because(classified(status, problem));
    match retry_after(fields) {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    }
}

/// What the log may say about an upstream's refusal: its status, type and code. Its words may quote a prompt
/// or a key.
pub fn classified(status: u16, problem: &Problem) -> String {
    let mut text = match problem.status.unwrap_or(status) {
        0 => "in-band error".to_owned(),
        status => format!("status {status}"),
    };
    let names = [("type", &problem.kind), ("code", &problem.code)];
    for (label, name) in names {
        let name =
            name.as_deref().filter(|name| name.len() <= MAX_NAME_BYTES && name.bytes().all(is_name_byte));
        if let Some(name) = name {
            text.push_str(&format!(", {label} {name}"));
        }
    }
    text
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// An error frame where the first event should have been: the stream never began.
fn in_band_failure(problem: &Problem) -> Failure {
    match problem.status {
        Some(status @ 400..=499) => refusal_error(status, problem, Fields::None).into(),
        _ => Error::new(Kind::UpstreamFailed, "the upstream began its stream with an error")
            .because(classified(0, problem))
            .into(),
    }
}

fn outgoing<'e>(endpoint: &'e Endpoint, upstream_model: &str, ask: &Ask<'_>) -> Outgoing<'e> {
    let stream = ask.peek.stream;
    let dialect = endpoint.dialect.dialect();
    let body = dialect.splice_request(ask.body, ask.peek, upstream_model, stream && !ask.peek.usage_asked);
    let query = ask.query.filter(|query| !carries_credential(query));
    Outgoing { path: endpoint.path(ask.operation, query), headers: outgoing_headers(endpoint, ask), body }
}

/// The gateway's own headers first, then the operator's, then the caller's; nothing overwrites a name that
/// is already there.
fn outgoing_headers(endpoint: &Endpoint, ask: &Ask<'_>) -> Headers {
    let fixed = endpoint.fixed(ask.peek.stream);
    let mut headers = Headers::with_room(fixed.lines().len() + ask.headers.lines().len() + REQUEST_BYTES);
    headers.extend(fixed);
    headers.push_text("x-aisix-request-id", ask.request_id);
    for (name, template) in &endpoint.templates {
        if let Some(value) = filled(template, ask.fill).filter(|_| !headers.contains(name.as_str())) {
            headers.push(name, &value);
        }
    }
    let listed = |name: &str| {
        endpoint.only_headers.is_empty() || endpoint.only_headers.iter().any(|glob| glob.matches(name))
    };
    headers.push_absent_where(ask.headers, listed);
    if endpoint.dialect == DialectId::Anthropic && !headers.contains("anthropic-version") {
        headers.push_static("anthropic-version", "2023-06-01");
    }
    headers
}

/// A template with every `${name}` filled; none at all if one cannot be.
fn filled(template: &str, fill: &dyn Fn(&str) -> Option<String>) -> Option<HeaderValue> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(&fill(name).filter(|value| !value.is_empty())?);
        rest = tail;
    }
    text.push_str(rest);
    HeaderValue::from_str(&text).ok()
}

/// A query that could hold a key is the caller's secret and stays here.
fn carries_credential(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or(pair).to_ascii_lowercase();
        matches!(name.as_str(), "key" | "api_key" | "api-key" | "apikey" | "access_token" | "token")
    })
}

fn returned_headers(fields: Fields<'_>) -> Headers {
    fields.copied(|name| name == "content-type" || headers::returns(name))
}

fn announced(fields: Fields<'_>) -> usize {
    let length = fields.get("content-length").and_then(|value| http1::content_length(value).ok());
    length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0)
}

fn is_event_stream(fields: Fields<'_>) -> bool {
    let kind = fields.get("content-type").unwrap_or_default().trim_ascii_start();
    kind.get(..EVENT_STREAM.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM))
}

fn provider_request_id(fields: Fields<'_>) -> Option<String> {
    let id = fields.text("x-request-id").or_else(|| fields.text("request-id"))?;
    id.is_ascii().then(|| id.get(..id.len().min(MAX_ID_BYTES)).unwrap_or(id).to_owned())
}

/// Seconds until the upstream wants to be asked again, from `retry-after-ms` or `retry-after` (seconds or
/// an HTTP date is allowed there; only seconds are read).
fn retry_after(fields: Fields<'_>) -> Option<u32> {
    let number = |name: &str| fields.text(name)?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    (0.0..=MAX_RETRY_AFTER).contains(&seconds).then_some(seconds.ceil() as u32)
}

fn connect_failure(fault: Fault, budgets: &Budgets) -> Failure {
    match fault.kind {
        FaultKind::ConnectTimeout => {
            let mut failure = timed_out(budgets.connect);
            failure.error = failure.error.because(fault.cause);
            failure
        }
        _ => fault_failure(&fault),
    }
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

fn timed_out(budget: Option<Duration>) -> Failure {
    let millis = budget.unwrap_or_default().as_millis();
    let error = Error::new(Kind::UpstreamTimeout, format!("upstream request timed out after {millis} ms"));
    Failure { error, hints: Headers::default(), timed_out: true }
}

async fn bounded<F: Future>(budget: Option<Duration>, work: F) -> Option<F::Output> {
    match budget {
        Some(budget) => pingora_timeout::timeout(budget, work).await.ok(),
        None => Some(work.await),
    }
}

async fn bounded_until<F: Future>(deadline: Option<Instant>, work: F) -> Option<F::Output> {
    bounded(deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())), work).await
}

/// Room for what is added to each request by itself.
const REQUEST_BYTES: usize = 128;
/// How long an answer is looked for after the upstream stopped taking the request.
const EARLY_ANSWER: Duration = Duration::from_secs(1);
/// How long the body of a refusal may take.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a refusal that are kept; the rest is read away to save the connection.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
const MAX_DRAINED_BYTES: usize = 256 * 1024;
const MAX_ID_BYTES: usize = 128;
const EVENT_STREAM: &[u8] = b"text/event-stream";
/// Reserved for an announced answer before it arrives; beyond that memory follows the bytes.
const MAX_RESERVED: usize = 1024 * 1024;
/// Longer ones are no type or code.
const MAX_NAME_BYTES: usize = 64;
/// A day; anything longer is not a hint but a mistake.
const MAX_RETRY_AFTER: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn templates_fill_completely_or_not_at_all() {
        let fill = |name: &str| match name {
            "request.id" => Some("r-1".to_owned()),
            "evil" => Some("a\r\nb: c".to_owned()),
            "empty" => Some(String::new()),
            _ => None,
        };
        let cases = [
            ("id=${request.id};", Some("id=r-1;")),
            ("plain", Some("plain")),
            ("${unknown}", None),
            ("${empty}", None),
            ("${evil}", None),
            ("${request.id", None),
        ];
        for (template, expected) in cases {
            let value = filled(template, &fill);
            assert_eq!(value.as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{template}");
        }
    }

    #[test]
    fn a_query_with_a_key_in_it_does_not_travel() {
        assert!(!carries_credential("beta=true"));
        for query in ["key=abc", "beta=true&API_KEY=x", "access_token=1"] {
            assert!(carries_credential(query), "{query}");
        }
    }

    #[test]
    fn our_own_bad_credential_is_not_the_callers_401() {
        let problem = Problem { message: Some("Incorrect API key sk-xyz".into()), ..Problem::default() };
        let error = refusal_error(401, &problem, Fields::None);
        assert_eq!((error.status(), error.code.as_deref()), (502, Some("upstream_auth_failed")));
        assert!(!error.message.contains("sk-xyz"));
    }

    #[test]
    fn server_errors_hide_their_body_and_keep_their_retry_hint() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_static("7"));
        let problem = Problem { message: Some("stack trace".into()), ..Problem::default() };
        let error = refusal_error(503, &problem, Fields::Map(&headers));
        assert_eq!(
            (error.status(), &*error.message, error.retry_after),
            (502, "upstream returned 503", Some(7))
        );
        assert!(error.retryable());
    }

    #[test]
    fn retry_hints_are_read_in_both_spellings_and_bounded() {
        let cases = [
            ("retry-after", "3", Some(3)),
            ("retry-after-ms", "1500", Some(2)),
            ("retry-after", "1e99", None),
            ("retry-after", "-1", None),
            ("retry-after", "soon", None),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(retry_after(Fields::Map(&headers)), expected, "{name}: {value}");
        }
    }
}
