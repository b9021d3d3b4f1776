//! Rows that are served beside those of the store and are not kept in it: what the environment of the process offers.
//! A row of the store that has the same name, or something else only one row may have, takes the place of an offered
//! one for as long as it is there.

use std::sync::Arc;

use serde_json::Value;

use super::{Keeper, Key, Put};
use crate::resources::reference::Names;
use crate::resources::{Breach, Change, Entry, Kind, row_id};
use crate::store::Stored;

/// A row as people write it, with names where others are meant.
#[derive(Clone)]
pub struct Offered {
    pub kind: &'static Kind,
    /// May hold credentials, so nothing prints it.
    pub body: Value,
}

impl Keeper {
    /// Lays what is offered beside what is stored. It is little, and looked at after every change of the store.
    pub(super) fn lay_offered(&mut self) -> Vec<Change> {
        let offered = std::mem::take(&mut self.offered);
        let changes = offered.iter().filter_map(|offered| self.lay(offered)).collect();
        self.offered = offered;
        changes
    }

    fn lay(&mut self, offered: &Offered) -> Option<Change> {
        let kind = offered.kind;
        let (name, id) = offered.named()?;
        let key = (kind.collection, id.clone());
        if self.rows.get(&key).is_some_and(|row| row.revision > 0) {
            return None;
        }
        let laid = self.catalog.get(kind.collection, &id).cloned();
        let new = self.readable(offered).and_then(|body| {
            let same = self.rows.get(&key).is_some_and(|row| row.body == body);
            let row = if same { laid.as_ref()?.row.clone()? } else { kind.admit(&id, &body).row? };
            let entry = Entry { kind, id: id.clone(), name, row: Some(row), order: BEHIND_STORED };
            self.catalog.put(entry.clone());
            let fits =
                !self.catalog.breaches(&entry).iter().any(|breach| !matches!(breach, Breach::Reference(_)));
            fits.then_some((entry.row?, body))
        });
        let old = laid.and_then(|entry| entry.row);
        match new {
            Some((row, _)) if old.as_ref().is_some_and(|old| Arc::ptr_eq(old, &row)) => None,
            Some((row, body)) => {
                self.insert(
                    key,
                    Stored { collection: kind.collection.to_owned(), id: id.clone(), body, revision: 0 },
                );
                Some(Change { kind, id, order: 0, old, new: Some(row) })
            }
            None => {
                self.catalog.remove(kind.collection, &id);
                self.forget(&key);
                old.map(|old| Change { kind, id, order: 0, old: Some(old), new: None })
            }
        }
    }

    /// The offered row as it would be stored now.
    fn readable(&self, offered: &Offered) -> Option<Value> {
        let id_of = |collection: &'static str, name: &str| self.catalog.id_of(collection, name);
        let known = |collection: &'static str| self.catalog.names(collection);
        let mut body = offered.body.clone();
        offered
            .kind
            .desugar(body.as_object_mut()?, &Names { id_of: &id_of, known: &known, env: &|_| None })
            .ok()?;
        Some(body)
    }

    /// Is it served without being stored?
    pub(super) fn is_offered(&self, key: &Key) -> bool {
        self.rows.get(key).is_some_and(|row| row.revision == 0)
    }

    /// The id of the offered row whose place a new row takes: then everything that names that one goes on to.
    pub(super) fn place_of_offered(&self, put: &Put) -> Option<String> {
        let name = put.kind.name_of(put.body.as_object()?).ok()?;
        let id = row_id(put.kind.collection, &name);
        self.is_offered(&(put.kind.collection, id.clone())).then_some(id)
    }
}

impl Offered {
    /// Its name, and the id that follows from it.
    fn named(&self) -> Option<(String, String)> {
        let name = self.kind.name_of(self.body.as_object()?).ok()?;
        let id = row_id(self.kind.collection, &name);
        Some((name, id))
    }
}

/// The order of offered rows: of two rows that must not both be there the stored one stays.
pub(super) const BEHIND_STORED: usize = usize::MAX - 1;
