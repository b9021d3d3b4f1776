//! How the model is steered: tools and their choice, the form of the answer, thinking, sampling. Each differs by model.

use serde_json::json;

use super::*;
use crate::dialect::canon::{
    Effort, Format, Function, Maker, Reasoning, Sampling, Seal, Thinking, Thought, Tool, ToolCall,
    ToolChoice, ToolKind, ToolResult,
};

const OLD_CLAUDE: &str = "anthropic.claude-3-7-sonnet-20250219-v1:0";
const NEW_CLAUDE: &str = "global.anthropic.claude-opus-4-7";
const FABLE: &str = "anthropic.claude-fable-5-1";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";
const LLAMA: &str = "us.meta.llama4-maverick-17b-instruct-v1:0";
const MISTRAL: &str = "mistral.mistral-large-2407-v1:0";
const GPT_OSS: &str = "openai.gpt-oss-120b-1:0";

fn tool(name: &'static str) -> Tool<'static> {
    let function = Function { name: name.into(), strict: Some(true), ..Function::default() };
    Tool { kind: ToolKind::Function(function), cache: None }
}

fn with_tools(choice: Option<ToolChoice<'static>>) -> Request<'static> {
    let mut it = request("go");
    it.tools = vec![tool("f"), tool("g")];
    it.tool_choice = choice;
    it
}

fn names(body: &Value) -> Vec<&str> {
    let tools = body["toolConfig"]["tools"].as_array();
    tools.into_iter().flatten().filter_map(|tool| tool["toolSpec"]["name"].as_str()).collect()
}

#[test]
fn a_choice_is_said_as_the_model_understands_it() {
    let among = |must| ToolChoice::Among { names: vec!["g".into()], must };
    let f = || ToolChoice::One("f".into());
    let (any, one) = (json!({"any": {}}), json!({"tool": {"name": "f"}}));
    let both: &'static [&'static str] = &["f", "g"];
    type Line =
        (&'static str, Option<ToolChoice<'static>>, Value, &'static [&'static str], &'static [&'static str]);
    let table: Vec<Line> = vec![
        (CLAUDE, None, Value::Null, both, &[]),
        (CLAUDE, Some(ToolChoice::Auto), Value::Null, both, &[]),
        (CLAUDE, Some(ToolChoice::Any), any.clone(), both, &[]),
        (CLAUDE, Some(f()), one.clone(), both, &[]),
        (CLAUDE, Some(among(true)), any.clone(), &["g"], &[]),
        (CLAUDE, Some(among(false)), Value::Null, &["g"], &[]),
        (CLAUDE, Some(ToolChoice::None), Value::Null, &[], &[]),
        (NOVA, Some(f()), one, both, &["strict"]),
        (MISTRAL, Some(f()), any, &["f"], &["strict"]),
        (LLAMA, Some(f()), Value::Null, &["f"], &["tool_choice_one", "strict"]),
        (LLAMA, Some(ToolChoice::Any), Value::Null, both, &["tool_choice_any", "strict"]),
        (FABLE, Some(ToolChoice::Any), Value::Null, both, &["tool_choice_any"]),
    ];
    for (model, choice, expected, tools, lost) in table {
        let label = format!("{model} {choice:?}");
        let (body, losses) = written(&with_tools(choice), model).expect("a request");
        let choice = body["toolConfig"].get("toolChoice").cloned().unwrap_or_default();
        assert_eq!(
            (choice, names(&body), losses),
            (expected, tools.to_vec(), lost.iter().map(|name| name.to_string()).collect()),
            "{label}"
        );
    }
}

#[test]
fn tools_stay_where_the_conversation_holds_calls() {
    let mut it = with_tools(Some(ToolChoice::None));
    it.turns.push(model(vec![Content::ToolCall(ToolCall::new("c".into(), "f".into(), "{}".into())).into()]));
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    assert_eq!((names(&body), losses), (vec!["f", "g"], vec!["tool_choice_none".to_owned()]));
}

#[test]
fn claude_is_told_to_call_one_tool_at_a_time() {
    let mut it = with_tools(Some(ToolChoice::One("f".into())));
    it.parallel_tools = Some(false);
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    let choice = json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true});
    assert_eq!(body["additionalModelRequestFields"], json!({"tool_choice": choice}));
    assert!(body["toolConfig"].get("toolChoice").is_none() && losses.is_empty());
    let (_, losses) = written(&it, NOVA).expect("a request");
    assert_eq!(losses, ["parallel_tool_calls", "strict"]);
}

const OPEN: &str = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
const LIST: &str = r#"{"type":"array"}"#;

fn formed(schema: &'static str, strict: Option<bool>) -> Request<'static> {
    let mut it = request("go");
    let (name, description) = (Some("the answer!".into()), Some("A letter.".into()));
    it.format = Some(Format::Schema { name, description, schema: schema.into(), strict });
    it
}

#[test]
fn the_form_of_an_answer_is_held_by_bedrock_where_it_can() {
    let (body, _) = written(&formed(OPEN, Some(true)), CLAUDE).expect("a request");
    let schema = json!({"description": "A letter.", "schema": OPEN});
    let format = json!({"type": "json_schema", "structure": {"jsonSchema": schema}});
    assert_eq!(body["outputConfig"], json!({"textFormat": format}));
    for model in [GPT_OSS, "qwen.qwen3-32b-v1:0", FABLE] {
        let (body, _) = written(&formed(OPEN, Some(true)), model).expect("a request");
        assert!(body["outputConfig"]["textFormat"].is_object(), "{model}");
    }
}

#[test]
fn the_form_of_an_answer_is_a_tools_where_bedrock_cannot_hold_it() {
    for (model, it) in
        [(OLD_CLAUDE, formed(OPEN, Some(true))), (CLAUDE, formed(OPEN, None)), (NOVA, formed(OPEN, None))]
    {
        let (body, losses) = written(&it, model).expect("a request");
        let spec = &body["toolConfig"]["tools"][0]["toolSpec"];
        assert_eq!((&spec["name"], &spec["description"]), (&json!(ANSWER), &json!("A letter.")), "{model}");
        assert_eq!(spec["inputSchema"]["json"], serde_json::from_str::<Value>(OPEN).expect("JSON"));
        assert_eq!(body["toolConfig"]["toolChoice"], json!({"tool": {"name": ANSWER}}));
        assert!(body.get("outputConfig").is_none() && losses.is_empty());
    }
    // Other tools may be called before.
    let mut it = formed(OPEN, None);
    it.tools.push(tool("f"));
    let (body, _) = written(&it, OLD_CLAUDE).expect("a request");
    assert_eq!((names(&body), &body["toolConfig"]["toolChoice"]), (vec!["f", ANSWER], &json!({"any": {}})));
    // Where one must be called, there is no answer.
    it.tool_choice = Some(ToolChoice::One("f".into()));
    let (body, _) = written(&it, OLD_CLAUDE).expect("a request");
    assert_eq!(names(&body), ["f"]);
}

const ANSWER: &str = super::super::ANSWER_TOOL;

#[test]
fn where_no_tool_can_hold_the_form_the_model_is_told() {
    let mut it = request("go");
    it.format = Some(Format::Json);
    for (model, it) in [(CLAUDE, it), (OLD_CLAUDE, formed(LIST, None)), (LLAMA, formed(OPEN, None))] {
        let (body, _) = written(&it, model).expect("a request");
        let text = body["system"][0]["text"].as_str().expect("words");
        assert!(text.contains("JSON") && body.get("toolConfig").is_none(), "{model}: {text}");
    }
}

#[test]
fn each_vendor_is_told_to_think_in_its_own_place() {
    let wish = |thinking, effort| Reasoning { thinking, effort, visible: Some(true) };
    let low = wish(None, Some(Effort::Low));
    let high = wish(None, Some(Effort::High));
    let highest = wish(None, Some(Effort::Max));
    let off = wish(Some(Thinking::Off), None);
    let budget = wish(Some(Thinking::Budget(9000)), None);
    let adaptive = json!({"thinking": {"type": "adaptive", "display": "summarized"}});
    let table: Vec<(&str, Reasoning, Value, Value)> = vec![
        (OLD_CLAUDE, low, json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), Value::Null),
        (OLD_CLAUDE, budget, json!({"thinking": {"type": "enabled", "budget_tokens": 3999}}), Value::Null),
        (OLD_CLAUDE, off, Value::Null, Value::Null),
        (NEW_CLAUDE, low, adaptive.clone(), json!("low")),
        (NEW_CLAUDE, budget, adaptive.clone(), json!("high")),
        (NEW_CLAUDE, highest, adaptive.clone(), json!("max")),
        ("anthropic.claude-sonnet-4-6", highest, adaptive, json!("high")),
        (NEW_CLAUDE, off, json!({"thinking": {"type": "disabled"}}), Value::Null),
        (FABLE, off, Value::Null, json!("low")),
        (
            NOVA,
            low,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
            Value::Null,
        ),
        (
            NOVA,
            high,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
            Value::Null,
        ),
        (NOVA, off, Value::Null, Value::Null),
        (GPT_OSS, highest, json!({"reasoning_effort": "high"}), Value::Null),
        (GPT_OSS, off, json!({"reasoning_effort": "low"}), Value::Null),
        ("us.openai.gpt-5.2", off, json!({"reasoning": {"effort": "none"}}), Value::Null),
        ("us.openai.gpt-5.2", highest, json!({"reasoning": {"effort": "xhigh"}}), Value::Null),
        ("qwen.qwen3-235b-a22b-2507-v1:0", high, json!({"reasoning_config": "high"}), Value::Null),
        ("moonshotai.kimi-k2.5", off, Value::Null, Value::Null),
    ];
    for (model, wish, fields, effort) in table {
        let mut it = request("go");
        it.max_tokens = Some(4000);
        it.reasoning = Some(wish);
        let (body, losses) = written(&it, model).expect("a request");
        let said = body.get("additionalModelRequestFields").cloned().unwrap_or_default();
        assert_eq!((said, &body["outputConfig"]["effort"]), (fields, &effort), "{model} {wish:?}");
        assert!(losses.is_empty(), "{model} {wish:?} {losses:?}");
    }
    let mut it = request("go");
    it.reasoning = Some(high);
    let (body, _) = written(&it, NOVA).expect("a request");
    assert_eq!(body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"], "high");
    let (body, losses) = written(&it, LLAMA).expect("a request");
    assert_eq!((body.get("additionalModelRequestFields"), losses), (None, vec!["reasoning".to_owned()]));
}

#[test]
fn claude_does_not_think_where_it_would_refuse_the_request() {
    let thinking = |it: &mut Request<'static>| {
        it.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    };
    let lost = |it: &Request<'_>, model| {
        let (body, losses) = written(it, model).expect("a request");
        assert!(body["additionalModelRequestFields"].get("thinking").is_none());
        losses.contains(&"reasoning".to_owned())
    };
    let mut it = request("go");
    thinking(&mut it);
    it.max_tokens = Some(1024);
    assert!(lost(&it, OLD_CLAUDE), "a budget must be below the bound");
    let mut it = with_tools(Some(ToolChoice::Any));
    thinking(&mut it);
    assert!(lost(&it, CLAUDE) && lost(&it, NEW_CLAUDE), "a tool must be called");
    let mut it = formed(OPEN, None);
    thinking(&mut it);
    assert!(lost(&it, OLD_CLAUDE), "the answer is a tool's");
    // A loop of calls without its signed thoughts, and with them.
    let mut it = request("go");
    thinking(&mut it);
    it.turns.push(model(vec![Content::ToolCall(ToolCall::new("c".into(), "f".into(), "{}".into())).into()]));
    let result = ToolResult {
        id: "c".into(),
        name: None,
        parts: vec![say("1")],
        json: None,
        failed: false,
        custom: false,
    };
    it.turns.push(user(vec![Content::ToolResult(result).into()]));
    assert!(lost(&it, CLAUDE));
    let seal = Some(Seal { maker: Maker::Claude, data: "s".into() });
    it.turns[1]
        .parts
        .insert(0, Content::Thought(Thought { text: "t".into(), seal, ..Thought::default() }).into());
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    assert!(body["additionalModelRequestFields"]["thinking"].is_object() && losses.is_empty());
}

#[test]
fn sampling_keeps_the_bounds_of_each_model() {
    let sampling =
        Sampling { temperature: Some(1.7), top_p: Some(0.5), top_k: Some(7), ..Sampling::default() };
    let table: Vec<(&str, Value, Value, &[&str])> = vec![
        (OLD_CLAUDE, json!({"temperature": 1.0, "topP": 0.5}), json!({"top_k": 7}), &[]),
        (CLAUDE, json!({"temperature": 1.0}), json!({"top_k": 7}), &["top_p"]),
        (NEW_CLAUDE, Value::Null, Value::Null, &["temperature", "top_p", "top_k"]),
        (NOVA, json!({"temperature": 1.0, "topP": 0.5}), json!({"inferenceConfig": {"topK": 7}}), &[]),
        ("cohere.command-r-v1:0", json!({"temperature": 1.0, "topP": 0.5}), json!({"k": 7}), &[]),
        (LLAMA, json!({"temperature": 1.0, "topP": 0.5}), Value::Null, &["top_k"]),
    ];
    for (model, limits, fields, lost) in table {
        let mut it = request("go");
        it.sampling = sampling;
        let (body, losses) = written(&it, model).expect("a request");
        let member = |name| body.get(name).cloned().unwrap_or_default();
        assert_eq!(
            (member("inferenceConfig"), member("additionalModelRequestFields")),
            (limits, fields),
            "{model}"
        );
        assert_eq!(losses, lost, "{model}");
    }
    let mut it = request("go");
    it.sampling =
        Sampling { temperature: Some(0.2), top_p: Some(0.5), top_k: Some(7), ..Sampling::default() };
    it.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    let (body, losses) = written(&it, OLD_CLAUDE).expect("a request");
    assert!(body.get("inferenceConfig").is_none());
    assert_eq!(losses, ["temperature", "top_p", "top_k"]);
}

#[test]
fn stop_texts_tiers_and_metadata_are_kept_as_far_as_bedrock_takes_them() {
    let mut it = request("go");
    it.max_tokens = Some(5);
    it.stop = vec!["END".into(), " ".into()];
    it.service_tier = Some("priority".into());
    it.metadata = Some(r#"{"team":"search","odd":"{}","n":1}"#);
    let (body, losses) = written(&it, CLAUDE).expect("a request");
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 5, "stopSequences": ["END"]}));
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/stop_sequence", "/delta/stop_sequence"]));
    assert_eq!(
        (&body["serviceTier"], &body["requestMetadata"]),
        (&json!({"type": "priority"}), &json!({"team": "search"}))
    );
    assert_eq!(losses, ["stop", "metadata"]);
    it.service_tier = Some("auto".into());
    assert!(written(&it, CLAUDE).expect("a request").0.get("serviceTier").is_none());
    it.service_tier = Some("scale".into());
    assert!(written(&it, CLAUDE).expect("a request").1.contains(&"service_tier".to_owned()));
}

#[test]
fn the_table_speaks_of_each_feature_once() {
    assert!(crate::dialect::canon::fit::is_well_formed(Bedrock.facts().support));
}
