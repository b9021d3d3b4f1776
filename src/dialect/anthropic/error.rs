//! Errors: `{"type":"error","error":{"type","message"},"request_id"}`.
//!
//! Types and their statuses: Claude API, "Errors" (<https://platform.claude.com/docs/en/api/errors>).

use serde::Serialize;

use crate::dialect::Problem;
use crate::dialect::skim::{self, problem, strict};
use crate::error::Error;

pub fn read(body: &[u8]) -> Problem {
    let marked = skim::string(body, &["type"]).is_some_and(|kind| kind == "error");
    let native = marked && problem::has_strings(body, &["type", "message"]) && strict::is_object(body);
    Problem { native, ..read_in_band(body) }
}

/// An error inside a stream, where no status line tells how bad it is: the type implies one.
pub fn read_in_band(data: &[u8]) -> Problem {
    let mut problem = problem::read(data);
    problem.status = problem.status.or_else(|| problem.kind.as_deref().and_then(status_of));
    problem
}

pub fn write(error: &Error, request_id: &str) -> Vec<u8> {
    let code = error.code.as_deref().filter(|code| *code == THREAD_UNSUPPORTED);
    let details = code.map(|error_code| Details { error_code });
    let inner = Inner { kind: type_of(error.status()), message: &error.message, details };
    serde_json::to_vec(&Envelope { kind: "error", error: inner, request_id }).unwrap_or_default()
}

/// Refuses a request that goes on from a conversation, or begins one, which Anthropic alone would keep.
pub fn thread_unsupported() -> Error {
    Error::bad_request(
        "this model's provider keeps no message threads: send the whole conversation without `thread`",
    )
    .code(THREAD_UNSUPPORTED)
    .param("thread")
}

/// The type a caller expects with a status.
fn type_of(status: u16) -> &'static str {
    match status {
        400 | 405 | 422 | 431 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        _ => "api_error",
    }
}

/// The status the provider sends with a type.
fn status_of(kind: &str) -> Option<u16> {
    Some(match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    error: Inner<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Inner<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    error_code: &'a str,
}

/// The code by which a client learns that it must send the whole conversation itself.
const THREAD_UNSUPPORTED: &str = "thread_unsupported_request";
