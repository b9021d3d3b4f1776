//! Errors inside streams: a stream ends in exactly one `response.completed`, `response.incomplete` or
//! `response.failed`. Errors as bodies are those of OpenAI chat.
//!
//! Format: OpenAI API reference, "response.failed" and "error" of "Streaming events", and "The response object".

use bytes::Bytes;

use crate::dialect::Problem;
use crate::dialect::frame::sse;
use crate::dialect::json::Object;
use crate::dialect::skim::{self, problem};
use crate::error::{Error, Kind};

/// The answer that `previous_response_id` names is not known, as OpenAI says it.
pub fn previous_not_found(id: &str) -> Error {
    let end = id.char_indices().nth(LONGEST_ID).map_or(id.len(), |(end, _)| end);
    let id = id.get(..end).unwrap_or_default();
    Error::bad_request(format!("Previous response with id '{id}' not found."))
        .param("previous_response_id")
        .code("previous_response_not_found")
}

/// An error inside a stream: `error`, flat or with an inner object, or a failed response. No status line tells how bad
/// it is: the code implies one.
pub fn read_in_band(data: &[u8]) -> Problem {
    let response = skim::value(data, &["response"]).filter(|response| skim::is_object(response));
    let mut found = problem::read(response.unwrap_or(data));
    // The type of the event, not of the error.
    found.kind = found.kind.filter(|kind| kind != "error");
    let by_name = |name: &Option<String>| name.as_deref().and_then(status_of);
    found.status = found.status.or_else(|| by_name(&found.code)).or_else(|| by_name(&found.kind));
    found
}

/// The status the provider answers with where no stream has begun.
fn status_of(name: &str) -> Option<u16> {
    Some(match name {
        "invalid_prompt" | "invalid_request_error" | "context_length_exceeded" => 400,
        "insufficient_quota" | "rate_limit_exceeded" => 429,
        "server_error" => 500,
        "server_is_overloaded" | "slow_down" => 503,
        _ => return None,
    })
}

/// What a failed stream has told of itself.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub id: &'a str,
    pub model: &'a str,
    /// Number of the next event.
    pub sequence: u64,
}

/// The event that ends a failed stream, with the least a response object can be.
pub fn failed(error: &Error, told: &Told<'_>) -> Bytes {
    let mut json = Vec::new();
    {
        let mut event = Object::new(&mut json);
        event.text("type", "response.failed").value("sequence_number", told.sequence);
        event.object("response", |response| {
            response.text("id", told.id).text("object", "response").value("created_at", 0);
            response.text("status", "failed");
            write_inner(response, error);
            response.null("incomplete_details").text("model", told.model).array("output", |_| {});
            response.value("parallel_tool_calls", true).text("tool_choice", "auto").array("tools", |_| {});
            response.null("usage").object("metadata", |_| {});
        });
    }
    sse::write("response.failed", &json)
}

/// Member `error` of a failed response.
pub fn write_inner(response: &mut Object<'_>, error: &Error) {
    response.object("error", |inner| {
        inner.text("code", code_of(error)).text("message", &message_of(error));
    });
}

/// Clients know these codes; Codex acts on `context_length_exceeded`, `insufficient_quota` and `rate_limit_exceeded`.
fn code_of(error: &Error) -> &str {
    match (&error.code, error.kind) {
        (Some(code), _) => code,
        (None, Kind::BudgetExceeded) => "insufficient_quota",
        (None, Kind::RateLimited) => "rate_limit_exceeded",
        (None, Kind::Draining) => "server_is_overloaded",
        (None, _) => match error.status() {
            429 => "rate_limit_exceeded",
            400..=499 => "invalid_prompt",
            _ => "server_error",
        },
    }
}

/// A stream has no header that says when to try again: clients look for it in the words.
fn message_of(error: &Error) -> String {
    match error.retry_after {
        Some(seconds) if code_of(error) == "rate_limit_exceeded" => {
            format!("{} Please try again in {seconds}s.", error.message)
        }
        _ => error.message.to_string(),
    }
}

/// An id of an answer, made from that of the request.
pub fn answer_id(request_id: &str) -> String {
    format!("resp_{}", plain(request_id))
}

/// What an id may hold.
pub fn plain(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).take(LONGEST_ID).collect()
}

/// Characters of an id that are repeated.
const LONGEST_ID: usize = 128;
