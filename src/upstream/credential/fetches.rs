//! How fetching tokens went, counted for whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};

/// Who gives out tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    Google,
    Entra,
}

/// Fetches of tokens since the start, of all provider keys together: the log says which one failed.
#[derive(Debug, Default)]
pub struct Fetches {
    /// By issuer: those that gave a token, and those that failed.
    counts: [[AtomicU64; 2]; 2],
}

impl Fetches {
    pub(super) fn count(&self, issuer: Issuer, gave_a_token: bool) {
        let [ok, failed] = &self.counts[issuer as usize];
        if gave_a_token { ok } else { failed }.fetch_add(1, Ordering::Relaxed);
    }

    /// Issuer, how it went, and how often.
    pub fn totals(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        ["google", "entra"].into_iter().zip(&self.counts).flat_map(|(issuer, [ok, failed])| {
            [("ok", ok), ("failed", failed)]
                .map(|(went, count)| (issuer, went, count.load(Ordering::Relaxed)))
        })
    }
}
