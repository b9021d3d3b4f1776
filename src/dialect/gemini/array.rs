//! A stream as one JSON array, for callers that did not ask for events (`alt=sse`).
//!
//! The elements are the chunks as they are in the events, byte for byte. The content type is `application/json`; comments
//! cannot be written between chunks, white space can.

use bytes::Bytes;

use super::error;
use crate::dialect::frame::sse::{Cut, Cutter, Event};
use crate::dialect::{Problem, StreamPass, Usage};
use crate::error::{Error, Result};

/// The stream of `inner`, which writes events, as one array.
pub fn of(inner: Box<dyn StreamPass>) -> Box<dyn StreamPass> {
    Box::new(Array { inner, elements: Elements::default() })
}

/// The events of a whole stream as one array.
///
/// # Errors
/// A frame beyond the size limit.
pub fn of_whole(frames: &[u8]) -> Result<Bytes> {
    let mut elements = Elements::default();
    let mut out = elements.take(frames)?;
    elements.finish(&mut out);
    Ok(out.into())
}

struct Array {
    inner: Box<dyn StreamPass>,
    elements: Elements,
}

/// What has been written of an array.
struct Elements {
    cutter: Cutter,
    /// The array's bracket has been written.
    begun: bool,
    closed: bool,
    /// No frame has been cut: a byte order mark may stand before the first one.
    first: bool,
}

impl Default for Elements {
    fn default() -> Self {
        Elements { cutter: Cutter::default(), begun: false, closed: false, first: true }
    }
}

impl Elements {
    /// Turns whole frames into elements.
    fn take(&mut self, frames: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(frames.len());
        let mut at = 0;
        while let Some(cut) = self.cutter.next(frames, at)? {
            match cut {
                Cut::Inside(place) => {
                    at = place.end;
                    self.element(frames.get(place).unwrap_or_default(), &mut out);
                }
                Cut::Joined(frame, end) => {
                    at = end;
                    self.element(&frame, &mut out);
                }
            }
        }
        Ok(out)
    }

    fn element(&mut self, frame: &[u8], out: &mut Vec<u8>) {
        let first = std::mem::replace(&mut self.first, false);
        let event = if first { Event::read_first(frame) } else { Event::read(frame) };
        if let Some(data) = event.data() {
            self.write(data, out);
        }
    }

    fn write(&mut self, json: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(if std::mem::replace(&mut self.begun, true) { b",\r\n" } else { b"[" });
        out.extend_from_slice(json);
    }

    /// What stands after the last whole frame, and the closing bracket.
    fn finish(&mut self, out: &mut Vec<u8>) {
        let tail = self.cutter.finish();
        self.element(&tail, out);
        self.close(out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.closed = true;
        if !std::mem::replace(&mut self.begun, true) {
            out.push(b'[');
        }
        out.extend_from_slice(b"\n]");
    }
}

impl StreamPass for Array {
    fn push(&mut self, chunk: Bytes) -> Result<Bytes> {
        let frames = self.inner.push(chunk)?;
        self.elements.take(&frames).map(Bytes::from)
    }

    fn finish(&mut self) -> Result<Bytes> {
        let frames = self.inner.finish()?;
        let mut out = self.elements.take(&frames)?;
        self.elements.finish(&mut out);
        Ok(out.into())
    }

    fn fail(&mut self, error: &Error) -> Option<Bytes> {
        if self.elements.closed {
            return Some(Bytes::new());
        }
        let mut out = Vec::new();
        match self.inner.fail(error) {
            Some(frames) => out = self.elements.take(&frames).unwrap_or_default(),
            None => self.elements.write(&error::write(error), &mut out),
        }
        // A frame that was cut short is no JSON.
        self.elements.close(&mut out);
        Some(out.into())
    }

    fn close(&mut self) -> Bytes {
        let mut out = Vec::new();
        self.elements.close(&mut out);
        out.into()
    }

    fn events(&self) -> u64 {
        self.inner.events()
    }

    fn complete(&self) -> bool {
        self.inner.complete()
    }

    fn stillborn(&self) -> bool {
        self.inner.stillborn()
    }

    fn problem(&self) -> Option<&Problem> {
        self.inner.problem()
    }

    fn usage(&self) -> &Usage {
        self.inner.usage()
    }
}
