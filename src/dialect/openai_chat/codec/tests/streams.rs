use proptest::prelude::*;

use super::{delta, events, finish, fixtures, stream_of, transcoded};
use crate::dialect::codec::Codec;
use crate::dialect::openai_chat::OpenAiChat;
use crate::error::Kind;

/// What a stream of these deltas says: short words for the events, the ends of blocks left out.
fn told(frames: &[String]) -> Vec<String> {
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let (events, ended, _) = events(&stream_of(&frames));
    ended.expect("a complete stream");
    short(&events)
}

fn short(events: &[String]) -> Vec<String> {
    let word = |event: &String| {
        let between = |from: &str, to: &str| {
            let start = event.find(from)? + from.len();
            let rest = &event[start..];
            Some(rest[..rest.find(to)?].to_owned())
        };
        let kind = event.split([' ', '(']).next().unwrap_or_default();
        match kind {
            "Begin" | "Close" | "End" | "Usage" => None,
            "Open" => Some(format!("[{}]", between("kind: ", " }").unwrap_or_default())),
            "Delta" => Some(between("(\"", "\") }").unwrap_or_else(|| event.clone())),
            "Finish" => between("finish: ", " }"),
            _ => Some(event.clone()),
        }
    };
    events.iter().filter_map(word).collect()
}

fn opened(id: &str, name: &str) -> String {
    format!("[ToolCall {{ id: {id:?}, name: {name:?}, custom: false]")
}

const DONE: &str = "[DONE]";

#[test]
fn texts_thoughts_and_refusals_become_blocks() {
    let frames = [
        delta(r#"{"role":"assistant","content":""}"#),
        delta(r#"{"role":"assistant","content":null,"reasoning_content":"h"}"#),
        delta(r#"{"reasoning":"m"}"#),
        delta(r#"{"content":"a"}"#),
        delta(r#"{"content":[{"type":"text","text":"b"}]}"#),
        delta(r#"{"refusal":"no"}"#),
        finish("stop"),
        DONE.to_owned(),
    ];
    let expected = ["[Thought { summary: false, id: None, redacted: false]", "h", "m"];
    let told = told(&frames);
    assert_eq!(told[..3], expected);
    assert_eq!(told[3..], ["[Text]", "a", "b", "[Refusal]", "no", "Refusal"]);
}

#[test]
fn usage_comes_with_the_end_behind_it_or_in_every_chunk() {
    let usage = r#","usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}"#;
    let with = |chunk: &str| format!("{}{usage}}}", &chunk[..chunk.len() - 1]);
    let behind = format!(r#"{{"choices":[]{usage}}}"#);
    let null = |chunk: String| format!("{},\"usage\":null}}", &chunk[..chunk.len() - 1]);
    let text = delta(r#"{"content":"a"}"#);
    let groq = format!(r#"{{"choices":[],"x_groq":{{"id":"r"{usage}}}}}"#);
    for frames in [
        vec![text.clone(), with(&finish("stop"))],
        vec![null(text.clone()), null(finish("stop")), behind],
        vec![with(&text), with(&finish("stop"))],
        vec![text.clone(), finish("stop"), groq],
    ] {
        let frames: Vec<&str> = frames.iter().map(String::as_str).chain([DONE]).collect();
        let (told, ended, usage) = events(&stream_of(&frames));
        ended.expect("complete");
        assert_eq!((usage.input, usage.output, usage.total), (Some(9), Some(2), Some(11)));
        assert_eq!(short(&told), ["[Text]", "a", "Stop"]);
        assert_eq!(told.last().map(String::as_str), Some("End"));
    }
}

#[test]
fn a_stream_is_complete_only_when_something_was_said_and_ended() {
    let text = delta(r#"{"content":"a"}"#);
    let role = delta(r#"{"role":"assistant","content":""}"#);
    let call = delta(r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}"#);
    let azure = r#"{"id":"","model":"","created":0,"choices":[],"prompt_filter_results":[]}"#;
    let table: [(Vec<&str>, Option<&str>); 8] = [
        (vec![&text, DONE], Some("Stop")),
        (vec![&call, DONE], Some("ToolCalls")),
        (vec![azure, &role, &text, DONE], Some("Stop")),
        (vec![&text], None),
        (vec![DONE], None),
        (vec![&role, DONE], None),
        (vec![azure, DONE], None),
        (vec![], None),
    ];
    for (frames, finish) in table {
        let (told, ended, _) = events(&stream_of(&frames));
        assert_eq!(ended.is_ok(), finish.is_some(), "{frames:?}");
        assert_eq!(finish.is_some(), told.last().is_some_and(|event| event == "End"), "{frames:?}");
        if let Some(finish) = finish {
            assert_eq!(short(&told).last().map(String::as_str), Some(finish), "{frames:?}");
        }
    }
    // Without the terminator, an answer that ended is whole.
    let (told, ended, _) = events(&stream_of(&[&text, &finish("length")]));
    assert!(ended.is_ok());
    assert_eq!(told.last().map(String::as_str), Some("End"));
    let (told, ended, _) = events(&stream_of(&[&text, &finish(""), DONE]));
    assert!(ended.is_ok());
    assert_eq!(short(&told), ["[Text]", "a", "Stop"]);
}

#[test]
fn an_answer_begins_with_what_its_first_chunk_says_and_azure_begins_with_nothing() {
    let azure = r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}"#;
    let (told, ..) = events(&stream_of(&[azure, &delta(r#"{"content":"a"}"#), &finish("stop"), DONE]));
    assert_eq!(told[0], r#"Begin { id: Some("c1"), model: Some("m"), created: Some(5) }"#);
    assert_eq!(told.iter().filter(|event| event.starts_with("Begin")).count(), 1);
}

fn calls(elements: &str) -> String {
    delta(&format!(r#"{{"tool_calls":[{elements}]}}"#))
}

#[test]
fn calls_are_put_together_however_they_are_sent() {
    let two = [
        opened("a", "f"),
        r#"{\"x\":1}"#.to_owned(),
        opened("b", "g"),
        r#"{\"y\":2}"#.to_owned(),
        "ToolCalls".to_owned(),
    ];
    let whole = |index: &str, id: &str, name: &str, arguments: &str| {
        format!(
            r#"{{{index}"id":"{id}","type":"function","function":{{"name":"{name}","arguments":"{arguments}"}}}}"#
        )
    };
    let (first, second) = (r#"{\"x\":1}"#, r#"{\"y\":2}"#);
    let variants: Vec<(&str, Vec<String>)> = vec![
        (
            "whole calls, one a delta",
            vec![
                calls(&whole(r#""index":0,"#, "a", "f", first)),
                calls(&whole(r#""index":1,"#, "b", "g", second)),
            ],
        ),
        (
            "whole calls, both in one delta",
            vec![calls(&format!(
                "{},{}",
                whole(r#""index":0,"#, "a", "f", first),
                whole(r#""index":1,"#, "b", "g", second)
            ))],
        ),
        ("no numbers", vec![calls(&whole("", "a", "f", first)), calls(&whole("", "b", "g", second))]),
        (
            "the same number twice",
            vec![
                calls(&whole(r#""index":0,"#, "a", "f", first)),
                calls(&whole(r#""index":0,"#, "b", "g", second)),
            ],
        ),
        (
            "numbers that are null",
            vec![
                calls(&whole(r#""index":null,"#, "a", "f", first)),
                calls(&whole(r#""index":null,"#, "b", "g", second)),
            ],
        ),
        (
            "arguments before id and name",
            vec![
                calls(&format!(r#"{{"index":0,"function":{{"arguments":"{first}"}}}}"#)),
                calls(r#"{"index":0,"function":{"name":"f"}}"#),
                calls(r#"{"index":0,"id":"a"}"#),
                calls(&whole(r#""index":1,"#, "b", "g", second)),
            ],
        ),
        (
            "the second complete before the first is known",
            vec![
                calls(&format!(r#"{{"index":0,"id":"a","function":{{"arguments":"{first}"}}}}"#)),
                calls(&whole(r#""index":1,"#, "b", "g", second)),
                calls(r#"{"index":0,"function":{"name":"f"}}"#),
            ],
        ),
        (
            "name and id repeated without a number",
            vec![
                calls(&whole("", "a", "f", first)),
                calls(&whole("", "a", "f", "")),
                calls(&whole("", "b", "g", second)),
            ],
        ),
    ];
    for (case, mut frames) in variants {
        frames.extend([finish("tool_calls"), DONE.to_owned()]);
        let told = told(&frames);
        assert_eq!(told, two, "{case}");
    }
}

#[test]
fn calls_whose_pieces_alternate_are_told_one_after_the_other() {
    let piece = |index: u8, arguments: &str| {
        calls(&format!(r#"{{"index":{index},"function":{{"arguments":"{arguments}"}}}}"#))
    };
    let heads = calls(
        r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}"#,
    );
    let frames = [
        heads,
        piece(0, r#"{\"x\""#),
        piece(1, r#"{\"y\""#),
        piece(0, r#":\"}\""#),
        piece(1, ":2"),
        piece(0, "}"),
        piece(1, "}"),
        finish("tool_calls"),
        DONE.to_owned(),
    ];
    let expected = [
        opened("a", "f"),
        r#"{\"x\""#.to_owned(),
        r#":\"}\""#.to_owned(),
        "}".to_owned(),
        // What had come of the second is told when the first is complete.
        opened("b", "g"),
        r#"{\"y\":2"#.to_owned(),
        "}".to_owned(),
        "ToolCalls".to_owned(),
    ];
    let told = told(&frames);
    assert_eq!(told, expected);
}

#[test]
fn a_call_without_arguments_or_without_an_id_is_told_at_the_latest_at_the_end() {
    let frames = [
        calls(r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#),
        calls(r#"{"index":1,"function":{"name":"g","arguments":"{"}}"#),
        calls(r#"{"index":1,"function":{"arguments":"}"}}"#),
        calls(r#"{"index":2,"id":"nameless","function":{"arguments":"{}"}}"#),
        finish("tool_calls"),
        DONE.to_owned(),
    ];
    assert_eq!(told(&frames), [opened("a", "f"), opened("", "g"), "{}".to_owned(), "ToolCalls".to_owned()]);
}

#[test]
fn the_older_call_custom_calls_and_seals_are_read() {
    let older = [
        delta(r#"{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}"#),
        delta(r#"{"function_call":{"arguments":"{\"a\""}}"#),
        delta(r#"{"function_call":{"arguments":":1}"}}"#),
        finish("function_call"),
        DONE.to_owned(),
    ];
    assert_eq!(
        told(&older),
        [opened("", "f"), r#"{\"a\""#.to_owned(), ":1}".to_owned(), "ToolCalls".to_owned()]
    );
    let custom = [
        calls(r#"{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":""}}"#),
        calls(r#"{"index":0,"custom":{"input":"free {"}}"#),
        calls(
            r#"{"index":1,"id":"b","function":{"name":"g","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}"#,
        ),
        finish("tool_calls"),
        DONE.to_owned(),
    ];
    let told = told(&custom);
    assert_eq!(told[0], r#"[ToolCall { id: "a", name: "f", custom: true]"#);
    assert_eq!(told[1..3], ["free {".to_owned(), opened("b", "g")]);
    assert!(told[3].contains("Seal(Seal { maker: Gemini, data: \"s\" })"), "{told:?}");
}

#[test]
fn a_text_ends_a_call_and_what_follows_of_it_is_an_error() {
    let frames = [
        calls(r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#),
        delta(r#"{"content":"meanwhile"}"#),
        calls(r#"{"index":0,"function":{"arguments":"}"}}"#),
    ];
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let (_, ended, _) = events(&stream_of(&frames));
    assert_eq!(ended.expect_err("cannot be told").kind, Kind::UpstreamUnreadable);
}

#[test]
fn what_is_held_back_is_bounded() {
    let long = "x".repeat(60_000);
    let open = calls(r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#);
    let more = calls(&format!(r#"{{"index":1,"id":"b","function":{{"name":"g","arguments":"{long}"}}}}"#));
    let mut frames = vec![open.as_str()];
    frames.extend(std::iter::repeat_n(more.as_str(), 20));
    let (_, ended, _) = events(&stream_of(&frames));
    assert_eq!(ended.expect_err("too much").kind, Kind::UpstreamUnreadable);
    let many: Vec<String> =
        (0..600).map(|n| calls(&format!(r#"{{"index":{n},"function":{{"arguments":"1"}}}}"#))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, ended, _) = events(&stream_of(&many));
    assert_eq!(ended.expect_err("too many").kind, Kind::UpstreamUnreadable);
}

#[test]
fn several_answers_are_kept_apart() {
    let frame = |index: u64, text: &str| {
        format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}},"index":{index},"finish_reason":null}}]}}"#)
    };
    let end =
        |index: u64| format!(r#"{{"choices":[{{"delta":{{}},"index":{index},"finish_reason":"stop"}}]}}"#);
    let frames =
        [frame(1, "b"), frame(0, "a"), frame(1, "b"), end(1), frame(1, "late"), frame(u64::MAX, "z"), end(0)];
    let frames: Vec<&str> = frames.iter().map(String::as_str).chain([DONE]).collect();
    let (told, ended, _) = events(&stream_of(&frames));
    ended.expect("complete");
    let text = told.join("\n");
    assert!(!text.contains("late"));
    assert_eq!(text.matches("Finish").count(), 3);
    assert!(text.contains("Finish { choice: 128, finish: Stop }"));
    assert!(text.contains(r#"Delta { choice: 1, block: 0, delta: Text("b") }"#));
}

#[test]
fn errors_inside_a_stream_end_it() {
    let text = delta(r#"{"content":"a"}"#);
    for (error, status) in [
        (r#"{"error":{"message":"slow down","type":"rate_limit","code":429}}"#, 429),
        (
            r#"{"id":"x","choices":[{"delta":{},"finish_reason":"error","index":0}],"error":{"code":502,"message":"gone"}}"#,
            502,
        ),
        (r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#, 400),
        (r#"{"error":"model exploded"}"#, 502),
    ] {
        let (told, ended, _) = events(&stream_of(&[&text, error, &text, DONE]));
        let ended = ended.expect_err(error);
        assert_eq!(ended.status(), status, "{error}");
        assert!(!told.iter().any(|event| event == "End"));
    }
    let null = format!("{},\"error\":null}}", &text[..text.len() - 1]);
    assert_eq!(told(&[null, String::new(), finish("stop"), DONE.to_owned()]), ["[Text]", "a", "Stop"]);
}

#[test]
fn pictures_sound_sources_and_chances_are_read() {
    let frames = [
        delta(r#"{"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"https://e.org"}}]}"#),
        delta(r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}"#),
        delta(r#"{"audio":{"id":"x","data":"UE0="}}"#),
        delta(r#"{"audio":{"transcript":"hi"}}"#),
        r#"{"choices":[{"index":0,"delta":{"content":"b"},"logprobs":{"content":[{"token":"b","logprob":-1.5,"top_logprobs":[]}]}}]}"#.to_owned(),
        finish("stop"),
        DONE.to_owned(),
    ];
    let told = told(&frames);
    assert_eq!(told[..2], ["[Text]", "a"]);
    assert!(told[2].contains("Citation"));
    assert!(told[3].contains("image/png") && told[4].contains("audio/pcm;rate=24000"));
    assert_eq!(told[5..8], ["[Text]", "hi", "b"]);
    assert!(told[8].starts_with("Chances { choice: 0") && told[8].contains("-1.5"));
}

#[test]
fn damaged_streams_never_panic() {
    for (_, stream) in fixtures("stream") {
        for end in (0..stream.len()).step_by(7) {
            transcoded(&stream[..end], &[]);
            let mut damaged = stream.clone();
            damaged[end] = b'"';
            transcoded(&damaged, &[]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_chunking_gives_the_same_output(splits in prop::collection::vec(any::<usize>(), 0..12)) {
        for (name, stream) in fixtures("stream") {
            prop_assert_eq!(transcoded(&stream, &splits), transcoded(&stream, &[]), "{}", name);
        }
    }

    #[test]
    fn garbage_never_panics(text in r#"(data: |\{|\}|"|:|,|\[|\]|choices|delta|index|tool_calls|function|arguments|[0-9]|\n\n|\\u00|é)*"#) {
        transcoded(text.as_bytes(), &[]);
        let _ = OpenAiChat.read_request(&text);
        let _ = OpenAiChat.read_response(&text);
    }
}
