//! Takes requests, answers and streams from one dialect to another, as the gateway does.

use aisix::dialect::bridge::{self, Translated};
use aisix::dialect::canon::names::Renames;
use aisix::dialect::codec::{Manner, Outward};
use aisix::dialect::quirks::Quirks;
use aisix::dialect::{Answer, DialectId, Usage};
use aisix::error::Result;
use bytes::Bytes;

/// The ordered pairs of different dialects that start here.
pub fn others(from: DialectId) -> impl Iterator<Item = DialectId> {
    DialectId::ALL.into_iter().filter(move |to| *to != from)
}

/// A model as the dialect's owner names them.
pub fn model(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::OpenAiChat | DialectId::Responses => "gpt-5.1",
        DialectId::Anthropic => "claude-sonnet-4-5",
        DialectId::Gemini => "gemini-2.5-flash",
        DialectId::Bedrock => "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    }
}

/// What is known of a caller's request when it is answered.
pub fn outward() -> Outward {
    Outward {
        alias: "the-alias".to_owned(),
        request_id: "req-0123456789abcdef".to_owned(),
        created: 1_760_000_000,
        usage_asked: true,
        prompt_estimate: 7,
        body: Bytes::from_static(b"{\"model\":\"the-alias\"}"),
        spent: Usage::default(),
    }
}

/// A request. Where the address says whether a stream is wanted, `stream` does.
pub fn request(from: DialectId, to: DialectId, body: &str, stream: bool) -> Result<Translated> {
    let manner = Manner { model: model(to), ask_usage: true, quirks: &Quirks::NONE };
    bridge::request(from.codec(), to.codec(), body, &manner, |request| {
        request.stream |= stream;
        Ok(())
    })
}

/// A whole answer of `from` for a caller who speaks `to`.
pub fn answer(from: DialectId, to: DialectId, body: &[u8]) -> Result<Answer> {
    bridge::answer(from.codec(), to.codec(), body, &outward(), &Renames::default())
}

/// A whole answer of `from` as a stream for a caller who speaks `to`.
pub fn answer_as_stream(from: DialectId, to: DialectId, body: &[u8]) -> Result<Answer> {
    bridge::answer_as_stream(from.codec(), to.codec(), body, &outward(), &Renames::default())
}

/// All that can be observed of a translated stream.
#[derive(Debug, PartialEq)]
pub struct Streamed {
    pub output: Vec<u8>,
    pub usage: Usage,
    pub complete: bool,
    /// The error it ended with.
    pub failed: Option<String>,
}

/// A stream of `from`, cut at these places, for a caller who speaks `to`. An error ends it, as in the gateway.
pub fn stream(from: DialectId, to: DialectId, body: &Bytes, splits: &[usize]) -> Streamed {
    let mut places = splits.to_vec();
    places.extend([0, body.len()]);
    places.sort_unstable();
    let mut pass = bridge::stream(from, to.codec(), &outward(), Renames::default());
    let mut output = Vec::new();
    let mut result = places.windows(2).try_for_each(|pair| {
        output.extend_from_slice(&pass.push(body.slice(pair[0]..pair[1]))?);
        Ok(())
    });
    if result.is_ok() {
        result = pass.finish().map(|bytes| output.extend_from_slice(&bytes));
    }
    if let Err(error) = &result {
        output.extend_from_slice(&pass.fail(error).expect("a translated stream tells its own errors"));
    }
    let failed = result.err().map(|error| error.to_string());
    Streamed { output, usage: *pass.usage(), complete: pass.complete(), failed }
}
