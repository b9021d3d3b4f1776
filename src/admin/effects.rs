//! What a dry run answers: what would be different, and for whom.

use serde_json::{Value, json};

use super::refusal::in_use;
use super::reply::Reply;
use crate::store::keeper::{Effects, Outcome};

/// The member `effects` of the answer.
///
/// # Errors
/// The refusal that the write would meet, with the same member.
pub fn foreseen(outcome: &Outcome, effects: &Effects, force: bool) -> Result<Value, Reply> {
    let shown = shown(outcome, effects);
    if force || outcome.broken.is_empty() {
        return Ok(shown);
    }
    Err(Reply::json(409, &json!({ "error_msg": in_use(&outcome.broken), "effects": shown })))
}

fn shown(outcome: &Outcome, effects: &Effects) -> Value {
    let changes = effects.changes.iter().map(|change| {
        json!({
            "collection": change.collection, "id": change.id, "before": change.before, "after": change.after,
        })
    });
    let callers = effects
        .callers
        .iter()
        .map(|loss| json!({"id": loss.id, "name": loss.name, "aliases_lost": loss.aliases}));
    json!({
        "changes": changes.collect::<Vec<_>>(),
        "broken": broken(outcome),
        "aliases_lost": effects.aliases,
        "callers": callers.collect::<Vec<_>>(),
    })
}

/// The rows that name nothing any more.
pub fn broken(outcome: &Outcome) -> Vec<Value> {
    let row = |(collection, name): &(String, String)| json!({ "collection": collection, "name": name });
    outcome.broken.iter().map(row).collect()
}
