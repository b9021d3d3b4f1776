//! Reading a request, and refusing what OpenAI refuses.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::super::call::{Call, Extra, Output, Refusal, Schema, Thinking, Tool, ToolChoice};
use super::super::node::Node;
use super::super::openai::{Words, unsupported};
use super::super::{openai, plan};
use super::input::Conversation;
use super::{Echo, ResponseId};

/// Reads a request body.
pub(in super::super) fn read(body: &[u8]) -> Result<Call<'static>, Refusal> {
    let tree: Value = serde_json::from_slice(body).map_err(|error| openai::not_json(&error))?;
    let body = Node::body(&tree, &Words);
    known(&body)?;
    ranges(&body)?;
    let earlier = body.text_of("previous_response_id")?.map(earlier).transpose()?;
    let conversation = Conversation::read(&body, earlier.as_ref())?;
    let tools = tools(&body)?;
    let output = output(&body)?;
    let echo = echo(&body)?;
    let thinking = thinking(&body, &conversation)?;
    let tool_chars = body.get("tools").map_or(0, |tools| tools.value.to_string().len() as u64);
    let before = earlier.map_or(0, |earlier| earlier.tokens * 4);
    Ok(Call {
        model: Cow::Owned(body.need("model")?.text()?.to_owned()),
        stream: body.flag_of("stream")?.unwrap_or(false),
        include_usage: true,
        choices: 1,
        max_tokens: body.count_of("max_output_tokens")?,
        prompt_chars: conversation.chars + tool_chars + before,
        tool_choice: tool_choice(&body, &tools)?,
        tools,
        output,
        parallel: body.flag_of("parallel_tool_calls")?.unwrap_or(true),
        tool_results: conversation.results,
        thinking,
        directive: conversation.directive,
        extra: Extra::Responses(Box::new(echo)),
    })
}

fn known(body: &Node) -> Result<(), Refusal> {
    for (name, new) in MOVED {
        if body.get(name).is_some() {
            let message = format!(
                "Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{new}'. Try \
                 again with the new parameter."
            );
            return Err(unsupported(name, message));
        }
    }
    body.only(&MEMBERS)?;
    if body.get("stream_options").is_some() && body.flag_of("stream")? != Some(true) {
        return Err(openai::only_with_stream());
    }
    Ok(())
}

fn ranges(body: &Node) -> Result<(), Refusal> {
    openai::within(body, "temperature", 0.0, 2.0)?;
    openai::within(body, "top_p", 0.0, 1.0)?;
    openai::at_least(body, "max_output_tokens", 16)?;
    if let Some(include) = body.get("include") {
        include.items()?.try_for_each(|item| item.word(&INCLUDABLE).map(|_| ()))?;
    }
    if let Some(truncation) = body.get("truncation") {
        truncation.word(&["auto", "disabled"])?;
    }
    Ok(())
}

fn earlier(id: &str) -> Result<ResponseId, Refusal> {
    let found = ResponseId::parse(id).filter(|earlier| plan::is_past(earlier.serial));
    found.ok_or_else(|| {
        Refusal::new(400, format!("Previous response with id '{id}' not found."))
            .param("previous_response_id")
            .code("previous_response_not_found")
    })
}

fn tools(body: &Node) -> Result<Vec<Tool<'static>>, Refusal> {
    let mut tools = Vec::new();
    body.each("tools", |tool| {
        if tool.need("type")?.text()? != "function" {
            return Ok(());
        }
        let name = tool.need("name")?;
        tool.only(&[
            "type",
            "name",
            "description",
            "parameters",
            "strict",
            "output_schema",
            "defer_loading",
        ])?;
        openai::function_name(&name)?;
        let schema = tool.get("parameters");
        if let Some(schema) = &schema {
            openai::function_schema(name.text()?, schema, tool.flag_of("strict")?.unwrap_or(false))?;
        }
        let schema = schema.map(|schema| Schema::Tree(schema.value.clone()));
        tools.push(Tool { name: Cow::Owned(name.text()?.to_owned()), schema });
        Ok(())
    })?;
    Ok(tools)
}

fn tool_choice(body: &Node, tools: &[Tool]) -> Result<ToolChoice, Refusal> {
    let Some(choice) = body.get("tool_choice") else { return Ok(ToolChoice::Auto) };
    if choice.value.is_string() {
        return Ok(match choice.word(&["none", "auto", "required"])? {
            "none" => ToolChoice::None,
            "required" if body.get("tools").is_none() => {
                let message = "Tool choice 'required' must be specified with 'tools' parameter.";
                return Err(Refusal::new(400, message).param("tool_choice"));
            }
            _ => ToolChoice::Auto,
        });
    }
    if choice.need("type")?.text()? != "function" {
        return Ok(ToolChoice::Auto);
    }
    choice.only(&["type", "name"])?;
    let name = choice.need("name")?.text()?;
    match tools.iter().any(|tool| tool.name == name) {
        true => Ok(ToolChoice::Named(name.to_owned())),
        false => Err(openai::no_such_tool(name)),
    }
}

fn output(body: &Node) -> Result<Output<'static>, Refusal> {
    let Some(text) = body.get("text") else { return Ok(Output::Text) };
    text.only(&["format", "verbosity"])?;
    if let Some(verbosity) = text.get("verbosity") {
        verbosity.word(&["low", "medium", "high"])?;
    }
    let Some(format) = text.get("format") else { return Ok(Output::Text) };
    match format.need("type")?.word(&["text", "json_object", "json_schema"])? {
        "json_schema" => {
            format.only(&["type", "name", "description", "schema", "strict"])?;
            let name = format.need("name")?;
            openai::function_name(&name)?;
            let schema = format.need("schema")?;
            if format.flag_of("strict")? == Some(true) {
                openai::strict_schema(
                    &format!("response_format '{}'", name.text()?),
                    &schema,
                    "invalid_json_schema",
                )?;
            }
            Ok(Output::Schema(Schema::Tree(schema.value.clone())))
        }
        "json_object" => Ok(Output::Json),
        _ => Ok(Output::Text),
    }
}

fn thinking(body: &Node, conversation: &Conversation) -> Result<Thinking, Refusal> {
    let Some(reasoning) = body.get("reasoning") else {
        // A model that thought goes on thinking.
        return Ok(if conversation.thought { Thinking::Sealed } else { Thinking::Off });
    };
    reasoning.only(&["effort", "summary", "generate_summary", "context", "mode"])?;
    let effort = reasoning.get("effort").map(|effort| effort.word(&EFFORTS)).transpose()?;
    let summary = reasoning.get("summary").or_else(|| reasoning.get("generate_summary"));
    let summary = summary.map(|summary| summary.word(&["auto", "concise", "detailed"])).transpose()?;
    Ok(match (effort, summary) {
        (Some("none"), _) | (None, None) => Thinking::Off,
        (_, Some(_)) => Thinking::Shown,
        (Some(_), None) => Thinking::Sealed,
    })
}

/// The members the response repeats, with what they are when the request does not say.
fn echo(body: &Node) -> Result<Echo, Refusal> {
    let mut members = String::new();
    let defaults = [
        ("instructions", Value::Null),
        ("max_output_tokens", Value::Null),
        ("max_tool_calls", Value::Null),
        ("metadata", json!({})),
        ("parallel_tool_calls", json!(true)),
        ("previous_response_id", Value::Null),
        ("prompt_cache_key", Value::Null),
        ("reasoning", json!({"effort": null, "summary": null})),
        ("safety_identifier", Value::Null),
        ("service_tier", json!("default")),
        ("store", json!(true)),
        ("temperature", json!(1.0)),
        ("text", json!({"format": {"type": "text"}, "verbosity": "medium"})),
        ("tool_choice", json!("auto")),
        ("tools", json!([])),
        ("top_logprobs", json!(0)),
        ("top_p", json!(1.0)),
        ("truncation", json!("disabled")),
        ("user", Value::Null),
    ];
    for (name, default) in &defaults {
        let value = body.get(name).map_or(default, |member| member.value);
        members.push_str(&format!(",\"{name}\":{value}"));
    }
    let mut encrypted = false;
    body.each("include", |item| {
        encrypted |= item.text()? == "reasoning.encrypted_content";
        Ok(())
    })?;
    Ok(Echo { members, encrypted, stored: body.flag_of("store")?.unwrap_or(true) })
}

const MEMBERS: [&str; 31] = [
    "background",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];
/// Names of chat completions, and what became of them.
const MOVED: [(&str, &str); 5] = [
    ("messages", "input"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("response_format", "text.format"),
    ("reasoning_effort", "reasoning.effort"),
];
const INCLUDABLE: [&str; 8] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
