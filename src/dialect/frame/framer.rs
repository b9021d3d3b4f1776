//! Cuts the bytes of a stream into the frames its dialect is read from.

use super::eventstream::{self, Message};
use super::sse::{self, Cut, Event as Sse};
use crate::dialect::codec::{Frame, Framing};
use crate::dialect::json::Object;
use crate::error::{Error, Kind, Result};

/// Cuts one stream.
#[derive(Debug)]
pub enum Framer {
    Sse { cutter: sse::Cutter, begun: bool },
    EventStream(eventstream::Cutter),
}

impl Framer {
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Framer::Sse { cutter: sse::Cutter::default(), begun: false },
            Framing::EventStream => Framer::EventStream(eventstream::Cutter::default()),
        }
    }

    /// Shows `each` the frames that end in the chunk.
    ///
    /// # Errors
    /// `UpstreamUnreadable`: there is no frame where one should be, or `each` says so.
    pub fn cut(&mut self, chunk: &[u8], mut each: impl FnMut(&Frame<'_>) -> Result<()>) -> Result<()> {
        let mut at = 0;
        while let Some(cut) = self.next(chunk, at)? {
            let joined;
            let frame = match cut {
                Cut::Inside(place) => {
                    at = place.end;
                    chunk.get(place).unwrap_or_default()
                }
                Cut::Joined(frame, end) => {
                    at = end;
                    joined = frame;
                    &joined
                }
            };
            self.show(frame, &mut each)?;
        }
        Ok(())
    }

    /// Shows `each` what stands after the last whole frame, if that can be read.
    ///
    /// # Errors
    /// As [`Framer::cut`].
    pub fn finish(&mut self, mut each: impl FnMut(&Frame<'_>) -> Result<()>) -> Result<()> {
        match self {
            Framer::Sse { cutter, .. } => {
                let tail = cutter.finish();
                self.show(&tail, &mut each)
            }
            // A message without its end cannot be read.
            Framer::EventStream(cutter) => {
                cutter.finish();
                Ok(())
            }
        }
    }

    fn next(&mut self, chunk: &[u8], at: usize) -> Result<Option<Cut>> {
        match self {
            Framer::Sse { cutter, .. } => cutter.next(chunk, at),
            Framer::EventStream(cutter) => cutter.next(chunk, at),
        }
    }

    fn show(&mut self, frame: &[u8], each: &mut impl FnMut(&Frame<'_>) -> Result<()>) -> Result<()> {
        match self {
            Framer::Sse { begun, .. } => show_event(frame, begun, each),
            Framer::EventStream(_) => show_message(frame, each),
        }
    }
}

/// Comments and frames without data, or with empty data, are passed over.
fn show_event(frame: &[u8], begun: &mut bool, each: &mut impl FnMut(&Frame<'_>) -> Result<()>) -> Result<()> {
    let first = !std::mem::replace(begun, true);
    let event = if first { Sse::read_first(frame) } else { Sse::read(frame) };
    let Some(data) = event.data().filter(|data| !data.trim_ascii().is_empty()) else { return Ok(()) };
    let name = event.name.and_then(|name| std::str::from_utf8(name).ok());
    each(&Frame { name, data: text(data)?, exception: false })
}

/// An error has no payload but a header with its message, and gets the payload of an exception.
fn show_message(bytes: &[u8], each: &mut impl FnMut(&Frame<'_>) -> Result<()>) -> Result<()> {
    let message = Message::read(bytes)?;
    let exception = matches!(message.kind, "exception" | "error");
    if let Some(error) = message.error.filter(|_| exception && message.payload.is_empty()) {
        let mut payload = Vec::new();
        Object::new(&mut payload).text("message", error);
        return each(&Frame { name: message.name, data: text(&payload)?, exception });
    }
    each(&Frame { name: message.name, data: text(message.payload)?, exception })
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(error)
    })
}
