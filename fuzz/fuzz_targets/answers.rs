//! Heads and bodies of answers end at the same byte however they arrive, and a connection serves again only if
//! that end is beyond doubt.
#![no_main]

use aisix::http1::{Body, ResponseHead};
use aisix::messages::{self, Found, StatusLine};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    messages::check_body(&Body::Close, &input);
    if let Ok(Some(found)) = messages::check_head::<ResponseHead>(&input) {
        check_answer(&input[..found.len], &found);
        messages::check_body(&found.body, &input.slice(found.len..));
    }
});

/// <https://www.rfc-editor.org/rfc/rfc9112#section-6.3>
fn check_answer(head: &[u8], found: &Found<StatusLine>) {
    let line = &found.line;
    let (first, _) = messages::lines(head);
    let rest = first.strip_prefix(b"HTTP/1.").expect("a version");
    let minor = rest[0] - b'0';
    assert!(minor <= 1);
    let rest = rest[1..].strip_prefix(format!(" {:03}", line.status).as_bytes()).expect("the status");
    assert!(rest.is_empty() || rest[0] == b' ', "more than a status");
    assert!((100..=999).contains(&line.status));

    messages::check_framing(head, &found.body, minor);
    let values = |name| messages::values(head, name);
    let (sized, coded) = (!values("content-length").is_empty(), !values("transfer-encoding").is_empty());
    match found.body {
        _ if line.status < 200 || [204, 304].contains(&line.status) => {
            assert_eq!(found.body, Body::Length(0))
        }
        Body::Length(_) => assert!(sized),
        Body::Chunked(_) => assert!(coded),
        Body::Close => assert!(!sized && !coded),
    }

    let said = |name| messages::lists(&values("connection"), name);
    let kept = !said("close") && (minor == 1 || said("keep-alive"));
    assert_eq!(line.keep_alive, kept && found.body != Body::Close);
}
