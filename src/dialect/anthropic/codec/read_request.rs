//! What the caller asks.
//!
//! Source: Claude API reference, "Create a Message" (<https://platform.claude.com/docs/en/api/messages/create>).

use std::borrow::Cow;

use super::read_blocks::{list, parts};
use super::read_tools;
use crate::dialect::DialectId;
use crate::dialect::canon::{Content, Effort, Format, Member, Request, Role, Thinking, Turn};
use crate::dialect::json::{Raw, Read, Reader, Shape, Wrong};

/// Reads a request.
///
/// # Errors
/// It has not the documented form.
pub fn read(body: &str) -> Read<Request<'_>> {
    let mut request = Request::new(DialectId::Anthropic);
    let mut instructions = None;
    Reader::new(body).object(|name, value| match name {
        "system" => value.maybe(parts).map(|parts| instructions = parts),
        "messages" => list(value, message).map(|turns| request.turns = turns),
        _ => member(&mut request, name, value),
    })?;
    let instructions = instructions.unwrap_or_default();
    let is_empty = |part: &_| matches!(part, Content::Text(text) if text.is_empty());
    if !instructions.iter().all(|part| is_empty(&part.content)) {
        request.turns.insert(0, Turn::new(Role::System, instructions));
    }
    Ok(request)
}

fn member<'a>(request: &mut Request<'a>, name: &str, value: &mut Reader<'a>) -> Read<()> {
    match name {
        "model" => value.skip()?,
        "stream" => request.stream = value.maybe(Reader::flag)?.unwrap_or(false),
        "max_tokens" => request.max_tokens = value.maybe(Reader::count)?,
        "temperature" => request.sampling.temperature = value.maybe(Reader::number)?,
        "top_p" => request.sampling.top_p = value.maybe(Reader::number)?,
        "top_k" => request.sampling.top_k = value.maybe(Reader::count)?,
        "stop_sequences" => {
            request.stop = value.maybe(|value| list(value, Reader::text))?.unwrap_or_default();
        }
        "tools" => {
            request.tools = value.maybe(|value| list(value, read_tools::tool))?.unwrap_or_default();
        }
        "tool_choice" => {
            value.maybe(|value| read_tools::choice(request, value))?;
        }
        "thinking" => {
            value.maybe(|value| thinking(request, value))?;
        }
        "output_config" => {
            value.maybe(|value| output_config(request, value))?;
        }
        "output_format" => request.format = value.maybe(format)?.flatten(),
        "metadata" => {
            value.maybe(|value| {
                value.object(|name, value| {
                    if name == "user_id" {
                        request.user = value.maybe(Reader::text)?;
                    }
                    Ok(())
                })
            })?;
        }
        "service_tier" => request.service_tier = value.maybe(Reader::text)?.map(tier),
        _ => request.rest.push(Member { name: name.to_owned().into(), value: value.raw()? }),
    }
    Ok(())
}

/// OpenAI's word for the tier without priority.
fn tier(word: Cow<'_, str>) -> Cow<'_, str> {
    if word == "standard_only" { "default".into() } else { word }
}

fn message<'a>(value: &mut Reader<'a>) -> Read<Turn<'a>> {
    let mut role = None;
    let mut content = None;
    value.object(|name, value| {
        match name {
            "role" => role = Some(value.text()?),
            "content" => content = Some(parts(value)?),
            _ => {}
        }
        Ok(())
    })?;
    let role = match role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => return Err(Wrong::new("must be \"user\", \"assistant\" or \"system\"").within("role")),
        None => return Err(Wrong::new("is required").within("role")),
    };
    let parts = content.ok_or_else(|| Wrong::new("is required").within("content"))?;
    Ok(Turn::new(role, parts))
}

fn thinking(request: &mut Request<'_>, value: &mut Reader<'_>) -> Read<()> {
    let mut kind = Cow::default();
    let mut budget = None;
    let mut visible = None;
    value.object(|name, value| {
        match name {
            "type" => kind = value.text()?.into_owned().into(),
            "budget_tokens" => budget = value.maybe(Reader::count)?,
            "display" => {
                visible = value.maybe(Reader::text)?.map(|display| display != "omitted");
            }
            _ => {}
        }
        Ok(())
    })?;
    let thinking = match &*kind {
        "enabled" => {
            let missing = || Wrong::new("is required").within("budget_tokens");
            Thinking::Budget(budget.ok_or_else(missing)?)
        }
        "adaptive" => Thinking::Adaptive,
        "disabled" | "between_tools" => Thinking::Off,
        _ => return Ok(()),
    };
    let reasoning = request.reasoning.get_or_insert_default();
    (reasoning.thinking, reasoning.visible) = (Some(thinking), visible);
    Ok(())
}

fn output_config<'a>(request: &mut Request<'a>, value: &mut Reader<'a>) -> Read<()> {
    value.object(|name, value| {
        match name {
            "effort" => {
                let effort = value.maybe(Reader::text)?;
                if let Some(effort) = effort.and_then(|effort| Effort::named(&effort)) {
                    request.reasoning.get_or_insert_default().effort = Some(effort);
                }
            }
            "format" => request.format = value.maybe(format)?.flatten(),
            _ => {}
        }
        Ok(())
    })
}

fn format<'a>(value: &mut Reader<'a>) -> Read<Option<Format<'a>>> {
    let mut kind = Cow::default();
    let mut schema: Option<Raw<'a>> = None;
    value.object(|name, value| {
        match name {
            "type" => kind = value.text()?,
            "schema" if value.shape() == Shape::Object => schema = Some(value.raw()?),
            _ => {}
        }
        Ok(())
    })?;
    if kind != "json_schema" {
        return Ok(None);
    }
    let schema = schema.ok_or_else(|| Wrong::new("must be an object").within("schema"))?;
    Ok(Some(Format::Schema { name: None, description: None, schema: schema.into(), strict: None }))
}
