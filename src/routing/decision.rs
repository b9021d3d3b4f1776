//! What was decided about a request, for people: which targets were considered, and what became of each.

use std::fmt::{self, Write};
use std::sync::Arc;

use crate::resources::model::Strategy;

/// The choice of one request among the targets of its alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// That of the requested alias; the aliases within it have their own.
    pub strategy: Strategy,
    pub affinity: Affinity,
    /// Those that are tried, in their order, then those that are not. At most [`MOST_TOLD`].
    pub candidates: Vec<Considered>,
    /// How many more there were.
    pub untold: usize,
}

/// Whether the choice kept a conversation at its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// It did not act.
    #[default]
    None,
    /// The request named a session.
    Session,
    /// The target that answered the conversation before comes first.
    Conversation,
}

/// One target and its fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// As the list of targets names it.
    pub alias: Arc<str>,
    pub verdict: Verdict,
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Tried first.
    Chosen,
    /// Tried when those before it have failed.
    Fallback,
    Dropped(Dropped),
}

/// Why a target is not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dropped {
    Tag,
    Address,
    Condition,
    Drained,
    Cooldown,
    Unwell,
    BeyondMaxFallbacks,
    CannotServe,
    /// There is no model of that name.
    Unknown,
}

impl Affinity {
    pub fn name(self) -> &'static str {
        match self {
            Affinity::None => "none",
            Affinity::Session => "session",
            Affinity::Conversation => "conversation",
        }
    }
}

impl Verdict {
    /// `chosen`, `fallback` or `dropped`.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Chosen => "chosen",
            Verdict::Fallback => "fallback",
            Verdict::Dropped(_) => "dropped",
        }
    }
}

impl Dropped {
    pub fn name(self) -> &'static str {
        match self {
            Dropped::Tag => "tag",
            Dropped::Address => "address",
            Dropped::Condition => "condition",
            Dropped::Drained => "drained",
            Dropped::Cooldown => "cooldown",
            Dropped::Unwell => "unwell",
            Dropped::BeyondMaxFallbacks => "beyond max_fallbacks",
            Dropped::CannotServe => "cannot serve",
            Dropped::Unknown => "unknown",
        }
    }
}

/// `round_robin, affinity session: b chosen, a fallback, c dropped (cooldown)`
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.strategy.name())?;
        if self.affinity != Affinity::None {
            write!(f, ", affinity {}", self.affinity.name())?;
        }
        for (index, considered) in self.candidates.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            // An alias is any text; the line stays one line.
            considered
                .alias
                .chars()
                .filter(|letter| !letter.is_control())
                .try_for_each(|letter| f.write_char(letter))?;
            match considered.verdict {
                Verdict::Chosen => f.write_str(" chosen")?,
                Verdict::Fallback => f.write_str(" fallback")?,
                Verdict::Dropped(why) => write!(f, " dropped ({})", why.name())?,
            }
        }
        if self.untold > 0 {
            write!(f, ", {} more", self.untold)?;
        }
        Ok(())
    }
}

/// Candidates in one decision.
pub const MOST_TOLD: usize = 32;
