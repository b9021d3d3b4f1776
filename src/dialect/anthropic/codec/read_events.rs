//! A stream of the provider.
//!
//! Blocks follow one another; a delta names the block it belongs to by its index. Servers that merely speak this dialect
//! leave out events, so that nothing but an order that makes sense is relied on.

use std::borrow::Cow;

use super::read_blocks::{Draft, sealed};
use super::read_citations::citation;
use super::read_response::finish;
use super::{ANSWER_TOOL, custom};
use crate::dialect::anthropic::answer::Counters;
use crate::dialect::anthropic::error;
use crate::dialect::canon::{Block, Content, Delta, Event, Finish, Part, Thought};
use crate::dialect::codec::{EventReader, Frame};
use crate::dialect::json::{Object, Raw, Read, Reader, Shape};
use crate::dialect::skim::strict;

/// Reads one stream.
#[derive(Debug, Default)]
pub struct Reads {
    begun: bool,
    finished: bool,
    ended: bool,
    /// A tool of the caller's is to be called.
    called: bool,
    counters: Counters,
    /// Number of the next block.
    next: u32,
    open: Option<Open>,
}

/// The block that is open upstream.
#[derive(Debug)]
struct Open {
    index: u64,
    block: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thought,
    Call,
    /// A call of which it is not known yet whether it is one of a tool that takes free text.
    Undecided {
        id: String,
        name: String,
        arguments: String,
    },
    /// A call with free text, told once it is whole.
    Custom {
        arguments: String,
    },
    /// The call that stands for a JSON answer.
    Answer,
    /// A block that only this dialect knows, told once it is whole.
    Held {
        json: String,
        input: String,
    },
    /// A block that has been told, or means nothing.
    Over,
}

type Tell<'t> = &'t mut dyn FnMut(Event<'_>);

/// The members of an event that mean something in some kind of event.
#[derive(Debug, Default)]
struct Told<'a> {
    kind: Cow<'a, str>,
    index: Option<u64>,
    delta: Step<'a>,
    block: Option<Raw<'a>>,
    message: Option<Raw<'a>>,
    usage: Option<Raw<'a>>,
}

/// `delta`.
#[derive(Debug, Default)]
struct Step<'a> {
    kind: Cow<'a, str>,
    /// The text, whatever it is text of.
    piece: Option<Cow<'a, str>>,
    citation: Option<Raw<'a>>,
    stop_reason: Option<Cow<'a, str>>,
    stop_sequence: Option<Cow<'a, str>>,
}

impl EventReader for Reads {
    fn read(&mut self, frame: &Frame<'_>, tell: &mut dyn FnMut(Event<'_>)) -> Read<()> {
        if self.ended {
            return Ok(());
        }
        let mut told = read_event(frame.data)?;
        if told.kind.is_empty() {
            told.kind = frame.name.unwrap_or_default().into();
        }
        match &*told.kind {
            "content_block_delta" => self.delta(&told, tell),
            "content_block_start" => self.start(&told, tell),
            "content_block_stop" => {
                self.close(tell);
                Ok(())
            }
            "message_start" => self.message_start(&told, tell),
            "message_delta" => {
                self.message_delta(told, tell);
                Ok(())
            }
            "message_stop" => {
                self.stop(tell);
                Ok(())
            }
            "error" => {
                tell(Event::Failed(&error::read_in_band(frame.data.as_bytes())));
                Ok(())
            }
            _ if frame.name == Some("error") => {
                tell(Event::Failed(&error::read_in_band(frame.data.as_bytes())));
                Ok(())
            }
            // Pings, and whatever is added.
            _ => Ok(()),
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(Event<'_>)) {
        if self.finished && !self.ended {
            self.stop(tell);
        }
    }
}

fn read_event(data: &str) -> Read<Told<'_>> {
    let mut told = Told::default();
    Reader::new(data).object(|name, value| {
        match name {
            "type" => told.kind = value.text_if()?.unwrap_or_default(),
            "index" => told.index = value.count_if()?,
            "delta" => read_delta(&mut told.delta, value)?,
            "content_block" if value.shape() == Shape::Object => told.block = Some(value.raw()?),
            "message" if value.shape() == Shape::Object => told.message = Some(value.raw()?),
            "usage" if value.shape() == Shape::Object => told.usage = Some(value.raw()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(told)
}

#[inline]
fn read_delta<'a>(step: &mut Step<'a>, value: &mut Reader<'a>) -> Read<()> {
    value.object_if(|name, value| {
        match name {
            "type" => step.kind = value.text_if()?.unwrap_or_default(),
            "text" | "partial_json" | "thinking" | "signature" => {
                // Some servers name the others too, with nothing in them.
                if let Some(piece) = value.text_if()?.filter(|piece| !piece.is_empty()) {
                    step.piece.get_or_insert(piece);
                }
            }
            "citation" if value.shape() == Shape::Object => step.citation = Some(value.raw()?),
            "stop_reason" => step.stop_reason = value.text_if()?,
            "stop_sequence" => step.stop_sequence = value.text_if()?,
            _ => {}
        }
        Ok(())
    })
}

impl Reads {
    fn message_start(&mut self, told: &Told<'_>, tell: Tell<'_>) -> Read<()> {
        let (mut id, mut model, mut usage) = (None, None, None);
        if let Some(message) = told.message {
            Reader::new(message).object(|name, value| {
                match name {
                    "id" => id = value.text_if()?,
                    "model" => model = value.text_if()?,
                    "usage" if value.shape() == Shape::Object => usage = Some(value.raw()?),
                    _ => {}
                }
                Ok(())
            })?;
        }
        self.begin(id.as_deref(), model.as_deref(), tell);
        self.usage(usage, tell);
        Ok(())
    }

    fn begin(&mut self, id: Option<&str>, model: Option<&str>, tell: Tell<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            tell(Event::Begin { id, model, created: None });
        }
    }

    fn usage(&mut self, usage: Option<Raw<'_>>, tell: Tell<'_>) {
        if let Some(usage) = usage {
            self.counters.read(usage.as_bytes());
            tell(Event::Usage(&self.counters.usage()));
        }
    }

    fn start(&mut self, told: &Told<'_>, tell: Tell<'_>) -> Read<()> {
        self.begin(None, None, tell);
        self.close(tell);
        let Some(json) = told.block.filter(|_| !self.finished) else { return Ok(()) };
        let index = told.index.unwrap_or(u64::from(self.next));
        let draft = Draft::read(&mut Reader::new(json));
        // A block that is not of its form means nothing, and neither do its deltas.
        let Ok(part) = draft.and_then(Draft::part) else {
            self.open = Some(Open { index, block: self.next, kind: Kind::Over });
            return Ok(());
        };
        self.open(index, json, part, tell);
        Ok(())
    }

    fn open(&mut self, index: u64, json: Raw<'_>, part: Part<'_>, tell: Tell<'_>) {
        let block = self.next;
        let mut first = None;
        let kind = match part.content {
            Content::Text(text) => {
                tell(Event::Open { choice: 0, block, kind: Block::Text });
                first = Some(text);
                Kind::Text
            }
            Content::Cited(text, citations) => {
                tell(Event::Open { choice: 0, block, kind: Block::Text });
                tell_text(block, &text, tell);
                for citation in &citations {
                    tell(Event::Delta { choice: 0, block, delta: Delta::Citation(citation) });
                }
                Kind::Text
            }
            Content::Thought(thought) => {
                let kind = Block::Thought { summary: false, id: None, redacted: thought.redacted };
                tell(Event::Open { choice: 0, block, kind });
                tell_text(block, &thought.text, tell);
                if let Some(seal) = &thought.seal {
                    tell(Event::Delta { choice: 0, block, delta: Delta::Seal(seal) });
                }
                Kind::Thought
            }
            Content::ToolCall(call) if call.name == ANSWER_TOOL => {
                tell(Event::Open { choice: 0, block, kind: Block::Text });
                first = Some(call.arguments);
                Kind::Answer
            }
            Content::ToolCall(call) => {
                self.called = true;
                first = Some(call.arguments);
                let (id, name) = (call.id.into_owned(), call.name.into_owned());
                Kind::Undecided { id, name, arguments: String::new() }
            }
            Content::Foreign(foreign) if !foreign.kind.ends_with("_tool_use") => {
                let part = Content::Foreign(foreign).into();
                tell(Event::Whole { choice: 0, block, part: &part });
                Kind::Over
            }
            Content::Foreign(_) => Kind::Held { json: json.to_owned(), input: String::new() },
            _ => {
                self.open = Some(Open { index, block, kind: Kind::Over });
                return;
            }
        };
        self.next += 1;
        self.open = Some(Open { index, block, kind });
        // Calls begin with an empty object that their deltas replace.
        if let Some(first) = first.filter(|first| !is_empty_object(first)) {
            self.more(&first, tell);
        }
    }

    fn delta(&mut self, told: &Told<'_>, tell: Tell<'_>) -> Read<()> {
        let step = &told.delta;
        let piece = step.piece.as_deref().unwrap_or_default();
        let is_open =
            self.open.as_ref().is_some_and(|open| told.index.is_none_or(|index| index == open.index));
        if !is_open && !self.stray(told, tell) {
            return Ok(());
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        match (&*step.kind, &open.kind) {
            ("text_delta", Kind::Text)
            | ("thinking_delta", Kind::Thought)
            | ("input_json_delta", Kind::Call | Kind::Answer) => tell_text(open.block, piece, tell),
            ("signature_delta", Kind::Thought) if !piece.is_empty() => {
                let seal = sealed(piece.into());
                tell(Event::Delta { choice: 0, block: open.block, delta: Delta::Seal(&seal) });
            }
            ("citations_delta", Kind::Text) => {
                if let Some(json) = step.citation {
                    let citation = citation(json)?;
                    tell(Event::Delta { choice: 0, block: open.block, delta: Delta::Citation(&citation) });
                }
            }
            ("input_json_delta", _) => self.more(piece, tell),
            _ => {}
        }
        Ok(())
    }

    /// A delta of a block that is not open. Of texts and thoughts it opens one; of a call it is lost.
    fn stray(&mut self, told: &Told<'_>, tell: Tell<'_>) -> bool {
        let part = match &*told.delta.kind {
            _ if self.finished => return false,
            "text_delta" => Content::Text("".into()).into(),
            "thinking_delta" => Content::Thought(Thought::default()).into(),
            _ => return false,
        };
        self.begin(None, None, tell);
        self.close(tell);
        self.open(told.index.unwrap_or_default(), "", part, tell);
        true
    }

    /// More of a call, or the first of a text.
    fn more(&mut self, piece: &str, tell: Tell<'_>) {
        let Some(open) = &mut self.open else { return };
        match &mut open.kind {
            Kind::Text | Kind::Call | Kind::Answer => tell_text(open.block, piece, tell),
            Kind::Custom { arguments } | Kind::Held { input: arguments, .. } => hold(arguments, piece),
            Kind::Undecided { id, name, arguments } => {
                hold(arguments, piece);
                if let Some(custom) = custom::begins(arguments) {
                    tell(Event::Open {
                        choice: 0,
                        block: open.block,
                        kind: Block::ToolCall { id, name, custom },
                    });
                    let arguments = std::mem::take(arguments);
                    if custom {
                        open.kind = Kind::Custom { arguments };
                    } else {
                        open.kind = Kind::Call;
                        tell_text(open.block, &arguments, tell);
                    }
                }
            }
            Kind::Thought | Kind::Over => {}
        }
    }

    fn close(&mut self, tell: Tell<'_>) {
        let Some(Open { block, kind, .. }) = self.open.take() else { return };
        match kind {
            Kind::Over => return,
            Kind::Held { json, input } => return tell_whole(block, &json, &input, tell),
            Kind::Undecided { id, name, arguments } => {
                let kind = Block::ToolCall { id: &id, name: &name, custom: false };
                tell(Event::Open { choice: 0, block, kind });
                tell_text(block, &arguments, tell);
            }
            Kind::Custom { arguments } => {
                let text = custom::text_of(&arguments).unwrap_or(arguments);
                tell_text(block, &text, tell);
            }
            Kind::Text | Kind::Thought | Kind::Call | Kind::Answer => {}
        }
        tell(Event::Close { choice: 0, block });
    }

    fn message_delta(&mut self, told: Told<'_>, tell: Tell<'_>) {
        self.begin(None, None, tell);
        self.close(tell);
        self.usage(told.usage, tell);
        if told.delta.stop_reason.is_some() {
            let reason = finish(told.delta.stop_reason, told.delta.stop_sequence, self.called);
            self.finish(reason, tell);
        }
    }

    fn finish(&mut self, finish: Finish<'_>, tell: Tell<'_>) {
        if !std::mem::replace(&mut self.finished, true) {
            tell(Event::Finish { choice: 0, finish });
        }
    }

    fn stop(&mut self, tell: Tell<'_>) {
        self.begin(None, None, tell);
        self.close(tell);
        let reason = if self.called { Finish::ToolCalls } else { Finish::Stop };
        self.finish(reason, tell);
        self.ended = true;
        tell(Event::End);
    }
}

#[inline]
fn tell_text(block: u32, text: &str, tell: Tell<'_>) {
    if !text.is_empty() {
        tell(Event::Delta { choice: 0, block, delta: Delta::Text(text) });
    }
}

/// A block of the provider's with the input that followed it.
fn tell_whole(block: u32, json: &str, input: &str, tell: Tell<'_>) {
    let mut whole = Vec::new();
    let mut object = Object::new(&mut whole);
    let input = Some(input).filter(|input| strict::is_object(input.as_bytes()));
    let copied = Reader::new(json).object(|name, value| {
        let value = value.raw()?;
        object.raw_of(name, input.filter(|_| name == "input").unwrap_or(value));
        Ok(())
    });
    drop(object);
    let whole = copied.ok().and_then(|()| String::from_utf8(whole).ok());
    let json = whole.as_deref().unwrap_or(json);
    if let Ok(part) = Draft::read(&mut Reader::new(json)).and_then(Draft::part) {
        tell(Event::Whole { choice: 0, block, part: &part });
    }
}

/// Keeps what is short of the bound; a call that is longer is cut and will not parse.
fn hold(held: &mut String, piece: &str) {
    if held.len() + piece.len() <= MOST_HELD {
        held.push_str(piece);
    }
}

fn is_empty_object(json: &str) -> bool {
    let inside = json.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    json.is_empty() || inside.is_some_and(|inside| inside.trim().is_empty())
}

/// Bytes of one call that are kept at most.
const MOST_HELD: usize = 4 * 1024 * 1024;
