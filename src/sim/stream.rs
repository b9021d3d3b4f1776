//! Streaming an answer: frames in the dialect's grammar, at the script's pace, with the script's fault.
//!
//! An unpaced stream is written in blocks of many frames; a paced one writes what is due and sleeps until the
//! next frame is, by deadlines counted from the request's arrival, so that lateness never adds up.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::answer::Block;
use super::script::{Fault, FaultKind, Place, Script};

/// How a dialect spells a stream. Every method appends complete frames.
pub(super) trait Grammar {
    fn open(&mut self, out: &mut Vec<u8>);
    fn open_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>);
    fn delta(&mut self, index: usize, block: &Block, tokens: Range<usize>, out: &mut Vec<u8>);
    fn close_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>);
    fn close(&mut self, out: &mut Vec<u8>);
    /// A frame whose JSON breaks off.
    fn broken(&mut self, out: &mut Vec<u8>);
    /// The frame by which the provider reports that it failed.
    fn error(&mut self, out: &mut Vec<u8>);
    /// Whether the block is one frame, however many tokens it has.
    fn is_whole(&self, _block: &Block) -> bool {
        false
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ending {
    /// All that was to be said is written, though perhaps not flushed.
    Complete,
    /// The rest never comes.
    Stalled,
    /// The connection is to be closed at once.
    HungUp,
}

/// The sending side of a connection: a buffer in front of the socket.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) socket: TcpStream,
    pub(super) out: Vec<u8>,
}

impl Wire {
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.socket.write_all(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Sends what is written, then waits.
    pub(super) async fn flush_and_sleep_until(&mut self, due: Instant) -> io::Result<()> {
        self.flush().await?;
        sleep_until(due).await;
        Ok(())
    }
}

/// Plays an answer's blocks after the response head, which is in `wire.out` already.
pub(super) struct Player<'a, G> {
    pub(super) grammar: G,
    pub(super) blocks: &'a [Block],
    pub(super) script: &'a Script,
    /// Whether the body is chunked, rather than ended by closing the connection.
    pub(super) chunked: bool,
    /// When the request arrived; needed by a paced script only.
    pub(super) arrived: Option<Instant>,
    /// Where content frames are counted as they are sent.
    pub(super) tally: &'a AtomicU64,
}

impl<G: Grammar> Player<'_, G> {
    /// Writes the stream and tells how it ended. What is left in `wire.out` the caller flushes.
    pub(super) async fn play(mut self, wire: &mut Wire) -> io::Result<Ending> {
        let mut chunk = self.begin_chunk(&mut wire.out);
        let mut fault = self.script.fault;
        let mut position = Position::default();
        self.grammar.open(&mut wire.out);
        loop {
            if let Some(ending) = self.suffer(&mut fault, position, &mut wire.out) {
                self.end_chunk(chunk, ending == Ending::Complete, &mut wire.out);
                self.count(&mut position);
                return Ok(ending);
            }
            if !self.step(&mut position, &mut wire.out) {
                break;
            }
            let due = self.arrived.map(|arrived| arrived + self.script.due_after(position.spoken));
            let due = due.filter(|due| *due > Instant::now());
            if due.is_some() || wire.out.len() >= BLOCK {
                self.end_chunk(chunk, false, &mut wire.out);
                self.count(&mut position);
                wire.flush().await?;
                if let Some(due) = due {
                    sleep_until(due).await;
                }
                chunk = self.begin_chunk(&mut wire.out);
            }
        }
        self.grammar.close(&mut wire.out);
        self.end_chunk(chunk, true, &mut wire.out);
        self.count(&mut position);
        Ok(Ending::Complete)
    }

    fn count(&self, position: &mut Position) {
        self.tally.fetch_add(position.frames - position.counted, Ordering::Relaxed);
        position.counted = position.frames;
    }

    /// Writes the next content frame and what must stand around it; false when there is none left.
    fn step(&mut self, position: &mut Position, out: &mut Vec<u8>) -> bool {
        while let Some(block) = self.blocks.get(position.block) {
            let tokens = block.text().tokens();
            let start = position.token;
            let end = match self.grammar.is_whole(block) {
                true => tokens,
                false => tokens.min(start + self.script.chunk_tokens as usize),
            };
            if start == 0 {
                self.grammar.open_block(position.block, block, out);
            }
            if start < end {
                self.grammar.delta(position.block, block, start..end, out);
                position.frames += 1;
                position.spoken += (end - start) as u64;
                position.token = end;
            }
            if end == tokens {
                self.grammar.close_block(position.block, block, out);
                position.block += 1;
                position.token = 0;
            }
            if start < end {
                return true;
            }
        }
        false
    }

    /// Does what the fault says once its place is reached, or once there are no more frames to wait for.
    fn suffer(&mut self, fault: &mut Option<Fault>, position: Position, out: &mut Vec<u8>) -> Option<Ending> {
        let Fault { kind, place } = (*fault)?;
        let reached = match place {
            Place::Head => true,
            Place::Frames(frames) => position.frames >= frames as u64 || position.block >= self.blocks.len(),
        };
        if !reached {
            return None;
        }
        *fault = None;
        match kind {
            FaultKind::Stall => Some(Ending::Stalled),
            FaultKind::Hangup => Some(Ending::HungUp),
            FaultKind::Malformed => {
                self.grammar.broken(out);
                None
            }
            FaultKind::Error => {
                self.grammar.error(out);
                Some(Ending::Complete)
            }
        }
    }

    /// Leaves room for a chunk's size; the place of that room.
    fn begin_chunk(&self, out: &mut Vec<u8>) -> usize {
        let at = out.len();
        if self.chunked {
            out.extend_from_slice(EMPTY_CHUNK);
        }
        at
    }

    /// Fills in the size of the chunk begun at `at`; after the last one ends the body.
    fn end_chunk(&self, at: usize, last: bool, out: &mut Vec<u8>) {
        if !self.chunked {
            return;
        }
        match out.len() - at - EMPTY_CHUNK.len() {
            0 => out.truncate(at),
            size => {
                let digits = out.iter_mut().skip(at).take(SIZE_DIGITS).rev();
                for (digit, shift) in digits.zip((0u32..).step_by(4)) {
                    *digit = HEX.get((size >> shift) & 0xf).copied().unwrap_or(b'0');
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        if last {
            out.extend_from_slice(b"0\r\n\r\n");
        }
    }
}

/// How far a stream has come.
#[derive(Debug, Default, Clone, Copy)]
struct Position {
    block: usize,
    /// The next token of the block.
    token: usize,
    /// Content frames written so far.
    frames: u64,
    /// Content frames the tally knows of.
    counted: u64,
    /// Tokens written so far.
    spoken: u64,
}

/// Written bytes after which an unpaced stream is sent: one write to the socket.
const BLOCK: usize = 16 * 1024 - 1024;
/// Chunk sizes may have leading zeros (RFC 9112, section 7.1), so the room for them is fixed.
const EMPTY_CHUNK: &[u8] = b"00000000\r\n";
const SIZE_DIGITS: usize = 8;
const HEX: &[u8; 16] = b"0123456789abcdef";
