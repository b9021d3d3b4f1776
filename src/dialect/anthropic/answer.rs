//! Whole answers, and the usage object that answers and streams share.

use bytes::Bytes;

use crate::dialect::skim::{self, answer};
use crate::dialect::{Answer, Usage};
use crate::error::Result;

/// A token count (`{"input_tokens":n}`) has neither model nor usage and passes as it is.
pub fn splice(body: &Bytes, model: &str) -> Result<Answer> {
    let mut counters = Counters::default();
    let body = answer::splice(body, model, |object| counters.read(object))?;
    Ok(Answer { body, usage: counters.usage() })
}

/// The counters as the provider writes them. In a stream later ones replace earlier ones one by one: the
/// last `message_delta` may repeat all of them or `output_tokens` alone.
#[derive(Debug, Default)]
pub struct Counters {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
    thinking: Option<u64>,
}

impl Counters {
    /// Takes over what a usage object holds. Of equal names within an inner object the first counts.
    pub fn read(&mut self, object: &[u8]) {
        let mut seen = 0;
        skim::counts(object, |within, name, count| {
            let (slot, bit) = match (within, name) {
                (None, b"input_tokens") => (&mut self.input, 0),
                (None, b"output_tokens") => (&mut self.output, 0),
                (None, b"cache_read_input_tokens") => (&mut self.cache_read, 0),
                (None, b"cache_creation_input_tokens") => (&mut self.cache_write, 0),
                (None, _) => return seen = 0,
                (Some(b"output_tokens_details"), b"thinking_tokens") => (&mut self.thinking, 1),
                (Some(b"cache_creation"), b"ephemeral_5m_input_tokens") => (&mut self.cache_write_5m, 1),
                (Some(b"cache_creation"), b"ephemeral_1h_input_tokens") => (&mut self.cache_write_1h, 2),
                _ => return,
            };
            if seen & bit == 0 {
                *slot = count.or(*slot);
            }
            seen |= bit;
        });
    }

    /// In the common meaning: the provider's `input_tokens` leaves cached tokens out, ours does not.
    pub fn usage(&self) -> Usage {
        let parts = sum(self.cache_write_5m, self.cache_write_1h);
        let cache_write = self.cache_write.or(parts);
        let cached = sum(self.cache_read, cache_write).unwrap_or(0);
        Usage {
            input: self.input.map(|input| input.saturating_add(cached)),
            output: self.output,
            cache_read: self.cache_read,
            cache_write,
            cache_write_1h: self.cache_write_1h,
            reasoning: self.thinking,
            ..Usage::default()
        }
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.zip(b).map(|(a, b)| a.saturating_add(b)).or(a).or(b)
}
