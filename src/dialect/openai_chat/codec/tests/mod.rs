//! What is read and written, kind by kind; the fixtures and, where they are, the recordings, there and back.

mod answers;
mod both_ways;
mod chunks;
mod manners;
mod requests;
mod streams;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;

use super::OpenAiChat;
use crate::dialect::canon::names::Renames;
use crate::dialect::canon::{Event, Losses, Request, Response, fit};
use crate::dialect::codec::{Codec, EventWriter, Manner, Outward};
use crate::dialect::frame::transcode::Transcode;
use crate::dialect::quirks::Quirks;
use crate::dialect::{StreamPass, Usage};
use crate::error::{Error, Result};

fn outward() -> Outward {
    Outward {
        alias: "alias".into(),
        request_id: "req-1".into(),
        created: 1_700_000_000,
        usage_asked: true,
        prompt_estimate: 0,
        body: Bytes::new(),
        spent: Usage::default(),
    }
}

fn read(body: &str) -> Request<'_> {
    OpenAiChat.read_request(body).expect(body)
}

/// Writes without fitting, for what only this dialect is asked about.
fn write(request: &Request<'_>, quirks: &Quirks) -> (String, Losses) {
    let mut losses = Losses::default();
    let manner = Manner { model: "target", ask_usage: true, quirks };
    let body = OpenAiChat.write_request(request, &manner, &mut losses).expect("can be said");
    (String::from_utf8(body).expect("UTF-8"), losses)
}

/// Fits and writes.
fn sent(mut request: Request<'_>, quirks: &Quirks) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    fit(&mut request, OpenAiChat.facts().support, &mut losses).expect("is not refused");
    let manner = Manner { model: "target", ask_usage: true, quirks };
    let body = OpenAiChat.write_request(&request, &manner, &mut losses).expect("can be said");
    let names = losses.names().iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&body).expect("JSON"), names)
}

fn answer(body: &str) -> Response<'_> {
    OpenAiChat.read_response(body).expect(body)
}

/// Writes down what it is told.
struct Recorder(Arc<Mutex<Vec<String>>>);

impl EventWriter for Recorder {
    fn write(&mut self, event: &Event<'_>, _out: &mut Vec<u8>) {
        self.0.lock().expect("one thread").push(format!("{event:?}"));
    }
    fn fail(&mut self, _error: &Error, _out: &mut Vec<u8>) {}
}

/// The events of a stream, how it ended, and its usage.
fn events(stream: &[u8]) -> (Vec<String>, Result<()>, Usage) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut pass = Transcode::new(&OpenAiChat, Box::new(Recorder(told.clone())), Renames::default());
    let pushed = pass.push(Bytes::copy_from_slice(stream));
    let ended = pushed.and_then(|_| pass.finish()).map(drop);
    let usage = *pass.usage();
    let told = told.lock().expect("one thread").clone();
    (told, ended, usage)
}

/// The frames as one stream.
fn stream_of(frames: &[&str]) -> Vec<u8> {
    frames.iter().flat_map(|frame| format!("data: {frame}\n\n").into_bytes()).collect()
}

/// A chunk with this delta.
fn delta(delta: &str) -> String {
    format!(
        r#"{{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
    )
}

fn finish(reason: &str) -> String {
    format!(
        r#"{{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#
    )
}

/// A stream through reader and writer, cut at these places.
fn transcoded(stream: &[u8], splits: &[usize]) -> (Vec<u8>, bool) {
    let mut pass = Transcode::new(&OpenAiChat, OpenAiChat.writer(&outward()), Renames::default());
    let mut places: Vec<usize> = splits.iter().map(|place| place % (stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let mut out = Vec::new();
    let mut failed = None;
    for pair in places.windows(2) {
        if failed.is_none() {
            match pass.push(Bytes::copy_from_slice(&stream[pair[0]..pair[1]])) {
                Ok(bytes) => out.extend_from_slice(&bytes),
                Err(error) => failed = Some(error),
            }
        }
    }
    if failed.is_none() {
        match pass.finish() {
            Ok(bytes) => out.extend_from_slice(&bytes),
            Err(error) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        out.extend_from_slice(&pass.fail(&error).expect("a frame"));
    }
    (out, pass.complete())
}

/// The project's own folder, seen from this file.
fn fixtures(kind: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(file!()).ancestors().nth(6).expect("six folders up").to_owned();
    files(&root.join("tests/fixtures/openai_chat").join(kind))
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable folder").path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.display().to_string(), std::fs::read(&path).expect("readable file"));
    paths.into_iter().map(read).collect()
}
