//! What is answered, in both dialects.

use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::plain;

const HELLO: &str = r#""messages":[{"role":"user","content":"Hello, how are you today?"}]"#;
const CHAT_TOOLS: &str = r#""tools":[{"type":"custom","custom":{"name":"c"}},{"type":"function","function":{"name":"get_weather",
    "parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}}},
    {"type":"function","function":{"name":"other"}}]"#;
const MESSAGE_TOOLS: &str = r#""tools":[{"type":"web_search_20250305","name":"web_search"},{"name":"get_weather",
    "input_schema":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}},
    {"name":"other","input_schema":{"type":"object"}}]"#;

/// The texts of a chat stream's deltas, joined, for one choice.
fn chat_text(answer: &Answer, choice: u64) -> String {
    let choices = answer
        .frames()
        .into_iter()
        .flat_map(|frame| frame["choices"].as_array().cloned().unwrap_or_default());
    let mine = choices.filter(|delta| delta["index"] == choice);
    mine.filter_map(|delta| delta["delta"]["content"].as_str().map(str::to_owned)).collect()
}

fn of_type<'a>(frames: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    frames.iter().filter(move |frame| frame["type"] == kind)
}

fn joined<'a>(frames: impl Iterator<Item = &'a Value>, pointer: &str) -> String {
    frames.filter_map(|frame| frame.pointer(pointer)?.as_str()).collect()
}

#[test]
fn a_chat_completion_has_every_member_of_openais_object() {
    let provider = plain();
    let answer = Client::to(provider.addr()).chat(HELLO);
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains("content-type: application/json\r\n"));
    assert!(answer.headers.contains("x-request-id: req_sim_"));
    assert!(body["id"].as_str().is_some_and(|id| id.starts_with("chatcmpl-")));
    assert!(body["created"].as_u64().is_some_and(|seconds| seconds > 1_700_000_000));
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("m-1")));
    let choice = &body["choices"][0];
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")));
    assert_eq!(choice["message"]["role"], "assistant");
    assert!(choice["message"]["content"].as_str().is_some_and(|text| text.contains("simulated")));
    // 25 characters of prompt at four a token; 16 words.
    let usage = &body["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(7), &json!(16)));
    assert_eq!(usage["total_tokens"], 23);
}

#[test]
fn a_chat_stream_says_what_the_whole_answer_says() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let whole = client.chat(HELLO).json();
    let stream = client.chat(&format!(r#""stream":true,"stream_options":{{"include_usage":true}},{HELLO}"#));
    assert!(stream.headers.contains("content-type: text/event-stream"));
    assert_eq!(stream.data().last(), Some("[DONE]"));
    assert_eq!(whole["choices"][0]["message"]["content"], chat_text(&stream, 0));
    let frames = stream.frames();
    assert_eq!(frames[0]["choices"][0]["delta"]["role"], "assistant");
    let (usage, chunks) = frames.split_last().expect("frames");
    assert_eq!((&usage["choices"], &usage["usage"]), (&json!([]), &whole["usage"]));
    assert!(
        chunks.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null) && chunk["id"] == usage["id"])
    );
    assert_eq!(chunks.last().expect("chunks")["choices"][0]["finish_reason"], "stop");
}

#[test]
fn usage_is_streamed_only_when_asked_for() {
    let provider = plain();
    let stream = Client::to(provider.addr()).chat(&format!(r#""stream":true,{HELLO}"#));
    assert!(stream.frames().iter().all(|frame| frame.get("usage").is_none()));
}

#[test]
fn several_choices_are_numbered_and_all_counted() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let whole = client.chat(&format!(r#""n":3,{HELLO}"#)).json();
    assert_eq!(whole["choices"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        (&whole["choices"][2]["index"], &whole["usage"]["completion_tokens"]),
        (&json!(2), &json!(48))
    );
    let stream = client.chat(&format!(r#""n":3,"stream":true,{HELLO}"#));
    assert_eq!(chat_text(&stream, 2), chat_text(&stream, 0));
    assert!(!chat_text(&stream, 2).is_empty());
}

#[test]
fn a_limit_cuts_the_answer_and_says_so() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for limit in ["max_tokens", "max_completion_tokens"] {
        let body = client.chat(&format!(r#""{limit}":3,{HELLO}"#)).json();
        assert_eq!(body["choices"][0]["message"]["content"], "This answer is");
        assert_eq!(
            (&body["choices"][0]["finish_reason"], &body["usage"]["completion_tokens"]),
            (&json!("length"), &json!(3))
        );
    }
    let body = client.post("/v1/messages", "", &format!(r#"{{"model":"c","max_tokens":3,{HELLO}}}"#)).json();
    assert_eq!((&body["stop_reason"], &body["usage"]["output_tokens"]), (&json!("max_tokens"), &json!(3)));
}

#[test]
fn a_chat_tool_call_satisfies_the_schema_whole_and_streamed() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let whole = client.chat(&format!("{CHAT_TOOLS},{HELLO}")).json();
    let choice = &whole["choices"][0];
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("get_weather")));
    let arguments = call["function"]["arguments"].as_str().expect("a string");
    assert_eq!(
        serde_json::from_str::<Value>(arguments).expect("JSON"),
        json!({"city": "simulated", "days": 1})
    );

    let frames = client.chat(&format!(r#""stream":true,{CHAT_TOOLS},{HELLO}"#)).frames();
    let at = "/choices/0/delta/tool_calls/0/function/arguments";
    assert_eq!(joined(frames.iter(), at), arguments);
    assert_eq!(joined(frames.iter(), "/choices/0/delta/tool_calls/0/function/name"), "get_weather");
    assert!(
        frames.iter().filter(|frame| frame.pointer(at).is_some()).count() > 2,
        "arguments come in pieces"
    );
}

#[test]
fn a_message_tool_use_satisfies_the_schema_whole_and_streamed() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let whole = client.message(&format!("{MESSAGE_TOOLS},{HELLO}")).json();
    let block = &whole["content"][0];
    assert_eq!((&whole["stop_reason"], &block["type"]), (&json!("tool_use"), &json!("tool_use")));
    assert_eq!(
        (&block["name"], &block["input"]),
        (&json!("get_weather"), &json!({"city": "simulated", "days": 1}))
    );

    let frames = client.message(&format!(r#""stream":true,{MESSAGE_TOOLS},{HELLO}"#)).frames();
    let start = of_type(&frames, "content_block_start").next().expect("a block");
    assert_eq!(
        (&start["content_block"]["name"], &start["content_block"]["input"]),
        (&json!("get_weather"), &json!({}))
    );
    let pieces = joined(of_type(&frames, "content_block_delta"), "/delta/partial_json");
    assert_eq!(serde_json::from_str::<Value>(&pieces).expect("JSON"), block["input"]);
}

#[test]
fn the_choice_of_tool_is_the_callers() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let named = |body: Value| body.pointer("/choices/0/message/tool_calls/0/function/name").cloned();
    for (choice, expected) in [
        (r#""none""#, None),
        (r#""required""#, Some(json!("get_weather"))),
        (r#"{"type":"function","function":{"name":"other"}}"#, Some(json!("other"))),
    ] {
        let body = client.chat(&format!(r#""tool_choice":{choice},{CHAT_TOOLS},{HELLO}"#)).json();
        assert_eq!(named(body), expected, "{choice}");
    }
    let directed = r#""messages":[{"role":"user","content":"x [[sim tool=other]]"}]"#;
    assert_eq!(named(client.chat(&format!("{CHAT_TOOLS},{directed}")).json()), Some(json!("other")));
    for (choice, expected) in [
        (r#"{"type":"none"}"#, Value::Null),
        (r#"{"type":"any"}"#, json!("get_weather")),
        (r#"{"type":"tool","name":"other"}"#, json!("other")),
    ] {
        let body = client.message(&format!(r#""tool_choice":{choice},{MESSAGE_TOOLS},{HELLO}"#)).json();
        assert_eq!(body["content"][0]["name"], expected, "{choice}");
    }
}

#[test]
fn a_tool_result_is_answered_with_text_that_quotes_it() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let chat = r#""messages":[{"role":"user","content":"weather?"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"c","content":"18 \"degrees\""}]"#;
    let body = client.chat(&format!("{CHAT_TOOLS},{chat}")).json();
    let text = body["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(text.contains("18 \"degrees\""), "{text}");
    let streamed = client.chat(&format!(r#""stream":true,{CHAT_TOOLS},{chat}"#));
    assert_eq!(chat_text(&streamed, 0), text);

    for result in [r#""18 C""#, r#"[{"type":"text","text":"18 C"}]"#] {
        let messages = format!(
            r#""messages":[{{"role":"user","content":"weather?"}},
            {{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"get_weather","input":{{}}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":{result}}},{{"type":"text","text":"and?"}}]}}]"#
        );
        let body = client.message(&format!("{MESSAGE_TOOLS},{messages}")).json();
        assert!(body["content"][0]["text"].as_str().is_some_and(|text| text.contains("18 C")), "{body}");
    }
}

#[test]
fn a_tool_result_that_was_answered_already_is_history() {
    let provider = plain();
    let history = r#""messages":[{"role":"user","content":"weather?"},
        {"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"c","content":"18 C"},{"role":"assistant","content":"It is 18 C."},
        {"role":"user","content":"And tomorrow?"}]"#;
    let body = Client::to(provider.addr()).chat(&format!("{CHAT_TOOLS},{history}")).json();
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn an_answer_of_no_tokens_is_still_an_answer() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let nothing = r#""messages":[{"role":"user","content":"[[sim tokens=0]]"}]"#;
    assert_eq!(client.chat(nothing).json()["choices"][0]["message"]["content"], "");
    let chat = client.chat(&format!(r#""stream":true,{nothing}"#));
    assert_eq!((chat.frames().len(), chat.data().last()), (2, Some("[DONE]")));
    let message = client.message(&format!(r#""stream":true,{nothing}"#));
    let block = ["content_block_start", "ping", "content_block_stop"];
    assert_eq!(
        message.events(),
        [&["message_start"], &block[..], &["message_delta", "message_stop"]].concat()
    );
}

#[test]
fn a_wanted_json_answer_is_json() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let schema = r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#;
    for (format, expected) in [
        (r#"{"type":"json_object"}"#.to_owned(), json!({"simulated": true})),
        (
            format!(r#"{{"type":"json_schema","json_schema":{{"name":"x","schema":{schema}}}}}"#),
            json!({"a": 1}),
        ),
    ] {
        let body = client.chat(&format!(r#""max_tokens":1,"response_format":{format},{HELLO}"#)).json();
        let text = body["choices"][0]["message"]["content"].as_str().expect("text");
        assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), expected);
    }
    let closed = schema.replace(r#""required""#, r#""additionalProperties":false,"required""#);
    let format = format!(r#""output_config":{{"format":{{"type":"json_schema","schema":{closed}}}}}"#);
    let body = client.message(&format!("{format},{HELLO}")).json();
    assert_eq!(body["content"][0]["text"], r#"{"a":1}"#);
}

#[test]
fn a_message_stream_has_anthropics_events_in_order_and_says_what_the_whole_says() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let whole = client.message(&format!(r#""system":"Be brief.",{HELLO}"#));
    assert!(whole.headers.contains("request-id: req_sim_"));
    let whole = whole.json();
    assert_eq!((&whole["type"], &whole["stop_reason"]), (&json!("message"), &json!("end_turn")));
    let stream =
        client.message(&format!(r#""system":[{{"type":"text","text":"Be brief."}}],"stream":true,{HELLO}"#));
    let mut order = stream.events();
    order.dedup();
    let expected =
        ["message_start", "content_block_start", "ping", "content_block_delta", "content_block_stop"];
    assert_eq!(order, [&expected[..], &["message_delta", "message_stop"]].concat());
    let frames = stream.frames();
    let names: Vec<_> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
    assert_eq!(names, stream.events());
    assert_eq!(joined(of_type(&frames, "content_block_delta"), "/delta/text"), whole["content"][0]["text"]);
    assert_eq!(frames[0]["message"]["usage"]["input_tokens"], whole["usage"]["input_tokens"]);
    let end = of_type(&frames, "message_delta").next().expect("an end");
    assert_eq!(end["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
}

#[test]
fn every_block_of_a_message_stream_is_closed_before_the_next() {
    let provider = plain();
    let messages =
        r#""messages":[{"role":"user","content":[{"type":"text","text":"[[sim preamble calls=2]]"}]}]"#;
    let stream = Client::to(provider.addr()).message(&format!(r#""stream":true,{MESSAGE_TOOLS},{messages}"#));
    let frames = stream.frames();
    let mut order: Vec<_> =
        frames.iter().filter_map(|frame| Some((frame["index"].as_u64()?, frame["type"].as_str()?))).collect();
    order.dedup();
    let block = |index| ["start", "delta", "stop"].map(|part| (index, format!("content_block_{part}")));
    let expected: Vec<_> = (0..3).flat_map(block).collect();
    assert_eq!(order.iter().map(|(index, kind)| (*index, (*kind).to_owned())).collect::<Vec<_>>(), expected);
}

#[test]
fn tokens_are_counted_as_the_message_counts_them() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let message = client.message(&format!(r#""system":"Be brief.",{HELLO}"#)).json();
    let body = format!(r#"{{"model":"c","system":"Be brief.",{HELLO}}}"#);
    let count = client.post("/v1/messages/count_tokens", "", &body).json();
    assert_eq!(count, json!({"input_tokens": message["usage"]["input_tokens"]}));
}

#[test]
fn cached_tokens_are_reported_in_each_dialects_way() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let messages = r#""messages":[{"role":"user","content":"[[sim cached=3]] and some more words"}]"#;
    let chat = client.chat(messages).json();
    let message = client.message(messages).json();
    assert_eq!(chat["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
    assert_eq!(message["usage"]["cache_read_input_tokens"], 3);
    let prompt = chat["usage"]["prompt_tokens"].as_u64().expect("a number");
    assert_eq!(message["usage"]["input_tokens"], prompt - 3);
}

#[test]
fn models_are_listed_in_the_shape_of_the_asking_sdk() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    for path in ["/v1/models", "/models", "/v1/models/?limit=1000"] {
        let list = client.get(path).json();
        assert_eq!(
            (&list["object"], &list["data"][0]["object"]),
            (&json!("list"), &json!("model")),
            "{path}"
        );
    }
    let list = client.raw("GET /v1/models HTTP/1.1\r\nanthropic-version: 2023-06-01\r\n\r\n").json();
    assert_eq!((&list["has_more"], &list["data"][0]["type"]), (&json!(false), &json!("model")));
    assert_eq!(client.get("/v1/models/any-name").json()["id"], "any-name");
}

#[test]
fn ids_never_repeat_and_a_model_name_comes_back_as_it_was_sent() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = format!(r#"{{"model":"a \"b\" \u00e9",{HELLO}}}"#);
    let answers = [0; 3].map(|_| client.post("/chat/completions", "", &body).json());
    assert_ne!(answers[0]["id"], answers[1]["id"]);
    assert_ne!(answers[1]["id"], answers[2]["id"]);
    assert_eq!(answers[0]["model"], "a \"b\" é");
}
