//! The events of a streamed answer.

use std::ops::Range;

use super::super::answer::{Answer, Block};
use super::super::json::{push_number, push_string};
use super::super::stream::Grammar;
use super::frame::{self, Kind};
use super::{push_tool, push_usage, stop_reason};

pub(in super::super) struct Events<'a> {
    pub(in super::super) answer: &'a Answer<'a>,
}

impl Grammar for Events<'_> {
    fn open(&mut self, out: &mut Vec<u8>) {
        event("messageStart", out, |out| out.extend_from_slice(b"{\"p\":\"abcd\",\"role\":\"assistant\"}"));
    }

    /// Only a tool use is announced; the first delta of any other block begins it.
    fn open_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        let Block::Tool { name, .. } = block else { return };
        event("contentBlockStart", out, |out| {
            push_index(index, out);
            out.extend_from_slice(b",\"p\":\"abcdefgh\",\"start\":{\"toolUse\":{");
            push_tool(self.answer.serial, index, name, out);
            out.extend_from_slice(b"}}}");
        });
    }

    fn delta(&mut self, index: usize, block: &Block, tokens: Range<usize>, out: &mut Vec<u8>) {
        event("contentBlockDelta", out, |out| {
            push_index(index, out);
            let (opening, closing): (&[u8], &[u8]) = match block {
                Block::Text(_) => (b",\"delta\":{\"text\":\"", b"\"},\"p\":\"abcdef\"}"),
                Block::Thinking { .. } => {
                    (b",\"delta\":{\"reasoningContent\":{\"text\":\"", b"\"}},\"p\":\"abcdef\"}")
                }
                Block::Tool { .. } => (b",\"delta\":{\"toolUse\":{\"input\":\"", b"\"}},\"p\":\"abcdef\"}"),
            };
            out.extend_from_slice(opening);
            block.text().push_escaped(tokens, out);
            out.extend_from_slice(closing);
        });
    }

    fn close_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        if let Block::Thinking { seal, .. } = block {
            event("contentBlockDelta", out, |out| {
                push_index(index, out);
                out.extend_from_slice(b",\"delta\":{\"reasoningContent\":{\"signature\":");
                push_string(out, seal);
                out.extend_from_slice(b"}},\"p\":\"ab\"}");
            });
        }
        event("contentBlockStop", out, |out| {
            push_index(index, out);
            out.extend_from_slice(b",\"p\":\"abcdefghij\"}");
        });
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        event("messageStop", out, |out| {
            out.extend_from_slice(b"{\"p\":\"abc\",\"stopReason\":\"");
            out.extend_from_slice(stop_reason(self.answer.stop));
            out.extend_from_slice(b"\"}");
        });
        event("metadata", out, |out| {
            out.extend_from_slice(b"{\"metrics\":{\"latencyMs\":1},\"p\":\"abcdefghijkl\",\"usage\":");
            push_usage(&self.answer.usage, out);
            out.push(b'}');
        });
    }

    fn broken(&mut self, out: &mut Vec<u8>) {
        event("contentBlockDelta", out, |out| {
            out.extend_from_slice(b"{\"contentBlockIndex\":0,\"delta\":{\"te");
        });
    }

    fn error(&mut self, out: &mut Vec<u8>) {
        frame::push(Kind::Exception, "modelStreamErrorException", out, |out| {
            out.extend_from_slice(
                b"{\"message\":\"The simulated model failed while it answered. Try your request again.\",\
                  \"originalMessage\":\"Overloaded (simulated)\",\"originalStatusCode\":529}",
            );
        });
    }
}

fn event(name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    frame::push(Kind::Event, name, out, write);
}

fn push_index(index: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"contentBlockIndex\":");
    push_number(out, index as u64);
}
