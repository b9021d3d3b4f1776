//! Calls over Pingora's pooled HTTP/1.1 and HTTP/2 sessions.
//!
//! A pooled connection is looked for first and without a timer. Making a new one is a large future (lookup,
//! TCP, TLS, HTTP/2 handshake), so it is boxed: the futures of the common case stay small enough to move.

mod call;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use pingora_core::connectors::http::v2;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::TcpKeepalive;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v1::client::HttpSession as Http1Session;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_core::upstreams::peer::{ALPN, HttpPeer, Peer, PeerOptions, Scheme};
use pingora_error::{Error as PingoraError, ErrorType};
use tokio::sync::Mutex;

use super::{Fault, FaultKind, Upstream};
use crate::upstream::endpoint::Endpoint;
use crate::wire::Gathered;
pub use call::PingoraCall;

/// How connections are kept.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Idle connections kept in all.
    pub size: usize,
    /// How long an idle one is kept. Stays below what providers grant.
    pub idle: Option<Duration>,
    pub keepalive: Option<(Duration, Duration, usize)>,
}

/// What has been learnt about reaching an endpoint.
#[derive(Default)]
pub struct Known {
    /// The peer for the address used last, so that it is not described anew for every request.
    peer: ArcSwapOption<HttpPeer>,
    version: AtomicU8,
    /// Held while a connection is made that others may share.
    dialling: Mutex<()>,
}

/// The version of HTTP an endpoint speaks, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Unknown,
    /// What ALPN came to.
    One,
    Two,
    /// It offers HTTP/2 and wants HTTP/1.1 for what is asked of it.
    OnlyOne,
}

impl Known {
    fn version(&self) -> Version {
        match self.version.load(Ordering::Relaxed) {
            1 => Version::One,
            2 => Version::Two,
            3 => Version::OnlyOne,
            _ => Version::Unknown,
        }
    }

    fn learn(&self, version: Version) {
        if self.version() != Version::OnlyOne {
            self.version.store(version as u8, Ordering::Relaxed);
        }
        if version == Version::OnlyOne {
            self.peer.store(None);
        }
    }
}

/// The connectors and their pools, shared by all requests.
pub struct PingoraUpstream {
    pools: Arc<Pools>,
    settings: Pool,
    /// Sets the pool keys of fresh connections apart, so that none is taken from the pool.
    fresh: AtomicU64,
}

struct Pools {
    /// Idle HTTP/1.1 connections; never dials.
    h1: TransportConnector,
    /// HTTP/2 connections; makes new ones of either version, as ALPN decides.
    h2: v2::Connector,
    idle: Option<Duration>,
}

impl Pools {
    async fn release(&self, session: HttpSession, peer: &Arc<HttpPeer>) {
        match session {
            HttpSession::H1(mut session) => {
                // Without this a connection is never reused.
                session.respect_keepalive();
                if let Some(stream) = session.reuse().await {
                    self.h1.release_stream(stream, peer.reuse_hash(), self.idle);
                }
            }
            HttpSession::H2(session) => self.h2.release_http_session(session, &**peer, self.idle),
            HttpSession::Custom(()) => {}
        }
    }
}

impl PingoraUpstream {
    pub fn new(settings: Pool) -> Self {
        let dials = ConnectorOptions::new(settings.size);
        let mut keeps = dials.clone();
        keeps.ca_file = Some(NO_ROOTS.into());
        let pools = Pools {
            h1: TransportConnector::new(Some(keeps)),
            h2: v2::Connector::new(Some(dials)),
            idle: settings.idle,
        };
        PingoraUpstream { pools: Arc::new(pools), settings, fresh: AtomicU64::new(1) }
    }

    /// The peer for an address, made once and kept with the endpoint.
    fn peer(&self, endpoint: &Endpoint, address: SocketAddr) -> Arc<HttpPeer> {
        let kept = endpoint.known.peer.load();
        if let Some(peer) = kept.as_ref().filter(|peer| peer._address == PingoraAddr::Inet(address)) {
            return Arc::clone(peer);
        }
        let peer = Arc::new(self.new_peer(endpoint, address));
        endpoint.known.peer.store(Some(Arc::clone(&peer)));
        peer
    }

    fn new_peer(&self, endpoint: &Endpoint, address: SocketAddr) -> HttpPeer {
        let http2 = endpoint.tls && endpoint.known.version() != Version::OnlyOne;
        let mut options = PeerOptions::new();
        options.idle_timeout = self.settings.idle;
        options.verify_cert = endpoint.identity.verify;
        options.verify_hostname = endpoint.identity.verify;
        options.ca = endpoint.identity.roots.clone();
        options.max_h2_streams = MAX_H2_STREAMS;
        options.h2_stream_window_size = Some(STREAM_WINDOW);
        options.h2_connection_window_size = Some(CONNECTION_WINDOW);
        options.alpn = if http2 { ALPN::H2H1 } else { ALPN::H1 };
        options.tcp_keepalive = self.settings.keepalive.map(|(idle, interval, count)| TcpKeepalive {
            idle,
            interval,
            count,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::ZERO,
        });
        HttpPeer {
            _address: PingoraAddr::Inet(address),
            scheme: if endpoint.tls { Scheme::HTTPS } else { Scheme::HTTP },
            // An empty SNI would switch verification off; the host is never empty.
            sni: endpoint.host.clone(),
            proxy: None,
            client_cert_key: endpoint.identity.client.clone(),
            // Pingora's pool does not look at trust roots or at the version.
            group_key: endpoint.identity.fingerprint ^ u64::from(!http2),
            options,
        }
    }

    /// An idle connection, or a free stream of a running one.
    async fn pooled(&self, endpoint: &Endpoint) -> Option<PingoraCall> {
        let peer = self.peer(endpoint, endpoint.addresses.preferred()?);
        if endpoint.tls
            && endpoint.known.version() != Version::OnlyOne
            && let Ok(Some(session)) = self.pools.h2.reused_http_session(&*peer).await
        {
            return Some(self.call(endpoint, &peer, HttpSession::H2(session), true));
        }
        let stream = self.pools.h1.reused_stream(&*peer).await?;
        let session = HttpSession::H1(Http1Session::new_with_options(stream, &*peer));
        Some(self.call(endpoint, &peer, session, true))
    }

    /// A connection that was not in the pool a moment ago. Of an endpoint whose connections are shared, or may
    /// be, one is made at a time: who waits for it takes a stream of it.
    async fn connect(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        deadline: Option<Instant>,
    ) -> Result<PingoraCall, Fault> {
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

    /// A new connection to the first address that takes one.
    async fn dial(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        deadline: Option<Instant>,
    ) -> Result<PingoraCall, Fault> {
        let candidates =
            endpoint.addresses.candidates().await.map_err(|cause| Fault::new(FaultKind::Connect, cause))?;
        let mut last = Fault::new(FaultKind::Connect, "the name has no address");
        for (index, &address) in candidates.iter().enumerate() {
            let more = index + 1 < candidates.len();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let share =
                if more { Some(left.map_or(NEXT_ADDRESS, |left| left.min(NEXT_ADDRESS))) } else { left };
            match self.dial_one(endpoint, address, fresh, share).await {
                Ok(call) => {
                    endpoint.addresses.worked(address);
                    return Ok(call);
                }
                Err(fault) => {
                    endpoint.addresses.failed(address);
                    last = fault;
                }
            }
        }
        Err(last)
    }

    async fn dial_one(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        fresh: bool,
        budget: Option<Duration>,
    ) -> Result<PingoraCall, Fault> {
        let peer = self.peer(endpoint, address);
        let apart = fresh.then(|| {
            let mut apart = HttpPeer::clone(&peer);
            apart.group_key ^= self.fresh.fetch_add(1, Ordering::Relaxed).rotate_left(32);
            Arc::new(apart)
        });
        let dialled = apart.as_ref().unwrap_or(&peer);
        let connecting = self.pools.h2.new_http_session(&**dialled);
        let connected = match budget {
            Some(budget) => pingora_timeout::timeout(budget, connecting).await.map_err(|_| late(budget))?,
            None => connecting.await,
        };
        // HTTP/2 pools a connection under the key it was made with; HTTP/1.1 is pooled when it is given back.
        match connected.map_err(|error| connect_fault(&error))? {
            HttpSession::H1(session) => {
                endpoint.known.learn(Version::One);
                let gathered = Box::new(Gathered::new(session.into_inner()));
                let session = HttpSession::H1(Http1Session::new_with_options(gathered, &*peer));
                Ok(self.call(endpoint, &peer, session, false))
            }
            session => {
                endpoint.known.learn(Version::Two);
                Ok(self.call(endpoint, dialled, session, false))
            }
        }
    }

    fn call(
        &self,
        endpoint: &Endpoint,
        peer: &Arc<HttpPeer>,
        session: HttpSession,
        reused: bool,
    ) -> PingoraCall {
        let (pools, peer, known) = (Arc::clone(&self.pools), Arc::clone(peer), Arc::clone(&endpoint.known));
        PingoraCall::new(pools, peer, known, endpoint.authority.clone(), session, reused)
    }
}

impl Upstream for PingoraUpstream {
    type Call = PingoraCall;

    async fn open(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        budget: Option<Duration>,
    ) -> Result<PingoraCall, Fault> {
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

fn late(budget: Duration) -> Fault {
    Fault::new(FaultKind::ConnectTimeout, format!("no connection within {budget:?}"))
}

fn connect_fault(error: &PingoraError) -> Fault {
    let kind = match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => FaultKind::ConnectTimeout,
        _ => FaultKind::Connect,
    };
    Fault::new(kind, brief(error))
}

/// The error without the peer's description, which Pingora appends and which says too much.
fn brief(error: &PingoraError) -> String {
    match &error.cause {
        Some(cause) => format!("{}: {cause}", error.etype().as_str()),
        None => error.etype().as_str().to_owned(),
    }
}

/// Trust roots of a connector that never dials: none. Reading the platform's takes longer than all else at start.
pub const NO_ROOTS: &str = "/dev/null";
/// Streams per HTTP/2 connection; Pingora's default of one would not multiplex at all.
const MAX_H2_STREAMS: usize = 50;
/// Bytes of one HTTP/2 stream that may wait for a slow caller.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Room for every stream of a connection to be full of one-token frames, so that callers who do not read hold
/// nobody else up: the `h2` crate charges a small frame with up to 256 bytes, against half of this window.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// How long one of several addresses may take before the next is tried.
const NEXT_ADDRESS: Duration = Duration::from_secs(1);
