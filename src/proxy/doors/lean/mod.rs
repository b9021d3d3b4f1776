//! The lean door: plain HTTP/1.1 with a codec of our own.
//!
//! The head is read in place and kept as positions, the body is read to where the walk wants it, and an answer
//! leaves with one write, head and body. What costs a gateway its speed on HTTP/1.1 (header maps, a task and
//! channels for each request, two writes for an answer) is not here.

pub mod alarm;
mod down;
mod head;

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::task::{Poll, ready};
use std::time::Duration;

use pingora_core::protocols::{Shutdown, Stream};

use super::Times;
use crate::http1::RequestHead;
use crate::proxy::lifecycle;
use crate::proxy::node::Node;
use crate::upstream::transport::Upstream;
use crate::wire::{Inbox, inbox, outbox};
use alarm::Alarm;
use down::LeanDown;

/// A caller's connection.
pub struct Connection {
    pub stream: Stream,
    pub inbox: Inbox,
    pub alarm: Alarm,
    /// The head of the request at hand.
    pub head: RequestHead,
    /// What is on its way out.
    out: Vec<u8>,
    peer: Option<IpAddr>,
}

impl Connection {
    pub fn new(stream: Stream) -> Self {
        let peer = stream.get_socket_digest().and_then(|digest| Some(digest.peer_addr()?.as_inet()?.ip()));
        Connection {
            stream,
            inbox: Inbox::default(),
            alarm: Alarm::default(),
            head: RequestHead::default(),
            out: Vec::new(),
            peer,
        }
    }

    /// Reads more, for at most `bound`. Zero at the end of the connection.
    ///
    /// # Errors
    /// `TimedOut`, or what the connection says.
    pub async fn fill(&mut self, bound: Option<Duration>) -> io::Result<usize> {
        let Connection { stream, inbox, alarm, .. } = self;
        alarm.bound_io(bound, |cx| inbox.poll_fill(stream, cx)).await
    }

    /// Writes `bytes` and lets them go, for at most `bound`.
    ///
    /// # Errors
    /// `TimedOut`, or what the connection says.
    pub async fn write(&mut self, bytes: &[u8], bound: Option<Duration>) -> io::Result<()> {
        let Connection { stream, alarm, .. } = self;
        let mut parcel = outbox::Parcel::new([bytes, &[], &[]]);
        alarm.bound_io(bound, |cx| parcel.poll_send(stream, cx)).await
    }

    /// Drops empty lines that stand before a request (<https://www.rfc-editor.org/rfc/rfc9112#section-2.2>), and
    /// says whether there were any.
    pub fn skip_empty_lines(&mut self) -> bool {
        let empty = self.inbox.pending().chunks_exact(2).take_while(|line| line == b"\r\n").count();
        self.inbox.used(empty * 2);
        empty > 0
    }

    /// Ends the connection in order: what was written arrives, and then the end. What the caller still sends, up
    /// to `most` bytes and for at most `bound`, is read away: closing on unread bytes would reset the connection
    /// and take the answer with it.
    pub async fn close(mut self, most: usize, bound: Duration) {
        let closing = async {
            Shutdown::shutdown(&mut *self.stream).await;
            let mut dropped = 0;
            poll_fn(|cx| {
                loop {
                    match ready!(inbox::poll_scratch(&mut self.stream, cx, |_| {})) {
                        Ok(count @ 1..) if dropped < most => dropped += count,
                        _ => return Poll::Ready(()),
                    }
                }
            })
            .await;
        };
        let _ = pingora_timeout::timeout(bound, closing).await;
    }
}

/// What becomes of a connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It can serve the next one.
    Kept,
    /// It ends in order.
    Closed,
    /// It ends at once.
    Cut,
}

/// Serves the request whose head has been read.
pub async fn serve<U: Upstream>(node: &Node<U>, conn: &mut Connection, times: Times) -> After {
    let mut down = LeanDown::new(conn, times);
    lifecycle::serve(node, &mut down).await;
    down.after()
}
