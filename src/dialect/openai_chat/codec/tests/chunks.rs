use serde_json::{Value, json};

use super::outward;
use crate::dialect::canon::{
    Block, Citation, Content, Delta, Event, Finish, Maker, Media, MediaKind, Part, Seal, Source,
};
use crate::dialect::codec::{Codec, Outward};
use crate::dialect::openai_chat::OpenAiChat;
use crate::dialect::{Problem, Usage};
use crate::error::{Error, Kind};

/// The frames a writer makes of events.
fn written(events: &[Event<'_>], usage_asked: bool) -> Vec<Value> {
    let mut outward = outward();
    outward.usage_asked = usage_asked;
    let mut writer = OpenAiChat.writer(&outward);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    let text = String::from_utf8(out).expect("UTF-8");
    let frames = text.split_terminator("\n\n").map(|frame| frame.strip_prefix("data: ").expect("data"));
    frames.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into())).collect()
}

fn text_delta(block: u32, text: &str) -> Event<'_> {
    Event::Delta { choice: 0, block, delta: Delta::Text(text) }
}

#[test]
fn a_streamed_call_is_written_as_clients_expect_it() {
    let usage = Usage { input: Some(20), output: Some(17), ..Usage::default() };
    let call = Block::ToolCall { id: "tu_1", name: "get_weather", custom: false };
    let events = [
        Event::Begin { id: Some("msg_1"), model: Some("claude-x"), created: None },
        Event::Open { choice: 0, block: 0, kind: Block::Text },
        text_delta(0, "Let me look."),
        Event::Close { choice: 0, block: 0 },
        Event::Open { choice: 0, block: 1, kind: call },
        text_delta(1, r#"{"city":"#),
        text_delta(1, r#""SF"}"#),
        Event::Close { choice: 0, block: 1 },
        Event::Usage(&usage),
        Event::Finish { choice: 0, finish: Finish::ToolCalls },
        Event::End,
    ];
    let chunk = |delta: Value, finish: Value| {
        json!({"id":"msg_1","object":"chat.completion.chunk","created":1_700_000_000,"model":"alias",
            "choices":[{"index":0,"delta":delta,"finish_reason":finish}]})
    };
    let arguments =
        |text: &str| chunk(json!({"tool_calls":[{"index":0,"function":{"arguments":text}}]}), Value::Null);
    let expected = [
        chunk(json!({"role":"assistant","content":""}), Value::Null),
        chunk(json!({"content":"Let me look."}), Value::Null),
        chunk(
            json!({"tool_calls":[{"index":0,"id":"tu_1","type":"function","function":{"name":"get_weather","arguments":""}}]}),
            Value::Null,
        ),
        arguments(r#"{"city":"#),
        arguments(r#""SF"}"#),
        chunk(json!({}), json!("tool_calls")),
        json!({"id":"msg_1","object":"chat.completion.chunk","created":1_700_000_000,"model":"alias","choices":[],
            "usage":{"prompt_tokens":20,"completion_tokens":17,"total_tokens":37}}),
        json!("[DONE]"),
    ];
    assert_eq!(written(&events, true), expected);
    let unasked = written(&events, false);
    assert_eq!(unasked.len(), expected.len() - 1);
    assert!(unasked.iter().all(|frame| frame.get("usage").is_none()));
}

#[test]
fn calls_without_id_or_arguments_get_both_and_blocks_of_thoughts_are_told_apart() {
    let call = |name: &'static str, custom| Block::ToolCall { id: "", name, custom };
    let thought = || Block::Thought { summary: true, id: None, redacted: false };
    let (seal, citation) = (
        Seal { maker: Maker::Gemini, data: "s".into() },
        Citation { url: Some("https://e.org".into()), ..Citation::default() },
    );
    let events = [
        Event::Begin { id: None, model: None, created: Some(9) },
        Event::Open { choice: 0, block: 0, kind: thought() },
        text_delta(0, "h"),
        Event::Close { choice: 0, block: 0 },
        Event::Open { choice: 0, block: 1, kind: thought() },
        text_delta(1, "m"),
        Event::Close { choice: 0, block: 1 },
        Event::Open { choice: 0, block: 2, kind: Block::Text },
        text_delta(2, "né"),
        Event::Delta { choice: 0, block: 2, delta: Delta::Citation(&citation) },
        Event::Close { choice: 0, block: 2 },
        Event::Open { choice: 0, block: 3, kind: call("f", false) },
        Event::Delta { choice: 0, block: 3, delta: Delta::Seal(&seal) },
        Event::Close { choice: 0, block: 3 },
        Event::Open { choice: 0, block: 4, kind: call("g", true) },
        Event::Close { choice: 0, block: 4 },
        Event::Finish { choice: 0, finish: Finish::ToolCalls },
        Event::End,
    ];
    let frames = written(&events, true);
    assert_eq!((&frames[0]["id"], &frames[0]["created"]), (&json!("chatcmpl-req-1"), &json!(9)));
    let deltas: Vec<&Value> = frames.iter().map(|frame| &frame["choices"][0]["delta"]).collect();
    let expected = [
        json!({"role":"assistant","content":""}),
        json!({"reasoning_content":"h"}),
        json!({"reasoning_content":"\n\n"}),
        json!({"reasoning_content":"m"}),
        json!({"content":"né"}),
        json!({"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"url":"https://e.org","title":""}}]}),
        json!({"tool_calls":[{"index":0,"id":"call_req-1_0","type":"function","function":{"name":"f","arguments":""}}]}),
        json!({"tool_calls":[{"index":0,"function":{"arguments":""},"extra_content":{"google":{"thought_signature":"s"}}}]}),
        json!({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}),
        json!({"tool_calls":[{"index":1,"id":"call_req-1_1","type":"custom","custom":{"name":"g","input":""}}]}),
        json!({}),
    ];
    assert_eq!(deltas[..expected.len()], expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_caller_of_the_form_before_tools_gets_its_own_form() {
    let call = |name: &'static str| Block::ToolCall { id: "c", name, custom: false };
    let events = [
        Event::Begin { id: None, model: None, created: None },
        Event::Open { choice: 0, block: 0, kind: call("f") },
        text_delta(0, "{}"),
        Event::Close { choice: 0, block: 0 },
        Event::Open { choice: 0, block: 1, kind: call("g") },
        Event::Close { choice: 0, block: 1 },
        Event::Finish { choice: 0, finish: Finish::ToolCalls },
    ];
    let told = |body: &'static str| {
        let mut writer = OpenAiChat.writer(&Outward { body: body.into(), ..outward() });
        let mut out = Vec::new();
        events.iter().for_each(|event| writer.write(event, &mut out));
        String::from_utf8(out).expect("UTF-8")
    };
    let older = told(r#"{"messages":[],"functions":[{"name":"f"},{"name":"g"}]}"#);
    let deltas: Vec<Value> = older
        .split_terminator("\n\n")
        .map(|frame| serde_json::from_str(&frame["data: ".len()..]).expect("JSON"))
        .map(|chunk: Value| chunk["choices"][0].clone())
        .collect();
    assert_eq!(deltas[1]["delta"], json!({"function_call": {"name": "f", "arguments": ""}}));
    assert_eq!(deltas[2]["delta"], json!({"function_call": {"arguments": "{}"}}));
    assert_eq!((deltas.len(), &deltas[3]["finish_reason"]), (4, &json!("function_call")));
    let newer = told(r#"{"messages":[{"content":"\"functions\""}],"tools":[],"x":{"functions":1}}"#);
    assert!(newer.contains("tool_calls") && !newer.contains("function_call"));
}

#[test]
fn several_answers_and_pictures_are_written() {
    let source = Source::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    let part = Part::from(Content::Media(Media::new(MediaKind::Image, source)));
    let events = [
        Event::Begin { id: None, model: None, created: None },
        Event::Open { choice: 12, block: 0, kind: Block::Refusal },
        Event::Delta { choice: 12, block: 0, delta: Delta::Text("no") },
        Event::Close { choice: 12, block: 0 },
        Event::Whole { choice: 0, block: 0, part: &part },
        Event::Finish { choice: 12, finish: Finish::Refusal },
        Event::Finish { choice: 0, finish: Finish::Stop },
        Event::End,
    ];
    let frames = written(&events, true);
    let said: Vec<(u64, &Value)> = frames[..frames.len() - 1]
        .iter()
        .map(|frame| {
            (frame["choices"][0]["index"].as_u64().expect("a number"), &frame["choices"][0]["delta"])
        })
        .collect();
    let (role, none, refusal) =
        (json!({"role":"assistant","content":""}), json!({}), json!({"refusal":"no"}));
    let image =
        json!({"images":[{"type":"image_url","index":0,"image_url":{"url":"data:image/png;base64,AAAA"}}]});
    assert_eq!(said, [(0, &role), (12, &role), (12, &refusal), (0, &image), (12, &none), (0, &none)]);
    assert_eq!(frames[4]["choices"][0]["finish_reason"], "stop");
    assert_eq!(frames.last(), Some(&json!("[DONE]")));
}

#[test]
fn a_failure_is_the_last_frame() {
    let mut writer = OpenAiChat.writer(&outward());
    let mut out = Vec::new();
    writer.write(&Event::Begin { id: None, model: None, created: None }, &mut out);
    let before = out.len();
    writer.write(&Event::Failed(&Problem::default()), &mut out);
    assert_eq!(out.len(), before);
    writer.fail(&Error::new(Kind::UpstreamCut, "cut"), &mut out);
    let last = std::str::from_utf8(&out[before..]).expect("UTF-8");
    assert!(last.starts_with("event: error\ndata: {\"error\":{\"message\":\"cut\""), "{last}");
    assert!(!last.contains("[DONE]"));
}
