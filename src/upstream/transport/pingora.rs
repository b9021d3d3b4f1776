//! Calls over Pingora's pooled HTTP/1.1 and HTTP/2 sessions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version, header};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::{v1, v2};
use pingora_core::protocols::TcpKeepalive;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_core::upstreams::peer::{ALPN, HttpPeer, PeerOptions, Scheme};
use pingora_error::{Error as PingoraError, ErrorType};
use pingora_http::RequestHeader;

use super::{Call, Fault, FaultKind, Outgoing, Upstream};
use crate::upstream::endpoint::Endpoint;

/// How connections are kept.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Idle connections kept in all.
    pub size: usize,
    /// How long an idle one is kept. Stays below what providers grant.
    pub idle: Option<Duration>,
    pub keepalive: Option<(Duration, Duration, usize)>,
}

/// The connectors and their pools, shared by all requests.
///
/// A pooled connection is looked for first and without a timer. Making a new one is a large future (lookup,
/// TCP, TLS, HTTP/2 handshake), so it is boxed: the futures of the common case stay small enough to move.
pub struct PingoraUpstream {
    pools: Arc<Pools>,
    settings: Pool,
    /// Sets the pool keys of fresh connections apart, so that none is taken from the pool.
    fresh: AtomicU64,
}

struct Pools {
    /// Idle HTTP/1.1 connections.
    h1: v1::Connector,
    /// HTTP/2 connections; makes new ones of either version, as ALPN decides.
    h2: v2::Connector,
}

impl PingoraUpstream {
    pub fn new(settings: Pool) -> Self {
        let options = ConnectorOptions::new(settings.size);
        let pools =
            Pools { h1: v1::Connector::new(Some(options.clone())), h2: v2::Connector::new(Some(options)) };
        PingoraUpstream { pools: Arc::new(pools), settings, fresh: AtomicU64::new(1) }
    }

    /// The peer for an address, made once and kept with the endpoint.
    fn peer(&self, endpoint: &Endpoint, address: SocketAddr) -> Arc<HttpPeer> {
        let kept = endpoint.peer.load();
        if let Some(peer) = kept.as_ref().filter(|peer| peer._address == PingoraAddr::Inet(address)) {
            return Arc::clone(peer);
        }
        let peer = Arc::new(self.new_peer(endpoint, address));
        endpoint.peer.store(Some(Arc::clone(&peer)));
        peer
    }

    fn new_peer(&self, endpoint: &Endpoint, address: SocketAddr) -> HttpPeer {
        let mut options = PeerOptions::new();
        options.idle_timeout = self.settings.idle;
        options.verify_cert = endpoint.identity.verify;
        options.verify_hostname = endpoint.identity.verify;
        options.ca = endpoint.identity.roots.clone();
        options.max_h2_streams = MAX_H2_STREAMS;
        options.h2_stream_window_size = Some(STREAM_WINDOW);
        options.h2_connection_window_size = Some(CONNECTION_WINDOW);
        options.alpn = if endpoint.tls { ALPN::H2H1 } else { ALPN::H1 };
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
            group_key: endpoint.identity.fingerprint,
            options,
        }
    }

    /// An idle connection, or a free stream of a running one.
    async fn pooled(&self, endpoint: &Endpoint, peer: &Arc<HttpPeer>) -> Option<PingoraCall> {
        if endpoint.tls
            && let Ok(Some(session)) = self.pools.h2.reused_http_session(&**peer).await
        {
            return Some(self.call(endpoint, peer, HttpSession::H2(session), true));
        }
        let session = self.pools.h1.reused_http_session(&**peer).await?;
        Some(self.call(endpoint, peer, HttpSession::H1(session), true))
    }

    /// A new connection to the first address that takes one.
    async fn connect(
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
            match self.connect_one(endpoint, address, fresh, share).await {
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

    async fn connect_one(
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
        let session = connected.map_err(|error| connect_fault(&error))?;
        // HTTP/2 pools a connection under the key it was made with; HTTP/1.1 is pooled when it is given back.
        let owner = if matches!(session, HttpSession::H2(_)) { dialled } else { &peer };
        Ok(self.call(endpoint, owner, session, false))
    }

    fn call(
        &self,
        endpoint: &Endpoint,
        peer: &Arc<HttpPeer>,
        session: HttpSession,
        reused: bool,
    ) -> PingoraCall {
        PingoraCall {
            pools: Arc::clone(&self.pools),
            idle: self.settings.idle,
            authority: endpoint.authority.clone(),
            session: Some(session),
            peer: Arc::clone(peer),
            reused,
            answered: false,
        }
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
        if let Some(address) = endpoint.addresses.preferred().filter(|_| !fresh) {
            let peer = self.peer(endpoint, address);
            if let Some(call) = self.pooled(endpoint, &peer).await {
                return Ok(call);
            }
        }
        let deadline = budget.map(|budget| Instant::now() + budget);
        let connecting = Box::pin(self.connect(endpoint, fresh, deadline));
        match budget {
            // The lookup has no bound of its own.
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

/// One exchange over a Pingora session.
pub struct PingoraCall {
    pools: Arc<Pools>,
    idle: Option<Duration>,
    authority: header::HeaderValue,
    /// None once it was given back.
    session: Option<HttpSession>,
    peer: Arc<HttpPeer>,
    reused: bool,
    answered: bool,
}

impl PingoraCall {
    fn request_header(&self, request: &Outgoing) -> Result<RequestHeader, Fault> {
        let bad = |error| Fault::new(FaultKind::Protocol, error);
        let mut head = RequestHeader::build_no_case(
            Method::POST,
            request.path.as_bytes(),
            Some(request.headers.len() + 2),
        )
        .map_err(|error| bad(error.to_string()))?;
        if matches!(self.session, Some(HttpSession::H2(_))) {
            let uri = Uri::builder()
                .scheme("https")
                .authority(self.authority.as_bytes())
                .path_and_query(request.path.as_str())
                .build()
                .map_err(|error| bad(error.to_string()))?;
            head.set_uri(uri);
            head.set_version(Version::HTTP_2);
        } else {
            head.insert_header(header::HOST, self.authority.clone())
                .map_err(|error| bad(error.to_string()))?;
        }
        for (name, value) in &request.headers {
            head.append_header(name.clone(), value.clone()).map_err(|error| bad(error.to_string()))?;
        }
        head.insert_header(header::CONTENT_LENGTH, request.body.len())
            .map_err(|error| bad(error.to_string()))?;
        Ok(head)
    }

    fn fault(&self, error: &PingoraError) -> Fault {
        let kind = match error.etype() {
            ErrorType::InvalidHTTPHeader => FaultKind::Protocol,
            _ if self.answered => FaultKind::Cut,
            // This upstream wants HTTP/1.1 for what was asked of it.
            ErrorType::H2Downgrade => {
                self.pools.h2.prefer_h1(&*self.peer);
                FaultKind::Refused
            }
            _ => error.root_cause().downcast_ref().map_or(FaultKind::Closed, http2_fault),
        };
        Fault::new(kind, brief(error))
    }

    fn session(&mut self) -> &mut HttpSession {
        self.session.as_mut().expect("taken only by release and drop, which end the call")
    }
}

/// What HTTP/2 says about a request without an answer (<https://www.rfc-editor.org/rfc/rfc9113#section-8.7>).
fn http2_fault(error: &h2::Error) -> FaultKind {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => FaultKind::Refused,
        Some(h2::Reason::NO_ERROR) if error.is_go_away() => FaultKind::Refused,
        _ if error.is_reset() => FaultKind::Reset,
        _ => FaultKind::Closed,
    }
}

/// An abandoned HTTP/2 stream is reset, and its connection goes back to the pool, where its idle time ends
/// it. An abandoned HTTP/1.1 connection is closed by being dropped.
impl Drop for PingoraCall {
    fn drop(&mut self) {
        if let Some(HttpSession::H2(session)) = self.session.take() {
            self.pools.h2.release_http_session(session, &*self.peer, self.idle);
        }
    }
}

impl Call for PingoraCall {
    fn reused(&self) -> bool {
        self.reused
    }

    async fn send(&mut self, request: &Outgoing) -> Result<(), Fault> {
        let head = Box::new(self.request_header(request)?);
        let wrote = self.session().write_request_header(head).await;
        wrote.map_err(|error| self.fault(&error))?;
        let mut rest = request.body.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            let writing = self.session().write_request_body(piece, rest.is_empty());
            let wrote = pingora_timeout::timeout(WRITE_STALL, writing).await;
            let wrote = wrote
                .map_err(|_| Fault::new(FaultKind::Closed, "the upstream stopped reading the request"))?;
            wrote.map_err(|error| self.fault(&error))?;
        }
        let finished = self.session().finish_request_body().await;
        finished.map_err(|error| self.fault(&error))
    }

    async fn head(&mut self) -> Result<u16, Fault> {
        loop {
            let read = self.session().read_response_header().await;
            read.map_err(|error| self.fault(&error))?;
            let status = self.session().response_header().map_or(0, |head| head.status.as_u16());
            match status {
                101 => return Err(Fault::new(FaultKind::Protocol, "an upgrade nobody asked for")),
                100..=199 => {}
                _ => {
                    self.answered = true;
                    return Ok(status);
                }
            }
        }
    }

    fn headers(&self) -> &HeaderMap {
        static NONE: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(HeaderMap::new);
        self.session.as_ref().and_then(HttpSession::response_header).map_or(&NONE, |head| &head.headers)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        let read = self.session().read_response_body().await;
        read.map_err(|error| self.fault(&error))
    }

    fn close_delimited(&self) -> bool {
        let headers = self.headers();
        matches!(self.session, Some(HttpSession::H1(_)))
            && !headers.contains_key(header::CONTENT_LENGTH)
            && !headers.contains_key(header::TRANSFER_ENCODING)
    }

    async fn release(mut self) {
        match self.session.take() {
            // Respects what both sides said about keeping the connection.
            Some(HttpSession::H1(session)) => {
                self.pools.h1.release_http_session(session, &*self.peer, self.idle).await;
            }
            Some(HttpSession::H2(session)) => {
                self.pools.h2.release_http_session(session, &*self.peer, self.idle);
            }
            Some(HttpSession::Custom(())) | None => {}
        }
    }
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

/// A request body is written in pieces, so that an upstream that stops reading is noticed.
const PIECE_BYTES: usize = 256 * 1024;
/// Longest time an upstream may leave a piece unread. It may have answered already and wait for us to look.
const WRITE_STALL: Duration = Duration::from_secs(5);
/// Streams per HTTP/2 connection; Pingora's default of one would not multiplex at all.
const MAX_H2_STREAMS: usize = 50;
/// Bytes of one HTTP/2 stream that may wait for a slow caller.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Room for every stream of a connection to be full of one-token frames, so that callers who do not read hold
/// nobody else up: the `h2` crate charges a small frame with up to 256 bytes, against half of this window.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// How long one of several addresses may take before the next is tried.
const NEXT_ADDRESS: Duration = Duration::from_secs(1);
