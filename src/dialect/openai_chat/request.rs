//! Requests: what is read of them, and the two edits: `model`, and the question for usage.

use std::ops::Range;

use bytes::Bytes;

use crate::dialect::skim::{self, request::Request, request::wrong};
use crate::dialect::splice::{self, Edit};
use crate::dialect::{Peek, Places};
use crate::error::Result;

pub fn peek(body: &[u8]) -> Result<Peek> {
    let request = Request::read(body)?;
    let (model, place) = request.model(body)?;
    let stream = request.stream(body)?;
    let options = request.stream_options.clone();
    let usage_asked = match options.clone().and_then(|place| body.get(place)) {
        None | Some(b"null") => false,
        Some(options) if skim::is_object(options) => asks_usage(options),
        Some(_) => return Err(wrong("stream_options", "must be an object")),
    };
    request.check_messages(body)?;
    Ok(Peek { model, stream, usage_asked, places: Places { model: place, stream_options: options } })
}

pub fn splice(body: &Bytes, peek: &Peek, model: &str, ask_usage: bool) -> Bytes {
    let json = splice::json_string(model);
    let places = &peek.places;
    let mut edits = Vec::new();
    if peek.model != model {
        edits.push(Edit { at: places.model.clone(), with: &json });
    }
    if ask_usage && peek.stream && !peek.usage_asked {
        match &places.stream_options {
            Some(place) => edits.extend(ask_within(body, place)),
            None => edits.push(Edit { at: places.model.end..places.model.end, with: OPTIONS }),
        }
    }
    splice::apply(body, &mut edits)
}

/// The last of several equal names counts, as in nearly every parser.
fn asks_usage(options: &[u8]) -> bool {
    let flags = skim::members(options).filter(|member| member.is("include_usage"));
    flags.last().and_then(|flag| options.get(flag.value)) == Some(b"true")
}

/// The edits that make existing `stream_options` ask. A flag that is neither boolean nor null is left for
/// the upstream to complain about.
fn ask_within<'a>(body: &'a [u8], place: &Range<usize>) -> Vec<Edit<'a>> {
    let options = body.get(place.clone()).unwrap_or_default();
    if !skim::is_object(options) {
        return vec![Edit { at: place.clone(), with: OBJECT }];
    }
    let flags: Vec<_> = skim::members(options).filter(|member| member.is("include_usage")).collect();
    if flags.is_empty() {
        let with = if skim::members(options).next().is_some() { FIRST_OF_SEVERAL } else { ONLY };
        return vec![Edit { at: place.start + 1..place.start + 1, with }];
    }
    let off =
        flags.into_iter().filter(|flag| matches!(options.get(flag.value.clone()), Some(b"false" | b"null")));
    off.map(|flag| Edit { at: place.start + flag.value.start..place.start + flag.value.end, with: b"true" })
        .collect()
}

const OPTIONS: &[u8] = br#","stream_options":{"include_usage":true}"#;
const OBJECT: &[u8] = br#"{"include_usage":true}"#;
const FIRST_OF_SEVERAL: &[u8] = br#""include_usage":true,"#;
const ONLY: &[u8] = br#""include_usage":true"#;
