//! One server of a fleet: how busy it is, and whether it can be reached.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::load::Load;

/// One server. All its numbers are read and written without a lock. Times are counted from the start of its fleet.
pub struct Replica<E> {
    pub endpoint: Arc<E>,
    /// Its number in the fleet, which no other one has as long as it is there.
    pub place: usize,
    /// Which address of a name it is, where the fleet is made of those.
    pub address: Option<SocketAddr>,
    outstanding: AtomicU32,
    /// What it has to do besides, by its own account.
    besides: AtomicU32,
    written: AtomicU64,
    /// Times in a row that it could not be reached.
    strikes: AtomicU32,
    /// Microseconds until when it is left out.
    out_until: AtomicU64,
}

impl<E> Replica<E> {
    pub fn new(endpoint: Arc<E>, place: usize, address: Option<SocketAddr>) -> Self {
        Replica {
            endpoint,
            place,
            address,
            outstanding: AtomicU32::new(0),
            besides: AtomicU32::new(0),
            written: AtomicU64::new(0),
            strikes: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
        }
    }

    /// Requests that it has from this gateway.
    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Ordering::SeqCst)
    }

    /// How busy it is, in requests.
    pub fn load(&self) -> u32 {
        self.outstanding().saturating_add(self.besides.load(Ordering::Relaxed))
    }

    /// Counts one more request, unless there are `limit` or it is to be left alone.
    pub fn take(&self, limit: u32, now: Duration) -> bool {
        let more = |count: u32| (count < limit).then(|| count + 1);
        if self.outstanding.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_err() {
            return false;
        }
        let may = self.may_be_tried(now);
        if !may {
            self.leave();
        }
        may
    }

    /// Counts one request less.
    pub fn leave(&self) {
        self.outstanding.fetch_sub(1, Ordering::SeqCst);
    }

    /// Is it left out for now?
    pub fn is_out(&self, now: Duration) -> bool {
        self.out_until.load(Ordering::Acquire) > micros(now)
    }

    /// One request may try one that was left out; until it is known what came of it the others stay away.
    fn may_be_tried(&self, now: Duration) -> bool {
        let strikes = self.strikes.load(Ordering::Acquire);
        let until = self.out_until.load(Ordering::Acquire);
        if strikes == 0 || until > micros(now) {
            // The latter: none of the fleet can be reached, and it is as good as any.
            return true;
        }
        let next = micros(now + pause(strikes));
        self.out_until.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// No connection to it could be made. It is left out for a while, longer each time.
    pub fn unreachable(&self, now: Duration) {
        let strikes = self.strikes.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        self.out_until.store(micros(now + pause(strikes)), Ordering::Release);
    }

    /// It could be reached.
    pub fn reached(&self) {
        if self.strikes.load(Ordering::Acquire) != 0 {
            self.strikes.store(0, Ordering::Release);
            self.out_until.store(0, Ordering::Release);
        }
    }

    /// It says how busy it is. What it has from this gateway is counted here and up to date; the rest is what others gave
    /// it. Requests that wait count twice, for they wait because it does as much as it can; a cache without room makes it
    /// throw out one request for another.
    pub fn tell(&self, load: Load) {
        let others = load.running.saturating_add(load.waiting).saturating_sub(self.outstanding());
        let full = if load.cache >= FULL_CACHE { FULL_CACHE_COSTS } else { 0 };
        self.besides.store(others.saturating_add(load.waiting).saturating_add(full), Ordering::Relaxed);
    }

    /// Nothing is known of how busy others keep it.
    pub fn untold(&self) {
        self.besides.store(0, Ordering::Relaxed);
    }

    /// Blocks of prompts that were new to it of late.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Adds blocks; returns the sum.
    pub fn wrote(&self, blocks: u64) -> u64 {
        self.written.fetch_add(blocks, Ordering::Relaxed) + blocks
    }

    /// Half of what was written is long ago.
    pub fn forget_half(&self) {
        let half = self.written() / 2;
        self.written.store(half, Ordering::Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How long a server that could not be reached is left out.
fn pause(strikes: u32) -> Duration {
    (FIRST_PAUSE * 2_u32.saturating_pow(strikes.saturating_sub(1).min(16))).min(LONGEST_PAUSE)
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Share of the cache in use from which there is no room left.
const FULL_CACHE: f64 = 0.95;
/// What that is worth, in requests.
const FULL_CACHE_COSTS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn replica() -> Replica<()> {
        Replica::new(Arc::new(()), 0, None)
    }

    #[test]
    fn it_takes_no_more_than_its_limit() {
        let it = replica();
        assert!(it.take(2, at(0)) && it.take(2, at(0)) && !it.take(2, at(0)));
        it.leave();
        assert!(it.take(2, at(0)));
        assert_eq!(it.outstanding(), 2);
    }

    #[test]
    fn one_that_cannot_be_reached_is_left_out_longer_each_time_and_tried_by_one() {
        let it = replica();
        it.unreachable(at(10));
        assert!(it.is_out(Duration::from_millis(10_900)) && !it.is_out(at(11)));
        assert!(it.take(9, at(11)), "one may try");
        assert!(it.is_out(at(11)), "the others stay away meanwhile");
        it.unreachable(at(11));
        assert!(it.is_out(Duration::from_millis(12_900)) && !it.is_out(at(13)));
        for _ in 0..40 {
            it.unreachable(at(20));
        }
        assert!(it.is_out(at(79)) && !it.is_out(at(80)));
        assert!(it.take(9, at(80)));
        it.reached();
        assert!(!it.is_out(at(80)) && it.take(9, at(80)));
        it.unreachable(at(90));
        assert!(!it.is_out(at(91)), "all is forgiven");
    }

    #[test]
    fn what_it_says_is_added_to_what_is_known() {
        let it = replica();
        assert!(it.take(9, at(0)) && it.take(9, at(0)));
        let load = |running, waiting, cache| Load { running, waiting, cache };
        for (load, expected) in
            [(load(2, 0, 0.5), 2), (load(5, 0, 0.5), 5), (load(5, 3, 0.5), 11), (load(1, 0, 0.99), 10)]
        {
            it.tell(load);
            assert_eq!(it.load(), expected, "{load:?}");
        }
        it.untold();
        assert_eq!(it.load(), 2);
    }
}
