use serde_json::{Value, json};

use super::{read, sent};
use crate::dialect::canon::{
    Content, Function, Losses, Media, MediaKind, Part, Reasoning, Role, Source, Thinking, Thought, Tool,
    ToolCall, ToolChoice, ToolKind, ToolResult, Turn, fit::is_well_formed,
};
use crate::dialect::codec::{Codec, Manner};
use crate::dialect::openai_chat::OpenAiChat;
use crate::dialect::quirks::Quirks;

fn text(text: &'static str) -> Part<'static> {
    Content::Text(text.into()).into()
}

fn result(id: &'static str, parts: Vec<Part<'static>>) -> ToolResult<'static> {
    ToolResult { id: id.into(), name: None, parts, json: None, failed: false, custom: false }
}

fn call(id: &'static str) -> Part<'static> {
    Content::ToolCall(ToolCall::new(id.into(), "f".into(), "{}".into())).into()
}

fn image() -> Part<'static> {
    let source = Source::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
    Content::Media(Media::new(MediaKind::Image, source)).into()
}

fn conversation(turns: Vec<Turn<'static>>) -> crate::dialect::canon::Request<'static> {
    let mut request = crate::dialect::canon::Request::new(crate::dialect::DialectId::Anthropic);
    request.turns = turns;
    request
}

#[test]
fn results_stand_straight_behind_their_calls_and_their_pictures_behind_them() {
    let failed = ToolResult { failed: true, ..result("c1", vec![text("no such file")]) };
    let request = conversation(vec![
        Turn::new(Role::User, vec![text("go")]),
        Turn::new(Role::Assistant, vec![text("I "), text("look"), call("c1")]),
        Turn::new(Role::Assistant, vec![call("c2")]),
        Turn::new(Role::User, vec![text("and?"), Content::ToolResult(failed).into()]),
        Turn::new(Role::User, vec![Content::ToolResult(result("c2", vec![image()])).into()]),
    ]);
    let (body, losses) = sent(request, &Quirks::NONE);
    let tool = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let expected = json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "I look", "tool_calls": [tool("c1"), tool("c2")]},
        {"role": "tool", "tool_call_id": "c1", "content": "Error: no such file"},
        {"role": "tool", "tool_call_id": "c2", "content": "The result follows in the next message."},
        {"role": "user", "content": [
            {"type": "text", "text": "Result of the tool call c2:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "user", "content": "and?"},
    ]);
    assert_eq!(body["messages"], expected);
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn texts_that_follow_one_another_stay_apart_and_null_stands_only_beside_calls() {
    let request = conversation(vec![
        Turn::new(Role::User, vec![text("a")]),
        Turn::new(Role::Assistant, vec![text("one")]),
        Turn::new(Role::Assistant, vec![text("two")]),
        Turn::new(Role::Assistant, vec![call("c1")]),
        Turn::new(Role::User, vec![Content::ToolResult(result("c1", vec![])).into()]),
        Turn::new(Role::Assistant, vec![call("c2")]),
        Turn::new(Role::User, vec![Content::ToolResult(result("c2", vec![])).into()]),
        Turn::new(
            Role::Assistant,
            vec![Content::Thought(Thought { text: "hm".into(), ..Thought::default() }).into()],
        ),
    ]);
    let (body, losses) = sent(request, &Quirks::NONE);
    let messages = body["messages"].as_array().expect("messages");
    let said: Vec<(&str, &Value)> =
        messages.iter().map(|m| (m["role"].as_str().expect("a role"), &m["content"])).collect();
    let empty = json!("");
    let (a, one, two) = (json!("a"), json!("one"), json!("two"));
    let expected = [
        ("user", &a),
        ("assistant", &one),
        ("assistant", &two),
        ("tool", &empty),
        ("assistant", &Value::Null),
        ("tool", &empty),
    ];
    assert_eq!(said, expected);
    assert_eq!(losses, ["thoughts"]);
}

#[test]
fn thoughts_go_back_where_they_are_wanted() {
    let thought = Content::Thought(Thought { text: "hm".into(), ..Thought::default() });
    let request = conversation(vec![
        Turn::new(Role::User, vec![text("a")]),
        Turn::new(Role::Assistant, vec![thought.into(), text("b")]),
    ]);
    let quirks = Quirks { returns_thoughts: true, thoughts: "reasoning", ..Quirks::COMPATIBLE };
    let (body, losses) = sent(request, &quirks);
    assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "b", "reasoning": "hm"}));
    assert!(losses.is_empty());
}

#[test]
fn media_are_written_as_they_are_documented() {
    let base64 =
        |media_type: &'static str| Source::Base64 { media_type: media_type.into(), data: "AAAA".into() };
    let url = || Source::Url { media_type: None, url: "https://e.org/x".into() };
    let titled = |media: Media<'static>| Media { title: Some("T".into()), ..media };
    let table = [
        (
            Media { detail: Some("low".into()), ..Media::new(MediaKind::Image, url()) },
            json!({"type":"image_url","image_url":{"url":"https://e.org/x","detail":"low"}}),
        ),
        (
            Media::new(MediaKind::Audio, base64("audio/mpeg")),
            json!({"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}),
        ),
        (
            Media::new(MediaKind::Audio, base64("audio/x-wav")),
            json!({"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}),
        ),
        (
            Media::new(MediaKind::Video, base64("video/mp4")),
            json!({"type":"video_url","video_url":{"url":"data:video/mp4;base64,AAAA"}}),
        ),
        (
            Media::new(MediaKind::Document, base64("application/pdf")),
            json!({"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,AAAA"}}),
        ),
        (
            Media::new(MediaKind::Document, url()),
            json!({"type":"file","file":{"file_data":"https://e.org/x"}}),
        ),
        (
            titled(Media::new(
                MediaKind::Document,
                Source::Base64 { media_type: "text/csv".into(), data: "YSxi".into() },
            )),
            json!({"type":"text","text":"T\n\na,b"}),
        ),
        (
            titled(Media::new(MediaKind::Document, Source::Text("body".into()))),
            json!({"type":"text","text":"T\n\nbody"}),
        ),
    ];
    for (media, expected) in table {
        let turn = Turn::new(Role::User, vec![text("see"), Content::Media(media).into()]);
        let (body, losses) = sent(conversation(vec![turn]), &Quirks::COMPATIBLE);
        assert_eq!(body["messages"][0]["content"][1], expected);
        assert!(losses.is_empty());
    }
}

#[test]
fn openai_itself_is_sent_no_video_and_no_recording_by_its_address() {
    let url = || Source::Url { media_type: None, url: "https://e.org/x".into() };
    for media in [Media::new(MediaKind::Video, url()), Media::new(MediaKind::Audio, url())] {
        let request = conversation(vec![Turn::new(Role::User, vec![Content::Media(media).into()])]);
        let manner = Manner { model: "target", ask_usage: true, quirks: &Quirks::NONE };
        let refused = OpenAiChat.write_request(&request, &manner, &mut Losses::default());
        assert_eq!(refused.expect_err("refused").status(), 400);
    }
}

#[test]
fn a_vendor_is_written_to_in_its_own_manner() {
    let request = || {
        let mut request = read(
            r#"{"messages":[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],
            "max_completion_tokens":9,"top_k":4,"seed":1,"user":"u","stream":true,"service_tier":"standard_only",
            "metadata":{"k":"v"},"stop":["1","2","3","4","5"],"reasoning_effort":"xhigh","store":false}"#,
        );
        request.tools.push(Tool {
            kind: ToolKind::Custom { name: "g".into(), description: None, format: None },
            cache: None,
        });
        request.tools.push(Tool {
            kind: ToolKind::Function(Function { name: "f".into(), ..Function::default() }),
            cache: None,
        });
        request.tool_choice = Some(ToolChoice::Among { names: vec!["f".into()], must: true });
        request
    };
    let (body, losses) = sent(request(), &Quirks::NONE);
    let expected = json!({
        "model": "target",
        "messages": [{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}],
        "tools": [
            {"type":"custom","custom":{"name":"g"}},
            {"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}],
        "tool_choice": {"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}},
        "max_completion_tokens": 9, "seed": 1, "stop": ["1","2","3","4"], "reasoning_effort": "xhigh",
        "user": "u", "service_tier": "default", "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(body, expected);
    assert_eq!(losses, ["top_k", "stop", "metadata"]);
    let quirks = Quirks {
        plain_content: true,
        stream_options: false,
        top_k: true,
        thinking_switch: true,
        renames: &[("seed", "random_seed")],
        refuses: &["user", "service_tier"],
        ..Quirks::COMPATIBLE
    };
    let (body, losses) = sent(request(), &quirks);
    let expected = json!({
        "model": "target",
        "messages": [{"role":"system","content":"d"},{"role":"user","content":"a\nb"}],
        "tools": [{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}],
        "tool_choice": "required",
        "max_tokens": 9, "top_k": 4, "random_seed": 1, "stop": ["1","2","3","4"],
        "thinking": {"type": "enabled"}, "reasoning_effort": "high", "stream": true,
    });
    assert_eq!(body, expected);
    assert_eq!(losses, ["custom_tools", "stop", "user", "metadata", "service_tier"]);
}

#[test]
fn marks_of_the_cache_are_written_to_vendors_that_take_them() {
    let body = r#"{"messages":[
        {"role":"system","content":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
        {"role":"user","content":"u","cache_control":{"type":"ephemeral"}},
        {"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},
        {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r","cache_control":{"type":"ephemeral"}}]}]}"#;
    let quirks = Quirks { cache_marks: true, ..Quirks::COMPATIBLE };
    let (written, losses) = sent(read(body), &quirks);
    assert_eq!(written["messages"][0]["content"][0]["cache_control"], json!({"type":"ephemeral","ttl":"1h"}));
    let contents = written["messages"].as_array().expect("messages").iter();
    assert_eq!(contents.filter(|m| m["content"][0]["cache_control"].is_object()).count(), 3);
    assert!(losses.is_empty());
    let (written, losses) = sent(read(body), &Quirks::NONE);
    assert!(!written.to_string().contains("cache_control"));
    assert_eq!(losses, ["cache_control"]);
}

#[test]
fn a_word_for_effort_is_the_nearest_the_vendor_knows() {
    let asked = |quirks: &Quirks, effort: &str| {
        let body =
            format!(r#"{{"messages":[{{"role":"user","content":"a"}}],"reasoning_effort":"{effort}"}}"#);
        let (written, losses) = sent(read(&body), quirks);
        (written["reasoning_effort"].as_str().map(str::to_owned), losses.len())
    };
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(asked(&Quirks::NONE, "max"), (word("xhigh"), 0));
    assert_eq!(asked(&Quirks::NONE, "none"), (word("none"), 0));
    assert_eq!(asked(&Quirks::COMPATIBLE, "minimal"), (word("low"), 0));
    assert_eq!(asked(&Quirks::COMPATIBLE, "xhigh"), (word("high"), 0));
    assert_eq!(asked(&Quirks::COMPATIBLE, "none"), (None, 1));
    assert_eq!(asked(&Quirks { efforts: &[], ..Quirks::NONE }, "low"), (None, 1));
}

#[test]
fn ids_of_calls_have_the_length_a_vendor_wants() {
    let request = conversation(vec![
        Turn::new(Role::User, vec![text("a")]),
        Turn::new(Role::Assistant, vec![call("toolu_0123456789"), call("abcdefgh9")]),
        Turn::new(Role::User, vec![Content::ToolResult(result("toolu_0123456789", vec![])).into()]),
    ]);
    let quirks = Quirks { call_id_length: Some(9), ..Quirks::COMPATIBLE };
    let (body, _) = sent(request, &quirks);
    let id = body["messages"][1]["tool_calls"][0]["id"].as_str().expect("an id");
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(body["messages"][2]["tool_call_id"], id);
    assert_eq!(body["messages"][1]["tool_calls"][1]["id"], "abcdefgh9");
}

#[test]
fn a_choice_of_a_tool_that_is_gone_is_left_out() {
    let body = r#"{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"web_search"}],
        "tool_choice":{"type":"function","function":{"name":"web_search"}},"parallel_tool_calls":false}"#;
    let (written, losses) = sent(read(body), &Quirks::NONE);
    assert_eq!(written, json!({"model":"target","messages":[{"role":"user","content":"a"}],"stream":false}));
    assert_eq!(losses, ["hosted_tools", "tool_choice"]);
}

#[test]
fn a_grammar_is_written_in_the_form_chat_has_for_it() {
    let format = r#"{"type":"grammar","syntax":"lark","definition":"start: \"a\""}"#;
    let mut request = conversation(vec![Turn::new(Role::User, vec![text("a")])]);
    let kind = ToolKind::Custom { name: "g".into(), description: None, format: Some(format) };
    request.tools.push(Tool { kind, cache: None });
    let (written, _) = sent(request, &Quirks::NONE);
    let expected = json!({"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"a\""}});
    assert_eq!(written["tools"][0]["custom"]["format"], expected);
    let body = r#"{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"custom","custom":{"name":"g",
        "format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"a\""}}}}]}"#;
    assert_eq!(sent(read(body), &Quirks::NONE).0["tools"][0]["custom"]["format"], expected);
}

#[test]
fn a_refusal_in_the_history_is_a_part_where_that_is_known() {
    let body =
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"refusal":"no"}]}"#;
    let (written, _) = sent(read(body), &Quirks::NONE);
    assert_eq!(written["messages"][1]["content"], json!([{"type":"refusal","refusal":"no"}]));
    let (written, _) = sent(read(body), &Quirks::COMPATIBLE);
    assert_eq!(written["messages"][1]["content"], "no");
}

#[test]
fn thinking_that_is_off_goes_unsaid_but_where_there_is_a_switch() {
    let mut request = conversation(vec![Turn::new(Role::User, vec![text("a")])]);
    request.reasoning = Some(Reasoning { thinking: Some(Thinking::Off), ..Reasoning::default() });
    let (body, losses) = sent(request.clone(), &Quirks::NONE);
    assert!(body.get("reasoning_effort").is_none() && losses.is_empty());
    let (body, _) = sent(request.clone(), &Quirks { thinking_switch: true, ..Quirks::COMPATIBLE });
    assert_eq!((&body["thinking"], body.get("reasoning_effort")), (&json!({"type": "disabled"}), None));
    request.reasoning = Some(Reasoning { thinking: Some(Thinking::Budget(5000)), ..Reasoning::default() });
    assert_eq!(sent(request, &Quirks::NONE).0["reasoning_effort"], "medium");
}

#[test]
fn a_document_of_text_in_a_result_stays_there() {
    let document =
        Media { title: Some("T".into()), ..Media::new(MediaKind::Document, Source::Text("body".into())) };
    let turns = vec![
        Turn::new(Role::Assistant, vec![call("c")]),
        Turn::new(
            Role::User,
            vec![Content::ToolResult(result("c", vec![Content::Media(document).into()])).into()],
        ),
    ];
    let (body, _) = sent(conversation(turns), &Quirks::NONE);
    assert_eq!(body["messages"][1]["content"], "T\n\nbody");
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_table_speaks_of_each_feature_once() {
    assert!(is_well_formed(OpenAiChat.facts().support));
}
