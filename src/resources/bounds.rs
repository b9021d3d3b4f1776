//! The bounds that a schema puts on single values (lengths, ranges, patterns) and which of them are secret, in a
//! form that is quick to walk beside a row. Types, needed members and unknown ones are the decoder's business.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use crate::document::Fault;

/// What a value at one place may be.
#[derive(Debug, Default)]
pub(super) enum Bounds {
    #[default]
    Any,
    Text(Text),
    Number {
        least: f64,
        most: f64,
    },
    List {
        least: usize,
        most: usize,
        item: Box<Bounds>,
    },
    Mapping {
        members: HashMap<String, Bounds>,
        others: Box<Bounds>,
        /// Other spellings of members, and what they stand for.
        also: Vec<(String, String)>,
    },
    /// One of several mappings, told apart by the text of a member.
    Tagged {
        tag: String,
        variants: HashMap<String, Bounds>,
    },
}

/// Bounds of a text. Lengths in characters.
#[derive(Debug)]
pub(super) struct Text {
    least: usize,
    most: usize,
    pattern: Option<Regex>,
    /// What to say of a text that is outside, where the bounds do not speak for themselves.
    must: Option<String>,
    /// Nobody is shown it.
    secret: bool,
}

impl Bounds {
    /// The bounds in a schema that [`super::schema::of`] made.
    pub fn of(schema: &Value) -> Bounds {
        Reader { root: schema, depth: 0 }.read(schema)
    }

    /// Every value that is outside of its bounds. Null counts as absent.
    pub fn breaches(&self, value: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.walk(value, &mut String::new(), &mut |path, message| {
            faults.push(Fault::new(path, message));
        });
        faults
    }

    fn walk(&self, value: &Value, path: &mut String, report: &mut dyn FnMut(&str, String)) {
        match (self, value) {
            (Bounds::Text(bounds), Value::String(text)) => {
                if let Some(message) = bounds.breach(text) {
                    report(path, message);
                }
            }
            (Bounds::Number { least, most }, Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                if !(*least..=*most).contains(&number) {
                    report(path, range_message(*least, *most));
                }
            }
            (Bounds::List { least, most, item }, Value::Array(items)) => {
                if let Some(message) = count_breach(*least, *most, items.len()) {
                    report(path, message);
                }
                for (index, value) in items.iter().enumerate() {
                    below(path, &format!("[{index}]"), |path| item.walk(value, path, report));
                }
            }
            (Bounds::Mapping { .. } | Bounds::Tagged { .. }, Value::Object(object)) => {
                let Some(Bounds::Mapping { members, others, .. }) = self.mapping(object) else { return };
                for (name, value) in object {
                    let bounds = members.get(name).unwrap_or(others);
                    let step = if path.is_empty() { name.clone() } else { format!(".{name}") };
                    below(path, &step, |path| bounds.walk(value, path, report));
                }
            }
            _ => {}
        }
    }

    /// What bounds the members of this object.
    fn mapping(&self, object: &Map<String, Value>) -> Option<&Bounds> {
        match self {
            Bounds::Mapping { .. } => Some(self),
            Bounds::Tagged { tag, variants } => variants.get(object.get(tag)?.as_str()?)?.mapping(object),
            _ => None,
        }
    }

    /// Gives every member that is written in another spelling its own name. One that is there twice stays so.
    pub fn respell(&self, value: &mut Value) {
        match (self, value) {
            (Bounds::List { item, .. }, Value::Array(items)) => {
                items.iter_mut().for_each(|value| item.respell(value));
            }
            (Bounds::Mapping { .. } | Bounds::Tagged { .. }, Value::Object(object)) => {
                let Some(Bounds::Mapping { members, others, also }) = self.mapping(object) else { return };
                for (other, name) in also {
                    if object.get(name).is_none_or(Value::is_null)
                        && let Some(value) = object.remove(other)
                    {
                        object.insert(name.clone(), value);
                    }
                }
                for (name, value) in object.iter_mut() {
                    members.get(name).unwrap_or(others).respell(value);
                }
            }
            _ => {}
        }
    }

    /// Puts a mask in place of every secret.
    pub fn mask(&self, value: &mut Value) {
        self.secrets(value, None, &mut |secret, _| *secret = Value::String(MASK.to_owned()));
    }

    /// Puts the stored secret back where a write holds the mask that a read showed.
    pub fn unmask(&self, value: &mut Value, stored: &Value) {
        self.secrets(value, Some(stored), &mut |secret, stored| {
            if let (Some(MASK), Some(stored)) = (secret.as_str(), stored) {
                *secret = stored.clone();
            }
        });
    }

    fn secrets(
        &self,
        value: &mut Value,
        twin: Option<&Value>,
        visit: &mut dyn FnMut(&mut Value, Option<&Value>),
    ) {
        match (self, value) {
            (Bounds::Text(bounds), value @ Value::String(_)) if bounds.secret => visit(value, twin),
            (Bounds::List { item, .. }, Value::Array(items)) => {
                for (index, value) in items.iter_mut().enumerate() {
                    item.secrets(value, twin.and_then(|twin| twin.get(index)), visit);
                }
            }
            (Bounds::Mapping { .. } | Bounds::Tagged { .. }, Value::Object(object)) => {
                let Some(Bounds::Mapping { members, others, .. }) = self.mapping(object) else { return };
                for (name, value) in object.iter_mut() {
                    let bounds = members.get(name).unwrap_or(others);
                    bounds.secrets(value, twin.and_then(|twin| twin.get(name)), visit);
                }
            }
            _ => {}
        }
    }
}

impl Text {
    fn breach(&self, text: &str) -> Option<String> {
        let found = self.found(text)?;
        Some(self.must.clone().unwrap_or(found))
    }

    fn found(&self, text: &str) -> Option<String> {
        if self.least == 1 && text.trim().is_empty() {
            return Some("must not be empty".to_owned());
        }
        let length = text.chars().count();
        if !(self.least..=self.most).contains(&length) {
            return Some(match (self.least, self.most) {
                (0 | 1, most) => format!("must not be longer than {most} characters"),
                (least, usize::MAX) => format!("must have at least {least} characters"),
                (least, most) => format!("must have from {least} to {most} characters"),
            });
        }
        let pattern = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text))?;
        Some(format!("must match {}", pattern.as_str()))
    }
}

fn range_message(least: f64, most: f64) -> String {
    match (least == f64::NEG_INFINITY, most == f64::INFINITY) {
        (false, true) if least == 0.0 => "must not be negative".to_owned(),
        (false, true) => format!("must be at least {least}"),
        (true, _) => format!("must be at most {most}"),
        (false, false) => format!("must be from {least} to {most}"),
    }
}

fn count_breach(least: usize, most: usize, count: usize) -> Option<String> {
    match count {
        0 if least == 1 => Some("needs at least one entry".to_owned()),
        few if few < least => Some(format!("needs at least {least} entries")),
        many if many > most => Some(format!("must not have more than {most} entries")),
        _ => None,
    }
}

/// Runs `walk` with `step` behind the path.
fn below(path: &mut String, step: &str, walk: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(step);
    walk(path);
    path.truncate(length);
}

/// Reads bounds out of a schema.
struct Reader<'s> {
    root: &'s Value,
    depth: usize,
}

impl<'s> Reader<'s> {
    fn read(&self, schema: &'s Value) -> Bounds {
        if self.depth > DEEPEST {
            // A type that contains itself: bounded by the decoder's own checks from there on.
            return Bounds::Any;
        }
        let inner = Reader { root: self.root, depth: self.depth + 1 };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let found = target.strip_prefix('#').and_then(|path| self.root.pointer(path));
            return found.map(|schema| inner.read(schema)).unwrap_or_default();
        }
        if let Some(branches) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array()) {
            return inner.branches(branches);
        }
        if schema.get("properties").is_some() || schema.get("additionalProperties").is_some() {
            return inner.mapping(schema);
        }
        if let Some(items) = schema.get("items") {
            let item = Box::new(inner.read(items));
            return Bounds::List {
                least: count(schema, "minItems", 0),
                most: count(schema, "maxItems", usize::MAX),
                item,
            };
        }
        leaf(schema)
    }

    fn mapping(&self, schema: &'s Value) -> Bounds {
        let members = properties(schema).map(|(name, schema)| (name.clone(), self.read(schema))).collect();
        let others = schema.get("additionalProperties").map(|schema| self.read(schema));
        Bounds::Mapping { members, others: Box::new(others.unwrap_or_default()), also: spellings(schema) }
    }

    /// One branch besides null, or mappings with a constant member each.
    fn branches(&self, branches: &'s [Value]) -> Bounds {
        let is_null = |branch: &&Value| branch.get("type").is_some_and(|kind| kind == "null");
        let rest: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        if let [only] = rest.as_slice() {
            return self.read(only);
        }
        let mut tagged = None;
        for branch in rest {
            let Some((name, value)) = constant(branch) else { continue };
            let (_, variants) = tagged.get_or_insert_with(|| (name.to_owned(), HashMap::new()));
            variants.insert(value.to_owned(), self.read(branch));
        }
        tagged.map(|(tag, variants)| Bounds::Tagged { tag, variants }).unwrap_or_default()
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// The other spellings that members of a mapping have, each with the member.
fn spellings(schema: &Value) -> Vec<(String, String)> {
    let also = properties(schema).filter_map(|(name, schema)| Some((name, schema.get(ALSO)?.as_array()?)));
    let pairs = also.flat_map(|(name, also)| {
        also.iter().filter_map(move |other| Some((other.as_str()?.to_owned(), name.clone())))
    });
    pairs.collect()
}

/// The member of a mapping's schema that can have one text only.
fn constant(schema: &Value) -> Option<(&str, &str)> {
    properties(schema).find_map(|(name, schema)| Some((name.as_str(), schema.get("const")?.as_str()?)))
}

fn leaf(schema: &Value) -> Bounds {
    let number = |key: &str, other: f64| schema.get(key).and_then(Value::as_f64).unwrap_or(other);
    let has = |keys: &[&str]| keys.iter().any(|key| schema.get(*key).is_some());
    if has(&["minimum", "maximum"]) {
        return Bounds::Number {
            least: number("minimum", f64::NEG_INFINITY),
            most: number("maximum", f64::INFINITY),
        };
    }
    if !has(&["minLength", "maxLength", "pattern", SECRET]) {
        return Bounds::Any;
    }
    let pattern = schema.get("pattern").and_then(Value::as_str);
    Bounds::Text(Text {
        least: count(schema, "minLength", 0),
        most: count(schema, "maxLength", usize::MAX),
        pattern: pattern.and_then(|pattern| Regex::new(pattern).ok()),
        must: schema.get("x-must").and_then(Value::as_str).map(str::to_owned),
        secret: schema.get(SECRET).is_some_and(|secret| secret == true),
    })
}

fn count(schema: &Value, key: &str, other: usize) -> usize {
    schema.get(key).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok()).unwrap_or(other)
}

/// What a reader is shown in place of a secret, and what a writer sends to leave it as it is.
pub const MASK: &str = "********";
/// Marks a secret in a schema.
pub(super) const SECRET: &str = "writeOnly";
/// Lists the other spellings of a member in a schema.
const ALSO: &str = "x-also";
/// Nesting of a schema that is followed.
const DEEPEST: usize = 24;
