//! Consistent hashing on a ring of points: 160 for each unit of a target's weight. A key goes to the target of the
//! first point after it, and on along the ring from there. The ring never changes between versions.

use super::{Choice, Order, divisor};
use crate::routing::hash::stable;

/// The points of a tier, sorted: hash, and place of the target in the tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ring(Vec<(u64, u16)>);

impl Ring {
    /// Point `index` of a target is the hash of its name, a zero byte, and the index in four bytes, the low one first.
    pub fn new(targets: &[(&str, u32)]) -> Self {
        let weights: Vec<u32> = targets.iter().map(|(_, weight)| *weight).collect();
        let mut points = Vec::new();
        for (place, ((name, _), units)) in targets.iter().zip(units(&weights)).enumerate() {
            let Ok(place) = u16::try_from(place) else { break };
            let point = |index: u32| (stable(&[name.as_bytes(), &[0], &index.to_le_bytes()]), place);
            points.extend((0..units * POINTS_PER_UNIT).map(point));
        }
        points.sort_unstable();
        Ring(points)
    }

    /// The order in which the ring meets the targets from a key on.
    pub fn order(&self, key: &[u8], choices: &[Choice<'_>]) -> Order {
        let hash = stable(&[key]);
        let start = self.0.partition_point(|(point, _)| *point < hash);
        let (before, after) = self.0.split_at(start.min(self.0.len()));
        let mut order = Order::new();
        for (_, place) in after.iter().chain(before) {
            if order.len() == choices.len() {
                break;
            }
            let met = choices.iter().position(|choice| choice.place == usize::from(*place));
            if let Some(met) = met.filter(|met| !order.contains(met)) {
                order.push(met);
            }
        }
        // A ring has points of all its targets but those beyond what 16 bits count.
        order.extend((0..choices.len()).filter(|index| !order.contains(index)).collect::<Order>());
        order
    }
}

/// Weights in smallest whole numbers, or in 64ths of their sum when that is more than 64; none below 1.
fn units(weights: &[u32]) -> Vec<u32> {
    let divisor = divisor(weights);
    let sum: u64 = weights.iter().map(|weight| u64::from(weight / divisor)).sum();
    let scaled = |weight: &u32| {
        let weight = u64::from(weight / divisor);
        let units = if sum > MOST_UNITS { weight * MOST_UNITS / sum } else { weight };
        u32::try_from(units).unwrap_or(u32::MAX).max(1)
    };
    weights.iter().map(scaled).collect()
}

const POINTS_PER_UNIT: u32 = 160;
const MOST_UNITS: u64 = 64;

#[cfg(test)]
mod tests {
    use super::super::trial::choices;
    use super::*;

    const KEYS: u32 = 12_000;

    fn first<'t>(targets: &[(&'t str, u32)], key: u32) -> &'t str {
        let order = Ring::new(targets).order(key.to_string().as_bytes(), &choices(targets));
        targets[order[0]].0
    }

    /// The first targets of all keys.
    fn firsts<'t>(targets: &[(&'t str, u32)]) -> Vec<&'t str> {
        let (ring, choices) = (Ring::new(targets), choices(targets));
        (0..KEYS).map(|key| targets[ring.order(key.to_string().as_bytes(), &choices)[0]].0).collect()
    }

    #[test]
    fn weights_become_units() {
        assert_eq!(units(&[10, 20]), [1, 2]);
        assert_eq!(units(&[1, 1, 1]), [1, 1, 1]);
        assert_eq!(units(&[63, 1]), [63, 1]);
        assert_eq!(units(&[100, 1]), [63, 1]);
        assert_eq!(units(&[u32::MAX, u32::MAX - 1]), [32, 31]);
        assert_eq!(units(&[]), [0u32; 0]);
    }

    #[test]
    fn keys_stay_where_earlier_versions_put_them() {
        let targets = [("alpha", 1), ("beta", 1), ("gamma", 2)];
        let found: String = (0..32).map(|key| &first(&targets, key)[..1]).collect();
        assert_eq!(found, "aggagbggbagggbabgaggagbbbbgbgbgg");
        let ring = Ring::new(&targets);
        assert_eq!(ring.0.len(), 640);
        assert_eq!([ring.0[0], ring.0[639]], [(0x00b6_2b26_45b8_14aa, 2), (0xfff4_eac1_e712_e183, 1)]);
        let order = ring.order(b"", &choices(&targets));
        assert_eq!(order.as_slice(), [0, 1, 2]);
    }

    #[test]
    fn keys_are_shared_by_weight() {
        let firsts = firsts(&[("a", 1), ("b", 2), ("c", 3)]);
        for (name, expected) in [("a", 2000usize), ("b", 4000), ("c", 6000)] {
            let share = firsts.iter().filter(|first| **first == name).count();
            assert!(share.abs_diff(expected) < expected / 5, "{name}: {share}");
        }
    }

    #[test]
    fn a_target_that_comes_or_goes_moves_its_own_keys_alone() {
        let few = firsts(&[("a", 1), ("b", 2)]);
        let more = firsts(&[("a", 1), ("c", 1), ("b", 2)]);
        let moved: Vec<usize> = (0..few.len()).filter(|key| few[*key] != more[*key]).collect();
        assert!(moved.iter().all(|key| more[*key] == "c"));
        assert!(moved.len().abs_diff(3000) < 600, "{}", moved.len());
    }

    #[test]
    fn a_target_that_a_request_may_not_go_to_leaves_the_others_in_their_order() {
        let targets = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
        let (ring, all) = (Ring::new(&targets), choices(&targets));
        let some: Vec<Choice<'_>> = all.iter().copied().filter(|choice| choice.name != "b").collect();
        for key in 0..500u32 {
            let names = |choices: &[Choice<'_>]| -> Vec<&str> {
                let order = ring.order(&key.to_le_bytes(), choices);
                order.iter().map(|index| targets[choices[*index].place].0).collect()
            };
            let without: Vec<&str> = names(&all).into_iter().filter(|name| *name != "b").collect();
            assert_eq!(names(&some), without);
        }
    }
}
