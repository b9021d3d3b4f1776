//! Accepts connections on a socket we bound ourselves, so that a port in use is an error at start and the
//! port that was really bound is known.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::protocols::{GetSocketDigest, SocketDigest, Stream};
use pingora_core::server::{ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use socket2::{Domain, Protocol, Socket, Type};
use std::os::fd::AsRawFd;
use tokio::net::{TcpListener, TcpStream};

use crate::life::Life;
use crate::wire::Plain;

/// A listening socket, a thread or several, and the app that serves what comes in.
pub struct Listener<A> {
    name: &'static str,
    socket: Option<StdListener>,
    tls: Option<Arc<Acceptor>>,
    app: Arc<A>,
    threads: Option<usize>,
    life: Arc<Life>,
    /// Does the end of the process wait for its connections?
    waited_for: bool,
}

impl<A: ServerApp + Send + Sync + 'static> Listener<A> {
    pub fn new(
        name: &'static str,
        socket: StdListener,
        tls: Option<Arc<Acceptor>>,
        app: Arc<A>,
        life: &Arc<Life>,
    ) -> Self {
        Listener {
            name,
            socket: Some(socket),
            tls,
            app,
            threads: Some(1),
            life: Arc::clone(life),
            waited_for: false,
        }
    }

    /// A listener of the traffic: on so many threads (None = one for each worker), and the end of the process
    /// waits for its connections.
    #[must_use]
    pub fn for_traffic(mut self, threads: Option<usize>) -> Self {
        self.threads = threads;
        self.waited_for = true;
        self
    }
}

/// Binds a listening socket. A port that somebody else listens on is an error.
///
/// # Errors
/// What the system says.
pub fn bind(address: SocketAddr) -> std::io::Result<StdListener> {
    listening(bound(address, false)?)
}

/// Binds so many listening sockets to one address; the kernel spreads connections over them. A port that
/// somebody else listens on is an error all the same.
///
/// # Errors
/// What the system says.
pub fn bind_each(address: SocketAddr, count: usize) -> std::io::Result<Vec<StdListener>> {
    if count <= 1 {
        return Ok(vec![bind(address)?]);
    }
    // This one does not share the port, so it can only be bound where nobody listens. It holds the port until the
    // others are there, and never listens itself.
    let first = bound(address, false)?;
    let held = first.local_addr()?.as_socket().unwrap_or(address);
    (0..count).map(|_| listening(bound(held, true)?)).collect()
}

fn bound(address: SocketAddr, shared: bool) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Lets a restarted gateway take over from connections in TIME_WAIT; two listeners still exclude each other.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listening(socket: Socket) -> std::io::Result<StdListener> {
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> Service for Listener<A> {
    /// Ends when [`Life`] says so. Pingora's own signal comes last, after everything has been written.
    async fn start_service(&mut self, _fds: Option<ListenFds>, _shutdown: ShutdownWatch, _per_fd: usize) {
        let Some(socket) = self.socket.take() else { return };
        let listener = match TcpListener::from_std(socket) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, listener = self.name, "cannot listen"),
        };
        let mut shutdown = self.life.closing();
        loop {
            tokio::select! {
                biased;
                () = closing(&mut shutdown) => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.spawn(stream, shutdown.clone()),
                    Err(error) => {
                        tracing::warn!(%error, listener = self.name, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        self.app.cleanup().await;
    }

    fn name(&self) -> &str {
        self.name
    }

    fn threads(&self) -> Option<usize> {
        self.threads
    }
}

/// Resolves when the server shuts down; a lost sender means that it already has.
async fn closing(shutdown: &mut ShutdownWatch) {
    let _ = shutdown.wait_for(|closing| *closing).await;
}

impl<A: ServerApp + Send + Sync + 'static> Listener<A> {
    #[expect(clippy::disallowed_methods, reason = "one task per connection; the runtime's shutdown ends it")]
    fn spawn(&self, stream: TcpStream, shutdown: ShutdownWatch) {
        let (app, tls) = (Arc::clone(&self.app), self.tls.clone());
        let connection = self.waited_for.then(|| self.life.connected());
        tokio::spawn(async move {
            let Some(stream) = accept(stream, tls.as_deref()).await else { return };
            app.process_new(stream, &shutdown).await;
            drop(connection);
        });
    }
}

/// The transport of an accepted connection, its TLS handshake done.
async fn accept(stream: TcpStream, tls: Option<&Acceptor>) -> Option<Stream> {
    let Some(tls) = tls else { return Some(Box::new(Plain::new(stream).ok()?)) };
    stream.set_nodelay(true).ok()?;
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let mut stream = L4Stream::from(stream);
    stream.set_socket_digest(digest);
    match pingora_timeout::timeout(HANDSHAKE, tls.tls_handshake(stream)).await {
        Ok(Ok(stream)) => Some(Box::new(stream)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

const BACKLOG: i32 = 4096;
/// Pause after a failed accept, which mostly means that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const HANDSHAKE: Duration = Duration::from_secs(10);
