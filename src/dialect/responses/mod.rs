//! OpenAI responses.
//!
//! Format: OpenAI API reference, "Responses" and "Streaming events"
//! (<https://platform.openai.com/docs/api-reference/responses>,
//! <https://platform.openai.com/docs/api-reference/responses-streaming>), and the guides "Conversation state",
//! "Function calling" and "Reasoning models".

mod answer;
mod codec;
mod error;
pub mod history;
mod request;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::canon::Losses;
use super::{Answer, Dialect, Peek, Problem, StreamEdits, StreamPass};
use crate::error::{Error, Result};
pub use error::{answer_id, previous_not_found};

/// The OpenAI responses dialect.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

impl Dialect for Responses {
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

    fn read_error(&self, status: u16, body: &[u8]) -> Problem {
        super::openai_chat::OpenAiChat.read_error(status, body)
    }

    fn write_error(&self, error: &Error, request_id: &str) -> Vec<u8> {
        super::openai_chat::OpenAiChat.write_error(error, request_id)
    }

    fn error_frame(&self, error: &Error, request_id: &str) -> Bytes {
        let id = error::answer_id(request_id);
        error::failed(error, &error::Told { id: &id, model: "", sequence: 0 })
    }
}
