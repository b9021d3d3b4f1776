//! Real traffic of providers, recorded by others. Not part of the project: `AISIX_VECTORS_DIR` says where
//! the recordings are, one folder a provider and API, one JSON file an exchange with `request.body` and
//! `response.{status, body | chunks}`. Without it nothing is replayed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aisix::dialect::{DialectId, StreamEdits};
use bytes::Bytes;
use serde_json::Value;

use super::naive;
use super::passing::{check_answer, check_request, check_stream, pass};

pub const FOLDERS: [(&str, DialectId); 18] = [
    ("openai-chat", DialectId::OpenAiChat),
    ("azure-chat", DialectId::OpenAiChat),
    ("deepseek-chat", DialectId::OpenAiChat),
    ("groq-chat", DialectId::OpenAiChat),
    ("mistral-chat", DialectId::OpenAiChat),
    ("openai-compatible-chat", DialectId::OpenAiChat),
    ("openrouter-chat", DialectId::OpenAiChat),
    ("openai-responses", DialectId::Responses),
    ("azure-responses", DialectId::Responses),
    ("deepseek-responses", DialectId::Responses),
    ("open-responses-responses", DialectId::Responses),
    ("xai-responses", DialectId::Responses),
    ("anthropic-messages", DialectId::Anthropic),
    ("gemini", DialectId::Gemini),
    ("gemini-generate", DialectId::Gemini),
    ("gemini-stream", DialectId::Gemini),
    ("bedrock-converse", DialectId::Bedrock),
    ("bedrock-converse-stream", DialectId::Bedrock),
];

/// How often each thing was seen.
type Tally = BTreeMap<&'static str, usize>;

#[test]
#[allow(clippy::print_stdout, reason = "the summary of a replay is read by people")]
fn recorded_traffic_passes_untouched() {
    let Some(root) = root() else { return println!("skipped: AISIX_VECTORS_DIR is not set") };
    let mut tally = Tally::new();
    for (folder, dialect) in FOLDERS {
        for file in files(&root.join(folder)) {
            replay(dialect, &file, &mut tally);
        }
    }
    assert!(tally.get("requests").is_some_and(|count| *count > 0), "no recordings below {}", root.display());
    println!("replayed: {tally:?}");
}

/// Where the recordings are.
pub fn root() -> Option<PathBuf> {
    std::env::var_os("AISIX_VECTORS_DIR").map(PathBuf::from)
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
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
    if !is_of(dialect, body) {
        return count(tally, "requests of another shape");
    }
    check_request(dialect, name, &bytes_of(body));
    count(tally, "requests");
}

/// Is it a request of the dialect? The folders hold some of other operations.
pub fn is_of(dialect: DialectId, body: &Value) -> bool {
    match dialect {
        DialectId::OpenAiChat | DialectId::Anthropic | DialectId::Bedrock => body["messages"].is_array(),
        DialectId::Responses => body["input"].is_array() || body["input"].is_string(),
        DialectId::Gemini => body["contents"].is_array(),
    }
}

/// The bytes of a stream, as sent or put together from the chunks it was recorded in.
pub fn stream_of(dialect: DialectId, response: &Value) -> Option<Bytes> {
    // An array is how Gemini answers where nobody asks for events.
    if let Some(chunks) = response["chunks"].as_array().or(response["body"].as_array()) {
        let chunks = first_of(chunks);
        if dialect == DialectId::Bedrock {
            let lines: String = chunks.iter().map(|chunk| format!("{chunk}\n")).collect();
            return Some(naive::frames::encode_lines(&lines).into());
        }
        let done = if dialect == DialectId::OpenAiChat { "data: [DONE]\n\n" } else { "" };
        let frames = chunks.iter().map(|chunk| match (dialect, chunk["type"].as_str()) {
            (DialectId::Anthropic | DialectId::Responses, Some(kind)) => {
                format!("event: {kind}\ndata: {chunk}\n\n")
            }
            _ => format!("data: {chunk}\n\n"),
        });
        return Some(Bytes::from(frames.chain([done.to_owned()]).collect::<String>()));
    }
    if let Some(text) = response["body_b64"].as_str() {
        return Some(naive::frames::base64(text).into());
    }
    let text = response["body"].as_str()?;
    (response["stream"] == true).then(|| Bytes::from(text.to_owned()))
}

/// Some recordings hold the streams of several steps, one after another.
fn first_of(chunks: &[Value]) -> &[Value] {
    let begins =
        |chunk: &Value| ["response.created", "message_start"].iter().any(|kind| chunk["type"] == **kind);
    let second = chunks.iter().skip(1).position(begins).map_or(chunks.len(), |at| at + 1);
    &chunks[..second]
}

/// Bodies are recorded as text or as parsed JSON.
pub fn bytes_of(body: &Value) -> Bytes {
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
