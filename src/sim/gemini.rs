//! Google's Gemini, of the Gemini API and of Vertex: reading generateContent and countTokens requests, writing the
//! answer whole, as events or as one JSON array, and Google's error envelope.
//!
//! Shapes as in Google's API reference (ai.google.dev/api/generate-content, cloud.google.com/vertex-ai/generative-ai
//! docs, model-reference/inference) and its guide to thought signatures. Models before Gemini 3 neither sign their
//! function calls nor want signatures back. Safety ratings, grounding and code execution are not imitated.

mod chunks;
mod read;
mod turns;

use super::answer::{Answer, Block, Stop, Usage};
use super::call::{Extra, Refusal};
use super::json::{push_number, push_string};
use super::seal::Maker;

pub(super) use chunks::Chunks;
pub(super) use read::{read, read_count};

/// Whether a stream is one JSON array.
pub(super) fn is_array(answer: &Answer) -> bool {
    matches!(answer.extra, Extra::Gemini { array: true, .. })
}

/// Appends the whole answer.
pub(super) fn write(answer: &Answer, out: &mut Vec<u8>) {
    push_candidates(answer, true, out, |out| {
        for (index, block) in answer.blocks.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_part(answer, index, block, out);
        }
    });
    push_closing(answer, true, out);
}

/// Appends the answer of countTokens.
pub(super) fn write_count(tokens: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"totalTokens\":");
    push_number(out, tokens);
    out.extend_from_slice(b",\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":");
    push_number(out, tokens);
    out.extend_from_slice(b"}]}");
}

/// Appends the error envelope, as an element of an array where the answer would have been one.
pub(super) fn write_error(refusal: &Refusal, array: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if array {
        b"[{\"error\":{\"code\":"
    } else {
        b"{\"error\":{\"code\":" as &[u8]
    });
    push_number(out, refusal.status.into());
    out.extend_from_slice(b",\"message\":");
    push_string(out, &refusal.message);
    out.extend_from_slice(b",\"status\":");
    push_string(out, status(refusal.status));
    if let Some(field) = &refusal.param {
        out.extend_from_slice(
            b",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":",
        );
        push_string(out, field);
        out.extend_from_slice(b",\"description\":");
        push_string(out, &refusal.message);
        out.extend_from_slice(b"}]}]");
    }
    out.extend_from_slice(if array { b"}}]" } else { b"}}" as &[u8] });
}

/// The candidates, up to the end of their array; `write_parts` writes the parts of each.
fn push_candidates(answer: &Answer, last: bool, out: &mut Vec<u8>, write_parts: impl Fn(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"candidates\":[");
    for index in 0..answer.choices {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"content\":{\"parts\":[");
        write_parts(out);
        out.extend_from_slice(b"],\"role\":\"model\"}");
        if last {
            out.extend_from_slice(match answer.stop {
                Stop::End => b",\"finishReason\":\"STOP\"",
                Stop::Length => b",\"finishReason\":\"MAX_TOKENS\"",
                Stop::ToolUse => {
                    b",\"finishReason\":\"STOP\",\"finishMessage\":\"Model generated function call(s).\""
                        as &[u8]
                }
            });
        }
        out.extend_from_slice(b",\"index\":");
        push_number(out, index.into());
        out.push(b'}');
    }
    out.push(b']');
}

/// What follows the candidates; only the last part of an answer has all counts.
fn push_closing(answer: &Answer, last: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"usageMetadata\":{");
    push_usage(&answer.usage, last, out);
    out.extend_from_slice(b"},\"modelVersion\":");
    push_string(out, &answer.model);
    out.extend_from_slice(b",\"responseId\":\"sim-");
    push_number(out, answer.serial);
    out.extend_from_slice(b"\"}");
}

/// Thoughts are counted apart from the candidates.
fn push_usage(usage: &Usage, last: bool, out: &mut Vec<u8>) {
    let completion = if last { usage.completion } else { 0 };
    let mut push = |name: &str, count: u64| {
        out.extend_from_slice(name.as_bytes());
        push_number(out, count);
    };
    push("\"promptTokenCount\":", usage.prompt);
    if last {
        push(",\"candidatesTokenCount\":", usage.completion - usage.reasoning);
    }
    push(",\"totalTokenCount\":", usage.prompt + completion);
    if usage.cached > 0 {
        push(",\"cachedContentTokenCount\":", usage.cached);
    }
    push(",\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":", usage.prompt);
    out.extend_from_slice(b"}]");
    if last && usage.reasoning > 0 {
        out.extend_from_slice(b",\"thoughtsTokenCount\":");
        push_number(out, usage.reasoning);
    }
}

fn push_part(answer: &Answer, index: usize, block: &Block, out: &mut Vec<u8>) {
    let text = block.text();
    match block {
        Block::Tool { .. } => push_call(answer, index, block, out),
        _ => {
            out.extend_from_slice(b"{\"text\":\"");
            text.push_escaped(0..text.tokens(), out);
            out.push(b'"');
            match block {
                Block::Thinking { .. } => out.extend_from_slice(b",\"thought\":true"),
                _ if is_sealed(answer) => push_seal(answer, out),
                _ => {}
            }
            out.push(b'}');
        }
    }
}

/// A function call; the first of a turn is signed.
fn push_call(answer: &Answer, index: usize, block: &Block, out: &mut Vec<u8>) {
    let Block::Tool { name, arguments } = block else { return };
    let earlier = answer.blocks.get(..index).unwrap_or_default();
    let number = earlier.iter().filter(|block| matches!(block, Block::Tool { .. })).count() as u64;
    let signs = matches!(answer.extra, Extra::Gemini { signs: true, .. });
    out.extend_from_slice(b"{\"functionCall\":{\"name\":");
    push_string(out, name);
    out.extend_from_slice(b",\"args\":");
    out.extend_from_slice(arguments.slice(0..arguments.tokens()).as_bytes());
    if signs {
        out.extend_from_slice(b",\"id\":\"sim");
        push_number(out, answer.serial);
        out.push(b'-');
        push_number(out, number);
        out.push(b'"');
    }
    out.push(b'}');
    if signs && number == 0 {
        push_seal(answer, out);
    }
    out.push(b'}');
}

/// Whether the end of a text is signed: the model thought, and there is no function call to sign.
fn is_sealed(answer: &Answer) -> bool {
    let signs = matches!(answer.extra, Extra::Gemini { signs: true, .. });
    signs && answer.usage.reasoning > 0 && answer.stop != Stop::ToolUse
}

fn push_seal(answer: &Answer, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"thoughtSignature\":");
    push_string(out, &Maker::Gemini.seal(answer.serial as u32));
}

/// The names of google.rpc.Code with the status they are sent with.
fn status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}
