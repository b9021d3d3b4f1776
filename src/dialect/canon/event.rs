//! What a stream says, one step at a time.
//!
//! Grammar of a stream, which every reader keeps and every writer may rely on:
//!
//! ```text
//! stream  = Begin step* End?            End only after every choice has finished
//! step    = Open (Delta)* Close         blocks of one choice do not overlap, and their numbers count up from 0
//!         | Whole | Chances | Usage | Finish
//! ```
//!
//! `Failed` may come at any place, and nothing follows it. Different choices may be interleaved.

use super::request::{Part, ToolCall};
use super::response::{Citation, Finish, Response, Seal, TokenChance};
use crate::dialect::json::Words;
use crate::dialect::{Problem, Usage};

/// One step of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The answer begins.
    Begin { id: Option<&'a str>, model: Option<&'a str>, created: Option<u64> },
    /// A block begins. `choice` counts the answers from 0, `block` the blocks of one answer.
    Open { choice: u32, block: u32, kind: Block<'a> },
    /// More of the block.
    Delta { choice: u32, block: u32, delta: Delta<'a> },
    /// The block is complete.
    Close { choice: u32, block: u32 },
    /// A block that comes whole: a picture, a block that only its own dialect knows.
    Whole { choice: u32, block: u32, part: &'a Part<'a> },
    /// The chances of the tokens in the latest delta of text.
    Chances { choice: u32, chances: &'a [TokenChance<'a>] },
    /// Running totals; a later report replaces an earlier one.
    Usage(&'a Usage),
    /// This answer is complete. Usage may follow.
    Finish { choice: u32, finish: Finish<'a> },
    /// The provider has said by its protocol's own means that this was all.
    End,
    /// The provider reports an error in place of the rest.
    Failed(&'a Problem),
}

/// What a block is.
#[derive(Clone, Debug, PartialEq)]
pub enum Block<'a> {
    Text,
    /// Is it a summary? And the item's id (Responses).
    Thought {
        summary: bool,
        id: Option<&'a str>,
        redacted: bool,
    },
    Refusal,
    ToolCall {
        id: &'a str,
        name: &'a str,
        custom: bool,
    },
}

/// A piece of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta<'a> {
    /// Text, thoughts, a refusal, or the arguments of a call, as the block's kind says.
    Text(&'a str),
    /// The maker's seal on the block. Comes once, whole.
    Seal(&'a Seal<'a>),
    /// A source of the text so far.
    Citation(&'a Citation<'a>),
}

/// Tells a whole answer as a stream, for callers that asked for one.
pub fn replay<'a>(response: &'a Response<'a>, tell: &mut dyn FnMut(Event<'_>)) {
    tell(Event::Begin {
        id: response.id.as_deref(),
        model: response.model.as_deref(),
        created: response.created,
    });
    for (choice, answer) in (0..).zip(&response.choices) {
        for (block, part) in (0..).zip(&answer.parts) {
            replay_part(choice, block, part, tell);
        }
        if !answer.logprobs.is_empty() {
            tell(Event::Chances { choice, chances: &answer.logprobs });
        }
        tell(Event::Finish { choice, finish: answer.finish.clone() });
    }
    tell(Event::Usage(&response.usage));
    tell(Event::End);
}

/// Tells one block of a whole answer.
pub fn replay_part<'a>(choice: u32, block: u32, part: &'a Part<'a>, tell: &mut dyn FnMut(Event<'_>)) {
    use super::request::Content;
    let nothing: &[Citation<'_>] = &[];
    let (kind, text, seal, citations): (_, &Words<'_>, _, _) = match &part.content {
        Content::Text(text) => (Block::Text, text, None, nothing),
        Content::Cited(text, citations) => (Block::Text, text, None, citations.as_slice()),
        Content::Refusal(text) => (Block::Refusal, text, None, nothing),
        Content::Thought(thought) => {
            let (summary, redacted) = (thought.summary, thought.redacted);
            let kind = Block::Thought { summary, id: thought.id.as_deref(), redacted };
            (kind, &thought.text, thought.seal.as_ref(), nothing)
        }
        Content::ToolCall(ToolCall { id, name, arguments, custom, seal }) => {
            (Block::ToolCall { id, name, custom: *custom }, arguments, seal.as_ref(), nothing)
        }
        Content::Media(_) | Content::ToolResult(_) | Content::Foreign(_) => {
            return tell(Event::Whole { choice, block, part });
        }
    };
    tell(Event::Open { choice, block, kind });
    if !text.is_empty() {
        tell(Event::Delta { choice, block, delta: Delta::Text(text) });
    }
    for citation in citations {
        tell(Event::Delta { choice, block, delta: Delta::Citation(citation) });
    }
    if let Some(seal) = seal {
        tell(Event::Delta { choice, block, delta: Delta::Seal(seal) });
    }
    tell(Event::Close { choice, block });
}
