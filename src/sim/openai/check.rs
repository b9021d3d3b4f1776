//! What OpenAI refuses in a chat completion that is more than plain texts.

use serde_json::Value;

use super::super::call::Refusal;
use super::super::node::Node;
use super::words::{self, Words};

/// Judges a whole request body; what the quick reading has judged already is not looked at again.
pub(super) fn check(body: &[u8]) -> Result<(), Refusal> {
    let tree: Value = serde_json::from_slice(body).map_err(|error| words::not_json(&error))?;
    let body = Node::body(&tree, &Words);
    messages(&body)?;
    tools(&body)?;
    stop(&body)?;
    format(&body)
}

fn messages(body: &Node) -> Result<(), Refusal> {
    // Ids of calls that have no answer yet.
    let mut pending: Vec<&str> = Vec::new();
    for message in body.need("messages")?.items()? {
        let role = message.need("role")?.word(&ROLES)?;
        if role == "tool" {
            let id = message.need("tool_call_id")?.text()?;
            match pending.iter().position(|call| *call == id) {
                Some(at) => pending.swap_remove(at),
                None => return Err(stray_result(&message)),
            };
        } else {
            answered(&pending, &message.path_of("role"))?;
        }
        match role {
            "assistant" => assistant(&message, &mut pending)?,
            "tool" => {
                message.only(&["role", "content", "tool_call_id", "name"])?;
                content(&message, &["text"])?;
            }
            "user" => {
                message.only(&["role", "content", "name"])?;
                content(&message, &["text", "image_url", "input_audio", "file"])?;
            }
            _ => {
                message.only(&["role", "content", "name"])?;
                content(&message, &["text"])?;
            }
        }
    }
    answered(&pending, "messages")
}

fn answered(pending: &[&str], at: &str) -> Result<(), Refusal> {
    if pending.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        pending.join(", ")
    );
    Err(Refusal::new(400, message).param(at.to_owned()))
}

fn stray_result(message: &Node) -> Refusal {
    let words = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with \
                 'tool_calls'.";
    Refusal::new(400, words).param(message.path_of("role"))
}

fn assistant<'v>(message: &Node<'v, '_>, pending: &mut Vec<&'v str>) -> Result<(), Refusal> {
    message.only(&ASSISTANT)?;
    if let Some(calls) = message.get("tool_calls") {
        let calls = calls.items()?;
        if calls.len() == 0 {
            return Err(empty_array(&message.path_of("tool_calls")));
        }
        for call in calls {
            pending.push(call.need("id")?.text()?);
            match call.need("type")?.word(&["function", "custom"])? {
                "function" => {
                    call.only(&["id", "type", "function"])?;
                    let function = call.need("function")?;
                    function.only(&["name", "arguments"])?;
                    words::function_name(&function.need("name")?)?;
                    function.need("arguments")?.text()?;
                }
                _ => call.need("custom").map(|_| ())?,
            }
        }
    }
    let silent = ["tool_calls", "function_call", "refusal", "audio"];
    match message.get("content") {
        None if silent.iter().any(|name| message.get(name).is_some()) => Ok(()),
        _ => content(message, &["text", "refusal"]),
    }
}

fn content(message: &Node, kinds: &[&str]) -> Result<(), Refusal> {
    let Some(content) = message.get("content") else {
        let at = message.path_of("content");
        let message = format!("Invalid value for '{at}': expected a string, got null.");
        return Err(Refusal::new(400, message).param(at));
    };
    if content.value.is_string() {
        return Ok(());
    }
    let parts = content.items()?;
    if parts.len() == 0 {
        return Err(empty_array(&message.path_of("content")));
    }
    for part in parts {
        let kind = part.need("type")?.word(kinds)?;
        part.only(&["type", kind])?;
        let inside = part.need(kind)?;
        match kind {
            "text" | "refusal" => inside.text().map(|_| ())?,
            "image_url" => {
                inside.only(&["url", "detail"])?;
                inside.need("url")?.text()?;
            }
            "input_audio" => {
                inside.need("data")?.text()?;
                inside.need("format")?.word(&["wav", "mp3"])?;
            }
            _ => inside.only(&["file_data", "file_id", "filename"])?,
        }
    }
    Ok(())
}

fn tools(body: &Node) -> Result<(), Refusal> {
    let Some(tools) = body.get("tools") else {
        let alone = ["tool_choice", "parallel_tool_calls"].into_iter().find(|name| body.get(name).is_some());
        return alone.map_or(Ok(()), |name| Err(words::only_with_tools(name)));
    };
    let tools = tools.items()?;
    if tools.len() == 0 {
        return Err(empty_array("tools"));
    }
    let mut names = Vec::new();
    for tool in tools {
        let kind = tool.need("type")?.word(&["function", "custom"])?;
        tool.only(&["type", kind])?;
        let definition = tool.need(kind)?;
        let name = definition.need("name")?;
        words::function_name(&name)?;
        names.push(name.text()?);
        if kind == "function" {
            definition.only(&["name", "description", "parameters", "strict"])?;
            definition.text_of("description")?;
            if let Some(schema) = definition.get("parameters") {
                let strict = definition.flag_of("strict")?.unwrap_or(false);
                words::function_schema(name.text()?, &schema, strict)?;
            }
        }
    }
    choice(body, &names)
}

fn choice(body: &Node, names: &[&str]) -> Result<(), Refusal> {
    let Some(choice) = body.get("tool_choice") else { return Ok(()) };
    if choice.value.is_string() {
        return choice.word(&["none", "auto", "required"]).map(|_| ());
    }
    match choice.need("type")?.word(&["function", "allowed_tools", "custom"])? {
        "function" => {
            choice.only(&["type", "function"])?;
            let function = choice.need("function")?;
            let name = function.need("name")?.text()?;
            if names.contains(&name) { Ok(()) } else { Err(words::no_such_tool(name)) }
        }
        _ => Ok(()),
    }
}

fn stop(body: &Node) -> Result<(), Refusal> {
    let Some(stop) = body.get("stop").filter(|stop| !stop.value.is_string()) else { return Ok(()) };
    let count = stop.items()?.len();
    stop.items()?.try_for_each(|item| item.text().map(|_| ()))?;
    if count > MAX_STOPS {
        let message = format!(
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length \
             {count} instead."
        );
        return Err(Refusal::new(400, message).param("stop").code("array_above_max_length"));
    }
    Ok(())
}

fn format(body: &Node) -> Result<(), Refusal> {
    let Some(format) = body.get("response_format") else { return Ok(()) };
    if format.need("type")?.word(&["text", "json_object", "json_schema"])? != "json_schema" {
        return Ok(());
    }
    format.only(&["type", "json_schema"])?;
    let wrapper = format.need("json_schema")?;
    wrapper.only(&["name", "description", "schema", "strict"])?;
    let name = wrapper.need("name")?;
    words::function_name(&name)?;
    match (wrapper.get("schema"), wrapper.flag_of("strict")?) {
        (Some(schema), Some(true)) => {
            let of = format!("response_format '{}'", name.text()?);
            words::strict_schema(&of, &schema, "invalid_json_schema")
        }
        _ => Ok(()),
    }
}

fn empty_array(at: &str) -> Refusal {
    let message = format!(
        "Invalid '{at}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    );
    Refusal::new(400, message).param(at.to_owned()).code("empty_array")
}

const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];
/// `reasoning_content` is no member of OpenAI's, but is often sent back to compatible servers, which take it.
const ASSISTANT: [&str; 9] = [
    "role",
    "content",
    "name",
    "refusal",
    "audio",
    "annotations",
    "tool_calls",
    "function_call",
    "reasoning_content",
];
const MAX_STOPS: usize = 4;
