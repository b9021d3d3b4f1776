//! Passes a stream of events from upstream to caller: cuts, asks the dialect what a frame holds, edits what
//! we own. Runs of frames that stay as they are leave as one slice of the chunk they came in.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::shape::Shape;
use super::sse::{Cut, Cutter, Data, Event, MAX_FRAME};
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
    /// Nothing was learnt from the event, and nothing would be from one that differs in its texts alone.
    pub plain: bool,
}

/// The editor of one stream.
pub struct Pass<R> {
    reader: R,
    cutter: Cutter,
    editor: Editor,
    notes: Notes,
    shape: Shape,
    events: u64,
    begun: bool,
    /// The very first event was an error.
    stillborn: bool,
}

/// The edits, ready to be written.
struct Editor {
    /// The alias and its JSON.
    model: Option<(String, Vec<u8>)>,
    hide_usage: bool,
}

/// A frame, and what becomes of it.
enum Judged {
    /// Lies whole within the chunk, here.
    Inside(Range<usize>, Verdict),
    /// As it leaves; took this many bytes of the chunk.
    Joined(BytesMut, usize),
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
        Pass {
            reader,
            cutter: Cutter::default(),
            editor,
            notes: Notes::default(),
            shape: Shape::default(),
            events: 0,
            begun: false,
            stillborn: false,
        }
    }

    /// The next frame that ends in the chunk, and what becomes of it. Joined frames are read in full always.
    fn next(&mut self, chunk: &[u8], start: usize) -> Result<Option<Judged>> {
        if let Some(known) = self.recognise(chunk, start) {
            return Ok(Some(known));
        }
        Ok(match self.cutter.next(chunk, start)? {
            None => None,
            Some(Cut::Joined(frame, end)) => Some(Judged::Joined(self.take_joined(frame), end)),
            Some(Cut::Inside(place)) => {
                let frame = chunk.get(place.clone()).unwrap_or_default();
                Some(Judged::Inside(place, self.judge(frame)))
            }
        })
    }

    /// What reads the events.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The name the caller used, where it is put in place of the model id.
    pub fn alias(&self) -> Option<&str> {
        self.editor.model.as_ref().map(|(alias, _)| alias.as_str())
    }

    /// The next frame, if it need not be read.
    fn recognise(&mut self, chunk: &[u8], start: usize) -> Option<Judged> {
        if !self.cutter.is_between_frames() {
            return None;
        }
        let known = self.shape.recognise(chunk.get(start..)?)?;
        if known.length > MAX_FRAME {
            return None;
        }
        self.events += 1;
        let verdict = known.edit.map_or(Verdict::Keep, Verdict::Replace);
        Some(Judged::Inside(start..start + known.length, verdict))
    }

    /// Reads a frame and decides on it.
    fn judge(&mut self, frame: &[u8]) -> Verdict {
        let first = !std::mem::replace(&mut self.begun, true);
        let event = if first { Event::read_first(frame) } else { Event::read(frame) };
        if event.data().is_some() {
            self.events += 1;
        }
        let found = self.reader.read(&event, self.editor.model.is_some(), &mut self.notes);
        self.stillborn |= self.events == 1 && self.notes.problem.is_some();
        if found.usage_only && self.editor.hide_usage {
            return Verdict::Drop;
        }
        let edit = self.editor.replaceable(&event, found.model);
        if let Data::Line(data, place) = event.data
            && found.plain
            && !first
        {
            self.shape.learn(frame, place..place + data.len(), edit.clone());
        }
        edit.map_or(Verdict::Keep, Verdict::Replace)
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
    /// Bytes to reserve for a chunk, once its first frame to change is known: the others are likely to grow
    /// as much.
    fn room(&self, chunk: usize, frame: &Range<usize>, verdict: &Verdict) -> usize {
        let new = self.model.as_ref().map_or(0, |(_, json)| json.len());
        let Verdict::Replace(old) = verdict else { return chunk };
        let growth = new.saturating_sub(old.len()) * (chunk / frame.len().max(1));
        chunk + ROOM + growth.min(chunk)
    }

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
        while let Some(judged) = self.next(&chunk, run.end)? {
            match judged {
                Judged::Joined(frame, end) => {
                    out = frame;
                    run = end..end;
                }
                Judged::Inside(place, Verdict::Keep) => run.end = place.end,
                Judged::Inside(place, verdict) => {
                    if out.is_empty() {
                        out.reserve(self.editor.room(chunk.len(), &place, &verdict));
                    }
                    out.extend_from_slice(chunk.get(run).unwrap_or_default());
                    self.write(chunk.get(place.clone()).unwrap_or_default(), verdict, &mut out);
                    run = place.end..place.end;
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
        let tail = self.cutter.finish();
        Ok(if tail.is_empty() { Bytes::new() } else { self.take_joined(tail).freeze() })
    }

    fn events(&self) -> u64 {
        self.events
    }

    fn complete(&self) -> bool {
        self.notes.complete
    }

    fn stillborn(&self) -> bool {
        self.stillborn
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
