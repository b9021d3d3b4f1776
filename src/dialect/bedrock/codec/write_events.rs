//! Streams, for callers that speak ConverseStream.

use super::{finish, media, usage, write_blocks};
use crate::dialect::Usage;
use crate::dialect::base64;
use crate::dialect::bedrock::error;
use crate::dialect::canon::{Block, Content, Delta, Event, Finish, Maker, Part, Source};
use crate::dialect::codec::EventWriter;
use crate::dialect::frame::eventstream::write_event;
use crate::dialect::json::Object;
use crate::error::Error;

#[derive(Debug, Default)]
pub struct Writer {
    /// Number of the next block.
    next: u64,
    /// What the open block is. It begins with its first piece.
    open: Option<Open>,
    finish: Option<(String, Option<String>)>,
    usage: Usage,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Its number, once it has begun.
    index: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    Redacted,
    Call,
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { .. } => write_event(out, "messageStart", |out| {
                Object::new(out).text("role", "assistant");
            }),
            Event::Open { choice: 0, kind, .. } => self.open(kind, out),
            Event::Delta { choice: 0, delta, .. } => self.delta(delta, out),
            Event::Close { choice: 0, .. } => self.close(out),
            Event::Whole { choice: 0, part, .. } => self.whole(part, out),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::Finish { choice: 0, finish } => {
                let sequence = match finish {
                    Finish::StopSequence(sequence) => sequence.as_deref().map(str::to_owned),
                    _ => None,
                };
                self.finish = Some((finish::word(finish).to_owned(), sequence));
            }
            Event::End => self.end(out),
            // Converse gives one answer, and no chances of tokens.
            _ => {}
        }
    }

    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        error::write_exception(error, out);
    }
}

impl Writer {
    fn open(&mut self, kind: &Block<'_>, out: &mut Vec<u8>) {
        let kind = match kind {
            Block::Text | Block::Refusal => Kind::Text,
            Block::Thought { redacted: true, .. } => Kind::Redacted,
            Block::Thought { .. } => Kind::Thought,
            Block::ToolCall { id, name, .. } => {
                let index = self.number();
                write_event(out, "contentBlockStart", |out| {
                    let mut data = Object::new(out);
                    data.value("contentBlockIndex", index).object("start", |start| {
                        start.object("toolUse", |call| {
                            call.text("toolUseId", id).text("name", name);
                        });
                    });
                });
                self.open = Some(Open { kind: Kind::Call, index: Some(index) });
                return;
            }
        };
        self.open = Some(Open { kind, index: None });
    }

    fn delta(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(kind) = self.open.as_ref().map(|open| open.kind) else { return };
        match (kind, delta) {
            (Kind::Text, Delta::Text(text)) => self.piece(out, |delta| {
                delta.text("text", text);
            }),
            (Kind::Call, Delta::Text(input)) => self.piece(out, |delta| {
                delta.object("toolUse", |call| {
                    call.text("input", input);
                });
            }),
            (Kind::Thought, Delta::Text(text)) => self.piece(out, |delta| {
                delta.object("reasoningContent", |thought| {
                    thought.text("text", text);
                });
            }),
            (Kind::Thought | Kind::Redacted, Delta::Seal(seal)) if seal.maker == Maker::Claude => {
                self.piece(out, |delta| {
                    delta.object("reasoningContent", |thought| {
                        match kind {
                            Kind::Redacted => {
                                thought.text("redactedContent", &base64::encode(seal.data.as_bytes()))
                            }
                            _ => thought.text("signature", &seal.data),
                        };
                    });
                });
            }
            (Kind::Text, Delta::Citation(citation)) => self.piece(out, |delta| {
                write_blocks::write_citation(citation, delta.member("citation"));
            }),
            _ => {}
        }
    }

    /// A piece of the open block.
    fn piece(&mut self, out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        let next = self.next;
        let Some(open) = &mut self.open else { return };
        let index = *open.index.get_or_insert_with(|| {
            self.next += 1;
            next
        });
        write_event(out, "contentBlockDelta", |out| {
            Object::new(out).value("contentBlockIndex", index).object("delta", fill);
        });
    }

    /// A block of which nothing was written never began.
    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(index) = self.open.take().and_then(|open| open.index) {
            write_stop(index, out);
        }
    }

    /// A picture; other blocks mean nothing here.
    fn whole(&mut self, part: &Part<'_>, out: &mut Vec<u8>) {
        let Content::Media(media) = &part.content else { return };
        let Source::Base64 { media_type, data } = &media.source else { return };
        let Some(format) = media::format(media.kind, media_type, "") else { return };
        let index = self.number();
        write_event(out, "contentBlockStart", |out| {
            Object::new(out).value("contentBlockIndex", index).object("start", |start| {
                start.object("image", |image| {
                    image.text("format", format);
                });
            });
        });
        write_event(out, "contentBlockDelta", |out| {
            Object::new(out).value("contentBlockIndex", index).object("delta", |delta| {
                delta.object("image", |image| {
                    image.object("source", |source| {
                        source.text("bytes", data);
                    });
                });
            });
        });
        write_stop(index, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let (reason, sequence) = self.finish.take().unwrap_or(("end_turn".to_owned(), None));
        write_event(out, "messageStop", |out| {
            let mut data = Object::new(out);
            data.text("stopReason", &reason);
            if let Some(sequence) = sequence {
                data.object("additionalModelResponseFields", |fields| {
                    fields.text("stop_sequence", &sequence);
                });
            }
        });
        write_event(out, "metadata", |out| {
            let mut data = Object::new(out);
            usage::write(&self.usage, &mut data);
            data.object("metrics", |metrics| {
                metrics.value("latencyMs", 0);
            });
        });
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

fn write_stop(index: u64, out: &mut Vec<u8>) {
    write_event(out, "contentBlockStop", |out| {
        Object::new(out).value("contentBlockIndex", index);
    });
}
