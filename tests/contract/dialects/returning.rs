//! What a request becomes on the way to its target, an answer brings back: names that were shortened, tools that take
//! free text, answers that were asked for by way of a tool.

use aisix::dialect::bridge::{self, Translated};
use aisix::dialect::codec::Outward;
use aisix::dialect::{DialectId, canon::names::Renames};
use bytes::Bytes;
use serde_json::{Value, json};

use super::naive::answers::{Answer, Finish, answer, arguments};
use super::naive::events_of;
use super::naive::requests::request;
use super::naive::streams::streamed;
use super::translating;
use translating::others;

/// An answer that is one call.
fn calling(dialect: DialectId, name: &str, arguments: &Value) -> Value {
    match dialect {
        DialectId::OpenAiChat => {
            json!({"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0,
            "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments.to_string()}}]}}]})
        }
        DialectId::Responses => {
            json!({"id": "resp_1", "object": "response", "status": "completed", "output": [
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "status": "completed",
                "arguments": arguments.to_string()}]})
        }
        DialectId::Anthropic => {
            json!({"id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "tool_use",
            "content": [{"type": "tool_use", "id": "call_1", "name": name, "input": arguments}]})
        }
        DialectId::Gemini => {
            json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model",
            "parts": [{"functionCall": {"name": name, "args": arguments}}]}}]})
        }
        DialectId::Bedrock => {
            json!({"stopReason": "tool_use", "output": {"message": {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "call_1", "name": name, "input": arguments}}]}}})
        }
    }
}

/// The answer for the caller, whole and told as a stream.
fn back(
    to: DialectId,
    caller: DialectId,
    body: &str,
    renames: &Renames,
    answered: &Value,
) -> [(Answer, String); 2] {
    let outward = Outward { body: Bytes::from(body.to_owned()), ..translating::outward() };
    let answered = answered.to_string();
    let (from, into) = (to.codec(), caller.codec());
    let whole = bridge::answer(from, into, answered.as_bytes(), &outward, renames).expect("an answer");
    let told =
        bridge::answer_as_stream(from, into, answered.as_bytes(), &outward, renames).expect("an answer");
    let tree: Value = serde_json::from_slice(&whole.body).expect("JSON");
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    [
        (answer(caller, &tree), text(&whole.body)),
        (streamed(caller, &events_of(caller, &told.body)), text(&told.body)),
    ]
}

fn translate(caller: DialectId, to: DialectId, body: &str) -> (Translated, Value) {
    let translated = translating::request(caller, to, body, false).expect("a request");
    let tree = serde_json::from_slice(&translated.body).expect("JSON");
    (translated, tree)
}

#[test]
fn a_long_name_of_a_tool_comes_back_as_it_was() {
    let name = "mcp__a_server.of.some.kind__a_tool_whose_name_says_more_than_sixty_four_bytes_and_then_some_words_of_it";
    let caller = DialectId::OpenAiChat;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Go."}], "tools": [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}]});
    for to in others(caller) {
        let (translated, target) = translate(caller, to, &body.to_string());
        let short = &request(to, &target).tools[0].0;
        let answered = calling(to, short, &json!({}));
        for (said, _) in back(to, caller, &body.to_string(), &translated.renames, &answered) {
            assert_eq!(said.choices[0].calls[0].name, name, "{}", to.title());
        }
    }
}

#[test]
fn a_tool_that_takes_free_text_is_called_with_text() {
    let caller = DialectId::Responses;
    let body = json!({"model": "m", "input": [{"role": "user", "content": "Run print(1)."},
        {"type": "custom_tool_call", "call_id": "call_c", "name": "run_code", "input": "print(1)"},
        {"type": "custom_tool_call_output", "call_id": "call_c", "output": "1"}],
        "tools": [{"type": "custom", "name": "run_code", "description": "Runs Python."}]});
    for to in [DialectId::Anthropic, DialectId::Gemini, DialectId::Bedrock] {
        let (translated, target) = translate(caller, to, &body.to_string());
        let asked = request(to, &target);
        if asked.tools.is_empty() {
            let lost = translated.losses.names().iter().any(|name| name == "custom_tools");
            assert!(lost, "{}: the tool is gone without a word", to.title());
            continue;
        }
        let earlier = arguments(&asked.calls[0].arguments);
        let answered = calling(to, &asked.tools[0].0, &earlier);
        for (said, text) in back(to, caller, &body.to_string(), &translated.renames, &answered) {
            assert_eq!(said.choices[0].calls[0].arguments, "print(1)", "{}: {text}", to.title());
            assert!(text.contains("custom_tool_call"), "{}: {text}", to.title());
        }
    }
}

#[test]
fn an_answer_that_was_asked_for_by_way_of_a_tool_is_a_text() {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let caller = DialectId::OpenAiChat;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "Anna."}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}});
    for to in [DialectId::Anthropic, DialectId::Bedrock] {
        let (translated, target) = translate(caller, to, &body.to_string());
        let asked = request(to, &target);
        let Some((tool, _)) = asked.tools.first() else { continue };
        let answered = calling(to, tool, &json!({"name": "Anna"}));
        for (said, text) in back(to, caller, &body.to_string(), &translated.renames, &answered) {
            let choice = &said.choices[0];
            assert_eq!(arguments(&choice.text), json!({"name": "Anna"}), "{}: {text}", to.title());
            assert!(choice.calls.is_empty() && choice.finish == Finish::Stop, "{}: {text}", to.title());
        }
    }
}
