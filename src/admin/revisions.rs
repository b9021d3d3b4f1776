//! Who changed what and when, and the way back to how it was.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::access::Operator;
use super::effects;
use super::refusal::{nothing, stopped};
use super::reply::Reply;
use super::request::Request;
use super::time::rfc3339_millis;
use crate::resources::{Kind, kind};
use crate::store::keeper::{Delete, Intent, Keeper, Keeping, Precondition, Put};
use crate::store::{Audit, Stored};

/// One request to what was.
pub struct History<'h> {
    pub keeping: &'h Keeping,
    pub who: &'h Operator,
    pub request: &'h Request,
}

impl History<'_> {
    pub async fn serve(self, path: &[&str]) -> Result<Reply, Reply> {
        match (path, &self.request.method) {
            (["audit"] | ["revisions"], &Method::GET) => self.audit().await,
            (["revisions", revision], &Method::GET) => {
                let revision = number(revision)?;
                let asked = self.keeping.ask(move |keeper| Box::pin(diff(keeper, revision)));
                asked.await.ok_or_else(stopped)?
            }
            (["revisions", revision, "rollback"], &Method::POST) => {
                self.request.takes(&["dry_run"])?;
                let (revision, dry_run) = (number(revision)?, self.request.flag("dry_run")?);
                let who = self.who.label.clone();
                let asked =
                    self.keeping.ask(move |keeper| Box::pin(roll_back(keeper, revision, who, dry_run)));
                asked.await.ok_or_else(stopped)?
            }
            (["revisions", _, "rollback"], _) => Err(Reply::wrong_method("POST")),
            (["audit"] | ["revisions"] | ["revisions", _], _) => Err(Reply::wrong_method("GET, HEAD")),
            _ => Err(nothing()),
        }
    }

    /// The latest writes first; `before` a revision, `limit` of them.
    async fn audit(&self) -> Result<Reply, Reply> {
        self.request.takes(&["before", "limit"])?;
        let before = self.request.number("before")?;
        let limit = self.request.number("limit")?.unwrap_or(USUAL_PAGE);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(LONGEST_PAGE);
        let asked = self.keeping.ask(move |keeper| Box::pin(keeper.audit(before, limit)));
        let entries = asked.await.ok_or_else(stopped)??;
        Ok(Reply::json(200, &entries.iter().map(entry).collect()))
    }
}

fn number(text: &str) -> Result<u64, Reply> {
    text.parse().map_err(|_| Reply::error(404, "a revision is a number"))
}

/// An entry of the audit log.
fn entry(audit: &Audit) -> Value {
    let changes = audit.changes.iter().map(|change| {
        json!({
            "collection": change.collection, "id": change.id, "before": change.before, "after": change.after,
        })
    });
    json!({
        "revision": audit.revision,
        "at": rfc3339_millis(audit.at),
        "who": audit.who,
        "action": audit.action,
        "changes": changes.collect::<Vec<_>>(),
    })
}

/// What would have to change to be as it was at a revision.
struct Way {
    puts: Vec<(&'static Kind, Stored, Option<Stored>)>,
    deletes: Vec<(&'static Kind, Stored)>,
}

impl Way {
    async fn back(keeper: &mut Keeper, revision: u64) -> Result<Self, Reply> {
        let unknown = || Reply::error(404, "this revision is not known, or not any longer");
        let then = keeper.at(revision).await?.ok_or_else(unknown)?;
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
        let masked = |kind: &Kind, row: &Stored| kind.masked(row.body.clone());
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
async fn diff(keeper: &mut Keeper, revision: u64) -> Result<Reply, Reply> {
    let way = Way::back(keeper, revision).await?;
    let page = json!({"revision": revision, "current": keeper.revision(), "changes": way.shown()});
    Ok(Reply::json(200, &page))
}

/// Makes everything as it was at a revision; a new revision comes of it.
async fn roll_back(keeper: &mut Keeper, revision: u64, who: String, dry_run: bool) -> Result<Reply, Reply> {
    let way = Way::back(keeper, revision).await?;
    let changes = way.shown();
    let intent = way.intent(who, dry_run);
    if dry_run {
        let (outcome, effects) = keeper.foresee(&intent)?;
        let effects = effects::foreseen(&outcome, &effects, false)?;
        let page = json!({"revision": outcome.revision, "changes": changes, "effects": effects});
        return Ok(Reply::json(200, &page));
    }
    let outcome = keeper.carry_out(intent).await?;
    Ok(Reply::json(200, &json!({"revision": outcome.revision, "changes": changes})))
}

/// Entries of the audit log in one answer.
const USUAL_PAGE: u64 = 100;
const LONGEST_PAGE: usize = 1000;
