//! Streams: chunks with deltas, and `[DONE]`.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::super::answer::read_usage;
use super::super::error;
use super::calls::{Calls, Piece};
use super::{call, outcome, read_response};
use crate::dialect::canon::blocks::{Blocks, Tell};
use crate::dialect::canon::{Content, Event, Finish};
use crate::dialect::codec::{EventReader, Frame};
use crate::dialect::json::{Raw, Read, Reader, Shape};
use crate::dialect::skim;

/// Reads the chunks of one stream.
#[derive(Debug, Default)]
pub struct Chunks {
    begun: bool,
    over: bool,
    blocks: Blocks,
    choices: SmallVec<[Choice; 1]>,
    /// Bytes of calls that could not be told yet.
    held: usize,
}

/// What must be remembered of one answer.
#[derive(Debug, Default)]
struct Choice {
    /// A chunk spoke of it; places are filled up to the highest number.
    seen: bool,
    calls: Calls,
    refused: bool,
    finished: bool,
}

impl EventReader for Chunks {
    fn read(&mut self, frame: &Frame<'_>, tell: &mut dyn FnMut(Event<'_>)) -> Read<()> {
        let data = frame.data.trim();
        // Some keep the connection alive with frames that hold nothing.
        if self.over || data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.done(tell);
            return Ok(());
        }
        if frame.name == Some("error") || data.starts_with(ERROR_OBJECT) {
            self.failed(data, tell);
            return Ok(());
        }
        self.chunk(data, tell)
    }

    fn end(&mut self, tell: &mut dyn FnMut(Event<'_>)) {
        let mut seen = self.choices.iter().filter(|choice| choice.seen).peekable();
        let complete = seen.peek().is_some() && seen.all(|choice| choice.finished);
        if complete && !std::mem::replace(&mut self.over, true) {
            tell(Event::End);
        }
    }
}

/// The members of a chunk that stand beside the choices.
#[derive(Default)]
struct Head<'a> {
    id: Option<Cow<'a, str>>,
    model: Option<Cow<'a, str>>,
    created: Option<u64>,
    usage: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
}

impl Chunks {
    fn chunk<'a>(&mut self, data: &'a str, tell: &mut Tell<'_>) -> Read<()> {
        let mut head = Head::default();
        let mut choices: Option<Reader<'a>> = None;
        let mut reader = Reader::new(data);
        reader.object(|name, value| {
            match name {
                "choices" if value.shape() == Shape::Array => {
                    choices = Some(value.clone());
                    // In every chunk but the first the answer has been announced, and nothing is missing.
                    if self.begun {
                        value.array(|value| self.choice(value, tell))?;
                    }
                }
                "id" if !self.begun => head.id = value.text_if()?,
                "model" if !self.begun => head.model = value.text_if()?,
                "created" if !self.begun => head.created = value.count_if()?,
                "usage" if value.shape() == Shape::Object => head.usage = Some(value.raw()?),
                // Groq's.
                "x_groq" if head.usage.is_none() => value.object_if(|name, value| {
                    if name == "usage" && value.shape() == Shape::Object {
                        head.usage = Some(value.raw()?);
                    }
                    Ok(())
                })?,
                "error" => head.error = Some(value.raw()?),
                _ => {}
            }
            Ok(())
        })?;
        if !self.begun
            && let Some(value) = &mut choices
        {
            value.array(|value| {
                self.begin(&head, tell);
                self.choice(value, tell)
            })?;
        }
        if head.is_error(choices.is_some()) {
            self.failed(data, tell);
            return Ok(());
        }
        if let Some(usage) = head.usage {
            self.begin(&head, tell);
            tell(Event::Usage(&read_usage(usage.as_bytes())));
        }
        Ok(())
    }

    fn begin(&mut self, head: &Head<'_>, tell: &mut Tell<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            let known = |text: &'_ Option<Cow<'_, str>>| text.as_deref().is_some_and(|text| !text.is_empty());
            tell(Event::Begin {
                id: head.id.as_deref().filter(|_| known(&head.id)),
                model: head.model.as_deref().filter(|_| known(&head.model)),
                created: head.created.filter(|created| *created > 0),
            });
        }
    }

    fn choice(&mut self, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        if value.shape() != Shape::Object {
            return value.skip();
        }
        let (mut number, mut word) = (0, None);
        let (mut delta, mut chances) = (None, None);
        value.object(|name, value| {
            match name {
                "index" => number = value.count_if()?.unwrap_or(0),
                // Some send the whole message as the only piece.
                "delta" | "message" if value.shape() == Shape::Object => delta = Some(value.clone()),
                "finish_reason" => word = value.text_if()?.filter(|word| !word.is_empty()),
                "logprobs" if value.shape() == Shape::Object => chances = Some(value.clone()),
                _ => {}
            }
            Ok(())
        })?;
        let number = u32::try_from(number).unwrap_or(MOST_CHOICES).min(MOST_CHOICES);
        let state = self.state(number);
        state.seen = true;
        if state.finished {
            return Ok(());
        }
        if let Some(mut delta) = delta {
            self.delta(number, &mut delta, tell)?;
        }
        if let Some(mut chances) = chances {
            let chances = outcome::read_chances(&mut chances)?;
            if !chances.is_empty() {
                tell(Event::Chances { choice: number, chances: &chances });
            }
        }
        if word.is_some() {
            self.finish(number, word, tell);
        }
        Ok(())
    }

    /// The members of a delta come in any order; what they say is told in this one.
    fn delta(&mut self, choice: u32, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let delta = Delta::read(value)?;
        let thoughts = [delta.reasoning_content, delta.reasoning];
        if let Some(text) = thoughts.into_iter().flatten().find(|text| !text.is_empty()) {
            self.interrupt(choice);
            self.blocks.thought(choice, &text, tell);
        }
        if let Some(text) = delta.text.filter(|text| !text.is_empty()) {
            self.interrupt(choice);
            self.blocks.text(choice, &text, tell);
        }
        if let Some(text) = delta.refusal.filter(|text| !text.is_empty()) {
            self.interrupt(choice);
            self.state(choice).refused = true;
            self.blocks.refusal(choice, &text, tell);
        }
        for (kind, mut value) in delta.rest {
            self.rest(choice, kind, &mut value, tell)?;
        }
        Ok(())
    }

    fn rest(&mut self, choice: u32, kind: Rest, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        match kind {
            Rest::Content => value.array(|value| self.part(choice, value, tell)),
            Rest::Calls => value.array(|value| self.call(choice, value, tell)),
            Rest::Function => self.function(choice, value, tell),
            Rest::Annotations => value.array(|value| {
                if let Some(citation) = outcome::read_citation(value)? {
                    self.interrupt(choice);
                    self.blocks.citation(choice, &citation, tell);
                }
                Ok(())
            }),
            Rest::Images => value.array(|value| {
                if let Some(image) = read_response::read_image_part(value)? {
                    self.interrupt(choice);
                    self.blocks.whole(choice, &Content::Media(image).into(), tell);
                }
                Ok(())
            }),
            Rest::Audio => self.audio(choice, value, tell),
        }
    }

    /// A part of content that comes as a list (Mistral).
    fn part(&mut self, choice: u32, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let Some(part) = read_response::read_part(value)? else { return Ok(()) };
        self.interrupt(choice);
        match &part.content {
            Content::Text(text) => self.blocks.text(choice, text, tell),
            Content::Thought(thought) => self.blocks.thought(choice, &thought.text, tell),
            Content::Refusal(text) => {
                self.state(choice).refused = true;
                self.blocks.refusal(choice, text, tell);
            }
            _ => self.blocks.whole(choice, &part, tell),
        }
        Ok(())
    }

    /// Streams of sound are 16 bit PCM at 24 kHz, each piece encoded by itself; the transcript comes beside them.
    fn audio(&mut self, choice: u32, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let (mut data, mut transcript) = (None, None);
        value.object(|name, value| {
            match name {
                "data" => data = value.text_if()?.filter(|data| !data.is_empty()),
                "transcript" => transcript = value.text_if()?.filter(|text| !text.is_empty()),
                _ => {}
            }
            Ok(())
        })?;
        if data.is_some() || transcript.is_some() {
            self.interrupt(choice);
        }
        if let Some(data) = data {
            let media = read_response::audio("audio/pcm;rate=24000", data);
            self.blocks.whole(choice, &Content::Media(media).into(), tell);
        }
        self.blocks.text(choice, &transcript.unwrap_or_default(), tell);
        Ok(())
    }

    fn call(&mut self, choice: u32, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        if value.shape() != Shape::Object {
            return value.skip();
        }
        let said = CallDelta::read(value)?;
        let piece = Piece {
            index: said.index,
            id: said.id.as_deref(),
            name: &said.name,
            custom: said.custom,
            arguments: &said.arguments,
            seal: said.seal.as_deref(),
        };
        self.take(choice, &piece, tell)
    }

    /// The older form of the one call.
    fn function(&mut self, choice: u32, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let mut said = CallDelta::default();
        value.object_if(|name, value| said.take_function(name, value))?;
        // It had no id and no number.
        let piece = Piece {
            index: Some(u64::MAX),
            id: Some(""),
            name: &said.name,
            arguments: &said.arguments,
            ..Piece::default()
        };
        self.take(choice, &piece, tell)
    }

    fn take(&mut self, choice: u32, piece: &Piece<'_>, tell: &mut Tell<'_>) -> Read<()> {
        self.state(choice);
        let Chunks { choices, blocks, held, .. } = self;
        match choices.get_mut(choice as usize) {
            Some(state) => state.calls.take(piece, choice, held, blocks, tell),
            None => Ok(()),
        }
    }

    fn interrupt(&mut self, choice: u32) {
        self.state(choice).calls.interrupt();
    }

    fn finish(&mut self, choice: u32, word: Option<Cow<'_, str>>, tell: &mut Tell<'_>) {
        self.state(choice);
        let Chunks { choices, blocks, held, .. } = self;
        let Some(state) = choices.get_mut(choice as usize) else { return };
        if !std::mem::replace(&mut state.finished, true) {
            state.calls.settle(choice, held, blocks, tell);
            let finish: Finish<'_> = outcome::finish(word, state.calls.any(), state.refused);
            blocks.finish(choice, finish, tell);
        }
    }

    /// Servers end without a `finish_reason` too; what was said then is the whole answer.
    fn done(&mut self, tell: &mut Tell<'_>) {
        let said = |(number, state): (u32, &Choice)| {
            state.finished || state.calls.any() || self.blocks.has_begun(number)
        };
        if !(0..).zip(&self.choices).any(said) {
            return;
        }
        let seen = |(number, state): (u32, &Choice)| state.seen.then_some(number);
        let seen: SmallVec<[u32; 1]> = (0..).zip(&self.choices).filter_map(seen).collect();
        for number in seen {
            self.finish(number, None, tell);
        }
        self.end(tell);
    }

    fn failed(&mut self, data: &str, tell: &mut Tell<'_>) {
        self.over = true;
        tell(Event::Failed(&error::read_in_band(data.as_bytes())));
    }

    fn state(&mut self, choice: u32) -> &mut Choice {
        let index = choice.min(MOST_CHOICES) as usize;
        while self.choices.len() <= index {
            self.choices.push(Choice::default());
        }
        &mut self.choices[index]
    }
}

impl Head<'_> {
    /// An `error` in place of choices; or beside them, as OpenRouter reports a provider that broke off.
    fn is_error(&self, choices: bool) -> bool {
        let Some(error) = self.error else { return false };
        let object = error.starts_with('{');
        (!choices && (object || error.starts_with('"')))
            || (object && skim::string(error.as_bytes(), &["message"]).is_some())
    }
}

/// The members of a delta. What is rare is read later, in the order in which it came.
#[derive(Default)]
struct Delta<'a> {
    text: Option<Cow<'a, str>>,
    reasoning_content: Option<Cow<'a, str>>,
    reasoning: Option<Cow<'a, str>>,
    refusal: Option<Cow<'a, str>>,
    rest: SmallVec<[(Rest, Reader<'a>); 1]>,
}

#[derive(Clone, Copy)]
enum Rest {
    Content,
    Annotations,
    Images,
    Audio,
    Calls,
    Function,
}

impl<'a> Delta<'a> {
    fn read(value: &mut Reader<'a>) -> Read<Self> {
        let mut delta = Delta::default();
        value.object(|name, value| {
            let text = match (name, value.shape()) {
                ("content", Shape::Text) => Some(&mut delta.text),
                ("reasoning_content", _) => Some(&mut delta.reasoning_content),
                ("reasoning", _) => Some(&mut delta.reasoning),
                ("refusal", _) => Some(&mut delta.refusal),
                _ => None,
            };
            if let Some(text) = text {
                *text = value.text_if()?;
                return Ok(());
            }
            let rest = match (name, value.shape()) {
                ("content", Shape::Array) => Rest::Content,
                ("annotations", Shape::Array) => Rest::Annotations,
                ("images", Shape::Array) => Rest::Images,
                ("audio", Shape::Object) => Rest::Audio,
                ("tool_calls", Shape::Array) => Rest::Calls,
                ("function_call", Shape::Object) => Rest::Function,
                _ => return Ok(()),
            };
            if delta.rest.len() < MOST_RESTS {
                delta.rest.push((rest, value.clone()));
            }
            Ok(())
        })?;
        Ok(delta)
    }
}

/// One element of `tool_calls`.
#[derive(Default)]
struct CallDelta<'a> {
    index: Option<u64>,
    id: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
    custom: bool,
    seal: Option<Cow<'a, str>>,
}

impl<'a> CallDelta<'a> {
    fn read(value: &mut Reader<'a>) -> Read<Self> {
        let mut said = CallDelta::default();
        value.object(|name, value| {
            match name {
                "index" => said.index = value.count_if()?,
                "id" => said.id = value.text_if()?,
                "function" => value.object_if(|name, value| said.take_function(name, value))?,
                "custom" if value.shape() == Shape::Object => {
                    said.custom = true;
                    value.object(|name, value| said.take_function(name, value))?;
                }
                "extra_content" => said.seal = call::read_seal(value)?.map(|seal| seal.data),
                _ => {}
            }
            Ok(())
        })?;
        Ok(said)
    }

    fn take_function(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "name" => self.name = value.text_if()?.unwrap_or_default(),
            "arguments" | "input" => self.arguments = call::read_arguments(value)?.into_text(),
            _ => {}
        }
        Ok(())
    }
}

/// How older vLLM servers begin an error: flat, without an `error` member.
const ERROR_OBJECT: &str = r#"{"object":"error""#;
/// OpenAI's bound on `n`. Choices beyond it share the last place.
const MOST_CHOICES: u32 = 128;
/// Kinds of members a delta may have beside its texts.
const MOST_RESTS: usize = 8;
