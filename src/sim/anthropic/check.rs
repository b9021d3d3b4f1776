//! What Anthropic refuses in a messages request that is more than plain texts.

use serde_json::Value;

use super::super::call::{Refusal, Thinking};
use super::super::node::Node;
use super::turns::{self, MAX_NAME, identifier, mark, text};
use super::words::{self, Words, at_place};

/// Judges a whole request body; what the quick reading has judged already is not looked at again.
pub(super) fn check(body: &[u8]) -> Result<(), Refusal> {
    let tree: Value = serde_json::from_slice(body).map_err(|error| super::not_json(&error))?;
    let body = Node::body(&tree, &Words);
    let mut marks = 0;
    let names = tools(&body, &mut marks)?;
    let forced = choice(&body, names.as_deref())?;
    let manual = thinking(&body, forced)?;
    system(&body, &mut marks)?;
    turns::read(&body, manual, &mut marks)?;
    small(&body)?;
    match marks > MAX_MARKS {
        true => {
            let message = format!("A maximum of 4 blocks with cache_control may be provided. Found {marks}.");
            Err(Refusal::new(400, message))
        }
        false => Ok(()),
    }
}

fn system(body: &Node, marks: &mut usize) -> Result<(), Refusal> {
    let Some(system) = body.get("system").filter(|system| !system.value.is_string()) else { return Ok(()) };
    for block in system.items()? {
        block.need("type")?.word(&["text"])?;
        text(&block, "system", marks)?;
    }
    Ok(())
}

/// The names of the tools, if there are tools.
fn tools<'v>(body: &Node<'v, '_>, marks: &mut usize) -> Result<Option<Vec<&'v str>>, Refusal> {
    let Some(tools) = body.get("tools") else { return Ok(None) };
    let mut names = Vec::new();
    for tool in tools.items()? {
        mark(&tool, marks)?;
        match tool.text_of("type")? {
            None | Some("custom") => {}
            Some(_) => {
                names.extend(tool.text_of("name")?);
                continue;
            }
        }
        tool.only(&TOOL)?;
        let name = tool.need("name")?;
        identifier(&name, MAX_NAME)?;
        let name = name.text()?;
        if names.contains(&name) {
            return Err(at_place("tools", "Tool names must be unique."));
        }
        names.push(name);
        tool.text_of("description")?;
        let schema = tool.need("input_schema")?;
        schema.object()?;
        schema
            .need("type")?
            .word(&["object"])
            .map_err(|_| at_place(&format!("{}.type", schema.path()), "Input should be 'object'"))?;
        if tool.flag_of("strict")? == Some(true) {
            closed(&schema, schema.value)?;
        }
    }
    Ok(Some(names))
}

/// Whether a tool is forced.
fn choice(body: &Node, names: Option<&[&str]>) -> Result<bool, Refusal> {
    let Some(choice) = body.get("tool_choice") else { return Ok(false) };
    let kind = choice.need("type")?.word(&["auto", "any", "tool", "none"])?;
    match kind {
        "none" => choice.only(&["type"])?,
        "tool" => choice.only(&["type", "name", "disable_parallel_tool_use"])?,
        _ => choice.only(&["type", "disable_parallel_tool_use"])?,
    }
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return match kind {
            "none" => Ok(false),
            _ => Err(Refusal::new(400, "tool_choice may only be specified while providing tools.")),
        };
    };
    if kind == "tool" {
        let name = choice.need("name")?.text()?;
        if !names.contains(&name) {
            return Err(Refusal::new(400, format!("Tool '{name}' not found in provided tools")));
        }
    }
    Ok(matches!(kind, "any" | "tool"))
}

/// Whether the model thinks in the manual mode, which wants the thoughts of the current turn back.
fn thinking(body: &Node, forced: bool) -> Result<bool, Refusal> {
    let Some(thinking) = body.get("thinking") else { return Ok(false) };
    if words::thinking(&thinking, body.count_of("max_tokens")?)? == Thinking::Off {
        return Ok(false);
    }
    if forced {
        return Err(Refusal::new(400, "Thinking may not be enabled when tool_choice forces tool use."));
    }
    let temperature = body.get("temperature").map(|temperature| temperature.number()).transpose()?;
    if temperature.is_some_and(|temperature| temperature != 1.0) {
        return Err(Refusal::new(400, "`temperature` may only be set to 1 when thinking is enabled."));
    }
    if body.get("top_k").is_some() {
        return Err(Refusal::new(400, "`top_k` must be unset when thinking is enabled."));
    }
    Ok(thinking.text_of("type")? == Some("enabled"))
}

/// The smaller members.
fn small(body: &Node) -> Result<(), Refusal> {
    if let Some(metadata) = body.get("metadata") {
        metadata.only(&["user_id"])?;
        metadata.text_of("user_id")?;
    }
    body.each("stop_sequences", |stop| match stop.text()?.trim() {
        "" => Err(at_place("stop_sequences", "each stop sequence must contain non-whitespace")),
        _ => Ok(()),
    })?;
    let config = body.get("output_config");
    if let Some(config) = &config {
        config.only(&["effort", "format", "task_budget"])?;
        if let Some(effort) = config.get("effort") {
            effort.word(&["low", "medium", "high", "xhigh", "max"])?;
        }
    }
    let format =
        config.as_ref().and_then(|config| config.get("format")).or_else(|| body.get("output_format"));
    let Some(format) = format else { return Ok(()) };
    format.only(&["type", "schema"])?;
    format.need("type")?.word(&["json_schema"])?;
    let schema = format.need("schema")?;
    closed(&schema, schema.value)
}

/// Objects of a schema that is to be kept to the letter say that they have no other members.
fn closed(schema: &Node, part: &Value) -> Result<(), Refusal> {
    let Some(members) = part.as_object() else { return Ok(()) };
    let is_object = members.get("type").and_then(Value::as_str) == Some("object");
    if is_object && members.get("additionalProperties") != Some(&Value::Bool(false)) {
        let problem = "For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Err(at_place(&schema.path(), problem));
    }
    members.iter().try_for_each(|(name, value)| match (name.as_str(), value) {
        ("properties" | "$defs" | "definitions", Value::Object(parts)) => {
            parts.values().try_for_each(|part| closed(schema, part))
        }
        ("items", part) => closed(schema, part),
        ("anyOf" | "allOf", Value::Array(parts)) => parts.iter().try_for_each(|part| closed(schema, part)),
        _ => Ok(()),
    })
}

const TOOL: [&str; 10] = [
    "type",
    "name",
    "description",
    "input_schema",
    "cache_control",
    "strict",
    "eager_input_streaming",
    "defer_loading",
    "allowed_callers",
    "input_examples",
];
const MAX_MARKS: usize = 4;
