//! Errors: `{"error":{"code","message","status","details"}}`, or an array that holds one such object.
//!
//! Format: Google API design guide, "Errors" (<https://cloud.google.com/apis/design/errors>), and the Gemini API's
//! table of statuses (<https://ai.google.dev/gemini-api/docs/troubleshooting>).

use bytes::Bytes;

use crate::dialect::Problem;
use crate::dialect::json::{Object, Read, Reader};
use crate::dialect::skim::{self, problem, strict};
use crate::error::Error;

pub fn read(body: &[u8]) -> Problem {
    let native = problem::has_strings(body, &["message", "status"]) && strict::is_object(body);
    Problem { native, ..read_in_band(body) }
}

/// An error inside a stream. Its number is its status, and what the others call a code is the reason, if one is told.
pub fn read_in_band(data: &[u8]) -> Problem {
    let mut problem = problem::read(data);
    problem.status = problem.status.or_else(|| problem.kind.as_deref().and_then(status_of));
    let data = data.trim_ascii();
    let top = skim::first_element(data).unwrap_or(data);
    let details =
        skim::value(top, &["error", "details"]).and_then(|details| std::str::from_utf8(details).ok());
    let details = details.and_then(|details| Details::read(details).ok()).unwrap_or_default();
    Problem { code: details.reason, retry_after: details.retry_after, ..problem }
}

pub fn write(error: &Error) -> Vec<u8> {
    let mut out = Vec::new();
    Object::new(&mut out).object("error", |inner| {
        let status = error.status();
        inner.value("code", status).text("message", &error.message).text("status", word_of(status));
        if error.code.is_some() || error.retry_after.is_some() {
            write_details(error, inner);
        }
    });
    out
}

/// An error inside a stream of events.
pub fn frame(error: &Error) -> Bytes {
    Bytes::from([b"data: ", write(error).as_slice(), b"\n\n"].concat())
}

fn write_details(error: &Error, inner: &mut Object<'_>) {
    inner.array("details", |details| {
        if let Some(code) = &error.code {
            details.object(|detail| {
                detail.text("@type", ERROR_INFO).text("reason", code).text("domain", "aisix");
            });
        }
        if let Some(seconds) = error.retry_after {
            details.object(|detail| {
                detail.text("@type", RETRY_INFO).text("retryDelay", &format!("{seconds}s"));
            });
        }
    });
}

/// What the details say that is of use to a caller.
#[derive(Default)]
struct Details {
    reason: Option<String>,
    retry_after: Option<u32>,
}

impl Details {
    fn read(json: &str) -> Read<Details> {
        let mut found = Details::default();
        Reader::new(json).array_if(|detail| {
            detail.object_if(|name, value| {
                match name {
                    "reason" => found.reason = value.text_if()?.map(|reason| problem::cut(&reason)),
                    "retryDelay" => found.retry_after = value.text_if()?.and_then(|delay| seconds(&delay)),
                    _ => {}
                }
                Ok(())
            })
        })?;
        Ok(found)
    }
}

/// A duration as protocol buffers write it: `34.074824224s`. Rounded up.
fn seconds(duration: &str) -> Option<u32> {
    let seconds: f64 = duration.strip_suffix('s')?.parse().ok()?;
    (0.0..=f64::from(u32::MAX)).contains(&seconds).then(|| seconds.ceil() as u32)
}

/// The word a caller expects with a status.
fn word_of(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

/// The status the provider sends with a word.
fn status_of(word: &str) -> Option<u16> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "CANCELLED" => 499,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => 500,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
