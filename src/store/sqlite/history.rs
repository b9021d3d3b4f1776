//! What the store remembers: who changed what, and every version of every row that was in force at a revision kept.

use std::time::{Duration, UNIX_EPOCH};

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;

use crate::store::{Audit, Batch, Event, Rows, Stored};

/// What is known of the time since a revision.
pub(super) enum Since {
    Nothing,
    Known(Batch),
    Forgotten,
}

/// The revision of the last write; 0 before the first.
pub(super) fn newest(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT ifnull(max(revision), 0) FROM changes")?.query_row([], |row| row.get(0))
}

/// The earliest revision that can still be told: the one before the oldest entry.
pub(super) fn oldest(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT ifnull(min(revision) - 1, 0) FROM changes")?.query_row([], |row| row.get(0))
}

/// The last version of every row that was written after a revision, as one batch: what came between is of no use to
/// anybody who has not seen it.
pub(super) fn since(db: &Connection, after: u64) -> rusqlite::Result<Since> {
    let revision = newest(db)?;
    if after == revision {
        return Ok(Since::Nothing);
    }
    // What is ahead of the newest write comes from another store than this one.
    if after > revision || after < oldest(db)? {
        return Ok(Since::Forgotten);
    }
    // Next to `max`, SQLite takes the other columns from the row that has it:
    // <https://www.sqlite.org/lang_select.html#bareagg>.
    let mut query = db.prepare_cached(
        "SELECT collection, id, body, max(revision) AS latest
            FROM row_versions INDEXED BY row_versions_of_revision WHERE revision > ?1
            GROUP BY collection, id ORDER BY latest, collection, id",
    )?;
    let events = query.query_map([after], |row| {
        Ok(match version(row)? {
            Some(stored) => Event::Put(stored),
            None => Event::Gone { collection: row.get(0)?, id: row.get(1)? },
        })
    })?;
    Ok(Since::Known(Batch { events: events.collect::<Result<_, _>>()?, revision }))
}

/// Everything as it was at a revision.
pub(super) fn at(db: &Connection, revision: u64) -> rusqlite::Result<Option<Rows>> {
    if revision > newest(db)? || revision < oldest(db)? {
        return Ok(None);
    }
    let mut query = db.prepare_cached(
        "SELECT collection, id, body, max(revision) FROM row_versions WHERE revision <= ?1 GROUP BY collection, id",
    )?;
    let rows = query.query_map([revision], version)?.filter_map(Result::transpose);
    Ok(Some(Rows { rows: rows.collect::<Result<_, _>>()?, revision, ..Rows::default() }))
}

/// The audit log, latest first.
pub(super) fn entries(db: &Connection, before: Option<u64>, limit: usize) -> rusqlite::Result<Vec<Audit>> {
    let before = before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut query = db.prepare_cached(
        "SELECT revision, at, who, action, changes FROM changes WHERE revision < ?1 ORDER BY revision DESC LIMIT ?2",
    )?;
    let entries = query.query_map(params![before, limit], |row| {
        Ok(Audit {
            revision: row.get(0)?,
            at: UNIX_EPOCH + Duration::from_nanos(row.get(1)?),
            who: row.get(2)?,
            action: row.get(3)?,
            changes: json(row, 4)?,
        })
    })?;
    entries.collect()
}

/// Forgets what was before a revision. The revision's own versions, which are in force at it, take the place of
/// earlier ones of the same rows.
///
/// A write adds one revision and takes one away; if there are more to take, a few with each write, so that none of them
/// waits for long.
pub(super) fn prune(db: &Connection, before: u64) -> rusqlite::Result<()> {
    let first = oldest(db)? + 1;
    for revision in (first..=before).take(AT_ONCE) {
        db.prepare_cached(
            "DELETE FROM row_versions WHERE (collection, id, revision) IN (
                SELECT earlier.collection, earlier.id, earlier.revision
                FROM row_versions AS version JOIN row_versions AS earlier USING (collection, id)
                WHERE version.revision = ?1 AND earlier.revision < ?1)",
        )?
        .execute([revision])?;
        db.prepare_cached("DELETE FROM row_versions WHERE revision = ?1 AND body IS NULL")?
            .execute([revision])?;
        db.prepare_cached("DELETE FROM changes WHERE revision = ?1")?.execute([revision])?;
    }
    Ok(())
}

const AT_ONCE: usize = 4;

/// The columns `collection, id, body, revision`; None if the version says that the row was deleted.
fn version(row: &Row<'_>) -> rusqlite::Result<Option<Stored>> {
    if row.get_ref(2)? == ValueRef::Null {
        return Ok(None);
    }
    Ok(Some(Stored { collection: row.get(0)?, id: row.get(1)?, body: json(row, 2)?, revision: row.get(3)? }))
}

/// A column that holds JSON. What is wrong with it is not said: the message could quote it.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|_| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "it is not the JSON it was".into())
    })
}
