//! Which replicas have seen the beginning of a prompt: an approximate prefix tree without nodes.
//!
//! A prompt is cut at fixed places; the piece up to each is a *block*, and its hash is chained to those before it, so
//! that a hash stands for a whole beginning. A table of fixed size maps hashes to the replicas that were given a prompt
//! with this beginning. Its entries are single words that are read and written without a lock: a race between two
//! requests can lose an entry or name a wrong replica for one, which costs a replica the work it could have saved, and
//! nothing else.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use smallvec::SmallVec;

/// The hashes of a prompt's beginnings, shortest first.
pub type Blocks = SmallVec<[u64; 32]>;

/// Cuts a prompt into blocks; what is left of it at its end belongs to none. `seed` stands for what else two prompts must
/// have in common, such as the model.
pub fn blocks(seed: u64, prompt: &[u8]) -> Blocks {
    let mut blocks = Blocks::new();
    let mut chain = seed;
    let mut rest = prompt;
    let mut place = 0;
    while place < HASHED_BYTES
        && let Some((block, after)) = rest.split_at_checked(block_bytes(place))
    {
        let mut hasher = FoldHasher::with_seed(chain, SharedSeed::global_random());
        hasher.write(block);
        chain = hasher.finish();
        blocks.push(chain);
        place += block.len();
        rest = after;
    }
    blocks
}

/// A number that stands for a text.
pub fn seed(text: &str) -> u64 {
    let mut hasher = FoldHasher::with_seed(0, SharedSeed::global_random());
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Bytes of the block that begins at `place`. Fine where most prompts part, coarse where only their length is left to
/// tell: what a long prompt costs is bounded by the number of blocks.
fn block_bytes(place: usize) -> usize {
    if place < FINE { 256 } else { 1024 }
}

/// Who has seen what.
pub struct Seen {
    buckets: Box<[Bucket]>,
}

/// One line of the processor's cache.
#[derive(Default)]
#[repr(align(64))]
struct Bucket([Slot; WAYS]);

/// One beginning.
#[derive(Default)]
struct Slot {
    /// From the top: 40 bits of the hash, 8 of when it was last used, 16 of the beginning that followed it last. 0 = empty.
    key: AtomicU64,
    /// A bit for each replica, by its place modulo 64.
    holders: AtomicU64,
}

/// The longest beginning of a prompt that somebody has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Who, a bit each.
    pub holders: u64,
    /// Blocks that match.
    pub depth: usize,
    /// Has a prompt with this beginning gone on in another way? Then it is what several conversations share, as a system
    /// prompt is, and not a conversation that is taken up again.
    pub forks: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { buckets: (0..BUCKETS).map(|_| Bucket::default()).collect() }
    }
}

impl Seen {
    /// The longest beginning that one of the replicas in `among` has seen. `now` from whenever.
    pub fn longest(&self, blocks: &[u64], now: Duration, among: u64) -> Match {
        let mut found = Match::default();
        for (index, hash) in blocks.iter().enumerate() {
            let Some((slot, key)) = self.find(*hash, now) else { break };
            let holders = slot.holders.load(Ordering::Relaxed) & among;
            if holders == 0 {
                break;
            }
            let next = blocks.get(index + 1).map(|next| child(*next));
            let followed = key & CHILD;
            let forks = followed != 0 && next.is_some_and(|next| next != followed);
            found = Match { holders, depth: index + 1, forks };
        }
        found
    }

    /// A replica gets a prompt with these beginnings. Returns how many of them are new to it.
    pub fn note(&self, blocks: &[u64], now: Duration, place: usize) -> usize {
        let mine = bit(place);
        let mut fresh = 0;
        for (index, hash) in blocks.iter().enumerate() {
            let next = blocks.get(index + 1).map(|next| child(*next));
            match self.find(*hash, now) {
                Some((slot, key)) => {
                    let old = slot.holders.load(Ordering::Relaxed);
                    if old & mine == 0 {
                        slot.holders.fetch_or(mine, Ordering::Relaxed);
                        fresh += 1;
                    }
                    let new = word(*hash, now, next.unwrap_or(key & CHILD));
                    if new != key {
                        slot.key.store(new, Ordering::Relaxed);
                    }
                }
                None => {
                    let slot = self.oldest(*hash, now);
                    slot.holders.store(mine, Ordering::Relaxed);
                    slot.key.store(word(*hash, now, next.unwrap_or_default()), Ordering::Relaxed);
                    fresh += 1;
                }
            }
        }
        fresh
    }

    fn bucket(&self, hash: u64) -> &[Slot; WAYS] {
        &self.buckets[hash as usize % BUCKETS].0
    }

    fn find(&self, hash: u64, now: Duration) -> Option<(&Slot, u64)> {
        let slots = self.bucket(hash).iter().map(|slot| (slot, slot.key.load(Ordering::Relaxed)));
        let mut of_hash = slots.filter(|(_, key)| *key & TAG == hash & TAG && *key != 0);
        of_hash.next().filter(|(_, key)| age(*key, now) <= KEPT)
    }

    fn oldest(&self, hash: u64, now: Duration) -> &Slot {
        let slots = self.bucket(hash);
        let age_of = |slot: &&Slot| match slot.key.load(Ordering::Relaxed) {
            0 => u64::MAX,
            key if key & TAG == hash & TAG => u64::MAX,
            key => age(key, now),
        };
        slots.iter().max_by_key(age_of).unwrap_or(&slots[0])
    }
}

/// The bit of a replica.
pub fn bit(place: usize) -> u64 {
    1 << (place % 64)
}

fn word(hash: u64, now: Duration, child: u64) -> u64 {
    hash & TAG | stamp(now) << 16 | child
}

/// What tells two beginnings that follow the same one apart; never 0.
fn child(hash: u64) -> u64 {
    (hash >> 32 & CHILD).max(1)
}

fn stamp(now: Duration) -> u64 {
    (now.as_secs() / STAMP_SECONDS) & 0xff
}

/// How long ago an entry was used, in stamps.
fn age(key: u64, now: Duration) -> u64 {
    stamp(now).wrapping_sub(key >> 16) & 0xff
}

const TAG: u64 = !0 << 24;
const CHILD: u64 = 0xffff;
/// What lies beyond is told apart by nobody: prompts that have so much in common are turns of one conversation.
pub const HASHED_BYTES: usize = 64 * 1024;
/// Prompt bytes at which blocks become coarser.
const FINE: usize = 16 * 1024;
const WAYS: usize = 4;
/// With the ways 65,536 beginnings, in 1 MiB: 16 MiB of prompts at the finest, which is more text than the caches of
/// eight large accelerators hold.
const BUCKETS: usize = 16 * 1024;
const STAMP_SECONDS: u64 = 8;
/// Stamps after which a beginning counts as forgotten: a quarter of an hour without use.
const KEPT: u64 = 112;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);
    const ALL: u64 = !0;

    fn text(letter: u8, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|index| letter ^ (index / 251) as u8).collect()
    }

    fn joined(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn prompts_share_the_blocks_of_their_common_beginning_and_no_others() {
        let system = text(b's', 1024);
        let (one, two) = (joined(&[&system, &text(b'1', 600)]), joined(&[&system, &text(b'2', 600)]));
        let (one, two) = (blocks(7, &one), blocks(7, &two));
        assert_eq!((one.len(), two.len()), (6, 6));
        assert_eq!(one[..4], two[..4]);
        assert!(one[4..].iter().zip(&two[4..]).all(|(one, two)| one != two));
        assert!(blocks(1, b"short").is_empty());
        assert!(blocks(8, &system).iter().zip(&one).all(|(other, one)| other != one), "another model");
    }

    #[test]
    fn a_long_prompt_has_few_blocks() {
        assert_eq!(blocks(1, &text(b'x', 4 << 20)).len(), 64 + 48);
    }

    #[test]
    fn a_conversation_that_goes_on_is_found_where_it_was() {
        let seen = Seen::default();
        let first = text(b'c', 2_000);
        let second = joined(&[&first, &text(b'd', 2_000)]);
        assert_eq!(seen.longest(&blocks(1, &first), NOW, ALL), Match::default());
        assert_eq!(seen.note(&blocks(1, &first), NOW, 3), 7);
        let found = seen.longest(&blocks(1, &second), NOW, ALL);
        assert_eq!(found, Match { holders: bit(3), depth: 7, forks: false });
        assert_eq!(seen.note(&blocks(1, &second), NOW, 5), 15);
        assert_eq!(seen.longest(&blocks(1, &second), NOW, ALL).holders, bit(5), "the longer beginning wins");
        assert_eq!(seen.longest(&blocks(1, &second), NOW, !bit(5)).holders, bit(3), "unless it is away");
    }

    #[test]
    fn what_conversations_share_is_told_from_a_conversation() {
        let seen = Seen::default();
        let system = text(b's', 1024);
        let talk = |letter| blocks(1, &joined(&[&system, &text(letter, 1024)]));
        seen.note(&talk(b'1'), NOW, 0);
        assert_eq!(seen.longest(&talk(b'2'), NOW, ALL), Match { holders: bit(0), depth: 4, forks: true });
        assert!(!seen.longest(&talk(b'1'), NOW, ALL).forks);
    }

    #[test]
    fn beginnings_are_forgotten_when_nobody_uses_them() {
        let seen = Seen::default();
        let prompt = blocks(1, &text(b'c', 1024));
        seen.note(&prompt, NOW, 0);
        let later = NOW + Duration::from_secs((KEPT + 1) * STAMP_SECONDS);
        assert_eq!(seen.longest(&prompt, later, ALL).depth, 0);
        assert_eq!(seen.note(&prompt, later, 1), 4);
        assert_eq!(seen.longest(&prompt, later, ALL).holders, bit(1), "the one before is forgotten too");
    }

    #[test]
    fn the_table_never_grows_and_keeps_what_is_used() {
        let seen = Seen::default();
        let kept = blocks(1, &text(b'k', 1024));
        for number in 0..40_000_u64 {
            let now = NOW + Duration::from_secs(number / 100);
            seen.note(&[number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1], now, 0);
            if number % 1_000 == 0 {
                seen.note(&kept, now, 2);
            }
        }
        assert_eq!(seen.longest(&kept, NOW + Duration::from_secs(400), ALL).depth, 4);
    }
}
