//! Reads a resources file: text and environment in, a snapshot or every problem out. Touches no disk.
//!
//! The steps are the same at start, at a reload and for `validate`: YAML, `${VAR}`, names and duplicates,
//! sugar, strict decoding, checks of each row and of all rows together. Whatever is wrong anywhere refuses
//! the whole file.

mod interpolate;
mod rows;
pub mod write;

use std::collections::HashSet;
use std::path::Path;

use ring::digest::{Context, SHA256};
use serde_json::Value;

use super::configuration::{self, Configuration};
use super::reference::Names;
use super::{Catalog, Entry, Snapshot, SnapshotBuilder, row_id, to_hex};
use crate::document::{Document, Fault, Format, Problem, Problems};
use rows::Row;

/// Reads the text of a resources file into a snapshot, all or nothing. `file` names it in problems; `env`
/// resolves variables.
///
/// # Errors
/// Everything that is wrong with it, with file and line. No secret appears there.
pub fn load(
    text: &str,
    file: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    generation: u64,
) -> Result<Snapshot, Problems> {
    let (rows, entries) = checked(text, file, env)?;
    let builder = Snapshot::builder().generation(generation).hash(digest(&rows));
    Ok(entries.into_iter().fold(builder, SnapshotBuilder::add_entry).assemble())
}

/// The same as rows that could be stored: collection, id and body of each.
///
/// # Errors
/// As [`load`].
pub fn rows(
    text: &str,
    file: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(&'static str, String, Value)>, Problems> {
    let rows = checked(text, file, env)?.0.into_iter();
    Ok(rows.map(|row| (row.kind.collection, row.id(), Value::Object(row.body))).collect())
}

/// Reads the text of a resources file into rows as a store holds them, all or nothing.
///
/// # Errors
/// As [`load`].
pub fn read(
    text: &str,
    file: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Configuration, Problems> {
    let (rows, _) = checked(text, file, env)?;
    let rows = rows.into_iter().map(|row| {
        let mut body = row.body;
        body.retain(|_, value| !value.is_null());
        let (kind, name) = (row.kind, row.name.unwrap_or_default());
        configuration::Row { kind, id: row_id(kind.collection, &name), name, body: Value::Object(body) }
    });
    Ok(Configuration::of(rows.collect()))
}

/// The rows of a file in their stored form, each also as it was read.
fn checked(
    text: &str,
    file: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Vec<Row>, Vec<Entry>), Problems> {
    let document = Document::read(text, Format::Yaml, file)?;
    let mut loader = Loader { file, document: &document, problems: Vec::new(), failed: HashSet::new() };
    let mut rows = loader.rows(env);
    loader.desugar(&mut rows, env);
    let entries = loader.entries(&rows);
    loader.check(&entries);
    Problems::from(loader.problems).or(())?;
    let entries = entries.into_iter().map(|(_, entry)| entry).collect();
    Ok((rows, entries))
}

struct Loader<'a> {
    file: &'a Path,
    document: &'a Document,
    problems: Vec<Problem>,
    /// Positions in the list of rows that are not looked at any further.
    failed: HashSet<usize>,
}

impl Loader<'_> {
    /// Every row of the file that has a name, each name once per collection.
    fn rows(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Vec<Row> {
        let (mut rows, faults) = rows::collect(&self.document.value);
        for fault in faults {
            let path = if fault.path.is_empty() { "(file)".to_owned() } else { fault.path };
            let line = self.document.line(&path).or(Some(1));
            self.add(path, line, fault.message);
        }
        for position in 0..rows.len() {
            let Some(row) = rows.get_mut(position) else { break };
            if let Err(fault) = row.prepare(env) {
                self.fail(position, row, &fault);
            }
        }
        self.same_names(&rows);
        rows
    }

    fn same_names(&mut self, rows: &[Row]) {
        let mut first = std::collections::HashMap::new();
        for (position, row) in rows.iter().enumerate() {
            let Some(name) = row.name.as_deref() else { continue };
            let earlier = *first.entry((row.kind.collection, name)).or_insert(row.index);
            if earlier != row.index {
                let message = match row.kind.identity {
                    Some(_) => format!("has the name of {}[{earlier}]", row.kind.collection),
                    None => "is the second row of a collection of one".to_owned(),
                };
                self.fail(position, row, &Fault::new("", message));
            }
        }
    }

    fn desugar(&mut self, rows: &mut [Row], env: &dyn Fn(&str) -> Option<String>) {
        let named = rows.iter().filter_map(|row| Some((row.kind.collection, row.name.clone()?)));
        let named: HashSet<(&'static str, String)> = named.collect();
        let ids: HashSet<(&'static str, String)> =
            named.iter().map(|(collection, name)| (*collection, row_id(collection, name))).collect();
        let id_of = |collection: &'static str, name: &str| {
            let named = named.contains(&(collection, name.to_owned())).then(|| row_id(collection, name));
            named.or_else(|| ids.contains(&(collection, name.to_owned())).then(|| name.to_owned()))
        };
        let known = |collection: &'static str| {
            named.iter().filter(|(of, _)| *of == collection).map(|(_, name)| name.clone()).collect()
        };
        let names = Names { id_of: &id_of, known: &known, env };
        for (position, row) in rows.iter_mut().enumerate() {
            if self.failed.contains(&position) {
                continue;
            }
            if let Err(fault) = row.kind.desugar(&mut row.body, &names) {
                self.fail(position, row, &fault);
            }
        }
    }

    /// Reads the rows. Those that cannot be read are reported and kept as a name alone.
    fn entries<'r>(&mut self, rows: &'r [Row]) -> Vec<(&'r Row, Entry)> {
        let mut entries = Vec::new();
        for (position, row) in rows.iter().enumerate() {
            let mut entry = row.entry();
            if !self.failed.contains(&position) {
                let read = row.kind.admit(&entry.id, &Value::Object(row.body.clone()));
                read.faults.iter().for_each(|fault| self.report(row, fault));
                entry.row = read.row;
            }
            if row.name.is_some() {
                entries.push((row, entry));
            }
        }
        entries
    }

    /// What is wrong with the rows beside one another.
    fn check(&mut self, entries: &[(&Row, Entry)]) {
        let mut catalog = Catalog::default();
        entries.iter().for_each(|(_, entry)| catalog.put(entry.clone()));
        for (row, entry) in entries.iter().filter(|(_, entry)| entry.row.is_some()) {
            for breach in catalog.breaches(entry) {
                self.report(row, &breach.fault(Entry::place));
            }
        }
    }

    fn fail(&mut self, position: usize, row: &Row, fault: &Fault) {
        self.report(row, fault);
        self.failed.insert(position);
    }

    fn report(&mut self, row: &Row, fault: &Fault) {
        let entry = row.entry();
        let separator = if fault.path.is_empty() { "" } else { "." };
        let line = self.document.line(&format!("{}{separator}{}", entry.place(), fault.path));
        self.add(scope(row, &entry), line, fault.to_string());
    }

    fn add(&mut self, path: String, line: Option<usize>, message: String) {
        self.problems.push(Problem { file: Some(self.file.to_owned()), line, path, message });
    }
}

/// The row as it is called in messages; one whose name is not known by its place alone.
fn scope(row: &Row, entry: &Entry) -> String {
    if row.name.is_some() { entry.scope() } else { entry.place() }
}

impl Row {
    fn id(&self) -> String {
        row_id(self.kind.collection, self.name.as_deref().unwrap_or_default())
    }

    /// The row before it is read.
    fn entry(&self) -> Entry {
        let name = self.name.clone().unwrap_or_default();
        Entry { kind: self.kind, id: self.id(), name, row: None, order: self.index }
    }
}

/// SHA-256 over all rows in order of collection and name, each as (collection, `/`, name, NUL, canonical
/// JSON, newline). Neither the order of rows nor that of members changes it.
fn digest(rows: &[Row]) -> String {
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let name = row.name.as_deref().unwrap_or_default();
            let mut body = Value::Object(row.body.clone());
            body.sort_all_objects();
            format!("{}/{name}\0{body}\n", row.kind.collection)
        })
        .collect();
    lines.sort_unstable();
    let mut digest = Context::new(&SHA256);
    lines.iter().for_each(|line| digest.update(line.as_bytes()));
    to_hex(digest.finish().as_ref())
}

#[cfg(test)]
mod tests;
