//! Who changed what and when, and the way back to how it was.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::reply::Reply;
use crate::resources::{Kind, kind};
use crate::store::keeper::{Delete, Intent, Keeper, Precondition, Put, Refusal};
use crate::store::{Audit, Failure, Stored};

/// An entry of the audit log.
pub fn entry(audit: &Audit) -> Value {
    let changes = audit.changes.iter().map(|change| {
        json!({
            "collection": change.collection, "id": change.id, "before": change.before, "after": change.after,
        })
    });
    json!({
        "revision": audit.revision,
        "at": rfc3339(audit.at),
        "who": audit.who,
        "action": audit.action,
        "changes": changes.collect::<Vec<_>>(),
    })
}

fn rfc3339(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// What would have to change to be as it was at a revision.
struct Way {
    puts: Vec<(&'static Kind, Stored, Option<Stored>)>,
    deletes: Vec<(&'static Kind, Stored)>,
}

impl Way {
    async fn back(keeper: &mut Keeper, revision: u64) -> Result<Self, Reply> {
        let then = match keeper.at(revision).await {
            Ok(Some(rows)) => rows,
            Ok(None) => return Err(Reply::error(404, "this revision is not known, or not any longer")),
            Err(Failure::ReadOnly(why)) => return Err(Reply::error(409, why)),
            Err(failure) => return Err(Reply::error(500, format!("store error: {failure}"))),
        };
        let mut now: BTreeMap<(String, String), Stored> =
            keeper.rows().map(|row| ((row.collection.clone(), row.id.clone()), row.clone())).collect();
        let mut way = Way { puts: Vec::new(), deletes: Vec::new() };
        for row in then.rows {
            let Some(kind) = kind(&row.collection) else { continue };
            let there = now.remove(&(row.collection.clone(), row.id.clone()));
            if there.as_ref().is_none_or(|there| there.body != row.body) {
                way.puts.push((kind, row, there));
            }
        }
        let left = now.into_values().filter_map(|row| Some((kind(&row.collection)?, row)));
        way.deletes.extend(left);
        Ok(way)
    }

    /// For people: every row with what it is and what it would be, secrets masked.
    fn shown(&self) -> Value {
        let masked = |kind: &Kind, row: &Stored| {
            let mut body = row.body.clone();
            kind.mask(&mut body);
            body
        };
        let puts = self.puts.iter().map(|(kind, row, there)| {
            let now = there.as_ref().map(|there| masked(kind, there));
            json!({"collection": row.collection, "id": row.id, "now": now, "then": masked(kind, row)})
        });
        let deletes = self.deletes.iter().map(|(kind, row)| {
            json!({"collection": row.collection, "id": row.id, "now": masked(kind, row), "then": null})
        });
        Value::Array(puts.chain(deletes).collect())
    }

    fn intent(self, who: String, dry_run: bool) -> Intent {
        let puts = self.puts.into_iter().map(|(kind, row, _)| Put {
            kind,
            id: Some(row.id),
            body: row.body,
            only_if: Precondition::Anything,
            merge: false,
        });
        let deletes = self.deletes.into_iter();
        let deletes = deletes.map(|(kind, row)| Delete { kind, id: row.id, only_if: Precondition::Anything });
        Intent {
            who,
            action: "roll back",
            puts: puts.collect(),
            deletes: deletes.collect(),
            force: false,
            dry_run,
        }
    }
}

/// What differs between a revision and now.
pub async fn diff(keeper: &mut Keeper, revision: u64) -> Reply {
    match Way::back(keeper, revision).await {
        Ok(way) => Reply::json(
            200,
            &json!({"revision": revision, "current": keeper.revision(), "changes": way.shown()}),
        ),
        Err(reply) => reply,
    }
}

/// Makes everything as it was at a revision; a new revision comes of it.
///
/// # Errors
/// The answer to a way that cannot be gone, or why it was not.
pub async fn roll_back(
    keeper: &mut Keeper,
    revision: u64,
    who: String,
    dry_run: bool,
) -> Result<Reply, Refusal> {
    let way = match Way::back(keeper, revision).await {
        Ok(way) => way,
        Err(reply) => return Ok(reply),
    };
    let changes = way.shown();
    let outcome = keeper.carry_out(way.intent(who, dry_run)).await?;
    Ok(Reply::json(200, &json!({"revision": outcome.revision, "changes": changes})))
}
