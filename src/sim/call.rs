//! A model call as far as the answer depends on it, whichever dialect it came in, and the parts of the request
//! body that OpenAI's chat and Anthropic's messages share: messages and their content.
//!
//! Those two are read in one pass that borrows from the body: a message's text is counted and dropped unless it
//! holds a directive or a tool result. What such a pass does not look at, and what more there is than texts, the
//! dialect's `check` judges afterwards; a request of plain texts does not need it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{schema, script};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
    Responses,
    Gemini,
    Bedrock,
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
    /// Whether the model may call more than one tool at once.
    pub(super) parallel: bool,
    /// The first text of each tool result that arrived after the last assistant message.
    pub(super) tool_results: Vec<Cow<'a, str>>,
    pub(super) thinking: Thinking,
    /// The inside of the `[[sim …]]` directive in the last user message.
    pub(super) directive: Option<String>,
    /// What a dialect's own writer needs besides.
    pub(super) extra: Extra,
}

/// What only one dialect's answers depend on.
#[derive(Debug, Default)]
pub(super) enum Extra {
    #[default]
    None,
    /// Azure tells what its content filters found.
    Azure,
    Responses(Box<super::responses::Echo>),
    /// Whether function calls are signed, and whether a stream is one JSON array.
    Gemini {
        signs: bool,
        array: bool,
    },
}

/// How much of the model's thinking the caller gets to see.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Thinking {
    /// The model does not think.
    #[default]
    Off,
    /// It thinks, and only the count of tokens tells.
    Hidden,
    /// There is a block for it, with a seal and without words.
    Sealed,
    Shown,
}

/// A function the model may call. `schema` is the JSON schema of its arguments.
#[derive(Debug)]
pub(super) struct Tool<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) schema: Option<Schema<'a>>,
}

/// A JSON schema, as it stands in the body or as a tree.
#[derive(Debug)]
pub(super) enum Schema<'a> {
    Raw(&'a RawValue),
    Tree(Value),
}

impl Schema<'_> {
    /// A value that satisfies it, as JSON.
    pub(super) fn instance(&self) -> String {
        match self {
            Schema::Raw(raw) => {
                schema::instance(&serde_json::from_str(raw.get()).unwrap_or_default()).to_string()
            }
            Schema::Tree(tree) => schema::instance(tree).to_string(),
        }
    }
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
    Schema(Schema<'a>),
}

/// A refused request, before it takes the form of a dialect's error envelope.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    /// The offending member.
    pub(super) param: Option<Cow<'static, str>>,
    /// The machine-readable reason: OpenAI's code, AWS's error type, OAuth's error.
    pub(super) code: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into(), param: None, code: None }
    }

    pub(super) fn param(self, param: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { param: Some(param.into()), ..self }
    }

    pub(super) fn code(self, code: &'static str) -> Refusal {
        Refusal { code: Some(code), ..self }
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
    pub(super) tool_results: Vec<Cow<'a, str>>,
    pub(super) directive: Option<String>,
    /// There is more in them than plain texts, which only a `check` can judge.
    pub(super) elaborate: bool,
    /// They are of users and assistants alone, and begin with a user's, as Anthropic wants them.
    pub(super) dialogue: bool,
    /// The last is the assistant's: the answer goes on from it.
    pub(super) prefilled: bool,
}

impl<'a> Messages<'a> {
    fn add(&mut self, message: Message<'a>) {
        let content = message.content;
        self.prefilled = matches!(message.role, Role::Assistant);
        self.dialogue = match message.role {
            Role::User => self.count == 0 || self.dialogue,
            Role::Assistant => self.dialogue,
            _ => false,
        };
        self.count += 1;
        self.chars += content.chars;
        self.elaborate |= message.elaborate || content.elaborate || content.chars == 0;
        match message.role {
            Role::Assistant => self.tool_results.clear(),
            Role::Tool => self.tool_results.push(content.text.unwrap_or_default()),
            Role::User => {
                if content.text.is_some() {
                    self.directive = content.directive;
                }
                self.tool_results.extend(content.tool_results);
            }
            Role::System => {}
            Role::Other => self.elaborate = true,
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

struct Message<'a> {
    role: Role,
    content: Content<'a>,
    /// It has more members than these.
    elaborate: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum MessageMember {
    Role,
    Content,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Message<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a message")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message<'de>, A::Error> {
                let (mut role, mut content, mut elaborate) = (None, Content::default(), false);
                while let Some(member) = map.next_key()? {
                    match member {
                        MessageMember::Role => role = Some(map.next_value()?),
                        MessageMember::Content => content = map.next_value()?,
                        MessageMember::Other => {
                            elaborate = true;
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let role = role.ok_or_else(|| de::Error::missing_field("role"))?;
                Ok(Message { role, content, elaborate })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
    Tool,
    #[serde(alias = "developer")]
    System,
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
    /// The first text of each tool result block; empty if that block has no text.
    tool_results: Vec<Cow<'a, str>>,
    /// It is no plain string.
    pub(super) elaborate: bool,
}

impl<'a> Content<'a> {
    fn of_text(text: Cow<'a, str>) -> Content<'a> {
        Content {
            chars: text.chars().count() as u64,
            directive: script::directive_in(&text).map(str::to_owned),
            text: Some(text),
            ..Content::default()
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
            self.tool_results.push(block.content.text.unwrap_or_default());
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
        let mut content = Content { elaborate: true, ..Content::default() };
        while let Some(block) = seq.next_element()? {
            content.add(block);
        }
        Ok(content)
    }

    /// Server tool results carry an object here; it has no text of the caller's.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content { elaborate: true, ..Content::default() })
    }
}
