//! From the alias a caller sent to the targets that may answer it.
//!
//! This room chooses; it does not reach anybody and knows no wire format. [`resolve`] finds the alias, [`plan`] puts
//! the targets behind it into the order in which they are tried. What is learnt while the gateway runs (how busy, fast
//! and well each target is, where each alias is in its sequence) is kept on a [`Board`]; a request reads and writes it
//! without a lock.

mod affinities;
mod board;
mod candidates;
mod decision;
mod filter;
mod group;
mod hash;
mod inquiry;
mod plan;
pub mod semantic;
mod state;
mod strategy;

use std::sync::Arc;

use smallvec::SmallVec;

use affinities::{Print, print};
pub use board::Board;
pub use decision::{Affinity, Considered, Decision, Dropped, Verdict};
pub use group::Group;
pub use inquiry::Inquiry;
pub use plan::{direct, plan};
pub use state::{Busy, Cause, Circuit, Claim, Reason, StateView, TargetState, Told, Trial};

use crate::error::{Error, Kind, Result};
use crate::resources::{Model, Shape, Snapshot};

/// What the caller asked for. Never confused with a [`Target`]: limits, access and the name shown to the
/// caller follow the requested alias, cost and health follow the target.
#[derive(Clone, Debug)]
pub struct Requested {
    /// The row that matched. Its `display_name` labels metrics, so a wildcard cannot mint series.
    pub model: Arc<Model>,
    /// The name exactly as the caller sent it; answers carry it.
    pub alias: Arc<str>,
    /// The text under the `*` of a wildcard.
    captured: Option<String>,
}

/// One upstream that may answer.
#[derive(Clone, Debug)]
pub struct Target {
    pub model: Arc<Model>,
    /// Model id at the upstream.
    pub upstream_model: Arc<str>,
    pub state: Arc<TargetState>,
}

/// The targets of one request in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Plan {
    pub requested: Requested,
    /// At least one.
    pub targets: SmallVec<[Target; 1]>,
    /// None of them is known to be well and they are tried all the same: what [`TargetState::claim`] refuses does not
    /// matter. So it is for a direct alias.
    pub anyway: bool,
    /// For an alias with several targets.
    pub decision: Option<Box<Decision>>,
    /// The target that answered the conversation before, where that is known.
    owner: Option<Print>,
}

impl Plan {
    /// The same targets, for a request that asked for another alias, which leads to the one of this plan.
    #[must_use]
    pub fn on_behalf_of(self, requested: &Requested) -> Self {
        Plan { requested: requested.clone(), decision: None, ..self }
    }

    /// Is the conversation another target's, so that what is bound to an account in it means nothing to this one?
    pub fn has_moved_to(&self, target: &Target) -> bool {
        self.owner.is_some_and(|owner| owner != print(&target.model.id, &target.upstream_model))
    }
}

/// Finds the alias: the exact name first, else the wildcard with the longest literal part.
///
/// # Errors
/// `UnknownModel` for a name that nothing matches. A shape that cannot be served is not refused here but by [`plan`],
/// after the caller's right to the alias has been checked.
pub fn resolve(snapshot: &Snapshot, alias: &Arc<str>) -> Result<Requested> {
    let found = snapshot.model(alias).ok_or_else(|| unknown_model(alias))?;
    Ok(Requested { model: Arc::clone(found.model), alias: Arc::clone(alias), captured: found.captured })
}

/// Refuses the shapes of alias that this build stores but cannot serve yet.
fn unsupported(requested: &Requested) -> Error {
    let shape = match requested.model.shape() {
        Shape::Direct => "direct",
        Shape::Routing => "multi-target",
        Shape::Ensemble => "ensemble",
        Shape::Semantic => "semantic",
    };
    Error::new(
        Kind::Unsupported,
        format!(
            "model {:?} is a {shape} alias, which this gateway cannot serve yet",
            short(&requested.alias)
        ),
    )
}

fn unknown_model(alias: &str) -> Error {
    Error::new(
        Kind::UnknownModel,
        format!("model {:?} does not exist; GET /v1/models lists the models this key may use", short(alias)),
    )
    .param("model")
}

/// A caller's text, cut so that it may stand in an error message.
fn short(text: &str) -> &str {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Longest quotation of a caller's own text in an error message.
const MAX_QUOTED_CHARS: usize = 64;

#[cfg(test)]
mod tests;
