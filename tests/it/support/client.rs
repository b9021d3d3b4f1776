//! A caller on the level of bytes: HTTP/1.1 with split writes, and answers read piece by piece.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::caller::Events;
use super::wire::{Headers, Reader, response_head};
use super::within;

/// A request before it is bytes. `host` and the length are added by [`Request::bytes`].
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &'static str, target: &str) -> Self {
        Request { method, target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(target: &str) -> Self {
        Request::new("GET", target)
    }

    /// A JSON POST.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut request = Request::new("POST", target).header("content-type", "application/json");
        request.body = body.into();
        request
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// The head, without any framing header and without the blank line.
    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: gateway.test\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head
    }

    /// The request with a content length.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The head alone, announcing the whole body.
    pub fn head_bytes(&self) -> Vec<u8> {
        let mut head = self.head();
        if self.method != "GET" && self.method != "HEAD" {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The request in chunks of `size` bytes.
    pub fn chunked(&self, size: usize) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        for piece in self.body.chunks(size) {
            bytes.extend(super::replies::chunk(piece));
        }
        bytes.extend_from_slice(super::replies::LAST_CHUNK);
        bytes
    }

    /// Sends it over a connection of its own and reads the whole answer.
    pub async fn send(&self, to: SocketAddr) -> Answer {
        Client::connect(to).await.ask(self).await
    }
}

/// Status and headers of an answer whose body is still to be read.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub headers: Headers,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {:?}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.first(name)
    }

    /// `error.type`, the same place in both envelopes.
    pub fn error_type(&self) -> String {
        self.error_field("type")
    }

    /// `error.<field>`, empty when absent.
    pub fn error_field(&self, field: &str) -> String {
        self.json()["error"][field].as_str().unwrap_or_default().to_owned()
    }
}

/// One connection of a caller.
pub struct Client {
    reader: Reader,
    events: Events,
}

impl Client {
    pub async fn connect(to: SocketAddr) -> Self {
        Client::over(Box::new(connect(to).await))
    }

    pub fn over(io: Box<dyn super::wire::Io>) -> Self {
        Client { reader: Reader::new(io), events: Events::default() }
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        within("writing a request", async {
            self.reader.io.write_all(bytes).await.expect("the gateway takes the bytes");
            self.reader.io.flush().await.expect("the gateway takes the bytes");
        })
        .await;
    }

    /// Writes bytes to a peer that may have answered and closed already.
    pub async fn write_anyway(&mut self, bytes: &[u8]) {
        let _ = within("writing a request", self.reader.io.write_all(bytes)).await;
    }

    /// Sends a request and reads its whole answer.
    pub async fn ask(&mut self, request: &Request) -> Answer {
        self.write(&request.bytes()).await;
        self.answer_to(request.method).await
    }

    /// Sends a request and reads the head of its answer.
    pub async fn open(&mut self, request: &Request) -> Head {
        self.write(&request.bytes()).await;
        self.head().await
    }

    /// The next head, interim ones included.
    pub async fn head(&mut self) -> Head {
        let raw = within("a response head", self.reader.until(b"\r\n\r\n")).await;
        let raw = raw.expect("a response head before the connection closes");
        let (status, headers) = response_head(&raw);
        Head { status, headers }
    }

    /// The next final answer in full.
    pub async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    async fn answer_to(&mut self, method: &str) -> Answer {
        let mut head = self.head().await;
        while head.status < 200 {
            head = self.head().await;
        }
        let body = if method == "HEAD" { Vec::new() } else { self.rest(&head).await };
        Answer { status: head.status, headers: head.headers, body }
    }

    /// The body that belongs to a head.
    pub async fn rest(&mut self, head: &Head) -> Vec<u8> {
        let closes = head.headers.first("content-length").is_none()
            && head.headers.first("transfer-encoding").is_none();
        if closes {
            return self.remainder().await;
        }
        let body = within("a response body", self.reader.body(&head.headers)).await;
        body.expect("a whole body before the connection closes")
    }

    /// The next event of a chunked stream, its blank line included; `None` after the last chunk or a cut.
    pub async fn event(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.events.take_event() {
                return Some(event);
            }
            let piece = within("the next event", self.reader.chunk()).await?;
            if piece.is_empty() {
                return None;
            }
            self.events.push(&piece);
        }
    }

    /// All events to the end of the stream.
    pub async fn events(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(event) = self.event().await {
            all.push(event);
        }
        all
    }

    /// What is left of a chunked body, and whether it ended with its last chunk.
    pub async fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut whole = self.events.take();
        loop {
            match within("the next chunk", self.reader.chunk()).await {
                Some(piece) if piece.is_empty() => return (whole, true),
                Some(piece) => whole.extend(piece),
                None => return (whole, false),
            }
        }
    }

    /// What one read gives, up to a megabyte: bytes that were sent together arrive together.
    pub async fn read_once(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let read = within("bytes of the gateway", self.reader.io.read(&mut bytes)).await;
        bytes.truncate(read.expect("an open connection"));
        bytes
    }

    /// Ends the sending side alone: the gateway reads the end of the connection and can still write.
    pub async fn end_sending(&mut self) {
        within("the end of sending", self.reader.io.shutdown()).await.expect("an open connection");
    }

    /// Everything until the gateway closes.
    pub async fn remainder(&mut self) -> Vec<u8> {
        within("the gateway to close", async { while self.reader.fill().await {} }).await;
        std::mem::take(&mut self.reader.buffer).to_vec()
    }

    /// Asserts that the gateway closes without another byte.
    pub async fn assert_closed(&mut self) {
        let rest = self.remainder().await;
        assert!(rest.is_empty(), "bytes before the close: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Asserts that the gateway keeps the connection: another request on it is answered.
    pub async fn assert_kept(&mut self) {
        let answer = self.ask(&Request::get("/livez")).await;
        assert_eq!(answer.status, 200, "the connection serves the next request");
    }
}

/// A TLS connection; the roots, the client certificate and ALPN are in `config`.
pub async fn connect_tls(to: SocketAddr, config: impl Into<Arc<ClientConfig>>) -> TlsStream<TcpStream> {
    let name = "localhost".try_into().expect("a server name");
    let handshake = TlsConnector::from(config.into()).connect(name, connect(to).await);
    within("a TLS handshake", handshake).await.expect("a TLS connection")
}

/// A TCP connection without Nagle's delay.
pub async fn connect(to: SocketAddr) -> TcpStream {
    let stream = within("a connection", TcpStream::connect(to)).await.expect("the gateway accepts");
    stream.set_nodelay(true).expect("an option of TCP");
    stream
}
