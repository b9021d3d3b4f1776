//! A stream whose other end is a value: Pingora's idea of a connection, without a socket.

use std::fmt::{self, Debug, Formatter};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The other end of a stream.
pub trait End: Send + Sync + Unpin + 'static {
    /// What it says now, with one write; None while it is silent.
    fn says(&mut self) -> Option<&[u8]>;

    /// What it hears with one read.
    fn hears(&mut self, pieces: &[IoSlice<'_>]);
}

pub struct Memory<E>(pub E);

impl<E: End> AsyncRead for Memory<E> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(said) = self.0.says() else { return Poll::Pending };
        // Whoever reads has room for what is said here.
        buffer.put_slice(said);
        Poll::Ready(Ok(()))
    }
}

impl<E: End> AsyncWrite for Memory<E> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.hears(pieces);
        Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<E> Debug for Memory<E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

#[async_trait]
impl<E: End> Shutdown for Memory<E> {
    async fn shutdown(&mut self) {}
}

#[async_trait]
impl<E: End> Peek for Memory<E> {}

impl<E> Ssl for Memory<E> {}

impl<E> UniqueID for Memory<E> {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl<E> GetTimingDigest for Memory<E> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl<E> GetProxyDigest for Memory<E> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl<E> GetSocketDigest for Memory<E> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}
