//! Files that are not what they should be: each is refused in words, and left as it is.

use super::*;

/// A store with rows of many sizes, some over several pages, and a history.
fn furnished() -> (Place, Vec<u8>, Vec<String>) {
    let place = Place::new();
    let mut store = place.open();
    for revision in 0..24_u64 {
        let id = format!("row-{}", revision % 9);
        let body = json!({ "revision": revision, "text": "x".repeat(revision as usize * 600) });
        let write = match revision % 9 {
            8 => deletes(revision, vec![name("models", "row-3")]),
            _ => puts(revision, vec![put("models", &id, body)]),
        };
        now(store.commit(write)).expect("it is written");
    }
    let rows = lines(&now(store.load()).expect("it loads").rows);
    drop(store);
    let bytes = std::fs::read(place.path()).expect("the file");
    assert!(bytes.len() > 20 * PAGE, "{} bytes", bytes.len());
    (place, bytes, rows)
}

const PAGE: usize = 4096;

/// Opens these bytes: the rows that are loaded, or why not, with the file as it was.
fn opened(place: &Place, bytes: &[u8]) -> Result<Vec<String>, Failure> {
    // A new file: a file system may wait for the disk when an old one is overwritten.
    let _ = std::fs::remove_file(place.path());
    std::fs::write(place.path(), bytes).expect("it can be written");
    let opened = SqliteStore::open_on(place.path(), terms(10_000)).and_then(|mut store| now(store.load()));
    if opened.is_err() {
        assert!(std::fs::read(place.path()).expect("the file") == bytes, "the file was changed");
    }
    let _ = std::fs::remove_file(create::with_suffix(&place.path(), "-wal"));
    opened.map(|rows| lines(&rows.rows))
}

fn corrupt(place: &Place, bytes: &[u8]) -> String {
    match opened(place, bytes) {
        Err(Failure::Corrupt(words)) => words,
        other => panic!("{:?}", other.map(|rows| rows.len())),
    }
}

#[test]
fn a_file_that_ends_early_is_damaged() {
    let (place, bytes, _) = furnished();
    let cuts = (0..bytes.len() / PAGE).flat_map(|page| [page * PAGE, page * PAGE + 99, page * PAGE + 2048]);
    for cut in cuts {
        let words = corrupt(&place, &bytes[..cut]);
        assert!(
            words.contains("aisix.db is damaged: ") && words.contains("restore a copy"),
            "{cut}: {words}"
        );
    }
}

#[test]
fn a_page_of_garbage_is_noticed_or_was_of_no_use() {
    let (place, bytes, rows) = furnished();
    let mut noticed = 0;
    for page in 0..bytes.len() / PAGE {
        for garbage in [0x00, 0xff, 0x5a] {
            let mut bytes = bytes.clone();
            bytes[page * PAGE..(page + 1) * PAGE].fill(garbage);
            match opened(&place, &bytes) {
                Ok(loaded) => assert_eq!(loaded, rows, "page {page}, {garbage}"),
                Err(Failure::Corrupt(_)) => noticed += 1,
                Err(other) => panic!("page {page}, {garbage}: {other}"),
            }
        }
    }
    assert!(noticed > bytes.len() / PAGE, "{noticed}");
}

#[test]
fn a_bit_that_fell_over_is_noticed_or_was_of_no_use() {
    let (place, bytes, rows) = furnished();
    let header = (0..100).map(|byte| (byte, 1_u8 << (byte % 8)));
    let elsewhere = (100..bytes.len()).step_by(499).map(|byte| (byte, 1_u8 << (byte % 8)));
    for (byte, bit) in header.chain(elsewhere) {
        let mut bytes = bytes.clone();
        bytes[byte] ^= bit;
        if let Ok(loaded) = opened(&place, &bytes) {
            assert_eq!(loaded, rows, "byte {byte}, bit {bit:#x}");
        }
    }
}

#[test]
fn what_is_no_database_is_damaged_and_never_a_new_store() {
    let place = Place::new();
    assert!(corrupt(&place, b"").contains("it is empty, which no store ever is"));
    let zeroes = vec![0; 5 * PAGE];
    for bytes in [&b"hello\n"[..], &zeroes, b"SQLite format 3\0"] {
        assert!(corrupt(&place, bytes).contains("it does not begin like a store, or not any longer"));
    }
}

#[test]
fn a_missing_file_beside_its_log_is_not_begun_anew() {
    let place = Place::new();
    let mut store = place.open();
    now(store.commit(puts(0, vec![put("models", "a", json!(1))]))).expect("it is written");
    let log = create::with_suffix(&place.path(), "-wal");
    let bytes = std::fs::read(&log).expect("a log");
    drop(store);
    std::fs::remove_file(place.path()).expect("it is there");
    std::fs::write(&log, &bytes).expect("it can be written");
    let Failure::Corrupt(words) = place.refusal() else { panic!("another failure") };
    assert!(words.contains("aisix.db is gone, but ") && words.contains("aisix.db-wal"), "{words}");
    assert_eq!(place.files(), ["aisix.db-wal"]);
    assert_eq!(std::fs::read(&log).expect("a log"), bytes);
}

/// Another program's database with a write still in its log.
#[test]
fn the_database_of_another_program_is_left_alone() {
    let place = Place::new();
    let elsewhere = place.0.path().join("elsewhere.db");
    let other = Connection::open(&elsewhere).expect("it opens");
    other
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE rows (a); INSERT INTO rows VALUES (1)")
        .expect("it is empty");
    let log = create::with_suffix(&place.path(), "-wal");
    std::fs::copy(&elsewhere, place.path()).expect("it can be copied");
    std::fs::copy(create::with_suffix(&elsewhere, "-wal"), &log).expect("it can be copied");
    let before = [place.path(), log.clone()].map(|path| std::fs::read(path).expect("a file"));
    let Failure::Unavailable(words) = place.refusal() else { panic!("another failure") };
    assert!(words.ends_with("aisix.db is a database of another program; it was not touched"), "{words}");
    assert_eq!([place.path(), log].map(|path| std::fs::read(path).expect("a file")), before);
}

#[test]
fn a_newer_schema_is_refused_even_when_only_the_log_knows_of_it() {
    let place = Place::new();
    let store = place.open();
    store.db.pragma_update(None, "user_version", 2).expect("it can be set");
    let (file, log) = (place.path(), create::with_suffix(&place.path(), "-wal"));
    let copies = [&file, &log].map(|path| std::fs::read(path).expect("a file"));
    drop(store);
    let expected =
        "was written by a newer version of the gateway (schema 2, this one knows 1); it was not touched";
    let Failure::Unavailable(words) = place.refusal() else { panic!("another failure") };
    assert!(words.ends_with(expected), "{words}");
    for (path, bytes) in [&file, &log].into_iter().zip(&copies) {
        std::fs::write(path, bytes).expect("it can be written");
    }
    let Failure::Unavailable(words) = place.refusal() else { panic!("another failure") };
    assert!(words.ends_with(expected), "{words}");
    assert_eq!([&file, &log].map(|path| std::fs::read(path).expect("a file")), copies);
}

/// What a machine that lost power leaves behind: nothing was closed.
#[test]
fn a_store_that_was_not_closed_has_everything_acknowledged() {
    let place = Place::new();
    let mut store = place.open();
    for revision in 0..5 {
        now(store.commit(puts(revision, vec![put("models", "a", json!(revision))]))).expect("it is written");
    }
    let copies = ["", "-wal"].map(|suffix| std::fs::read(create::with_suffix(&place.path(), suffix)));
    drop(store);
    for (suffix, bytes) in ["", "-wal"].iter().zip(copies) {
        std::fs::write(create::with_suffix(&place.path(), suffix), bytes.expect("a file")).expect("writable");
    }
    let rows = now(place.open().load()).expect("it loads");
    assert_eq!((lines(&rows.rows), rows.revision), (vec!["models/a@5 4".to_owned()], 5));
}

#[test]
fn tables_that_do_not_fit_together_are_damage() {
    for (sql, words) in [
        ("UPDATE rows SET body = '3'", "a row differs from its latest version"),
        ("DELETE FROM rows", "a row is missing"),
        ("DELETE FROM changes WHERE revision = 2", "a part of its history is missing"),
        ("DELETE FROM changes", "a part of its history is missing"),
        ("DROP TABLE changes", "its tables are not as they were made"),
        ("UPDATE rows SET body = '{'; UPDATE row_versions SET body = '{'", "it holds something unreadable"),
    ] {
        let place = Place::new();
        let mut store = place.open();
        for revision in 0..3 {
            let write = puts(revision, vec![put("models", "a", json!(revision))]);
            now(store.commit(write)).expect("it is written");
        }
        store.db.execute_batch(sql).expect("it is SQL");
        drop(store);
        let bytes = std::fs::read(place.path()).expect("the file");
        let said = corrupt(&place, &bytes);
        assert!(said.contains(words), "{sql}: {said}");
    }
}
