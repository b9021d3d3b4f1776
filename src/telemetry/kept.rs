//! The series a thread has used before, so that a request pays for additions and not for look-ups.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::metrics::request_labels;
use super::record::Record;
use super::streaks::Streak;

thread_local! {
    pub(super) static KEPT: RefCell<Kept> = RefCell::default();
}

/// The series this thread has used, by the labels that choose them. Bounded as the labels are.
#[derive(Default)]
pub(super) struct Kept {
    by_labels: HashMap<Vec<u8>, usize>,
    all: Vec<(Vec<u8>, Handles)>,
    /// The one used last: most requests are of the same kind as the one before.
    recent: usize,
    /// The labels of the record at hand, written into the same memory each time.
    labels: Vec<u8>,
}

/// The series of one kind of request.
pub(super) struct Handles {
    /// Raised by one for each request.
    pub each: Vec<IntCounter>,
    /// Of the model that was tried last.
    pub streak: Option<Arc<Streak>>,
    pub e2e: Option<Histogram>,
    pub ttft: Option<Histogram>,
    pub upstream: Option<Histogram>,
    pub added: Option<Histogram>,
    pub tokens: LazyTokens,
}

/// Token counters come into being when there are tokens to count.
pub(super) struct LazyTokens {
    pub families: [Option<IntCounterVec>; 3],
    pub labels: Vec<String>,
    pub found: [Option<IntCounter>; 3],
}

impl Kept {
    /// Writes down everything that chooses the series of `record`.
    pub fn label(&mut self, identity: u64, record: &Record<'_>) {
        let last = record.attempts.last();
        self.labels.clear();
        self.labels.extend_from_slice(&identity.to_le_bytes());
        self.labels.extend_from_slice(&record.status.to_le_bytes());
        let (result, reason) = record.auth.unwrap_or_default();
        let outcome = last.map_or("", |attempt| attempt.outcome);
        let parts = request_labels(record, last, outcome);
        for part in parts.into_iter().chain([result, reason, last.map_or("", |attempt| attempt.model)]) {
            self.labels.extend_from_slice(part.as_bytes());
            self.labels.push(0);
        }
    }

    pub fn handles(&mut self, make: impl FnOnce() -> Handles) -> &mut Handles {
        if self.all.get(self.recent).is_none_or(|(labels, _)| *labels != self.labels) {
            self.recent = self.find(make);
        }
        &mut self.all[self.recent].1
    }

    fn find(&mut self, make: impl FnOnce() -> Handles) -> usize {
        if let Some(place) = self.by_labels.get(&self.labels) {
            return *place;
        }
        let place = self.all.len();
        self.by_labels.insert(self.labels.clone(), place);
        self.all.push((self.labels.clone(), make()));
        place
    }
}

impl Handles {
    pub fn observe(&mut self, record: &Record<'_>) {
        for counter in &self.each {
            counter.inc();
        }
        if let (Some(streak), Some(last)) = (&self.streak, record.attempts.last()) {
            streak.count(last.verdict);
        }
        let seconds = |histogram: &Option<Histogram>, duration: Duration| {
            if let Some(histogram) = histogram {
                histogram.observe(duration.as_secs_f64());
            }
        };
        seconds(&self.e2e, record.duration);
        if let Some(first) = record.first_byte {
            seconds(&self.ttft, first);
        }
        seconds(&self.upstream, record.upstream);
        seconds(&self.added, record.added());
        let tokens = &record.tokens;
        let total = tokens.total.or_else(|| Some(tokens.input? + tokens.output?));
        self.tokens.add([tokens.input, tokens.output, total]);
    }
}

impl LazyTokens {
    fn add(&mut self, counts: [Option<u64>; 3]) {
        for ((count, found), family) in counts.into_iter().zip(&mut self.found).zip(&self.families) {
            let Some(count) = count.filter(|&count| count > 0) else { continue };
            if found.is_none() {
                *found =
                    family.as_ref().and_then(|family| family.get_metric_with_label_values(&self.labels).ok());
            }
            if let Some(counter) = found {
                counter.inc_by(count);
            }
        }
    }
}
