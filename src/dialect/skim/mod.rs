//! Finds members in JSON bytes without building anything.
//!
//! The scanner is tolerant: it believes the bytes to be JSON, stops where they are not, and never fails
//! loudly. Whoever must *know* that a body is JSON uses [`strict`]. Both are iterative, so nesting costs
//! no stack.

pub mod answer;
mod plain;
pub mod problem;
pub mod prompt;
pub mod request;
mod scan;
pub mod strict;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

use memchr::{memchr, memmem};

/// Walks the members of the object `json` starts with; nothing if it is something else.
pub fn members(json: &[u8]) -> Members<'_> {
    let start = skip_space(json, 0);
    let at = if json.get(start) == Some(&b'{') { start } else { json.len() };
    Members { json, at, opens: b'{' }
}

/// Shows `visit` the members of the object `json` starts with and those of the objects directly in it, in one pass:
/// the name of the object a member is in, unless it is the outer one; its own name; the number, if it counts.
pub fn counts(json: &[u8], mut visit: impl FnMut(Option<&[u8]>, &[u8], Option<u64>)) {
    visit_counts(members(json), None, &mut visit);
}

/// Returns the place of the closing brace, or where JSON stopped.
fn visit_counts(
    mut members: Members<'_>,
    within: Option<&[u8]>,
    visit: &mut impl FnMut(Option<&[u8]>, &[u8], Option<u64>),
) -> usize {
    while let Some(member) = members.name() {
        let (name, start) = (member.key(), member.value.start);
        if within.is_some() || members.json.get(start) != Some(&b'{') {
            let Some(count) = members.pass_count(start) else { break };
            visit(within, &name, count);
            continue;
        }
        visit(None, &name, None);
        let inner = Members { json: members.json, at: start, opens: b'{' };
        let stop = visit_counts(inner, Some(&name), visit);
        let closes = members.json.get(stop) == Some(&b'}');
        let Some(end) = (if closes { Some(stop + 1) } else { value_end(members.json, start) }) else { break };
        members.at = skip_space(members.json, end);
    }
    members.at
}

/// The value at the end of a path of member names, by its place in `json`. The first of several equal
/// names counts.
pub fn lookup(json: &[u8], path: &[&str]) -> Option<Range<usize>> {
    let mut place = 0..json.len();
    for name in path {
        let inside = members(json.get(place.clone())?).find(|member| member.is(name))?.value;
        place = place.start + inside.start..place.start + inside.end;
    }
    Some(place)
}

/// The value at the end of a path, as bytes.
pub fn value<'a>(json: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    lookup(json, path).and_then(|place| json.get(place))
}

/// The string at the end of a path, unescaped.
pub fn string<'a>(json: &'a [u8], path: &[&str]) -> Option<Cow<'a, str>> {
    value(json, path).and_then(text)
}

/// The first element of the array `json` starts with.
pub fn first_element(json: &[u8]) -> Option<&[u8]> {
    elements(json).next()
}

/// The elements of the array `json` starts with, until it ends or stops being JSON; none if it is something else.
pub fn elements(json: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut opens = b'[';
    let mut at = skip_space(json, 0);
    std::iter::from_fn(move || {
        if *json.get(at)? != opens {
            return None;
        }
        opens = b',';
        let start = skip_space(json, at + 1);
        let end = value_end(json, start)?;
        at = skip_space(json, end);
        json.get(start..end)
    })
}

/// Is there a chance that an object in `json` has this member with a value that begins with one of
/// `starts`? A cheap look before a walk; `quoted` is the name within its quotes. Text inside strings
/// cannot match, because its quotes are escaped.
pub fn may_hold(json: &[u8], quoted: &memmem::Finder<'_>, starts: &[u8]) -> bool {
    quoted.find_iter(json).any(|found| {
        let colon = skip_space(json, found + quoted.needle().len());
        let value = skip_space(json, colon + 1);
        json.get(colon) == Some(&b':') && json.get(value).is_some_and(|byte| starts.contains(byte))
    })
}

/// A JSON string's text. Lone surrogates and bytes that are not UTF-8 become U+FFFD.
pub fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"").map(unescape)
}

/// Is `value` a JSON string that means `wanted`, however it is written?
pub fn string_is(value: &[u8], wanted: &str) -> bool {
    let inside = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inside.is_some_and(|inside| means(inside, wanted))
}

/// A number that counts something: a whole number, also when written as `12.0` or `1.2e1`.
pub fn count(value: &[u8]) -> Option<u64> {
    if !value.first()?.is_ascii_digit() {
        return None;
    }
    plain_count(value).or_else(|| {
        let number: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        (number.fract() == 0.0 && number <= LARGEST_EXACT).then_some(number as u64)
    })
}

/// Digits and nothing else.
fn plain_count(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Can a text stand in a JSON string as it is?
pub fn is_plain(text: &[u8]) -> bool {
    text_end(text, 0) == text.len()
}

/// Place of the first byte at or after `at` that cannot stand in a JSON string as it is: a quote, a backslash
/// or a control character.
pub fn text_end(json: &[u8], at: usize) -> usize {
    plain::text_end(json, at)
}

/// Is `value` an object?
pub fn is_object(value: &[u8]) -> bool {
    value.first() == Some(&b'{')
}

/// Is `value` an array without elements?
pub fn is_empty_array(value: &[u8]) -> bool {
    value.first() == Some(&b'[') && value.get(skip_space(value, 1)) == Some(&b']')
}

/// The members of one object, in order, until it ends or stops being JSON.
pub struct Members<'a> {
    json: &'a [u8],
    /// Place before the next member, where `opens` must stand.
    at: usize,
    /// `{` before the first member, `,` before every other.
    opens: u8,
}

/// One member: its name as written and the place of its value.
#[derive(Debug)]
pub struct Member<'a> {
    name: &'a [u8],
    /// May there be escapes in the name?
    escaped: bool,
    pub value: Range<usize>,
}

impl<'a> Member<'a> {
    /// Does the name mean `wanted`?
    pub fn is(&self, wanted: &str) -> bool {
        self.name == wanted.as_bytes() || (self.escaped && unescape(self.name) == wanted)
    }

    /// The name, unescaped, as bytes to match on.
    #[inline]
    pub fn key(&self) -> Cow<'a, [u8]> {
        if self.escaped { self.unescaped_key().into() } else { self.name.into() }
    }

    #[cold]
    fn unescaped_key(&self) -> Vec<u8> {
        self.name().into_owned().into_bytes()
    }

    /// The name, unescaped.
    pub fn name(&self) -> Cow<'a, str> {
        unescape(self.name)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let mut member = self.name()?;
        member.value.end = value_end(self.json, member.value.start)?;
        self.at = skip_space(self.json, member.value.end);
        Some(member)
    }
}

impl<'a> Members<'a> {
    /// The next member, of whose value only the beginning is known. Whoever calls this passes over the value.
    #[inline(always)]
    fn name(&mut self) -> Option<Member<'a>> {
        if *self.json.get(self.at)? != self.opens {
            return None;
        }
        self.opens = b',';
        let open = skip_space(self.json, self.at + 1);
        let (end, escaped) = string_at(self.json, open)?;
        let start = value_after(self.json, end)?;
        Some(Member { name: self.json.get(open + 1..end - 1)?, escaped, value: start..start })
    }

    /// Passes over the value that begins at `start` and tells what it counts.
    #[inline(always)]
    fn pass_count(&mut self, start: usize) -> Option<Option<u64>> {
        let (end, count) = match short_count(self.json, start) {
            Some((end, count)) => (end, Some(count)),
            None => {
                let end = value_end(self.json, start)?;
                (end, self.json.get(start..end).and_then(count))
            }
        };
        self.at = skip_space(self.json, end);
        Some(count)
    }
}

/// The digits that begin at `at`, if they are a whole value and no number that overflows.
#[inline(always)]
pub(crate) fn short_count(json: &[u8], at: usize) -> Option<(usize, u64)> {
    let mut number = 0;
    for (place, byte) in json.get(at..)?.iter().enumerate().take(MOST_DIGITS) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (place > 0 && ENDS[usize::from(*byte)]).then_some((at + place, number));
        }
        number = number * 10 + u64::from(digit);
    }
    None
}

fn means(written: &[u8], wanted: &str) -> bool {
    written == wanted.as_bytes() || (memchr(b'\\', written).is_some() && unescape(written) == wanted)
}

/// From behind a name, over the colon, to its value.
#[inline(always)]
fn value_after(json: &[u8], name_end: usize) -> Option<usize> {
    // As most write it: a colon and no white space.
    if let Some([b':', b'!'..=u8::MAX]) = json.get(name_end..).and_then(|rest| rest.first_chunk()) {
        return Some(name_end + 1);
    }
    let colon = skip_space(json, name_end);
    (json.get(colon) == Some(&b':')).then(|| skip_space(json, colon + 1))
}

/// Place of the next byte that is not white space.
#[inline(always)]
pub(crate) fn skip_space(json: &[u8], at: usize) -> usize {
    match json.get(at) {
        Some(byte) if *byte <= b' ' => space_end(json, at),
        _ => at,
    }
}

#[inline(never)]
fn space_end(json: &[u8], mut at: usize) -> usize {
    loop {
        match json.get(at) {
            Some(b'\n') => at = skip_indent(json, at + 1),
            Some(b' ' | b'\r' | b'\t') => at += 1,
            _ => return at,
        }
    }
}

/// Most of the spaces that a pretty-printed line begins with.
fn skip_indent(json: &[u8], mut at: usize) -> usize {
    while json.get(at..).is_some_and(|rest| rest.starts_with(&[b' '; 8])) {
        at += 8;
    }
    at
}

/// End of the value that starts at `at`.
#[inline(never)]
pub(crate) fn value_end(json: &[u8], at: usize) -> Option<usize> {
    match json.get(at)? {
        b'"' => string_end(json, at),
        b'{' | b'[' => nested_end(json, at),
        _ => scalar_end(json, at),
    }
}

/// End of the string whose opening quote is at `at`, after the closing quote.
#[inline(always)]
pub(crate) fn string_end(json: &[u8], at: usize) -> Option<usize> {
    string_at(json, at).map(|(end, _)| end)
}

/// As [`string_end`], and whether there may be escapes inside.
#[inline(always)]
fn string_at(json: &[u8], at: usize) -> Option<(usize, bool)> {
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let found = plain::text_end(json, at + 1);
    match json.get(found)? {
        b'"' => Some((found + 1, false)),
        _ => escaped_end(json, found).map(|end| (end, true)),
    }
}

/// The rest of a string from its first escape on.
#[inline(never)]
fn escaped_end(json: &[u8], at: usize) -> Option<usize> {
    each_stop(json, at, |at, byte| match byte {
        b'"' => ControlFlow::Break(at + 1),
        b'\\' => ControlFlow::Continue(at + 2),
        _ => ControlFlow::Continue(at + 1),
    })
}

/// Shows `pass` each byte at or after `at` that cannot stand in a string as it is, with its place. It says where to go on,
/// or how the search ends. None at the end of `json`.
#[inline(always)]
pub(crate) fn each_stop<T>(
    json: &[u8],
    at: usize,
    pass: impl FnMut(usize, u8) -> ControlFlow<T, usize>,
) -> Option<T> {
    plain::each_stop::<true, T>(json, at, pass)
}

/// End of the object or array that starts at `at`. Brackets are counted, not matched.
fn nested_end(json: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut from = at;
    loop {
        match json.get(from)? {
            b'"' => {
                from = string_end(json, from)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        from += 1;
        if depth == 0 {
            return Some(from);
        }
    }
}

/// End of a number, `true`, `false` or `null`: must be followed by something, or it may be cut short.
fn scalar_end(json: &[u8], at: usize) -> Option<usize> {
    let rest = json.get(at..)?;
    rest.iter()
        .position(|byte| ENDS[usize::from(*byte)])
        .filter(|length| *length > 0)
        .map(|length| at + length)
}

fn unescape(written: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(written) {
        Ok(written) => unescape_text(written),
        Err(_) => unescape_text(&String::from_utf8_lossy(written)).into_owned().into(),
    }
}

/// What is between the quotes of a string, as it is meant.
pub(crate) fn unescape_text(written: &str) -> Cow<'_, str> {
    let bytes = written.as_bytes();
    let Some(slash) = memchr(b'\\', bytes) else { return Cow::Borrowed(written) };
    let mut out = String::with_capacity(written.len());
    let mut done = 0;
    let _end: Option<()> = each_stop(bytes, slash, |at, byte| {
        if byte != b'\\' {
            return ControlFlow::Continue(at + 1);
        }
        out.push_str(written.get(done..at).unwrap_or_default());
        let (decoded, length) = decode_escape(bytes.get(at..).unwrap_or_default());
        out.push(decoded);
        done = at + length;
        ControlFlow::Continue(done)
    });
    out.push_str(written.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// The text of the string whose contents begin at `start` and whose first escape or control character is at `stop`; and
/// the place behind its closing quote. In one pass: most of what agents send is code, which is full of escapes.
pub(crate) fn escaped_text(json: &str, start: usize, stop: usize) -> Option<(String, usize)> {
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(2 * (stop - start) + 32);
    let mut done = start;
    let end = each_stop(bytes, stop, |at, byte| {
        if byte < b' ' {
            return ControlFlow::Continue(at + 1);
        }
        out.push_str(json.get(done..at).unwrap_or_default());
        match bytes.get(at..) {
            Some(escape @ [b'\\', _, ..]) => {
                let (decoded, length) = decode_escape(escape);
                out.push(decoded);
                done = at + length;
                ControlFlow::Continue(done)
            }
            Some([b'"', ..]) => ControlFlow::Break(Some(at + 1)),
            _ => ControlFlow::Break(None),
        }
    });
    Some((out, end.flatten()?))
}

/// The character an escape stands for and the bytes it takes. `escape` starts with the backslash.
pub fn decode_escape(escape: &[u8]) -> (char, usize) {
    let simple = match escape.get(1) {
        Some(b'u') => return decode_unicode(escape),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (simple, 2)
}

fn decode_unicode(escape: &[u8]) -> (char, usize) {
    let unit = |at: usize| {
        let digits: &[u8; 4] = escape.get(at..)?.first_chunk()?;
        let value = |digit: u8| u32::from(HEX.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT));
        let [a, b, c, d] = digits.map(value);
        ((a | b | c | d) < 16).then_some(a << 12 | b << 8 | c << 4 | d)
    };
    let Some(first) = unit(2) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let Some(single) = char::from_u32(first) {
        return (single, 6);
    }
    let second = unit(8).filter(|low| escape.get(6..8) == Some(b"\\u") && (0xDC00..0xE000).contains(low));
    match second {
        Some(low) if first < 0xDC00 => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

/// The values of hexadecimal digits.
const HEX: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};
const NO_DIGIT: u8 = 0xFF;

/// The bytes that cannot stand in a number or a word.
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let mut rest: &[u8] = b",}]:\" \n\r\t";
    while let [byte, others @ ..] = rest {
        ends[*byte as usize] = true;
        rest = others;
    }
    ends
};

/// So many digits never overflow.
const MOST_DIGITS: usize = 19;

/// 2^53: above it a double no longer tells neighbouring whole numbers apart.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
