//! Writes: one transaction each, which happens only if everything it depends on is as it was judged.

use std::collections::HashSet;

use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::contact::Contact;
use super::failure::Trouble;
use super::known::{Counted, Known, number, signed};
use super::layout::Layout;
use super::link::Link;
use crate::store::{Audit, Failure, Write};

/// A write as etcd gets it. Sent twice it still happens once: the first puts the guard that both ask for.
pub struct Transaction {
    txn: Txn,
    /// Where its entry in the audit log lies, if it happened.
    entry: String,
    /// Tells it from every other write.
    id: String,
    /// Its number among all writes.
    pub count: u64,
}

/// An entry of the audit log as it is stored.
#[derive(Deserialize, Serialize)]
pub struct Entry {
    pub write: String,
    pub entry: Audit,
}

impl Transaction {
    pub fn of(write: &Write, known: &Known, layout: &Layout) -> Self {
        let id = Uuid::new_v4().to_string();
        // Without a guard counting begins behind all numbers there ever were.
        let count = if known.guard.revision == 0 { known.newest() } else { known.guard.count } + 1;
        let entry = layout.entry(count);
        let rows = rows(write, layout);
        let mut conditions = vec![unchanged(layout.guard(), known.guard.revision)];
        let mut steps = vec![
            TxnOp::put(layout.guard(), json!(Counted { count }).to_string(), None),
            TxnOp::put(entry.as_str(), stored(&id, &write.entry), None),
        ];
        if let Some(oldest) = count.checked_sub(KEPT) {
            let range = etcd_client::DeleteOptions::new().with_range(layout.entries().1);
            steps.push(TxnOp::delete(layout.entry(oldest), Some(range)));
        }
        if rows.len() + steps.len() <= MOST_OPERATIONS {
            conditions.extend(
                rows.iter().map(|(key, _)| unchanged(key.as_str(), known.revision_of(key.as_bytes()))),
            );
            steps.extend(rows.into_iter().map(|(_, step)| step));
        } else {
            // Not a condition for each row, of which there may not be that many either, but one for all there are.
            let all = Compare::mod_revision(layout.root(), CompareOp::Less, signed(known.newest()) + 1);
            conditions.push(all.with_range(layout.end()));
            let steps_of =
                |rows: &[(String, TxnOp)]| rows.iter().map(|(_, step)| step.clone()).collect::<Vec<_>>();
            steps.extend(rows.chunks(NESTED).map(|rows| TxnOp::txn(Txn::new().and_then(steps_of(rows)))));
        }
        Transaction { txn: Txn::new().when(conditions).and_then(steps), entry, id, count }
    }

    /// Sends it, again if no answer comes; the revision of the write.
    ///
    /// # Errors
    /// It did not happen, or nobody knows.
    pub async fn carry_out(&self, contact: &mut Contact) -> Result<u64, Failure> {
        let mut uncertain: Option<String> = None;
        for _ in 0..TRIES {
            let link = match contact.link().await {
                Ok(link) => link,
                Err(trouble) if uncertain.is_none() => return Err(not_written(trouble.words())),
                Err(_) => break,
            };
            match self.send(link, uncertain.is_some()).await {
                Ok(Some(revision)) => return Ok(revision),
                Ok(None) => return Err(Failure::Overtaken),
                Err(Trouble::Lost(said)) => {
                    contact.leave(&said);
                    uncertain.get_or_insert(said);
                }
                Err(trouble) if uncertain.is_none() => return Err(not_written(trouble.words())),
                Err(_) => break,
            }
        }
        Err(unknown(&uncertain.unwrap_or_default()))
    }

    /// The revision of the write; nothing if something it depends on has changed.
    async fn send(&self, link: &mut Link, again: bool) -> Result<Option<u64>, Trouble> {
        let answer = link.transact(self.txn.clone()).await?;
        if answer.succeeded() {
            return Ok(Some(answer.header().map_or(0, |header| number(header.revision()))));
        }
        if !again {
            return Ok(None);
        }
        // The guard is not what it was: either by us, and then our entry is there, or by somebody else, and then what
        // we sent before can no longer happen.
        let there = link.get(self.entry.as_str(), GetOptions::new()).await?;
        let ours = there
            .kvs()
            .iter()
            .find(|key| serde_json::from_slice(key.value()).is_ok_and(|entry: Entry| entry.write == self.id));
        Ok(ours.map(|key| number(key.mod_revision())))
    }
}

fn unchanged(key: impl Into<Vec<u8>>, revision: u64) -> Compare {
    Compare::mod_revision(key, CompareOp::Equal, signed(revision))
}

/// What is done to each key. What is both deleted and put is put: a transaction touches a key once.
fn rows(write: &Write, layout: &Layout) -> Vec<(String, TxnOp)> {
    let put: HashSet<(&str, &str)> =
        write.puts.iter().map(|(collection, id, _)| (collection.as_str(), id.as_str())).collect();
    let deletes =
        write.deletes.iter().filter(|(collection, id)| !put.contains(&(collection.as_str(), id.as_str())));
    let deletes = deletes.map(|(collection, id)| {
        let key = layout.row(collection, id);
        (key.clone(), TxnOp::delete(key, None))
    });
    let puts = write.puts.iter().map(|(collection, id, body)| {
        let key = layout.row(collection, id);
        (key.clone(), TxnOp::put(key, body.to_string(), None))
    });
    deletes.chain(puts).collect()
}

/// The entry as text. One that would not fit beside the rows keeps what was done, and not how the rows were.
fn stored(write: &str, entry: &Audit) -> String {
    let text = json!(Entry { write: write.to_owned(), entry: entry.clone() }).to_string();
    if text.len() <= LONGEST_ENTRY {
        return text;
    }
    let mut short = entry.clone();
    for change in &mut short.changes {
        for row in [&mut change.before, &mut change.after] {
            *row = row.take().map(|_| Value::from("not kept: the write was too large"));
        }
    }
    json!(Entry { write: write.to_owned(), entry: short }).to_string()
}

pub fn not_written(said: &str) -> Failure {
    Failure::Unavailable(format!("nothing was written: {said}"))
}

fn unknown(said: &str) -> Failure {
    Failure::Unavailable(format!(
        "contact with etcd was lost during the write ({said}). It is not known whether it took effect: look before you \
         repeat it"
    ))
}

/// Entries of the audit log. Each holds rows before and after, a few kB.
const KEPT: u64 = 1000;
/// Above this size an entry says less. A request to etcd has at most 1.5 MiB.
const LONGEST_ENTRY: usize = 256 * 1024;
/// Operations of one transaction, `--max-txn-ops` of a server that was told nothing. Those of a transaction within a
/// transaction count together with those beside it.
const MOST_OPERATIONS: usize = 128;
/// So that there may be 64 such transactions of 60 rows.
const NESTED: usize = 60;
const TRIES: usize = 3;
