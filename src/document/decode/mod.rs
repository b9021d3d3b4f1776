//! Values into structs, with a word about every key.
//!
//! A struct's own fields are the known keys: serde hands their names to `deserialize_struct`, and every
//! other key is reported with its path and the nearest known name; whether it is a fault is for the reader to say.
//! A fault does not end the reading: the faulty member is left out and the rest is read again, so that one
//! run finds everything. A null member counts as absent. Messages never repeat a value, which might be a
//! secret.
//!
//! Flattened, untagged and internally tagged types hide their fields from serde and must not be used in such
//! structs. An enum of structs that are told apart by a member is written as a plain enum whose serde name begins
//! with that member and a colon: `#[serde(rename = "kind:Guardrail")]` reads `{kind: keyword, patterns: []}`.

mod parts;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

use serde::de::{self, DeserializeOwned, Visitor};
use serde_json::{Map, Value};

use super::{Fault, suggestion};
use parts::{Choice, Items, Members, Tagged};

/// What came of a decoding.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The value without its faulty members; None when it cannot be without them.
    pub value: Option<T>,
    /// Everything that is wrong, sorted.
    pub faults: Vec<Fault>,
    /// Keys that nobody knows, sorted.
    pub unknown: Vec<Fault>,
}

impl<T> Decoded<T> {
    /// The same with every unknown key among the faults.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.faults.append(&mut self.unknown);
        self.faults.sort();
        self
    }
}

/// Texts that stand for values of the type their place wants, as environment variables do.
#[derive(Debug, Default)]
pub struct Texts<'a> {
    /// The places of such texts.
    pub places: HashSet<String>,
    /// The places where such a text is a list separated by commas; a JSON array elsewhere.
    pub comma_lists: &'a [&'a str],
}

/// Reads a `T` from a value.
pub fn decode<T: DeserializeOwned>(value: &Value) -> Decoded<T> {
    decode_with_texts(value, &Texts::default())
}

/// Reads a `T` from a value in which some texts stand for other things.
pub fn decode_with_texts<T: DeserializeOwned>(value: &Value, texts: &Texts<'_>) -> Decoded<T> {
    let mut left_out = BTreeSet::new();
    let unknown = RefCell::new(BTreeSet::new());
    let mut faults = BTreeSet::new();
    let value = loop {
        let run = Run { texts, left_out: &left_out, unknown: &unknown };
        let root = Node { value, place: Place::Root, is_text: false, tag: None, run: &run };
        let failure = match T::deserialize(root) {
            Ok(value) => break Some(value),
            Err(failure) => failure,
        };
        let (parent, path) = failure.paths();
        let consequence = failure.missing.is_some() && left_out.contains(&path);
        let leave_out = if failure.missing.is_some() { parent } else { path.clone() };
        if !consequence {
            faults.insert(Fault { path, message: failure.message });
        }
        if leave_out.is_empty() || !left_out.insert(leave_out) || left_out.len() > MOST_FAULTS {
            break None;
        }
    };
    let unknown = unknown.into_inner().into_iter().collect();
    Decoded { value, faults: faults.into_iter().collect(), unknown }
}

/// What one reading needs to know everywhere.
struct Run<'a> {
    texts: &'a Texts<'a>,
    left_out: &'a BTreeSet<String>,
    unknown: &'a RefCell<BTreeSet<Fault>>,
}

/// One value, and where it stands.
#[derive(Clone, Copy)]
struct Node<'a> {
    value: &'a Value,
    place: Place<'a>,
    is_text: bool,
    /// A member that has been read already, to tell of which variant the value is.
    tag: Option<&'static str>,
    run: &'a Run<'a>,
}

/// A path as a chain up the stack, so that it costs nothing until it is printed.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root => Ok(()),
            Place::Member(Place::Root, name) => f.write_str(name),
            Place::Member(parent, name) => write!(f, "{parent}.{name}"),
            Place::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Why a value could not be read. The innermost place that hears of it adds the path.
#[derive(Debug)]
struct Failure {
    path: Option<String>,
    message: String,
    missing: Option<&'static str>,
}

impl Failure {
    fn at(mut self, place: Place<'_>) -> Self {
        self.path.get_or_insert_with(|| place.to_string());
        self
    }

    /// Where it was noticed, and what it is about: a missing member is noticed by its parent.
    fn paths(&self) -> (String, String) {
        let noticed = self.path.clone().unwrap_or_default();
        match self.missing {
            Some(name) => (noticed.clone(), super::member(&noticed, name)),
            None => (noticed.clone(), noticed),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Failure { path: None, message: message.to_string(), missing: None }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        de::Error::custom(format_args!("must be {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        de::Error::custom(format_args!("must be {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Failure { path: None, message: "is required".to_owned(), missing: Some(field) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        de::Error::custom(format_args!("has {field} twice, under two spellings"))
    }
}

impl<'a> Node<'a> {
    fn fail<T>(&self, message: impl fmt::Display) -> Result<T, Failure> {
        Err(<Failure as de::Error>::custom(message).at(self.place))
    }

    /// The text of a value that stands for another type.
    fn text(&self) -> Option<&'a str> {
        if self.is_text { self.value.as_str().map(str::trim) } else { None }
    }

    fn object(&self) -> Result<&'a Map<String, Value>, Failure> {
        match self.value {
            Value::Object(members) => Ok(members),
            _ => self.fail("must be a mapping"),
        }
    }

    fn child<'b>(&self, value: &'b Value, place: Place<'b>) -> Node<'b>
    where
        'a: 'b,
    {
        let places = &self.run.texts.places;
        let is_text = self.is_text || (!places.is_empty() && places.contains(&place.to_string()));
        Node { value, place, is_text, tag: None, run: self.run }
    }

    fn boolean(&self) -> Result<bool, Failure> {
        let boolean = match self.text() {
            Some(text) => text.to_ascii_lowercase().parse().ok(),
            None => self.value.as_bool(),
        };
        boolean.map_or_else(|| self.fail("must be true or false"), Ok)
    }

    fn unsigned(&self, largest: u64) -> Result<u64, Failure> {
        let number = match self.text() {
            Some(text) => text.parse().ok(),
            None => self.value.as_u64(),
        };
        match number {
            Some(number) if number <= largest => Ok(number),
            _ => self.fail(format_args!("must be a whole number from 0 to {largest}")),
        }
    }

    fn signed(&self, smallest: i64, largest: i64) -> Result<i64, Failure> {
        let number = match self.text() {
            Some(text) => text.parse().ok(),
            None => self.value.as_i64(),
        };
        match number {
            Some(number) if (smallest..=largest).contains(&number) => Ok(number),
            _ => self.fail(format_args!("must be a whole number from {smallest} to {largest}")),
        }
    }

    fn float(&self) -> Result<f64, Failure> {
        let number = match self.text() {
            Some(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            None => self.value.as_f64(),
        };
        number.map_or_else(|| self.fail("must be a number"), Ok)
    }

    fn string(&self) -> Result<&'a str, Failure> {
        match self.value {
            Value::String(text) => Ok(text),
            Value::Bool(_) | Value::Number(_) => self.fail("must be a text; put it in quotes"),
            _ => self.fail("must be a text"),
        }
    }

    /// The items of a list, made from a text where it stands for one.
    fn list(&self) -> Result<(std::borrow::Cow<'a, [Value]>, bool), Failure> {
        use std::borrow::Cow;
        if let Some(text) = self.text() {
            if self.run.texts.comma_lists.contains(&self.place.to_string().as_str()) {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                return Ok((Cow::Owned(items.map(|item| Value::String(item.to_owned())).collect()), true));
            }
            return match serde_json::from_str::<Vec<Value>>(text) {
                Ok(items) => Ok((Cow::Owned(items), false)),
                Err(_) => self.fail("must be a JSON array in one text"),
            };
        }
        match self.value {
            Value::Array(items) => Ok((Cow::Borrowed(items), false)),
            _ => self.fail("must be a list"),
        }
    }

    fn report_unknown(&self, members: &Map<String, Value>, known: &[&'static str]) {
        let is_known = |name: &str| known.contains(&name) || self.tag == Some(name);
        for name in members.keys().filter(|name| !is_known(name)) {
            let path = Place::Member(&self.place, name).to_string();
            let message = format!("unknown key{}", suggestion(name, known.iter().copied()));
            self.run.unknown.borrow_mut().insert(Fault { path, message });
        }
    }

    fn is_left_out(&self, place: Place<'_>) -> bool {
        let left_out = self.run.left_out;
        !left_out.is_empty() && left_out.contains(&place.to_string())
    }

    fn variant(&self, name: &str, variants: &'static [&'static str]) -> Result<&'static str, Failure> {
        match variants.iter().find(|variant| **variant == name) {
            Some(variant) => Ok(variant),
            None => {
                let near = suggestion(name, variants.iter().copied());
                self.fail(format_args!("must be {}{near}", one_of(variants)))
            }
        }
    }

    /// A mapping whose member `tag` says of which variant it is.
    fn tagged<'de, V: Visitor<'de>>(
        self,
        tag: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let place = Place::Member(&self.place, tag);
        let told = self.object()?.get(tag).filter(|value| !value.is_null() && !self.is_left_out(place));
        let Some(told) = told.map(|value| self.child(value, place)) else {
            return Err(<Failure as de::Error>::missing_field(tag).at(self.place));
        };
        let name = told.variant(told.string()?, variants)?;
        let whole = Node { tag: Some(tag), ..self };
        visitor.visit_enum(Tagged { whole, name }).map_err(|failure| failure.at(self.place))
    }

    /// The members that are read: those not left out.
    fn members(&self) -> Result<Vec<(&'a String, &'a Value)>, Failure> {
        let members = self.object()?.iter();
        Ok(members.filter(|(name, _)| !self.is_left_out(Place::Member(&self.place, name))).collect())
    }
}

/// Reads a number and hands it to the visitor.
macro_rules! number {
    ($($method:ident => $read:ident($($bound:expr),*) as $visit:ident($type:ty);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let number = self.$read($($bound),*)?;
            visitor.$visit(number as $type).map_err(|failure: Failure| failure.at(self.place))
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Node<'_> {
    type Error = Failure;

    number! {
        deserialize_bool => boolean() as visit_bool(bool);
        deserialize_u8 => unsigned(u8::MAX.into()) as visit_u8(u8);
        deserialize_u16 => unsigned(u16::MAX.into()) as visit_u16(u16);
        deserialize_u32 => unsigned(u32::MAX.into()) as visit_u32(u32);
        deserialize_u64 => unsigned(u64::MAX) as visit_u64(u64);
        deserialize_i8 => signed(i8::MIN.into(), i8::MAX.into()) as visit_i8(i8);
        deserialize_i16 => signed(i16::MIN.into(), i16::MAX.into()) as visit_i16(i16);
        deserialize_i32 => signed(i32::MIN.into(), i32::MAX.into()) as visit_i32(i32);
        deserialize_i64 => signed(i64::MIN, i64::MAX) as visit_i64(i64);
        deserialize_f32 => float() as visit_f32(f32);
        deserialize_f64 => float() as visit_f64(f64);
        deserialize_str => string() as visit_str(&str);
        deserialize_string => string() as visit_str(&str);
        deserialize_char => string() as visit_str(&str);
        deserialize_identifier => string() as visit_str(&str);
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(boolean) => visitor.visit_bool(*boolean),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let (items, is_text) = self.list()?;
        let parent = Node { is_text, ..self };
        visitor
            .visit_seq(Items { parent: &parent, items: &items, next: 0 })
            .map_err(|failure| failure.at(self.place))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let members = self.members()?;
        visitor.visit_map(Members::of(&self, &members)).map_err(|failure| failure.at(self.place))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.report_unknown(self.object()?, fields);
        let mut members = self.members()?;
        members.retain(|(name, value)| fields.contains(&name.as_str()) && !value.is_null());
        visitor.visit_map(Members::of(&self, &members)).map_err(|failure| failure.at(self.place))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if let Some((tag, _)) = name.split_once(':') {
            return self.tagged(tag, variants, visitor);
        }
        let (name, body) = match self.value {
            Value::String(text) => (if self.is_text { text.trim() } else { text }, None),
            Value::Object(members) if members.len() == 1 => match members.iter().next() {
                Some((name, body)) => (name.as_str(), Some(body)),
                None => return self.fail("must be a text"),
            },
            _ => return self.fail(format_args!("must be {}", one_of(variants))),
        };
        let name = self.variant(name, variants)?;
        visitor.visit_enum(Choice { parent: &self, name, body }).map_err(|failure| failure.at(self.place))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { bytes byte_buf unit unit_struct tuple tuple_struct }
}

fn one_of(variants: &[&str]) -> String {
    match variants {
        [only] => format!("{only:?}"),
        many => {
            format!("one of {}", many.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Faults after which the reading of one value is given up.
const MOST_FAULTS: usize = 100;
