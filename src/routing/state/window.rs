//! How many of the latest tries failed: ten buckets that together are as long as the window, each one word.

use std::sync::atomic::{AtomicU64, Ordering};

/// Times are milliseconds since the target became known.
#[derive(Debug, Default)]
pub(super) struct Window([AtomicU64; BUCKETS]);

/// The tries of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub tries: u64,
    pub failed: u64,
}

impl Tally {
    pub fn rate(self) -> f64 {
        if self.tries == 0 { 0.0 } else { self.failed as f64 / self.tries as f64 }
    }
}

impl Window {
    pub fn record(&self, failed: bool, now: u64, millis: u64) {
        let slot = slot(now, millis);
        let Some(bucket) = self.0.get((slot % BUCKETS as u64) as usize) else { return };
        let add = |bits: u64| {
            let (held, tally) = unpack(bits);
            let tally = if held == slot & SLOT_MASK { tally } else { Tally::default() };
            Some(pack(slot, Tally { tries: tally.tries + 1, failed: tally.failed + u64::from(failed) }))
        };
        // The change is never refused.
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    pub fn tally(&self, now: u64, millis: u64) -> Tally {
        let slot = slot(now, millis);
        let mut sum = Tally::default();
        for bucket in &self.0 {
            let (held, tally) = unpack(bucket.load(Ordering::Relaxed));
            if slot.wrapping_sub(held) & SLOT_MASK < BUCKETS as u64 {
                sum = Tally { tries: sum.tries + tally.tries, failed: sum.failed + tally.failed };
            }
        }
        sum
    }

    pub fn clear(&self) {
        self.0.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
    }
}

fn slot(now: u64, millis: u64) -> u64 {
    now / (millis / BUCKETS as u64).max(1)
}

fn pack(slot: u64, tally: Tally) -> u64 {
    (slot & SLOT_MASK) << (2 * COUNT) | tally.tries.min(COUNT_MASK) << COUNT | tally.failed.min(COUNT_MASK)
}

fn unpack(bits: u64) -> (u64, Tally) {
    (bits >> (2 * COUNT), Tally { tries: bits >> COUNT & COUNT_MASK, failed: bits & COUNT_MASK })
}

const BUCKETS: usize = 10;
/// Bits of a count; what is left is the number of the bucket's time slot.
const COUNT: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT) - 1;
const SLOT_MASK: u64 = (1 << (64 - 2 * COUNT)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let window = Window::default();
        for now in [0, 500, 999, 5_000] {
            window.record(now != 500, now, 10_000);
        }
        assert_eq!(window.tally(5_000, 10_000), Tally { tries: 4, failed: 3 });
        assert_eq!(window.tally(9_999, 10_000), Tally { tries: 4, failed: 3 });
        assert_eq!(window.tally(10_000, 10_000), Tally { tries: 1, failed: 1 });
        assert_eq!(window.tally(15_000, 10_000), Tally::default());
        // A bucket is used again for its next turn.
        window.record(false, 10_100, 10_000);
        assert_eq!(window.tally(10_100, 10_000), Tally { tries: 2, failed: 1 });
        window.clear();
        assert_eq!(window.tally(10_100, 10_000), Tally::default());
    }

    #[test]
    fn tries_from_many_threads_are_all_counted() {
        let window = Window::default();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let window = &window;
                scope.spawn(move || (0..1000).for_each(|_| window.record(thread % 2 == 0, 42, 30_000)));
            }
        });
        assert_eq!(window.tally(42, 30_000), Tally { tries: 8_000, failed: 4_000 });
    }
}
