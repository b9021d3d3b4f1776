//! A stream to the caller: `message_start`, blocks one after another, `message_delta`, `message_stop`.
//!
//! A block begins upstream of its first piece only for calls. Texts and thoughts begin with it, because an empty text is
//! refused when the caller sends it back, and thoughts that are nobody's to read here must not leave a hole in the
//! numbers.

use super::custom;
use super::write_blocks::{Goes, says, signature};
use super::write_citations::write_citation;
use super::write_response::{Seen, call_id, message_id, write_usage};
use crate::dialect::Usage;
use crate::dialect::anthropic::error;
use crate::dialect::canon::{Block, Citation, Content, Delta, Event, Finish, Part, Seal};
use crate::dialect::codec::{EventWriter, Outward};
use crate::dialect::json::{Object, write_text};
use crate::error::Error;

/// Writes one stream.
#[derive(Debug)]
pub struct Writes {
    outward: Outward,
    started: bool,
    over: bool,
    /// Number of the next block.
    next: u32,
    open: Open,
    calls: usize,
    seen: Seen,
    finish: Option<(&'static str, Option<String>)>,
    usage: Usage,
}

/// The block that is open.
#[derive(Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    None,
    /// Told, and not written before its first piece.
    Pending(Piece),
    Written(Piece),
    /// A call with free text, whose pieces make one member.
    Custom(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Text,
    Refusal,
    Thought,
    Redacted,
    Input,
}

impl EventWriter for Writes {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::Delta { choice: 0, delta, .. } => self.delta(delta, out),
            Event::Open { choice: 0, kind, .. } => self.open(kind, out),
            Event::Close { choice: 0, .. } => self.close(out),
            Event::Begin { id, .. } => self.begin(*id, out),
            Event::Whole { choice: 0, part, .. } => self.whole(part, out),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish { choice: 0, finish } => self.finish(finish, out),
            Event::End => self.end(out),
            _ => {}
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.over, true) {
            out.extend_from_slice(b"event: error\ndata: ");
            out.extend_from_slice(&error::write(error, &self.outward.request_id));
            out.extend_from_slice(b"\n\n");
        }
    }
}

impl Writes {
    pub fn new(outward: &Outward) -> Self {
        Writes {
            outward: outward.clone(),
            started: false,
            over: false,
            next: 0,
            open: Open::None,
            calls: 0,
            seen: Seen::default(),
            finish: None,
            usage: Usage::default(),
        }
    }

    fn begin(&mut self, id: Option<&str>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let made = message_id(&self.outward);
        let id = id.filter(|id| !id.is_empty()).unwrap_or(&made);
        let input = self.usage.input.unwrap_or(self.outward.prompt_estimate);
        let usage = Usage { input: Some(input), output: Some(0), ..self.usage };
        frame(out, "message_start", |object| {
            object.object("message", |message| {
                message.text("id", id).text("type", "message").text("role", "assistant");
                message.text("model", &self.outward.alias).array("content", |_| {});
                message.null("stop_reason").null("stop_sequence");
                message.object("usage", |object| write_usage(object, &usage));
            });
        });
    }

    fn open(&mut self, kind: &Block<'_>, out: &mut Vec<u8>) {
        self.begin(None, out);
        self.close(out);
        self.open = match kind {
            Block::Text => Open::Pending(Piece::Text),
            Block::Refusal => Open::Pending(Piece::Refusal),
            Block::Thought { redacted: false, .. } => Open::Pending(Piece::Thought),
            Block::Thought { redacted: true, .. } => Open::Pending(Piece::Redacted),
            Block::ToolCall { id, name, custom } => {
                self.call(id, name, out);
                if *custom { Open::Custom(String::new()) } else { Open::Written(Piece::Input) }
            }
        };
    }

    fn call(&mut self, id: &str, name: &str, out: &mut Vec<u8>) {
        let made = call_id(&self.outward, self.calls);
        self.calls += 1;
        (self.seen.anything, self.seen.call) = (true, true);
        let id = if id.is_empty() { &made } else { id };
        self.start(out, |block| {
            block.text("type", "tool_use").text("id", id).text("name", name).object("input", |_| {});
        });
    }

    /// Writes the begin of a block.
    fn start(&mut self, out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        frame(out, "content_block_start", |object| {
            object.value("index", self.next).object("content_block", fill);
        });
    }

    fn delta(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) => self.text(text, out),
            Delta::Seal(seal) => self.seal(seal, out),
            Delta::Citation(citation) => self.citation(citation, out),
        }
    }

    #[inline]
    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let piece = match &mut self.open {
            Open::Written(piece) => *piece,
            Open::Pending(piece) => {
                let piece = *piece;
                if !self.start_pending(piece, out) {
                    return;
                }
                piece
            }
            Open::Custom(held) => {
                if held.len() + text.len() <= MOST_HELD {
                    held.push_str(text);
                }
                return;
            }
            Open::None => return,
        };
        let head: &[u8] = match piece {
            Piece::Text | Piece::Refusal => br#","delta":{"type":"text_delta","text":"#,
            Piece::Thought => br#","delta":{"type":"thinking_delta","thinking":"#,
            Piece::Input => br#","delta":{"type":"input_json_delta","partial_json":"#,
            Piece::Redacted => return,
        };
        write_delta(out, self.next, head, |out| write_text(out, text));
    }

    /// Writes the begin of a block that was told before. False for one that has no text.
    fn start_pending(&mut self, piece: Piece, out: &mut Vec<u8>) -> bool {
        if piece == Piece::Redacted {
            return false;
        }
        self.seen.anything = true;
        self.seen.refusal |= piece == Piece::Refusal;
        self.start(out, |block| {
            if piece == Piece::Thought {
                block.text("type", "thinking").text("thinking", "").text("signature", "");
            } else {
                block.text("type", "text").text("text", "");
            }
        });
        self.open = Open::Written(piece);
        true
    }

    /// Other makers' seals mean nothing to callers of this dialect.
    fn seal(&mut self, seal: &Seal<'_>, out: &mut Vec<u8>) {
        let Some(signature) = signature(Some(seal)) else { return };
        match self.open {
            Open::Pending(Piece::Redacted) => {
                self.seen.anything = true;
                self.start(out, |block| {
                    block.text("type", "redacted_thinking").text("data", signature);
                });
                self.open = Open::Written(Piece::Redacted);
                return;
            }
            Open::Pending(Piece::Thought) => {
                self.start_pending(Piece::Thought, out);
            }
            Open::Written(Piece::Thought) => {}
            _ => return,
        }
        let head = br#","delta":{"type":"signature_delta","signature":"#;
        write_delta(out, self.next, head, |out| write_text(out, signature));
    }

    fn citation(&mut self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        match self.open {
            Open::Written(Piece::Text) => {}
            Open::Pending(Piece::Text) => {
                self.start_pending(Piece::Text, out);
            }
            _ => return,
        }
        let head = br#","delta":{"type":"citations_delta","citation":"#;
        write_delta(out, self.next, head, |out| on_one_line(out, |out| write_citation(out, citation)));
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.open) {
            Open::None | Open::Pending(_) => return,
            Open::Written(_) => {}
            Open::Custom(text) => {
                let mut input = Vec::new();
                custom::write_input(&mut input, &text);
                let head = br#","delta":{"type":"input_json_delta","partial_json":"#;
                write_delta(out, self.next, head, |out| write_text(out, &String::from_utf8_lossy(&input)));
            }
        }
        self.stop_block(out);
    }

    fn stop_block(&mut self, out: &mut Vec<u8>) {
        frame(out, "content_block_stop", |object| {
            object.value("index", self.next);
        });
        self.next += 1;
    }

    /// A block that comes whole: only this dialect's own are known to the caller.
    fn whole(&mut self, part: &Part<'_>, out: &mut Vec<u8>) {
        self.begin(None, out);
        self.close(out);
        let Content::Foreign(foreign) = &part.content else { return };
        if !says(&part.content, Goes::Back) {
            return;
        }
        self.seen.anything = true;
        frame(out, "content_block_start", |object| {
            let block = object.value("index", self.next).member("content_block");
            on_one_line(block, |out| out.extend_from_slice(foreign.json.as_bytes()));
        });
        self.stop_block(out);
    }

    /// Usage may follow, so that this is written with the end.
    fn finish(&mut self, finish: &Finish<'_>, out: &mut Vec<u8>) {
        self.begin(None, out);
        self.close(out);
        let (reason, sequence) = self.seen.stop_reason(finish);
        self.finish = Some((reason, sequence.map(str::to_owned)));
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin(None, out);
        self.close(out);
        let (reason, sequence) = self.finish.take().unwrap_or(("end_turn", None));
        frame(out, "message_delta", |object| {
            object.object("delta", |delta| {
                delta.text("stop_reason", reason);
                match &sequence {
                    Some(sequence) => delta.text("stop_sequence", sequence),
                    None => delta.null("stop_sequence"),
                };
            });
            object.object("usage", |object| write_usage(object, &self.usage));
        });
        frame(out, "message_stop", |_| {});
        self.over = true;
    }
}

/// An event. Its data begins with its own name.
fn frame(out: &mut Vec<u8>, name: &str, fill: impl FnOnce(&mut Object<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut object = Object::new(out);
    object.text("type", name);
    fill(&mut object);
    drop(object);
    out.extend_from_slice(b"\n\n");
}

/// The commonest event. `head` is what stands between the block's number and the value.
#[inline]
fn write_delta(out: &mut Vec<u8>, index: u32, head: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    write_number(out, index);
    out.extend_from_slice(head);
    value(out);
    out.extend_from_slice(b"}}\n\n");
}

/// JSON that may have been written on several lines: between values a line break is white space, within them it is
/// written otherwise.
fn on_one_line(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let written = out.get_mut(start..).unwrap_or_default();
    written.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
}

fn write_number(out: &mut Vec<u8>, number: u32) {
    if number >= 10 {
        write_number(out, number / 10);
    }
    out.push(b'0' + (number % 10) as u8);
}

/// Bytes of a call with free text that are kept at most.
const MOST_HELD: usize = 4 * 1024 * 1024;
