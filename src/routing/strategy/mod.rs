//! In which order the targets of a tier are tried: one function a strategy, over numbers alone.

pub(super) mod least;
pub(super) mod rendezvous;
pub(super) mod ring;
pub(super) mod round_robin;
pub(super) mod weighted;

use smallvec::SmallVec;

/// A target of a tier that a request may go to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'c> {
    /// Its place among all targets of the tier.
    pub place: usize,
    /// As the list of targets names it.
    pub name: &'c str,
    /// At least 1.
    pub weight: u32,
    /// Neither left alone nor unwell.
    pub available: bool,
    /// Tries under way.
    pub in_flight: u32,
    /// Seconds that an answer takes; None = unknown.
    pub seconds: Option<f64>,
    /// What a thousand tokens each way cost; None = unknown.
    pub cost: Option<f64>,
}

/// Indices of choices, the first to be tried first.
pub(super) type Order = SmallVec<[usize; 8]>;

/// As they are declared.
pub(super) fn declared(choices: &[Choice<'_>]) -> Order {
    (0..choices.len()).collect()
}

/// The same order with one of them first.
pub(super) fn led_by(first: Option<usize>, mut order: Order) -> Order {
    if let Some(at) = first.and_then(|first| order.iter().position(|index| *index == first))
        && let Some(head) = order.get_mut(..=at)
    {
        head.rotate_right(1);
    }
    order
}

/// The same order, those that are available first.
pub(super) fn available_first(choices: &[Choice<'_>], mut order: Order) -> Order {
    order.sort_by_key(|index| choices.get(*index).is_none_or(|choice| !choice.available));
    order
}

/// Indices and weights of those to pick from: the available ones, or all when none is.
fn eligible<'c>(choices: &'c [Choice<'_>]) -> impl Iterator<Item = (usize, u64)> + Clone + 'c {
    let none = choices.iter().all(|choice| !choice.available);
    let indexed = choices.iter().enumerate();
    let kept = indexed.filter(move |(_, choice)| none || choice.available);
    kept.map(|(index, choice)| (index, u64::from(choice.weight)))
}

/// The one into whose share of the sum of weights a fraction of 2^64 falls.
fn at_fraction(fraction: u64, choices: &[Choice<'_>]) -> Option<usize> {
    let eligible = eligible(choices);
    let sum: u64 = eligible.clone().map(|(_, weight)| weight).sum();
    let mut left = ((u128::from(fraction) * u128::from(sum)) >> 64) as u64;
    let mut last = None;
    for (index, weight) in eligible {
        last = Some(index);
        if left < weight {
            break;
        }
        left -= weight;
    }
    last
}

/// The greatest common divisor of weights, at least 1.
fn divisor(weights: &[u32]) -> u32 {
    fn gcd(one: u32, other: u32) -> u32 {
        if other == 0 { one } else { gcd(other, one % other) }
    }
    weights.iter().fold(0, |one, other| gcd(one, *other)).max(1)
}

#[cfg(test)]
pub(super) mod trial {
    use super::Choice;

    /// Choices with these names and weights of which nothing is known.
    pub fn choices<'c>(weights: &[(&'c str, u32)]) -> Vec<Choice<'c>> {
        let choice = |(place, (name, weight)): (usize, &(&'c str, u32))| Choice {
            place,
            name,
            weight: *weight,
            available: true,
            in_flight: 0,
            seconds: None,
            cost: None,
        };
        weights.iter().enumerate().map(choice).collect()
    }
}
