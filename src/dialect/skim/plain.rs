//! Passes over the plain part of strings, many bytes at a time. Knows three kinds of byte: plain text, the
//! two that mean something inside a string (`"` and `\`), and those that must not stand there.

use std::ops::ControlFlow;

/// Place of the first byte at or after `at` that is not plain ASCII: `"`, `\`, a control character or a byte
/// beyond ASCII. The end of `json` when there is none. For strings that are short: most are names.
#[inline(always)]
pub fn ascii_end(json: &[u8], at: usize) -> usize {
    run_end::<false>(json, at)
}

/// As [`ascii_end`], but bytes beyond ASCII count as plain. Whether they are UTF-8 is not looked at.
#[inline(always)]
pub fn text_end(json: &[u8], at: usize) -> usize {
    run_end::<true>(json, at)
}

/// Shows `pass` every byte at or after `at` that is not plain, with its place; bytes beyond ASCII unless they are plain
/// (`WIDE`). `pass` says where to go on, which is behind that place, or how it ends. None at the end of `json`. For texts
/// full of escapes: a word is looked at once for all that stands in it.
#[inline(always)]
pub fn each_stop<const WIDE: bool, T>(
    json: &[u8],
    mut at: usize,
    mut pass: impl FnMut(usize, u8) -> ControlFlow<T, usize>,
) -> Option<T> {
    while at < json.len() {
        let rest = json.get(at..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| last_word(rest));
        let mut stops = word_stops::<WIDE>(u64::from_le_bytes(word));
        let mut next = at + WORD;
        if stops == 0 {
            at = without_stop::<WIDE>(json, next);
            continue;
        }
        while stops != 0 {
            let place = (stops.trailing_zeros() / 8) as usize;
            next = match pass(at + place, word[place]) {
                ControlFlow::Break(end) => return Some(end),
                ControlFlow::Continue(from) => from,
            };
            let passed = next - at;
            stops = if passed < WORD { stops & (u64::MAX << (8 * passed)) } else { 0 };
        }
        at = next.max(at + WORD);
    }
    None
}

/// What is left at the end, made whole with plain text.
#[cold]
fn last_word(rest: &[u8]) -> [u8; WORD] {
    let mut word = [b' '; WORD];
    word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    word
}

/// The highest bit of each byte that stops. Sums of seven bits each do not carry into the next byte.
#[inline(always)]
fn word_stops<const WIDE: bool>(word: u64) -> u64 {
    let each = |byte: u8| u64::from_le_bytes([byte; WORD]);
    let low = each(0x7F);
    let flipped = word ^ each(FLIP);
    let not_below = ((flipped & low) + each(0x80 - BELOW)) | word;
    let slashed = word ^ each(b'\\');
    let not_slash = ((slashed & low) + low) | slashed;
    let wide = if WIDE { 0 } else { word };
    (!(not_below & not_slash) | wide) & !low
}

#[inline(always)]
fn run_end<const WIDE: bool>(json: &[u8], at: usize) -> usize {
    let Some(block) = json.get(at..).and_then(|rest| rest.first_chunk()) else {
        return last_run_end::<WIDE>(json, at);
    };
    let place = first_set(stops::<WIDE>(block));
    if place < BLOCK { at + place } else { long_run_end::<WIDE>(json, at + BLOCK) }
}

/// As [`run_end`], for texts that have turned out to be long.
#[inline(never)]
fn long_run_end<const WIDE: bool>(json: &[u8], mut at: usize) -> usize {
    while let Some(block) = json.get(at..).and_then(|rest| rest.first_chunk()) {
        let stops = stops::<WIDE>(block);
        if stops != 0 {
            return at + first_set(stops);
        }
        at = without_stop::<WIDE>(json, at + BLOCK);
    }
    last_run_end::<WIDE>(json, at)
}

/// Passes over pairs of blocks in which nothing stops. To know whether is cheaper than to know where.
#[inline(always)]
fn without_stop<const WIDE: bool>(json: &[u8], mut at: usize) -> usize {
    while let Some(pair) = json.get(at..).and_then(|rest| rest.first_chunk::<PAIR>()) {
        if pair.iter().fold(false, |found, byte| found | is_stop::<WIDE>(*byte)) {
            break;
        }
        at += PAIR;
    }
    at
}

/// Near the end of `json`, where no block fits any more.
#[inline(never)]
fn last_run_end<const WIDE: bool>(json: &[u8], at: usize) -> usize {
    let rest = json.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| is_stop::<WIDE>(*byte)).unwrap_or(rest.len())
}

/// All bits of each byte that stops, the first byte in the lowest bits. Written so that the compiler tests all of
/// them at once with vector instructions; of the forms that mean the same, this one it understands.
#[inline(always)]
fn stops<const WIDE: bool>(block: &[u8; BLOCK]) -> u128 {
    let mut stops = [0u8; BLOCK];
    for (stop, byte) in stops.iter_mut().zip(block) {
        *stop = if is_stop::<WIDE>(*byte) { u8::MAX } else { 0 };
    }
    u128::from_le_bytes(stops)
}

/// The first byte that is not zero; [`BLOCK`] when all are.
#[inline(always)]
fn first_set(bytes: u128) -> usize {
    (bytes.trailing_zeros() / 8) as usize
}

/// With the second bit flipped, `"` and the control characters are the bytes below 0x21; read as signed,
/// those beyond ASCII are too.
#[inline(always)]
fn is_stop<const WIDE: bool>(byte: u8) -> bool {
    let flipped = byte ^ FLIP;
    let low = if WIDE { flipped < BELOW } else { flipped.cast_signed() < BELOW.cast_signed() };
    low | (byte == b'\\')
}

/// Tells `"` (0x22) and what is below it from space (0x20) and `!` (0x21).
const FLIP: u8 = 0x02;
const BELOW: u8 = 0x21;
const BLOCK: usize = 16;
const WORD: usize = 8;
const PAIR: usize = 2 * BLOCK;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_distance_stops_where_it_should() {
        for length in 0..100 {
            for byte in 0..=u8::MAX {
                for behind in [b"".as_slice(), b"aaaa", b"\"\\\x01\xff"] {
                    let mut text = vec![b'~'; length];
                    text.push(byte);
                    text.extend_from_slice(behind);
                    let next = if behind.len() == 4 && behind[0] == b'"' { length + 1 } else { text.len() };
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(text_end(&text, 0), if special { length } else { next }, "{byte} {length}");
                    let special = special || byte >= 0x80;
                    assert_eq!(ascii_end(&text, 0), if special { length } else { next }, "{byte} {length}");
                }
            }
        }
    }

    #[test]
    fn every_stop_is_shown_once_and_none_that_was_passed_over() {
        let text = b"ab\\ncd\\\\ef\"0123456789 0123456789 0123456789 0123456789\\u0041\x01\xc3\xa9\"\\\"tail"
            .repeat(3);
        for from in 0..text.len() {
            for step in 1..20 {
                let mut seen = Vec::new();
                let end = each_stop::<false, ()>(&text, from, |at, byte| {
                    assert_eq!(text[at], byte);
                    seen.push(at);
                    ControlFlow::Continue(at + step)
                });
                assert_eq!(end, None);
                let mut expected = Vec::new();
                let mut at = from;
                while at < text.len() {
                    let stops = is_stop::<false>(text[at]);
                    expected.extend(stops.then_some(at));
                    at += if stops { step } else { 1 };
                }
                assert_eq!(seen, expected, "from {from} by {step}");
            }
        }
    }

    #[test]
    fn a_place_beyond_the_end_is_the_end_of_the_search() {
        assert_eq!(text_end(b"abc", 3), 3);
        assert_eq!(text_end(b"abc", 9), 9);
        assert_eq!(ascii_end(b"", 0), 0);
    }
}
