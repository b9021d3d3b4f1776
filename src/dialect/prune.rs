//! Takes members and elements out of JSON, so that what stays is JSON and keeps its bytes.
//!
//! The bytes have been proved to be JSON. Where they are not, an object or array ends early and nothing behind that place is
//! touched.

use std::borrow::Cow;
use std::ops::Range;

use super::skim::{self, skip_space, value_end};
use super::splice::Edit;

/// One member of an object, or one element of an array, by its place in the whole of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The name of a member, quotes included. Empty for an element.
    pub name: Range<usize>,
    pub value: Range<usize>,
}

impl Item {
    /// Does the name of the member mean `wanted`?
    pub fn is(&self, json: &[u8], wanted: &str) -> bool {
        json.get(self.name.clone()).is_some_and(|name| skim::string_is(name, wanted))
    }

    fn start(&self) -> usize {
        if self.name.is_empty() { self.value.start } else { self.name.start }
    }
}

/// The items of the object or array that begins at `at`, in order; none if something else does.
pub fn items(json: &[u8], at: usize) -> Items<'_> {
    let at = skip_space(json, at);
    let opens = json.get(at).copied().filter(|byte| matches!(byte, b'{' | b'[')).unwrap_or(b',');
    Items { json, at, expects: opens, named: opens == b'{' }
}

/// See [`items`].
#[derive(Debug)]
pub struct Items<'a> {
    json: &'a [u8],
    /// Place before the next item, where `expects` must stand.
    at: usize,
    expects: u8,
    named: bool,
}

impl Iterator for Items<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if *self.json.get(self.at)? != self.expects {
            return None;
        }
        let mut start = skip_space(self.json, self.at + 1);
        self.expects = b',';
        let mut name = start..start;
        if self.named {
            name.end = skim::string_end(self.json, start)?;
            let colon = skip_space(self.json, name.end);
            if self.json.get(colon) != Some(&b':') {
                return None;
            }
            start = skip_space(self.json, colon + 1);
        }
        let end = value_end(self.json, start)?;
        self.at = skip_space(self.json, end);
        Some(Item { name, value: start..end })
    }
}

/// The value of a member of the object that begins at `at`. The last of several equal names counts, as in nearly every
/// parser.
pub fn member(json: &[u8], at: usize, name: &str) -> Option<Range<usize>> {
    let object = json.get(skip_space(json, at)) == Some(&b'{');
    items(json, at).filter(|item| object && item.is(json, name)).last().map(|item| item.value)
}

/// As [`member`], where the value is an array.
pub fn array(json: &[u8], at: usize, name: &str) -> Option<Range<usize>> {
    member(json, at, name).filter(|place| json.get(place.start) == Some(&b'['))
}

/// As [`member`], where the value is a text.
pub fn text<'a>(json: &'a [u8], at: usize, name: &str) -> Option<Cow<'a, str>> {
    member(json, at, name).and_then(|place| json.get(place)).and_then(skim::text)
}

/// How many items of an object or array were taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub out: usize,
    pub kept: usize,
}

/// Adds the edits that take items out of the object or array that begins at `at`, with a comma for each.
pub fn take_out(
    json: &[u8],
    at: usize,
    edits: &mut Vec<Edit<'_>>,
    mut goes: impl FnMut(&Item) -> bool,
) -> Taken {
    let mut taken = Taken::default();
    let mut end = at;
    // Where the first items begin, if they go: the comma behind them goes too.
    let mut leading = None;
    for item in items(json, at) {
        if let Some(from) = leading.take() {
            edits.push(Edit { at: from..item.start(), with: b"" });
        }
        if !goes(&item) {
            taken.kept += 1;
        } else {
            taken.out += 1;
            match taken.kept {
                0 => leading = Some(item.start()),
                _ => edits.push(Edit { at: end..item.value.end, with: b"" }),
            }
        }
        end = item.value.end;
    }
    edits.extend(leading.map(|from| Edit { at: from..end, with: b"" }));
    taken
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::dialect::splice;

    fn without(json: &str, goes: impl Fn(&str) -> bool) -> String {
        let body = Bytes::copy_from_slice(json.as_bytes());
        let mut edits = Vec::new();
        take_out(&body, 0, &mut edits, |item| {
            let place = if item.name.is_empty() { item.value.clone() } else { item.name.clone() };
            goes(&json[place])
        });
        String::from_utf8(splice::apply(&body, &mut edits).to_vec()).expect("text")
    }

    #[test]
    fn commas_and_space_go_with_what_they_belong_to() {
        let table = [
            ("[1,2,3]", "[2,3]", "1"),
            ("[1, 2 ,\n3]", "[1 ,\n3]", "2"),
            ("[1,2,3 ]", "[1,2 ]", "3"),
            ("[ 1 ]", "[  ]", "1"),
            ("[1,1,2,1]", "[2]", "1"),
            (r#"{ "a" : 1 , "b":2}"#, r#"{ "b":2}"#, r#""a""#),
            (r#"{"a":1,"b":{"a":3}}"#, r#"{"b":{"a":3}}"#, r#""a""#),
            ("[]", "[]", "1"),
            ("7", "7", "7"),
        ];
        for (json, expected, goes) in table {
            assert_eq!(without(json, |item| item == goes), expected, "{json}");
        }
    }

    #[test]
    fn names_are_read_as_they_mean_and_the_last_counts() {
        let json = br#"{"t\u0079pe":"a","type":"b\u0062"}"#;
        assert_eq!(text(json, 0, "type").as_deref(), Some("bb"));
        assert_eq!(items(json, 0).filter(|item| item.is(json, "type")).count(), 2);
        assert_eq!(member(br#"["type"]"#, 0, "type"), None);
    }

    proptest! {
        #[test]
        fn what_stays_is_json_and_in_order(marks in prop::collection::vec((any::<bool>(), "( |\n)?"), 0..8)) {
            let element = |(place, (goes, space)): (usize, &(bool, String))| {
                format!("{space}{}{space}", if *goes { 100 } else { place })
            };
            let list: Vec<String> = marks.iter().enumerate().map(element).collect();
            let kept: Vec<Value> = marks.iter().enumerate().filter(|(_, (goes, _))| !goes).map(|(n, _)| n.into()).collect();
            let after = without(&format!("[{}]", list.join(",")), |item| item == "100");
            prop_assert_eq!(serde_json::from_str::<Vec<Value>>(&after).expect("JSON"), kept);
        }

        #[test]
        fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..70) {
            let mut edits = Vec::new();
            take_out(&bytes, at, &mut edits, |item| item.value.start % 2 == 0);
            splice::apply(&Bytes::from(bytes), &mut edits);
        }
    }
}
