//! Choosing one of several replicas. Nothing here waits, counts or remembers.

use smallvec::SmallVec;

use super::prefix::{Match, bit};
use crate::resources::FleetStrategy;

/// A replica that could take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the list it was taken from.
    pub index: usize,
    /// Its place, which stays the same as long as it is there.
    pub place: usize,
    /// How busy it is, in requests.
    pub load: u32,
    /// Blocks of prompts that were new to it, of late: what its cache had to make room for.
    pub written: u64,
}

/// Those that could.
pub type Candidates = SmallVec<[Candidate; 16]>;

/// Chooses among candidates; none where there are none. `dice` is any number, another for each choice; `turn` counts the
/// choices. Also why this one, in a word.
pub fn pick(
    strategy: FleetStrategy,
    candidates: &[Candidate],
    found: &Match,
    turn: u64,
    dice: u64,
) -> Option<(Candidate, &'static str)> {
    match candidates {
        [] => return None,
        [only] => return Some((*only, "only")),
        _ => {}
    }
    match strategy {
        FleetStrategy::RoundRobin => {
            let next = usize::try_from(turn % candidates.len() as u64).unwrap_or_default();
            Some((*candidates.get(next)?, "turn"))
        }
        FleetStrategy::LeastOutstanding => Some((two_choices(candidates, dice)?, "least")),
        FleetStrategy::PrefixAffinity => match holder(candidates, found) {
            Some(Holder::Fit(holder)) => Some((holder, "prefix")),
            Some(Holder::Busy) => Some((two_choices(candidates, dice)?, "balance")),
            None => Some((two_choices(candidates, dice)?, "least")),
        },
    }
}

/// The least busy of those that have seen the beginning of the prompt.
enum Holder {
    Fit(Candidate),
    /// It has too much to do already.
    Busy,
}

fn holder(candidates: &[Candidate], found: &Match) -> Option<Holder> {
    let holders = candidates.iter().filter(|one| found.holders & bit(one.place) != 0);
    let holder = holders.min_by_key(|one| (one.load, one.written))?;
    let least = candidates.iter().map(|one| one.load).min()?;
    let busy = holder.load > least + MOST_AHEAD && holder.load * 2 > least * 3;
    let emptiest = candidates.iter().map(|one| one.written).min()?;
    let crowded = found.forks && holder.written > emptiest + emptiest / 4 + ROOM;
    Some(if busy || crowded { Holder::Busy } else { Holder::Fit(*holder) })
}

/// The less busy of two taken at random among several: nearly as even as the least busy of all, and requests that come at the same time
/// do not all choose the same one.
fn two_choices(candidates: &[Candidate], dice: u64) -> Option<Candidate> {
    let count = candidates.len() as u64;
    let one = dice % count;
    let other = (one + 1 + (dice >> 32) % (count - 1)) % count;
    let at = |index: u64| candidates.get(usize::try_from(index).ok()?);
    [at(one)?, at(other)?].into_iter().min_by_key(|one| (one.load, one.written)).copied()
}

/// A replica is too busy to be chosen for what it has seen if it has so many requests more than the least busy one, and
/// half as many again. The rule is that of the SGLang router (`balance_abs_threshold` and `balance_rel_threshold`, which
/// are 64 and 1.5 there); with the router's 64 a fleet of eight would have to be far behind before it helped out.
const MOST_AHEAD: u32 = 4;
/// A replica does not take more conversations for a beginning that others share once it had to make room for a quarter
/// more blocks than the one that had to for the fewest, and these.
const ROOM: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use FleetStrategy::{LeastOutstanding, PrefixAffinity, RoundRobin};

    fn fleet(loads: &[u32]) -> Candidates {
        let one = |(index, load): (usize, &u32)| Candidate { index, place: index, load: *load, written: 0 };
        loads.iter().enumerate().map(one).collect()
    }

    fn picked(
        strategy: FleetStrategy,
        fleet: &[Candidate],
        found: Match,
        turn: u64,
    ) -> (usize, &'static str) {
        let dice = (turn + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (one, why) = pick(strategy, fleet, &found, turn, dice).expect("there is one");
        (one.index, why)
    }

    fn held_by(place: usize, forks: bool) -> Match {
        Match { holders: bit(place), depth: 9, forks }
    }

    #[test]
    fn turns_go_round() {
        let order: Vec<usize> =
            (0..6).map(|turn| picked(RoundRobin, &fleet(&[9, 0, 5]), Match::default(), turn).0).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn of_two_the_less_busy_is_taken_and_the_busiest_of_all_never() {
        let fleet = fleet(&[3, 1, 9, 2]);
        let mut times = [0; 4];
        for turn in 0..4_000 {
            times[picked(LeastOutstanding, &fleet, Match::default(), turn).0] += 1;
        }
        assert_eq!(times[2], 0);
        assert!(times[1] > times[3] && times[3] > times[0] && times[0] > 0, "{times:?}");
    }

    #[test]
    fn a_prompt_goes_where_its_beginning_is_unless_that_one_is_much_busier() {
        let cases = [
            (&[0, 0, 0][..], held_by(1, false), Some("prefix")),
            (&[0, 4, 0], held_by(1, false), Some("prefix")),
            (&[0, 5, 0], held_by(1, false), None),
            (&[20, 26, 20], held_by(1, false), Some("prefix")),
            (&[20, 31, 20], held_by(1, false), None),
            (&[0, 0, 0], held_by(7, false), None),
        ];
        for (loads, found, expected) in cases {
            let (index, why) = picked(PrefixAffinity, &fleet(loads), found, 3);
            match expected {
                Some(expected) => assert_eq!((index, why), (1, expected), "{loads:?}"),
                None => assert_ne!(why, "prefix", "{loads:?}"),
            }
        }
    }

    #[test]
    fn what_everybody_shares_does_not_fill_one_replica() {
        let mut fleet = fleet(&[0, 0, 0, 0]);
        fleet[1].written = 1_000;
        assert_eq!(picked(PrefixAffinity, &fleet, held_by(1, true), 0).1, "balance");
        assert_eq!(
            picked(PrefixAffinity, &fleet, held_by(1, false), 0),
            (1, "prefix"),
            "a conversation stays"
        );
        fleet.iter_mut().for_each(|one| one.written = 1_000);
        assert_eq!(picked(PrefixAffinity, &fleet, held_by(1, true), 0), (1, "prefix"));
    }
}
