//! Passes a stream to a caller who speaks another dialect: cuts, reads, writes, frame by frame. Nothing of the answer is
//! kept.

use bytes::Bytes;

use super::framer::Framer;
use crate::dialect::canon::names::Renames;
use crate::dialect::canon::{Block, Event};
use crate::dialect::codec::{Codec, EventReader, EventWriter, Frame};
use crate::dialect::json::Wrong;
use crate::dialect::{Problem, StreamPass, Usage};
use crate::error::{Error, Kind, Result};

/// The pass of one translated stream.
pub struct Transcode {
    framer: Framer,
    reader: Box<dyn EventReader>,
    told: Told,
    events: u64,
}

/// What has been told, and to whom.
struct Told {
    writer: Box<dyn EventWriter>,
    renames: Renames,
    /// Frames that may leave.
    out: Vec<u8>,
    usage: Usage,
    complete: bool,
    /// The upstream reported an error in place of the rest.
    failed: Option<Error>,
}

impl Transcode {
    pub fn new(from: &dyn Codec, writer: Box<dyn EventWriter>, renames: Renames) -> Self {
        let told =
            Told { writer, renames, out: Vec::new(), usage: Usage::default(), complete: false, failed: None };
        Transcode { framer: Framer::new(from.facts().framing), reader: from.reader(), told, events: 0 }
    }
}

impl Told {
    fn tell(&mut self, event: Event<'_>) {
        if self.is_over() {
            return;
        }
        match &event {
            Event::Usage(usage) => self.usage.merge(usage),
            Event::End => self.complete = true,
            Event::Failed(problem) => return self.failed = Some(in_band_error(problem)),
            Event::Open { choice, block, kind: Block::ToolCall { id, name, custom } }
                if !self.renames.is_empty() =>
            {
                let kind = Block::ToolCall { id, name: self.renames.original(name), custom: *custom };
                let event = Event::Open { choice: *choice, block: *block, kind };
                return self.writer.write(&event, &mut self.out);
            }
            _ => {}
        }
        self.writer.write(&event, &mut self.out);
    }

    fn is_over(&self) -> bool {
        self.complete || self.failed.is_some()
    }

    /// What may leave. After an error that is kept for [`StreamPass::fail`], so that nothing is lost. What cannot be read
    /// behind the end, or behind the upstream's own error, is of no account.
    fn settle(&mut self, read: Result<()>) -> Result<Bytes> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.complete {
            read?;
        }
        Ok(Bytes::from(std::mem::take(&mut self.out)))
    }
}

/// An error inside a stream. What it says of the request is told on, all else stays here.
fn in_band_error(problem: &Problem) -> Error {
    let error = match (problem.status, &problem.message) {
        (Some(status @ (400 | 402..=499)), Some(message)) => {
            let mut error = Error::new(Kind::UpstreamRefused, message.clone()).with_status(status);
            error.code = problem.code.clone().map(Into::into);
            error
        }
        _ => Error::new(Kind::UpstreamFailed, "the upstream ended its stream with an error"),
    };
    error.because(problem.classified(0))
}

impl StreamPass for Transcode {
    fn push(&mut self, chunk: Bytes) -> Result<Bytes> {
        let Transcode { framer, reader, told, events } = self;
        told.out.reserve(chunk.len() * GROWTH);
        let read = framer.cut(&chunk, |frame| take(frame, &mut **reader, told, events));
        told.settle(read)
    }

    fn finish(&mut self) -> Result<Bytes> {
        let Transcode { framer, reader, told, events } = self;
        let mut read = framer.finish(|frame| take(frame, &mut **reader, told, events));
        if read.is_ok() && !told.is_over() {
            reader.end(&mut |event| told.tell(event));
            if !told.is_over() {
                read =
                    Err(Error::new(Kind::UpstreamCut, "the upstream ended its stream without completing it"));
            }
        }
        told.settle(read)
    }

    fn fail(&mut self, error: &Error) -> Option<Bytes> {
        let mut out = std::mem::take(&mut self.told.out);
        if !self.told.complete {
            self.told.writer.fail(error, &mut out);
        }
        Some(out.into())
    }

    fn events(&self) -> u64 {
        self.events
    }

    fn complete(&self) -> bool {
        self.told.complete
    }

    /// An error before the first event is one of [`StreamPass::push`].
    fn stillborn(&self) -> bool {
        false
    }

    /// Errors end the pass.
    fn problem(&self) -> Option<&Problem> {
        None
    }

    fn usage(&self) -> &Usage {
        &self.told.usage
    }

    fn answer(&self) -> Option<&[u8]> {
        self.told.writer.answer()
    }
}

/// A frame's meaning, told to the caller. Silent once the stream is over.
fn take(frame: &Frame<'_>, reader: &mut dyn EventReader, told: &mut Told, events: &mut u64) -> Result<()> {
    *events += 1;
    if told.is_over() {
        return Ok(());
    }
    reader.read(frame, &mut |event| told.tell(event)).map_err(Wrong::into_unreadable)
}

/// How much longer a frame may become, in the usual case: other dialects say more around the same text.
const GROWTH: usize = 2;
