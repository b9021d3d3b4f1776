//! From a complete request to what is to be answered. No I/O: `connection` carries the plan out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::answer::Answer;
use super::call::{Call, Dialect, Refusal, Thinking};
use super::http::{Head, Media};
use super::route::{Route, Stream};
use super::{access, anthropic, bedrock, gemini, oauth, openai, responses, text};

/// What one request is answered with.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) serial: u64,
    pub(super) content: Content<'a>,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    Whole(Whole),
    /// A model's answer, to be written whole or streamed.
    Answer(Answer<'a>),
}

/// A finished body.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) media: Media,
    pub(super) body: Vec<u8>,
    /// AWS's name of an error.
    pub(super) error_type: Option<&'static str>,
}

impl Whole {
    fn json(write: impl FnOnce(&mut Vec<u8>)) -> Content<'static> {
        let mut body = Vec::new();
        write(&mut body);
        Content::Whole(Whole { status: 200, media: Media::Json, body, error_type: None })
    }
}

impl<'a> Plan<'a> {
    /// Decides the answer to a request, and completes `head.script` with the directive of the body.
    pub(super) fn of(head: &mut Head, body: &'a [u8]) -> Plan<'a> {
        let serial = next_serial();
        let content = match decide(head, body, serial) {
            Ok(content) => content,
            Err(refusal) => refused(&refusal, head, serial),
        };
        Plan { serial, content }
    }
}

/// A number no other request of this process has: ids are made from it.
pub(super) fn next_serial() -> u64 {
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

/// Whether this process has given the number to a request.
pub(super) fn is_past(serial: u64) -> bool {
    (1..SERIAL.load(Ordering::Relaxed)).contains(&serial)
}

fn decide<'a>(head: &mut Head, body: &'a [u8], serial: u64) -> Result<Content<'a>, Refusal> {
    access::check(head)?;
    match &head.route {
        Route::Live => {
            let body = b"ok\n".to_vec();
            Ok(Content::Whole(Whole { status: 200, media: Media::Text, body, error_type: None }))
        }
        Route::Unknown => Err(Refusal::new(404, UNKNOWN)),
        Route::Models => scripted(head).map(|()| models(head.dialect())),
        Route::Model(id) => scripted(head).map(|()| model(head.dialect(), id)),
        Route::Token => {
            scripted(head)?;
            let token = oauth::token(body)?;
            Ok(Whole::json(|out| token.write(serial, out)))
        }
        _ => model_call(head, body, serial),
    }
}

fn model_call<'a>(head: &mut Head, body: &'a [u8], serial: u64) -> Result<Content<'a>, Refusal> {
    let mut call = read(head, body)?;
    if let Some(directive) = &call.directive {
        let outcome = head.script.direct(directive);
        head.complaint = head.complaint.take().or(outcome.err());
    }
    scripted(head)?;
    match head.route {
        Route::CountTokens => {
            Ok(Whole::json(|out| anthropic::write_count(text::estimate(call.prompt_chars), out)))
        }
        Route::GeminiCount => {
            Ok(Whole::json(|out| gemini::write_count(text::estimate(call.prompt_chars), out)))
        }
        _ => {
            if let (Thinking::Off, Dialect::OpenAi, Some(_)) =
                (call.thinking, head.dialect(), head.script.think)
            {
                call.thinking = Thinking::Hidden;
            }
            Ok(Content::Answer(Answer::compose(head.dialect(), call, &head.script, serial, unix_seconds())))
        }
    }
}

fn read<'a>(head: &Head, body: &'a [u8]) -> Result<Call<'a>, Refusal> {
    match &head.route {
        Route::Chat => openai::read(body, &head.platform),
        Route::CountTokens => anthropic::read_count(body),
        Route::Responses => responses::read(body),
        Route::Generate { model, stream } => gemini::read(body, model, *stream),
        Route::GeminiCount => gemini::read_count(body),
        Route::Converse { model, stream } => bedrock::read(body, model, *stream),
        _ => anthropic::read(body, &head.platform),
    }
}

/// Fails as the script says, or for an override that nobody understands.
fn scripted(head: &Head) -> Result<(), Refusal> {
    match (&head.complaint, head.script.status) {
        (Some(complaint), _) => Err(Refusal::new(400, complaint.as_str())),
        (None, Some(status)) => Err(Refusal::new(status, format!("Simulated error {status}."))),
        (None, None) => Ok(()),
    }
}

fn models(dialect: Dialect) -> Content<'static> {
    Whole::json(|out| match dialect {
        Dialect::Anthropic => anthropic::write_models(&MODELS, out),
        _ => openai::write_models(&MODELS, out),
    })
}

/// Any model exists, as any model is answered for.
fn model(dialect: Dialect, id: &str) -> Content<'static> {
    Whole::json(|out| match dialect {
        Dialect::Anthropic => anthropic::write_model(id, out),
        _ => openai::write_model(id, out),
    })
}

fn refused(refusal: &Refusal, head: &Head, serial: u64) -> Content<'static> {
    let mut body = Vec::new();
    let mut error_type = None;
    match head.dialect() {
        _ if head.route == Route::Token => oauth::write_error(refusal, &mut body),
        Dialect::OpenAi | Dialect::Responses => openai::write_error(refusal, &mut body),
        Dialect::Anthropic => anthropic::write_error(refusal, serial, &mut body),
        Dialect::Gemini => {
            let array = matches!(head.route, Route::Generate { stream: Stream::Array, .. });
            gemini::write_error(refusal, array, &mut body);
        }
        Dialect::Bedrock => {
            error_type = Some(bedrock::error_type(refusal));
            bedrock::write_error(refusal, &mut body);
        }
    }
    Content::Whole(Whole { status: refusal.status, media: Media::Json, body, error_type })
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

const UNKNOWN: &str = "Unknown request URL: the simulated provider serves chat/completions, responses, messages, \
                       messages/count_tokens and models, generateContent, streamGenerateContent and countTokens \
                       of Gemini and Vertex, rawPredict of Vertex, converse and converse-stream of Bedrock, \
                       Azure's paths of the first two, and OAuth tokens.";

/// The models the list names; one of them begins with `claude`, which Claude Code's discovery insists on.
const MODELS: [&str; 3] = ["sim-small", "sim-large", "claude-sim"];
