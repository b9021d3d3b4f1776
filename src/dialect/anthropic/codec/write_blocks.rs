//! Content blocks of requests and answers.

use super::custom;
use super::media;
use super::write_citations::{is_own as is_own_citation, write_citations};
use crate::dialect::canon::{Cache, Content, Losses, Maker, Part, Seal, Thought, ToolCall, ToolResult};
use crate::dialect::json::{Array, Object};
use crate::dialect::skim::strict;

/// Where blocks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// To the provider. `own`: the request was made in this very dialect.
    Out { own: bool },
    /// To the caller.
    Back,
}

/// Is there anything to write of a block? Texts without words are refused, and thoughts that bear no signature of
/// Claude's.
pub fn says(content: &Content<'_>, goes: Goes) -> bool {
    match (content, goes) {
        (Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text), Goes::Out { .. }) => {
            !text.is_blank()
        }
        (Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text), Goes::Back) => {
            !text.is_empty()
        }
        (Content::Thought(thought), Goes::Back) if !thought.redacted => {
            !thought.text.is_empty() || signature(thought.seal.as_ref()).is_some()
        }
        (Content::Thought(thought), _) => signature(thought.seal.as_ref()).is_some(),
        (Content::ToolCall(_), _) => true,
        (Content::ToolResult(_), _) => goes != Goes::Back,
        (Content::Media(it), Goes::Out { .. }) => media::is_taken(it),
        (Content::Media(_), Goes::Back) => false,
        (Content::Foreign(_), Goes::Out { own }) => own,
        (Content::Foreign(foreign), Goes::Back) => is_own(&foreign.kind),
    }
}

/// Writes a block that says something.
pub fn write(out: &mut Vec<u8>, part: &Part<'_>, goes: Goes, losses: &mut Losses) {
    if let Content::Foreign(foreign) = &part.content {
        return out.extend_from_slice(foreign.json.as_bytes());
    }
    let mut object = Object::new(out);
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => {
            object.text("type", "text").text("text", text);
        }
        Content::Cited(text, citations) => {
            object.text("type", "text").text("text", text);
            let mut kept = citations.iter().filter(|it| goes == Goes::Back || is_own_citation(it)).peekable();
            if kept.peek().is_some() {
                write_citations(object.member("citations"), kept);
            }
        }
        Content::Media(it) => media::write(&mut object, it),
        Content::ToolCall(call) => write_call(&mut object, call, losses),
        Content::ToolResult(result) => write_result(&mut object, result, goes, losses),
        Content::Thought(thought) => return write_thought(&mut object, thought),
        Content::Foreign(_) => {}
    }
    if let Some(cache) = part.cache.filter(|_| goes != Goes::Back) {
        write_cache(&mut object, cache);
    }
}

/// `cache_control`.
pub fn write_cache(object: &mut Object<'_>, cache: Cache) {
    object.object("cache_control", |mark| {
        mark.text("type", "ephemeral").text_if("ttl", cache.one_hour.then_some("1h"));
    });
}

/// What only Claude reads, if it is Claude's.
pub fn signature<'s>(seal: Option<&'s Seal<'_>>) -> Option<&'s str> {
    seal.filter(|seal| seal.maker == Maker::Claude && !seal.data.is_empty()).map(|seal| &*seal.data)
}

/// Is it one of this dialect's blocks that only it knows?
pub fn is_own(kind: &str) -> bool {
    kind.ends_with("_tool_result")
        || matches!(kind, "server_tool_use" | "mcp_tool_use" | "container_upload" | "search_result")
}

fn write_call(object: &mut Object<'_>, call: &ToolCall<'_>, losses: &mut Losses) {
    object.text("type", "tool_use").text("id", &call.id).text("name", &call.name);
    let input = object.member("input");
    if call.custom {
        custom::write_input(input, &call.arguments);
    } else if strict::is_object(call.arguments.as_bytes()) {
        input.extend_from_slice(call.arguments.trim().as_bytes());
    } else {
        if !call.arguments.is_blank() {
            losses.drop("tool_call.arguments");
        }
        input.extend_from_slice(b"{}");
    }
}

fn write_result(object: &mut Object<'_>, result: &ToolResult<'_>, goes: Goes, losses: &mut Losses) {
    object.text("type", "tool_result").text("tool_use_id", &result.id);
    let mut parts = result.parts.iter().filter(|part| says(&part.content, goes)).peekable();
    match (parts.next(), parts.peek(), result.json) {
        (None, _, None) => {}
        (None, _, Some(json)) => {
            object.text("content", json);
        }
        (Some(Part { content: Content::Text(text), cache: None }), None, _) => {
            object.text("content", text);
        }
        (Some(first), _, _) => {
            let mut array = Array::new(object.member("content"));
            for part in std::iter::once(first).chain(parts) {
                write(array.element(), part, goes, losses);
            }
        }
    }
    if result.failed {
        object.value("is_error", true);
    }
}

fn write_thought(object: &mut Object<'_>, thought: &Thought<'_>) {
    let signature = signature(thought.seal.as_ref()).unwrap_or_default();
    if thought.redacted {
        object.text("type", "redacted_thinking").text("data", signature);
    } else {
        object.text("type", "thinking").text("thinking", &thought.text).text("signature", signature);
    }
}
