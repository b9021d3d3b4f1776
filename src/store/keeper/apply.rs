//! From what a store says to what is served.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::status::Applied;
use super::{Keeper, Key, Rejected};
use crate::document::Fault;
use crate::resources::{Change, Entry, Kind, kind};
use crate::store::{Batch, Event, Flaw, Rows, Stored, Unreadable};

impl Keeper {
    /// Takes over everything a store holds: what is not there any more goes.
    pub(super) fn take_all(&mut self, rows: Rows) {
        let there: HashSet<(&str, &str)> = rows.rows.iter().map(Stored::place).collect();
        let unreadable: HashSet<(&str, &str)> =
            rows.unreadable.iter().map(|one| (one.collection.as_str(), one.id.as_str())).collect();
        let is_there = |place: &(&str, &str)| there.contains(place) || unreadable.contains(place);
        let stored = self.rows.values().filter(|row| row.revision > 0).map(|row| row.place());
        let rejected = self.rejected.iter().map(|((collection, id), _)| (collection.as_str(), id.as_str()));
        let gone: HashSet<(&str, &str)> = stored.chain(rejected).filter(|place| !is_there(place)).collect();
        let gone = gone
            .into_iter()
            .map(|(collection, id)| Event::Gone { collection: collection.to_owned(), id: id.to_owned() });
        let mut events: Vec<Event> = gone.collect();
        let pinned = std::mem::take(&mut self.pinned).into_iter();
        events.extend(pinned.filter(|row| is_there(&row.place())).map(Event::Put));
        events.extend(rows.unreadable.into_iter().map(Event::Unreadable));
        events.extend(rows.rows.into_iter().map(Event::Put));
        // It may be another store than before, with a smaller revision.
        self.revision = rows.revision;
        self.status.heard(rows.revision);
        self.status.edit(|facts| facts.from_last_known_good = false);
        self.publish_after(events);
    }

    /// Takes over what changed, and publishes the snapshot that follows.
    pub(super) fn take(&mut self, batch: Batch) {
        self.revision = self.revision.max(batch.revision);
        self.status.heard(self.revision);
        // A sign of life. What a person asked to be read again counts also when nothing in it is new.
        if !(batch.events.is_empty() && self.is_remote) {
            self.publish_after(batch.events);
        }
    }

    pub(super) fn publish_after(&mut self, events: Vec<Event>) {
        let mut changes = Vec::new();
        for event in events {
            changes.extend(match event {
                Event::Put(row) => self.put(row),
                Event::Gone { collection, id } => self.gone(&collection, &id),
                Event::Unreadable(what) => {
                    self.unreadable(what);
                    None
                }
            });
        }
        changes.extend(self.lay_offered());
        let stirred = std::mem::take(&mut self.stirred);
        if changes.is_empty() && !stirred && self.is_remote && self.published > 0 {
            // Our own write come back, or a look at all of it that found nothing new.
            return self.tell();
        }
        self.published += 1;
        let hash = format!("{:016x}", self.revision);
        self.snapshot = Arc::new(self.snapshot.after(changes, self.published, hash));
        (self.publish)(&self.snapshot);
        self.tell();
    }

    /// Lets others know what is in force now.
    fn tell(&self) {
        let at = SystemTime::now();
        self.status.edit(|facts| {
            let former = facts.applied.filter(|applied| applied.sequence == self.published);
            let at = former.map_or(at, |applied| applied.at);
            facts.applied = Some(Applied { revision: self.revision, sequence: self.published, at });
            facts.rows = self.rows.clone();
            facts.rejected = self.rejected.clone();
            facts.unknown = Arc::clone(&self.unknown);
            facts.last_load = Some((true, at));
        });
        if let Some(saver) = &self.saver {
            saver.save(self.status.facts());
        }
    }

    fn put(&mut self, row: Stored) -> Option<Change> {
        let place = (row.collection.clone(), row.id.clone());
        let Some(kind) = kind(&row.collection) else {
            let fault = Fault::new("", "is of a kind that this version does not know");
            self.reject(place, Flaw::UnknownKind, vec![fault], Some(row));
            return None;
        };
        let key = (kind.collection, row.id.clone());
        if self.rows.get(&key).is_some_and(|known| known.revision > 0 && known.body == row.body) {
            // What was worked out from it stays as well.
            self.insert(key, row);
            if let Some(mut rejected) = self.rejected.get(&place).cloned() {
                rejected.seen = SystemTime::now();
                self.rejected.insert(place, rejected);
            }
            return None;
        }
        let mut body = row.body.clone();
        kind.respell(&mut body);
        let read = kind.load(&row.id, &body);
        let Some(new) = read.row else {
            let flaw = if read.only_together { Flaw::Meaning } else { Flaw::Schema };
            self.reject(place, flaw, read.faults, Some(row.clone()));
            self.insert(key, row);
            return None;
        };
        self.stirred |= self.rejected.remove(&place).is_some();
        self.note_unknown(&key, read.unknown);
        let id = row.id.clone();
        self.insert(key, row);
        let old = self.catalog.get(kind.collection, &id).and_then(|entry| entry.row.clone());
        let name = name(kind, &body, &id);
        self.catalog.put(Entry { kind, id: id.clone(), name, row: Some(Arc::clone(&new)), order: 0 });
        Some(Change { kind, id, order: 0, old, new: Some(new) })
    }

    fn gone(&mut self, collection: &str, id: &str) -> Option<Change> {
        self.stirred |= self.rejected.remove(&(collection.to_owned(), id.to_owned())).is_some();
        let kind = kind(collection)?;
        let key = (kind.collection, id.to_owned());
        self.forget(&key);
        self.note_unknown(&key, Vec::new());
        let entry = self.catalog.remove(kind.collection, id)?;
        Some(Change { kind, id: id.to_owned(), order: 0, old: entry.row, new: None })
    }

    pub(super) fn unreadable(&mut self, what: Unreadable) {
        self.reject((what.collection, what.id), what.flaw, vec![Fault::new("", what.why)], None);
    }

    /// The row stays as it was when it could last be read.
    fn reject(&mut self, place: (String, String), flaw: Flaw, faults: Vec<Fault>, stored: Option<Stored>) {
        let known = self.rejected.get(&place).cloned();
        let pinned = match &known {
            Some(known) => known.pinned.clone(),
            None => kind(&place.0).and_then(|kind| {
                self.catalog.get(kind.collection, &place.1)?;
                self.rows.get(&(kind.collection, place.1.clone())).cloned()
            }),
        };
        self.stirred = true;
        let said: Vec<String> = faults.iter().map(Fault::to_string).collect();
        tracing::error!(
            collection = place.0,
            id = place.1,
            pinned = pinned.is_some(),
            faults = said.join("; "),
            "a stored row cannot be served"
        );
        let now = SystemTime::now();
        let since = known.map_or(now, |known| known.since);
        let stored = stored.map(Arc::new);
        self.rejected.insert(place, Rejected { flaw, faults, since, seen: now, stored, pinned });
    }

    /// Remembers the members of a row that nobody knows, in place of those it had before.
    fn note_unknown(&mut self, key: &Key, unknown: Vec<Fault>) {
        let former = self.unknown_of.remove(key).unwrap_or_default();
        if former.is_empty() && unknown.is_empty() {
            return;
        }
        let mut paths: Vec<String> = unknown.iter().map(|fault| without_indices(&fault.path)).collect();
        paths.sort();
        paths.dedup();
        if paths.len() > MOST_UNKNOWN_OF_A_ROW {
            paths.truncate(MOST_UNKNOWN_OF_A_ROW);
            paths.push("...truncated".to_owned());
        }
        self.stirred = true;
        let counts = Arc::make_mut(&mut self.unknown);
        for path in former {
            let place = (key.0, path);
            let left = counts.get(&place).copied().unwrap_or_default().saturating_sub(1);
            match left {
                0 => drop(counts.remove(&place)),
                left => drop(counts.insert(place, left)),
            }
        }
        for path in &paths {
            *counts.entry((key.0, path.clone())).or_default() += 1;
        }
        if !paths.is_empty() {
            self.unknown_of.insert(key.clone(), paths);
        }
    }

    pub(super) fn insert(&mut self, key: Key, row: Stored) {
        self.order.insert(key.clone());
        self.rows.insert(key, Arc::new(row));
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.order.remove(key);
        self.rows.remove(key);
    }
}

/// What a row is called: by its name, or where it needs none by its id.
pub(super) fn name(kind: &Kind, body: &Value, id: &str) -> String {
    body.as_object().and_then(|body| kind.name_of(body).ok()).unwrap_or_else(|| id.to_owned())
}

/// `routes[3].name` becomes `routes[].name`.
fn without_indices(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut within = false;
    for letter in path.chars() {
        within &= letter != ']';
        if !within {
            out.push(letter);
        }
        within |= letter == '[';
    }
    out
}

/// Members of one row that nobody knows and that are told one by one.
const MOST_UNKNOWN_OF_A_ROW: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_left_out_of_paths() {
        assert_eq!(without_indices("routing.targets[12].weigth"), "routing.targets[].weigth");
        assert_eq!(without_indices("a[0][1]"), "a[][]");
    }
}
