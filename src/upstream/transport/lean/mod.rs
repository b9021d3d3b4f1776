//! Calls over HTTP/1.1 with a codec of our own, on connections that Pingora's connector made.
//!
//! Head and body of a request leave with one write. While a long body is on its way the connection is read as
//! well, so an upstream that answers early is heard at once. Heads are kept as positions, bodies are read to
//! where they are wanted.

mod pool;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderValue, Method};
use pingora_core::protocols::Stream;
use tokio::io::AsyncWrite;

use super::{Call, Fault, FaultKind, Fields, Outgoing};
use crate::http1::{Body, Flaw, ResponseHead};
use crate::wire::outbox::{Parcel, push_decimal};
use crate::wire::{Inbox, inbox, outbox};
pub use pool::{Bounds, Key, Pools};

/// A connection to an upstream.
pub struct Connection {
    stream: Stream,
    inbox: Inbox,
    head: ResponseHead,
}

impl Connection {
    pub fn new(stream: Stream) -> Self {
        Connection { stream, inbox: Inbox::default(), head: ResponseHead::default() }
    }

    /// Nothing has arrived that nobody asked for, the end of the connection included.
    fn is_quiet(&mut self) -> bool {
        self.inbox.is_empty() && inbox::is_quiet(&mut self.stream)
    }
}

/// One request and its answer.
pub struct LeanCall {
    pools: Arc<Pools>,
    key: Arc<Key>,
    authority: HeaderValue,
    /// None once it was given back.
    conn: Option<Box<Connection>>,
    reused: bool,
    /// How far the answer's body has come.
    body: Body,
    stage: Stage,
    /// What is left of a request that was accepted before it had arrived; it leaves while the answer is read.
    unsent: Bytes,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    /// The request left in part; the answer may still tell why.
    PartlySent,
    Sent,
    /// A final head has been read. `refused`: of a request that was not wanted to its end.
    Answered {
        refused: bool,
    },
}

impl LeanCall {
    pub fn new(
        pools: Arc<Pools>,
        key: Arc<Key>,
        authority: HeaderValue,
        conn: Box<Connection>,
        reused: bool,
    ) -> Self {
        let conn = Some(conn);
        let (body, stage, unsent) = (Body::Length(0), Stage::New, Bytes::new());
        LeanCall { pools, key, authority, conn, reused, body, stage, unsent }
    }

    fn conn(&mut self) -> &mut Connection {
        self.conn.as_mut().expect("taken only by release, which ends the call")
    }

    fn answered(&self) -> bool {
        matches!(self.stage, Stage::Answered { .. })
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault::new(if self.answered() { FaultKind::Cut } else { FaultKind::Closed }, error)
    }

    /// The upstream ended the connection where something was still to come.
    fn ended(&self) -> Fault {
        self.fault(&io::ErrorKind::UnexpectedEof.into())
    }

    /// The next piece of the body in the inbox, if something waits there.
    fn read_waiting(&mut self, onto: &mut Vec<u8>) -> Result<bool, Fault> {
        let Some(conn) = &mut self.conn else { return Ok(false) };
        if conn.inbox.is_empty() {
            return Ok(false);
        }
        let taken = self.body.read(conn.inbox.pending(), onto);
        let taken = taken.map_err(|what| Fault::new(FaultKind::Cut, what))?;
        conn.inbox.used(taken);
        Ok(true)
    }

    /// One read of the body: frames that arrived together come out together.
    fn poll_some(&mut self, cx: &mut Context<'_>, onto: &mut Vec<u8>) -> Poll<Result<bool, Fault>> {
        let before = onto.len();
        loop {
            if self.body.done() {
                return Poll::Ready(Ok(false));
            }
            let waited = self.read_waiting(onto)?;
            if onto.len() > before {
                return Poll::Ready(Ok(true));
            }
            if waited {
                // Framing and no data.
                continue;
            }
            match ready!(self.poll_arrive(cx, onto))? {
                0 if self.body == Body::Close => return Poll::Ready(Ok(false)),
                0 => return Poll::Ready(Err(self.ended())),
                _ if onto.len() > before => return Poll::Ready(Ok(true)),
                _ => {}
            }
        }
    }

    /// Bytes from the connection, to their place: those of a long body at once, others when it is known which of
    /// them are data. What belongs to no body waits in the inbox.
    fn poll_arrive(&mut self, cx: &mut Context<'_>, onto: &mut Vec<u8>) -> Poll<Result<usize, Fault>> {
        let LeanCall { conn: Some(conn), body, unsent, .. } = self else { return Poll::Ready(Ok(0)) };
        let Connection { stream, inbox, .. } = &mut **conn;
        send_on(unsent, stream, cx);
        let mut framed = Ok(());
        let read = match long_rest(body) {
            Some(left) => {
                let limit = usize::try_from(*left).unwrap_or(usize::MAX).min(MAX_READ_BYTES);
                if onto.capacity() - onto.len() < limit.min(DIRECT_BYTES as usize) {
                    onto.reserve(limit.min(DIRECT_BYTES as usize));
                }
                let read = ready!(inbox::poll_onto(stream, cx, onto, limit));
                read.inspect(|count| *left -= *count as u64)
            }
            None => ready!(inbox::poll_scratch(stream, cx, |arrived| match body.read(arrived, onto) {
                Ok(taken) if taken < arrived.len() => inbox.extend(&arrived[taken..]),
                Ok(_) => {}
                Err(what) => framed = Err(what),
            })),
        };
        framed.map_err(|what| Fault::new(FaultKind::Cut, what))?;
        Poll::Ready(read.map_err(|error| self.fault(&error)))
    }

    /// Reads a head if one is complete: its status.
    fn look(&mut self) -> Result<Option<u16>, Fault> {
        let conn = self.conn.as_mut().expect("taken only by release, which ends the call");
        let Connection { inbox, head, .. } = &mut **conn;
        let read = head.read(inbox.pending()).map_err(|flaw| Fault::new(FaultKind::Protocol, words(flaw)))?;
        if read.unwrap_or_else(|| inbox.pending().len()) > MAX_HEAD_BYTES {
            return Err(Fault::new(FaultKind::Protocol, "the answer's head is too large"));
        }
        let Some(len) = read else { return Ok(None) };
        inbox.used(len);
        Ok(Some(head.status))
    }

    /// Writes the request, and hears what the upstream says meanwhile.
    async fn talk(&mut self, head: &[u8], body: &Bytes) -> Result<(), Fault> {
        let mut parcel = Parcel::new([head, body, &[]]);
        let mut interim = 0;
        loop {
            let Connection { stream, inbox, .. } = self.conn();
            let said = poll_fn(|cx| poll_talk(&mut parcel, stream, inbox, cx)).await;
            match said.map_err(|error| self.fault(&error))? {
                Heard::Nothing => {
                    self.stage = Stage::Sent;
                    return Ok(());
                }
                Heard::Something => {
                    let Some(status) = self.look_for_final(&mut interim)? else { continue };
                    self.body = self.conn().head.body.clone();
                    // A refusal ends the upload: the upstream has made up its mind. Otherwise it reads on while it
                    // answers, and gets the rest.
                    let refused = !(200..=299).contains(&status);
                    self.stage = Stage::Answered { refused };
                    if !refused {
                        self.unsent = rest_of(head, body, parcel.sent());
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Passes over interim heads; the status of the final one, if it has arrived.
    fn look_for_final(&mut self, interim: &mut u32) -> Result<Option<u16>, Fault> {
        while let Some(status) = self.look()? {
            match status {
                101 => return Err(Fault::new(FaultKind::Protocol, "an upgrade nobody asked for")),
                100..=199 if *interim < MAX_INTERIM => *interim += 1,
                100..=199 => return Err(Fault::new(FaultKind::Protocol, "interim answers without end")),
                _ => return Ok(Some(status)),
            }
        }
        Ok(None)
    }
}

/// What is left to come of a body, if it is long and of known length.
fn long_rest(body: &mut Body) -> Option<&mut u64> {
    match body {
        Body::Length(left) if *left > DIRECT_BYTES => Some(left),
        _ => None,
    }
}

/// The bytes of a request behind the first `sent`.
fn rest_of(head: &[u8], body: &Bytes, sent: usize) -> Bytes {
    match sent.checked_sub(head.len()) {
        Some(of_body) => body.slice(of_body.min(body.len())..),
        None => Bytes::from([head.get(sent..).unwrap_or_default(), body].concat()),
    }
}

/// Writes on, as far as the connection takes it. An upstream that wants no more keeps what is left: its answer is
/// what counts, and the connection is not used again.
fn send_on(unsent: &mut Bytes, stream: &mut Stream, cx: &mut Context<'_>) {
    while !unsent.is_empty() {
        match Pin::new(&mut *stream).poll_write(cx, unsent) {
            Poll::Ready(Ok(count @ 1..)) => unsent.advance(count),
            _ => return,
        }
    }
}

/// Writes as much as the connection takes and meanwhile hears what it says.
fn poll_talk(
    parcel: &mut Parcel<'_>,
    stream: &mut Stream,
    inbox: &mut Inbox,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Heard>> {
    if let Poll::Ready(sent) = parcel.poll_send(stream, cx) {
        return Poll::Ready(sent.map(|()| Heard::Nothing));
    }
    match ready!(inbox.poll_fill(stream, cx)) {
        Ok(1..) => Poll::Ready(Ok(Heard::Something)),
        // It reads no more than it has; the write will say so.
        Ok(0) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        Err(error) => Poll::Ready(Err(error)),
    }
}

enum Heard {
    /// The request has left.
    Nothing,
    /// The upstream speaks before it has the whole request.
    Something,
}

impl Call for LeanCall {
    fn reused(&self) -> bool {
        self.reused
    }

    async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Fault> {
        let mut out = outbox::spare();
        push_head(&mut out, request, &self.authority);
        let copied = request.body.len() <= COPIED_BYTES;
        if copied {
            out.extend_from_slice(&request.body);
        }
        self.stage = Stage::PartlySent;
        let body = if copied { Bytes::new() } else { request.body.clone() };
        let sent = self.talk(&out, &body).await;
        outbox::keep(out);
        sent
    }

    async fn head(&mut self) -> Result<u16, Fault> {
        match self.stage {
            Stage::New => return Err(Fault::new(FaultKind::Closed, "the request was not sent")),
            Stage::Answered { .. } => return Ok(self.conn().head.status),
            Stage::PartlySent | Stage::Sent => {}
        }
        // After a failed write an answer is looked for once more; the connection serves nobody else.
        let refused = self.stage == Stage::PartlySent;
        let mut interim = 0;
        loop {
            if !self.conn().inbox.is_empty()
                && let Some(status) = self.look_for_final(&mut interim)?
            {
                self.body = self.conn().head.body.clone();
                self.stage = Stage::Answered { refused };
                return Ok(status);
            }
            let Connection { stream, inbox, .. } = self.conn();
            match inbox.fill(stream).await {
                Ok(1..) => {}
                Ok(0) if self.conn().inbox.is_empty() => return Err(self.ended()),
                // Half a head is not an answer that was never begun.
                Ok(0) => return Err(Fault::new(FaultKind::Cut, "the connection ended within a head")),
                Err(error) => return Err(self.fault(&error)),
            }
        }
    }

    fn fields(&self) -> Fields<'_> {
        match &self.conn {
            Some(conn) if self.answered() => Fields::Wire(&conn.head.fields),
            _ => Fields::None,
        }
    }

    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send {
        poll_fn(|cx| {
            // While nothing has come there is nothing to remember.
            let mut piece = Vec::new();
            let more = ready!(self.poll_some(cx, &mut piece))?;
            Poll::Ready(Ok(more.then(|| Bytes::from(piece))))
        })
    }

    async fn chunk_onto(&mut self, body: &mut Vec<u8>) -> Result<bool, Fault> {
        poll_fn(|cx| self.poll_some(cx, body)).await
    }

    fn close_delimited(&self) -> bool {
        self.body == Body::Close
    }

    async fn release(mut self) {
        let whole = matches!(self.stage, Stage::Answered { refused: false }) && self.unsent.is_empty();
        let Some(conn) = self.conn.take() else { return };
        // What follows an answer was asked by nobody, and must not become the next one's.
        if whole && self.body.done() && conn.head.keep_alive && conn.inbox.is_empty() {
            self.pools.put(&self.key, conn);
        }
    }
}

fn push_head(out: &mut Vec<u8>, request: &Outgoing<'_>, authority: &HeaderValue) {
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(request.path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(authority.as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(request.headers.lines());
    if request.method == Method::POST {
        out.extend_from_slice(b"content-length: ");
        push_decimal(out, request.body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn words(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Invalid(what) => what,
        Flaw::TooManyFields => "the answer has too many header fields",
        Flaw::Tunnel => "not an answer",
    }
}

/// A body up to this size is copied behind its head and leaves as one buffer; a longer one is not copied.
const COPIED_BYTES: usize = 4 * 1024;
/// An answer with more than this to come is read to its place.
const DIRECT_BYTES: u64 = 16 * 1024;
/// Read at a time.
const MAX_READ_BYTES: usize = 1024 * 1024;
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Interim answers before the final one.
const MAX_INTERIM: u32 = 32;
