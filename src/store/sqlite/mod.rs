//! Resources in an SQLite database on this machine, which belongs to one process at a time.
//!
//! Whatever was acknowledged is on disk. A file that is damaged, or not ours, is refused and left as it is: an empty
//! store in its place would take every caller's access away. Nothing here knows what a row means.

mod create;
mod failure;
mod history;
mod inspect;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::{Audit, Batch, Failure, Rows, Store, Stored, Write};
use inspect::Claim;

/// An open database, locked against everybody else until this is dropped.
pub struct SqliteStore {
    /// Closed before the claim is given up: fields are dropped from the first to the last.
    db: Connection,
    path: PathBuf,
    terms: Terms,
    _claim: Claim,
}

/// What differs between the gateway and its tests.
#[derive(Clone, Copy)]
struct Terms {
    /// How many revisions back history reaches.
    kept: u64,
    /// How long another process may take to let go of the file.
    patience: Duration,
}

/// Months of changes by hand. With 10,000 rows of 2 kB the file has 190 MB, and is opened in half a second. A
/// predecessor that was told to stop gets a moment to close.
const TERMS: Terms = Terms { kept: 10_000, patience: Duration::from_secs(2) };

impl SqliteStore {
    /// Opens the store in a file, or makes an empty one where there is none. Blocks on the disk, and reads the whole
    /// file to see that it is sound.
    ///
    /// # Errors
    /// The file is damaged, is not a store of ours or of a newer version, is in use, or cannot be read and written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Failure> {
        Self::open_on(path.into(), TERMS)
    }

    fn open_on(path: PathBuf, terms: Terms) -> Result<Self, Failure> {
        // Absolute, because SQLite takes some relative names for something else: `:memory:`.
        let path = std::path::absolute(&path).map_err(|error| failure::io(&path, &error))?;
        create::unless_there(&path)?;
        let claim = Claim::on(&path)?;
        inspect::header(&path)?;
        create::keep_to_owner(&path).map_err(|error| failure::io(&path, &error))?;
        let store = SqliteStore {
            db: connect(&path, terms.patience).map_err(|error| failure::of(&path, &error))?,
            path,
            terms,
            _claim: claim,
        };
        inspect::contents(&store.db, &store.path)?;
        let journal = store.prepare().map_err(|error| store.failed(&error))?;
        if journal != "wal" {
            return Err(failure::unavailable(&store.path, "lies on a file system without write-ahead logs"));
        }
        Ok(store)
    }

    /// How it is written to from here on; until now nothing in the file was changed. The kind of journal SQLite chose.
    fn prepare(&self) -> rusqlite::Result<String> {
        let journal = self.db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        // A commit returns when the log is on disk; on macOS that takes more than `fsync`.
        self.db.pragma_update(None, "synchronous", "FULL")?;
        self.db.pragma_update(None, "fullfsync", true)?;
        self.db.pragma_update(None, "checkpoint_fullfsync", true)?;
        // Credentials that are no longer kept are not left in free pages either.
        self.db.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
        // The log does not stay as long as its longest write made it.
        self.db.pragma_update_and_check(None, "journal_size_limit", LONGEST_IDLE_LOG, |_| Ok(()))?;
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(journal)
    }

    fn rows(&self) -> rusqlite::Result<Rows> {
        let revision = history::newest(&self.db)?;
        let mut query = self.db.prepare_cached("SELECT collection, id, body, revision FROM rows")?;
        let rows = query.query_map([], |row| {
            Ok(Stored {
                collection: row.get(0)?,
                id: row.get(1)?,
                body: history::json(row, 2)?,
                revision: row.get(3)?,
            })
        })?;
        Ok(Rows { rows: rows.collect::<Result<_, _>>()?, revision, ..Rows::default() })
    }

    /// The write and its traces in one transaction; None if another write came first. What a failure leaves undone is
    /// rolled back when the transaction is dropped.
    fn write(&mut self, write: &Write) -> rusqlite::Result<Option<u64>> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let newest = history::newest(&transaction)?;
        if newest != write.judged_at {
            return Ok(None);
        }
        let revision = newest + 1;
        write_rows(&transaction, write, revision)?;
        write_entry(&transaction, &write.entry, revision)?;
        history::prune(&transaction, revision.saturating_sub(self.terms.kept))?;
        transaction.commit()?;
        Ok(Some(revision))
    }

    fn failed(&self, error: &rusqlite::Error) -> Failure {
        failure::of(&self.path, error)
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn load(&mut self) -> Result<Rows, Failure> {
        self.rows().map_err(|error| self.failed(&error))
    }

    /// Nobody else can write, so that waiting ends with the next `commit` and has to be asked for again after it.
    async fn changes(&mut self, after: u64) -> Result<Batch, Failure> {
        match history::since(&self.db, after).map_err(|error| self.failed(&error))? {
            history::Since::Known(batch) => Ok(batch),
            history::Since::Forgotten => Err(Failure::Compacted),
            history::Since::Nothing => std::future::pending().await,
        }
    }

    /// Deletes come before puts; a delete of a row that is not there leaves no trace but the entry.
    async fn commit(&mut self, write: Write) -> Result<u64, Failure> {
        self.write(&write).map_err(|error| self.failed(&error))?.ok_or(Failure::Overtaken)
    }

    async fn audit(&mut self, before: Option<u64>, limit: usize) -> Result<Vec<Audit>, Failure> {
        history::entries(&self.db, before, limit).map_err(|error| self.failed(&error))
    }

    async fn at(&mut self, revision: u64) -> Result<Option<Rows>, Failure> {
        history::at(&self.db, revision).map_err(|error| self.failed(&error))
    }
}

/// A connection that has the file to itself with the first read, and leaves it alone when it is closed.
fn connect(path: &Path, patience: Duration) -> rusqlite::Result<Connection> {
    // Not `CREATE`: only `create` makes files. One task uses a connection, which needs no lock of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(patience)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    db.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    Ok(db)
}

fn write_rows(db: &Connection, write: &Write, revision: u64) -> rusqlite::Result<()> {
    let mut version = db.prepare_cached("INSERT OR REPLACE INTO row_versions VALUES (?1, ?2, ?3, ?4)")?;
    let mut delete = db.prepare_cached("DELETE FROM rows WHERE collection = ?1 AND id = ?2")?;
    for (collection, id) in &write.deletes {
        if delete.execute(params![collection, id])? > 0 {
            version.execute(params![collection, id, revision, None::<&str>])?;
        }
    }
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO rows VALUES (?1, ?2, ?3, ?4)")?;
    for (collection, id, body) in &write.puts {
        let body = body.to_string();
        put.execute(params![collection, id, body, revision])?;
        version.execute(params![collection, id, revision, body])?;
    }
    Ok(())
}

fn write_entry(db: &Connection, entry: &Audit, revision: u64) -> rusqlite::Result<()> {
    let changes = serde_json::to_string(&entry.changes)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.prepare_cached("INSERT INTO changes VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
        revision,
        nanoseconds(entry.at),
        entry.who,
        entry.action,
        changes
    ])?;
    Ok(())
}

/// Since 1970; good until 2262.
fn nanoseconds(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// More than there are texts of SQL, so that each is prepared once.
const STATEMENTS: usize = 32;
/// Twice what SQLite collects in the log before it moves it into the file.
const LONGEST_IDLE_LOG: i64 = 8 << 20;

#[cfg(test)]
mod tests;
