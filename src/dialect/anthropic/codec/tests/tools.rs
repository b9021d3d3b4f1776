use super::super::ANSWER_TOOL;
use super::{foreign, read, written};
use crate::dialect::canon::{Effort, Format, Reasoning, Request, Tool, ToolCall, ToolChoice, ToolKind};

const ASKED: &str = r#"{"messages":[{"role":"user","content":"a"}],"tools":[
    {"name":"f","description":"d","input_schema":{"type":"object","properties":{"a":{"type":"integer","minimum":1}},
     "required":["a"],"additionalProperties":false},"strict":true,"cache_control":{"type":"ephemeral"}},
    {"name":"g","input_schema":{}}]}"#;

fn part(request: &Request<'_>, model: &str, name: &str) -> serde_json::Value {
    let (body, _) = written(request, model);
    serde_json::from_str::<serde_json::Value>(&body).expect("JSON")[name].take()
}

fn schema<'a>(schema: &'a str) -> Format<'a> {
    Format::Schema {
        name: Some("n".into()),
        description: Some("It.".into()),
        schema: schema.into(),
        strict: Some(true),
    }
}

const CLOSED: &str = r#"{"type":"object","properties":{"a":{"type":"string","maxLength":9}},"required":["a"],"additionalProperties":false}"#;
const OPEN: &str =
    r#"{"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":"string"}}}}"#;

#[test]
fn a_tool_has_a_schema_of_an_object_and_is_strict_where_that_is_kept_to() {
    let request = foreign(ASKED);
    let tools = part(&request, "claude-sonnet-4-5", "tools");
    let expected = serde_json::json!([
        {"name":"f","description":"d","input_schema":{"type":"object","properties":{"a":{"type":"integer"}},
         "required":["a"],"additionalProperties":false},"strict":true,"cache_control":{"type":"ephemeral"}},
        {"name":"g","input_schema":{"type":"object"}}
    ]);
    assert_eq!(tools, expected);
    let (body, losses) = written(&request, "claude-sonnet-4-0");
    assert!(!body.contains("strict") && body.contains("\"minimum\":1"), "{body}");
    assert_eq!(losses, ["strict"]);
}

#[test]
fn the_choice_is_said_and_softened_where_it_cannot_be_forced() {
    let mut request = foreign(ASKED);
    let table = [
        (ToolChoice::Auto, serde_json::json!({"type":"auto"})),
        (ToolChoice::None, serde_json::json!({"type":"none"})),
        (ToolChoice::Any, serde_json::json!({"type":"any"})),
        (ToolChoice::One("f".into()), serde_json::json!({"type":"tool","name":"f"})),
        (ToolChoice::Among { names: vec!["g".into()], must: true }, serde_json::json!({"type":"any"})),
    ];
    for (choice, expected) in table {
        request.tool_choice = Some(choice);
        assert_eq!(part(&request, "claude-sonnet-4-5", "tool_choice"), expected);
    }
    assert_eq!(part(&request, "claude-sonnet-4-5", "tools").as_array().map(Vec::len), Some(1));
    let (body, losses) = written(&request, "claude-opus-5-5");
    assert!(body.contains(r#""tool_choice":{"type":"auto"}"#), "{body}");
    assert_eq!(losses, ["tool_choice"]);
    request.tools.clear();
    assert!(part(&request, "claude-sonnet-4-5", "tool_choice").is_null());
}

#[test]
fn a_forced_tool_goes_before_a_budget_to_think() {
    let mut request = foreign(ASKED);
    request.tool_choice = Some(ToolChoice::Any);
    request.reasoning = Some(Reasoning { effort: Some(Effort::High), ..Reasoning::default() });
    let (body, losses) = written(&request, "claude-haiku-4-5");
    assert!(!body.contains("thinking"), "{body}");
    assert_eq!(losses, ["reasoning"]);
    assert!(written(&request, "claude-opus-4-8").0.contains(r#""thinking":{"type":"adaptive"}"#));
}

#[test]
fn a_tool_of_free_text_is_a_function_with_one_member() {
    let mut request = foreign(ASKED);
    let format = r#"{"type":"grammar","syntax":"lark","definition":"start: \"x\""}"#;
    let kind =
        ToolKind::Custom { name: "patch".into(), description: Some("Patches.".into()), format: Some(format) };
    request.tools = vec![Tool { kind, cache: None }];
    let mut call = ToolCall::new("c".into(), "patch".into(), "*** Begin".into());
    call.custom = true;
    let parts = vec![crate::dialect::canon::Content::ToolCall(call).into()];
    request.turns.push(crate::dialect::canon::Turn::new(crate::dialect::canon::Role::Assistant, parts));
    let tools = part(&request, "claude-x", "tools");
    assert_eq!(tools[0]["description"], "Patches.\n\nThe text must follow this lark grammar:\nstart: \"x\"");
    assert_eq!(tools[0]["input_schema"]["required"][0], "free_form_text");
    let messages = part(&request, "claude-x", "messages");
    assert_eq!(messages[1]["content"][0]["input"], serde_json::json!({"free_form_text":"*** Begin"}));
}

#[test]
fn a_schema_is_kept_natively_where_the_model_can() {
    let mut request = foreign(ASKED);
    request.format = Some(schema(CLOSED));
    let (body, losses) = written(&request, "claude-sonnet-4-5");
    let native = r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}"#;
    assert!(body.contains(native) && !body.contains(ANSWER_TOOL), "{body}");
    assert!(losses.is_empty());
}

#[test]
fn elsewhere_the_answer_is_the_arguments_of_a_tool_that_must_be_called() {
    let mut request = foreign(ASKED);
    request.format = Some(schema(CLOSED));
    request.tools.clear();
    let expected = serde_json::json!({"type":"tool","name":ANSWER_TOOL,"disable_parallel_tool_use":true});
    assert_eq!(part(&request, "claude-3-5-sonnet-20241022", "tool_choice"), expected);
    let tools = part(&request, "claude-3-5-sonnet-20241022", "tools");
    assert_eq!(tools[0]["name"], ANSWER_TOOL);
    assert_eq!(tools[0]["description"], "It.");
    assert_eq!(tools[0]["input_schema"].to_string(), CLOSED);
    // Members of any name cannot be said natively.
    request.format = Some(schema(OPEN));
    assert_eq!(part(&request, "claude-sonnet-4-5", "tool_choice"), expected);
    assert!(written(&request, "claude-opus-5-5").0.contains("\"output_config\""));
    // The caller's own tools may be called first.
    let mut with_tools = foreign(ASKED);
    with_tools.format = Some(schema(OPEN));
    assert_eq!(part(&with_tools, "claude-sonnet-4-5", "tool_choice")["type"], "any");
    assert_eq!(part(&with_tools, "claude-sonnet-4-5", "tools").as_array().map(Vec::len), Some(3));
    with_tools.tool_choice = Some(ToolChoice::One("f".into()));
    assert!(!written(&with_tools, "claude-sonnet-4-5").0.contains(ANSWER_TOOL), "a call answers it already");
}

#[test]
fn some_json_object_is_asked_for_in_words() {
    let mut request = foreign(r#"{"system":"S","messages":[{"role":"user","content":"a"}]}"#);
    request.format = Some(Format::Json);
    let system = part(&request, "claude-x", "system");
    assert!(
        system.as_str().is_some_and(|text| text.starts_with("S\n\nAnswer with one JSON object")),
        "{system}"
    );
    request.format = Some(schema(r#"{"type":"array","items":{"type":"string"}}"#));
    let system = part(&request, "claude-3-haiku-20240307", "system");
    assert!(
        system.as_str().is_some_and(|text| text.ends_with(r#"{"type":"array","items":{"type":"string"}}"#))
    );
}

#[test]
fn tools_of_the_provider_are_told_from_functions() {
    let request = read(
        r#"{"messages":[],"tools":[{"type":"custom","name":"f","input_schema":{"type":"object"}},
        {"type":"web_search_20250305","name":"web_search","max_uses":3},{"name":"bare"}],
        "tool_choice":{"type":"any","disable_parallel_tool_use":true}}"#,
    );
    assert!(matches!(&request.tools[0].kind, ToolKind::Function(function) if function.name == "f"));
    assert!(matches!(&request.tools[1].kind, ToolKind::Hosted(tool) if tool.kind == "web_search_20250305"));
    assert!(matches!(&request.tools[2].kind, ToolKind::Function(function) if function.schema.is_none()));
    assert_eq!((request.tool_choice, request.parallel_tools), (Some(ToolChoice::Any), Some(false)));
}
