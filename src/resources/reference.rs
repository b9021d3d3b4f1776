//! How rows name one another, and what they must not share.

use serde_json::{Map, Value};

use super::kind::AnyRow;
use crate::document::{Fault, suggestion};

/// A place in a row that names another row.
#[derive(Debug)]
pub struct Reference {
    /// `routing.targets[0].model`
    pub path: String,
    /// The collection of the row that is meant.
    pub to: &'static str,
    pub by: By,
    /// What must hold of that row beyond its being there; the answer says what does not.
    pub needs: Option<fn(&dyn AnyRow) -> Option<&'static str>>,
}

/// What a row is named by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum By {
    Id(String),
    Name(String),
}

impl Reference {
    pub fn id(path: impl Into<String>, to: &'static str, id: &str) -> Self {
        Reference { path: path.into(), to, by: By::Id(id.to_owned()), needs: None }
    }

    pub fn name(path: impl Into<String>, to: &'static str, name: &str) -> Self {
        Reference { path: path.into(), to, by: By::Name(name.to_owned()), needs: None }
    }

    /// References by name under `path[0]`, `path[1]`, …; patterns name nothing.
    pub fn names<'n>(
        path: &str,
        to: &'static str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Vec<Reference> {
        let names = names.into_iter().enumerate().filter(|(_, name)| !name.contains('*'));
        names.map(|(index, name)| Reference::name(format!("{path}[{index}]"), to, name)).collect()
    }

    #[must_use]
    pub fn that(mut self, needs: fn(&dyn AnyRow) -> Option<&'static str>) -> Self {
        self.needs = Some(needs);
        self
    }
}

/// Something two rows of a kind must not both have.
#[derive(Debug)]
pub struct Unique {
    pub path: &'static str,
    /// What is compared. Not shown to anyone.
    pub value: String,
    /// The message, given the other row: `models[1]`.
    pub message: fn(other: &str) -> String,
}

/// What a row may refer to while it is turned into its stored form.
pub struct Names<'a> {
    /// The id of a row by its collection and name; an id stands for itself.
    pub id_of: &'a dyn Fn(&'static str, &str) -> Option<String>,
    /// The names of all rows of a collection, for messages.
    pub known: &'a dyn Fn(&'static str) -> Vec<String>,
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl Names<'_> {
    /// Replaces the name under `sugar` by the id under `stored`.
    ///
    /// # Errors
    /// Both are there, or nothing is called so.
    pub fn named(
        &self,
        row: &mut Map<String, Value>,
        sugar: &str,
        stored: &str,
        collection: &'static str,
    ) -> Result<(), Fault> {
        let Some(name) = row.remove(sugar).filter(|name| !name.is_null()) else { return Ok(()) };
        if row.get(stored).is_some_and(|id| !id.is_null()) {
            return Err(Fault::new(sugar, format!("cannot stand beside {stored}")));
        }
        let Value::String(name) = name else { return Err(Fault::new(sugar, "must be a text")) };
        let id = self.id(collection, &name).map_err(|message| Fault::new(sugar, message))?;
        row.insert(stored.to_owned(), Value::String(id));
        Ok(())
    }

    /// The id of the row with this name.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub fn id(&self, collection: &'static str, name: &str) -> Result<String, String> {
        if let Some(id) = (self.id_of)(collection, name) {
            return Ok(id);
        }
        let mut known = (self.known)(collection);
        known.sort_unstable();
        let near = suggestion(name, known.iter().map(String::as_str));
        let shown =
            known.iter().take(MOST_SHOWN).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let more = if known.len() > MOST_SHOWN { ", …" } else { "" };
        Err(match known.len() {
            0 => format!("{name:?} is not among {collection}: there are none"),
            _ => format!("{name:?} is not among {collection}{near} (known: {shown}{more})"),
        })
    }
}

/// Names listed in a message.
const MOST_SHOWN: usize = 20;
