//! What providers of each format answer: "Grüße again", 25 tokens in, of which 5 were cached, and 15 out.

use serde_json::{Value, json};

use super::Format::{self, Anthropic, Bedrock, Gemini, OpenAi, Responses};
use crate::support::replies::{self, LAST_CHUNK, chunk};
use crate::support::upstream::{Gate, Script};

pub const TEXT: &str = "Grüße again";
pub const INPUT: u64 = 25;
pub const CACHED: u64 = 5;
pub const OUTPUT: u64 = 15;

/// The id a provider's model calls itself by.
pub const REAL: &str = "real-2026";

/// One frame of a stream, as bytes.
pub type Frame = Vec<u8>;

/// A whole answer.
pub fn whole(format: Format) -> String {
    let body = match format {
        OpenAi => {
            json!({"id": "chatcmpl-9", "object": "chat.completion", "created": 1_700_000_000, "model": REAL,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
            "usage": openai_usage()})
        }
        Responses => {
            json!({"id": "resp_9", "object": "response", "created_at": 1_700_000_000, "status": "completed",
            "model": REAL, "output": [message_item()], "usage": responses_usage()})
        }
        Anthropic => json!({"id": "msg_9", "type": "message", "role": "assistant", "model": REAL,
            "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 20, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0,
                "output_tokens": 15}}),
        Gemini => json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": TEXT}]},
            "finishReason": "STOP"}], "usageMetadata": gemini_usage(), "modelVersion": REAL, "responseId": "g9"}),
        Bedrock => json!({"output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
            "stopReason": "end_turn", "usage": bedrock_usage(), "metrics": {"latencyMs": 9}}),
    };
    body.to_string()
}

/// The frames of a stream. The second piece of text is the last frame before those that end it.
pub fn frames(format: Format) -> Vec<Frame> {
    match format {
        OpenAi => openai_frames(),
        Responses => responses_frames(),
        Anthropic => anthropic_frames(),
        Gemini => gemini_frames(),
        Bedrock => bedrock_frames(),
    }
}

/// How many of the frames hold the whole text.
pub fn frames_to_text(format: Format) -> usize {
    let again = |frame: &Frame| String::from_utf8_lossy(frame).contains(" again");
    frames(format).iter().position(again).expect("the second piece") + 1
}

fn openai_usage() -> Value {
    json!({"prompt_tokens": 25, "completion_tokens": 15, "total_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 5}})
}

fn responses_usage() -> Value {
    json!({"input_tokens": 25, "input_tokens_details": {"cached_tokens": 5}, "output_tokens": 15,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 40})
}

fn gemini_usage() -> Value {
    json!({"promptTokenCount": 25, "cachedContentTokenCount": 5, "candidatesTokenCount": 15, "totalTokenCount": 40})
}

/// Bedrock's input does not hold what was read from the cache.
fn bedrock_usage() -> Value {
    json!({"inputTokens": 20, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 0, "outputTokens": 15,
        "totalTokens": 40})
}

fn message_item() -> Value {
    json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}]})
}

fn openai_frames() -> Vec<Frame> {
    let chunk = |delta: Value, finish: Value| {
        data(&json!({"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": REAL,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
    };
    vec![
        chunk(json!({"role": "assistant", "content": ""}), Value::Null),
        chunk(json!({"content": "Grüße"}), Value::Null),
        chunk(json!({"content": " again"}), Value::Null),
        chunk(json!({}), json!("stop")),
        data(&json!({"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": REAL,
            "choices": [], "usage": openai_usage()})),
        b"data: [DONE]\n\n".to_vec(),
    ]
}

fn responses_frames() -> Vec<Frame> {
    let delta = |text: &str| {
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "delta": text, "logprobs": []})
    };
    let response = |status: &str, output: Value, usage: Value| {
        json!({"id": "resp_9", "object": "response", "status": status, "model": REAL, "output": output,
            "usage": usage})
    };
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let events = [
        json!({"type": "response.created", "response": response("in_progress", json!([]), Value::Null)}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "msg_1",
            "status": "in_progress", "role": "assistant", "content": []}}),
        json!({"type": "response.content_part.added", "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "part": part("")}),
        delta("Grüße"),
        delta(" again"),
        json!({"type": "response.output_text.done", "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "text": TEXT, "logprobs": []}),
        json!({"type": "response.content_part.done", "item_id": "msg_1", "output_index": 0, "content_index": 0,
            "part": part(TEXT)}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": message_item()}),
        json!({"type": "response.completed", "response": response("completed", json!([message_item()]),
            responses_usage())}),
    ];
    let numbered = events.into_iter().enumerate().map(|(number, mut event)| {
        event["sequence_number"] = number.into();
        named(&event)
    });
    numbered.collect()
}

fn anthropic_frames() -> Vec<Frame> {
    let delta = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let events = [
        json!({"type": "message_start", "message": {"id": "msg_9", "type": "message", "role": "assistant",
            "content": [], "model": REAL, "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 20, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0,
                "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        delta("Grüße"),
        delta(" again"),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 15}}),
        json!({"type": "message_stop"}),
    ];
    events.iter().map(named).collect()
}

fn gemini_frames() -> Vec<Frame> {
    let chunk = |text: &str| {
        json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}],
            "usageMetadata": {"promptTokenCount": 25, "totalTokenCount": 25}, "modelVersion": REAL, "responseId": "g9"})
    };
    let mut last = chunk("");
    last["candidates"][0]["finishReason"] = "STOP".into();
    last["usageMetadata"] = gemini_usage();
    vec![data(&chunk("Grüße")), data(&chunk(" again")), data(&last)]
}

fn bedrock_frames() -> Vec<Frame> {
    let delta = |text: &str| json!({"contentBlockIndex": 0, "delta": {"text": text}});
    vec![
        event("messageStart", &json!({"role": "assistant"})),
        event("contentBlockDelta", &delta("Grüße")),
        event("contentBlockDelta", &delta(" again")),
        event("contentBlockStop", &json!({"contentBlockIndex": 0})),
        event("messageStop", &json!({"stopReason": "end_turn"})),
        event("metadata", &json!({"usage": bedrock_usage(), "metrics": {"latencyMs": 9}})),
    ]
}

/// An event without a name.
pub fn data(value: &Value) -> Frame {
    format!("data: {value}\n\n").into_bytes()
}

/// An event named by its `type`.
pub fn named(value: &Value) -> Frame {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().expect("a type")).into_bytes()
}

/// A message of `application/vnd.amazon.eventstream`.
/// <https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html>
pub fn event(name: &str, payload: &Value) -> Frame {
    message(
        &[(":event-type", name), (":content-type", "application/json"), (":message-type", "event")],
        payload,
    )
}

/// An exception in such a stream.
pub fn exception(name: &str, payload: &Value) -> Frame {
    let kind =
        [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")];
    message(&kind, payload)
}

fn message(headers: &[(&str, &str)], payload: &Value) -> Frame {
    let mut lines = Vec::new();
    for (name, value) in headers {
        lines.push(u8::try_from(name.len()).expect("a short name"));
        lines.extend_from_slice(name.as_bytes());
        lines.push(7);
        lines.extend_from_slice(&u16::try_from(value.len()).expect("a short value").to_be_bytes());
        lines.extend_from_slice(value.as_bytes());
    }
    let payload = payload.to_string().into_bytes();
    let length = |bytes: usize| u32::try_from(bytes).expect("a short message").to_be_bytes();
    let mut message = [length(16 + lines.len() + payload.len()), length(lines.len())].concat();
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(&lines);
    message.extend_from_slice(&payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message
}

/// A refusal in the format's envelope, which says `message`.
pub fn refusal(format: Format, status: u16, message: &str) -> String {
    let body = match format {
        OpenAi | Responses => {
            json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}})
        }
        Anthropic => json!({"type": "error", "error": {"type": anthropic_type(status), "message": message},
            "request_id": "req_9"}),
        Gemini => json!({"error": {"code": status, "message": message, "status": google_status(status)}}),
        Bedrock => json!({"message": message}),
    };
    body.to_string()
}

/// A frame that says in the format's way that the answer failed.
pub fn failure(format: Format, kind: Failure) -> Frame {
    let message = kind.message();
    let limited = kind == Failure::Limited;
    match format {
        OpenAi if limited => {
            data(&json!({"error": {"message": message, "type": "rate_limit_error", "code": 429}}))
        }
        OpenAi => data(&json!({"error": {"message": message, "type": "server_error", "code": null}})),
        Responses => {
            let code = if limited { "rate_limit_exceeded" } else { "server_error" };
            named(
                &json!({"type": "error", "code": code, "message": message, "param": null, "sequence_number": 9}),
            )
        }
        Anthropic => {
            let name = if limited { "rate_limit_error" } else { "overloaded_error" };
            named(&json!({"type": "error", "error": {"type": name, "message": message}}))
        }
        Gemini => {
            let (code, status) = if limited { (429, "RESOURCE_EXHAUSTED") } else { (503, "UNAVAILABLE") };
            data(&json!({"error": {"code": code, "message": message, "status": status}}))
        }
        Bedrock => {
            let name = if limited { "throttlingException" } else { "internalServerException" };
            exception(name, &json!({"message": message}))
        }
    }
}

/// Why an answer fails after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The caller asks too much.
    Limited,
    /// The provider's own fault.
    Broken,
}

impl Failure {
    pub fn message(self) -> &'static str {
        match self {
            Failure::Limited => "slow down a little",
            Failure::Broken => "stack trace of the provider",
        }
    }
}

/// A frame that is none of the format's.
pub fn malformed(format: Format) -> Frame {
    match format {
        Bedrock => {
            let mut frame =
                event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "x"}}));
            let last = frame.len() - 1;
            frame[last] ^= 1;
            frame
        }
        Anthropic | Responses => b"event: x\ndata: {\"type\":\"oops\n\n".to_vec(),
        OpenAi | Gemini => b"data: {\"oops\n\n".to_vec(),
    }
}

fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// The head of a stream of this format.
pub fn open(format: Format) -> Script {
    let kind = if format == Bedrock { "application/vnd.amazon.eventstream" } else { "text/event-stream" };
    Script::reading()
        .send(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"))
}

/// A stream of these frames that has not ended.
pub fn begun(format: Format, frames: &[Frame]) -> Script {
    frames.iter().fold(open(format), |script, frame| script.send(chunk(frame)))
}

/// A stream of these frames.
pub fn stream(format: Format, frames: &[Frame]) -> Script {
    begun(format, frames).send(LAST_CHUNK)
}

/// A stream that waits for the gate after the whole text, and is never completed.
pub fn held(format: Format, gate: &Gate) -> Script {
    begun(format, &frames(format)[..frames_to_text(format)]).wait(gate)
}

/// The provider's answer to either kind of request.
pub fn answering(format: Format, streamed: bool) -> Script {
    if streamed { stream(format, &frames(format)) } else { replies::json(200, &whole(format)) }
}
