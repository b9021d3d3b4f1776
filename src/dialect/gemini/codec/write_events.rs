//! A stream for a caller who speaks Gemini: events of `data: {…}`, each with one part of the answer, the last one with
//! usage and the reason for its end. Nothing but calls is kept: those go out whole.

use smallvec::SmallVec;

use super::chunk::finish_word;
use super::grounding::Grounding;
use super::time;
use super::write_contents::write_call;
use super::write_response::{own, write_chances, write_whole};
use crate::dialect::Usage;
use crate::dialect::canon::{Block, Citation, Delta, Event, Finish, Part, Seal, TokenChance};
use crate::dialect::codec::{EventWriter, Outward};
use crate::dialect::gemini::{error, usage};
use crate::dialect::json::{Array, Object, Words, write_text};
use crate::error::Error;

pub struct Chunks {
    alias: String,
    /// Id of the answer: the request's until the provider tells one.
    id: String,
    created: Option<u64>,
    /// What ends every chunk but the last one, from the list of candidates on.
    tail: Vec<u8>,
    usage: Usage,
    answers: SmallVec<[Answer; 1]>,
}

#[derive(Default)]
struct Answer {
    open: Open,
    grounding: Grounding,
    wide: bool,
    refused: bool,
    finish: Option<String>,
}

/// The block that is open.
#[derive(Default)]
enum Open {
    #[default]
    Text,
    Thought,
    Call(Call),
}

#[derive(Default)]
struct Call {
    id: String,
    name: String,
    custom: bool,
    arguments: String,
    seal: Option<String>,
}

impl Chunks {
    pub fn new(outward: &Outward) -> Self {
        let (alias, id) = (outward.alias.clone(), outward.request_id.clone());
        let usage = Usage::default();
        let mut chunks =
            Chunks { alias, id, created: None, tail: Vec::new(), usage, answers: SmallVec::new() };
        chunks.write_tail();
        chunks
    }
}

impl EventWriter for Chunks {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { id, created, .. } => self.begin(*id, *created),
            Event::Open { choice, kind, .. } => self.open(*choice, kind),
            Event::Delta { choice, delta, .. } => match delta {
                Delta::Text(text) => self.text(*choice, text, out),
                Delta::Seal(seal) => self.seal(*choice, seal, out),
                Delta::Citation(citation) => self.citation(*choice, citation),
            },
            Event::Close { choice, .. } => self.close(*choice, out),
            Event::Whole { choice, part, .. } => self.whole(*choice, part, out),
            Event::Chances { choice, chances } => self.chances(*choice, chances, out),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish { choice, finish } => self.finish(*choice, finish),
            Event::End => self.end(out),
            Event::Failed(_) => {}
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        out.extend_from_slice(&error::frame(error));
    }
}

impl Chunks {
    fn begin(&mut self, id: Option<&str>, created: Option<u64>) {
        if let Some(id) = id {
            id.clone_into(&mut self.id);
        }
        self.created = created;
        self.write_tail();
    }

    fn open(&mut self, choice: u32, kind: &Block<'_>) {
        let answer = self.answer(choice);
        answer.refused |= *kind == Block::Refusal;
        answer.open = match kind {
            Block::Text | Block::Refusal => Open::Text,
            Block::Thought { .. } => Open::Thought,
            Block::ToolCall { id, name, custom } => {
                let (id, name) = ((*id).to_owned(), (*name).to_owned());
                Open::Call(Call { id, name, custom: *custom, ..Call::default() })
            }
        };
    }

    fn text(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        let answer = self.answer(choice);
        let after = match &mut answer.open {
            Open::Call(call) => {
                // What is longer is no call, and memory must not grow with it.
                if call.arguments.len() + text.len() <= MOST_ARGUMENTS {
                    call.arguments.push_str(text);
                }
                return;
            }
            Open::Thought => &br#","thought":true}"#[..],
            Open::Text => {
                answer.wide |= !text.is_ascii();
                b"}"
            }
        };
        out.extend_from_slice(HEAD);
        out.extend_from_slice(br#"{"text":"#);
        write_text(out, text);
        out.extend_from_slice(after);
        self.write_rest(choice, out);
    }

    /// A signature comes behind its block's text, on an empty one.
    fn seal(&mut self, choice: u32, seal: &Seal<'_>, out: &mut Vec<u8>) {
        let Some(signature) = own(Some(seal)) else { return };
        let thought = match &mut self.answer(choice).open {
            Open::Call(call) => return call.seal = Some(signature.to_owned()),
            Open::Thought => Some(true),
            Open::Text => None,
        };
        self.part(choice, out, |parts| {
            parts.object(|part| {
                part.text("text", "").value_if("thought", thought).text("thoughtSignature", signature);
            });
        });
    }

    /// Sources are told at the end. Google counts bytes, so of a text that is not all ASCII no places can be told.
    fn citation(&mut self, choice: u32, citation: &Citation<'_>) {
        let answer = self.answer(choice);
        let range = citation.range.filter(|_| !answer.wide);
        answer.grounding.add(citation, 0, range);
    }

    fn close(&mut self, choice: u32, out: &mut Vec<u8>) {
        if let Open::Call(mut call) = std::mem::take(&mut self.answer(choice).open) {
            // An event's data is one line; outside of texts a line break says nothing.
            if !call.custom {
                call.arguments.retain(|letter| !matches!(letter, '\n' | '\r'));
            }
            let arguments = Words::from(call.arguments);
            self.part(choice, out, |parts| {
                parts.object(|part| {
                    part.object("functionCall", |object| {
                        write_call(&call.id, &call.name, &arguments, call.custom, object, |_| {});
                    });
                    part.text_if("thoughtSignature", call.seal.as_deref());
                });
            });
        }
    }

    fn whole(&mut self, choice: u32, part: &Part<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let mut any = false;
        self.part(choice, out, |parts| any = write_whole(part, parts));
        if !any {
            out.truncate(start);
        }
    }

    fn chances(&mut self, choice: u32, chances: &[TokenChance<'_>], out: &mut Vec<u8>) {
        let index = self.number(choice);
        out.extend_from_slice(b"data: {\"candidates\":[");
        {
            let mut candidate = Object::new(out);
            write_nothing(&mut candidate);
            candidate.value("index", index);
            write_chances(chances, &mut candidate);
        }
        out.extend_from_slice(&self.tail);
    }

    fn finish(&mut self, choice: u32, finish: &Finish<'_>) {
        let answer = self.answer(choice);
        let refused = answer.refused && *finish == Finish::Stop;
        answer.finish = Some(if refused { "SAFETY" } else { finish_word(finish) }.to_owned());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        {
            let mut object = Object::new(out);
            object.array("candidates", |list| {
                for (index, answer) in self.answers.iter().enumerate() {
                    list.object(|candidate| {
                        write_nothing(candidate);
                        candidate.text_if("finishReason", answer.finish.as_deref()).value("index", index);
                        answer.grounding.write(candidate);
                    });
                }
            });
            if !self.usage.is_empty() {
                object.object("usageMetadata", |object| usage::write(&self.usage, object));
            }
            self.write_origin(&mut object);
        }
        out.extend_from_slice(b"\n\n");
    }

    /// A chunk with one part.
    fn part(&mut self, choice: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Array<'_>)) {
        out.extend_from_slice(HEAD);
        // The head has the list's bracket already.
        out.pop();
        fill(&mut Array::new(out));
        out.pop();
        self.write_rest(choice, out);
    }

    /// What stands behind the parts of a chunk.
    fn write_rest(&self, choice: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"],"role":"model"},"index":"#);
        let mut digits = [0; 10];
        let mut first = digits.len();
        let mut rest = self.number(choice);
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&digits[first..]);
        out.push(b'}');
        out.extend_from_slice(&self.tail);
    }

    fn write_tail(&mut self) {
        let mut tail = Vec::new();
        self.write_origin(&mut Object::new(&mut tail));
        self.tail.clear();
        self.tail.extend_from_slice(b"],");
        self.tail.extend_from_slice(tail.strip_prefix(b"{").unwrap_or_default());
        self.tail.extend_from_slice(b"\n\n");
    }

    fn write_origin(&self, object: &mut Object<'_>) {
        object.text("modelVersion", &self.alias);
        object.text_if("createTime", self.created.map(time::write).as_deref());
        object.text("responseId", &self.id);
    }

    fn number(&self, choice: u32) -> u32 {
        choice.min(MOST_ANSWERS)
    }

    fn answer(&mut self, choice: u32) -> &mut Answer {
        let index = self.number(choice) as usize;
        while self.answers.len() <= index {
            self.answers.push(Answer::default());
        }
        &mut self.answers[index]
    }
}

/// Clients look for parts in every chunk.
fn write_nothing(candidate: &mut Object<'_>) {
    candidate.object("content", |content| {
        content.array("parts", |parts| {
            parts.object(|part| {
                part.text("text", "");
            });
        });
        content.text("role", "model");
    });
}

/// What every chunk begins with.
const HEAD: &[u8] = br#"data: {"candidates":[{"content":{"parts":["#;
/// OpenAI's bound on `n`.
const MOST_ANSWERS: u32 = 127;
/// Bytes of the arguments of one call.
const MOST_ARGUMENTS: usize = 16 * 1024 * 1024;
