//! Recordings of real traffic, where a folder of them is named. What was recorded is read, written and read again.

use std::fs;
use std::path::PathBuf;

use super::streams::rewritten;
use super::*;
use crate::dialect::canon::{Source, ToolChoice};

/// The recordings of a folder below `AISIX_VECTORS_DIR`.
fn recordings(folder: &str) -> Vec<(String, Value)> {
    let Some(root) = std::env::var_os("AISIX_VECTORS_DIR") else { return Vec::new() };
    let folder = PathBuf::from(root).join(folder);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let read = |path: &PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
    paths.iter().filter_map(|path| Some((path.display().to_string(), read(path)?))).collect()
}

/// The model in the path.
fn model_of(recording: &Value) -> String {
    let uri = recording["request"]["uri"].as_str().unwrap_or_default();
    let id = uri.split("/model/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned()
}

#[test]
fn every_recorded_request_is_written_as_it_was_read() {
    let mut seen = 0;
    for folder in ["bedrock-converse", "bedrock-converse-stream"] {
        for (name, recording) in recordings(folder) {
            let body = &recording["request"]["body"];
            if !body.is_object() {
                continue;
            }
            seen += 1;
            let text = body.to_string();
            let mut expected = Bedrock.read_request(&text).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            expected.rest.clear();
            expected.tool_choice = expected.tool_choice.filter(|choice| *choice != ToolChoice::Auto);
            let mut losses = Losses::default();
            let written = Bedrock.write_request(&expected, &manner(&model_of(&recording)), &mut losses);
            // One has no text at all.
            let Ok(written) = written else {
                let blank =
                    |part: &Part<'_>| matches!(&part.content, Content::Text(text) if text.trim().is_empty());
                assert!(expected.turns.iter().flat_map(|turn| &turn.parts).all(blank), "{name}");
                continue;
            };
            let written = String::from_utf8(written).expect("UTF-8");
            let again = Bedrock.read_request(&written).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            assert_eq!(flat(&again), flat(&expected), "{name}: {written}");
            assert_eq!(again.tools.len(), expected.tools.len(), "{name}");
            assert_eq!(again.reasoning, expected.reasoning, "{name}");
            assert_eq!(again.sampling, expected.sampling, "{name}");
        }
    }
    assert!(seen > 40 || std::env::var_os("AISIX_VECTORS_DIR").is_none(), "{seen}");
}

/// What is said, without how it was cut into turns, which titles documents have, and what has no words.
fn flat(request: &Request<'_>) -> Vec<String> {
    let parts = request.turns.iter().flat_map(|turn| turn.parts.iter().map(|part| (turn.role, part)));
    let mut said = Vec::new();
    for (role, part) in parts {
        let content = match &part.content {
            Content::Text(text) if text.trim().is_empty() => continue,
            Content::Media(media) => match &media.source {
                Source::Base64 { media_type, data } => format!("{media_type} {}", data.len()),
                other => format!("{other:?}"),
            },
            Content::ToolResult(result) if result.parts.is_empty() && result.json.is_none() => {
                format!("{} (no output)", result.id)
            }
            other => format!("{other:?}"),
        };
        said.push(format!("{role:?} {content} {:?}", part.cache));
    }
    said
}

#[test]
fn every_recorded_answer_is_read_and_written() {
    let mut seen = 0;
    for (name, recording) in recordings("bedrock-converse") {
        let response = &recording["response"];
        if response["status"] != 200 || !response["body"].is_object() {
            continue;
        }
        seen += 1;
        let text = response["body"].to_string();
        let read = Bedrock.read_response(&text).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let again = String::from_utf8(Bedrock.write_response(&read, &outward())).expect("UTF-8");
        let again = Bedrock.read_response(&again).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(again, super::answers::without_foreign(&read), "{name}");
        assert_eq!(read.usage.total, response["body"]["usage"]["totalTokens"].as_u64(), "{name}");
        let sum = read.usage.input.zip(read.usage.output).map(|(input, output)| input + output);
        assert_eq!(read.usage.total, sum, "{name}: the total holds cached tokens");
    }
    assert!(seen > 30 || std::env::var_os("AISIX_VECTORS_DIR").is_none(), "{seen}");
}

#[test]
fn every_recorded_stream_is_read_and_written() {
    let mut streams = Vec::new();
    for (name, recording) in recordings("bedrock-converse-stream") {
        let base64 = recording["response"]["body_b64"].as_str().expect("bytes");
        streams.push((name, decode(base64)));
    }
    for (name, recording) in recordings("bedrock-converse") {
        if let Some(chunks) = recording["response"]["chunks"].as_array() {
            let lines: Vec<String> = chunks.iter().map(Value::to_string).collect();
            streams.push((name, super::streams::framed(lines.iter().map(String::as_str))));
        }
    }
    for (name, stream) in &streams {
        let first = rewritten(stream).unwrap_or_else(|error| panic!("{name}: {error}"));
        let second = rewritten(&first).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(first, second, "{name}");
    }
    assert!(streams.len() > 4 || std::env::var_os("AISIX_VECTORS_DIR").is_none());
}

fn decode(base64: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for byte in base64.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        bits = bits << 6 | ALPHABET.iter().position(|letter| *letter == byte).expect("base64") as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}
