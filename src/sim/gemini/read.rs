//! Reading a request, and refusing what Google refuses.

use std::borrow::Cow;

use serde_json::Value;

use super::super::call::{Call, Extra, Output, Refusal, Schema, Thinking, Tool, ToolChoice};
use super::super::node::{Node, PathStep, Voice, bracketed, snake_case};
use super::super::route::Stream;
use super::turns::Turns;

/// Reads a generateContent request to this model.
pub(in super::super) fn read(body: &[u8], model: &str, stream: Stream) -> Result<Call<'static>, Refusal> {
    let tree = parse(body)?;
    let extra = Extra::Gemini { signs: signs(model), array: stream == Stream::Array };
    call(&Node::body(&tree, &Words), model, stream != Stream::Whole, extra)
}

/// Reads a countTokens request: contents alone, or a whole request that is not to be answered.
pub(in super::super) fn read_count(body: &[u8]) -> Result<Call<'static>, Refusal> {
    let tree = parse(body)?;
    let body = Node::body(&tree, &Words);
    match body.get("generateContentRequest") {
        Some(inner) => call(&inner, "", false, Extra::None),
        None => call(&body, "", false, Extra::None),
    }
}

fn parse(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::new(400, format!("Invalid JSON payload received. {error}")))
}

/// Models since Gemini 3 sign their function calls.
fn signs(model: &str) -> bool {
    !["gemini-1", "gemini-2", "gemini-pro"].iter().any(|older| model.starts_with(older))
}

fn call(body: &Node, model: &str, stream: bool, extra: Extra) -> Result<Call<'static>, Refusal> {
    body.only(&MEMBERS)?;
    let signed = matches!(extra, Extra::Gemini { signs: true, .. });
    let turns = Turns::read(body, signed)?;
    let tools = tools(body)?;
    let settings = Settings::read(body)?;
    if matches!(settings.output, Output::Json | Output::Schema(_)) && !tools.is_empty() && !signed {
        let message = "Function calling with a response mime type: 'application/json' is unsupported";
        return Err(Refusal::new(400, message));
    }
    let tool_chars = body.get("tools").map_or(0, |tools| tools.value.to_string().len() as u64);
    Ok(Call {
        model: Cow::Owned(model.to_owned()),
        stream,
        include_usage: true,
        choices: settings.choices,
        max_tokens: settings.max_tokens,
        prompt_chars: turns.chars + tool_chars,
        tool_choice: tool_choice(body, &tools)?,
        tools,
        output: settings.output,
        parallel: true,
        tool_results: turns.results,
        thinking: settings.thinking,
        directive: turns.directive,
        extra,
    })
}

/// What generationConfig says.
struct Settings {
    choices: u32,
    max_tokens: Option<u64>,
    output: Output<'static>,
    thinking: Thinking,
}

impl Settings {
    fn read(body: &Node) -> Result<Settings, Refusal> {
        let mut settings =
            Settings { choices: 1, max_tokens: None, output: Output::Text, thinking: Thinking::Off };
        body.each("safetySettings", |setting| {
            setting.only(&["category", "threshold", "method"])?;
            setting.need("category")?.text()?;
            setting.need("threshold")?.text().map(|_| ())
        })?;
        let Some(config) = body.get("generationConfig") else { return Ok(settings) };
        config.only(&CONFIG)?;
        settings.max_tokens = config.count_of("maxOutputTokens")?;
        if let Some(count) = config.count_of("candidateCount")? {
            settings.choices =
                u32::try_from(count).ok().filter(|count| (1..=8).contains(count)).ok_or_else(|| {
                    argument("generation_config.candidate_count", "must be in the range [1, 8]")
                })?;
        }
        if settings.max_tokens == Some(0) {
            return Err(argument("generation_config.max_output_tokens", "must be positive"));
        }
        for (name, most) in [("temperature", 2.0), ("topP", 1.0)] {
            let number = config.get(name).map(|member| member.number()).transpose()?;
            if number.is_some_and(|number| !(0.0..=most).contains(&number)) {
                let field = format!("generation_config.{}", snake_case(name));
                return Err(argument(&field, &format!("must be in the range [0.0, {most:.1}]")));
            }
        }
        if let Some(stops) = config.get("stopSequences") {
            stops.items()?.try_for_each(|stop| stop.text().map(|_| ()))?;
            if stops.items()?.len() > MAX_STOPS {
                return Err(argument("generation_config.stop_sequences", "at most 5 are allowed"));
            }
        }
        settings.output = output(&config)?;
        settings.thinking = thinking(&config)?;
        Ok(settings)
    }
}

fn output(config: &Node) -> Result<Output<'static>, Refusal> {
    let mime = config.text_of("responseMimeType")?;
    let plain = config.get("responseSchema");
    if let Some(schema) = &plain {
        openapi_schema(schema)?;
    }
    let json = config.get("responseJsonSchema").or_else(|| config.get("_responseJsonSchema"));
    let wanted = match (&plain, &json) {
        (Some(_), Some(_)) => {
            let field = "generation_config.response_schema";
            return Err(argument(field, "only one of response_schema and response_json_schema may be set"));
        }
        (Some(schema), None) => Some(lowered(schema.value)),
        (None, Some(schema)) => Some(schema.value.clone()),
        (None, None) => None,
    };
    match (wanted, mime) {
        (Some(schema), Some("application/json" | "text/x.enum")) => Ok(Output::Schema(Schema::Tree(schema))),
        (Some(_), _) => {
            let field = "generation_config.response_schema";
            Err(argument(field, "is only allowed with a response_mime_type of application/json"))
        }
        (None, Some("application/json")) => Ok(Output::Json),
        (None, _) => Ok(Output::Text),
    }
}

fn thinking(config: &Node) -> Result<Thinking, Refusal> {
    let Some(thinking) = config.get("thinkingConfig") else { return Ok(Thinking::Off) };
    thinking.only(&["includeThoughts", "thinkingBudget", "thinkingLevel"])?;
    let budget = thinking.get("thinkingBudget").map(|budget| budget.number()).transpose()?;
    let level = thinking.text_of("thinkingLevel")?;
    if let (Some(_), Some(_)) = (budget, level) {
        return Err(Refusal::new(400, "You can only set only one of thinking budget and thinking level."));
    }
    if level.is_some_and(|level| !LEVELS.contains(&level.to_ascii_uppercase().as_str())) {
        return Err(Words.unlisted(
            "generation_config.thinking_config.thinking_level",
            level.unwrap_or_default(),
            &[],
        ));
    }
    Ok(match (budget, thinking.flag_of("includeThoughts")?) {
        (Some(0.0), _) => Thinking::Off,
        (_, Some(true)) => Thinking::Shown,
        _ => Thinking::Hidden,
    })
}

fn tools(body: &Node) -> Result<Vec<Tool<'static>>, Refusal> {
    let mut tools = Vec::new();
    body.each("tools", |tool| {
        tool.only(&TOOLS)?;
        tool.each("functionDeclarations", |declaration| {
            declaration.only(&DECLARATION)?;
            let name = declaration.need("name")?;
            function_name(&name)?;
            let (plain, json) = (declaration.get("parameters"), declaration.get("parametersJsonSchema"));
            let schema = match (&plain, &json) {
                (Some(_), Some(_)) => {
                    let message = "only one of parameters and parameters_json_schema may be set";
                    return Err(argument(&declaration.path(), message));
                }
                (Some(schema), None) => {
                    openapi_schema(schema)?;
                    Some(Schema::Tree(lowered(schema.value)))
                }
                (None, Some(schema)) => Some(Schema::Tree(schema.value.clone())),
                (None, None) => None,
            };
            tools.push(Tool { name: Cow::Owned(name.text()?.to_owned()), schema });
            Ok(())
        })
    })?;
    Ok(tools)
}

fn function_name(name: &Node) -> Result<(), Refusal> {
    let text = name.text()?;
    let opens = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let goes_on = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
    if opens && goes_on && text.len() <= MAX_NAME {
        return Ok(());
    }
    Err(argument(
        &name.path(),
        "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), \
         underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.",
    ))
}

fn tool_choice(body: &Node, tools: &[Tool]) -> Result<ToolChoice, Refusal> {
    let Some(config) = body.get("toolConfig") else { return Ok(ToolChoice::Auto) };
    config.only(&["functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"])?;
    let Some(calling) = config.get("functionCallingConfig") else { return Ok(ToolChoice::Auto) };
    calling.only(&["mode", "allowedFunctionNames", "streamFunctionCallArguments"])?;
    let mode = calling.get("mode").map_or(Ok("AUTO"), |mode| mode.word(&MODES))?;
    let mut allowed = Vec::new();
    calling.each("allowedFunctionNames", |name| {
        let text = name.text()?;
        if !tools.iter().any(|tool| tool.name == text) {
            return Err(argument(&name.path(), &format!("{text} is not the name of a declared function")));
        }
        allowed.push(text.to_owned());
        Ok(())
    })?;
    if !allowed.is_empty() && !matches!(mode, "ANY" | "VALIDATED") {
        let field = "tool_config.function_calling_config.allowed_function_names";
        return Err(argument(field, "should only be set when the function calling mode is ANY"));
    }
    match (mode, allowed.into_iter().next()) {
        ("ANY", None) if tools.is_empty() => {
            let field = "tool_config.function_calling_config.mode";
            Err(argument(field, "Forced function calling (mode=ANY) needs function declarations"))
        }
        ("NONE", _) => Ok(ToolChoice::None),
        (_, Some(name)) => Ok(ToolChoice::Named(name)),
        (_, None) => Ok(ToolChoice::Auto),
    }
}

/// A schema of Google's own kind, which knows a part of JSON Schema's words and refuses the others.
fn openapi_schema(schema: &Node) -> Result<(), Refusal> {
    schema.only(&SCHEMA)?;
    if let Some(kind) = schema.get("type") {
        let word = kind.text()?;
        if !TYPES.contains(&word.to_ascii_uppercase().as_str()) {
            return Err(Words.unlisted(&kind.path(), word, &[]));
        }
    }
    schema.each("enum", |word| word.text().map(|_| ()))?;
    schema.each("required", |name| name.text().map(|_| ()))?;
    schema.each("anyOf", |branch| openapi_schema(&branch))?;
    if let Some(items) = schema.get("items") {
        openapi_schema(&items)?;
    }
    if let Some(properties) = schema.get("properties") {
        for name in properties.object()?.keys() {
            if let Some(property) = properties.get(name) {
                openapi_schema(&property)?;
            }
        }
    }
    Ok(())
}

/// The schema with its types in JSON Schema's lower case.
fn lowered(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| match (name.as_str(), value) {
                ("type", Value::String(kind)) => (name.clone(), Value::String(kind.to_ascii_lowercase())),
                _ => (name.clone(), lowered(value)),
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(lowered).collect()),
        other => other.clone(),
    }
}

/// A field whose value will not do.
pub(super) fn argument(field: &str, problem: &str) -> Refusal {
    Refusal::new(400, format!("* GenerateContentRequest.{field}: {problem}\n"))
}

/// What Google says of a request that is not of the form its protocol buffers have.
pub(super) struct Words;

impl Voice for Words {
    fn path(&self, steps: &[PathStep]) -> String {
        let steps: Vec<String> = steps
            .iter()
            .map(|step| match step {
                PathStep::Member(name) => snake_case(name),
                PathStep::Index(index) => index.to_string(),
            })
            .collect();
        let mut path = Vec::new();
        for step in &steps {
            path.push(match step.parse() {
                Ok(index) => PathStep::Index(index),
                Err(_) => PathStep::Member(step),
            });
        }
        bracketed(&path)
    }

    fn missing(&self, at: &str) -> Refusal {
        argument(at, "must be specified")
    }

    fn unknown(&self, parent: &str, _: &str, name: &str) -> Refusal {
        let place = if parent.is_empty() { String::new() } else { format!(" at '{parent}'") };
        let message =
            format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.");
        Refusal::new(400, message).param(parent.to_owned())
    }

    fn mistyped(&self, at: &str, wanted: &str, found: &Value) -> Refusal {
        let kind = match wanted {
            "a string" => "TYPE_STRING",
            "an integer" => "TYPE_INT32",
            "a number" => "TYPE_FLOAT",
            "a boolean" => "TYPE_BOOL",
            _ => "type.googleapis.com/google.protobuf.Struct",
        };
        Refusal::new(400, format!("Invalid value at '{at}' ({kind}), {found}")).param(at.to_owned())
    }

    fn unlisted(&self, at: &str, found: &str, _: &[&str]) -> Refusal {
        Refusal::new(400, format!("Invalid value at '{at}' (TYPE_ENUM), \"{found}\"")).param(at.to_owned())
    }

    fn takes_snake_case(&self) -> bool {
        true
    }
}

const MEMBERS: [&str; 11] = [
    "contents",
    "tools",
    "toolConfig",
    "safetySettings",
    "systemInstruction",
    "generationConfig",
    "cachedContent",
    "labels",
    "model",
    "serviceTier",
    "store",
];
const CONFIG: [&str; 24] = [
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "responseModalities",
    "candidateCount",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
    "audioTimestamp",
    "routingConfig",
    "modelConfig",
];
const TOOLS: [&str; 11] = [
    "functionDeclarations",
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "computerUse",
    "googleMaps",
    "fileSearch",
    "retrieval",
    "enterpriseWebSearch",
    "mcpServers",
];
const DECLARATION: [&str; 7] = [
    "name",
    "description",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
    "behavior",
];
const MODES: [&str; 5] = ["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"];
const LEVELS: [&str; 5] = ["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"];
const TYPES: [&str; 8] =
    ["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];
const SCHEMA: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "items",
    "minimum",
    "maximum",
];
const MAX_STOPS: usize = 5;
const MAX_NAME: usize = 128;
