//! Gemini `generateContent`, `streamGenerateContent` and `countTokens`, at AI Studio and Vertex.
//!
//! Format: Gemini API reference, "Generating content", "Counting tokens", "Function calling", "Thought signatures"
//! (<https://ai.google.dev/api/generate-content>, <https://ai.google.dev/gemini-api/docs/thought-signatures>), and
//! Vertex AI's of the same names. The model and the wish for a stream stand in the path, not in the body.
//!
//! A stream comes as server-sent events where the address asks for them (`alt=sse`), and as one JSON array where it
//! does not. Upstreams are asked for events always; [`array`] makes the array for callers that expect one.

mod answer;
pub mod array;
mod codec;
mod error;
mod request;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

use bytes::Bytes;

use super::canon::Losses;
use super::{Answer, Dialect, Peek, Problem, StreamEdits, StreamPass};
use crate::error::{Error, Result};

/// The Gemini dialect.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

impl Dialect for Gemini {
    /// The model is empty and `stream` false: the path has both.
    fn peek(&self, body: &[u8]) -> Result<Peek> {
        request::peek(body)
    }

    fn splice_request(&self, body: &Bytes, peek: &Peek, model: &str, _ask_usage: bool) -> Bytes {
        request::splice(body, peek, model)
    }

    fn strip_foreign_state(&self, body: &Bytes, model: &str) -> Option<(Bytes, Losses)> {
        state::sign_foreign(body, model)
    }

    fn strip_bound_state(&self, body: &Bytes) -> Option<(Bytes, Losses)> {
        state::strip_bound(body)
    }

    fn splice_answer(&self, body: &Bytes, model: &str) -> Result<Answer> {
        answer::splice(body, model)
    }

    fn stream(&self, edits: StreamEdits) -> Box<dyn StreamPass> {
        stream::pass(edits)
    }

    fn read_error(&self, _status: u16, body: &[u8]) -> Problem {
        error::read(body)
    }

    fn write_error(&self, error: &Error, _request_id: &str) -> Vec<u8> {
        error::write(error)
    }

    fn error_frame(&self, error: &Error, _request_id: &str) -> Bytes {
        error::frame(error)
    }
}
