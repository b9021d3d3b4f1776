//! Reading a request, and refusing what Bedrock and the model behind it refuse.

use std::borrow::Cow;

use serde_json::Value;

use super::super::anthropic;
use super::super::call::{Call, Extra, Output, Refusal, Schema, Thinking, Tool, ToolChoice};
use super::super::node::{Node, PathStep, Voice, dotted};
use super::turns::Turns;

/// Reads a request body to this model.
pub(in super::super) fn read(body: &[u8], model: &str, stream: bool) -> Result<Call<'static>, Refusal> {
    let tree: Value = serde_json::from_slice(body)
        .map_err(|_| Refusal::new(400, "Unable to parse the request body.").code("SerializationException"))?;
    let body = Node::body(&tree, &Words);
    body.only(&MEMBERS)?;
    let thinking = thinking(&body)?;
    let turns = Turns::read(&body, thinks_by_budget(&body))?;
    let tools = tools(&body)?;
    if tools.is_none() && turns.uses_tools {
        let message =
            "The toolConfig field must be defined when using toolUse and toolResult content blocks.";
        return Err(Refusal::new(400, message));
    }
    let tool_choice = tool_choice(&body, tools.as_deref().unwrap_or_default(), thinking)?;
    let tool_chars = body.get("toolConfig").map_or(0, |tools| tools.value.to_string().len() as u64);
    Ok(Call {
        model: Cow::Owned(model.to_owned()),
        stream,
        include_usage: true,
        choices: 1,
        max_tokens: limit(&body)?,
        prompt_chars: turns.chars + tool_chars,
        tools: tools.unwrap_or_default(),
        tool_choice,
        output: output(&body)?,
        parallel: true,
        tool_results: turns.results,
        thinking,
        directive: turns.directive,
        extra: Extra::None,
    })
}

/// The most tokens, after a look at what stands beside them.
fn limit(body: &Node) -> Result<Option<u64>, Refusal> {
    let Some(config) = body.get("inferenceConfig") else { return Ok(None) };
    config.only(&["maxTokens", "temperature", "topP", "stopSequences"])?;
    for name in ["temperature", "topP"] {
        let number = config.get(name).map(|member| member.number()).transpose()?;
        if let Some(number) = number.filter(|number| !(0.0..=1.0).contains(number)) {
            let (end, least) = if number < 0.0 { ("greater", 0) } else { ("less", 1) };
            let rule = format!("Member must have value {end} than or equal to {least}");
            return Err(constraint(&number.to_string(), &config.path_of(name), &rule));
        }
    }
    config.each("stopSequences", |stop| match stop.text()? {
        "" => Err(constraint("", &stop.path(), "Member must have length greater than or equal to 1")),
        _ => Ok(()),
    })?;
    let limit = config.count_of("maxTokens")?;
    if limit == Some(0) {
        let rule = "Member must have value greater than or equal to 1";
        return Err(constraint("0", &config.path_of("maxTokens"), rule));
    }
    Ok(limit)
}

/// What the model's own fields say of thinking; they are Anthropic's, and judged by its rules.
fn thinking(body: &Node) -> Result<Thinking, Refusal> {
    let Some(fields) = body.get("additionalModelRequestFields") else { return Ok(Thinking::Off) };
    let Some(thinking) = fields.get("thinking") else {
        return Ok(match fields.get("reasoning_config") {
            Some(_) => Thinking::Shown,
            None => Thinking::Off,
        });
    };
    let most = body.get("inferenceConfig").and_then(|config| config.get("maxTokens")?.value.as_u64());
    anthropic::thinking(&thinking, most).map_err(of_model)
}

fn thinks_by_budget(body: &Node) -> bool {
    let kind = |fields: Node| fields.get("thinking")?.get("type")?.value.as_str().map(str::to_owned);
    body.get("additionalModelRequestFields").and_then(kind).as_deref() == Some("enabled")
}

fn tools(body: &Node) -> Result<Option<Vec<Tool<'static>>>, Refusal> {
    let Some(config) = body.get("toolConfig") else { return Ok(None) };
    config.only(&["tools", "toolChoice"])?;
    let list = config.need("tools")?;
    if list.items()?.len() == 0 {
        let rule = "Member must have length greater than or equal to 1";
        return Err(constraint("[]", &list.path(), rule));
    }
    let mut tools: Vec<Tool> = Vec::new();
    for tool in list.items()? {
        tool.only(&["toolSpec", "cachePoint", "systemTool"])?;
        let Some(spec) = tool.get("toolSpec") else { continue };
        spec.only(&["name", "description", "inputSchema", "strict"])?;
        let tool_name = spec.need("name")?;
        name(&tool_name)?;
        if spec.text_of("description")? == Some("") {
            let rule = "Member must have length greater than or equal to 1";
            return Err(constraint("", &spec.path_of("description"), rule));
        }
        let schema = spec.need("inputSchema")?;
        schema.only(&["json"])?;
        let schema = schema.need("json")?;
        if schema.object()?.get("type").and_then(Value::as_str) != Some("object") {
            let path = schema.path();
            let message = format!("The value at {path}.type must be one of the following: object.");
            return Err(Refusal::new(400, message));
        }
        let name = tool_name.text()?;
        if tools.iter().any(|tool| tool.name == name) {
            return Err(Refusal::new(400, format!("The tool name {name} is used more than once.")));
        }
        tools.push(Tool {
            name: Cow::Owned(name.to_owned()),
            schema: Some(Schema::Tree(schema.value.clone())),
        });
    }
    Ok(Some(tools))
}

fn tool_choice(body: &Node, tools: &[Tool], thinking: Thinking) -> Result<ToolChoice, Refusal> {
    let Some(config) = body.get("toolConfig") else { return Ok(ToolChoice::Auto) };
    let Some(choice) = config.get("toolChoice") else { return Ok(ToolChoice::Auto) };
    choice.only(&["auto", "any", "tool"])?;
    let forced = choice.get("any").is_some() || choice.get("tool").is_some();
    if forced && thinking != Thinking::Off {
        return Err(of_model(Refusal::new(
            400,
            "Thinking may not be enabled when tool_choice forces tool use.",
        )));
    }
    let Some(tool) = choice.get("tool") else { return Ok(ToolChoice::Auto) };
    tool.only(&["name"])?;
    let name = tool.need("name")?.text()?;
    match tools.iter().any(|tool| tool.name == name) {
        true => Ok(ToolChoice::Named(name.to_owned())),
        false => Err(of_model(Refusal::new(400, format!("Tool '{name}' not found in provided tools")))),
    }
}

/// The schema of a structured answer, which is JSON in a string.
fn output(body: &Node) -> Result<Output<'static>, Refusal> {
    let Some(format) = body.get("outputConfig") else { return Ok(Output::Text) };
    format.only(&["textFormat"])?;
    let format = format.need("textFormat")?;
    format.only(&["type", "structure"])?;
    format.need("type")?.word(&["json_schema"])?;
    let structure = format.need("structure")?;
    let schema = structure.need("jsonSchema")?;
    schema.only(&["schema", "name", "description"])?;
    let text = schema.need("schema")?.text()?;
    match serde_json::from_str(text) {
        Ok(tree) => Ok(Output::Schema(Schema::Tree(tree))),
        Err(_) => Err(Refusal::new(400, format!("The value at {} is no JSON.", schema.path_of("schema")))),
    }
}

/// A tool's name.
pub(super) fn name(node: &Node) -> Result<(), Refusal> {
    pattern(node, "[a-zA-Z0-9_-]+", b"_-")
}

/// The id of a tool's use.
pub(super) fn identifier(node: &Node) -> Result<(), Refusal> {
    pattern(node, "[a-zA-Z0-9_.:-]+", b"_-.:")
}

fn pattern(node: &Node, pattern: &str, besides: &[u8]) -> Result<(), Refusal> {
    let text = node.text()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || besides.contains(&byte)) {
        let rule = format!("Member must satisfy regular expression pattern: {pattern}");
        return Err(constraint(text, &node.path(), &rule));
    }
    match text.len() {
        ..=64 => Ok(()),
        _ => Err(constraint(text, &node.path(), "Member must have length less than or equal to 64")),
    }
}

fn constraint(value: &str, at: &str, rule: &str) -> Refusal {
    let message = format!(
        "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: {rule}"
    );
    Refusal::new(400, message)
}

/// A refusal by the model behind Bedrock.
pub(super) fn of_model(refusal: Refusal) -> Refusal {
    Refusal::new(400, format!("The model returned the following errors: {}", refusal.message))
}

/// What Bedrock says of a request that is not of its form. A member it does not know is refused here although AWS
/// overlooks it in most places: what it does not know was meant for somebody else.
pub(super) struct Words;

impl Voice for Words {
    fn path(&self, steps: &[PathStep]) -> String {
        dotted(steps)
    }

    fn missing(&self, at: &str) -> Refusal {
        constraint("null", at, "Member must not be null")
    }

    fn unknown(&self, parent: &str, _: &str, name: &str) -> Refusal {
        let parent = parent.replace('.', "/");
        let place = if parent.is_empty() { "#".to_owned() } else { format!("#/{parent}") };
        let message = format!(
            "Malformed input request: {place}: extraneous key [{name}] is not permitted, please reformat your input \
             and try again."
        );
        Refusal::new(400, message)
    }

    fn mistyped(&self, at: &str, wanted: &str, found: &Value) -> Refusal {
        let message = format!(
            "The format of the value at {at} is invalid. Provide {wanted} for the field, not {found}."
        );
        Refusal::new(400, message).code("SerializationException")
    }

    fn unlisted(&self, at: &str, found: &str, allowed: &[&str]) -> Refusal {
        let rule = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
        constraint(found, at, &rule)
    }
}

const MEMBERS: [&str; 12] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
];
