//! The Responses API: conversations by the id of an earlier answer, kept here where the provider keeps none.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::formats::Format::{self, *};
use crate::support::formats::answers::{self, Failure, REAL, TEXT};
use crate::support::formats::every_target;
use crate::support::formats::told::{self, Told};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Gate, Upstream};

through_every_door! {
    a_conversation_goes_on_from_the_id_of_an_answer,
    a_conversation_branches_from_any_of_its_answers,
    calls_of_tools_are_part_of_the_conversation,
    an_id_is_good_for_the_key_it_was_given_to_alone,
    an_answer_that_is_not_to_be_stored_is_not,
    an_answer_that_failed_or_was_left_is_not_kept,
    a_provider_that_keeps_conversations_is_left_to_it,
    a_native_answer_changes_in_its_model_alone,
}

/// Another caller.
const BOB: &str = "sk-bob-0011223344";
/// Formats of providers that keep no conversations.
const FORGETFUL: [Format; 4] = [OpenAi, Anthropic, Gemini, Bedrock];

async fn started(door: Door) -> (Gateway, Upstream) {
    let upstream = Upstream::queue([]).await;
    let setup = every_target(door.setup(&upstream), &upstream);
    (setup.api_key("bob", BOB, json!({"allowed_models": ["*"]})).start().await, upstream)
}

fn asking(target: Format, stream: bool, input: &str, previous: Option<&str>) -> Value {
    let mut body = json!({"model": target.alias(), "stream": stream, "input": input});
    if let Some(previous) = previous {
        body["previous_response_id"] = previous.into();
    }
    body
}

/// Asks for an answer that the provider gives, and reads it.
async fn answered(
    (gateway, upstream): (&Gateway, &Upstream),
    target: Format,
    stream: bool,
    body: &Value,
) -> Told {
    upstream.always(answers::answering(target, stream));
    let answer = gateway.ask(&Responses.sends(target.alias(), stream, body)).await;
    assert_eq!(answer.status, 200, "{target:?}, {body}: {}", answer.text());
    let told = match stream {
        true => told::streamed(Responses, &answer.text()),
        false => told::whole(Responses, &answer.json()),
    };
    assert_eq!((told.text.as_str(), told.completed), (TEXT, 1), "{target:?}: {}", answer.text());
    told
}

/// The texts of the conversation that the provider was sent, in order, each with its role.
fn conversation(format: Format, body: &Value) -> Vec<(String, String)> {
    let (turns, content) = match format {
        Gemini => ("contents", "parts"),
        Responses => ("input", "content"),
        _ => ("messages", "content"),
    };
    let turns = body[turns].as_array().unwrap_or_else(|| panic!("turns in {body}"));
    let text = |content: &Value| match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    };
    let role = |turn: &Value| turn["role"].as_str().unwrap_or_default().replace("model", "assistant");
    turns.iter().map(|turn| (role(turn), text(&turn[content]))).collect()
}

fn said(turns: &[(&str, &str)]) -> Vec<(String, String)> {
    turns.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}

async fn a_conversation_goes_on_from_the_id_of_an_answer(door: Door) {
    let (gateway, upstream) = started(door).await;
    let at = (&gateway, &upstream);
    for target in FORGETFUL {
        for stream in [false, true] {
            let mut body = asking(target, stream, "one", None);
            body["instructions"] = "of the first request alone".into();
            let first = answered(at, target, stream, &body).await;
            assert!(first.id.starts_with("resp_"), "{first:?}");
            let second =
                answered(at, target, !stream, &asking(target, !stream, "two", Some(&first.id))).await;
            assert_ne!(first.id, second.id);
            answered(at, target, stream, &asking(target, stream, "three", Some(&second.id))).await;
            let sent = upstream.last();
            let expected = [
                ("user", "one"),
                ("assistant", TEXT),
                ("user", "two"),
                ("assistant", TEXT),
                ("user", "three"),
            ];
            assert_eq!(conversation(target, &sent.json()), said(&expected), "{target:?}: {}", sent.text());
            assert!(
                !sent.text().contains("of the first request") && !sent.text().contains("resp_"),
                "{}",
                sent.text()
            );
        }
    }
}

async fn a_conversation_branches_from_any_of_its_answers(door: Door) {
    let (gateway, upstream) = started(door).await;
    let at = (&gateway, &upstream);
    let first = answered(at, OpenAi, false, &asking(OpenAi, false, "one", None)).await;
    for branch in ["left", "right"] {
        // The model may change on the way, and with it the provider.
        answered(at, Anthropic, true, &asking(Anthropic, true, branch, Some(&first.id))).await;
        let expected = said(&[("user", "one"), ("assistant", TEXT), ("user", branch)]);
        assert_eq!(conversation(Anthropic, &upstream.last().json()), expected);
    }
}

async fn calls_of_tools_are_part_of_the_conversation(door: Door) {
    let (gateway, upstream) = started(door).await;
    let tools =
        json!([{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}]);
    let mut body = asking(Anthropic, false, "weather?", None);
    body["tools"] = tools.clone();
    let call = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": REAL, "stop_reason": "tool_use",
        "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Köln"}}],
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    upstream.next(replies::json(200, &call.to_string()));
    let first = gateway.ask(&Responses.sends("at-anthropic", false, &body)).await.json();
    let item = &first["output"][0];
    assert_eq!((&item["type"], &item["name"]), (&json!("function_call"), &json!("weather")), "{first}");
    let result =
        json!([{"type": "function_call_output", "call_id": item["call_id"], "output": "12 degrees"}]);
    let next = json!({"model": "at-anthropic", "tools": tools, "input": result, "previous_response_id": first["id"]});
    answered((&gateway, &upstream), Anthropic, false, &next).await;
    let sent = upstream.last().json();
    let blocks = |turn: usize| sent["messages"][turn]["content"][0].clone();
    assert_eq!(
        (&blocks(1)["type"], &blocks(1)["input"]),
        (&json!("tool_use"), &json!({"city": "Köln"})),
        "{sent}"
    );
    assert_eq!(
        (&blocks(2)["type"], &blocks(2)["tool_use_id"]),
        (&json!("tool_result"), &blocks(1)["id"]),
        "{sent}"
    );
}

fn assert_not_found(answer: &Answer, id: &str) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.error_type(), "invalid_request_error");
    assert_eq!(answer.error_field("code"), "previous_response_not_found");
    assert_eq!(answer.error_field("param"), "previous_response_id");
    assert!(answer.error_field("message").contains(id), "{}", answer.text());
}

async fn an_id_is_good_for_the_key_it_was_given_to_alone(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (target, stream) in [(OpenAi, false), (Anthropic, true)] {
        let mine =
            answered((&gateway, &upstream), target, stream, &asking(target, stream, "secret", None)).await;
        let count = upstream.count();
        for wish in [false, true] {
            let body = asking(target, wish, "two", Some(&mine.id)).to_string();
            let answer = gateway.ask(&Request::post("/v1/responses", body).bearer(BOB)).await;
            assert_not_found(&answer, &mine.id);
            let unknown = asking(target, wish, "two", Some("resp_unknown"));
            assert_not_found(&gateway.ask(&Responses.sends("", wish, &unknown)).await, "resp_unknown");
        }
        assert_eq!(upstream.count(), count, "the provider hears nothing");
        answered((&gateway, &upstream), target, false, &asking(target, false, "two", Some(&mine.id))).await;
    }
}

async fn an_answer_that_is_not_to_be_stored_is_not(door: Door) {
    let (gateway, upstream) = started(door).await;
    for target in FORGETFUL {
        for stream in [false, true] {
            let mut body = asking(target, stream, "one", None);
            body["store"] = false.into();
            let first = answered((&gateway, &upstream), target, stream, &body).await;
            let next = asking(target, stream, "two", Some(&first.id));
            assert_not_found(&gateway.ask(&Responses.sends("", stream, &next)).await, &first.id);
        }
    }
}

async fn an_answer_that_failed_or_was_left_is_not_kept(door: Door) {
    let (gateway, upstream) = started(door).await;
    for target in FORGETFUL {
        let begun = &answers::frames(target)[..answers::frames_to_text(target)];
        let gate = Gate::closed();
        let held = || answers::begun(target, begun).wait(&gate);
        let failure = replies::chunk(&answers::failure(target, Failure::Broken));
        for script in [held().send(failure).send(replies::LAST_CHUNK), held().close()] {
            upstream.always(script);
            let mut caller = gateway.caller().await;
            caller.open(&Responses.sends("", true, &asking(target, true, "one", None))).await;
            gate.step();
            let told = told::streamed(Responses, &caller.events().await.concat());
            assert!(told.errors.len() == 1 && told.id.starts_with("resp_"), "{told:?}");
            let next = asking(target, false, "two", Some(&told.id));
            assert_not_found(&gateway.ask(&Responses.sends("", false, &next)).await, &told.id);
        }
        upstream.always(answers::held(target, &Gate::closed()));
        let mut caller = gateway.caller().await;
        let id = format!("it-left-{}", target.alias());
        let request = Responses.sends("", true, &asking(target, true, "one", None));
        caller.open(&request.header("x-aisix-request-id", &id)).await;
        let told = told::streamed(Responses, &caller.event().await.expect("an event"));
        drop(caller);
        assert_eq!(gateway.log.access(&id).await.status(), 499);
        let next = asking(target, false, "two", Some(&told.id));
        assert_not_found(&gateway.ask(&Responses.sends("", false, &next)).await, &told.id);
    }
}

async fn a_provider_that_keeps_conversations_is_left_to_it(door: Door) {
    let (gateway, upstream) = started(door).await;
    for stream in [false, true] {
        upstream.always(answers::answering(Responses, stream));
        let body = format!(
            r#"{{ "input":"caf\u00e9", "previous_response_id":"resp_of_the_provider","model" : "at-responses","stream":{stream},"x_new":1.50 }}"#
        );
        let answer = gateway.ask(&Request::post("/v1/responses", body.clone()).bearer(CALLER)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = upstream.last();
        assert_eq!(seen.text(), body.replace("at-responses", "gpt-real"));
        assert_eq!(seen.path, "/r/v1/responses");
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {OPENAI_SECRET}").as_str()));
    }
    let lost = r#"{"error":{"message":"Previous response with id 'resp_x' not found.","type":"invalid_request_error","param":"previous_response_id","code":"previous_response_not_found"}}"#;
    upstream.always(replies::json(400, lost));
    let answer =
        gateway.ask(&Responses.sends("", false, &asking(Responses, false, "x", Some("resp_x")))).await;
    assert_eq!((answer.status, answer.text().as_str()), (400, lost), "in the provider's own words");
}

async fn a_native_answer_changes_in_its_model_alone(door: Door) {
    let (gateway, upstream) = started(door).await;
    let real = format!(r#""model":"{REAL}""#);
    let alias = r#""model":"at-responses""#;
    upstream.always(answers::answering(Responses, false));
    let answer = gateway.ask(&Responses.request("at-responses", false)).await;
    assert_eq!((answer.status, answer.text()), (200, answers::whole(Responses).replace(&real, alias)));
    upstream.always(answers::answering(Responses, true));
    let answer =
        gateway.ask(&Responses.request("at-responses", true).header("x-aisix-request-id", "it-native")).await;
    let frames = String::from_utf8(answers::frames(Responses).concat()).expect("text");
    assert_eq!((answer.status, answer.text()), (200, frames.replace(&real, alias)));
    let line = gateway.log.access("it-native").await;
    assert_eq!((line.number("prompt_tokens"), line.number("completion_tokens")), (Some(25), Some(15)));
}
