//! Whose file it is: one process at a time, and nobody else on the machine.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn only_the_owner_may_read_the_file_and_its_log() {
    let place = Place::new();
    let mut store = place.open();
    now(store.commit(puts(0, vec![put("keys", "a", json!("sk-1"))]))).expect("it is written");
    assert_eq!(mode(&place.path()), 0o600);
    assert_eq!(mode(&create::with_suffix(&place.path(), "-wal")), 0o600);
}

#[test]
fn a_store_that_others_could_read_is_taken_away_from_them() {
    let place = Place::new();
    drop(place.open());
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    place.open();
    let mode = std::fs::metadata(place.path()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_opener_is_told_and_the_first_goes_on() {
    let place = Place::new();
    let mut store = place.open();
    let Failure::InUse(words) = place.refusal() else { panic!("another failure") };
    assert!(words.ends_with("aisix.db is in use by this process already"), "{words}");
    assert_eq!(now(store.commit(puts(0, vec![put("models", "a", json!(1))]))), Ok(1));
    drop(store);
    assert_eq!(now(place.open().load()).expect("it loads").revision, 1);
}

#[test]
fn another_program_can_neither_read_nor_write_an_open_store() {
    let place = Place::new();
    let _store = place.open();
    let other = Connection::open(place.path()).expect("opening is not reading");
    for sql in ["SELECT count(*) FROM rows", "DELETE FROM rows"] {
        let error = other.execute(sql, []).expect_err("it is locked");
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy), "{sql}");
    }
}

#[test]
fn a_file_in_use_by_another_program_is_unavailable() {
    let place = Place::new();
    drop(place.open());
    let other = Connection::open(place.path()).expect("it opens");
    let reading = "BEGIN; SELECT count(*) FROM rows";
    other.execute_batch(reading).expect("it is free");
    let Failure::InUse(words) = place.refusal() else { panic!("another failure") };
    assert!(words.ends_with("aisix.db is in use by another process"), "{words}");
    drop(other);
    place.open();
}

#[test]
fn what_is_no_file_or_in_no_folder_is_unavailable() {
    let place = Place::new();
    let missing = place.0.path().join("missing/aisix.db");
    let Some(Failure::Unavailable(words)) = SqliteStore::open(missing).err() else { panic!("it opened") };
    assert!(words.contains("missing/aisix.db cannot be used: No such file"), "{words}");
    let Some(Failure::Unavailable(words)) = SqliteStore::open(place.0.path()).err() else {
        panic!("it opened")
    };
    assert!(words.ends_with(" is not a file"), "{words}");
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn a_name_that_means_something_to_sqlite_is_a_name() {
    let folder = TempDir::new().expect("a folder");
    for name in [":memory:", "file:a?mode=memory", "50%.db", "a b.db"] {
        drop(SqliteStore::open(folder.path().join(name)).expect(name));
        assert!(folder.path().join(name).is_file(), "{name}");
    }
}
