//! Stores and running gateways as places that are written to.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::address::{Address, Missing, open};
use super::client::Client;
use super::runtime;
use crate::resources::Configuration;
use crate::resources::configuration::{Notice, Row};
use crate::store::Failure;
use crate::store::keeper::{Delete, Intent, Keeper, Precondition, Put, Refusal};

/// A place that takes writes.
pub enum Target {
    /// With the runtime its connections live in.
    Store(Box<Keeper>, Runtime),
    Gateway(Client),
}

/// What is to be written. May hold credentials, so nothing prints it.
pub struct Plan {
    /// For the audit log.
    pub action: &'static str,
    pub puts: Vec<Row>,
    pub deletes: Vec<Row>,
    pub force: bool,
    pub dry_run: bool,
}

/// What is at a place that takes writes.
pub struct There {
    pub configuration: Configuration,
    /// What of it could not be taken.
    pub left_out: Vec<Notice>,
    pub revisions: Revisions,
}

/// Revisions of rows, by collection and id.
pub type Revisions = HashMap<(String, String), u64>;

impl Target {
    /// # Errors
    /// It cannot be used, or takes no writes.
    pub fn open(address: &Address, missing: Missing) -> Result<Self, String> {
        match address {
            Address::Gateway(address) => Ok(Target::Gateway(Client::new(address)?)),
            Address::File(_) | Address::Input => Err(format!(
                "{address} is a file: change it with an editor, and check it with aisix validate"
            )),
            Address::Database(_) | Address::Etcd(_) => {
                let store = open(address, missing)?;
                let runtime = runtime()?;
                let keeper = runtime.block_on(Keeper::open(store, Box::new(|_| ())));
                Ok(Target::Store(Box::new(keeper.map_err(|failure| failure.to_string())?), runtime))
            }
        }
    }

    /// What is there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn rows(&self) -> Result<There, String> {
        match self {
            Target::Gateway(client) => client.rows(),
            Target::Store(keeper, _) => {
                let rows = keeper.rows();
                let rows = rows.map(|row| (row.collection.clone(), row.id.clone(), row.body.clone()));
                let revisions =
                    keeper.rows().map(|row| ((row.collection.clone(), row.id.clone()), row.revision));
                let (configuration, left_out) = Configuration::stored(rows);
                Ok(There { configuration, left_out, revisions: revisions.collect() })
            }
        }
    }

    /// Writes all of it or nothing. What names nothing from then on is returned, as collection and name.
    ///
    /// # Errors
    /// Why nothing was written.
    pub fn carry_out(&mut self, plan: Plan, revisions: &Revisions) -> Result<Vec<String>, String> {
        let revision = |row: &Row| revisions.get(&(row.kind.collection.to_owned(), row.id.clone())).copied();
        match self {
            Target::Store(keeper, runtime) => {
                let only_if = |row: &Row| revision(row).map_or(Precondition::Absent, Precondition::Revision);
                let deletes = plan.deletes.iter();
                let deletes =
                    deletes.map(|row| Delete { kind: row.kind, id: row.id.clone(), only_if: only_if(row) });
                let deletes = deletes.collect();
                let puts = plan.puts.into_iter().map(|row| {
                    let only_if = only_if(&row);
                    Put { kind: row.kind, id: Some(row.id), body: row.body, only_if, merge: false }
                });
                let intent = Intent {
                    who: WHO.to_owned(),
                    action: plan.action,
                    puts: puts.collect(),
                    deletes,
                    force: plan.force,
                    dry_run: plan.dry_run,
                };
                let outcome = runtime.block_on(keeper.carry_out(intent)).map_err(words)?;
                Ok(outcome.broken.iter().map(|(collection, name)| format!("{collection} {name:?}")).collect())
            }
            Target::Gateway(client) => {
                let entry = |row: &Row| json!({"collection": row.kind.collection, "id": row.id, "revision": revision(row)});
                let puts = plan.puts.iter().map(|row| {
                    let mut entry = entry(row);
                    entry["value"] = row.body.clone();
                    entry
                });
                let deletes: Vec<Value> = plan.deletes.iter().map(entry).collect();
                let flags = format!("dry_run={}&force={}", plan.dry_run, plan.force);
                let answer = client.import(&puts.collect::<Vec<_>>(), &deletes, &flags)?;
                let broken = answer.get("broken").and_then(Value::as_array).into_iter().flatten();
                let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
                let broken = broken
                    .filter_map(|row| Some(format!("{} {:?}", text(row, "collection")?, text(row, "name")?)));
                Ok(broken.collect())
            }
        }
    }
}

/// A refusal as an operator reads it.
fn words(refusal: Refusal) -> String {
    match refusal {
        Refusal::NotFound | Refusal::Stale => "something else was written meanwhile; try again".to_owned(),
        Refusal::Invalid(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Refusal::Taken(message) => message,
        Refusal::Offered => "a row of the gateway's own environment stands there".to_owned(),
        Refusal::Referenced(by) => {
            let named: Vec<String> = by.iter().map(|(of, name)| format!("{of} {name:?}")).collect();
            format!("still in use by {}; change these first, or use --force", named.join(", "))
        }
        Refusal::Store(failure @ Failure::Overtaken) => format!("{failure}; try again"),
        Refusal::Store(failure) => failure.to_string(),
    }
}

/// As which the command line stands in the audit log.
const WHO: &str = "command line";
