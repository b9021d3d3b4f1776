//! Heads and bodies of HTTP/1.1 end at the same byte however they arrive, and what is accepted leaves no other
//! reader a choice: one length or one coding, lines that end in CR LF, nothing hidden.
#![no_main]

use aisix::chunkings;
use aisix::error::Kind;
use aisix::framing::{BodyEnd, ChunkScan, Head, head};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    let whole = read(&input);
    check_prefixes(&input, &whole);
    check_body(&BodyEnd::Chunked(ChunkScan::default()), &input);
    if let Ok(Some(found)) = &whole {
        check_head(&input[..found.len], found);
        check_body(&found.body, &input.slice(found.len..));
    }
});

fn read(bytes: &[u8]) -> Result<Option<Head>, Kind> {
    head(bytes).map_err(|(error, _)| error.kind)
}

/// A head says nothing until it is complete or wrong, and then always the same.
fn check_prefixes(input: &Bytes, whole: &Result<Option<Head>, Kind>) {
    let [_, bytes, pieces] = chunkings(input);
    // Every prefix of a long input would be read in quadratic time.
    let pieces = if input.len() <= EVERY_PREFIX { bytes } else { pieces };
    let mut have = 0;
    for piece in pieces {
        have += piece.len();
        let found = read(&input[..have]);
        let early = matches!(whole, Ok(Some(head)) if have < head.len);
        assert!(found == Ok(None) || (found == *whole && !early), "{have} bytes: {found:?}, all: {whole:?}");
        let due = matches!(whole, Ok(Some(head)) if have >= head.len);
        assert!(!due || found == *whole, "{have} bytes: {found:?}, all: {whole:?}");
    }
}

/// What is left when a message has ended belongs to nobody's guess.
fn check_head(bytes: &[u8], found: &Head) {
    let mut slots = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut slots);
    assert_eq!(request.parse(bytes), Ok(httparse::Status::Complete(bytes.len())));
    assert_eq!(request.path, Some(found.path.as_str()));
    for (at, byte) in bytes.iter().enumerate() {
        assert!(*byte != b'\n' || (at > 0 && bytes[at - 1] == b'\r'), "a bare LF at {at}");
        assert!(*byte != b'\r' || bytes.get(at + 1) == Some(&b'\n'), "a bare CR at {at}");
        assert_ne!(*byte, 0, "a NUL at {at}");
    }
    let (lengths, codings) = (values(bytes, "content-length"), values(bytes, "transfer-encoding"));
    match &found.body {
        BodyEnd::Length(0) if lengths.is_empty() => assert!(codings.is_empty(), "a coding is overlooked"),
        BodyEnd::Length(length) => {
            assert!(codings.is_empty(), "both framings");
            let [text] = lengths.as_slice() else { panic!("{} lengths", lengths.len()) };
            assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");
            assert_eq!(text.parse(), Ok(*length));
        }
        BodyEnd::Chunked(_) => {
            assert!(lengths.is_empty(), "both framings");
            assert!(codings.len() == 1 && codings[0].eq_ignore_ascii_case("chunked"), "{codings:?}");
            assert_eq!(request.version, Some(1));
        }
    }
    let hosts = values(bytes, "host").len();
    assert!(hosts == 1 || (hosts == 0 && request.version == Some(0)), "{hosts} hosts");
}

/// All values of a header, read as generously as the most generous reader might.
fn values(head: &[u8], name: &str) -> Vec<String> {
    let lines = head.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let named = |line: std::borrow::Cow<'_, str>| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    };
    lines.filter_map(named).collect()
}

fn check_body(end: &BodyEnd, rest: &Bytes) {
    let [whole, bytes, pieces] = chunkings(rest).map(|chunks| follow(end.clone(), &chunks));
    assert_eq!(whole, bytes);
    assert_eq!(whole, pieces);
    if let (BodyEnd::Chunked(_), Ok((taken, true))) = (end, whole) {
        assert_eq!(decoded(rest), Some(taken));
    }
}

/// How many bytes belong to the body, and whether it has ended.
fn follow(mut end: BodyEnd, chunks: &[Bytes]) -> Result<(usize, bool), &'static str> {
    let mut taken = 0;
    for chunk in chunks {
        let more = end.take(chunk)?;
        taken += more;
        if more < chunk.len() {
            assert!(end.done(), "bytes left over before the end");
            break;
        }
    }
    Ok((taken, end.done()))
}

/// Where a chunked body ends, by another reader of chunk sizes.
fn decoded(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(&body[at..]) else {
            return None;
        };
        at += line;
        if size == 0 {
            break;
        }
        at += usize::try_from(size).ok()?;
        assert_eq!(body.get(at..at + 2), Some(b"\r\n".as_slice()));
        at += 2;
    }
    loop {
        let line = body[at..].windows(2).position(|pair| pair == b"\r\n")?;
        at += line + 2;
        if line == 0 {
            return Some(at);
        }
    }
}

/// Longest input of which every prefix is tried.
const EVERY_PREFIX: usize = 512;
