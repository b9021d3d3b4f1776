//! All rows of a configuration as their references see them: who is called what, who names whom, who has what
//! nobody else may have. Adding, removing and judging a row costs what the row is, not what the others are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::glob::Glob;
use super::kind::{AnyRow, Kind};
use super::reference::{By, Reference};
use crate::document::{Fault, suggestion};

/// One row and its place among the others.
#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: &'static Kind,
    pub id: String,
    pub name: String,
    /// None for a row that is there but could not be read: naming it is no mistake.
    pub row: Option<Arc<dyn AnyRow>>,
    /// Of two rows that must not both be there, the later one is at fault.
    pub order: usize,
}

impl Entry {
    /// Where it stands in its collection: `models[2]`.
    pub fn place(&self) -> String {
        format!("{}[{}]", self.kind.collection, self.order)
    }

    /// The same with its name: `models[2] ("gpt-4o")`.
    pub fn scope(&self) -> String {
        match self.kind.identity {
            Some(_) if self.name != self.id => format!("{} ({:?})", self.place(), self.name),
            _ => self.place(),
        }
    }

    fn key(&self) -> Key {
        (self.kind.collection, self.id.clone())
    }
}

/// Collection and id.
type Key = (&'static str, String);

/// What is wrong with a row beside the others.
#[derive(Debug)]
pub enum Breach {
    /// Another row has the name already.
    SameName { other: Entry },
    /// Another row has something that only one may have.
    Same { path: &'static str, message: fn(&str) -> String, other: Entry },
    /// It names what is not there, or what cannot serve.
    Reference(Fault),
}

impl Breach {
    /// Is it with a row for which this holds?
    pub fn is_with(&self, holds: impl Fn(&Entry) -> bool) -> bool {
        match self {
            Breach::SameName { other } | Breach::Same { other, .. } => holds(other),
            Breach::Reference(_) => false,
        }
    }

    /// The breach in words; `call` says how the other row is called.
    pub fn fault(&self, call: impl Fn(&Entry) -> String) -> Fault {
        match self {
            Breach::SameName { other } if other.kind.identity.is_none() => {
                Fault::new("", "is the second row of a collection of one")
            }
            Breach::SameName { other } => Fault::new("", format!("has the name of {}", call(other))),
            Breach::Same { path, message, other } => Fault::new(*path, message(&call(other))),
            Breach::Reference(fault) => fault.clone(),
        }
    }
}

/// The rows and their indices.
#[derive(Debug, Default)]
pub struct Catalog {
    /// In the order of keys, so that what is said about many rows is said in the same order every time.
    entries: BTreeMap<Key, Entry>,
    names: HashMap<(&'static str, String), Vec<Key>>,
    patterns: HashMap<&'static str, Vec<(Glob, Key)>>,
    unique: HashMap<(&'static str, &'static str, String), Vec<Key>>,
    referrers: HashMap<(&'static str, By), Vec<Key>>,
}

impl Catalog {
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub fn get(&self, collection: &'static str, id: &str) -> Option<&Entry> {
        self.entries.get(&(collection, id.to_owned()))
    }

    /// The id of the row with this name.
    pub fn id_of(&self, collection: &'static str, name: &str) -> Option<String> {
        self.named(collection, name).map(|entry| entry.id.clone())
    }

    /// The names of all rows of a collection, in no particular order.
    pub fn names(&self, collection: &str) -> Vec<String> {
        let names = self.names.keys().filter(|(of, _)| *of == collection);
        names.map(|(_, name)| name.clone()).collect()
    }

    /// Adds a row, in place of one with the same id.
    pub fn put(&mut self, entry: Entry) {
        let key = entry.key();
        self.remove(key.0, &key.1);
        self.names.entry((key.0, entry.name.clone())).or_default().push(key.clone());
        if let Some(row) = &entry.row {
            if let Some(pattern) = row.pattern() {
                self.patterns.entry(key.0).or_default().push((pattern, key.clone()));
            }
            for unique in row.unique() {
                self.unique.entry((key.0, unique.path, unique.value)).or_default().push(key.clone());
            }
            for reference in row.references() {
                self.referrers.entry((reference.to, reference.by)).or_default().push(key.clone());
            }
        }
        self.entries.insert(key, entry);
    }

    pub fn remove(&mut self, collection: &'static str, id: &str) -> Option<Entry> {
        let entry = self.entries.remove(&(collection, id.to_owned()))?;
        let key = entry.key();
        forget(&mut self.names, &(collection, entry.name.clone()), &key);
        if let Some(row) = &entry.row {
            if let Some(patterns) = self.patterns.get_mut(collection) {
                patterns.retain(|(_, other)| *other != key);
            }
            for unique in row.unique() {
                forget(&mut self.unique, &(collection, unique.path, unique.value), &key);
            }
            for reference in row.references() {
                forget(&mut self.referrers, &(reference.to, reference.by), &key);
            }
        }
        Some(entry)
    }

    /// What is wrong with a row of the catalog beside the others.
    pub fn breaches(&self, entry: &Entry) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let collection = entry.kind.collection;
        if let Some(other) = self.earlier(entry, self.names.get(&(collection, entry.name.clone()))) {
            breaches.push(Breach::SameName { other });
        }
        let Some(row) = &entry.row else { return breaches };
        for unique in row.unique() {
            let holders = self.unique.get(&(collection, unique.path, unique.value));
            if let Some(other) = self.earlier(entry, holders) {
                breaches.push(Breach::Same { path: unique.path, message: unique.message, other });
            }
        }
        let faults = row.references().into_iter().filter_map(|reference| {
            let message = self.unmet(&reference).or_else(|| self.circle(entry, &reference))?;
            Some(Breach::Reference(Fault::new(reference.path, message)))
        });
        breaches.extend(faults);
        breaches
    }

    fn earlier(&self, entry: &Entry, holders: Option<&Vec<Key>>) -> Option<Entry> {
        let others = holders?.iter().filter_map(|key| self.entries.get(key));
        others.filter(|other| other.order < entry.order).min_by_key(|other| other.order).cloned()
    }

    /// Why a reference leads nowhere.
    fn unmet(&self, reference: &Reference) -> Option<String> {
        let named = match &reference.by {
            By::Id(id) => self.get(reference.to, id),
            By::Name(name) => self.named(reference.to, name),
        };
        let subject = || match &reference.by {
            By::Id(_) => "is a row that".to_owned(),
            By::Name(name) => format!("{name:?}"),
        };
        match (named, &reference.by) {
            (Some(entry), _) => {
                let objection = reference.needs?(&**entry.row.as_ref()?)?;
                Some(format!("{} {objection}", subject()))
            }
            (None, By::Id(_)) => Some(format!("matches no {}", self.title(reference.to))),
            (None, By::Name(name)) if self.answers(reference.to, name) => None,
            (None, By::Name(name)) => {
                let known = self.names.keys().filter(|(of, _)| *of == reference.to);
                let near = suggestion(name, known.map(|(_, name)| name.as_str()));
                Some(format!("unknown {} {name:?}{near}", self.title(reference.to)))
            }
        }
    }

    /// How a reference leads back to the row it stands in.
    fn circle(&self, entry: &Entry, reference: &Reference) -> Option<String> {
        let kind = entry.kind.collection;
        let next = |reference: &Reference| match &reference.by {
            _ if reference.to != kind => None,
            By::Id(id) => self.get(kind, id),
            By::Name(name) => self.named(kind, name),
        };
        let first = next(reference)?;
        // Those found so far, each with the place of the one that leads to it.
        let mut found = vec![(first, None)];
        let mut seen = HashSet::from([first.id.as_str()]);
        let mut place = 0;
        while let Some((current, _)) = found.get(place).copied() {
            if current.id == entry.id {
                return Some(told(&found, place));
            }
            for reference in current.row.iter().flat_map(|row| row.references()) {
                if let Some(next) = next(&reference).filter(|next| seen.insert(next.id.as_str())) {
                    found.push((next, Some(place)));
                }
            }
            place += 1;
        }
        None
    }

    fn title(&self, collection: &'static str) -> &'static str {
        super::kind(collection).map_or(collection, |kind| kind.title)
    }

    fn named(&self, collection: &'static str, name: &str) -> Option<&Entry> {
        let key = self.names.get(&(collection, name.to_owned()))?.first()?;
        self.entries.get(key)
    }

    fn answers(&self, collection: &'static str, name: &str) -> bool {
        let patterns = self.patterns.get(collection);
        patterns.is_some_and(|patterns| patterns.iter().any(|(pattern, _)| pattern.matches(name)))
    }

    /// The rows that would name nothing if this one were not there.
    pub fn referrers(&self, entry: &Entry) -> Vec<&Entry> {
        let by = [By::Id(entry.id.clone()), By::Name(entry.name.clone())];
        let keys = by.into_iter().filter_map(|by| self.referrers.get(&(entry.kind.collection, by))).flatten();
        let mut found: Vec<&Entry> = keys.filter_map(|key| self.entries.get(key)).collect();
        found.sort_by_key(|entry| (entry.kind.collection, entry.order));
        found.dedup_by(|one, other| one.key() == other.key());
        found
    }
}

/// The way to the last of a circle's rows, which is its first row too.
fn told(found: &[(&Entry, Option<usize>)], last: usize) -> String {
    let places = std::iter::successors(Some(last), |place| found.get(*place)?.1);
    let names: Vec<&str> = places.filter_map(|place| Some(found.get(place)?.0.name.as_str())).collect();
    let last = names.first().copied().unwrap_or_default();
    let way: Vec<&str> = std::iter::once(last).chain(names.iter().rev().copied()).collect();
    format!("leads back to {last:?} itself: {}", way.join(" → "))
}

fn forget<K: std::hash::Hash + Eq>(index: &mut HashMap<K, Vec<Key>>, at: &K, key: &Key) {
    if let Some(keys) = index.get_mut(at) {
        keys.retain(|other| other != key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}
