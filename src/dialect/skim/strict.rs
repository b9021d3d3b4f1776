//! The one pass that proves a body to be JSON: UTF-8, well-formed to the last byte, an object at the top.
//! Costs about as much as skipping over it, because values are delimited and not decoded.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Why a body is not a JSON object. Displays without quoting the body.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    Empty,
    /// Valid up to this byte.
    NotUtf8(usize),
    /// What the parser expected, and where.
    NotJson(String),
    NotObject,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty => f.write_str("the body is empty"),
            Fault::NotUtf8(at) => write!(f, "not UTF-8 at byte {at}"),
            Fault::NotJson(what) => f.write_str(what),
            Fault::NotObject => f.write_str("the body must be an object"),
        }
    }
}

/// Calls `visit` with the name and the place of each top-level member while proving the whole body.
///
/// # Errors
/// The body is not a JSON object. Members before the fault have been visited.
pub fn members(body: &[u8], visit: impl FnMut(&str, Range<usize>)) -> Result<(), Fault> {
    if body.is_empty() {
        return Err(Fault::Empty);
    }
    let text = std::str::from_utf8(body).map_err(|error| Fault::NotUtf8(error.valid_up_to()))?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let top = Top { base: text.as_ptr() as usize, visit };
    parser.deserialize_map(top).and_then(|()| parser.end()).map_err(fault)
}

/// Is the body JSON, and an object, all through?
pub fn is_object(body: &[u8]) -> bool {
    members(body, |_, _| {}).is_ok()
}

/// The parser's own words name a place and what it expected there, nothing of the body. Complaints about
/// types do quote it, and there is just one: the top is no object.
fn fault(error: serde_json::Error) -> Fault {
    if error.is_data() { Fault::NotObject } else { Fault::NotJson(error.to_string()) }
}

struct Top<F> {
    /// Address of the first byte of the text; values are borrowed from it.
    base: usize,
    visit: F,
}

impl<'de, F: FnMut(&str, Range<usize>)> Visitor<'de> for Top<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let value: &'de RawValue = map.next_value()?;
            let start = value.get().as_ptr() as usize - self.base;
            (self.visit)(&name, start..start + value.get().len());
        }
        Ok(())
    }
}

/// A member name, borrowed unless it is written with escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<(String, &str)>, Fault> {
        let mut seen = Vec::new();
        members(body.as_bytes(), |name, place| {
            seen.push((name.to_owned(), body.get(place).expect("values lie inside the body")));
        })?;
        Ok(seen)
    }

    #[test]
    fn members_come_in_order_with_their_exact_bytes() {
        let body = " {\"a\" : 1.0e2 ,\n\"b\\u0063\":{\"x\":[ ]},\"a\":\"\\ud83d\\ude00\"}\r\n";
        let expected = [("a", "1.0e2"), ("bc", "{\"x\":[ ]}"), ("a", "\"\\ud83d\\ude00\"")];
        assert_eq!(read(body), Ok(expected.map(|(name, value)| (name.to_owned(), value)).to_vec()));
    }

    #[test]
    fn what_is_not_an_object_all_through_is_refused_and_not_quoted() {
        let secret = "s3cret-s3cret";
        let quoted = format!("\"{secret}\"");
        assert_eq!(read(""), Err(Fault::Empty));
        for wrong in ["[]", "null", "12", &quoted] {
            assert_eq!(read(wrong), Err(Fault::NotObject), "{wrong}");
        }
        for wrong in
            ["{", "{}x", "{\"a\":01}", "{\"a\":tru}", "{\"a\":\"\n\"}", "{\"a\":1,}", "\u{feff}{}", " "]
        {
            assert!(matches!(read(wrong), Err(Fault::NotJson(_))), "{wrong}");
        }
        for wrong in [format!("{{{secret}}}"), format!("{{\"{secret}\":{secret}}}"), quoted] {
            let shown = read(&wrong).expect_err("not an object").to_string();
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_wherever_they_stand() {
        let body = b"{\"a\":{\"b\":\"\xff\"}}";
        assert_eq!(members(body, |_, _| {}), Err(Fault::NotUtf8(11)));
    }

    #[test]
    fn a_hundred_thousand_brackets_cost_no_stack() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(is_object(deep.as_bytes()));
        let open = format!("{{\"a\":{}", "[{\"b\":".repeat(100_000));
        assert!(!is_object(open.as_bytes()));
    }
}
