//! Requests, answers and streams of any dialect in every other: nothing panics, what is written is JSON, chunking does
//! not matter, and every stream keeps the grammar of its dialect, whatever came from upstream.
#![no_main]

use aisix::chunkings;
use aisix::dialect::DialectId;
use bytes::Bytes;
use judging::{grammar, naive, translating};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// The plain readings that the contract tests judge by.
#[allow(dead_code)]
#[path = "../../tests/contract/dialects"]
mod judging {
    pub mod grammar;
    pub mod naive;
    pub mod translating;
}

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    for from in DialectId::ALL {
        for to in translating::others(from) {
            check_request(from, to, &input);
            check_answer(from, to, &input);
            check_stream(from, to, &input);
            if from == DialectId::Bedrock {
                check_stream(from, to, &messages(&input));
            }
        }
    }
});

fn check_request(from: DialectId, to: DialectId, body: &Bytes) {
    // The gateway has proved that a body is a JSON object before it translates.
    let Ok(text) = std::str::from_utf8(body) else { return };
    if from.dialect().peek(body).is_err() {
        return;
    }
    if let Ok(translated) = translating::request(from, to, text, false) {
        assert_json(&translated.body);
    }
}

fn check_answer(from: DialectId, to: DialectId, body: &Bytes) {
    if let Ok(translated) = translating::answer(from, to, body) {
        assert_json(&translated.body);
    }
    if let Ok(translated) = translating::answer_as_stream(from, to, body) {
        let events = naive::events_of(to, &translated.body);
        let broken = grammar::broken(to, &events, false, !translated.usage.is_empty());
        assert!(broken.is_empty(), "{} to {}: {broken:?}", from.title(), to.title());
    }
}

fn check_stream(from: DialectId, to: DialectId, stream: &Bytes) {
    let whole = translating::stream(from, to, stream, &[]);
    for chunks in chunkings(stream) {
        let ends: Vec<usize> = chunks.iter().scan(0, |end, chunk| Some(std::mem::replace(end, *end + chunk.len()))).collect();
        assert_eq!(translating::stream(from, to, stream, &ends), whole);
    }
    assert_ne!(whole.complete, whole.failed.is_some());
    let events = naive::events_of(to, &whole.output);
    let broken = grammar::broken(to, &events, whole.failed.is_some(), !whole.usage.is_empty());
    assert!(broken.is_empty(), "{} to {}: {broken:?}", from.title(), to.title());
}

/// Lines of `{"event": {…}}`, as fixtures are kept, as the messages that travel; other lines are their payload.
fn messages(lines: &[u8]) -> Bytes {
    let mut stream = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').take(64) {
        let event = serde_json::from_slice::<Value>(line).unwrap_or_default();
        let known = event.as_object().and_then(|event| event.iter().next());
        match known.filter(|(name, _)| name.len() < 128) {
            Some((name, payload)) => stream.extend(naive::frames::encode(name, payload.to_string().as_bytes())),
            None => stream.extend(naive::frames::encode("contentBlockDelta", line)),
        }
    }
    stream.into()
}

/// The tree parser refuses deep nesting and huge numbers, which are none of our business.
fn assert_json(body: &[u8]) {
    if let Err(error) = serde_json::from_slice::<Value>(body) {
        let known = ["recursion limit", "number out of range"].iter().any(|known| error.to_string().contains(known));
        assert!(known, "{error}: {}", String::from_utf8_lossy(body));
    }
}
