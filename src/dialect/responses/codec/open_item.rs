//! The item of an answer that is being told, from its first event to its last.

use super::call_item::Call;
use super::frames::{Kind, Repeated};
use super::place::{Place, bracketed, quoted};
use super::write_items::write_texts;
use super::write_parts::{is_sayable, write_annotation, write_chances};
use crate::dialect::canon::{Block, Citation, Maker, Seal, TokenChance};
use crate::dialect::json::Object;
use crate::dialect::skim;

/// The item that is open.
#[derive(Debug, Default)]
pub enum Item {
    #[default]
    None,
    Message(Message),
    Thought(Thought),
    Call(Call),
}

/// A message of parts, one after another.
#[derive(Debug)]
pub struct Message {
    id: String,
    /// Parts that are complete, a comma between each two.
    parts: Vec<u8>,
    count: u32,
    open: Option<Open>,
}

/// The part that is open.
#[derive(Debug)]
struct Open {
    kind: Kind,
    delta: Repeated,
    /// The text so far, escaped.
    text: Vec<u8>,
    annotations: Vec<u8>,
    annotated: u32,
    chances: Vec<u8>,
}

/// What the model thinks. Nothing is told of it before there is something to read.
#[derive(Debug)]
pub struct Thought {
    id: String,
    delta: Option<Repeated>,
    text: Vec<u8>,
    seal: Option<String>,
}

impl Item {
    pub fn is_message(&self) -> bool {
        matches!(self, Item::Message(_))
    }

    /// Opens a block: a part of the message that is open, or a new item.
    pub fn open(&mut self, block: &Block<'_>, place: &mut Place<'_>) {
        match block {
            Block::Text => self.part(Kind::Text, place),
            Block::Refusal => self.part(Kind::Refusal, place),
            Block::Thought { id, .. } => {
                let own = id.filter(|id| id.starts_with("rs_")).map(str::to_owned);
                let id = own.unwrap_or_else(|| place.id("rs"));
                *self = Item::Thought(Thought { id, delta: None, text: Vec::new(), seal: None });
            }
            Block::ToolCall { id, name, custom } => {
                *self = Item::Call(Call::open(id, name, *custom, place));
            }
        }
    }

    /// Opens a part of a message, and the message if there is none.
    fn part(&mut self, kind: Kind, place: &mut Place<'_>) {
        if !self.is_message() {
            let id = place.id("msg");
            place.added(|item| write_message(item, &id, "in_progress", &[]));
            *self = Item::Message(Message { id, parts: Vec::new(), count: 0, open: None });
        }
        if let Item::Message(message) = self {
            message.open(kind, place);
        }
    }

    #[inline]
    pub fn text(&mut self, text: &str, place: &mut Place<'_>) {
        let (delta, whole) = match self {
            Item::Message(Message { open: Some(open), .. }) => (&open.delta, &mut open.text),
            Item::Thought(thought) => {
                if thought.delta.is_none() {
                    thought.begin(place);
                }
                let Some(delta) = &thought.delta else { return };
                (delta, &mut thought.text)
            }
            Item::Call(call) => return call.take(text, place),
            _ => return,
        };
        let written = place.frames.repeat(delta, text, place.out);
        whole.extend_from_slice(place.out.get(written).unwrap_or_default());
    }

    /// Only OpenAI's own seals mean anything here.
    pub fn seal(&mut self, seal: &Seal<'_>) {
        if let (Item::Thought(thought), Maker::OpenAi) = (self, seal.maker) {
            thought.seal = Some(seal.data.clone().into_owned());
        }
    }

    pub fn citation(&mut self, citation: &Citation<'_>, place: &mut Place<'_>) {
        let index = *place.items;
        if let Item::Message(Message { id, count, open: Some(open), .. }) = self
            && open.kind == Kind::Text
            && is_sayable(citation)
        {
            open.annotate(citation, (id, index, *count), place);
        }
    }

    /// They are told behind the text that they belong to, in a piece without text.
    pub fn chances(&mut self, chances: &[TokenChance<'_>], place: &mut Place<'_>) {
        let index = *place.items;
        let Item::Message(Message { id, count, open: Some(open), .. }) = self else { return };
        if open.kind != Kind::Text {
            return;
        }
        let start = open.chances.len();
        write_chances(&mut open.chances, chances);
        let written = open.chances.get(start..).unwrap_or_default();
        let written = written.strip_prefix(b",").unwrap_or(written);
        place.frames.write("response.output_text.delta", place.out, |event| {
            event
                .text("item_id", id)
                .value("output_index", index)
                .value("content_index", *count)
                .text("delta", "");
            bracketed(event.member("logprobs"), written);
        });
    }

    /// Tells the end of the item.
    pub fn finish(self, status: &'static str, place: &mut Place<'_>) {
        match self {
            Item::None => {}
            Item::Message(mut message) => {
                message.close(place);
                place.done(|item| write_message(item, &message.id, status, &message.parts));
            }
            Item::Thought(thought) => thought.finish(place),
            Item::Call(call) => call.finish(status, place),
        }
    }
}

impl Message {
    fn open(&mut self, kind: Kind, place: &mut Place<'_>) {
        self.close(place);
        let (id, index, part) = (&self.id, *place.items, self.count);
        place.event("response.content_part.added", |event| {
            event.text("item_id", id).value("output_index", index).value("content_index", part);
            event.object("part", |object| write_part(object, kind, b"", b"", b""));
        });
        let delta = Repeated::new(kind, |event| {
            event.text("item_id", id).value("output_index", index).value("content_index", part);
        });
        self.open = Some(Open {
            kind,
            delta,
            text: Vec::new(),
            annotations: Vec::new(),
            annotated: 0,
            chances: Vec::new(),
        });
    }

    fn close(&mut self, place: &mut Place<'_>) {
        let Some(open) = self.open.take() else { return };
        let (id, index, part) = (&self.id, *place.items, self.count);
        let name =
            if open.kind == Kind::Text { "response.output_text.done" } else { "response.refusal.done" };
        place.event(name, |event| {
            event.text("item_id", id).value("output_index", index).value("content_index", part);
            match open.kind {
                Kind::Text => {
                    quoted(event.member("text"), &open.text);
                    bracketed(event.member("logprobs"), &open.chances);
                }
                _ => quoted(event.member("refusal"), &open.text),
            }
        });
        if self.count > 0 {
            self.parts.push(b',');
        }
        let start = self.parts.len();
        let mut object = Object::new(&mut self.parts);
        write_part(&mut object, open.kind, &open.text, &open.annotations, &open.chances);
        drop(object);
        let written = self.parts.get(start..).unwrap_or_default();
        place.frames.write("response.content_part.done", place.out, |event| {
            event.text("item_id", id).value("output_index", index).value("content_index", part);
            event.member("part").extend_from_slice(written);
        });
        self.count += 1;
    }
}

impl Open {
    fn annotate(&mut self, citation: &Citation<'_>, at: (&str, u32, u32), place: &mut Place<'_>) {
        let (id, index, part) = at;
        if self.annotated > 0 {
            self.annotations.push(b',');
        }
        let start = self.annotations.len();
        write_annotation(&mut self.annotations, citation, || characters(&self.text));
        let written = self.annotations.get(start..).unwrap_or_default();
        let number = self.annotated;
        place.frames.write("response.output_text.annotation.added", place.out, |event| {
            event.text("item_id", id).value("output_index", index).value("content_index", part);
            event.value("annotation_index", number);
            event.member("annotation").extend_from_slice(written);
        });
        self.annotated += 1;
    }
}

impl Thought {
    fn begin(&mut self, place: &mut Place<'_>) {
        let (id, index) = (&self.id, *place.items);
        place.added(|item| {
            item.text("id", id).text("type", "reasoning").array("summary", |_| {});
        });
        place.event("response.reasoning_summary_part.added", |event| {
            event.text("item_id", id).value("output_index", index).value("summary_index", 0);
            event.object("part", |part| {
                part.text("type", "summary_text").text("text", "");
            });
        });
        self.delta = Some(Repeated::new(Kind::Summary, |event| {
            event.text("item_id", id).value("output_index", index).value("summary_index", 0);
        }));
    }

    fn finish(self, place: &mut Place<'_>) {
        let (id, index) = (&self.id, *place.items);
        match (&self.delta, &self.seal) {
            (None, None) => return,
            (None, Some(_)) => place.added(|item| {
                item.text("id", id).text("type", "reasoning").array("summary", |_| {});
            }),
            (Some(_), _) => {
                place.event("response.reasoning_summary_text.done", |event| {
                    event.text("item_id", id).value("output_index", index).value("summary_index", 0);
                    quoted(event.member("text"), &self.text);
                });
                place.event("response.reasoning_summary_part.done", |event| {
                    event.text("item_id", id).value("output_index", index).value("summary_index", 0);
                    event.object("part", |part| {
                        quoted(part.text("type", "summary_text").member("text"), &self.text);
                    });
                });
            }
        }
        place.done(|item| {
            item.text("id", id).text("type", "reasoning");
            match self.delta {
                None => write_texts(item, "summary", "summary_text", None),
                Some(_) => {
                    item.array("summary", |list| {
                        list.object(|part| {
                            quoted(part.text("type", "summary_text").member("text"), &self.text);
                        });
                    });
                }
            }
            item.text_if("encrypted_content", self.seal.as_deref());
        });
    }
}

fn write_message(item: &mut Object<'_>, id: &str, status: &str, parts: &[u8]) {
    item.text("id", id).text("type", "message").text("status", status);
    bracketed(item.member("content"), parts);
    item.text("role", "assistant");
}

/// Text and chances are escaped and written already.
fn write_part(part: &mut Object<'_>, kind: Kind, text: &[u8], annotations: &[u8], chances: &[u8]) {
    if kind == Kind::Refusal {
        return quoted(part.text("type", "refusal").member("refusal"), text);
    }
    part.text("type", "output_text");
    bracketed(part.member("annotations"), annotations);
    bracketed(part.member("logprobs"), chances);
    quoted(part.member("text"), text);
}

/// Characters of an escaped text.
fn characters(escaped: &[u8]) -> u64 {
    let mut json = Vec::with_capacity(escaped.len() + 2);
    quoted(&mut json, escaped);
    skim::text(&json).map_or(0, |text| text.chars().count() as u64)
}
