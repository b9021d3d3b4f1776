//! A prefix cache, as servers of models have one: what was worked out of a prompt's beginning is kept for the next prompt
//! that begins so, as long as there is room.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use memchr::memmem;

/// What is kept, and when the model has time for the next prompt.
#[derive(Debug)]
pub(super) struct Cache {
    /// Blocks that are kept, and how long one that is not takes.
    room: usize,
    block: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Kept beginnings by hash, each with its last use; and the other way round.
    kept: HashMap<u64, u64>,
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    free_at: Instant,
}

impl Cache {
    pub(super) fn new(room: usize, block: Duration) -> Cache {
        let (kept, by_use, free_at) = (HashMap::new(), BTreeMap::new(), Instant::now());
        Cache { room, block, state: Mutex::new(State { kept, by_use, uses: 0, free_at }) }
    }

    /// How long the prompt in a request takes from now on. Prompts are worked out one after the other.
    pub(super) fn wait(&self, body: &[u8], now: Instant) -> Duration {
        let blocks = blocks(body);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = blocks.iter().take_while(|block| state.kept.contains_key(block)).count();
        for block in &blocks {
            state.keep(*block, self.room);
        }
        let new = u32::try_from(blocks.len() - known).unwrap_or(u32::MAX);
        state.free_at = state.free_at.max(now) + self.block.saturating_mul(new);
        state.free_at - now
    }
}

impl State {
    fn keep(&mut self, block: u64, room: usize) {
        self.uses += 1;
        if let Some(before) = self.kept.insert(block, self.uses) {
            self.by_use.remove(&before);
        }
        self.by_use.insert(self.uses, block);
        if self.kept.len() > room
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.kept.remove(&oldest);
        }
    }
}

/// Hashes of the prompt's beginnings. The model's name and what else stands before the conversation is no part of it.
fn blocks(body: &[u8]) -> Vec<u64> {
    let starts = ["\"messages\"", "\"input\"", "\"contents\""];
    let start = starts.iter().find_map(|name| memmem::find(body, name.as_bytes())).unwrap_or(0);
    let prompt = body.get(start..).unwrap_or_default();
    let mut chain = DefaultHasher::new();
    let chained = prompt.chunks_exact(BLOCK_BYTES).map(|block| {
        chain.write(block);
        chain.finish()
    });
    chained.collect()
}

/// Some 16 tokens: a block of vLLM's (<https://docs.vllm.ai/en/latest/design/prefix_caching/>).
const BLOCK_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_costs_nothing_and_what_was_not_used_gives_way() {
        let millis = Duration::from_millis;
        let cache = Cache::new(8, millis(1));
        let prompt = |letter: &str, blocks: usize| {
            format!(r#"{{"model":"{letter}","messages":"{}"}}"#, letter.repeat(blocks * BLOCK_BYTES))
                .into_bytes()
        };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(cache.wait(&prompt("a", 4), at(1)), millis(4));
        assert_eq!(cache.wait(&prompt("a", 4), at(2)), millis(0));
        assert_eq!(cache.wait(&prompt("a", 6), at(3)), millis(2), "it goes on");
        assert_eq!(cache.wait(&prompt("b", 7), at(4)), millis(7));
        assert_eq!(cache.wait(&prompt("a", 6), at(5)), millis(6), "it gave way");
        assert_eq!(cache.wait(&prompt("c", 3), at(5)), millis(9), "one after the other");
    }
}
