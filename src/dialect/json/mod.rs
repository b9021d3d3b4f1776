//! JSON read from front to back, once, without building a tree, and written into a buffer.
//!
//! [`Reader`] hands out what a body holds as slices of it: texts are copied only where they have escapes, and what
//! a reader does not understand it can keep as [`Raw`] text. The grammar is read tolerantly, as everywhere in
//! [`skim`](super::skim): what cannot be JSON is an error, what can be understood is.

mod words;
mod write;

use std::borrow::Cow;
use std::fmt;

pub use words::Words;
pub use write::{Array, Joined, Object, Say, write_pieces, write_text};

use super::skim;

/// A value as it is written.
pub type Raw<'a> = &'a str;

/// Reads values one after another. Every method takes the next value whole, whatever it is.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    json: &'a str,
    at: usize,
}

/// What the next value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Object,
    Array,
    Text,
    Number,
    Flag,
    Null,
    /// No value begins here.
    Nothing,
}

/// Why a body could not be read: the place, as a path of members, and what should be there.
pub struct Wrong(Box<(String, Cow<'static, str>)>);

/// The result of reading a value.
pub type Read<T> = Result<T, Wrong>;

impl<'a> Reader<'a> {
    /// Reads the values that `json` begins with.
    pub fn new(json: &'a str) -> Self {
        Reader { json, at: 0 }
    }

    /// What the next value is; nothing is taken.
    #[inline]
    pub fn shape(&mut self) -> Shape {
        self.at = skim::skip_space(self.json.as_bytes(), self.at);
        match self.json.as_bytes().get(self.at) {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::Array,
            Some(b'"') => Shape::Text,
            Some(b'0'..=b'9' | b'-') => Shape::Number,
            Some(b't' | b'f') => Shape::Flag,
            Some(b'n') => Shape::Null,
            _ => Shape::Nothing,
        }
    }

    /// The members of an object, each with a reader that stands at its value. `each` takes that value; a member whose
    /// value was left alone is passed over.
    ///
    /// # Errors
    /// The value is no object, or `each` says so.
    #[inline]
    pub fn object(&mut self, mut each: impl FnMut(&str, &mut Reader<'a>) -> Read<()>) -> Read<()> {
        if self.shape() != Shape::Object {
            return Err(Wrong::new("must be an object"));
        }
        let mut closes = self.opened(b'}');
        while !closes {
            let name = self.name()?;
            let start = self.at;
            each(&name, self).map_err(|wrong| wrong.within(&name))?;
            if self.at == start {
                self.skip().map_err(|wrong| wrong.within(&name))?;
            }
            closes = self.closed(b'}')?;
        }
        Ok(())
    }

    /// The elements of an array. `each` takes one element each time it is called.
    ///
    /// # Errors
    /// The value is no array, or `each` says so.
    #[inline]
    pub fn array(&mut self, mut each: impl FnMut(&mut Reader<'a>) -> Read<()>) -> Read<()> {
        if self.shape() != Shape::Array {
            return Err(Wrong::new("must be an array"));
        }
        let mut closes = self.opened(b']');
        let mut index = 0usize;
        while !closes {
            self.shape();
            let start = self.at;
            each(self).map_err(|wrong| wrong.at(index))?;
            if self.at == start {
                self.skip().map_err(|wrong| wrong.at(index))?;
            }
            closes = self.closed(b']').map_err(|wrong| wrong.at(index))?;
            index += 1;
        }
        Ok(())
    }

    /// The next value as it is written.
    ///
    /// # Errors
    /// There is no value, or it does not end.
    #[inline]
    pub fn raw(&mut self) -> Read<Raw<'a>> {
        self.shape();
        let end = skim::value_end(self.json.as_bytes(), self.at)
            .or_else(|| self.lone_end())
            .ok_or_else(Wrong::json)?;
        let value = self.json.get(self.at..end).ok_or_else(Wrong::json)?;
        self.at = end;
        Ok(value)
    }

    /// What was taken since `start` stood where this reader stands now.
    pub fn since(&self, start: &Reader<'a>) -> Raw<'a> {
        self.json.get(start.at..self.at).unwrap_or_default().trim_ascii()
    }

    /// End of a number, `true`, `false` or `null` that nothing follows: it is all that was handed to this reader.
    #[cold]
    fn lone_end(&self) -> Option<usize> {
        let first = self.json.as_bytes().get(self.at)?;
        matches!(first, b'0'..=b'9' | b'-' | b't' | b'f' | b'n').then_some(self.json.len())
    }

    /// Passes over the next value.
    ///
    /// # Errors
    /// As [`Reader::raw`].
    pub fn skip(&mut self) -> Read<()> {
        self.raw().map(drop)
    }

    /// A string's text.
    ///
    /// # Errors
    /// The value is no string.
    #[inline]
    pub fn text(&mut self) -> Read<Cow<'a, str>> {
        if self.shape() != Shape::Text {
            return Err(Wrong::new("must be a string"));
        }
        let bytes = self.json.as_bytes();
        let plain = skim::text_end(bytes, self.at + 1);
        if bytes.get(plain) == Some(&b'"') {
            let text = self.json.get(self.at + 1..plain).ok_or_else(Wrong::json)?;
            self.at = plain + 1;
            return Ok(Cow::Borrowed(text));
        }
        let (text, end) = skim::escaped_text(self.json, self.at + 1, plain).ok_or_else(Wrong::json)?;
        self.at = end;
        Ok(Cow::Owned(text))
    }

    /// A string's text, to be passed on rather than looked at.
    ///
    /// # Errors
    /// The value is no string.
    #[inline]
    pub fn words(&mut self) -> Read<Words<'a>> {
        if self.shape() != Shape::Text {
            return Err(Wrong::new("must be a string"));
        }
        let bytes = self.json.as_bytes();
        let start = self.at + 1;
        let stop = skim::text_end(bytes, start);
        let plain = bytes.get(stop) == Some(&b'"');
        let Some(end) = (if plain { Some(stop) } else { words::written_end(bytes, stop) }) else {
            return self.text().map(Words::from);
        };
        let text = self.json.get(start..end).ok_or_else(Wrong::json)?;
        self.at = end + 1;
        Ok(if plain { text.into() } else { Words::written(text) })
    }

    /// A number.
    ///
    /// # Errors
    /// The value is no number, or beyond a double.
    pub fn number(&mut self) -> Read<f64> {
        if self.shape() != Shape::Number {
            return Err(Wrong::new("must be a number"));
        }
        let number = self.raw()?.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| Wrong::new("must be a number"))
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// The value is something else.
    #[inline]
    pub fn count(&mut self) -> Read<u64> {
        let wrong = || Wrong::new("must be a whole number, 0 or more");
        if self.shape() != Shape::Number {
            return Err(wrong());
        }
        skim::count(self.raw()?.as_bytes()).ok_or_else(wrong)
    }

    /// A whole number of either sign.
    ///
    /// # Errors
    /// The value is something else.
    pub fn whole(&mut self) -> Read<i64> {
        let number = self.number()?;
        let whole = number.fract() == 0.0 && number.abs() <= i64::MAX as f64;
        if whole { Ok(number as i64) } else { Err(Wrong::new("must be a whole number")) }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// The value is something else.
    pub fn flag(&mut self) -> Read<bool> {
        match self.raw()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Wrong::new("must be true or false")),
        }
    }

    /// What `read` reads, unless the value is `null`.
    ///
    /// # Errors
    /// As `read`.
    #[inline]
    pub fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.shape() == Shape::Null {
            return self.skip().map(|()| None);
        }
        read(self).map(Some)
    }

    /// What `read` reads, if the value has that shape; another value is passed over. For what an upstream sends.
    ///
    /// # Errors
    /// As `read`.
    #[inline]
    pub fn if_is<T>(&mut self, shape: Shape, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.shape() == shape {
            return read(self).map(Some);
        }
        self.skip().map(|()| None)
    }

    /// A text, or None for any other value.
    ///
    /// # Errors
    /// There is no value, or it does not end.
    #[inline]
    pub fn text_if(&mut self) -> Read<Option<Cow<'a, str>>> {
        self.if_is(Shape::Text, Self::text)
    }

    /// Words, or None for any other value.
    ///
    /// # Errors
    /// There is no value, or it does not end.
    #[inline]
    pub fn words_if(&mut self) -> Read<Option<Words<'a>>> {
        self.if_is(Shape::Text, Self::words)
    }

    /// A count, or None for any other value.
    ///
    /// # Errors
    /// There is no value, or it does not end.
    pub fn count_if(&mut self) -> Read<Option<u64>> {
        self.shape();
        if let Some((end, count)) = skim::short_count(self.json.as_bytes(), self.at) {
            self.at = end;
            return Ok(Some(count));
        }
        Ok(skim::count(self.raw()?.as_bytes()))
    }

    /// The members of an object; any other value is passed over.
    ///
    /// # Errors
    /// As [`Reader::object`].
    #[inline]
    pub fn object_if(&mut self, each: impl FnMut(&str, &mut Reader<'a>) -> Read<()>) -> Read<()> {
        self.if_is(Shape::Object, |reader| reader.object(each)).map(drop)
    }

    /// The elements of an array; any other value is passed over.
    ///
    /// # Errors
    /// As [`Reader::array`].
    #[inline]
    pub fn array_if(&mut self, each: impl FnMut(&mut Reader<'a>) -> Read<()>) -> Read<()> {
        self.if_is(Shape::Array, |reader| reader.array(each)).map(drop)
    }

    /// Nothing but white space may follow.
    ///
    /// # Errors
    /// Something does.
    pub fn end(&mut self) -> Read<()> {
        self.at = skim::skip_space(self.json.as_bytes(), self.at);
        if self.at == self.json.len() { Ok(()) } else { Err(Wrong::json()) }
    }

    /// Goes into an object or array. True when it is empty, and then it has been passed.
    #[inline]
    fn opened(&mut self, closing: u8) -> bool {
        self.at = skim::skip_space(self.json.as_bytes(), self.at + 1);
        let empty = self.json.as_bytes().get(self.at) == Some(&closing);
        self.at += usize::from(empty);
        empty
    }

    /// After a member or element: true when it was the last one.
    #[inline]
    fn closed(&mut self, closing: u8) -> Read<bool> {
        self.at = skim::skip_space(self.json.as_bytes(), self.at);
        let byte = self.json.as_bytes().get(self.at).copied();
        self.at += 1;
        match byte {
            Some(b',') => Ok(false),
            Some(byte) if byte == closing => Ok(true),
            _ => Err(Wrong::json()),
        }
    }

    /// A member's name and the colon.
    #[inline]
    fn name(&mut self) -> Read<Cow<'a, str>> {
        let name = self.text().map_err(|_| Wrong::json())?;
        self.at = skim::skip_space(self.json.as_bytes(), self.at);
        if self.json.as_bytes().get(self.at) != Some(&b':') {
            return Err(Wrong::json());
        }
        self.at = skim::skip_space(self.json.as_bytes(), self.at + 1);
        Ok(name)
    }
}

impl Wrong {
    /// What should be at this place, as the rest of a sentence about it.
    pub fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Wrong(Box::new((String::new(), what.into())))
    }

    /// The place cannot be read as JSON.
    #[cold]
    fn json() -> Self {
        Wrong::new("is not valid JSON")
    }

    /// The same, seen from the object that has it as a member.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        let path = &mut self.0.0;
        let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        // Names come from the caller: long ones are not repeated.
        let end = name.char_indices().nth(MAX_NAME).map_or(name.len(), |(end, _)| end);
        *path = format!("{}{dot}{path}", name.get(..end).unwrap_or_default());
        self
    }

    /// The same, seen from the array that has it as an element.
    #[must_use]
    pub fn at(mut self, index: usize) -> Self {
        let path = &mut self.0.0;
        let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        *path = format!("[{index}]{dot}{path}");
        self
    }

    /// Path of the place: `messages[2].content`. Empty for the body itself.
    pub fn path(&self) -> &str {
        &self.0.0
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.0 {
            "" => write!(f, "the body {}", self.0.1),
            path => write!(f, "\"{path}\" {}", self.0.1),
        }
    }
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Characters of a member's name that an error repeats.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_once_from_front_to_back() {
        let json = r#" {"a": "x\n\u00e9", "b":[1, 2.5e0 ,-3], "c":{"d":null,"e":true}, "f": {} , "g":[]} "#;
        let mut seen = Vec::new();
        let mut reader = Reader::new(json);
        let read = reader.object(|name, value| {
            match name {
                "a" => seen.push(value.text()?.into_owned()),
                "b" => value.array(|element| {
                    seen.push(element.number()?.to_string());
                    Ok(())
                })?,
                "c" => value.object(|name, value| {
                    seen.push(format!("{name}={:?}", value.maybe(Reader::flag)?));
                    Ok(())
                })?,
                // Left alone: passed over.
                _ => {}
            }
            Ok(())
        });
        read.and_then(|()| reader.end()).expect("JSON");
        assert_eq!(seen, ["x\né", "1", "2.5", "-3", "d=None", "e=Some(true)"]);
    }

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let json = String::from(r#"["plain é","with \" escape"]"#);
        let mut borrowed = Vec::new();
        let read = Reader::new(&json).array(|text| {
            borrowed.push(matches!(text.text()?, Cow::Borrowed(_)));
            Ok(())
        });
        read.expect("JSON");
        assert_eq!(borrowed, [true, false]);
    }

    #[test]
    fn escapes_are_understood_whatever_they_are() {
        for written in [
            r#""\"\\\/\b\f\n\r\t\u00e9""#,
            r#""a\ud83d\ude00b\ud83d c\ude00""#,
            r#""\x\u12 é\\""#,
            "\"a\tb\nc\"",
            r#""\é""#,
        ] {
            let mut reader = Reader::new(written);
            let expected = skim::text(written.as_bytes()).expect("a string");
            assert_eq!(reader.text().expect(written), expected);
            reader.end().expect("nothing behind it");
            let cut = &written[..written.len() - 1];
            assert!(Reader::new(cut).text().is_err(), "{cut}");
        }
    }

    #[test]
    fn an_error_names_the_place() {
        let json = r#"{"messages":[{"content":"x"},{"content":[{"text":7}]}]}"#;
        let read = Reader::new(json).object(|_, messages| {
            messages.array(|message| {
                message.object(|_, content| match content.shape() {
                    Shape::Text => content.skip(),
                    _ => content.array(|part| part.object(|_, text| text.text().map(drop))),
                })
            })
        });
        let wrong = read.expect_err("7 is no string");
        assert_eq!(wrong.to_string(), "\"messages[1].content[0].text\" must be a string");
    }

    #[test]
    fn what_is_no_json_is_an_error_and_never_a_panic() {
        let whole = r#"{"a":[1,{"b":"c\u0041"}],"d":null}"#;
        fn walk(value: &mut Reader<'_>) -> Read<()> {
            match value.shape() {
                Shape::Object => value.object(|_, value| walk(value)),
                Shape::Array => value.array(walk),
                Shape::Text => value.text().map(drop),
                _ => value.skip(),
            }
        }
        assert!(walk(&mut Reader::new(whole)).is_ok());
        for end in 0..whole.len() {
            let mut reader = Reader::new(&whole[..end]);
            assert!(walk(&mut reader).is_err(), "{}", &whole[..end]);
        }
        for bad in ["{a:1}", r#"{"a" 1}"#, "[1 2]", r#"{"a":1,}"#, "[}", r#"{"a":}"#] {
            assert!(walk(&mut Reader::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_may_be_all_there_is() {
        for lone in ["null", "12", "-1.5", "true", " false", "\"x\"", "[1]", "{\"a\":1}"] {
            assert_eq!(Reader::new(lone).raw().expect(lone), lone.trim());
        }
        for none in ["", " ", "}", ",", "x", "\"", "["] {
            assert!(Reader::new(none).raw().is_err(), "{none}");
        }
    }

    #[test]
    fn every_escape_is_read_as_elsewhere_in_the_room() {
        let table = [
            r#""\\\"\/\b\f\n\r\té\u00e9\ud83d\ude00""#,
            r#""\ud83d\ud83d x\ude00\ud8""#,
            r#""\x\é\u12g4\uD800\n""#,
            "\"a\nb\\tc\"",
            r#""\\""#,
            r#""ends \\\\""#,
        ];
        for written in table {
            let mut reader = Reader::new(written);
            let text = reader.text().expect(written);
            assert_eq!(Some(&*text), skim::text(written.as_bytes()).as_deref(), "{written}");
            reader.end().expect(written);
            for end in 1..written.len() {
                assert!(
                    !written.is_char_boundary(end) || Reader::new(&written[..end]).text().is_err(),
                    "{written} {end}"
                );
            }
        }
    }

    #[test]
    fn another_shape_than_expected_is_passed_over_where_that_is_asked_for() {
        let mut reader = Reader::new(r#"[7,"x",{},[],"y"]"#);
        let mut texts = Vec::new();
        let read = reader.array(|value| {
            texts.extend(value.text_if()?);
            Ok(())
        });
        read.expect("JSON");
        assert_eq!(texts, ["x", "y"]);
    }
}
