//! What a provider says a request consumed, in one shape for all dialects. Prices and limits are applied
//! elsewhere; nothing is estimated here: a number that was not reported stays `None`.

/// Tokens as the provider reported them.
///
/// The sums are made comparable, the parts are not re-counted: `cache_read`, `cache_write` and
/// `audio_input` are contained in `input`, `reasoning` and `audio_output` in `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All prompt tokens, *including* those read from and written to a prompt cache. OpenAI reports it so
    /// (`prompt_tokens`); for Anthropic it is `input_tokens` plus both cache counters, because its
    /// `input_tokens` leaves them out.
    pub input: Option<u64>,
    /// All generated tokens, reasoning included.
    pub output: Option<u64>,
    /// The provider's own total. Anthropic sends none.
    pub total: Option<u64>,
    /// Prompt tokens served from the provider's cache.
    pub cache_read: Option<u64>,
    /// Prompt tokens written to the provider's cache, whatever their lifetime.
    pub cache_write: Option<u64>,
    /// The part of `cache_write` that is kept for one hour and priced apart (Anthropic).
    pub cache_write_1h: Option<u64>,
    /// Generated tokens the caller does not see as text.
    pub reasoning: Option<u64>,
    /// Prompt tokens that were audio.
    pub audio_input: Option<u64>,
    /// Generated tokens that were audio.
    pub audio_output: Option<u64>,
}

impl Usage {
    /// Was nothing reported at all?
    pub fn is_empty(&self) -> bool {
        *self == Usage::default()
    }

    /// Takes over every number a later report of the same stream holds. Providers repeat running totals,
    /// never increments, so the later number replaces the earlier one.
    pub fn merge(&mut self, later: &Usage) {
        let pairs = [
            (&mut self.input, later.input),
            (&mut self.output, later.output),
            (&mut self.total, later.total),
            (&mut self.cache_read, later.cache_read),
            (&mut self.cache_write, later.cache_write),
            (&mut self.cache_write_1h, later.cache_write_1h),
            (&mut self.reasoning, later.reasoning),
            (&mut self.audio_input, later.audio_input),
            (&mut self.audio_output, later.audio_output),
        ];
        for (mine, new) in pairs {
            *mine = new.or(*mine);
        }
    }

    /// Adds what another answer consumed. A number that neither reported stays unknown; the total of two is told even where
    /// the provider of one tells none.
    pub fn add(&mut self, other: &Usage) {
        if self.is_empty() {
            *self = *other;
            return;
        }
        if other.is_empty() {
            return;
        }
        let total = self.sum().zip(other.sum()).map(|(mine, new)| mine.saturating_add(new));
        let total = total.or(self.sum()).or(other.sum());
        let pairs = [
            (&mut self.input, other.input),
            (&mut self.output, other.output),
            (&mut self.cache_read, other.cache_read),
            (&mut self.cache_write, other.cache_write),
            (&mut self.cache_write_1h, other.cache_write_1h),
            (&mut self.reasoning, other.reasoning),
            (&mut self.audio_input, other.audio_input),
            (&mut self.audio_output, other.audio_output),
        ];
        for (mine, new) in pairs {
            *mine = match (*mine, new) {
                (Some(mine), Some(new)) => Some(mine.saturating_add(new)),
                (mine, new) => mine.or(new),
            };
        }
        self.total = total;
    }

    /// The provider's own total, or what the two sides make.
    fn sum(&self) -> Option<u64> {
        self.total.or_else(|| Some(self.input?.saturating_add(self.output?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_number_replaces_and_a_missing_one_keeps() {
        let mut usage = Usage { input: Some(5), output: Some(1), ..Usage::default() };
        usage.merge(&Usage { output: Some(9), reasoning: Some(2), ..Usage::default() });
        let expected = Usage { input: Some(5), output: Some(9), reasoning: Some(2), ..Usage::default() };
        assert_eq!(usage, expected);
    }

    #[test]
    fn a_sum_has_the_parts_that_anybody_reported_and_a_total_of_all() {
        let openai = Usage { input: Some(5), output: Some(2), total: Some(7), ..Usage::default() };
        let claude = Usage { input: Some(4), output: Some(1), cache_read: Some(3), ..Usage::default() };
        let both = Usage {
            input: Some(9),
            output: Some(3),
            total: Some(12),
            cache_read: Some(3),
            ..Usage::default()
        };
        for (mut one, other) in [(openai, claude), (claude, openai)] {
            one.add(&other);
            assert_eq!(one, both);
        }
        let mut nothing = Usage::default();
        nothing.add(&Usage::default());
        assert!(nothing.is_empty());
        nothing.add(&openai);
        assert_eq!(nothing, openai);
    }

    #[test]
    fn a_reported_zero_is_a_report() {
        assert!(Usage::default().is_empty());
        assert!(!Usage { cache_read: Some(0), ..Usage::default() }.is_empty());
    }
}
