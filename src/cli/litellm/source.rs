//! A LiteLLM configuration as it is taken apart: what nobody took is told at the end.

use serde_json::{Map, Value};

/// A mapping of the file, and what is left of it.
pub struct Source {
    path: String,
    members: Map<String, Value>,
}

/// What could not be mapped, or was mapped to something a little different: path and reason.
#[derive(Default)]
pub struct Notes(Vec<String>);

impl Notes {
    pub fn add(&mut self, path: &str, why: &str) {
        self.0.push(format!("{path}: {why}"));
    }

    pub fn into_vec(self) -> Vec<String> {
        self.0
    }
}

impl Source {
    /// What stands at a path; not a mapping counts as an empty one, and is told.
    pub fn new(path: impl Into<String>, value: Option<Value>, notes: &mut Notes) -> Self {
        let path = path.into();
        let members = match value {
            Some(Value::Object(members)) => members,
            None | Some(Value::Null) => Map::new(),
            Some(_) => {
                notes.add(&path, "left out: it is no mapping");
                Map::new()
            }
        };
        Source { path, members }
    }

    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.members.shift_remove(name).filter(|value| !value.is_null())
    }

    pub fn inner(&mut self, name: &str, notes: &mut Notes) -> Source {
        let value = self.take(name);
        Source::new(self.path(name), value, notes)
    }

    pub fn list(&mut self, name: &str, notes: &mut Notes) -> Vec<Value> {
        match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                notes.add(&self.path(name), "left out: it is no list");
                Vec::new()
            }
        }
    }

    /// A text; a number counts as one.
    pub fn text(&mut self, name: &str, notes: &mut Notes) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => {
                notes.add(&self.path(name), "left out: it is no text");
                None
            }
        }
    }

    pub fn number(&mut self, name: &str, notes: &mut Notes) -> Option<f64> {
        let value = self.take(name)?;
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        if number.is_none() {
            notes.add(&self.path(name), "left out: it is no number");
        }
        number.filter(|number| number.is_finite() && *number >= 0.0)
    }

    pub fn whole(&mut self, name: &str, notes: &mut Notes) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and saturates"
        )]
        self.number(name, notes).map(|number| number.round() as u64)
    }

    /// Milliseconds from seconds.
    pub fn milliseconds(&mut self, name: &str, notes: &mut Notes) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and saturates"
        )]
        self.number(name, notes).map(|seconds| (seconds * 1000.0).round() as u64)
    }

    /// Tells what is left.
    pub fn finish(self, why: impl Fn(&str) -> &'static str, notes: &mut Notes) {
        for name in self.members.keys() {
            notes.add(&self.path(name), &format!("left out: {}", why(name)));
        }
    }
}
