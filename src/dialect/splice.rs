//! Replaces byte ranges of a body. Knows nothing of what the bytes mean: the dialects say where.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::skim;

/// New bytes for one range; an empty range inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    pub at: Range<usize>,
    pub with: &'a [u8],
}

/// The body with all edits made, in one allocation of the exact size.
///
/// Edits may come in any order. One that lies outside the body or overlaps an earlier one is not made.
/// When nothing changes the same bytes are returned without a copy.
pub fn apply(body: &Bytes, edits: &mut [Edit<'_>]) -> Bytes {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    if !edits.iter().any(|edit| body.get(edit.at.clone()).is_some_and(|old| old != edit.with)) {
        return body.clone();
    }
    let mut out = BytesMut::with_capacity(length_after(body.len(), edits));
    let mut done = 0;
    for edit in edits {
        let Some(kept) = body.get(done..edit.at.start).filter(|_| edit.at.end <= body.len()) else {
            continue;
        };
        out.extend_from_slice(kept);
        out.extend_from_slice(edit.with);
        done = edit.at.end;
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    out.freeze()
}

/// A string as a JSON value, quotes included.
pub fn json_string(text: &str) -> Vec<u8> {
    if skim::is_plain(text.as_bytes()) {
        return [b"\"", text.as_bytes(), b"\""].concat();
    }
    serde_json::to_vec(text).unwrap_or_else(|_| b"\"\"".to_vec())
}

fn length_after(before: usize, edits: &[Edit<'_>]) -> usize {
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let removed: usize = edits.iter().map(|edit| edit.at.len()).sum();
    (before + added).saturating_sub(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(at: Range<usize>, with: &str) -> Edit<'_> {
        Edit { at, with: with.as_bytes() }
    }

    #[test]
    fn edits_are_made_in_the_order_of_the_body() {
        let body = Bytes::from_static(b"0123456789");
        let out = apply(&body, &mut [edit(8..9, ""), edit(2..4, "twothree"), edit(4..4, "+")]);
        assert_eq!(out, "01twothree+45679");
    }

    #[test]
    fn a_body_that_does_not_change_is_not_copied() {
        let body = Bytes::from(b"{\"model\":\"a\"}".to_vec());
        let out = apply(&body, &mut [edit(9..12, "\"a\""), edit(3..3, "")]);
        assert_eq!(out.as_ptr(), body.as_ptr());
        assert_eq!(apply(&body, &mut []).as_ptr(), body.as_ptr());
    }

    #[test]
    fn the_capacity_is_exact() {
        let body = Bytes::from_static(b"abcdef");
        let out = apply(&body, &mut [edit(1..2, "long text"), edit(6..6, "!")]);
        assert_eq!(out, "along textcdef!");
        assert_eq!(out.try_into_mut().map(|b| b.capacity()).ok(), Some("along textcdef!".len()));
    }

    #[test]
    fn an_edit_that_does_not_fit_is_left_out() {
        let body = Bytes::from_static(b"abc");
        assert_eq!(apply(&body, &mut [edit(2..9, "x")]), "abc");
        assert_eq!(apply(&body, &mut [edit(0..1, "x"), edit(2..9, "y")]), "xbc");
        assert_eq!(apply(&body, &mut [edit(0..2, "x"), edit(1..3, "y")]), "xc");
        assert_eq!(apply(&body, &mut [edit(0..1, "x"), edit(7..7, "y")]), "xbc");
    }

    #[test]
    fn a_model_name_is_quoted_and_escaped() {
        assert_eq!(json_string("gpt-4o"), b"\"gpt-4o\"");
        assert_eq!(json_string("a\"b\\c\nd\u{1}é"), "\"a\\\"b\\\\c\\nd\\u0001é\"".as_bytes());
    }
}
