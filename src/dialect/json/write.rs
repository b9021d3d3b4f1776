//! JSON written into a buffer, members in the order in which they are put.

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
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        write_text(self.member(name), text);
        self
    }

    /// A text, if there is one.
    pub fn text_if(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// A number, a flag, or whatever else has a JSON form.
    pub fn value(&mut self, name: &str, value: impl Serialize) -> &mut Self {
        write_value(self.member(name), value);
        self
    }

    /// A value, if there is one.
    pub fn value_if(&mut self, name: &str, value: Option<impl Serialize>) -> &mut Self {
        match value {
            Some(value) => self.value(name, value),
            None => self,
        }
    }

    /// `null`.
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.raw(name, "null")
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, name: &str, json: Raw<'_>) -> &mut Self {
        self.member(name).extend_from_slice(json.as_bytes());
        self
    }

    /// An object.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        fill(&mut Object::new(self.member(name)));
        self
    }

    /// An array.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Array<'_>)) -> &mut Self {
        fill(&mut Array::new(self.member(name)));
        self
    }

    /// Begins a member; its value is to be written next, to what is returned.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
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
    pub fn text(&mut self, text: &str) {
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

/// A text with its quotes, escaped where it must be.
#[inline]
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// One text that is there in pieces, with quotes around the whole.
pub fn write_pieces<'t>(out: &mut Vec<u8>, pieces: impl IntoIterator<Item = &'t str>) {
    out.push(b'"');
    for piece in pieces {
        out.reserve(piece.len() + 1);
        write_escaped(out, piece);
    }
    out.push(b'"');
}

#[inline]
fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut done = 0;
    loop {
        let stop = skim::text_end(bytes, done);
        out.extend_from_slice(bytes.get(done..stop).unwrap_or_default());
        let Some(byte) = bytes.get(stop) else { break };
        write_escape(out, *byte);
        done = stop + 1;
    }
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
            object.text("a", "x\"y").value("b", 1.5).null("c").text_if("d", None).raw("e", "[ 1 ]");
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
