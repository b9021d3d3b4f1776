//! Any sequence of writes, compared with maps that remember everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A row's name, its body as text, and the revision of the write.
type State = BTreeMap<(String, String), (String, u64)>;

/// One step: rows to write or delete, and whether the store is closed before it.
type Step = (Vec<(u8, Option<u8>)>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0..6_u8, proptest::option::weighted(0.7, any::<u8>()));
    let step = (proptest::collection::vec(row, 0..5), proptest::bool::weighted(0.1));
    proptest::collection::vec(step, 1..16)
}

/// Six rows in two collections; a body of up to two pages.
fn write_of(rows: &[(u8, Option<u8>)], judged_at: u64) -> Write {
    let mut write = Write { judged_at, ..Write::default() };
    write.entry.who = format!("writer {judged_at}");
    for (row, body) in rows {
        let (collection, id) = name(["models", "keys"][usize::from(row % 2)], &format!("row {}", row / 2));
        match body {
            Some(body) => write.puts.push((collection, id, json!("x".repeat(usize::from(*body) * 32)))),
            None => write.deletes.push((collection, id)),
        }
    }
    write
}

fn apply(state: &mut State, write: &Write, revision: u64) {
    for row in &write.deletes {
        state.remove(row);
    }
    for (collection, id, body) in &write.puts {
        state.insert((collection.clone(), id.clone()), (body.to_string(), revision));
    }
}

fn state_of(rows: Vec<Stored>) -> State {
    rows.into_iter().map(|row| ((row.collection, row.id), (row.body.to_string(), row.revision))).collect()
}

fn follow(state: &mut State, batch: Batch) {
    for event in batch.events {
        match event {
            Event::Gone { collection, id } => drop(state.remove(&(collection, id))),
            Event::Put(row) => state.extend(state_of(vec![row])),
            Event::Unreadable(what) => panic!("a database holds nothing but rows: {what:?}"),
        }
    }
}

/// `states[n]` is what is in force at revision `n`.
fn agrees(store: &mut SqliteStore, states: &[State], kept: u64) {
    let newest = states.len() as u64 - 1;
    let oldest = newest.saturating_sub(kept);
    let rows = now(store.load()).expect("it loads");
    assert_eq!(rows.revision, newest);
    assert_eq!(state_of(rows.rows), states[newest as usize]);
    for (revision, state) in (0..).zip(states) {
        let at = now(store.at(revision)).expect("it can tell").map(|rows| state_of(rows.rows));
        assert_eq!(at.as_ref(), (revision >= oldest).then_some(state), "at {revision} of {newest}");
        if revision == newest {
            assert!(store.changes(revision).now_or_never().is_none());
        } else if revision < oldest {
            assert_eq!(now(store.changes(revision)).err(), Some(Failure::Compacted));
        } else {
            let batch = now(store.changes(revision)).expect("it is known");
            assert_eq!(batch.revision, newest);
            let mut followed = state.clone();
            follow(&mut followed, batch);
            assert_eq!(followed, states[newest as usize], "from {revision} to {newest}");
        }
    }
    let entries = now(store.audit(None, usize::MAX)).expect("it is known");
    let told: Vec<_> = entries.into_iter().map(|entry| (entry.revision, entry.who)).collect();
    let expected: Vec<_> = (oldest + 1..=newest).rev().map(|at| (at, format!("writer {}", at - 1))).collect();
    assert_eq!(told, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_revision_kept_is_told_as_it_was(steps in steps(), kept in 1..8_u64) {
        let place = Place::new();
        let mut store = place.open_keeping(kept);
        let mut states = vec![State::new()];
        for (revision, (rows, close)) in (1_u64..).zip(steps) {
            if close {
                drop(store);
                store = place.open_keeping(kept);
            }
            let write = write_of(&rows, revision - 1);
            let mut state = states.last().expect("the first").clone();
            apply(&mut state, &write, revision);
            states.push(state);
            prop_assert_eq!(now(store.commit(write)), Ok(revision));
            agrees(&mut store, &states, kept);
        }
        drop(store);
        agrees(&mut place.open_keeping(kept), &states, kept);
    }
}
