//! Header fields on their way out.

use std::fmt;

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

/// Header fields of a message to be sent, in order, kept as the lines that will be written.
///
/// What frames a message is never among them: how it is framed is known to its sender alone, who adds that. No value
/// can end its line.
#[derive(Clone, Default)]
pub struct Headers {
    lines: Vec<u8>,
    ends: SmallVec<[Ends; 12]>,
}

/// Where a name ends, and where its line does. A line begins where the one before it ends.
#[derive(Clone, Copy)]
struct Ends {
    name: u32,
    line: u32,
}

/// Shows names only: among the values are credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

impl Headers {
    /// Room for so many bytes of lines.
    pub fn with_room(bytes: usize) -> Self {
        Headers { lines: Vec::with_capacity(bytes), ends: SmallVec::new() }
    }

    pub fn push(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.push_sound(name.as_str(), value.as_bytes());
    }

    /// A field that is known beforehand; the name in lower case.
    pub fn push_static(&mut self, name: &'static str, value: &'static str) {
        debug_assert!(is_sendable(value.as_bytes()), "{name}");
        self.push_sound(name, value.as_bytes());
    }

    /// A field with a value that comes from somewhere else; the name in lower case. Left out if the value cannot be
    /// sent.
    pub fn push_text(&mut self, name: &'static str, value: &str) {
        if is_sendable(value.as_bytes()) {
            self.push_sound(name, value.as_bytes());
        }
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: &Headers) {
        let behind = self.lines.len() as u32;
        self.lines.extend_from_slice(&others.lines);
        self.ends.extend(
            others.ends.iter().map(|ends| Ends { name: ends.name + behind, line: ends.line + behind }),
        );
    }

    /// Adds those of `others` whose names are not there yet.
    pub fn push_absent(&mut self, others: &Headers) {
        self.push_absent_where(others, |_| true);
    }

    /// The same, of the names that `keep` accepts. A name may come several times, in `others`.
    pub fn push_absent_where(&mut self, others: &Headers, keep: impl Fn(&str) -> bool) {
        let own = self.ends.len();
        for (name, value) in others.iter() {
            let there = || self.raw().take(own).any(|(present, _)| present == name.as_bytes());
            if keep(name) && !there() {
                self.push_sound(name, value);
            }
        }
    }

    /// A name in lower case, and a value that HTTP lets through: both have been read from a message, or checked.
    pub(super) fn push_sound(&mut self, name: &str, value: &[u8]) {
        if is_framing(name) {
            return;
        }
        self.lines.reserve(name.len() + value.len() + 4);
        self.lines.extend_from_slice(name.as_bytes());
        let end = self.lines.len();
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
        self.ends.push(Ends { name: end as u32, line: self.lines.len() as u32 });
    }

    /// Names, in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        // Always text: every way in takes names as text.
        self.raw().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut begin = 0;
        self.ends.iter().map(move |ends| {
            let (name, line) = (ends.name as usize, ends.line as usize);
            let value = self.lines.get(name + 2..line - 2).unwrap_or_default();
            let name = self.lines.get(begin..name).unwrap_or_default();
            begin = line;
            (name, value)
        })
    }

    /// `name` in lower case.
    pub fn contains(&self, name: &str) -> bool {
        self.raw().any(|(present, _)| present == name.as_bytes())
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them as they are written, each with its line end.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }
}

/// In HTTP/1.1, the fields that say where a body ends.
fn is_framing(name: &str) -> bool {
    matches!(name, "content-length" | "transfer-encoding")
}

/// Visible characters, spaces, tabs, and bytes beyond ASCII
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-5.5>).
fn is_sendable(value: &[u8]) -> bool {
    // Looks at every byte, which vector instructions do many at a time.
    value.iter().fold(true, |sound, &byte| sound & ((byte >= b' ') & (byte != 0x7f) | (byte == b'\t')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Headers {
        let mut headers = Headers::default();
        headers.push_static("accept", "text/plain");
        headers.push(&http::header::AUTHORIZATION, &HeaderValue::from_static("Bearer secret"));
        headers.push_text("x-id", "a b");
        headers
    }

    #[test]
    fn fields_are_kept_as_they_are_written() {
        let headers = sample();
        assert_eq!(headers.lines(), b"accept: text/plain\r\nauthorization: Bearer secret\r\nx-id: a b\r\n");
        let pairs: Vec<_> = headers.iter().collect();
        assert_eq!(
            pairs,
            [("accept", b"text/plain".as_slice()), ("authorization", b"Bearer secret"), ("x-id", b"a b")]
        );
        assert!(headers.contains("x-id") && !headers.contains("x-i") && headers.len() == 3);
    }

    #[test]
    fn nothing_that_frames_a_message_or_ends_a_line_gets_in() {
        let mut headers = Headers::default();
        headers.push_static("content-length", "5");
        headers.push_static("transfer-encoding", "chunked");
        for value in ["a\r\nb: c", "a\nb", "a\0", "\x7f"] {
            headers.push_text("x-id", value);
        }
        assert!(headers.is_empty() && headers.lines().is_empty());
    }

    #[test]
    fn what_is_there_is_not_overwritten_and_what_repeats_stays_repeated() {
        let mut headers = Headers::default();
        headers.push_static("accept", "own");
        let mut others = sample();
        others.push_static("x-id", "again");
        others.push_static("x-kept", "1");
        headers.push_absent_where(&others, |name| name != "authorization");
        assert_eq!(headers.lines(), b"accept: own\r\nx-id: a b\r\nx-id: again\r\nx-kept: 1\r\n");
    }

    #[test]
    fn what_is_shown_of_headers_are_their_names() {
        assert_eq!(format!("{:?}", sample()), r#"["accept", "authorization", "x-id"]"#);
    }
}
