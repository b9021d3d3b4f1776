//! What it costs that caller and target speak different dialects.

use std::hint::black_box;

use aisix::dialect::canon::names::Renames;
use aisix::dialect::codec::{Manner, Outward};
use aisix::dialect::quirks::Quirks;
use aisix::dialect::{DialectId, Usage, bridge};
use bytes::Bytes;

use super::Run;
use super::samples::{ALIAS, UPSTREAM_MODEL, request};

/// A request of about `size` bytes. Both OpenAI chat and Anthropic messages read the sample.
pub fn request_of(from: DialectId, to: DialectId, size: usize) -> Run {
    let body = String::from_utf8(request(size, true).to_vec()).expect("text");
    let manner = Manner { model: UPSTREAM_MODEL, ask_usage: true, quirks: &Quirks::NONE };
    Box::new(move || {
        let translated = bridge::request(from.codec(), to.codec(), black_box(&body), &manner, |_| Ok(()));
        black_box(translated).expect("the body is sound");
    })
}

pub fn answer(from: DialectId, to: DialectId, answer: &'static str) -> Run {
    let outward = outward();
    let renames = Renames::default();
    Box::new(move || {
        let body = black_box(answer.as_bytes());
        let answer = bridge::answer(from.codec(), to.codec(), body, &outward, &renames);
        black_box(answer).expect("the answer is sound");
    })
}

/// A text delta of a stream under way.
pub fn delta(from: DialectId, to: DialectId, begin: &'static [&'static str], frame: &'static str) -> Run {
    let mut pass = bridge::stream(from, to.codec(), &outward(), Renames::default());
    for frame in begin {
        pass.push(Bytes::from_static(frame.as_bytes())).expect("the stream begins well");
    }
    let chunk = Bytes::from_static(frame.as_bytes());
    Box::new(move || {
        black_box(pass.push(black_box(chunk.clone()))).expect("the frame is sound");
    })
}

fn outward() -> Outward {
    Outward {
        alias: ALIAS.to_owned(),
        request_id: "0123456789abcdef0123456789abcdef".to_owned(),
        created: 1_795_233_352,
        usage_asked: true,
        prompt_estimate: 5,
        body: request(300, true),
        spent: Usage::default(),
    }
}
