//! What goes wrong beyond a request's own form, as answers.

use super::reply::Reply;
use crate::document::Fault;
use crate::store::Failure;
use crate::store::keeper::Refusal;

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        match refusal {
            Refusal::NotFound => Reply::error(404, "resource not found"),
            Refusal::Stale => {
                Reply::error(412, "the resource is not as it was when you read it; read it again")
            }
            Refusal::Invalid(faults) => {
                Reply::error(400, faults.iter().map(fault).collect::<Vec<_>>().join("; "))
            }
            Refusal::Offered => Reply::error(
                409,
                "this row comes from the environment of the process; create one of the same name to take its place",
            ),
            Refusal::Taken(message) => Reply::error(409, message),
            Refusal::Referenced(by) => Reply::error(409, in_use(&by)),
            Refusal::Store(failure) => failure.into(),
        }
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Reply {
        match failure {
            Failure::ReadOnly(why) => Reply::error(409, why),
            Failure::Unavailable(why) => Reply::error(503, format!("store error: {why}")),
            failure => Reply::error(500, format!("store error: {failure}")),
        }
    }
}

pub fn nothing() -> Reply {
    Reply::error(404, "there is nothing at this path")
}

/// The keeper of the configuration is gone, which it is at the end of the process only.
pub fn stopped() -> Reply {
    Reply::error(500, "store error: the keeper of the configuration has stopped")
}

/// Why rows that others name stay.
pub fn in_use(by: &[(String, String)]) -> String {
    let named: Vec<String> = by.iter().map(|(collection, name)| format!("{collection} {name:?}")).collect();
    format!("still in use by {}; change these first, or force it with ?force=true", named.join(", "))
}

fn fault(fault: &Fault) -> String {
    match fault.path.as_str() {
        "" => format!("schema validation failed: {}", fault.message),
        path => format!("schema validation failed at {path}: {}", fault.message),
    }
}
