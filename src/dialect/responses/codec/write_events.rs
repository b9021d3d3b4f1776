//! Streams to the caller, and whole answers, which are the same items told at once.
//!
//! Order of events: OpenAI API reference, "Streaming events". The writer keeps the items it has told, escaped as they
//! were sent: the last event repeats them all.

use super::caller::Caller;
use super::frames::Frames;
use super::open_item::Item;
use super::place::Place;
use super::shell::{Shell, State};
use crate::dialect::Usage;
use crate::dialect::canon::{Block, Delta, Event, Finish};
use crate::dialect::codec::{EventWriter, Outward};
use crate::dialect::responses::error::{answer_id, plain};
use crate::error::Error;

/// Writes one answer. Others than the first are left out: there is room for one.
pub struct Writer {
    caller: Caller,
    alias: String,
    id: String,
    /// What the ids of items are made from.
    part: String,
    created: u64,
    frames: Frames,
    begun: bool,
    over: bool,
    /// Items that are complete, in brackets once the answer is.
    output: Vec<u8>,
    /// How many there are.
    items: u32,
    calls: u32,
    item: Item,
    usage: Usage,
    refused: bool,
    state: State<'static>,
}

impl Writer {
    pub fn new(outward: &Outward) -> Writer {
        Writer {
            caller: Caller::read(&outward.body),
            alias: outward.alias.clone(),
            id: answer_id(&outward.request_id),
            part: plain(&outward.request_id),
            created: outward.created,
            frames: Frames::default(),
            begun: false,
            over: false,
            output: Vec::new(),
            items: 0,
            calls: 0,
            item: Item::None,
            usage: Usage::default(),
            refused: false,
            state: State::Completed,
        }
    }

    /// The response object of what has been told.
    pub fn shell<'s>(&'s self, state: State<'s>) -> Shell<'s> {
        Shell {
            id: &self.id,
            created: self.created,
            model: &self.alias,
            state,
            output: &self.output,
            usage: self.usage,
        }
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    pub fn state(&self) -> State<'static> {
        self.state
    }

    fn begin(&mut self, id: Option<&str>, created: Option<u64>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        if let Some(id) = id.filter(|id| id.starts_with("resp_") && plain(id) == *id) {
            self.id = id.to_owned();
        }
        self.created = created.unwrap_or(self.created);
        self.tell("response.created", State::InProgress, out);
        self.tell("response.in_progress", State::InProgress, out);
    }

    /// An event with the whole response object.
    fn tell(&mut self, name: &str, state: State<'_>, out: &mut Vec<u8>) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.write(name, out, |event| {
            event.object("response", |response| self.shell(state).write(&self.caller, response));
        });
        self.frames = frames;
    }

    fn place<'w>(&'w mut self, out: &'w mut Vec<u8>) -> (&'w mut Item, Place<'w>) {
        let Writer { item, caller, part, frames, output, items, calls, .. } = self;
        (item, Place { caller, part, frames, output, items, calls, out })
    }

    /// Tells the end of the item that is open. `status` is that of the item.
    fn close(&mut self, status: &'static str, out: &mut Vec<u8>) {
        let (item, mut place) = self.place(out);
        std::mem::take(item).finish(status, &mut place);
    }

    fn open(&mut self, block: &Block<'_>, out: &mut Vec<u8>) {
        self.refused |= matches!(block, Block::Refusal);
        if !(self.item.is_message() && matches!(block, Block::Text | Block::Refusal)) {
            self.close("completed", out);
        }
        let (item, mut place) = self.place(out);
        item.open(block, &mut place);
    }

    fn finish(&mut self, finish: &Finish<'_>, out: &mut Vec<u8>) {
        self.state = State::of(finish, self.refused);
        let status = if matches!(self.state, State::Incomplete(_)) { "incomplete" } else { "completed" };
        self.close(status, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.close("completed", out);
        self.over = true;
        let (name, state) = match self.state {
            State::Incomplete(_) => ("response.incomplete", self.state),
            _ => ("response.completed", State::Completed),
        };
        self.tell(name, state, out);
        self.output.insert(0, b'[');
        self.output.push(b']');
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if let Event::Delta { choice: 0, delta: Delta::Text(text), .. } = event {
            let (item, mut place) = self.place(out);
            return item.text(text, &mut place);
        }
        match event {
            Event::Begin { id, created, .. } => return self.begin(*id, *created, out),
            _ => self.begin(None, None, out),
        }
        match event {
            Event::Open { choice: 0, kind, .. } => self.open(kind, out),
            Event::Delta { choice: 0, delta, .. } => {
                let (item, mut place) = self.place(out);
                match delta {
                    Delta::Text(text) => item.text(text, &mut place),
                    Delta::Seal(seal) => item.seal(seal),
                    Delta::Citation(citation) => item.citation(citation, &mut place),
                }
            }
            Event::Whole { choice: 0, part, .. } => {
                self.close("completed", out);
                let (_, mut place) = self.place(out);
                place.whole(&part.content);
            }
            Event::Chances { choice: 0, chances } => {
                let (item, mut place) = self.place(out);
                item.chances(chances, &mut place);
            }
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish { choice: 0, finish } => self.finish(finish, out),
            Event::End => self.end(out),
            // Items end where the next begins: parts of one message may follow.
            Event::Close { .. } => {}
            _ => {}
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.begin(None, None, out);
        self.over = true;
        self.tell("response.failed", State::Failed(error), out);
    }

    fn answer(&self) -> Option<&[u8]> {
        (self.over && self.output.starts_with(b"[")).then_some(&*self.output)
    }
}
