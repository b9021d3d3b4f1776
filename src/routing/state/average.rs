//! A moving average of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of each new duration three tenths, of what was before seven.
#[derive(Debug, Default)]
pub(super) struct Average {
    /// Bits of the average in nanoseconds; 0 = none yet.
    nanos: AtomicU64,
    /// When the last duration came, in milliseconds since the target became known.
    at: AtomicU64,
}

impl Average {
    pub fn add(&self, duration: Duration, now: u64) {
        let new = (duration.as_nanos() as f64).max(1.0);
        let mixed = |bits: u64| {
            let old = if bits == 0 { new } else { f64::from_bits(bits) };
            Some((old + ALPHA * (new - old)).to_bits())
        };
        // The change is never refused.
        let _ = self.nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, mixed);
        self.at.store(now, Ordering::Relaxed);
    }

    pub fn get(&self) -> Option<Duration> {
        let bits = self.nanos.load(Ordering::Relaxed);
        (bits != 0).then(|| Duration::from_nanos(f64::from_bits(bits) as u64))
    }

    /// The same, unless it is too old to tell of the present.
    pub fn fresh(&self, now: u64) -> Option<Duration> {
        let age = now.saturating_sub(self.at.load(Ordering::Relaxed));
        self.get().filter(|_| age <= LONGEST_TRUSTED)
    }
}

const ALPHA: f64 = 0.3;
/// Five minutes, in milliseconds. A target that was slow once and is asked no more would never be found fast again.
const LONGEST_TRUSTED: u64 = 300_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_tenths_of_the_new_and_seven_of_the_old() {
        let average = Average::default();
        assert_eq!(average.get(), None);
        average.add(Duration::from_millis(100), 0);
        assert_eq!(average.get(), Some(Duration::from_millis(100)));
        average.add(Duration::from_millis(200), 0);
        assert_eq!(average.get(), Some(Duration::from_millis(130)));
        average.add(Duration::ZERO, 1_000);
        assert_eq!(average.get(), Some(Duration::from_millis(91)));
        assert_eq!(average.fresh(301_000), average.get());
        assert_eq!(average.fresh(301_001), None);
    }
}
