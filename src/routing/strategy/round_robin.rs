//! Smooth weighted round robin: nginx's sequence, worked out beforehand.

use super::{Choice, Order, at_fraction, declared, divisor};

/// The places of a tier's targets in the order of their turns. Empty when it would be too long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence(Vec<u16>);

impl Sequence {
    /// Each turn every target gains its weight, the richest is picked (the first of equals) and pays the sum of all.
    pub fn new(weights: &[u32]) -> Self {
        let divisor = divisor(weights);
        let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
        let sum: i64 = weights.iter().sum();
        let count = i64::try_from(weights.len()).unwrap_or(i64::MAX);
        if sum > LONGEST || sum.saturating_mul(count) > MOST_WORK {
            return Sequence::default();
        }
        let mut current = vec![0; weights.len()];
        let turns = (0..sum).filter_map(|_| {
            current.iter_mut().zip(&weights).for_each(|(current, weight)| *current += weight);
            let richest = current
                .iter_mut()
                .enumerate()
                .reduce(|one, other| if *other.1 > *one.1 { other } else { one });
            let (place, current) = richest?;
            *current -= sum;
            u16::try_from(place).ok()
        });
        Sequence(turns.collect())
    }

    fn at(&self, turn: u64) -> Option<usize> {
        let length = u64::try_from(self.0.len()).ok().filter(|length| *length > 0)?;
        self.0.get((turn % length) as usize).map(|place| usize::from(*place))
    }
}

/// The target whose turn it is, then those after it in a circle. `all` are the targets of the tier, whether or not
/// this request may go to them.
pub(crate) fn order(sequence: &Sequence, all: usize, turn: u64, choices: &[Choice<'_>]) -> Order {
    let whole = choices.len() == all && choices.iter().all(|choice| choice.available);
    let placed = |place: usize| choices.iter().position(|choice| choice.place == place);
    let first = sequence.at(turn).filter(|_| whole).and_then(placed);
    // Where some are missing their turns must not all fall to their neighbours: the turns are then spread evenly by
    // multiples of the golden ratio.
    let first = first.or_else(|| at_fraction(turn.wrapping_mul(GOLDEN), choices)).unwrap_or_default();
    let mut order = declared(choices);
    let length = order.len();
    order.rotate_left(first.min(length));
    order
}

/// Turns in a sequence, and turns times targets.
const LONGEST: i64 = 4096;
const MOST_WORK: i64 = 1 << 20;
/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::super::trial::choices;
    use super::*;

    #[test]
    fn the_sequence_is_that_of_nginx() {
        assert_eq!(Sequence::new(&[5, 1, 1]).0, [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(Sequence::new(&[1, 1, 1]).0, [0, 1, 2]);
        assert_eq!(Sequence::new(&[20, 10]).0, [0, 1, 0]);
        assert_eq!(Sequence::new(&[4, 3, 2, 1]).0, [0, 1, 2, 0, 1, 3, 0, 2, 1, 0]);
        assert_eq!(Sequence::new(&[]).0, [0u16; 0]);
    }

    #[test]
    fn the_others_follow_in_a_circle() {
        let (sequence, choices) = (Sequence::new(&[1, 1, 1]), choices(&[("a", 1), ("b", 1), ("c", 1)]));
        let orders: Vec<Order> = (0..4).map(|turn| order(&sequence, 3, turn, &choices)).collect();
        assert_eq!(
            orders.iter().map(|order| order.as_slice()).collect::<Vec<_>>(),
            [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]
        );
    }

    #[test]
    fn the_turns_of_a_missing_target_are_spread_by_weight() {
        let sequence = Sequence::new(&[5, 1, 1, 2]);
        let mut choices = choices(&[("a", 5), ("b", 1), ("c", 1), ("d", 2)]);
        choices[0].available = false;
        let mut firsts = [0u32; 4];
        (0..4000).for_each(|turn| firsts[order(&sequence, 4, turn, &choices)[0]] += 1);
        assert!(firsts[0] == 0 && firsts[1].abs_diff(1000) < 5 && firsts[3].abs_diff(2000) < 5, "{firsts:?}");
    }

    #[test]
    fn weights_too_large_for_a_sequence_still_count() {
        let weights = [u32::MAX, 1, u32::MAX - 1];
        let sequence = Sequence::new(&weights);
        assert_eq!(sequence, Sequence::default());
        let choices = choices(&[("a", weights[0]), ("b", weights[1]), ("c", weights[2])]);
        let mut firsts = [0u32; 3];
        (0..1000).for_each(|turn| firsts[order(&sequence, 3, turn, &choices)[0]] += 1);
        assert!(firsts[0].abs_diff(500) < 5 && firsts[1] == 0, "{firsts:?}");
    }
}
