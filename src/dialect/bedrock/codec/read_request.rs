//! Requests as Converse has them. They do not say the model, nor whether a stream is wanted: the path does.

use std::borrow::Cow;

use super::{read_blocks, read_response};
use crate::dialect::DialectId;
use crate::dialect::canon::{
    Effort, Foreign, Format, Function, Member, Reasoning, Request, Role, Thinking, Tool, ToolChoice,
    ToolKind, Turn,
};
use crate::dialect::json::{Read, Reader, Shape, Wrong};

pub fn read<'a>(body: &'a str) -> Read<Request<'a>> {
    let mut request = Request::new(DialectId::Bedrock);
    let (mut system, mut messages) = (Vec::new(), Vec::new());
    Reader::new(body).object(|name, value| {
        match name {
            "messages" => value.array(|message| {
                messages.push(read_message(message)?);
                Ok(())
            })?,
            "system" => system = read_blocks::parts(value)?,
            "inferenceConfig" => read_limits(value, &mut request)?,
            "toolConfig" => read_tools(value, &mut request)?,
            "outputConfig" => read_output(value, &mut request)?,
            "additionalModelRequestFields" => read_fields(value, &mut request)?,
            "serviceTier" => request.service_tier = read_response::read_tier(value)?,
            "requestMetadata" => request.metadata = value.maybe(Reader::raw)?,
            // What is asked for here is told wherever it is known.
            "additionalModelResponseFieldPaths" => value.skip()?,
            _ => request.rest.push(Member { name: name.to_owned().into(), value: value.raw()? }),
        }
        Ok(())
    })?;
    if !system.is_empty() {
        request.turns.push(Turn::new(Role::System, system));
    }
    request.turns.append(&mut messages);
    Ok(request)
}

fn read_message<'a>(message: &mut Reader<'a>) -> Read<Turn<'a>> {
    let mut turn = Turn::new(Role::User, Vec::new());
    message.object(|name, value| {
        match name {
            "role" => {
                turn.role = match &*value.text()? {
                    "user" => Role::User,
                    "assistant" => Role::Assistant,
                    _ => return Err(Wrong::new("must be user or assistant")),
                }
            }
            "content" => turn.parts = read_blocks::parts(value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(turn)
}

fn read_limits<'a>(value: &mut Reader<'a>, request: &mut Request<'a>) -> Read<()> {
    value.object(|name, value| {
        match name {
            "maxTokens" => request.max_tokens = value.maybe(Reader::count)?,
            "temperature" => request.sampling.temperature = value.maybe(Reader::number)?,
            "topP" => request.sampling.top_p = value.maybe(Reader::number)?,
            "stopSequences" => value.array(|text| {
                request.stop.push(text.text()?);
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })
}

fn read_tools<'a>(value: &mut Reader<'a>, request: &mut Request<'a>) -> Read<()> {
    value.object(|name, value| match name {
        "tools" => value.array(|tool| read_tool(tool, &mut request.tools)),
        "toolChoice" => value.object(|name, value| {
            request.tool_choice = match name {
                "auto" => Some(ToolChoice::Auto),
                "any" => Some(ToolChoice::Any),
                "tool" => read_name(value)?.map(ToolChoice::One),
                _ => return Err(Wrong::new("is not known")),
            };
            Ok(())
        }),
        _ => Ok(()),
    })
}

fn read_name<'a>(value: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
    let mut found = None;
    value.object(|name, value| {
        if name == "name" {
            found = Some(value.text()?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// A tool, or a cache point that marks the one before it.
fn read_tool<'a>(value: &mut Reader<'a>, tools: &mut Vec<Tool<'a>>) -> Read<()> {
    let mut start = value.clone();
    value.object(|name, value| {
        match name {
            "toolSpec" => {
                let kind = ToolKind::Function(read_spec(value)?);
                tools.push(Tool { kind, cache: None });
            }
            "cachePoint" => {
                let cache = read_blocks::cache_point(value)?;
                if let Some(last) = tools.last_mut() {
                    last.cache = Some(cache);
                }
            }
            _ => {
                let kind = name.to_owned().into();
                let kind = ToolKind::Hosted(Foreign { kind, json: start.raw()? });
                tools.push(Tool { kind, cache: None });
            }
        }
        Ok(())
    })
}

fn read_spec<'a>(value: &mut Reader<'a>) -> Read<Function<'a>> {
    let mut function = Function::default();
    value.object(|name, value| {
        match name {
            "name" => function.name = value.text()?,
            "description" => function.description = value.maybe(Reader::words)?,
            "inputSchema" => value.object(|name, value| {
                if name == "json" {
                    function.schema = Some(value.raw()?.into());
                }
                Ok(())
            })?,
            "strict" => function.strict = value.maybe(Reader::flag)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(function)
}

fn read_output<'a>(value: &mut Reader<'a>, request: &mut Request<'a>) -> Read<()> {
    value.object(|name, value| match name {
        "effort" => {
            reasoning(request).effort = value.text_if()?.and_then(|word| Effort::named(&word));
            Ok(())
        }
        "textFormat" => {
            let raw = value.clone().raw()?;
            value.object(|name, value| match name {
                "structure" => value.object(|name, value| match name {
                    "jsonSchema" => {
                        request.format = read_schema(value)?;
                        Ok(())
                    }
                    _ => Ok(()),
                }),
                _ => Ok(()),
            })?;
            if request.format.is_none() {
                request.rest.push(Member { name: "textFormat".into(), value: raw });
            }
            Ok(())
        }
        _ => Ok(()),
    })
}

/// The schema stands in a text. One with escapes in it cannot be lent to others, and stays with Bedrock.
fn read_schema<'a>(value: &mut Reader<'a>) -> Read<Option<Format<'a>>> {
    let (mut name, mut description, mut schema) = (None, None, None);
    value.object(|member, value| {
        match member {
            "name" => name = value.maybe(Reader::text)?,
            "description" => description = value.maybe(Reader::text)?,
            "schema" => schema = Some(value.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(schema.map(|schema| Format::Schema { name, description, schema, strict: Some(true) }))
}

/// What models take beyond Converse, by the names of each.
fn read_fields<'a>(value: &mut Reader<'a>, request: &mut Request<'a>) -> Read<()> {
    value.object_if(|name, value| {
        match name {
            "top_k" | "k" => request.sampling.top_k = value.maybe(Reader::count)?,
            "inferenceConfig" => value.object_if(|name, value| {
                if name == "topK" {
                    request.sampling.top_k = value.maybe(Reader::count)?;
                }
                Ok(())
            })?,
            "thinking" => reasoning(request).thinking = read_thinking(value)?,
            "reasoning_effort" | "reasoning_config" if value.shape() == Shape::Text => {
                reasoning(request).effort = Effort::named(&value.text()?);
            }
            "reasoningConfig" | "reasoning" | "output_config" => value.object_if(|name, value| {
                if matches!(name, "maxReasoningEffort" | "effort") {
                    reasoning(request).effort = value.text_if()?.and_then(|word| Effort::named(&word));
                }
                Ok(())
            })?,
            "tool_choice" => read_claudes_choice(value, request)?,
            _ => request.rest.push(Member { name: name.to_owned().into(), value: value.raw()? }),
        }
        Ok(())
    })
}

fn reasoning<'r>(request: &'r mut Request<'_>) -> &'r mut Reasoning {
    request.reasoning.get_or_insert_default()
}

fn read_thinking(value: &mut Reader<'_>) -> Read<Option<Thinking>> {
    let (mut kind, mut budget) = (None, 0);
    value.object_if(|name, value| {
        match name {
            "type" => kind = value.text_if()?,
            "budget_tokens" => budget = value.count()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(match kind.as_deref() {
        Some("disabled") => Some(Thinking::Off),
        Some("adaptive") => Some(Thinking::Adaptive),
        Some("enabled") => Some(Thinking::Budget(budget)),
        _ => None,
    })
}

fn read_claudes_choice<'a>(value: &mut Reader<'a>, request: &mut Request<'a>) -> Read<()> {
    let (mut kind, mut tool) = (None, None);
    value.object_if(|name, value| {
        match name {
            "type" => kind = value.text_if()?,
            "name" => tool = value.text_if()?,
            "disable_parallel_tool_use" => request.parallel_tools = Some(!value.flag()?),
            _ => {}
        }
        Ok(())
    })?;
    request.tool_choice = match (kind.as_deref(), tool) {
        (Some("any"), _) => Some(ToolChoice::Any),
        (Some("tool"), Some(name)) => Some(ToolChoice::One(name)),
        _ => request.tool_choice.take(),
    };
    Ok(())
}
