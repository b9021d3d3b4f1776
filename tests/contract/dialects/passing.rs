//! Passes bytes through a dialect and checks what came out.

use aisix::dialect::{DialectId, Problem, StreamEdits, Usage};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::naive;

/// All that can be observed of one stream.
#[derive(Debug, PartialEq)]
pub struct Passed {
    pub output: Bytes,
    pub events: u64,
    pub complete: bool,
    pub problem: Option<Problem>,
    pub usage: Usage,
}

/// Passes a stream cut at these places, in any order.
pub fn pass(dialect: DialectId, edits: &StreamEdits, stream: &Bytes, splits: &[usize]) -> Passed {
    let mut places = splits.to_vec();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let mut pass = dialect.dialect().stream(edits.clone());
    let mut output = BytesMut::new();
    for pair in places.windows(2) {
        output.extend_from_slice(&pass.push(stream.slice(pair[0]..pair[1])).expect("no frame is too long"));
    }
    output.extend_from_slice(&pass.finish().expect("nothing has to be complete"));
    Passed {
        output: output.freeze(),
        events: pass.events(),
        complete: pass.complete(),
        problem: pass.problem().cloned(),
        usage: *pass.usage(),
    }
}

const ALIAS: &str = "the \"alias\" \\ é";

/// A request is understood, and splicing a model in and out again restores every byte.
pub fn check_request(id: DialectId, name: &str, body: &Bytes) {
    let dialect = id.dialect();
    let peek = dialect.peek(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    let json: Value = serde_json::from_slice(body).expect(name);
    if is_addressed(id) {
        assert_eq!((peek.model.as_str(), peek.stream), ("", false), "{name}");
        assert_eq!(dialect.splice_request(body, &peek, ALIAS, true), body, "{name}");
        return;
    }
    assert_eq!(json["model"], peek.model.as_str(), "{name}");
    assert_eq!(json["stream"].as_bool().unwrap_or(false), peek.stream, "{name}");

    let there = dialect.splice_request(body, &peek, ALIAS, false);
    assert_only_model(name, body, &there, &[&["model"]]);
    let again = dialect.peek(&there).expect(name);
    assert_eq!(again.model, ALIAS, "{name}");
    assert_eq!(dialect.splice_request(&there, &again, &peek.model, false), body, "{name}");

    let asking = dialect.splice_request(body, &peek, &peek.model, true);
    let asked: Value = serde_json::from_slice(&asking).expect(name);
    if id == DialectId::OpenAiChat && peek.stream {
        assert_eq!(asked["stream_options"]["include_usage"], true, "{name}");
        assert!(dialect.peek(&asking).expect(name).usage_asked, "{name}");
    } else {
        assert_eq!(asking, body, "{name}");
    }
}

/// Does the address say which model is wanted, and whether as a stream?
fn is_addressed(id: DialectId) -> bool {
    matches!(id, DialectId::Gemini | DialectId::Bedrock)
}

/// Where an answer names its model: a whole one, and the events of a stream.
fn model_of(id: DialectId) -> (&'static [&'static str], &'static [&'static str]) {
    match id {
        DialectId::OpenAiChat => (&["model"], &["model"]),
        DialectId::Anthropic => (&["model"], &["message", "model"]),
        DialectId::Responses => (&["model"], &["response", "model"]),
        DialectId::Gemini => (&["modelVersion"], &["modelVersion"]),
        DialectId::Bedrock => (&[], &[]),
    }
}

/// An answer passes byte-equal under its own model id and differs only in it under an alias.
pub fn check_answer(id: DialectId, name: &str, body: &Bytes) {
    let dialect = id.dialect();
    let json: Value = serde_json::from_slice(body).expect(name);
    let answer = dialect.splice_answer(body, ALIAS).unwrap_or_else(|error| panic!("{name}: {error}"));
    let path = model_of(id).0;
    assert_only_model(name, body, &answer.body, &[path]);
    assert_eq!(answer.usage, naive::usage_of_answer(id, &json), "{name}");
    if let Some(own) = json.pointer(&format!("/{}", path.join("/"))).and_then(Value::as_str) {
        assert_eq!(dialect.splice_answer(body, own).expect(name).body, body, "{name}");
    }
}

/// A stream passes byte-equal without edits and under its own model id, differs only in it under an alias,
/// and what is read on the side is true.
pub fn check_stream(id: DialectId, name: &str, body: &Bytes) {
    let events = naive::events_of(id, body);
    let untouched = pass(id, &StreamEdits { model: None, hide_usage: false }, body, &[]);
    assert_eq!(untouched.output, body, "{name}");
    assert_eq!(untouched.usage, naive::usage_of_stream(id, &events), "{name}");
    assert_eq!(untouched.complete, naive::is_complete(id, &events), "{name}");
    assert_eq!(untouched.events, events.iter().filter(|event| event.data.is_some()).count() as u64, "{name}");
    let failed = events.iter().any(|event| naive::is_error(id, event));
    assert_eq!(untouched.problem.is_some(), failed, "{name}");

    let renamed = pass(id, &StreamEdits { model: Some(ALIAS.to_owned()), hide_usage: false }, body, &[]);
    if id == DialectId::Bedrock {
        return assert_eq!(renamed, untouched, "{name}: there is no model in it");
    }
    let text = |bytes| std::str::from_utf8(bytes).expect(name);
    assert_renamed(id, name, text(body), text(&renamed.output));
    assert_eq!(Passed { output: body.clone(), ..renamed }, untouched, "{name}: readings differ");
    for own in model_ids(id, &events) {
        let passed = pass(id, &StreamEdits { model: Some(own), hide_usage: false }, body, &[]);
        let same = passed.output == body;
        assert!(same || model_ids(id, &events).len() > 1, "{name}: own model id changes the stream");
    }
    check_hidden_usage(id, name, body, &events);
}

fn check_hidden_usage(id: DialectId, name: &str, body: &Bytes, events: &[naive::Event]) {
    let hidden = pass(id, &StreamEdits { model: None, hide_usage: true }, body, &[]);
    let text = std::str::from_utf8(&hidden.output).expect(name);
    let left: Vec<_> = naive::events(text).into_iter().filter_map(|event| event.data).collect();
    let hides = |event: &&naive::Event| id == DialectId::OpenAiChat && naive::is_usage_only(event);
    let expected: Vec<_> =
        events.iter().filter(|event| !hides(event)).filter_map(|event| event.data.clone()).collect();
    assert_eq!(left, expected, "{name}");
    if !events.iter().any(|event| hides(&event)) {
        assert_eq!(hidden.output, body, "{name}");
    }
}

/// The different model ids in a stream.
fn model_ids(id: DialectId, events: &[naive::Event]) -> Vec<String> {
    let mut ids: Vec<String> = events
        .iter()
        .filter_map(naive::Event::json)
        .filter_map(|json| {
            json.pointer(&format!("/{}", model_of(id).1.join("/")))?.as_str().map(str::to_owned)
        })
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Line by line: what changed is the model id and nothing else. Data over several lines does not change.
fn assert_renamed(id: DialectId, name: &str, before: &str, after: &str) {
    let path = model_of(id).1;
    let lines = |text: &str| text.split_inclusive(['\n', '\r']).map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    assert_eq!(before.len(), after.len(), "{name}");
    for (old, new) in before.iter().zip(&after) {
        let json = |line: &str| line.split_once("data:").map(|(_, json)| Bytes::from(json.trim().to_owned()));
        match (json(old), json(new)) {
            (Some(old), Some(new)) if serde_json::from_slice::<Value>(&old).is_ok() => {
                assert_only_model(name, &old, &new, &[path]);
            }
            _ => assert_eq!(old, new, "{name}"),
        }
    }
}

/// Two JSON texts differ in nothing but the model id at these paths, and there it is the alias.
fn assert_only_model(name: &str, before: &Bytes, after: &Bytes, paths: &[&[&str]]) {
    let mut expected: Value = serde_json::from_slice(before).expect(name);
    let mut literals = Vec::new();
    for path in paths {
        let pointer = format!("/{}", path.join("/"));
        if let Some(value) = expected.pointer_mut(&pointer).filter(|value| value.is_string()) {
            literals.push(std::mem::replace(value, Value::from(ALIAS)));
        }
    }
    let found: Value = serde_json::from_slice(after).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(found, expected, "{name}");
    if literals.is_empty() {
        return assert_eq!(before, after, "{name}");
    }
    // Every byte before and after the one value is the same.
    let alias = serde_json::to_string(ALIAS).expect("a string");
    let text = std::str::from_utf8(after).expect(name);
    let (head, tail) = text.split_once(&alias).expect(name);
    assert!(before.starts_with(head.as_bytes()) && before.ends_with(tail.as_bytes()), "{name}");
    let literal = &before[head.len()..before.len() - tail.len()];
    let old: Value = serde_json::from_slice(literal).expect(name);
    assert_eq!(old, literals[0], "{name}");
}
