//! Whole answers. What servers leave out, add or write otherwise than OpenAI is understood where it can be.

use std::borrow::Cow;

use super::super::answer::read_usage;
use super::{call, outcome, part};
use crate::dialect::canon::{
    Choice, Citation, Content, Finish, Media, MediaKind, Part, Response, Source, Thought, TokenChance,
    ToolCall,
};
use crate::dialect::json::{Read, Reader, Shape, Words, Wrong};
use crate::dialect::skim;

/// Reads an answer. One without choices says nothing, and is an answer all the same.
pub fn read<'a>(body: &'a str) -> Read<Response<'a>> {
    let mut response = Response::default();
    let mut choices: Option<Vec<(u64, Choice<'a>)>> = None;
    let mut reader = Reader::new(body);
    reader.object(|name, value| {
        match name {
            "id" => response.id = value.text_if()?.filter(|id| !id.is_empty()),
            "model" => response.model = value.text_if()?.filter(|model| !model.is_empty()),
            "created" => response.created = value.count_if()?,
            "service_tier" => response.service_tier = value.text_if()?,
            "usage" => response.usage = read_usage(value.raw()?.as_bytes()),
            "choices" if value.shape() == Shape::Array => choices = Some(read_choices(value)?),
            "error" if is_error(value)? => return Err(Wrong::new("is an error in place of an answer")),
            _ => {}
        }
        Ok(())
    })?;
    reader.end()?;
    let mut choices = choices.ok_or_else(|| Wrong::new("must be there").within("choices"))?;
    choices.sort_by_key(|(index, _)| *index);
    response.choices = choices.into_iter().map(|(_, choice)| choice).collect();
    if response.choices.is_empty() {
        response.choices.push(Choice { parts: Vec::new(), finish: Finish::Stop, logprobs: Vec::new() });
    }
    Ok(response)
}

/// An error object beside or in place of choices, as routers of other providers report that one broke off.
fn is_error(value: &mut Reader<'_>) -> Read<bool> {
    if value.shape() != Shape::Object {
        return Ok(false);
    }
    Ok(skim::string(value.raw()?.as_bytes(), &["message"]).is_some())
}

/// The answers, each with its number.
fn read_choices<'a>(value: &mut Reader<'a>) -> Read<Vec<(u64, Choice<'a>)>> {
    let mut choices = Vec::new();
    value.array(|value| {
        let place = choices.len() as u64;
        let (mut index, mut word, mut chances) = (place, None, Vec::<TokenChance<'a>>::new());
        let mut said = Said::default();
        value.object(|name, value| {
            match name {
                "index" => index = value.count_if()?.unwrap_or(place),
                "message" => value.object_if(|name, value| said.take(name, value))?,
                // The form of older completions, which some servers keep.
                "text" => said.text = value.words_if()?,
                "finish_reason" => word = value.text_if()?,
                "logprobs" => chances = outcome::read_chances(value)?,
                _ => {}
            }
            Ok(())
        })?;
        let (called, refused) = (!said.calls.is_empty(), said.refusal.is_some());
        let finish = outcome::finish(word, called, refused);
        choices.push((index, Choice { parts: said.into_parts(), finish, logprobs: chances }));
        Ok(())
    })?;
    Ok(choices)
}

/// What a message says, in whatever order its members come.
#[derive(Default)]
struct Said<'a> {
    text: Option<Words<'a>>,
    /// Content as a list of parts (Mistral).
    list: Vec<Part<'a>>,
    reasoning_content: Option<Words<'a>>,
    reasoning: Option<Words<'a>>,
    refusal: Option<Words<'a>>,
    citations: Vec<Citation<'a>>,
    calls: Vec<ToolCall<'a>>,
    images: Vec<Media<'a>>,
    audio: Option<Media<'a>>,
    transcript: Option<Words<'a>>,
}

impl<'a> Said<'a> {
    fn take(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match (name, value.shape()) {
            ("content", Shape::Text) => self.text = Some(value.words()?),
            ("content", Shape::Array) => value.array(|value| {
                self.list.extend(read_part(value)?);
                Ok(())
            })?,
            ("reasoning_content", _) => self.reasoning_content = value.words_if()?,
            ("reasoning", _) => self.reasoning = value.words_if()?,
            ("refusal", _) => self.refusal = value.words_if()?.filter(|text| !text.is_empty()),
            ("annotations", _) => value.array_if(|value| {
                self.citations.extend(outcome::read_citation(value)?);
                Ok(())
            })?,
            ("tool_calls", _) => value.array_if(|value| self.take_call(value))?,
            ("function_call", Shape::Object) => {
                let mut call = ToolCall::new("".into(), "".into(), "".into());
                call::read_function(value, &mut call)?;
                self.push_call(call);
            }
            ("images", _) => value.array_if(|value| {
                self.images.extend(read_image_part(value)?);
                Ok(())
            })?,
            ("audio", Shape::Object) => self.take_audio(value)?,
            _ => {}
        }
        Ok(())
    }

    fn take_call(&mut self, value: &mut Reader<'a>) -> Read<()> {
        if value.shape() == Shape::Object {
            let call = call::read(value)?;
            self.push_call(call);
        }
        Ok(())
    }

    /// Nobody can call what has no name.
    fn push_call(&mut self, call: ToolCall<'a>) {
        if !call.name.is_empty() {
            self.calls.push(call);
        }
    }

    fn take_audio(&mut self, value: &mut Reader<'a>) -> Read<()> {
        value.object(|name, value| {
            match name {
                "data" => self.audio = value.text_if()?.map(|data| audio("audio/wav", data)),
                "transcript" => self.transcript = value.words_if()?,
                _ => {}
            }
            Ok(())
        })
    }

    fn into_parts(self) -> Vec<Part<'a>> {
        let mut parts: Vec<Part<'a>> = Vec::new();
        let thoughts = [self.reasoning_content, self.reasoning];
        let text = thoughts.into_iter().flatten().find(|text| !text.is_empty());
        parts.extend(text.map(|text| Content::Thought(Thought { text, ..Thought::default() }).into()));
        let text = self.text.filter(|text| !text.is_empty());
        let text = text.or(self.transcript.filter(|text| !text.is_empty() && self.list.is_empty()));
        parts.extend(text.map(|text| Content::Text(text).into()));
        parts.extend(self.list);
        cite(&mut parts, self.citations);
        parts.extend(self.refusal.map(|text| Content::Refusal(text).into()));
        parts.extend(self.images.into_iter().chain(self.audio).map(|media| Content::Media(media).into()));
        parts.extend(self.calls.into_iter().map(|call| Content::ToolCall(call).into()));
        parts
    }
}

/// The sources of the whole text stand at its end: their places count from its beginning.
fn cite<'a>(parts: &mut [Part<'a>], citations: Vec<Citation<'a>>) {
    if citations.is_empty() {
        return;
    }
    let text = parts.iter_mut().rev().find_map(|part| match &mut part.content {
        content @ Content::Text(_) => Some(content),
        _ => None,
    });
    if let Some(content) = text
        && let Content::Text(text) = content
    {
        *content = Content::Cited(std::mem::take(text), citations);
    }
}

/// A part of a list, if it is one that says something.
pub fn read_part<'a>(value: &mut Reader<'a>) -> Read<Option<Part<'a>>> {
    if !matches!(value.shape(), Shape::Object | Shape::Text) {
        return value.skip().map(|()| None);
    }
    let part = part::read(value)?;
    Ok(part.filter(|part| !matches!(&part.content, Content::Text(text) if text.is_empty())))
}

/// OpenRouter's pictures: `{"type":"image_url","image_url":{"url"}}`.
pub fn read_image_part<'a>(value: &mut Reader<'a>) -> Read<Option<Media<'a>>> {
    let mut image = None;
    value.object_if(|name, value| {
        if name == "image_url" {
            image = part::read_image(value)?;
        }
        Ok(())
    })?;
    Ok(image)
}

/// A piece of sound. Answers do not say in which format it is: the request did.
pub fn audio<'a>(media_type: &'static str, data: Cow<'a, str>) -> Media<'a> {
    Media::new(MediaKind::Audio, Source::Base64 { media_type: media_type.into(), data })
}
