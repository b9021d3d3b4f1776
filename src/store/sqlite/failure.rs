//! Words for what can go wrong with the file. They name the file and never what is in it.

use std::io;
use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};

use super::create::with_suffix;
use crate::store::Failure;

pub(super) fn unavailable(path: &Path, what: &str) -> Failure {
    Failure::Unavailable(format!("{} {what}", path.display()))
}

pub(super) fn io(path: &Path, error: &io::Error) -> Failure {
    unavailable(path, &format!("cannot be used: {error}"))
}

/// Damage, and the ways out of it.
pub(super) fn corrupt(path: &Path, what: &str) -> Failure {
    let (file, log) = (path.display(), with_suffix(path, "-wal"));
    Failure::Corrupt(format!(
        "{file} is damaged: {what}. Nothing in it was changed. Move it and {} aside together and restore a copy",
        log.display()
    ))
}

/// The file is missing, but not its log.
pub(super) fn gone(path: &Path, log: &Path) -> Failure {
    let (file, log) = (path.display(), log.display());
    Failure::Corrupt(format!(
        "{file} is gone, but {log} with writes to it is still there. Nothing was changed. Put {file} back where it \
         was, or move {log} away to begin with an empty store"
    ))
}

/// What SQLite's answer means. Its own messages are not passed on: they can quote what was written.
pub(super) fn of(path: &Path, error: &Error) -> Failure {
    let Some(&cause) = error.sqlite_error() else {
        return match error {
            Error::ToSqlConversionFailure(_) => unavailable(path, "cannot hold a number that large"),
            _ => corrupt(path, "it holds something unreadable"),
        };
    };
    match cause.code {
        ErrorCode::DatabaseCorrupt => corrupt(path, "its pages do not fit together"),
        _ if cause.extended_code == ffi::SQLITE_IOERR_SHORT_READ => corrupt(path, "it ends within a page"),
        ErrorCode::NotADatabase => corrupt(path, "it does not begin like a store, or not any longer"),
        // All SQL is ours and fits the tables as they were made.
        ErrorCode::Unknown | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => {
            corrupt(path, "its tables are not as they were made")
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Failure::InUse(format!("{} is in use by another process", path.display()))
        }
        ErrorCode::DiskFull => unavailable(path, "cannot grow: there is no space left; nothing was written"),
        _ => {
            let (words, code) = (ffi::code_to_str(cause.extended_code), cause.extended_code);
            unavailable(path, &format!("cannot be used: {words} (SQLite's code {code})"))
        }
    }
}
