//! The panel: each member is asked what the caller asked, for a whole answer, and its answer is read for the judge.

use bytes::Bytes;

use crate::dialect::canon::Request;
use crate::dialect::json::{Object, Reader, Wrong};
use crate::dialect::{DialectId, responses, skim};
use crate::error::{Error, Kind, Result};

/// What the operator sets for one member.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tuning {
    pub temperature: Option<f64>,
    pub seed: Option<u64>,
}

impl Tuning {
    /// Sets it in a request that is to be translated.
    pub fn set(&self, request: &mut Request<'_>) {
        let sampling = &mut request.sampling;
        sampling.temperature = self.temperature.or(sampling.temperature);
        sampling.seed = self.seed.and_then(|seed| i64::try_from(seed).ok()).or(sampling.seed);
    }

    /// The request with it, in the dialect it is written in. Where that knows no seed there is none.
    pub fn write(&self, dialect: DialectId, body: &Bytes) -> Bytes {
        let seeds = matches!(dialect, DialectId::OpenAiChat | DialectId::Gemini);
        let numbers = [
            ("temperature", self.temperature.map(|number| number.to_string())),
            ("seed", self.seed.filter(|_| seeds).map(|number| number.to_string())),
        ];
        let set: Vec<(&str, &str)> =
            numbers.iter().filter_map(|(name, number)| Some((*name, number.as_deref()?))).collect();
        let Some(text) = std::str::from_utf8(body).ok().filter(|_| !set.is_empty()) else {
            return body.clone();
        };
        if dialect != DialectId::Gemini {
            return rewritten(text, &[], &set).unwrap_or_else(|_| body.clone());
        }
        let written = GENERATION_CONFIG.iter().find_map(|name| Some((*name, skim::value(body, &[name])?)));
        let (name, config) = written.unwrap_or((GENERATION_CONFIG[0], b"{}"));
        let config = std::str::from_utf8(config).ok().filter(|config| *config != "null").unwrap_or("{}");
        rewritten(config, &[], &set)
            .and_then(|config| rewritten(text, &[], &[(name, std::str::from_utf8(&config).unwrap_or("{}"))]))
            .unwrap_or_else(|_| body.clone())
    }
}

/// The caller's request as every member is asked it: for a whole answer that nobody keeps, and, of a conversation that is
/// kept here, with all that was said before. `history` are its items.
///
/// # Errors
/// `BadRequest`: it goes on from a conversation that is not kept.
pub fn asked_whole(dialect: DialectId, body: &Bytes, history: Option<&str>) -> Result<Bytes> {
    // The body was proved to be JSON, and so UTF-8, when it was peeked at.
    let text = std::str::from_utf8(body).map_err(|_| Error::bad_request("the body is not UTF-8"))?;
    let written = match dialect {
        DialectId::OpenAiChat | DialectId::Anthropic => rewritten(text, STREAM, &[]),
        DialectId::Responses => {
            let input = earlier(body, text, history)?;
            let mut set = vec![("store", "false")];
            set.extend(input.as_deref().map(|input| ("input", input)));
            rewritten(text, KEPT, &set)
        }
        // The path says whether a stream is wanted.
        DialectId::Gemini | DialectId::Bedrock => return Ok(body.clone()),
    };
    written.map_err(Wrong::into_refusal)
}

/// What one member says. A refusal to answer is an answer too.
///
/// # Errors
/// `UpstreamUnreadable`: it is no answer, or there are no words in it.
pub fn answer_text(dialect: DialectId, body: &[u8]) -> Result<String> {
    let unreadable = |cause: &str| {
        Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(cause)
    };
    let text = std::str::from_utf8(body).map_err(|_| unreadable("it is not UTF-8"))?;
    let response = dialect.codec().read_response(text).map_err(Wrong::into_unreadable)?;
    let parts = response.choices.first().map_or(&[][..], |choice| &choice.parts);
    let said: Vec<&str> = parts.iter().filter_map(|part| part.content.text()).collect();
    let said = said.concat();
    if said.trim().is_empty() { Err(unreadable("there is no text in it")) } else { Ok(said) }
}

/// All items of the conversation, if the request goes on from one.
fn earlier(body: &[u8], text: &str, history: Option<&str>) -> Result<Option<String>> {
    let Some(previous) = skim::string(body, &["previous_response_id"]) else { return Ok(None) };
    let stored = history.ok_or_else(|| responses::previous_not_found(&previous))?;
    Ok(Some(responses::history::items(Some(stored), text, "[]")))
}

/// The object with some members left out and others set. What it holds besides keeps its bytes.
fn rewritten(object: &str, without: &[&str], set: &[(&str, &str)]) -> Result<Bytes, Wrong> {
    let mut out = Vec::with_capacity(object.len() + 64);
    let mut left = Object::new(&mut out);
    Reader::new(object).object(|name, value| {
        if !without.contains(&name) && !set.iter().any(|(other, _)| *other == name) {
            left.raw_of(name, value.raw()?);
        }
        Ok(())
    })?;
    for (name, json) in set {
        left.raw_of(name, json);
    }
    drop(left);
    Ok(out.into())
}

const STREAM: &[&str] = &["stream", "stream_options"];
/// Of a Responses request, besides what asks for a stream: what the provider would keep, or answer later.
const KEPT: &[&str] = &["stream", "stream_options", "previous_response_id", "background", "conversation"];
/// Google takes both spellings.
const GENERATION_CONFIG: [&str; 2] = ["generationConfig", "generation_config"];
