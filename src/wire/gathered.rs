//! Streams under Pingora's sessions whose writes leave together.
//!
//! A session writes the head of a message, flushes, and writes its body: two segments, two wake-ups at the
//! other end, twice the system calls. [`Gathered`] collects what is written and lets it go with a flush that
//! counts, so that head and body leave in one.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora_core::protocols::{Peek, Shutdown, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What Pingora asks of a stream besides bytes, answered by the stream inside.
macro_rules! like_the_stream_inside {
    ($wrapper:ty) => {
        impl pingora_core::protocols::UniqueID for $wrapper {
            fn id(&self) -> pingora_core::protocols::UniqueIDType {
                self.inner.id()
            }
        }

        impl pingora_core::protocols::Ssl for $wrapper {
            fn get_ssl_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::tls::SslDigest>> {
                self.inner.get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<pingora_core::protocols::ALPN> {
                self.inner.selected_alpn_proto()
            }
        }

        impl pingora_core::protocols::GetTimingDigest for $wrapper {
            fn get_timing_digest(&self) -> Vec<Option<pingora_core::protocols::TimingDigest>> {
                self.inner.get_timing_digest()
            }

            fn get_read_pending_time(&self) -> std::time::Duration {
                self.inner.get_read_pending_time()
            }

            fn get_write_pending_time(&self) -> std::time::Duration {
                self.inner.get_write_pending_time()
            }
        }

        impl pingora_core::protocols::GetProxyDigest for $wrapper {
            fn get_proxy_digest(
                &self,
            ) -> Option<std::sync::Arc<pingora_core::protocols::raw_connect::ProxyDigest>> {
                self.inner.get_proxy_digest()
            }
        }

        impl pingora_core::protocols::GetSocketDigest for $wrapper {
            fn get_socket_digest(&self) -> Option<std::sync::Arc<pingora_core::protocols::SocketDigest>> {
                self.inner.get_socket_digest()
            }
        }
    };
}
pub(crate) use like_the_stream_inside;

/// A stream that collects what is written to it.
#[derive(Debug)]
pub struct Gathered {
    inner: Stream,
    out: Vec<u8>,
    /// Bytes of `out` that have left already.
    left: usize,
    /// Flushes do not count for now.
    held: AtomicBool,
    /// Nothing more is written, whoever asks.
    cut: AtomicBool,
}

like_the_stream_inside!(Gathered);

impl Gathered {
    pub fn new(inner: Stream) -> Self {
        let (held, cut) = (AtomicBool::new(false), AtomicBool::new(false));
        Gathered { inner, out: Vec::new(), left: 0, held, cut }
    }

    /// The stream inside. What is still collected is dropped.
    pub fn into_inner(self) -> Stream {
        self.inner
    }

    /// While held, flushes wait for one that comes after; memory is bounded all the same.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    /// Drops what is collected and fails every further write, without waiting for a peer that may not be
    /// reading any more.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        while let Some(rest) = self.out.get(self.left..).filter(|rest| !rest.is_empty()) {
            let wrote = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left += wrote;
        }
        self.left = 0;
        self.out.clear();
        if self.out.capacity() > KEPT_CAPACITY {
            self.out = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gathered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.out.len() + bytes.len() > MAX_COLLECTED {
            ready!(self.poll_drain(cx))?;
            if bytes.len() > MAX_COLLECTED {
                return Pin::new(&mut self.inner).poll_write(cx, bytes);
            }
        }
        self.out.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.load(Ordering::Acquire) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Gathered {
    async fn shutdown(&mut self) {
        use tokio::io::AsyncWriteExt;
        // Whether the peer still takes it does not matter: the connection ends here.
        let _ = AsyncWriteExt::flush(self).await;
        Shutdown::shutdown(&mut *self.inner).await;
    }
}

/// Peeking is declined; whoever wraps a stream has looked at it already.
#[async_trait]
impl Peek for Gathered {}

/// Bytes collected before they are written without a flush.
const MAX_COLLECTED: usize = 32 * 1024;
/// A larger buffer is given back once it is empty.
const KEPT_CAPACITY: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (Gathered, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let stream = pingora_core::protocols::l4::stream::Stream::from(near.expect("connected"));
        (Gathered::new(Box::new(stream)), far.expect("accepted").0)
    }

    #[tokio::test]
    async fn what_is_written_leaves_with_the_flush_that_counts() {
        let (mut near, mut far) = pair().await;
        let mut byte = [0; 1];
        near.hold(true);
        near.write_all(b"head ").await.expect("collected");
        near.flush().await.expect("held");
        assert!(futures_util::poll!(std::pin::pin!(far.read(&mut byte))).is_pending());
        near.hold(false);
        near.write_all(b"body").await.expect("collected");
        near.flush().await.expect("sent");
        let mut both = [0; 9];
        far.read_exact(&mut both).await.expect("both");
        assert_eq!(&both, b"head body");
    }

    #[tokio::test]
    async fn large_writes_keep_their_order() {
        let (mut near, mut far) = pair().await;
        let sent: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
        let writing = async {
            for piece in [&sent[..10], &sent[10..90_000], &sent[90_000..90_001], &sent[90_001..]] {
                near.write_all(piece).await.expect("taken");
            }
            near.flush().await.expect("sent");
        };
        let mut got = vec![0; sent.len()];
        let (_, read) = tokio::join!(writing, far.read_exact(&mut got));
        read.expect("everything");
        assert_eq!(got, sent);
    }

    #[tokio::test]
    async fn a_cut_stream_fails_at_once() {
        let (mut near, _far) = pair().await;
        near.write_all(b"x").await.expect("collected");
        near.cut();
        assert!(near.flush().await.is_err());
    }
}
