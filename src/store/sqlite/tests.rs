//! The store on a real disk.

mod damage;
mod model;
mod owner;

use std::future::Future;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::store::{Changed, Event};

/// A folder of a test's own, and the store in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(TempDir::new().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("aisix.db")
    }

    fn open(&self) -> SqliteStore {
        self.open_keeping(10_000)
    }

    fn open_keeping(&self, kept: u64) -> SqliteStore {
        let store = SqliteStore::open_on(self.path(), terms(kept)).expect("a sound store");
        // What is asked here is what is written, not when the disk has it.
        store.db.pragma_update(None, "synchronous", "OFF").expect("a setting");
        store
    }

    fn refusal(&self) -> Failure {
        SqliteStore::open_on(self.path(), terms(10_000)).err().expect("it is refused")
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        names.sort();
        names
    }
}

fn terms(kept: u64) -> Terms {
    Terms { kept, patience: Duration::ZERO }
}

/// What a future of the store says at once: none of them waits but `changes`, and that only for a write.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it does not wait")
}

fn put(collection: &str, id: &str, body: Value) -> (String, String, Value) {
    (collection.to_owned(), id.to_owned(), body)
}

fn name(collection: &str, id: &str) -> (String, String) {
    (collection.to_owned(), id.to_owned())
}

fn puts(judged_at: u64, puts: Vec<(String, String, Value)>) -> Write {
    Write { judged_at, puts, ..Write::default() }
}

fn deletes(judged_at: u64, deletes: Vec<(String, String)>) -> Write {
    Write { judged_at, deletes, ..Write::default() }
}

/// Rows in one line each, comparable.
fn lines(rows: &[Stored]) -> Vec<String> {
    let mut lines: Vec<String> = rows.iter().map(|row| format!("{row:?} {}", row.body)).collect();
    lines.sort();
    lines
}

fn events(batch: &Batch) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Put(row) => format!("{row:?} {}", row.body),
        Event::Gone { collection, id } => format!("{collection}/{id} gone"),
        Event::Unreadable(what) => format!("{what:?}"),
    };
    batch.events.iter().map(line).collect()
}

#[test]
fn a_new_store_is_empty_and_waits_for_its_first_write() {
    let place = Place::new();
    let mut store = place.open();
    let rows = now(store.load()).expect("it loads");
    assert_eq!((rows.rows, rows.revision), (vec![], 0));
    assert!(store.changes(0).now_or_never().is_none());
    assert_eq!(now(store.audit(None, 10)), Ok(vec![]));
    assert_eq!(now(store.at(0)).expect("it is known").expect("it is known").revision, 0);
    assert!(now(store.at(1)).expect("it can tell").is_none());
}

#[test]
fn what_was_written_is_there_after_opening_it_again() {
    let place = Place::new();
    let mut store = place.open();
    let body = json!({ "z": 1, "a": ["ü", null, 1.5], "secret": "sk-1" });
    assert_eq!(now(store.commit(puts(0, vec![put("models", "m", body)]))), Ok(1));
    assert_eq!(now(store.commit(puts(1, vec![put("models", "n", json!("\0"))]))), Ok(2));
    let before = now(store.load()).expect("it loads");
    drop(store);
    let mut store = place.open();
    let rows = now(store.load()).expect("it loads");
    assert_eq!(rows.revision, 2);
    assert_eq!(rows.rows, before.rows);
    let expected = [r#"models/m@1 {"z":1,"a":["ü",null,1.5],"secret":"sk-1"}"#, r#"models/n@2 "\u0000""#];
    assert_eq!(lines(&rows.rows), expected);
    assert_eq!(place.files(), ["aisix.db", "aisix.db-wal"]);
    drop(store);
    assert_eq!(place.files(), ["aisix.db"]);
}

/// Such as SQLite's own tools make: without a log, and not set up for one.
#[test]
fn a_copy_made_by_sqlite_is_a_store() {
    let (place, copied) = (Place::new(), Place::new());
    let mut store = place.open();
    now(store.commit(puts(0, vec![put("models", "a", json!(1))]))).expect("it is written");
    let path = copied.path().into_os_string().into_string().expect("a plain name");
    store.db.execute("VACUUM INTO ?1", [path]).expect("there is room");
    let mut copy = copied.open();
    assert_eq!(now(copy.commit(puts(1, vec![put("models", "a", json!(2))]))), Ok(2));
    assert_eq!(lines(&now(copy.load()).expect("it loads").rows), ["models/a@2 2"]);
    assert_eq!(copied.files(), ["aisix.db", "aisix.db-wal"]);
}

#[test]
fn changes_tell_the_last_of_each_row_at_once_and_then_wait() {
    let place = Place::new();
    let mut store = place.open();
    let first = vec![put("models", "a", json!(1)), put("models", "b", json!(1)), put("keys", "a", json!(1))];
    now(store.commit(puts(0, first))).expect("it is written");
    now(store.commit(puts(1, vec![put("models", "b", json!(2))]))).expect("it is written");
    now(store.commit(deletes(2, vec![name("models", "a")]))).expect("it is written");
    let batch = now(store.changes(0)).expect("it is known");
    assert_eq!(events(&batch), ["keys/a@1 1", "models/b@2 2", "models/a gone"]);
    assert_eq!(batch.revision, 3);
    assert_eq!(events(&now(store.changes(2)).expect("it is known")), ["models/a gone"]);
    assert!(store.changes(3).now_or_never().is_none());
    assert_eq!(now(store.commit(puts(3, vec![put("models", "a", json!(4))]))), Ok(4));
    assert_eq!(events(&now(store.changes(3)).expect("it is known")), ["models/a@4 4"]);
}

#[test]
fn a_revision_that_was_never_reached_is_another_stores() {
    let place = Place::new();
    let mut store = place.open();
    for ahead in [1, u64::MAX] {
        assert_eq!(now(store.changes(ahead)).err(), Some(Failure::Compacted));
        assert!(now(store.at(ahead)).expect("it can tell").is_none());
    }
}

#[test]
fn a_write_judged_at_another_revision_changes_nothing() {
    let place = Place::new();
    let mut store = place.open();
    now(store.commit(puts(0, vec![put("models", "a", json!(1))]))).expect("it is written");
    for judged_at in [0, 2, u64::MAX] {
        let late = puts(judged_at, vec![put("models", "a", json!(2))]);
        assert_eq!(now(store.commit(late)), Err(Failure::Overtaken));
    }
    let rows = now(store.load()).expect("it loads");
    assert_eq!((lines(&rows.rows), rows.revision), (vec!["models/a@1 1".to_owned()], 1));
    assert_eq!(now(store.audit(None, 10)).expect("it is known").len(), 1);
}

#[test]
fn deletes_come_first_and_may_name_what_is_not_there() {
    let place = Place::new();
    let mut store = place.open();
    let mut write = puts(0, vec![put("models", "a", json!(1)), put("models", "a", json!(2))]);
    write.deletes = vec![name("models", "a"), name("models", "nobody")];
    assert_eq!(now(store.commit(write)), Ok(1));
    assert_eq!(events(&now(store.changes(0)).expect("it is known")), ["models/a@1 2"]);
    assert_eq!(now(store.commit(deletes(1, vec![name("models", "nobody")]))), Ok(2));
    assert_eq!(events(&now(store.changes(1)).expect("it is known")), Vec::<String>::new());
}

#[test]
fn the_audit_log_tells_who_did_what_latest_first_page_by_page() {
    let place = Place::new();
    let mut store = place.open();
    let entry = |revision: u64| Audit {
        revision,
        at: UNIX_EPOCH + Duration::new(1_700_000_000 + revision, 123_456_789),
        who: format!("admin {revision}"),
        action: "patch".to_owned(),
        changes: vec![Changed {
            collection: "models".to_owned(),
            id: "a".to_owned(),
            before: (revision > 1).then(|| json!({ "key": "***" })),
            after: Some(Value::Null),
        }],
    };
    for revision in 1..=5 {
        // The store knows better which revision it is.
        let write = Write { judged_at: revision - 1, entry: entry(revision), ..Write::default() };
        let write = Write { entry: Audit { revision: 77, ..write.entry }, ..write };
        assert_eq!(now(store.commit(write)), Ok(revision));
    }
    drop(store);
    let mut store = place.open();
    let mut page = |before, limit| now(store.audit(before, limit)).expect("it is known");
    let revisions = |page: &[Audit]| page.iter().map(|entry| entry.revision).collect::<Vec<_>>();
    assert_eq!(revisions(&page(None, 2)), [5, 4]);
    assert_eq!(revisions(&page(Some(4), usize::MAX)), [3, 2, 1]);
    assert_eq!(revisions(&page(Some(u64::MAX), 1)), [5]);
    assert_eq!(revisions(&page(Some(1), 9)), [0; 0]);
    // Null is not kept apart from nothing.
    let expected =
        Audit { changes: vec![Changed { after: None, ..entry(3).changes[0].clone() }], ..entry(3) };
    assert_eq!(page(Some(4), 1), [expected]);
}

#[test]
fn a_fallen_history_limit_is_approached_a_few_revisions_at_a_time() {
    let place = Place::new();
    let mut store = place.open();
    for revision in 0..20 {
        now(store.commit(puts(revision, vec![put("models", "a", json!(revision))]))).expect("it is written");
    }
    drop(store);
    let mut store = place.open_keeping(2);
    let mut oldest = Vec::new();
    for revision in 20..28 {
        now(store.commit(puts(revision, vec![put("models", "a", json!(revision))]))).expect("it is written");
        oldest.push(history::oldest(&store.db).expect("it is known"));
    }
    assert_eq!(oldest, [4, 8, 12, 16, 20, 24, 25, 26]);
    let versions = store.db.query_row("SELECT count(*) FROM row_versions", [], |row| row.get::<_, i64>(0));
    assert_eq!(versions, Ok(3));
}

#[test]
fn a_write_is_acknowledged_when_the_disk_has_it() {
    let place = Place::new();
    let store = SqliteStore::open(place.path()).expect("it is made");
    let setting =
        |name| store.db.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).expect("a setting");
    // 2 is FULL: <https://www.sqlite.org/pragma.html#pragma_synchronous>.
    assert_eq!(["synchronous", "fullfsync", "checkpoint_fullfsync"].map(setting), [2, 1, 1]);
    let journal = store.db.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    assert_eq!(journal.as_deref(), Ok("wal"));
}

#[test]
fn a_pruned_secret_is_nowhere_in_the_file() {
    let place = Place::new();
    let mut store = place.open_keeping(1);
    let bodies = [json!("sk-canary".repeat(2000)), json!("other")];
    for (revision, body) in bodies.iter().cycle().take(5).enumerate() {
        // The canary only in the first write.
        let body = if revision == 0 { body.clone() } else { json!("other") };
        now(store.commit(puts(revision as u64, vec![put("keys", "a", body)]))).expect("it is written");
    }
    drop(store);
    let bytes = std::fs::read(place.path()).expect("the file");
    assert!(!bytes.windows(9).any(|window| window == b"sk-canary"));
}
