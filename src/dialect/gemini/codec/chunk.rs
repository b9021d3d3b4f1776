//! An answer, or a piece of one: whole answers and the chunks of streams have the same form.

use std::borrow::Cow;
use std::fmt::Write;

use smallvec::SmallVec;

use super::time;
use crate::dialect::Usage;
use crate::dialect::canon::{Finish, TokenChance};
use crate::dialect::gemini::usage;
use crate::dialect::json::{Raw, Read, Reader, Shape};

#[derive(Default)]
pub struct Chunk<'a> {
    pub id: Option<Cow<'a, str>>,
    pub model: Option<Cow<'a, str>>,
    pub created: Option<u64>,
    pub candidates: SmallVec<[Candidate<'a>; 1]>,
    pub usage: Option<Usage>,
    /// The prompt was not answered.
    pub blocked: Option<Blocked<'a>>,
    /// It reports an error in place of an answer.
    pub failed: bool,
}

/// A prompt that the provider's filter held back.
#[derive(Default)]
pub struct Blocked<'a> {
    /// The provider's words on it.
    pub words: Option<Cow<'a, str>>,
}

/// One of the answers, or more of it.
#[derive(Default)]
pub struct Candidate<'a> {
    pub index: u32,
    /// Stands at the list of parts.
    pub parts: Option<Reader<'a>>,
    pub finish: Option<Cow<'a, str>>,
    pub grounding: Option<Raw<'a>>,
    pub citations: Option<Raw<'a>>,
    pub logprobs: Option<Raw<'a>>,
}

impl<'a> Chunk<'a> {
    pub fn read(json: &'a str) -> Read<Chunk<'a>> {
        let mut chunk = Chunk::default();
        Reader::new(json).object(|name, value| chunk.member(name, value))?;
        Ok(chunk)
    }

    fn member(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "candidates" => value.array_if(|candidate| {
                let read = Candidate::read(candidate)?;
                if self.candidates.len() < MOST_CANDIDATES {
                    self.candidates.push(read);
                }
                Ok(())
            })?,
            "usageMetadata" => self.usage = value.if_is(Shape::Object, usage::read)?,
            "modelVersion" => self.model = value.text_if()?,
            "responseId" => self.id = value.text_if()?,
            "createTime" => self.created = value.text_if()?.and_then(|time| time::read(&time)),
            "promptFeedback" => self.blocked = blocked(value)?,
            "error" => self.failed = value.shape() != Shape::Null,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Candidate<'a> {
    fn read(value: &mut Reader<'a>) -> Read<Candidate<'a>> {
        let mut candidate = Candidate::default();
        value.object_if(|name, value| {
            match name {
                "index" => candidate.index = value.count_if()?.and_then(|it| it.try_into().ok()).unwrap_or(0),
                "content" => value.object_if(|name, value| {
                    if name == "parts" {
                        candidate.parts = Some(value.clone());
                    }
                    Ok(())
                })?,
                "finishReason" => candidate.finish = value.text_if()?,
                "groundingMetadata" => candidate.grounding = Some(value.raw()?),
                "citationMetadata" => candidate.citations = Some(value.raw()?),
                "logprobsResult" => candidate.logprobs = Some(value.raw()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(candidate)
    }
}

fn blocked<'a>(value: &mut Reader<'a>) -> Read<Option<Blocked<'a>>> {
    let (mut blocked, mut words) = (false, None);
    value.object_if(|name, value| {
        match name {
            "blockReason" => blocked = value.text_if()?.is_some(),
            "blockReasonMessage" => words = value.text_if()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(blocked.then_some(Blocked { words }))
}

/// Why an answer ended. Calls end one that stopped by itself.
pub fn finish<'a>(word: Cow<'a, str>, called: bool) -> Finish<'a> {
    match &*word {
        "STOP" | "UNEXPECTED_TOOL_CALL" if called => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::Filtered,
        _ => Finish::Other(word),
    }
}

/// Google's word for why an answer ended.
pub fn finish_word<'f>(finish: &'f Finish<'_>) -> &'f str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls | Finish::Pause => "STOP",
        Finish::Length | Finish::ContextFull => "MAX_TOKENS",
        Finish::Filtered | Finish::Refusal => "SAFETY",
        Finish::Other(word) if WORDS.contains(&&**word) => word,
        Finish::Other(_) => "OTHER",
    }
}

/// An id for a call that has none: the same each time, and another in another answer.
pub fn call_id(answer: Option<&str>, number: usize) -> String {
    let mut id = String::from("call_");
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    id.extend(answer.unwrap_or_default().chars().filter(plain).take(MOST_OF_AN_ID));
    let joint = if id.len() > "call_".len() { "_" } else { "" };
    let _ = write!(id, "{joint}{number}");
    id
}

/// `logprobsResult`: the tokens that were chosen, and beside each the likeliest.
pub fn chances<'a>(json: Raw<'a>) -> Read<Vec<TokenChance<'a>>> {
    let (mut chosen, mut top) = (Vec::new(), Vec::new());
    Reader::new(json).object_if(|name, value| match name {
        "chosenCandidates" => value.array_if(|token| {
            chosen.extend(chance(token)?);
            Ok(())
        }),
        "topCandidates" => value.array_if(|place| {
            let mut tokens = Vec::new();
            place.object_if(|name, value| match name {
                "candidates" => value.array_if(|token| {
                    tokens.extend(chance(token)?);
                    Ok(())
                }),
                _ => Ok(()),
            })?;
            top.push(tokens);
            Ok(())
        }),
        _ => Ok(()),
    })?;
    let mut top = top.into_iter();
    let chances = chosen.into_iter().map(|(token, logprob)| {
        let top = top.next().unwrap_or_default();
        TokenChance { token, logprob, top }
    });
    Ok(chances.collect())
}

fn chance<'a>(value: &mut Reader<'a>) -> Read<Option<(Cow<'a, str>, f64)>> {
    let (mut token, mut logprob) = (None, None);
    value.object_if(|name, value| {
        match name {
            "token" => token = value.text_if()?,
            "logProbability" => logprob = value.if_is(Shape::Number, Reader::number)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(token.zip(logprob))
}

/// Google's words that have no other meaning here.
const WORDS: [&str; 9] = [
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "NO_IMAGE",
    "IMAGE_OTHER",
    "FINISH_REASON_UNSPECIFIED",
    "OTHER",
];
/// Google's bound on `candidateCount` is 8.
const MOST_CANDIDATES: usize = 128;
/// Characters of an answer's id that go into the ids of its calls.
const MOST_OF_AN_ID: usize = 40;
