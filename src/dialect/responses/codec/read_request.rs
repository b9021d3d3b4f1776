//! Requests.
//!
//! Format: OpenAI API reference, "Create a model response".

use super::read_items::Items;
use super::read_tools;
use crate::dialect::DialectId;
use crate::dialect::canon::{Content, Effort, Format, Member, Reasoning, Request, Role, Tool, Turn};
use crate::dialect::json::{Raw, Read, Reader, Shape, Wrong};

pub fn read<'a>(body: &'a str) -> Read<Request<'a>> {
    let mut request = Request::new(DialectId::Responses);
    let mut input = Items::default();
    let mut instructions = Items::default();
    let mut wants_logprobs = false;
    Reader::new(body).object(|name, value| {
        match name {
            "model" | "stream_options" => value.skip()?,
            "instructions" => read_instructions(value, &mut instructions)?,
            "input" => input.read(value)?,
            "stream" => request.stream = value.maybe(Reader::flag)?.unwrap_or(false),
            "tools" => read_tools_of(value, &mut request.tools)?,
            "tool_choice" if value.shape() != Shape::Null => {
                let written = value.clone().raw()?;
                request.tool_choice = read_tools::read_choice(value)?;
                if request.tool_choice.is_none() {
                    request.rest.push(Member { name: "tool_choice".into(), value: written });
                }
            }
            "reasoning" => request.reasoning = read_reasoning(value, &mut request.rest)?,
            "text" => read_text(value, &mut request)?,
            "include" => wants_logprobs |= read_include(value, &mut request.rest)?,
            _ => read_plain(name, value, &mut request)?,
        }
        Ok(())
    })?;
    if wants_logprobs {
        request.logprobs = request.logprobs.or(Some(0));
    }
    request.turns = instructions.turns;
    request.turns.append(&mut input.turns);
    request.tools.append(&mut input.tools);
    Ok(request)
}

/// Members that need no more than a look.
fn read_plain<'a>(name: &str, value: &mut Reader<'a>, request: &mut Request<'a>) -> Read<()> {
    match name {
        "max_output_tokens" => request.max_tokens = value.maybe(Reader::count)?,
        "max_tokens" => request.max_tokens = request.max_tokens.or(value.maybe(Reader::count)?),
        "temperature" => request.sampling.temperature = value.maybe(Reader::number)?,
        "top_p" => request.sampling.top_p = value.maybe(Reader::number)?,
        "presence_penalty" => request.sampling.presence_penalty = value.maybe(Reader::number)?,
        "frequency_penalty" => request.sampling.frequency_penalty = value.maybe(Reader::number)?,
        "top_logprobs" => request.logprobs = value.maybe(Reader::count)?.filter(|count| *count > 0),
        "parallel_tool_calls" => request.parallel_tools = value.maybe(Reader::flag)?,
        "user" => request.user = request.user.take().or(value.maybe(Reader::text)?),
        "safety_identifier" => request.user = value.maybe(Reader::text)?.or(request.user.take()),
        "metadata" => request.metadata = object(value)?,
        "service_tier" => request.service_tier = value.maybe(Reader::text)?,
        "prompt_cache_key" => request.cache_key = value.maybe(Reader::text)?,
        "store" => request.store = value.maybe(Reader::flag)?,
        "previous_response_id" => request.previous = value.maybe(Reader::text)?,
        "conversation" | "prompt" if value.shape() != Shape::Null => {
            return Err(Wrong::new("is kept at OpenAI and cannot be used with this model"));
        }
        _ => {
            let value = value.raw()?;
            if !says_nothing(name, value) {
                request.rest.push(Member { name: name.to_owned().into(), value });
            }
        }
    }
    Ok(())
}

/// What only repeats a default is no loss.
fn says_nothing(name: &str, value: Raw<'_>) -> bool {
    matches!((name, value), (_, "null" | "false") | ("truncation", "\"disabled\""))
}

/// How many of a request's turns are its instructions.
pub fn instruction_turns(body: &str) -> Read<usize> {
    let mut items = Items::default();
    Reader::new(body).object(|name, value| match name {
        "instructions" => read_instructions(value, &mut items),
        _ => Ok(()),
    })?;
    Ok(items.turns.len())
}

/// Instructions are a system message before all others.
fn read_instructions<'a>(value: &mut Reader<'a>, items: &mut Items<'a>) -> Read<()> {
    if value.shape() != Shape::Text {
        return items.read(value);
    }
    let text = value.words()?;
    if !text.is_empty() {
        items.turns.push(Turn::new(Role::System, vec![Content::Text(text).into()]));
    }
    Ok(())
}

fn read_tools_of<'a>(value: &mut Reader<'a>, tools: &mut Vec<Tool<'a>>) -> Read<()> {
    value.maybe(|value| read_tools::read(value, tools)).map(drop)
}

fn object<'a>(value: &mut Reader<'a>) -> Read<Option<Raw<'a>>> {
    value.maybe(|value| match value.shape() {
        Shape::Object => value.raw(),
        _ => Err(Wrong::new("must be an object")),
    })
}

/// A summary of the thoughts comes only where it is asked for; other targets show them as they like.
fn read_reasoning<'a>(value: &mut Reader<'a>, rest: &mut Vec<Member<'a>>) -> Read<Option<Reasoning>> {
    let mut reasoning = Reasoning::default();
    value.maybe(|value| {
        value.object(|name, value| {
            match name {
                "effort" => {
                    let written = value.clone().raw()?;
                    let named = value.maybe(Reader::text)?;
                    reasoning.effort = named.as_deref().and_then(Effort::named);
                    if named.is_some() && reasoning.effort.is_none() {
                        rest.push(Member { name: "reasoning.effort".into(), value: written });
                    }
                }
                "summary" | "generate_summary" => {
                    let asked = value.maybe(Reader::text)?.is_some_and(|summary| summary != "none");
                    reasoning.visible = reasoning.visible.or(asked.then_some(true));
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

fn read_text<'a>(value: &mut Reader<'a>, request: &mut Request<'a>) -> Read<()> {
    let read = |value: &mut Reader<'a>| {
        value.object(|name, value| {
            match name {
                "format" => request.format = value.maybe(read_format)?.flatten(),
                "verbosity" => request.verbosity = value.maybe(Reader::text)?,
                _ => {}
            }
            Ok(())
        })
    };
    value.maybe(read).map(drop)
}

fn read_format<'a>(value: &mut Reader<'a>) -> Read<Option<Format<'a>>> {
    let (mut kind, mut name, mut description, mut schema, mut strict) = (None, None, None, None, None);
    value.object(|member, value| {
        match member {
            "type" => kind = Some(value.text()?),
            "name" => name = value.maybe(Reader::text)?,
            "description" => description = value.maybe(Reader::text)?,
            "schema" => schema = object(value)?,
            "strict" => strict = value.maybe(Reader::flag)?,
            _ => {}
        }
        Ok(())
    })?;
    match kind.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Format::Json)),
        Some("json_schema") => {
            let schema = schema.ok_or_else(|| Wrong::new("is required").within("schema"))?;
            Ok(Some(Format::Schema { name, description, schema: schema.into(), strict }))
        }
        _ => Err(Wrong::new("must be text, json_object or json_schema").within("type")),
    }
}

/// More to be told in the answer. Chances of tokens have a place of their own; encrypted thoughts come unasked.
fn read_include<'a>(value: &mut Reader<'a>, rest: &mut Vec<Member<'a>>) -> Read<bool> {
    let written = value.clone().raw()?;
    let (mut logprobs, mut unknown) = (false, false);
    value.maybe(|value| {
        value.array(|name| {
            match &*name.text()? {
                LOGPROBS => logprobs = true,
                ENCRYPTED => {}
                _ => unknown = true,
            }
            Ok(())
        })
    })?;
    if unknown {
        rest.push(Member { name: "include".into(), value: written });
    }
    Ok(logprobs)
}

/// In `include`: the chances of the tokens of the text.
pub const LOGPROBS: &str = "message.output_text.logprobs";
/// In `include`: what the model thought, in a form only its maker reads.
pub const ENCRYPTED: &str = "reasoning.encrypted_content";
