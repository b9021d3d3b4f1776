//! Bytes that were read and not used yet.
//!
//! A connection that waits holds no memory: bytes are read into a buffer of the thread and copied to where
//! they belong once it is known how many they are. That copy is of what a request or a frame has, some
//! hundred bytes; long bodies of known length are read to their place at once.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use pingora_core::protocols::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// Bytes of one connection that wait to be used.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    used: usize,
}

impl Inbox {
    /// What waits.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.used == self.bytes.len()
    }

    /// The first `count` bytes have been used.
    pub fn used(&mut self, count: usize) {
        self.used = (self.used + count).min(self.bytes.len());
        if self.is_empty() {
            self.used = 0;
            if self.bytes.capacity() > KEPT_CAPACITY {
                self.bytes = Vec::new();
            }
            self.bytes.clear();
        }
    }

    /// Gives the memory back, if nothing waits in it.
    pub fn rest(&mut self) {
        if self.is_empty() {
            *self = Inbox::default();
        }
    }

    /// Everything that waits, taken out.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.drain(..std::mem::take(&mut self.used));
        bytes
    }

    /// Adds bytes behind those that wait.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.bytes.drain(..std::mem::take(&mut self.used));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Reads more. Zero at the end of the connection.
    pub fn poll_fill(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        poll_scratch(stream, cx, |arrived| self.extend(arrived))
    }

    /// Reads more. Zero at the end of the connection.
    ///
    /// # Errors
    /// What the connection says.
    pub async fn fill(&mut self, stream: &mut Stream) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(stream, cx)).await
    }
}

/// Reads into the thread's buffer and shows what arrived; its length.
pub fn poll_scratch(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    show: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        show(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
}

/// Reads at most `limit` bytes onto the end of `body`, into its spare capacity.
pub fn poll_onto(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    body: &mut Vec<u8>,
    limit: usize,
) -> Poll<io::Result<usize>> {
    let mut place = body.limit(limit);
    let read = stream.read_buf(&mut place);
    let read = std::pin::pin!(read);
    std::future::Future::poll(read, cx)
}

/// Is the connection still there, with nothing to say? Looks without waiting.
pub fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0; 1];
    let mut buffer = ReadBuf::new(&mut byte);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    Pin::new(stream).poll_read(&mut cx, &mut buffer).is_pending()
}

/// Bytes that can arrive with one system call.
const SCRATCH_BYTES: usize = 64 * 1024;
/// A larger buffer is given back once it is empty.
const KEPT_CAPACITY: usize = 16 * 1024;
