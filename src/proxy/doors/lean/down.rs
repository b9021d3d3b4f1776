//! [`Downstream`] over a lean connection.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use smallvec::SmallVec;

use super::{After, Connection, head};
use crate::http1::Body;
use crate::proxy::doors::Times;
use crate::proxy::downstream::{Broken, Downstream, Drained, ResponseHead};
use crate::upstream::transport::Headers;
use crate::wire::{inbox, outbox};

/// One request of a connection, and its answer.
pub struct LeanDown<'c> {
    conn: &'c mut Connection,
    times: Times,
    /// The caller waits for `100 Continue` before it sends its body.
    waits: bool,
    /// The answer goes out in chunks.
    chunked: bool,
    closing: bool,
    cut: bool,
    /// Something was sent and has not left yet.
    waiting: bool,
}

impl<'c> LeanDown<'c> {
    pub fn new(conn: &'c mut Connection, times: Times) -> Self {
        conn.out.clear();
        // A caller that has begun to send waits for nothing.
        let waits = conn.head.expects_continue && !conn.head.body.done() && conn.inbox.is_empty();
        let closing = conn.head.close;
        LeanDown { conn, times, waits, chunked: false, closing, cut: false, waiting: false }
    }

    /// What becomes of the connection now.
    pub fn after(self) -> After {
        match (self.cut, self.closing || !self.conn.head.body.done()) {
            (true, _) => After::Cut,
            (false, true) => After::Closed,
            (false, false) => After::Kept,
        }
    }

    /// Takes what is in the inbox of the body; false when there is nothing.
    fn read_ahead(&mut self, body: &mut Vec<u8>) -> Result<bool, Broken> {
        let Connection { inbox, head, .. } = &mut *self.conn;
        if inbox.is_empty() {
            return Ok(false);
        }
        match head.body.read(inbox.pending(), body) {
            Ok(taken) => {
                inbox.used(taken);
                Ok(true)
            }
            Err(what) => {
                // Nobody knows where the next message begins.
                self.closing = true;
                Err(Broken::Framing(what))
            }
        }
    }

    /// What is collected to be sent.
    fn out(&mut self) -> &mut Vec<u8> {
        let out = &mut self.conn.out;
        if out.capacity() == 0 {
            *out = outbox::spare();
        }
        out
    }

    /// Sends what is collected, with `piece` behind it.
    async fn let_go(&mut self, piece: &[u8], tail: &[u8]) -> Result<(), Broken> {
        if self.cut {
            return Err(Broken::Gone);
        }
        let Connection { stream, alarm, out, .. } = &mut *self.conn;
        let mut parcel = outbox::Parcel::new([out, piece, tail]);
        // Nearly always there is room for it, and nothing to wait for.
        let sent = match parcel.try_send(stream) {
            Some(sent) => sent,
            None => alarm.bound_io(self.times.write, |cx| parcel.poll_send(stream, cx)).await,
        };
        outbox::keep(std::mem::take(out));
        self.waiting = false;
        sent.map_err(|error| self.failed(&error))
    }

    /// A half-written answer can not be followed by anything.
    fn failed(&mut self, error: &io::Error) -> Broken {
        self.cut = true;
        broken(error)
    }

    /// One chunk, or with nothing in it nothing.
    async fn send_chunk(&mut self, piece: &[u8], last: bool) -> Result<(), Broken> {
        let waiting = self.waiting;
        let out = self.out();
        if piece.len() > COPIED_BYTES {
            let tail = push_chunk_head(out, piece, last);
            return self.let_go(piece, tail).await;
        }
        push_chunk(out, piece, last);
        if out.is_empty() && !waiting { Ok(()) } else { self.let_go(&[], &[]).await }
    }

    async fn read_away(&mut self) -> Drained {
        if self.let_go(&[], &[]).await.is_err() {
            return Drained::ReadError;
        }
        if self.waits {
            // It was never invited, and was told that the connection ends.
            return Drained::Completed;
        }
        let mut dropped = Vec::new();
        let mut total = 0;
        loop {
            match self.read_onto(&mut dropped).await {
                Ok(true) => total += std::mem::take(&mut dropped).len(),
                Ok(false) => return Drained::Completed,
                Err(_) => return Drained::ReadError,
            }
            if total > MAX_DRAINED_BYTES {
                return Drained::CapReached;
            }
        }
    }
}

impl Downstream for LeanDown<'_> {
    fn method(&self) -> &Method {
        &self.conn.head.method
    }

    fn path(&self) -> &str {
        self.conn.head.path()
    }

    fn query(&self) -> Option<&str> {
        self.conn.head.query()
    }

    fn version(&self) -> &'static str {
        "HTTP/1.1"
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.conn.head.fields.get(name)
    }

    fn header_values(&self, name: &str) -> SmallVec<[&[u8]; 2]> {
        self.conn.head.fields.all(name).collect()
    }

    fn announced(&self) -> Option<u64> {
        match self.conn.head.body {
            Body::Length(length) => Some(length),
            _ => None,
        }
    }

    fn headers_where(&self, keep: fn(&str) -> bool) -> Headers {
        self.conn.head.fields.copied(keep)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.conn.peer
    }

    async fn invite(&mut self) -> Result<(), Broken> {
        if std::mem::take(&mut self.waits) {
            self.out().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.let_go(&[], &[]).await?;
        }
        Ok(())
    }

    async fn read_onto(&mut self, body: &mut Vec<u8>) -> Result<bool, Broken> {
        if self.conn.head.body.done() {
            return Ok(false);
        }
        if self.read_ahead(body)? {
            return Ok(true);
        }
        let Connection { stream, alarm, inbox, head, .. } = &mut *self.conn;
        let read = match &mut head.body {
            Body::Length(left) => {
                let limit = usize::try_from(*left).unwrap_or(usize::MAX).min(MAX_READ_BYTES);
                if body.len() == body.capacity() {
                    body.reserve(limit.min(GROWTH_BYTES));
                }
                let read =
                    alarm.bound_io(self.times.read, |cx| inbox::poll_onto(stream, cx, body, limit)).await;
                *left -= *read.as_ref().unwrap_or(&0) as u64;
                read
            }
            _ => alarm.bound_io(self.times.read, |cx| inbox.poll_fill(stream, cx)).await,
        };
        match read {
            Ok(0) => Err(Broken::Gone),
            Ok(_) => self.read_ahead(body).map(|_| true),
            Err(error) => Err(broken(&error)),
        }
    }

    async fn send_head(&mut self, response: ResponseHead) -> Result<(), Broken> {
        if self.waits {
            // The caller was never invited: what it will send now cannot be known.
            self.closing = true;
        }
        self.chunked = response.length.is_none();
        // It leaves with the first piece of the body.
        let closing = self.closing;
        head::push(self.out(), &response, closing);
        Ok(())
    }

    async fn send(&mut self, piece: Bytes, last: bool) -> Result<(), Broken> {
        if self.chunked {
            return self.send_chunk(&piece, last).await;
        }
        if piece.len() > COPIED_BYTES {
            return self.let_go(&piece, &[]).await;
        }
        self.out().extend_from_slice(&piece);
        self.let_go(&[], &[]).await
    }

    fn send_now(&mut self, piece: Bytes) -> Result<Option<Bytes>, Broken> {
        if !self.chunked || self.cut || piece.len() > COPIED_BYTES {
            return Ok(Some(piece));
        }
        push_chunk(self.out(), &piece, false);
        let Connection { stream, out, .. } = &mut *self.conn;
        let mut parcel = outbox::Parcel::new([out, &[], &[]]);
        match parcel.try_send(stream) {
            Some(Ok(())) => {
                outbox::keep(std::mem::take(out));
                Ok(None)
            }
            Some(Err(error)) => Err(self.failed(&error)),
            None => {
                let sent = parcel.sent();
                out.drain(..sent);
                self.waiting = true;
                Ok(Some(Bytes::new()))
            }
        }
    }

    fn gone(&mut self) -> impl Future<Output = ()> + Send {
        let Connection { stream, inbox, .. } = &mut *self.conn;
        poll_fn(move |cx| {
            // A caller that sends that much ahead waits; it is looked at again when its turn comes.
            while inbox.pending().len() < MAX_AHEAD_BYTES {
                match inbox.poll_fill(stream, cx) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Pending
        })
    }

    async fn drain(&mut self) -> Drained {
        if self.cut {
            return Drained::ReadError;
        }
        if self.conn.out.is_empty() && self.conn.head.body.done() {
            return Drained::Completed;
        }
        let patience = if self.closing { LINGER } else { DRAIN_PATIENCE };
        let outcome = pingora_timeout::timeout(patience, self.read_away()).await.unwrap_or(Drained::TimedOut);
        if outcome != Drained::Completed {
            self.closing = true;
        }
        outcome
    }

    fn close_after(&mut self) {
        self.closing = true;
    }

    async fn abort(&mut self) {
        self.cut = true;
        self.conn.out.clear();
    }
}

/// Appends a chunk.
fn push_chunk(out: &mut Vec<u8>, piece: &[u8], last: bool) {
    let tail = push_chunk_head(out, piece, last);
    out.extend_from_slice(piece);
    out.extend_from_slice(tail);
}

/// Appends what stands before a chunk, and says what stands behind it.
fn push_chunk_head(out: &mut Vec<u8>, piece: &[u8], last: bool) -> &'static [u8] {
    if !piece.is_empty() {
        outbox::push_hex(out, piece.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    match (piece.is_empty(), last) {
        (true, true) => b"0\r\n\r\n",
        (true, false) => b"",
        (false, true) => b"\r\n0\r\n\r\n",
        (false, false) => b"\r\n",
    }
}

fn broken(error: &io::Error) -> Broken {
    if error.kind() == io::ErrorKind::TimedOut { Broken::Slow } else { Broken::Gone }
}

/// A piece up to this size is copied behind the head and leaves as one buffer; a longer one is not copied.
const COPIED_BYTES: usize = 4 * 1024;
/// Read at a time.
const MAX_READ_BYTES: usize = 1024 * 1024;
/// Room made for a body that outgrows what was reserved for it.
const GROWTH_BYTES: usize = 64 * 1024;
/// Bytes taken in after a message while its answer is under way.
const MAX_AHEAD_BYTES: usize = 64 * 1024;
/// Bytes of a refused body that are read away so that the caller can read its answer.
const MAX_DRAINED_BYTES: usize = 32 * 1024 * 1024;
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a connection that will be closed anyway.
const LINGER: Duration = Duration::from_millis(500);
