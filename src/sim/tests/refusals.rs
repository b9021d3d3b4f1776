//! What OpenAI's chat completions and Anthropic's messages refuse, and the thoughts of both.

use serde_json::{Value, json};

use super::client::Client;
use super::plain;

const HELLO: &str = r#""messages":[{"role":"user","content":"Hello"}]"#;
const TOOL: &str = r#"{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}"#;

#[test]
fn what_openai_refuses_is_refused_with_its_words() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let talk = |messages: &str| format!(r#""messages":[{messages}]"#);
    let user = r#"{"role":"user","content":"x"}"#;
    let call = r#"{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;
    for (members, words) in [
        (format!(r#"{HELLO},"top_k":5"#), "Unknown parameter: 'top_k'."),
        (format!(r#"{HELLO},"system":"x""#), "Unknown parameter: 'system'."),
        (format!(r#"{HELLO},"temperature":2.5"#), "Invalid 'temperature': decimal above maximum value"),
        (
            format!(r#"{HELLO},"stream_options":{{"include_usage":true}}"#),
            "only allowed when 'stream' is enabled",
        ),
        (format!(r#"{HELLO},"stop":["a","b","c","d","e"]"#), "maximum length 4"),
        (format!(r#"{HELLO},"tools":[]"#), "Invalid 'tools': empty array"),
        (
            format!(r#"{HELLO},"tool_choice":"auto""#),
            "'tool_choice' is only allowed when 'tools' are specified",
        ),
        (format!(r#"{HELLO},"parallel_tool_calls":false"#), "'parallel_tool_calls' is only allowed when"),
        (
            format!(r#"{HELLO},"tools":[{{"name":"f","input_schema":{{}}}}]"#),
            "Missing required parameter: 'tools[0].type'.",
        ),
        (
            format!(r#"{HELLO},"tools":[{{"type":"function","name":"f"}}]"#),
            "Unknown parameter: 'tools[0].name'.",
        ),
        (
            format!(r#"{HELLO},"tools":[{{"type":"function","function":{{"name":"a b"}}}}]"#),
            "Invalid 'tools[0].function.name': string does not match pattern",
        ),
        (
            format!(
                r#"{HELLO},"tools":[{TOOL}],"tool_choice":{{"type":"function","function":{{"name":"g"}}}}"#
            ),
            "Tool choice 'g' not found in 'tools' parameter.",
        ),
        (format!(r#"{HELLO},"tools":[{TOOL}],"tool_choice":"any""#), "Invalid value: 'any'."),
        (
            format!(r#"{HELLO},"response_format":{{"type":"json_schema","json_schema":{{"schema":{{}}}}}}"#),
            "Missing required parameter: 'response_format.json_schema.name'.",
        ),
        (
            format!(
                r#"{HELLO},"response_format":{{"type":"json_schema","json_schema":{{"name":"n","strict":true,
                "schema":{{"type":"object","properties":{{"a":{{"type":"string"}}}},"additionalProperties":false}}}}}}"#
            ),
            "Missing 'a'.",
        ),
        (
            talk(r#"{"role":"model","content":"x"}"#),
            "Invalid value: 'model'. Supported values are: 'system', 'assistant'",
        ),
        (talk(r#"{"role":"user"}"#), "Invalid value for 'messages[0].content': expected a string, got null."),
        (
            talk(r#"{"role":"user","content":[{"type":"input_text","text":"x"}]}"#),
            "Invalid value: 'input_text'.",
        ),
        (
            talk(r#"{"role":"user","content":[{"type":"text","text":"x","cache_control":{}}]}"#),
            "cache_control",
        ),
        (
            talk(&format!(r#"{user},{{"role":"tool","tool_call_id":"c","content":"x"}}"#)),
            "must be a response to a preceeding message",
        ),
        (talk(&format!(r#"{user},{call}"#)), "did not have response messages: c"),
        (talk(&format!(r#"{user},{call},{user}"#)), "did not have response messages: c"),
        (
            talk(&format!(r#"{user},{call},{{"role":"tool","content":"x"}}"#)),
            "Missing required parameter: 'messages[2].tool_call_id'.",
        ),
        (
            talk(
                r#"{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":{}}}]}"#,
            ),
            "expected a string, but got an object instead",
        ),
    ] {
        let answer = client.chat(&members);
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["type"]), (400, &json!("invalid_request_error")), "{members}");
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
    }
}

#[test]
fn what_anthropic_refuses_is_refused_with_its_words() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let talk = |messages: &str| format!(r#""messages":[{messages}]"#);
    let user = r#"{"role":"user","content":"x"}"#;
    let call = r#"{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]}"#;
    let result = r#"{"type":"tool_result","tool_use_id":"t","content":"x"}"#;
    for (members, words) in [
        (format!(r#"{HELLO},"n":1"#), "n: Extra inputs are not permitted"),
        (format!(r#"{HELLO},"thread":{{"type":"create"}}"#), "thread: the simulated provider keeps none"),
        (format!(r#"{HELLO},"stop":["x"]"#), "stop: Extra inputs are not permitted"),
        (format!(r#"{HELLO},"temperature":1.5"#), "temperature: "),
        (format!(r#"{HELLO},"metadata":{{"user":"x"}}"#), "metadata.user: Extra inputs are not permitted"),
        (format!(r#"{HELLO},"stop_sequences":[" "]"#), "each stop sequence must contain non-whitespace"),
        (
            format!(r#"{HELLO},"system":[{{"type":"text","text":""}}]"#),
            "system: text content blocks must be non-empty",
        ),
        (talk(r#"{"role":"system","content":"x"}"#), "Unexpected role \\\"system\\\""),
        (talk(r#"{"role":"tool","content":"x"}"#), "Input should be 'user' or 'assistant'"),
        (talk(r#"{"role":"assistant","content":"x"}"#), "first message must use the"),
        (talk(r#"{"role":"user","content":""}"#), "messages.0: all messages must have non-empty content"),
        (
            talk(r#"{"role":"user","content":[{"type":"text","text":""}]}"#),
            "text content blocks must be non-empty",
        ),
        (
            talk(&format!(r#"{user},{{"role":"assistant","content":"x "}}"#)),
            "cannot end with trailing whitespace",
        ),
        (
            talk(r#"{"role":"user","content":[{"type":"image_url","image_url":{}}]}"#),
            "Input tag 'image_url' found using 'type'",
        ),
        (
            talk(&format!("{user},{call}")),
            "`tool_use` ids were found without `tool_result` blocks immediately after: t",
        ),
        (talk(&format!("{user},{call},{user}")), "messages.1: `tool_use` ids were found"),
        (
            talk(&format!(r#"{{"role":"user","content":[{result}]}}"#)),
            "unexpected `tool_use_id` found in `tool_result` blocks: t",
        ),
        (
            talk(&format!(
                r#"{user},{call},{{"role":"user","content":[{{"type":"text","text":"x"}},{result}]}}"#
            )),
            "must come before all other blocks",
        ),
        (
            talk(&format!(
                r#"{user},{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"f","input":"{{}}"}}]}}"#
            )),
            "messages.1.content.0.input: Input should be a valid dictionary",
        ),
        (
            talk(&format!(
                r#"{user},{{"role":"assistant","content":[{{"type":"thinking","thinking":"x","signature":"AAAA"}}]}}"#
            )),
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
        (format!(r#"{HELLO},"tools":[{{"name":"f"}}]"#), "tools.0.input_schema: Field required"),
        (
            format!(r#"{HELLO},"tools":[{{"name":"a b","input_schema":{{"type":"object"}}}}]"#),
            "String should match pattern",
        ),
        (
            format!(r#"{HELLO},"tools":[{{"name":"f","input_schema":{{}}}}]"#),
            "tools.0.input_schema.type: Field required",
        ),
        (
            format!(r#"{HELLO},"tool_choice":{{"type":"any"}}"#),
            "tool_choice may only be specified while providing tools",
        ),
        (
            format!(r#"{HELLO},"thinking":{{"type":"enabled","budget_tokens":100}}"#),
            "greater than or equal to 1024",
        ),
        (
            format!(r#"{HELLO},"thinking":{{"type":"enabled","budget_tokens":2000}}"#),
            "`max_tokens` must be greater than",
        ),
    ] {
        let answer = client.message(&members);
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{members}"
        );
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
    }
}

#[test]
fn a_thinking_message_goes_round_the_tool_loop_with_its_thoughts() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let tools = r#""tools":[{"name":"f","input_schema":{"type":"object"}}]"#;
    let thinking = r#""max_tokens":4000,"model":"c","thinking":{"type":"enabled","budget_tokens":1024}"#;
    let mut ask = |messages: &Value, more: &str| {
        client.post("/v1/messages", "", &format!(r#"{{{thinking},{tools},"messages":{messages}{more}}}"#))
    };
    let user = json!({"role": "user", "content": "Weather?"});
    let first = ask(&json!([user]), "").json();
    let content = first["content"].as_array().cloned().expect("blocks");
    assert_eq!((&content[0]["type"], &content[1]["type"]), (&json!("thinking"), &json!("tool_use")));
    let frames = ask(&json!([user]), r#","stream":true"#).frames();
    let joined = |kind: &str| -> String {
        frames.iter().filter_map(|frame| frame["delta"].get(kind)?.as_str()).collect()
    };
    assert_eq!(joined("thinking"), content[0]["thinking"]);
    assert_eq!(joined("signature"), content[0]["signature"]);

    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": content[1]["id"], "content": "18 C"}]});
    let turn = |content: &[Value]| json!({"role": "assistant", "content": content});
    let good = ask(&json!([user, turn(&content), result]), "");
    assert!(good.status == 200 && good.body.contains("18 C"), "{}", good.body);
    let thoughtless = ask(&json!([user, turn(&content[1..]), result]), "");
    assert!(
        thoughtless.status == 400
            && thoughtless.body.contains("messages.1.content.0.type: Expected `thinking`")
    );
    let mut changed = content;
    changed[0]["thinking"] = json!("Another thought.");
    assert!(ask(&json!([user, turn(&changed), result]), "").body.contains("Invalid `signature`"));
}

#[test]
fn reasoning_is_counted_where_it_is_not_shown() {
    let provider = plain();
    let body = Client::to(provider.addr()).chat(&format!(r#""reasoning_effort":"low",{HELLO}"#)).json();
    let usage = &body["usage"];
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 8);
    assert_eq!((&usage["completion_tokens"], &usage["total_tokens"]), (&json!(24), &json!(26)));
}

#[test]
fn several_tools_are_called_at_once_unless_the_caller_forbids_it() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let messages = r#""messages":[{"role":"user","content":"x [[sim parallel]]"}]"#;
    let chat = r#""tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}]"#;
    let names = |body: Value| -> Vec<Value> {
        let calls = body["choices"][0]["message"]["tool_calls"].as_array().cloned().expect("calls");
        calls.iter().map(|call| call["function"]["name"].clone()).collect()
    };
    assert_eq!(names(client.chat(&format!("{chat},{messages}")).json()), ["a", "b"]);
    assert_eq!(
        names(client.chat(&format!(r#""parallel_tool_calls":false,{chat},{messages}"#)).json()),
        ["a"]
    );
    let tools = r#""tools":[{"name":"a","input_schema":{"type":"object"}},{"name":"b","input_schema":{"type":"object"}}]"#;
    let both = client.message(&format!("{tools},{messages}")).json();
    assert_eq!(both["content"].as_array().map(Vec::len), Some(2));
    let choice = r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#;
    let one = client.message(&format!("{choice},{tools},{messages}")).json();
    assert_eq!(one["content"].as_array().map(Vec::len), Some(1));
}
