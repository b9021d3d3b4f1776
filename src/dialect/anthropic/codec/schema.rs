//! JSON schemas for what Claude keeps to by the letter: it takes a part of the language and refuses the rest.
//!
//! Source: Claude docs, "Structured outputs", section "JSON Schema limitations"
//! (<https://platform.claude.com/docs/en/build-with-claude/structured-outputs>).

use crate::dialect::json::{Array, Object, Raw, Read, Reader, Shape, Wrong};

/// A schema within the limits, and what that changed.
#[derive(Debug, Default)]
pub struct Fitted {
    pub json: Vec<u8>,
    /// Some object may have members of any name, which cannot be said.
    pub is_open: bool,
    /// The schema contains itself, which cannot be said.
    pub is_recursive: bool,
    /// Members that may be left out. All schemas of a request share a bound on these.
    pub optional: usize,
    /// Alternatives, bounded likewise.
    pub unions: usize,
    /// The answer is an object.
    pub is_object: bool,
}

impl Fitted {
    /// Does it ask for the same as before?
    pub fn is_faithful(&self) -> bool {
        !self.is_open && !self.is_recursive && self.optional <= MOST_OPTIONAL && self.unions <= MOST_UNIONS
    }
}

/// Leaves out what Claude refuses, such as bounds on numbers, and closes every object.
///
/// # Errors
/// It is no schema, or nested too deeply.
pub fn fit(schema: Raw<'_>) -> Read<Fitted> {
    let mut fitted = Fitted::default();
    let mut json = Vec::with_capacity(schema.len() + 64);
    fitted.is_object = type_of(schema)?.as_deref() == Some("object");
    write(schema, &mut json, &mut fitted, "", 0)?;
    fitted.json = json;
    Ok(fitted)
}

/// `type`, where it is one word.
pub fn type_of(schema: Raw<'_>) -> Read<Option<String>> {
    let mut kind = None;
    Reader::new(schema).object(|name, value| {
        if name == "type" {
            kind = value.text_if()?.map(|kind| kind.into_owned());
        }
        Ok(())
    })?;
    Ok(kind)
}

/// `definition` is the name of the definition that the schema is in.
fn write(json: Raw<'_>, out: &mut Vec<u8>, fitted: &mut Fitted, definition: &str, depth: usize) -> Read<()> {
    if depth > DEEPEST {
        return Err(Wrong::new("is nested too deeply"));
    }
    let mut reader = Reader::new(json);
    if reader.shape() != Shape::Object {
        // `true` and `false` are schemas too.
        out.extend_from_slice(b"{}");
        fitted.is_open = true;
        return Ok(());
    }
    let mut seen = Seen::default();
    let mut object = Object::new(out);
    reader.object(|name, value| {
        let value = value.raw()?;
        seen.note(name, value)?;
        match name {
            "properties" => write_map(value, object.member_of(name), fitted, definition, depth),
            "$defs" | "definitions" => write_map(value, object.member_of(name), fitted, name, depth),
            "items" if value.starts_with('{') => {
                write(value, object.member_of(name), fitted, definition, depth + 1)
            }
            "anyOf" | "allOf" | "oneOf" => {
                fitted.unions += usize::from(name != "allOf");
                let name = if name == "oneOf" { "anyOf" } else { name };
                write_list(value, object.member_of(name), fitted, definition, depth)
            }
            "$ref" => {
                let own = format!("\"#/$defs/{definition}\"");
                fitted.is_recursive |= value == "\"#\"" || !definition.is_empty() && value == own;
                object.raw_of(name, value);
                Ok(())
            }
            _ => {
                if is_taken(name, value) {
                    object.raw_of(name, value);
                }
                Ok(())
            }
        }
    })?;
    fitted.unions += usize::from(seen.several_types);
    if seen.is_object || seen.properties.is_some() {
        fitted.is_open |= seen.open || seen.properties.is_none();
        fitted.optional += seen.properties.unwrap_or(0).saturating_sub(seen.required);
        object.value("additionalProperties", false);
    }
    Ok(())
}

/// What a schema says of the object it describes.
#[derive(Default)]
struct Seen {
    is_object: bool,
    several_types: bool,
    properties: Option<usize>,
    required: usize,
    open: bool,
}

impl Seen {
    fn note(&mut self, name: &str, value: Raw<'_>) -> Read<()> {
        match name {
            "type" => {
                self.is_object = value.contains("\"object\"");
                self.several_types = value.starts_with('[');
            }
            "properties" => {
                let mut count = 0;
                Reader::new(value).object_if(|_, _| {
                    count += 1;
                    Ok(())
                })?;
                self.properties = Some(count);
            }
            "required" => {
                Reader::new(value).array_if(|_| {
                    self.required += 1;
                    Ok(())
                })?;
            }
            "additionalProperties" | "patternProperties" => self.open |= value != "false",
            _ => {}
        }
        Ok(())
    }
}

fn write_map(json: Raw<'_>, out: &mut Vec<u8>, fitted: &mut Fitted, within: &str, depth: usize) -> Read<()> {
    let defines = matches!(within, "$defs" | "definitions");
    let mut object = Object::new(out);
    Reader::new(json).object_if(|name, value| {
        let definition = if defines { name } else { within };
        write(value.raw()?, object.member_of(name), fitted, definition, depth + 1)
    })
}

fn write_list(json: Raw<'_>, out: &mut Vec<u8>, fitted: &mut Fitted, within: &str, depth: usize) -> Read<()> {
    let mut array = Array::new(out);
    Reader::new(json).array_if(|value| write(value.raw()?, array.element(), fitted, within, depth + 1))
}

fn is_taken(name: &str, value: Raw<'_>) -> bool {
    let word = value.trim_matches('"');
    match name {
        "type" | "title" | "description" | "enum" | "const" | "default" | "required" => true,
        "format" => FORMATS.contains(&word),
        "minItems" => matches!(value, "0" | "1"),
        // Look-around, word boundaries and back references.
        "pattern" => !["(?", "\\b", "\\B", "\\1", "\\2"].iter().any(|part| value.contains(part)),
        _ => false,
    }
}

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
const MOST_OPTIONAL: usize = 24;
const MOST_UNIONS: usize = 16;
const DEEPEST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(schema: &str) -> (String, Fitted) {
        let fitted = fit(schema).expect("a schema");
        (String::from_utf8(fitted.json.clone()).expect("UTF-8"), fitted)
    }

    #[test]
    fn what_claude_refuses_is_left_out_and_objects_are_closed() {
        let (json, fitted) = fitted(
            r##"{"$schema":"x","type":"object","properties":{"a":{"type":"integer","minimum":1},"b":{"type":"array",
            "items":{"type":"object","properties":{"c":{"type":"string","format":"email","maxLength":3}}},
            "maxItems":3,"minItems":1},"d":{"oneOf":[{"type":"string","format":"x"},{"$ref":"#/$defs/e"}]}},
            "required":["a","b","d"],"$defs":{"e":{"type":"null"}}}"##,
        );
        let expected = r##"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"array","items":{"type":"object","properties":{"c":{"type":"string","format":"email"}},"additionalProperties":false},"minItems":1},"d":{"anyOf":[{"type":"string"},{"$ref":"#/$defs/e"}]}},"required":["a","b","d"],"$defs":{"e":{"type":"null"}},"additionalProperties":false}"##;
        assert_eq!(json, expected);
        assert!(fitted.is_faithful() && fitted.is_object);
        assert_eq!((fitted.optional, fitted.unions), (1, 1));
    }

    #[test]
    fn open_and_recursive_schemas_are_found() {
        let open = [
            r#"{"type":"object"}"#,
            r#"{"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":"string"}}}}"#,
            r#"{"type":"object","properties":{"a":true}}"#,
        ];
        for schema in open {
            assert!(fitted(schema).1.is_open, "{schema}");
        }
        let recursive = r##"{"type":"object","properties":{"n":{"$ref":"#/$defs/node"}},"$defs":{"node":{"type":"object",
            "properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}}}}}"##;
        assert!(fitted(recursive).1.is_recursive);
        assert!(!fitted(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#).1.is_open);
    }

    #[test]
    fn a_hostile_depth_is_refused() {
        let deep = format!("{}{{}}{}", r#"{"items":"#.repeat(5_000), "}".repeat(5_000));
        assert!(fit(&deep).is_err());
    }
}
