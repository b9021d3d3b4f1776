//! Requests: what is read of them, and the one edit: `model`, in whose place platforms want a version.

use bytes::Bytes;

use crate::dialect::skim::request::Request;
use crate::dialect::splice::{self, Edit};
use crate::dialect::{Peek, Places};
use crate::error::Result;

/// Serves messages and token counts alike, so `max_tokens` is left for the upstream to demand.
pub fn peek(body: &[u8]) -> Result<Peek> {
    let request = Request::read(body)?;
    let (model, place) = request.model(body)?;
    let stream = request.stream(body)?;
    request.check_messages(body)?;
    Ok(Peek { model, stream, usage_asked: true, places: Places { model: place, stream_options: None } })
}

pub fn splice(body: &Bytes, peek: &Peek, model: &str) -> Bytes {
    if peek.model == model {
        return body.clone();
    }
    let json = splice::json_string(model);
    splice::apply(body, &mut [Edit { at: peek.places.model.clone(), with: &json }])
}

/// The body for a platform that has the model in its path and the version of the dialect in the body: the member
/// `model` becomes `anthropic_version`. To count tokens the model stays, and the version comes before it.
/// <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>
pub fn for_platform(body: &Bytes, peek: &Peek, model: &str, version: &str, counts: bool) -> Bytes {
    let place = peek.places.model.clone();
    let Some(key) = key_before(body, place.start) else { return splice(body, peek, model) };
    let (version, model) = (splice::json_string(version), splice::json_string(model));
    if !counts {
        return splice::apply(
            body,
            &mut [Edit { at: key, with: VERSION }, Edit { at: place, with: &version }],
        );
    }
    let member = [VERSION, b":", &version, b","].concat();
    let before = Edit { at: key.start..key.start, with: &member };
    splice::apply(body, &mut [before, Edit { at: place, with: &model }])
}

/// Where the name of the member stands whose value begins at `value`. It says `model`, so no quote is in it.
fn key_before(body: &[u8], value: usize) -> Option<std::ops::Range<usize>> {
    let before = body.get(..value)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let name = before.strip_suffix(b"\"")?;
    Some(memchr::memrchr(b'"', name)?..before.len())
}

const VERSION: &[u8] = b"\"anthropic_version\"";
