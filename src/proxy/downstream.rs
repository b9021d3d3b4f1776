//! The seam between the walk and whatever brought the request.
//!
//! A door parses a request, implements [`Downstream`] for it and calls [`super::serve`]. The walk reads and
//! writes through this trait alone, so it behaves the same behind every door.

use std::future::Future;
use std::net::IpAddr;

use bytes::Bytes;
use http::Method;
use smallvec::SmallVec;

use crate::error::{Error, Kind};
use crate::upstream::transport::Headers;

/// One request and the way back to its caller.
pub trait Downstream: Send {
    fn method(&self) -> &Method;

    /// Path as sent, percent-encoded, without the query.
    fn path(&self) -> &str;

    fn query(&self) -> Option<&str>;

    /// `HTTP/1.1` and the like.
    fn version(&self) -> &'static str;

    /// First value of a header; `name` in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// All values of a header in order.
    fn header_values(&self, name: &str) -> SmallVec<[&[u8]; 2]>;

    /// Length of the request's body, if it says so.
    fn announced(&self) -> Option<u64>;

    /// Copies of the headers whose lower-case name `keep` accepts.
    fn headers_where(&self, keep: fn(&str) -> bool) -> Headers;

    /// Address of the peer, before any trusted proxy is considered.
    fn peer(&self) -> Option<IpAddr>;

    /// Tells a caller that waits for it (`Expect: 100-continue`) to send the body.
    fn invite(&mut self) -> impl Future<Output = Result<(), Broken>> + Send;

    /// Reads the next piece of the request body onto the end of `body`; false at its end. Bounded in time by the
    /// door.
    fn read_onto(&mut self, body: &mut Vec<u8>) -> impl Future<Output = Result<bool, Broken>> + Send;

    /// Sends the head of the answer. Exactly once. It may wait for the first piece of the body to leave with.
    fn send_head(&mut self, head: ResponseHead) -> impl Future<Output = Result<(), Broken>> + Send;

    /// Sends a piece of the body and lets everything go; an empty one lets go what waits.
    fn send(&mut self, piece: Bytes, last: bool) -> impl Future<Output = Result<(), Broken>> + Send;

    /// Sends a piece of the body as far as it can leave at once. What is left of it is to be sent with `send`; None if
    /// nothing is.
    ///
    /// # Errors
    /// The caller's side failed.
    fn send_now(&mut self, piece: Bytes) -> Result<Option<Bytes>, Broken> {
        Ok(Some(piece))
    }

    /// Resolves when the caller has left; never otherwise. May be dropped and called again.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;

    /// Lets the answer go and reads what is left of the request, so that the connection can serve again.
    /// When that takes too much or too long the connection is closed instead.
    fn drain(&mut self) -> impl Future<Output = Drained> + Send;

    /// Closes the connection after the answer.
    fn close_after(&mut self);

    /// Ends the exchange so that the caller can tell it from a complete answer.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

/// How the rest of a request that was answered early ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    Completed,
    CapReached,
    TimedOut,
    ReadError,
}

impl Drained {
    /// Label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Drained::Completed => "completed",
            Drained::CapReached => "cap_reached",
            Drained::TimedOut => "timeout",
            Drained::ReadError => "client_read_error",
        }
    }
}

/// Status and headers of an answer.
#[derive(Debug, Default)]
pub struct ResponseHead {
    pub status: u16,
    pub headers: Headers,
    /// Length of the body; None streams it.
    pub length: Option<u64>,
}

/// The caller's side failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The caller closed or reset.
    Gone,
    /// The caller did not send, or did not take, anything for too long.
    Slow,
    /// The body is framed wrongly.
    Framing(&'static str),
}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Gone => Error::new(Kind::CallerGone, "the caller left"),
            Broken::Slow => Error::new(
                Kind::SlowCaller,
                "the request took too long to arrive; send the whole body without pauses",
            ),
            Broken::Framing(what) => Error::bad_request(what),
        }
    }
}
