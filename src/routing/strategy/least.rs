//! The least of a number first, equals as they are declared.

use std::cmp::Ordering;

use super::{Choice, Order, declared};

/// By tries under way, with this one, for each unit of weight.
pub(crate) fn busy(choices: &[Choice<'_>]) -> Order {
    let load = |choice: &Choice<'_>| u64::from(choice.in_flight) + 1;
    sorted(choices, |one, other| {
        let (one_load, other_load) =
            (load(one) * u64::from(other.weight), load(other) * u64::from(one.weight));
        one_load.cmp(&other_load)
    })
}

/// By the time of an answer. Targets of which none is known come first, unless others ask them right now.
pub(crate) fn latency(choices: &[Choice<'_>]) -> Order {
    let rank = |choice: &Choice<'_>| match (choice.seconds, choice.in_flight) {
        (None, 0) => 0,
        (Some(_), _) => 1,
        (None, _) => 2,
    };
    sorted(choices, |one, other| {
        let known = one.seconds.unwrap_or_default().total_cmp(&other.seconds.unwrap_or_default());
        rank(one).cmp(&rank(other)).then(known).then(one.in_flight.cmp(&other.in_flight))
    })
}

/// By price, those without one last.
pub(crate) fn cost(choices: &[Choice<'_>]) -> Order {
    sorted(choices, |one, other| {
        one.cost.unwrap_or(f64::INFINITY).total_cmp(&other.cost.unwrap_or(f64::INFINITY))
    })
}

fn sorted(choices: &[Choice<'_>], compare: impl Fn(&Choice<'_>, &Choice<'_>) -> Ordering) -> Order {
    let mut order = declared(choices);
    order.sort_by(|one, other| match (choices.get(*one), choices.get(*other)) {
        (Some(one), Some(other)) => compare(one, other),
        _ => Ordering::Equal,
    });
    order
}

#[cfg(test)]
mod tests {
    use super::super::trial::choices;
    use super::*;

    #[test]
    fn the_least_busy_for_its_weight_comes_first() {
        let mut choices = choices(&[("a", 1), ("b", 1), ("c", 4)]);
        assert_eq!(busy(&choices).as_slice(), [2, 0, 1]);
        choices[2].in_flight = 3;
        assert_eq!(busy(&choices).as_slice(), [0, 1, 2], "equals as they are declared");
        choices[0].in_flight = 2;
        assert_eq!(busy(&choices).as_slice(), [1, 2, 0]);
    }

    #[test]
    fn the_fastest_comes_first_and_the_unknown_before_it_one_request_at_a_time() {
        let mut choices = choices(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        choices[0].seconds = Some(2.0);
        choices[1].seconds = Some(1.0);
        assert_eq!(latency(&choices).as_slice(), [2, 3, 1, 0]);
        choices[2].in_flight = 1;
        assert_eq!(latency(&choices).as_slice(), [3, 1, 0, 2]);
        // Before anything is known they share the load.
        choices.iter_mut().zip([5, 2, 3, 2]).for_each(|(choice, in_flight)| {
            (choice.seconds, choice.in_flight) = (None, in_flight);
        });
        assert_eq!(latency(&choices).as_slice(), [1, 3, 2, 0]);
    }

    #[test]
    fn the_cheapest_comes_first_and_those_without_a_price_last() {
        let mut choices = choices(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        choices[1].cost = Some(0.5);
        choices[2].cost = Some(0.0);
        assert_eq!(cost(&choices).as_slice(), [2, 1, 0, 3]);
    }
}
