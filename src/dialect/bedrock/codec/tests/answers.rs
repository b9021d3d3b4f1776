//! Whole answers.

use super::*;
use crate::dialect::canon::{Finish, Maker, Response};
use crate::dialect::{Dialect, Usage};

pub const FIXTURES: &[(&str, &str)] = &[
    ("text", include_str!("../../../../../tests/fixtures/bedrock/response/text.json")),
    ("tool_use", include_str!("../../../../../tests/fixtures/bedrock/response/tool_use.json")),
    ("thinking", include_str!("../../../../../tests/fixtures/bedrock/response/thinking.json")),
    ("citations", include_str!("../../../../../tests/fixtures/bedrock/response/citations.json")),
    (
        "guardrail_intervened",
        include_str!("../../../../../tests/fixtures/bedrock/response/guardrail_intervened.json"),
    ),
    ("stop_sequence", include_str!("../../../../../tests/fixtures/bedrock/response/stop_sequence.json")),
    ("server_tool", include_str!("../../../../../tests/fixtures/bedrock/response/server_tool.json")),
];

fn fixture(name: &str) -> Response<'static> {
    let (_, body) = FIXTURES.iter().find(|(known, _)| *known == name).expect(name);
    Bedrock.read_response(body).expect(name)
}

#[test]
fn an_answer_says_what_the_model_said() {
    let tools = fixture("tool_use");
    let [_, first, second] = tools.choices[0].parts.as_slice() else { panic!("{tools:?}") };
    let (Content::ToolCall(first), Content::ToolCall(second)) = (&first.content, &second.content) else {
        panic!("{tools:?}")
    };
    assert_eq!(
        (&*first.id, &*first.name, &*first.arguments),
        ("tooluse_kZJMlvQmRJ6eAyJE5GIl7Q", "top_song", r#"{"sign":"WZPZ"}"#)
    );
    assert_eq!((&*second.arguments, &tools.choices[0].finish), ("{}", &Finish::ToolCalls));

    let thinking = fixture("thinking");
    let [told, redacted, _] = thinking.choices[0].parts.as_slice() else { panic!("{thinking:?}") };
    let (Content::Thought(told), Content::Thought(redacted)) = (&told.content, &redacted.content) else {
        panic!("{thinking:?}")
    };
    let seal = told.seal.as_ref().expect("a signature");
    assert_eq!(
        (seal.maker, &*seal.data, &*told.text),
        (Maker::Claude, "EqkECkgIBxABGAIqQ==", "Crossing a river…")
    );
    assert_eq!((redacted.redacted, redacted.seal.as_ref().map(|seal| &*seal.data)), (true, Some("Este")));
    assert_eq!(
        (&thinking.choices[0].finish, thinking.service_tier.as_deref()),
        (&Finish::Length, Some("flex"))
    );

    let cited = fixture("citations");
    let Content::Cited(text, citations) = &cited.choices[0].parts[0].content else { panic!("{cited:?}") };
    assert_eq!(
        (&**text, citations[0].document, citations[0].quote.as_deref()),
        ("Revenue grew by 4 %", Some(1), Some("Revenue grew by 4 %."))
    );
    assert_eq!(
        (citations[1].url.as_deref(), citations[1].title.as_deref()),
        (Some("https://example.com/a"), Some("A page"))
    );

    assert_eq!(fixture("guardrail_intervened").choices[0].finish, Finish::Filtered);
    assert_eq!(fixture("stop_sequence").choices[0].finish, Finish::StopSequence(Some("END".into())));
    let server = fixture("server_tool");
    assert!(matches!(server.choices[0].parts[0].content, Content::Foreign(_)));
    assert!(matches!(server.choices[0].parts[1].content, Content::Foreign(_)));
    assert_eq!(server.choices[0].finish, Finish::Stop);
}

#[test]
fn cached_tokens_are_part_of_the_input() {
    let expected = Usage {
        input: Some(1951),
        output: Some(121),
        total: Some(2072),
        cache_read: Some(1712),
        cache_write: Some(236),
        cache_write_1h: Some(200),
        ..Usage::default()
    };
    assert_eq!(fixture("tool_use").usage, expected);
    let (_, body) = FIXTURES[1];
    let body = bytes::Bytes::from_static(body.as_bytes());
    let answer = Bedrock.splice_answer(&body, "alias").expect("JSON");
    assert_eq!((answer.usage, answer.body), (expected, body));
}

#[test]
fn every_stop_reason_has_a_meaning() {
    let read = |reason: &'static str, called| super::super::finish::read(reason.into(), None, called);
    let table = [
        ("end_turn", false, Finish::Stop),
        ("end_turn", true, Finish::ToolCalls),
        ("tool_use", true, Finish::ToolCalls),
        ("tool_use", false, Finish::Stop),
        ("max_tokens", false, Finish::Length),
        ("stop_sequence", false, Finish::StopSequence(None)),
        ("guardrail_intervened", false, Finish::Filtered),
        ("content_filtered", false, Finish::Filtered),
        ("model_context_window_exceeded", false, Finish::ContextFull),
        ("malformed_tool_use", false, Finish::Other("malformed_tool_use".into())),
        ("malformed_model_output", false, Finish::Other("malformed_model_output".into())),
    ];
    for (reason, called, finish) in table {
        assert_eq!(read(reason, called), finish, "{reason}");
    }
}

#[test]
fn an_answer_by_way_of_the_answer_tool_is_text() {
    let body = r#"{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"t",
        "name":"gateway_final_answer","input":{"a": "b"}}}]}},"stopReason":"tool_use","usage":{}}"#;
    let response = Bedrock.read_response(body).expect("an answer");
    assert_eq!(response.choices[0].parts, [say(r#"{"a": "b"}"#)]);
    assert_eq!(response.choices[0].finish, Finish::Stop);
}

/// Blocks of tools that run at the provider are not written.
pub fn without_foreign<'a>(response: &Response<'a>) -> Response<'a> {
    let mut response = response.clone();
    for choice in &mut response.choices {
        choice.parts.retain(|part| !matches!(part.content, Content::Foreign(_)));
    }
    response
}

#[test]
fn what_was_read_is_written_and_read_again() {
    for (name, _) in FIXTURES {
        let response = fixture(name);
        let again = String::from_utf8(Bedrock.write_response(&response, &outward())).expect("UTF-8");
        assert!(strict::is_object(again.as_bytes()), "{again}");
        assert_eq!(Bedrock.read_response(&again).expect(name), without_foreign(&response), "{name}: {again}");
    }
}

#[test]
fn what_is_no_answer_is_an_error_and_what_is_odd_is_passed_over() {
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"output":{}}"#,
        r#"{"message":"no"}"#,
        r#"{"output":{"message":{"content":[}}}"#,
    ] {
        assert!(Bedrock.read_response(body).is_err(), "{body}");
    }
    let odd = r#"{"output":{"message":{"content":[{"text":7},{"toolUse":[]},{"reasoningContent":{}},{},{"new":1}]}},
        "stopReason":5,"usage":[],"metrics":null,"extra":{}}"#;
    let response = Bedrock.read_response(odd).expect("an answer");
    assert_eq!(response.choices[0].finish, Finish::Stop);
    for (_, body) in FIXTURES {
        for end in 0..body.trim_end().len() {
            if let Some(cut) = body.get(..end) {
                assert!(Bedrock.read_response(cut).is_err(), "{cut}");
            }
        }
    }
}
