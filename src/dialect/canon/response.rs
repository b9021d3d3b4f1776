//! What an answer says.

use std::borrow::Cow;

use super::request::Part;
use crate::dialect::Usage;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response<'a> {
    /// The provider's id of the answer.
    pub id: Option<Cow<'a, str>>,
    /// The provider's id of the model.
    pub model: Option<Cow<'a, str>>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    pub choices: Vec<Choice<'a>>,
    pub usage: Usage,
    pub service_tier: Option<Cow<'a, str>>,
}

/// One of the answers asked for; most requests ask for one.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice<'a> {
    pub parts: Vec<Part<'a>>,
    pub finish: Finish<'a>,
    pub logprobs: Vec<TokenChance<'a>>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish<'a> {
    /// The model was done.
    Stop,
    /// It wrote one of the texts that end an answer; which, where the provider says so.
    StopSequence(Option<Cow<'a, str>>),
    /// The bound on its tokens was reached.
    Length,
    /// The model's context is full.
    ContextFull,
    /// Tools are to be called.
    ToolCalls,
    /// The provider's filter cut it.
    Filtered,
    /// The model will not answer.
    Refusal,
    /// A long turn was paused and may be gone on with (Anthropic).
    Pause,
    /// Another word of the provider's.
    Other(Cow<'a, str>),
}

/// Something only the model's maker can read: encrypted thoughts, or a signature on them.
#[derive(Clone, Debug, PartialEq)]
pub struct Seal<'a> {
    pub maker: Maker,
    pub data: Cow<'a, str>,
}

/// Whose models can read a seal. It outlives a change of platform: Claude's signatures hold at Anthropic, Bedrock and
/// Vertex alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    OpenAi,
    Claude,
    Gemini,
}

/// A source that a text quotes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation<'a> {
    pub url: Option<Cow<'a, str>>,
    pub title: Option<Cow<'a, str>>,
    /// The quoted words of the source.
    pub quote: Option<Cow<'a, str>>,
    /// The part of the answer's text that rests on it, in characters.
    pub range: Option<(u64, u64)>,
    /// Which of the documents in the request, counted from 0.
    pub document: Option<u64>,
    /// As its own dialect wrote it.
    pub json: Option<&'a str>,
}

/// A token, and how likely it was.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenChance<'a> {
    pub token: Cow<'a, str>,
    /// Natural logarithm of the probability.
    pub logprob: f64,
    /// The likeliest tokens at this place.
    pub top: Vec<(Cow<'a, str>, f64)>,
}
