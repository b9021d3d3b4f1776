//! A stream put together to the whole answer it tells, as SDKs do.

use aisix::dialect::DialectId;
use serde_json::{Value, json};

use super::answers::{Answer, answer};
use super::{Event, usage_of_stream};

/// What a stream says in all.
pub fn streamed(dialect: DialectId, events: &[Event]) -> Answer {
    let events_json: Vec<(String, Value)> =
        events.iter().filter_map(|event| Some((event.name.clone(), event.json()?))).collect();
    let mut whole = match dialect {
        DialectId::OpenAiChat => chat(&events_json),
        DialectId::Anthropic => anthropic(&events_json),
        DialectId::Responses => responses(&events_json),
        DialectId::Gemini => gemini(&events_json),
        DialectId::Bedrock => bedrock(&events_json),
    };
    if whole.is_null() {
        whole = json!({});
    }
    Answer { usage: usage_of_stream(dialect, events), ..answer(dialect, &whole) }
}

type Events = [(String, Value)];

fn chat(events: &Events) -> Value {
    let mut whole = json!({ "choices": [] });
    for (_, event) in events {
        for choice in event["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap_or(0).min(8) as usize;
            let target = place(&mut whole["choices"], index);
            let delta = &choice["delta"];
            for name in ["content", "refusal", "reasoning_content", "reasoning"] {
                append(&mut target["message"][name], &delta[name]);
            }
            for (nth, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
                let index = call["index"].as_u64().map_or(nth, |index| index.min(64) as usize);
                chat_call(place(&mut target["message"]["tool_calls"], index), call);
            }
            for name in ["name", "arguments"] {
                if delta["function_call"][name].is_string() {
                    append(&mut target["message"]["function_call"][name], &delta["function_call"][name]);
                }
            }
            if choice["finish_reason"].is_string() {
                target["finish_reason"] = choice["finish_reason"].clone();
            }
        }
    }
    whole
}

fn chat_call(target: &mut Value, call: &Value) {
    if call["id"].as_str().is_some_and(|id| !id.is_empty()) {
        target["id"] = call["id"].clone();
    }
    for (of, arguments) in [("function", "arguments"), ("custom", "input")] {
        if call[of].is_object() {
            // Some repeat the name with every piece.
            if target[of]["name"].as_str().is_none_or(str::is_empty) {
                target[of]["name"] = call[of]["name"].clone();
            }
            append(&mut target[of][arguments], &call[of][arguments]);
        }
    }
}

fn anthropic(events: &Events) -> Value {
    let mut whole = Value::Null;
    for (_, event) in events {
        let index = event["index"].as_u64().unwrap_or(0).min(256) as usize;
        match event["type"].as_str() {
            Some("message_start") => whole = event["message"].clone(),
            Some("content_block_start") => {
                *place(&mut whole["content"], index) = event["content_block"].clone();
            }
            Some("content_block_delta") => {
                let block = place(&mut whole["content"], index);
                let delta = &event["delta"];
                match delta["type"].as_str() {
                    Some("text_delta") => append(&mut block["text"], &delta["text"]),
                    Some("thinking_delta") => append(&mut block["thinking"], &delta["thinking"]),
                    Some("input_json_delta") => {
                        if block["input"].is_object() {
                            block["input"] = Value::Null;
                        }
                        append(&mut block["input"], &delta["partial_json"]);
                    }
                    _ => {}
                }
            }
            Some("message_delta") => whole["stop_reason"] = event["delta"]["stop_reason"].clone(),
            _ => {}
        }
    }
    whole
}

fn responses(events: &Events) -> Value {
    let mut whole = json!({ "output": [] });
    for (_, event) in events {
        let kind = event["type"].as_str().unwrap_or_default();
        let index = |name: &str| event[name].as_u64().unwrap_or(0).min(256) as usize;
        let at = index("output_index");
        match kind {
            "response.output_item.added" => *place(&mut whole["output"], at) = event["item"].clone(),
            "response.output_item.done" => {
                let item = place(&mut whole["output"], at);
                *item = told_or_done(item.take(), &event["item"]);
            }
            "response.output_text.delta" => {
                append(
                    &mut responses_part(&mut whole, at, "content", index("content_index"))["text"],
                    &event["delta"],
                );
            }
            "response.refusal.delta" => {
                let part = responses_part(&mut whole, at, "content", index("content_index"));
                append(&mut part["refusal"], &event["delta"]);
            }
            "response.reasoning_text.delta" => {
                append(
                    &mut responses_part(&mut whole, at, "content", index("content_index"))["text"],
                    &event["delta"],
                );
            }
            "response.reasoning_summary_text.delta" => {
                append(
                    &mut responses_part(&mut whole, at, "summary", index("summary_index"))["text"],
                    &event["delta"],
                );
            }
            "response.function_call_arguments.delta" => {
                append(&mut place(&mut whole["output"], at)["arguments"], &event["delta"]);
            }
            "response.custom_tool_call_input.delta" => {
                append(&mut place(&mut whole["output"], at)["input"], &event["delta"]);
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                whole["status"] = event["response"]["status"].clone();
                whole["incomplete_details"] = event["response"]["incomplete_details"].clone();
            }
            _ => {}
        }
    }
    whole
}

/// A part of an item, which is a message if nobody has said what it is.
fn responses_part<'w>(whole: &'w mut Value, at: usize, list: &str, index: usize) -> &'w mut Value {
    let item = place(&mut whole["output"], at);
    if item["type"].is_null() {
        item["type"] = Value::from("message");
    }
    place(&mut item[list], index)
}

/// What the deltas told of an item; where there were none, the item as it came when it was done.
fn told_or_done(told: Value, done: &Value) -> Value {
    let says = |item: &Value| {
        let said = answer(DialectId::Responses, &json!({ "output": [item] }));
        let said = &said.choices[0];
        let arguments = said.calls.first().map_or("", |call| &call.arguments);
        !(said.text.is_empty() && said.refusal.is_empty() && said.thoughts.is_empty() && arguments.is_empty())
    };
    if says(&told) { told } else { done.clone() }
}

fn gemini(events: &Events) -> Value {
    let mut whole = json!({ "candidates": [] });
    for (_, event) in events {
        if !event["promptFeedback"].is_null() {
            whole["promptFeedback"] = event["promptFeedback"].clone();
        }
        for (nth, candidate) in event["candidates"].as_array().into_iter().flatten().enumerate() {
            let index = candidate["index"].as_u64().map_or(nth, |index| index.min(8) as usize);
            let target = place(&mut whole["candidates"], index);
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                gemini_part(&mut target["content"]["parts"], part);
            }
            if candidate["finishReason"].is_string() {
                target["finishReason"] = candidate["finishReason"].clone();
            }
        }
    }
    whole
}

/// A part of its own, or more arguments of the call before.
fn gemini_part(parts: &mut Value, part: &Value) {
    let call = &part["functionCall"];
    let goes_on = call.is_object() && call["name"].as_str().is_none_or(str::is_empty);
    let count = parts.as_array().map_or(0, Vec::len);
    if !goes_on || count == 0 {
        *place(parts, count) = part.clone();
        return;
    }
    let target = &mut place(parts, count - 1)["functionCall"];
    for piece in call["partialArgs"].as_array().into_iter().flatten() {
        let path = piece["jsonPath"].as_str().unwrap_or_default().trim_start_matches("$.").to_owned();
        for name in ["stringValue", "numberValue", "boolValue", "nullValue"] {
            match &piece[name] {
                Value::Null => {}
                Value::String(_) => append(&mut target["args"][&path], &piece[name]),
                other => target["args"][&path] = other.clone(),
            }
        }
    }
}

fn bedrock(events: &Events) -> Value {
    let mut whole = json!({ "output": { "message": { "content": [] } } });
    for (name, event) in events {
        let index = event["contentBlockIndex"].as_u64().unwrap_or(0).min(256) as usize;
        let content = &mut whole["output"]["message"]["content"];
        match name.as_str() {
            "contentBlockStart" => *place(content, index) = event["start"].clone(),
            "contentBlockDelta" => {
                let (block, delta) = (place(content, index), &event["delta"]);
                append(&mut block["text"], &delta["text"]);
                append(&mut block["toolUse"]["input"], &delta["toolUse"]["input"]);
                let thoughts = &delta["reasoningContent"]["text"];
                append(&mut block["reasoningContent"]["reasoningText"]["text"], thoughts);
            }
            "messageStop" => whole["stopReason"] = event["stopReason"].clone(),
            _ => {}
        }
    }
    for block in whole["output"]["message"]["content"].as_array_mut().into_iter().flatten() {
        if block["toolUse"]["name"].is_null() && block.is_object() {
            block["toolUse"] = Value::Null;
        }
    }
    whole
}

/// The element of a list, which grows to hold it.
fn place(list: &mut Value, index: usize) -> &mut Value {
    if !list.is_array() {
        *list = json!([]);
    }
    let list = list.as_array_mut().expect("a list");
    while list.len() <= index {
        list.push(json!({}));
    }
    if !list[index].is_object() {
        list[index] = json!({});
    }
    &mut list[index]
}

fn append(target: &mut Value, more: &Value) {
    if let Some(more) = more.as_str() {
        *target = Value::from(target.as_str().unwrap_or_default().to_owned() + more);
    }
}
