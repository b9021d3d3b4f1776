//! What the codec accepts means the same to hyper: the same messages, with the same data, ending at the same byte.
//!
//! Only this direction is claimed. hyper accepts more, and what is refused here is nobody else's business. The
//! other way round there are a few things that hyper alone refuses or takes otherwise; `difference` lists them.
#![no_main]

use aisix::http1::{Body, Fields, MAX_FIELDS, RequestHead, ResponseHead};
use aisix::messages::{self, Head};
use aisix::second_opinion::{self, Message, by_name, request_line};
use bytes::Bytes;
use http::Uri;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    check_requests(&input);
    check_answer(&input);
});

/// Why hyper need not agree about a message, although it is sound.
fn difference(fields: &Fields, body: &Body, rest: &[u8]) -> Option<&'static str> {
    if fields.all("connection").any(|value| value.iter().any(|byte| !byte.is_ascii())) {
        return Some("hyper overlooks the options of a Connection field that is not ASCII");
    }
    let chunked = matches!(body, Body::Chunked(_)).then(|| messages::chunked(rest)).flatten();
    chunked
        .filter(|body| body.trailers.len() > MAX_FIELDS)
        .map(|_| "hyper counts trailers; here only their bytes are bounded, because nobody keeps them")
}

/// The sound requests at the start of a connection.
#[derive(Debug, Default)]
struct Pipeline {
    messages: Vec<Message>,
    /// Where the last one ends, or has come to.
    end: usize,
    /// Another request may follow.
    open: bool,
}

fn pipeline(input: &Bytes) -> Pipeline {
    let mut read = Pipeline { open: true, ..Pipeline::default() };
    let mut head = RequestHead::default();
    while read.open
        && let Ok(Some(len)) = head.read(&input[read.end..])
    {
        let (sent, rest) = input[read.end..].split_at(len);
        let Some(uri) = target(messages::lines(sent).0) else { break };
        check_target(&head, &uri);
        let line = request_line(head.method.as_str(), &uri, head.minor);
        let Some((message, taken)) = finish(&head, line, rest) else { break };
        read.open = message.whole && !head.close;
        read.messages.push(message);
        read.end += len + taken;
    }
    read
}

/// The target as it was sent. None where `http::Uri` is no judge of it: the grammar of a path is left to the
/// router, which knows the paths there are, and that of `http::Uri` is neither RFC 9112's nor RFC 3986's.
fn target(line: &[u8]) -> Option<Uri> {
    let target = line.split(|byte| *byte == b' ').nth(1).expect("a target");
    Uri::try_from(target).ok()
}

fn check_target(head: &RequestHead, uri: &Uri) {
    assert_eq!((head.path(), head.query()), (uri.path(), uri.query()), "{uri:?}");
    let hosts = uri.authority().zip(head.fields.get("host"));
    assert!(hosts.is_none_or(|(one, other)| one.as_str().as_bytes().eq_ignore_ascii_case(other)), "{uri:?}");
}

/// The message with its body as far as it has come, and how much that is. None where it is unsound, or where hyper
/// need not agree.
fn finish<H: Head>(head: &H, line: String, rest: &[u8]) -> Option<(Message, usize)> {
    let (mut body, mut data) = (head.body().clone(), Vec::new());
    let taken = body.read(rest, &mut data).ok()?;
    if difference(head.fields(), head.body(), rest).is_some() {
        return None;
    }
    let whole = body.done() || body == Body::Close;
    Some((Message { line, fields: by_name(messages::fields(head.fields())), data, whole }, taken))
}

fn check_requests(input: &Bytes) {
    let mut ours = pipeline(input);
    let Some(last) = ours.messages.last() else { return };
    let mut sent = input[..ours.end].to_vec();
    if last.whole {
        sent.extend_from_slice(MARKER);
    }
    let hypers = second_opinion::requests(&sent.into());
    if ours.open {
        // The next request begins where the last one ended.
        ours.messages.extend(pipeline(&Bytes::from_static(MARKER)).messages);
    } else if last.whole {
        assert_eq!(hypers.left, MARKER.len(), "hyper ends elsewhere: {hypers:?}, ours: {ours:?}");
    }
    assert_eq!(hypers.messages, ours.messages);
}

fn check_answer(input: &Bytes) {
    let mut head = ResponseHead::default();
    let mut at = 0;
    let len = loop {
        let Ok(Some(len)) = head.read(&input[at..]) else { return };
        if head.status >= 200 || head.status == SWITCHING {
            break len;
        }
        at += len;
    };
    let minor = messages::lines(&input[at..at + len]).0[b"HTTP/1.".len()] - b'0';
    let line = format!("HTTP/1.{minor} {}", head.status);
    let Some((message, taken)) = finish(&head, line, &input[at + len..]) else { return };
    let end = at + len + taken;
    let follower: &[u8] = if message.whole && head.body != Body::Close { MARKER } else { b"" };
    let hypers = second_opinion::answer(&[&input[..end], follower].concat().into(), true);
    assert_eq!(hypers.left, follower.len(), "hyper ends elsewhere: {hypers:?}, ours: {message:?}");
    assert_eq!(hypers.messages, [message]);
    // Another protocol begins; a client that never asked for one has no use for it.
    if head.keep_alive && !follower.is_empty() && head.status != SWITCHING {
        let hypers = second_opinion::answer(&input.slice(..end), false);
        assert!(hypers.ready, "hyper would not use this connection again: {hypers:?}");
    }
}

/// What stands behind the messages under test. As an answer it is none.
const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nhost: marker\r\n\r\n";
const SWITCHING: u16 = 101;
