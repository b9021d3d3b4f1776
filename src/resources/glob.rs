//! Patterns over names: one `*` stands for any text, both ends are anchored.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A name or a pattern with exactly one `*`. A text with several `*` matches nothing but itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    /// Where the only `*` stands.
    star: Option<usize>,
}

impl Glob {
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let star = text.find('*').filter(|first| text.rfind('*') == Some(*first));
        Glob { text, star }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Does it have the one `*` that makes it a pattern?
    pub fn is_pattern(&self) -> bool {
        self.star.is_some()
    }

    /// Bytes outside the `*`.
    pub fn literal_len(&self) -> usize {
        self.text.len() - usize::from(self.star.is_some())
    }

    pub fn matches(&self, name: &str) -> bool {
        match self.star {
            None => self.text == name,
            Some(_) => self.capture(name).is_some(),
        }
    }

    /// The part of `name` under the `*`. None when it does not match or there is no `*`.
    pub fn capture<'n>(&self, name: &'n str) -> Option<&'n str> {
        let (head, tail) = self.halves()?;
        name.strip_prefix(head)?.strip_suffix(tail)
    }

    /// The pattern with `captured` in place of the `*`.
    pub fn fill(&self, captured: &str) -> String {
        match self.halves() {
            None => self.text.clone(),
            Some((head, tail)) => [head, captured, tail].concat(),
        }
    }

    fn halves(&self) -> Option<(&str, &str)> {
        let star = self.star?;
        Some((self.text.get(..star)?, self.text.get(star + 1..)?))
    }
}

impl From<&str> for Glob {
    fn from(text: &str) -> Self {
        Glob::new(text)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Glob::new)
    }
}

impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "pattern"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_matches_any_text_and_several_match_only_themselves() {
        let table = [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4", false),
            ("*", "", true),
            ("*", "anything", true),
            ("gpt-*", "gpt-", true),
            ("gpt-*", "gpt-4o", true),
            ("gpt-*", "xgpt-4o", false),
            ("*-mini", "gpt-4o-mini", true),
            ("*-mini", "gpt-4o-mini-x", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("ä*ü", "äöü", true),
            ("a*b*c", "axbxc", false),
            ("a*b*c", "a*b*c", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(Glob::new(pattern).matches(name), expected, "{pattern} against {name}");
        }
    }

    #[test]
    fn a_filled_pattern_gives_back_the_name_it_captured() {
        let glob = Glob::new("openai/*-x");
        let captured = glob.capture("openai/gpt-4o-x").expect("it matches");
        assert_eq!(captured, "gpt-4o");
        assert_eq!(glob.fill(captured), "openai/gpt-4o-x");
        assert_eq!(Glob::new("plain").fill("ignored"), "plain");
    }
}
