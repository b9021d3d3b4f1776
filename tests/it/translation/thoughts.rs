//! What one vendor's model thought, in a conversation that another goes on with.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::formats::Format::{self, *};
use crate::support::formats::{answers, every_target};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::Upstream;

through_every_door! {
    what_another_model_thought_is_not_told_to_one_that_refuses_it,
    a_conversation_in_which_all_is_signed_goes_on_as_it_is,
}

/// An answer of a model that thinks aloud and wants a tool called.
fn thinking_aloud() -> String {
    let call =
        json!({"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1}"}});
    let message = json!({"role": "assistant", "content": "let me see", "reasoning_content": "foreign thoughts",
        "tool_calls": [call]});
    json!({"id": "chatcmpl-9", "object": "chat.completion", "created": 1_700_000_000, "model": "real",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    .to_string()
}

/// Asks one target, and another with what the first answered and the tool gave.
async fn handed_over(gateway: &Gateway, upstream: &Upstream, caller: Format) -> Answer {
    upstream.always(replies::json(200, &thinking_aloud()));
    let mut body = caller.body(OpenAi.alias(), false);
    let answer = gateway.ask(&caller.sends(OpenAi.alias(), false, &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    let turns: (&str, Vec<Value>) = match caller {
        Anthropic => {
            let content = told["content"].clone();
            let id = content.as_array().expect("blocks").last().expect("a call")["id"].clone();
            let result = json!([{"type": "tool_result", "tool_use_id": id, "content": "ok"}]);
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
            (
                "messages",
                vec![
                    json!({"role": "assistant", "content": content}),
                    json!({"role": "user", "content": result}),
                ],
            )
        }
        Responses => {
            let mut items = told["output"].as_array().expect("items").clone();
            let id = items.last().expect("a call")["call_id"].clone();
            items.push(json!({"type": "function_call_output", "call_id": id, "output": "ok"}));
            body["input"] = json!([{"role": "user", "content": "hi"}]);
            ("input", items)
        }
        _ => {
            let content = told["candidates"][0]["content"].clone();
            let result = json!({"functionResponse": {"name": "look", "response": {"output": "ok"}}});
            ("contents", vec![content, json!({"role": "user", "parts": [result]})])
        }
    };
    body[turns.0].as_array_mut().expect("a conversation").extend(turns.1);
    body["model"] = json!(caller.alias());
    upstream.always(answers::answering(caller, false));
    let request = caller.sends(caller.alias(), false, &body).header("x-aisix-dropped-fields", "1");
    gateway.ask(&request).await
}

async fn what_another_model_thought_is_not_told_to_one_that_refuses_it(door: Door) {
    let upstream = Upstream::queue([]).await;
    let gateway = every_target(door.setup(&upstream), &upstream).start().await;
    let answer = handed_over(&gateway, &upstream, Anthropic).await;
    assert_eq!((answer.status, answer.header("x-aisix-dropped-fields")), (200, Some("thoughts, reasoning")));
    let sent = upstream.last().json();
    let kinds: Vec<&str> = sent["messages"][1]["content"]
        .as_array()
        .expect("blocks")
        .iter()
        .filter_map(|b| b["type"].as_str())
        .collect();
    assert_eq!(kinds, ["text", "tool_use"], "{sent}");
    assert_eq!(sent.get("thinking"), None, "the loop of tools lost what it must begin with");

    let answer = handed_over(&gateway, &upstream, Responses).await;
    assert_eq!((answer.status, answer.header("x-aisix-dropped-fields")), (200, Some("thoughts")));
    let sent = upstream.last().json();
    let kinds: Vec<&str> =
        sent["input"].as_array().expect("items").iter().filter_map(|i| i["type"].as_str()).collect();
    assert_eq!(kinds, ["message", "function_call", "function_call_output"], "{sent}");

    let answer = handed_over(&gateway, &upstream, Gemini).await;
    assert_eq!((answer.status, answer.header("x-aisix-dropped-fields")), (200, None));
    let sent = upstream.last().json();
    let parts = sent["contents"][1]["parts"].as_array().expect("parts").clone();
    let call = parts.iter().find(|part| part.get("functionCall").is_some()).expect("the call");
    assert_eq!(call["thoughtSignature"], "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=", "{sent}");
}

async fn a_conversation_in_which_all_is_signed_goes_on_as_it_is(door: Door) {
    let upstream = Upstream::queue([]).await;
    upstream.always(answers::answering(Anthropic, false));
    let gateway = every_target(door.setup(&upstream), &upstream).start().await;
    let body = r#"{"model":"claude-real" , "max_tokens":9,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"a"},
        {"role":"assistant","content":[{"type":"thinking", "thinking":"b","signature":"EqQB"},{"type":"text","text":"c"}]},{"role":"user","content":"d"}]}"#;
    let asked = body.replace("claude-real", Anthropic.alias());
    let answer = gateway.ask(&Request::post("/v1/messages", asked).bearer(CALLER)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.last().text(), body);
}
