//! Values as YAML for people: block style, quotes only where they are needed, texts of several lines as blocks. What is
//! written here reads back, through [`super::Document`], as the same value.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{Document, Format};

/// One mapping as an entry of a list, with `- ` in front of its first member.
pub fn entry(members: &Map<String, Value>, depth: usize) -> String {
    let mut out = String::new();
    list_entry(&mut out, &Value::Object(members.clone()), depth);
    out
}

/// What stands behind `key:`, or behind nothing at the top, with the line's end.
fn block(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            mapping(out, members, depth);
        }
        Value::Array(items) if !items.is_empty() => match flow(items, depth) {
            Some(line) => drop(writeln!(out, " {line}")),
            None => {
                out.push('\n');
                items.iter().for_each(|item| list_entry(out, item, depth));
            }
        },
        value => {
            out.push(' ');
            scalar(out, value, depth);
        }
    }
}

fn mapping(out: &mut String, members: &Map<String, Value>, depth: usize) {
    for (name, value) in members {
        indent(out, depth);
        member(out, name, value, depth);
    }
}

fn member(out: &mut String, name: &str, value: &Value, depth: usize) {
    out.push_str(&text(name, Place::Key));
    out.push(':');
    block(out, value, depth + 1);
}

fn list_entry(out: &mut String, value: &Value, depth: usize) {
    indent(out, depth);
    out.push('-');
    match value {
        // The members stand under one another, the first beside the dash.
        Value::Object(members) if !members.is_empty() => {
            for (index, (name, value)) in members.iter().enumerate() {
                if index == 0 {
                    out.push(' ');
                } else {
                    indent(out, depth + 1);
                }
                member(out, name, value, depth + 1);
            }
        }
        value => block(out, value, depth + 1),
    }
}

fn indent(out: &mut String, depth: usize) {
    (0..depth).for_each(|_| out.push_str("  "));
}

/// A short list of plain values in one line.
fn flow(items: &[Value], depth: usize) -> Option<String> {
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Value::String(item) => Some(text(item, Place::Flow)),
            Value::Array(_) | Value::Object(_) => None,
            item => Some(item.to_string()),
        })
        .collect();
    let line = format!("[{}]", texts?.join(", "));
    (line.len() + 2 * depth <= WIDTH).then_some(line)
}

/// A value without parts, or an empty one, and the line's end.
fn scalar(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(value) if is_block(value) => {
            out.push_str(if value.ends_with('\n') { "|\n" } else { "|-\n" });
            for line in value.lines() {
                if !line.is_empty() {
                    indent(out, depth);
                }
                out.push_str(line);
                out.push('\n');
            }
        }
        Value::String(value) => {
            out.push_str(&text(value, Place::Block));
            out.push('\n');
        }
        // Empty lists and mappings are written as in JSON.
        value => drop(writeln!(out, "{value}")),
    }
}

/// Can it stand line by line, with nothing that such a block would change?
fn is_block(text: &str) -> bool {
    let plain = text.chars().all(|letter| letter == '\n' || is_printable(letter));
    let inner = text.strip_suffix('\n').unwrap_or(text);
    let ends = !inner.is_empty() && !inner.ends_with('\n') && !inner.starts_with([' ', '\n']);
    plain && ends && inner.contains('\n') && !text.lines().any(|line| line.ends_with(' '))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    Block,
    Flow,
}

fn text(text: &str, place: Place) -> String {
    if is_plain(text, place) {
        return text.to_owned();
    }
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if is_printable(letter) => out.push(letter),
            letter => drop(write!(out, "\\U{:08X}", u32::from(letter))),
        }
    }
    out.push('"');
    out
}

/// Can it stand without quotes and still be this text? Asked of the reader itself; what is allowed here is less than
/// YAML allows.
fn is_plain(text: &str, place: Place) -> bool {
    if place != Place::Flow && is_variable(text) {
        return true;
    }
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric() || "_./".contains(first));
    let only = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_./@+-: ".contains(letter));
    let colon =
        text.contains(": ") || text.ends_with([':', ' ']) || place != Place::Block && text.contains(':');
    if !starts || !only || colon || text.len() > WIDTH {
        return false;
    }
    let read = Document::read(text, Format::Yaml, std::path::Path::new(""));
    read.is_ok_and(|document| document.value == Value::String(text.to_owned()))
}

/// `${NAME}`, and nothing beside it.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// May it stand in a YAML file as it is? Less than the letter of YAML allows.
fn is_printable(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Columns.
const WIDTH: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut out = String::new();
        list_entry(&mut out, value, 0);
        out
    }

    fn read(text: &str) -> Value {
        Document::read(text, Format::Yaml, std::path::Path::new("t.yaml")).expect(text).value
    }

    #[test]
    fn a_row_looks_as_a_person_would_write_it() {
        let row = json!({
            "display_name": "openai-main", "api_key": "${OPENAI_API_KEY}", "api_base": "https://api.example/v1",
            "strip_headers": ["cookie", "x: y"], "request": {"default_headers": {"x-a": "1", "yes": "true"}},
            "targets": [{"model": "a", "weight": 2}, {"model": "b*"}], "tls": {"ca_cert": "-----BEGIN\nabc\n"},
            "empty": [], "none": {}, "n": 1.0, "on": true, "*": null,
        });
        let expected = "\
- display_name: openai-main
  api_key: ${OPENAI_API_KEY}
  api_base: https://api.example/v1
  strip_headers: [cookie, \"x: y\"]
  request:
    default_headers:
      x-a: \"1\"
      yes: \"true\"
  targets:
    - model: a
      weight: 2
    - model: \"b*\"
  tls:
    ca_cert: |
      -----BEGIN
      abc
  empty: []
  none: {}
  n: 1.0
  on: true
  \"*\": null
";
        assert_eq!(written(&row), expected);
        assert_eq!(read(expected), json!([row]));
    }

    fn value() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            "[a-z0-9:#'\"$*&!|>%@`{}, \\n\\t-]{0,24}",
            "\\PC{0,8}",
            any::<String>(),
            Just("null".to_owned()),
            Just("0x1f".to_owned()),
            Just("1e3".to_owned()),
            Just("- a\n  b\n\n".to_owned()),
        ];
        let leaf = prop_oneof![
            texts.clone().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300).prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let keys = texts.clone().prop_filter("keys of their own", |key| key != "<<");
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((keys, inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same(value in value()) {
            let text = written(&value);
            let document = Document::read(&text, Format::Yaml, std::path::Path::new("t.yaml"));
            let document = document.map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?;
            prop_assert_eq!(document.value, json!([value]), "{}", text);
        }
    }
}
