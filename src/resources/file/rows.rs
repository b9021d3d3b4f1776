//! The outer form of a resources file: a version, collections, rows with names.

use serde_json::{Map, Value};

use super::interpolate::interpolate;
use crate::document::{Fault, suggestion};
use crate::resources::{KINDS, Kind};

/// One entry of a collection.
pub(super) struct Row {
    pub kind: &'static Kind,
    /// Its place in the collection.
    pub index: usize,
    /// None until it is known, and where it cannot be known.
    pub name: Option<String>,
    pub body: Map<String, Value>,
}

/// All entries that are mappings, and what is wrong with the file around them.
pub(super) fn collect(value: &Value) -> (Vec<Row>, Vec<Fault>) {
    let Value::Object(top) = value else {
        return (Vec::new(), vec![Fault::new("", "must be one mapping, with _format_version: \"1\"")]);
    };
    let mut faults = Vec::new();
    let mut rows = Vec::new();
    faults.extend(version_fault(top.get(VERSION)));
    for key in top.keys().filter(|key| *key != VERSION && !KINDS.iter().any(|known| known.collection == *key))
    {
        let known = KINDS.iter().map(|kind| kind.collection).chain([VERSION]);
        faults.push(Fault::new(key, format!("unknown key{}", suggestion(key, known))));
    }
    for kind in &KINDS {
        let collection = kind.collection;
        match top.get(collection) {
            None | Some(Value::Null) => {}
            Some(Value::Array(entries)) => {
                for (index, entry) in entries.iter().enumerate() {
                    match entry {
                        Value::Object(body) => {
                            rows.push(Row { kind, index, name: None, body: body.clone() });
                        }
                        _ => faults.push(Fault::new(format!("{collection}[{index}]"), "must be a mapping")),
                    }
                }
            }
            Some(_) => faults.push(Fault::new(collection, "must be a list")),
        }
    }
    (rows, faults)
}

fn version_fault(version: Option<&Value>) -> Option<Fault> {
    match version {
        Some(Value::String(text)) if text == "1" => None,
        None => Some(Fault::new("", "_format_version: \"1\" is required")),
        Some(Value::Number(_)) => Some(Fault::new(VERSION, "must be the text \"1\"; put it in quotes")),
        Some(_) => Some(Fault::new(VERSION, "must be \"1\", the only version there is")),
    }
}

impl Row {
    /// Resolves its variables and finds its name.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn prepare(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<(), Fault> {
        let mut body = Value::Object(std::mem::take(&mut self.body));
        self.kind.respell(&mut body);
        let written = body.as_object().and_then(|body| self.kind.name_of(body).ok());
        self.name = written.filter(|name| !name.contains('$'));
        let outcome = interpolate(&mut body, env);
        if let Value::Object(members) = body {
            self.body = members;
        }
        outcome?;
        if self.body.contains_key("id") {
            return Err(Fault::new("id", "must not be given: it is derived from the name"));
        }
        self.name = Some(self.kind.name_of(&self.body)?);
        Ok(())
    }
}

const VERSION: &str = "_format_version";
