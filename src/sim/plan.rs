//! From a complete request to what is to be answered. No I/O: `connection` carries the plan out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::answer::Answer;
use super::call::{Call, Dialect, Refusal};
use super::http::{Head, Media, Route};
use super::{anthropic, openai, text};

/// What one request is answered with.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) serial: u64,
    pub(super) content: Content<'a>,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    /// A finished body.
    Whole { status: u16, media: Media, body: Vec<u8> },
    /// A model's answer, to be written whole or streamed.
    Answer(Answer<'a>),
}

impl<'a> Plan<'a> {
    /// Decides the answer to a request, and completes `head.script` with the directive of the body.
    pub(super) fn of(head: &mut Head, body: &'a [u8]) -> Plan<'a> {
        let serial = next_serial();
        let content = match decide(head, body, serial) {
            Ok(content) => content,
            Err(refusal) => refused(&refusal, head.dialect(), serial),
        };
        Plan { serial, content }
    }
}

/// A number no other request of this process has: ids are made from it.
pub(super) fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

fn decide<'a>(head: &mut Head, body: &'a [u8], serial: u64) -> Result<Content<'a>, Refusal> {
    match &head.route {
        Route::Live => Ok(Content::Whole { status: 200, media: Media::Text, body: b"ok\n".to_vec() }),
        Route::Unknown => Err(Refusal::new(404, UNKNOWN)),
        _ if head.key_refused => Err(Refusal::new(401, "Incorrect API key provided (simulated).")),
        Route::Models => scripted(head).map(|()| models(head.dialect())),
        Route::Model(id) => scripted(head).map(|()| model(head.dialect(), id)),
        Route::Chat | Route::Messages | Route::CountTokens => model_call(head, body, serial),
    }
}

fn model_call<'a>(head: &mut Head, body: &'a [u8], serial: u64) -> Result<Content<'a>, Refusal> {
    let call = match head.route {
        Route::Chat => openai::read(body)?,
        Route::CountTokens => anthropic::read_count(body)?,
        _ => anthropic::read(body)?,
    };
    if let Some(directive) = &call.directive {
        let outcome = head.script.direct(directive);
        head.complaint = head.complaint.take().or(outcome.err());
    }
    scripted(head)?;
    if head.route == Route::CountTokens {
        return Ok(count(&call));
    }
    Ok(Content::Answer(Answer::compose(head.dialect(), call, &head.script, serial, unix_seconds())))
}

/// Fails as the script says, or for an override that nobody understands.
fn scripted(head: &Head) -> Result<(), Refusal> {
    match (&head.complaint, head.script.status) {
        (Some(complaint), _) => Err(Refusal::new(400, complaint.as_str())),
        (None, Some(status)) => Err(Refusal::new(status, format!("Simulated error {status}."))),
        (None, None) => Ok(()),
    }
}

fn count(call: &Call) -> Content<'static> {
    let mut body = Vec::new();
    anthropic::write_count(text::estimate(call.prompt_chars), &mut body);
    Content::Whole { status: 200, media: Media::Json, body }
}

fn models(dialect: Dialect) -> Content<'static> {
    let mut body = Vec::new();
    match dialect {
        Dialect::OpenAi => openai::write_models(&MODELS, &mut body),
        Dialect::Anthropic => anthropic::write_models(&MODELS, &mut body),
    }
    Content::Whole { status: 200, media: Media::Json, body }
}

/// Any model exists, as any model is answered for.
fn model(dialect: Dialect, id: &str) -> Content<'static> {
    let mut body = Vec::new();
    match dialect {
        Dialect::OpenAi => openai::write_model(id, &mut body),
        Dialect::Anthropic => anthropic::write_model(id, &mut body),
    }
    Content::Whole { status: 200, media: Media::Json, body }
}

fn refused(refusal: &Refusal, dialect: Dialect, serial: u64) -> Content<'static> {
    let mut body = Vec::new();
    match dialect {
        Dialect::OpenAi => openai::write_error(refusal, &mut body),
        Dialect::Anthropic => anthropic::write_error(refusal, serial, &mut body),
    }
    Content::Whole { status: refusal.status, media: Media::Json, body }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

const UNKNOWN: &str = "Unknown request URL: the simulated provider serves chat/completions, messages, \
                       messages/count_tokens and models.";

/// The models the list names; one of them begins with `claude`, which Claude Code's discovery insists on.
const MODELS: [&str; 3] = ["sim-small", "sim-large", "claude-sim"];
