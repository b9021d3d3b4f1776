//! What the gateway looks at in bodies and streams, and what it changes in them.

use std::hint::black_box;

use aisix::dialect::{DialectId, StreamEdits};
use bytes::Bytes;

use super::Run;
use super::samples::{ALIAS, UPSTREAM_MODEL, request};

pub fn peek(dialect: DialectId, size: usize) -> Run {
    let body = request(size, true);
    Box::new(move || {
        black_box(dialect.dialect().peek(black_box(&body))).expect("the body is sound");
    })
}

pub fn splice_request(dialect: DialectId) -> Run {
    let body = request(2 * 1024, true);
    let peek = dialect.dialect().peek(&body).expect("the body is sound");
    Box::new(move || {
        black_box(dialect.dialect().splice_request(black_box(&body), &peek, UPSTREAM_MODEL, true));
    })
}

pub fn splice_answer(dialect: DialectId, answer: &'static str) -> Run {
    let body = Bytes::from_static(answer.as_bytes());
    Box::new(move || {
        black_box(dialect.dialect().splice_answer(black_box(&body), ALIAS)).expect("the answer is sound");
    })
}

/// Frames of a stream under way, `count` of them in one chunk.
pub fn pass(dialect: DialectId, frame: &'static str, count: usize, alias: Option<&str>) -> Run {
    let chunk = Bytes::from(frame.repeat(count));
    let edits = StreamEdits { model: alias.map(str::to_owned), hide_usage: true };
    let mut pass = dialect.dialect().stream(edits);
    Box::new(move || {
        black_box(pass.push(black_box(chunk.clone()))).expect("the frames are short");
    })
}
