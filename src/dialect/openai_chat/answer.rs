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

/// Reads a usage object. Besides OpenAI's own members: DeepSeek's `prompt_cache_hit_tokens`, Mistral's
/// `num_cached_tokens` and OpenRouter's `cache_write_tokens`.
pub fn read_usage(object: &[u8]) -> Usage {
    let mut usage = Usage::default();
    let mut other_cache_read = None;
    for member in skim::members(object) {
        let Some(value) = object.get(member.value.clone()) else { continue };
        match &*member.key() {
            b"prompt_tokens" => usage.input = skim::count(value),
            b"completion_tokens" => usage.output = skim::count(value),
            b"total_tokens" => usage.total = skim::count(value),
            b"prompt_cache_hit_tokens" | b"num_cached_tokens" => other_cache_read = skim::count(value),
            b"prompt_tokens_details" => read_input_details(value, &mut usage),
            b"completion_tokens_details" => read_output_details(value, &mut usage),
            _ => {}
        }
    }
    usage.cache_read = usage.cache_read.or(other_cache_read);
    usage
}

fn read_input_details(object: &[u8], usage: &mut Usage) {
    for member in skim::members(object) {
        let count = object.get(member.value.clone()).and_then(skim::count);
        match &*member.key() {
            b"cached_tokens" => usage.cache_read = count,
            b"cache_write_tokens" => usage.cache_write = count,
            b"audio_tokens" => usage.audio_input = count,
            _ => {}
        }
    }
}

fn read_output_details(object: &[u8], usage: &mut Usage) {
    for member in skim::members(object) {
        let count = object.get(member.value.clone()).and_then(skim::count);
        match &*member.key() {
            b"reasoning_tokens" => usage.reasoning = count,
            b"audio_tokens" => usage.audio_output = count,
            _ => {}
        }
    }
}
