//! The members a gateway reads in every chat request, whatever the dialect.

use std::ops::Range;

use super::{is_empty_array, skip_space, strict};
use crate::error::{Error, Result};

/// Places of the members we read. Each appears at most once: where two parsers could disagree on which of
/// two `model`s counts, the gateway would authorise one and the provider serve the other.
#[derive(Debug, Default)]
pub struct Request {
    model: Option<Range<usize>>,
    stream: Option<Range<usize>>,
    messages: Option<Range<usize>>,
    /// OpenAI only; other dialects know no such member and leave it alone.
    pub stream_options: Option<Range<usize>>,
    /// OpenAI responses only, as the two that follow.
    input: Option<Range<usize>>,
    previous: Option<Range<usize>>,
    /// What stands for an input: `prompt` and `conversation`.
    kept: Option<Range<usize>>,
}

/// The name of a member in a complaint, and where its place is kept.
type Slot<'r> = (&'static str, &'r mut Option<Range<usize>>);

impl Request {
    /// Proves the body to be JSON and finds the members.
    ///
    /// # Errors
    /// `BadRequest`: not a JSON object, or one of our members appears twice.
    pub fn read(body: &[u8]) -> Result<Request> {
        Self::read_with(body, Self::slot)
    }

    /// As [`Request::read`], for OpenAI responses.
    ///
    /// # Errors
    /// As [`Request::read`].
    pub fn read_responses(body: &[u8]) -> Result<Request> {
        Self::read_with(body, Self::slot_of_responses)
    }

    #[inline(always)]
    fn read_with(
        body: &[u8],
        slot: impl for<'r> Fn(&'r mut Request, &[u8]) -> Option<Slot<'r>>,
    ) -> Result<Request> {
        let mut found = Request::default();
        let mut twice = None;
        let pass = strict::members(body, |member| {
            let Some((name, slot)) = slot(&mut found, &member.key()) else { return };
            if slot.replace(member.value.clone()).is_some() {
                twice = Some(name);
            }
        });
        pass.map_err(|fault| invalid(format_args!("{fault}")))?;
        match twice {
            Some(name) => Err(wrong(name, "appears more than once")),
            None => Ok(found),
        }
    }

    /// The alias and the place of its value, quotes included.
    ///
    /// # Errors
    /// `BadRequest`: missing, not a string, or empty.
    pub fn model(&self, body: &[u8]) -> Result<(String, Range<usize>)> {
        let place = self.model.clone().ok_or_else(|| wrong("model", "is required"))?;
        let value = body.get(place.clone()).unwrap_or_default();
        let model = string(value).ok_or_else(|| wrong("model", "must be a string"))?;
        if model.is_empty() {
            return Err(wrong("model", "must not be empty"));
        }
        Ok((model, place))
    }

    /// Does the caller want a stream?
    ///
    /// # Errors
    /// `BadRequest`: neither a boolean nor null.
    pub fn stream(&self, body: &[u8]) -> Result<bool> {
        match self.stream.clone().and_then(|place| body.get(place)) {
            Some(b"true") => Ok(true),
            Some(b"false" | b"null") | None => Ok(false),
            Some(_) => Err(wrong("stream", "must be true or false")),
        }
    }

    /// Checks that there is something to answer.
    ///
    /// # Errors
    /// `BadRequest`: `messages` is missing, no array, or empty.
    pub fn check_messages(&self, body: &[u8]) -> Result<()> {
        let place = self.messages.clone().ok_or_else(|| wrong("messages", "is required"))?;
        let value = body.get(place).unwrap_or_default();
        if is_empty_array(value) {
            return Err(Error::bad_request("messages array must not be empty").param("messages"));
        }
        match value.get(skip_space(value, 0)) {
            Some(b'[') => Ok(()),
            _ => Err(wrong("messages", "must be an array")),
        }
    }

    /// Checks that there is something to answer: an input, or something kept at the provider to go on from.
    ///
    /// # Errors
    /// `BadRequest`: `input` is missing, or neither a string nor an array.
    pub fn check_input(&self, body: &[u8]) -> Result<()> {
        let given = |place: &Option<Range<usize>>| {
            place.clone().and_then(|place| body.get(place)).filter(|value| *value != b"null")
        };
        match given(&self.input).map(|value| value.get(skip_space(value, 0))) {
            Some(Some(b'"' | b'[')) => Ok(()),
            Some(_) => Err(wrong("input", "must be a string or an array")),
            None if given(&self.previous).or(given(&self.kept)).is_some() => Ok(()),
            None => Err(wrong("input", "is required")),
        }
    }

    fn slot_of_responses(&mut self, name: &[u8]) -> Option<Slot<'_>> {
        match name {
            b"model" => Some(("model", &mut self.model)),
            b"stream" => Some(("stream", &mut self.stream)),
            b"input" => Some(("input", &mut self.input)),
            b"previous_response_id" => Some(("previous_response_id", &mut self.previous)),
            b"prompt" | b"conversation" => {
                self.kept = None;
                Some(("prompt", &mut self.kept))
            }
            _ => None,
        }
    }

    fn slot(&mut self, name: &[u8]) -> Option<Slot<'_>> {
        match name {
            b"model" => Some(("model", &mut self.model)),
            b"stream" => Some(("stream", &mut self.stream)),
            b"messages" => Some(("messages", &mut self.messages)),
            b"stream_options" => Some(("stream_options", &mut self.stream_options)),
            _ => None,
        }
    }
}

/// The text of a string, exactly: half a surrogate pair has none.
fn string(value: &[u8]) -> Option<String> {
    let inside = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inside.contains(&b'\\') {
        return serde_json::from_slice(value).ok();
    }
    std::str::from_utf8(inside).ok().map(str::to_owned)
}

/// A complaint about one member.
pub fn wrong(name: &'static str, what: &str) -> Error {
    invalid(format_args!("\"{name}\" {what}")).param(name)
}

/// A complaint about the body.
pub fn invalid(what: std::fmt::Arguments<'_>) -> Error {
    Error::bad_request(format!("invalid JSON request body: {what}"))
}
