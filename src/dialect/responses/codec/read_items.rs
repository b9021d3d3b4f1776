//! Items of an input, or of an answer that is part of an input, as turns.

use std::borrow::Cow;

use super::names::flat;
use super::read_parts::read_content;
use super::read_tools;
use crate::dialect::canon::{
    Content, Foreign, Maker, Part, Role, Seal, Thought, Tool, ToolCall, ToolResult, Turn,
};
use crate::dialect::json::{Raw, Read, Reader, Shape, Words, Wrong};

/// What a list of items says.
#[derive(Default)]
pub struct Items<'a> {
    pub turns: Vec<Turn<'a>>,
    /// Tools that were declared in the middle of a conversation.
    pub tools: Vec<Tool<'a>>,
}

impl<'a> Items<'a> {
    /// Takes up a text, or an array of items.
    pub fn read(&mut self, input: &mut Reader<'a>) -> Read<()> {
        match input.shape() {
            Shape::Null => input.skip(),
            Shape::Text => {
                let text = input.words()?;
                self.turns.push(Turn::new(Role::User, vec![Content::Text(text).into()]));
                Ok(())
            }
            Shape::Array => input.array(|item| self.read_item(item)),
            _ => Err(Wrong::new("must be a string or an array")),
        }
    }

    fn read_item(&mut self, item: &mut Reader<'a>) -> Read<()> {
        if item.shape() == Shape::Text {
            return self.read(item);
        }
        let mut whole = item.clone();
        let mut fields = Fields::read_asked(item)?;
        match fields.kind.as_deref() {
            Some("message") | None => self.message(fields),
            Some("function_call" | "custom_tool_call") => {
                let call = fields.call()?;
                self.answered(vec![Content::ToolCall(call).into()], false);
                Ok(())
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                let result = fields.result()?;
                self.turns.push(Turn::new(Role::User, vec![Content::ToolResult(result).into()]));
                Ok(())
            }
            Some("reasoning") => {
                let parts = fields.thoughts()?;
                self.answered(parts, false);
                Ok(())
            }
            Some("additional_tools") => read_tools::read(&mut fields.raw("tools")?, &mut self.tools),
            Some(_) => {
                let kind = fields.kind.unwrap_or_default();
                let from_user = kind.ends_with("_output") || kind == "mcp_approval_response";
                let part = Content::Foreign(Foreign { kind, json: whole.raw()? }).into();
                if from_user {
                    self.turns.push(Turn::new(Role::User, vec![part]));
                } else {
                    self.answered(vec![part], false);
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, fields: Fields<'a>) -> Read<()> {
        let role = match fields.role.as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            Some(_) => {
                return Err(Wrong::new("must be user, assistant, system or developer").within("role"));
            }
            None => return Err(Wrong::new("must have a type or a role")),
        };
        let mut parts = Vec::new();
        match fields.said {
            Some(said) => parts = said,
            None => read_content(&mut fields.raw("content")?, &mut parts)
                .map_err(|wrong| wrong.within("content"))?,
        }
        match role {
            _ if parts.is_empty() => {}
            Role::Assistant => self.answered(parts, true),
            _ => self.turns.push(Turn::new(role, parts)),
        }
        Ok(())
    }

    /// What a model said in one go is one turn: thoughts, text and calls. Messages that follow one another stay apart.
    fn answered(&mut self, parts: Vec<Part<'a>>, is_message: bool) {
        let last = self.turns.last_mut().filter(|turn| turn.role == Role::Assistant);
        let says = |part: &Part<'_>| {
            matches!(part.content, Content::Text(_) | Content::Cited(..) | Content::Refusal(_))
        };
        match last.filter(|turn| !(is_message && turn.parts.last().is_some_and(says))) {
            Some(turn) => turn.parts.extend(parts),
            None if parts.is_empty() => {}
            None => self.turns.push(Turn::new(Role::Assistant, parts)),
        }
    }
}

/// The members of every kind of item.
#[derive(Default)]
pub struct Fields<'a> {
    pub kind: Option<Cow<'a, str>>,
    role: Option<Cow<'a, str>>,
    pub id: Option<Cow<'a, str>>,
    call_id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    encrypted: Option<Cow<'a, str>>,
    pub content: Option<Raw<'a>>,
    /// The content of a message or the output of a call, where the type that stands before it says it is one.
    said: Option<Vec<Part<'a>>>,
    /// `arguments` of a function, `input` of a custom tool.
    written: Option<Words<'a>>,
    /// Those are no text.
    odd: bool,
    output: Option<Raw<'a>>,
    summary: Option<Raw<'a>>,
    tools: Option<Raw<'a>>,
}

impl<'a> Fields<'a> {
    /// An item of an answer.
    pub fn read(item: &mut Reader<'a>) -> Read<Fields<'a>> {
        let mut fields = Fields::default();
        item.object(|name, value| fields.take(name, value))?;
        Ok(fields)
    }

    /// An item of a request: most of it is read at once.
    fn read_asked(item: &mut Reader<'a>) -> Read<Fields<'a>> {
        let mut fields = Fields::default();
        item.object(|name, value| match (name, fields.kind.as_deref()) {
            ("content", Some("message"))
            | ("output", Some("function_call_output" | "custom_tool_call_output")) => {
                let mut parts = Vec::new();
                read_content(value, &mut parts)?;
                fields.said = Some(parts);
                Ok(())
            }
            _ => fields.take(name, value),
        })?;
        Ok(fields)
    }

    fn take(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "type" => self.kind = value.text_if()?,
            "role" => self.role = value.text_if()?,
            "id" => self.id = value.text_if()?,
            "call_id" => self.call_id = value.text_if()?,
            "name" => self.name = value.text_if()?,
            "namespace" => self.namespace = value.text_if()?,
            "encrypted_content" => self.encrypted = value.text_if()?,
            "content" => self.content = Some(value.raw()?),
            "arguments" | "input" => {
                self.odd |= !matches!(value.shape(), Shape::Text | Shape::Null);
                self.written = value.words_if()?;
            }
            "output" => self.output = Some(value.raw()?),
            "summary" => self.summary = Some(value.raw()?),
            "tools" => self.tools = Some(value.raw()?),
            _ => {}
        }
        Ok(())
    }

    /// A reader at the value of a member that must be there.
    fn raw(&self, name: &'static str) -> Read<Reader<'a>> {
        let value = match name {
            "content" => self.content,
            "tools" => self.tools,
            _ => self.output,
        };
        value.map(Reader::new).ok_or_else(|| Wrong::new("is required").within(name))
    }

    fn is_custom(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.starts_with("custom"))
    }

    /// A call of a function, or of a custom tool. Without an id of its own the item's serves.
    pub fn call(&mut self) -> Read<ToolCall<'a>> {
        let name = self.name.take().ok_or_else(|| Wrong::new("must be a string").within("name"))?;
        let custom = self.is_custom();
        if self.odd {
            let member = if custom { "input" } else { "arguments" };
            return Err(Wrong::new("must be a string").within(member));
        }
        let arguments = self.written.take().unwrap_or_default();
        let id = self.call_id.take().or(self.id.take()).unwrap_or_default();
        let mut call = ToolCall::new(id, flat(self.namespace.as_deref(), name), arguments);
        call.custom = custom;
        Ok(call)
    }

    fn result(&mut self) -> Read<ToolResult<'a>> {
        let mut parts = Vec::new();
        let id = self.call_id.take().ok_or_else(|| Wrong::new("must be a string").within("call_id"))?;
        match self.said.take() {
            Some(said) => parts = said,
            None => {
                read_content(&mut self.raw("output")?, &mut parts).map_err(|wrong| wrong.within("output"))?;
            }
        }
        Ok(ToolResult { id, name: None, parts, json: None, failed: false, custom: self.is_custom() })
    }

    /// Thoughts as the model had them, then the summary of them, with the seal on whichever comes last.
    pub fn thoughts(&mut self) -> Read<Vec<Part<'a>>> {
        let data = self.encrypted.take().filter(|data| !data.is_empty());
        let seal = data.map(|data| Seal { maker: Maker::OpenAi, data });
        let plain = joined(self.content).map_err(|wrong| wrong.within("content"))?;
        let summary = joined(self.summary).map_err(|wrong| wrong.within("summary"))?;
        let id = self.id.take();
        let mut parts = Vec::new();
        let both = !plain.is_empty() && !summary.is_empty();
        if both {
            parts.push(Content::Thought(Thought { text: plain.clone(), ..Thought::default() }).into());
        }
        let is_summary = plain.is_empty() || both;
        let text = if is_summary { summary } else { plain };
        if !text.is_empty() || seal.is_some() || id.is_some() {
            let thought = Thought { text, summary: is_summary, id, seal, redacted: false };
            parts.push(Content::Thought(thought).into());
        }
        Ok(parts)
    }
}

/// The texts of a list of parts, an empty line between them.
fn joined<'a>(parts: Option<Raw<'a>>) -> Read<Words<'a>> {
    let mut whole = Words::default();
    let Some(parts) = parts else { return Ok(whole) };
    Reader::new(parts).array_if(|part| {
        part.object_if(|name, value| {
            if name == "text"
                && let Some(text) = value.words_if()?
            {
                if whole.is_empty() {
                    whole = text;
                } else if !text.is_empty() {
                    whole.push_str(BETWEEN_THOUGHTS);
                    whole.push_str(&text);
                }
            }
            Ok(())
        })
    })?;
    Ok(whole)
}

/// Between the parts of a summary, which are paragraphs with a heading.
pub const BETWEEN_THOUGHTS: &str = "\n\n";
