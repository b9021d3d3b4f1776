//! Anthropic messages, and the token count that shares their request.
//!
//! Format: Claude API reference, "Messages", "Count Message tokens", "Streaming messages", "Errors"
//! (<https://platform.claude.com/docs/en/api/messages>,
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>,
//! <https://platform.claude.com/docs/en/api/errors>).

mod answer;
mod codec;
mod error;
mod request;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::canon::Losses;
use super::{Answer, Dialect, Peek, Problem, StreamEdits, StreamPass};
use crate::error::{Error, Result};
pub use error::thread_unsupported;
pub use request::for_platform;

/// The Anthropic messages dialect.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn peek(&self, body: &[u8]) -> Result<Peek> {
        request::peek(body)
    }

    fn splice_request(&self, body: &Bytes, peek: &Peek, model: &str, _ask_usage: bool) -> Bytes {
        request::splice(body, peek, model)
    }

    fn strip_foreign_state(&self, body: &Bytes, _model: &str) -> Option<(Bytes, Losses)> {
        state::strip_foreign(body)
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

    fn write_error(&self, error: &Error, request_id: &str) -> Vec<u8> {
        error::write(error, request_id)
    }

    fn error_frame(&self, error: &Error, request_id: &str) -> Bytes {
        super::frame::sse::write("error", &error::write(error, request_id))
    }
}
