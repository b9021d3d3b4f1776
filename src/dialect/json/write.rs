//! JSON written into a buffer, members in the order in which they are put.

use std::borrow::Cow;
use std::ops::ControlFlow;

use serde::Serialize;

use super::Raw;
use crate::dialect::skim;

/// An object that is being written. Closed when it goes out of scope.
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    begun: bool,
}

/// An array that is being written. Closed when it goes out of scope.
#[derive(Debug)]
pub struct Array<'o> {
    out: &'o mut Vec<u8>,
    begun: bool,
}

impl<'o> Object<'o> {
    /// Begins an object at the end of `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Object { out, begun: false }
    }

    /// A text.
    pub fn text(&mut self, name: &'static str, text: &(impl Say + ?Sized)) -> &mut Self {
        write_text(self.member(name), text);
        self
    }

    /// A text, if there is one.
    pub fn text_if(&mut self, name: &'static str, text: Option<&(impl Say + ?Sized)>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// A number, a flag, or whatever else has a JSON form.
    pub fn value(&mut self, name: &'static str, value: impl Serialize) -> &mut Self {
        write_value(self.member(name), value);
        self
    }

    /// A value, if there is one.
    pub fn value_if(&mut self, name: &'static str, value: Option<impl Serialize>) -> &mut Self {
        match value {
            Some(value) => self.value(name, value),
            None => self,
        }
    }

    /// `null`.
    pub fn null(&mut self, name: &'static str) -> &mut Self {
        self.raw(name, "null")
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, name: &'static str, json: Raw<'_>) -> &mut Self {
        self.member(name).extend_from_slice(json.as_bytes());
        self
    }

    /// A value that is JSON already, under a name of somebody else's.
    pub fn raw_of(&mut self, name: &str, json: Raw<'_>) -> &mut Self {
        self.member_of(name).extend_from_slice(json.as_bytes());
        self
    }

    /// An object.
    pub fn object(&mut self, name: &'static str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        fill(&mut Object::new(self.member(name)));
        self
    }

    /// An array.
    pub fn array(&mut self, name: &'static str, fill: impl FnOnce(&mut Array<'_>)) -> &mut Self {
        fill(&mut Array::new(self.member(name)));
        self
    }

    /// Begins a member; its value is to be written next, to what is returned. Names of ours need no escapes.
    #[inline]
    pub fn member(&mut self, name: &'static str) -> &mut Vec<u8> {
        debug_assert!(skim::is_plain(name.as_bytes()), "{name}");
        self.out.reserve(name.len() + 4);
        self.out.extend_from_slice(if std::mem::replace(&mut self.begun, true) { b",\"" } else { b"\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Begins a member under a name of somebody else's.
    pub fn member_of(&mut self, name: &str) -> &mut Vec<u8> {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        write_text(self.out, name);
        self.out.push(b':');
        self.out
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.push(b'}');
    }
}

impl<'o> Array<'o> {
    /// Begins an array at the end of `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Array { out, begun: false }
    }

    /// A text.
    pub fn text(&mut self, text: &(impl Say + ?Sized)) {
        write_text(self.element(), text);
    }

    /// A number, a flag, or whatever else has a JSON form.
    pub fn value(&mut self, value: impl Serialize) {
        write_value(self.element(), value);
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, json: Raw<'_>) {
        self.element().extend_from_slice(json.as_bytes());
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut Object<'_>)) {
        fill(&mut Object::new(self.element()));
    }

    /// Begins an element; it is to be written next, to what is returned.
    pub fn element(&mut self) -> &mut Vec<u8> {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        self.out
    }
}

impl Drop for Array<'_> {
    fn drop(&mut self) {
        self.out.push(b']');
    }
}

/// What can stand in a string.
pub trait Say {
    /// Appends what stands between the quotes.
    fn say(&self, out: &mut Vec<u8>);

    /// Bytes it is likely to take.
    fn room(&self) -> usize;
}

impl Say for str {
    #[inline]
    fn say(&self, out: &mut Vec<u8>) {
        write_escaped(out, self);
    }

    #[inline]
    fn room(&self) -> usize {
        self.len()
    }
}

impl Say for String {
    fn say(&self, out: &mut Vec<u8>) {
        self.as_str().say(out);
    }

    fn room(&self) -> usize {
        self.len()
    }
}

impl<S: Say + ToOwned + ?Sized> Say for Cow<'_, S> {
    fn say(&self, out: &mut Vec<u8>) {
        (**self).say(out);
    }

    fn room(&self) -> usize {
        (**self).room()
    }
}

impl<S: Say + ?Sized> Say for &S {
    fn say(&self, out: &mut Vec<u8>) {
        (**self).say(out);
    }

    fn room(&self) -> usize {
        (**self).room()
    }
}

/// A text with its quotes, escaped where it must be.
#[inline]
pub fn write_text(out: &mut Vec<u8>, text: &(impl Say + ?Sized)) {
    out.reserve(text.room() + 2);
    out.push(b'"');
    text.say(out);
    out.push(b'"');
}

/// One text that is there in pieces, with quotes around the whole.
pub fn write_pieces<S: Say>(out: &mut Vec<u8>, pieces: impl IntoIterator<Item = S>) {
    out.push(b'"');
    for piece in pieces {
        out.reserve(piece.room() + 1);
        piece.say(out);
    }
    out.push(b'"');
}

/// Several texts as one.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'t, S> {
    pub before: &'static str,
    pub texts: &'t [S],
    /// Between each text and the next.
    pub between: &'static str,
}

impl<'t, S> Joined<'t, S> {
    pub fn new(texts: &'t [S], between: &'static str) -> Self {
        Joined { before: "", texts, between }
    }
}

impl<S: Say> Say for Joined<'_, S> {
    fn say(&self, out: &mut Vec<u8>) {
        self.before.say(out);
        for (place, text) in self.texts.iter().enumerate() {
            if place > 0 {
                self.between.say(out);
            }
            text.say(out);
        }
    }

    fn room(&self) -> usize {
        self.before.len() + self.texts.iter().map(|text| text.room() + self.between.len()).sum::<usize>()
    }
}

#[inline]
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let stop = skim::text_end(bytes, 0);
    out.extend_from_slice(bytes.get(..stop).unwrap_or_default());
    if stop < bytes.len() {
        write_escapes(out, bytes, stop);
    }
}

/// The rest of a text from its first escape on.
#[inline(never)]
fn write_escapes(out: &mut Vec<u8>, bytes: &[u8], stop: usize) {
    let mut done = stop;
    let _end: Option<()> = skim::each_stop(bytes, stop, |at, byte| {
        out.extend_from_slice(bytes.get(done..at).unwrap_or_default());
        write_escape(out, byte);
        done = at + 1;
        ControlFlow::Continue(done)
    });
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        _ => {
            let hex = |digit: u8| HEX.get(usize::from(digit)).copied().unwrap_or(b'0');
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// A value that cannot be written, such as a number that is none, becomes `null`.
fn write_value(out: &mut Vec<u8>, value: impl Serialize) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, &value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_and_elements_stand_in_the_order_in_which_they_were_put() {
        let mut out = Vec::new();
        {
            let mut object = Object::new(&mut out);
            object.text("a", "x\"y").value("b", 1.5).null("c").text_if("d", None::<&str>).raw("e", "[ 1 ]");
            object.object("f", |inner| {
                inner.value_if("g", Some(true));
            });
            object.array("h", |array| {
                array.text("i");
                array.object(|_| {});
                array.value(7);
            });
        }
        let expected = r#"{"a":"x\"y","b":1.5,"c":null,"e":[ 1 ],"f":{"g":true},"h":["i",{},7]}"#;
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_writes_it(text in "\\PC*|[\\x00-\\x7f\"\\\\é€]*") {
            let mut out = Vec::new();
            write_text(&mut out, &text);
            let read: String = serde_json::from_slice(&out).expect("JSON");
            prop_assert_eq!(&read, &text);
            let mut pieces = Vec::new();
            write_pieces(&mut pieces, text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]));
            prop_assert_eq!(pieces, out);
        }
    }
}
