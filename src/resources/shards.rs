//! A map that is copied in part: a copy shares everything with its origin, and a change copies one shard of many.
//! So a configuration with one row changed costs what one shard holds, and readers need no lock.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::HashMap;
use foldhash::fast::RandomState;

/// A copy-on-write hash map.
#[derive(Clone, Debug)]
pub struct Shards<K, V> {
    /// None while a shard is empty. As many as [`SHARDS`], or none at all in a map that never held anything.
    shards: Vec<Option<Arc<HashMap<K, V>>>>,
    hasher: RandomState,
    len: usize,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Shards { shards: Vec::new(), hasher: RandomState::default(), len: 0 }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shards.get(self.place(key))?.as_ref()?.get(key)
    }

    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.shards.is_empty() {
            self.shards.resize(SHARDS, None);
        }
        let place = self.place(&key);
        let shard = self.shards.get_mut(place)?.get_or_insert_default();
        let old = Arc::make_mut(shard).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let place = self.place(key);
        let slot = self.shards.get_mut(place)?;
        let shard = slot.as_mut().filter(|shard| shard.contains_key(key))?;
        let old = Arc::make_mut(shard).remove(key)?;
        if shard.is_empty() {
            *slot = None;
        }
        self.len -= 1;
        Some(old)
    }

    /// The entries that another map does not have, or has with another value. What both share is not looked at, so that
    /// comparing a map with the one it came from costs what changed.
    pub fn beyond<'m>(
        &'m self,
        other: &'m Self,
        same: impl Fn(&V, &V) -> bool + 'm,
    ) -> impl Iterator<Item = (&'m K, &'m V)> {
        let shared = |place: usize, shard: &Arc<HashMap<K, V>>| {
            let theirs = other.shards.get(place).and_then(Option::as_ref);
            theirs.is_some_and(|theirs| Arc::ptr_eq(theirs, shard))
        };
        let shards = self.shards.iter().enumerate();
        let own = shards.filter_map(|(place, shard)| Some((place, shard.as_ref()?)));
        let entries =
            own.filter(move |(place, shard)| !shared(*place, shard)).flat_map(|(_, shard)| shard.iter());
        entries.filter(move |(key, value)| other.get(*key).is_none_or(|theirs| !same(theirs, value)))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flatten().flat_map(|shard| shard.iter())
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.shards.iter().flatten().flat_map(|shard| shard.values())
    }

    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        self.hasher.hash_one(key) as usize % SHARDS
    }
}

/// With a million rows one change copies four thousand of them, which takes less than a millisecond.
const SHARDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_what_it_had_while_its_origin_changes() {
        let mut map = Shards::default();
        for number in 0..1000u32 {
            map.insert(number, number * 2);
        }
        let copy = map.clone();
        assert_eq!((map.insert(1, 0), map.remove(&2), map.remove(&5000)), (Some(2), Some(4), None));
        assert_eq!((copy.get(&1), copy.get(&2), copy.len()), (Some(&2), Some(&4), 1000));
        assert_eq!((map.get(&1), map.get(&2), map.len()), (Some(&0), None, 999));
        assert_eq!(map.values().count(), 999);
    }

    #[test]
    fn what_two_maps_do_not_share_is_told_also_when_one_did_not_come_from_the_other() {
        let mut map = Shards::default();
        for number in 0..1000u32 {
            map.insert(number, number * 2);
        }
        let mut next = map.clone();
        next.insert(7, 0);
        next.insert(1000, 1);
        next.remove(&8);
        let told = |one: &Shards<u32, u32>, other: &Shards<u32, u32>| {
            let mut told: Vec<_> =
                one.beyond(other, |a, b| a == b).map(|(key, value)| (*key, *value)).collect();
            told.sort_unstable();
            told
        };
        assert_eq!(told(&next, &map), [(7, 0), (1000, 1)]);
        assert_eq!(told(&map, &next), [(7, 14), (8, 16)]);
        let mut stranger = Shards::default();
        for (key, value) in next.iter() {
            stranger.insert(*key, *value);
        }
        assert_eq!(told(&next, &stranger), []);
        assert_eq!(told(&map, &stranger), [(7, 14), (8, 16)]);
    }

    #[test]
    fn a_map_that_held_nothing_finds_and_removes_nothing() {
        let mut map = Shards::<String, u8>::default();
        assert_eq!(map.remove("a"), None);
        assert_eq!((map.get("a"), map.len()), (None, 0));
    }
}
