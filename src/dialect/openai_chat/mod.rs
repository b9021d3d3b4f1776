//! OpenAI chat completions and everything compatible with it: Azure, DeepSeek, Groq, Mistral, OpenRouter,
//! vLLM, Ollama.
//!
//! Format: OpenAI API reference, "Chat" and "Chat streaming"
//! (<https://platform.openai.com/docs/api-reference/chat>). What other vendors do differently is named
//! where it is read.

mod answer;
mod codec;
mod error;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::{Answer, Dialect, Peek, Problem, StreamEdits, StreamPass};
use crate::error::{Error, Result};

/// The OpenAI chat dialect.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiChat;

impl Dialect for OpenAiChat {
    fn peek(&self, body: &[u8]) -> Result<Peek> {
        request::peek(body)
    }

    fn splice_request(&self, body: &Bytes, peek: &Peek, model: &str, ask_usage: bool) -> Bytes {
        request::splice(body, peek, model, ask_usage)
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
        super::frame::sse::write("error", &error::write(error))
    }
}
