//! What the simulated model says, cut into tokens.
//!
//! Filler words come from one fixed passage, a word a token. Any other text (a quoted tool result, tool
//! arguments, JSON) counts one token for every four characters begun. A stream delivers exactly these pieces,
//! so its token count and the whole answer's agree.

use std::ops::Range;

use super::json;

/// A text and where its tokens end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    /// This many words of the passage.
    Words(usize),
    /// A text of its own, with the byte offset at which each token ends.
    Verbatim { text: String, ends: Vec<usize> },
}

impl Text {
    pub(super) fn verbatim(text: String) -> Text {
        let mut ends: Vec<usize> =
            text.char_indices().map(|(at, _)| at).step_by(CHARS_PER_TOKEN).skip(1).collect();
        if !text.is_empty() {
            ends.push(text.len());
        }
        Text::Verbatim { text, ends }
    }

    /// Number of tokens.
    pub(super) fn tokens(&self) -> usize {
        match self {
            Text::Words(count) => *count,
            Text::Verbatim { ends, .. } => ends.len(),
        }
    }

    /// Keeps at most the first `tokens`; whether anything was cut off.
    pub(super) fn truncate(&mut self, tokens: usize) -> bool {
        let cut = self.tokens() > tokens;
        match self {
            Text::Words(count) => *count = tokens.min(*count),
            Text::Verbatim { ends, .. } => ends.truncate(tokens),
        }
        cut
    }

    /// Appends the given tokens, escaped for the inside of a JSON string.
    pub(super) fn push_escaped(&self, tokens: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Text::Words(_) => push_words(tokens, out),
            Text::Verbatim { .. } => json::push_escaped(out, self.slice(tokens)),
        }
    }

    /// The given tokens of a verbatim text.
    pub(super) fn slice(&self, tokens: Range<usize>) -> &str {
        let Text::Verbatim { text, ends } = self else { return "" };
        let end_of =
            |count: usize| count.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
        text.get(end_of(tokens.start)..end_of(tokens.end)).unwrap_or_default()
    }
}

/// What the simulated model thinks, this many tokens long.
pub(super) fn thought(tokens: usize) -> String {
    THOUGHT.chars().cycle().take(tokens.saturating_mul(CHARS_PER_TOKEN)).collect()
}

/// The estimate of prompt tokens for `chars` characters: one for every four begun, and never none.
pub(super) fn estimate(chars: u64) -> u64 {
    chars.div_ceil(CHARS_PER_TOKEN as u64).max(1)
}

/// The words need no escaping, and every word but the very first brings its space along.
fn push_words(tokens: Range<usize>, out: &mut Vec<u8>) {
    let opens = tokens.start == 0 && !tokens.is_empty();
    let before = out.len();
    for word in tokens.filter_map(|token| PASSAGE.get(token % PASSAGE.len())) {
        out.extend_from_slice(word.as_bytes());
    }
    if opens {
        out.remove(before);
    }
}

/// The usual rule of thumb for English, published by OpenAI as "1 token ~= 4 chars in English"
/// (help.openai.com, "What are tokens and how to count them").
const CHARS_PER_TOKEN: usize = 4;

const THOUGHT: &str = "Nobody thinks here: this thought is simulated. ";

const PASSAGE: [&str; 40] = [
    " This",
    " answer",
    " is",
    " simulated:",
    " no",
    " model",
    " was",
    " asked.",
    " The",
    " words",
    " come",
    " from",
    " a",
    " fixed",
    " list,",
    " one",
    " word",
    " is",
    " one",
    " token,",
    " and",
    " the",
    " same",
    " request",
    " always",
    " receives",
    " the",
    " same",
    " answer.",
    " When",
    " more",
    " tokens",
    " are",
    " wanted,",
    " the",
    " list",
    " begins",
    " again",
    " from",
    " here.",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &Text, tokens: Range<usize>) -> String {
        let mut out = Vec::new();
        text.push_escaped(tokens, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_tokens_of_a_text_add_up_to_the_text() {
        for text in [
            Text::Words(0),
            Text::Words(1),
            Text::Words(95),
            Text::verbatim(String::new()),
            Text::verbatim("{}".to_owned()),
            Text::verbatim("ab\"cd\nżółć 🐢🐢🐢".to_owned()),
        ] {
            let whole = escaped(&text, 0..text.tokens());
            let pieces: String = (0..text.tokens()).map(|token| escaped(&text, token..token + 1)).collect();
            assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn an_answer_begins_with_a_word_and_says_that_it_is_simulated() {
        assert_eq!(escaped(&Text::Words(4), 0..4), "This answer is simulated:");
        assert_eq!(escaped(&Text::Words(41), 39..41), " here. This");
    }

    #[test]
    fn a_cut_text_keeps_its_first_tokens() {
        let mut text = Text::verbatim("abcdefghij".to_owned());
        assert_eq!(text.tokens(), 3);
        assert!(text.truncate(2));
        assert!(!text.truncate(2));
        assert_eq!(escaped(&text, 0..text.tokens()), "abcdefgh");
    }

    #[test]
    fn tokens_beyond_the_end_are_empty() {
        let text = Text::verbatim("abc".to_owned());
        assert_eq!(text.slice(5..9), "");
    }
}
