//! From the alias a caller sent to the targets that may answer it.
//!
//! This room chooses; it does not reach anybody and knows no wire format. Plans have one target until
//! multi-target strategies arrive; everything downstream of a [`Plan`] already walks a list.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

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
}

/// One upstream that may answer.
#[derive(Clone, Debug)]
pub struct Target {
    pub model: Arc<Model>,
    /// Model id at the upstream.
    pub upstream_model: Arc<str>,
}

/// The targets of one request in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Plan {
    pub requested: Requested,
    pub targets: SmallVec<[Target; 1]>,
}

/// Finds the alias and what stands behind it: the exact name first, else the wildcard with the longest
/// literal part.
///
/// # Errors
/// `UnknownModel` for a name that nothing matches. A multi-target shape is not refused here but by
/// [`dispatchable`], after the caller's right to the alias has been checked.
pub fn resolve(snapshot: &Snapshot, alias: &Arc<str>) -> Result<Plan> {
    let found = snapshot.model(alias).ok_or_else(|| unknown_model(alias))?;
    let upstream_model: Arc<str> = match found.model.shape() {
        Shape::Direct => found.model.upstream_model(found.captured.as_deref()).into(),
        _ => Arc::from(""),
    };
    let target = Target { model: Arc::clone(found.model), upstream_model };
    let requested = Requested { model: Arc::clone(found.model), alias: Arc::clone(alias) };
    Ok(Plan { requested, targets: smallvec![target] })
}

/// Refuses the shapes of alias that this build stores but cannot serve yet.
///
/// # Errors
/// `Unsupported` naming the shape.
pub fn dispatchable(plan: &Plan) -> Result<()> {
    let shape = match plan.requested.model.shape() {
        Shape::Direct => return Ok(()),
        Shape::Routing => "multi-target",
        Shape::Ensemble => "ensemble",
        Shape::Semantic => "semantic",
    };
    Err(Error::new(
        Kind::Unsupported,
        format!(
            "model {:?} is a {shape} alias, which this gateway cannot serve yet",
            short(&plan.requested.alias)
        ),
    ))
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
mod tests {
    use super::*;

    #[test]
    fn an_unknown_alias_is_quoted_but_cut() {
        let error = resolve(&Snapshot::empty(), &"é".repeat(500).into()).expect_err("nothing is defined");
        assert_eq!(error.kind, Kind::UnknownModel);
        assert_eq!(error.message.matches('é').count(), MAX_QUOTED_CHARS);
    }
}
