//! From one dialect to another through the canonical form: requests to the target, answers and streams back.

use bytes::Bytes;

use super::canon::names::{self, Renames};
use super::canon::{Content, Event, Losses, Request, Response, Role, ToolKind, Turn, event, fit};
use super::codec::{Codec, EventWriter, Manner, Outward};
use super::ensemble::Adding;
use super::frame::transcode::Transcode;
use super::json::Words;
use super::{Answer, DialectId, StreamPass, skim};
use crate::error::{Error, Kind, Result};

/// A request in its target's dialect.
#[derive(Debug)]
pub struct Translated {
    pub body: Vec<u8>,
    pub losses: Losses,
    /// What answers must be read with.
    pub renames: Renames,
    /// Tokens of the prompt, estimated.
    pub prompt_estimate: u64,
}

/// Writes the caller's request in the target's dialect. `prepare` may add to what was read, such as earlier turns, before
/// it is fitted.
///
/// # Errors
/// `BadRequest`: it has not the form its dialect documents, or asks for what the target cannot do.
pub fn request<'a>(
    from: &dyn Codec,
    to: &dyn Codec,
    body: &'a str,
    manner: &Manner<'_>,
    prepare: impl FnOnce(&mut Request<'a>) -> Result<()>,
) -> Result<Translated> {
    let mut request = from.read_request(body).map_err(super::json::Wrong::into_refusal)?;
    prepare(&mut request)?;
    written(request, to, manner)
}

/// Writes a request in the target's dialect.
///
/// # Errors
/// `BadRequest`: it asks for what the target cannot do.
pub fn written(mut request: Request<'_>, to: &dyn Codec, manner: &Manner<'_>) -> Result<Translated> {
    let prompt_estimate = estimate(&request);
    let facts = to.facts();
    let mut losses = Losses::default();
    fit(&mut request, facts.support, &mut losses)?;
    loosen(&mut request);
    if request.turns.is_empty() {
        return Err(Error::bad_request("there is no message that this model's provider could answer"));
    }
    if facts.user_first {
        begin_with_user(&mut request);
    }
    let renames = names::fit_names(&mut request, facts.tool_names);
    names::fit_ids(&mut request, facts.call_ids);
    let body = to.write_request(&request, manner, &mut losses)?;
    Ok(Translated { body, losses, renames, prompt_estimate })
}

/// Writes the target's whole answer in the caller's dialect.
///
/// # Errors
/// `UpstreamUnreadable`: it is no answer.
pub fn answer(
    from: &dyn Codec,
    to: &dyn Codec,
    body: &[u8],
    outward: &Outward,
    renames: &Renames,
) -> Result<Answer> {
    let mut response = read_answer(from, body, renames)?;
    let usage = response.usage;
    response.usage.add(&outward.spent);
    let body = Bytes::from(to.write_response(&response, outward));
    Ok(Answer { body, usage })
}

/// Tells the target's whole answer as a stream, for a caller that asked for one and a target that gave none.
///
/// # Errors
/// `UpstreamUnreadable`: it is no answer.
pub fn answer_as_stream(
    from: &dyn Codec,
    to: &dyn Codec,
    body: &[u8],
    outward: &Outward,
    renames: &Renames,
) -> Result<Answer> {
    let response = read_answer(from, body, renames)?;
    let mut writer = writer(to, outward);
    let mut out = Vec::new();
    event::replay(&response, &mut |event: Event<'_>| writer.write(&event, &mut out));
    Ok(Answer { body: out.into(), usage: response.usage })
}

/// The pass of one stream.
pub fn stream(from: DialectId, to: &dyn Codec, outward: &Outward, renames: Renames) -> Box<dyn StreamPass> {
    Box::new(Transcode::new(from.codec(), writer(to, outward), renames))
}

fn writer(to: &dyn Codec, outward: &Outward) -> Box<dyn EventWriter> {
    let writer = to.writer(outward);
    if outward.spent.is_empty() { writer } else { Box::new(Adding::new(writer, outward.spent)) }
}

fn read_answer<'a>(from: &dyn Codec, body: &'a [u8], renames: &'a Renames) -> Result<Response<'a>> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(error)
    })?;
    let mut response = from.read_response(text).map_err(super::json::Wrong::into_unreadable)?;
    if !renames.is_empty() {
        let parts = response.choices.iter_mut().flat_map(|choice| &mut choice.parts);
        for part in parts {
            if let Content::ToolCall(call) = &mut part.content {
                let original = renames.original(&call.name).to_owned();
                call.name = original.into();
            }
        }
    }
    Ok(response)
}

/// Gemini holds a model to any schema (`VALIDATED`). Elsewhere that takes one which leaves nothing open, and others are
/// refused.
fn loosen(request: &mut Request<'_>) {
    if request.origin != DialectId::Gemini {
        return;
    }
    for tool in &mut request.tools {
        if let ToolKind::Function(function) = &mut tool.kind {
            let schema = function.schema.as_deref().unwrap_or_default();
            let closed = skim::value(schema.as_bytes(), &["additionalProperties"]) == Some(b"false");
            function.strict = function.strict.filter(|_| closed);
        }
    }
}

/// Some vendors refuse a conversation that the model begins.
fn begin_with_user(request: &mut Request<'_>) {
    let first = request.turns.iter().position(|turn| !matches!(turn.role, Role::System | Role::Developer));
    let Some(first) = first.filter(|first| request.turns[*first].role == Role::Assistant) else { return };
    let opening = Content::Text("(The conversation goes on.)".into());
    request.turns.insert(first, Turn::new(Role::User, vec![opening.into()]));
}

/// Tokens of a prompt at four bytes a token, and what media usually cost. Good to show progress by, not to charge by.
fn estimate(request: &Request<'_>) -> u64 {
    fn weigh(content: &Content<'_>) -> u64 {
        let bytes = match content {
            Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => text.size(),
            Content::Media(_) => return MEDIA_TOKENS,
            Content::ToolCall(call) => call.name.len() + call.arguments.size(),
            Content::ToolResult(result) => {
                return result.parts.iter().map(|part| weigh(&part.content)).sum::<u64>()
                    + result.json.map_or(0, |json| json.len() as u64 / 4);
            }
            Content::Thought(thought) => thought.text.size(),
            Content::Foreign(foreign) => foreign.json.len(),
        };
        bytes as u64 / 4 + 1
    }
    let turns =
        request.turns.iter().flat_map(|turn| &turn.parts).map(|part| weigh(&part.content)).sum::<u64>();
    let tools = request.tools.iter().map(|tool| match &tool.kind {
        ToolKind::Function(function) => {
            (function.schema.as_deref().map_or(0, str::len)
                + function.description.as_ref().map_or(0, Words::size)) as u64
                / 4
        }
        _ => 0,
    });
    turns + tools.sum::<u64>()
}

/// Tokens of an image or document, roughly.
const MEDIA_TOKENS: u64 = 1_000;
