//! The events of a streamed response, numbered from 0.

use std::ops::Range;

use super::super::answer::{Answer, Block, Stop};
use super::super::json::push_number;
use super::super::stream::Grammar;
use super::{Item, Status, push_part, push_response, push_summary};

pub(in super::super) struct Events<'a> {
    answer: &'a Answer<'a>,
    sequence: u64,
}

impl<'a> Events<'a> {
    pub(in super::super) fn of(answer: &'a Answer<'a>) -> Events<'a> {
        Events { answer, sequence: 0 }
    }

    /// One event; `write` writes its members after the type, with a comma before each.
    fn push(&mut self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        push_number(out, self.sequence);
        self.sequence += 1;
        write(out);
        out.extend_from_slice(b"}\n\n");
    }

    fn push_status(&mut self, name: &str, status: Status, out: &mut Vec<u8>) {
        let answer = self.answer;
        self.push(name, out, |out| {
            out.extend_from_slice(b",\"response\":");
            push_response(answer, status, out);
        });
    }

    /// The announcement or the completion of an item.
    fn push_item(&mut self, name: &str, item: Item, complete: bool, out: &mut Vec<u8>) {
        self.push(name, out, |out| {
            out.extend_from_slice(b",\"output_index\":");
            push_number(out, item.index as u64);
            out.extend_from_slice(b",\"item\":");
            item.push(complete, out);
        });
    }

    /// An event about what is inside an item: its first part, if `part` names the index of parts.
    fn push_inside(
        &mut self,
        name: &str,
        item: Item,
        part: Option<&str>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.push(name, out, |out| {
            out.extend_from_slice(b",\"item_id\":\"");
            item.push_id(out);
            out.extend_from_slice(b"\",\"output_index\":");
            push_number(out, item.index as u64);
            if let Some(part) = part {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(part.as_bytes());
                out.extend_from_slice(b"\":0");
            }
            write(out);
        });
    }

    fn item<'b>(&self, index: usize, block: &'b Block) -> Item<'b>
    where
        'a: 'b,
    {
        Item { answer: self.answer, index, block }
    }
}

impl Grammar for Events<'_> {
    fn open(&mut self, out: &mut Vec<u8>) {
        self.push_status("response.created", Status::InProgress, out);
        self.push_status("response.in_progress", Status::InProgress, out);
    }

    fn open_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        let item = self.item(index, block);
        self.push_item("response.output_item.added", item, false, out);
        match block {
            Block::Text(text) => {
                self.push_inside("response.content_part.added", item, CONTENT, out, |out| {
                    out.extend_from_slice(b",\"part\":");
                    push_part(text, false, out);
                });
            }
            Block::Thinking { text, .. } if text.tokens() > 0 => {
                self.push_inside("response.reasoning_summary_part.added", item, SUMMARY, out, |out| {
                    out.extend_from_slice(b",\"part\":");
                    push_summary(text, false, out);
                });
            }
            Block::Thinking { .. } | Block::Tool { .. } => {}
        }
    }

    fn delta(&mut self, index: usize, block: &Block, tokens: Range<usize>, out: &mut Vec<u8>) {
        let (name, part) = match block {
            Block::Text(_) => ("response.output_text.delta", CONTENT),
            Block::Thinking { .. } => ("response.reasoning_summary_text.delta", SUMMARY),
            Block::Tool { .. } => ("response.function_call_arguments.delta", None),
        };
        let item = self.item(index, block);
        self.push_inside(name, item, part, out, |out| {
            out.extend_from_slice(b",\"delta\":\"");
            block.text().push_escaped(tokens, out);
            out.push(b'"');
            if matches!(block, Block::Text(_)) {
                out.extend_from_slice(b",\"logprobs\":[]");
            }
        });
    }

    fn close_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        let item = self.item(index, block);
        let whole = |name: &'static [u8]| {
            move |out: &mut Vec<u8>| {
                out.extend_from_slice(name);
                block.text().push_escaped(0..block.text().tokens(), out);
                out.push(b'"');
            }
        };
        match block {
            Block::Text(text) => {
                self.push_inside("response.output_text.done", item, CONTENT, out, |out| {
                    out.extend_from_slice(b",\"logprobs\":[]");
                    whole(b",\"text\":\"")(out);
                });
                self.push_inside("response.content_part.done", item, CONTENT, out, |out| {
                    out.extend_from_slice(b",\"part\":");
                    push_part(text, true, out);
                });
            }
            Block::Thinking { text, .. } if text.tokens() > 0 => {
                let done = "response.reasoning_summary_text.done";
                self.push_inside(done, item, SUMMARY, out, whole(b",\"text\":\""));
                self.push_inside("response.reasoning_summary_part.done", item, SUMMARY, out, |out| {
                    out.extend_from_slice(b",\"part\":");
                    push_summary(text, true, out);
                });
            }
            Block::Thinking { .. } => {}
            Block::Tool { .. } => {
                let done = "response.function_call_arguments.done";
                self.push_inside(done, item, None, out, whole(b",\"arguments\":\""));
            }
        }
        self.push_item("response.output_item.done", item, true, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let name = match self.answer.stop {
            Stop::Length => "response.incomplete",
            _ => "response.completed",
        };
        self.push_status(name, Status::Final, out);
    }

    fn broken(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: response.output_text.delta\ndata: {\"type\":\"response.output_te\n\n");
    }

    fn error(&mut self, out: &mut Vec<u8>) {
        self.push_status("response.failed", Status::Failed, out);
    }
}

const CONTENT: Option<&str> = Some("content_index");
const SUMMARY: Option<&str> = Some("summary_index");
