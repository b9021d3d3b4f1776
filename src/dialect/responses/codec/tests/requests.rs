//! Requests, both ways.

use super::{json, outward, read, written};
use crate::dialect::DialectId;
use crate::dialect::canon::{
    Content, Effort, Feature, Format, Function, Losses, Maker, Media, MediaKind, Part, Reasoning, Request,
    Role, Seal, Source, Thinking, Thought, Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Turn, fit,
};
use crate::dialect::codec::{Codec, Manner};
use crate::dialect::quirks::Quirks;
use crate::dialect::responses::{Responses, history};

const FULL: &str = r#"{
  "model": "m", "stream": true, "instructions": "Be brief.",
  "input": [
    {"role": "developer", "content": "Dev."},
    {"type": "message", "role": "user", "content": [
      {"type": "input_text", "text": "Look:", "prompt_cache_breakpoint": {"mode": "explicit"}},
      {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"},
      {"type": "input_image", "image_url": "https://e.x/a.png"},
      {"type": "input_image", "file_id": "file-1", "detail": "auto"},
      {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
      {"type": "input_file", "file_url": "https://e.x/b.pdf"},
      {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}}
    ]},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}], "encrypted_content": "gAAA"},
    {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
      {"type": "output_text", "text": "I call.", "annotations": [{"type": "url_citation", "url": "https://e.x", "title": "E", "start_index": 0, "end_index": 6}]},
      {"type": "refusal", "refusal": "Not that."}
    ]},
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
    {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "*** Begin"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "function_call_output", "call_id": "call_1", "output": "18C"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "ok"}, {"type": "input_image", "image_url": "https://e.x/s.png"}]},
    {"role": "assistant", "content": "one"},
    {"role": "assistant", "content": "two"}
  ],
  "tools": [
    {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true},
    {"type": "custom", "name": "patch", "description": "p", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
    {"type": "web_search", "search_context_size": "low"},
    {"type": "function", "function": {"name": "nested", "parameters": {"type": "object"}}}
  ],
  "tool_choice": {"type": "function", "name": "f"},
  "parallel_tool_calls": false, "max_output_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 3,
  "reasoning": {"effort": "xhigh", "summary": "detailed"},
  "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
  "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
  "user": "old", "safety_identifier": "new", "metadata": {"k": "v"}, "service_tier": "flex", "prompt_cache_key": "key",
  "store": false, "previous_response_id": "resp_0", "truncation": "auto", "background": false, "max_tool_calls": 4
}"#;

#[test]
fn every_member_of_a_request_is_read() {
    let request = read(FULL);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    use Role::{Assistant, Developer, System, User};
    assert_eq!(roles, [System, Developer, User, Assistant, User, User, Assistant, Assistant]);
    assert!(request.stream && request.parallel_tools == Some(false) && request.store == Some(false));
    assert_eq!((request.max_tokens, request.logprobs), (Some(100), Some(3)));
    assert_eq!((request.sampling.temperature, request.sampling.top_p), (Some(0.5), Some(0.9)));
    let reasoning = Reasoning { thinking: None, effort: Some(Effort::ExtraHigh), visible: Some(true) };
    assert_eq!(request.reasoning, Some(reasoning));
    assert!(
        matches!(&request.format, Some(Format::Schema { name: Some(name), strict: Some(true), .. }) if name == "n")
    );
    let texts =
        [&request.verbosity, &request.user, &request.service_tier, &request.cache_key, &request.previous];
    let texts = texts.map(|text| text.as_deref().unwrap_or_default());
    assert_eq!(texts, ["low", "new", "flex", "key", "resp_0"]);
    assert_eq!(request.metadata, Some(r#"{"k": "v"}"#));
    assert_eq!(request.tool_choice, Some(ToolChoice::One("f".into())));
    let rest: Vec<&str> = request.rest.iter().map(|member| &*member.name).collect();
    assert_eq!(rest, ["truncation", "max_tool_calls"]);
}

#[test]
fn every_kind_of_part_is_read() {
    let request = read(FULL);
    let [.., question, answer, first, second, _, _] = request.turns.as_slice() else { panic!("turns") };
    let media = |part: &Part<'_>| match &part.content {
        Content::Media(media) => format!("{:?} {:?} {:?}", media.kind, media.source, media.detail),
        other => format!("{other:?}"),
    };
    let parts: Vec<String> = question.parts.iter().map(media).collect();
    let expected = [
        r#"Text("Look:")"#,
        r#"Image Base64 { media_type: "image/png", data: "iVBO" } Some("low")"#,
        r#"Image Url { media_type: None, url: "https://e.x/a.png" } None"#,
        r#"Image File { id: "file-1" } Some("auto")"#,
        r#"Document Base64 { media_type: "application/pdf", data: "JVBE" } None"#,
        r#"Document Url { media_type: None, url: "https://e.x/b.pdf" } None"#,
        r#"Audio Base64 { media_type: "audio/mpeg", data: "UklG" } None"#,
    ];
    assert_eq!(parts, expected);
    assert!(question.parts[0].cache.is_some());
    let seal = Some(Seal { maker: Maker::OpenAi, data: "gAAA".into() });
    let thought =
        Thought { text: "A\n\nB".into(), summary: true, id: Some("rs_1".into()), seal, redacted: false };
    assert_eq!(answer.parts[0].content, Content::Thought(thought));
    assert!(
        matches!(&answer.parts[1].content, Content::Cited(text, list) if text == "I call." && list[0].range == Some((0, 6)))
    );
    assert_eq!(answer.parts[2].content, Content::Refusal("Not that.".into()));
    let call = ToolCall::new("call_1".into(), "f".into(), r#"{"a":1}"#.into());
    assert_eq!(answer.parts[3].content, Content::ToolCall(call));
    assert!(
        matches!(&answer.parts[4].content, Content::ToolCall(call) if call.custom && call.arguments == "*** Begin")
    );
    assert!(
        matches!(&answer.parts[5].content, Content::Foreign(foreign) if foreign.kind == "web_search_call")
    );
    assert!(
        matches!(&first.parts[0].content, Content::ToolResult(result) if result.id == "call_1" && !result.custom)
    );
    assert!(
        matches!(&second.parts[0].content, Content::ToolResult(result) if result.custom && result.parts.len() == 2)
    );
}

#[test]
fn a_request_that_is_written_says_the_same() {
    let first = read(FULL);
    let again = written(&first);
    let mut second = read(&again);
    let mut expected = first;
    expected.turns[2].parts[0].cache = None;
    if let ToolKind::Function(function) = &mut expected.tools[3].kind {
        function.strict = Some(false);
    }
    // How a source was written is the writer's own.
    for request in [&mut second, &mut expected] {
        if let Content::Cited(_, citations) = &mut request.turns[3].parts[1].content {
            citations[0].json = None;
        }
    }
    assert_eq!(second, expected, "{again}");
}

#[test]
fn a_text_is_a_message_of_the_user_and_little_is_said_besides() {
    let request = read(r#"{"model":"m","input":"hi"}"#);
    assert_eq!(request.turns, [Turn::new(Role::User, vec![Content::Text("hi".into()).into()])]);
    let expected = r#"{"model":"gpt-x","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}],"store":false,"stream":false}"#;
    assert_eq!(written(&request), expected);
}

#[test]
fn tools_of_a_namespace_stand_in_one_list_and_get_it_back() {
    let body = r#"{"model":"m","input":[
        {"type":"additional_tools","role":"developer","tools":[{"type":"function","name":"late"}]},
        {"type":"function_call","call_id":"c","name":"search","namespace":"mcp__docs","arguments":"{}"},
        {"type":"function_call","call_id":"d","name":"late","namespace":"late","arguments":"{}"}],
        "tools":[{"type":"namespace","name":"mcp__docs","description":"d","tools":[
            {"type":"function","name":"search","parameters":{"type":"object"}}]},
            {"type":"namespace","name":"ns__","tools":[{"type":"custom","name":"x"}]}]}"#;
    let request = read(body);
    let names = request.tools.iter().map(|tool| match &tool.kind {
        ToolKind::Function(function) => &*function.name,
        ToolKind::Custom { name, .. } => name,
        ToolKind::Hosted(_) => "hosted",
    });
    assert_eq!(names.collect::<Vec<_>>(), ["mcp__docs__search", "ns__x", "late"]);
    let calls = request.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| match &part.content {
        Content::ToolCall(call) => Some(&*call.name),
        _ => None,
    });
    assert_eq!(calls.collect::<Vec<_>>(), ["mcp__docs__search", "late"]);
}

#[test]
fn every_form_of_tool_choice_is_read_and_written() {
    let among = ToolChoice::Among { names: vec!["f".into(), "g".into()], must: true };
    let table = [
        (r#""auto""#, Some(ToolChoice::Auto)),
        (r#""none""#, Some(ToolChoice::None)),
        (r#""required""#, Some(ToolChoice::Any)),
        (r#"{"type":"function","name":"f"}"#, Some(ToolChoice::One("f".into()))),
        (r#"{"type":"custom","name":"g"}"#, Some(ToolChoice::One("g".into()))),
        (
            r#"{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"}]}"#,
            Some(among),
        ),
        (r#"{"type":"web_search_preview"}"#, None),
    ];
    for (choice, expected) in table {
        let body = format!(
            r#"{{"model":"m","input":"x","tools":[{{"type":"function","name":"f"}},{{"type":"custom","name":"g"}}],"tool_choice":{choice}}}"#
        );
        let request = read(&body);
        assert_eq!(request.tool_choice, expected, "{choice}");
        assert_eq!(json(&written(&request))["tool_choice"], json(choice), "{choice}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let table = [
        (r#"{"input":7}"#, "\"input\" must be a string or an array"),
        (r#"{"input":[{"type":"message"}]}"#, "\"input[0]\" must have a type or a role"),
        (
            r#"{"input":[{"role":"bot","content":""}]}"#,
            "\"input[0].role\" must be user, assistant, system or developer",
        ),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_text","text":1}]}]}"#,
            "\"input[0].content[0].text\" must be a string",
        ),
        (
            r#"{"input":[{"role":"user","content":[{"text":"x"}]}]}"#,
            "\"input[0].content[0].type\" must be a string",
        ),
        (
            r#"{"input":[{"type":"function_call","call_id":"c","arguments":"{}"}]}"#,
            "\"input[0].name\" must be a string",
        ),
        (
            r#"{"input":[{"type":"function_call_output","output":""}]}"#,
            "\"input[0].call_id\" must be a string",
        ),
        (
            r#"{"input":[{"type":"function_call_output","call_id":"c","output":7}]}"#,
            "\"input[0].output\" must be a string or an array",
        ),
        (
            r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{}}]}"#,
            "\"input[0].arguments\" must be a string",
        ),
        (r#"{"tools":[{"type":"function"}]}"#, "\"tools[0].name\" must be a string"),
        (r#"{"temperature":"hot"}"#, "\"temperature\" must be a number"),
        (
            r#"{"text":{"format":{"type":"yaml"}}}"#,
            "\"text.format.type\" must be text, json_object or json_schema",
        ),
        (
            r#"{"conversation":"conv_1"}"#,
            "\"conversation\" is kept at OpenAI and cannot be used with this model",
        ),
        (r#"{"prompt":{"id":"p"}}"#, "\"prompt\" is kept at OpenAI and cannot be used with this model"),
    ];
    for (body, expected) in table {
        let wrong = Responses.read_request(body).expect_err(body);
        assert_eq!(wrong.to_string(), expected, "{body}");
    }
}

#[test]
fn names_that_nobody_knows_are_no_faults() {
    let body = r#"{"input":[{"role":"user","content":[{"type":"input_hologram","x":1},{"type":"input_text","text":"t"}]},
        {"type":"item_reference","id":"msg_1"},{"type":"mcp_approval_response","approve":true}],
        "reasoning":{"effort":"extreme"},"include":["file_search_call.results"],"x-new":{"a":[1]}}"#;
    let request = read(body);
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
    let rest: Vec<&str> = request.rest.iter().map(|member| &*member.name).collect();
    assert_eq!(rest, ["reasoning.effort", "include", "x-new"]);
}

/// A request as another dialect would read it.
fn foreign() -> Request<'static> {
    let mut request = Request::new(DialectId::Anthropic);
    let text = |text: &'static str| Part::from(Content::Text(text.into()));
    request.turns = vec![
        Turn::new(Role::System, vec![text("a")]),
        Turn::new(Role::System, vec![text("b"), text("c")]),
        Turn::new(
            Role::User,
            vec![
                text("q"),
                Content::Media(Media::new(
                    MediaKind::Document,
                    Source::Base64 { media_type: "text/csv".into(), data: "YQ==".into() },
                ))
                .into(),
            ],
        ),
    ];
    let seal = |maker| Some(Seal { maker, data: "s".into() });
    let thought = |maker| {
        Part::from(Content::Thought(Thought { text: "t".into(), seal: seal(maker), ..Thought::default() }))
    };
    let call = ToolCall::new("c".into(), "f".into(), "".into());
    request.turns.push(Turn::new(
        Role::Assistant,
        vec![thought(Maker::Claude), thought(Maker::OpenAi), text("x"), Content::ToolCall(call).into()],
    ));
    let result = ToolResult {
        id: "c".into(),
        name: None,
        parts: vec![],
        json: Some(r#"{"r":1}"#),
        failed: false,
        custom: false,
    };
    request.turns.push(Turn::new(Role::User, vec![Content::ToolResult(result).into(), text("go on")]));
    let function = Function { name: "f".into(), ..Function::default() };
    request.tools = vec![Tool { kind: ToolKind::Function(function), cache: None }];
    request
}

#[test]
fn another_dialects_conversation_becomes_items_in_order() {
    let body = json(&written(&foreign()));
    assert_eq!(body["instructions"], "a");
    let kinds = body["input"].as_array().expect("items").iter().map(|item| {
        format!("{} {}", item["type"].as_str().unwrap_or("-"), item["role"].as_str().unwrap_or("-"))
    });
    let expected = [
        "message system",
        "message user",
        "reasoning -",
        "message assistant",
        "function_call -",
        "function_call_output -",
        "message user",
    ];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
    let items = &body["input"];
    assert_eq!(items[1]["content"][1]["filename"], "document.csv");
    assert_eq!(items[1]["content"][1]["file_data"], "data:text/csv;base64,YQ==");
    assert_eq!(items[2]["encrypted_content"], "s");
    assert_eq!((&items[4]["arguments"], &items[5]["output"]), (&"{}".into(), &r#"{"r":1}"#.into()));
    assert_eq!(body["tools"][0]["strict"], false);
    assert_eq!(body["include"], json(r#"["reasoning.encrypted_content"]"#));
    assert_eq!(body["store"], false);
}

#[test]
fn bounds_of_the_provider_are_kept() {
    let mut request = foreign();
    request.max_tokens = Some(1);
    request.user = Some("u".repeat(65).into());
    request.service_tier = Some("standard_only".into());
    request.reasoning =
        Some(Reasoning { thinking: Some(Thinking::Budget(5000)), effort: None, visible: None });
    let mut losses = Losses::default();
    let quirks = Quirks { refuses: &["top_p"], renames: &[("temperature", "heat")], ..Quirks::NONE };
    request.sampling.top_p = Some(0.1);
    request.sampling.temperature = Some(0.25);
    let manner = Manner { model: "m", ask_usage: false, quirks: &quirks };
    let body = Responses.write_request(&request, &manner, &mut losses).expect("a request");
    let body = json(std::str::from_utf8(&body).expect("UTF-8"));
    assert_eq!((&body["max_output_tokens"], &body["heat"]), (&16.into(), &0.25.into()));
    assert_eq!(body["reasoning"], json(r#"{"effort":"medium","summary":"auto"}"#));
    assert_eq!(losses.names(), ["thoughts", "top_p", "user", "service_tier"]);
}

#[test]
fn what_this_api_cannot_do_is_refused_or_named() {
    let table = Responses.facts().support;
    assert!(crate::dialect::canon::fit::is_well_formed(table));
    let mut request = foreign();
    request.stop = vec!["END".into()];
    request.sampling.seed = Some(1);
    let mut losses = Losses::default();
    fit(&mut request, table, &mut losses).expect("nothing is refused");
    assert_eq!(losses.names(), [Feature::Seed.name(), Feature::Stop.name()]);
    request.choices = Some(2);
    assert_eq!(fit(&mut request, table, &mut losses).expect_err("two").param.as_deref(), Some("n"));
}

#[test]
fn a_stored_conversation_stands_behind_the_instructions_of_the_next_request() {
    let first = r#"{"model":"m","instructions":"Old.","input":"hi"}"#;
    let output = r#"[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"yo","annotations":[]}]}]"#;
    let stored = history::items(None, first, output);
    let second = r#"{"model":"m","previous_response_id":"resp_1","instructions":"New.","input":[{"role":"user","content":"more"}]}"#;
    let mut request = read(second);
    history::prepend(&mut request, second, &stored).expect("items");
    let said = request.turns.iter().map(|turn| match &turn.parts[0].content {
        Content::Text(text) => format!("{:?} {}", turn.role, &**text),
        other => format!("{other:?}"),
    });
    assert_eq!(said.collect::<Vec<_>>(), ["System New.", "User hi", "Assistant yo", "User more"]);
    assert_eq!(request.previous, None);
    let again = history::items(Some(&stored), second, "[]");
    assert_eq!(json(&again).as_array().map(Vec::len), Some(3));
    assert!(history::prepend(&mut read(second), second, "{}").is_err());
}

#[test]
fn what_is_stored_of_a_whole_answer_are_its_items() {
    let response = Responses.read_response(r#"{"id":"resp_1","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"yo"}]}]}"#);
    let body = Responses.write_response(&response.expect("an answer"), &outward("{}"));
    let text = std::str::from_utf8(&body).expect("UTF-8");
    let expected = r#"[{"id":"msg_req-1_0","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"yo"}],"role":"assistant"}]"#;
    assert_eq!(history::output(text), expected);
    assert!(history::is_kept(&read(r#"{"input":"x"}"#)) && !history::is_kept(&read(r#"{"store":false}"#)));
}

#[test]
fn truncated_and_broken_requests_never_panic() {
    for end in 0..FULL.len() {
        assert!(FULL.is_char_boundary(end) && Responses.read_request(&FULL[..end]).is_err(), "{end}");
        let mut broken = FULL.as_bytes().to_vec();
        broken[end] = b'[';
        if let Ok(text) = std::str::from_utf8(&broken) {
            let _ = Responses.read_request(text).map(|request| written(&request));
        }
    }
}
