//! A provider that speaks HTTP/2 behind TLS. The test takes every request in hand as it arrives and decides frame
//! by frame what becomes of it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certs::Authority;
use super::fixtures::CHAT_ANSWER;
use super::wire::{Reader, request_head};
use super::{replies, within};

/// The provider. It stops when the runtime of the test stops.
pub struct H2Upstream {
    pub addr: SocketAddr,
    /// The root its certificate was issued by.
    pub authority: Authority,
    arrivals: mpsc::UnboundedReceiver<Exchange>,
    connections: Arc<AtomicUsize>,
    open: watch::Receiver<usize>,
}

impl H2Upstream {
    pub async fn start() -> Self {
        H2Upstream::offering(&["h2"], Builder::new()).await
    }

    /// A provider that allows so many streams at a time on one connection.
    pub async fn limited_to(streams: u32) -> Self {
        let mut settings = Builder::new();
        settings.max_concurrent_streams(streams);
        H2Upstream::offering(&["h2"], settings).await
    }

    /// A provider that speaks HTTP/1.1 too, and answers every request of that version with [`CHAT_ANSWER`].
    pub async fn of_both_versions() -> Self {
        H2Upstream::offering(&["h2", "http/1.1"], Builder::new()).await
    }

    async fn offering(protocols: &[&str], settings: Builder) -> Self {
        let authority = Authority::new("upstream");
        let mut tls = authority.issue("up").server();
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, arrivals) = mpsc::unbounded_channel();
        let (opened, open) = watch::channel(0);
        let tls = TlsAcceptor::from(Arc::new(tls));
        let house = House { settings, tls, sender, connections: connections.clone(), opened };
        tokio::spawn(house.accept(listener));
        H2Upstream { addr, authority, arrivals, connections, open }
    }

    /// The base to reach it under.
    pub fn base(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    /// The next request, its body still to be read.
    pub async fn next(&mut self) -> Exchange {
        within("a request at the upstream", self.arrivals.recv()).await.expect("an upstream that listens")
    }

    /// Has no request arrived that was not taken?
    pub fn is_quiet(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until the gateway has closed every connection.
    pub async fn deserted(&self) {
        let mut open = self.open.clone();
        let _ = within("the gateway to close its connections", open.wait_for(|open| *open == 0)).await;
    }
}

/// What all connections share.
struct House {
    settings: Builder,
    tls: TlsAcceptor,
    sender: mpsc::UnboundedSender<Exchange>,
    connections: Arc<AtomicUsize>,
    opened: watch::Sender<usize>,
}

impl House {
    async fn accept(self, listener: TcpListener) {
        let house = Arc::new(self);
        while let Ok((stream, _)) = listener.accept().await {
            let number = house.connections.fetch_add(1, Ordering::SeqCst);
            house.opened.send_modify(|open| *open += 1);
            let house = house.clone();
            tokio::spawn(async move {
                stream.set_nodelay(true).expect("an option of TCP");
                match house.tls.accept(stream).await {
                    Ok(io) if io.get_ref().1.alpn_protocol() == Some(b"h2") => {
                        house.serve(Shared(Arc::new(Mutex::new(io))), number).await;
                    }
                    Ok(io) => serve_http_1(Reader::new(Box::new(io))).await.unwrap_or_default(),
                    Err(_) => {}
                }
                house.opened.send_modify(|open| *open -= 1);
            });
        }
    }

    async fn serve(&self, mut io: Shared, number: usize) {
        let Ok(mut h2) = self.settings.handshake::<_, Bytes>(io.clone()).await else { return };
        let (orders, mut ordered) = mpsc::unbounded_channel();
        loop {
            tokio::select! {
                request = h2.accept() => {
                    let Some(Ok((request, respond))) = request else { return };
                    let (head, body) = request.into_parts();
                    let orders = orders.clone();
                    let exchange = Exchange { head, connection: number, body, respond, stream: None, orders };
                    let _ = self.sender.send(exchange);
                }
                order = ordered.recv() => match order.expect("the sender above") {
                    Order::Goodbye => h2.graceful_shutdown(),
                    Order::HangUp(_held) => return,
                    Order::Disown(held, reason) => {
                        drop(h2);
                        let last = held.body.stream_id().as_u32().saturating_sub(2);
                        return io.disown(last, reason).await;
                    }
                }
            }
        }
    }
}

/// Answers until the gateway leaves.
async fn serve_http_1(mut reader: Reader) -> Option<()> {
    loop {
        let (_, _, headers) = request_head(&reader.until(b"\r\n\r\n").await?);
        reader.body(&headers).await?;
        let head = replies::head(200, &[], "application/json", CHAT_ANSWER.len());
        reader.io.write_all(&[head.as_slice(), CHAT_ANSWER.as_bytes()].concat()).await.ok()?;
        reader.io.flush().await.ok()?;
    }
}

/// What a connection is told to do. A request it lets go of comes along: dropped before, it would be reset.
enum Order {
    /// Take no more streams, finish those that run.
    Goodbye,
    /// Close without a word.
    HangUp(Box<Exchange>),
    /// Say that nothing was done for this request, and close.
    Disown(Box<Exchange>, Reason),
}

/// One request in the hands of the test. Dropping it ends its stream: after an answer in peace (with
/// RST_STREAM(NO_ERROR) if the request is still being sent), before that with RST_STREAM(CANCEL).
pub struct Exchange {
    pub head: http::request::Parts,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    stream: Option<SendStream<Bytes>>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Exchange {
    /// The request body to its end.
    pub async fn body(&mut self) -> Vec<u8> {
        self.read(usize::MAX).await
    }

    /// At least so many bytes of the request body, or all there are.
    pub async fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut whole = Vec::new();
        while whole.len() < bytes {
            let Some(piece) = within("a request body", self.body.data()).await else { break };
            let piece = piece.expect("a request body without a reset");
            self.body.flow_control().release_capacity(piece.len()).expect("capacity is ours");
            whole.extend_from_slice(&piece);
        }
        whole
    }

    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().expect("a readable value"))
    }

    /// Reads the request and answers it with JSON.
    pub async fn answer(mut self, status: u16, body: &str) {
        self.body().await;
        self.refuse(status, body).await;
    }

    /// Answers with JSON at once, whatever the gateway still has to send.
    pub async fn refuse(mut self, status: u16, body: &str) {
        let length = body.len().to_string();
        self.open(status, &[("content-type", "application/json"), ("content-length", &length)]);
        assert!(self.send(body).await, "the gateway takes the answer");
        self.end();
    }

    /// Begins an event stream.
    pub fn open_stream(&mut self) {
        self.open(200, &[("content-type", "text/event-stream")]);
    }

    /// Sends an interim head.
    pub fn interim(&mut self, status: u16) {
        self.respond.send_informational(response(status, &[])).expect("an interim head is queued");
    }

    /// Sends the head.
    pub fn open(&mut self, status: u16, headers: &[(&str, &str)]) {
        let stream = self.respond.send_response(response(status, headers), false);
        self.stream = Some(stream.expect("a head is queued"));
    }

    /// Sends a piece of the body as far as the gateway's windows let it. `false` when the gateway has left.
    pub async fn send(&mut self, piece: &str) -> bool {
        let stream = self.stream();
        let mut rest = Bytes::copy_from_slice(piece.as_bytes());
        stream.reserve_capacity(rest.len());
        while !rest.is_empty() {
            let Some(Ok(room)) = poll_fn(|task| stream.poll_capacity(task)).await else { return false };
            let fits = rest.split_to(room.min(rest.len()));
            if stream.send_data(fits, false).is_err() {
                return false;
            }
        }
        true
    }

    /// Ends the body.
    pub fn end(&mut self) {
        self.stream().send_data(Bytes::new(), true).expect("the end is queued");
    }

    /// Ends the body with trailers.
    pub fn end_with_trailers(&mut self) {
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-checksum"), value("1"))]);
        self.stream().send_trailers(trailers).expect("trailers are queued");
    }

    /// Resets the stream. What was sent just before may be lost.
    pub fn reset(mut self, reason: Reason) {
        match &mut self.stream {
            Some(stream) => stream.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    /// Waits until the gateway resets the stream, or its connection ends.
    pub async fn gone(mut self) -> Option<Reason> {
        let reset = poll_fn(|task| match &mut self.stream {
            Some(stream) => stream.poll_reset(task),
            None => self.respond.poll_reset(task),
        });
        within("the gateway to leave the stream", reset).await.ok()
    }

    /// Ends the connection and declares that nothing was done for this request (RFC 9113, 6.8).
    pub fn disown(self, reason: Reason) {
        let orders = self.orders.clone();
        assert!(orders.send(Order::Disown(Box::new(self), reason)).is_ok(), "the connection is open");
    }

    /// Closes the connection without a word.
    pub fn hang_up(self) {
        let orders = self.orders.clone();
        assert!(orders.send(Order::HangUp(Box::new(self))).is_ok(), "the connection is open");
    }

    /// Takes no more streams on this connection, and finishes those that run.
    pub fn say_goodbye(&self) {
        assert!(self.orders.send(Order::Goodbye).is_ok(), "the connection is open");
    }

    fn stream(&mut self) -> &mut SendStream<Bytes> {
        self.stream.as_mut().expect("a head before the body")
    }
}

fn response(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let builder = Response::builder().status(status);
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(()).expect("a response head")
}

fn value(text: &'static str) -> http::HeaderValue {
    http::HeaderValue::from_static(text)
}

/// A connection with two owners: HTTP/2, and the test, which may write a last frame of its own.
#[derive(Clone)]
struct Shared(Arc<Mutex<TlsStream<TcpStream>>>);

impl Shared {
    /// Writes a GOAWAY and waits for the gateway to close. The `h2` crate would name the running stream as done.
    async fn disown(&mut self, last: u32, reason: Reason) {
        let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
        frame.extend_from_slice(&last.to_be_bytes());
        frame.extend_from_slice(&u32::from(reason).to_be_bytes());
        if self.write_all(&frame).await.is_ok() && self.shutdown().await.is_ok() {
            let _ = self.read_to_end(&mut Vec::new()).await;
        }
    }

    fn with<T>(&self, act: impl FnOnce(Pin<&mut TlsStream<TcpStream>>) -> T) -> T {
        act(Pin::new(&mut *self.0.lock().expect("the connection")))
    }
}

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_read(task, into))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write(task, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_flush(task))
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_shutdown(task))
    }
}
