//! The client: a pooled connection where there is one, else a new one; HTTP/1.1 by our own codec, HTTP/2 by
//! Pingora's sessions, as the endpoint wants it.
//!
//! A pooled connection is looked for first and without a timer. Making a new one is a large future (lookup,
//! TCP, TLS, HTTP/2 handshake), so it is boxed: the futures of the common case stay small enough to move.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::Either;

use super::lean::{Bounds, Connection, LeanCall, Pools};
use super::pingora::{Connected, Dialler, Http2Call, Peer, Pool, Version, late};
use super::{Call, Fault, Fields, Outgoing, Upstream};
use crate::upstream::endpoint::Endpoint;

/// Reaches upstreams for all requests of a process.
pub struct Client {
    dialler: Dialler,
    pools: Arc<Pools>,
}

impl Client {
    pub fn new(settings: Pool) -> Self {
        let bounds = Bounds { per_peer: settings.per_peer, idle: settings.idle };
        Client { dialler: Dialler::new(settings), pools: Arc::new(Pools::new(settings.workers, bounds)) }
    }

    /// An idle connection, or a free stream of a running one.
    async fn pooled(&self, endpoint: &Endpoint) -> Option<ClientCall> {
        let peer = self.dialler.peer(endpoint, endpoint.addresses.preferred()?);
        if let Some(conn) = self.pools.take(&peer.key) {
            return Some(self.lean(endpoint, &peer, conn, true));
        }
        self.dialler.shared(endpoint, &peer).await.map(ClientCall::Http2)
    }

    /// A connection that was not in the pool a moment ago. Of an endpoint whose connections are shared, or may
    /// be, one is made at a time: who waits for it takes a stream of it.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        deadline: Option<Instant>,
    ) -> Result<ClientCall, Fault> {
        let shared = endpoint.tls && matches!(endpoint.known.version(), Version::Unknown | Version::Two);
        if !shared || fresh {
            return self.dial(endpoint, fresh, deadline).await;
        }
        let dialling = endpoint.known.dialling.lock().await;
        if let Some(call) = self.pooled(endpoint).await {
            return Ok(call);
        }
        if endpoint.known.version() == Version::One {
            drop(dialling);
        }
        self.dial(endpoint, fresh, deadline).await
    }

    async fn dial(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        deadline: Option<Instant>,
    ) -> Result<ClientCall, Fault> {
        Ok(match self.dialler.dial(endpoint, fresh, deadline).await? {
            Connected::One(stream, peer) => {
                self.lean(endpoint, &peer, Box::new(Connection::new(stream)), false)
            }
            Connected::Two(call) => ClientCall::Http2(call),
        })
    }

    fn lean(&self, endpoint: &Endpoint, peer: &Peer, conn: Box<Connection>, reused: bool) -> ClientCall {
        let (pools, key) = (Arc::clone(&self.pools), Arc::clone(&peer.key));
        ClientCall::Lean(LeanCall::new(pools, key, endpoint.authority.clone(), conn, reused))
    }
}

impl Upstream for Client {
    type Call = ClientCall;

    async fn open(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        budget: Option<Duration>,
    ) -> Result<ClientCall, Fault> {
        if !fresh && let Some(call) = self.pooled(endpoint).await {
            return Ok(call);
        }
        let deadline = budget.map(|budget| Instant::now() + budget);
        let connecting = Box::pin(self.connect(endpoint, fresh, deadline));
        match budget {
            // Neither the lookup nor the wait for another's connection has a bound of its own.
            Some(budget) => {
                pingora_timeout::timeout(budget, connecting).await.unwrap_or_else(|_| Err(late(budget)))
            }
            None => connecting.await,
        }
    }
}

/// A call over either version.
pub enum ClientCall {
    Lean(LeanCall),
    Http2(Box<Http2Call>),
}

/// The same question to whichever it is.
macro_rules! either {
    ($self:expr, $call:ident => $answer:expr) => {
        match $self {
            ClientCall::Lean($call) => $answer,
            ClientCall::Http2($call) => $answer,
        }
    };
}

impl Call for ClientCall {
    fn reused(&self) -> bool {
        either!(self, call => call.reused())
    }

    async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Fault> {
        either!(self, call => call.send(request).await)
    }

    async fn head(&mut self) -> Result<u16, Fault> {
        either!(self, call => call.head().await)
    }

    fn fields(&self) -> Fields<'_> {
        either!(self, call => call.fields())
    }

    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, Fault>> + Send {
        match self {
            ClientCall::Lean(call) => Either::Left(call.chunk()),
            ClientCall::Http2(call) => Either::Right(call.chunk()),
        }
    }

    async fn chunk_onto(&mut self, body: &mut Vec<u8>) -> Result<bool, Fault> {
        either!(self, call => call.chunk_onto(body).await)
    }

    fn close_delimited(&self) -> bool {
        either!(self, call => call.close_delimited())
    }

    async fn release(self) {
        either!(self, call => call.release().await);
    }
}
