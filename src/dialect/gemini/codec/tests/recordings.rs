//! Real traffic, recorded by others. Not part of the project: `AISIX_VECTORS_DIR` says where it is. Without it nothing is
//! replayed.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::{manner, outward, rewritten, told};
use crate::dialect::canon::{Content, Losses, MediaKind, Part, Request, Response, Source, ToolKind, Turn};
use crate::dialect::codec::Codec;
use crate::dialect::gemini::Gemini;
use crate::dialect::{Dialect, Usage};

#[test]
fn recorded_traffic_comes_back_as_it_was() {
    let Some(root) = std::env::var_os("AISIX_VECTORS_DIR").map(PathBuf::from) else { return };
    let mut seen = [0; 3];
    for folder in ["gemini", "gemini-generate", "gemini-stream"] {
        for file in files(&root.join(folder)) {
            let name = file.display().to_string();
            let recording: Value =
                serde_json::from_slice(&fs::read(&file).expect("readable file")).expect(&name);
            seen[0] += usize::from(check_request(&name, &recording["request"]));
            let chunks = chunks(&recording["response"]);
            match &recording["response"]["body"] {
                // Arguments in pieces are given to those who ask for them, and we do not.
                _ if chunks.iter().any(|chunk| chunk.contains("partialArgs")) => {}
                _ if !chunks.is_empty() => {
                    check_stream(&name, &chunks);
                    seen[1] += 1;
                }
                body if body["error"].is_null() => {
                    check_answer(&name, &text(body));
                    check_passing(&name, body);
                    seen[2] += 1;
                }
                body => assert!(Gemini.read_error(400, text(body).as_bytes()).native, "{name}"),
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("readable folder").path()).collect()
}

/// Bodies are recorded as text or as parsed JSON.
fn text(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

/// Chunks of events, or the elements of an array.
fn chunks(response: &Value) -> Vec<String> {
    if let Some(chunks) = response["chunks"].as_array().or(response["body"].as_array()) {
        return chunks.iter().map(Value::to_string).collect();
    }
    let events = response["body"].as_str().filter(|_| response["stream"] == true).unwrap_or_default();
    events.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

fn check_request(name: &str, request: &Value) -> bool {
    let body = text(&request["body"]);
    if request["body"].is_null() {
        return false;
    }
    let mut first = Gemini.read_request(&body).expect(name);
    first.rest.clear();
    // The generation that takes thinking as this request writes it.
    let level = body.contains("hinkingLevel") || body.contains("hinking_level");
    let model = if level { "gemini-3-flash" } else { "gemini-2.5-flash" };
    let written = Gemini.write_request(&first, &manner(model), &mut Losses::default()).expect(name);
    let written = String::from_utf8(written).expect("UTF-8");
    let second = Gemini.read_request(&written).expect(name);
    assert!(simple(second) == simple(first), "{name}\n{written}");
    true
}

/// The type of a file kept at Google is not kept, an empty text is nothing, neighbours of one side are
/// merged, and functions stand before other tools.
fn simple(mut request: Request<'_>) -> Request<'_> {
    fn forget_kind(part: &mut Part<'_>) {
        if let Content::Media(media) = &mut part.content
            && matches!(media.source, Source::File { .. })
        {
            media.kind = MediaKind::Document;
        }
    }
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        forget_kind(part);
        if let Content::ToolResult(result) = &mut part.content {
            result.parts.iter_mut().for_each(forget_kind);
        }
    }
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for mut turn in request.turns.drain(..).filter(|turn| !turn.parts.is_empty()) {
        match turns.last_mut().filter(|last| last.role == turn.role) {
            Some(last) => last.parts.append(&mut turn.parts),
            None => turns.push(turn),
        }
    }
    request.tools.sort_by_key(|tool| matches!(tool.kind, ToolKind::Hosted(_)));
    Request { turns, ..request }
}

fn check_answer(name: &str, body: &str) {
    let first = Gemini.read_response(body).expect(name);
    let written = Gemini.write_response(&first, &outward());
    let written = std::str::from_utf8(&written).expect("UTF-8");
    let second = Gemini.read_response(written).expect(name);
    let usage = Usage { total: second.usage.total, ..first.usage };
    let (id, model) = (second.id.clone(), second.model.clone());
    assert!(second == Response { id, model, usage, ..first }, "{name}\n{written}");
}

/// An answer that is passed on differs in the model alone.
fn check_passing(name: &str, body: &Value) {
    let answer = Gemini.splice_answer(&Bytes::from(text(body)), "alias").expect(name);
    assert_eq!(answer.usage, Gemini.read_response(&text(body)).expect(name).usage);
    let mut expected: Value = serde_json::from_str(&text(body)).expect(name);
    expected["modelVersion"] = "alias".into();
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).expect(name), expected);
}

fn check_stream(name: &str, chunks: &[String]) {
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let first = told(&chunks);
    assert_eq!(first.last().map(String::as_str), Some("End"), "{name}");
    let written = rewritten(&chunks);
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    let second = told(&written);
    // The model is ours, and usage is told once.
    let content = |told: &[String]| -> Vec<String> {
        told[1..].iter().filter(|event| !event.starts_with("Usage")).cloned().collect()
    };
    assert_eq!(content(&second), content(&first), "{name}");
}
