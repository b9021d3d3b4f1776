//! Values that rows of several kinds hold: moments, expressions, texts that go into headers.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use regex::RegexBuilder;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// One text, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Texts::Many(texts))
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    }
}

/// An RFC 3339 moment, for `deserialize_with`.
pub(super) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match text.parse::<jiff::Timestamp>() {
        Ok(timestamp) => Ok(Some(timestamp.into())),
        Err(_) => Err(de::Error::custom("must be an RFC 3339 time such as 2027-01-31T00:00:00Z")),
    }
}

/// The default of switches that are on.
pub(super) fn on() -> bool {
    true
}

/// Can it be searched for?
///
/// # Errors
/// It cannot; says why.
pub(super) fn expression(pattern: &str, ignores_case: bool) -> Result<(), &'static str> {
    let built =
        RegexBuilder::new(pattern).case_insensitive(ignores_case).size_limit(LARGEST_EXPRESSION).build();
    match built {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err("is too large a regular expression"),
        Err(_) => Err("is not a regular expression (look-around and back-references are not supported)"),
    }
}

/// Can it stand in a header?
///
/// # Errors
/// It cannot. The text is not repeated: it may be a credential.
pub(super) fn sendable(text: &str) -> Result<(), &'static str> {
    match text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        true => Ok(()),
        false => Err("contains characters that no header may carry"),
    }
}

/// Bytes an expression may take when compiled.
const LARGEST_EXPRESSION: usize = 2 << 20;
