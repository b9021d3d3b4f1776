use super::{json, manner, written};
use crate::dialect::canon::{
    Content, Effort, Format, Function, Losses, Maker, Media, MediaKind, Part, Reasoning, Request, Role, Seal,
    Source, Thinking, Thought, Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Turn,
};
use crate::dialect::codec::{Codec, Manner};
use crate::dialect::gemini::Gemini;
use crate::dialect::quirks::Quirks;
use crate::dialect::{DialectId, bridge};

fn text(text: &'static str) -> Part<'static> {
    Content::Text(text.into()).into()
}

fn call(id: &'static str, name: &'static str) -> Part<'static> {
    Content::ToolCall(ToolCall::new(id.into(), name.into(), "".into())).into()
}

fn result(id: &'static str, parts: Vec<Part<'static>>) -> ToolResult<'static> {
    ToolResult { id: id.into(), name: None, parts, json: None, failed: false, custom: false }
}

fn png() -> Part<'static> {
    let source = Source::Base64 { media_type: "image/png".into(), data: "AA==".into() };
    Content::Media(Media::new(MediaKind::Image, source)).into()
}

fn asked(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::new(DialectId::OpenAiChat) }
}

fn hello() -> Request<'static> {
    asked(vec![Turn::new(Role::User, vec![text("hi")])])
}

fn function(name: &'static str) -> Tool<'static> {
    let schema = Some(r#"{"$schema":"x","type":["object","null"]}"#.into());
    Tool {
        kind: ToolKind::Function(Function { name: name.into(), schema, ..Function::default() }),
        cache: None,
    }
}

#[test]
fn a_conversation_with_tools_is_written() {
    let request = asked(vec![
        Turn::new(Role::System, vec![text("S")]),
        Turn::new(Role::Developer, vec![text("D")]),
        Turn::new(Role::User, vec![text("Weather in SF?")]),
        Turn::new(Role::Assistant, vec![text("Let me see.")]),
        Turn::new(Role::Assistant, vec![call("a", "get_weather"), call("b", "get_time")]),
        Turn::new(Role::User, vec![Content::ToolResult(result("b", vec![text("noon")])).into()]),
        Turn::new(Role::User, vec![text("Well?")]),
        Turn::new(Role::User, vec![Content::ToolResult(result("a", vec![text(r#"{"temp": 18}"#)])).into()]),
        Turn::new(Role::System, vec![text("Be brief.")]),
    ]);
    let expected = r#"{"systemInstruction":{"parts":[{"text":"S"},{"text":"D"}]},"contents":[
        {"role":"user","parts":[{"text":"Weather in SF?"}]},
        {"role":"model","parts":[{"text":"Let me see."},{"functionCall":{"id":"a","name":"get_weather","args":{}}},
            {"functionCall":{"id":"b","name":"get_time","args":{}}}]},
        {"role":"user","parts":[{"functionResponse":{"id":"b","name":"get_time","response":{"result":"noon"}}},
            {"functionResponse":{"id":"a","name":"get_weather","response":{"temp":18}}},{"text":"Well?"},{"text":"Be brief."}]}]}"#;
    assert_eq!(written(&request, "gemini-2.5-flash"), (json(expected), vec![]));
}

#[test]
fn results_are_wrapped_so_that_nothing_of_them_is_lost() {
    let table = [
        (result("x", vec![text("a"), text("b")]), r#"{"result":"a\nb"}"#),
        (ToolResult { failed: true, ..result("x", vec![text("bad")]) }, r#"{"error":"bad"}"#),
        (result("x", vec![]), "{}"),
        (result("x", vec![text("")]), r#"{"result":""}"#),
        (result("x", vec![text("[1]")]), r#"{"result":"[1]"}"#),
        (result("x", vec![text(r#"{"error":"e"}"#)]), r#"{"result":{"error":"e"}}"#),
        // Google reads numbers as doubles.
        (
            result("x", vec![text(r#"{"id":12345678901234567}"#)]),
            r#"{"result":"{\"id\":12345678901234567}"}"#,
        ),
        (result("x", vec![text(r#"{"cut":"#)]), r#"{"result":"{\"cut\":"}"#),
        (ToolResult { json: Some("[1]"), ..result("x", vec![]) }, r#"{"result":[1]}"#),
        (ToolResult { json: Some(r#"{"a":1}"#), ..result("x", vec![]) }, r#"{"a":1}"#),
        (
            ToolResult { json: Some(r#"{"a":1}"#), failed: true, ..result("x", vec![]) },
            r#"{"error":{"a":1}}"#,
        ),
    ];
    for (result, expected) in table {
        let request = asked(vec![Turn::new(Role::User, vec![Content::ToolResult(result).into()])]);
        let (body, _) = written(&request, "gemini-2.5-flash");
        let response = &body["contents"][0]["parts"][0]["functionResponse"];
        assert_eq!(response["response"], json(expected));
        assert_eq!((&response["name"], &response["id"]), (&json(r#""tool""#), &json(r#""x""#)));
    }
}

#[test]
fn media_of_results_stand_within_from_gemini_3_on() {
    let request = asked(vec![
        Turn::new(Role::Assistant, vec![call("a", "f")]),
        Turn::new(Role::User, vec![Content::ToolResult(result("a", vec![text("x"), png()])).into()]),
    ]);
    let image = json(r#"{"inlineData":{"mimeType":"image/png","data":"AA=="}}"#);
    let (body, _) = written(&request, "gemini-2.5-pro");
    assert_eq!(body["contents"][1]["parts"][1], image);
    let (body, _) = written(&request, "models/gemini-3-pro-preview");
    assert_eq!(body["contents"][1]["parts"][0]["functionResponse"]["parts"][0], image);
    assert!(body["contents"][1]["parts"][1].is_null());
}

#[test]
fn gemini_3_gets_a_signature_on_the_first_call_of_each_message() {
    let mut sealed = ToolCall::new("c".into(), "f".into(), "{}".into());
    sealed.seal = Some(Seal { maker: Maker::Gemini, data: "own".into() });
    let mut foreign = sealed.clone();
    foreign.seal = Some(Seal { maker: Maker::OpenAi, data: "not its".into() });
    let request = asked(vec![
        Turn::new(Role::Assistant, vec![call("a", "f"), call("b", "f")]),
        Turn::new(Role::User, vec![text("x")]),
        Turn::new(Role::Assistant, vec![Content::ToolCall(sealed).into(), call("d", "f")]),
        Turn::new(Role::User, vec![text("x")]),
        Turn::new(Role::Assistant, vec![Content::ToolCall(foreign).into()]),
    ]);
    let signatures = |model: &str| -> Vec<Option<String>> {
        let (body, _) = written(&request, model);
        let contents = body["contents"].as_array().expect("messages").clone();
        let parts = contents.iter().flat_map(|turn| turn["parts"].as_array().expect("parts"));
        let calls = parts.filter(|part| !part["functionCall"].is_null());
        calls.map(|part| part["thoughtSignature"].as_str().map(str::to_owned)).collect()
    };
    let skip = Some("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=".to_owned());
    let own = Some("own".to_owned());
    for model in ["gemini-3-pro-preview", "gemini-3.5-flash", "gemini-flash-latest", "of-no-generation"] {
        assert_eq!(signatures(model), [skip.clone(), None, own.clone(), None, skip.clone()]);
    }
    for model in ["gemini-2.5-pro", "gemini-2.0-flash"] {
        assert_eq!(signatures(model), [None, None, own.clone(), None, None]);
    }
}

#[test]
fn only_its_own_thoughts_are_told_again() {
    let thought = |text: &'static str, maker: Option<Maker>| -> Part<'static> {
        let seal = maker.map(|maker| Seal { maker, data: "sig".into() });
        Content::Thought(Thought { text: text.into(), seal, ..Thought::default() }).into()
    };
    let parts = vec![
        thought("theirs", Some(Maker::Claude)),
        thought("nobody's", None),
        thought("own", Some(Maker::Gemini)),
        thought("", Some(Maker::Gemini)),
        text("so"),
        thought("", Some(Maker::Gemini)),
        call("a", "f"),
    ];
    let (body, lost) = written(&asked(vec![Turn::new(Role::Assistant, parts)]), "gemini-2.5-pro");
    let expected = r#"[{"text":"own","thought":true,"thoughtSignature":"sig"},{"text":"so","thoughtSignature":"sig"},
        {"text":"","thoughtSignature":"sig"},{"functionCall":{"id":"a","name":"f","args":{}}}]"#;
    assert_eq!((&body["contents"][0]["parts"], lost), (&json(expected), vec!["thoughts".to_owned()]));
}

#[test]
fn media_are_written_wherever_they_are() {
    let media = |kind, source| -> Part<'static> { Content::Media(Media::new(kind, source)).into() };
    let url = |url: &'static str| Source::Url { media_type: None, url: url.into() };
    let parts = vec![
        png(),
        media(MediaKind::Image, url("https://x.org/a.PNG?x=.pdf#y")),
        media(MediaKind::Document, url("https://x.org/paper")),
        media(MediaKind::Video, url("https://youtu.be/x")),
        media(MediaKind::Document, Source::Text("words".into())),
        media(MediaKind::Document, Source::File { id: "gs://bucket/a.txt".into() }),
    ];
    let (body, lost) = written(&asked(vec![Turn::new(Role::User, parts)]), "gemini-2.5-pro");
    let expected = r#"[{"inlineData":{"mimeType":"image/png","data":"AA=="}},
        {"fileData":{"mimeType":"image/png","fileUri":"https://x.org/a.PNG?x=.pdf#y"}},
        {"fileData":{"mimeType":"application/pdf","fileUri":"https://x.org/paper"}},
        {"fileData":{"mimeType":"video/mp4","fileUri":"https://youtu.be/x"}},{"text":"words"},
        {"fileData":{"mimeType":"text/plain","fileUri":"gs://bucket/a.txt"}}]"#;
    assert_eq!((&body["contents"][0]["parts"], lost), (&json(expected), vec![]));
    let foreign = vec![media(MediaKind::Document, Source::File { id: "file-abc".into() })];
    let request = asked(vec![Turn::new(Role::User, foreign)]);
    let refused = Gemini.write_request(&request, &manner("gemini-2.5-pro"), &mut Losses::default());
    assert_eq!(refused.expect_err("a file of another provider").param.as_deref(), Some("file_id"));
}

#[test]
fn settings_are_written() {
    let mut request = hello();
    request.sampling.temperature = Some(1.0);
    request.sampling.top_p = Some(0.25);
    request.sampling.top_k = Some(3);
    request.sampling.seed = Some(1 << 40);
    request.sampling.presence_penalty = Some(-0.5);
    request.sampling.frequency_penalty = Some(0.5);
    request.max_tokens = Some(10);
    request.choices = Some(2);
    request.logprobs = Some(0);
    request.stop = ["1", "2", "3", "4", "5", "6"].map(Into::into).to_vec();
    request.format = Some(Format::Schema {
        name: Some("n".into()),
        description: None,
        schema: r#"{"type": "object"}"#.into(),
        strict: None,
    });
    request.service_tier = Some("default".into());
    let (body, lost) = written(&request, "gemini-2.5-flash");
    let expected = r#"{"temperature":1.0,"topP":0.25,"topK":3,"seed":256,"presencePenalty":-0.5,"frequencyPenalty":0.5,"maxOutputTokens":10,
        "candidateCount":2,"stopSequences":["1","2","3","4","5"],"responseLogprobs":true,"responseMimeType":"application/json",
        "responseJsonSchema":{"type":"object"}}"#;
    assert_eq!((&body["generationConfig"], lost), (&json(expected), vec!["stop".to_owned()]));
    assert_eq!(body["serviceTier"], "standard");
    let mut plain = hello();
    plain.sampling.presence_penalty = Some(0.0);
    let (body, _) = written(&plain, "gemini-2.5-flash");
    assert_eq!(body, json(r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#));
}

#[test]
fn vertex_has_no_tiers_in_the_body() {
    let mut request = hello();
    request.service_tier = Some("flex".into());
    let quirks = Quirks { refuses: &["serviceTier"], ..Quirks::NONE };
    let manner = Manner { model: "gemini-2.5-pro", ask_usage: false, quirks: &quirks };
    let mut losses = Losses::default();
    let body = Gemini.write_request(&request, &manner, &mut losses).expect("it can be said");
    assert!(!String::from_utf8(body).expect("UTF-8").contains("Tier"));
    assert_eq!(losses.names(), ["service_tier"]);
}

#[test]
fn thinking_is_asked_for_as_each_generation_has_it() {
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let thinking = |thinking| Reasoning { thinking: Some(thinking), ..Reasoning::default() };
    let table = [
        ("gemini-2.5-flash", effort(Effort::None), r#"{"thinkingBudget":0}"#),
        ("gemini-2.5-pro", effort(Effort::None), r#"{"thinkingBudget":128}"#),
        ("gemini-2.5-flash", effort(Effort::Low), r#"{"thinkingBudget":1024}"#),
        ("gemini-2.5-flash", effort(Effort::Max), r#"{"thinkingBudget":24576}"#),
        ("gemini-2.5-pro", effort(Effort::Max), r#"{"thinkingBudget":32768}"#),
        ("gemini-2.5-flash-lite", thinking(Thinking::Budget(5)), r#"{"thinkingBudget":512}"#),
        ("gemini-2.5-flash", thinking(Thinking::Adaptive), r#"{"thinkingBudget":-1}"#),
        ("tuned-model", effort(Effort::Medium), r#"{"thinkingBudget":4096}"#),
        ("gemini-3-pro-preview", effort(Effort::Minimal), r#"{"thinkingLevel":"LOW"}"#),
        ("gemini-3-pro-preview", effort(Effort::Medium), r#"{"thinkingLevel":"HIGH"}"#),
        ("gemini-3.1-pro", effort(Effort::Medium), r#"{"thinkingLevel":"MEDIUM"}"#),
        ("gemini-3-flash", thinking(Thinking::Off), r#"{"thinkingLevel":"MINIMAL"}"#),
        ("gemini-3-flash", thinking(Thinking::Budget(20_000)), r#"{"thinkingLevel":"HIGH"}"#),
        (
            "gemini-3-flash",
            Reasoning { visible: Some(true), ..Reasoning::default() },
            r#"{"includeThoughts":true}"#,
        ),
    ];
    for (model, reasoning, expected) in table {
        let request = Request { reasoning: Some(reasoning), ..hello() };
        let (body, _) = written(&request, model);
        assert_eq!(body["generationConfig"]["thinkingConfig"], json(expected), "{model} {reasoning:?}");
    }
    let request = Request { reasoning: Some(effort(Effort::High)), ..hello() };
    let (body, lost) = written(&request, "gemini-2.0-flash");
    assert!(body["generationConfig"].is_null() && lost == ["reasoning"]);
    let request = Request { reasoning: Some(thinking(Thinking::Adaptive)), ..hello() };
    assert!(written(&request, "gemini-3-flash").0["generationConfig"].is_null());
}

#[test]
fn tools_are_written_with_their_schemas_whole() {
    let mut request = hello();
    let empty = Function {
        name: "g".into(),
        description: Some("d".into()),
        schema: Some(" {} ".into()),
        strict: None,
    };
    request.tools = vec![function("f"), Tool { kind: ToolKind::Function(empty), cache: None }];
    let choices = [
        (None, "null"),
        (Some(ToolChoice::Auto), r#"{"mode":"AUTO"}"#),
        (Some(ToolChoice::None), r#"{"mode":"NONE"}"#),
        (Some(ToolChoice::Any), r#"{"mode":"ANY"}"#),
        (Some(ToolChoice::One("f".into())), r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#),
        (
            Some(ToolChoice::Among { names: vec!["f".into(), "g".into()], must: false }),
            r#"{"mode":"VALIDATED","allowedFunctionNames":["f","g"]}"#,
        ),
    ];
    for (choice, expected) in choices {
        request.tool_choice = choice;
        let (body, _) = written(&request, "gemini-2.5-flash");
        let tools = r#"[{"functionDeclarations":[{"name":"f","description":"","parametersJsonSchema":{"$schema":"x","type":["object","null"]}},
            {"name":"g","description":"d"}]}]"#;
        assert_eq!(body["tools"], json(tools));
        assert_eq!(body["toolConfig"]["functionCallingConfig"], json(expected));
    }
    if let ToolKind::Function(function) = &mut request.tools[0].kind {
        function.strict = Some(true);
    }
    request.tool_choice = None;
    let mode = |model| written(&request, model).0["toolConfig"]["functionCallingConfig"]["mode"].clone();
    assert_eq!((mode("gemini-2.5-pro"), mode("gemini-2.0-flash")), ("VALIDATED".into(), json("null")));
}

#[test]
fn arguments_that_are_no_object_are_named() {
    let mut parts = Vec::new();
    for arguments in ["", " {\"a\":1} ", "[1]", "{\"cut"] {
        parts.push(Content::ToolCall(ToolCall::new("c".into(), "f".into(), arguments.into())).into());
    }
    let custom = ToolCall { custom: true, ..ToolCall::new("c".into(), "f".into(), "free text".into()) };
    parts.push(Content::ToolCall(custom).into());
    let (body, lost) = written(&asked(vec![Turn::new(Role::Assistant, parts)]), "gemini-2.5-flash");
    let parts = body["contents"][0]["parts"].as_array().expect("parts");
    let args: Vec<String> = parts.iter().map(|part| part["functionCall"]["args"].to_string()).collect();
    assert_eq!(args, ["{}", r#"{"a":1}"#, "{}", "{}", r#"{"input":"free text"}"#]);
    assert_eq!(lost, ["tool_call.arguments"]);
}

#[test]
fn nothing_to_say_is_refused() {
    let request =
        asked(vec![Turn::new(Role::System, vec![text("S")]), Turn::new(Role::User, vec![text("")])]);
    let refused = Gemini.write_request(&request, &manner("gemini-2.5-pro"), &mut Losses::default());
    assert_eq!(refused.expect_err("no message").status(), 400);
}

#[test]
fn calls_and_results_without_ids_agree_behind_the_bridge() {
    let body = r#"{"contents":[{"parts":[{"text":"hi"}]},
        {"role":"model","parts":[{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"g","args":{}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"g","response":{"output":"2"}}},{"functionResponse":{"name":"f","response":{"output":"1"}}}]}],
        "tools":[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"},{"name":"g"}]}],"safetySettings":[],
        "generationConfig":{"stopSequences":["END"],"seed":7}}"#;
    let translated =
        bridge::request(&Gemini, &Gemini, body, &manner("gemini-2.5-pro"), |_| Ok(())).expect("a request");
    let written: serde_json::Value = serde_json::from_slice(&translated.body).expect("JSON");
    let id =
        |turn: usize, part: usize, kind: &str| written["contents"][turn]["parts"][part][kind]["id"].clone();
    assert_eq!(id(1, 0, "functionCall"), id(2, 1, "functionResponse"));
    assert_eq!(id(1, 1, "functionCall"), id(2, 0, "functionResponse"));
    assert!(id(1, 0, "functionCall").is_string());
    assert_eq!(translated.losses.names(), ["safetySettings", "hosted_tools"]);
}

#[test]
fn the_table_speaks_of_each_feature_once() {
    assert!(crate::dialect::canon::fit::is_well_formed(Gemini.facts().support));
}
