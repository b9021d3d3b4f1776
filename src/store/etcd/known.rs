//! What is known of the keys of a cluster: with which revision each was written, as far as the keeper was told or wrote
//! it itself. From it follows what is news, and what a write may take for granted.

use std::collections::HashMap;

use etcd_client::KeyValue;
use serde::{Deserialize, Serialize};

use super::layout::{Layout, Place};
use crate::store::{Event, Flaw, Rows, Stored, Unreadable, Write};

/// A key that was put or deleted, as it arrives.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    pub key: Vec<u8>,
    /// May hold credentials.
    pub value: Vec<u8>,
    pub revision: u64,
    pub is_gone: bool,
}

impl From<KeyValue> for Pair {
    fn from(pair: KeyValue) -> Self {
        // A deletion resets the version: etcd's own definition of it.
        let (revision, is_gone) = (number(pair.mod_revision()), pair.version() == 0);
        let (key, value) = pair.into_key_value();
        Pair { key, value, revision, is_gone }
    }
}

/// The keys as they were when last heard of.
#[derive(Debug, Default)]
pub struct Known {
    /// Tells clusters apart, as far as they have different members.
    pub cluster: u64,
    /// No event up to here is missing.
    pub revision: u64,
    pub guard: Guard,
    keys: HashMap<Vec<u8>, Mark>,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// Of its last write, or of its deletion.
    revision: u64,
    /// Deleted by ourselves, and the event of it is still to come.
    gone: bool,
}

/// The key that every write of ours puts, so that of two writers who know the same state only one gets through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// 0 where there is none.
    pub revision: u64,
    /// Writes so far.
    pub count: u64,
}

/// What the guard holds.
#[derive(Deserialize, Serialize)]
pub struct Counted {
    pub count: u64,
}

impl Known {
    /// Begins anew with the rows of a load; what they are is told to the keeper.
    pub fn begin(cluster: u64, revision: u64, layout: &Layout, pairs: Vec<Pair>) -> (Self, Rows) {
        let mut known = Known { cluster, revision, ..Known::default() };
        let mut rows = Rows { revision, ..Rows::default() };
        for pair in pairs {
            match known.news(layout, pair) {
                Some(Event::Put(row)) => rows.rows.push(row),
                Some(Event::Unreadable(what)) => rows.unreadable.push(what),
                Some(Event::Gone { .. }) | None => {}
            }
        }
        (known, rows)
    }

    pub fn is_empty(&self) -> bool {
        self.keys.values().all(|mark| mark.gone)
    }

    /// What there is to tell of a key that was put or deleted; nothing if it is known already, or concerns nobody.
    pub fn news(&mut self, layout: &Layout, pair: Pair) -> Option<Event> {
        let Pair { key, value, revision, is_gone } = pair;
        let place = layout.place(&key);
        match place {
            Place::Guard => {
                self.guard = if is_gone { Guard::default() } else { guard(revision, &value) };
                return None;
            }
            Place::Own => return None,
            Place::Row { .. } | Place::Nowhere(_) => {}
        }
        if let Some(mark) = self.keys.get(&key).filter(|mark| mark.revision >= revision) {
            if mark.gone && mark.revision == revision {
                self.keys.remove(&key);
            }
            return None;
        }
        if is_gone {
            return self.keys.remove(&key).map(|_| gone(place));
        }
        self.keys.insert(key, Mark { revision, gone: false });
        Some(told(place, &value, revision))
    }

    /// The revision a key was written with; 0 where there is none.
    pub fn revision_of(&self, key: &[u8]) -> u64 {
        self.keys.get(key).filter(|mark| !mark.gone).map_or(0, |mark| mark.revision)
    }

    /// A write of ours happened. The events of it are still to come, and are no news.
    pub fn wrote(&mut self, layout: &Layout, write: &Write, revision: u64, count: u64) {
        for (collection, id) in &write.deletes {
            let key = layout.row(collection, id).into_bytes();
            if self.revision_of(&key) > 0 {
                self.keys.insert(key, Mark { revision, gone: true });
            }
        }
        for (collection, id, _) in &write.puts {
            self.keys.insert(layout.row(collection, id).into_bytes(), Mark { revision, gone: false });
        }
        self.guard = Guard { revision, count };
    }

    /// The newest revision that is known in any way.
    pub fn newest(&self) -> u64 {
        self.revision.max(self.guard.revision)
    }
}

fn guard(revision: u64, value: &[u8]) -> Guard {
    // One that somebody else wrote over is a guard all the same; counting goes on behind everything there can be.
    let count = serde_json::from_slice(value).map_or(revision, |counted: Counted| counted.count);
    Guard { revision, count }
}

fn gone(place: Place) -> Event {
    let (collection, id) = named(place);
    Event::Gone { collection, id }
}

/// A key that is no place for a row is told with all of it as the id.
fn named(place: Place) -> (String, String) {
    match place {
        Place::Row { collection, id } => (collection, id),
        Place::Nowhere(rest) => (String::new(), rest),
        Place::Guard | Place::Own => (String::new(), String::new()),
    }
}

fn told(place: Place, value: &[u8], revision: u64) -> Event {
    let is_row = matches!(place, Place::Row { .. });
    let (collection, id) = named(place);
    let unreadable = |flaw, why: &str| Unreadable {
        collection: collection.clone(),
        id: id.clone(),
        flaw,
        why: why.to_owned(),
    };
    if !is_row {
        return Event::Unreadable(unreadable(Flaw::BadKey, "its key is not <collection>/<id>"));
    }
    match serde_json::from_slice(value) {
        Ok(body) => Event::Put(Stored { collection, id, body, revision }),
        // What the parser says could quote the value.
        Err(_) => Event::Unreadable(unreadable(Flaw::NotJson, "is not JSON")),
    }
}

/// etcd's numbers are signed and never negative.
pub fn number(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The way back.
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
