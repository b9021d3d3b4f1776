//! The circuit breaker of one target: a word of 64 bits that is replaced as a whole.
//!
//! Closed until enough failures; then open until an instant; then half open: one try at a time, of which a success
//! closes it and a failure opens it again for twice as long.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Reason;

/// Times are milliseconds since the target became known.
#[derive(Debug, Default)]
pub(super) struct Breaker(AtomicU64);

/// What the word holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Times it was opened without a success between; 0 = closed.
    pub openings: u32,
    /// Until when it is open; afterwards it is half open.
    pub until: u64,
    /// Does the one try of the half-open state take place now?
    pub trial: bool,
    pub reason: Option<Reason>,
    /// Failures in a row.
    pub failures: u32,
}

/// Is a target to be tried?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Closed,
    /// Nobody tries it right now.
    HalfOpen,
    OpenUntil(u64),
    /// Somebody tries it right now.
    OnTrial,
}

/// A failure and what its target's rules make of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub reason: Reason,
    /// How long to open the first time; 0 = never.
    pub millis: u64,
    pub most_millis: u64,
    /// Failures in a row that open it.
    pub after: u32,
    /// Opens it however many failures there were.
    pub at_once: bool,
    /// The target named the time itself.
    pub hinted: bool,
}

impl Breaker {
    pub fn load(&self) -> Word {
        Word::unpack(self.0.load(Ordering::Acquire))
    }

    /// Takes the one try, if there is one to be taken. Gives the word that was there: its standing says whether there
    /// was one.
    pub fn claim(&self, now: u64) -> Word {
        self.update(|word| (word.standing(now) == Standing::HalfOpen).then_some(Word { trial: true, ..word }))
    }

    /// Gives the try back that was taken when the breaker was open until `until`.
    pub fn give_back(&self, until: u64) {
        self.update(|word| (word.trial && word.until == until).then_some(Word { trial: false, ..word }));
    }

    pub fn succeed(&self) -> Word {
        self.update(|word| (word != Word::default()).then(Word::default))
    }

    /// Takes note of a failure. Did it open the breaker?
    pub fn fail(&self, failure: Failure, now: u64) -> bool {
        let former = self.update(|word| Some(word.failed(failure, now)));
        former.failed(failure, now).openings > former.openings
    }

    /// Replaces the word, unless there is nothing to change; gives the one that was there.
    fn update(&self, change: impl Fn(Word) -> Option<Word>) -> Word {
        let changed = |bits| change(Word::unpack(bits)).map(Word::pack);
        let (Ok(bits) | Err(bits)) = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
        Word::unpack(bits)
    }
}

impl Word {
    pub fn standing(self, now: u64) -> Standing {
        match self {
            Word { openings: 0, .. } => Standing::Closed,
            Word { until, .. } if now < until => Standing::OpenUntil(until),
            Word { trial: true, .. } => Standing::OnTrial,
            _ => Standing::HalfOpen,
        }
    }

    fn failed(self, failure: Failure, now: u64) -> Word {
        let word = Word { failures: self.failures.saturating_add(1), ..self };
        match word.standing(now) {
            Standing::Closed if failure.at_once || word.failures >= failure.after => {
                word.opened(failure, now)
            }
            Standing::Closed => word,
            // Tries that began before it was opened tell nothing new, unless the target names a later time.
            Standing::OpenUntil(until) if failure.hinted => {
                let hinted = now.saturating_add(failure.millis.min(failure.most_millis));
                if hinted > until {
                    Word { until: hinted, reason: Some(failure.reason), ..word }
                } else {
                    word
                }
            }
            Standing::OpenUntil(_) => word,
            Standing::HalfOpen | Standing::OnTrial => word.opened(failure, now),
        }
    }

    /// Each time for twice as long as the time before.
    fn opened(self, failure: Failure, now: u64) -> Word {
        if failure.millis == 0 {
            return Word { trial: false, ..self };
        }
        let doubled = failure.millis.saturating_mul(1 << self.openings.min(MOST_DOUBLINGS));
        Word {
            openings: self.openings + 1,
            until: now.saturating_add(doubled.min(failure.most_millis)),
            trial: false,
            reason: Some(failure.reason),
            ..self
        }
    }

    fn pack(self) -> u64 {
        let mut bits = self.until.min(mask(UNTIL));
        bits = bits << OPENINGS | u64::from(self.openings).min(mask(OPENINGS));
        bits = bits << TRIAL | u64::from(self.trial);
        bits = bits << REASON | self.reason.map_or(0, |reason| reason as u64 + 1);
        bits << FAILURES | u64::from(self.failures).min(mask(FAILURES))
    }

    fn unpack(bits: u64) -> Word {
        let mut bits = bits;
        let mut take = |width: u32| {
            let value = bits & mask(width);
            bits >>= width;
            value
        };
        let failures = take(FAILURES) as u32;
        let reason = take(REASON).checked_sub(1).and_then(|place| Reason::ALL.get(place as usize).copied());
        let trial = take(TRIAL) == 1;
        let openings = take(OPENINGS) as u32;
        Word { openings, until: take(UNTIL), trial, reason, failures }
    }
}

fn mask(width: u32) -> u64 {
    (1 << width) - 1
}

// Widths in bits, 64 together. 40 bits of milliseconds are 34 years.
const UNTIL: u32 = 40;
const OPENINGS: u32 = 6;
const TRIAL: u32 = 1;
const REASON: u32 = 5;
const FAILURES: u32 = 12;

/// 2 to this power, times any time, is more than any bound.
const MOST_DOUBLINGS: u32 = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_survives_packing(
            openings in 0u32..64, until in 0u64..1 << 40, trial: bool, reason in 0usize..=10, failures in 0u32..4096
        ) {
            let reason = reason.checked_sub(1).map(|place| Reason::ALL[place]);
            let word = Word { openings, until, trial, reason, failures };
            prop_assert_eq!(Word::unpack(word.pack()), word);
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_spills_nowhere() {
        let word =
            Word { openings: u32::MAX, until: u64::MAX, trial: false, reason: None, failures: u32::MAX };
        let cut = Word { openings: 63, until: (1 << 40) - 1, trial: false, reason: None, failures: 4095 };
        assert_eq!(Word::unpack(word.pack()), cut);
    }
}
