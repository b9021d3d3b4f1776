//! Real traffic of providers, recorded by others. Not part of the project: `AISIX_VECTORS_DIR` says where
//! the recordings are, one folder a provider and API, one JSON file an exchange with `request.body` and
//! `response.{status, body | chunks}`. Without it nothing is replayed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aisix::dialect::{DialectId, StreamEdits};
use bytes::Bytes;
use serde_json::Value;

use super::passing::{check_answer, check_request, check_stream, pass};

const FOLDERS: [(&str, DialectId); 8] = [
    ("openai-chat", DialectId::OpenAiChat),
    ("azure-chat", DialectId::OpenAiChat),
    ("deepseek-chat", DialectId::OpenAiChat),
    ("groq-chat", DialectId::OpenAiChat),
    ("mistral-chat", DialectId::OpenAiChat),
    ("openai-compatible-chat", DialectId::OpenAiChat),
    ("openrouter-chat", DialectId::OpenAiChat),
    ("anthropic-messages", DialectId::Anthropic),
];

/// How often each thing was seen.
type Tally = BTreeMap<&'static str, usize>;

#[test]
#[allow(clippy::print_stdout, reason = "the summary of a replay is read by people")]
fn recorded_traffic_passes_untouched() {
    let Some(root) = std::env::var_os("AISIX_VECTORS_DIR").map(PathBuf::from) else {
        println!("skipped: AISIX_VECTORS_DIR is not set");
        return;
    };
    let mut tally = Tally::new();
    for (folder, dialect) in FOLDERS {
        for file in files(&root.join(folder)) {
            replay(dialect, &file, &mut tally);
        }
    }
    assert!(tally.get("requests").is_some_and(|count| *count > 0), "no recordings below {}", root.display());
    println!("replayed: {tally:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable folder").path()).collect();
    files.sort();
    files
}

fn replay(dialect: DialectId, file: &Path, tally: &mut Tally) {
    let name = file.display().to_string();
    let recording: Value = serde_json::from_slice(&fs::read(file).expect("readable file")).expect(&name);
    replay_request(dialect, &name, &recording["request"], tally);
    let response = &recording["response"];
    if let Some(stream) = stream_of(dialect, response) {
        check_stream(dialect, &name, &stream);
        check_chunking(dialect, &name, &stream);
        return count(tally, "streams");
    }
    let body = bytes_of(&response["body"]);
    if response["status"].as_u64().is_some_and(|status| status >= 400) {
        let problem = dialect.dialect().read_error(400, &body);
        assert!(problem.native && problem.message.is_some(), "{name}: {problem:?}");
        return count(tally, "errors");
    }
    check_answer(dialect, &name, &body);
    count(tally, "answers");
}

fn replay_request(dialect: DialectId, name: &str, request: &Value, tally: &mut Tally) {
    let body = &request["body"];
    if request.is_null() {
        return count(tally, "answers recorded without their request");
    }
    if !body["messages"].is_array() {
        return count(tally, "requests of another shape (no messages)");
    }
    check_request(dialect, name, &bytes_of(body));
    count(tally, "requests");
}

/// The bytes of a stream, as sent or put together from the chunks it was recorded in.
fn stream_of(dialect: DialectId, response: &Value) -> Option<Bytes> {
    if let Some(chunks) = response["chunks"].as_array() {
        let done = if dialect == DialectId::OpenAiChat { "data: [DONE]\n\n" } else { "" };
        let frames = chunks.iter().map(|chunk| match (dialect, chunk["type"].as_str()) {
            (DialectId::Anthropic, Some(kind)) => format!("event: {kind}\ndata: {chunk}\n\n"),
            _ => format!("data: {chunk}\n\n"),
        });
        return Some(Bytes::from(frames.chain([done.to_owned()]).collect::<String>()));
    }
    let text = response["body"].as_str()?;
    (response["stream"] == true).then(|| Bytes::from(text.to_owned()))
}

/// Bodies are recorded as text or as parsed JSON.
fn bytes_of(body: &Value) -> Bytes {
    let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    Bytes::from(text)
}

/// However the stream is chunked, the output and the readings are the same.
fn check_chunking(dialect: DialectId, name: &str, stream: &Bytes) {
    let edits = StreamEdits { model: Some("alias".to_owned()), hide_usage: true };
    let expected = pass(dialect, &edits, stream, &[]);
    let mut seed = 1u64;
    for _ in 0..20 {
        let splits: Vec<usize> = (0..12).map(|_| random(&mut seed) % (stream.len() + 1)).collect();
        assert_eq!(pass(dialect, &edits, stream, &splits), expected, "{name} split at {splits:?}");
    }
}

/// The next of a fixed sequence of numbers (Knuth's MMIX generator): every run splits alike.
fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

fn count(tally: &mut Tally, what: &'static str) {
    *tally.entry(what).or_default() += 1;
}
