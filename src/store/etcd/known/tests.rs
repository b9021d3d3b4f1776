//! What is known against a cluster of two writers whose events arrive late.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn pair(key: &str, revision: u64, value: Option<&str>) -> Pair {
    let value_bytes = value.unwrap_or_default().as_bytes().to_vec();
    Pair { key: key.as_bytes().to_vec(), value: value_bytes, revision, is_gone: value.is_none() }
}

fn layout() -> Layout {
    Layout::new("/aisix", "")
}

fn write(puts: &[&str], deletes: &[&str]) -> Write {
    let row = |id: &&str| ("models".to_owned(), (*id).to_owned());
    let puts = puts.iter().map(|id| (row(id).0, row(id).1, json!({"by": "us"})));
    Write { puts: puts.collect(), deletes: deletes.iter().map(row).collect(), ..Write::default() }
}

#[test]
fn our_own_writes_are_no_news_when_they_come_back() {
    let layout = layout();
    let (mut known, _) = Known::begin(1, 4, &layout, vec![pair("/aisix/models/a", 3, Some("{}"))]);
    known.wrote(&layout, &write(&["b"], &["a"]), 7, 1);
    assert_eq!(known.revision_of(b"/aisix/models/a"), 0);
    assert_eq!(known.revision_of(b"/aisix/models/b"), 7);
    assert!(known.news(&layout, pair("/aisix/models/a", 7, None)).is_none());
    assert!(known.news(&layout, pair("/aisix/models/b", 7, Some("{}"))).is_none());
    assert!(
        matches!(known.news(&layout, pair("/aisix/models/a", 8, Some("{}"))), Some(Event::Put(row)) if row.revision == 8)
    );
}

#[test]
fn a_row_that_we_made_and_deleted_does_not_rise_again() {
    let layout = layout();
    let (mut known, _) = Known::begin(1, 1, &layout, Vec::new());
    known.wrote(&layout, &write(&["a"], &[]), 2, 1);
    known.wrote(&layout, &write(&[], &["a"]), 3, 2);
    assert!(known.news(&layout, pair("/aisix/models/a", 2, Some("{}"))).is_none(), "it is deleted already");
    assert!(known.news(&layout, pair("/aisix/models/a", 3, None)).is_none());
    assert!(known.is_empty());
}

#[test]
fn what_cannot_be_read_is_told_without_its_value() {
    let layout = layout();
    let pairs = vec![pair("/aisix/models/a", 2, Some("sk-s3cret")), pair("/aisix/odd", 3, Some("{}"))];
    let (mut known, rows) = Known::begin(1, 4, &layout, pairs);
    assert!(rows.rows.is_empty());
    assert_eq!(rows.unreadable[0].flaw, Flaw::NotJson);
    assert_eq!((rows.unreadable[1].id.as_str(), rows.unreadable[1].flaw), ("odd", Flaw::BadKey));
    assert!(!format!("{rows:?}").contains("s3cret"));
    let gone = known.news(&layout, pair("/aisix/odd", 5, None));
    assert!(matches!(gone, Some(Event::Gone { collection, id }) if collection.is_empty() && id == "odd"));
}

#[test]
fn a_guard_that_somebody_wrote_over_still_guards() {
    let layout = layout();
    let guard = |value| Pair { key: layout.guard().into_bytes(), ..pair("", 9, value) };
    let (mut known, _) = Known::begin(1, 9, &layout, vec![guard(Some("{\"count\":4}"))]);
    assert_eq!(known.guard, Guard { revision: 9, count: 4 });
    known.news(&layout, guard(Some("nonsense")));
    assert_eq!(known.guard, Guard { revision: 9, count: 9 });
    known.news(&layout, guard(None));
    assert_eq!(known.guard, Guard::default());
}

proptest! {
    /// Whoever writes, and however late events arrive: with what it wrote itself and what it was told, the keeper ends
    /// with the rows of the cluster, and at no time holds one that it has deleted itself and nobody has made since.
    #[test]
    fn rows_end_as_they_are_in_the_cluster(
        steps in prop::collection::vec((0..3u8, 0..4u8, any::<bool>()), 1..60),
    ) {
        let layout = layout();
        let (mut known, _) = Known::begin(1, 1, &layout, Vec::new());
        let mut cluster: BTreeMap<String, u64> = BTreeMap::new();
        let mut held: BTreeMap<String, u64> = BTreeMap::new();
        let mut waiting: Vec<Pair> = Vec::new();
        let mut revision = 1;
        let deliver = |known: &mut Known, held: &mut BTreeMap<String, u64>, waiting: &mut Vec<Pair>, most: usize| {
            for pair in waiting.drain(..most.min(waiting.len())) {
                match known.news(&layout, pair) {
                    Some(Event::Put(row)) => held.insert(row.id, row.revision),
                    Some(Event::Gone { id, .. }) => held.remove(&id),
                    Some(Event::Unreadable(_)) | None => None,
                };
            }
        };
        for (who, which, is_put) in steps {
            let id = format!("r{which}");
            let key = format!("/aisix/models/{id}");
            if who == 2 {
                deliver(&mut known, &mut held, &mut waiting, usize::from(which) + 1);
                continue;
            }
            let there = cluster.get(&id).copied().unwrap_or_default();
            let by_us = who == 0;
            // Ours happens only if the key is as we know it; nobody deletes what is not there.
            if by_us && known.revision_of(key.as_bytes()) != there || !is_put && there == 0 {
                continue;
            }
            revision += 1;
            waiting.push(pair(&key, revision, is_put.then_some("{}")));
            if is_put { cluster.insert(id.clone(), revision) } else { cluster.remove(&id) };
            if by_us {
                let ids = [id.as_str()];
                let write = if is_put { write(&ids, &[]) } else { write(&[], &ids) };
                known.wrote(&layout, &write, revision, revision);
                if is_put { held.insert(id, revision) } else { held.remove(&id) };
            }
            for (id, revision) in &held {
                prop_assert_eq!(known.revision_of(format!("/aisix/models/{id}").as_bytes()), *revision);
            }
        }
        deliver(&mut known, &mut held, &mut waiting, usize::MAX);
        prop_assert_eq!(held, cluster);
        prop_assert!(known.keys.values().all(|mark| !mark.gone), "every deletion of ours came back");
    }
}
