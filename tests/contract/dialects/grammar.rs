//! What every stream keeps to, whoever wrote it, as the owners of the dialects document it.

mod items;

use aisix::dialect::DialectId;
use serde_json::Value;

use super::naive::{Event, is_error};

/// Rules a stream breaks; empty when it keeps them all. Did it fail, and did the provider tell its usage?
pub fn broken(dialect: DialectId, events: &[Event], failed: bool, usage: bool) -> Vec<String> {
    let mut rules = Rules::default();
    let told: Vec<Told> = events.iter().filter_map(|event| told(dialect, event)).collect();
    let errors = events.iter().filter(|event| event.data.is_some() && is_error(dialect, event)).count();
    rules.must(errors == usize::from(failed), || format!("{errors} errors, failed: {failed}"));
    match dialect {
        DialectId::OpenAiChat => chat(&mut rules, &told, failed),
        DialectId::Anthropic => anthropic(&mut rules, &told, failed),
        DialectId::Responses => items::responses(&mut rules, &told, failed),
        DialectId::Gemini => gemini(&mut rules, &told, failed, usage),
        DialectId::Bedrock => bedrock(&mut rules, &told, failed),
    }
    rules.broken
}

#[derive(Debug, Default)]
struct Rules {
    broken: Vec<String>,
}

impl Rules {
    fn must(&mut self, holds: bool, what: impl Fn() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }
}

/// An event with data.
#[derive(Debug)]
struct Told {
    name: String,
    text: String,
    json: Value,
    error: bool,
}

impl Told {
    fn kind(&self) -> &str {
        self.json["type"].as_str().unwrap_or_default()
    }
}

fn told(dialect: DialectId, event: &Event) -> Option<Told> {
    let text = event.data.clone()?;
    let json = serde_json::from_str(&text).unwrap_or_default();
    Some(Told { name: event.name.clone(), text, json, error: is_error(dialect, event) })
}

/// `[DONE]` once and last on success; every answer begins with its role and ends with one reason.
fn chat(rules: &mut Rules, told: &[Told], failed: bool) {
    let done = told.iter().filter(|event| event.text == "[DONE]").count();
    rules.must(done == usize::from(!failed), || format!("[DONE] {done} times, failed: {failed}"));
    let last = told.last().is_some_and(|event| if failed { event.error } else { event.text == "[DONE]" });
    rules.must(last, || "the end is not the last event".to_owned());
    let mut choices: Vec<(bool, usize)> = Vec::new();
    for event in told.iter().filter(|event| !event.error && event.text != "[DONE]") {
        let json = &event.json;
        rules.must(json["object"] == "chat.completion.chunk", || format!("no chunk: {}", event.text));
        rules.must(json["id"] == told[0].json["id"], || format!("another id: {}", event.text));
        for choice in json["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap_or(u64::MAX) as usize;
            rules.must(index < 256, || format!("no index: {}", event.text));
            if choices.len() <= index.min(256) {
                choices.resize(index.min(256) + 1, (false, 0));
            }
            let (finished, calls) = &mut choices[index.min(256)];
            rules.must(!*finished, || format!("after its end: {}", event.text));
            *finished = choice["finish_reason"].is_string();
            chat_calls(rules, &choice["delta"], calls);
        }
    }
    for index in 0..choices.len() {
        let of = |event: &&Told| event.json["choices"].as_array().is_some_and(|all| has(all, index));
        let first = told.iter().find(of).map(|event| &event.json["choices"]);
        let role = first.and_then(|all| all.as_array()?.iter().find(|choice| choice["index"] == index));
        rules.must(role.is_none_or(|choice| choice["delta"]["role"] == "assistant"), || {
            format!("answer {index} begins without its role")
        });
    }
    let ended = choices.iter().all(|(finished, _)| *finished);
    rules.must(failed || (ended && !choices.is_empty()), || "an answer without an end".to_owned());
}

fn has(choices: &[Value], index: usize) -> bool {
    choices.iter().any(|choice| choice["index"] == index)
}

fn chat_calls(rules: &mut Rules, delta: &Value, calls: &mut usize) {
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        let index = call["index"].as_u64().unwrap_or(u64::MAX) as usize;
        if index == *calls {
            *calls += 1;
            let named = ["function", "custom"].iter().any(|of| call[of]["name"].is_string());
            rules.must(named && call["id"].is_string(), || {
                format!("a call begins without name and id: {call}")
            });
        }
        rules.must(index < *calls, || format!("call out of order: {call}"));
    }
}

/// Blocks one after another, numbered from 0, each closed before the next and before the end.
fn anthropic(rules: &mut Rules, told: &[Told], failed: bool) {
    let count = |kind: &str| told.iter().filter(|event| event.kind() == kind).count();
    let begun = count("message_start");
    rules.must(begun == 1 || (failed && told.len() == 1), || format!("{begun} times message_start"));
    rules.must(begun == 0 || told[0].kind() == "message_start", || "begins with something else".to_owned());
    rules.must(count("message_stop") == usize::from(!failed), || {
        "message_stop where it may not be".to_owned()
    });
    let last =
        told.last().is_some_and(|event| if failed { event.error } else { event.kind() == "message_stop" });
    rules.must(last, || "the end is not the last event".to_owned());
    let (mut next, mut open, mut over) = (0, None, false);
    for event in told {
        let (json, index) = (&event.json, event.json["index"].as_u64());
        rules.must(event.name == event.kind(), || format!("named {}: {}", event.name, event.text));
        match event.kind() {
            "message_start" => {
                let input = &json["message"]["usage"]["input_tokens"];
                rules.must(input.is_u64(), || format!("no prompt tokens: {}", event.text));
            }
            "content_block_start" => {
                rules.must(open.is_none() && index == Some(next) && !over, || {
                    format!("opened: {}", event.text)
                });
                open = json["content_block"]["type"].as_str().map(str::to_owned);
                next += 1;
            }
            "content_block_delta" => {
                rules.must(index.map(|at| at + 1) == Some(next), || format!("other block: {}", event.text));
                let delta = json["delta"]["type"].as_str().unwrap_or_default();
                rules.must(fits(open.as_deref(), delta), || format!("in {open:?}: {}", event.text));
            }
            "content_block_stop" => {
                let ours = index.map(|at| at + 1) == Some(next);
                rules.must(open.take().is_some() && ours, || format!("closed: {}", event.text));
            }
            "message_delta" => {
                rules.must(open.is_none() && !over, || "an open block at the end".to_owned());
                rules.must(json["delta"]["stop_reason"].is_string(), || format!("no reason: {}", event.text));
                let output = &json["usage"]["output_tokens"];
                rules.must(output.is_u64(), || format!("no output tokens: {}", event.text));
                over = true;
            }
            "message_stop" => rules.must(over, || "message_stop before message_delta".to_owned()),
            _ => rules.must(event.error || event.kind() == "ping", || format!("unknown: {}", event.text)),
        }
    }
}

fn fits(open: Option<&str>, delta: &str) -> bool {
    match open {
        Some("text") => ["text_delta", "citations_delta"].contains(&delta),
        Some("thinking") => ["thinking_delta", "signature_delta"].contains(&delta),
        Some("tool_use") => delta == "input_json_delta",
        _ => false,
    }
}

/// The last event says why the answer ended, and what it cost.
fn gemini(rules: &mut Rules, told: &[Told], failed: bool, usage: bool) {
    let finished = |event: &Told| {
        let mut candidates = event.json["candidates"].as_array().into_iter().flatten();
        candidates.any(|candidate| candidate["finishReason"].is_string())
            || event.json["promptFeedback"]["blockReason"].is_string()
    };
    let Some((last, before)) = told.split_last() else {
        return rules.must(false, || "an empty stream".to_owned());
    };
    if failed {
        rules.must(last.error, || "the error is not the last event".to_owned());
    } else {
        let whole = finished(last) && (!usage || last.json["usageMetadata"].is_object());
        rules.must(whole, || format!("ends without reason or usage: {}", last.text));
    }
    for event in before {
        rules.must(event.json["candidates"].is_array(), || format!("no candidates: {}", event.text));
    }
    let calls = told.iter().flat_map(|event| event.json["candidates"].as_array().into_iter().flatten());
    let calls = calls.flat_map(|candidate| candidate["content"]["parts"].as_array().into_iter().flatten());
    for call in calls.map(|part| &part["functionCall"]).filter(|call| !call.is_null()) {
        let whole = call["name"].is_string() && call["args"].is_object();
        rules.must(whole, || format!("no whole call: {call}"));
    }
    let ends = told.iter().flat_map(|event| event.json["candidates"].as_array().into_iter().flatten());
    let mut ended: Vec<u64> = ends
        .filter(|candidate| candidate["finishReason"].is_string())
        .map(|candidate| candidate["index"].as_u64().unwrap_or(0))
        .collect();
    let all = ended.len();
    ended.dedup();
    rules.must(ended.len() == all, || "an answer ends twice".to_owned());
}

/// `messageStart`, blocks one after another, `messageStop`, `metadata`.
fn bedrock(rules: &mut Rules, told: &[Told], failed: bool) {
    let names: Vec<&str> = told.iter().map(|event| &*event.name).collect();
    let count = |name: &str| names.iter().filter(|known| **known == name).count();
    let begun = count("messageStart");
    rules.must(begun == 1 || (failed && told.len() == 1), || format!("{begun} times messageStart"));
    rules.must(begun == 0 || names[0] == "messageStart", || "begins with something else".to_owned());
    if failed {
        rules.must(told.last().is_some_and(|event| event.error), || "the error is not the last".to_owned());
    } else {
        rules.must(names.ends_with(&["messageStop", "metadata"]), || format!("ends with {:?}", names.last()));
        rules.must(count("messageStop") == 1 && count("metadata") == 1, || "two ends".to_owned());
    }
    let (mut next, mut open) = (0, false);
    for event in told {
        let index = event.json["contentBlockIndex"].as_u64();
        match &*event.name {
            "contentBlockStart" => {
                rules.must(!open && index == Some(next), || format!("opened: {}", event.text));
                (open, next) = (true, next + 1);
            }
            "contentBlockDelta" => {
                if !open {
                    (open, next) = (true, next + 1);
                }
                rules.must(index.map(|at| at + 1) == Some(next), || format!("other block: {}", event.text));
            }
            "contentBlockStop" => {
                let ours = open && index.map(|at| at + 1) == Some(next);
                rules.must(ours, || format!("closed: {}", event.text));
                open = false;
            }
            "messageStop" => {
                rules.must(!open && event.json["stopReason"].is_string(), || format!("ends: {}", event.text));
            }
            "messageStart" | "metadata" => {}
            _ => rules.must(event.error, || format!("unknown: {}", event.name)),
        }
    }
}
