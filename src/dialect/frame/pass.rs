//! Passes a stream of events from upstream to caller: cuts, asks the dialect what a frame holds, edits what
//! we own. Runs of frames that stay as they are leave as one slice of the chunk they came in.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::sse::{Cut, Cutter, Data, Event};
use crate::dialect::{Problem, StreamEdits, StreamPass, Usage, skim, splice};
use crate::error::Result;

/// What a dialect reads out of events.
pub trait Reader: Send {
    /// Reads one event. `want_model` says whether the place of the model id is of interest.
    fn read(&mut self, event: &Event<'_>, want_model: bool, notes: &mut Notes) -> Found;
}

/// What has been learnt of the stream.
#[derive(Debug, Default)]
pub struct Notes {
    /// The upstream said by the protocol's own means that this was all.
    pub complete: bool,
    /// The first error.
    pub problem: Option<Problem>,
    pub usage: Usage,
}

impl Notes {
    /// Only the first error counts: what follows it is a consequence.
    pub fn blame(&mut self, problem: impl FnOnce() -> Problem) {
        self.problem.get_or_insert_with(problem);
    }
}

/// What there is to edit in one event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Place in the data of a string that is the model id.
    pub model: Option<Range<usize>>,
    /// The event reports usage and nothing else.
    pub usage_only: bool,
}

/// The editor of one stream.
pub struct Pass<R> {
    reader: R,
    cutter: Cutter,
    editor: Editor,
    notes: Notes,
    events: u64,
    begun: bool,
}

/// The edits, ready to be written.
struct Editor {
    /// The alias and its JSON.
    model: Option<(String, Vec<u8>)>,
    hide_usage: bool,
}

/// What becomes of a frame.
enum Verdict {
    Keep,
    Drop,
    Replace(Range<usize>),
}

impl<R: Reader> Pass<R> {
    pub fn new(reader: R, edits: StreamEdits) -> Self {
        let model = edits.model.map(|alias| {
            let json = splice::json_string(&alias);
            (alias, json)
        });
        let editor = Editor { model, hide_usage: edits.hide_usage };
        Pass { reader, cutter: Cutter::default(), editor, notes: Notes::default(), events: 0, begun: false }
    }

    /// Reads a frame and decides on it.
    fn judge(&mut self, frame: &[u8]) -> Verdict {
        let event = if self.begun { Event::read(frame) } else { Event::read_first(frame) };
        self.begun = true;
        if event.data().is_some() {
            self.events += 1;
        }
        let found = self.reader.read(&event, self.editor.model.is_some(), &mut self.notes);
        if found.usage_only && self.editor.hide_usage {
            return Verdict::Drop;
        }
        self.editor.replaceable(&event, found.model).map_or(Verdict::Keep, Verdict::Replace)
    }

    fn write(&mut self, frame: &[u8], verdict: Verdict, out: &mut BytesMut) {
        match verdict {
            Verdict::Drop => {}
            Verdict::Keep => out.extend_from_slice(frame),
            Verdict::Replace(place) => {
                let json = self.editor.model.as_ref().map_or(&[][..], |(_, json)| json);
                out.extend_from_slice(frame.get(..place.start).unwrap_or_default());
                out.extend_from_slice(json);
                out.extend_from_slice(frame.get(place.end..).unwrap_or_default());
            }
        }
    }

    /// A frame put together from several chunks. It leaves in the buffer it was collected in, if it can.
    fn take_joined(&mut self, frame: BytesMut) -> BytesMut {
        match self.judge(&frame) {
            Verdict::Keep => frame,
            verdict => {
                let mut out = BytesMut::with_capacity(frame.len() + ROOM);
                self.write(&frame, verdict, &mut out);
                out
            }
        }
    }
}

impl Editor {
    /// The place in the frame where the alias must be written. Data that spans several lines has no one
    /// place and stays as it is; no provider sends a model id that way.
    fn replaceable(&self, event: &Event<'_>, model: Option<Range<usize>>) -> Option<Range<usize>> {
        let (alias, _) = self.model.as_ref()?;
        let Data::Line(data, offset) = &event.data else { return None };
        let place = model?;
        let upstream = data.get(place.clone())?;
        let differs = upstream.first() == Some(&b'"') && !skim::string_is(upstream, alias);
        differs.then(|| place.start + offset..place.end + offset)
    }
}

impl<R: Reader> StreamPass for Pass<R> {
    fn push(&mut self, chunk: Bytes) -> Result<Bytes> {
        let mut out = BytesMut::new();
        // Frames of the chunk that were kept and are not yet written, all adjacent.
        let mut run = 0..0;
        let mut cutter = std::mem::take(&mut self.cutter);
        let cut = cutter.push(&chunk, |cut| match cut {
            Cut::Joined(frame, end) => {
                out = self.take_joined(frame);
                run = end..end;
            }
            Cut::Inside(place) => {
                let frame = chunk.get(place.clone()).unwrap_or_default();
                match self.judge(frame) {
                    Verdict::Keep => run.end = place.end,
                    verdict => {
                        if out.is_empty() {
                            out.reserve(chunk.len() + ROOM);
                        }
                        out.extend_from_slice(chunk.get(run.clone()).unwrap_or_default());
                        self.write(frame, verdict, &mut out);
                        run = place.end..place.end;
                    }
                }
            }
        });
        self.cutter = cutter;
        cut?;
        if out.is_empty() {
            return Ok(chunk.slice(run));
        }
        out.extend_from_slice(chunk.get(run).unwrap_or_default());
        Ok(out.freeze())
    }

    fn finish(&mut self) -> Bytes {
        let tail = self.cutter.finish();
        if tail.is_empty() { Bytes::new() } else { self.take_joined(tail).freeze() }
    }

    fn events(&self) -> u64 {
        self.events
    }

    fn complete(&self) -> bool {
        self.notes.complete
    }

    fn problem(&self) -> Option<&Problem> {
        self.notes.problem.as_ref()
    }

    fn usage(&self) -> &Usage {
        &self.notes.usage
    }
}

/// Spare bytes taken with a buffer, for aliases longer than the upstream's id.
const ROOM: usize = 128;
