//! Which target answered a conversation last: a table of fixed size that is read and written without a lock.
//!
//! What it says is a preference among targets that may be chosen anyway, so that a note lost, or read while another is
//! written over it, does no harm.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::hash::{mix, stable};

/// The notes, in sets of a few slots each; the oldest note of a set gives way to a new one.
#[derive(Debug)]
pub(super) struct Affinities {
    /// Where the seconds begin.
    born: Instant,
    /// Made when the first note is.
    slots: OnceLock<Box<[Slot]>>,
}

#[derive(Debug, Default)]
struct Slot {
    /// 0 = empty.
    key: AtomicU64,
    /// The target in the upper half, the second in which the note is forgotten in the lower one.
    note: AtomicU64,
}

/// What stands for a target in a note.
pub(super) type Print = u32;

/// The print of a model row at an upstream.
pub(super) fn print(model_id: &str, upstream_model: &str) -> Print {
    (stable(&[model_id.as_bytes(), &[0], upstream_model.as_bytes()]) >> 32) as Print
}

impl Default for Affinities {
    fn default() -> Self {
        Affinities { born: Instant::now(), slots: OnceLock::new() }
    }
}

impl Affinities {
    /// Notes that a target answered the conversation `key`, for some seconds.
    pub fn remember(&self, key: u64, target: Print, seconds: u32, now: Instant) {
        let slots = self.slots.get_or_init(|| (0..SLOTS).map(|_| Slot::default()).collect());
        let (key, second) = (key | 1, self.second(now));
        let set = set(slots, key);
        let own = set.iter().find(|slot| slot.key.load(Ordering::Relaxed) == key);
        let oldest = || set.iter().min_by_key(|slot| slot.note.load(Ordering::Relaxed) & SECONDS);
        let Some(slot) = own.or_else(oldest) else { return };
        let until = second.saturating_add(u64::from(seconds)).min(SECONDS);
        slot.key.store(key, Ordering::Relaxed);
        slot.note.store(u64::from(target) << 32 | until, Ordering::Relaxed);
    }

    /// The target that answered a conversation, unless that is too long ago.
    pub fn recall(&self, key: u64, now: Instant) -> Option<Print> {
        let key = key | 1;
        let slot = set(self.slots.get()?, key).iter().find(|slot| slot.key.load(Ordering::Relaxed) == key)?;
        let note = slot.note.load(Ordering::Relaxed);
        (self.second(now) < note & SECONDS).then_some((note >> 32) as Print)
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_secs()
    }
}

fn set(slots: &[Slot], key: u64) -> &[Slot] {
    let sets = slots.len() / SET;
    let start = (mix(key) % sets.max(1) as u64) as usize * SET;
    slots.get(start..start + SET).unwrap_or_default()
}

const SECONDS: u64 = u32::MAX as u64;
/// Slots of a set.
const SET: usize = 4;
/// A megabyte.
const SLOTS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_note_is_kept_until_its_time_and_renewed_by_the_next() {
        let (notes, now) = (Affinities::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(notes.recall(8, now), None);
        notes.remember(8, 77, 60, now);
        assert_eq!(
            (notes.recall(8, at(58)), notes.recall(8, at(61)), notes.recall(10, now)),
            (Some(77), None, None)
        );
        notes.remember(8, 78, 60, at(50));
        assert_eq!(notes.recall(8, at(100)), Some(78));
    }

    #[test]
    fn more_conversations_than_slots_cost_the_oldest_their_notes() {
        let (notes, now) = (Affinities::default(), Instant::now());
        for key in 0..100_000u64 {
            notes.remember(key * 2, 1, 60, now + Duration::from_secs(key / 10_000));
        }
        let kept = |range: std::ops::Range<u64>| {
            range.filter(|key| notes.recall(key * 2, now + Duration::from_secs(15)).is_some()).count()
        };
        assert!(kept(0..100_000) <= SLOTS);
        assert!(kept(90_000..100_000) > 9_500, "{}", kept(90_000..100_000));
        assert!(kept(0..10_000) < 5_000, "{}", kept(0..10_000));
    }
}
