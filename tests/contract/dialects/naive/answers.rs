//! What an answer says, read from the tree of its JSON.

use aisix::dialect::{DialectId, Usage};
use serde_json::{Value, json};

use super::usage_of_answer;

/// What a caller gets to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub choices: Vec<Choice>,
    pub usage: Usage,
}

/// One of the answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    pub text: String,
    pub refusal: String,
    pub thoughts: String,
    pub calls: Vec<Call>,
    pub finish: Finish,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    pub id: String,
    pub name: String,
    /// JSON text, or what the model wrote in its place.
    pub arguments: String,
}

/// Why an answer ended, as coarse as all dialects have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    Stop,
    Length,
    Calls,
    /// Filtered or refused.
    Filtered,
    Failed,
    /// A word that other dialects do not have.
    Other,
    /// Nothing was said.
    #[default]
    Unsaid,
}

/// Reads a whole answer.
pub fn answer(dialect: DialectId, body: &Value) -> Answer {
    let mut choices = match dialect {
        DialectId::OpenAiChat => each(&body["choices"]).map(chat).collect(),
        DialectId::Anthropic => vec![anthropic(body)],
        DialectId::Responses => vec![responses(body)],
        DialectId::Gemini => gemini(body),
        DialectId::Bedrock => vec![bedrock(body)],
    };
    for choice in &mut choices {
        settle(choice);
    }
    Answer { choices, usage: usage_of_answer(dialect, body) }
}

/// A call is why an answer ends that has one, and a refusal is one whatever the vendor calls its end.
fn settle(choice: &mut Choice) {
    if !choice.refusal.is_empty() {
        choice.finish = Finish::Filtered;
    }
    match (choice.finish, choice.calls.is_empty()) {
        (Finish::Stop | Finish::Unsaid | Finish::Other, false) => choice.finish = Finish::Calls,
        (Finish::Calls, true) => choice.finish = Finish::Stop,
        _ => {}
    }
}

fn chat(choice: &Value) -> Choice {
    let message = &choice["message"];
    let mut said = Choice { text: texts(&message["content"]), ..Choice::default() };
    said.text += &text(&message["audio"]["transcript"]);
    said.refusal = text(&message["refusal"]);
    said.thoughts = [text(&message["reasoning_content"]), text(&message["reasoning"])]
        .into_iter()
        .find(|thoughts| !thoughts.is_empty())
        .unwrap_or_else(|| thinking_parts(&message["content"]));
    for call in each(&message["tool_calls"]) {
        let custom = &call["custom"];
        let (of, arguments) =
            if custom.is_object() { (custom, "input") } else { (&call["function"], "arguments") };
        said.calls.push(Call {
            id: text(&call["id"]),
            name: text(&of["name"]),
            arguments: written(&of[arguments]),
        });
    }
    let function = &message["function_call"];
    if function.is_object() {
        let arguments = text(&function["arguments"]);
        said.calls.push(Call { id: String::new(), name: text(&function["name"]), arguments });
    }
    said.finish = match choice["finish_reason"].as_str() {
        None => Finish::Unsaid,
        Some("stop" | "eos" | "end_turn") => Finish::Stop,
        Some("length" | "model_length") => Finish::Length,
        Some("tool_calls" | "function_call") => Finish::Calls,
        Some("content_filter") => Finish::Filtered,
        Some("error") => Finish::Failed,
        Some(_) => Finish::Other,
    };
    said
}

/// Mistral's thoughts: blocks of blocks of text.
fn thinking_parts(content: &Value) -> String {
    each(content).map(|part| texts(&part["thinking"])).collect()
}

fn anthropic(body: &Value) -> Choice {
    let mut said = Choice::default();
    for part in each(&body["content"]) {
        match part["type"].as_str() {
            Some("text") => said.text += &text(&part["text"]),
            Some("thinking") => said.thoughts += &text(&part["thinking"]),
            Some("tool_use") => {
                let (id, name) = (text(&part["id"]), text(&part["name"]));
                said.calls.push(Call { id, name, arguments: written(&part["input"]) });
            }
            _ => {}
        }
    }
    said.finish = match body["stop_reason"].as_str() {
        None => Finish::Unsaid,
        Some("end_turn" | "stop_sequence") => Finish::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("tool_use") => Finish::Calls,
        Some("refusal") => Finish::Filtered,
        Some(_) => Finish::Other,
    };
    said
}

fn responses(body: &Value) -> Choice {
    let mut said = Choice::default();
    for item in each(&body["output"]) {
        let call = |arguments: &str| Call {
            id: text(&item["call_id"]),
            name: text(&item["name"]),
            arguments: written(&item[arguments]),
        };
        match item["type"].as_str() {
            Some("message") => {
                for part in each(&item["content"]) {
                    said.text += &text(&part["text"]);
                    said.refusal += &text(&part["refusal"]);
                }
            }
            Some("reasoning") => said.thoughts += &(texts(&item["summary"]) + &texts(&item["content"])),
            Some("function_call") => said.calls.push(call("arguments")),
            Some("custom_tool_call") => said.calls.push(call("input")),
            _ => {}
        }
    }
    said.finish = match (body["status"].as_str(), body["incomplete_details"]["reason"].as_str()) {
        (Some("completed"), _) => Finish::Stop,
        (Some("incomplete"), Some("max_output_tokens")) => Finish::Length,
        (Some("incomplete"), Some("content_filter")) => Finish::Filtered,
        (Some("failed"), _) => Finish::Failed,
        (None, _) => Finish::Unsaid,
        _ => Finish::Other,
    };
    said
}

fn gemini(body: &Value) -> Vec<Choice> {
    let candidates: Vec<Choice> = each(&body["candidates"]).map(candidate).collect();
    if candidates.is_empty() && body["promptFeedback"]["blockReason"].is_string() {
        return vec![Choice { finish: Finish::Filtered, ..Choice::default() }];
    }
    candidates
}

fn candidate(candidate: &Value) -> Choice {
    let mut said = Choice::default();
    for part in each(&candidate["content"]["parts"]) {
        let into = if part["thought"] == true { &mut said.thoughts } else { &mut said.text };
        *into += &text(&part["text"]);
        let call = &part["functionCall"];
        if call.is_object() {
            let (id, name) = (text(&call["id"]), text(&call["name"]));
            said.calls.push(Call { id, name, arguments: written(&call["args"]) });
        }
    }
    said.finish = match candidate["finishReason"].as_str() {
        None | Some("FINISH_REASON_UNSPECIFIED") => Finish::Unsaid,
        Some("STOP") => Finish::Stop,
        Some("MAX_TOKENS") => Finish::Length,
        Some(
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "LANGUAGE"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR",
        ) => Finish::Filtered,
        Some(_) => Finish::Other,
    };
    said
}

fn bedrock(body: &Value) -> Choice {
    let mut said = Choice::default();
    for part in each(&body["output"]["message"]["content"]) {
        said.text += &text(&part["text"]);
        said.text += &texts(&part["citationsContent"]["content"]);
        said.thoughts += &text(&part["reasoningContent"]["reasoningText"]["text"]);
        let call = &part["toolUse"];
        // One that the provider runs itself is none of the caller's.
        if call.is_object() && call["type"] != "server_tool_use" {
            let (id, name) = (text(&call["toolUseId"]), text(&call["name"]));
            said.calls.push(Call { id, name, arguments: written(&call["input"]) });
        }
    }
    said.finish = match body["stopReason"].as_str() {
        None => Finish::Unsaid,
        Some("end_turn" | "stop_sequence") => Finish::Stop,
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("tool_use") => Finish::Calls,
        Some("content_filtered" | "guardrail_intervened") => Finish::Filtered,
        Some(_) => Finish::Other,
    };
    said
}

/// The elements of an array; none if it is no array.
pub fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A text, or the texts of a list of blocks.
pub fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => {
            each(value).map(|part| part.as_str().map_or_else(|| text(&part["text"]), str::to_owned)).collect()
        }
    }
}

/// A text as it is, any other value as its JSON; nothing for nothing.
pub fn written(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The arguments of a call as an object, where they are one.
pub fn arguments(written: &str) -> Value {
    match serde_json::from_str(written) {
        _ if written.trim().is_empty() => json!({}),
        Ok(value @ Value::Object(_)) => value,
        _ => Value::from(written),
    }
}
