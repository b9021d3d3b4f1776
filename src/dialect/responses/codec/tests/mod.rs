//! What the codec reads and writes.

mod recordings;
mod requests;
mod streams;
mod writing;

use bytes::Bytes;

use crate::dialect::canon::names::Renames;
use crate::dialect::canon::{Event, Losses, Request};
use crate::dialect::codec::{Codec, Frame, Manner, Outward};
use crate::dialect::frame::transcode::Transcode;
use crate::dialect::quirks::Quirks;
use crate::dialect::responses::Responses;
use crate::dialect::{StreamPass, Usage};
use serde_json::Value;

fn outward(body: &str) -> Outward {
    Outward {
        alias: "the alias".to_owned(),
        request_id: "req-1".to_owned(),
        created: 1_763_000_000,
        usage_asked: true,
        prompt_estimate: 0,
        body: Bytes::from(body.to_owned()),
        spent: Usage::default(),
    }
}

fn read(body: &str) -> Request<'_> {
    Responses.read_request(body).unwrap_or_else(|wrong| panic!("{wrong}: {body}"))
}

fn written(request: &Request<'_>) -> String {
    let manner = Manner { model: "gpt-x", ask_usage: false, quirks: &Quirks::NONE };
    let body = Responses.write_request(request, &manner, &mut Losses::default()).expect("a request");
    String::from_utf8(body).expect("UTF-8")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The frames of a stream, each as its name and its data.
fn frames(stream: &str) -> Vec<(String, String)> {
    let fields = |frame: &str| {
        let field = |name: &str| {
            frame.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        (field("event: "), field("data: "))
    };
    stream.replace("\r\n", "\n").split("\n\n").filter(|frame| frame.contains("data: ")).map(fields).collect()
}

/// What a stream says: each event in its debug form, since events borrow.
fn told(stream: &str) -> Vec<String> {
    let mut reader = Responses.reader();
    let mut events = Vec::new();
    for (name, data) in frames(stream) {
        let frame = Frame { name: Some(&name), data: &data, exception: false };
        let read = reader.read(&frame, &mut |event: Event<'_>| events.push(format!("{event:?}")));
        read.unwrap_or_else(|wrong| panic!("{wrong}: {data}"));
    }
    reader.end(&mut |event: Event<'_>| events.push(format!("{event:?}")));
    events
}

/// The stream as it is written again, cut at these places on its way.
fn passed(stream: &str, body: &str, splits: &[usize]) -> (String, Usage) {
    let mut pass = Transcode::new(&Responses, Responses.writer(&outward(body)), Renames::default());
    let mut places = splits.to_vec();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let mut out = Vec::new();
    for pair in places.windows(2) {
        let chunk = Bytes::copy_from_slice(&stream.as_bytes()[pair[0]..pair[1]]);
        match pass.push(chunk) {
            Ok(bytes) => out.extend_from_slice(&bytes),
            Err(error) => {
                out.extend_from_slice(&pass.fail(&error).expect("a failed stream is told"));
                break;
            }
        }
    }
    (String::from_utf8(out).expect("UTF-8"), *pass.usage())
}

/// The events of a stream as a server writes them, numbered.
fn stream(events: &[&str]) -> String {
    let frame = |(number, event): (usize, &&str)| {
        let kind = json(event)["type"].as_str().expect("a type").to_owned();
        let numbered = event.replacen('{', &format!("{{\"sequence_number\":{number},"), 1);
        format!("event: {kind}\ndata: {numbered}\n\n")
    };
    events.iter().enumerate().map(frame).collect()
}
