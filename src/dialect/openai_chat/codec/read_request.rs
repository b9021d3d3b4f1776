//! Requests.
//!
//! Beyond OpenAI's own members: what OpenRouter (`reasoning`), DeepSeek, Z.ai and clients of Claude (`thinking`), and
//! vLLM (`top_k`) take, because callers send it to any server of this dialect.

use std::borrow::Cow;

use super::{read_messages, read_tools};
use crate::dialect::DialectId;
use crate::dialect::canon::{Effort, Format, Member, Reasoning, Request, Thinking, Tool, ToolChoice};
use crate::dialect::json::{Read, Reader, Shape, Wrong};

pub fn read<'a>(body: &'a str) -> Read<Request<'a>> {
    let mut request = Request::new(DialectId::OpenAiChat);
    let mut late = Late::default();
    let mut reader = Reader::new(body);
    reader.object(|name, value| member(&mut request, &mut late, name, value))?;
    reader.end()?;
    late.settle(&mut request);
    Ok(request)
}

/// What can be understood only when everything has been read, since members come in any order.
#[derive(Default)]
struct Late<'a> {
    max_tokens: Option<u64>,
    logprobs: bool,
    top_logprobs: Option<u64>,
    safety_identifier: Option<Cow<'a, str>>,
    function_choice: Option<ToolChoice<'a>>,
    reasoning: Reasoning,
    one_call: bool,
}

impl<'a> Late<'a> {
    fn settle(self, request: &mut Request<'a>) {
        request.max_tokens = request.max_tokens.or(self.max_tokens);
        request.logprobs = self.logprobs.then(|| self.top_logprobs.unwrap_or(0));
        request.user = request.user.take().or(self.safety_identifier);
        request.tool_choice = request.tool_choice.take().or(self.function_choice);
        if self.one_call && !request.tools.is_empty() {
            request.parallel_tools = request.parallel_tools.or(Some(false));
        }
        request.reasoning = Some(self.reasoning).filter(|asked| *asked != Reasoning::default());
    }
}

fn member<'a>(
    request: &mut Request<'a>,
    late: &mut Late<'a>,
    name: &str,
    value: &mut Reader<'a>,
) -> Read<()> {
    let mut whole = value.clone();
    let known = conversation(request, late, name, value)?
        || sampling(request, late, name, value)?
        || form(request, late, name, value)?
        || account(request, late, name, value)?;
    if !known && whole.shape() != Shape::Null {
        request.rest.push(Member { name: name.to_owned().into(), value: whole.raw()? });
    }
    Ok(())
}

/// What is said, and with what tools. False: `name` is no such member, or its value means nothing elsewhere.
fn conversation<'a>(
    request: &mut Request<'a>,
    late: &mut Late<'a>,
    name: &str,
    value: &mut Reader<'a>,
) -> Read<bool> {
    match name {
        // The first is the router's; the last has been heard when the request was peeked at.
        "model" | "stream_options" => value.skip()?,
        "messages" => request.turns = read_messages::read(value)?,
        "tools" => take_tools(request, value, read_tools::read)?,
        "functions" => {
            take_tools(request, value, read_tools::read_function)?;
            // An answer had room for one call.
            late.one_call = true;
        }
        "tool_choice" => {
            let choice = value.maybe(read_tools::read_choice)?;
            request.tool_choice = choice.clone().flatten();
            return Ok(choice != Some(None));
        }
        "function_call" => late.function_choice = value.maybe(read_tools::read_function_choice)?,
        "parallel_tool_calls" => request.parallel_tools = value.maybe(Reader::flag)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn take_tools<'a>(
    request: &mut Request<'a>,
    value: &mut Reader<'a>,
    read: fn(&mut Reader<'a>) -> Read<Tool<'a>>,
) -> Read<()> {
    let taken = value.maybe(|value| {
        value.array(|value| {
            request.tools.push(read(value)?);
            Ok(())
        })
    });
    taken.map(drop)
}

/// How the answer is chosen.
fn sampling<'a>(
    request: &mut Request<'a>,
    late: &mut Late<'a>,
    name: &str,
    value: &mut Reader<'a>,
) -> Read<bool> {
    let sampling = &mut request.sampling;
    match name {
        "max_completion_tokens" => request.max_tokens = value.maybe(Reader::count)?,
        "max_tokens" => late.max_tokens = value.maybe(Reader::count)?,
        "temperature" => sampling.temperature = value.maybe(Reader::number)?,
        "top_p" => sampling.top_p = value.maybe(Reader::number)?,
        // vLLM takes -1 for "all of them".
        "top_k" => sampling.top_k = value.maybe(Reader::whole)?.and_then(|k| u64::try_from(k).ok()),
        "seed" => sampling.seed = value.maybe(Reader::whole)?,
        "presence_penalty" => sampling.presence_penalty = value.maybe(Reader::number)?,
        "frequency_penalty" => sampling.frequency_penalty = value.maybe(Reader::number)?,
        "stop" => request.stop = value.maybe(read_stop)?.unwrap_or_default(),
        "n" => request.choices = value.maybe(Reader::count)?,
        "logprobs" => late.logprobs = value.maybe(Reader::flag)?.unwrap_or(false),
        "top_logprobs" => late.top_logprobs = value.maybe(Reader::count)?,
        "logit_bias" => request.logit_bias = value.maybe(read_tools::read_object)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What the answer is to be like.
fn form<'a>(
    request: &mut Request<'a>,
    late: &mut Late<'a>,
    name: &str,
    value: &mut Reader<'a>,
) -> Read<bool> {
    match name {
        "response_format" => {
            let format = value.maybe(read_format)?.unwrap_or(Some(None));
            request.format = format.clone().flatten();
            return Ok(format.is_some());
        }
        "reasoning_effort" => {
            let Some(word) = value.maybe(Reader::text)? else { return Ok(true) };
            late.reasoning.effort = Effort::named(&word).or(late.reasoning.effort);
            return Ok(Effort::named(&word).is_some());
        }
        "reasoning" => {
            value.maybe(|value| read_reasoning(value, &mut late.reasoning))?;
        }
        "thinking" => {
            value.maybe(|value| read_thinking(value, &mut late.reasoning))?;
        }
        "verbosity" => request.verbosity = value.maybe(Reader::text)?,
        "stream" => request.stream = value.maybe(Reader::flag)?.unwrap_or(false),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Who asks, and what is kept.
fn account<'a>(
    request: &mut Request<'a>,
    late: &mut Late<'a>,
    name: &str,
    value: &mut Reader<'a>,
) -> Read<bool> {
    match name {
        "user" => request.user = value.maybe(Reader::text)?,
        "safety_identifier" => late.safety_identifier = value.maybe(Reader::text)?,
        "metadata" => request.metadata = value.maybe(read_tools::read_object)?,
        "service_tier" => request.service_tier = value.maybe(Reader::text)?,
        "prompt_cache_key" => request.cache_key = value.maybe(Reader::text)?,
        "store" => request.store = value.maybe(Reader::flag)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn read_stop<'a>(value: &mut Reader<'a>) -> Read<Vec<Cow<'a, str>>> {
    let mut stop = Vec::new();
    match value.shape() {
        Shape::Text => stop.push(value.text()?),
        Shape::Array => value.array(|value| {
            stop.push(value.text()?);
            Ok(())
        })?,
        _ => return Err(Wrong::new("must be a string or an array of strings")),
    }
    Ok(stop)
}

/// None: a kind of format that has no meaning elsewhere. `Some(None)`: plain text.
fn read_format<'a>(value: &mut Reader<'a>) -> Read<Option<Option<Format<'a>>>> {
    let mut kind = Cow::Borrowed("text");
    let (mut name, mut description, mut schema, mut strict) = (None, None, None, None);
    value.object(|member, value| {
        match member {
            "type" => kind = value.text()?,
            "json_schema" => value.object(|member, value| {
                match member {
                    "name" => name = value.maybe(Reader::text)?,
                    "description" => description = value.maybe(Reader::text)?,
                    "schema" => schema = value.maybe(read_tools::read_object)?,
                    "strict" => strict = value.maybe(Reader::flag)?,
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(match &*kind {
        "text" => Some(None),
        "json_object" => Some(Some(Format::Json)),
        "json_schema" => {
            Some(Some(Format::Schema { name, description, schema: schema.unwrap_or("{}").into(), strict }))
        }
        _ => None,
    })
}

/// OpenRouter's `{"effort","max_tokens","enabled","exclude"}`.
fn read_reasoning(value: &mut Reader<'_>, reasoning: &mut Reasoning) -> Read<()> {
    value.object_if(|name, value| {
        match name {
            "effort" => {
                let effort = value.text_if()?.and_then(|word| Effort::named(&word));
                reasoning.effort = effort.or(reasoning.effort);
            }
            "max_tokens" => {
                reasoning.thinking = value.count_if()?.map(Thinking::Budget).or(reasoning.thinking);
            }
            "enabled" if value.shape() == Shape::Flag => {
                let asked = if value.flag()? { Thinking::Adaptive } else { Thinking::Off };
                reasoning.thinking = reasoning.thinking.or(Some(asked));
            }
            "exclude" if value.shape() == Shape::Flag => {
                reasoning.visible = value.flag()?.then_some(false);
            }
            _ => {}
        }
        Ok(())
    })
}

/// `{"type": "enabled" | "disabled" | "adaptive", "budget_tokens"}`.
fn read_thinking(value: &mut Reader<'_>, reasoning: &mut Reasoning) -> Read<()> {
    let (mut kind, mut budget) = (Cow::Borrowed(""), None);
    value.object_if(|name, value| {
        match name {
            "type" => kind = value.text_if()?.unwrap_or_default(),
            "budget_tokens" => budget = value.count_if()?,
            _ => {}
        }
        Ok(())
    })?;
    reasoning.thinking = match &*kind {
        "enabled" => Some(budget.map_or(Thinking::Adaptive, Thinking::Budget)),
        "adaptive" | "auto" => Some(Thinking::Adaptive),
        "disabled" => Some(Thinking::Off),
        _ => reasoning.thinking,
    };
    Ok(())
}
