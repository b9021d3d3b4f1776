//! What is said: messages, media, tools.

use serde_json::json;

use super::*;
use crate::dialect::canon::{
    Cache, Foreign, Function, Maker, Media, MediaKind, Seal, Source, Thought, Tool, ToolCall, ToolKind,
    ToolResult,
};

const FIXTURES: &[(&str, &str)] = &[
    ("text", include_str!("../../../../../tests/fixtures/bedrock/request/text.json")),
    ("tools", include_str!("../../../../../tests/fixtures/bedrock/request/tools.json")),
    ("media", include_str!("../../../../../tests/fixtures/bedrock/request/media.json")),
    ("thinking", include_str!("../../../../../tests/fixtures/bedrock/request/thinking.json")),
    (
        "structured_output",
        include_str!("../../../../../tests/fixtures/bedrock/request/structured_output.json"),
    ),
    ("guardrail", include_str!("../../../../../tests/fixtures/bedrock/request/guardrail.json")),
];

/// What is left out where it goes without saying.
fn expected<'a>(body: &'a str, name: &str) -> Request<'a> {
    let mut request = Bedrock.read_request(body).expect(name);
    request.rest.clear();
    request.tool_choice =
        request.tool_choice.filter(|choice| *choice != crate::dialect::canon::ToolChoice::Auto);
    request
}

#[test]
fn what_was_read_is_written_and_read_again() {
    for (name, body) in FIXTURES {
        // Claude refuses what some of them ask for.
        let model = if matches!(*name, "guardrail" | "text") { "amazon.nova-pro-v1:0" } else { CLAUDE };
        let expected = expected(body, name);
        let mut losses = Losses::default();
        let again = Bedrock.write_request(&expected, &manner(model), &mut losses).expect(name);
        let again = String::from_utf8(again).expect("UTF-8");
        assert_eq!(Bedrock.read_request(&again).expect(name), expected, "{name}: {again}");
    }
}

#[test]
fn every_fixture_is_peeked_and_passes_as_it_is() {
    use crate::dialect::Dialect;
    for (name, body) in FIXTURES {
        let body = bytes::Bytes::from_static(body.as_bytes());
        let peek = Bedrock.peek(&body).expect(name);
        assert_eq!((peek.model.as_str(), peek.stream, peek.usage_asked), ("", false, true));
        assert_eq!(Bedrock.splice_request(&body, &peek, "m", true), body);
    }
    assert!(Bedrock.peek(br#"{"messages":[]}"#).is_err());
}

#[test]
fn leading_instructions_are_system_and_later_ones_are_the_users() {
    let mut it = request("hi");
    it.turns.insert(0, Turn::new(Role::Developer, vec![say("be brief")]));
    it.turns.insert(0, Turn::new(Role::System, vec![say("you are S"), say(" \n")]));
    it.turns.push(Turn::new(Role::System, vec![say("now in French")]));
    it.turns.push(model(vec![say("")]));
    it.turns.push(user(vec![say("go")]));
    it.turns.push(model(vec![say("oui"), say("\t")]));
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    assert_eq!(body["system"], json!([{"text": "you are S"}, {"text": "be brief"}]));
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"text": "hi"}, {"text": "now in French"}, {"text": "go"}]},
            {"role": "assistant", "content": [{"text": "oui"}]},
        ])
    );
    assert!(losses.is_empty() && body.get("inferenceConfig").is_none());
}

#[test]
fn a_conversation_without_a_word_is_refused() {
    let error = written(&request("  "), CLAUDE).expect_err("nothing to answer");
    assert_eq!((error.status(), error.param.as_deref()), (400, Some("messages")));
}

#[test]
fn results_come_first_and_hold_something() {
    let result = |id: &'static str, parts: Vec<Part<'static>>, json: Option<&'static str>, failed| {
        let id = id.into();
        Part::from(Content::ToolResult(ToolResult { id, name: None, parts, json, failed, custom: false }))
    };
    let call = |id: &'static str, arguments: &'static str| {
        Part::from(Content::ToolCall(ToolCall::new(id.into(), "f".into(), arguments.into())))
    };
    let mut it = request("go");
    let calls = vec![call("a", r#"{"x": 1}"#), call("b", ""), call("c", "no object"), call("d", "[1]")];
    it.turns.push(model(calls));
    it.turns
        .push(user(vec![result("a", vec![say("1")], None, false), result("b", vec![say(" ")], None, true)]));
    let picture = Source::Base64 { media_type: "image/png".into(), data: "AA==".into() };
    let picture = Content::Media(Media::new(MediaKind::Image, picture)).into();
    it.turns.push(user(vec![say("and?"), result("c", vec![picture], Some("{\"k\":2}"), false)]));
    it.turns.push(user(vec![result("d", vec![], Some("[7]"), false)]));
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    let call = |id: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": "f", "input": input}});
    assert_eq!(
        body["messages"][1]["content"],
        json!([call("a", json!({"x": 1})), call("b", json!({})), call("c", json!({})), call("d", json!({}))])
    );
    assert_eq!(
        body["messages"][2]["content"],
        json!([
            {"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}},
            {"toolResult": {"toolUseId": "b", "content": [{"text": "(no output)"}], "status": "error"}},
            {"toolResult": {"toolUseId": "c", "content": [
                {"image": {"format": "png", "source": {"bytes": "AA=="}}}, {"json": {"k": 2}}]}},
            {"toolResult": {"toolUseId": "d", "content": [{"text": "[7]"}]}},
            {"text": "and?"},
        ])
    );
    assert_eq!(losses, ["tool_call.arguments"]);
    // Bedrock demands a declaration where there are calls.
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "f");
    let (_, losses) = written(&it, "meta.llama3-3-70b-instruct-v1:0").expect("a request");
    assert_eq!(losses, ["tool_call.arguments", "is_error"]);
}

#[test]
fn media_are_said_in_bedrocks_words() {
    let media = |kind, source| Part::from(Content::Media(Media::new(kind, source)));
    let data =
        |media_type: &'static str| Source::Base64 { media_type: media_type.into(), data: "AA==".into() };
    let mut it = request("look");
    it.turns.push(user(vec![
        media(MediaKind::Image, data("image/jpg")),
        media(MediaKind::Image, Source::from_url("s3://bucket/a.webp".into())),
        media(MediaKind::Audio, data("audio/mpeg")),
        media(MediaKind::Video, data("video/quicktime")),
        media(MediaKind::Document, Source::Text("words".into())),
    ]));
    let (body, _) = written(&it, CLAUDE).expect("a request");
    assert_eq!(
        body["messages"][0]["content"].as_array().map(|content| &content[1..]),
        Some(
            &[
                json!({"image": {"format": "jpeg", "source": {"bytes": "AA=="}}}),
                json!({"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}}),
                json!({"audio": {"format": "mp3", "source": {"bytes": "AA=="}}}),
                json!({"video": {"format": "mov", "source": {"bytes": "AA=="}}}),
                json!({"document": {"name": "Document 1", "format": "txt", "source": {"text": "words"}}}),
            ][..]
        )
    );
    for source in [
        Source::from_url("https://example.com/a.png".into()),
        Source::File { id: "file-1".into() },
        data("image/bmp"),
    ] {
        let mut it = request("look");
        it.turns.push(user(vec![media(MediaKind::Image, source)]));
        let error = written(&it, CLAUDE).expect_err("refused");
        assert_eq!((error.status(), error.code.as_deref()), (400, Some("unsupported_parameter")));
    }
}

#[test]
fn documents_have_plain_names_of_their_own_and_a_text_beside_them() {
    let document = |title: Option<&'static str>| {
        let source = Source::Base64 { media_type: "application/pdf".into(), data: "AA==".into() };
        let media = Media { title: title.map(Into::into), ..Media::new(MediaKind::Document, source) };
        Part::from(Content::Media(media))
    };
    let mut it = Request::new(DialectId::OpenAiChat);
    let titles = [Some("a_b/c.pdf"), Some("a b c pdf"), None, Some("Document 3"), Some("…"), Some("  é  x ")];
    it.turns.push(user(titles.into_iter().map(document).collect()));
    let (body, _) = written(&it, CLAUDE).expect("a request");
    let content = body["messages"][0]["content"].as_array().expect("content");
    let names: Vec<_> = content.iter().filter_map(|block| block["document"]["name"].as_str()).collect();
    assert_eq!(names, ["a b c pdf", "a b c pdf 2", "Document 3", "Document 3 4", "Document 5", "x"]);
    assert_eq!(content.last(), Some(&json!({"text": "See the attached document."})));
}

#[test]
fn only_claudes_own_thoughts_go_back_and_only_to_claude() {
    let thought = |maker, redacted| {
        let seal = Some(Seal { maker, data: "sig".into() });
        Part::from(Content::Thought(Thought { text: "hm".into(), redacted, seal, ..Thought::default() }))
    };
    let mut it = request("hi");
    let unsigned = Content::Thought(Thought { text: "hm".into(), ..Thought::default() });
    let parts = vec![
        thought(Maker::Claude, false),
        thought(Maker::Claude, true),
        thought(Maker::Gemini, false),
        unsigned.into(),
        say("hello"),
    ];
    it.turns.push(model(parts));
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": "c2ln"}},
            {"text": "hello"},
        ])
    );
    assert_eq!(losses, ["thoughts"]);
    let (body, losses) = written(&it, "openai.gpt-oss-20b-1:0").expect("a request");
    assert_eq!((&body["messages"][1]["content"], losses.len()), (&json!([{"text": "hello"}]), 1));
}

#[test]
fn cache_points_stand_where_a_model_has_a_cache() {
    let cache = |one_hour| Some(Cache { one_hour });
    let mut it = Request::new(DialectId::Anthropic);
    it.turns.push(Turn::new(Role::System, vec![Part { cache: cache(true), ..say("S") }]));
    it.turns.push(user(vec![Part { cache: cache(false), ..say("hi") }]));
    let function = Function { name: "f".into(), ..Function::default() };
    it.tools.push(Tool { kind: ToolKind::Function(function), cache: cache(false) });
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(body["system"][1], json!({"cachePoint": {"type": "default", "ttl": "1h"}}));
    assert_eq!((&body["messages"][0]["content"][1], &body["toolConfig"]["tools"][1]), (&point, &point));
    assert!(losses.is_empty());
    let (body, losses) = written(&it, "amazon.nova-lite-v1:0").expect("a request");
    assert_eq!((&body["system"][1], body["toolConfig"]["tools"].as_array().map(Vec::len)), (&point, Some(1)));
    assert_eq!(losses, ["cache_control.ttl", "cache_control"]);
    let (body, losses) = written(&it, "qwen.qwen3-32b-v1:0").expect("a request");
    assert_eq!(
        (body["system"].as_array().map(Vec::len), losses),
        (Some(1), vec!["cache_control".to_owned()])
    );
}

#[test]
fn custom_calls_of_the_history_become_objects() {
    let mut it = request("hi");
    let call = ToolCall { custom: true, ..ToolCall::new("c".into(), "patch".into(), "*** Begin".into()) };
    it.turns.push(model(vec![Content::ToolCall(call).into()]));
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    assert_eq!(body["messages"][1]["content"][0]["toolUse"]["input"], json!({"input": "*** Begin"}));
    assert!(losses.is_empty());
}

#[test]
fn a_block_that_only_bedrock_knows_is_kept_as_it_was() {
    let body = r#"{"messages":[{"role":"user","content":[{"searchResult":{"source":"x"}},{"text":"?"},
        {"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/k.png","bucketOwner":"12"}}}},
        {"document":{"name":"n","source":{"content":[{"text":"chunk"}]}}}]}]}"#;
    let request = Bedrock.read_request(body).expect("a request");
    let kinds = request.turns[0].parts.iter().map(|part| match &part.content {
        Content::Foreign(Foreign { kind, .. }) => kind.to_string(),
        _ => String::new(),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["searchResult", "", "image", "document"]);
    let (again, _) = written(&request, CLAUDE).expect("a request");
    assert_eq!(again, serde_json::from_str::<Value>(body).expect("JSON"));
}

#[test]
fn what_has_not_the_documented_form_names_its_place() {
    let table = [
        (r#"{"messages":{}}"#, "\"messages\" must be an array"),
        (r#"{"messages":[{"role":"tool","content":[]}]}"#, "\"messages[0].role\" must be user or assistant"),
        (r#"{"messages":[{"role":"user","content":"x"}]}"#, "\"messages[0].content\" must be an array"),
        (
            r#"{"inferenceConfig":{"maxTokens":"1"}}"#,
            "\"inferenceConfig.maxTokens\" must be a whole number, 0 or more",
        ),
        (
            r#"{"toolConfig":{"tools":[{"toolSpec":{"name":1}}]}}"#,
            "\"toolConfig.tools[0].toolSpec.name\" must be a string",
        ),
    ];
    for (body, message) in table {
        let wrong = Bedrock.read_request(body).expect_err(body);
        assert_eq!(wrong.to_string(), message);
    }
}

#[test]
fn sources_of_an_earlier_answer_go_back_to_bedrock_alone() {
    use crate::dialect::canon::Citation;
    let citation = || Citation { url: Some("https://example.com/a".into()), ..Citation::default() };
    let mut it = request("hi");
    it.turns.push(model(vec![Content::Cited("so it is".into(), vec![citation()]).into()]));
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    assert_eq!(
        (&body["messages"][1]["content"], losses),
        (&json!([{"text": "so it is"}]), vec!["citations".to_owned()])
    );
    it.origin = DialectId::Bedrock;
    let (body, _) = written(&it, CLAUDE).expect("a request");
    let cited = &body["messages"][1]["content"][0]["citationsContent"];
    assert_eq!(cited["citations"], json!([{"location": {"web": {"url": "https://example.com/a"}}}]));
}

#[test]
fn a_request_that_ends_too_early_is_an_error_and_never_a_panic() {
    for (name, body) in FIXTURES {
        let body = body.trim_end();
        for end in (0..body.len()).filter(|end| body.is_char_boundary(*end)) {
            assert!(Bedrock.read_request(&body[..end]).is_err(), "{name}: {end}");
        }
    }
}
