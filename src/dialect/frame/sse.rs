//! Server-sent events: where one ends, and what its fields are.
//!
//! Format: WHATWG HTML, "Server-sent events", section "Parsing an event stream"
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). Lines end in LF, CRLF or CR; an
//! empty line ends an event; a line that begins with a colon is a comment. Bytes are never changed here:
//! the frames one after another, and the tail, are the stream.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr2};

use crate::error::{Error, Kind, Result};

/// Cuts a stream into frames, whichever way it is chunked.
#[derive(Debug, Default)]
pub struct Cutter {
    /// Begin of a frame that has not ended yet.
    carry: BytesMut,
    state: State,
}

/// A complete frame, its ending empty line included.
#[derive(Debug)]
pub enum Cut {
    /// Lies whole within the chunk, here.
    Inside(Range<usize>),
    /// Begun in earlier chunks. Took this many bytes of the current one.
    Joined(BytesMut, usize),
}

impl Cutter {
    /// The next frame that ends in `chunk`, read from `start` on; `start` is where the frame before it ended.
    /// When the chunk ends first, what it holds of a frame is kept.
    ///
    /// # Errors
    /// `UpstreamUnreadable` when a frame is longer than [`MAX_FRAME`]. What was kept is let go; the stream
    /// cannot be taken up again.
    pub fn next(&mut self, chunk: &[u8], start: usize) -> Result<Option<Cut>> {
        let end = self.state.scan(chunk, start);
        let piece = chunk.get(start..end.unwrap_or(chunk.len())).unwrap_or_default();
        check_length(self.carry.len() + piece.len()).inspect_err(|_| self.carry = BytesMut::new())?;
        if let Some(end) = end.filter(|_| self.carry.is_empty()) {
            return Ok(Some(Cut::Inside(start..end)));
        }
        self.carry.extend_from_slice(piece);
        Ok(end.map(|end| Cut::Joined(std::mem::take(&mut self.carry), end)))
    }

    /// Has the latest frame ended, and none begun?
    pub fn is_between_frames(&self) -> bool {
        self.carry.is_empty()
    }

    /// The bytes after the last complete frame.
    pub fn finish(&mut self) -> BytesMut {
        self.state = State::default();
        std::mem::take(&mut self.carry)
    }
}

fn check_length(length: usize) -> Result<()> {
    if length <= MAX_FRAME {
        return Ok(());
    }
    Err(Error::new(Kind::UpstreamUnreadable, "upstream sent an event beyond the size limit")
        .because(format_args!("a frame of more than {MAX_FRAME} bytes")))
}

/// How far the current frame has been read. Decided by the bytes before alone, so that chunks may end
/// anywhere, also between CR and LF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the start of a line; the line before, if any, ended with LF.
    #[default]
    Fresh,
    /// Within a line that is not empty.
    Line,
    /// After the CR that ended a line that is not empty. An LF still belongs to it.
    LineCr,
    /// After the CR of an empty line: the frame ends here, or after the LF that follows.
    EmptyCr,
}

impl State {
    /// Reads on from `at` and returns where the frame ends; None when the chunk ends first.
    fn scan(&mut self, chunk: &[u8], mut at: usize) -> Option<usize> {
        loop {
            if *self == State::Line {
                at += memchr2(b'\n', b'\r', chunk.get(at..)?)?;
            }
            let byte = *chunk.get(at)?;
            let (next, end) = self.step(byte);
            *self = next;
            match end {
                Some(taken) => return Some(at + taken),
                None => at += 1,
            }
        }
    }

    /// The state after one byte and, when the frame ends, how many bytes of it belong to the frame.
    ///
    /// In a stream whose lines end in lone CRs the frame ends with the second CR at once: waiting for an
    /// LF that never comes would hold every event back until the next one. Should an LF follow, it is an
    /// empty line of its own and changes no meaning.
    fn step(self, byte: u8) -> (State, Option<usize>) {
        match (self, byte) {
            (State::Fresh | State::EmptyCr, b'\n') => (State::Fresh, Some(1)),
            (State::Fresh, b'\r') => (State::EmptyCr, None),
            (State::EmptyCr, _) => (State::Fresh, Some(0)),
            (State::LineCr, b'\r') => (State::Fresh, Some(1)),
            (State::Line | State::LineCr, b'\n') => (State::Fresh, None),
            (State::Line, b'\r') => (State::LineCr, None),
            _ => (State::Line, None),
        }
    }
}

/// What a frame says.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// Value of the last `event` field.
    pub name: Option<&'a [u8]>,
    pub data: Data<'a>,
}

/// The data of an event.
#[derive(Debug, Default)]
pub enum Data<'a> {
    /// A comment, a bare empty line, or other fields only.
    #[default]
    None,
    /// One line, and the place of it in the frame.
    Line(&'a [u8], usize),
    /// Several lines, joined by LF. They have no one place in the frame.
    Lines(Vec<u8>),
}

impl<'a> Event<'a> {
    /// Reads the fields of a frame. Other fields than `event` and `data` are passed over.
    pub fn read(frame: &'a [u8]) -> Event<'a> {
        let mut event = Event::default();
        let mut at = 0;
        while let Some(rest) = frame.get(at..).filter(|rest| !rest.is_empty()) {
            let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = rest.get(..length).unwrap_or_default();
            event.field(line, at);
            at += length + 1;
        }
        event
    }

    /// As [`Event::read`], for the first frame of a stream: a byte order mark is passed over.
    pub fn read_first(frame: &'a [u8]) -> Event<'a> {
        let Some(rest) = frame.strip_prefix(BOM) else { return Event::read(frame) };
        let mut event = Event::read(rest);
        if let Data::Line(_, place) = &mut event.data {
            *place += BOM.len();
        }
        event
    }

    /// The data, whichever way it was written.
    pub fn data(&self) -> Option<&[u8]> {
        match &self.data {
            Data::None => None,
            Data::Line(line, _) => Some(line),
            Data::Lines(lines) => Some(lines),
        }
    }

    /// Is this the event with that name?
    pub fn is_named(&self, name: &str) -> bool {
        self.name == Some(name.as_bytes())
    }

    fn field(&mut self, line: &'a [u8], at: usize) {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let (name, rest) = line.split_at(colon);
        let value = rest.strip_prefix(b":").unwrap_or(rest);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.add_data(value, at + line.len() - value.len()),
            b"event" => self.name = Some(value),
            _ => {}
        }
    }

    fn add_data(&mut self, value: &'a [u8], place: usize) {
        self.data = match std::mem::take(&mut self.data) {
            Data::None => Data::Line(value, place),
            Data::Line(first, _) => Data::Lines([first, b"\n", value].concat()),
            Data::Lines(mut lines) => {
                lines.push(b'\n');
                lines.extend_from_slice(value);
                Data::Lines(lines)
            }
        };
    }
}

/// An event with a name and one line of data. `json` must be on one line, as every serializer of ours
/// writes it.
pub fn write(name: &str, json: &[u8]) -> Bytes {
    let parts: [Cow<'_, [u8]>; 5] =
        [b"event: ".into(), name.as_bytes().into(), b"\ndata: ".into(), json.into(), b"\n\n".into()];
    Bytes::from(parts.concat())
}

/// Longest frame accepted. Generous: an image or audio block may arrive in one event. Bytes.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

const BOM: &[u8] = b"\xEF\xBB\xBF";
