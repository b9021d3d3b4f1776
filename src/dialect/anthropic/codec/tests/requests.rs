use super::super::super::Anthropic;
use super::{FIXTURE_REQUESTS, foreign, manner, read, written};
use crate::dialect::DialectId;
use crate::dialect::canon::{
    Content, Effort, Format, Losses, Maker, Media, MediaKind, Part, Reasoning, Request, Role, Seal, Source,
    Thinking, Thought, ToolCall, ToolChoice, ToolResult, Turn, fit,
};
use crate::dialect::codec::{Codec, Manner};
use crate::dialect::quirks::Quirks;

fn text(text: &'static str) -> Part<'static> {
    Content::Text(text.into()).into()
}

fn call(id: &'static str, arguments: &'static str) -> Part<'static> {
    Content::ToolCall(ToolCall::new(id.into(), "f".into(), arguments.into())).into()
}

fn result(id: &'static str, parts: Vec<Part<'static>>) -> Part<'static> {
    let id = id.into();
    Content::ToolResult(ToolResult { id, name: None, parts, json: None, failed: false, custom: false }).into()
}

fn thought(seal: Option<(Maker, &'static str)>) -> Part<'static> {
    let seal = seal.map(|(maker, data)| Seal { maker, data: data.into() });
    Content::Thought(Thought { text: "hm".into(), seal, ..Thought::default() }).into()
}

fn asks(turns: Vec<Turn<'static>>) -> Request<'static> {
    let mut request = Request::new(DialectId::OpenAiChat);
    request.turns = turns;
    request
}

fn user(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn::new(Role::User, parts)
}

fn assistant(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn::new(Role::Assistant, parts)
}

fn messages(request: &Request<'_>, model: &str) -> String {
    let (body, _) = written(request, model);
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    body["messages"].to_string()
}

#[test]
fn what_is_written_is_read_again_as_it_was() {
    for (name, body) in FIXTURE_REQUESTS {
        let request = read(body);
        let model = crate::dialect::skim::string(body.as_bytes(), &["model"]).expect("a model");
        let (out, losses) = written(&request, &model);
        let mut again = read(&out);
        // A token count names no bound.
        again.max_tokens = request.max_tokens;
        assert_eq!(again, request, "{name}: {out}");
        assert_eq!(losses, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_chat_request_is_said_in_this_dialect() {
    let image = Source::from_url("data:image/png;base64,AAAA".into());
    let image = Content::Media(Media::new(MediaKind::Image, image)).into();
    let mut request =
        asks(vec![Turn::new(Role::Developer, vec![text("Be brief.")]), user(vec![text("Weather?"), image])]);
    request.stream = true;
    request.max_tokens = Some(300);
    request.stop = vec!["END".into()];
    request.user = Some("u1".into());
    request.parallel_tools = Some(false);
    request.tool_choice = Some(ToolChoice::Auto);
    request.tools = foreign(
        r#"{"messages":[],"tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}]}"#,
    )
    .tools;
    let expected = concat!(
        r#"{"model":"claude-x","max_tokens":300,"stream":true,"system":"Be brief.","messages":[{"role":"user","#,
        r#""content":[{"type":"text","text":"Weather?"},{"type":"image","source":{"type":"base64","#,
        r#""media_type":"image/png","data":"AAAA"}}]}],"tools":[{"name":"get_weather","input_schema":{"type":"object","#,
        r#""properties":{"city":{"type":"string"}}}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"#,
        r#""stop_sequences":["END"],"metadata":{"user_id":"u1"}}"#
    );
    assert_eq!(written(&request, "claude-x"), (expected.to_owned(), vec![]));
}

#[test]
fn turns_alternate_and_results_come_first() {
    let request = asks(vec![
        user(vec![text("Weather?")]),
        assistant(vec![text("Let me look.")]),
        assistant(vec![call("a", r#"{"city":"SF"}"#), call("b", "")]),
        user(vec![text("And tomorrow?")]),
        user(vec![result("a", vec![text("18C")])]),
        user(vec![result("b", vec![text("x"), text("y")]), text("  ")]),
    ]);
    let expected = concat!(
        r#"[{"role":"user","content":[{"type":"text","text":"Weather?"}]},{"role":"assistant","content":["#,
        r#"{"type":"text","text":"Let me look."},{"type":"tool_use","id":"a","name":"f","input":{"city":"SF"}},"#,
        r#"{"type":"tool_use","id":"b","name":"f","input":{}}]},{"role":"user","content":["#,
        r#"{"type":"tool_result","tool_use_id":"a","content":"18C"},{"type":"tool_result","tool_use_id":"b","#,
        r#""content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},{"type":"text","text":"And tomorrow?"}]}]"#
    );
    assert_eq!(messages(&request, "claude-x"), expected);
}

#[test]
fn arguments_that_are_no_object_become_one_and_are_named() {
    for bad in ["[1]", "{\"a\":", "nonsense", "{}}"] {
        let request = asks(vec![user(vec![text("a")]), assistant(vec![call("a", bad)])]);
        let (body, losses) = written(&request, "claude-x");
        assert!(body.contains(r#""input":{}"#), "{body}");
        assert_eq!(losses, ["tool_call.arguments"]);
    }
}

#[test]
fn nothing_empty_is_sent_and_a_lone_turn_may_be_a_systems() {
    let request = asks(vec![
        user(vec![text("a"), text(""), text(" \n")]),
        assistant(vec![text("")]),
        user(vec![text("b")]),
    ]);
    assert_eq!(
        messages(&request, "claude-x"),
        r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#
    );
    let lone = asks(vec![Turn::new(Role::System, vec![text("Say hi.")])]);
    assert_eq!(
        messages(&lone, "claude-x"),
        r#"[{"role":"user","content":[{"type":"text","text":"Say hi."}]}]"#
    );
    let nothing = asks(vec![user(vec![text(" ")])]);
    let error = Anthropic.write_request(&nothing, &manner("claude-x"), &mut Losses::default());
    assert_eq!(error.expect_err("nothing to answer").status(), 400);
    let prefill = asks(vec![user(vec![text("a")]), assistant(vec![text("{ \n")])]);
    assert!(messages(&prefill, "claude-x").ends_with(r#"[{"type":"text","text":"{"}]}]"#));
}

#[test]
fn instructions_are_hoisted_and_later_ones_stay_where_the_model_takes_them() {
    let system = |it| Turn::new(Role::System, vec![text(it)]);
    let request = asks(vec![
        system("a"),
        system("b"),
        user(vec![text("c")]),
        system("d"),
        assistant(vec![text("e")]),
        system("f"),
        user(vec![text("g")]),
        system("h"),
        system("i"),
    ]);
    let (body, _) = written(&request, "claude-opus-4-8");
    assert!(body.contains(r#""system":"a\n\nb""#), "{body}");
    let roles = |model| {
        let messages: serde_json::Value = serde_json::from_str(&messages(&request, model)).expect("JSON");
        let it = messages.as_array().expect("messages").iter();
        it.map(|it| it["role"].as_str().expect("a role").to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(roles("claude-opus-4-8"), "user system assistant user system");
    assert_eq!(roles("claude-sonnet-5"), "user assistant user");
}

#[test]
fn only_thoughts_of_claudes_are_sent_back() {
    let request = asks(vec![
        user(vec![text("a")]),
        assistant(vec![
            thought(None),
            thought(Some((Maker::Gemini, "g"))),
            thought(Some((Maker::Claude, "c"))),
            text("b"),
        ]),
        user(vec![text("d")]),
    ]);
    let (body, losses) = written(&request, "claude-x");
    assert_eq!(losses, ["thoughts"]);
    assert!(
        body.contains(r#"[{"type":"thinking","thinking":"hm","signature":"c"},{"type":"text","text":"b"}]"#)
    );
    assert_eq!(body.matches("thinking\":").count(), 1);
}

#[test]
fn a_tool_loop_without_signed_thoughts_is_gone_on_with_without_thinking() {
    let history = |parts: Vec<Part<'static>>| {
        let mut request = asks(vec![
            user(vec![text("a")]),
            assistant(parts),
            user(vec![result("a", vec![text("1")])]),
            assistant(vec![call("b", "{}")]),
            user(vec![result("b", vec![text("2")])]),
        ]);
        request.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
        request
    };
    let bare = history(vec![call("a", "{}")]);
    let signed = history(vec![thought(Some((Maker::Claude, "s"))), call("a", "{}")]);
    let thinks = |request: &Request<'_>, model| {
        let (body, losses) = written(request, model);
        assert_eq!(losses.contains(&"reasoning".to_owned()), !body.contains("\"thinking\":{"));
        body.contains("\"thinking\":{")
    };
    assert!(!thinks(&bare, "claude-sonnet-4-5"));
    assert!(thinks(&signed, "claude-sonnet-4-5"));
    assert!(thinks(&bare, "claude-opus-4-8"), "adaptive thinking needs none");
    let mut next = bare;
    next.turns.push(assistant(vec![text("done")]));
    next.turns.push(user(vec![text("next")]));
    assert!(thinks(&next, "claude-sonnet-4-5"), "a new turn may think");
}

#[test]
fn thinking_is_asked_for_as_each_model_takes_it() {
    let mut request = asks(vec![user(vec![text("a")])]);
    request.reasoning =
        Some(Reasoning { effort: Some(Effort::High), visible: Some(true), ..Reasoning::default() });
    request.sampling.temperature = Some(0.3);
    request.sampling.top_p = Some(0.99);
    request.sampling.top_k = Some(5);
    let (body, losses) = written(&request, "claude-haiku-4-5");
    let budget =
        r#""thinking":{"type":"enabled","budget_tokens":16384,"display":"summarized"},"top_p":0.99}"#;
    assert!(body.ends_with(budget), "{body}");
    assert!(body.contains(r#""max_tokens":20480"#));
    assert_eq!(losses, ["temperature", "top_k"]);
    let (body, losses) = written(&request, "claude-opus-4-8");
    let effort =
        r#""thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}}"#;
    assert!(body.ends_with(effort), "{body}");
    assert_eq!(losses, ["temperature", "top_p", "top_k"]);
    request.reasoning = Some(Reasoning { thinking: Some(Thinking::Off), ..Reasoning::default() });
    assert!(written(&request, "claude-sonnet-5").0.contains(r#""thinking":{"type":"disabled"}"#));
    assert!(!written(&request, "claude-opus-4-8").0.contains("thinking"));
}

#[test]
fn samplings_are_kept_within_what_the_model_takes() {
    let mut request = asks(vec![user(vec![text("a")])]);
    request.sampling.temperature = Some(1.7);
    request.sampling.top_k = Some(5);
    let (body, losses) = written(&request, "claude-3-5-haiku-latest");
    assert!(body.ends_with(r#""temperature":1.0,"top_k":5}"#) && losses.is_empty(), "{body}");
    assert!(body.contains(r#""max_tokens":4096"#));
    request.sampling.temperature = Some(0.2);
    request.sampling.top_p = Some(0.9);
    let (body, losses) = written(&request, "claude-sonnet-4-5");
    assert!(body.ends_with(r#""temperature":0.2,"top_k":5}"#), "{body}");
    assert_eq!(losses, ["top_p"]);
    request.sampling.temperature = Some(1.0);
    let (body, losses) = written(&request, "claude-sonnet-4-5");
    assert!(body.ends_with(r#""top_p":0.9,"top_k":5}"#) && losses.is_empty(), "{body}");
    request.max_tokens = Some(1_000_000);
    assert!(written(&request, "claude-3-haiku-20240307").0.contains(r#""max_tokens":4096"#));
    assert!(written(&request, "claude-sonnet-5").0.contains(r#""max_tokens":1000000"#));
}

#[test]
fn documents_are_pdf_or_text() {
    let document = |source| {
        let media = Media { title: Some("t".into()), ..Media::new(MediaKind::Document, source) };
        asks(vec![user(vec![Content::Media(media).into()])])
    };
    let base64 = |media_type: &'static str, data: &'static str| {
        document(Source::Base64 { media_type: media_type.into(), data: data.into() })
    };
    let table = [
        (
            base64("application/octet-stream", "JVBERi0xLjQ="),
            r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQ="},"title":"t"}"#,
        ),
        (
            base64("text/csv", "YSxi"),
            r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a,b"},"title":"t"}"#,
        ),
        (
            base64("image/jpg", "AA"),
            r#"{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AA"}}"#,
        ),
        (
            document(Source::Url { media_type: None, url: "https://a/b.pdf".into() }),
            r#"{"type":"document","source":{"type":"url","url":"https://a/b.pdf"},"title":"t"}"#,
        ),
        (
            document(Source::File { id: "file_1".into() }),
            r#"{"type":"document","source":{"type":"file","file_id":"file_1"},"title":"t"}"#,
        ),
    ];
    for (request, block) in table {
        let body = messages(&request, "claude-x");
        let expected = format!(r#"[{{"role":"user","content":[{block}]}}]"#);
        let same = |json: &str| serde_json::from_str::<serde_json::Value>(json).expect("JSON");
        assert_eq!(same(&body), same(&expected));
    }
    let office = base64("application/msword", "AAAA");
    let error = Anthropic.write_request(&office, &manner("claude-x"), &mut Losses::default());
    assert_eq!(error.expect_err("no such document").status(), 400);
}

#[test]
fn a_platform_with_a_version_in_the_body_has_no_model_there() {
    let quirks = Quirks { anthropic_version: Some("vertex-2023-10-16"), ..Quirks::NONE };
    let manner = Manner { model: "claude-sonnet-4-5@20250929", ask_usage: false, quirks: &quirks };
    let request = asks(vec![user(vec![text("a")])]);
    let body = Anthropic.write_request(&request, &manner, &mut Losses::default()).expect("it can be said");
    assert!(body.starts_with(br#"{"anthropic_version":"vertex-2023-10-16","max_tokens":4096,"messages""#));
}

#[test]
fn every_block_of_a_request_is_read() {
    let body = r#"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "messages":[{"role":"user","content":[
          {"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
            "title":"T","context":"C","citations":{"enabled":true}},
          {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AA"}},
          {"type":"image","source":{"type":"file","file_id":"file_1"}},
          {"type":"container_upload","file_id":"f"},
          {"source":"s","type":"search_result","title":"t","content":[]},
          {"content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"url","url":"u"}}],"is_error":true,
            "tool_use_id":"t1","type":"tool_result"}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":""},
          {"type":"redacted_thinking","data":"d"},{"type":"server_tool_use","id":"1","name":"web_search","input":{}},
          {"type":"text","text":"q","citations":[{"type":"page_location","cited_text":"c","document_index":1,
            "document_title":"D","start_page_number":1,"end_page_number":2}]},
          {"type":"text","text":"n","citations":null},
          {"type":"tool_use","id":"t1","name":"f","input":{"a":1},"caller":{"type":"direct"}}]},
        {"role":"system","content":"later"}],"container":"c","mcp_servers":[],"betas":["x"],
        "thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"xhigh"},"service_tier":"standard_only"}"#;
    let request = read(body);
    let kinds: Vec<String> = request
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .map(|part| format!("{:?}", part.content).split('(').next().unwrap_or_default().to_owned())
        .collect();
    let expected =
        "Text Media Media Media Foreign Foreign ToolResult Thought Thought Foreign Cited Text ToolCall Text";
    assert_eq!(kinds.join(" "), expected);
    assert_eq!(request.turns[0].parts[0].cache.map(|cache| cache.one_hour), Some(true));
    let Content::Media(media) = &request.turns[1].parts[0].content else { panic!("a document") };
    assert_eq!((&media.source, media.citations), (&Source::Text("a\nb".into()), true));
    let Content::Foreign(foreign) = &request.turns[1].parts[4].content else { panic!("foreign") };
    assert!(foreign.json.starts_with(r#"{"source":"s""#) && foreign.kind == "search_result");
    let Content::Cited(_, citations) = &request.turns[2].parts[3].content else { panic!("cited") };
    assert_eq!((citations[0].document, citations[0].title.as_deref()), (Some(1), Some("D")));
    let rest: Vec<&str> = request.rest.iter().map(|member| &*member.name).collect();
    assert_eq!(rest, ["container", "mcp_servers", "betas"]);
    let reasoning = Reasoning {
        thinking: Some(Thinking::Adaptive),
        effort: Some(Effort::ExtraHigh),
        visible: Some(false),
    };
    assert_eq!(request.reasoning, Some(reasoning));
    assert_eq!(request.service_tier.as_deref(), Some("default"));
}

#[test]
fn what_is_wrong_in_a_request_is_told_with_its_place() {
    let table = [
        (r#"{"messages":[{"role":"tool","content":"x"}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content[0].text"),
        (r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#, "messages[0].content[0].type"),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"x"}}]}]}"#,
            "messages[0].content[0].source.media_type",
        ),
        (
            r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":"x"}]}]}"#,
            "messages[0].content[0].input",
        ),
        (r#"{"messages":[],"max_tokens":"9"}"#, "max_tokens"),
        (r#"{"messages":[],"system":7}"#, "system"),
        (r#"{"messages":[],"stop_sequences":["a",1]}"#, "stop_sequences[1]"),
        (r#"{"messages":[],"tools":[{"name":"f","input_schema":[]}]}"#, "tools[0].input_schema"),
        (r#"{"messages":[],"tools":[{"input_schema":{}}]}"#, "tools[0].name"),
        (r#"{"messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice.name"),
        (r#"{"messages":[],"thinking":{"type":"enabled"}}"#, "thinking.budget_tokens"),
        (
            r#"{"messages":[],"output_config":{"format":{"type":"json_schema"}}}"#,
            "output_config.format.schema",
        ),
    ];
    for (body, place) in table {
        let wrong = Anthropic.read_request(body).expect_err(body);
        assert_eq!(wrong.path(), place, "{wrong}");
        assert_eq!(wrong.into_refusal().status(), 400);
    }
}

#[test]
fn garbage_never_panics() {
    for (_, body) in FIXTURE_REQUESTS {
        for end in (0..body.len()).filter(|end| body.is_char_boundary(*end)) {
            let _ = Anthropic.read_request(&body[..end]);
        }
        for swap in ["null", "[]", "{}", "\"\"", "-1", "true"] {
            let swapped = body.replacen("\"user\"", swap, 1).replacen("\"text\"", swap, 2);
            let _ = Anthropic.read_request(&swapped);
        }
    }
}

#[test]
fn what_the_target_lacks_is_named_before_it_is_written() {
    let mut request = asks(vec![Turn { name: Some("ann".into()), ..user(vec![text("a")]) }]);
    request.sampling.seed = Some(1);
    request.sampling.presence_penalty = Some(0.5);
    request.logprobs = Some(0);
    request.verbosity = Some("low".into());
    request.format = Some(Format::Json);
    let mut losses = Losses::default();
    fit(&mut request, Anthropic.facts().support, &mut losses).expect("nothing is refused");
    assert_eq!(losses.names(), ["name", "seed", "penalties", "logprobs", "verbosity"]);
    assert!(crate::dialect::canon::fit::is_well_formed(Anthropic.facts().support));
    request.choices = Some(2);
    assert!(fit(&mut request, Anthropic.facts().support, &mut losses).is_err());
}

#[test]
fn what_a_vendor_refuses_is_left_out_and_named() {
    let quirks = Quirks { refuses: &["top_k", "metadata"], ..Quirks::NONE };
    let manner = Manner { model: "kimi-k2", ask_usage: false, quirks: &quirks };
    let mut request = asks(vec![user(vec![text("a")])]);
    (request.sampling.top_k, request.sampling.temperature) = (Some(3), Some(0.5));
    request.user = Some("u".into());
    request.service_tier = Some("flex".into());
    let mut losses = Losses::default();
    let body = Anthropic.write_request(&request, &manner, &mut losses).expect("it can be said");
    assert!(body.ends_with(br#""temperature":0.5}"#));
    assert_eq!(losses.names(), ["top_k", "metadata", "service_tier"]);
}

#[test]
fn sources_of_another_providers_answer_are_not_sent_back() {
    let body = r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"q","citations":[
        {"type":"url_citation","url":"https://a"},{"type":"char_location","cited_text":"c","document_index":0,
        "document_title":null,"start_char_index":0,"end_char_index":1}]},
        {"type":"text","text":"r","citations":[{"type":"url_citation","url":"https://a"}]}]},
        {"role":"user","content":"a"}]}"#;
    let body = messages(&foreign(body), "claude-x");
    assert!(!body.contains("url_citation") && body.contains("char_location"), "{body}");
    assert!(
        body.contains(r#"{"text":"r","type":"text"}"#) || body.contains(r#"{"type":"text","text":"r"}"#),
        "{body}"
    );
}
