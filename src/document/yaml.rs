//! YAML 1.2 with positions, built from the parser's events.
//!
//! Scalars follow the core schema. One document per file, every key once, no tags beyond the core ones, no
//! merge keys. Aliases are expanded within a bound, so that a few lines cannot become gigabytes.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Number, Value};

use super::{Document, Snag, member};

/// Reads one YAML document.
pub(super) fn read(text: &str) -> Result<Document, Vec<Snag>> {
    let (document, snags) = read_leniently(text);
    if snags.is_empty() { Ok(document) } else { Err(snags) }
}

/// What could be read, and what is wrong.
pub(super) fn read_leniently(text: &str) -> (Document, Vec<Snag>) {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let outcome = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let text = format!("is not YAML: {}", error.info());
                Err(Snag::new(Some(error.marker().line()), text))
            }
        };
        if let Err(snag) = outcome {
            builder.snags.push(snag);
            break;
        }
    }
    (Document { value: builder.root.unwrap_or_default(), lines: builder.lines }, builder.snags)
}

#[derive(Default)]
struct Builder {
    root: Option<Value>,
    documents: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    expanded: usize,
    lines: HashMap<String, usize>,
    snags: Vec<Snag>,
}

/// A list or mapping whose end has not come yet.
struct Open {
    path: String,
    anchor: usize,
    body: Body,
}

enum Body {
    List(Vec<Value>),
    /// With the key whose value comes next.
    Map(Map<String, Value>, Option<String>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Snag> {
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => self.start_document(line),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag, line),
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::SequenceStart(anchor, tag) => self.start(Body::List(Vec::new()), anchor, tag, line),
            Event::MappingStart(anchor, tag) => self.start(Body::Map(Map::new(), None), anchor, tag, line),
            Event::SequenceEnd | Event::MappingEnd => self.end(line),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn start_document(&mut self, line: usize) -> Result<(), Snag> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(Snag::new(Some(line), "holds several YAML documents; one is allowed"));
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        line: usize,
    ) -> Result<(), Snag> {
        if self.key_is_next() {
            return self.key(text, line);
        }
        let value = match core_tag(tag.as_deref(), line)? {
            Some("str") => Value::String(text.to_owned()),
            Some(_) => plain(text, line)?,
            None if style == ScalarStyle::Plain => plain(text, line)?,
            None => Value::String(text.to_owned()),
        };
        self.remember(anchor, &value);
        self.place(value, line)
    }

    fn key_is_next(&self) -> bool {
        matches!(self.open.last(), Some(Open { body: Body::Map(_, None), .. }))
    }

    fn key(&mut self, text: &str, line: usize) -> Result<(), Snag> {
        if text == "<<" {
            return Err(Snag::new(Some(line), "merge keys (<<) are not supported"));
        }
        if text.len() > LONGEST_KEY {
            return Err(Snag::new(Some(line), format!("has a key of more than {LONGEST_KEY} bytes")));
        }
        let Some(Open { path, body: Body::Map(members, key), .. }) = self.open.last_mut() else {
            return Ok(());
        };
        let place = member(path, text);
        if members.contains_key(text) {
            let first = self.lines.get(&place).map(|line| format!(" (first in line {line})"));
            let message = format!("appears twice{}", first.unwrap_or_default());
            self.snags.push(Snag { line: Some(line), path: place, message });
        } else {
            self.lines.insert(place, line);
        }
        *key = Some(text.to_owned());
        Ok(())
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<(), Snag> {
        let Some(value) = self.anchors.get(&anchor) else {
            return Err(Snag::new(Some(line), "has an alias to something that is not complete before it"));
        };
        if self.key_is_next() {
            return Err(Snag::new(Some(line), "has an alias where a key must be"));
        }
        self.expanded = self.expanded.saturating_add(weight(value));
        if self.expanded > EXPANSION_BOUND {
            return Err(Snag::new(Some(line), "has aliases that expand beyond all bounds"));
        }
        self.place(value.clone(), line)
    }

    fn start(
        &mut self,
        body: Body,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        line: usize,
    ) -> Result<(), Snag> {
        core_tag(tag.as_deref(), line)?;
        if self.key_is_next() {
            return Err(Snag::new(Some(line), "has a key that is not a text"));
        }
        if self.open.len() >= DEEPEST {
            return Err(Snag::new(Some(line), format!("is nested more than {DEEPEST} levels deep")));
        }
        let path = self.next_path();
        self.lines.entry(path.clone()).or_insert(line);
        self.open.push(Open { path, anchor, body });
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<(), Snag> {
        let Some(Open { anchor, body, .. }) = self.open.pop() else { return Ok(()) };
        let value = match body {
            Body::List(items) => Value::Array(items),
            Body::Map(members, _) => Value::Object(members),
        };
        self.remember(anchor, &value);
        self.place(value, line)
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, value: Value, line: usize) -> Result<(), Snag> {
        let path = self.next_path();
        self.lines.entry(path).or_insert(line);
        match self.open.last_mut().map(|open| &mut open.body) {
            None => self.root = Some(value),
            Some(Body::List(items)) => items.push(value),
            Some(Body::Map(members, key)) => {
                if let Some(key) = key.take() {
                    members.insert(key, value);
                }
            }
        }
        Ok(())
    }

    fn next_path(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some(Open { path, body: Body::List(items), .. }) => format!("{path}[{}]", items.len()),
            Some(Open { path, body: Body::Map(_, key), .. }) => member(path, key.as_deref().unwrap_or("")),
        }
    }

    /// Anchors are numbered from 1; 0 is none.
    fn remember(&mut self, anchor: usize, value: &Value) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
    }
}

/// The suffix of a core tag (`str`, `int`); other tags are refused.
fn core_tag(tag: Option<&Tag>, line: usize) -> Result<Option<&str>, Snag> {
    match tag {
        None => Ok(None),
        Some(tag) if tag.is_yaml_core_schema() => Ok(Some(tag.suffix.as_str())),
        Some(tag) => Err(Snag::new(Some(line), format!("has the tag {tag}, which is not supported"))),
    }
}

/// What an unquoted scalar stands for, by the core schema of YAML 1.2 (section 10.3.2).
fn plain(text: &str, line: usize) -> Result<Value, Snag> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(Snag::new(Some(line), "has a number that is not finite")),
        _ => {}
    }
    if is_infinite(text) {
        return Err(Snag::new(Some(line), "has a number that is not finite"));
    }
    if let Some(number) = integer(text) {
        return Ok(Value::Number(number));
    }
    if is_decimal_fraction(text) {
        let number = text.parse().ok().and_then(Number::from_f64);
        return number
            .map(Value::Number)
            .ok_or_else(|| Snag::new(Some(line), "has a number that is not finite"));
    }
    Ok(Value::String(text.to_owned()))
}

fn is_infinite(text: &str) -> bool {
    matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF")
}

/// A whole number of up to 64 bits; longer ones stay text, so that no digit is lost.
fn integer(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return digits_of(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return digits_of(digits, 8);
    }
    match text.strip_prefix('-') {
        Some(digits) if all_digits(digits) => text.parse::<i64>().ok().map(Number::from),
        Some(_) => None,
        None => digits_of(text.strip_prefix('+').unwrap_or(text), 10),
    }
}

fn digits_of(digits: &str, radix: u32) -> Option<Number> {
    let allowed = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    allowed.then(|| u64::from_str_radix(digits, radix).ok()).flatten().map(Number::from)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, and not a mere whole number.
fn is_decimal_fraction(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, None),
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
    };
    let fraction = match mantissa.split_once('.') {
        None => all_digits(mantissa) && exponent.is_some(),
        Some(("", after)) => all_digits(after),
        Some((before, after)) => all_digits(before) && (after.is_empty() || all_digits(after)),
    };
    fraction && exponent.is_none_or(all_digits)
}

/// What a copy of a value costs: its nodes and its bytes.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len(),
        Value::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            1 + members.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// Levels of nesting; a resources file has about ten.
const DEEPEST: usize = 64;
/// Bytes; keys are names and header names.
const LONGEST_KEY: usize = 1024;
/// Nodes and bytes that all aliases of a file may expand to together.
const EXPANSION_BOUND: usize = 4 << 20;
