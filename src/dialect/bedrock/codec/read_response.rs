//! Whole answers.

use std::borrow::Cow;

use super::{ANSWER_TOOL, finish, read_blocks, usage};
use crate::dialect::canon::{Choice, Content, Part, Response, ToolCall};
use crate::dialect::json::{Read, Reader, Shape, Wrong};

pub fn read<'a>(body: &'a str) -> Read<Response<'a>> {
    let mut response = Response::default();
    let (mut parts, mut reason, mut sequence) = (None, None, None);
    let mut reader = Reader::new(body);
    reader.object(|name, value| {
        match name {
            "output" => parts = read_message(value)?,
            "stopReason" => reason = value.text_if()?,
            "usage" => response.usage = usage::read(value)?,
            "serviceTier" => response.service_tier = read_tier(value)?,
            "additionalModelResponseFields" => sequence = stop_sequence(value)?,
            _ => {}
        }
        Ok(())
    })?;
    reader.end()?;
    let Some(mut parts) = parts else { return Err(Wrong::new("must have an output").within("output")) };
    for part in &mut parts {
        read_answer_tool(part);
    }
    let called = parts.iter().any(|part| matches!(part.content, Content::ToolCall(_)));
    let finish = finish::read(reason.unwrap_or("end_turn".into()), sequence, called);
    response.choices.push(Choice { parts, finish, logprobs: Vec::new() });
    Ok(response)
}

/// `{"message":{"role":"assistant","content":[…]}}`.
fn read_message<'a>(value: &mut Reader<'a>) -> Read<Option<Vec<Part<'a>>>> {
    let mut parts = None;
    value.object_if(|name, value| match name {
        "message" => value.object_if(|name, value| {
            if name == "content" && value.shape() == Shape::Array {
                parts = Some(read_blocks::parts(value)?);
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(parts)
}

/// An answer in the form that was asked for by way of a tool is the text it stands for.
fn read_answer_tool(part: &mut Part<'_>) {
    if let Content::ToolCall(ToolCall { name, arguments, .. }) = &mut part.content
        && *name == ANSWER_TOOL
    {
        part.content = Content::Text(std::mem::take(arguments));
    }
}

/// `{"type":"priority"}`.
pub fn read_tier<'a>(value: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
    let mut tier = None;
    value.object_if(|name, value| {
        if name == "type" {
            tier = value.text_if()?;
        }
        Ok(())
    })?;
    Ok(tier)
}

/// The text that ended the answer, at either of the places where models tell it: see [`super::STOP_SEQUENCE_PATHS`].
pub fn stop_sequence<'a>(value: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
    let mut sequence = None;
    value.object_if(|name, value| match name {
        "stop_sequence" => {
            sequence = value.text_if()?.or(sequence.take());
            Ok(())
        }
        "delta" => value.object_if(|name, value| {
            if name == "stop_sequence" {
                sequence = value.text_if()?.or(sequence.take());
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(sequence)
}
