//! Weighted rendezvous hashing: every gateway finds the same target for a session, without remembering anything, and a
//! target that comes or goes moves only its own sessions.

use super::{Choice, eligible};
use crate::routing::hash::{stable, unit};

/// The target of a session, if there is any.
pub(crate) fn pick(session: u64, choices: &[Choice<'_>]) -> Option<usize> {
    let score = |(index, weight): (usize, u64)| {
        let name = choices.get(index)?.name;
        let chance = unit(stable(&[name.as_bytes(), &[0], &session.to_le_bytes()]));
        // The time until a thing happens that happens `weight` times as often as others.
        Some((index, -chance.ln() / weight as f64))
    };
    let soonest = eligible(choices).filter_map(score).min_by(|one, other| one.1.total_cmp(&other.1));
    soonest.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::super::trial::choices;
    use super::*;
    use crate::routing::hash::mix;

    const SESSIONS: u64 = 12_000;

    fn picked<'c>(choices: &[Choice<'c>], session: u64) -> &'c str {
        choices[pick(mix(session), choices).expect("there are some")].name
    }

    #[test]
    fn sessions_are_shared_by_weight() {
        let choices = choices(&[("a", 1), ("b", 2), ("c", 3)]);
        let share = |name| (0..SESSIONS).filter(|session| picked(&choices, *session) == name).count();
        for (name, expected) in [("a", 2000usize), ("b", 4000), ("c", 6000)] {
            assert!(share(name).abs_diff(expected) < 200, "{name}: {}", share(name));
        }
    }

    #[test]
    fn a_target_that_comes_or_goes_moves_its_own_sessions_alone() {
        let (few, more) = (choices(&[("a", 1), ("b", 2)]), choices(&[("a", 1), ("c", 3), ("b", 2)]));
        let moved: Vec<u64> =
            (0..SESSIONS).filter(|session| picked(&few, *session) != picked(&more, *session)).collect();
        assert!(moved.iter().all(|session| picked(&more, *session) == "c"));
        assert!(moved.len().abs_diff(6000) < 200, "{}", moved.len());
        let mut unwell = more.clone();
        unwell[1].available = false;
        assert!((0..SESSIONS).all(|session| picked(&few, session) == picked(&unwell, session)));
    }

    #[test]
    fn a_session_stays_where_earlier_versions_put_it() {
        let choices = choices(&[("alpha", 1), ("beta", 2), ("gamma", 3)]);
        let picked: String = (0..24).map(|session| &picked(&choices, session)[..1]).collect();
        assert_eq!(picked, "gagggbbgbabagabaggbabgag");
    }
}
