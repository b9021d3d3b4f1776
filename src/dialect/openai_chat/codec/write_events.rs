//! Streams: chunks with one delta each, the usage if the caller asked for it, and `[DONE]`.

use super::super::error;
use super::write_response::{answer_id, asks_older, made_call_id, write_image};
use super::{call, outcome};
use crate::dialect::Usage;
use crate::dialect::canon::{
    Block, Citation, Content, Delta, Event, Finish, Maker, MediaKind, Part, Seal, Source,
};
use crate::dialect::codec::{EventWriter, Outward};
use crate::dialect::frame::sse;
use crate::dialect::json::{Array, Object, write_text};
use crate::error::Error;

/// Writes the chunks of one stream.
#[derive(Debug)]
pub struct ChunkWriter {
    outward: Outward,
    /// What every chunk begins with, up to the choices. Empty until the answer begins.
    head: Vec<u8>,
    choices: Vec<Choice>,
    usage: Usage,
    /// Calls of all choices, for ids that are missing.
    calls: u64,
    /// Calls have the form before tools, as the caller declared them. Known when the first one comes.
    older: Option<bool>,
}

/// What must be remembered of one answer.
#[derive(Clone, Debug, Default)]
struct Choice {
    /// The chunk that says whose message it is has been sent.
    announced: bool,
    open: Open,
    calls: u64,
    images: usize,
    refused: bool,
    /// Characters of text so far, and before the open block.
    said: u64,
    said_before: u64,
    /// The block before this one.
    last: Open,
}

/// The block that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Thought,
    Refusal,
    /// Has it arguments yet?
    Call {
        custom: bool,
        empty: bool,
    },
}

impl ChunkWriter {
    pub fn new(outward: &Outward) -> Self {
        ChunkWriter {
            outward: outward.clone(),
            head: Vec::new(),
            choices: vec![Choice::default()],
            usage: Usage::default(),
            calls: 0,
            older: None,
        }
    }

    fn begin(&mut self, id: Option<&str>, created: Option<u64>) {
        if !self.head.is_empty() {
            return;
        }
        self.head.extend_from_slice(b"data: ");
        let made = answer_id(&self.outward);
        let mut object = Object::new(&mut self.head);
        object.text("id", id.unwrap_or(&made)).text("object", "chat.completion.chunk");
        object.value("created", created.unwrap_or(self.outward.created)).text("model", &self.outward.alias);
        drop(object);
        // The object goes on in every chunk.
        self.head.pop();
        self.head.extend_from_slice(b",\"choices\":[");
    }

    fn state(&mut self, choice: u32) -> &mut Choice {
        let index = choice.min(MOST_CHOICES) as usize;
        while self.choices.len() <= index {
            self.choices.push(Choice::default());
        }
        &mut self.choices[index]
    }

    /// Says whose message it is, once.
    fn announce(&mut self, choice: u32, out: &mut Vec<u8>) {
        if self.head.is_empty() {
            self.begin(None, None);
        }
        if !std::mem::replace(&mut self.state(choice).announced, true) {
            self.chunk(choice, out, |out| out.extend_from_slice(br#"{"role":"assistant","content":""}"#));
        }
    }

    /// One chunk; `delta` writes the object of that name.
    #[inline]
    fn chunk(&self, choice: u32, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        self.chunk_until(choice, out, delta);
        out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
    }

    #[inline]
    fn chunk_until(&self, choice: u32, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        write_number(out, choice);
        out.extend_from_slice(b",\"delta\":");
        delta(out);
    }

    /// A delta of one text.
    fn text(&self, choice: u32, out: &mut Vec<u8>, member: &[u8], text: &str) {
        self.chunk(choice, out, |out| {
            out.extend_from_slice(member);
            write_text(out, text);
            out.push(b'}');
        });
    }

    /// A delta of the call that is open.
    fn call(&self, choice: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        let index = self.choices.get(choice.min(MOST_CHOICES) as usize).map_or(0, |state| state.calls);
        self.chunk(choice, out, |out| {
            Object::new(out).array("tool_calls", |array| {
                array.object(|object| {
                    object.value("index", index.saturating_sub(1));
                    fill(object);
                });
            });
        });
    }

    /// A delta of the call in the form before tools. There was but one.
    fn function_call(&self, choice: u32, out: &mut Vec<u8>, name: Option<&str>, arguments: &str) {
        let first = self.choices.get(choice.min(MOST_CHOICES) as usize).is_some_and(|state| state.calls == 1);
        if first {
            self.chunk(choice, out, |out| {
                Object::new(out).object("function_call", |function| {
                    function.text_if("name", name).text("arguments", arguments);
                });
            });
        }
    }

    fn open(&mut self, choice: u32, block: &Block<'_>, out: &mut Vec<u8>) {
        self.announce(choice, out);
        let state = self.state(choice);
        state.said_before = state.said;
        state.open = match block {
            Block::Text => Open::Text,
            Block::Thought { .. } => Open::Thought,
            Block::Refusal => Open::Refusal,
            Block::ToolCall { custom, .. } => Open::Call { custom: *custom, empty: true },
        };
        match block {
            // Thoughts are one text here; blocks of them are told apart.
            Block::Thought { .. } if state.last == Open::Thought => {
                self.text(choice, out, REASONING, "\n\n");
            }
            Block::ToolCall { id, name, custom } => {
                state.calls += 1;
                self.calls += 1;
                self.open_call(choice, out, id, name, *custom);
            }
            _ => {}
        }
    }

    fn open_call(&mut self, choice: u32, out: &mut Vec<u8>, id: &str, name: &str, custom: bool) {
        if *self.older.get_or_insert_with(|| asks_older(&self.outward)) {
            return self.function_call(choice, out, Some(name), "");
        }
        let made;
        let id = match id {
            "" => {
                made = made_call_id(&self.outward, self.calls.saturating_sub(1));
                &made
            }
            id => id,
        };
        let (kind, input) = said_in(custom);
        self.call(choice, out, |call| {
            call.text("id", id).text("type", kind).object(kind, |inner| {
                inner.text("name", name).text(input, "");
            });
        });
    }

    fn piece(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        let state = self.state(choice);
        match state.open {
            Open::Text => {
                state.said += text.chars().count() as u64;
                self.text(choice, out, CONTENT, text);
            }
            Open::Thought => self.text(choice, out, REASONING, text),
            Open::Refusal => {
                state.refused = true;
                self.text(choice, out, REFUSAL, text);
            }
            Open::Call { custom, .. } => {
                state.open = Open::Call { custom, empty: false };
                self.arguments(choice, custom, text, out);
            }
            Open::Nothing => {}
        }
    }

    fn arguments(&self, choice: u32, custom: bool, text: &str, out: &mut Vec<u8>) {
        if self.older == Some(true) {
            return self.function_call(choice, out, None, text);
        }
        let (kind, input) = said_in(custom);
        self.call(choice, out, |call| {
            call.object(kind, |inner| {
                inner.text(input, text);
            });
        });
    }

    fn close(&mut self, choice: u32, out: &mut Vec<u8>) {
        let state = self.state(choice);
        state.last = std::mem::take(&mut state.open);
        // Clients parse the arguments, and no text is no JSON.
        if state.last == (Open::Call { custom: false, empty: true }) {
            self.arguments(choice, false, "{}", out);
        }
    }

    fn seal(&self, choice: u32, seal: &Seal<'_>, out: &mut Vec<u8>) {
        let state = self.choices.get(choice.min(MOST_CHOICES) as usize);
        let Some(Open::Call { custom, .. }) = state.map(|state| state.open) else { return };
        if seal.maker == Maker::Gemini && self.older == Some(false) {
            // Clients look into the function of every delta of a call.
            let (kind, input) = said_in(custom);
            self.call(choice, out, |object| {
                object.object(kind, |inner| {
                    inner.text(input, "");
                });
                call::write_seal(object, Some(seal));
            });
        }
    }

    fn citation(&mut self, choice: u32, citation: &Citation<'_>, out: &mut Vec<u8>) {
        if citation.url.is_none() {
            return;
        }
        let state = self.state(choice);
        let around = (state.said_before, state.said);
        self.chunk(choice, out, |out| {
            Object::new(out).array("annotations", |list| outcome::write_citation(list, citation, around));
        });
    }

    fn whole(&mut self, choice: u32, part: &Part<'_>, out: &mut Vec<u8>) {
        let Content::Media(media) = &part.content else { return };
        self.announce(choice, out);
        match (media.kind, &media.source) {
            (MediaKind::Image, _) => {
                let state = self.state(choice);
                state.images += 1;
                let index = state.images - 1;
                self.chunk(choice, out, |out| {
                    Object::new(out)
                        .array("images", |images: &mut Array<'_>| write_image(images, media, index));
                });
            }
            (MediaKind::Audio, Source::Base64 { data, .. }) => self.chunk(choice, out, |out| {
                Object::new(out).object("audio", |audio| {
                    audio.text("data", data);
                });
            }),
            _ => {}
        }
    }

    fn finish(&mut self, choice: u32, finish: &Finish<'_>, out: &mut Vec<u8>) {
        self.announce(choice, out);
        let word = match finish {
            Finish::ToolCalls if self.older == Some(true) => "function_call",
            finish => outcome::finish_word(finish, self.state(choice).refused),
        };
        self.chunk_until(choice, out, |out| out.extend_from_slice(b"{}"));
        out.extend_from_slice(b",\"finish_reason\":");
        write_text(out, word);
        out.extend_from_slice(b"}]}\n\n");
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.outward.usage_asked && !self.usage.is_empty() {
            self.begin(None, None);
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            outcome::write_usage(&mut Object::new(out), &self.usage);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl EventWriter for ChunkWriter {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { id, created, .. } => {
                self.begin(*id, *created);
                self.announce(0, out);
            }
            Event::Open { choice, kind, .. } => self.open(*choice, kind, out),
            Event::Delta { choice, delta: Delta::Text(text), .. } => self.piece(*choice, text, out),
            Event::Delta { choice, delta: Delta::Seal(seal), .. } => self.seal(*choice, seal, out),
            Event::Delta { choice, delta: Delta::Citation(citation), .. } => {
                self.citation(*choice, citation, out);
            }
            Event::Close { choice, .. } => self.close(*choice, out),
            Event::Whole { choice, part, .. } => self.whole(*choice, part, out),
            Event::Chances { choice, chances } => {
                self.announce(*choice, out);
                self.chunk_until(*choice, out, |out| out.extend_from_slice(b"{}"));
                out.extend_from_slice(b",\"logprobs\":");
                outcome::write_chances(out, chances);
                out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
            }
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish { choice, finish } => self.finish(*choice, finish, out),
            Event::End => self.end(out),
            Event::Failed(_) => {}
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        out.extend_from_slice(&sse::write("error", &error::write(error)));
    }
}

/// Where a call has its input.
const fn said_in(custom: bool) -> (&'static str, &'static str) {
    if custom { ("custom", "input") } else { ("function", "arguments") }
}

fn write_number(out: &mut Vec<u8>, number: u32) {
    match u8::try_from(number) {
        Ok(digit @ 0..10) => out.push(b'0' + digit),
        _ => out.extend_from_slice(number.to_string().as_bytes()),
    }
}

const CONTENT: &[u8] = br#"{"content":"#;
const REASONING: &[u8] = br#"{"reasoning_content":"#;
const REFUSAL: &[u8] = br#"{"refusal":"#;
/// OpenAI's bound on `n`.
const MOST_CHOICES: u32 = 128;
