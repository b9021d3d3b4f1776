//! The chunks of a streamed answer: each is a whole answer of its own, with the parts that are new.

use std::ops::Range;

use super::super::answer::{Answer, Block};
use super::super::call::Refusal;
use super::super::stream::Grammar;
use super::{is_array, is_sealed, push_call, push_candidates, push_closing, push_seal, write_error};

pub(in super::super) struct Chunks<'a> {
    answer: &'a Answer<'a>,
    array: bool,
    /// Chunks written so far.
    count: u64,
}

impl<'a> Chunks<'a> {
    pub(in super::super) fn of(answer: &'a Answer<'a>) -> Chunks<'a> {
        Chunks { answer, array: is_array(answer), count: 0 }
    }

    /// One chunk as the stream's form has it.
    fn push(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(match (self.array, self.count) {
            (false, _) => b"data: ",
            (true, 0) => b"[",
            (true, _) => b",\r\n" as &[u8],
        });
        self.count += 1;
        write(out);
        if !self.array {
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    fn push_parts(&mut self, last: bool, out: &mut Vec<u8>, write_parts: impl Fn(&mut Vec<u8>)) {
        let answer = self.answer;
        self.push(out, |out| {
            push_candidates(answer, last, out, write_parts);
            push_closing(answer, last, out);
        });
    }
}

impl Grammar for Chunks<'_> {
    fn open(&mut self, _: &mut Vec<u8>) {}

    fn open_block(&mut self, _: usize, _: &Block, _: &mut Vec<u8>) {}

    fn delta(&mut self, index: usize, block: &Block, tokens: Range<usize>, out: &mut Vec<u8>) {
        let answer = self.answer;
        self.push_parts(false, out, |out| {
            if let Block::Tool { .. } = block {
                return push_call(answer, index, block, out);
            }
            out.extend_from_slice(b"{\"text\":\"");
            block.text().push_escaped(tokens.clone(), out);
            out.extend_from_slice(match block {
                Block::Thinking { .. } => b"\",\"thought\":true}",
                _ => b"\"}" as &[u8],
            });
        });
    }

    fn close_block(&mut self, _: usize, _: &Block, _: &mut Vec<u8>) {}

    fn close(&mut self, out: &mut Vec<u8>) {
        let answer = self.answer;
        self.push_parts(true, out, |out| {
            out.extend_from_slice(b"{\"text\":\"\"");
            if is_sealed(answer) {
                push_seal(answer, out);
            }
            out.push(b'}');
        });
        if self.array {
            out.extend_from_slice(b"]\r\n");
        }
    }

    fn broken(&mut self, out: &mut Vec<u8>) {
        self.push(out, |out| out.extend_from_slice(b"{\"candidates\":[{\"content\":{\"par"));
    }

    fn error(&mut self, out: &mut Vec<u8>) {
        let refusal = Refusal::new(503, "The model is overloaded. Please try again later. (simulated)");
        self.push(out, |out| write_error(&refusal, false, out));
        if self.array {
            out.extend_from_slice(b"]\r\n");
        }
    }

    /// Function calls are not delivered in pieces.
    fn is_whole(&self, block: &Block) -> bool {
        matches!(block, Block::Tool { .. })
    }
}
