//! The grammar of JSON over bytes, without a verdict on what is wrong: a value has an end, or it has none.
//! Iterative: what is open is remembered in one bit each, so nesting costs no stack and next to no memory.

use super::{plain, skip_space};

/// End of the value that begins at `at`, and all of it is well-formed.
pub fn value_end(json: &[u8], mut at: usize) -> Option<usize> {
    let mut open = Open::default();
    loop {
        // A value is due.
        at = skip_space(json, at);
        at = match *json.get(at)? {
            b'"' => string_end(json, at)?,
            b'{' => match after_space(json, at + 1)? {
                (end, b'}') => end + 1,
                (name, _) => {
                    open.push(true);
                    at = name_ends(json, name)?.1;
                    continue;
                }
            },
            b'[' => match after_space(json, at + 1)? {
                (end, b']') => end + 1,
                (first, _) => {
                    open.push(false);
                    at = first;
                    continue;
                }
            },
            byte => scalar_end(json, at, byte)?,
        };
        // A value is complete.
        at = loop {
            let Some(object) = open.innermost() else { return Some(at) };
            match (after_space(json, at)?, object) {
                ((comma, b','), true) => break name_ends(json, skip_space(json, comma + 1))?.1,
                ((comma, b','), false) => break comma + 1,
                ((end, b'}'), true) | ((end, b']'), false) => {
                    open.pop();
                    at = end + 1;
                }
                _ => return None,
            }
        };
    }
}

/// From the opening quote of a name to behind its closing one, and to behind its colon.
#[inline(always)]
pub fn name_ends(json: &[u8], at: usize) -> Option<(usize, usize)> {
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let end = string_end(json, at)?;
    match after_space(json, end)? {
        (colon, b':') => Some((end, colon + 1)),
        _ => None,
    }
}

/// From the opening quote of a string to behind its closing one.
#[inline(always)]
pub fn string_end(json: &[u8], at: usize) -> Option<usize> {
    let end = plain::ascii_end(json, at + 1);
    if json.get(end) == Some(&b'"') { Some(end + 1) } else { escaped_end(json, end) }
}

/// The rest of a string from its first escape or byte beyond ASCII on.
fn escaped_end(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = plain::ascii_end(json, escape_end(json, at)?),
            0x80.. => at = plain::ascii_end(json, wide_end(json, at)?),
            _ => return None,
        }
    }
}

/// End of a run of characters beyond ASCII, all of them UTF-8.
fn wide_end(json: &[u8], at: usize) -> Option<usize> {
    let mut rest = json.get(at..)?;
    loop {
        // Three bytes each have most characters of most scripts.
        while rest.first_chunk().is_some_and(|four| is_three(u32::from_le_bytes(*four))) {
            rest = rest.get(3..)?;
        }
        if rest.first().is_none_or(u8::is_ascii) {
            return Some(json.len() - rest.len());
        }
        rest = rest.get(wide_length(rest)?..)?;
    }
}

/// Does the word begin, in its lowest byte, with a character of three bytes? The last two masks leave what
/// tells a character that is too long (E0) and half a surrogate pair (ED) by the second byte.
#[inline(always)]
fn is_three(word: u32) -> bool {
    word & 0x00C0_C0F0 == 0x0080_80E0 && word & 0x200F != 0 && word & 0x200F != 0x200D
}

/// Length of the character that `bytes` begins with, if it is well-formed: The Unicode Standard, table 3-7
/// (<https://www.unicode.org/versions/Unicode16.0.0/core-spec/chapter-3/#G27506>).
#[inline(always)]
fn wide_length(bytes: &[u8]) -> Option<usize> {
    Some(match bytes {
        [0xE1..=0xEC | 0xEE | 0xEF, 0x80..=0xBF, 0x80..=0xBF, ..] => 3,
        [0xC2..=0xDF, 0x80..=0xBF, ..] => 2,
        [0xE0, 0xA0..=0xBF, 0x80..=0xBF, ..] | [0xED, 0x80..=0x9F, 0x80..=0xBF, ..] => 3,
        [0xF0, 0x90..=0xBF, 0x80..=0xBF, 0x80..=0xBF, ..] => 4,
        [0xF1..=0xF3, 0x80..=0xBF, 0x80..=0xBF, 0x80..=0xBF, ..] => 4,
        [0xF4, 0x80..=0x8F, 0x80..=0xBF, 0x80..=0xBF, ..] => 4,
        _ => return None,
    })
}

/// `at` is the place of the backslash.
#[inline(always)]
fn escape_end(json: &[u8], at: usize) -> Option<usize> {
    match json.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => {
            let digits = json.get(at + 2..at + 6)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 6)
        }
        _ => None,
    }
}

/// A number, `true`, `false` or `null`; `first` is the byte at `at`.
fn scalar_end(json: &[u8], at: usize, first: u8) -> Option<usize> {
    let word: &[u8] = match first {
        b'0'..=b'9' | b'-' => return number_end(json, at),
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return None,
    };
    json.get(at..)?.starts_with(word).then_some(at + word.len())
}

fn number_end(json: &[u8], at: usize) -> Option<usize> {
    let is = |at: usize, these: &[u8]| json.get(at).is_some_and(|byte| these.contains(byte));
    let mut at = at + usize::from(is(at, b"-"));
    at = if is(at, b"0") { at + 1 } else { digits_end(json, at)? };
    if is(at, b".") {
        at = digits_end(json, at + 1)?;
    }
    if is(at, b"eE") {
        at = digits_end(json, at + 1 + usize::from(is(at + 1, b"+-")))?;
    }
    Some(at)
}

/// One digit or more.
#[inline(always)]
fn digits_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while json.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// The next byte that is not white space, and its place.
#[inline(always)]
fn after_space(json: &[u8], at: usize) -> Option<(usize, u8)> {
    let end = skip_space(json, at);
    json.get(end).map(|byte| (end, *byte))
}

/// The objects (1) and arrays (0) that are open, the innermost in the lowest bit of `inner`.
#[derive(Default)]
struct Open {
    inner: u64,
    depth: usize,
    /// Full words further out.
    outer: Vec<u64>,
}

impl Open {
    #[inline(always)]
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(BITS) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(object);
        self.depth += 1;
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.inner >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(BITS) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    /// Is the innermost an object? None if nothing is open.
    #[inline(always)]
    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.inner & 1 == 1)
    }
}

const BITS: usize = u64::BITS as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_well_formed_where_the_standard_library_says_so() {
        let edges =
            [0x00, 0x22, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF4, 0xFF];
        for first in 0x80..=u8::MAX {
            for second in 0..=u8::MAX {
                for third in edges {
                    for fourth in edges {
                        let bytes = [first, second, third, fourth];
                        let lengths = 2..=4usize;
                        let is_one = |text: &str| text.chars().count() == 1;
                        let expected = lengths
                            .into_iter()
                            .find(|length| std::str::from_utf8(&bytes[..*length]).is_ok_and(is_one));
                        assert_eq!(wide_length(&bytes), expected, "{bytes:x?}");
                        assert_eq!(is_three(u32::from_le_bytes(bytes)), expected == Some(3), "{bytes:x?}");
                    }
                }
            }
        }
    }
}
