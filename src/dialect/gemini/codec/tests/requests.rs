use crate::dialect::canon::{
    Content, Effort, Format, Media, MediaKind, Reasoning, Request, Role, Source, Thinking, ToolChoice,
    ToolKind,
};
use crate::dialect::codec::Codec;
use crate::dialect::gemini::Gemini;

fn read(body: &str) -> Request<'_> {
    Gemini.read_request(body).expect(body)
}

fn contents<'r>(request: &'r Request<'_>, turn: usize) -> Vec<&'r Content<'r>> {
    request.turns[turn].parts.iter().map(|part| &part.content).collect()
}

#[test]
fn both_spellings_and_lone_elements_are_read() {
    let camel = r#"{"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[
        {"inlineData":{"mimeType":"image/png","data":"AA=="}},{"functionResponse":{"name":"f","response":{"output":"x"}}}]}],
        "generationConfig":{"maxOutputTokens":5,"stopSequences":["END"],"thinkingConfig":{"thinkingBudget":7}},
        "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
        "tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object"}}]}]}"#;
    let snake = r#"{"system_instruction":{"parts":{"text":"S"}},"contents":{"role":"user","parts":[
        {"inline_data":{"mime_type":"image/png","data":"AA=="}},{"function_response":{"name":"f","response":{"output":"x"}}}]},
        "generation_config":{"max_output_tokens":5,"stop_sequences":"END","thinking_config":{"thinking_budget":7}},
        "tool_config":{"function_calling_config":{"mode":"any","allowed_function_names":"f"}},
        "tools":{"function_declarations":{"name":"f","parameters_json_schema":{"type":"object"}}}}"#;
    assert_eq!(read(camel), read(snake));
    assert_eq!(read(camel).turns[0].role, Role::System);
}

#[test]
fn every_kind_of_part_is_read() {
    let request = read(
        r#"{"contents":[{"parts":[{"text":"a"},{"fileData":{"fileUri":"https://x.org/a.png?b.pdf"}},
        {"fileData":{"mimeType":"application/pdf","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x"}},
        {"fileData":{"fileUri":"https://www.youtube.com/watch?v=x"}},{"inlineData":{"mimeType":"audio/wav","data":"AA=="}}]},
        {"role":"model","parts":[{"text":"hm","thought":true},{"text":"b","thoughtSignature":"sigT"},
        {"functionCall":{"name":"f","args":{"x": 1}},"thoughtSignature":"sigC"},{"functionCall":{"id":"i","name":"g"}},
        {"executableCode":{"language":"PYTHON","code":"1"}},{"text":""}]}]}"#,
    );
    let user = contents(&request, 0);
    assert!(matches!(user[0], Content::Text(text) if text == "a"));
    let kinds = user.iter().filter_map(|content| match content {
        Content::Media(Media { kind, source, .. }) => Some((*kind, matches!(source, Source::File { .. }))),
        _ => None,
    });
    let expected = [
        (MediaKind::Image, false),
        (MediaKind::Document, true),
        (MediaKind::Video, false),
        (MediaKind::Audio, false),
    ];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
    let model = contents(&request, 1);
    assert!(matches!(model[0], Content::Thought(thought) if thought.text == "hm" && thought.seal.is_none()));
    assert!(
        matches!(model[1], Content::Thought(it) if it.text.is_empty() && it.seal.as_ref().is_some_and(|it| it.data == "sigT"))
    );
    assert!(matches!(model[2], Content::Text(text) if text == "b"));
    let Content::ToolCall(call) = model[3] else { panic!("a call") };
    assert_eq!((&*call.id, &*call.name, &*call.arguments), ("", "f", r#"{"x": 1}"#));
    assert_eq!(call.seal.as_ref().map(|seal| &*seal.data), Some("sigC"));
    let Content::ToolCall(call) = model[4] else { panic!("a call") };
    assert_eq!((&*call.id, &*call.arguments), ("i", "{}"));
    assert!(
        matches!(model[5], Content::Foreign(it) if it.kind == "executableCode" && it.json.starts_with(r#"{"executable"#))
    );
    assert_eq!(model.len(), 6, "an empty text says nothing");
}

#[test]
fn results_are_unwrapped() {
    let table = [
        (r#"{"output":"x"}"#, Some("x"), None, false),
        (r#"{"result":"x"}"#, Some("x"), None, false),
        (r#"{"error":"bad"}"#, Some("bad"), None, true),
        (r#"{"result":[1]}"#, None, Some("[1]"), false),
        (r#"{"error":{"a":1}}"#, None, Some(r#"{"a":1}"#), true),
        (r#"{"a":1}"#, None, Some(r#"{"a":1}"#), false),
        (r#"{"error":"e","a":1}"#, None, Some(r#"{"error":"e","a":1}"#), false),
        ("{}", None, None, false),
    ];
    for (response, text, json, failed) in table {
        let body = format!(
            r#"{{"contents":[{{"parts":[{{"functionResponse":{{"id":"i","name":"f","response":{response}}}}}]}}]}}"#
        );
        let request = read(&body);
        let Content::ToolResult(result) = contents(&request, 0)[0] else { panic!("a result") };
        let read = result.parts.first().map(|part| match &part.content {
            Content::Text(text) => &**text,
            _ => panic!("a text"),
        });
        assert_eq!((read, result.json, result.failed), (text, json, failed), "{response}");
    }
}

#[test]
fn settings_are_read() {
    let request = read(
        r#"{"contents":[],"generationConfig":{"temperature":0.5,"topP":0.9,"topK":40.0,"candidateCount":2,"seed":-3,
        "presencePenalty":1,"frequencyPenalty":-1,"responseLogprobs":true,"logprobs":3,"responseMimeType":"application/json",
        "thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"},"responseModalities":["TEXT"],"speechConfig":{}},
        "safetySettings":[],"serviceTier":"flex","labels":{"a":"b"}}"#,
    );
    assert_eq!(
        (request.sampling.temperature, request.sampling.top_k, request.sampling.seed),
        (Some(0.5), Some(40), Some(-3))
    );
    assert_eq!((request.choices, request.logprobs), (Some(2), Some(3)));
    assert_eq!(request.format, Some(Format::Json));
    let reasoning = Reasoning { effort: Some(Effort::Low), visible: Some(true), thinking: None };
    assert_eq!(request.reasoning, Some(reasoning));
    assert_eq!(request.service_tier.as_deref(), Some("flex"));
    let rest: Vec<&str> = request.rest.iter().map(|member| &*member.name).collect();
    assert_eq!(rest, ["speechConfig", "safetySettings", "labels"]);
    for (tokens, thinking) in [("-1", Thinking::Adaptive), ("0", Thinking::Off), ("9", Thinking::Budget(9))] {
        let body = format!(r#"{{"generationConfig":{{"thinkingConfig":{{"thinkingBudget":{tokens}}}}}}}"#);
        assert_eq!(read(&body).reasoning.and_then(|reasoning| reasoning.thinking), Some(thinking));
    }
}

#[test]
fn tools_and_the_choice_among_them_are_read() {
    let body = |mode: &str, names: &str| {
        format!(
            r#"{{"contents":[],"tools":[{{"functionDeclarations":[{{"name":"f","description":"d"}},{{"name":"g","description":""}}],
            "googleSearch":{{}}}},{{"urlContext":{{}}}}],"toolConfig":{{"functionCallingConfig":{{"mode":"{mode}","allowedFunctionNames":{names}}}}}}}"#
        )
    };
    let names = || vec!["f".into(), "g".into()];
    let table = [
        ("AUTO", "[]", Some(ToolChoice::Auto)),
        ("NONE", "[]", Some(ToolChoice::None)),
        ("ANY", "[]", Some(ToolChoice::Any)),
        ("ANY", r#"["f"]"#, Some(ToolChoice::One("f".into()))),
        ("ANY", r#"["f","g"]"#, Some(ToolChoice::Among { names: names(), must: true })),
        ("VALIDATED", r#"["f","g"]"#, Some(ToolChoice::Among { names: names(), must: false })),
        ("VALIDATED", "null", Some(ToolChoice::Auto)),
        ("MODE_UNSPECIFIED", "[]", None),
    ];
    for (mode, names, choice) in table {
        let body = body(mode, names);
        let request = read(&body);
        assert_eq!(request.tool_choice, choice, "{mode} {names}");
        let strict = (mode == "VALIDATED").then_some(true);
        let kinds = request.tools.iter().map(|tool| match &tool.kind {
            ToolKind::Function(function) if function.strict == strict => {
                function.description.as_deref().unwrap_or("none")
            }
            ToolKind::Hosted(hosted) if hosted.json == "{}" => &*hosted.kind,
            _ => panic!("no such tool"),
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["d", "none", "googleSearch", "urlContext"]);
    }
}

#[test]
fn schemas_of_openapi_become_json_schema() {
    let table = [
        (
            r#"{"type":"object","properties":{"a":{"type": "string"}}}"#,
            r#"{"type":"object","properties":{"a":{"type": "string"}}}"#,
        ),
        (
            r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true,"enum":["A"],"format":"enum"},"n":{"type":"INTEGER","format":"int64"}},
            "required":["n"],"propertyOrdering":["n","type"]}"#,
            r#"{"type":"object","properties":{"type":{"type":["string","null"],"enum":["A",null]},"n":{"type":"integer","format":"int64"}},"required":["n"]}"#,
        ),
        (
            r#"{"any_of":[{"type":"NUMBER"},{"type":"ARRAY","items":{"type":"BOOLEAN"},"min_items":"2"}],"nullable":true,"example":{"STRING":1}}"#,
            r#"{"anyOf":[{"type":"number"},{"type":"array","items":{"type":"boolean"},"minItems":2},{"type":"null"}],"examples":[{"STRING":1}]}"#,
        ),
        (r#"{"nullable":true,"type":"STRING","enum":[]}"#, r#"{"type":["string","null"],"enum":[null]}"#),
        (r#"{"type":"TYPE_UNSPECIFIED","ref":"\#/$defs/a","defs":{"a":{"type":"STRING"}}}"#, ""),
    ];
    for (schema, expected) in table {
        let schema = schema.replace("\\#", "#");
        let expected = if expected.is_empty() {
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}}}"##
        } else {
            expected
        };
        let body = format!(
            r#"{{"tools":[{{"functionDeclarations":[{{"name":"f","parameters":{schema}}}]}}],"generationConfig":{{"responseSchema":{schema}}}}}"#
        );
        let request = read(&body);
        let ToolKind::Function(function) = &request.tools[0].kind else { panic!("a function") };
        assert_eq!(function.schema.as_deref(), Some(expected));
        assert!(matches!(&request.format, Some(Format::Schema { schema, .. }) if *schema == expected));
    }
}

#[test]
fn a_wrong_form_is_told_with_its_place() {
    let table = [
        (r#"{"contents":[{"role":"king"}]}"#, r#""contents[0].role" must be "user" or "model""#),
        (r#"{"contents":[{"parts":[{"text":5}]}]}"#, r#""contents[0].parts[0].text" must be a string"#),
        (
            r#"{"contents":[{"parts":[{"functionCall":{}}]}]}"#,
            r#""contents[0].parts[0].functionCall" must have a name"#,
        ),
        (
            r#"{"generationConfig":{"topK":"x"}}"#,
            r#""generationConfig.topK" must be a whole number, 0 or more"#,
        ),
        (
            r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"EXTREME"}}}"#,
            r#""generationConfig.thinkingConfig.thinkingLevel" must be MINIMAL, LOW, MEDIUM or HIGH"#,
        ),
    ];
    for (body, message) in table {
        assert_eq!(Gemini.read_request(body).expect_err(body).to_string(), message);
    }
}

#[test]
fn deep_schemas_and_cut_bodies_cost_no_stack() {
    let deep = format!("{}{{}}{}", r#"{"nullable":true,"items":"#.repeat(50_000), "}".repeat(50_000));
    let body = format!(r#"{{"tools":[{{"functionDeclarations":[{{"name":"f","parameters":{deep}}}]}}]}}"#);
    assert_eq!(read(&body).tools.len(), 1);
    let whole = r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{"a":1},"parts":[{}]}}]}],"tools":[{"x":1}]}"#;
    for end in 0..whole.len() {
        let _ = Gemini.read_request(&whole[..end]);
        let _ = Gemini.read_response(&whole[..end]);
    }
}
