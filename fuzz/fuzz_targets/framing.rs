//! Heads and bodies of requests end at the same byte however they arrive, and what is accepted leaves no other
//! reader a choice: one length or one coding, lines that end in CR LF, nothing hidden.
#![no_main]

use aisix::http1::{Body, RequestHead};
use aisix::messages::{self, Found, RequestLine};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    messages::check_body(&Body::chunked(), &input);
    match messages::check_head::<RequestHead>(&input) {
        Ok(Some(found)) => {
            check_request(&input[..found.len], &found);
            messages::check_body(&found.body, &input.slice(found.len..));
        }
        Ok(None) => {}
        Err(_) => check_refused(&input),
    }
});

/// What is left when a message has ended belongs to nobody's guess.
fn check_request(head: &[u8], found: &Found<RequestLine>) {
    let line = &found.line;
    check_line(messages::lines(head).0, line, messages::values(head, "host"));
    assert!(!matches!(found.body, Body::Close), "a request says how its body ends");
    messages::check_framing(head, &found.body, line.minor);
    let values = |name| messages::values(head, name);
    if found.body == Body::Length(0) {
        assert!(values("transfer-encoding").is_empty(), "a coding is overlooked");
        assert!(values("content-length").iter().all(|text| text.bytes().all(|byte| byte == b'0')));
    }

    let said = |name| messages::lists(&values("connection"), name);
    assert_eq!(line.close, said("close") || (line.minor == 0 && !said("keep-alive")));
    assert_eq!(line.upgrade, said("upgrade") || !values("upgrade").is_empty());
    let expectations = values("expect");
    let known = expectations.iter().filter(|value| value.eq_ignore_ascii_case("100-continue")).count();
    assert!(!line.expects_continue || (known > 0 && line.minor == 1), "{expectations:?}");
    let plain = known == 1 && expectations.len() == 1 && line.minor == 1;
    assert!(!plain || line.expects_continue);
}

/// The target says where to go, and no other part of the head says otherwise.
fn check_line(first: &[u8], line: &RequestLine, hosts: Vec<String>) {
    let text = std::str::from_utf8(first).expect("ASCII");
    let [method, sent, version] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text:?}") };
    assert_eq!((method, version), (line.method.as_str(), format!("HTTP/1.{}", line.minor).as_str()));
    assert!(sent.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{sent:?}");

    assert!(hosts.len() == 1 || (hosts.is_empty() && line.minor == 0), "{hosts:?}");
    let is_host = |byte: u8| byte.is_ascii_graphic() && !b"/?#@,\\\"<>^`{|}".contains(&byte);
    assert!(hosts.iter().all(|host| host.bytes().all(is_host)), "{hosts:?}");

    let target = match sent.split_once("://") {
        _ if sent.starts_with('/') => sent,
        None => {
            assert_eq!((method, sent), ("OPTIONS", "*"));
            sent
        }
        Some((scheme, rest)) => {
            assert!(["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()), "{sent:?}");
            let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            assert!(!host.is_empty() && host.bytes().all(is_host), "{sent:?}");
            assert!(hosts.iter().all(|other| other.eq_ignore_ascii_case(host)), "{sent:?}, {hosts:?}");
            target
        }
    };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let path = if path.is_empty() { "/" } else { path };
    assert_eq!(line.target, target);
    assert_eq!((line.path.as_str(), line.query.as_deref()), (path, query));
}

/// A refused head gives the target it was sent to, for the shape of the answer, or none.
fn check_refused(input: &Bytes) {
    let mut head = RequestHead::default();
    assert!(head.read(input).is_err());
    let target = head.target();
    assert!(head.path() == "/" || target.starts_with(head.path()));
    let sent = |window: &[u8]| window == target.as_bytes();
    assert!(target.is_empty() || input.windows(target.len()).any(sent), "{target:?} was never sent");
}
