//! The keeper of a configuration: it owns the store, takes in what changes there, judges what operators want to
//! change, and publishes a snapshot after each. One task does all of it, so nothing here is locked.

mod apply;
mod effects;
mod imagine;
mod judge;
mod last_known_good;
mod offered;
pub mod status;
mod task;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;

use super::{Audit, Failure, Flaw, Rows, Store, Stored};
use crate::document::Fault;
use crate::resources::shards::Shards;
use crate::resources::{Catalog, Kind, Snapshot};
pub use effects::{Effects, Loss};
use last_known_good::Saver;
pub use offered::Offered;
use status::Status;
pub use task::{Keeping, start};

/// Takes a snapshot into service.
pub type Publish = Box<dyn Fn(&Arc<Snapshot>) + Send>;

/// Collection and id.
pub type Key = (&'static str, String);

/// What a keeper begins with.
pub struct Opening {
    pub store: Box<dyn Store>,
    pub publish: Publish,
    /// Rows beside those of the store.
    pub offered: Vec<Offered>,
    /// Where a copy of what a remote store holds is kept on disk, to begin with when the store is out of reach.
    pub last_known_good: Option<PathBuf>,
    /// Where others read what is known.
    pub status: Arc<Status>,
}

impl Opening {
    pub fn new(store: Box<dyn Store>, publish: Publish) -> Self {
        Opening { store, publish, offered: Vec::new(), last_known_good: None, status: Arc::default() }
    }
}

/// All that is known of what the store holds.
pub struct Keeper {
    store: Box<dyn Store>,
    is_remote: bool,
    /// Before `publish`, so that whoever sees the end of that finds the last copy written.
    saver: Option<Saver>,
    publish: Publish,
    status: Arc<Status>,
    offered: Vec<Offered>,
    /// Earlier forms of rows, from before the start, for those that the first look finds unreadable.
    pinned: Vec<Stored>,
    /// As stored, and with revision 0 as offered.
    rows: Shards<Key, Arc<Stored>>,
    /// The rows in the order in which they are listed.
    order: BTreeSet<Key>,
    /// Those of the rows that can be served. A row whose new form cannot be read keeps its former one.
    catalog: Catalog,
    /// Rows that cannot be read, and why.
    rejected: Shards<(String, String), Rejected>,
    /// Members nobody knows: where, in how many rows, and which they are in each.
    unknown: Arc<BTreeMap<(&'static str, String), usize>>,
    unknown_of: HashMap<Key, Vec<String>>,
    /// Did what is said about rows change, apart from the rows themselves?
    stirred: bool,
    snapshot: Arc<Snapshot>,
    revision: u64,
    /// Snapshots published.
    published: u64,
}

/// Something in the store that is not served as it is there.
#[derive(Clone, Debug)]
pub struct Rejected {
    pub flaw: Flaw,
    pub faults: Vec<Fault>,
    pub since: SystemTime,
    /// When it was told last.
    pub seen: SystemTime,
    /// None where it could not be read at all.
    pub stored: Option<Arc<Stored>>,
    /// The earlier form of it that is served.
    pub pinned: Option<Arc<Stored>>,
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
    /// It comes from the environment of the process, not from the store.
    Offered,
    /// Others name it: collection and name of each.
    Referenced(Vec<(String, String)>),
    Store(Failure),
}

impl Keeper {
    /// Loads everything and publishes it.
    ///
    /// # Errors
    /// The store cannot be read. Single rows that cannot be read are no failure.
    pub async fn open(store: Box<dyn Store>, publish: Publish) -> Result<Self, Failure> {
        let mut keeper = Keeper::new(Opening::new(store, publish));
        let rows = keeper.store.load().await?;
        keeper.take_all(rows);
        Ok(keeper)
    }

    /// A keeper that has nothing yet.
    fn new(opening: Opening) -> Self {
        let Opening { store, publish, offered, last_known_good, status } = opening;
        let is_remote = store.is_remote();
        status.begin(store.name(), is_remote);
        let saver = last_known_good.filter(|_| is_remote).map(|path| Saver::start(path, store.identity()));
        Keeper {
            store,
            is_remote,
            publish,
            status,
            offered,
            saver,
            pinned: Vec::new(),
            rows: Shards::default(),
            order: BTreeSet::new(),
            catalog: Catalog::default(),
            rejected: Shards::default(),
            unknown: Arc::default(),
            unknown_of: HashMap::new(),
            stirred: false,
            snapshot: Arc::new(Snapshot::empty()),
            revision: 0,
            published: 0,
        }
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The rows of a kind, by id, from behind an id. What is offered has revision 0.
    pub fn list<'k>(
        &'k self,
        kind: &Kind,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'k Stored> + use<'k> {
        let collection = kind.collection;
        let from = (collection, after.map(|id| format!("{id}\0")).unwrap_or_default());
        let keys = self.order.range(from..).take_while(move |(of, _)| *of == collection);
        keys.filter_map(|key| Some(&**self.rows.get(key)?))
    }

    /// All rows of the store, by collection and id.
    pub fn rows(&self) -> impl Iterator<Item = &Stored> {
        let rows = self.order.iter().filter_map(|key| Some(&**self.rows.get(key)?));
        rows.filter(|row| row.revision > 0)
    }

    pub fn get(&self, kind: &Kind, id: &str) -> Option<&Stored> {
        self.rows.get(&(kind.collection, id.to_owned())).map(|row| &**row)
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

#[cfg(test)]
mod tests;
