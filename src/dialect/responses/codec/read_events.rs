//! Streams of a target.
//!
//! Format: OpenAI API reference, "Streaming events". Items come one after another; should a server tell two at a time,
//! the later one is told when it is whole, since blocks do not overlap.

use std::borrow::Cow;

use super::read_items::{BETWEEN_THOUGHTS, Fields};
use super::read_parts::read_citation;
use super::read_response::{Ending, read_chances, read_item, read_time};
use crate::dialect::canon::blocks::Tell;
use crate::dialect::canon::{Block, Choice, Content, Delta, Event, Finish, Maker, Seal};
use crate::dialect::codec::{EventReader, Frame};
use crate::dialect::frame::sse::MAX_FRAME;
use crate::dialect::json::{Raw, Read, Reader};
use crate::dialect::responses::{answer, error};

/// Reads one stream.
#[derive(Debug, Default)]
pub struct EventsReader {
    begun: bool,
    over: bool,
    /// Number of the next block.
    next: u32,
    open: Option<Open>,
    /// The item of thoughts whose deltas are awaited, and its id.
    thinks: Option<(u64, Option<String>)>,
    /// Items of which something was told, by their numbers.
    told: Vec<u64>,
    /// Items that were complete while another was open.
    waiting: Vec<String>,
    calls: bool,
    refuses: bool,
}

/// The block that is open.
#[derive(Clone, Copy, Debug)]
struct Open {
    kind: Kind,
    /// Which item of the output it belongs to.
    item: u64,
    block: u32,
    /// Bytes told of it.
    told: usize,
    /// A paragraph ended: the next text begins another.
    breaks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Thought { summary: bool },
    Call,
}

/// The members of every kind of event.
#[derive(Debug, Default)]
struct Said<'a> {
    kind: Cow<'a, str>,
    delta: Option<Cow<'a, str>>,
    /// The whole text, in an event that ends it.
    text: Option<Cow<'a, str>>,
    item_index: u64,
    summary_index: u64,
    item: Option<Raw<'a>>,
    response: Option<Raw<'a>>,
    annotation: Option<Raw<'a>>,
    logprobs: Option<Raw<'a>>,
}

impl<'a> Said<'a> {
    fn read(data: &'a str) -> Read<Said<'a>> {
        let mut said = Said::default();
        Reader::new(data).object(|name, value| {
            match name {
                "type" => said.kind = value.text_if()?.unwrap_or_default(),
                "delta" => said.delta = value.text_if()?,
                "text" | "arguments" | "input" | "refusal" => said.text = value.text_if()?,
                "output_index" => said.item_index = value.count_if()?.unwrap_or(0),
                "summary_index" => said.summary_index = value.count_if()?.unwrap_or(0),
                "item" => said.item = Some(value.raw()?),
                "response" => said.response = Some(value.raw()?),
                "annotation" => said.annotation = Some(value.raw()?),
                "logprobs" => said.logprobs = Some(value.raw()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(said)
    }
}

impl EventReader for EventsReader {
    fn read(&mut self, frame: &Frame<'_>, tell: &mut Tell<'_>) -> Read<()> {
        if self.over || frame.data.trim_ascii() == "[DONE]" {
            return Ok(());
        }
        let said = Said::read(frame.data)?;
        let kind = if said.kind.is_empty() { frame.name.unwrap_or_default() } else { &*said.kind };
        match kind {
            "response.output_text.delta" => self.delta(Kind::Text, &said, tell)?,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.call_delta(&said, tell);
            }
            "response.reasoning_summary_text.delta" => {
                self.delta(Kind::Thought { summary: true }, &said, tell)?;
            }
            "response.reasoning_text.delta" => self.delta(Kind::Thought { summary: false }, &said, tell)?,
            "response.refusal.delta" => self.delta(Kind::Refusal, &said, tell)?,
            "response.created" => self.begin(said.response, tell)?,
            "response.completed" | "response.incomplete" => self.complete(kind, &said, tell)?,
            "response.failed" | "error" => {
                self.over = true;
                tell(Event::Failed(&error::read_in_band(frame.data.as_bytes())));
            }
            _ => self.edge(kind, &said, tell)?,
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Tell<'_>) {}
}

impl EventsReader {
    fn begin(&mut self, response: Option<Raw<'_>>, tell: &mut Tell<'_>) -> Read<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let (mut id, mut model, mut created) = (None, None, None);
        Reader::new(response.unwrap_or("null")).object_if(|name, value| {
            match name {
                "id" => id = value.text_if()?,
                "model" => model = value.text_if()?,
                "created_at" => created = read_time(value)?,
                _ => {}
            }
            Ok(())
        })?;
        tell(Event::Begin { id: id.as_deref(), model: model.as_deref(), created });
        Ok(())
    }

    /// Events between the deltas: edges of items and of their parts.
    fn edge(&mut self, kind: &str, said: &Said<'_>, tell: &mut Tell<'_>) -> Read<()> {
        match kind {
            "response.output_item.added" => self.item_added(said, tell),
            "response.output_item.done" => self.item_done(said, tell),
            "response.output_text.done" => self.whole(Kind::Text, said, tell),
            "response.refusal.done" => self.whole(Kind::Refusal, said, tell),
            "response.reasoning_text.done" => self.whole(Kind::Thought { summary: false }, said, tell),
            "response.reasoning_summary_text.done" => self.whole(Kind::Thought { summary: true }, said, tell),
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                if self.open.is_some_and(|open| open.told == 0) {
                    let whole =
                        Said { delta: said.text.clone(), item_index: said.item_index, ..Said::default() };
                    self.call_delta(&whole, tell);
                }
                Ok(())
            }
            "response.output_text.annotation.added" => self.annotation(said, tell),
            "response.content_part.added" | "response.content_part.done" => {
                if self.open.is_some_and(|open| matches!(open.kind, Kind::Text | Kind::Refusal)) {
                    self.close(tell);
                }
                Ok(())
            }
            "response.reasoning_summary_part.added" if said.summary_index > 0 => {
                if let Some(open) = &mut self.open {
                    open.breaks |= open.kind == (Kind::Thought { summary: true }) && open.told > 0;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A piece of a text, of thoughts or of a refusal.
    fn delta(&mut self, kind: Kind, said: &Said<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let text = said.delta.as_deref().unwrap_or_default();
        let chances = said.logprobs.filter(|list| *list != "[]");
        if text.is_empty() && (chances.is_none() || self.open.is_none()) {
            return Ok(());
        }
        let Some(open) = self.opened(kind, said.item_index, tell)? else { return Ok(()) };
        let block = open.block;
        open.told = open.told.saturating_add(text.len());
        if std::mem::take(&mut open.breaks) {
            tell(Event::Delta { choice: 0, block, delta: Delta::Text(BETWEEN_THOUGHTS) });
        }
        if !text.is_empty() {
            tell(Event::Delta { choice: 0, block, delta: Delta::Text(text) });
        }
        chances.map_or(Ok(()), |list| tell_chances(list, tell))
    }

    /// The end of a text of which nothing was told before.
    fn whole(&mut self, kind: Kind, said: &Said<'_>, tell: &mut Tell<'_>) -> Read<()> {
        if self.open.is_some_and(|open| open.kind == kind && open.told > 0 && !open.breaks) {
            return Ok(());
        }
        let whole = Said { delta: said.text.clone(), item_index: said.item_index, ..Said::default() };
        self.delta(kind, &whole, tell)
    }

    fn call_delta(&mut self, said: &Said<'_>, tell: &mut Tell<'_>) {
        let Some(open) = self.open.as_mut().filter(|open| open.kind == Kind::Call) else { return };
        let text = said.delta.as_deref().unwrap_or_default();
        if open.item == said.item_index && !text.is_empty() {
            open.told = open.told.saturating_add(text.len());
            tell(Event::Delta { choice: 0, block: open.block, delta: Delta::Text(text) });
        }
    }

    /// The open block of this kind and item. None while a block of another item is open.
    fn opened(&mut self, kind: Kind, item: u64, tell: &mut Tell<'_>) -> Read<Option<&mut Open>> {
        match self.open {
            Some(open) if open.kind == kind && open.item == item => return Ok(self.open.as_mut()),
            Some(open) if open.item != item => return Ok(None),
            _ => {}
        }
        self.close(tell);
        let thought = self.thinks.take_if(|(index, _)| *index == item);
        let id = thought.as_ref().and_then(|(_, id)| id.as_deref());
        let block = match kind {
            Kind::Text => Block::Text,
            Kind::Refusal => Block::Refusal,
            Kind::Thought { summary } => Block::Thought { summary, id, redacted: false },
            Kind::Call => return Ok(None),
        };
        self.refuses |= kind == Kind::Refusal;
        self.open_block(kind, item, block, tell)?;
        Ok(self.open.as_mut())
    }

    fn open_block(&mut self, kind: Kind, item: u64, block: Block<'_>, tell: &mut Tell<'_>) -> Read<()> {
        self.begin(None, tell)?;
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.open = Some(Open { kind, item, block: number, told: 0, breaks: false });
        if self.told.len() < MOST_ITEMS && !self.told.contains(&item) {
            self.told.push(item);
        }
        tell(Event::Open { choice: 0, block: number, kind: block });
        Ok(())
    }

    fn close(&mut self, tell: &mut Tell<'_>) {
        if let Some(open) = self.open.take() {
            tell(Event::Close { choice: 0, block: open.block });
        }
    }

    fn item_added(&mut self, said: &Said<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let Some(item) = said.item.filter(|_| self.open.is_none()) else { return Ok(()) };
        let mut fields = Fields::read(&mut Reader::new(item))?;
        match fields.kind.as_deref() {
            Some("function_call" | "custom_tool_call") => {
                let Ok(call) = fields.call() else { return Ok(()) };
                self.calls = true;
                let block = Block::ToolCall { id: &call.id, name: &call.name, custom: call.custom };
                self.open_block(Kind::Call, said.item_index, block, tell)
            }
            Some("reasoning") => {
                self.thinks = Some((said.item_index, fields.id.map(Cow::into_owned)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An item of which nothing was told is told whole.
    fn item_done(&mut self, said: &Said<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let Some(item) = said.item else { return Ok(()) };
        let index = said.item_index;
        if self.open.is_some_and(|open| open.item == index) {
            self.seal(item, tell)?;
            self.close(tell);
            for item in std::mem::take(&mut self.waiting) {
                self.item_whole(&item, tell)?;
            }
        } else if !self.told.contains(&index) {
            if self.open.is_none() {
                return self.item_whole(item, tell);
            }
            let kept: usize = self.waiting.iter().map(String::len).sum();
            if self.waiting.len() < MOST_ITEMS && kept + item.len() <= MAX_FRAME {
                self.waiting.push(item.to_owned());
            }
        }
        Ok(())
    }

    fn item_whole(&mut self, item: Raw<'_>, tell: &mut Tell<'_>) -> Read<()> {
        self.begin(None, tell)?;
        let mut choice = Choice { parts: Vec::new(), finish: Finish::Stop, logprobs: Vec::new() };
        read_item(&mut Reader::new(item), &mut choice)?;
        for part in &choice.parts {
            self.calls |= matches!(part.content, Content::ToolCall(_));
            self.refuses |= matches!(part.content, Content::Refusal(_));
            crate::dialect::canon::event::replay_part(0, self.next, part, tell);
            self.next = self.next.saturating_add(1);
        }
        Ok(())
    }

    /// Thoughts are sealed when they are complete.
    fn seal(&mut self, item: Raw<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let Some(open) = self.open.filter(|open| matches!(open.kind, Kind::Thought { .. })) else {
            return Ok(());
        };
        Reader::new(item).object_if(|name, value| {
            if name == "encrypted_content"
                && let Some(data) = value.text_if()?.filter(|data| !data.is_empty())
            {
                let seal = Seal { maker: Maker::OpenAi, data };
                tell(Event::Delta { choice: 0, block: open.block, delta: Delta::Seal(&seal) });
            }
            Ok(())
        })
    }

    fn annotation(&mut self, said: &Said<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let Some(annotation) = said.annotation.filter(|json| json.starts_with('{')) else { return Ok(()) };
        let citation = read_citation(&mut Reader::new(annotation))?;
        if let Some(open) = self.opened(Kind::Text, said.item_index, tell)? {
            tell(Event::Delta { choice: 0, block: open.block, delta: Delta::Citation(&citation) });
        }
        Ok(())
    }

    /// The last event. Servers that told nothing before have it all in here.
    fn complete(&mut self, kind: &str, said: &Said<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let response = said.response.unwrap_or("null");
        self.begin(Some(response), tell)?;
        self.close(tell);
        for item in std::mem::take(&mut self.waiting) {
            self.item_whole(&item, tell)?;
        }
        let mut ending = Ending::default();
        let nothing_told = self.next == 0;
        let mut usage = None;
        Reader::new(response).object_if(|name, value| {
            match name {
                "usage" => usage = Some(answer::read_usage(value.raw()?.as_bytes())),
                "output" if nothing_told => {
                    value.array_if(|item| self.item_whole(item.raw()?, tell))?;
                }
                _ => ending.take(name, value)?,
            }
            Ok(())
        })?;
        if let Some(usage) = usage.filter(|usage| !usage.is_empty()) {
            tell(Event::Usage(&usage));
        }
        ending.assume(kind.strip_prefix("response.").unwrap_or_default());
        tell(Event::Finish { choice: 0, finish: ending.finish_of(self.calls, self.refuses) });
        self.over = true;
        tell(Event::End);
        Ok(())
    }
}

fn tell_chances(list: Raw<'_>, tell: &mut Tell<'_>) -> Read<()> {
    let mut chances = Vec::new();
    read_chances(list, &mut chances)?;
    if !chances.is_empty() {
        tell(Event::Chances { choice: 0, chances: &chances });
    }
    Ok(())
}

/// Items of one answer that are kept track of.
const MOST_ITEMS: usize = 256;
