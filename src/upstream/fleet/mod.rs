//! Several servers that are alike behind one account: which of them gets a request, and who waits when all are busy.
//!
//! A request takes a [`Seat`] at one of them and gives it back when its answer has ended, whatever the end. The choice
//! ([`pick`]) weighs how busy they are, by what this gateway gave them and by what they say themselves ([`load`]), and who
//! has seen the beginning of the prompt ([`prefix`]); it takes no lock and does no I/O. A server that cannot be reached is
//! left out for a while ([`replica`]). Where each has all it may have, requests wait in a [`queue`].

pub mod load;
mod pick;
pub mod poll;
mod prefix;
mod queue;
mod replica;
pub mod servers;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::resources::{FleetRules, FleetStrategy};
use pick::{Candidate, Candidates, pick};
pub use prefix::HASHED_BYTES;
use prefix::{Blocks, Match, Seen, bit};
use queue::Queue;
pub use replica::Replica;
pub use servers::{Servers, Several};

/// Servers that are alike.
pub struct Fleet<E = Endpoint> {
    strategy: FleetStrategy,
    /// Requests that one server has at a time.
    limit: u32,
    /// How long a request waits for a seat.
    patience: Duration,
    replicas: ArcSwap<Vec<Arc<Replica<E>>>>,
    /// Which prompts went where; None where nobody asks.
    seen: Option<Seen>,
    queue: Queue<Seat<E>>,
    /// Choices so far.
    turns: AtomicU64,
    /// How long seats are held of late, in microseconds.
    usually_held: AtomicU64,
    began: Instant,
}

/// A request's place at one server, given back when it is dropped.
pub struct Seat<E = Endpoint> {
    fleet: Arc<Fleet<E>>,
    replica: Arc<Replica<E>>,
    since: Duration,
    /// Why this server, in a word: `only`, `turn`, `least`, `prefix`, `balance`, `queue`.
    pub why: &'static str,
}

/// What is known of a request when its seat is chosen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// What prompts must have in common beside their bytes, as a number.
    pub seed: u64,
    /// The prompt.
    pub prompt: &'a [u8],
    /// Place in the queue: higher ones go first.
    pub priority: i32,
    /// Servers that are out of the question, a bit for each place.
    pub tried: u64,
}

/// How a fleet is, for those who watch it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub replicas: usize,
    /// Left out because they could not be reached.
    pub out: usize,
    pub outstanding: u64,
    pub waiting: usize,
}

impl<E> Fleet<E> {
    pub fn new(rules: &FleetRules, endpoints: impl IntoIterator<Item = Arc<E>>) -> Self {
        let replicas = endpoints.into_iter().enumerate();
        let replicas = replicas.map(|(place, endpoint)| Arc::new(Replica::new(endpoint, place, None)));
        Fleet {
            strategy: rules.strategy,
            limit: rules.max_outstanding.unwrap_or(u32::MAX),
            patience: Duration::from_millis(rules.queue.timeout_ms),
            replicas: ArcSwap::from_pointee(replicas.collect()),
            seen: (rules.strategy == FleetStrategy::PrefixAffinity).then(Seen::default),
            queue: Queue::new(rules.queue.size as usize),
            turns: AtomicU64::new(0),
            usually_held: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// The servers there are now.
    pub fn replicas(&self) -> Arc<Vec<Arc<Replica<E>>>> {
        self.replicas.load_full()
    }

    /// Does it matter what the prompt is?
    pub fn reads_prompts(&self) -> bool {
        self.seen.is_some() && self.replicas.load().len() > 1
    }

    /// From now on the servers are those at these addresses. Those that were there before stay, with all that is known of
    /// them.
    pub fn spread(&self, addresses: &[SocketAddr], make: impl Fn(SocketAddr) -> Option<E>) {
        let old = self.replicas();
        let of = |address: SocketAddr| old.iter().find(|replica| replica.address == Some(address)).cloned();
        let mut next: Vec<Arc<Replica<E>>> = addresses.iter().filter_map(|address| of(*address)).collect();
        if next.len() == addresses.len() && next.len() == old.len() {
            return;
        }
        for address in addresses.iter().filter(|address| of(**address).is_none()) {
            let taken = |place: &usize| next.iter().any(|replica| replica.place == *place);
            let Some(place) = (0..).find(|place| !taken(place)) else { continue };
            if let Some(endpoint) = make(*address) {
                next.push(Arc::new(Replica::new(Arc::new(endpoint), place, Some(*address))));
            }
        }
        self.replicas.store(Arc::new(next));
    }

    /// How it is.
    pub fn standing(&self) -> Standing {
        let now = self.began.elapsed();
        let replicas = self.replicas.load();
        Standing {
            replicas: replicas.len(),
            out: replicas.iter().filter(|replica| replica.is_out(now)).count(),
            outstanding: replicas.iter().map(|replica| u64::from(replica.outstanding())).sum(),
            waiting: self.queue.len(),
        }
    }

    /// A seat, if there is one without waiting.
    pub fn seat(self: &Arc<Self>, wish: &Wish<'_>) -> Option<Seat<E>> {
        // Who waits already goes first.
        if !self.queue.is_empty() {
            return None;
        }
        self.choose(wish, self.began.elapsed())
    }

    /// A seat at `now`, counted from the start of the fleet.
    fn choose(self: &Arc<Self>, wish: &Wish<'_>, now: Duration) -> Option<Seat<E>> {
        let blocks = match &self.seen {
            Some(_) => prefix::blocks(wish.seed, wish.prompt),
            None => Blocks::new(),
        };
        let seat = self.take(&blocks, wish.tried, now)?;
        self.note(&blocks, &seat.replica, now);
        Some(seat)
    }

    /// A seat, waiting for one if need be.
    ///
    /// # Errors
    /// `Saturated`: none came free in time, or too many wait already.
    pub async fn wait(self: &Arc<Self>, wish: &Wish<'_>) -> Result<Seat<E>, Error> {
        let Some(mut place) = self.queue.enter(wish.priority) else { return Err(self.saturated()) };
        // One may have come free before anybody was there to be given it.
        self.serve();
        let granted = pingora_timeout::timeout(self.patience, &mut place.granted).await;
        let Ok(Ok(seat)) = granted else { return Err(self.saturated()) };
        if self.seen.is_some() {
            self.note(&prefix::blocks(wish.seed, wish.prompt), &seat.replica, self.began.elapsed());
        }
        Ok(seat)
    }

    fn take(self: &Arc<Self>, blocks: &[u64], tried: u64, now: Duration) -> Option<Seat<E>> {
        let replicas = self.replicas.load();
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        for again in 0..=replicas.len() as u64 {
            let candidates = self.candidates(&replicas, tried, now);
            let found = match &self.seen {
                Some(seen) if candidates.len() > 1 && !blocks.is_empty() => {
                    seen.longest(blocks, now, candidates.iter().fold(0, |bits, one| bits | bit(one.place)))
                }
                _ => Match::default(),
            };
            let dice = mixed(turn.wrapping_add(again << 32));
            let (chosen, why) = pick(self.strategy, &candidates, &found, turn + again, dice)?;
            let replica = replicas.get(chosen.index)?;
            // Another request may have been faster.
            if replica.take(self.limit, now) {
                let (fleet, replica) = (Arc::clone(self), Arc::clone(replica));
                return Some(Seat { fleet, replica, since: now, why });
            }
        }
        None
    }

    /// Those that have room and can be reached; if none can be reached, any, for it may be otherwise now.
    fn candidates(&self, replicas: &[Arc<Replica<E>>], tried: u64, now: Duration) -> Candidates {
        let all_out = replicas.iter().all(|replica| replica.is_out(now));
        let may = |replica: &Replica<E>| {
            (all_out || !replica.is_out(now))
                && replica.outstanding() < self.limit
                && tried & bit(replica.place) == 0
        };
        let one = |(index, replica): (usize, &Arc<Replica<E>>)| Candidate {
            index,
            place: replica.place,
            load: replica.load(),
            written: replica.written(),
        };
        replicas.iter().enumerate().filter(|(_, replica)| may(replica)).map(one).collect()
    }

    /// The prompt with these beginnings goes to `replica`.
    fn note(&self, blocks: &[u64], replica: &Replica<E>, now: Duration) {
        let Some(seen) = &self.seen else { return };
        let fresh = seen.note(blocks, now, replica.place);
        if replica.wrote(fresh as u64) > REMEMBERED_BLOCKS {
            self.replicas.load().iter().for_each(|replica| replica.forget_half());
        }
    }

    /// Is there another server that may be tried?
    pub fn has_others(&self, tried: u64) -> bool {
        let now = self.began.elapsed();
        self.replicas.load().iter().any(|replica| !replica.is_out(now) && tried & bit(replica.place) == 0)
    }

    /// Gives seats to those who wait, as far as there are any.
    fn serve(self: &Arc<Self>) {
        let now = self.began.elapsed();
        self.queue.serve(|| {
            let mut seat = self.take(&[], 0, now)?;
            seat.why = "queue";
            Some(seat)
        });
    }

    /// Gives seats to those who wait, if anybody does.
    pub fn serve_waiting(self: &Arc<Self>) {
        if !self.queue.is_empty() {
            self.serve();
        }
    }

    fn release(self: &Arc<Self>, replica: &Replica<E>, since: Duration) {
        let held = self.began.elapsed().saturating_sub(since).as_micros();
        let held = u64::try_from(held).unwrap_or(u64::MAX);
        let usually = self.usually_held.load(Ordering::Relaxed);
        let next = if usually == 0 { held } else { usually - usually / 8 + held / 8 };
        self.usually_held.store(next, Ordering::Relaxed);
        replica.leave();
        self.serve_waiting();
    }

    fn saturated(&self) -> Error {
        let seconds = self.wait_for_a_seat().as_secs().clamp(1, LONGEST_ADVICE);
        let plural = if seconds == 1 { "" } else { "s" };
        let message = format!(
            "all servers of this model are busy; try again in {seconds} second{plural}, or elsewhere"
        );
        let seconds = u32::try_from(seconds).unwrap_or(1);
        Error::new(Kind::Saturated, message).code("fleet_saturated").retry_after(seconds)
    }

    /// When somebody who came now and waited behind all others would have a seat, as far as can be told.
    fn wait_for_a_seat(&self) -> Duration {
        let seats = u64::from(self.limit).saturating_mul(self.replicas.load().len() as u64).max(1);
        let ahead = self.queue.len() as u64 + 1;
        let usually = Duration::from_micros(self.usually_held.load(Ordering::Relaxed));
        let wait = usually.as_micros().saturating_mul(u128::from(ahead)) / u128::from(seats);
        Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX)) + Duration::from_millis(500)
    }
}

impl<E> Seat<E> {
    /// The bit of its server.
    pub fn bit(&self) -> u64 {
        bit(self.replica.place)
    }

    /// A connection to its server was made.
    pub fn reached(&self) {
        self.replica.reached();
    }

    /// No connection to its server could be made.
    pub fn unreachable(&self) {
        self.replica.unreachable(self.fleet.began.elapsed());
    }
}

impl<E> Deref for Seat<E> {
    type Target = Arc<E>;

    fn deref(&self) -> &Arc<E> {
        &self.replica.endpoint
    }
}

impl<E> Drop for Seat<E> {
    fn drop(&mut self) {
        self.fleet.release(&self.replica, self.since);
    }
}

/// A number that looks like chance, of one that counts: the finisher of splitmix64
/// (<https://prng.di.unimi.it/splitmix64.c>).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Blocks new to one server after which half of what was written to each is forgotten.
const REMEMBERED_BLOCKS: u64 = 16 * 1024;
/// Longest `Retry-After` of a fleet that is busy, in seconds.
const LONGEST_ADVICE: u64 = 60;
