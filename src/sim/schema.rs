//! The smallest value that satisfies a JSON schema, as far as the usual keywords go: `const`, `enum`,
//! `default`, `type`, `properties` with `required`, `items` with `minItems`, `minimum`, `minLength`, the
//! combinators (first branch; `allOf` merged) and local `$ref`s. Formats and patterns are not imitated.

use serde_json::{Map, Value};

/// A minimal instance of `schema`. Whatever the schema says, this ends and gives some JSON value.
pub(super) fn instance(schema: &Value) -> Value {
    Root { document: schema }.value(schema, 0)
}

struct Root<'a> {
    document: &'a Value,
}

impl Root<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(chosen) = literal(schema) {
            return chosen.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, depth + 1));
        }
        if let Some(branches) = schema.get("allOf").and_then(Value::as_array) {
            return self.merged(branches, schema, depth);
        }
        match ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array()?.first()) {
            Some(branch) => self.value(branch, depth + 1),
            None => self.typed(schema, depth),
        }
    }

    /// The objects of all branches together; a branch that is no object stands for itself.
    fn merged(&self, branches: &[Value], schema: &Value, depth: usize) -> Value {
        let mut members = self.object(schema, depth);
        for branch in branches {
            match self.value(branch, depth + 1) {
                Value::Object(more) => members.extend(more),
                other => return other,
            }
        }
        Value::Object(members)
    }

    fn typed(&self, schema: &Value, depth: usize) -> Value {
        match kind(schema) {
            "string" => Value::String(string(schema)),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
            "boolean" => Value::Bool(true),
            "array" => Value::Array(self.array(schema, depth)),
            "null" => Value::Null,
            _ => Value::Object(self.object(schema, depth)),
        }
    }

    fn array(&self, schema: &Value, depth: usize) -> Vec<Value> {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(MAX_ITEMS) as usize;
        let item = schema.get("items").map_or(Value::Null, |items| self.value(items, depth + 1));
        vec![item; count]
    }

    fn object(&self, schema: &Value, depth: usize) -> Map<String, Value> {
        let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let properties = schema.get("properties");
        required
            .iter()
            .filter_map(Value::as_str)
            .map(|name| {
                let property = properties.and_then(|properties| properties.get(name));
                (name.to_owned(), property.map_or(Value::Null, |schema| self.value(schema, depth + 1)))
            })
            .collect()
    }
}

fn literal(schema: &Value) -> Option<&Value> {
    let listed = || schema.get("enum").and_then(Value::as_array).and_then(|values| values.first());
    schema.get("const").or_else(listed).or_else(|| schema.get("default"))
}

/// The type, the first of several, or what the keywords imply.
fn kind(schema: &Value) -> &str {
    let named = match schema.get("type") {
        Some(Value::Array(types)) => types.first().and_then(Value::as_str),
        Some(named) => named.as_str(),
        None => None,
    };
    named.unwrap_or(if schema.get("items").is_some() { "array" } else { "object" })
}

fn string(schema: &Value) -> String {
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(MAX_LENGTH) as usize;
    let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(MAX_LENGTH) as usize;
    SAMPLE.chars().cycle().take(SAMPLE.len().max(least).min(most)).collect()
}

const SAMPLE: &str = "simulated";
/// Deeper than any schema the vendors accept (OpenAI: 10 levels); ends recursive `$ref`s.
const MAX_DEPTH: usize = 24;
const MAX_ITEMS: u64 = 8;
const MAX_LENGTH: u64 = 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_has_the_required_members_by_their_type() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"}, "days": {"type": "integer", "minimum": 3},
                "unit": {"enum": ["c", "f"]}, "note": {"type": ["string", "null"]},
                "deep": {"$ref": "#/$defs/Deep"}, "extra": {"type": "string"},
                "list": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
                "either": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                "all": {"allOf": [{"$ref": "#/$defs/Deep"}, {"properties": {"b": {"const": 2}}, "required": ["b"]}]}
            },
            "required": ["city", "days", "unit", "note", "deep", "list", "either", "all"],
            "$defs": {"Deep": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}}
        });
        let expected = json!({
            "city": "simulated", "days": 3, "unit": "c", "note": "simulated", "deep": {"a": true},
            "list": [true, true], "either": 1, "all": {"a": true, "b": 2}
        });
        assert_eq!(instance(&schema), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]});
        assert!(instance(&schema).is_object());
    }

    #[test]
    fn a_schema_that_says_nothing_gives_an_object() {
        for schema in [json!({}), json!(null), json!("?"), json!({"type": "object"})] {
            assert_eq!(instance(&schema), json!({}));
        }
    }
}
