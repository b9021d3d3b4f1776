//! What Pingora does for us towards upstreams: it makes connections (TCP, TLS, ALPN), and where ALPN comes to
//! HTTP/2 its pooled sessions carry the calls.

mod call;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::v2;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::l4::{self, socket::SocketAddr as PingoraAddr};
use pingora_core::protocols::{Stream, TcpKeepalive};
use pingora_core::upstreams::peer::{ALPN, HttpPeer, PeerOptions, Scheme};
use pingora_error::{Error as PingoraError, ErrorType};
use tokio::sync::{Mutex, OnceCell};

use super::lean::Key;
use super::{Fault, FaultKind};
use crate::upstream::endpoint::Endpoint;
use crate::wire::Plain;
pub use call::Http2Call;

/// How connections are made and kept.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Idle connections of one worker to one address.
    pub per_peer: usize,
    /// How long an idle one is kept. Stays below what providers grant.
    pub idle: Option<Duration>,
    pub keepalive: Option<(Duration, Duration, usize)>,
    /// Threads that serve requests.
    pub workers: usize,
}

/// What has been learnt about reaching an endpoint.
#[derive(Default)]
pub struct Known {
    /// The peer for the address used last, so that it is not described anew for every request.
    peer: ArcSwapOption<Peer>,
    version: AtomicU8,
    /// Held while a connection is made that others may share.
    pub(super) dialling: Mutex<()>,
}

/// An address of an endpoint: as Pingora sees it, and as the lean pool does.
pub struct Peer {
    pub http: HttpPeer,
    pub key: Arc<Key>,
}

/// The version of HTTP an endpoint speaks, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Unknown,
    /// What ALPN came to.
    One,
    Two,
    /// It offers HTTP/2 and wants HTTP/1.1 for what is asked of it.
    OnlyOne,
}

impl Known {
    pub fn version(&self) -> Version {
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

/// Makes connections, and keeps those that are shared.
pub struct Dialler {
    /// Made with the first connection that needs it: it begins with the platform's trust roots, which take longer to
    /// read than all else at the start, and memory.
    secured: OnceCell<Arc<Shared>>,
    settings: Pool,
    /// Sets the pool keys of fresh connections apart, so that none is taken from the pool.
    fresh: AtomicU64,
}

/// HTTP/2 connections and their idle time.
struct Shared {
    connector: v2::Connector,
    idle: Option<Duration>,
}

/// A connection that was not in a pool a moment ago.
pub enum Connected {
    One(Stream, Arc<Peer>),
    Two(Box<Http2Call>),
}

impl Dialler {
    pub fn new(settings: Pool) -> Self {
        Dialler { secured: OnceCell::new(), settings, fresh: AtomicU64::new(1) }
    }

    /// What makes connections with TLS.
    async fn secured(&self) -> Result<&Arc<Shared>, Fault> {
        let idle = self.settings.idle;
        let make = move || {
            let connector = v2::Connector::new(Some(ConnectorOptions::new(MAX_IDLE)));
            Arc::new(Shared { connector, idle })
        };
        let made = self.secured.get_or_try_init(|| tokio::task::spawn_blocking(make)).await;
        made.map_err(|_| Fault::new(FaultKind::Connect, "the platform's trust roots cannot be read"))
    }

    /// The peer for an address, made once and kept with the endpoint.
    pub fn peer(&self, endpoint: &Endpoint, address: SocketAddr) -> Arc<Peer> {
        let kept = endpoint.known.peer.load();
        if let Some(peer) = kept.as_ref().filter(|peer| peer.key.address == address) {
            return Arc::clone(peer);
        }
        let sni = endpoint.tls.then(|| endpoint.host.clone());
        let key = Arc::new(Key { address, sni, identity: endpoint.identity.fingerprint });
        let peer = Arc::new(Peer { http: self.new_peer(endpoint, address), key });
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
        options.tcp_keepalive = self.settings.keepalive.map(tcp_keepalive);
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

    /// A free stream of a running HTTP/2 connection.
    pub async fn shared(&self, endpoint: &Endpoint, peer: &Arc<Peer>) -> Option<Box<Http2Call>> {
        if !endpoint.tls || endpoint.known.version() == Version::OnlyOne {
            return None;
        }
        let shared = self.secured.get()?;
        let session = shared.connector.reused_http_session(&peer.http).await.ok().flatten()?;
        Some(call(shared, endpoint, peer, session, true))
    }

    /// A new connection to the first address that takes one.
    ///
    /// # Errors
    /// Why the last address could not be reached.
    pub async fn dial(
        &self,
        endpoint: &Endpoint,
        fresh: bool,
        deadline: Option<Instant>,
    ) -> Result<Connected, Fault> {
        let candidates =
            endpoint.addresses.candidates().await.map_err(|cause| Fault::new(FaultKind::Connect, cause))?;
        let mut last = Fault::new(FaultKind::Connect, "the name has no address");
        for (index, &address) in candidates.iter().enumerate() {
            let more = index + 1 < candidates.len();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let share =
                if more { Some(left.map_or(NEXT_ADDRESS, |left| left.min(NEXT_ADDRESS))) } else { left };
            match self.dial_one(endpoint, address, fresh, share).await {
                Ok(connected) => {
                    endpoint.addresses.worked(address);
                    return Ok(connected);
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
    ) -> Result<Connected, Fault> {
        let peer = self.peer(endpoint, address);
        if !endpoint.tls {
            let stream = within(budget, self.plain(address)).await??;
            return Ok(Connected::One(stream, peer));
        }
        let apart = fresh.then(|| {
            let mut http = peer.http.clone();
            http.group_key ^= self.fresh.fetch_add(1, Ordering::Relaxed).rotate_left(32);
            Arc::new(Peer { http, key: Arc::clone(&peer.key) })
        });
        let dialled = apart.as_ref().unwrap_or(&peer);
        // Large, and rare: it is not carried in the future of every request.
        let shared = self.secured().await?;
        let connecting = Box::pin(shared.connector.new_http_session(&dialled.http));
        let connected = within(budget, connecting).await?;
        match connected.map_err(|error| connect_fault(&error))? {
            HttpSession::H1(session) => {
                endpoint.known.learn(Version::One);
                Ok(Connected::One(session.into_inner(), peer))
            }
            HttpSession::H2(session) => {
                endpoint.known.learn(Version::Two);
                // A shared connection is pooled under the key it was made with.
                Ok(Connected::Two(call(shared, endpoint, dialled, session, false)))
            }
            HttpSession::Custom(()) => Err(Fault::new(FaultKind::Protocol, "no version of HTTP in common")),
        }
    }

    /// A connection without TLS: there is nothing to agree on, so HTTP/1.1 is spoken on it.
    async fn plain(&self, address: SocketAddr) -> Result<Stream, Fault> {
        let connected = l4::ext::connect(&address, None).await;
        let tcp = connected.map_err(|error| connect_fault(&error))?;
        if let Some(keepalive) = self.settings.keepalive {
            l4::ext::set_tcp_keepalive(&tcp, &tcp_keepalive(keepalive))
                .map_err(|error| connect_fault(&error))?;
        }
        let plain = Plain::new(tcp).map_err(|error| Fault::new(FaultKind::Connect, error))?;
        Ok(Box::new(plain))
    }
}

fn call(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
    peer: &Arc<Peer>,
    session: Http2Session,
    reused: bool,
) -> Box<Http2Call> {
    let (shared, peer, known) = (Arc::clone(shared), Arc::clone(peer), Arc::clone(&endpoint.known));
    Box::new(Http2Call::new(shared, peer, known, endpoint.authority.clone(), session, reused))
}

fn tcp_keepalive((idle, interval, count): (Duration, Duration, usize)) -> TcpKeepalive {
    TcpKeepalive {
        idle,
        interval,
        count,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    }
}

/// Waits for a connection, but not longer than `budget`.
async fn within<T>(budget: Option<Duration>, connecting: impl Future<Output = T>) -> Result<T, Fault> {
    match budget {
        Some(budget) => pingora_timeout::timeout(budget, connecting).await.map_err(|_| late(budget)),
        None => Ok(connecting.await),
    }
}

/// The time for a connection is over.
pub fn late(budget: Duration) -> Fault {
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

/// Idle HTTP/2 connections kept in all.
const MAX_IDLE: usize = 1024;
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
