//! Bedrock Converse. A target only: no route of ours takes its requests, so that callers of it are those of tests and of
//! whoever reads a recorded exchange.
//!
//! The model and the wish for a stream stand in the path: `/model/{id}/converse`, `/model/{id}/converse-stream`.
//!
//! Format: Bedrock API reference (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).

mod codec;
mod error;
mod stream;

use bytes::Bytes;

use super::skim::{answer, request};
use super::{Answer, Dialect, Peek, Places, Problem, StreamEdits, StreamPass, Usage};
use crate::dialect::json::Reader;
use crate::error::{Error, Result};

/// The Converse dialect.
#[derive(Clone, Copy, Debug)]
pub struct Bedrock;

impl Dialect for Bedrock {
    /// The model is empty: whoever reads the path fills it in, and the wish for a stream.
    fn peek(&self, body: &[u8]) -> Result<Peek> {
        request::Request::read(body)?.check_messages(body)?;
        let (model, places) = (String::new(), Places::default());
        Ok(Peek { model, stream: false, usage_asked: true, places })
    }

    fn splice_request(&self, body: &Bytes, _peek: &Peek, _model: &str, _ask_usage: bool) -> Bytes {
        body.clone()
    }

    fn splice_answer(&self, body: &Bytes, model: &str) -> Result<Answer> {
        let mut usage = Usage::default();
        let body = answer::splice(body, model, |object| {
            let text = std::str::from_utf8(object).unwrap_or_default();
            usage = codec::usage::read(&mut Reader::new(text)).unwrap_or_default();
        })?;
        Ok(Answer { body, usage })
    }

    fn stream(&self, _edits: StreamEdits) -> Box<dyn StreamPass> {
        Box::new(stream::Pass::default())
    }

    fn read_error(&self, status: u16, body: &[u8]) -> Problem {
        error::read(status, body)
    }

    fn write_error(&self, error: &Error, _request_id: &str) -> Vec<u8> {
        error::write(error)
    }

    fn error_frame(&self, error: &Error, _request_id: &str) -> Bytes {
        let mut out = Vec::new();
        error::write_exception(error, &mut out);
        out.into()
    }
}
