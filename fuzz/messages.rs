//! Messages of HTTP/1.1: what holds for every head and body the codec reads, and the same messages read slowly,
//! by splitting lines.

use std::fmt::Debug;

use bytes::Bytes;

use crate::chunkings;
use crate::http1::{Body, Fields, Flaw, RequestHead, ResponseHead};

/// A head of either direction.
pub trait Head: Default {
    /// What the head says beside its fields and its body.
    type Line: Clone + Debug + PartialEq;
    /// A head that says whatever a head can say, so that there is something to forget.
    const TALKATIVE: &[u8];

    fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw>;
    fn line(&self) -> Self::Line;
    fn fields(&self) -> &Fields;
    fn body(&self) -> &Body;
}

#[derive(Clone, Debug, PartialEq)]
pub struct RequestLine {
    pub method: String,
    pub target: String,
    pub path: String,
    pub query: Option<String>,
    pub minor: u8,
    pub close: bool,
    pub expects_continue: bool,
    pub upgrade: bool,
}

impl Head for RequestHead {
    type Line = RequestLine;
    const TALKATIVE: &[u8] =
        b"POST /talkative?q=1 HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nUpgrade: x\r\n\
        Expect: 100-continue\r\nContent-Length: 7\r\nX-A: 1\r\n\r\n";

    fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
        RequestHead::read(self, bytes)
    }

    fn line(&self) -> RequestLine {
        RequestLine {
            method: self.method.to_string(),
            target: self.target().to_owned(),
            path: self.path().to_owned(),
            query: self.query().map(str::to_owned),
            minor: self.minor,
            close: self.close,
            expects_continue: self.expects_continue,
            upgrade: self.upgrade,
        }
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn body(&self) -> &Body {
        &self.body
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct StatusLine {
    pub status: u16,
    pub keep_alive: bool,
}

impl Head for ResponseHead {
    type Line = StatusLine;
    const TALKATIVE: &[u8] =
        b"HTTP/1.1 299 OK\r\nContent-Length: 7\r\nConnection: keep-alive\r\nX-A: 1\r\n\r\n";

    fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
        ResponseHead::read(self, bytes)
    }

    fn line(&self) -> StatusLine {
        StatusLine { status: self.status, keep_alive: self.keep_alive }
    }

    fn fields(&self) -> &Fields {
        &self.fields
    }

    fn body(&self) -> &Body {
        &self.body
    }
}

/// A head as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<L> {
    pub len: usize,
    pub line: L,
    pub fields: Vec<Field>,
    pub body: Body,
}

/// Name in lower case, and value.
pub type Field = (String, Vec<u8>);

pub type Judged<L> = Result<Option<Found<L>>, Flaw>;

pub fn read<H: Head>(bytes: &[u8]) -> Judged<H::Line> {
    read_with(&mut H::default(), bytes)
}

fn read_with<H: Head>(head: &mut H, bytes: &[u8]) -> Judged<H::Line> {
    let Some(len) = head.read(bytes)? else { return Ok(None) };
    Ok(Some(Found { len, line: head.line(), fields: fields(head.fields()), body: head.body().clone() }))
}

pub fn fields(fields: &Fields) -> Vec<Field> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

/// A head says nothing until it is complete or wrong, and then always the same, whatever follows it and whatever
/// was read before.
pub fn check_head<H: Head>(input: &Bytes) -> Judged<H::Line> {
    let whole = read::<H>(input);
    let mut used = H::default();
    assert!(used.read(H::TALKATIVE).is_ok_and(|len| len == Some(H::TALKATIVE.len())));
    let mut known = 0_usize;
    for have in prefixes(input) {
        // What is known for long is not asked again for every byte.
        if known > 0 {
            known += 1;
        }
        if known > 1 && !known.is_power_of_two() {
            continue;
        }
        let found = read_with(&mut used, &input[..have]);
        let early = matches!(&whole, Ok(Some(head)) if have < head.len);
        assert!(found == Ok(None) || (found == whole && !early), "{have} bytes: {found:?}, all: {whole:?}");
        let due = matches!(&whole, Ok(Some(head)) if have >= head.len);
        assert!(!due || found == whole, "{have} bytes: {found:?}, all: {whole:?}");
        known = known.max(usize::from(found != Ok(None)));
    }
    if let Ok(Some(found)) = &whole {
        check_ends_there::<H>(&input[..found.len], &whole);
        check_fields(&input[..found.len], found);
    }
    whole
}

/// Lengths to try. Every prefix of a long input would be read in quadratic time.
fn prefixes(input: &Bytes) -> impl Iterator<Item = usize> {
    let [.., pieces] = chunkings(input);
    let far = pieces.into_iter().scan(0, |end, piece| {
        *end += piece.len();
        Some(*end)
    });
    (1..=input.len().min(EVERY_PREFIX)).chain(far.filter(|end| *end > EVERY_PREFIX))
}

fn check_ends_there<H: Head>(head: &[u8], whole: &Judged<H::Line>) {
    let followers: [&[u8]; 5] = [b"", b"\r\n", b" folded\r\n\r\n", b"0\r\n\r\n", b"\0\xff"];
    for follower in followers {
        assert_eq!(read::<H>(&[head, follower].concat()), *whole, "followed by {follower:?}");
    }
}

/// Every line is a field, in order, and nothing but the case of its name has changed.
fn check_fields<L>(head: &[u8], found: &Found<L>) {
    for (at, byte) in head.iter().enumerate() {
        assert!(*byte != b'\n' || (at > 0 && head[at - 1] == b'\r'), "a bare LF at {at}");
        assert!(*byte != b'\r' || head.get(at + 1) == Some(&b'\n'), "a bare CR at {at}");
        assert_ne!(*byte, 0, "a NUL at {at}");
    }
    let (_, lines) = lines(head);
    let slow: Vec<Field> = lines.iter().map(|line| field(line).expect("a field")).collect();
    assert_eq!(found.fields, slow);
    assert!(slow.iter().all(is_field), "{slow:?}");
}

/// The first line of a head that is no line break, and the lines of its fields.
pub fn lines(head: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let head = head.strip_suffix(b"\r\n\r\n").expect("a complete head");
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
    (first, lines.collect())
}

fn field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = String::from_utf8(line[..colon].to_ascii_lowercase()).ok()?;
    let mut value = &line[colon + 1..];
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    Some((name, value.to_vec()))
}

/// <https://www.rfc-editor.org/rfc/rfc9110#section-5.1>
fn is_field((name, value): &Field) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    !name.is_empty() && name.bytes().all(is_token) && value.iter().all(is_text)
}

/// All values of a field, read as generously as the most generous reader might.
pub fn values(head: &[u8], name: &str) -> Vec<String> {
    let lines = head.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let named = |line: std::borrow::Cow<'_, str>| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim_matches(is_white).to_owned())
    };
    lines.filter_map(named).collect()
}

/// Is this one of the members of a list that may be spread over several fields?
pub fn lists(values: &[String], member: &str) -> bool {
    let mut members = values.iter().flat_map(|value| value.split(','));
    members.any(|found| found.trim_matches(is_white).eq_ignore_ascii_case(member))
}

fn is_white(letter: char) -> bool {
    letter.is_ascii_whitespace()
}

/// Where the framing of a head leaves no other reader a choice: one length or one coding.
pub fn check_framing(head: &[u8], body: &Body, minor: u8) {
    let (lengths, codings) = (values(head, "content-length"), values(head, "transfer-encoding"));
    assert!(lengths.is_empty() || codings.is_empty(), "both framings");
    assert!(lengths.len() <= 1, "{} lengths", lengths.len());
    assert!(lengths.iter().flat_map(|text| text.bytes()).all(|byte| byte.is_ascii_digit()), "{lengths:?}");
    match codings.as_slice() {
        [] => {}
        [one] => assert!(one.eq_ignore_ascii_case("chunked") && minor == 1, "{codings:?}"),
        _ => panic!("{codings:?}"),
    }
    match body {
        Body::Length(0) => {}
        Body::Length(length) => assert_eq!(lengths[0].parse(), Ok(*length)),
        Body::Chunked(_) => assert!(*body == Body::chunked() && !codings.is_empty()),
        Body::Close => assert!(lengths.is_empty() && codings.is_empty()),
    }
}

/// What was read of a body. How many bytes belong to it and whether it has ended, or why not; and its data.
#[derive(Debug, PartialEq)]
pub struct Followed {
    pub taken: Result<(usize, bool), &'static str>,
    pub data: Vec<u8>,
}

/// A body has the same end and the same data however it arrives, and a slow reader finds the same.
pub fn check_body(end: &Body, rest: &Bytes) {
    let [whole, bytes, pieces] = chunkings(rest).map(|chunks| follow(end, &chunks));
    assert_eq!(whole, bytes);
    assert_eq!(whole, pieces);
    match (end, &whole.taken) {
        (Body::Length(length), taken) => {
            let due = rest.len().min(usize::try_from(*length).unwrap_or(usize::MAX));
            assert_eq!(*taken, Ok((due, due as u64 == *length)));
            assert_eq!(whole.data, rest[..due]);
        }
        (Body::Close, taken) => {
            assert_eq!(*taken, Ok((rest.len(), false)));
            assert_eq!(whole.data, rest[..]);
        }
        (Body::Chunked(_), Ok((taken, true))) => {
            let slow = chunked(rest).expect("another reader finds the last chunk as well");
            assert!(slow.whole);
            assert_eq!((slow.len, &slow.data), (*taken, &whole.data));
            assert!(slow.trailers.iter().all(is_field), "{:?}", slow.trailers);
        }
        (Body::Chunked(_), _) => {}
    }
    if let Ok((taken, true)) = whole.taken {
        let again = follow(end, &[rest.slice(..taken), Bytes::from_static(b"\r\n0\r\n\r\n")]);
        assert_eq!(again, whole, "what follows a body is not part of it");
    }
}

pub fn follow(end: &Body, chunks: &[Bytes]) -> Followed {
    let (mut body, mut counting, mut data, mut taken) = (end.clone(), end.clone(), Vec::new(), 0);
    for chunk in chunks {
        let more = body.read(chunk, &mut data);
        assert_eq!(counting.take(chunk), more);
        assert!(more.is_err() || counting == body);
        match more {
            Ok(more) => taken += more,
            Err(what) => return Followed { taken: Err(what), data },
        }
        if more.is_ok_and(|more| more < chunk.len()) {
            assert!(body.done(), "bytes left over before the end");
            break;
        }
    }
    Followed { taken: Ok((taken, body.done())), data }
}

/// A chunked body by another reader of chunk sizes.
pub struct Chunked {
    pub len: usize,
    pub data: Vec<u8>,
    /// Those that are complete.
    pub trailers: Vec<Field>,
    /// Nothing is missing behind the trailers.
    pub whole: bool,
}

pub fn chunked(body: &[u8]) -> Option<Chunked> {
    let (mut at, mut data, mut trailers) = (0, Vec::new(), Vec::new());
    loop {
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(&body[at..]) else {
            return None;
        };
        at += line;
        if size == 0 {
            break;
        }
        let end = at.checked_add(usize::try_from(size).ok()?)?;
        data.extend_from_slice(body.get(at..end)?);
        at = end + 2;
        if body.get(end..at)? != b"\r\n" {
            return None;
        }
    }
    let mut whole = false;
    while !whole && let Some(line) = body[at..].windows(2).position(|pair| pair == b"\r\n") {
        let trailer = &body[at..at + line];
        at += line + 2;
        whole = line == 0;
        if !whole {
            trailers.push(field(trailer)?);
        }
    }
    Some(Chunked { len: at, data, trailers, whole })
}

/// Longest input of which every prefix is tried.
const EVERY_PREFIX: usize = 512;
