//! Reads a resources file: text and environment in, a snapshot or every problem out. Touches no disk.
//!
//! The steps are the same at start, at a reload and for `validate`: YAML, `${VAR}`, names and duplicates,
//! sugar, strict decoding, checks of each row and of all rows together. Whatever is wrong anywhere refuses
//! the whole file.

mod desugar;
mod interpolate;
mod rows;

use std::collections::HashSet;
use std::path::Path;

use ring::digest::{Context, SHA256};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::{self, Finding, Rows, scope};
use super::{ApiKey, GenericRow, Model, ProviderKey, Snapshot, row_id, to_hex};
use crate::document::{Document, Fault, Format, Problem, Problems, decode};
use desugar::Names;
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
    let document = Document::read(text, Format::Yaml, file)?;
    let mut loader = Loader { file, document: &document, problems: Vec::new(), failed: HashSet::new() };
    let mut rows = loader.rows(env);
    loader.desugar(&mut rows, env);
    let tables = loader.tables(&rows);
    loader.check(&rows, &tables);
    Problems::from(loader.problems).or(())?;
    Ok(tables.snapshot(generation, digest(&rows)))
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
            let earlier = *first.entry((row.collection.name, name)).or_insert(row.index);
            if earlier != row.index {
                let message = match row.collection.identity {
                    Some(_) => check::same_name(row.collection.name, earlier),
                    None => "is the second row of a collection of one".to_owned(),
                };
                self.fail(position, row, &Fault::new("", message));
            }
        }
    }

    fn desugar(&mut self, rows: &mut [Row], env: &dyn Fn(&str) -> Option<String>) {
        let known = rows.iter().filter_map(|row| Some((row.collection.name, row.name.clone()?))).collect();
        let names = Names { rows: known, env };
        for (position, row) in rows.iter_mut().enumerate() {
            if self.failed.contains(&position) {
                continue;
            }
            if let Err(fault) = names.desugar(row.collection.name, &mut row.body) {
                self.fail(position, row, &fault);
            }
        }
    }

    /// Decodes the rows. Those that cannot be are reported and left out.
    fn tables(&mut self, rows: &[Row]) -> Tables {
        let mut tables = Tables::default();
        for (position, row) in rows.iter().enumerate() {
            let index = row.index;
            let taken = match row.collection.name {
                _ if self.failed.contains(&position) => false,
                "provider_keys" => self
                    .decode::<ProviderKey>(row)
                    .map(|body| tables.provider_keys.push((index, ProviderKey { id: row.id(), ..body })))
                    .is_some(),
                "models" => self
                    .decode::<Model>(row)
                    .map(|body| tables.models.push((index, Model { id: row.id(), ..body })))
                    .is_some(),
                "api_keys" => self
                    .decode::<ApiKey>(row)
                    .map(|body| tables.api_keys.push((index, ApiKey { id: row.id(), ..body })))
                    .is_some(),
                _ => {
                    tables.generic.push((index, row.generic()));
                    true
                }
            };
            if let (false, Some(name)) = (taken, &row.name) {
                tables.unread.insert((row.collection.name, name.clone()));
            }
        }
        tables
    }

    fn decode<T: DeserializeOwned>(&mut self, row: &Row) -> Option<T> {
        let decoded = decode::<T>(&Value::Object(row.body.clone()));
        let sound = decoded.faults.is_empty();
        for fault in &decoded.faults {
            self.report(row, fault);
        }
        decoded.value.filter(|_| sound)
    }

    fn check(&mut self, rows: &[Row], tables: &Tables) {
        for Finding { collection, index, fault } in check::findings(&tables.rows()) {
            let row = rows.iter().find(|row| row.collection.name == collection && row.index == index);
            if let Some(row) = row {
                self.report(row, &fault);
            }
        }
    }

    fn fail(&mut self, position: usize, row: &Row, fault: &Fault) {
        self.report(row, fault);
        self.failed.insert(position);
    }

    fn report(&mut self, row: &Row, fault: &Fault) {
        let collection = row.collection.name;
        let place = format!("{collection}[{}]", row.index);
        let separator = if fault.path.is_empty() { "" } else { "." };
        let line = self.document.line(&format!("{place}{separator}{}", fault.path));
        let finding = Finding { collection, index: row.index, fault: fault.clone() };
        self.add(scope(collection, row.index, row.shown_name()), line, finding.message());
    }

    fn add(&mut self, path: String, line: Option<usize>, message: String) {
        self.problems.push(Problem { file: Some(self.file.to_owned()), line, path, message });
    }
}

/// The decoded rows, each with its place in its collection.
#[derive(Default)]
struct Tables {
    provider_keys: Vec<(usize, ProviderKey)>,
    models: Vec<(usize, Model)>,
    api_keys: Vec<(usize, ApiKey)>,
    generic: Vec<(usize, GenericRow)>,
    unread: HashSet<(&'static str, String)>,
}

impl Tables {
    fn rows(&self) -> Rows<'_> {
        fn borrow<T>(rows: &[(usize, T)]) -> Vec<(usize, &T)> {
            rows.iter().map(|(index, row)| (*index, row)).collect()
        }
        Rows {
            provider_keys: borrow(&self.provider_keys),
            models: borrow(&self.models),
            api_keys: borrow(&self.api_keys),
            generic: borrow(&self.generic),
            unread: self.unread.clone(),
        }
    }

    fn snapshot(self, generation: u64, hash: String) -> Snapshot {
        let mut builder = Snapshot::builder().generation(generation).hash(hash);
        for (_, row) in self.provider_keys {
            let id = row.id.clone();
            builder = builder.add_provider_key(row, id);
        }
        for (_, row) in self.models {
            let id = row.id.clone();
            builder = builder.add_model(row, id);
        }
        for (_, row) in self.api_keys {
            let id = row.id.clone();
            builder = builder.add_api_key(row, id);
        }
        for (_, row) in self.generic {
            builder = builder.add_generic(row);
        }
        builder.assemble()
    }
}

impl Row {
    fn id(&self) -> String {
        row_id(self.collection.name, self.name.as_deref().unwrap_or_default())
    }

    fn generic(&self) -> GenericRow {
        GenericRow {
            id: self.id(),
            collection: self.collection.name,
            name: self.name.clone().unwrap_or_default(),
            body: Value::Object(self.body.clone()),
        }
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
            format!("{}/{name}\0{body}\n", row.collection.name)
        })
        .collect();
    lines.sort_unstable();
    let mut digest = Context::new(&SHA256);
    lines.iter().for_each(|line| digest.update(line.as_bytes()));
    to_hex(digest.finish().as_ref())
}

#[cfg(test)]
mod tests;
