//! The keeper of a configuration: it owns the store, takes in what changes there, judges what operators want to
//! change, and publishes a snapshot after each. One task does all of it, so nothing here is locked.

mod apply;
mod judge;
mod task;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::{Audit, Failure, Rows, Store, Stored};
use crate::document::Fault;
use crate::resources::{Catalog, Kind, Snapshot};
pub use task::{Keeping, start};

/// Takes a snapshot into service.
pub type Publish = Box<dyn Fn(&Arc<Snapshot>) + Send>;

/// All that is known of what the store holds.
pub struct Keeper {
    store: Box<dyn Store>,
    publish: Publish,
    /// As stored, by collection and id.
    rows: BTreeMap<(&'static str, String), Stored>,
    /// Those of the rows that can be served. A row whose new form cannot be read keeps its former one.
    catalog: Catalog,
    /// Rows that cannot be read, and why.
    rejected: BTreeMap<(String, String), Rejected>,
    snapshot: Arc<Snapshot>,
    revision: u64,
    /// Snapshots published.
    published: u64,
}

/// A row that is stored and not served as it is stored.
#[derive(Clone, Debug)]
pub struct Rejected {
    pub faults: Vec<Fault>,
    pub since: SystemTime,
    /// Is an earlier form of it served?
    pub pinned: bool,
}

/// What an operator wants to be different. Holds credentials, so nothing prints it.
pub struct Intent {
    /// Label of the admin key.
    pub who: String,
    /// For the audit log.
    pub action: &'static str,
    pub puts: Vec<Put>,
    pub deletes: Vec<Delete>,
    /// Delete also what others refer to.
    pub force: bool,
    /// Judge only.
    pub dry_run: bool,
}

/// A row to write. May hold credentials, so nothing prints it.
pub struct Put {
    pub kind: &'static Kind,
    /// None makes a new row.
    pub id: Option<String>,
    pub body: Value,
    pub only_if: Precondition,
    /// Is the body laid over the row that is there (RFC 7396)?
    pub merge: bool,
}

/// A row to delete.
#[derive(Debug)]
pub struct Delete {
    pub kind: &'static Kind,
    pub id: String,
    pub only_if: Precondition,
}

/// What must hold of the row that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    Anything,
    /// It is there.
    Present,
    /// It is there with this revision.
    Revision(u64),
    Absent,
}

/// What came of an intent.
#[derive(Debug)]
pub struct Outcome {
    /// The rows written, as they are stored now.
    pub rows: Vec<Stored>,
    pub revision: u64,
    /// Rows that would name nothing any more: what a forced deletion breaks.
    pub broken: Vec<(String, String)>,
}

/// Why an intent was not carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    NotFound,
    /// The row is not in the state the writer believes it to be in.
    Stale,
    /// Faults of the row itself.
    Invalid(Vec<Fault>),
    /// It would be there twice.
    Taken(String),
    /// Others name it: collection and name of each.
    Referenced(Vec<(String, String)>),
    Store(Failure),
}

impl Keeper {
    /// Loads everything and publishes it.
    ///
    /// # Errors
    /// The store cannot be read. Single rows that cannot be read are no failure.
    pub async fn open(mut store: Box<dyn Store>, publish: Publish) -> Result<Self, Failure> {
        let rows = store.load().await?;
        let mut keeper = Keeper {
            store,
            publish,
            rows: BTreeMap::new(),
            catalog: Catalog::default(),
            rejected: BTreeMap::new(),
            snapshot: Arc::new(Snapshot::empty()),
            revision: 0,
            published: 0,
        };
        keeper.take_all(rows);
        Ok(keeper)
    }

    /// Where the store is called from.
    pub fn source(&self) -> &'static str {
        self.store.name()
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn rejected(&self) -> &BTreeMap<(String, String), Rejected> {
        &self.rejected
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The rows of a kind, by id, from behind an id.
    pub fn list<'k>(
        &'k self,
        kind: &Kind,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'k Stored> + use<'k> {
        let collection = kind.collection;
        let from = (collection, after.map(|id| format!("{id}\0")).unwrap_or_default());
        let rows = self.rows.range(from..);
        rows.take_while(move |((of, _), _)| *of == collection).map(|(_, row)| row)
    }

    /// All rows, by collection and id.
    pub fn rows(&self) -> impl Iterator<Item = &Stored> {
        self.rows.values()
    }

    pub fn get(&self, kind: &Kind, id: &str) -> Option<&Stored> {
        self.rows.get(&(kind.collection, id.to_owned()))
    }

    /// The audit log, latest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn audit(&mut self, before: Option<u64>, limit: usize) -> Result<Vec<Audit>, Failure> {
        self.store.audit(before, limit).await
    }

    /// Everything as it was at a revision.
    ///
    /// # Errors
    /// The store's.
    pub async fn at(&mut self, revision: u64) -> Result<Option<Rows>, Failure> {
        self.store.at(revision).await
    }
}
