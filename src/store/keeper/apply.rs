//! From what a store says to what is served.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::{Keeper, Rejected};
use crate::document::Fault;
use crate::resources::{Change, Entry, Kind, kind};
use crate::store::{Batch, Event, Rows, Stored};

impl Keeper {
    /// Takes over everything a store holds: what is not there any more goes.
    pub(super) fn take_all(&mut self, rows: Rows) {
        let there: HashSet<(&str, &str)> =
            rows.rows.iter().map(|row| (row.collection.as_str(), row.id.as_str())).collect();
        let gone = self.rows.keys().filter(|(collection, id)| !there.contains(&(*collection, id.as_str())));
        let mut events: Vec<Event> = gone
            .map(|(collection, id)| Event::Gone { collection: (*collection).to_owned(), id: id.clone() })
            .collect();
        events.extend(rows.rows.into_iter().map(Event::Put));
        self.take(Batch { events, revision: rows.revision });
    }

    /// Takes over what changed, and publishes the snapshot that follows.
    pub(super) fn take(&mut self, batch: Batch) {
        let mut changes = Vec::new();
        for event in batch.events {
            changes.extend(match event {
                Event::Put(row) => self.put(row),
                Event::Gone { collection, id } => self.gone(&collection, &id),
            });
        }
        self.revision = batch.revision;
        self.published += 1;
        let hash = format!("{:016x}", self.revision);
        self.snapshot = Arc::new(self.snapshot.after(changes, self.published, hash));
        (self.publish)(&self.snapshot);
    }

    fn put(&mut self, row: Stored) -> Option<Change> {
        let Some(kind) = kind(&row.collection) else {
            self.reject(&row, vec![Fault::new("", "is of a kind that this version does not know")]);
            return None;
        };
        let mut body = row.body.clone();
        kind.respell(&mut body);
        let read = kind.load(&row.id, &body);
        let key = (kind.collection, row.id.clone());
        self.rows.insert(key, row.clone());
        let Some(new) = read.row else {
            self.reject(&row, read.faults);
            return None;
        };
        self.rejected.remove(&(row.collection.clone(), row.id.clone()));
        let old = self.catalog.get(kind.collection, &row.id).and_then(|entry| entry.row.clone());
        let name = name(kind, &body, &row.id);
        self.catalog.put(Entry { kind, id: row.id.clone(), name, row: Some(Arc::clone(&new)), order: 0 });
        Some(Change { kind, id: row.id, order: 0, old, new: Some(new) })
    }

    fn gone(&mut self, collection: &str, id: &str) -> Option<Change> {
        self.rejected.remove(&(collection.to_owned(), id.to_owned()));
        let kind = kind(collection)?;
        self.rows.remove(&(kind.collection, id.to_owned()));
        let entry = self.catalog.remove(kind.collection, id)?;
        Some(Change { kind, id: id.to_owned(), order: 0, old: entry.row, new: None })
    }

    /// The row stays as it was when it could last be read.
    fn reject(&mut self, row: &Stored, faults: Vec<Fault>) {
        let pinned =
            kind(&row.collection).is_some_and(|kind| self.catalog.get(kind.collection, &row.id).is_some());
        let said: Vec<String> = faults.iter().map(Fault::to_string).collect();
        tracing::error!(
            collection = row.collection,
            id = row.id,
            pinned,
            faults = said.join("; "),
            "a stored row cannot be served"
        );
        let key = (row.collection.clone(), row.id.clone());
        let since = self.rejected.get(&key).map_or_else(SystemTime::now, |known| known.since);
        self.rejected.insert(key, Rejected { faults, since, pinned });
    }
}

/// What a row is called: by its name, or where it needs none by its id.
pub(super) fn name(kind: &Kind, body: &Value, id: &str) -> String {
    body.as_object().and_then(|body| kind.name_of(body).ok()).unwrap_or_else(|| id.to_owned())
}
