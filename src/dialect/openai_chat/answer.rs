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
    skim::counts(object, |within, name, count| {
        let slot = match (within, name) {
            (None, b"prompt_tokens") => &mut usage.input,
            (None, b"completion_tokens") => &mut usage.output,
            (None, b"total_tokens") => &mut usage.total,
            (None, b"prompt_cache_hit_tokens" | b"num_cached_tokens") => &mut other_cache_read,
            (Some(b"prompt_tokens_details"), b"cached_tokens") => &mut usage.cache_read,
            (Some(b"prompt_tokens_details"), b"cache_write_tokens") => &mut usage.cache_write,
            (Some(b"prompt_tokens_details"), b"audio_tokens") => &mut usage.audio_input,
            (Some(b"completion_tokens_details"), b"reasoning_tokens") => &mut usage.reasoning,
            (Some(b"completion_tokens_details"), b"audio_tokens") => &mut usage.audio_output,
            _ => return,
        };
        *slot = count;
    });
    usage.cache_read = usage.cache_read.or(other_cache_read);
    usage.output = output(&usage);
    usage
}

/// xAI leaves reasoning out of `completion_tokens`, and adds it to the total
/// (<https://docs.x.ai/docs/guides/reasoning>).
fn output(usage: &Usage) -> Option<u64> {
    let (written, reasoning) = (usage.output?, usage.reasoning.unwrap_or(0));
    let both = written.checked_add(reasoning)?;
    let adds_up =
        usage.total.is_some() && usage.total == usage.input.and_then(|input| input.checked_add(both));
    Some(if adds_up { both } else { written })
}
