//! A caller that speaks HTTP/2.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::HeaderMap;

use super::client::Request;
use super::wire::Io;
use super::within;

/// One HTTP/2 connection.
#[derive(Clone)]
pub struct H2 {
    sender: SendRequest<Bytes>,
}

/// A response whose body is still to be read; `cancel` resets its stream.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    body: RecvStream,
    request: h2::SendStream<Bytes>,
}

impl H2 {
    /// Speaks HTTP/2 at once, as after ALPN or by prior knowledge.
    pub async fn over(io: impl Io + 'static) -> Self {
        let handshake = h2::client::handshake(io);
        let (sender, connection) = within("the HTTP/2 preface", handshake).await.expect("HTTP/2");
        tokio::spawn(connection);
        H2 { sender }
    }

    /// Sends a request and reads the head of its answer.
    pub async fn open(&self, request: &Request) -> Reply {
        let head = head_of(request);
        let ready = within("room for a stream", self.sender.clone().ready()).await;
        let mut sender = ready.expect("an open connection");
        let (response, mut stream) =
            sender.send_request(head, request.body.is_empty()).expect("a new stream");
        if !request.body.is_empty() {
            stream.send_data(Bytes::from(request.body.clone()), true).expect("the body is queued");
        }
        let (parts, body) = within("an HTTP/2 answer", response).await.expect("an answer").into_parts();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body, request: stream }
    }

    /// Sends this much of the body and no more; the status of the answer.
    pub async fn ask_slowly(&self, request: &Request, bytes: usize) -> u16 {
        let mut sender =
            within("room for a stream", self.sender.clone().ready()).await.expect("a connection");
        let (response, mut stream) = sender.send_request(head_of(request), false).expect("a new stream");
        stream.send_data(Bytes::copy_from_slice(&request.body[..bytes]), false).expect("a part is queued");
        within("an HTTP/2 answer", response).await.expect("an answer").status().as_u16()
    }

    /// Sends a request and reads its whole answer.
    pub async fn ask(&self, request: &Request) -> (u16, HeaderMap, Vec<u8>) {
        let mut reply = self.open(request).await;
        let body = reply.rest().await;
        (reply.status, reply.headers, body)
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

impl Reply {
    /// The next piece of the body that holds anything; `None` at its end.
    pub async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let piece = within("a DATA frame", self.body.data()).await?.expect("a body without a reset");
            self.body.flow_control().release_capacity(piece.len()).expect("capacity is ours");
            if !piece.is_empty() {
                return Some(piece);
            }
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
