use bytes::Bytes;
use proptest::prelude::*;

use super::super::super::Anthropic;
use super::super::ANSWER_TOOL;
use super::{FIXTURE_ANSWERS, FIXTURE_STREAMS, Told, check_grammar, outward, rewritten, told};
use crate::dialect::canon::names::Renames;
use crate::dialect::canon::{Block, Content, Delta, Event, Finish, Maker, Part, Seal, event};
use crate::dialect::codec::{Codec, Frame};
use crate::dialect::frame::transcode::Transcode;
use crate::dialect::{StreamPass, Usage};
use crate::error::{Error, Kind};

fn data(events: &[&str]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

fn write(events: &[Event<'_>]) -> String {
    let mut writer = Anthropic.writer(&outward());
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

/// The pass of a stream in this dialect to a caller of this dialect, chunk by chunk.
fn passed(chunks: &[&[u8]]) -> (Vec<u8>, Usage, bool) {
    let mut pass = Transcode::new(&Anthropic, Anthropic.writer(&outward()), Renames::default());
    let mut out = Vec::new();
    let mut failed = None;
    for chunk in chunks {
        match pass.push(Bytes::copy_from_slice(chunk)) {
            Ok(bytes) => out.extend_from_slice(&bytes),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if failed.is_none() {
        match pass.finish() {
            Ok(bytes) => out.extend_from_slice(&bytes),
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        out.extend_from_slice(&pass.fail(&error).unwrap_or_default());
    }
    (out, *pass.usage(), pass.complete())
}

#[test]
fn what_is_written_is_read_again_as_it_was() {
    for (name, stream) in FIXTURE_STREAMS {
        let out = rewritten(stream);
        check_grammar(&out);
        assert_eq!(told(&out), told(stream), "{name}");
        assert!(out.contains("\"model\":\"alias\""), "{name}");
    }
}

#[test]
fn a_whole_answer_is_told_as_a_stream() {
    for (name, body) in FIXTURE_ANSWERS {
        let response = Anthropic.read_response(body).expect("an answer");
        let mut writer = Anthropic.writer(&outward());
        let (mut out, mut expected) = (Vec::new(), Told::default());
        event::replay(&response, &mut |event: Event<'_>| {
            expected.note(&event);
            writer.write(&event, &mut out);
        });
        let out = String::from_utf8(out).expect("UTF-8");
        check_grammar(&out);
        let mut again = told(&out);
        again.id.clone_from(&expected.id);
        assert_eq!(without_space(again), without_space(expected), "{name}");
    }
}

/// Blocks that come as they were written lose their line breaks in a stream.
fn without_space(mut told: Told) -> Told {
    let strip = |text: &mut String| *text = text.replace("\\n", "").replace(char::is_whitespace, "");
    told.blocks.iter_mut().for_each(strip);
    told
}

#[test]
fn a_chat_stream_is_written_in_this_dialect() {
    let call = Block::ToolCall { id: "c1", name: "f", custom: false };
    let usage = Usage { input: Some(9), output: Some(5), ..Usage::default() };
    let out = write(&[
        Event::Begin { id: Some("chatcmpl-1"), model: Some("gpt-x"), created: Some(1) },
        Event::Open { choice: 0, block: 0, kind: Block::Text },
        Event::Delta { choice: 0, block: 0, delta: Delta::Text("Hel") },
        Event::Open { choice: 1, block: 0, kind: Block::Text },
        Event::Delta { choice: 1, block: 0, delta: Delta::Text("another answer") },
        Event::Delta { choice: 0, block: 0, delta: Delta::Text("lo\n") },
        Event::Close { choice: 0, block: 0 },
        Event::Open { choice: 0, block: 1, kind: call },
        Event::Delta { choice: 0, block: 1, delta: Delta::Text("{}") },
        Event::Close { choice: 0, block: 1 },
        Event::Finish { choice: 0, finish: Finish::ToolCalls },
        Event::Finish { choice: 1, finish: Finish::Stop },
        Event::Usage(&usage),
        Event::End,
        Event::End,
    ]);
    let expected = r#"event: message_start
data: {"type":"message_start","message":{"id":"chatcmpl-1","type":"message","role":"assistant","model":"alias","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":0}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo\n"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"c1","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":9,"output_tokens":5}}

event: message_stop
data: {"type":"message_stop"}

"#;
    assert_eq!(out, expected);
}

#[test]
fn blocks_that_say_nothing_here_leave_no_hole() {
    let foreign = Seal { maker: Maker::OpenAi, data: "o".into() };
    let own = Seal { maker: Maker::Claude, data: "c".into() };
    let thought = |redacted| Block::Thought { summary: false, id: None, redacted };
    let open = |block, kind| Event::Open { choice: 0, block, kind };
    let close = |block| Event::Close { choice: 0, block };
    let item: Part<'_> = Content::Foreign(crate::dialect::canon::Foreign {
        kind: "web_search_call".into(),
        json: r#"{"type":"web_search_call"}"#,
    })
    .into();
    let out = write(&[
        Event::Begin { id: None, model: None, created: None },
        open(0, Block::Text),
        close(0),
        open(1, thought(false)),
        Event::Delta { choice: 0, block: 1, delta: Delta::Seal(&foreign) },
        close(1),
        Event::Whole { choice: 0, block: 2, part: &item },
        open(3, thought(true)),
        Event::Delta { choice: 0, block: 3, delta: Delta::Seal(&foreign) },
        close(3),
        open(4, thought(true)),
        Event::Delta { choice: 0, block: 4, delta: Delta::Seal(&own) },
        close(4),
        open(5, thought(false)),
        Event::Delta { choice: 0, block: 5, delta: Delta::Seal(&own) },
        close(5),
        open(6, thought(false)),
        Event::Delta { choice: 0, block: 6, delta: Delta::Text("hm") },
        close(6),
        open(7, Block::Refusal),
        Event::Delta { choice: 0, block: 7, delta: Delta::Text("no") },
        close(7),
        Event::Finish { choice: 0, finish: Finish::Stop },
        Event::End,
    ]);
    check_grammar(&out);
    let told = told(&out);
    assert_eq!(told.id.as_deref(), Some("msg_req-1"));
    assert_eq!(told.finish.as_deref(), Some("Refusal"));
    let kinds: Vec<&str> =
        told.blocks.iter().map(|block| block.split(" { ").next().unwrap_or_default()).collect();
    assert_eq!(kinds, ["Thought", "Thought", "Thought", "Text no"]);
    assert!(out.contains(r#"{"type":"redacted_thinking","data":"c"}"#));
    assert!(out.contains(r#"{"type":"signature_delta","signature":"c"}"#));
}

#[test]
fn the_tool_that_stands_for_an_answer_is_read_as_text() {
    let start = format!(
        r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"tool_use","id":"1","name":"{ANSWER_TOOL}","input":{{}}}}}}"#
    );
    let stream = data(&[
        r#"{"type":"message_start","message":{"id":"m"}}"#,
        &start,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let told = told(&stream);
    assert_eq!((told.blocks, told.finish.as_deref()), (vec![r#"Text {"a":1}"#.to_owned()], Some("Stop")));
}

#[test]
fn a_call_with_free_text_is_told_whole() {
    let stream = data(&[
        r#"{"type":"message_start","message":{"id":"m"}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"1","name":"p","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"free_"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"form_text\": \"a\\n"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"b\"}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"2","name":"q","input":{}}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"3","name":"r","input":{"a":1}}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let told = told(&stream);
    let expected = [
        "ToolCall { id: \"1\", name: \"p\", custom: true } a\nb",
        "ToolCall { id: \"2\", name: \"q\", custom: false } ",
        "ToolCall { id: \"3\", name: \"r\", custom: false } {\"a\":1}",
    ];
    assert_eq!(told.blocks, expected);
    assert_eq!(told.finish.as_deref(), Some("ToolCalls"));
}

#[test]
fn blocks_that_overlap_are_put_one_after_another() {
    let stream = data(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"1","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}"#,
        r#"{"type":"content_block_delta","index":7,"delta":{"type":"input_json_delta","partial_json":"lost"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"thinking_delta","thinking":"c"}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let told = told(&stream);
    let kinds: Vec<&str> =
        told.blocks.iter().map(|block| block.split(" { ").next().unwrap_or_default()).collect();
    assert_eq!(kinds, ["Text a", "ToolCall", "Text b", "Thought"]);
    assert!(told.ended && told.finish.as_deref() == Some("ToolCalls"));
}

#[test]
fn an_error_in_the_stream_ends_it() {
    let first = include_str!("../../../../../tests/fixtures/anthropic/stream/error_first.sse");
    let later = include_str!("../../../../../tests/fixtures/anthropic/stream/error_mid_stream.sse");
    for stream in [first, later] {
        assert!(told(stream).failed.is_some());
        let (out, _, complete) = passed(&[stream.as_bytes()]);
        let out = String::from_utf8(out).expect("UTF-8");
        let last = out.trim_end().rsplit("\n\n").next().unwrap_or_default();
        assert!(
            !complete && last.starts_with("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"),
            "{out}"
        );
        assert!(!out.contains("message_stop"));
    }
    let mut writer = Anthropic.writer(&outward());
    let mut out = Vec::new();
    writer.fail(&Error::new(Kind::UpstreamCut, "cut"), &mut out);
    writer.fail(&Error::new(Kind::UpstreamCut, "cut"), &mut out);
    writer.write(&Event::End, &mut out);
    let expected = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"cut\"},\"request_id\":\"req-1\"}\n\n";
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn a_stream_that_breaks_off_is_not_complete() {
    let cut = data(&[
        r#"{"type":"message_start","message":{"id":"m"}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#,
    ]);
    assert!(!told(&cut).ended);
    assert!(!passed(&[cut.as_bytes()]).2);
}

#[test]
fn garbage_never_panics() {
    let frames = [
        "",
        "null",
        "[]",
        "7",
        "{",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"content_block_start"}"#,
        r#"{"type":"content_block_start","index":-1,"content_block":{}}"#,
        r#"{"type":"content_block_start","content_block":{"type":"tool_use"}}"#,
        r#"{"type":"content_block_delta","index":99999999999999999999}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"citations_delta","citation":{"url":7}}}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"x_tool_use","input":"s"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{broken"}}"#,
        r#"{"type":"message_delta","delta":[]}"#,
        r#"{"type":"message_start","message":[]}"#,
        r#"{"type":"content_block_stop"}"#,
        r#"{"type":"message_stop"}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let mut reader = Anthropic.reader();
    let mut writer = Anthropic.writer(&outward());
    let mut out = Vec::new();
    for data in frames {
        let frame = Frame { name: None, data, exception: false };
        let _ = reader.read(&frame, &mut |event| writer.write(&event, &mut out));
    }
    check_grammar(&String::from_utf8(out).expect("UTF-8"));
    for (_, stream) in FIXTURE_STREAMS {
        for end in 0..stream.len() {
            let _ = passed(&[&stream.as_bytes()[..end]]);
        }
    }
}

proptest! {
    #[test]
    fn any_chunking_of_a_stream_gives_the_same(which in 0..FIXTURE_STREAMS.len(), cuts in prop::collection::vec(0.0..1.0f64, 0..9)) {
        let stream = FIXTURE_STREAMS[which].1.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| (cut * stream.len() as f64) as usize).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(passed(&chunks), passed(&[stream]));
    }
}
