//! What a kind of row is. Its struct says which members there are, what they mean and what they may hold;
//! [`Resource`] adds the little that no struct can say. Everything else that is done with rows, from reading to
//! documentation, follows from these two and is written once.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::bounds::Bounds;
use super::glob::Glob;
use super::reference::{Names, Reference, Unique};
use super::schema;
use crate::document::{Fault, decode};

/// A kind of row, as the file of its struct defines it.
pub trait Resource: DeserializeOwned + JsonSchema + fmt::Debug + Send + Sync + 'static {
    /// The collection its rows stand in: key in a resources file, path segment in stores and interfaces.
    const COLLECTION: &'static str;
    /// One row in words: `cache policy`.
    const TITLE: &'static str;
    /// The member that names a row; None for a collection of one.
    const IDENTITY: Option<&'static str> = Some("name");
    /// Does the gateway act on its rows?
    const ACTS: bool = false;

    /// Takes the id of the row, which does not stand in it.
    fn identified(&mut self, id: &str);

    /// What neither the types nor the bounds of single members can refuse.
    fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }

    /// The rows it names.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// What no other row of its kind may hold too, besides the name.
    fn unique(&self) -> Vec<Unique> {
        Vec::new()
    }

    /// Its name as a pattern, when it answers to every name that matches.
    fn pattern(&self) -> Option<Glob> {
        None
    }

    /// Turns spellings for people into the stored form: names into ids, keys into hashes.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn desugar(_row: &mut Map<String, Value>, _names: &Names<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

/// A row of whatever kind.
pub trait AnyRow: Any + fmt::Debug + Send + Sync {
    fn faults(&self) -> Vec<Fault>;
    fn references(&self) -> Vec<Reference>;
    fn unique(&self) -> Vec<Unique>;
    fn pattern(&self) -> Option<Glob>;
}

impl<R: Resource> AnyRow for R {
    fn faults(&self) -> Vec<Fault> {
        Resource::faults(self)
    }

    fn references(&self) -> Vec<Reference> {
        Resource::references(self)
    }

    fn unique(&self) -> Vec<Unique> {
        Resource::unique(self)
    }

    fn pattern(&self) -> Option<Glob> {
        Resource::pattern(self)
    }
}

/// The row as what it is, if it is that.
pub fn downcast<R: Resource>(row: Arc<dyn AnyRow>) -> Option<Arc<R>> {
    let row: Arc<dyn Any + Send + Sync> = row;
    row.downcast().ok()
}

/// A row as the kind reads it.
pub struct Read {
    /// None when it cannot be read for its faults.
    pub row: Option<Arc<dyn AnyRow>>,
    /// What is wrong with it by itself.
    pub faults: Vec<Fault>,
    /// Members nobody knows. A write with them is refused, a stored row is served without them.
    pub unknown: Vec<Fault>,
    /// Is each member as it may be, and wrong only what they mean together?
    pub only_together: bool,
}

/// A [`Resource`] whose type is forgotten.
pub struct Kind {
    pub collection: &'static str,
    pub title: &'static str,
    pub identity: Option<&'static str>,
    pub acts: bool,
    desugar: fn(&mut Map<String, Value>, &Names<'_>) -> Result<(), Fault>,
    decode: fn(&Value, &str) -> Read,
    generate: fn() -> Value,
    derived: OnceLock<Derived>,
}

/// What follows from the struct, made when it is first asked for.
struct Derived {
    schema: Value,
    bounds: Bounds,
}

impl Kind {
    pub const fn of<R: Resource>() -> Kind {
        Kind {
            collection: R::COLLECTION,
            title: R::TITLE,
            identity: R::IDENTITY,
            acts: R::ACTS,
            desugar: R::desugar,
            decode: decode_row::<R>,
            generate: schema::of::<R>,
            derived: OnceLock::new(),
        }
    }

    /// Reads a row that is being written: members nobody knows are faults.
    pub fn admit(&self, id: &str, body: &Value) -> Read {
        let mut read = (self.decode)(body, id);
        read.faults.append(&mut read.unknown);
        self.judge(read, body)
    }

    /// Reads a row that stands in a store. Members nobody knows are told, and do no harm: another version of the
    /// gateway may have written them.
    pub fn load(&self, id: &str, body: &Value) -> Read {
        self.judge((self.decode)(body, id), body)
    }

    /// Checks all that can be said of a row alone.
    fn judge(&self, mut read: Read, body: &Value) -> Read {
        // What members mean together is not asked of a row in which some are misspelt.
        let whole = if read.faults.is_empty() { read.row.as_ref() } else { None };
        let together = whole.map(|row| row.faults()).unwrap_or_default();
        add(&mut read.faults, self.bounds().breaches(body));
        read.only_together = read.faults.is_empty();
        add(&mut read.faults, together);
        read.faults.sort();
        read.row = read.row.filter(|_| read.faults.is_empty());
        read
    }

    /// The JSON Schema (draft 2020-12) of the stored form, without unknown members.
    pub fn schema(&self) -> &Value {
        &self.derived().schema
    }

    /// Turns spellings for people into the stored form.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn desugar(&self, row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        (self.desugar)(row, names)
    }

    /// Gives members in older or other spellings their own names, as they are stored.
    pub fn respell(&self, body: &mut Value) {
        self.bounds().respell(body);
    }

    /// A row as anybody may see it: [`MASK`](super::MASK) in place of every secret.
    pub fn masked(&self, mut body: Value) -> Value {
        self.bounds().mask(&mut body);
        body
    }

    /// Puts back what a mask stands for, from the row as it is stored.
    pub fn unmask(&self, body: &mut Value, stored: &Value) {
        self.bounds().unmask(body, stored);
    }

    fn bounds(&self) -> &Bounds {
        &self.derived().bounds
    }

    fn derived(&self) -> &Derived {
        self.derived.get_or_init(|| {
            let schema = (self.generate)();
            Derived { bounds: Bounds::of(&schema), schema }
        })
    }

    /// What names the row.
    ///
    /// # Errors
    /// It has no name, or one that is no text.
    pub fn name_of(&self, body: &Map<String, Value>) -> Result<String, Fault> {
        let Some(member) = self.identity else { return Ok(ONLY.to_owned()) };
        match body.get(member) {
            Some(Value::String(name)) if !name.trim().is_empty() => Ok(name.clone()),
            Some(Value::String(_)) => Err(Fault::new(member, "must not be empty")),
            None | Some(Value::Null) => Err(Fault::new(member, "is required")),
            Some(Value::Number(_) | Value::Bool(_)) => {
                Err(Fault::new(member, "must be a text; put it in quotes"))
            }
            Some(_) => Err(Fault::new(member, "must be a text")),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.collection)
    }
}

/// Adds what is wrong in places of which nothing was said yet.
fn add(faults: &mut Vec<Fault>, more: Vec<Fault>) {
    let wrong: HashSet<String> = faults.iter().map(|fault| fault.path.clone()).collect();
    faults.extend(more.into_iter().filter(|fault| !wrong.contains(&fault.path)));
}

fn decode_row<R: Resource>(body: &Value, id: &str) -> Read {
    let decoded = decode::<R>(body);
    let row = decoded.value.map(|mut row| {
        row.identified(id);
        Arc::new(row) as Arc<dyn AnyRow>
    });
    Read { row, faults: decoded.faults, unknown: decoded.unknown, only_together: false }
}

/// The name of the row of a collection of one, from which its id is derived.
const ONLY: &str = "default";
