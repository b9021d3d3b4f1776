//! A provider scripted inside the test. Every request takes the next script from a queue, or the standing one;
//! a script decides byte by byte what the provider reads, writes and when. Everything received is recorded.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::wire::{Headers, Io, Reader, request_head};
use super::within;

/// A place where a script waits until the test lets it go on.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn closed() -> Self {
        Gate(Arc::new(Semaphore::new(0)))
    }

    /// Lets one waiting step through.
    pub fn step(&self) {
        self.0.add_permits(1);
    }

    async fn passed(&self) {
        self.0.acquire().await.expect("gates are never torn down").forget();
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.add_permits(1 << 20);
    }
}

#[derive(Clone)]
enum Step {
    ReadBody,
    ReadSome(usize),
    Send(Vec<u8>),
    Trickle(Vec<u8>),
    Wait(Gate),
    Ignore(Gate),
    Flood(usize),
    Echo,
    Hang,
    Close,
    Reset,
}

/// What the provider does with one request. Without `hang`, `close` or `reset` at its end the connection stays
/// open for the next request.
#[derive(Clone)]
pub struct Script(Vec<Step>);

impl Script {
    /// Starts without having read the body.
    pub fn early() -> Self {
        Script(Vec::new())
    }

    /// Starts with reading the whole request body.
    pub fn reading() -> Self {
        Script(vec![Step::ReadBody])
    }

    fn with(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// Reads the rest of the request body.
    pub fn read_body(self) -> Self {
        self.with(Step::ReadBody)
    }

    /// Reads at least this many bytes of the body.
    pub fn read_some(self, bytes: usize) -> Self {
        self.with(Step::ReadSome(bytes))
    }

    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(Step::Send(bytes.into()))
    }

    /// Sends byte by byte.
    pub fn trickle(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(Step::Trickle(bytes.into()))
    }

    /// Waits for a step of the gate.
    pub fn wait(self, gate: &Gate) -> Self {
        self.with(Step::Wait(gate.clone()))
    }

    /// Waits for a step of the gate without reading anything meanwhile.
    pub fn ignore_until(self, gate: &Gate) -> Self {
        self.with(Step::Ignore(gate.clone()))
    }

    /// Sends chunks of a stream until this many bytes were taken.
    pub fn flood(self, bytes: usize) -> Self {
        self.with(Step::Flood(bytes))
    }

    /// Answers with the request in the member `echo`.
    pub fn echo(self) -> Self {
        self.with(Step::Echo)
    }

    /// Says nothing more until the peer leaves.
    pub fn hang(self) -> Self {
        self.with(Step::Hang)
    }

    /// Closes the connection in an orderly way.
    pub fn close(self) -> Self {
        self.with(Step::Close)
    }

    /// Resets the connection.
    pub fn reset(self) -> Self {
        self.with(Step::Reset)
    }
}

/// One request as it arrived.
#[derive(Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    gone: watch::Receiver<bool>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.first(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a UTF-8 body")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// Waits until the gateway has closed this request's connection.
    pub async fn gone(&self) {
        let mut gone = self.gone.clone();
        let _ = within("the gateway to leave the upstream", gone.wait_for(|gone| *gone)).await;
    }

    /// Has the gateway closed this request's connection?
    pub fn is_gone(&self) -> bool {
        *self.gone.borrow()
    }
}

#[derive(Default)]
struct State {
    queue: Mutex<VecDeque<Script>>,
    standing: Mutex<Option<Script>>,
    by_path: Mutex<HashMap<String, Script>>,
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
    connections: AtomicUsize,
    accepted_bytes: AtomicUsize,
}

/// The provider. It stops when the runtime of the test stops.
pub struct Upstream {
    pub addr: SocketAddr,
    pub scheme: &'static str,
    state: Arc<State>,
}

impl Upstream {
    /// A provider that always does the same, unless scripts are queued.
    pub async fn doing(script: Script) -> Self {
        let upstream = Upstream::start(None).await;
        upstream.always(script);
        upstream
    }

    /// A provider behind TLS.
    pub async fn doing_tls(script: Script, tls: rustls::ServerConfig) -> Self {
        let upstream = Upstream::start(Some(TlsAcceptor::from(Arc::new(tls)))).await;
        upstream.always(script);
        upstream
    }

    /// A provider that takes these scripts in order, one per request.
    pub async fn queue(scripts: impl IntoIterator<Item = Script>) -> Self {
        let upstream = Upstream::start(None).await;
        upstream.state.queue.lock().expect("the queue").extend(scripts);
        upstream
    }

    /// A provider at an address that must be free.
    pub async fn doing_at(address: SocketAddr, script: Script) -> Self {
        let upstream = Upstream::start_at(address, None).await;
        upstream.always(script);
        upstream
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        Upstream::start_at(([127, 0, 0, 1], 0).into(), tls).await
    }

    async fn start_at(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State::default());
        tokio::spawn(accept(listener, tls, state.clone()));
        Upstream { addr, scheme, state }
    }

    /// The script for every request without a queued one.
    pub fn always(&self, script: Script) {
        *self.state.standing.lock().expect("the standing script") = Some(script);
    }

    /// The script for every request to a path, whatever else is scripted.
    pub fn at(&self, path: &str, script: Script) {
        self.state.by_path.lock().expect("the scripts of paths").insert(path.to_owned(), script);
    }

    /// Adds the script of one request.
    pub fn next(&self, script: Script) {
        self.state.queue.lock().expect("the queue").push_back(script);
    }

    /// How many requests arrived.
    pub fn count(&self) -> usize {
        self.state.seen.lock().expect("the record").len()
    }

    /// How many requests arrived at a path.
    pub fn count_at(&self, path: &str) -> usize {
        self.state.seen.lock().expect("the record").iter().filter(|seen| seen.path == path).count()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of floods the gateway's side has taken.
    pub fn flooded(&self) -> usize {
        self.state.accepted_bytes.load(Ordering::SeqCst)
    }

    /// The request with this number, counted from 0, as far as it has arrived.
    pub async fn request(&self, number: usize) -> Seen {
        let mut count = self.state.count.subscribe();
        let what = format!("request {number} at the upstream");
        let _ = within(&what, count.wait_for(|count| *count > number)).await;
        self.seen(number)
    }

    /// The last request that arrived.
    pub fn last(&self) -> Seen {
        self.seen(self.count().checked_sub(1).expect("a request at the upstream"))
    }

    /// A record of a request that has arrived.
    pub fn seen(&self, number: usize) -> Seen {
        self.state.seen.lock().expect("the record")[number].clone()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = state.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            stream.set_nodelay(true).expect("an option of TCP");
            let handle = socket2::SockRef::from(&stream).try_clone().expect("a second handle");
            let Some(io) = wrap(stream, tls).await else { return };
            let (leave, gone) = watch::channel(false);
            let mut connection = Connection { reader: Reader::new(io), handle, number, state, gone };
            while connection.serve().await {}
            leave.send_replace(true);
        });
    }
}

async fn wrap(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn Io>> {
    match tls {
        None => Some(Box::new(stream)),
        Some(acceptor) => Some(Box::new(acceptor.accept(stream).await.ok()?)),
    }
}

/// One connection of the gateway.
struct Connection {
    reader: Reader,
    /// The same socket once more, to say how it closes.
    handle: socket2::Socket,
    number: usize,
    state: Arc<State>,
    gone: watch::Receiver<bool>,
}

impl Connection {
    /// Serves one request. `false` when the connection is over.
    async fn serve(&mut self) -> bool {
        let Some(raw) = self.reader.until(b"\r\n\r\n").await else { return false };
        let (method, path, headers) = request_head(&raw);
        let gone = self.gone.clone();
        let seen = Seen { method, path, headers, body: Vec::new(), connection: self.number, gone };
        let of_path = self.state.by_path.lock().expect("the scripts of paths").get(&seen.path).cloned();
        let index = self.record(seen);
        if let Some(script) = of_path {
            return self.play(script, index).await.is_some();
        }
        let queued = self.state.queue.lock().expect("the queue").pop_front();
        let script = queued.or_else(|| self.state.standing.lock().expect("the standing script").clone());
        let script = script.expect("a script for the request");
        self.play(script, index).await.is_some()
    }

    fn record(&self, seen: Seen) -> usize {
        let mut all = self.state.seen.lock().expect("the record");
        all.push(seen);
        self.state.count.send_replace(all.len());
        all.len() - 1
    }

    /// Plays a script; `None` when the connection is over.
    async fn play(&mut self, script: Script, index: usize) -> Option<()> {
        for step in script.0 {
            match step {
                Step::ReadBody => self.read_body(index).await?,
                Step::ReadSome(bytes) => self.read_some(bytes).await?,
                Step::Send(bytes) => self.send(&bytes).await?,
                Step::Trickle(bytes) => {
                    for byte in bytes {
                        self.send(&[byte]).await?;
                    }
                }
                Step::Wait(gate) => self.wait(&gate).await?,
                Step::Ignore(gate) => gate.passed().await,
                Step::Flood(bytes) => self.flood(bytes).await?,
                Step::Echo => self.echo(index).await?,
                Step::Hang => {
                    while self.reader.fill().await {}
                    return None;
                }
                Step::Close => return self.close(None),
                Step::Reset => return self.close(Some(Duration::ZERO)),
            }
        }
        Some(())
    }

    async fn read_body(&mut self, index: usize) -> Option<()> {
        let headers = self.state.seen.lock().expect("the record")[index].headers.clone();
        let body = self.reader.body(&headers).await?;
        self.state.seen.lock().expect("the record")[index].body = body;
        Some(())
    }

    async fn read_some(&mut self, bytes: usize) -> Option<()> {
        while self.reader.buffer.len() < bytes {
            self.reader.fill().await.then_some(())?;
        }
        Some(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.reader.io.write_all(bytes).await.ok()?;
        self.reader.io.flush().await.ok()
    }

    /// Waits for the gate, and notices a gateway that leaves meanwhile.
    async fn wait(&mut self, gate: &Gate) -> Option<()> {
        loop {
            tokio::select! {
                () = gate.passed() => return Some(()),
                more = self.reader.fill() => more.then_some(())?,
            }
        }
    }

    async fn flood(&mut self, bytes: usize) -> Option<()> {
        let frame =
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(16_000));
        let piece = super::replies::chunk(frame.as_bytes());
        let mut sent = 0;
        while sent < bytes {
            self.send(&piece).await?;
            sent += piece.len();
            self.state.accepted_bytes.fetch_add(piece.len(), Ordering::SeqCst);
        }
        Some(())
    }

    async fn echo(&mut self, index: usize) -> Option<()> {
        let request = self.state.seen.lock().expect("the record")[index].text();
        let body = format!("{{\"model\":\"gpt-real-2026\",\"echo\":{request}}}");
        let head = super::replies::head(200, &[], "application/json", body.len());
        self.send(&[head, body.into_bytes()].concat()).await
    }

    fn close(&mut self, linger: Option<Duration>) -> Option<()> {
        if linger.is_some() {
            self.handle.set_linger(linger).expect("an option of TCP");
        }
        None
    }
}
