//! Where resources are kept, and how a change to them becomes known. One trait: nobody else can tell a file from a
//! database on this machine or a cluster of them.

pub mod absent;
pub mod etcd;
pub mod file;
pub mod keeper;
pub mod sqlite;

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A row as it is kept: nothing is known of it but where it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// `models`
    pub collection: String,
    pub id: String,
    /// The resource itself, without its id. May hold credentials.
    pub body: Value,
    /// The store's revision with which it was written last.
    pub revision: u64,
}

impl Stored {
    /// Collection and id.
    pub fn place(&self) -> (&str, &str) {
        (&self.collection, &self.id)
    }
}

/// Debug shows no body, which may hold credentials.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.collection, self.id, self.revision)
    }
}

/// Everything a store holds at one revision.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub rows: Vec<Stored>,
    /// What is there and is no row, or none that can be read.
    pub unreadable: Vec<Unreadable>,
    /// Rises with every write; 0 before the first.
    pub revision: u64,
}

/// Something in a store that cannot even be handed on as a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// As much of a collection and an id as can be made out.
    pub collection: String,
    pub id: String,
    pub flaw: Flaw,
    /// In words, without anything of what is in it.
    pub why: String,
}

/// Why something a store holds is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// It stands where no row can stand.
    BadKey,
    NotJson,
    /// Of a kind that this version does not know.
    UnknownKind,
    /// A member is missing, of the wrong type, or out of bounds.
    Schema,
    /// Each member may be, but not all of them together.
    Meaning,
}

impl Flaw {
    pub fn name(self) -> &'static str {
        match self {
            Flaw::BadKey => "bad_key",
            Flaw::NotJson => "non_json",
            Flaw::UnknownKind => "unknown_kind",
            Flaw::Schema => "schema_failed",
            Flaw::Meaning => "parse_failed",
        }
    }
}

/// What became of a row.
#[derive(Clone, Debug)]
pub enum Event {
    Put(Stored),
    Gone { collection: String, id: String },
    Unreadable(Unreadable),
}

/// Events that belong together, and the revision they lead to.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub events: Vec<Event>,
    pub revision: u64,
}

/// Rows to write, all or none of them. They may hold credentials, so nothing prints them.
#[derive(Clone, Default)]
pub struct Write {
    /// The revision the write was judged at: names, references and whatever else depends on other rows. If anything was
    /// written since, it has to be judged again.
    pub judged_at: u64,
    pub puts: Vec<(String, String, Value)>,
    pub deletes: Vec<(String, String)>,
    pub entry: Audit,
}

/// A write as the audit log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Set by the store.
    pub revision: u64,
    pub at: SystemTime,
    /// Label of the admin key, never the key.
    pub who: String,
    /// `create`, `replace`, `patch`, `delete`, `rotate`, `import`, `roll back`
    pub action: String,
    /// The rows before and after, secrets masked.
    pub changes: Vec<Changed>,
}

/// One row of a write in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub collection: String,
    pub id: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Default for Audit {
    fn default() -> Self {
        Audit {
            revision: 0,
            at: SystemTime::UNIX_EPOCH,
            who: String::new(),
            action: String::new(),
            changes: Vec::new(),
        }
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Somebody wrote since the write was judged. Load what came and judge again.
    Overtaken,
    /// Events up to this revision are no longer known: load everything anew.
    Compacted,
    /// This store takes no writes; why, and what to do instead.
    ReadOnly(String),
    /// What it holds is wrong and taken as a whole or not at all: a line for everything that is wrong.
    Invalid(String),
    /// Another process has it.
    InUse(String),
    /// It cannot be reached or read. Words for the operator, without secrets.
    Unavailable(String),
    /// What it holds is damaged; with a hint how to recover.
    Corrupt(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Overtaken => f.write_str("something else was written meanwhile"),
            Failure::Compacted => f.write_str("the store no longer knows what changed since"),
            Failure::ReadOnly(why)
            | Failure::Invalid(why)
            | Failure::InUse(why)
            | Failure::Unavailable(why)
            | Failure::Corrupt(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

/// A place where resources are kept. Called from one task, which may be blocked.
#[async_trait]
pub trait Store: Send {
    /// `file`, `sqlite`, `etcd`
    fn name(&self) -> &'static str;

    /// Tells it from other stores of its sort, without secrets: what was once in another one is not taken for its own.
    fn identity(&self) -> String {
        self.name().to_owned()
    }

    /// Does another process keep it, so that it can be out of reach? Then `changes` answers at least every few seconds
    /// while there is contact, with no events if there were none, and with a failure when contact is lost.
    fn is_remote(&self) -> bool {
        false
    }

    /// Everything there is. Called first, and whenever what came between cannot be told.
    async fn load(&mut self) -> Result<Rows, Failure>;

    /// What happened after a revision; waits until something did. May be dropped while it waits, and is then called again.
    /// [`Failure::Invalid`] refuses what came and changes nothing; after every other failure all is loaded anew.
    async fn changes(&mut self, after: u64) -> Result<Batch, Failure>;

    /// Writes, durably once this returns; the revision of the write.
    async fn commit(&mut self, write: Write) -> Result<u64, Failure>;

    /// The audit log, latest first, from before a revision.
    async fn audit(&mut self, before: Option<u64>, limit: usize) -> Result<Vec<Audit>, Failure>;

    /// Everything as it was at an earlier revision; None if that is no longer known.
    async fn at(&mut self, revision: u64) -> Result<Option<Rows>, Failure>;
}
