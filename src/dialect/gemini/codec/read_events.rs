//! A stream of Gemini's.
//!
//! Its chunks have no blocks and no end: a block ends where another kind of part begins, and the stream is complete when
//! the upstream ends it after every answer said why it ended. Some models say so in every chunk, so that is told last.

use smallvec::SmallVec;

use super::chunk::{Candidate, Chunk, call_id, chances, finish};
use super::grounding;
use super::parts::{self, Data, WirePart};
use crate::dialect::canon::blocks::{Blocks, Tell};
use crate::dialect::canon::{Block, Citation, Content, Event, Finish, Part};
use crate::dialect::codec::{EventReader, Frame};
use crate::dialect::gemini::error;
use crate::dialect::json::{Read, Reader};

#[derive(Default)]
pub struct Chunks {
    blocks: Blocks,
    /// The answer's id, once it has begun.
    id: Option<String>,
    /// Calls so far.
    calls: usize,
    answers: SmallVec<[Answer; 1]>,
}

#[derive(Default)]
struct Answer {
    finish: Option<Finish<'static>>,
    /// It holds a call.
    called: bool,
    /// A text or a thought is open, on which a signature has its place.
    open: bool,
    /// Its text has other characters than ASCII's, so that places in it cannot be told in characters.
    wide: bool,
}

impl EventReader for Chunks {
    fn read(&mut self, frame: &Frame<'_>, tell: &mut dyn FnMut(Event<'_>)) -> Read<()> {
        // Not Gemini's, but of gateways in front of it.
        if frame.data.trim() == "[DONE]" {
            return Ok(());
        }
        let chunk = Chunk::read(frame.data)?;
        if chunk.failed {
            tell(Event::Failed(&error::read_in_band(frame.data.as_bytes())));
            return Ok(());
        }
        if self.id.is_none() {
            let (id, model) = (chunk.id.as_deref(), chunk.model.as_deref());
            self.id = Some(id.unwrap_or_default().to_owned());
            tell(Event::Begin { id, model, created: chunk.created });
        }
        for candidate in chunk.candidates {
            self.candidate(candidate, tell)?;
        }
        if let Some(blocked) = &chunk.blocked {
            self.blocks.refusal(0, blocked.words.as_deref().unwrap_or_default(), tell);
            self.answer(0).finish = Some(Finish::Filtered);
        }
        if let Some(usage) = &chunk.usage {
            tell(Event::Usage(usage));
        }
        Ok(())
    }

    fn end(&mut self, tell: &mut dyn FnMut(Event<'_>)) {
        for (choice, answer) in (0..).zip(&mut self.answers) {
            if let Some(finish) = answer.finish.take() {
                self.blocks.finish(choice, finish, tell);
            }
        }
        if self.blocks.all_finished() {
            tell(Event::End);
        }
    }
}

impl Chunks {
    fn candidate(&mut self, candidate: Candidate<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let choice = candidate.index.min(MOST_ANSWERS);
        if let Some(mut list) = candidate.parts {
            list.array_if(|value| self.part(choice, value, tell))?;
        }
        if let Some(json) = candidate.logprobs {
            let chances = chances(json)?;
            if !chances.is_empty() {
                tell(Event::Chances { choice, chances: &chances });
            }
        }
        if candidate.grounding.is_some() || candidate.citations.is_some() {
            let wide = self.answer(choice).wide;
            for source in grounding::read(candidate.grounding, candidate.citations)? {
                let range = source.citation.range.filter(|_| !wide);
                self.blocks.citation(choice, &Citation { range, ..source.citation }, tell);
            }
        }
        let answer = self.answer(choice);
        if let Some(word) = candidate.finish {
            answer.finish = Some(finish(word.into_owned().into(), answer.called));
        }
        Ok(())
    }

    fn part(&mut self, choice: u32, value: &mut Reader<'_>, tell: &mut Tell<'_>) -> Read<()> {
        let WirePart { data, thought, signature } = parts::read_answered(value)?;
        match data {
            Data::Text(text) => {
                let answer = self.answer(choice);
                answer.wide |= !thought && !text.is_ascii();
                answer.open |= thought || !text.is_empty();
                if thought {
                    self.blocks.thought(choice, &text, tell);
                } else {
                    self.blocks.text(choice, &text, tell);
                }
            }
            Data::Call(call) => {
                let id = if call.id.is_empty() {
                    call_id(self.id.as_deref(), self.calls)
                } else {
                    call.id.into_owned()
                };
                let number = self.calls as u64;
                self.calls += 1;
                let answer = self.answer(choice);
                (answer.called, answer.open) = (true, false);
                let block = Block::ToolCall { id: &id, name: &call.name, custom: false };
                self.blocks.call(choice, number, block, tell);
                let _ = self.blocks.arguments(choice, number, &call.arguments, tell);
                if let Some(signature) = signature {
                    self.blocks.seal(choice, &parts::seal(signature), tell);
                }
                self.blocks.close(choice, tell);
                return Ok(());
            }
            Data::Media(media) => self.whole(choice, Content::Media(media), tell),
            Data::Foreign(foreign) => self.whole(choice, Content::Foreign(foreign), tell),
            Data::Result(_) | Data::None => {}
        }
        if let Some(signature) = signature.filter(|_| self.answer(choice).open) {
            self.blocks.seal(choice, &parts::seal(signature), tell);
        }
        Ok(())
    }

    fn whole(&mut self, choice: u32, content: Content<'_>, tell: &mut Tell<'_>) {
        self.answer(choice).open = false;
        self.blocks.whole(choice, &Part::from(content), tell);
    }

    fn answer(&mut self, choice: u32) -> &mut Answer {
        let index = choice as usize;
        while self.answers.len() <= index {
            self.answers.push(Answer::default());
        }
        &mut self.answers[index]
    }
}

/// Google's bound on `candidateCount` is 8.
const MOST_ANSWERS: u32 = 127;
