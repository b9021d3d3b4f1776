//! The grammar of JSON over bytes, without a verdict on what is wrong: a value has an end, or it has none.
//! Iterative: what is open is remembered in one bit each, so nesting costs no stack and next to no memory.

use std::ops::ControlFlow;

use super::{plain, skip_space, value_after};

/// End of the value that begins at `at`, and all of it is well-formed.
#[inline(always)]
pub fn value_end(json: &[u8], at: usize) -> Option<usize> {
    match *json.get(at)? {
        b'"' => string_end(json, at),
        b'{' | b'[' => nested_end(json, at),
        byte => scalar_end(json, at, byte),
    }
}

/// End of the object or array that begins at `at`.
#[inline(never)]
fn nested_end(json: &[u8], mut at: usize) -> Option<usize> {
    let mut open = Open { inner: NOTHING, outer: Vec::new() };
    loop {
        // A value is due.
        at = match *json.get(at)? {
            b'"' => string_end(json, at)?,
            bracket @ (b'{' | b'[') => {
                let object = bracket == b'{';
                let (first, byte) = after_space(json, at + 1)?;
                if byte != closing(object) {
                    open.push(object);
                    at = if object { value_start(json, first)? } else { first };
                    continue;
                }
                first + 1
            }
            byte => scalar_end(json, at, byte)?,
        };
        // A value is complete.
        at = loop {
            let Some(object) = open.innermost() else { return Some(at) };
            let (place, byte) = after_space(json, at)?;
            if byte == b',' {
                let next = skip_space(json, place + 1);
                break if object { value_start(json, next)? } else { next };
            }
            if byte != closing(object) {
                return None;
            }
            open.pop();
            at = place + 1;
        };
    }
}

fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

/// From the opening quote of a name to the value it names.
#[inline(always)]
fn value_start(json: &[u8], at: usize) -> Option<usize> {
    name_end(json, at).map(|name| name.value)
}

/// Where a name ends and what it names begins.
pub struct Name {
    /// Behind the closing quote.
    pub end: usize,
    /// May there be escapes in it?
    pub escaped: bool,
    pub value: usize,
}

/// Reads a name from its opening quote on, and the colon.
#[inline(always)]
pub fn name_end(json: &[u8], at: usize) -> Option<Name> {
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let stop = plain::ascii_end(json, at + 1);
    let escaped = json.get(stop) != Some(&b'"');
    let end = if escaped { escaped_end(json, stop)? } else { stop + 1 };
    Some(Name { end, escaped, value: value_after(json, end)? })
}

/// From the opening quote of a string to behind its closing one.
#[inline(always)]
fn string_end(json: &[u8], at: usize) -> Option<usize> {
    let end = plain::ascii_end(json, at + 1);
    if json.get(end) == Some(&b'"') { Some(end + 1) } else { escaped_end(json, end) }
}

/// The rest of a string from its first escape or byte beyond ASCII on.
#[inline(never)]
fn escaped_end(json: &[u8], at: usize) -> Option<usize> {
    let end = plain::each_stop::<false, _>(json, at, |at, byte| {
        let next = match byte {
            b'"' => return ControlFlow::Break(Some(at + 1)),
            b'\\' => escape_end(json, at),
            0x80.. => wide_end(json, at),
            _ => None,
        };
        next.map_or(ControlFlow::Break(None), ControlFlow::Continue)
    });
    end.flatten()
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
#[inline(always)]
fn scalar_end(json: &[u8], at: usize, first: u8) -> Option<usize> {
    let rest = json.get(at..)?;
    match first {
        b'0'..=b'9' | b'-' => number_end(json, at),
        b't' if rest.starts_with(b"true") => Some(at + 4),
        b'f' if rest.starts_with(b"false") => Some(at + 5),
        b'n' if rest.starts_with(b"null") => Some(at + 4),
        _ => None,
    }
}

#[inline(always)]
fn number_end(json: &[u8], at: usize) -> Option<usize> {
    let at = at + usize::from(json.get(at) == Some(&b'-'));
    let end = if json.get(at) == Some(&b'0') { at + 1 } else { digits_end(json, at)? };
    match json.get(end) {
        Some(b'.' | b'e' | b'E') => fraction_end(json, end),
        _ => Some(end),
    }
}

/// What may follow the whole part of a number.
fn fraction_end(json: &[u8], mut at: usize) -> Option<usize> {
    if json.get(at) == Some(&b'.') {
        at = digits_end(json, at + 1)?;
    }
    match json.get(at) {
        Some(b'e' | b'E') => {
            digits_end(json, at + 1 + usize::from(matches!(json.get(at + 1), Some(b'+' | b'-'))))
        }
        _ => Some(at),
    }
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
struct Open {
    /// Above the bits of what is open stands a one.
    inner: u64,
    /// Full words further out.
    outer: Vec<u64>,
}

impl Open {
    #[inline(always)]
    fn push(&mut self, object: bool) {
        if self.inner.leading_zeros() == 0 {
            self.outer.push(self.inner);
            self.inner = NOTHING;
        }
        self.inner = self.inner << 1 | u64::from(object);
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.inner >>= 1;
        if self.inner == NOTHING {
            self.inner = self.outer.pop().unwrap_or(NOTHING);
        }
    }

    /// Is the innermost an object? None if nothing is open.
    #[inline(always)]
    fn innermost(&self) -> Option<bool> {
        (self.inner != NOTHING).then_some(self.inner & 1 == 1)
    }
}

const NOTHING: u64 = 1;

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
