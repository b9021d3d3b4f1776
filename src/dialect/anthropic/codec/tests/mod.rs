//! The codec against fixtures, itself, and recordings.

mod answers;
mod events;
mod recordings;
mod requests;
mod tools;

use bytes::Bytes;

use super::super::Anthropic;
use crate::dialect::canon::{Block, Choice, Delta, Event, Losses, Request, Response};
use crate::dialect::codec::{Codec, Frame, Manner, Outward};
use crate::dialect::frame::sse;
use crate::dialect::quirks::Quirks;
use crate::dialect::{DialectId, Usage};

const FIXTURE_REQUESTS: &[(&str, &str)] = &[
    ("count_tokens", include_str!("../../../../../tests/fixtures/anthropic/request/count_tokens.json")),
    (
        "document_citations",
        include_str!("../../../../../tests/fixtures/anthropic/request/document_citations.json"),
    ),
    ("image", include_str!("../../../../../tests/fixtures/anthropic/request/image.json")),
    ("json_output", include_str!("../../../../../tests/fixtures/anthropic/request/json_output.json")),
    (
        "odd",
        include_str!("../../../../../tests/fixtures/anthropic/request/odd_whitespace_and_duplicates.json"),
    ),
    (
        "stop",
        include_str!("../../../../../tests/fixtures/anthropic/request/stop_sequences_and_metadata.json"),
    ),
    ("stream", include_str!("../../../../../tests/fixtures/anthropic/request/stream.json")),
    ("cached", include_str!("../../../../../tests/fixtures/anthropic/request/system_cached_multi_turn.json")),
    ("text", include_str!("../../../../../tests/fixtures/anthropic/request/text.json")),
    ("thinking", include_str!("../../../../../tests/fixtures/anthropic/request/thinking_history.json")),
    ("tool_results", include_str!("../../../../../tests/fixtures/anthropic/request/tool_results.json")),
    ("tools", include_str!("../../../../../tests/fixtures/anthropic/request/tools.json")),
    ("unicode", include_str!("../../../../../tests/fixtures/anthropic/request/unicode_and_escapes.json")),
];

const FIXTURE_ANSWERS: &[(&str, &str)] = &[
    ("cache", include_str!("../../../../../tests/fixtures/anthropic/response/cache_written_and_read.json")),
    ("citations", include_str!("../../../../../tests/fixtures/anthropic/response/citations.json")),
    ("max_tokens", include_str!("../../../../../tests/fixtures/anthropic/response/max_tokens.json")),
    ("escapes", include_str!("../../../../../tests/fixtures/anthropic/response/minified_escapes.json")),
    ("refusal", include_str!("../../../../../tests/fixtures/anthropic/response/refusal.json")),
    ("server_tool", include_str!("../../../../../tests/fixtures/anthropic/response/server_tool.json")),
    ("stop_sequence", include_str!("../../../../../tests/fixtures/anthropic/response/stop_sequence.json")),
    ("text", include_str!("../../../../../tests/fixtures/anthropic/response/text.json")),
    ("thinking", include_str!("../../../../../tests/fixtures/anthropic/response/thinking.json")),
    ("tool_use", include_str!("../../../../../tests/fixtures/anthropic/response/tool_use_parallel.json")),
];

/// Those that are complete.
const FIXTURE_STREAMS: &[(&str, &str)] = &[
    ("citations", include_str!("../../../../../tests/fixtures/anthropic/stream/citations.sse")),
    (
        "comments",
        include_str!("../../../../../tests/fixtures/anthropic/stream/comments_and_other_fields.sse"),
    ),
    ("crlf", include_str!("../../../../../tests/fixtures/anthropic/stream/crlf.sse")),
    ("usage", include_str!("../../../../../tests/fixtures/anthropic/stream/cumulative_usage.sse")),
    ("max_tokens", include_str!("../../../../../tests/fixtures/anthropic/stream/max_tokens.sse")),
    ("missing_stop", include_str!("../../../../../tests/fixtures/anthropic/stream/missing_stop.sse")),
    ("multi_line", include_str!("../../../../../tests/fixtures/anthropic/stream/multi_line_data.sse")),
    ("padded", include_str!("../../../../../tests/fixtures/anthropic/stream/padded.sse")),
    ("ping", include_str!("../../../../../tests/fixtures/anthropic/stream/ping.sse")),
    ("refusal", include_str!("../../../../../tests/fixtures/anthropic/stream/refusal.sse")),
    ("server_tool", include_str!("../../../../../tests/fixtures/anthropic/stream/server_tool.sse")),
    ("text", include_str!("../../../../../tests/fixtures/anthropic/stream/text.sse")),
    ("thinking", include_str!("../../../../../tests/fixtures/anthropic/stream/thinking.sse")),
    ("tool_use", include_str!("../../../../../tests/fixtures/anthropic/stream/tool_use.sse")),
    ("type_last", include_str!("../../../../../tests/fixtures/anthropic/stream/type_last.sse")),
    ("unnamed", include_str!("../../../../../tests/fixtures/anthropic/stream/unnamed_events.sse")),
    ("tail", include_str!("../../../../../tests/fixtures/anthropic/stream/unterminated_tail.sse")),
];

fn outward() -> Outward {
    Outward {
        alias: "alias".to_owned(),
        request_id: "req-1".to_owned(),
        created: 0,
        usage_asked: false,
        prompt_estimate: 12,
        body: Bytes::new(),
        spent: Usage::default(),
    }
}

fn manner<'a>(model: &'a str) -> Manner<'a> {
    Manner { model, ask_usage: true, quirks: &Quirks::NONE }
}

fn read(body: &str) -> Request<'_> {
    Anthropic.read_request(body).expect("a good request")
}

/// A request for a model, and what was lost.
fn written(request: &Request<'_>, model: &str) -> (String, Vec<String>) {
    let mut losses = Losses::default();
    let body = Anthropic.write_request(request, &manner(model), &mut losses).expect("it can be said");
    let body = String::from_utf8(body).expect("UTF-8");
    serde_json::from_str::<serde_json::Value>(&body).expect("JSON");
    (body, losses.names().iter().map(ToString::to_string).collect())
}

/// A request as if another dialect had asked.
fn foreign(body: &str) -> Request<'_> {
    Request { origin: DialectId::OpenAiChat, ..read(body) }
}

/// What a stream comes to, however its events were cut.
#[derive(Debug, Default, PartialEq)]
struct Told {
    id: Option<String>,
    blocks: Vec<String>,
    finish: Option<String>,
    usage: Usage,
    ended: bool,
    failed: Option<String>,
    open: Option<(u32, String, String)>,
}

impl Told {
    fn note(&mut self, event: &Event<'_>) {
        assert!(!self.ended && self.failed.is_none(), "nothing follows the end: {event:?}");
        match event {
            Event::Begin { id, .. } => self.id = Some(id.unwrap_or("msg_req-1").to_owned()),
            Event::Open { block, kind, .. } => {
                assert!(self.open.is_none(), "blocks do not overlap");
                let name = match kind {
                    Block::ToolCall { .. } | Block::Thought { .. } => format!("{kind:?}"),
                    Block::Text | Block::Refusal => format!("{kind:?}"),
                };
                self.open = Some((*block, name, String::new()));
            }
            Event::Delta { block, delta, .. } => {
                let (open, _, content) = self.open.as_mut().expect("a delta has a block");
                assert_eq!(open, block);
                match delta {
                    Delta::Text(text) => content.push_str(text),
                    Delta::Seal(seal) => content.push_str(&format!("{seal:?}")),
                    Delta::Citation(citation) => content.push_str(&format!("{citation:?}")),
                }
            }
            Event::Close { block, .. } => {
                let (open, name, content) = self.open.take().expect("a block closes once");
                assert_eq!(open, *block);
                if name != "Text" || !content.is_empty() {
                    self.blocks.push(format!("{name} {content}"));
                }
            }
            Event::Whole { part, .. } => self.blocks.push(format!("{part:?}")),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish { finish, .. } => self.finish = Some(format!("{finish:?}")),
            Event::End => {
                assert!(self.finish.is_some(), "the end comes after the finish");
                self.ended = true;
            }
            Event::Failed(problem) => self.failed = Some(problem.classified(0)),
            Event::Chances { .. } => {}
        }
    }
}

/// Reads the frames of a stream, in one piece.
fn each_event(stream: &str, each: &mut dyn FnMut(Event<'_>)) {
    let mut reader = Anthropic.reader();
    let mut cutter = sse::Cutter::default();
    let mut at = 0;
    let mut show = |frame: &[u8]| {
        let event = sse::Event::read_first(frame);
        let Some(data) = event.data() else { return };
        let data = std::str::from_utf8(data).expect("UTF-8");
        let name = event.name.and_then(|name| std::str::from_utf8(name).ok());
        reader.read(&Frame { name, data, exception: false }, each).expect("a good frame");
    };
    while let Some(sse::Cut::Inside(place)) = cutter.next(stream.as_bytes(), at).expect("short frames") {
        at = place.end;
        show(&stream.as_bytes()[place]);
    }
    show(&cutter.finish());
    reader.end(each);
}

fn told(stream: &str) -> Told {
    let mut told = Told::default();
    each_event(stream, &mut |event| told.note(&event));
    // What was generated must be said, if only that it is not known.
    told.usage.output.get_or_insert(0);
    told
}

/// Reads a stream and writes it again.
fn rewritten(stream: &str) -> String {
    let mut writer = Anthropic.writer(&outward());
    let mut out = Vec::new();
    each_event(stream, &mut |event| writer.write(&event, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

fn answer(choice: Choice<'static>) -> Response<'static> {
    Response { choices: vec![choice], ..Response::default() }
}

/// Checks the order of events as the provider documents it: `message_start` first, blocks one after another and
/// numbered without a gap, `message_delta` and `message_stop` last.
fn check_grammar(stream: &str) {
    let mut open = None;
    let mut next = 0;
    let frames: Vec<&str> = stream.split("\n\n").filter(|frame| !frame.is_empty()).collect();
    let last = frames.len() - 1;
    for (place, frame) in frames.iter().enumerate() {
        let (name, data) = frame.split_once("\ndata: ").expect("a name and data");
        let name = name.strip_prefix("event: ").expect("a name");
        let data: serde_json::Value = serde_json::from_str(data).expect("one line of JSON");
        assert_eq!(data["type"], name);
        assert_eq!(place == 0, name == "message_start", "{stream}");
        match name {
            "message_start" => {
                let message = &data["message"];
                assert_eq!((&message["type"], &message["role"]), (&"message".into(), &"assistant".into()));
                assert!(
                    message["usage"]["input_tokens"].is_u64() && message["content"] == serde_json::json!([])
                );
            }
            "content_block_start" => {
                assert_eq!((open, data["index"].as_u64()), (None, Some(next)));
                open = Some(next);
            }
            "content_block_delta" => assert_eq!(data["index"].as_u64(), open),
            "content_block_stop" => {
                assert_eq!(data["index"].as_u64(), open.take());
                next += 1;
            }
            "message_delta" => {
                assert_eq!((place, open), (last - 1, None));
                assert!(data["delta"]["stop_reason"].is_string() && data["usage"]["output_tokens"].is_u64());
            }
            "message_stop" => assert_eq!(place, last),
            other => panic!("{other}"),
        }
    }
    assert!(stream.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"), "{stream}");
}
