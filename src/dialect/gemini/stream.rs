//! Streams: events of `data: {…}`, each a part of an answer, without an end of their own: the last one says why the
//! answer ended.

use super::{error, usage};
use crate::dialect::frame::pass::{Found, Notes, Pass, Reader};
use crate::dialect::frame::sse::Event;
use crate::dialect::json::{self, Read, Shape};
use crate::dialect::{StreamEdits, StreamPass};

pub fn pass(edits: StreamEdits) -> Box<dyn StreamPass> {
    Box::new(Pass::new(Chunks::default(), edits))
}

/// Reads chunks and remembers which answers have begun and which have ended.
#[derive(Default)]
struct Chunks {
    begun: u64,
    ended: u64,
    /// The prompt will not be answered.
    blocked: bool,
}

impl Reader for Chunks {
    fn read(&mut self, event: &Event<'_>, want_model: bool, notes: &mut Notes) -> Found {
        let data = event.data().unwrap_or_default();
        let before = (self.begun, self.ended);
        let mut found = Found { plain: true, ..Found::default() };
        if let Ok(text) = std::str::from_utf8(data) {
            // What cannot be read says nothing.
            let _ = json::Reader::new(text).object(|name, value| match name {
                "candidates" => value.array_if(|candidate| self.candidate(candidate)),
                "modelVersion" if want_model => {
                    let version = value.raw()?;
                    let place = version.as_ptr().addr() - text.as_ptr().addr();
                    found.model = Some(place..place + version.len());
                    Ok(())
                }
                "usageMetadata" => {
                    notes.usage.merge(&usage::read(value)?);
                    found.plain = false;
                    Ok(())
                }
                "promptFeedback" => self.feedback(value),
                "error" if value.shape() != Shape::Null => {
                    notes.blame(|| error::read_in_band(data));
                    found.plain = false;
                    Ok(())
                }
                _ => Ok(()),
            });
        }
        notes.complete = self.blocked || (self.begun != 0 && self.begun == self.ended);
        found.plain &= before == (self.begun, self.ended) && !notes.complete;
        found
    }
}

impl Chunks {
    fn candidate(&mut self, candidate: &mut json::Reader<'_>) -> Read<()> {
        let (mut index, mut ended) = (0, false);
        candidate.object_if(|name, value| {
            match name {
                "index" => index = value.count_if()?.unwrap_or(0),
                "finishReason" => ended = value.text_if()?.is_some(),
                _ => {}
            }
            Ok(())
        })?;
        let answer = 1 << index.min(63);
        self.begun |= answer;
        self.ended |= if ended { answer } else { 0 };
        Ok(())
    }

    fn feedback(&mut self, feedback: &mut json::Reader<'_>) -> Read<()> {
        feedback.object_if(|name, value| {
            self.blocked |= name == "blockReason" && value.shape() == Shape::Text;
            Ok(())
        })
    }
}
