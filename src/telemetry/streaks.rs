//! How many tries at a model failed one after the other. For reports alone: nobody is routed by it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What one try says of the model it was made at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It answered.
    Well,
    /// It did not, or not as it should.
    Failed,
    /// Nothing: the request was at fault, or the caller left.
    #[default]
    Nothing,
}

/// The failures of one model since its last success.
#[derive(Debug, Default)]
pub struct Streak(AtomicU32);

impl Streak {
    /// A success writes only where there were failures, so that threads do not pass a line of memory back and forth.
    pub fn count(&self, verdict: Verdict) {
        match verdict {
            Verdict::Failed => drop(self.0.fetch_add(1, Ordering::Relaxed)),
            Verdict::Well if self.0.load(Ordering::Relaxed) > 0 => self.0.store(0, Ordering::Relaxed),
            Verdict::Well | Verdict::Nothing => {}
        }
    }
}

/// The streaks of all models that were tried, by name. Looked into when a thread meets a kind of request for the first
/// time, and by those who read reports.
#[derive(Debug, Default)]
pub struct Streaks(Mutex<HashMap<String, Arc<Streak>>>);

impl Streaks {
    pub fn of(&self, model: &str) -> Arc<Streak> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(model) {
            Some(streak) => Arc::clone(streak),
            None => Arc::clone(all.entry(model.to_owned()).or_default()),
        }
    }

    /// Failures of a model since its last success.
    pub fn failures(&self, model: &str) -> u32 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(model).map_or(0, |streak| streak.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_add_up_until_a_success() {
        let streaks = Streaks::default();
        let streak = streaks.of("chat");
        let verdicts = [Verdict::Failed, Verdict::Nothing, Verdict::Failed];
        verdicts.into_iter().for_each(|verdict| streak.count(verdict));
        assert_eq!((streaks.failures("chat"), streaks.failures("other")), (2, 0));
        streaks.of("chat").count(Verdict::Well);
        assert_eq!(streaks.failures("chat"), 0);
    }
}
