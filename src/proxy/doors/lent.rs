//! A caller's connection, wrapped so that a Pingora session sees exactly one message of it.
//!
//! The front reads a head, decides, and lends what is not for the lean door to a session, together with what it
//! has read. The wrapper hands out the bytes of that message and no more; what follows waits here for the next turn.
//! A session that looks whether the caller has left therefore sees the end of the connection and nothing
//! else: a stray line break or a pipelined request is not taken for a departure.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::{Peek, Shutdown, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lean::Connection;
use crate::http1::Body;
use crate::wire::{Gathered, like_the_stream_inside};

/// The wrapper.
#[derive(Debug)]
pub struct Lent {
    inner: Gathered,
    /// Bytes of the current message that were read ahead.
    ahead: BytesMut,
    /// Bytes after the current message.
    after: BytesMut,
    /// End of the current message; None hands everything through.
    end: Option<Body>,
}

impl Lent {
    /// Lends one message: its head of `head_len` waiting bytes and whatever its framing says belongs to it.
    pub fn message(conn: Connection, head_len: usize) -> Self {
        let end = Some(conn.head.body.clone());
        let mut lent = Lent::everything(conn);
        lent.after = lent.ahead.split_off(head_len.min(lent.ahead.len()));
        Lent { end, ..lent }
    }

    /// Hands everything through from here on, what was read ahead first.
    pub fn everything(mut conn: Connection) -> Self {
        let ahead = BytesMut::from(conn.inbox.take().as_slice());
        Lent { inner: Gathered::new(conn.stream), ahead, after: BytesMut::new(), end: None }
    }

    /// The connection out of the stream a session gave back. None when the session has left the message unread:
    /// then the next one cannot be found.
    pub fn back(stream: Stream) -> Option<Connection> {
        let any: Box<dyn Any> = stream.into_any();
        let lent = *any.downcast::<Lent>().ok()?;
        let at_boundary = lent.ahead.is_empty() && lent.end.as_ref().is_none_or(Body::done);
        let mut conn = Connection::new(lent.inner.into_inner());
        conn.inbox.extend(&lent.after);
        at_boundary.then_some(conn)
    }

    /// Ends the connection behind `stream`, which a session still holds, without waiting for a caller that
    /// may not be reading any more: what is buffered is dropped, and every further write fails at once.
    pub fn cut(stream: &Stream) {
        if let Some(lent) = stream.as_any().downcast_ref::<Lent>() {
            lent.inner.cut();
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(end) = &mut self.end else { return Pin::new(&mut self.inner).poll_read(cx, buf) };
        if end.done() {
            return self.poll_departure(cx);
        }
        if !self.after.is_empty() {
            let offered = self.after.len().min(buf.remaining());
            let taken = end.take(&self.after[..offered]).map_err(misframed)?;
            buf.put_slice(&self.after[..taken]);
            self.after.advance(taken);
            return Poll::Ready(Ok(()));
        }
        // Straight into the session's buffer; what lies behind the message is taken out again.
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let arrived = &buf.filled()[start..];
        let taken = end.take(arrived).map_err(misframed)?;
        self.after.extend_from_slice(&arrived[taken..]);
        buf.set_filled(start + taken);
        Poll::Ready(Ok(()))
    }

    /// After the message only the end of the connection is news.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.after.len() < MAX_AFTER {
            self.after.reserve(READ_AHEAD);
            let read = poll_read_into(&mut self.inner, cx, &mut self.after);
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        // A caller that sends that much ahead waits; it is looked at again when its turn comes.
        Poll::Pending
    }
}

fn misframed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn poll_read_into(
    inner: &mut Gathered,
    cx: &mut Context<'_>,
    into: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    use tokio::io::AsyncReadExt;
    let read = inner.read_buf(into);
    tokio::pin!(read);
    std::future::Future::poll(read, cx)
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return self.poll_message(cx, buf);
        }
        let taken = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead[..taken]);
        self.ahead.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Lent {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

like_the_stream_inside!(Lent);

/// Peeking is declined: the front has looked already.
#[async_trait]
impl Peek for Lent {}

const READ_AHEAD: usize = 4 * 1024;
/// Bytes taken in after a message while its answer is under way.
const MAX_AFTER: usize = 64 * 1024;
