//! What an operator wants, judged before it is written: the rows by themselves, beside the others, and beside what the
//! operator believed to be there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use uuid::Uuid;

use super::apply::name;
use super::offered::BEHIND_STORED;
use super::{Delete, Intent, Keeper, Outcome, Precondition, Put, Refusal};
use crate::document::Fault;
use crate::resources::reference::Names;
use crate::resources::{Breach, Entry, Kind};
use crate::store::{Audit, Batch, Changed, Event, Failure, Stored, Write};

impl Keeper {
    /// Carries out an intent, all of it or nothing.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub async fn carry_out(&mut self, intent: Intent) -> Result<Outcome, Refusal> {
        loop {
            let judged = self.judge(&intent, intent.force)?;
            if intent.dry_run {
                let rows = judged.puts.iter().map(|row| row.stored(self.revision)).collect();
                return Ok(Outcome { rows, revision: self.revision, broken: judged.broken });
            }
            match self.store.commit(judged.write(&intent, self.revision)).await {
                Ok(revision) => return Ok(self.written(judged, revision)),
                Err(Failure::Overtaken) => {
                    let batch = self.store.changes(self.revision).await.map_err(Refusal::Store)?;
                    self.take(batch);
                }
                Err(failure) => return Err(Refusal::Store(failure)),
            }
        }
    }

    fn written(&mut self, judged: Judged, revision: u64) -> Outcome {
        let rows: Vec<Stored> = judged.puts.iter().map(|row| row.stored(revision)).collect();
        let gone = judged.deletes.into_iter();
        let gone = gone.map(|(collection, id, _)| Event::Gone { collection: collection.to_owned(), id });
        let events = rows.iter().cloned().map(Event::Put).chain(gone).collect();
        self.take(Batch { events, revision });
        Outcome { rows, revision, broken: judged.broken }
    }

    /// Tries the intent on the catalog, and leaves that as it was.
    pub(super) fn judge(&mut self, intent: &Intent, force: bool) -> Result<Judged, Refusal> {
        let mut judged = Judged::default();
        for delete in &intent.deletes {
            if self.is_offered(&(delete.kind.collection, delete.id.clone())) {
                return Err(Refusal::Offered);
            }
            let before = delete.kind.masked(self.present(delete)?.body.clone());
            judged.deletes.push((delete.kind.collection, delete.id.clone(), before));
        }
        let arriving = arriving(&intent.puts);
        for put in &intent.puts {
            let ready = self.ready(put, &arriving);
            judged.puts.push(ready.map_err(|refusal| refusal.of(intent, put.kind, &put.body))?);
        }
        let former = self.try_on(&judged);
        let clash = self.clash(&judged, intent);
        judged.broken = self.broken(former.0.iter().filter_map(|(_, _, entry)| entry.as_ref()));
        self.take_off(former);
        match clash {
            Some(refusal) => Err(refusal),
            None if !force && !judged.broken.is_empty() => Err(Refusal::Referenced(judged.broken)),
            None => Ok(judged),
        }
    }

    /// Puts the catalog into the state that would follow.
    pub(super) fn try_on(&mut self, judged: &Judged) -> Former {
        let mut former = Vec::new();
        for (collection, id, _) in &judged.deletes {
            former.push((*collection, id.clone(), self.catalog.remove(collection, id)));
        }
        for ready in &judged.puts {
            let (collection, id) = (ready.entry.kind.collection, ready.entry.id.clone());
            former.push((collection, id.clone(), self.catalog.remove(collection, &id)));
            self.catalog.put(ready.entry.clone());
        }
        Former(former)
    }

    /// Puts it back into the state it was in.
    pub(super) fn take_off(&mut self, former: Former) {
        for (collection, id, entry) in former.0.into_iter().rev() {
            self.catalog.remove(collection, &id);
            entry.into_iter().for_each(|entry| self.catalog.put(entry));
        }
    }

    /// What is wrong with the new rows beside the others.
    fn clash(&self, judged: &Judged, intent: &Intent) -> Option<Refusal> {
        for ready in &judged.puts {
            let mut breaches = self.catalog.breaches(&ready.entry);
            breaches.retain(|breach| !breach.is_with(|other| other.order == BEHIND_STORED));
            let taken = breaches.iter().find(|breach| !matches!(breach, Breach::Reference(_)));
            if let Some(taken) = taken {
                let call = |other: &Entry| format!("the {} {:?}", other.kind.title, other.name);
                let said = taken.fault(call).to_string();
                return Some(Refusal::Taken(said).of(intent, ready.entry.kind, &ready.body));
            }
            if !breaches.is_empty() {
                let faults = breaches.iter().map(|breach| breach.fault(Entry::place)).collect();
                return Some(Refusal::Invalid(faults).of(intent, ready.entry.kind, &ready.body));
            }
        }
        None
    }

    /// Rows that named one of these and name nothing now.
    fn broken<'e>(&self, former: impl Iterator<Item = &'e Entry>) -> Vec<(String, String)> {
        let referrers = former.flat_map(|entry| self.catalog.referrers(entry));
        // What is offered is written anew with the names it knows.
        let stored = referrers.filter(|entry| entry.order != BEHIND_STORED);
        let dangling = stored.filter(|entry| {
            self.catalog.breaches(entry).iter().any(|breach| matches!(breach, Breach::Reference(_)))
        });
        let mut named: Vec<_> =
            dangling.map(|entry| (entry.kind.collection.to_owned(), entry.name.clone())).collect();
        named.sort();
        named.dedup();
        named
    }

    fn present(&self, delete: &Delete) -> Result<&Stored, Refusal> {
        let there = self.get(delete.kind, &delete.id);
        check(delete.only_if, there)?;
        there.ok_or(Refusal::NotFound)
    }

    /// A row as it will be stored, if it is sound by itself.
    fn ready(&self, put: &Put, arriving: &Arriving) -> Result<Ready, Refusal> {
        let id_of = |collection: &'static str, name: &str| {
            let there = || self.catalog.get(collection, name).map(|entry| entry.id.clone());
            let new = || arriving.get(&(collection, name.to_owned())).cloned();
            self.catalog.id_of(collection, name).or_else(there).or_else(new)
        };
        let known = |collection: &'static str| self.catalog.names(collection);
        let names = Names { id_of: &id_of, known: &known, env: &|_| None };
        let id = put.id.clone().or_else(|| self.place_of_offered(put));
        let there = id.as_deref().and_then(|id| self.get(put.kind, id)).filter(|row| row.revision > 0);
        if there.is_none()
            && put.id.as_deref().is_some_and(|id| self.is_offered(&(put.kind.collection, id.to_owned())))
        {
            return Err(Refusal::Offered);
        }
        check(put.only_if, there)?;
        let mut body = put.body.clone();
        put.kind.respell(&mut body);
        if let Some(there) = there {
            if put.merge {
                let mut merged = there.body.clone();
                merge(&mut merged, &body);
                body = merged;
            }
            put.kind.unmask(&mut body, &there.body);
        }
        without_nulls(&mut body);
        let id = id.unwrap_or_else(|| Uuid::new_v4().to_string());
        if let Value::Object(members) = &mut body {
            put.kind.desugar(members, &names).map_err(|fault| Refusal::Invalid(vec![fault]))?;
        }
        let read = put.kind.admit(&id, &body);
        let Some(row) = read.row else { return Err(Refusal::Invalid(read.faults)) };
        let name = name(put.kind, &body, &id);
        // Behind every row that is there: of two that clash this one is at fault.
        let entry = Entry { kind: put.kind, id, name, row: Some(Arc::clone(&row)), order: usize::MAX };
        Ok(Ready { entry, body, before: there.map(|there| put.kind.masked(there.body.clone())) })
    }
}

/// Ids of rows that come together, by collection and name, and by collection and id.
type Arriving = HashMap<(&'static str, String), String>;

fn arriving(puts: &[Put]) -> Arriving {
    let mut arriving = HashMap::new();
    if puts.len() < 2 {
        return arriving;
    }
    for (put, id) in puts.iter().filter_map(|put| Some((put, put.id.as_ref()?))) {
        arriving.insert((put.kind.collection, id.clone()), id.clone());
        arriving.insert((put.kind.collection, name(put.kind, &put.body, id)), id.clone());
    }
    arriving
}

impl Refusal {
    /// Says of which row it speaks, where there are several.
    fn of(self, intent: &Intent, kind: &Kind, body: &Value) -> Refusal {
        if intent.puts.len() < 2 {
            return self;
        }
        let row = format!("{} {:?}", kind.collection, name(kind, body, "?"));
        match self {
            Refusal::Invalid(faults) => {
                let at = |path: &str| if path.is_empty() { row.clone() } else { format!("{row}.{path}") };
                Refusal::Invalid(
                    faults.iter().map(|fault| Fault::new(at(&fault.path), &fault.message)).collect(),
                )
            }
            Refusal::Taken(message) => Refusal::Taken(format!("{row}: {message}")),
            other => other,
        }
    }
}

fn check(only_if: Precondition, there: Option<&Stored>) -> Result<(), Refusal> {
    match (only_if, there) {
        (Precondition::Present, None) => Err(Refusal::NotFound),
        (Precondition::Revision(revision), there) if there.is_none_or(|row| row.revision != revision) => {
            Err(Refusal::Stale)
        }
        (Precondition::Absent, Some(_)) => Err(Refusal::Stale),
        _ => Ok(()),
    }
}

/// A JSON merge patch: RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *target = patch.clone() };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.shift_remove(name)),
            value => merge(target.entry(name.as_str()).or_insert(Value::Null), value),
        }
    }
}

/// A null member counts as absent, and is not stored.
fn without_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, value| !value.is_null());
    }
}

/// Entries of the catalog as they were, by collection and id; those of rows that were not there are None.
pub(super) struct Former(Vec<(&'static str, String, Option<Entry>)>);

/// An intent that may be carried out.
#[derive(Default)]
pub(super) struct Judged {
    pub puts: Vec<Ready>,
    /// Collection, id, and the row that goes, masked.
    pub deletes: Vec<(&'static str, String, Value)>,
    pub broken: Vec<(String, String)>,
}

pub(super) struct Ready {
    pub entry: Entry,
    body: Value,
    before: Option<Value>,
}

impl Ready {
    pub fn stored(&self, revision: u64) -> Stored {
        let collection = self.entry.kind.collection.to_owned();
        Stored { collection, id: self.entry.id.clone(), body: self.body.clone(), revision }
    }
}

impl Judged {
    fn write(&self, intent: &Intent, judged_at: u64) -> Write {
        let puts = self
            .puts
            .iter()
            .map(|row| (row.entry.kind.collection.to_owned(), row.entry.id.clone(), row.body.clone()));
        Write {
            judged_at,
            puts: puts.collect(),
            deletes: self
                .deletes
                .iter()
                .map(|(collection, id, _)| ((*collection).to_owned(), id.clone()))
                .collect(),
            entry: Audit {
                revision: 0,
                at: SystemTime::now(),
                who: intent.who.clone(),
                action: intent.action.to_owned(),
                changes: self.changed(),
            },
        }
    }

    /// The rows before and after, secrets masked.
    pub fn changed(&self) -> Vec<Changed> {
        let written = self.puts.iter().map(|row| Changed {
            collection: row.entry.kind.collection.to_owned(),
            id: row.entry.id.clone(),
            before: row.before.clone(),
            after: Some(row.entry.kind.masked(row.body.clone())),
        });
        let deleted = self.deletes.iter().map(|(collection, id, before)| Changed {
            collection: (*collection).to_owned(),
            id: id.clone(),
            before: Some(before.clone()),
            after: None,
        });
        written.chain(deleted).collect()
    }
}
