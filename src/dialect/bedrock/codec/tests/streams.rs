//! Streams, cut from bytes.

use proptest::prelude::*;

use super::*;
use crate::dialect::canon::{Block, Delta, Event, Response, event};
use crate::dialect::codec::{EventWriter, Frame};
use crate::dialect::frame::eventstream;
use crate::dialect::{Dialect, StreamEdits, StreamPass, Usage, bridge};
use crate::error::{Error, Kind};

const FIXTURES: &[(&str, &str)] = &[
    ("text", include_str!("../../../../../tests/fixtures/bedrock/stream/text.jsonl")),
    ("tool_use", include_str!("../../../../../tests/fixtures/bedrock/stream/tool_use.jsonl")),
    ("thinking", include_str!("../../../../../tests/fixtures/bedrock/stream/thinking.jsonl")),
    ("citations", include_str!("../../../../../tests/fixtures/bedrock/stream/citations.jsonl")),
    ("server_tool", include_str!("../../../../../tests/fixtures/bedrock/stream/server_tool.jsonl")),
    (
        "usage_before_stop",
        include_str!("../../../../../tests/fixtures/bedrock/stream/usage_before_stop.jsonl"),
    ),
];
const THROTTLED: &str = include_str!("../../../../../tests/fixtures/bedrock/stream/throttled.jsonl");

/// The bytes of a stream that was noted down as one event a line.
pub fn framed<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let event: serde_json::Map<String, Value> = serde_json::from_str(line).expect("JSON");
        let (name, data) = event.iter().next().expect("an event");
        let payload = |out: &mut Vec<u8>| out.extend_from_slice(data.to_string().as_bytes());
        match name.ends_with("Exception") {
            true => eventstream::write_exception(&mut out, name, payload),
            false => eventstream::write_event(&mut out, name, payload),
        }
    }
    out
}

fn bytes_of(name: &str) -> Vec<u8> {
    let (_, lines) = FIXTURES.iter().find(|(known, _)| *known == name).expect(name);
    framed(lines.lines())
}

/// Every event, in words, and the usage told.
#[derive(Default)]
struct Noted(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl EventWriter for Noted {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.0.lock().expect("one thread").push(format!("{event:?}"));
        out.push(b'.');
    }
    fn fail(&mut self, error: &Error, _: &mut Vec<u8>) {
        self.0.lock().expect("one thread").push(format!("fail {}", error.status()));
    }
}

/// What a stream tells when it is cut at these places.
fn told(stream: &[u8], splits: &[usize]) -> Result<Vec<String>> {
    let writer = Noted::default();
    let notes = writer.0.clone();
    let mut pass = crate::dialect::frame::transcode::Transcode::new(
        &Bedrock,
        Box::new(writer),
        crate::dialect::canon::names::Renames::default(),
    );
    let mut places = splits.to_vec();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    for pair in places.windows(2) {
        pass.push(bytes::Bytes::copy_from_slice(&stream[pair[0]..pair[1]]))?;
    }
    pass.finish()?;
    drop(pass);
    let notes = notes.lock().expect("one thread").clone();
    Ok(notes)
}

fn kinds(told: &[String]) -> Vec<&str> {
    told.iter().map(|event| event.split([' ', '(']).next().unwrap_or_default()).collect()
}

#[test]
fn blocks_without_a_beginning_begin_with_their_first_piece() {
    let events = told(&bytes_of("text"), &[]).expect("a stream");
    assert_eq!(kinds(&events), ["Begin", "Open", "Delta", "Delta", "Close", "Finish", "Usage", "End"]);
    assert!(events[3].contains(r#"", é \"quoted\"\n""#), "{}", events[3]);
    let events = told(&bytes_of("tool_use"), &[]).expect("a stream");
    let expected = [
        "Begin", "Open", "Delta", "Close", "Open", "Delta", "Delta", "Close", "Open", "Close", "Finish",
        "Usage", "End",
    ];
    assert_eq!(kinds(&events), expected);
    assert!(
        events[4].contains(r#"ToolCall { id: "tooluse_1", name: "weather""#)
            && events[10].contains("ToolCalls")
    );
    assert!(
        events[11].contains("input: Some(18)") && events[11].contains("cache_read: Some(10)"),
        "{}",
        events[11]
    );
}

#[test]
fn thoughts_are_sealed_at_their_end() {
    let events = told(&bytes_of("thinking"), &[]).expect("a stream");
    let expected = [
        "Begin", "Open", "Delta", "Delta", "Delta", "Close", "Open", "Delta", "Close", "Open", "Delta",
        "Close", "Finish", "Usage", "End",
    ];
    assert_eq!(kinds(&events), expected);
    assert!(events[4].contains(r#"Seal { maker: Claude, data: "Eu0CCkgIBxABGAIqQ==" }"#), "{}", events[4]);
    assert!(events[6].contains("redacted: true") && events[7].contains(r#"data: "Este""#));
    assert!(events[12].contains(r#"StopSequence(Some("END"))"#));
}

#[test]
fn what_runs_at_the_provider_is_passed_over_and_usage_may_come_early() {
    let events = told(&bytes_of("server_tool"), &[]).expect("a stream");
    assert_eq!(kinds(&events), ["Begin", "Open", "Delta", "Close", "Finish", "Usage", "End"]);
    assert!(events[1].contains("block: 0") && events[4].contains("Stop"));
    let events = told(&bytes_of("usage_before_stop"), &[]).expect("a stream");
    assert_eq!(kinds(&events), ["Begin", "Open", "Delta", "Usage", "Close", "Finish", "End"]);
    let events = told(&bytes_of("citations"), &[]).expect("a stream");
    assert!(events[3].contains("document: Some(0)") && events[3].contains("Citation"), "{}", events[3]);
}

#[test]
fn the_answer_tool_is_told_as_text() {
    let lines = [
        r#"{"messageStart":{"role":"assistant"}}"#,
        r#"{"contentBlockStart":{"contentBlockIndex":0,"start":{"toolUse":{"name":"gateway_final_answer","toolUseId":"t"}}}}"#,
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\":1}"}}}}"#,
        r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
        r#"{"messageStop":{"stopReason":"tool_use"}}"#,
        r#"{"metadata":{"usage":{}}}"#,
    ];
    let events = told(&framed(lines.into_iter()), &[]).expect("a stream");
    assert!(
        events[1].contains("kind: Text") && events[2].contains(r#"{\"a\":1}"#) && events[4].contains("Stop")
    );
}

#[test]
fn an_exception_ends_the_stream_with_its_status() {
    let error = told(&framed(THROTTLED.lines()), &[]).expect_err("throttled");
    assert_eq!(
        (error.kind, error.status(), error.code.as_deref()),
        (Kind::UpstreamRefused, 429, Some("rate_limit_exceeded"))
    );
    let lines = r#"{"modelStreamErrorException":{"message":"secret"}}"#;
    let error = told(&framed(lines.lines()), &[]).expect_err("an exception");
    assert_eq!((error.status(), error.message.contains("secret")), (502, false));
}

#[test]
fn a_stream_that_was_cut_or_changed_is_no_answer() {
    let stream = bytes_of("tool_use");
    let error = told(&stream[..stream.len() / 2], &[]).expect_err("cut");
    assert_eq!(error.kind, Kind::UpstreamCut);
    let mut broken = stream.clone();
    broken[stream.len() / 2] ^= 1;
    assert_eq!(told(&broken, &[]).expect_err("changed").kind, Kind::UpstreamUnreadable);
    // Usage is told last; an answer without it is complete.
    let (_, lines) = FIXTURES[0];
    let without = framed(lines.lines().take(6));
    assert_eq!(told(&without, &[]).expect("complete").last().map(String::as_str), Some("End"));
}

/// What a stream says, read again from what was written of it.
pub fn rewritten(stream: &[u8]) -> Result<Vec<u8>> {
    let mut pass = bridge::stream(
        DialectId::Bedrock,
        DialectId::Bedrock.codec(),
        &outward(),
        crate::dialect::canon::names::Renames::default(),
    );
    let mut out = pass.push(bytes::Bytes::copy_from_slice(stream))?.to_vec();
    out.extend_from_slice(&pass.finish()?);
    Ok(out)
}

/// Usage has a place of its own, wherever it came.
pub fn ordered(mut events: Vec<String>) -> Vec<String> {
    let usage: Vec<String> = events.iter().filter(|event| event.starts_with("Usage")).cloned().collect();
    events.retain(|event| !event.starts_with("Usage"));
    events.extend(usage);
    events
}

#[test]
fn what_was_read_is_written_and_read_again() {
    for (name, _) in FIXTURES {
        let stream = bytes_of(name);
        let again = told(&rewritten(&stream).expect(name), &[]).expect(name);
        assert_eq!(ordered(again), ordered(told(&stream, &[]).expect(name)), "{name}");
    }
}

#[test]
fn a_whole_answer_is_told_as_a_stream_and_back() {
    for (name, body) in super::answers::FIXTURES {
        let response: Response<'_> =
            super::answers::without_foreign(&Bedrock.read_response(body).expect(name));
        let mut writer = Bedrock.writer(&outward());
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        event::replay(&response, &mut |event: Event<'_>| {
            expected.push(format!("{event:?}"));
            writer.write(&event, &mut out);
        });
        assert_eq!(ordered(told(&out, &[]).expect(name)), ordered(expected), "{name}");
    }
}

#[test]
fn a_failure_is_an_exception_and_nothing_follows() {
    let mut out = Vec::new();
    Bedrock.writer(&outward()).fail(&Error::new(Kind::RateLimited, "slow down"), &mut out);
    let message = eventstream::Message::read(&out).expect("a message");
    assert_eq!((message.kind, message.name), ("exception", Some("throttlingException")));
    assert_eq!(message.payload, br#"{"message":"slow down"}"#);
    assert_eq!(Bedrock.error_frame(&Error::new(Kind::RateLimited, "slow down"), "r"), out);
}

#[test]
fn blocks_of_other_answers_and_foreign_seals_are_left_out() {
    use crate::dialect::canon::{Finish, Maker, Seal};
    let mut writer = Bedrock.writer(&outward());
    let mut out = Vec::new();
    let foreign = Seal { maker: Maker::Gemini, data: "g".into() };
    let thought = Block::Thought { summary: true, id: None, redacted: true };
    for event in [
        Event::Begin { id: None, model: None, created: None },
        Event::Open { choice: 1, block: 0, kind: Block::Text },
        Event::Delta { choice: 1, block: 0, delta: Delta::Text("no") },
        Event::Close { choice: 1, block: 0 },
        Event::Finish { choice: 1, finish: Finish::Stop },
        Event::Open { choice: 0, block: 0, kind: thought },
        Event::Delta { choice: 0, block: 0, delta: Delta::Seal(&foreign) },
        Event::Close { choice: 0, block: 0 },
        Event::Open { choice: 0, block: 1, kind: Block::Refusal },
        Event::Delta { choice: 0, block: 1, delta: Delta::Text("I will not") },
        Event::Close { choice: 0, block: 1 },
        Event::Finish { choice: 0, finish: Finish::Refusal },
        Event::Usage(&Usage { input: Some(3), output: Some(2), ..Usage::default() }),
        Event::End,
    ] {
        writer.write(&event, &mut out);
    }
    let events = told(&out, &[]).expect("a stream");
    assert_eq!(kinds(&events), ["Begin", "Open", "Delta", "Close", "Finish", "Usage", "End"]);
    assert!(
        events[1].contains("block: 0")
            && events[4].contains("Filtered")
            && events[5].contains("total: Some(5)")
    );
}

#[test]
fn the_same_dialect_passes_as_it_is_and_is_read_on_the_side() {
    for (name, _) in FIXTURES {
        let stream = bytes::Bytes::from(bytes_of(name));
        for step in [1, 7, 100, stream.len()] {
            let mut pass = Bedrock.stream(StreamEdits { model: Some("alias".to_owned()), hide_usage: true });
            let mut out = Vec::new();
            for start in (0..stream.len()).step_by(step) {
                let chunk = stream.slice(start..stream.len().min(start + step));
                out.extend_from_slice(&pass.push(chunk).expect(name));
            }
            out.extend_from_slice(&pass.finish().expect(name));
            assert_eq!(out, stream, "{name}");
            assert!(pass.complete() && pass.problem().is_none() && pass.usage().output.is_some(), "{name}");
        }
    }
    let mut pass = Bedrock.stream(StreamEdits { model: None, hide_usage: false });
    pass.push(framed(THROTTLED.lines().skip(2)).into()).expect("a message");
    assert!(pass.stillborn() && pass.problem().is_some_and(|problem| problem.status == Some(429)));
}

#[test]
fn a_hostile_order_of_events_keeps_the_grammar() {
    let names = [
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
        "new",
    ];
    let data = [
        r#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#,
        r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"text":"b"}},"stopReason":"end_turn"}"#,
        r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t","name":"f"}},"delta":{"toolUse":{"input":"{}"}}}"#,
        r#"{"start":{"image":{"format":"png"}},"delta":{"image":{"source":{"bytes":"AA=="}}},"usage":{"inputTokens":1}}"#,
        r#"{"delta":7,"start":null,"contentBlockIndex":"x"}"#,
    ];
    let mut seed = 7usize;
    for _ in 0..2000 {
        let mut reader = Bedrock.reader();
        let mut events = Vec::new();
        for _ in 0..10 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let name = Some(names[(seed >> 33) % names.len()]);
            let frame = Frame { name, data: data[(seed >> 43) % data.len()], exception: false };
            let _ = reader.read(&frame, &mut |event| events.push(format!("{event:?}")));
        }
        reader.end(&mut |event| events.push(format!("{event:?}")));
        check_grammar(&events);
    }
}

fn check_grammar(events: &[String]) {
    let (mut open, mut next, mut finished) = (None, 0, false);
    for (place, event) in events.iter().enumerate() {
        let kind = event.split([' ', '(']).next().unwrap_or_default();
        let block =
            event.split("block: ").nth(1).and_then(|rest| rest.split([',', ' ']).next()?.parse().ok());
        match kind {
            "Begin" => assert_eq!(place, 0, "{events:?}"),
            "Open" | "Whole" => {
                assert_eq!((open, block, finished), (None, Some(next), false), "{events:?}");
                next += 1;
                open = block.filter(|_| kind == "Open");
            }
            "Delta" => assert_eq!(open, block, "{events:?}"),
            "Close" => assert_eq!(open.take(), block, "{events:?}"),
            "Finish" => {
                assert!(open.is_none() && !finished, "{events:?}");
                finished = true;
            }
            "End" => assert!(
                finished && place + 1 == events.len()
                    || events[place + 1..].iter().all(|event| event.starts_with("Usage")),
                "{events:?}"
            ),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_chunking_tells_the_same(
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        choice in any::<prop::sample::Index>(),
    ) {
        let (name, _) = choice.get(FIXTURES);
        let stream = bytes_of(name);
        let splits: Vec<usize> = splits.iter().map(|split| split.index(stream.len() + 1)).collect();
        prop_assert_eq!(told(&stream, &splits).expect(name), told(&stream, &[]).expect(name));
    }

    #[test]
    fn garbage_in_a_message_is_never_a_panic(data in "\\PC{0,80}", cut in 0usize..400) {
        let mut reader = Bedrock.reader();
        for name in ["contentBlockStart", "contentBlockDelta", "messageStop", "metadata"] {
            let _ = reader.read(&Frame { name: Some(name), data: &data, exception: false }, &mut |_| {});
            for (_, lines) in FIXTURES {
                let line = lines.get(..cut.min(lines.len())).unwrap_or_default();
                let _ = reader.read(&Frame { name: Some(name), data: line, exception: false }, &mut |_| {});
            }
        }
        reader.end(&mut |_| {});
    }
}
