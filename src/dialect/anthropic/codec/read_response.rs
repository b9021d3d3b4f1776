//! An answer of the provider.

use std::borrow::Cow;

use super::read_blocks::Draft;
use super::{ANSWER_TOOL, custom};
use crate::dialect::anthropic::answer::Counters;
use crate::dialect::canon::{Choice, Content, Finish, Part, Response};
use crate::dialect::json::{Read, Reader, Shape, Wrong};

/// Reads an answer. What is not of its form within it is passed over.
///
/// # Errors
/// It is no answer.
pub fn read(body: &str) -> Read<Response<'_>> {
    let mut response = Response::default();
    let mut counters = Counters::default();
    let mut parts = None;
    let (mut reason, mut sequence) = (None, None);
    Reader::new(body).object(|name, value| {
        match name {
            "id" => response.id = value.text_if()?,
            "model" => response.model = value.text_if()?,
            "content" => parts = value.if_is(Shape::Array, content)?,
            "stop_reason" => reason = value.text_if()?,
            "stop_sequence" => sequence = value.text_if()?,
            "usage" if value.shape() == Shape::Object => {
                let usage = value.raw()?;
                counters.read(usage.as_bytes());
                response.service_tier = service_tier(usage)?;
            }
            _ => {}
        }
        Ok(())
    })?;
    let parts = parts.ok_or_else(|| Wrong::new("must be an array").within("content"))?;
    let called = parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
    let finish = finish(reason, sequence, called);
    response.usage = counters.usage();
    response.choices.push(Choice { parts, finish, logprobs: Vec::new() });
    Ok(response)
}

fn content<'a>(value: &mut Reader<'a>) -> Read<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    value.array(|block| {
        if block.shape() != Shape::Object {
            return block.skip();
        }
        // A block without a type, or not of its form, is none.
        let mut whole = block.clone();
        if let Ok(mut part) = Draft::read(block).and_then(Draft::part) {
            answer_of_tool(&mut part);
            custom::unwrap(&mut part);
            if !matches!(&part.content, Content::Text(text) if text.is_empty()) {
                parts.push(part);
            }
        }
        whole.skip()?;
        *block = whole;
        Ok(())
    })?;
    Ok(parts)
}

/// The tool that stands for a JSON answer was not the caller's: its arguments are the answer.
fn answer_of_tool(part: &mut Part<'_>) {
    if let Content::ToolCall(call) = &mut part.content
        && call.name == ANSWER_TOOL
    {
        part.content = Content::Text(std::mem::take(&mut call.arguments));
    }
}

/// Why the answer ended. `called`: the caller's own tools are to be called.
pub fn finish<'a>(reason: Option<Cow<'a, str>>, sequence: Option<Cow<'a, str>>, called: bool) -> Finish<'a> {
    match reason.as_deref() {
        Some("tool_use") if called => Finish::ToolCalls,
        Some("end_turn" | "tool_use") | None => Finish::Stop,
        Some("max_tokens") => Finish::Length,
        Some("stop_sequence") => Finish::StopSequence(sequence),
        Some("refusal") => Finish::Refusal,
        Some("pause_turn") => Finish::Pause,
        Some("model_context_window_exceeded") => Finish::ContextFull,
        Some(_) => Finish::Other(reason.unwrap_or_default()),
    }
}

/// OpenAI's word for the tier without priority.
fn service_tier(usage: &str) -> Read<Option<Cow<'_, str>>> {
    let mut tier = None;
    Reader::new(usage).object(|name, value| {
        if name == "service_tier" {
            tier = value.text_if()?;
        }
        Ok(())
    })?;
    Ok(tier.map(|tier| if tier == "standard" { "default".into() } else { tier }))
}
