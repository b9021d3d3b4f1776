//! Calls in a stream. Their pieces may come before the name is known, without a number, or of two calls in turn; what is
//! told is one call after the other.
//!
//! A call is told as it comes while it is the first that is not complete. Pieces of later calls are held until then:
//! until the JSON of its arguments has closed, or the answer has ended. So nothing is lost and nothing is told twice,
//! whatever order a server chooses, and what is held is bounded. Servers that send one call after the other, which is
//! nearly all of them, have nothing held.

use crate::dialect::canon::blocks::{Blocks, Tell};
use crate::dialect::canon::{Block, Maker, Seal};
use crate::dialect::json::{Read, Wrong};

/// The calls of one choice, in the order in which they appeared.
#[derive(Debug, Default)]
pub struct Calls {
    calls: Vec<Call>,
}

/// What one element of `tool_calls` says.
#[derive(Debug, Default)]
pub struct Piece<'p> {
    pub index: Option<u64>,
    /// Empty where the server has none; None where it did not say.
    pub id: Option<&'p str>,
    pub name: &'p str,
    pub custom: bool,
    pub arguments: &'p str,
    pub seal: Option<&'p str>,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    name: String,
    custom: bool,
    seal: Option<String>,
    /// Arguments that could not be told yet.
    held: String,
    progress: Progress,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    Open,
    Told,
}

impl Calls {
    /// Takes a piece and tells what can be told. `held` counts what the stream holds back.
    pub fn take(
        &mut self,
        piece: &Piece<'_>,
        choice: u32,
        held: &mut usize,
        blocks: &mut Blocks,
        tell: &mut Tell<'_>,
    ) -> Read<()> {
        let number = self.place(piece)?;
        let Some(call) = self.calls.get_mut(number) else { return Ok(()) };
        call.learn(piece, held);
        call.progress.read(piece.arguments);
        match call.state {
            State::Open => {
                if !blocks.arguments(choice, number as u64, piece.arguments, tell) {
                    return Err(Wrong::new("goes on with a call that had ended"));
                }
            }
            State::Told if piece.arguments.trim().is_empty() => {}
            State::Told => return Err(Wrong::new("goes on with a call that had ended")),
            State::Waiting => {
                call.held.push_str(piece.arguments);
                *held += piece.arguments.len();
            }
        }
        if *held > MOST_HELD {
            return Err(Wrong::new("holds pieces of too many calls at once"));
        }
        self.advance(choice, held, blocks, tell);
        Ok(())
    }

    /// Something other than a call is told now, which ends the one that is open.
    pub fn interrupt(&mut self) {
        self.calls.iter_mut().filter(|call| call.state == State::Open).for_each(|call| {
            call.state = State::Told;
        });
    }

    /// The answer has ended: tells what is left. A call that never got a name is nobody's.
    pub fn settle(&mut self, choice: u32, held: &mut usize, blocks: &mut Blocks, tell: &mut Tell<'_>) {
        self.interrupt();
        for (number, call) in (0..).zip(&mut self.calls) {
            if call.state == State::Waiting && !call.name.is_empty() {
                call.tell(choice, number, held, blocks, tell);
            }
            call.state = State::Told;
        }
    }

    /// Is there a call that can be told?
    pub fn any(&self) -> bool {
        self.calls.iter().any(|call| !call.name.is_empty())
    }

    /// The call a piece belongs to. Some servers leave the number out, some give all calls the same one, some send no
    /// id; what tells calls apart is whatever of them there is.
    fn place(&mut self, piece: &Piece<'_>) -> Read<usize> {
        let id = piece.id.filter(|id| !id.is_empty());
        let by_id = id.and_then(|id| self.calls.iter().rposition(|call| call.id.as_deref() == Some(id)));
        let by_index =
            piece.index.and_then(|index| self.calls.iter().rposition(|call| call.index == Some(index)));
        let last = self.calls.len().checked_sub(1);
        let found = by_id.or_else(|| {
            let place = if piece.index.is_some() { by_index } else { last };
            place.filter(|place| self.calls.get(*place).is_some_and(|call| call.may_go_on(id, piece)))
        });
        if let Some(place) = found {
            return Ok(place);
        }
        if self.calls.len() >= MOST_CALLS {
            return Err(Wrong::new("holds too many calls"));
        }
        self.calls.push(Call { index: piece.index, ..Call::default() });
        Ok(self.calls.len() - 1)
    }

    /// Opens the calls whose turn it is, in order.
    fn advance(&mut self, choice: u32, held: &mut usize, blocks: &mut Blocks, tell: &mut Tell<'_>) {
        let Some(last) = self.calls.iter().rposition(Call::may_open) else { return };
        for (number, call) in (0..).zip(self.calls.iter_mut().take(last + 1)) {
            if call.may_open() {
                call.tell(choice, number, held, blocks, tell);
            }
            let is_last = number == last as u64;
            match call.state {
                State::Told => {}
                State::Open if !is_last && call.progress.is_complete() => call.state = State::Told,
                State::Open | State::Waiting => return,
            }
        }
    }
}

impl Call {
    fn learn(&mut self, piece: &Piece<'_>, held: &mut usize) {
        if let Some(id) = piece.id
            && self.id.as_deref().is_none_or(str::is_empty)
        {
            self.id = Some(id.to_owned());
            *held += id.len();
        }
        // Some repeat the name in every piece, some send it in pieces.
        if self.state == State::Waiting && !piece.name.is_empty() && self.name != piece.name {
            self.name.push_str(piece.name);
            *held += piece.name.len();
        }
        self.custom |= piece.custom;
        if let Some(seal) = piece.seal {
            *held += seal.len();
            self.seal = Some(seal.to_owned());
        }
    }

    /// Everything that stands at a call's beginning has come. Whether a server sends no ids shows at the end only.
    fn may_open(&self) -> bool {
        self.state == State::Waiting && !self.name.is_empty() && self.id.is_some()
    }

    /// May a piece with this id, or none, belong to this call?
    fn may_go_on(&self, id: Option<&str>, piece: &Piece<'_>) -> bool {
        let mine = self.id.as_deref().filter(|id| !id.is_empty());
        if id.is_some() && mine.is_some() {
            return id == mine;
        }
        // A whole call behind a whole call.
        let again = !piece.name.is_empty() && !self.name.is_empty();
        !(again && self.progress.is_complete())
    }

    fn tell(&mut self, choice: u32, number: u64, held: &mut usize, blocks: &mut Blocks, tell: &mut Tell<'_>) {
        let id = self.id.as_deref().unwrap_or_default();
        blocks.call(choice, number, Block::ToolCall { id, name: &self.name, custom: self.custom }, tell);
        if let Some(data) = self.seal.take() {
            *held = held.saturating_sub(data.len());
            blocks.seal(choice, &Seal { maker: Maker::Gemini, data: data.into() }, tell);
        }
        let arguments = std::mem::take(&mut self.held);
        // The call has just been opened, so that this is its place.
        let _told = blocks.arguments(choice, number, &arguments, tell);
        *held = held.saturating_sub(arguments.len());
        self.state = State::Open;
    }
}

/// How far JSON text has come, as far as its end shows: depth, and whether a string is open.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    depth: usize,
    begun: bool,
    in_text: bool,
    escaped: bool,
}

impl Progress {
    fn read(&mut self, json: &str) {
        for byte in json.bytes() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    self.begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// An object has closed. Free text never has, and nothing at all may still become an object.
    fn is_complete(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }
}

/// Bytes that one stream may hold back.
const MOST_HELD: usize = 1 << 20;
/// Calls of one answer. OpenAI allows 128 tools.
const MOST_CALLS: usize = 512;
