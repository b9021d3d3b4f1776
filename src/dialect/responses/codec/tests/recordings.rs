//! Real traffic, if `AISIX_VECTORS_DIR` says where it is: what is read and written and read again says the same.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{frames, json, outward, passed, read, told, written};
use crate::dialect::canon::event::replay;
use crate::dialect::canon::{Content, Event, Response, ToolKind};
use crate::dialect::codec::Codec;
use crate::dialect::responses::Responses;

const FOLDERS: [&str; 5] = [
    "openai-responses",
    "azure-responses",
    "deepseek-responses",
    "open-responses-responses",
    "xai-responses",
];

fn recordings() -> Vec<(String, Value)> {
    let Some(root) = std::env::var_os("AISIX_VECTORS_DIR").map(PathBuf::from) else { return Vec::new() };
    let folders = FOLDERS.iter().filter_map(|folder| fs::read_dir(root.join(folder)).ok());
    let files = folders.flatten().map(|entry| entry.expect("a readable folder").path());
    files
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable file");
            (path.display().to_string(), json(&text))
        })
        .collect()
}

fn text_of(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

fn stream_of(response: &Value) -> Option<String> {
    if let Some(chunks) = response["chunks"].as_array() {
        return Some(
            chunks
                .iter()
                .map(|chunk| {
                    let chunk = chunk.as_str().map_or_else(|| chunk.clone(), json);
                    format!("event: {}\ndata: {chunk}\n\n", chunk["type"].as_str().unwrap_or_default())
                })
                .collect(),
        );
    }
    let text = response["body"].as_str()?;
    (response["stream"] == true).then(|| text.to_owned())
}

#[test]
fn recorded_requests_say_the_same_when_they_were_read_and_written() {
    for (name, recording) in recordings() {
        let body = text_of(&recording["request"]["body"]);
        if !body.starts_with('{') || recording["request"].is_null() {
            continue;
        }
        let mut first = read(&body);
        let again = written(&first);
        let mut second = read(&again);
        // What is written says what is a default where it is not said.
        for tool in first.tools.iter_mut().chain(&mut second.tools) {
            if let ToolKind::Function(function) = &mut tool.kind {
                function.strict = function.strict.or(Some(false));
            }
        }
        first.store = first.store.or(Some(false));
        for request in [&mut first, &mut second] {
            for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
                part.cache = None;
            }
        }
        assert_eq!(first, second, "{name}\n{body}\n{again}");
    }
}

fn events_of(response: &Response<'_>) -> Vec<String> {
    let mut events = Vec::new();
    replay(response, &mut |event: Event<'_>| events.push(format!("{event:?}")));
    events
}

/// Takes out what the gateway decides on itself, and what this dialect writes in one way only.
fn comparable(response: &mut Response<'_>) {
    response.id = None;
    response.model = None;
    response.created = None;
    response.service_tier = None;
    for part in response.choices.iter_mut().flat_map(|choice| &mut choice.parts) {
        match &mut part.content {
            Content::Thought(thought) => {
                thought.summary = true;
                thought.id = None;
            }
            Content::Cited(_, citations) => citations.iter_mut().for_each(|citation| {
                // A source has a title and a place here, which not every server says.
                (citation.json, citation.title, citation.range) = (None, None, None);
            }),
            _ => {}
        }
    }
}

#[test]
fn recorded_answers_say_the_same_when_they_were_read_and_written() {
    for (name, recording) in recordings() {
        let response = &recording["response"];
        let body = text_of(&response["body"]);
        if response["stream"] == true
            || !body.starts_with('{')
            || json(&body)["status"] == "queued"
            || json(&body)["output"].is_null()
        {
            continue;
        }
        let mut first = Responses.read_response(&body).expect(&name);
        let request = text_of(&recording["request"]["body"]);
        let again = String::from_utf8(Responses.write_response(&first, &outward(&request))).expect("UTF-8");
        let mut second = Responses.read_response(&again).expect(&name);
        comparable(&mut first);
        comparable(&mut second);
        assert_eq!(events_of(&first), events_of(&second), "{name}\n{again}");
        assert_eq!(json(&again)["model"], "the alias", "{name}");
    }
}

#[test]
fn recorded_streams_say_the_same_when_they_were_read_and_written() {
    let mut count = 0;
    for (name, recording) in recordings() {
        let Some(stream) = stream_of(&recording["response"]) else { continue };
        let body = text_of(&recording["request"]["body"]);
        let first = told(&stream);
        let (out, usage) = passed(&stream, &body, &[]);
        let second = told(&out);
        check_numbers(&name, &out);
        assert_eq!(passed(&stream, &body, &[7, 100, 1000.min(stream.len())]), (out.clone(), usage), "{name}");
        let plain = |events: &[String]| events.iter().map(|event| simplified(event)).collect::<Vec<_>>();
        assert_eq!(plain(&second), plain(&first), "{name}\n{stream}\n{out}");
        count += 1;
    }
    if std::env::var_os("AISIX_VECTORS_DIR").is_some() {
        assert!(count > 10, "{count} streams");
    }
}

/// Without what the gateway decides on itself.
fn simplified(event: &str) -> String {
    let cut = |text: &str, from: &str, to: &str| match text.split_once(from) {
        Some((head, tail)) => format!("{head}{}", tail.split_once(to).map_or("", |(_, tail)| tail)),
        None => text.to_owned(),
    };
    if event.starts_with("Begin") {
        return "Begin".to_owned();
    }
    let event = event.replace("summary: false", "summary: true");
    let event = if event.contains("kind: Thought") { cut(&event, "id: ", "redacted") } else { event };
    if event.starts_with("Failed") { "Failed".to_owned() } else { cut(&event, "title: ", "})") }
}

/// Every event has its name and the next number, and the last one alone says that this was all.
pub fn check_numbers(name: &str, stream: &str) {
    let frames = frames(stream);
    for (number, (kind, data)) in frames.iter().enumerate() {
        let data = json(data);
        assert_eq!(
            (data["sequence_number"].as_u64(), data["type"].as_str()),
            (Some(number as u64), Some(&**kind)),
            "{name}"
        );
    }
    let is_end =
        |kind: &str| matches!(kind, "response.completed" | "response.incomplete" | "response.failed");
    let ends = frames.iter().filter(|(kind, _)| is_end(kind)).count();
    assert!(ends == 1 && frames.last().is_some_and(|(kind, _)| is_end(kind)), "{name}: {stream}");
}
