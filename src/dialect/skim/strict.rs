//! The one pass that proves a body to be JSON: UTF-8, well-formed to the last byte, an object at the top.
//! Costs about as much as skipping over it, because values are delimited and not decoded.
//!
//! The grammar is that of RFC 8259. Two things it allows are allowed here that parsers into trees refuse:
//! numbers beyond a double, and escapes that are half of a surrogate pair.

use std::fmt;

use serde::de::IgnoredAny;

use super::{Member, scan, skip_space};

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

/// Calls `visit` with each top-level member while proving the whole body.
///
/// # Errors
/// The body is not a JSON object. Members before the fault have been visited.
pub fn members(body: &[u8], visit: impl FnMut(&Member<'_>)) -> Result<(), Fault> {
    walk(body, visit).ok_or_else(|| fault(body))
}

/// Is the body JSON, and an object, all through?
pub fn is_object(body: &[u8]) -> bool {
    walk(body, |_| {}).is_some()
}

fn walk(body: &[u8], mut visit: impl FnMut(&Member<'_>)) -> Option<()> {
    let mut at = skip_space(body, 0);
    if body.get(at) != Some(&b'{') {
        return None;
    }
    at = skip_space(body, at + 1);
    if body.get(at) != Some(&b'}') {
        at = walk_members(body, at, &mut visit)?;
    }
    (skip_space(body, at + 1) == body.len()).then_some(())
}

/// From the first name to the closing brace, whose place is returned.
fn walk_members(body: &[u8], mut at: usize, visit: &mut impl FnMut(&Member<'_>)) -> Option<usize> {
    loop {
        let found = scan::name_end(body, at)?;
        let name = body.get(at + 1..found.end - 1)?;
        let value = found.value..scan::value_end(body, found.value)?;
        at = skip_space(body, value.end);
        visit(&Member { name, escaped: found.escaped, value });
        match body.get(at)? {
            b',' => at = skip_space(body, at + 1),
            b'}' => return Some(at),
            _ => return None,
        }
    }
}

/// Finds out what is wrong with a body that is no JSON object. The parser that is asked names a place and
/// what it expected there, and quotes nothing.
#[cold]
fn fault(body: &[u8]) -> Fault {
    if body.is_empty() {
        return Fault::Empty;
    }
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => return Fault::NotUtf8(error.valid_up_to()),
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Fault::NotObject,
        Err(error) => Fault::NotJson(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Result<Vec<(String, &str)>, Fault> {
        let mut seen = Vec::new();
        members(body.as_bytes(), |member| {
            let value = body.get(member.value.clone()).expect("values lie inside the body");
            seen.push((member.name().into_owned(), value));
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
        assert_eq!(members(body, |_| {}), Err(Fault::NotUtf8(11)));
    }

    #[test]
    fn a_hundred_thousand_brackets_cost_no_stack() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(is_object(deep.as_bytes()));
        let open = format!("{{\"a\":{}", "[{\"b\":".repeat(100_000));
        assert!(!is_object(open.as_bytes()));
    }

    #[test]
    fn half_a_surrogate_pair_is_a_name_like_any_other() {
        let body = r#"{"\ud800":1,"a\udc00":"\ud83d"}"#;
        let expected = [("\u{fffd}", "1"), ("a\u{fffd}", r#""\ud83d""#)];
        assert_eq!(read(body), Ok(expected.map(|(name, value)| (name.to_owned(), value)).to_vec()));
    }

    /// What serde_json makes of the body, as far as it is an object.
    fn oracle(body: &[u8]) -> bool {
        let object = body.get(skip_space(body, 0)) == Some(&b'{');
        let text = std::str::from_utf8(body).ok().filter(|_| object);
        text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
    }

    #[test]
    fn every_change_of_one_byte_is_judged_as_by_serde_json() {
        let body = concat!(
            r#"{"a":[-0,1.5e+3,[],{},"x\u00e9\n\ud83d\ude00","0123456789abcdef0123456789abcdef"],"#,
            "\"é\" :\n\t{ \"t\":true,\"f\":false , \"n\":null},\r\"😀 0123456789 0123456789\":[[{}]]}",
        );
        assert!(is_object(body.as_bytes()));
        for place in 0..body.len() {
            for byte in 0..=u8::MAX {
                let mut changed = body.as_bytes().to_vec();
                changed[place] = byte;
                assert_eq!(is_object(&changed), oracle(&changed), "byte {byte:#x} at {place}");
            }
            let (head, tail) = body.as_bytes().split_at(place);
            assert_eq!(is_object(head), oracle(head), "cut at {place}");
            let without = [head, &tail[1..]].concat();
            assert_eq!(is_object(&without), oracle(&without), "without {place}");
        }
    }

    #[test]
    fn brackets_match_at_every_depth() {
        for depth in [1, 2, 63, 64, 65, 127, 128, 129, 500] {
            let kinds: Vec<bool> = (0..depth).map(|level| level % 3 == 0 || level % 7 == 0).collect();
            let open: String = kinds.iter().map(|object| if *object { "{\"k\":" } else { "[" }).collect();
            let close: String = kinds.iter().rev().map(|object| if *object { '}' } else { ']' }).collect();
            assert!(is_object(format!("{{\"a\":{open}0{close}}}").as_bytes()), "{depth}");
            for wrong in 0..depth {
                let mut close = close.clone().into_bytes();
                close[wrong] = if close[wrong] == b'}' { b']' } else { b'}' };
                let body = [format!("{{\"a\":{open}0").as_bytes(), &close, b"}"].concat();
                assert!(!is_object(&body), "{depth} {wrong}");
            }
        }
    }

    proptest! {
        #[test]
        fn text_like_json_is_judged_as_by_serde_json(
            text in r#"\{("(a|b|\\u00e9|\\ud800|\\x|é|\t| {30})?" ?: ?(1|-0\.5|1e9|01|[.]5|tru|true|null|\[|\]|\{|\}|"x"),?){0,6}[\]}]{0,3}"#,
        ) {
            prop_assert_eq!(is_object(text.as_bytes()), oracle(text.as_bytes()), "{}", text);
        }
    }
}
