//! Conversations behind `previous_response_id`, for targets that keep none themselves.
//!
//! A caller of the Responses API may go on from an answer by its id alone. OpenAI keeps the conversation; other
//! providers do not, and so the gateway does, for callers who do not forbid it with `store: false`. What is kept is
//! the conversation's items as JSON text, under the caller key and the answer's id: no caller reads another's.

use std::sync::Arc;
use std::time::Duration;

/// Where conversations are kept.
pub trait History: Send + Sync {
    /// The items up to and with the answer `id`.
    fn get(&self, caller: &str, id: &str) -> Option<Arc<str>>;

    /// Keeps the items up to and with the answer `id`.
    fn put(&self, caller: &str, id: &str, items: Arc<str>);
}

/// Keeps conversations in memory, the latest used ones, for a while.
pub struct Memory {
    kept: moka::sync::Cache<(String, String), Arc<str>>,
    /// Longest conversation kept, in bytes.
    longest: usize,
}

impl Memory {
    /// Keeps at most `bytes` of text, each conversation for `ttl` after it was put.
    pub fn new(bytes: u64, ttl: Duration) -> Self {
        let weigh = |(caller, id): &(String, String), items: &Arc<str>| {
            u32::try_from(caller.len() + id.len() + items.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let kept = moka::sync::Cache::builder().max_capacity(bytes).weigher(weigh).time_to_live(ttl).build();
        Memory { kept, longest: usize::try_from(bytes / 4).unwrap_or(usize::MAX) }
    }
}

impl History for Memory {
    fn get(&self, caller: &str, id: &str) -> Option<Arc<str>> {
        self.kept.get(&(caller.to_owned(), id.to_owned()))
    }

    fn put(&self, caller: &str, id: &str, items: Arc<str>) {
        if items.len() <= self.longest {
            self.kept.insert((caller.to_owned(), id.to_owned()), items);
        }
    }
}

/// What an entry costs beside its texts, roughly.
const OVERHEAD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_its_callers_alone_and_the_bound_holds() {
        let memory = Memory::new(4096, Duration::from_secs(60));
        memory.put("key-a", "resp_1", "[1]".into());
        assert_eq!(memory.get("key-a", "resp_1").as_deref(), Some("[1]"));
        assert_eq!(memory.get("key-b", "resp_1"), None);
        memory.put("key-a", "resp_2", "x".repeat(2000).into());
        assert_eq!(memory.get("key-a", "resp_2"), None, "longer than a quarter of the whole");
        for n in 0..100 {
            memory.put("key-a", &format!("resp_{n}"), "x".repeat(900).into());
        }
        memory.kept.run_pending_tasks();
        assert!(memory.kept.weighted_size() <= 4096);
    }
}
