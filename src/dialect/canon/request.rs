//! What a request asks for.

use std::borrow::Cow;

use super::response::{Citation, Seal};
use crate::dialect::DialectId;
use crate::dialect::json::{Raw, Words};

/// A request for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The dialect it was read from.
    pub origin: DialectId,
    /// Instructions and conversation, in order. Neighbouring turns may have the same role.
    pub turns: Vec<Turn<'a>>,
    pub tools: Vec<Tool<'a>>,
    pub tool_choice: Option<ToolChoice<'a>>,
    /// May the model call several tools at once? None: as the target likes.
    pub parallel_tools: Option<bool>,
    /// Most tokens of the answer, thinking included.
    pub max_tokens: Option<u64>,
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<Cow<'a, str>>,
    /// How many answers.
    pub choices: Option<u64>,
    /// The log probability of each token is wanted, and those of this many alternatives.
    pub logprobs: Option<u64>,
    /// OpenAI's map from token to bias.
    pub logit_bias: Option<Raw<'a>>,
    pub format: Option<Format<'a>>,
    pub reasoning: Option<Reasoning>,
    /// OpenAI's `low`, `medium`, `high`.
    pub verbosity: Option<Cow<'a, str>>,
    /// Who asks, in the words of the caller's application.
    pub user: Option<Cow<'a, str>>,
    /// A map of texts that the provider stores or bills with the answer.
    pub metadata: Option<Raw<'a>>,
    pub service_tier: Option<Cow<'a, str>>,
    /// OpenAI's `prompt_cache_key`.
    pub cache_key: Option<Cow<'a, str>>,
    /// Is the provider to store the answer? Responses, and OpenAI chat.
    pub store: Option<bool>,
    /// The answer this one goes on from. Responses only.
    pub previous: Option<Cow<'a, str>>,
    pub stream: bool,
    /// Members of the body that only its own dialect knows.
    pub rest: Vec<Member<'a>>,
}

impl Request<'_> {
    /// A request that asks for nothing yet.
    pub fn new(origin: DialectId) -> Self {
        Request {
            origin,
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            max_tokens: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            choices: None,
            logprobs: None,
            logit_bias: None,
            format: None,
            reasoning: None,
            verbosity: None,
            user: None,
            metadata: None,
            service_tier: None,
            cache_key: None,
            store: None,
            previous: None,
            stream: false,
            rest: Vec::new(),
        }
    }

    /// What the user last said in words. The results of tools and media are none.
    pub fn last_user_text(&self) -> Option<String> {
        let users = self.turns.iter().rev().filter(|turn| turn.role == Role::User);
        users.map(Turn::text).find(|text| !text.trim().is_empty())
    }
}

impl Request<'_> {
    /// Bytes that it takes, roughly: with that much room a body is not moved while it grows.
    pub fn room(&self) -> usize {
        let turns = self.turns.iter().flat_map(|turn| &turn.parts).map(|part| PER_PART + part.content.size());
        let tools = self.tools.iter().map(|tool| match &tool.kind {
            ToolKind::Function(function) => {
                let schema = function.schema.as_deref().map_or(0, str::len);
                2 * PER_PART + schema + function.description.as_ref().map_or(0, Words::size)
            }
            _ => PER_PART,
        });
        let long = turns.sum::<usize>() + tools.sum::<usize>();
        // Some texts need escapes that had none.
        long + long / 8 + 1024
    }
}

/// What stands around a text or a schema, roughly.
const PER_PART: usize = 128;

/// A member of a body as it stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<'a> {
    pub name: Cow<'a, str>,
    pub value: Raw<'a>,
}

/// Whose words a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    System,
    /// OpenAI's later word for instructions of the application. The same as `System` everywhere else.
    Developer,
    /// The user, and the results of tools.
    User,
    Assistant,
}

/// Something said.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn<'a> {
    pub role: Role,
    /// OpenAI's `name` of a participant.
    pub name: Option<Cow<'a, str>>,
    pub parts: Vec<Part<'a>>,
}

impl<'a> Turn<'a> {
    pub fn new(role: Role, parts: Vec<Part<'a>>) -> Self {
        Turn { role, name: None, parts }
    }

    /// Its texts, a line break between each two.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| part.content.text());
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// One block of a turn or of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'a> {
    pub content: Content<'a>,
    /// The prompt up to here is worth keeping in the provider's cache.
    pub cache: Option<Cache>,
}

impl<'a> From<Content<'a>> for Part<'a> {
    fn from(content: Content<'a>) -> Self {
        Part { content, cache: None }
    }
}

/// A mark that the prompt ends a cacheable prefix (Anthropic `cache_control`, Bedrock `cachePoint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Kept for an hour in place of five minutes.
    pub one_hour: bool,
}

/// What a block holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    Text(Words<'a>),
    /// Text of an answer with the sources it quotes.
    Cited(Words<'a>, Vec<Citation<'a>>),
    Media(Media<'a>),
    ToolCall(ToolCall<'a>),
    ToolResult(ToolResult<'a>),
    Thought(Thought<'a>),
    /// The model's words on why it does not answer.
    Refusal(Words<'a>),
    /// A block that only its own dialect knows, as it was written.
    Foreign(Foreign<'a>),
}

impl Content<'_> {
    /// Bytes of what is long in it.
    fn size(&self) -> usize {
        match self {
            Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => text.size(),
            Content::Media(media) => match &media.source {
                Source::Base64 { data, .. } => data.len(),
                Source::Text(text) => text.size(),
                Source::Url { url: address, .. } | Source::File { id: address } => address.len(),
            },
            Content::ToolCall(call) => call.arguments.size() + call.name.len(),
            Content::ToolResult(result) => {
                let parts = result.parts.iter().map(|part| PER_PART + part.content.size());
                parts.sum::<usize>() + result.json.map_or(0, str::len)
            }
            Content::Thought(thought) => {
                thought.text.size() + thought.seal.as_ref().map_or(0, |seal| seal.data.len())
            }
            Content::Foreign(foreign) => foreign.json.len(),
        }
    }

    /// The words of a text, or of a refusal to answer.
    pub fn text(&self) -> Option<&str> {
        match self {
            Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => Some(text),
            _ => None,
        }
    }
}

/// A block of a kind that only one dialect knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign<'a> {
    /// Its `type`, or the member that says what it is.
    pub kind: Cow<'a, str>,
    pub json: Raw<'a>,
}

/// A picture, a recording, a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Media<'a> {
    pub kind: MediaKind,
    pub source: Source<'a>,
    /// OpenAI's `low`, `high`, `auto` for images.
    pub detail: Option<Cow<'a, str>>,
    /// File name or title of a document.
    pub title: Option<Cow<'a, str>>,
    /// What the application says about a document (Anthropic).
    pub context: Option<Cow<'a, str>>,
    /// The answer is to quote the document (Anthropic, Bedrock).
    pub citations: bool,
}

impl<'a> Media<'a> {
    pub fn new(kind: MediaKind, source: Source<'a>) -> Self {
        Media { kind, source, detail: None, title: None, context: None, citations: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    /// PDF, plain text, office formats.
    Document,
}

/// Where the bytes of a medium are.
#[derive(Clone, Debug, PartialEq)]
pub enum Source<'a> {
    /// Base64, with the media type: `image/png`.
    Base64 { media_type: Cow<'a, str>, data: Cow<'a, str> },
    /// An address that the provider fetches; the media type if it was said.
    Url { media_type: Option<Cow<'a, str>>, url: Cow<'a, str> },
    /// A file kept at the provider, whose ids mean nothing elsewhere.
    File { id: Cow<'a, str> },
    /// The text itself.
    Text(Words<'a>),
}

impl<'a> Source<'a> {
    /// Takes a `data:` address apart; any other stays an address.
    pub fn from_url(url: Cow<'a, str>) -> Self {
        let parts = |url: &str| {
            let (head, _) = url
                .get(..5)
                .filter(|scheme| scheme.eq_ignore_ascii_case("data:"))
                .and(url.split_once(','))?;
            let head = head.get(5..)?;
            let media_type = head.strip_suffix(";base64")?;
            // Parameters such as a character set follow the type.
            let end = media_type.find(';').unwrap_or(media_type.len());
            Some((5..5 + end, 5 + head.len() + 1))
        };
        let Some((media_type, data)) = parts(&url) else { return Source::Url { media_type: None, url } };
        match url {
            Cow::Borrowed(url) => Source::Base64 {
                media_type: url.get(media_type).unwrap_or_default().into(),
                data: url.get(data..).unwrap_or_default().into(),
            },
            Cow::Owned(url) => Source::Base64 {
                media_type: url.get(media_type).unwrap_or_default().to_owned().into(),
                data: url.get(data..).unwrap_or_default().to_owned().into(),
            },
        }
    }
}

/// A tool the model wants called.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall<'a> {
    /// Empty where the dialect knows none; [`super::names`] makes one up.
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    /// JSON text of an object, or whatever the model wrote in its place. Empty means no arguments.
    pub arguments: Words<'a>,
    /// The arguments are free text of a custom tool and no JSON (OpenAI).
    pub custom: bool,
    /// State of the model that goes with the call (Gemini).
    pub seal: Option<Seal<'a>>,
}

impl<'a> ToolCall<'a> {
    pub fn new(id: Cow<'a, str>, name: Cow<'a, str>, arguments: Words<'a>) -> Self {
        ToolCall { id, name, arguments, custom: false, seal: None }
    }
}

/// What a tool gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult<'a> {
    /// Id of the call.
    pub id: Cow<'a, str>,
    /// Name of the tool, where the dialect says it.
    pub name: Option<Cow<'a, str>>,
    pub parts: Vec<Part<'a>>,
    /// JSON of the result where the dialect has no text (Gemini, Bedrock `json`).
    pub json: Option<Raw<'a>>,
    /// The call failed, and the parts say why.
    pub failed: bool,
    /// The result of a custom tool (OpenAI).
    pub custom: bool,
}

/// What a model thought before it answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thought<'a> {
    /// Readable text; empty where the provider keeps it to itself.
    pub text: Words<'a>,
    /// `text` is a summary and not the thoughts themselves.
    pub summary: bool,
    /// Id of the item (Responses).
    pub id: Option<Cow<'a, str>>,
    /// The thoughts as only their maker reads them, or its signature on them.
    pub seal: Option<Seal<'a>>,
    /// There is no readable text by design (`redacted_thinking`).
    pub redacted: bool,
}

/// A tool the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool<'a> {
    pub kind: ToolKind<'a>,
    pub cache: Option<Cache>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind<'a> {
    Function(Function<'a>),
    /// A tool that takes free text (OpenAI `custom`): name, description, format as it was written.
    Custom {
        name: Cow<'a, str>,
        description: Option<Words<'a>>,
        format: Option<Raw<'a>>,
    },
    /// A tool that the provider runs, as it was written.
    Hosted(Foreign<'a>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Function<'a> {
    pub name: Cow<'a, str>,
    pub description: Option<Words<'a>>,
    /// JSON schema of the arguments. None: an object without members.
    pub schema: Option<Cow<'a, str>>,
    /// The arguments must follow the schema to the letter.
    pub strict: Option<bool>,
}

/// Which tool is to be called.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice<'a> {
    Auto,
    None,
    /// Any, but one.
    Any,
    /// This one.
    One(Cow<'a, str>),
    /// One of these (OpenAI `allowed_tools`, Gemini `allowedFunctionNames`); must one be called?
    Among {
        names: Vec<Cow<'a, str>>,
        must: bool,
    },
}

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampling {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub seed: Option<i64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Format<'a> {
    /// Some JSON object.
    Json,
    /// JSON of this schema.
    Schema {
        name: Option<Cow<'a, str>>,
        description: Option<Cow<'a, str>>,
        /// JSON schema.
        schema: Cow<'a, str>,
        strict: Option<bool>,
    },
}

/// How much thinking is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasoning {
    pub thinking: Option<Thinking>,
    pub effort: Option<Effort>,
    /// Are the thoughts, or a summary of them, wanted in the answer? None: as the target likes.
    pub visible: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    Off,
    /// As much as the model thinks is right.
    Adaptive,
    /// At most so many tokens.
    Budget(u64),
}

/// Vendors' words for how hard to think, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    /// OpenAI `xhigh`, Anthropic `xhigh`.
    ExtraHigh,
    /// Anthropic `max`.
    Max,
}

impl Effort {
    pub const ALL: [(Effort, &'static str); 7] = [
        (Effort::None, "none"),
        (Effort::Minimal, "minimal"),
        (Effort::Low, "low"),
        (Effort::Medium, "medium"),
        (Effort::High, "high"),
        (Effort::ExtraHigh, "xhigh"),
        (Effort::Max, "max"),
    ];

    /// The effort of that name, which OpenAI and Anthropic share.
    pub fn named(name: &str) -> Option<Effort> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(effort, _)| *effort)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(effort, _)| *effort == self).map_or("medium", |(_, name)| name)
    }
}

impl Reasoning {
    /// Tokens to think with, for targets that take a number, below `most`. Zero where no thinking is wanted; None where
    /// the model is to choose.
    pub fn budget(&self, most: Option<u64>) -> Option<u64> {
        let wanted = match (self.thinking, self.effort) {
            (Some(Thinking::Off), _) | (None, Some(Effort::None)) => return Some(0),
            (Some(Thinking::Budget(tokens)), _) => tokens,
            (_, Some(Effort::None | Effort::Minimal)) => 512,
            (_, Some(Effort::Low)) => 1024,
            (_, Some(Effort::Medium)) => 4096,
            (_, Some(Effort::High)) => 16_384,
            (_, Some(Effort::ExtraHigh | Effort::Max)) => 32_768,
            (Some(Thinking::Adaptive) | None, None) => return None,
        };
        Some(most.map_or(wanted, |most| wanted.min(most)))
    }

    /// The effort, for targets that take a word. None where the target is to choose.
    pub fn effort(&self) -> Option<Effort> {
        self.effort.or_else(|| match self.thinking? {
            Thinking::Off => Some(Effort::None),
            Thinking::Adaptive => None,
            Thinking::Budget(0..1024) => Some(Effort::Minimal),
            Thinking::Budget(1024..2048) => Some(Effort::Low),
            Thinking::Budget(2048..8192) => Some(Effort::Medium),
            Thinking::Budget(_) => Some(Effort::High),
        })
    }
}
