//! Texts that are carried from one body to another as they are written.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::ops::{ControlFlow, Deref};

use super::Say;
use crate::dialect::skim;

/// What somebody says: text that is passed on more often than it is looked at.
///
/// A string of JSON means the same in any other body, so one with escapes is kept as it is written and goes from body to
/// body in one copy. Whoever looks at it as a `str` has it unescaped then, once.
#[derive(Clone, Default)]
pub struct Words<'a>(Form<'a>);

#[derive(Clone)]
enum Form<'a> {
    /// As it is meant.
    Meant(Cow<'a, str>),
    /// What stands between the quotes: with escapes, all of them characters, and nothing that needs one.
    Written(&'a str, OnceCell<Box<str>>),
}

impl Default for Form<'_> {
    fn default() -> Self {
        Form::Meant(Cow::Borrowed(""))
    }
}

impl<'a> Words<'a> {
    /// `written` must be what [`written_end`] has found.
    pub(super) fn written(written: &'a str) -> Self {
        Words(Form::Written(written, OnceCell::new()))
    }

    /// There is no character.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Meant(text) => text.is_empty(),
            Form::Written(written, _) => written.is_empty(),
        }
    }

    /// There is nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.first_visible().is_none()
    }

    /// The first character that is no white space.
    pub fn first_visible(&self) -> Option<char> {
        match &self.0 {
            Form::Meant(text) => text.chars().find(|c| !c.is_whitespace()),
            Form::Written(written, _) => characters(written).find(|c| !c.is_whitespace()),
        }
    }

    /// Does it end in white space? Escapes that are no line break or tab count as if they did: it may have to be looked at.
    pub fn may_end_in_space(&self) -> bool {
        match &self.0 {
            Form::Meant(text) => text.ends_with(char::is_whitespace),
            Form::Written(written, _) => {
                let escape = written.len().checked_sub(6).and_then(|at| written.as_bytes().get(at..));
                written.ends_with(char::is_whitespace)
                    || written.ends_with(['n', 'r', 't', 'f', 'b'])
                    || escape.is_some_and(|escape| escape.starts_with(b"\\u"))
            }
        }
    }

    /// Bytes it takes in a body, which are as many as it means or more.
    pub fn size(&self) -> usize {
        match &self.0 {
            Form::Meant(text) => text.len(),
            Form::Written(written, _) => written.len(),
        }
    }

    /// These words, or `other` where there are none.
    pub fn or<'w>(&'w self, other: &'w &'static str) -> &'w dyn Say {
        if self.is_empty() { other } else { self }
    }

    /// Appends a text.
    pub fn push_str(&mut self, text: &str) {
        let mut whole = std::mem::take(self).into_text().into_owned();
        whole.push_str(text);
        *self = whole.into();
    }

    /// The text as it is meant.
    pub fn into_text(self) -> Cow<'a, str> {
        match self.0 {
            Form::Meant(text) => text,
            Form::Written(written, read) => match read.into_inner() {
                Some(text) => Cow::Owned(text.into_string()),
                None => skim::unescape_text(written),
            },
        }
    }
}

impl Deref for Words<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Form::Meant(text) => text,
            Form::Written(written, read) => read.get_or_init(|| skim::unescape_text(written).into()),
        }
    }
}

impl Say for Words<'_> {
    fn say(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Form::Meant(text) => text.say(out),
            Form::Written(written, _) => out.extend_from_slice(written.as_bytes()),
        }
    }

    fn room(&self) -> usize {
        self.size()
    }
}

impl<'a> From<&'a str> for Words<'a> {
    fn from(text: &'a str) -> Self {
        Words(Form::Meant(Cow::Borrowed(text)))
    }
}

impl From<String> for Words<'_> {
    fn from(text: String) -> Self {
        Words(Form::Meant(Cow::Owned(text)))
    }
}

impl<'a> From<Cow<'a, str>> for Words<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Words(Form::Meant(text))
    }
}

/// Two are equal that mean the same.
impl PartialEq for Words<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<str> for Words<'_> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Words<'_> {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The characters of a string's inside, one after another.
fn characters(written: &str) -> impl Iterator<Item = char> {
    let mut rest = written;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (character, length) = match first {
            '\\' => skim::decode_escape(rest.as_bytes()),
            _ => (first, first.len_utf8()),
        };
        rest = rest.get(length..).unwrap_or_default();
        Some(character)
    })
}

/// Place of the quote that closes a string whose first escape is at `at`. None where what is written must not be carried
/// on as it is: control characters, escapes that are none, halves of surrogate pairs; or where the string does not end.
#[inline(never)]
pub(super) fn written_end(json: &[u8], at: usize) -> Option<usize> {
    let end = skim::each_stop(json, at, |at, byte| {
        if byte != b'\\' {
            return ControlFlow::Break(Some(at).filter(|_| byte == b'"'));
        }
        let length = match json.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Some(2),
            Some(b'u') => unicode_length(json.get(at..).unwrap_or_default()),
            _ => None,
        };
        length.map_or(ControlFlow::Break(None), |length| ControlFlow::Continue(at + length))
    });
    end.flatten()
}

/// Bytes of an escape by number, which may be a pair.
fn unicode_length(escape: &[u8]) -> Option<usize> {
    match skim::decode_escape(escape) {
        // Rarely meant so: looked at once more by whoever reads it.
        (char::REPLACEMENT_CHARACTER, _) => None,
        (_, length) => Some(length),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::dialect::json::{Reader, write_text};

    /// The strings of JSON that are worth trying: every kind of escape, sound and not, between texts of some length.
    fn written() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just(r#"\""#.to_owned()),
            Just(r"\\".to_owned()),
            Just(r"\n".to_owned()),
            Just(r"\/".to_owned()),
            Just(r"\u00e9".to_owned()),
            Just(r"\uD83D\ude00".to_owned()),
            Just(r"\ud83d".to_owned()),
            Just(r"\ude00".to_owned()),
            Just(r"\ufffd".to_owned()),
            Just(r"\u12g4".to_owned()),
            Just(r"\x".to_owned()),
            Just("\t".to_owned()),
            "[ -!#-\\[\\]-~é世😀]{0,40}",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
    }

    proptest! {
        #[test]
        fn words_mean_what_the_same_text_unescaped_means_however_they_are_carried(json in written()) {
            let text = Reader::new(&json).text().expect("a string");
            let mut reader = Reader::new(&json);
            let words = reader.words().expect("a string");
            reader.end().expect("nothing behind it");
            let mut out = Vec::new();
            write_text(&mut out, &words);
            // Whoever reads what was written, strictly, reads the text.
            let read: String = serde_json::from_slice(&out).expect("JSON");
            prop_assert_eq!(&read, &text);
            prop_assert_eq!(words.is_empty(), text.is_empty());
            prop_assert_eq!(words.is_blank(), text.trim().is_empty());
            prop_assert_eq!(words.first_visible(), text.chars().find(|c| !c.is_whitespace()));
            prop_assert!(words.may_end_in_space() || !text.ends_with(char::is_whitespace));
            prop_assert!(words.size() >= text.len());
            prop_assert_eq!(&*words, &*text);
            let mut longer = words.clone();
            longer.push_str("\"more");
            prop_assert_eq!(&*longer, format!("{text}\"more"));
            prop_assert_eq!(words.into_text(), text);
        }

        #[test]
        fn what_is_no_string_is_an_error_and_never_a_panic(json in "\"?([ -~é\\\\\"\x00-\x1f]|\\\\u[0-9a-gD]{0,4}){0,40}") {
            let words = Reader::new(&json).words().map(|words| words.to_string());
            let text = Reader::new(&json).text().map(|text| text.into_owned());
            prop_assert_eq!(words.ok(), text.ok());
        }
    }

    #[test]
    fn sound_escapes_are_carried_as_they_are_and_others_are_mended() {
        for sound in [r#""a\n\"b\"\/\u00e9""#, r#""\ud83d\ude00\u0000""#] {
            let mut out = Vec::new();
            write_text(&mut out, &Reader::new(sound).words().expect(sound));
            assert_eq!(String::from_utf8(out).expect("UTF-8"), sound);
        }
        for (odd, mended) in
            [(r#""\ud83d!""#, "\"\u{fffd}!\""), ("\"\t\\n\"", r#""\t\n""#), (r#""\q""#, "\"\u{fffd}q\"")]
        {
            let mut out = Vec::new();
            write_text(&mut out, &Reader::new(odd).words().expect(odd));
            assert_eq!(String::from_utf8(out).expect("UTF-8"), mended);
        }
    }
}
