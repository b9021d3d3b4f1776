//! HTTP/1.1 heads and bodies as bytes.

use std::hint::black_box;

use aisix::http1::{Body, RequestHead, ResponseHead};

use super::Run;
use super::samples::CHAT_FRAME;

/// The heads of one caller's connection, one after the other.
pub fn request_head(bytes: String) -> Run {
    let mut head = RequestHead::default();
    Box::new(move || {
        black_box(head.read(black_box(bytes.as_bytes())))
            .expect("the head is sound")
            .expect("it is complete");
    })
}

/// The heads of one upstream connection, one after the other.
pub fn response_head(bytes: String) -> Run {
    let mut head = ResponseHead::default();
    Box::new(move || {
        black_box(head.read(black_box(bytes.as_bytes())))
            .expect("the head is sound")
            .expect("it is complete");
    })
}

/// One read with `count` chunks in it, of a stream under way.
pub fn chunked_body(count: usize) -> Run {
    let chunk = format!("{:x}\r\n{CHAT_FRAME}\r\n", CHAT_FRAME.len());
    let bytes = chunk.repeat(count).into_bytes();
    let mut body = Body::chunked();
    let mut data = Vec::with_capacity(bytes.len());
    Box::new(move || {
        data.clear();
        body.read(black_box(&bytes), &mut data).expect("the chunks are sound");
        assert_eq!(black_box(&data).len(), CHAT_FRAME.len() * count);
    })
}
