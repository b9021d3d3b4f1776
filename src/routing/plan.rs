//! The plan of one request: from its alias to an order of targets.

use std::sync::Arc;
use std::time::Instant;

use smallvec::smallvec;

use super::{Board, Inquiry, Plan, Requested, Target, unsupported};
use crate::error::{Error, Kind, Result};
use crate::resources::{Shape, Snapshot};

/// The targets that may answer a request, in the order in which they are tried.
///
/// # Errors
/// `BadRequest` when no target is meant for the request's tags and headers, `Forbidden` when all are for other
/// addresses, `NoTarget` when all are unwell or drained, `Unsupported` when none can do what is asked or the alias is
/// an ensemble or chosen by meaning.
pub fn plan(
    _snapshot: &Snapshot,
    board: &Board,
    requested: &Requested,
    _inquiry: &dyn Inquiry,
    _now: Instant,
) -> Result<Plan> {
    match requested.model.shape() {
        Shape::Direct => direct(board, requested),
        _ => Err(unsupported(requested)),
    }
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
    let upstream_model = match &requested.captured {
        Some(captured) => model.upstream_model(Some(captured)).into(),
        None => Arc::clone(&direct.upstream_model),
    };
    let target = Target { model: Arc::clone(model), upstream_model, state: Arc::clone(&direct.state) };
    Ok(Plan { requested: requested.clone(), targets: smallvec![target], anyway: true, decision: None })
}
