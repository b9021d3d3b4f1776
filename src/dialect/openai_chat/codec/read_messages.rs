//! Messages: one turn each.

use std::borrow::Cow;

use super::{call, part};
use crate::dialect::canon::{Cache, Content, Foreign, Part, Role, Thought, ToolCall, ToolResult, Turn};
use crate::dialect::json::{Raw, Read, Reader, Shape, Words, Wrong};

/// Reads `messages`.
pub fn read<'a>(value: &mut Reader<'a>) -> Read<Vec<Turn<'a>>> {
    let mut turns = Vec::new();
    // Ids of the calls of custom tools: messages with results do not say which kind they answer.
    let mut custom = Vec::new();
    value.array(|value| {
        let mut message = Message::default();
        value.object(|name, value| message.take(name, value))?;
        turns.extend(message.into_turn(&mut custom)?);
        Ok(())
    })?;
    Ok(turns)
}

/// The members of a message, which come in any order.
#[derive(Default)]
struct Message<'a> {
    role: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    parts: Vec<Part<'a>>,
    refusal: Option<Words<'a>>,
    /// DeepSeek's and many others' name for thoughts.
    reasoning_content: Option<Words<'a>>,
    /// OpenRouter's and Groq's.
    reasoning: Option<Words<'a>>,
    calls: Vec<Part<'a>>,
    call_id: Option<Cow<'a, str>>,
    cache: Option<Cache>,
    audio: Option<Raw<'a>>,
}

impl<'a> Message<'a> {
    fn take(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "role" => self.role = Some(value.text()?),
            "content" => self.parts = read_content(value)?,
            "name" => self.name = value.maybe(Reader::text)?,
            "refusal" => self.refusal = value.maybe(Reader::words)?,
            "reasoning_content" => self.reasoning_content = value.words_if()?,
            "reasoning" => self.reasoning = value.words_if()?,
            "tool_calls" => {
                value.maybe(|value| value.array(|value| self.take_call(value)))?;
            }
            "function_call" => {
                value.maybe(|value| self.take_function(value))?;
            }
            "tool_call_id" => self.call_id = value.maybe(Reader::text)?,
            "cache_control" => self.cache = part::read_cache(value)?,
            "audio" if value.shape() == Shape::Object => self.audio = Some(value.raw()?),
            _ => {}
        }
        Ok(())
    }

    fn take_call(&mut self, value: &mut Reader<'a>) -> Read<()> {
        let call = call::read(value)?;
        if call.name.is_empty() {
            let kind = if call.custom { "custom" } else { "function" };
            return Err(Wrong::new("must be the name of a tool").within("name").within(kind));
        }
        self.calls.push(Content::ToolCall(call).into());
        Ok(())
    }

    /// The older form of one call, without an id.
    fn take_function(&mut self, value: &mut Reader<'a>) -> Read<()> {
        let mut call = ToolCall::new("".into(), "".into(), "".into());
        call::read_function(value, &mut call)?;
        if call.name.is_empty() {
            return Err(Wrong::new("must be the name of a function").within("name"));
        }
        self.calls.push(Content::ToolCall(call).into());
        Ok(())
    }

    /// None for a message that says nothing.
    fn into_turn(mut self, custom: &mut Vec<Cow<'a, str>>) -> Read<Option<Turn<'a>>> {
        let role = self.role.take();
        let (role, parts) = match role.as_deref() {
            Some("system") => (Role::System, self.take_said()),
            Some("developer") => (Role::Developer, self.take_said()),
            Some("user") => (Role::User, self.take_said()),
            Some("assistant") => (Role::Assistant, self.take_answer(custom)),
            Some("tool") => (Role::User, vec![self.take_result(custom)?]),
            Some("function") => {
                self.call_id = Some(Cow::Borrowed(""));
                (Role::User, vec![self.take_result(custom)?])
            }
            _ => return Err(Wrong::new(ROLES).within("role")),
        };
        let turn = Turn { role, name: self.name, parts };
        Ok(Some(turn).filter(|turn| !turn.parts.is_empty()))
    }

    /// The content, its last part with the mark the message has. Empty texts are left out beside others.
    fn take_said(&mut self) -> Vec<Part<'a>> {
        let mut parts = std::mem::take(&mut self.parts);
        if parts.len() > 1 {
            parts.retain(|part| !is_empty(part));
        }
        if let Some(last) = parts.last_mut() {
            last.cache = last.cache.or(self.cache);
        }
        parts
    }

    fn take_answer(&mut self, custom: &mut Vec<Cow<'a, str>>) -> Vec<Part<'a>> {
        let said = self.take_said();
        let mut parts = Vec::with_capacity(said.len() + self.calls.len());
        let thoughts = [self.reasoning_content.take(), self.reasoning.take()];
        let text = thoughts.into_iter().flatten().find(|text| !text.is_empty());
        parts.extend(text.map(|text| Content::Thought(Thought { text, ..Thought::default() }).into()));
        parts.extend(said);
        parts.extend(self.refusal.take().filter(|text| !text.is_empty()).map(|t| Content::Refusal(t).into()));
        let audio = self.audio.take().map(|json| Foreign { kind: "audio".into(), json });
        parts.extend(audio.map(|audio| Content::Foreign(audio).into()));
        custom.extend(self.calls.iter().filter_map(|part| match &part.content {
            Content::ToolCall(call) if call.custom => Some(call.id.clone()),
            _ => None,
        }));
        parts.append(&mut self.calls);
        if parts.len() > 1 {
            parts.retain(|part| !is_empty(part));
        }
        parts
    }

    fn take_result(&mut self, custom: &[Cow<'a, str>]) -> Read<Part<'a>> {
        let id = self.call_id.take();
        let id = id.ok_or_else(|| Wrong::new("must be the id of the call").within("tool_call_id"))?;
        let mut parts = self.take_said();
        parts.retain(|part| !is_empty(part));
        // A mark within a result is one on the result: the prompt up to its end is kept.
        let cache = parts.iter_mut().filter_map(|part| part.cache.take()).last().or(self.cache);
        let custom = custom.contains(&id);
        let name = self.name.take();
        let result = ToolResult { id, name, parts, json: None, failed: false, custom };
        Ok(Part { content: Content::ToolResult(result), cache })
    }
}

fn read_content<'a>(value: &mut Reader<'a>) -> Read<Vec<Part<'a>>> {
    match value.shape() {
        Shape::Text => Ok(vec![Content::Text(value.words()?).into()]),
        Shape::Null => value.skip().map(|()| Vec::new()),
        Shape::Array => {
            let mut parts = Vec::new();
            value.array(|value| {
                let part = part::read(value)?;
                parts.push(part.ok_or_else(|| Wrong::new("must hold what its type names"))?);
                Ok(())
            })?;
            Ok(parts)
        }
        _ => Err(Wrong::new("must be a string or an array of parts")),
    }
}

fn is_empty(part: &Part<'_>) -> bool {
    matches!(&part.content, Content::Text(text) if text.is_empty()) && part.cache.is_none()
}

const ROLES: &str = "must be one of system, developer, user, assistant, tool, function";
