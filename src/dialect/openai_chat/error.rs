//! Errors: `{"error":{"message","type","param","code"}}`.
//!
//! Format: OpenAI API, "Error codes" (<https://platform.openai.com/docs/guides/error-codes>) and the
//! `Error` schema of its OpenAPI description.

use serde::Serialize;

use crate::dialect::Problem;
use crate::dialect::skim::{problem, strict};
use crate::error::Error;

pub fn read(body: &[u8]) -> Problem {
    let native = problem::has_strings(body, &["message"]) && strict::is_object(body);
    Problem { native, ..problem::read(body) }
}

/// An error inside a stream. It is never handed on as an answer of its own.
pub fn read_in_band(data: &[u8]) -> Problem {
    problem::read(data)
}

/// Members without a value are left out.
pub fn write(error: &Error) -> Vec<u8> {
    let inner = Inner {
        message: &error.message,
        kind: error.kind.row().openai_type,
        param: error.param.as_deref(),
        code: error.code.as_deref(),
    };
    serde_json::to_vec(&Envelope { error: inner }).unwrap_or_default()
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}
