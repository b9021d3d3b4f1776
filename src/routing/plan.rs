//! The plan of one request: from its alias to an order of targets.

use std::time::Instant;

use smallvec::smallvec;

use super::candidates::{Candidate, Candidates, Walk};
use super::decision::{Considered, Decision, Dropped, MOST_TOLD, Verdict};
use super::{Board, Inquiry, Plan, Requested, short, unsupported};
use crate::error::{Error, Kind, Result};
use crate::resources::model::{Routing, WhenAllUnavailable};
use crate::resources::{Shape, Snapshot};

/// The targets that may answer a request, in the order in which they are tried.
///
/// # Errors
/// `BadRequest` when no target is meant for the request's tags and headers, `Forbidden` when all are for other
/// addresses, `NoTarget` when all are unwell or drained, `Unsupported` when none can do what is asked or the alias is
/// an ensemble or chosen by meaning.
pub fn plan(
    snapshot: &Snapshot,
    board: &Board,
    requested: &Requested,
    inquiry: &dyn Inquiry,
    now: Instant,
) -> Result<Plan> {
    let Some(routing) = &requested.model.routing else { return direct(board, requested) };
    let mut walk = Walk::new(snapshot, board, inquiry, &requested.model, now);
    let found = walk.expand(&requested.model, 0);
    if found.is_empty() {
        return Err(nobody(requested, &walk.reasons));
    }
    let (found, anyway) = well(routing, found, &mut walk).ok_or_else(|| unavailable(requested))?;
    let decision = Box::new(decision(routing, &found, walk));
    let targets = found.into_iter().map(|candidate| candidate.target).collect();
    let conversation = inquiry.conversation();
    let owner = conversation.and_then(|conversation| board.recall(&requested.model, conversation, now));
    Ok(Plan { requested: requested.clone(), targets, anyway, decision: Some(decision), owner })
}

/// The plan of a direct alias, about which nothing need be asked.
///
/// # Errors
/// `Unsupported` for an alias of another shape.
pub fn direct(board: &Board, requested: &Requested) -> Result<Plan> {
    let model = &requested.model;
    if model.shape() != Shape::Direct {
        return Err(unsupported(requested));
    }
    let direct =
        board.direct(model).ok_or_else(|| Error::new(Kind::NoTarget, "this model cannot be reached"))?;
    let target = direct.target(model, requested.captured.as_deref());
    let targets = smallvec![target];
    Ok(Plan { requested: requested.clone(), targets, anyway: true, decision: None, owner: None })
}

/// Those that are well; where none is, those that are only left alone for a while, the soonest first; where all are
/// unwell, what the row says. With them, whether they are tried although they are not well. None = they are not tried.
fn well(routing: &Routing, found: Candidates, walk: &mut Walk<'_>) -> Option<(Candidates, bool)> {
    let some_available = found.iter().any(Candidate::is_available);
    let all_unwell = found.iter().all(|candidate| candidate.unwell);
    if all_unwell {
        return (routing.when_all_unavailable == WhenAllUnavailable::TryAnyway).then_some((found, true));
    }
    let (mut kept, others): (Candidates, Candidates) =
        found.into_iter().partition(|candidate| match some_available {
            true => candidate.is_available(),
            false => !candidate.unwell,
        });
    for other in &others {
        walk.drop(&other.alias, if other.unwell { Dropped::Unwell } else { Dropped::Cooldown });
    }
    if !some_available {
        kept.sort_by_key(|candidate| candidate.cooling);
    }
    Some((kept, !some_available))
}

fn decision(routing: &Routing, found: &[Candidate], walk: Walk<'_>) -> Decision {
    let verdicts = std::iter::once(Verdict::Chosen).chain(std::iter::repeat(Verdict::Fallback));
    let tried = found.iter().zip(verdicts);
    let tried = tried.map(|(candidate, verdict)| Considered { alias: candidate.alias.clone(), verdict });
    let told = found.len() + walk.dropped.len();
    let candidates = tried.chain(walk.dropped).take(MOST_TOLD).collect();
    let untold = walk.untold + told.saturating_sub(MOST_TOLD);
    Decision { strategy: routing.strategy, affinity: walk.affinity, candidates, untold }
}

/// Why nothing is left to be tried.
fn nobody(requested: &Requested, reasons: &[Dropped]) -> Error {
    let alias = short(&requested.alias);
    let because = |why| reasons.contains(&why);
    if because(Dropped::Drained) {
        return unavailable(requested);
    }
    if because(Dropped::Address) {
        let message = format!("no target of model {alias:?} may be used from your network address");
        return Error::new(Kind::Forbidden, message).code("ip_restricted");
    }
    if because(Dropped::CannotServe) {
        return Error::new(
            Kind::Unsupported,
            format!("no target of model {alias:?} can serve this operation"),
        );
    }
    if because(Dropped::Unknown) {
        return Error::bad_request(format!("the targets of model {alias:?} do not exist"));
    }
    Error::bad_request(match because(Dropped::Condition) {
        true => "no routing target matches this request",
        false => "no routing target matches request tags",
    })
}

fn unavailable(requested: &Requested) -> Error {
    let alias = short(&requested.alias);
    Error::new(Kind::NoTarget, format!("all targets of model {alias:?} are unavailable; try again later"))
        .retry_after(RETRY_AFTER)
}

/// Seconds.
const RETRY_AFTER: u32 = 30;
