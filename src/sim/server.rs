//! Listening, worker threads, and their end.
//!
//! Each worker is a thread with its own single-threaded event loop; nothing is shared between workers but two
//! counters. With several workers each has a listener of its own on the same port (`SO_REUSEPORT`), so that
//! the kernel spreads connections over them; a listener handed in by the caller is shared instead.

#![expect(clippy::disallowed_methods, reason = "tasks of an event loop that is dropped whole")]

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::cache::Cache;
use super::connection;
use super::settings::Settings;

/// Serves on `settings.addr` until SIGINT or SIGTERM, after printing one line with the address to stdout.
///
/// # Errors
/// When the address cannot be bound or a thread cannot be started.
pub fn run(settings: Settings) -> io::Result<()> {
    event_loop()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let listeners = bind(&settings)?;
        let handle = start(settings, listeners)?;
        writeln!(io::stdout(), "aisix sim: simulated provider on http://{}", handle.addr())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

/// Serves on a listener that is bound already, on threads of its own; `settings.addr` is not used.
///
/// # Errors
/// When the listener cannot be used or a thread cannot be started.
pub fn spawn(settings: Settings, listener: TcpListener) -> io::Result<Handle> {
    let more = (1..settings.workers).map(|_| listener.try_clone()).collect::<io::Result<Vec<_>>>()?;
    start(settings, std::iter::once(listener).chain(more).collect())
}

/// A running simulated provider; dropping it closes its connections and its port.
#[derive(Debug)]
pub struct Handle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<watch::Sender<()>>,
    workers: Vec<JoinHandle<()>>,
}

impl Handle {
    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Model calls, token counts among them, that have arrived so far.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.stop.take());
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

/// What all workers see.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    /// Content frames of all streams so far; one for all the choices of an answer.
    pub(super) frames: AtomicU64,
    calls: AtomicU64,
    /// None where prompts take no time.
    pub(super) cache: Option<Cache>,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Shared {
        let timed = !settings.block_time.is_zero();
        let cache = timed.then(|| Cache::new(settings.kept_blocks as usize, settings.block_time));
        Shared { settings, frames: AtomicU64::new(0), calls: AtomicU64::new(0), cache }
    }

    /// The number of the model call that has just arrived, from 1.
    pub(super) fn count_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn start(settings: Settings, listeners: Vec<TcpListener>) -> io::Result<Handle> {
    let addr = listeners.first().ok_or(io::ErrorKind::InvalidInput)?.local_addr()?;
    let report = settings.report;
    let shared = Arc::new(Shared::new(settings));
    let (stop, stopped) = watch::channel(());
    let mut handle = Handle { addr, shared: shared.clone(), stop: Some(stop), workers: Vec::new() };
    for (index, listener) in listeners.into_iter().enumerate() {
        let worker = Worker::new(listener, shared.clone(), stopped.clone())?;
        let reports = report && index == 0;
        let thread = std::thread::Builder::new().name(format!("sim-{index}"));
        handle.workers.push(thread.spawn(move || worker.work(reports))?);
    }
    Ok(handle)
}

struct Worker {
    event_loop: Runtime,
    listener: tokio::net::TcpListener,
    shared: Arc<Shared>,
    stopped: watch::Receiver<()>,
}

impl Worker {
    fn new(listener: TcpListener, shared: Arc<Shared>, stopped: watch::Receiver<()>) -> io::Result<Worker> {
        let event_loop = event_loop()?;
        listener.set_nonblocking(true)?;
        let entered = event_loop.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(entered);
        Ok(Worker { event_loop, listener, shared, stopped })
    }

    /// Accepts until told to stop; leaving drops the event loop and with it every connection.
    fn work(self, reports: bool) {
        let Worker { event_loop, listener, shared, mut stopped } = self;
        event_loop.block_on(async {
            if reports {
                tokio::spawn(report(shared.clone()));
            }
            tokio::select! {
                _ = stopped.changed() => {}
                () = accept(listener, shared) => {}
            }
        });
    }
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tokio::spawn(connection::serve(socket, shared.clone()));
            }
            // Out of descriptors, mostly: connections must end before another can be accepted.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Prints what happened in each second that was not idle.
async fn report(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut before = (0, 0);
    loop {
        ticks.tick().await;
        let now = (shared.calls.load(Ordering::Relaxed), shared.frames.load(Ordering::Relaxed));
        if now != before {
            let (calls, frames) = (now.0 - before.0, now.1 - before.1);
            let _ = writeln!(io::stderr(), "aisix sim: {calls} calls/s, {frames} frames/s");
        }
        before = now;
    }
}

/// One listener for each worker, all on the same port.
fn bind(settings: &Settings) -> io::Result<Vec<TcpListener>> {
    let first = listen(settings.addr, settings.workers > 1)?;
    let addr = first.local_addr()?;
    let more = (1..settings.workers).map(|_| listen(addr, true)).collect::<io::Result<Vec<_>>>()?;
    Ok(std::iter::once(first).chain(more).collect())
}

fn listen(addr: SocketAddr, shares_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shares_port)?;
    socket
        .bind(&addr.into())
        .map_err(|error| io::Error::new(error.kind(), format!("listening on {addr}: {error}")))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn event_loop() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

const BACKLOG: i32 = 4096;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
