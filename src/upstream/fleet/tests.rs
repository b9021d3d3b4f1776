//! Fleets as a whole, without a network: what seats are worth in waiting, and how a fleet with caches fares.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::resources::QueueRules;

fn fleet(rules: FleetRules, servers: usize) -> Arc<Fleet<usize>> {
    Arc::new(Fleet::new(&rules, (0..servers).map(Arc::new)))
}

fn bounded(max_outstanding: u32, size: u32, timeout_ms: u64) -> FleetRules {
    FleetRules {
        max_outstanding: Some(max_outstanding),
        queue: QueueRules { size, timeout_ms },
        ..FleetRules::default()
    }
}

fn anything() -> Wish<'static> {
    Wish::default()
}

#[test]
fn seats_are_spread_and_come_back() {
    let fleet = fleet(FleetRules::default(), 4);
    let seats: Vec<_> = (0..40).map(|_| fleet.seat(&anything()).expect("there is always one")).collect();
    let most = fleet.replicas().iter().map(|replica| replica.outstanding()).max();
    assert!(most.is_some_and(|most| most <= 14), "{most:?}");
    assert_eq!(fleet.standing().outstanding, 40);
    drop(seats);
    assert_eq!(fleet.standing(), Standing { replicas: 4, ..Standing::default() });
}

#[test]
fn one_that_cannot_be_reached_is_left_out_and_all_of_them_are_not() {
    let fleet = fleet(FleetRules::default(), 2);
    let first = fleet.seat(&anything()).expect("a seat");
    first.unreachable();
    let tried = first.bit();
    assert!(fleet.has_others(tried));
    for _ in 0..9 {
        assert_ne!(**fleet.seat(&anything()).expect("the other one"), **first);
    }
    let other = fleet.seat(&Wish { tried, ..anything() }).expect("the other one");
    other.unreachable();
    assert!(!fleet.has_others(tried | other.bit()));
    assert!(fleet.seat(&anything()).is_some(), "it may be otherwise now");
    assert_eq!(fleet.standing().out, 2);
}

#[tokio::test]
async fn who_waits_is_served_by_importance_and_nobody_overtakes() {
    let fleet = fleet(bounded(1, 9, 60_000), 1);
    let taken = fleet.seat(&anything()).expect("it is free");
    let wish = |priority| Wish { priority, ..anything() };
    let (low, high) = (wish(0), wish(3));
    let (mut first, mut second) = (Box::pin(fleet.wait(&low)), Box::pin(fleet.wait(&high)));
    assert!(futures(&mut first).await.is_none() && futures(&mut second).await.is_none());
    assert!(fleet.seat(&high).is_none() && fleet.standing().waiting == 2);
    drop(taken);
    assert!(futures(&mut first).await.is_none());
    let seat = futures(&mut second).await.expect("its turn").expect("a seat");
    assert_eq!(seat.why, "queue");
    drop(seat);
    let seat = futures(&mut first).await.expect("its turn").expect("a seat");
    drop(seat);
    assert_eq!(fleet.standing(), Standing { replicas: 1, ..Standing::default() });
}

#[tokio::test]
async fn a_seat_given_to_somebody_who_left_goes_to_the_next() {
    let fleet = fleet(bounded(1, 9, 60_000), 1);
    let taken = fleet.seat(&anything()).expect("it is free");
    let wish = anything();
    let (mut first, mut second) = (Box::pin(fleet.wait(&wish)), Box::pin(fleet.wait(&wish)));
    assert!(futures(&mut first).await.is_none() && futures(&mut second).await.is_none());
    drop(taken);
    drop(first);
    drop(futures(&mut second).await.expect("its turn").expect("a seat"));
    assert_eq!(fleet.standing(), Standing { replicas: 1, ..Standing::default() });
}

#[tokio::test]
async fn who_waits_too_long_or_finds_no_room_is_told_when_to_come_back() {
    let fleet = fleet(bounded(1, 1, 1), 2);
    let seats = [fleet.seat(&anything()), fleet.seat(&anything())];
    assert!(seats.iter().all(Option::is_some));
    let error = fleet.wait(&anything()).await.err().expect("nothing comes free");
    assert_eq!((error.kind, error.status(), error.retry_after), (Kind::Saturated, 429, Some(1)));
    assert_eq!(error.code.as_deref(), Some("fleet_saturated"));
    assert_eq!(fleet.standing().waiting, 0);
    let none = self::fleet(bounded(1, 0, 60_000), 1);
    let _seat = none.seat(&anything());
    assert!(none.wait(&anything()).await.is_err(), "nobody waits where there is no room to");
}

#[test]
fn addresses_that_stay_keep_what_is_known_of_them() {
    let fleet = fleet(FleetRules::default(), 0);
    assert!(fleet.seat(&anything()).is_none());
    let addresses = |ends: &[u8]| -> Vec<SocketAddr> {
        ends.iter().map(|end| SocketAddr::from(([127, 0, 0, *end], 80))).collect()
    };
    let make = |address: SocketAddr| Some(usize::from(address.port()));
    fleet.spread(&addresses(&[1, 2]), make);
    let before = fleet.replicas();
    let seats = [fleet.seat(&anything()), fleet.seat(&anything()), fleet.seat(&anything())];
    fleet.spread(&addresses(&[3, 2]), make);
    let after = fleet.replicas();
    assert!(Arc::ptr_eq(&before[1], &after[0]) && after[1].place == 0);
    assert_eq!(after.len(), 2);
    let known = Arc::as_ptr(&after);
    fleet.spread(&addresses(&[2, 3]), make);
    assert_eq!(Arc::as_ptr(&fleet.replicas()), known, "nothing has changed");
    drop(seats);
    assert_eq!(fleet.standing(), Standing { replicas: 2, ..Standing::default() });
}

/// What a future says now, if anything.
async fn futures<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_beginning_that_all_share_is_taken_to_all_servers_and_conversations_stay() {
    let rules = FleetRules { strategy: FleetStrategy::PrefixAffinity, ..FleetRules::default() };
    let fleet = fleet(rules, SERVERS);
    let shared = words(1, 8 * 1024);
    let mut times = [0; SERVERS];
    for number in 0..400 {
        let now = Duration::from_secs(number);
        let mut talk = [shared.clone(), words(1_000 + number, 2 * 1024)].concat();
        let at = **fleet.choose(&Wish { prompt: &talk, ..anything() }, now).expect("a seat");
        times[at] += 1;
        talk.extend(words(9_000 + number, 2 * 1024));
        let next = fleet.choose(&Wish { prompt: &talk, ..anything() }, now).expect("a seat");
        assert_eq!((**next, next.why), (at, "prefix"));
    }
    assert!(times.iter().all(|times| (20..100).contains(times)), "{times:?}");
}

/// The caches of eight servers, in time of its own: what a conversation's next turn waits for its first token.
#[test]
fn prefix_affinity_beats_turns_by_more_than_two_in_median_time_to_first_token() {
    let turns = simulate(FleetStrategy::RoundRobin);
    let prefix = simulate(FleetStrategy::PrefixAffinity);
    let all = format!("round robin {turns:?}\nprefix affinity {prefix:?}");
    assert!(turns.median > prefix.median * 2, "{all}");
    assert!(turns.p99 > prefix.p99, "{all}");
    assert!(prefix.busiest < prefix.requests / SERVERS * 3 / 2, "{all}");
}

#[derive(Debug)]
struct Outcome {
    median: Duration,
    p99: Duration,
    requests: usize,
    /// Requests of the server that had most.
    busiest: usize,
}

/// A server that works out one prompt at a time, block by block unless it kept the block, and then writes its answers
/// side by side.
#[derive(Default)]
struct Server {
    kept: HashMap<u64, u64>,
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    free_at: Duration,
    requests: usize,
}

impl Server {
    fn first_token(&mut self, prompt: &[u8], now: Duration) -> Duration {
        let chained = |chain: &mut u64, block: &[u8]| {
            let words = block.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight")));
            *chain = words.fold(*chain, |chain, word| mixed(chain ^ word));
            Some(*chain)
        };
        let blocks: Vec<u64> =
            prompt.chunks_exact(BLOCK_BYTES).scan(0, |chain, block| chained(chain, block)).collect();
        let known = blocks.iter().take_while(|block| self.kept.contains_key(block)).count();
        for block in &blocks {
            self.uses += 1;
            if let Some(before) = self.kept.insert(*block, self.uses) {
                self.by_use.remove(&before);
            }
            self.by_use.insert(self.uses, *block);
        }
        while self.kept.len() > KEPT_BLOCKS {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.kept.remove(&oldest);
        }
        self.requests += 1;
        let work = PER_BLOCK * u32::try_from(blocks.len() - known).unwrap_or(u32::MAX);
        self.free_at = self.free_at.max(now) + work;
        self.free_at + BASE
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask(usize),
    /// An answer of this caller has ended.
    Answered(usize),
}

/// Callers who each have one conversation after another: a system prompt that many share, then turns, each of which sends
/// all that was said before.
fn simulate(strategy: FleetStrategy) -> Outcome {
    let fleet = fleet(FleetRules { strategy, ..FleetRules::default() }, SERVERS);
    let mut servers: Vec<Server> = (0..SERVERS).map(|_| Server::default()).collect();
    let mut talks: Vec<(Vec<u8>, usize)> = (0..CALLERS).map(|caller| (system(caller), 0)).collect();
    let mut seats: HashMap<usize, Seat<usize>> = HashMap::new();
    let mut events: BinaryHeap<Reverse<(Duration, Event)>> = BinaryHeap::new();
    let mut waits = Vec::new();
    let mut chance = 0;
    for caller in 0..CALLERS {
        events.push(Reverse((Duration::from_millis(37) * caller as u32, Event::Ask(caller))));
    }
    while let Some(Reverse((now, event))) = events.pop() {
        chance += 1;
        let jitter = Duration::from_millis(mixed(chance) % 1_000);
        match event {
            Event::Ask(caller) => {
                let (talk, turn) = &mut talks[caller];
                talk.extend(words(mixed(chance), TURN_BYTES));
                *turn += 1;
                let seat = fleet.choose(&Wish { prompt: talk, ..Wish::default() }, now).expect("a seat");
                let token = servers[**seat].first_token(talk, now);
                waits.push(token - now);
                seats.insert(caller, seat);
                events.push(Reverse((token + ANSWER + jitter, Event::Answered(caller))));
            }
            Event::Answered(caller) => {
                seats.remove(&caller);
                let (talk, turn) = &mut talks[caller];
                if *turn == TURNS {
                    (*talk, *turn) = (system(caller + usize::try_from(chance % 7).expect("small")), 0);
                }
                if waits.len() < REQUESTS {
                    events.push(Reverse((now + PAUSE + jitter, Event::Ask(caller))));
                }
            }
        }
    }
    waits.sort_unstable();
    let requests = waits.len();
    let busiest = servers.iter().map(|server| server.requests).max().unwrap_or_default();
    Outcome { median: waits[requests / 2], p99: waits[requests * 99 / 100], requests, busiest }
}

fn system(caller: usize) -> Vec<u8> {
    words((caller % SYSTEMS) as u64, SYSTEM_BYTES)
}

fn words(seed: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64 / 8).flat_map(|index| mixed(seed << 32 | index).to_le_bytes()).collect()
}

const SERVERS: usize = 8;
const CALLERS: usize = 64;
const REQUESTS: usize = 1_500;
const SYSTEMS: usize = 8;
const SYSTEM_BYTES: usize = 8 * 1024;
const TURN_BYTES: usize = 2 * 1024;
const TURNS: usize = 10;
/// Some 64 tokens.
const BLOCK_BYTES: usize = 256;
/// 65,000 tokens: the conversations of a server's share of the callers, and some that have ended.
const KEPT_BLOCKS: usize = 1_024;
/// 16,000 tokens a second.
const PER_BLOCK: Duration = Duration::from_millis(4);
const BASE: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_millis(1_500);
const PAUSE: Duration = Duration::from_secs(3);
