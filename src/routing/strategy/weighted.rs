//! A random target first, each as often as its weight says, then the others as they are declared.

use super::{Choice, Order, at_fraction, declared, led_by};

pub(crate) fn order(random: u64, choices: &[Choice<'_>]) -> Order {
    led_by(at_fraction(random, choices), declared(choices))
}

#[cfg(test)]
mod tests {
    use super::super::trial::choices;
    use super::*;
    use crate::routing::hash::mix;

    #[test]
    fn each_comes_first_as_often_as_its_weight_says() {
        let choices = choices(&[("a", 3), ("b", 6), ("c", 1)]);
        let mut firsts = [0u32; 3];
        for random in 0..10_000 {
            let order = order(mix(random), &choices);
            firsts[order[0]] += 1;
            let rest: Vec<usize> = (0..3).filter(|index| *index != order[0]).collect();
            assert_eq!(&order[1..], rest, "the rest is in the order of the list");
        }
        let near = |count: u32, expected: u32| count.abs_diff(expected) < 150;
        assert!(near(firsts[0], 3000) && near(firsts[1], 6000) && near(firsts[2], 1000), "{firsts:?}");
    }

    #[test]
    fn one_that_is_not_available_does_not_come_first_while_another_is() {
        let mut choices = choices(&[("a", 1_000_000), ("b", 1)]);
        choices[0].available = false;
        assert!((0..100).all(|random| order(mix(random), &choices)[0] == 1));
        choices[1].available = false;
        assert!((0..100).any(|random| order(mix(random), &choices)[0] == 0));
    }
}
