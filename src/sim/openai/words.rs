//! What OpenAI says of a request it refuses, and the rules that chat completions and Responses share.

use serde_json::Value;

use super::super::call::Refusal;
use super::super::node::{Node, PathStep, Voice, bracketed, kind};

pub(in super::super) struct Words;

impl Voice for Words {
    fn path(&self, steps: &[PathStep]) -> String {
        bracketed(steps)
    }

    fn missing(&self, at: &str) -> Refusal {
        missing(at)
    }

    fn unknown(&self, _: &str, at: &str, _: &str) -> Refusal {
        unknown(at)
    }

    fn mistyped(&self, at: &str, wanted: &str, found: &Value) -> Refusal {
        let message = format!("Invalid type for '{at}': expected {wanted}, but got {} instead.", kind(found));
        Refusal::new(400, message).param(at.to_owned()).code("invalid_type")
    }

    fn unlisted(&self, at: &str, found: &str, allowed: &[&str]) -> Refusal {
        let allowed: Vec<String> = allowed.iter().map(|word| format!("'{word}'")).collect();
        let allowed = match allowed.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, [only])) => format!("{only} and {last}"),
            Some((last, others)) => format!("{}, and {last}", others.join(", ")),
            None => String::new(),
        };
        let message = format!("Invalid value: '{found}'. Supported values are: {allowed}.");
        Refusal::new(400, message).param(at.to_owned()).code("invalid_value")
    }
}

pub(in super::super) fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::new(400, format!("We could not parse the JSON body of your request. ({error})"))
}

pub(in super::super) fn missing(at: &str) -> Refusal {
    let message = format!("Missing required parameter: '{at}'.");
    Refusal::new(400, message).param(at.to_owned()).code("missing_required_parameter")
}

pub(in super::super) fn unknown(at: &str) -> Refusal {
    Refusal::new(400, format!("Unknown parameter: '{at}'.")).param(at.to_owned()).code("unknown_parameter")
}

pub(in super::super) fn unsupported(name: &str, message: String) -> Refusal {
    Refusal::new(400, message).param(name.to_owned()).code("unsupported_parameter")
}

pub(in super::super) fn only_with_stream() -> Refusal {
    let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    Refusal::new(400, message).param("stream_options")
}

pub(in super::super) fn only_with_tools(name: &'static str) -> Refusal {
    let message = format!("Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.");
    Refusal::new(400, message).param(name)
}

/// A call without its output, or an output without its call.
pub(in super::super) fn missing_output(message: &str) -> Refusal {
    Refusal::new(400, message).param("input")
}

pub(in super::super) fn no_such_tool(name: &str) -> Refusal {
    Refusal::new(400, format!("Tool choice '{name}' not found in 'tools' parameter.")).param("tool_choice")
}

/// A number that must lie within bounds, if it is there.
pub(in super::super) fn within(body: &Node, name: &str, least: f64, most: f64) -> Result<(), Refusal> {
    match body.get(name).map(|member| member.number()).transpose()? {
        Some(number) => bounded(name, number, least, most),
        None => Ok(()),
    }
}

pub(in super::super) fn bounded(name: &str, number: f64, least: f64, most: f64) -> Result<(), Refusal> {
    let (end, sign, bound, code) = if number < least {
        ("below minimum", ">=", least, "decimal_below_min_value")
    } else if number > most {
        ("above maximum", "<=", most, "decimal_above_max_value")
    } else {
        return Ok(());
    };
    let message = format!(
        "Invalid '{name}': decimal {end} value. Expected a value {sign} {bound}, but got {number} instead."
    );
    Err(Refusal::new(400, message).param(name.to_owned()).code(code))
}

/// A count with a least value, if it is there.
pub(in super::super) fn at_least(body: &Node, name: &str, least: u64) -> Result<(), Refusal> {
    body.count_of(name)?.map_or(Ok(()), |count| counted(name, count, least))
}

pub(in super::super) fn counted(name: &str, count: u64, least: u64) -> Result<(), Refusal> {
    if count >= least {
        return Ok(());
    }
    let message = format!(
        "Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {count} instead."
    );
    Err(Refusal::new(400, message).param(name.to_owned()).code("integer_below_min_value"))
}

/// Names of functions and schemas.
pub(in super::super) fn function_name(name: &Node) -> Result<(), Refusal> {
    let text = name.text()?;
    let path = name.path();
    let (problem, code) = if text.is_empty() {
        (
            "empty string. Expected a string with minimum length 1, but got an empty string instead.",
            "empty_string",
        )
    } else if text.len() > MAX_NAME {
        ("string too long. Expected a string with maximum length 64.", "string_above_max_length")
    } else if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        (
            "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
            "invalid_value",
        )
    } else {
        return Ok(());
    };
    Err(Refusal::new(400, format!("Invalid '{path}': {problem}")).param(path).code(code))
}

/// The parameters of a function: the schema of an object.
pub(in super::super) fn function_schema(name: &str, schema: &Node, strict: bool) -> Result<(), Refusal> {
    let members = schema.object()?;
    let kind = members.get("type").and_then(Value::as_str);
    if kind != Some("object") && !(kind.is_none() && members.is_empty()) {
        let message = format!(
            "Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \
             \"{}\"'.",
            kind.unwrap_or("None")
        );
        return Err(Refusal::new(400, message).param(schema.path()).code("invalid_function_parameters"));
    }
    match strict {
        true => strict_schema(&format!("function '{name}'"), schema, "invalid_function_parameters"),
        false => Ok(()),
    }
}

/// What strict mode wants of every object in a schema: no other members, and all of them required
/// (platform.openai.com/docs/guides/structured-outputs, supported schemas).
pub(in super::super) fn strict_schema(of: &str, schema: &Node, code: &'static str) -> Result<(), Refusal> {
    match loose_end(schema.value, &mut Vec::new()) {
        None => Ok(()),
        Some(problem) => Err(Refusal::new(400, format!("Invalid schema for {of}: {problem}"))
            .param(schema.path())
            .code(code)),
    }
}

fn loose_end(schema: &Value, context: &mut Vec<String>) -> Option<String> {
    let members = schema.as_object()?;
    let place = || format!("In context=({})", context.join(", "));
    let properties = members.get("properties").and_then(Value::as_object);
    if properties.is_some() || members.get("type").and_then(Value::as_str) == Some("object") {
        if members.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Some(format!(
                "{}, 'additionalProperties' is required to be supplied and to be false.",
                place()
            ));
        }
        let required = members.get("required").and_then(Value::as_array);
        let is_required = |name: &str| {
            required.is_some_and(|names| names.iter().any(|required| required.as_str() == Some(name)))
        };
        if let Some(name) = properties.into_iter().flat_map(|all| all.keys()).find(|name| !is_required(name))
        {
            return Some(format!(
                "{}, 'required' is required to be supplied and to be an array including every key in properties. \
                 Missing '{name}'.",
                place()
            ));
        }
    }
    members.iter().find_map(|(name, value)| {
        context.push(format!("'{name}'"));
        let found = match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(schemas)) => {
                schemas.values().find_map(|schema| loose_end(schema, context))
            }
            ("items", schema) => loose_end(schema, context),
            ("anyOf", Value::Array(schemas)) => schemas.iter().find_map(|schema| loose_end(schema, context)),
            _ => None,
        };
        context.pop();
        found
    })
}

const MAX_NAME: usize = 64;
