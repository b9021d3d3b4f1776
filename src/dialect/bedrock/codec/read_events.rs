//! Streams: `messageStart`, blocks, `messageStop`, `metadata`. Blocks of text and thoughts have no beginning of their
//! own: their first piece is one.

use super::{ANSWER_TOOL, finish, media, read_blocks, read_response, usage};
use crate::dialect::bedrock::error;
use crate::dialect::canon::{Block, Content, Delta, Event, Media, MediaKind, Part, Source};
use crate::dialect::codec::{EventReader, Frame};
use crate::dialect::frame::sse::MAX_FRAME;
use crate::dialect::json::{Read, Reader, Wrong};

type Tell<'t> = dyn FnMut(Event<'_>) + 't;

#[derive(Debug, Default)]
pub struct Events {
    begun: bool,
    open: Option<Open>,
    /// Number of the next block.
    next: u32,
    /// The answer holds calls of the caller's own tools.
    called: bool,
    finished: bool,
    metered: bool,
    ended: bool,
    /// Format of a picture whose bytes come next.
    picture: Option<&'static str>,
}

/// The block that is open.
#[derive(Debug)]
struct Open {
    /// Its number in the stream.
    index: u64,
    /// Its number here.
    block: u32,
    kind: Kind,
    /// What of its seal has come.
    seal: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thought,
    Redacted,
    Call,
    /// A call of the tool that stands for the answer itself.
    Answer,
    /// A block that is passed over.
    Foreign,
}

impl EventReader for Events {
    fn read(&mut self, frame: &Frame<'_>, tell: &mut Tell<'_>) -> Read<()> {
        if frame.exception {
            tell(Event::Failed(&error::read_in_band(frame.name.unwrap_or_default(), frame.data)));
            return Ok(());
        }
        if !std::mem::replace(&mut self.begun, true) {
            tell(Event::Begin { id: None, model: None, created: None });
        }
        let mut data = Reader::new(frame.data);
        match frame.name.unwrap_or_default() {
            // A block after the last one has no place.
            "contentBlockDelta" | "contentBlockStart" if self.finished => Ok(()),
            "contentBlockDelta" => self.read_delta(&mut data, tell),
            "contentBlockStart" => self.read_start(&mut data, tell),
            "contentBlockStop" => {
                self.close(tell);
                Ok(())
            }
            "messageStop" => self.read_stop(&mut data, tell),
            "metadata" => self.read_metadata(&mut data, tell),
            _ => Ok(()),
        }
    }

    fn end(&mut self, tell: &mut Tell<'_>) {
        if self.finished && !std::mem::replace(&mut self.ended, true) {
            tell(Event::End);
        }
    }
}

impl Events {
    fn read_delta(&mut self, data: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let mut delta = None;
        let mut index = 0;
        data.object(|name, value| {
            match name {
                "contentBlockIndex" => index = value.count_if()?.unwrap_or(0),
                // Usually the number comes first, but it need not.
                "delta" => {
                    delta = Some(value.clone());
                    value.skip()?;
                }
                _ => {}
            }
            Ok(())
        })?;
        let Some(mut delta) = delta else { return Ok(()) };
        delta.object_if(|name, value| match name {
            "text" => {
                let text = value.text_if()?.unwrap_or_default();
                self.piece(index, Kind::Text, &text, tell);
                Ok(())
            }
            "toolUse" => value.object_if(|name, value| {
                if name == "input"
                    && let Some(input) = value.text_if()?
                {
                    self.input(index, &input, tell);
                }
                Ok(())
            }),
            "reasoningContent" => self.read_reasoning(index, value, tell),
            "citation" => {
                let citation = read_blocks::citation(value)?;
                let block = self.enter(index, Kind::Text, tell);
                tell(Event::Delta { choice: 0, block, delta: Delta::Citation(&citation) });
                Ok(())
            }
            "image" => self.read_picture(value, tell),
            _ => Ok(()),
        })
    }

    fn read_reasoning(&mut self, index: u64, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        value.object_if(|name, value| {
            let kind = match name {
                "text" => {
                    let text = value.text_if()?.unwrap_or_default();
                    self.piece(index, Kind::Thought, &text, tell);
                    return Ok(());
                }
                "signature" => Kind::Thought,
                "redactedContent" => Kind::Redacted,
                _ => return Ok(()),
            };
            let Some(more) = value.text_if()?.filter(|more| !more.is_empty()) else { return Ok(()) };
            self.enter(index, kind, tell);
            match &mut self.open {
                Some(open) if open.seal.len() + more.len() <= MAX_FRAME => open.seal.push_str(&more),
                _ => return Err(Wrong::new("is too long")),
            }
            Ok(())
        })
    }

    /// Only the beginning of a call says more than the pieces that follow.
    fn read_start(&mut self, data: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let mut start = None;
        let mut index = 0;
        data.object(|name, value| {
            match name {
                "contentBlockIndex" => index = value.count_if()?.unwrap_or(0),
                "start" => {
                    start = Some(value.clone());
                    value.skip()?;
                }
                _ => {}
            }
            Ok(())
        })?;
        self.close(tell);
        self.picture = None;
        let Some(mut start) = start else { return Ok(()) };
        start.object_if(|name, value| {
            match name {
                "toolUse" => self.read_call(index, value, tell)?,
                "image" => value.object_if(|name, value| {
                    if name == "format" {
                        let format = value.text_if()?.unwrap_or_default();
                        self.picture = media::media_type(MediaKind::Image, &format);
                    }
                    Ok(())
                })?,
                _ => self.open = Some(Open::new(index, 0, Kind::Foreign)),
            }
            Ok(())
        })
    }

    fn read_call(&mut self, index: u64, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let (mut id, mut tool, mut at_provider) = (None, None, false);
        value.object_if(|name, value| {
            match name {
                "toolUseId" => id = value.text_if()?,
                "name" => tool = value.text_if()?,
                "type" => at_provider = value.text_if()?.is_some_and(|kind| kind == "server_tool_use"),
                _ => {}
            }
            Ok(())
        })?;
        let (id, name) = (id.unwrap_or_default(), tool.unwrap_or_default());
        if at_provider {
            self.open = Some(Open::new(index, 0, Kind::Foreign));
        } else if name == ANSWER_TOOL {
            self.begin(index, Kind::Answer, Block::Text, tell);
        } else {
            self.called = true;
            self.begin(index, Kind::Call, Block::ToolCall { id: &id, name: &name, custom: false }, tell);
        }
        Ok(())
    }

    fn read_picture(&mut self, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let mut bytes = None;
        value.object_if(|name, value| match name {
            "source" => value.object_if(|name, value| {
                if name == "bytes" {
                    bytes = value.text_if()?;
                }
                Ok(())
            }),
            _ => Ok(()),
        })?;
        if let (Some(data), Some(media_type)) = (bytes, self.picture) {
            let source = Source::Base64 { media_type: media_type.into(), data };
            let part = Part::from(Content::Media(Media::new(MediaKind::Image, source)));
            self.close(tell);
            let block = self.number();
            tell(Event::Whole { choice: 0, block, part: &part });
        }
        Ok(())
    }

    fn read_stop(&mut self, data: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let (mut reason, mut sequence) = (None, None);
        data.object(|name, value| {
            match name {
                "stopReason" => reason = value.text_if()?,
                "additionalModelResponseFields" => sequence = read_response::stop_sequence(value)?,
                _ => {}
            }
            Ok(())
        })?;
        self.close(tell);
        if !std::mem::replace(&mut self.finished, true) {
            let finish = finish::read(reason.unwrap_or("end_turn".into()), sequence, self.called);
            tell(Event::Finish { choice: 0, finish });
        }
        self.end_if_complete(tell);
        Ok(())
    }

    fn read_metadata(&mut self, data: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let mut read = None;
        data.object(|name, value| {
            if name == "usage" {
                read = Some(usage::read(value)?);
            }
            Ok(())
        })?;
        if let Some(usage) = read {
            tell(Event::Usage(&usage));
        }
        self.metered = true;
        self.end_if_complete(tell);
        Ok(())
    }

    /// Nothing follows the last of `messageStop` and `metadata`.
    fn end_if_complete(&mut self, tell: &mut Tell<'_>) {
        if self.metered {
            self.end(tell);
        }
    }

    /// A piece of text or of thoughts. An empty one begins no block.
    fn piece(&mut self, index: u64, kind: Kind, text: &str, tell: &mut Tell<'_>) {
        if !text.is_empty() {
            let block = self.enter(index, kind, tell);
            tell(Event::Delta { choice: 0, block, delta: Delta::Text(text) });
        }
    }

    /// More arguments of the open call.
    fn input(&mut self, index: u64, text: &str, tell: &mut Tell<'_>) {
        let call = |open: &&Open| open.index == index && matches!(open.kind, Kind::Call | Kind::Answer);
        if let Some(open) = self.open.as_ref().filter(call)
            && !text.is_empty()
        {
            tell(Event::Delta { choice: 0, block: open.block, delta: Delta::Text(text) });
        }
    }

    /// The open block if it is this one; else this one begins.
    fn enter(&mut self, index: u64, kind: Kind, tell: &mut Tell<'_>) -> u32 {
        match &self.open {
            Some(open) if open.index == index && open.kind == kind => open.block,
            _ => {
                let block = match kind {
                    Kind::Thought | Kind::Redacted => {
                        Block::Thought { summary: false, id: None, redacted: kind == Kind::Redacted }
                    }
                    _ => Block::Text,
                };
                self.begin(index, kind, block, tell)
            }
        }
    }

    fn begin(&mut self, index: u64, kind: Kind, what: Block<'_>, tell: &mut Tell<'_>) -> u32 {
        self.close(tell);
        let block = self.number();
        self.open = Some(Open::new(index, block, kind));
        tell(Event::Open { choice: 0, block, kind: what });
        block
    }

    fn close(&mut self, tell: &mut Tell<'_>) {
        let Some(open) = self.open.take().filter(|open| open.kind != Kind::Foreign) else { return };
        let block = open.block;
        let seal = match open.kind {
            Kind::Redacted => media::decode_text(&open.seal),
            _ => Some(open.seal),
        };
        if let Some(data) = seal.filter(|data| !data.is_empty()) {
            let seal = read_blocks::seal(data.into());
            tell(Event::Delta { choice: 0, block, delta: Delta::Seal(&seal) });
        }
        tell(Event::Close { choice: 0, block });
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = number.saturating_add(1);
        number
    }
}

impl Open {
    fn new(index: u64, block: u32, kind: Kind) -> Self {
        Open { index, block, kind, seal: String::new() }
    }
}
