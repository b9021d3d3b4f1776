//! Answers of a target.
//!
//! Format: OpenAI API reference, "The response object".

use std::borrow::Cow;

use super::read_items;
use super::read_parts;
use crate::dialect::canon::{Choice, Content, Finish, Foreign, Part, Response, TokenChance};
use crate::dialect::json::{Raw, Read, Reader, Shape, Wrong};
use crate::dialect::responses::answer::read_usage;

pub fn read<'a>(body: &'a str) -> Read<Response<'a>> {
    let mut response = Response::default();
    let mut choice = Choice { parts: Vec::new(), finish: Finish::Stop, logprobs: Vec::new() };
    let mut ending = Ending::default();
    let mut has_output = false;
    Reader::new(body).object(|name, value| {
        match name {
            "id" => response.id = value.text_if()?,
            "model" => response.model = value.text_if()?,
            "created_at" => response.created = read_time(value)?,
            "service_tier" => response.service_tier = value.text_if()?,
            "usage" => response.usage = read_usage(value.raw()?.as_bytes()),
            "output" if value.shape() == Shape::Array => {
                has_output = true;
                value.array(|item| read_item(item, &mut choice))?;
            }
            _ => ending.take(name, value)?,
        }
        Ok(())
    })?;
    if !has_output || ending.failed {
        return Err(Wrong::new("holds no answer"));
    }
    choice.finish = ending.finish(&choice.parts);
    response.choices.push(choice);
    Ok(response)
}

/// When an answer was made; some servers write parts of seconds.
pub fn read_time(value: &mut Reader<'_>) -> Read<Option<u64>> {
    let time = value.if_is(Shape::Number, Reader::number)?;
    Ok(time.filter(|time| *time >= 0.0).map(|time| time as u64))
}

/// How an answer ended.
#[derive(Debug, Default)]
pub struct Ending<'a> {
    status: Option<Cow<'a, str>>,
    reason: Option<Cow<'a, str>>,
    pub failed: bool,
}

impl<'a> Ending<'a> {
    pub fn take(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "status" => {
                self.status = value.text_if()?;
                self.failed |= matches!(self.status.as_deref(), Some("failed" | "cancelled"));
            }
            "error" => self.failed |= value.shape() == Shape::Object,
            "incomplete_details" => value.object_if(|name, value| {
                if name == "reason" {
                    self.reason = value.text_if()?;
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }

    /// The status, should the answer not say it itself.
    pub fn assume(&mut self, status: &str) {
        self.status.get_or_insert_with(|| status.to_owned().into());
    }

    fn finish(self, parts: &[Part<'_>]) -> Finish<'a> {
        let has = |is: fn(&Content<'_>) -> bool| parts.iter().any(|part| is(&part.content));
        let calls = has(|content| matches!(content, Content::ToolCall(_)));
        self.finish_of(calls, has(|content| matches!(content, Content::Refusal(_))))
    }

    /// `calls`: tools are to be called; `refuses`: the model says why it does not answer.
    pub fn finish_of(self, calls: bool, refuses: bool) -> Finish<'a> {
        match (self.status.as_deref(), self.reason.as_deref()) {
            (Some("incomplete"), Some("max_output_tokens")) => Finish::Length,
            (Some("incomplete"), Some("content_filter")) => Finish::Filtered,
            (Some("incomplete"), _) => Finish::Other(self.reason.unwrap_or(Cow::Borrowed("incomplete"))),
            (Some("completed") | None, _) if calls => Finish::ToolCalls,
            (Some("completed") | None, _) if refuses => Finish::Refusal,
            (Some("completed") | None, _) => Finish::Stop,
            (Some(_), _) => Finish::Other(self.status.unwrap_or_default()),
        }
    }
}

/// One item of the output, as parts.
pub fn read_item<'a>(item: &mut Reader<'a>, choice: &mut Choice<'a>) -> Read<()> {
    if item.shape() != Shape::Object {
        return item.skip();
    }
    let mut whole = item.clone();
    let mut fields = read_items::Fields::read(item)?;
    match fields.kind.as_deref() {
        Some("message") => {
            if let Some(content) = fields.content {
                Reader::new(content).array_if(|part| read_part(part, choice))?;
            }
        }
        Some("reasoning") => choice.parts.extend(fields.thoughts()?.into_iter().filter(says_something)),
        Some("function_call" | "custom_tool_call") => {
            // A call of nothing is none.
            choice.parts.extend(fields.call().ok().map(|call| Part::from(Content::ToolCall(call))));
        }
        _ => {
            let kind = fields.kind.unwrap_or_default();
            choice.parts.push(Content::Foreign(Foreign { kind, json: whole.raw()? }).into());
        }
    }
    Ok(())
}

/// Thoughts of which neither text nor seal is told are of no use to anybody.
fn says_something(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Thought(thought) => !thought.text.is_empty() || thought.seal.is_some(),
        _ => true,
    }
}

fn read_part<'a>(part: &mut Reader<'a>, choice: &mut Choice<'a>) -> Read<()> {
    if part.shape() != Shape::Object {
        return part.skip();
    }
    let fields = read_parts::Fields::read(part)?;
    let content = match (&*fields.kind, fields.text, fields.refusal) {
        ("refusal", _, Some(refusal)) if !refusal.is_empty() => Content::Refusal(refusal),
        ("output_text" | "text", Some(text), _) if !text.is_empty() => match fields.annotations {
            none if none.is_empty() => Content::Text(text),
            annotations => Content::Cited(text, annotations),
        },
        _ => return Ok(()),
    };
    choice.parts.push(content.into());
    match fields.logprobs {
        Some(chances) => read_chances(chances, &mut choice.logprobs),
        None => Ok(()),
    }
}

/// A list of tokens and their chances.
pub fn read_chances<'a>(list: Raw<'a>, chances: &mut Vec<TokenChance<'a>>) -> Read<()> {
    Reader::new(list).array_if(|chance| {
        let mut found = TokenChance { token: Cow::default(), logprob: 0.0, top: Vec::new() };
        chance.object_if(|name, value| {
            match name {
                "token" => found.token = value.text_if()?.unwrap_or_default(),
                "logprob" => found.logprob = value.if_is(Shape::Number, Reader::number)?.unwrap_or(0.0),
                "top_logprobs" => read_top(value, &mut found.top)?,
                _ => {}
            }
            Ok(())
        })?;
        chances.push(found);
        Ok(())
    })
}

fn read_top<'a>(list: &mut Reader<'a>, top: &mut Vec<(Cow<'a, str>, f64)>) -> Read<()> {
    list.array_if(|chance| {
        let (mut token, mut logprob) = (Cow::default(), 0.0);
        chance.object_if(|name, value| {
            match name {
                "token" => token = value.text_if()?.unwrap_or_default(),
                "logprob" => logprob = value.if_is(Shape::Number, Reader::number)?.unwrap_or(0.0),
                _ => {}
            }
            Ok(())
        })?;
        top.push((token, logprob));
        Ok(())
    })
}
