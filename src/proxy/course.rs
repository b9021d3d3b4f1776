//! By which way a request is answered: by the targets of its alias, by an ensemble, or by the model that its meaning
//! chooses.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::ensemble::{self, Panel};
use super::node::World;
use crate::dialect::DialectId;
use crate::error::{Error, Result};
use crate::policy::access;
use crate::resources::Shape;
use crate::resources::model::Semantic;
use crate::routing::{self, Inquiry, Plan, Requested};
use crate::upstream::Operation;

/// The way of one request.
pub enum Course {
    /// The plan's targets, one after another.
    Targets,
    Panel(Panel),
    /// The plan is that of the default until the prompt has been embedded.
    Meaning,
}

/// Finds the way, and who answers at its end.
///
/// # Errors
/// As [`routing::plan`]; `BadRequest` when an ensemble cannot do what is asked.
pub fn set(
    world: &World,
    requested: &Requested,
    inquiry: &dyn Inquiry,
    (operation, dialect, body): (Operation, DialectId, &Bytes),
) -> Result<(Plan, Course)> {
    let row = &requested.model;
    let plan = |alias: &str| plan(world, alias, inquiry);
    match (row.shape(), &row.ensemble, &row.semantic) {
        (Shape::Ensemble, Some(ensemble), _) => {
            ensemble::check(operation, dialect, body)?;
            let panel = Panel::new(ensemble, plan)?;
            Ok((standing_for(requested, panel.judge.clone()), Course::Panel(panel)))
        }
        (Shape::Semantic, _, Some(semantic)) => {
            Ok((standing_for(requested, first_of(semantic, &plan)?), Course::Meaning))
        }
        _ => Ok((
            routing::plan(&world.snapshot, &world.board, requested, inquiry, Instant::now())?,
            Course::Targets,
        )),
    }
}

/// The targets of what was chosen, and behind them those of the router's default.
///
/// # Errors
/// None of them may answer.
pub fn chosen(
    world: &World,
    requested: &Requested,
    inquiry: &dyn Inquiry,
    [chosen, default]: [&str; 2],
) -> Result<Plan> {
    let plans = [chosen, default].map(|alias| plan(world, alias, inquiry));
    let mut plan = match plans {
        [Ok(mut first), Ok(second)] => {
            for target in second.targets {
                if first.targets.iter().all(|known| known.model.id != target.model.id) {
                    first.targets.push(target);
                }
            }
            first
        }
        [Ok(plan), Err(_)] | [Err(_), Ok(plan)] => plan,
        [Err(_), Err(error)] => return Err(error),
    };
    plan.requested = requested.clone();
    // One that is left alone for a while gives way to the other.
    plan.anyway = plan.targets.len() == 1;
    Ok(plan)
}

/// The plan that stands for a request until it is known who answers.
fn standing_for(requested: &Requested, plan: Plan) -> Plan {
    plan.on_behalf_of(requested)
}

/// The plan of the default, or of the first other model that may answer this caller.
fn first_of(semantic: &Semantic, plan: &impl Fn(&str) -> Result<Plan>) -> Result<Plan> {
    let others = semantic.routes.iter().map(|route| route.target.as_str());
    plan(&semantic.default).or_else(|error| others.filter_map(|alias| plan(alias).ok()).next().ok_or(error))
}

/// The plan of a model that another names.
fn plan(world: &World, alias: &str, inquiry: &dyn Inquiry) -> Result<Plan> {
    let requested = routing::resolve(&world.snapshot, &Arc::from(alias)).map_err(|_| dangling(alias))?;
    if !inquiry.admitted(&requested.model) {
        return Err(access::excluded());
    }
    routing::plan(&world.snapshot, &world.board, &requested, inquiry, Instant::now())
}

fn dangling(alias: &str) -> Error {
    Error::bad_request(format!("this model needs another one that does not exist: {alias:?}"))
}
