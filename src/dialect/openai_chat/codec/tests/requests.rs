use super::{read, write};
use crate::dialect::canon::{
    Cache, Content, Effort, Format, Function, MediaKind, Part, Reasoning, Role, Source, Thinking, Thought,
    Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use crate::dialect::codec::Codec;
use crate::dialect::openai_chat::OpenAiChat;
use crate::dialect::quirks::Quirks;

fn user(content: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#)
}

fn first_part(body: &str) -> Part<'_> {
    read(body).turns.remove(0).parts.remove(0)
}

fn part(content: Content<'_>) -> Part<'_> {
    content.into()
}

fn text(text: &'static str) -> Part<'static> {
    Content::Text(text.into()).into()
}

fn result(id: &'static str, parts: Vec<Part<'static>>) -> ToolResult<'static> {
    ToolResult { id: id.into(), name: None, parts, json: None, failed: false, custom: false }
}

#[test]
fn every_kind_of_part_is_read() {
    let media = |body: &str, kind: MediaKind, source: Source<'_>| match first_part(body).content {
        Content::Media(media) => assert_eq!((media.kind, media.source), (kind, source), "{body}"),
        other => panic!("{body}: {other:?}"),
    };
    let base64 =
        |media_type: &'static str| Source::Base64 { media_type: media_type.into(), data: "AAAA".into() };
    let url = || Source::Url { media_type: None, url: "https://e.org/x".into() };
    let table = [
        (
            r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}"#,
            MediaKind::Image,
            base64("image/png"),
        ),
        (r#"{"image_url":{"url":"https://e.org/x"},"type":"image_url"}"#, MediaKind::Image, url()),
        (r#"{"type":"image_url","image_url":"https://e.org/x"}"#, MediaKind::Image, url()),
        (
            r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}"#,
            MediaKind::Audio,
            base64("audio/mpeg"),
        ),
        (
            r#"{"type":"input_audio","input_audio":{"format":"wav","data":"AAAA"}}"#,
            MediaKind::Audio,
            base64("audio/wav"),
        ),
        (r#"{"type":"video_url","video_url":{"url":"https://e.org/x"}}"#, MediaKind::Video, url()),
        (
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}"#,
            MediaKind::Document,
            base64("application/pdf"),
        ),
        (
            r#"{"type":"file","file":{"filename":"a.csv","file_data":"AAAA"}}"#,
            MediaKind::Document,
            base64("text/csv"),
        ),
        (r#"{"type":"file","file":{"file_data":"https://e.org/x"}}"#, MediaKind::Document, url()),
        (
            r#"{"type":"file","file":{"file_id":"file-1"}}"#,
            MediaKind::Document,
            Source::File { id: "file-1".into() },
        ),
    ];
    for (json, kind, source) in table {
        media(&user(&format!("[{json}]")), kind, source);
    }
    let body = user(r#"[{"type":"text","text":"a\nb","cache_control":{"type":"ephemeral","ttl":"1h"}}]"#);
    assert_eq!(
        first_part(&body),
        Part { content: Content::Text("a\nb".into()), cache: Some(Cache { one_hour: true }) }
    );
    assert_eq!(first_part(&user(r#"["plain"]"#)), text("plain"));
    let body = user(r#"[{"type":"new_kind","x":{"text":5}}]"#);
    let Content::Foreign(foreign) = first_part(&body).content else { panic!("foreign") };
    assert_eq!((&*foreign.kind, foreign.json), ("new_kind", r#"{"type":"new_kind","x":{"text":5}}"#));
}

#[test]
fn what_has_not_the_documented_form_is_refused_with_its_place() {
    let table = [
        (user("7"), "messages[0].content"),
        (user(r#"[{"type":"text","text":7}]"#), "messages[0].content[0]"),
        (user(r#"[{"type":"image_url","image_url":{}}]"#), "messages[0].content[0]"),
        (r#"{"messages":[{"role":"robot","content":""}]}"#.to_owned(), "messages[0].role"),
        (r#"{"messages":[{"content":""}]}"#.to_owned(), "messages[0].role"),
        (r#"{"messages":[{"role":"tool","content":""}]}"#.to_owned(), "messages[0].tool_call_id"),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{}}]}]}"#.to_owned(),
            "messages[0].tool_calls[0].function.name",
        ),
        (r#"{"messages":[],"tools":[{"type":"function"}]}"#.to_owned(), "tools[0].function.name"),
        (r#"{"messages":[],"tool_choice":"perhaps"}"#.to_owned(), "tool_choice"),
        (r#"{"messages":[],"max_tokens":-1}"#.to_owned(), "max_tokens"),
        (r#"{"messages":[],"temperature":"hot"}"#.to_owned(), "temperature"),
        (r#"{"messages":[],"stop":[1]}"#.to_owned(), "stop[0]"),
    ];
    for (body, path) in table {
        let wrong = OpenAiChat.read_request(&body).expect_err(&body);
        assert_eq!(wrong.path(), path, "{body}: {wrong}");
    }
}

#[test]
fn every_role_becomes_a_turn() {
    let body = r#"{"messages":[
        {"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","name":"ann","content":"u"},
        {"role":"assistant","content":null,"reasoning_content":"hm","refusal":"no","tool_calls":[
            {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
            {"id":"c2","type":"custom","custom":{"name":"g","input":"free"}}]},
        {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]},
        {"role":"tool","tool_call_id":"c2","content":""},
        {"role":"assistant","function_call":{"name":"h","arguments":"{}"},"content":""},
        {"role":"function","name":"h","content":"3"},
        {"role":"assistant","content":null},
        {"role":"user","content":""}]}"#;
    let turns = read(body).turns;
    let roles: Vec<Role> = turns.iter().map(|turn| turn.role).collect();
    use Role::*;
    assert_eq!(roles, [System, Developer, User, Assistant, User, User, Assistant, User, User]);
    assert_eq!(turns[2].name.as_deref(), Some("ann"));
    let thought = Thought { text: "hm".into(), ..Thought::default() };
    let mut custom = ToolCall::new("c2".into(), "g".into(), "free".into());
    custom.custom = true;
    let expected = vec![
        part(Content::Thought(thought)),
        part(Content::Refusal("no".into())),
        part(Content::ToolCall(ToolCall::new("c1".into(), "f".into(), r#"{"a":1}"#.into()))),
        part(Content::ToolCall(custom)),
    ];
    assert_eq!(turns[3].parts, expected);
    assert_eq!(turns[4].parts, [part(Content::ToolResult(result("c1", vec![text("one"), text("two")])))]);
    let empty = ToolResult { custom: true, ..result("c2", vec![]) };
    assert_eq!(turns[5].parts, [part(Content::ToolResult(empty))]);
    assert_eq!(turns[6].parts, [part(Content::ToolCall(ToolCall::new("".into(), "h".into(), "{}".into())))]);
    let older = ToolResult { name: Some("h".into()), ..result("", vec![text("3")]) };
    assert_eq!(turns[7].parts, [part(Content::ToolResult(older))]);
}

#[test]
fn a_signature_of_gemini_comes_back_with_its_call() {
    let body = r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":""},
        "extra_content":{"google":{"thought_signature":"sig"}}}]}]}"#;
    let Content::ToolCall(call) = first_part(body).content else { panic!("a call") };
    let seal = call.seal.expect("a seal");
    assert_eq!((seal.maker, &*seal.data), (crate::dialect::canon::Maker::Gemini, "sig"));
}

#[test]
fn tools_are_read_in_every_form() {
    let body = r#"{"messages":[],"tools":[
        {"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true},"cache_control":{"type":"ephemeral"}},
        {"type":"function","name":"flat","parameters":null},
        {"type":"custom","custom":{"name":"g","format":{"type":"text"}}},
        {"type":"web_search","x":1}],
        "functions":[{"name":"old"}]}"#;
    let tools = read(body).tools;
    let function = Function {
        name: "f".into(),
        description: Some("d".into()),
        schema: Some(r#"{"type":"object"}"#.into()),
        strict: Some(true),
    };
    assert_eq!(tools[0], Tool { kind: ToolKind::Function(function), cache: Some(Cache { one_hour: false }) });
    let named =
        |name: &'static str| ToolKind::Function(Function { name: name.into(), ..Function::default() });
    assert_eq!(tools[1].kind, named("flat"));
    let custom = ToolKind::Custom { name: "g".into(), description: None, format: Some(r#"{"type":"text"}"#) };
    assert_eq!(tools[2].kind, custom);
    assert!(matches!(&tools[3].kind, ToolKind::Hosted(tool) if tool.kind == "web_search"));
    assert_eq!(tools[4].kind, named("old"));
}

#[test]
fn choices_of_tools_are_read_in_every_form() {
    let among = |must| ToolChoice::Among { names: vec!["f".into(), "g".into()], must };
    let table = [
        (r#""auto""#, ToolChoice::Auto),
        (r#""none""#, ToolChoice::None),
        (r#""required""#, ToolChoice::Any),
        (r#"{"type":"function","function":{"name":"f"}}"#, ToolChoice::One("f".into())),
        (r#"{"function":{"name":"f"},"type":"function"}"#, ToolChoice::One("f".into())),
        (r#"{"type":"custom","custom":{"name":"g"}}"#, ToolChoice::One("g".into())),
        (r#"{"type":"function","name":"f"}"#, ToolChoice::One("f".into())),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}}"#,
            among(true),
        ),
        (
            r#"{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]}"#,
            among(false),
        ),
    ];
    for (json, choice) in table {
        let body = format!(r#"{{"messages":[],"tool_choice":{json}}}"#);
        assert_eq!(read(&body).tool_choice, Some(choice), "{json}");
    }
    let older = read(r#"{"messages":[],"function_call":{"name":"f"}}"#);
    assert_eq!(older.tool_choice, Some(ToolChoice::One("f".into())));
}

#[test]
fn parameters_are_read_and_the_rest_is_kept_by_name() {
    let body = r#"{"model":"m","messages":[],"max_tokens":5,"max_completion_tokens":7,"temperature":0.5,"top_p":1,"top_k":-1,
        "seed":-3,"presence_penalty":0.1,"frequency_penalty":-0.1,"stop":"END","n":2,"logprobs":true,"top_logprobs":3,
        "logit_bias":{"1":-100},"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"a":1},"strict":true}},
        "reasoning_effort":"high","verbosity":"low","safety_identifier":"u1","metadata":{"k":"v"},"service_tier":"flex",
        "prompt_cache_key":"pk","store":true,"stream":true,"stream_options":{"include_usage":true},
        "parallel_tool_calls":false,"modalities":["text","audio"],"prediction":null,"web_search_options":{}}"#;
    let request = read(body);
    assert_eq!((request.max_tokens, request.choices, request.logprobs), (Some(7), Some(2), Some(3)));
    let sampling = request.sampling;
    assert_eq!((sampling.temperature, sampling.top_p, sampling.top_k), (Some(0.5), Some(1.0), None));
    assert_eq!(
        (sampling.seed, sampling.presence_penalty, sampling.frequency_penalty),
        (Some(-3), Some(0.1), Some(-0.1))
    );
    assert_eq!(request.stop, ["END"]);
    assert_eq!(request.logit_bias, Some(r#"{"1":-100}"#));
    let format = Format::Schema {
        name: Some("x".into()),
        description: None,
        schema: r#"{"a":1}"#.into(),
        strict: Some(true),
    };
    assert_eq!(request.format, Some(format));
    let reasoning = Reasoning { effort: Some(Effort::High), ..Reasoning::default() };
    assert_eq!(request.reasoning, Some(reasoning));
    assert_eq!((request.verbosity.as_deref(), request.user.as_deref()), (Some("low"), Some("u1")));
    assert_eq!((request.metadata, request.service_tier.as_deref()), (Some(r#"{"k":"v"}"#), Some("flex")));
    assert_eq!((request.cache_key.as_deref(), request.store), (Some("pk"), Some(true)));
    assert_eq!((request.stream, request.parallel_tools), (true, Some(false)));
    let rest: Vec<&str> = request.rest.iter().map(|member| &*member.name).collect();
    assert_eq!(rest, ["modalities", "web_search_options"]);
}

#[test]
fn null_is_the_same_as_nothing() {
    let names = [
        "max_tokens",
        "temperature",
        "stop",
        "n",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "response_format",
        "reasoning_effort",
        "user",
        "metadata",
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "parallel_tool_calls",
        "stream",
        "store",
        "seed",
        "verbosity",
        "anything",
    ];
    let nulls: Vec<String> = names.iter().map(|name| format!(r#""{name}":null"#)).collect();
    let body = format!(r#"{{"messages":[],{}}}"#, nulls.join(","));
    assert_eq!(read(&body), read(r#"{"messages":[]}"#));
}

#[test]
fn how_hard_to_think_is_asked_in_several_ways() {
    let table = [
        (r#""reasoning_effort":"none""#, (None, Some(Effort::None), None)),
        (r#""reasoning":{"effort":"xhigh","exclude":true}"#, (None, Some(Effort::ExtraHigh), Some(false))),
        (r#""reasoning":{"max_tokens":2000}"#, (Some(Thinking::Budget(2000)), None, None)),
        (r#""reasoning":{"enabled":true}"#, (Some(Thinking::Adaptive), None, None)),
        (r#""thinking":{"type":"enabled","budget_tokens":1024}"#, (Some(Thinking::Budget(1024)), None, None)),
        (r#""thinking":{"type":"disabled"}"#, (Some(Thinking::Off), None, None)),
    ];
    for (json, (thinking, effort, visible)) in table {
        let body = format!(r#"{{"messages":[],{json}}}"#);
        assert_eq!(read(&body).reasoning, Some(Reasoning { thinking, effort, visible }), "{json}");
    }
    let unknown = read(r#"{"messages":[],"reasoning_effort":"colossal"}"#);
    assert_eq!((unknown.reasoning, &*unknown.rest[0].name), (None, "reasoning_effort"));
}

#[test]
fn a_truncated_or_damaged_request_never_panics() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}],"tool_calls":[{"id":"é","function":{"name":"f","arguments":"{}"}}]}],"tools":[{"type":"custom","custom":{"name":"x"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[]}}}"#;
    for end in (0..body.len()).filter(|end| body.is_char_boundary(*end)) {
        assert!(OpenAiChat.read_request(&body[..end]).is_err());
        let damaged = format!("{}\"{}", &body[..end], &body[end..]);
        if let Ok(request) = OpenAiChat.read_request(&damaged) {
            write(&request, &Quirks::NONE);
        }
    }
}
