//! Streams between a caller and a model that both speak ConverseStream. Nothing in them is ours to change: they name
//! no model, and tell usage unasked. Messages pass as they are, whole, with their checksums; usage and errors are read on
//! the side.

use bytes::{Bytes, BytesMut};

use super::codec::usage;
use super::error;
use crate::dialect::frame::eventstream::{Cutter, Message};
use crate::dialect::frame::sse::Cut;
use crate::dialect::json::Reader;
use crate::dialect::{Problem, StreamPass, Usage};
use crate::error::{Error, Result};

#[derive(Debug, Default)]
pub struct Pass {
    cutter: Cutter,
    usage: Usage,
    problem: Option<Problem>,
    complete: bool,
    stillborn: bool,
    events: u64,
}

impl Pass {
    fn note(&mut self, bytes: &[u8]) -> Result<()> {
        let message = Message::read(bytes)?;
        self.events += 1;
        let data = std::str::from_utf8(message.payload).unwrap_or_default();
        let name = message.name.unwrap_or_default();
        match (message.kind, name) {
            ("exception" | "error", _) => {
                self.stillborn |= self.events == 1;
                self.problem.get_or_insert_with(|| {
                    let problem = error::read_in_band(name, data);
                    let message = problem.message.or(message.error.map(str::to_owned));
                    Problem { message, ..problem }
                });
            }
            (_, "messageStop") => self.complete = true,
            (_, "metadata") => {
                // What cannot be read is the caller's to complain of.
                let _ = Reader::new(data).object_if(|name, value| {
                    if name == "usage" {
                        self.usage.merge(&usage::read(value)?);
                    }
                    Ok(())
                });
            }
            _ => {}
        }
        Ok(())
    }
}

impl StreamPass for Pass {
    fn push(&mut self, chunk: Bytes) -> Result<Bytes> {
        let mut out = BytesMut::new();
        // Messages that lie whole in the chunk, all adjacent.
        let mut run = 0..0;
        while let Some(cut) = self.cutter.next(&chunk, run.end)? {
            match cut {
                Cut::Inside(place) => {
                    self.note(chunk.get(place.clone()).unwrap_or_default())?;
                    run.end = place.end;
                }
                Cut::Joined(message, end) => {
                    self.note(&message)?;
                    out = message;
                    run = end..end;
                }
            }
        }
        if out.is_empty() {
            return Ok(chunk.slice(run));
        }
        out.extend_from_slice(chunk.get(run).unwrap_or_default());
        Ok(out.freeze())
    }

    fn finish(&mut self) -> Result<Bytes> {
        Ok(self.cutter.finish().freeze())
    }

    fn fail(&mut self, error: &Error) -> Option<Bytes> {
        let mut out = Vec::new();
        error::write_exception(error, &mut out);
        Some(out.into())
    }

    fn events(&self) -> u64 {
        self.events
    }

    fn complete(&self) -> bool {
        self.complete
    }

    fn stillborn(&self) -> bool {
        self.stillborn
    }

    fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    fn usage(&self) -> &Usage {
        &self.usage
    }
}
