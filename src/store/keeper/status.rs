//! What is known about the configuration, for everybody who wants to know, at any time: also while the keeper waits
//! for its store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{Key, Rejected};
use crate::resources::shards::Shards;
use crate::store::{Failure, Stored};

/// Facts that the keeper writes and others read.
#[derive(Default)]
pub struct Status(Mutex<Facts>);

/// What is known. Copying it costs little, whatever there is.
#[derive(Clone, Default)]
pub struct Facts {
    /// `file`, `sqlite`, `etcd`, …
    pub source: &'static str,
    pub is_remote: bool,
    /// Did the last word from the store come as it should?
    in_contact: bool,
    /// When the last word came; for the reckoning, when the process began to wait for the first.
    heard: Option<Instant>,
    pub heard_at: Option<SystemTime>,
    /// The newest revision the store has told of.
    pub observed: u64,
    pub applied: Option<Applied>,
    /// As stored, beside what the environment offers, whose revision is 0.
    pub rows: Shards<Key, Arc<Stored>>,
    pub rejected: Shards<(String, String), Rejected>,
    /// Members nobody knows: collection and path, and in how many rows.
    pub unknown: Arc<BTreeMap<(&'static str, String), usize>>,
    /// Is what is served what was good when this store was last in reach, and not yet what it says?
    pub from_last_known_good: bool,
    /// Was the last attempt to take something over a success, and when?
    pub last_load: Option<(bool, SystemTime)>,
    pub last_failure: Option<LastFailure>,
    /// Attempts that failed.
    pub failures: u64,
}

/// What is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub revision: u64,
    /// Counts what was put into force since the start.
    pub sequence: u64,
    pub at: SystemTime,
}

/// Why something was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFailure {
    /// `fetch`, `validate`
    pub kind: &'static str,
    /// Without secrets.
    pub what: String,
    pub at: SystemTime,
}

impl Status {
    pub fn facts(&self) -> Facts {
        self.lock().clone()
    }

    /// How long nothing has been heard of a store that another process keeps.
    pub fn silence(&self) -> Option<Duration> {
        let facts = self.lock();
        facts.heard.filter(|_| facts.is_remote).map(|heard| heard.elapsed())
    }

    pub(super) fn begin(&self, source: &'static str, is_remote: bool) {
        let mut facts = self.lock();
        (facts.source, facts.is_remote, facts.heard) = (source, is_remote, Some(Instant::now()));
    }

    /// The store said something.
    pub(super) fn heard(&self, revision: u64) {
        let mut facts = self.lock();
        facts.in_contact = true;
        facts.heard = Some(Instant::now());
        facts.heard_at = Some(SystemTime::now());
        facts.observed = revision;
    }

    pub(super) fn failed(&self, failure: &Failure) {
        let mut facts = self.lock();
        let at = SystemTime::now();
        let kind = match failure {
            Failure::Invalid(_) => "validate",
            _ => "fetch",
        };
        facts.in_contact &= kind == "validate";
        facts.failures += 1;
        facts.last_load = Some((false, at));
        facts.last_failure = Some(LastFailure { kind, what: failure.to_string(), at });
    }

    pub(super) fn edit(&self, edit: impl FnOnce(&mut Facts)) {
        edit(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// Is there contact with the store? One on this machine can always be asked.
    pub fn connected(&self) -> bool {
        let lately = self.heard.is_some_and(|heard| heard.elapsed() < LONGEST_PAUSE);
        self.in_contact && (!self.is_remote || lately)
    }

    /// Does something in the store stand in the way of serving all of it?
    pub fn is_whole(&self) -> bool {
        self.rejected.is_empty() && !self.from_last_known_good && self.connected()
    }
}

/// A store that another process keeps says something every few seconds; one that has said nothing for longer is taken
/// to be out of reach before its connection says so.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
