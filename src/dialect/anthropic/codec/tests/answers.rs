use super::super::super::Anthropic;
use super::super::ANSWER_TOOL;
use super::{FIXTURE_ANSWERS, answer, outward};
use crate::dialect::Usage;
use crate::dialect::canon::{
    Choice, Citation, Content, Finish, Maker, Part, Response, Seal, Thought, ToolCall,
};
use crate::dialect::codec::Codec;

fn read(body: &str) -> Response<'_> {
    Anthropic.read_response(body).expect("an answer")
}

fn written(response: &Response<'_>) -> serde_json::Value {
    serde_json::from_slice(&Anthropic.write_response(response, &outward())).expect("JSON")
}

fn ends(parts: Vec<Part<'static>>, finish: Finish<'static>) -> serde_json::Value {
    written(&answer(Choice { parts, finish, logprobs: Vec::new() }))
}

fn text(text: &'static str) -> Part<'static> {
    Content::Text(text.into()).into()
}

#[test]
fn what_is_written_is_read_again_as_it_was() {
    for (name, body) in FIXTURE_ANSWERS {
        let response = read(body);
        let out = Anthropic.write_response(&response, &outward());
        let again = String::from_utf8(out).expect("UTF-8");
        let mut again = read(&again);
        assert_eq!(again.model.as_deref(), Some("alias"));
        again.model.clone_from(&response.model);
        if response.id.is_none() {
            assert_eq!(again.id.take().as_deref(), Some("msg_req-1"));
        }
        assert_eq!(again, response, "{name}");
    }
}

#[test]
fn why_an_answer_ended_is_read() {
    let table = [
        (r#""end_turn""#, Finish::Stop),
        (r#""max_tokens""#, Finish::Length),
        (r#""stop_sequence","stop_sequence":"END""#, Finish::StopSequence(Some("END".into()))),
        (r#""refusal""#, Finish::Refusal),
        (r#""pause_turn""#, Finish::Pause),
        (r#""model_context_window_exceeded""#, Finish::ContextFull),
        (r#""novel""#, Finish::Other("novel".into())),
        ("null", Finish::Stop),
    ];
    for (reason, finish) in table {
        let body = format!(r#"{{"content":[],"stop_reason":{reason}}}"#);
        assert_eq!(read(&body).choices[0].finish, finish, "{reason}");
    }
}

#[test]
fn the_tool_that_stands_for_an_answer_is_read_as_text() {
    let call = format!(r#"{{"type":"tool_use","id":"1","name":"{ANSWER_TOOL}","input":{{"a": 1}}}}"#);
    let body = format!(r#"{{"content":[{call}],"stop_reason":"tool_use"}}"#);
    let choice = &read(&body).choices[0];
    assert_eq!(
        (&choice.parts[0].content, &choice.finish),
        (&Content::Text(r#"{"a": 1}"#.into()), &Finish::Stop)
    );
    let body = format!(
        r#"{{"content":[{call},{{"type":"tool_use","id":"2","name":"f","input":{{}}}}],"stop_reason":"tool_use"}}"#
    );
    assert_eq!(read(&body).choices[0].finish, Finish::ToolCalls);
}

#[test]
fn a_call_with_free_text_is_one_of_a_custom_tool() {
    let body = r#"{"content":[{"type":"tool_use","id":"1","name":"patch","input":{"free_form_text":"a\nb"}}],"stop_reason":"tool_use"}"#;
    let Content::ToolCall(call) = &read(body).choices[0].parts[0].content else { panic!("a call") };
    assert_eq!((&*call.arguments, call.custom), ("a\nb", true));
}

#[test]
fn what_is_not_of_its_form_is_passed_over() {
    let body = r#"{"id":7,"content":[5,{"text":"x"},{"type":"text","text":{}},{"type":"tool_use","input":7},null,
        {"type":"text","text":"kept"},{"type":"novel","x":[1]}],"stop_reason":{},"usage":[]}"#;
    let response = read(body);
    assert_eq!(response.choices[0].parts.len(), 2);
    assert!(response.usage.is_empty() && response.id.is_none());
    for body in ["{}", "[]", r#"{"content":"x"}"#, r#"{"type":"error","error":{}}"#, "", "{\"content\":[}"] {
        assert!(Anthropic.read_response(body).is_err(), "{body}");
    }
    for (_, body) in FIXTURE_ANSWERS {
        for end in (0..body.trim_end().len()).filter(|end| body.is_char_boundary(*end)) {
            assert!(Anthropic.read_response(&body[..end]).is_err());
        }
    }
}

#[test]
fn an_answer_of_another_maker_is_written() {
    let seal = |maker, data: &'static str| Some(Seal { maker, data: data.into() });
    let thought = |text: &'static str, seal, redacted| {
        Content::Thought(Thought { text: text.into(), seal, redacted, ..Thought::default() }).into()
    };
    let citation = |url: Option<&'static str>, document| Citation {
        url: url.map(Into::into),
        quote: Some("q".into()),
        document,
        ..Citation::default()
    };
    let parts = vec![
        thought("hm", seal(Maker::OpenAi, "o"), false),
        thought("", seal(Maker::OpenAi, "o"), true),
        thought("", seal(Maker::Claude, "r"), true),
        Content::Cited("c".into(), vec![citation(Some("https://a"), None), citation(None, Some(2))]).into(),
        Content::ToolCall(ToolCall::new("".into(), "f".into(), r#"{"a":1}"#.into())).into(),
        Content::ToolCall(ToolCall::new("id".into(), "g".into(), "no json".into())).into(),
    ];
    let mut response = answer(Choice { parts, finish: Finish::Stop, logprobs: Vec::new() });
    response.id = Some("chatcmpl-1".into());
    response.usage = Usage {
        input: Some(20),
        output: Some(5),
        cache_read: Some(8),
        cache_write: Some(4),
        cache_write_1h: Some(1),
        reasoning: Some(2),
        ..Usage::default()
    };
    let expected = serde_json::json!({
        "id":"chatcmpl-1","type":"message","role":"assistant","model":"alias","content":[
            {"type":"thinking","thinking":"hm","signature":""},
            {"type":"redacted_thinking","data":"r"},
            {"type":"text","text":"c","citations":[
                {"type":"web_search_result_location","cited_text":"q","url":"https://a","title":"","encrypted_index":""},
                {"type":"char_location","cited_text":"q","document_index":2,"document_title":null,
                 "start_char_index":0,"end_char_index":1}]},
            {"type":"tool_use","id":"call_req-1_0","name":"f","input":{"a":1}},
            {"type":"tool_use","id":"id","name":"g","input":{}}],
        "stop_reason":"tool_use","stop_sequence":null,
        "usage":{"input_tokens":8,"cache_creation_input_tokens":4,"cache_read_input_tokens":8,
            "cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":1},"output_tokens":5,
            "output_tokens_details":{"thinking_tokens":2}}
    });
    assert_eq!(written(&response), expected);
}

#[test]
fn why_an_answer_ended_is_written() {
    let table = [
        (Finish::Stop, "end_turn"),
        (Finish::Length, "max_tokens"),
        (Finish::ContextFull, "model_context_window_exceeded"),
        (Finish::Filtered, "refusal"),
        (Finish::Refusal, "refusal"),
        (Finish::Pause, "pause_turn"),
        (Finish::ToolCalls, "end_turn"),
        (Finish::Other("x".into()), "end_turn"),
    ];
    for (finish, reason) in table {
        assert_eq!(ends(vec![text("a")], finish)["stop_reason"], reason);
    }
    let stopped = ends(vec![text("a")], Finish::StopSequence(Some("END".into())));
    assert_eq!(
        (&stopped["stop_reason"], &stopped["stop_sequence"]),
        (&"stop_sequence".into(), &"END".into())
    );
    let refused = ends(vec![Content::Refusal("no".into()).into()], Finish::Stop);
    assert_eq!((&refused["stop_reason"], &refused["content"][0]["text"]), (&"refusal".into(), &"no".into()));
    let empty = ends(vec![], Finish::Stop);
    assert_eq!(empty["content"], serde_json::json!([{"type":"text","text":""}]));
    assert_eq!(empty["usage"], serde_json::json!({"input_tokens":12,"output_tokens":0}));
    assert_eq!(empty["id"], "msg_req-1");
}
