//! Writing several pieces with one system call.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pingora_core::protocols::Stream;
use tokio::io::AsyncWrite;

/// Pieces on their way out, and how much of them has left.
#[derive(Debug)]
pub struct Parcel<'p> {
    parts: [&'p [u8]; 3],
    sent: usize,
}

impl<'p> Parcel<'p> {
    pub fn new(parts: [&'p [u8]; 3]) -> Self {
        Parcel { parts, sent: 0 }
    }

    /// Bytes handed over so far.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Has everything been handed over?
    pub fn is_sent(&self) -> bool {
        self.sent == self.parts.iter().map(|part| part.len()).sum::<usize>()
    }

    /// Writes as much as the connection takes, to the end of the pieces, and lets it go.
    pub fn poll_send(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_sent() {
            let rest = self.rest();
            let stream = Pin::new(&mut *stream);
            // Most parcels are one piece, for which the kernel has the shorter way.
            let wrote = match rest {
                [only, [], []] | [[], only, []] | [[], [], only] => stream.poll_write(cx, only),
                [[], ..] => stream.poll_write_vectored(cx, &[IoSlice::new(rest[1]), IoSlice::new(rest[2])]),
                _ => stream.poll_write_vectored(cx, &rest.map(IoSlice::new)),
            };
            let wrote = ready!(wrote)?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += wrote;
        }
        Pin::new(stream).poll_flush(cx)
    }

    /// Writes what the connection takes at once; None if something is left, which is then to be waited for.
    pub fn try_send(&mut self, stream: &mut Stream) -> Option<io::Result<()>> {
        match self.poll_send(stream, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready(sent) => Some(sent),
            Poll::Pending => None,
        }
    }

    fn rest(&self) -> [&'p [u8]; 3] {
        let mut skip = self.sent;
        self.parts.map(|part| {
            let gone = skip.min(part.len());
            skip -= gone;
            part.get(gone..).unwrap_or_default()
        })
    }
}

/// Writes all pieces and lets them go.
///
/// # Errors
/// What the connection says.
pub async fn send(stream: &mut Stream, parts: [&[u8]; 3]) -> io::Result<()> {
    let mut parcel = Parcel::new(parts);
    poll_fn(|cx| parcel.poll_send(stream, cx)).await
}

thread_local! {
    /// Memory of a message that has left, for the next one of this thread.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer, mostly the one that this thread used last: memory that is still in the processor's cache, where a
/// buffer of each connection's own would have left it long ago.
pub fn spare() -> Vec<u8> {
    SPARE.take()
}

/// Keeps the memory of a buffer for the next message. What is in it is gone.
pub fn keep(mut buffer: Vec<u8>) {
    if buffer.capacity() <= KEPT_CAPACITY {
        buffer.clear();
        SPARE.set(buffer);
    }
}

/// Appends `number` in decimal.
pub fn push_decimal(out: &mut Vec<u8>, number: u64) {
    push_digits::<10>(out, number);
}

/// Appends `number` in hexadecimal.
pub fn push_hex(out: &mut Vec<u8>, number: u64) {
    push_digits::<16>(out, number);
}

fn push_digits<const BASE: u64>(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        let digit = b"0123456789abcdef"[(number % BASE) as usize];
        digits[start] = digit;
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// A larger buffer is given back.
const KEPT_CAPACITY: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn pieces_arrive_whole_and_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let mut near: Stream =
            Box::new(pingora_core::protocols::l4::stream::Stream::from(near.expect("connected")));
        let mut far = far.expect("accepted").0;
        let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let expected = [b"head".as_slice(), &large, b"tail"].concat();
        let mut got = vec![0; expected.len()];
        let (sent, read) =
            tokio::join!(send(&mut near, [b"head", &large, b"tail"]), far.read_exact(&mut got));
        sent.expect("sent");
        read.expect("everything");
        assert_eq!(got, expected);
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        let mut out = Vec::new();
        for number in [0, 9, 10, u64::MAX] {
            push_decimal(&mut out, number);
            out.push(b' ');
            push_hex(&mut out, number);
            out.push(b' ');
        }
        assert_eq!(out, b"0 0 9 9 10 a 18446744073709551615 ffffffffffffffff ");
    }
}
