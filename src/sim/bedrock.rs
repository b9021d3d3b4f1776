//! Amazon Bedrock's Converse: reading a request, writing the answer whole or as an AWS event stream, and AWS's errors.
//!
//! Shapes as in the Bedrock API reference (docs.aws.amazon.com/bedrock/latest/APIReference: Converse,
//! ConverseStream, their types and errors). The simulated model behind it is one of Anthropic's. Guardrails, prompt
//! management and performance settings are accepted and not imitated.

mod events;
mod frame;
mod read;
mod turns;

use super::answer::{Answer, Block, Stop, Usage};
use super::call::Refusal;
use super::json::{push_number, push_string};

pub(super) use events::Events;
pub(super) use read::read;

/// Appends the whole answer.
pub(super) fn write(answer: &Answer, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"metrics\":{\"latencyMs\":1},\"output\":{\"message\":{\"content\":[");
    for (index, block) in answer.blocks.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_block(answer.serial, index, block, out);
    }
    out.extend_from_slice(b"],\"role\":\"assistant\"}},\"stopReason\":\"");
    out.extend_from_slice(stop_reason(answer.stop));
    out.extend_from_slice(b"\",\"usage\":");
    push_usage(&answer.usage, out);
    out.push(b'}');
}

/// Appends an error body; its type stands in a header.
pub(super) fn write_error(refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"message\":");
    push_string(out, &refusal.message);
    out.push(b'}');
}

/// The error's name, as `x-amzn-errortype` has it.
pub(super) fn error_type(refusal: &Refusal) -> &'static str {
    refusal.code.unwrap_or(match refusal.status {
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        500.. => "InternalServerException",
        _ => "ValidationException",
    })
}

fn push_block(serial: u64, index: usize, block: &Block, out: &mut Vec<u8>) {
    match block {
        Block::Thinking { text, seal } => {
            out.extend_from_slice(b"{\"reasoningContent\":{\"reasoningText\":{\"text\":\"");
            text.push_escaped(0..text.tokens(), out);
            out.extend_from_slice(b"\",\"signature\":");
            push_string(out, seal);
            out.extend_from_slice(b"}}}");
        }
        Block::Text(text) => {
            out.extend_from_slice(b"{\"text\":\"");
            text.push_escaped(0..text.tokens(), out);
            out.extend_from_slice(b"\"}");
        }
        Block::Tool { name, arguments } => {
            out.extend_from_slice(b"{\"toolUse\":{\"input\":");
            out.extend_from_slice(arguments.slice(0..arguments.tokens()).as_bytes());
            out.push(b',');
            push_tool(serial, index, name, out);
            out.extend_from_slice(b"}}");
        }
    }
}

/// A tool use's name and id, as members.
fn push_tool(serial: u64, index: usize, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"name\":");
    push_string(out, name);
    out.extend_from_slice(b",\"toolUseId\":\"tooluse_sim_");
    push_number(out, serial);
    out.push(b'_');
    push_number(out, index as u64);
    out.push(b'"');
}

/// Tokens read from the cache are counted apart from `inputTokens`, and belong to the total.
fn push_usage(usage: &Usage, out: &mut Vec<u8>) {
    for (name, count) in [
        ("{\"cacheReadInputTokens\":", usage.cached),
        (",\"cacheWriteInputTokens\":", 0),
        (",\"inputTokens\":", usage.prompt - usage.cached),
        (",\"outputTokens\":", usage.completion),
        (",\"totalTokens\":", usage.prompt + usage.completion),
    ] {
        out.extend_from_slice(name.as_bytes());
        push_number(out, count);
    }
    out.push(b'}');
}

fn stop_reason(stop: Stop) -> &'static [u8] {
    match stop {
        Stop::End => b"end_turn",
        Stop::Length => b"max_tokens",
        Stop::ToolUse => b"tool_use",
    }
}
