//! Setting a model aside, so that routing passes it over, and taking it back. It is this process's own affair: no row
//! is written, other gateways go on, and a restart forgets it.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep, timeout_at};

use super::access::Operator;
use super::health;
use super::refusal::nothing;
use super::reply::Reply;
use super::request::Request;
use super::status::{Board, InForce};
use crate::resources::{Model, Shape};
use crate::routing::TargetState;

/// Drains or undrains the model of an id or name, and answers with how it is then.
///
/// # Errors
/// The answer to what cannot be done.
pub async fn serve(
    board: &Board,
    who: &Operator,
    request: &Request,
    named: &str,
    drained: bool,
) -> Result<Reply, Reply> {
    if request.method != Method::POST {
        return Err(Reply::wrong_method("POST"));
    }
    request.takes(if drained { &["wait_ms"] } else { &[] })?;
    let wait = request.number("wait_ms")?.unwrap_or_default();
    if wait > LONGEST_WAIT_MILLIS {
        return Err(Reply::error(400, format!("wait_ms must not be more than {LONGEST_WAIT_MILLIS}")));
    }
    let in_force = board.in_force().ok_or_else(nothing)?;
    let (model, state) = target(&in_force, named)?;
    if state.is_drained() != drained {
        state.drain(drained);
        let (model, operator) = (&model.display_name, &who.label);
        tracing::warn!(model, operator, "{}", if drained { "drained" } else { "undrained" });
    }
    until_quiet(state, Duration::from_millis(wait)).await;
    Ok(Reply::json(200, &health::of_model(board, &in_force, &model.display_name)))
}

/// The direct model of an id, else of a name.
fn target<'f>(in_force: &'f InForce, named: &str) -> Result<(&'f Arc<Model>, &'f Arc<TargetState>), Reply> {
    let by_name = || in_force.snapshot.models().find(|model| model.display_name == named);
    let model = in_force.snapshot.model_of_id(named).or_else(by_name);
    let model = model.ok_or_else(|| Reply::error(404, "resource not found"))?;
    match in_force.targets.state(&model.id) {
        Some(state) if model.shape() == Shape::Direct => Ok((model, state)),
        _ => Err(Reply::error(409, "only direct models can be drained; drain the targets of this one")),
    }
}

/// Waits until no try is under way, or the time is over. Looks now and then: tries end in other threads, and must not
/// have to tell anybody.
async fn until_quiet(state: &TargetState, wait: Duration) {
    let quiet = async {
        while state.in_flight() > 0 {
            sleep(LOOK).await;
        }
    };
    let _ = timeout_at(Instant::now() + wait, quiet).await;
}

/// Longest wait within one request.
pub const LONGEST_WAIT_MILLIS: u64 = 60_000;
const LOOK: Duration = Duration::from_millis(20);
