//! A new, empty store: there completely or not at all, so that an empty file is always a damaged one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::failure;
use crate::store::Failure;

/// `AISX`, at byte 68 of the file: <https://www.sqlite.org/fileformat.html#application_id>.
pub(super) const APPLICATION: u32 = 0x4149_5358;
/// How the tables below are laid out, at byte 60 of the file.
pub(super) const SCHEMA: u32 = 1;

/// What the file holds. `rows` is what is in force; `row_versions` holds every version from the oldest revision kept
/// on, without a body where the row was deleted; `changes` holds one entry for each revision kept.
const TABLES: &str = "
    CREATE TABLE rows (
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (collection, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE row_versions (
        collection TEXT NOT NULL,
        id TEXT NOT NULL,
        revision INTEGER NOT NULL,
        body TEXT,
        PRIMARY KEY (collection, id, revision)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX row_versions_of_revision ON row_versions (revision);
    CREATE TABLE changes (
        revision INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        action TEXT NOT NULL,
        changes TEXT NOT NULL
    ) STRICT;
";

/// Makes an empty store if there is nothing at the path.
pub(super) fn unless_there(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failure::io(path, &error)),
    }
    // SQLite would take what is in it for writes to the new file.
    for log in beside(path) {
        if fs::metadata(&log).is_ok_and(|there| there.len() > 0) {
            return Err(failure::gone(path, &log));
        }
    }
    let draft = Draft::beside(path).map_err(|error| failure::io(path, &error))?;
    draft.fill().map_err(|error| failure::of(path, &error))?;
    draft.publish(path).map_err(|error| failure::io(path, &error))
}

/// Takes the store away from everybody but its owner: it holds credentials. No file is opened for it.
pub(super) fn keep_to_owner(path: &Path) -> io::Result<()> {
    let [log, journal] = beside(path);
    for path in [path, &log, &journal, &with_suffix(path, "-shm")] {
        let mode = match fs::metadata(path) {
            Ok(there) => there.permissions().mode(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            tracing::warn!(file = %path.display(), "others could read the store; now only its owner can");
        }
    }
    Ok(())
}

/// The files SQLite keeps beside a database.
fn beside(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-journal"].map(|suffix| with_suffix(path, suffix))
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A store that is not yet where it belongs. Gone when this is dropped, whatever became of it.
struct Draft(PathBuf);

impl Draft {
    /// An empty file that only its owner may read, which SQLite then grants for the files beside it as well.
    fn beside(path: &Path) -> io::Result<Self> {
        let draft = with_suffix(path, &format!(".{}.new", uuid::Uuid::new_v4().simple()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        Ok(Draft(draft))
    }

    /// Nothing is awaited until the whole file is there: a draft that got lost is made again.
    fn fill(&self) -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.0, flags)?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update(None, "application_id", APPLICATION)?;
        db.pragma_update(None, "user_version", SCHEMA)?;
        db.execute_batch(TABLES)?;
        // The file remembers it.
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        db.close().map_err(|(_, error)| error)
    }

    /// Gives it its name, on disk, unless another process was faster: then there is a store as well.
    fn publish(self, path: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        match fs::hard_link(&self.0, path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            // A file system without links.
            Err(_) => fs::rename(&self.0, path)?,
        }
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for path in beside(&self.0).iter().chain([&self.0]) {
            // Most of them are not there.
            let _ = fs::remove_file(path);
        }
    }
}
