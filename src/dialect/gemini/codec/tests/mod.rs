mod answers;
mod recordings;
mod requests;
mod streams;
mod written;

use bytes::Bytes;
use serde_json::Value;

use crate::dialect::Usage;
use crate::dialect::canon::{Event, Losses, Request};
use crate::dialect::codec::{Codec, Frame, Manner, Outward};
use crate::dialect::gemini::Gemini;
use crate::dialect::quirks::Quirks;

pub fn manner(model: &str) -> Manner<'_> {
    Manner { model, ask_usage: false, quirks: &Quirks::NONE }
}

pub fn outward() -> Outward {
    Outward {
        alias: "alias".to_owned(),
        request_id: "req-1".to_owned(),
        created: 1,
        usage_asked: true,
        prompt_estimate: 5,
        body: Bytes::new(),
        spent: Usage::default(),
    }
}

/// What is written for a request, and what was lost.
pub fn written(request: &Request<'_>, model: &str) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let body = Gemini.write_request(request, &manner(model), &mut losses).expect("it can be said");
    let lost = losses.names().iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&body).expect("JSON"), lost)
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// What a stream of these chunks says.
pub fn told(chunks: &[&str]) -> Vec<String> {
    let mut told = Vec::new();
    read_stream(chunks, &mut |event| told.push(format!("{event:?}")));
    told
}

/// Chunks of the stream that is written for what a stream of these chunks says.
pub fn rewritten(chunks: &[&str]) -> Vec<String> {
    let mut writer = Gemini.writer(&outward());
    let mut out = Vec::new();
    read_stream(chunks, &mut |event| writer.write(&event, &mut out));
    chunks_of(&out)
}

pub fn chunks_of(stream: &[u8]) -> Vec<String> {
    let text = String::from_utf8(stream.to_vec()).expect("UTF-8");
    let frames = text.split_terminator("\n\n");
    frames.map(|frame| frame.strip_prefix("data: ").expect("an event").to_owned()).collect()
}

fn read_stream(chunks: &[&str], tell: &mut dyn FnMut(Event<'_>)) {
    let mut reader = Gemini.reader();
    for data in chunks {
        reader.read(&Frame { name: None, data, exception: false }, tell).expect("a chunk");
    }
    reader.end(tell);
}
