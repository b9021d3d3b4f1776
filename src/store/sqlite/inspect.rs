//! Is this a store of ours, is it sound, and is it free? Asked without changing anything.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::create::{APPLICATION, SCHEMA, with_suffix};
use super::failure;
use crate::store::Failure;

/// The stores this process has open, by device and inode.
///
/// Another process is kept out by SQLite's lock, which belongs to the process and is lost as soon as the process closes
/// any descriptor of the file: <https://www.sqlite.org/howtocorrupt.html#posix_close_bug>. So this process must not even
/// look into a file that it has open.
static CLAIMED: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// The right to open a file.
#[derive(Debug)]
pub(super) struct Claim((u64, u64));

impl Claim {
    pub(super) fn on(path: &Path) -> Result<Self, Failure> {
        let there = fs::metadata(path).map_err(|error| failure::io(path, &error))?;
        if !there.is_file() {
            return Err(failure::unavailable(path, "is not a file"));
        }
        let file = (there.dev(), there.ino());
        match claimed().insert(file) {
            true => Ok(Claim(file)),
            false => Err(Failure::InUse(format!("{} is in use by this process already", path.display()))),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.0);
    }
}

fn claimed() -> MutexGuard<'static, BTreeSet<(u64, u64)>> {
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the first bytes say, before SQLite comes near the file: it would bring the log of another program's database
/// to its end. <https://www.sqlite.org/fileformat.html#the_database_header>
pub(super) fn header(path: &Path) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(HEADER);
    File::open(path)
        .and_then(|file| file.take(HEADER as u64).read_to_end(&mut bytes))
        .map_err(|error| failure::io(path, &error))?;
    if bytes.is_empty() {
        return Err(failure::corrupt(path, "it is empty, which no store ever is"));
    }
    let whole = bytes.len() == HEADER && bytes.starts_with(MAGIC);
    let (Some(version), Some(application), true) = (number(&bytes, 60), number(&bytes, 68), whole) else {
        let words = "it does not begin like a store, or not any longer";
        return Err(failure::corrupt(path, words));
    };
    ours(path, application, version)?;
    if !ends_with_a_page(path, &bytes).map_err(|error| failure::io(path, &error))? {
        return Err(failure::corrupt(path, "it ends within a page"));
    }
    Ok(())
}

/// A file may end anywhere only while its log has the rest; SQLite would read zeros.
fn ends_with_a_page(path: &Path, header: &[u8]) -> io::Result<bool> {
    let page = match header.get(16..18) {
        Some([0, 1]) => 0x1_0000,
        Some(&[high, low]) => u64::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    let logged = fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0);
    Ok(logged || fs::metadata(path)?.len().checked_rem(page) == Some(0))
}

const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

fn ours(path: &Path, application: u32, version: u32) -> Result<(), Failure> {
    if application != APPLICATION {
        return Err(failure::unavailable(path, "is a database of another program; it was not touched"));
    }
    if version > SCHEMA {
        let words = format!(
            "was written by a newer version of the gateway (schema {version}, this one knows {SCHEMA}); it was not \
             touched"
        );
        return Err(failure::unavailable(path, &words));
    }
    if version < SCHEMA {
        return Err(failure::corrupt(path, "no version of the gateway wrote such a schema"));
    }
    Ok(())
}

/// Whether everything in it is readable and fits together. The first read takes the lock.
pub(super) fn contents(db: &Connection, path: &Path) -> Result<(), Failure> {
    let failed = |error: rusqlite::Error| failure::of(path, &error);
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    // The log may know better than the header.
    ours(path, pragma("application_id")?.cast_unsigned(), pragma("user_version")?.cast_unsigned())?;
    if db.is_readonly("main").map_err(failed)? {
        return Err(failure::unavailable(path, "cannot be written: it or its file system is read-only"));
    }
    // `quick_check`, and whether the index fits, for half as long again.
    let check =
        db.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0)).map_err(failed)?;
    if check != "ok" {
        return Err(failure::corrupt(path, &format!("SQLite says: {}", check.replace('\n', " "))));
    }
    for (misfits, words) in MISFITS {
        if db.query_row(misfits, [], |row| row.get::<_, bool>(0)).map_err(failed)? {
            return Err(failure::corrupt(path, words));
        }
    }
    Ok(())
}

/// What SQLite cannot know. Every row is there twice, so that a body which rotted on disk is noticed.
const MISFITS: [(&str, &str); 3] = [
    (
        "SELECT EXISTS (SELECT 1 FROM rows LEFT JOIN row_versions AS version USING (collection, id, revision)
            WHERE version.body IS NOT rows.body)",
        "a row differs from its latest version",
    ),
    (
        "SELECT EXISTS (SELECT 1 FROM
            (SELECT collection, id, max(revision) AS latest, body FROM row_versions GROUP BY collection, id) AS version
            LEFT JOIN rows USING (collection, id)
            WHERE version.body IS NOT NULL AND version.latest IS NOT rows.revision)",
        "a row is missing",
    ),
    (
        "SELECT count(*) <> ifnull(max(revision) - min(revision) + 1, 0)
            OR ifnull(max(revision), 0) < (SELECT ifnull(max(revision), 0) FROM row_versions)
            FROM changes",
        "a part of its history is missing",
    ),
];
