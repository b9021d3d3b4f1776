//! Bodies in, bodies out.

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::dialect::DialectId::{self, Anthropic, Gemini, OpenAiChat, Responses};
use crate::dialect::Usage;
use crate::dialect::bridge;
use crate::dialect::canon::names::Renames;
use crate::dialect::codec::{Manner, Outward};
use crate::dialect::quirks::Quirks;
use crate::error::Kind;

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

fn request(dialect: DialectId, body: &'static str) -> Request<'static> {
    dialect.codec().read_request(body).expect("a request")
}

#[test]
fn tools_are_refused_in_every_dialect_and_a_choice_of_none_is_not() {
    let refused = [
        (
            OpenAiChat,
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
        ),
        (OpenAiChat, r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tool_choice":"required"}"#),
        (
            Anthropic,
            r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}"#,
        ),
        (Responses, r#"{"model":"m","input":"hi","tools":[{"type":"web_search"}]}"#),
        (
            Gemini,
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#,
        ),
    ];
    for (dialect, body) in refused {
        let error = check(&request(dialect, body)).expect_err(body);
        assert_eq!(
            (error.status(), &*error.message),
            (400, "ensemble models do not support tools"),
            "{body}"
        );
    }
    for choice in ["\"none\"", "\"auto\"", "null"] {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"tools":[],"tool_choice":{choice}}}"#
        );
        assert!(check(&OpenAiChat.codec().read_request(&body).expect("a request")).is_ok(), "{choice}");
    }
}

#[test]
fn members_are_asked_for_a_whole_answer_and_otherwise_what_the_caller_asked() {
    let cases = [
        (
            OpenAiChat,
            r#"{"model":"m" ,"stream": true,"messages":[{"role":"user","content":"h\u00e9"}],"stream_options":{"include_usage":true},"x":1.0}"#,
            r#"{"model":"m","messages":[{"role":"user","content":"h\u00e9"}],"x":1.0}"#,
        ),
        (Anthropic, r#"{"model":"m","stream":true,"max_tokens":9}"#, r#"{"model":"m","max_tokens":9}"#),
        (
            Responses,
            r#"{"model":"m","input":"hi","stream":true,"store":true,"background":true}"#,
            r#"{"model":"m","input":"hi","store":false}"#,
        ),
        (Gemini, r#"{"contents": []}"#, r#"{"contents": []}"#),
    ];
    for (dialect, body, expected) in cases {
        let asked = asked_whole(dialect, &Bytes::from_static(body.as_bytes()), None).expect(body);
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_conversation_kept_here_is_told_to_members_whole() {
    let body = Bytes::from_static(br#"{"model":"m","input":"and?","previous_response_id":"resp_1"}"#);
    let error = asked_whole(Responses, &body, None).expect_err("nobody knows it");
    assert_eq!(error.kind, Kind::BadRequest);
    let history = r#"[{"type":"message","role":"user","content":"hi"}]"#;
    let asked = json(&asked_whole(Responses, &body, Some(history)).expect("known"));
    let said: Vec<&Value> =
        asked["input"].as_array().expect("items").iter().map(|item| &item["content"]).collect();
    assert_eq!(said, ["hi", "and?"]);
    assert_eq!(asked.get("previous_response_id"), None);
}

#[test]
fn a_members_settings_stand_where_its_dialect_has_them() {
    let tuning = Tuning { temperature: Some(0.7), seed: Some(42) };
    let cases = [
        (OpenAiChat, r#"{"temperature":1,"a":2}"#, r#"{"a":2,"temperature":0.7,"seed":42}"#),
        (Anthropic, r#"{"a":2}"#, r#"{"a":2,"temperature":0.7}"#),
        (Responses, r#"{"a":2}"#, r#"{"a":2,"temperature":0.7}"#),
        (Gemini, r#"{"a":2}"#, r#"{"a":2,"generationConfig":{"temperature":0.7,"seed":42}}"#),
        (
            Gemini,
            r#"{"generation_config":{"topK":3,"seed":1}}"#,
            r#"{"generation_config":{"topK":3,"temperature":0.7,"seed":42}}"#,
        ),
        (Gemini, r#"{"generationConfig":null}"#, r#"{"generationConfig":{"temperature":0.7,"seed":42}}"#),
    ];
    for (dialect, body, expected) in cases {
        let body = Bytes::from_static(body.as_bytes());
        assert_eq!(tuning.write(dialect, &body), expected);
        assert_eq!(Tuning::default().write(dialect, &body), body);
    }
    let mut asked = Request::new(Anthropic);
    asked.sampling.temperature = Some(1.0);
    Tuning { temperature: None, seed: Some(u64::MAX) }.set(&mut asked);
    assert_eq!((asked.sampling.temperature, asked.sampling.seed), (Some(1.0), None));
    tuning.set(&mut asked);
    assert_eq!((asked.sampling.temperature, asked.sampling.seed), (Some(0.7), Some(42)));
}

#[test]
fn answers_are_read_in_every_dialect_and_one_without_words_is_none() {
    let cases = [
        (
            OpenAiChat,
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"A"},"finish_reason":"stop"}]}"#,
        ),
        (
            Anthropic,
            r#"{"type":"message","role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"A"}],"stop_reason":"end_turn"}"#,
        ),
        (
            Responses,
            r#"{"object":"response","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"A","annotations":[]}]}]}"#,
        ),
        (
            Gemini,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"A"}]},"finishReason":"STOP"}]}"#,
        ),
    ];
    for (dialect, body) in cases {
        assert_eq!(answer_text(dialect, body.as_bytes()).expect(body), "A");
        let silent = body.replace("\"A\"", "\" \"");
        assert_eq!(
            answer_text(dialect, silent.as_bytes()).expect_err("no words").kind,
            Kind::UpstreamUnreadable
        );
    }
}

fn judge(template: Option<&str>, body: &'static str, answers: &[String]) -> Judge {
    let body = Bytes::from_static(body.as_bytes());
    Judge::new(template, (OpenAiChat, &body), answers, true, Usage::default()).expect("a request")
}

fn asked(template: Option<&str>, body: &'static str, answers: &[&str]) -> String {
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    judge(template, body, &answers).request("some-model", false).expect("a request").turns[0].text()
}

const CHAT: &str = r#"{"model":"board","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"What is {labeled_candidates}?"},{"type":"image_url","image_url":{"url":"https://a/b.png"}}]},{"role":"assistant","content":"Hm."},{"role":"user","content":"Well?"}],"max_tokens":77,"stop":["END"],"response_format":{"type":"json_object"}}"#;

#[test]
fn the_judge_sees_the_request_and_the_answers_and_no_placeholder_within_them() {
    let template = "{original_request}|{labeled_candidates}|{other}|{";
    let text = asked(Some(template), CHAT, &["one {original_request}", "two"]);
    let expected = "System: Be brief.\nUser: What is {labeled_candidates}?\n[image]\nAssistant: Hm.\nUser: Well?|\
                    Answer 1:\none {original_request}\n\nAnswer 2:\ntwo|{other}|{";
    assert_eq!(text, expected);
    let text = asked(None, CHAT, &["one", "two"]);
    assert!(text.contains("\nUser: Well?\n") && text.contains("Answer 2:\ntwo"), "{text}");
    assert!(!text.contains("board"), "{text}");
}

#[test]
fn a_long_answer_is_cut_between_letters() {
    let long = format!("a{}", "é".repeat(5000));
    let text = asked(Some("{labeled_candidates}"), CHAT, &[&long, "short"]);
    let first = text.strip_prefix("Answer 1:\n").and_then(|rest| rest.split("\n\n").next()).expect("a block");
    assert_eq!(first, format!("a{}…", "é".repeat(4095)));
    assert!(text.ends_with("Answer 2:\nshort"));
}

#[test]
fn the_judges_request_has_the_callers_bounds_and_a_low_temperature_where_the_model_takes_one() {
    let judge = judge(None, CHAT, &["a".to_owned()]);
    let write = |model: &str| {
        let manner = Manner { model, ask_usage: true, quirks: &Quirks::NONE };
        json(
            &bridge::written(judge.request(model, true).expect("a request"), OpenAiChat.codec(), &manner)
                .expect("fits")
                .body,
        )
    };
    let sent = write("gpt-4o");
    assert_eq!(
        (
            &sent["temperature"],
            &sent["max_completion_tokens"],
            &sent["stop"],
            &sent["response_format"]["type"]
        ),
        (&json!(0.2), &json!(77), &json!(["END"]), &json!("json_object"))
    );
    assert_eq!(sent["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(write("openai/gpt-5-mini").get("temperature"), None);
}

fn outward(spent: Usage) -> Outward {
    Outward {
        alias: "board".into(),
        request_id: "r-1".into(),
        created: 7,
        usage_asked: true,
        prompt_estimate: 3,
        body: Bytes::from_static(b"{}"),
        spent,
    }
}

const SPENT: Usage = Usage {
    input: Some(100),
    output: Some(10),
    total: Some(110),
    cache_read: None,
    cache_write: None,
    cache_write_1h: None,
    reasoning: Some(4),
    audio_input: None,
    audio_output: None,
};

/// Input and output as a dialect names them, at the places where they stand.
fn told(dialect: DialectId, usage: &Value) -> (u64, u64) {
    let names = match dialect {
        OpenAiChat => ["prompt_tokens", "completion_tokens"],
        Gemini => ["promptTokenCount", "totalTokenCount"],
        _ => ["input_tokens", "output_tokens"],
    };
    let [input, output] = names.map(|name| usage[name].as_u64().unwrap_or_else(|| panic!("{usage}")));
    (input, if dialect == Gemini { output - input } else { output })
}

#[test]
fn a_whole_answer_tells_what_all_have_consumed() {
    let body = br#"{"choices":[{"index":0,"message":{"role":"assistant","content":"A"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
    for (dialect, at) in
        [(OpenAiChat, "usage"), (Anthropic, "usage"), (Responses, "usage"), (Gemini, "usageMetadata")]
    {
        let answer =
            bridge::answer(OpenAiChat.codec(), dialect.codec(), body, &outward(SPENT), &Renames::default())
                .expect("an answer");
        assert_eq!(told(dialect, &json(&answer.body)[at]), (105, 12), "{dialect:?}");
        assert_eq!((answer.usage.input, answer.usage.output), (Some(5), Some(2)), "its own");
    }
}

#[test]
fn a_streams_last_usage_tells_what_all_have_consumed() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
    for (with_usage, expected) in [(true, (105, 12)), (false, (100, 10))] {
        for (dialect, at) in [
            (OpenAiChat, "/usage"),
            (Anthropic, "/usage"),
            (Responses, "/response/usage"),
            (Gemini, "/usageMetadata"),
        ] {
            let mut pass = bridge::stream(OpenAiChat, dialect.codec(), &outward(SPENT), Renames::default());
            let usage = if with_usage { format!("data: {usage}\n\n") } else { String::new() };
            let stream = format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"A\"}},\"finish_reason\":null}}]}}\n\n\
                 data: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n{usage}data: [DONE]\n\n"
            );
            let mut out = pass.push(Bytes::from(stream)).expect("sound").to_vec();
            out.extend(pass.finish().expect("complete"));
            let text = String::from_utf8(out).expect("text");
            let frames = text
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
            let mut usages =
                frames.filter_map(|frame| frame.pointer(at).filter(|usage| usage.is_object()).cloned());
            let last = usages.next_back();
            assert_eq!(
                told(dialect, &last.unwrap_or_else(|| panic!("{text}"))),
                expected,
                "{dialect:?} {text}"
            );
            assert!(text.contains('A') && pass.complete());
            assert_eq!(pass.usage().input, with_usage.then_some(5), "its own");
        }
    }
}

#[test]
fn the_user_is_heard_and_not_the_tools_and_pictures() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"fix it"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"done"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}]}"#;
    assert_eq!(request(OpenAiChat, body).last_user_text().as_deref(), Some("fix it"));
    assert_eq!(Request::new(Gemini).last_user_text(), None);
}
