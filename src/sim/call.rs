//! A model call as far as the answer depends on it, whichever dialect it came in, and the parts of the request
//! body that both dialects share: messages and their content.
//!
//! Bodies are read in one pass that borrows from them: a message's text is counted and dropped unless it holds
//! a directive or a tool result.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::script;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
}

/// What was asked.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) model: Cow<'a, str>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) choices: u32,
    pub(super) max_tokens: Option<u64>,
    /// Characters of all the request's text, from which its tokens are estimated.
    pub(super) prompt_chars: u64,
    pub(super) tools: Vec<Tool<'a>>,
    pub(super) tool_choice: ToolChoice,
    pub(super) output: Output<'a>,
    /// The first text of a tool result that arrived after the last assistant message.
    pub(super) tool_result: Option<Cow<'a, str>>,
    /// The inside of the `[[sim …]]` directive in the last user message.
    pub(super) directive: Option<String>,
}

/// A function the model may call. `schema` is the JSON schema of its arguments.
#[derive(Debug)]
pub(super) struct Tool<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) schema: Option<&'a RawValue>,
}

#[derive(Debug, PartialEq)]
pub(super) enum ToolChoice {
    Auto,
    None,
    Named(String),
}

/// What form the text of the answer must have.
#[derive(Debug)]
pub(super) enum Output<'a> {
    Text,
    Json,
    Schema(&'a RawValue),
}

/// A refused request, before it takes the form of a dialect's error envelope.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// The offending member.
    pub(super) param: Option<&'static str>,
    /// OpenAI's machine-readable reason.
    pub(super) code: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), param: None, code: None }
    }
}

/// A string that borrows from the body unless it holds escapes. (`Option<Cow<str>>` would always copy.)
#[derive(Debug, Deserialize)]
pub(super) struct Str<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// All messages of a request, folded into what the answer depends on.
#[derive(Debug, Default)]
pub(super) struct Messages<'a> {
    pub(super) count: usize,
    pub(super) chars: u64,
    pub(super) tool_result: Option<Cow<'a, str>>,
    pub(super) directive: Option<String>,
}

impl<'a> Messages<'a> {
    fn add(&mut self, message: Message<'a>) {
        let content = message.content;
        self.count += 1;
        self.chars += content.chars;
        match message.role {
            Role::Assistant => self.tool_result = None,
            Role::Tool => self.tool_result = Some(content.text.unwrap_or_default()),
            Role::User => {
                if content.text.is_some() {
                    self.directive = content.directive;
                }
                if content.tool_result.is_some() {
                    self.tool_result = content.tool_result;
                }
            }
            Role::Other => {}
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Messages<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fold;
        impl<'de> Visitor<'de> for Fold {
            type Value = Messages<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of messages")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Messages<'de>, A::Error> {
                let mut messages = Messages::default();
                while let Some(message) = seq.next_element()? {
                    messages.add(message);
                }
                Ok(messages)
            }
        }
        deserializer.deserialize_seq(Fold)
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    role: Role,
    #[serde(borrow, default)]
    content: Content<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
    Tool,
    #[serde(other)]
    Other,
}

/// The content of a message, a system prompt or a tool result: a string, an array of blocks, or nothing.
#[derive(Debug, Default)]
pub(super) struct Content<'a> {
    pub(super) chars: u64,
    /// The first text.
    text: Option<Cow<'a, str>>,
    directive: Option<String>,
    /// The first text of the first tool result block; empty if that block has no text.
    tool_result: Option<Cow<'a, str>>,
}

impl<'a> Content<'a> {
    fn of_text(text: Cow<'a, str>) -> Content<'a> {
        Content {
            chars: text.chars().count() as u64,
            directive: script::directive_in(&text).map(str::to_owned),
            text: Some(text),
            tool_result: None,
        }
    }

    fn add(&mut self, block: Block<'a>) {
        if let Some(Str(text)) = block.text {
            let part = Content::of_text(text);
            self.chars += part.chars;
            self.directive = self.directive.take().or(part.directive);
            self.text = self.text.take().or(part.text);
        }
        if block.kind == BlockKind::ToolResult {
            self.chars += block.content.chars;
            self.tool_result.get_or_insert(block.content.text.unwrap_or_default());
        }
    }
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(default, rename = "type")]
    kind: BlockKind,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    content: Content<'a>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum BlockKind {
    ToolResult,
    #[default]
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string or an array of content blocks")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Content<'de>, E> {
        Ok(Content::of_text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content<'de>, E> {
        Ok(Content::of_text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Content<'de>, E> {
        Ok(Content::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content<'de>, A::Error> {
        let mut content = Content::default();
        while let Some(block) = seq.next_element()? {
            content.add(block);
        }
        Ok(content)
    }

    /// Server tool results carry an object here; it has no text of the caller's.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content::default())
    }
}
