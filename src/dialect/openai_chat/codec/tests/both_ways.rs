//! What was read and written reads the same again.

use serde_json::Value;

use super::{answer, events, files, fixtures, outward, read, transcoded, write};
use crate::dialect::Usage;
use crate::dialect::canon::{Content, Finish, Part, Request, Response, Role, ToolKind, Turn};
use crate::dialect::codec::Codec;
use crate::dialect::openai_chat::OpenAiChat;
use crate::dialect::quirks::Quirks;

/// Everything there is a place for.
const GENEROUS: Quirks = Quirks { returns_thoughts: true, top_k: true, cache_marks: true, ..Quirks::NONE };

/// A request as it stays when it is written and read: members without a canonical meaning are named as losses elsewhere,
/// and texts of messages other than the user's are one.
fn settled<'a>(mut request: Request<'a>) -> Request<'a> {
    request.rest.clear();
    request.tools.retain(|tool| !matches!(tool.kind, ToolKind::Hosted(_)));
    for tool in &mut request.tools {
        if let ToolKind::Function(function) = &mut tool.kind {
            function.schema = function.schema.take().or(Some(r#"{"type":"object","properties":{}}"#.into()));
        }
    }
    if request.tools.is_empty() {
        (request.tool_choice, request.parallel_tools) = (None, None);
    }
    request.choices = request.choices.filter(|n| *n != 1);
    request.stop.truncate(4);
    // Off is what the dialect does unasked, and what is not stored has no metadata.
    request.store = request.store.filter(|store| *store);
    request.metadata = request.metadata.filter(|_| request.store.is_some());
    for turn in &mut request.turns {
        settle(turn);
    }
    request.turns.retain(|turn| !turn.parts.is_empty());
    request
}

fn settle(turn: &mut Turn<'_>) {
    turn.parts.retain(|part| !matches!(part.content, Content::Foreign(_)));
    let between = if turn.role == Role::Assistant { "" } else { "\n" };
    if turn.role != Role::User {
        merge(&mut turn.parts, between);
    }
    for part in &mut turn.parts {
        match &mut part.content {
            Content::ToolResult(result) => merge(&mut result.parts, "\n"),
            Content::ToolCall(call) if call.arguments.is_empty() => call.arguments = "{}".into(),
            Content::Media(media) if media.title.is_none() => {
                media.title = matches!(media.kind, crate::dialect::canon::MediaKind::Document)
                    .then(|| "document.pdf".into());
            }
            _ => {}
        }
    }
}

/// Makes neighbouring texts without marks one.
fn merge(parts: &mut Vec<Part<'_>>, between: &str) {
    if parts.iter().any(|part| part.cache.is_some()) {
        return;
    }
    let mut merged: Vec<Part<'_>> = Vec::new();
    for part in parts.drain(..) {
        if let (Some(Part { content: Content::Text(last), .. }), Content::Text(text)) =
            (merged.last_mut(), &part.content)
        {
            last.push_str(&format!("{between}{}", &**text));
        } else {
            merged.push(part);
        }
    }
    *parts = merged;
}

fn request_there_and_back(name: &str, body: &str) {
    let first = settled(read(body));
    let (written, _) = write(&first, &GENEROUS);
    let second = settled(read(&written));
    assert_eq!(second, first, "{name}");
    assert_eq!(write(&second, &GENEROUS).0, written, "{name}");
}

/// An answer as it stays: only words that clients know, one text.
fn settled_answer<'a>(mut response: Response<'a>) -> Response<'a> {
    for (number, choice) in response.choices.iter_mut().enumerate() {
        if matches!(choice.finish, Finish::Other(_)) {
            choice.finish = Finish::Stop;
        }
        choice.parts.retain(|part| !matches!(part.content, Content::Foreign(_)));
        // Thoughts come first, calls last.
        choice.parts.sort_by_key(|part| !matches!(part.content, Content::Thought(_)));
        merge(&mut choice.parts, "");
        for part in &mut choice.parts {
            settle_answered(part, number);
        }
    }
    response.model = Some("alias".into());
    response.id = response.id.or(Some("chatcmpl-req-1".into()));
    response.created = response.created.or(Some(1_700_000_000));
    response.usage = settled_usage(response.usage);
    response
}

fn settle_answered(part: &mut Part<'_>, number: usize) {
    match &mut part.content {
        Content::ToolCall(call) => {
            if call.id.is_empty() {
                call.id = format!("call_req-1_{number}").into();
            }
            if call.arguments.is_empty() {
                call.arguments = "{}".into();
            }
        }
        Content::Cited(text, citations) => {
            let whole = (0, text.chars().count() as u64);
            citations.retain(|citation| citation.url.is_some());
            for citation in citations {
                citation.range = citation.range.or(Some(whole));
                citation.title = Some(citation.title.take().unwrap_or_default());
            }
        }
        _ => {}
    }
}

/// The sums are always told, and computed where they were not.
fn settled_usage(mut usage: Usage) -> Usage {
    if !usage.is_empty() {
        let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
        (usage.input, usage.output) = (Some(input), Some(output));
        usage.total = usage.total.or(Some(input + output));
    }
    usage
}

fn answer_there_and_back(name: &str, body: &str) {
    let first = settled_answer(answer(body));
    let written = OpenAiChat.write_response(&first, &outward());
    let written = String::from_utf8(written).expect("UTF-8");
    let parsed: Value = serde_json::from_str(&written).expect("JSON");
    assert_eq!(parsed["object"], "chat.completion");
    assert_eq!(settled_answer(answer(&written)), first, "{name}");
}

/// What a stream says, whoever tells it: the model has the caller's name, usage is told at the end, sources have a place.
fn said(name: &str, stream: &[u8]) -> (Vec<String>, Usage) {
    let (told, ended, usage) = events(stream);
    assert!(ended.is_ok(), "{name}: {ended:?}");
    let told = told.into_iter().filter(|event| !event.starts_with("Usage") && !event.starts_with("Begin"));
    let told = told.map(|event| match event.split_once("finish: Other(") {
        Some((head, _)) => format!("{head}finish: Stop }}"),
        None => event,
    });
    let mut said: Vec<String> = Vec::new();
    for event in told.filter(|event| !event.contains("Citation(")) {
        // No arguments are written as an empty object.
        let bare = said.last().filter(|last| last.contains("ToolCall {") && event.starts_with("Close"));
        if let Some(open) = bare
            && let Some((head, _)) = open.split_once(", kind")
        {
            let arguments = format!("{}, delta: Text(\"{{}}\") }}", head.replace("Open", "Delta"));
            said.push(arguments);
        }
        said.push(event);
    }
    (said, settled_usage(usage))
}

fn stream_there_and_back(name: &str, stream: &[u8]) {
    if events(stream).1.is_err() {
        let (written, complete) = transcoded(stream, &[]);
        assert!(!complete, "{name}");
        let text = String::from_utf8_lossy(&written);
        assert!(text.contains("event: error") && !text.contains("[DONE]"), "{name}: {text}");
        return;
    }
    let (written, complete) = transcoded(stream, &[]);
    assert!(complete, "{name}");
    let text = std::str::from_utf8(&written).expect("UTF-8");
    assert!(text.ends_with("data: [DONE]\n\n") && text.matches("[DONE]").count() == 1, "{name}");
    assert_eq!(said(name, &written), said(name, stream), "{name}");
    assert_eq!(transcoded(&written, &[]).0, written, "{name}");
}

#[test]
fn requests_of_the_fixtures_read_the_same_again() {
    for (name, body) in fixtures("request") {
        request_there_and_back(&name, std::str::from_utf8(&body).expect("UTF-8"));
    }
}

#[test]
fn answers_of_the_fixtures_read_the_same_again() {
    for (name, body) in fixtures("response") {
        answer_there_and_back(&name, std::str::from_utf8(&body).expect("UTF-8"));
    }
}

#[test]
fn streams_of_the_fixtures_read_the_same_again() {
    let fixtures = fixtures("stream");
    assert!(!fixtures.is_empty());
    for (name, stream) in fixtures {
        stream_there_and_back(&name, &stream);
    }
}

const FOLDERS: [&str; 7] = [
    "openai-chat",
    "azure-chat",
    "deepseek-chat",
    "groq-chat",
    "mistral-chat",
    "openai-compatible-chat",
    "openrouter-chat",
];

/// Recordings are not part of the project; a variable says where they are.
#[test]
fn recordings_read_the_same_again() {
    let Some(root) = std::env::var_os("AISIX_VECTORS_DIR").map(std::path::PathBuf::from) else { return };
    let mut seen = (0, 0, 0);
    for (name, file) in FOLDERS.iter().flat_map(|folder| files(&root.join(folder))) {
        let recording: Value = serde_json::from_slice(&file).expect(&name);
        let request = &recording["request"]["body"];
        if request["messages"].is_array() {
            request_there_and_back(&name, &text_of(request));
            seen.0 += 1;
        }
        let response = &recording["response"];
        if let Some(stream) = recorded_stream(response) {
            stream_there_and_back(&name, stream.as_bytes());
            seen.1 += 1;
        } else if response["status"].as_u64().is_none_or(|status| status < 400) {
            let body = text_of(&response["body"]);
            match body.contains("\"choices\"") {
                true => answer_there_and_back(&name, &body),
                false => assert!(OpenAiChat.read_response(&body).is_err(), "{name}"),
            }
            seen.2 += 1;
        }
    }
    assert!(seen.0 > 0 && seen.1 > 0 && seen.2 > 0, "{seen:?} below {}", root.display());
}

fn text_of(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}

fn recorded_stream(response: &Value) -> Option<String> {
    if let Some(chunks) = response["chunks"].as_array() {
        let frames = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
        return Some(frames.chain(["data: [DONE]\n\n".to_owned()]).collect());
    }
    let text = response["body"].as_str()?;
    (response["stream"] == true).then(|| text.to_owned())
}
