//! Schemas: Gemini's own kind, a subset of OpenAPI's, in the form of JSON schema, which the canonical form has.
//!
//! Format: Gemini API, "Schema" (<https://ai.google.dev/api/caching#Schema>). The other way needs nothing: Gemini takes
//! JSON schema under names of its own (`parametersJsonSchema`, `responseJsonSchema`), and ignores keywords it does not
//! enforce.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::dialect::json::{Array, Object, Raw, Read, Reader, Shape, write_text};

/// The same schema as JSON schema. One that is both is not copied.
pub fn to_json_schema(schema: Raw<'_>) -> Read<Cow<'_, str>> {
    if !MARKS.iter().any(|mark| mark.find(schema.as_bytes()).is_some()) {
        return Ok(Cow::Borrowed(schema));
    }
    let mut out = Vec::with_capacity(schema.len());
    write_schema(&mut Reader::new(schema), &mut out, MOST_DEPTH)?;
    Ok(Cow::Owned(String::from_utf8(out).unwrap_or_default()))
}

fn write_schema(schema: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Read<()> {
    if depth == 0 || schema.shape() != Shape::Object {
        return schema.raw().map(|raw| out.extend_from_slice(raw.as_bytes()));
    }
    let (nullable, mut nulls) = {
        let mut draft =
            Draft { object: Object::new(out), nullable: false, nulls: Vec::new(), depth: depth - 1 };
        schema.object(|name, value| draft.keyword(name, value))?;
        (draft.nullable, draft.nulls)
    };
    if nullable {
        nulls.sort_by_key(|(place, _)| *place);
        for (place, text) in nulls.into_iter().rev() {
            out.splice(place..place, text.bytes());
        }
    }
    Ok(())
}

/// A schema that is being written. That it allows `null` may be said last.
struct Draft<'o> {
    object: Object<'o>,
    nullable: bool,
    /// What is to be inserted where if it does.
    nulls: Vec<(usize, &'static str)>,
    depth: usize,
}

impl Draft<'_> {
    fn keyword(&mut self, name: &str, value: &mut Reader<'_>) -> Read<()> {
        let depth = self.depth;
        match name {
            "nullable" => self.nullable = value.raw()? == "true",
            "propertyOrdering" | "property_ordering" => value.skip()?,
            "type" => self.kind(value)?,
            "enum" => self.list("enum", value, "null", |word, words| {
                words.raw(word.raw()?);
                Ok(())
            })?,
            "anyOf" | "any_of" => self.list("anyOf", value, r#"{"type":"null"}"#, |schema, schemas| {
                write_schema(schema, schemas.element(), depth)
            })?,
            "format" => {
                let format = value.raw()?;
                // Not a format of JSON schema: it says that there is an `enum`.
                if format != "\"enum\"" {
                    self.object.raw("format", format);
                }
            }
            "example" => {
                let example = value.raw()?;
                self.object.array("examples", |examples| examples.raw(example));
            }
            "items" => write_schema(value, self.object.member("items"), depth)?,
            "additionalProperties" | "additional_properties" => {
                write_schema(value, self.object.member("additionalProperties"), depth)?;
            }
            "properties" => write_named(value, self.object.member("properties"), depth)?,
            "defs" | "$defs" => write_named(value, self.object.member("$defs"), depth)?,
            _ => self.plain(name, value.raw()?),
        }
        Ok(())
    }

    /// `STRING` becomes `string`, and with `nullable` a choice of it and `null`.
    fn kind(&mut self, value: &mut Reader<'_>) -> Read<()> {
        if value.shape() != Shape::Text {
            self.object.raw("type", value.raw()?);
            return Ok(());
        }
        let name = value.text()?.to_ascii_lowercase();
        if name == "type_unspecified" {
            return Ok(());
        }
        let out = self.object.member("type");
        let start = out.len();
        write_text(out, &name);
        if name != "null" {
            self.nulls.extend([(start, "["), (out.len(), ",\"null\"]")]);
        }
        Ok(())
    }

    /// A list that gets one element more with `nullable`.
    fn list(
        &mut self,
        name: &str,
        value: &mut Reader<'_>,
        null: &'static str,
        mut write: impl FnMut(&mut Reader<'_>, &mut Array<'_>) -> Read<()>,
    ) -> Read<()> {
        let out = self.object.member_of(name);
        let mut has_null = false;
        {
            let mut list = Array::new(out);
            value.array(|element| {
                has_null |= element.shape() == Shape::Null;
                write(element, &mut list)
            })?;
        }
        let end = out.len() - 1;
        if !has_null {
            if !out.ends_with(b"[]") {
                self.nulls.push((end, ","));
            }
            self.nulls.push((end, null));
        }
        Ok(())
    }

    fn plain(&mut self, name: &str, written: Raw<'_>) {
        let count = COUNTS.iter().find(|(camel, snake)| name == *camel || name == *snake);
        match (count, name) {
            (Some((name, _)), _) => self.object.raw(name, unquoted(written)),
            (None, "ref") => self.object.raw("$ref", written),
            (None, _) => self.object.raw_of(name, written),
        };
    }
}

fn write_named(value: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Read<()> {
    if value.shape() != Shape::Object {
        return value.raw().map(|raw| out.extend_from_slice(raw.as_bytes()));
    }
    let mut object = Object::new(out);
    value.object(|name, schema| write_schema(schema, object.member_of(name), depth))
}

/// Whole numbers of 64 bits may be written as texts.
fn unquoted(number: Raw<'_>) -> Raw<'_> {
    let inside = number.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap_or(number)
}

const COUNTS: [(&str, &str); 6] = [
    ("minItems", "min_items"),
    ("maxItems", "max_items"),
    ("minLength", "min_length"),
    ("maxLength", "max_length"),
    ("minProperties", "min_properties"),
    ("maxProperties", "max_properties"),
];

/// What stands in a schema that is not JSON schema already. One mark too many costs a copy.
static MARKS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| {
    let marks = [
        "\"OBJECT\"",
        "\"STRING\"",
        "\"INTEGER\"",
        "\"NUMBER\"",
        "\"BOOLEAN\"",
        "\"ARRAY\"",
        "_UNSPECIFIED",
        "\"nullable\"",
        "roperty",
        "\"any_of\"",
        "_items\"",
        "_length\"",
        "\"ref\"",
        "\"defs\"",
        "\"example\"",
        "\"enum\"",
        "Items\"",
        "Length\"",
        "Properties\"",
        "_properties\"",
    ];
    marks.into_iter().map(Finder::new).collect()
});
/// Schemas within schemas that are read; what is deeper stays as it is.
const MOST_DEPTH: usize = 64;
