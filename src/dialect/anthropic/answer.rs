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
    /// Takes over what a usage object holds.
    pub fn read(&mut self, object: &[u8]) {
        for member in skim::members(object) {
            let Some(value) = object.get(member.value.clone()) else { continue };
            let (slot, count) = match &*member.key() {
                b"input_tokens" => (&mut self.input, skim::count(value)),
                b"output_tokens" => (&mut self.output, skim::count(value)),
                b"cache_read_input_tokens" => (&mut self.cache_read, skim::count(value)),
                b"cache_creation_input_tokens" => (&mut self.cache_write, skim::count(value)),
                b"output_tokens_details" => (&mut self.thinking, number(value, "thinking_tokens")),
                b"cache_creation" => {
                    let short = number(value, "ephemeral_5m_input_tokens");
                    self.cache_write_5m = short.or(self.cache_write_5m);
                    (&mut self.cache_write_1h, number(value, "ephemeral_1h_input_tokens"))
                }
                _ => continue,
            };
            *slot = count.or(*slot);
        }
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

fn number(object: &[u8], name: &str) -> Option<u64> {
    skim::value(object, &[name]).and_then(skim::count)
}
