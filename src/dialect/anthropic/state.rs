//! Thoughts of earlier turns, which only their maker takes back.
//!
//! Claude signs what it thinks and refuses thoughts without its signature. While budgeted thinking is on, a loop of tool
//! calls, which is one turn to it, must begin with thoughts; where they had to go, that request is made without thinking.
//! Adaptive thinking asks for none (<https://platform.claude.com/docs/en/build-with-claude/thinking>, "Preserving thinking
//! blocks"; <https://platform.claude.com/docs/en/build-with-claude/context-editing> on `clear_thinking`).

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;

use crate::dialect::canon::{Feature, Losses};
use crate::dialect::prune::{self, Item};
use crate::dialect::splice::{self, Edit};

/// Leaves out the thoughts that nobody signed: what other vendors' models thought, as callers of this dialect are told it.
pub fn strip_foreign(body: &Bytes) -> Option<(Bytes, Losses)> {
    memmem::find(body, THINKING)?;
    strip(body, |block| !is_sealed(body, block))
}

/// Leaves out all thoughts: signatures are known to the platform that made them.
pub fn strip_bound(body: &Bytes) -> Option<(Bytes, Losses)> {
    strip(body, |_| true)
}

/// Leaves out the thoughts that `goes` says.
fn strip(body: &Bytes, goes: impl Fn(&Item) -> bool) -> Option<(Bytes, Losses)> {
    let messages = prune::array(body, 0, "messages")?;
    let (mut edits, mut within): (Vec<Edit<'_>>, Vec<Edit<'_>>) = Default::default();
    let mut turn = Turn::default();
    let mut any = false;
    prune::take_out(body, messages.start, &mut edits, |message| {
        let mark = within.len();
        let (mut begins, mut has_result) = (None, false);
        // A text holds no blocks.
        let content =
            prune::array(body, message.value.start, "content").map_or(body.len(), |place| place.start);
        let taken = prune::take_out(body, content, &mut within, |block| {
            let kind = prune::text(body, block.value.start, "type");
            let is_thought = matches!(kind.as_deref(), Some("thinking" | "redacted_thinking"));
            let out = is_thought && goes(block);
            if !out {
                begins.get_or_insert(is_thought);
                has_result |= kind.as_deref() == Some("tool_result");
            }
            out
        });
        any |= taken.out > 0;
        let empty = taken.kept == 0 && taken.out > 0;
        if empty {
            within.truncate(mark);
        } else {
            turn.pass(prune::text(body, message.value.start, "role"), has_result, begins);
        }
        empty
    });
    if !any {
        return None;
    }
    edits.append(&mut within);
    let mut losses = Losses::default();
    losses.drop(Feature::Thoughts.name());
    if turn.lacks_thoughts() && has_budget(body) {
        losses.drop(Feature::Reasoning.name());
        stop_thinking(body, &mut edits);
    }
    Some((splice::apply(body, &mut edits), losses))
}

/// Where a conversation stands.
#[derive(Default)]
struct Turn {
    /// Does the model's turn begin with thoughts? None while it is not its turn.
    begins: Option<bool>,
    /// The results of tools came last.
    in_loop: bool,
}

impl Turn {
    fn pass(&mut self, role: Option<Cow<'_, str>>, has_result: bool, begins: Option<bool>) {
        match role.as_deref() {
            Some("assistant") => {
                self.begins.get_or_insert(begins == Some(true));
                self.in_loop = false;
            }
            Some("user") => {
                self.in_loop = has_result;
                self.begins = self.begins.filter(|_| has_result);
            }
            _ => {}
        }
    }

    fn lacks_thoughts(&self) -> bool {
        self.in_loop && self.begins != Some(true)
    }
}

fn has_budget(body: &[u8]) -> bool {
    let thinking = prune::member(body, 0, "thinking");
    thinking.and_then(|place| prune::text(body, place.start, "type")).as_deref() == Some("enabled")
}

/// A request without thinking, and without the clearing of thoughts that is refused then.
fn stop_thinking(body: &[u8], edits: &mut Vec<Edit<'_>>) {
    prune::take_out(body, 0, edits, |item| item.is(body, "thinking"));
    let context = prune::member(body, 0, "context_management");
    if let Some(list) = context.and_then(|place| prune::array(body, place.start, "edits")) {
        prune::take_out(body, list.start, edits, |edit| {
            let kind = prune::text(body, edit.value.start, "type");
            kind.is_some_and(|kind| kind.starts_with("clear_thinking"))
        });
    }
}

fn is_sealed(body: &[u8], block: &Item) -> bool {
    let seal = |name| prune::text(body, block.value.start, name);
    seal("signature").or_else(|| seal("data")).is_some_and(|seal| !seal.is_empty())
}

/// Nobody writes it with escapes.
const THINKING: &[u8] = b"\"thinking\"";
