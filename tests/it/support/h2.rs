//! A caller that speaks HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::HeaderMap;
use tokio::sync::{Mutex, watch};

use super::client::{Answer, Request};
use super::wire::{Headers, Io};
use super::within;

/// One HTTP/2 connection.
#[derive(Clone)]
pub struct H2 {
    sender: SendRequest<Bytes>,
    pings: Arc<Mutex<PingPong>>,
    ended: watch::Receiver<bool>,
}

/// A request whose answer is still to come. Dropping it resets its stream.
pub struct Pending {
    response: ResponseFuture,
    request: SendStream<Bytes>,
}

/// A response whose body is still to be read; `cancel` resets its stream, and so does dropping it.
pub struct Reply {
    pub status: u16,
    pub headers: Headers,
    body: RecvStream,
    request: SendStream<Bytes>,
}

/// What comes next of a body.
pub enum Piece {
    Data(Bytes),
    End,
    /// The stream was reset, or its connection ended.
    Reset,
}

impl H2 {
    /// Speaks HTTP/2 at once, as after ALPN or by prior knowledge.
    pub async fn over(io: impl Io + 'static) -> Self {
        let handshake = h2::client::handshake(io);
        let (sender, mut connection) = within("the HTTP/2 preface", handshake).await.expect("HTTP/2");
        let pings = Arc::new(Mutex::new(connection.ping_pong().expect("nobody else pings")));
        let (end, ended) = watch::channel(false);
        tokio::spawn(async move {
            let _ = connection.await;
            end.send_replace(true);
        });
        H2 { sender, pings, ended }
    }

    /// Sends a request with its length; the answer is still to be read.
    pub async fn begin(&self, request: &Request) -> Pending {
        let length = request.body.len();
        self.begin_part(request, length).await
    }

    /// Sends a head that announces the whole body, and the first bytes of it. They have arrived when this is done.
    pub async fn begin_part(&self, request: &Request, bytes: usize) -> Pending {
        let length = request.body.len();
        let mut head = head_of(request);
        if length > 0 {
            head.headers_mut().insert("content-length", length.into());
        }
        let mut pending = self.send(head, length == 0).await;
        if length > 0 {
            pending.more(&request.body[..bytes], bytes == length);
        }
        if bytes < length {
            self.flushed().await;
        }
        pending
    }

    /// Sends a request without its length, in DATA frames of at most `size` bytes.
    pub async fn begin_in_pieces(&self, request: &Request, size: usize) -> Pending {
        let mut pending = self.send(head_of(request), false).await;
        for piece in request.body.chunks(size) {
            pending.more(piece, false);
        }
        pending.more(b"", true);
        pending
    }

    async fn send(&self, head: http::Request<()>, complete: bool) -> Pending {
        let ready = within("room for a stream", self.sender.clone().ready()).await;
        let mut sender = ready.expect("an open connection");
        let (response, request) = sender.send_request(head, complete).expect("a new stream");
        Pending { response, request }
    }

    /// Waits until the gateway has read what was queued. A ping may overtake what is queued, but not what was
    /// written before the answer to another came.
    async fn flushed(&self) {
        let mut pings = self.pings.lock().await;
        for _ in 0..2 {
            within("the answer to a ping", pings.ping(Ping::opaque())).await.expect("an open connection");
        }
    }

    /// Sends a request and reads the head of its answer.
    pub async fn open(&self, request: &Request) -> Reply {
        self.begin(request).await.head().await
    }

    /// Sends a request and reads its whole answer.
    pub async fn ask(&self, request: &Request) -> Answer {
        let mut reply = self.open(request).await;
        let body = reply.rest().await;
        Answer { status: reply.status, headers: reply.headers, body }
    }

    /// Waits for the end of the connection.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = within("the end of the connection", ended.wait_for(|ended| *ended)).await;
    }
}

impl Pending {
    /// Queues more of the body, whether or not the gateway still takes it.
    pub fn more(&mut self, bytes: &[u8], last: bool) {
        let _ = self.request.send_data(Bytes::copy_from_slice(bytes), last);
    }

    /// The head of the answer.
    pub async fn head(self) -> Reply {
        let answer = within("an HTTP/2 answer", self.response).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let headers = listed(&parts.headers);
        Reply { status: parts.status.as_u16(), headers, body, request: self.request }
    }
}

impl Reply {
    /// The next piece of the body that holds anything.
    pub async fn next_piece(&mut self) -> Piece {
        loop {
            match within("a DATA frame", self.body.data()).await {
                None => return Piece::End,
                Some(Err(_)) => return Piece::Reset,
                Some(Ok(piece)) => {
                    self.body.flow_control().release_capacity(piece.len()).expect("capacity is ours");
                    if !piece.is_empty() {
                        return Piece::Data(piece);
                    }
                }
            }
        }
    }

    /// The next piece of a body that is not reset; `None` at its end.
    pub async fn piece(&mut self) -> Option<Bytes> {
        match self.next_piece().await {
            Piece::Data(piece) => Some(piece),
            Piece::End => None,
            Piece::Reset => panic!("a body without a reset"),
        }
    }

    /// The body to its end.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await {
            whole.extend_from_slice(&piece);
        }
        whole
    }

    /// Resets the stream, as a client does that no longer wants the answer.
    pub fn cancel(mut self) {
        self.request.send_reset(Reason::CANCEL);
    }
}

fn head_of(request: &Request) -> http::Request<()> {
    let uri = format!("http://gateway.test{}", request.target);
    let mut builder = http::Request::builder().method(request.method).uri(uri);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    builder.body(()).expect("a request head")
}

fn listed(headers: &HeaderMap) -> Headers {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Headers(headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect())
}
