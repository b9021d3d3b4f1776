//! The outer form of a resources file: a version, collections, rows with names.

use serde_json::{Map, Value};

use super::interpolate::interpolate;
use crate::document::{Fault, suggestion};
use crate::resources::{COLLECTIONS, Collection};

/// One entry of a collection.
pub(super) struct Row {
    pub collection: &'static Collection,
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
    for key in top.keys().filter(|key| *key != VERSION && !COLLECTIONS.iter().any(|known| known.name == *key))
    {
        let known = COLLECTIONS.iter().map(|collection| collection.name).chain([VERSION]);
        faults.push(Fault::new(key, format!("unknown key{}", suggestion(key, known))));
    }
    for collection in COLLECTIONS {
        match top.get(collection.name) {
            None | Some(Value::Null) => {}
            Some(Value::Array(entries)) => {
                for (index, entry) in entries.iter().enumerate() {
                    match entry {
                        Value::Object(body) => {
                            rows.push(Row { collection, index, name: None, body: body.clone() });
                        }
                        _ => faults
                            .push(Fault::new(format!("{}[{index}]", collection.name), "must be a mapping")),
                    }
                }
            }
            Some(_) => faults.push(Fault::new(collection.name, "must be a list")),
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
        self.name = self.identity().ok().filter(|name| !name.contains('$'));
        let mut body = Value::Object(std::mem::take(&mut self.body));
        let outcome = interpolate(&mut body, env);
        if let Value::Object(members) = body {
            self.body = members;
        }
        outcome?;
        if self.body.contains_key("id") {
            return Err(Fault::new("id", "must not be given: it is derived from the name"));
        }
        self.name = Some(self.identity()?);
        Ok(())
    }

    /// The name for messages; a collection of one has none.
    pub fn shown_name(&self) -> Option<&str> {
        self.collection.identity.and(self.name.as_deref())
    }

    fn identity(&self) -> Result<String, Fault> {
        let Some(field) = self.collection.identity else { return Ok(ONLY.to_owned()) };
        let present = |name: &str| self.body.get(name).is_some_and(|value| !value.is_null());
        let field = match self.collection.alternative {
            Some(alternative) if !present(field) && present(alternative) => alternative,
            _ => field,
        };
        match self.body.get(field) {
            Some(Value::String(name)) if !name.trim().is_empty() => Ok(name.clone()),
            Some(Value::String(_)) => Err(Fault::new(field, "must not be empty")),
            None | Some(Value::Null) => Err(Fault::new(field, "is required")),
            Some(Value::Number(_) | Value::Bool(_)) => {
                Err(Fault::new(field, "must be a text; put it in quotes"))
            }
            Some(_) => Err(Fault::new(field, "must be a text")),
        }
    }
}

const VERSION: &str = "_format_version";
/// The name of the row of a collection of one, from which its id is derived.
const ONLY: &str = "default";
