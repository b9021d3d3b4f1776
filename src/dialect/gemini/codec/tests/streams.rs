use bytes::Bytes;
use proptest::prelude::*;

use super::{chunks_of, json, outward, rewritten, told};
use crate::dialect::StreamPass;
use crate::dialect::canon::names::Renames;
use crate::dialect::canon::{Block, Delta, Event, Finish, Maker, Seal, event};
use crate::dialect::codec::{Codec, Frame};
use crate::dialect::frame::transcode::Transcode;
use crate::dialect::gemini::Gemini;
use crate::error::{Error, Kind};

const TOOLS: [&str; 5] = [
    r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3},"modelVersion":"gemini-y","responseId":"r1"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"It is "}],"role":"model"}}],"modelVersion":"gemini-y","responseId":"r1"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"18C."},{"functionCall":{"name":"f","args":{"a": "b"}},"thoughtSignature":"sigC"}]}}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"own","name":"g"}},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":6,"thoughtsTokenCount":4,"totalTokenCount":13}}"#,
];

fn kinds(told: &[String]) -> Vec<&str> {
    told.iter().map(|event| event.split([' ', '(']).next().unwrap_or_default()).collect()
}

#[test]
fn chunks_become_blocks() {
    let told = told(&TOOLS);
    let expected = "Begin Open Delta Usage Close Open Delta Delta Close Open Delta Delta Close Open Delta Close Whole Usage Finish End";
    let expected: Vec<&str> = expected.split(' ').collect();
    assert_eq!(kinds(&told), expected);
    assert!(told[0].contains("\"r1\"") && told[0].contains("gemini-y"));
    assert!(told[9].contains("id: \"call_r1_0\"") && told[13].contains("id: \"own\""));
    assert!(told[10].contains(r#"{\"a\": \"b\"}"#) && told[11].contains("sigC"));
    assert!(told[18].contains("ToolCalls"));
}

#[test]
fn a_finish_in_every_chunk_ends_the_answer_once() {
    let chunk = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    assert_eq!(kinds(&told(&[chunk, chunk])), ["Begin", "Open", "Delta", "Delta", "Close", "Finish", "End"]);
}

#[test]
fn a_stream_without_a_reason_for_its_end_is_not_complete() {
    assert_eq!(kinds(&told(&TOOLS[..2])).last(), Some(&"Delta"));
    assert_eq!(kinds(&told(&[])), [""; 0]);
    let two = [
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},{"content":{"parts":[{"text":"b"}]},"index":1}]}"#,
    ];
    assert!(!kinds(&told(&two)).contains(&"End"));
}

#[test]
fn a_blocked_prompt_is_a_filtered_answer() {
    let told = told(&[
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4},"responseId":"r"}"#,
    ]);
    assert_eq!(kinds(&told), ["Begin", "Usage", "Finish", "End"]);
    assert!(told[2].contains("Filtered"));
}

#[test]
fn signatures_stand_on_what_they_sign_or_nowhere() {
    let told = told(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"","thoughtSignature":"s1"},{"inlineData":{"mimeType":"image/png","data":"AA=="},"thoughtSignature":"s2"},{"text":"","thoughtSignature":"s3"}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"","thought":true,"thoughtSignature":"s4"}]},"finishReason":"STOP"}]}"#,
    ]);
    let expected =
        ["Begin", "Open", "Delta", "Delta", "Close", "Whole", "Open", "Delta", "Close", "Finish", "End"];
    assert_eq!(kinds(&told), expected);
    assert!(told[3].contains("s1") && told[7].contains("s4"));
}

#[test]
fn an_error_inside_a_stream_fails_it() {
    let told = told(&[TOOLS[1], r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#]);
    assert!(told[3].starts_with("Failed") && told[3].contains("503"), "{told:?}");
}

#[test]
fn sources_and_chances_are_told() {
    let told = told(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a b"}]},"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}]}}]}"#,
        r#"{"candidates":[{"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u","title":"t"}}],"groundingSupports":[{"segment":{"endIndex":1},"groundingChunkIndices":[0]}]}}]}"#,
    ]);
    assert_eq!(kinds(&told), ["Begin", "Open", "Delta", "Chances", "Delta", "Close", "Finish", "End"]);
    assert!(told[4].contains("range: Some((0, 1))") && told[4].contains("\"u\""));
}

#[test]
fn a_stream_is_written_chunk_by_chunk() {
    let mut writer = Gemini.writer(&outward());
    let mut out = Vec::new();
    let mut write = |event: Event<'_>| writer.write(&event, &mut out);
    write(Event::Begin { id: Some("r1"), model: Some("m"), created: None });
    write(Event::Open { choice: 0, block: 0, kind: Block::Text });
    write(Event::Delta { choice: 0, block: 0, delta: Delta::Text("a\"b") });
    write(Event::Close { choice: 0, block: 0 });
    write(Event::Open { choice: 0, block: 1, kind: Block::ToolCall { id: "c", name: "f", custom: false } });
    write(Event::Delta { choice: 0, block: 1, delta: Delta::Text("{\"a\"") });
    write(Event::Delta { choice: 0, block: 1, delta: Delta::Text(":1}") });
    let foreign = Seal { maker: Maker::Claude, data: "x".into() };
    write(Event::Delta { choice: 0, block: 1, delta: Delta::Seal(&foreign) });
    write(Event::Close { choice: 0, block: 1 });
    write(Event::Finish { choice: 0, finish: Finish::ToolCalls });
    write(Event::Usage(&crate::dialect::Usage { input: Some(2), output: Some(3), ..Default::default() }));
    write(Event::End);
    let expected = concat!(
        r#"data: {"candidates":[{"content":{"parts":[{"text":"a\"b"}],"role":"model"},"index":0}],"modelVersion":"alias","responseId":"r1"}"#,
        "\n\n",
        r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"c","name":"f","args":{"a":1}}}],"role":"model"},"index":0}],"modelVersion":"alias","responseId":"r1"}"#,
        "\n\n",
        r#"data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":3,"totalTokenCount":5},"modelVersion":"alias","responseId":"r1"}"#,
        "\n\n",
    );
    assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
}

#[test]
fn several_answers_and_a_refusal_are_written() {
    let mut writer = Gemini.writer(&outward());
    let mut out = Vec::new();
    let mut write = |event: Event<'_>| writer.write(&event, &mut out);
    for choice in [11, 0] {
        write(Event::Open { choice, block: 0, kind: Block::Refusal });
        write(Event::Delta { choice, block: 0, delta: Delta::Text("no") });
        write(Event::Close { choice, block: 0 });
        write(Event::Finish { choice, finish: Finish::Stop });
    }
    write(Event::End);
    let chunks = chunks_of(&out);
    assert_eq!(json(&chunks[0])["candidates"][0]["index"], 11);
    assert_eq!(json(&chunks[2])["candidates"][11]["finishReason"], "SAFETY");
    assert!(json(&chunks[2])["usageMetadata"].is_null());
}

#[test]
fn a_stream_comes_back_as_it_was() {
    let first = told(&TOOLS);
    let written = rewritten(&TOOLS);
    let chunks: Vec<&str> = written.iter().map(String::as_str).collect();
    let second = told(&chunks);
    // The model is ours, and usage is told once, at the end.
    let content = |told: &[String]| -> Vec<String> {
        let said = told[1..].iter().filter(|event| !event.starts_with("Usage"));
        said.cloned().collect()
    };
    assert_eq!(content(&second), content(&first));
    assert_eq!(second[second.len() - 3], first[first.len() - 3]);
}

#[test]
fn a_failure_is_told_in_band_and_nothing_after_it() {
    let mut pass = Transcode::new(&Gemini, Gemini.writer(&outward()), Renames::default());
    let mut out = pass.push(Bytes::from(format!("data: {}\n\n", TOOLS[1]))).expect("a chunk").to_vec();
    out.extend_from_slice(
        &pass.fail(&Error::new(Kind::UpstreamCut, "gone")).expect("a dialect with a way to say it"),
    );
    let chunks = chunks_of(&out);
    assert_eq!((chunks.len(), &json(&chunks[1])["error"]["status"]), (2, &json(r#""UNAVAILABLE""#)));
}

#[test]
fn a_whole_answer_can_be_told_as_a_stream() {
    let answer = Gemini.read_response(TOOLS[2]).expect("an answer");
    let mut writer = Gemini.writer(&outward());
    let mut out = Vec::new();
    event::replay(&answer, &mut |event| writer.write(&event, &mut out));
    let chunks = chunks_of(&out);
    assert_eq!(chunks.len(), 3);
    assert_eq!(json(&chunks[1])["candidates"][0]["content"]["parts"][0]["thoughtSignature"], "sigC");
}

#[test]
fn what_is_no_chunk_is_an_error_and_never_a_panic() {
    for data in ["", "null", "[]", "x", "{", r#"{"candidates":[{"content":{"parts":[{"text":5}]}}]}"#] {
        let mut reader = Gemini.reader();
        assert!(reader.read(&Frame { name: None, data, exception: false }, &mut |_| {}).is_err(), "{data}");
    }
    let mut reader = Gemini.reader();
    for data in
        ["{}", "[DONE]", r#"{"candidates":[{"index":4000000000,"content":{"parts":[{"text":"a"}]}}]}"#]
    {
        reader.read(&Frame { name: None, data, exception: false }, &mut |_| {}).expect(data);
    }
}

fn stream() -> String {
    TOOLS.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect()
}

fn translated(stream: &str, cuts: &[usize]) -> String {
    let mut pass = Transcode::new(&Gemini, Gemini.writer(&outward()), Renames::default());
    let mut places: Vec<usize> =
        cuts.iter().map(|cut| cut % (stream.len() + 1)).chain([0, stream.len()]).collect();
    places.sort_unstable();
    let mut out = Vec::new();
    for pair in places.windows(2) {
        let chunk = Bytes::copy_from_slice(&stream.as_bytes()[pair[0]..pair[1]]);
        out.extend_from_slice(&pass.push(chunk).expect("chunks"));
    }
    out.extend_from_slice(&pass.finish().expect("a complete stream"));
    assert!(pass.complete());
    String::from_utf8(out).expect("UTF-8")
}

proptest! {
    #[test]
    fn however_a_stream_is_chunked_its_translation_is_the_same(cuts in prop::collection::vec(0usize..3000, 0..12)) {
        prop_assert_eq!(translated(&stream(), &cuts), translated(&stream(), &[]));
    }

    #[test]
    fn a_stream_that_is_damaged_anywhere_ends_in_an_error_or_an_answer(at in 0usize..3000, byte in any::<u8>(), cut in 0usize..3000) {
        let mut bytes = stream().into_bytes();
        let places = bytes.len();
        bytes[at % places] = byte;
        bytes.truncate(cut % places + 1);
        let mut pass = Transcode::new(&Gemini, Gemini.writer(&outward()), Renames::default());
        let mut out = pass.push(Bytes::from(bytes)).map(|out| out.to_vec()).unwrap_or_default();
        if let Err(error) = pass.finish() {
            out.extend_from_slice(&pass.fail(&error).expect("a dialect with a way to say it"));
        }
        prop_assert!(chunks_of(&out).iter().all(|chunk| serde_json::from_str::<serde_json::Value>(chunk).is_ok()));
    }

    #[test]
    fn no_bytes_make_the_codec_panic(body in "\\PC{0,80}|[\\[\\]{}\":,a-z0-9\\\\ ]{0,80}") {
        let _ = Gemini.read_request(&body);
        let _ = Gemini.read_response(&body);
        let _ = Gemini.reader().read(&Frame { name: None, data: &body, exception: false }, &mut |_| {});
        let wrapped = format!(r#"{{"contents":[{{"parts":[{body}]}}],"candidates":[{{"content":{{"parts":[{body}]}},"groundingMetadata":{body}}}]}}"#);
        let _ = Gemini.read_request(&wrapped);
        let _ = Gemini.read_response(&wrapped);
    }
}
