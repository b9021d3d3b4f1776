//! What was decided about a request, for people: which targets were considered, and what became of each.

use std::fmt;
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
    /// As logs and headers have it: `chosen`, `dropped: tag`.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Chosen => "chosen",
            Verdict::Fallback => "fallback",
            Verdict::Dropped(why) => match why {
                Dropped::Tag => "dropped: tag",
                Dropped::Address => "dropped: address",
                Dropped::Condition => "dropped: condition",
                Dropped::Drained => "dropped: drained",
                Dropped::Cooldown => "dropped: cooldown",
                Dropped::Unwell => "dropped: unwell",
                Dropped::BeyondMaxFallbacks => "dropped: beyond max_fallbacks",
                Dropped::CannotServe => "dropped: cannot serve",
                Dropped::Unknown => "dropped: unknown",
            },
        }
    }
}

/// `round_robin affinity=session b=chosen a=fallback c="dropped: cooldown"`
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.strategy.name())?;
        Ok(())
    }
}

/// Candidates in one decision.
pub const MOST_TOLD: usize = 32;
