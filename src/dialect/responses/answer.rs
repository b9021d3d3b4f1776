//! Whole answers, and the usage object that answers and streams share.

use bytes::Bytes;

use crate::dialect::skim::{self, answer};
use crate::dialect::{Answer, Usage};
use crate::error::Result;

pub fn splice(body: &Bytes, model: &str) -> Result<Answer> {
    let mut usage = Usage::default();
    let body = answer::splice(body, model, |object| usage.merge(&read_usage(object)))?;
    Ok(Answer { body, usage })
}

/// Reads a usage object.
pub fn read_usage(object: &[u8]) -> Usage {
    let mut usage = Usage::default();
    skim::counts(object, |within, name, count| {
        let slot = match (within, name) {
            (None, b"input_tokens") => &mut usage.input,
            (None, b"output_tokens") => &mut usage.output,
            (None, b"total_tokens") => &mut usage.total,
            (Some(b"input_tokens_details"), b"cached_tokens") => &mut usage.cache_read,
            (Some(b"input_tokens_details"), b"cache_write_tokens") => &mut usage.cache_write,
            (Some(b"input_tokens_details"), b"audio_tokens") => &mut usage.audio_input,
            (Some(b"output_tokens_details"), b"reasoning_tokens") => &mut usage.reasoning,
            (Some(b"output_tokens_details"), b"audio_tokens") => &mut usage.audio_output,
            _ => return,
        };
        *slot = count;
    });
    usage
}
