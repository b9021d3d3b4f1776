//! A caller with one exchange at a time, whichever protocol it speaks. Dropping it is leaving: it closes an
//! HTTP/1.1 connection, and resets a stream of HTTP/2 and closes its connection.

use super::client::{Answer, Client, Head, Request};
use super::h2::{H2, Pending, Piece, Reply};

/// One connection, and the exchange on it.
pub struct Caller(Protocol);

enum Protocol {
    Http1(Box<Client>),
    Http2(Box<Exchanges>),
}

/// The state of a connection of HTTP/2 that is used for one exchange after the other.
struct Exchanges {
    h2: H2,
    pending: Option<Pending>,
    reply: Option<Reply>,
    events: Events,
}

impl Caller {
    pub fn over_http_1(client: Client) -> Self {
        Caller(Protocol::Http1(Box::new(client)))
    }

    pub fn over_http_2(h2: H2) -> Self {
        Caller(Protocol::Http2(Box::new(Exchanges {
            h2,
            pending: None,
            reply: None,
            events: Events::default(),
        })))
    }

    /// Sends a request and reads its whole answer.
    pub async fn ask(&mut self, request: &Request) -> Answer {
        match &mut self.0 {
            Protocol::Http1(client) => client.ask(request).await,
            Protocol::Http2(exchanges) => exchanges.h2.ask(request).await,
        }
    }

    /// Sends a request without saying how long it is, in chunks or DATA frames of `size` bytes.
    pub async fn ask_in_pieces(&mut self, request: &Request, size: usize) -> Answer {
        self.begin_in_pieces(request, size).await;
        self.answer().await
    }

    /// Sends a request and reads the head of its answer.
    pub async fn open(&mut self, request: &Request) -> Head {
        self.begin(request).await;
        self.head().await
    }

    /// Sends a request; its answer is still to be read.
    pub async fn begin(&mut self, request: &Request) {
        match &mut self.0 {
            Protocol::Http1(client) => client.write(&request.bytes()).await,
            Protocol::Http2(exchanges) => exchanges.pending = Some(exchanges.h2.begin(request).await),
        }
    }

    /// The same in chunks or DATA frames of `size` bytes. The gateway may answer before it has taken them all.
    pub async fn begin_in_pieces(&mut self, request: &Request, size: usize) {
        match &mut self.0 {
            Protocol::Http1(client) => client.write_anyway(&request.chunked(size)).await,
            Protocol::Http2(exchanges) => {
                exchanges.pending = Some(exchanges.h2.begin_in_pieces(request, size).await);
            }
        }
    }

    /// Sends a head that announces the whole body, and the first bytes of it.
    pub async fn begin_part(&mut self, request: &Request, bytes: usize) {
        match &mut self.0 {
            Protocol::Http1(client) => {
                client.write(&[&request.head_bytes(), &request.body[..bytes]].concat()).await;
            }
            Protocol::Http2(exchanges) => {
                exchanges.pending = Some(exchanges.h2.begin_part(request, bytes).await);
            }
        }
    }

    /// Sends more of a body that was begun in part. The gateway may have given up waiting.
    pub async fn more(&mut self, bytes: &[u8], last: bool) {
        match &mut self.0 {
            Protocol::Http1(client) => client.write_anyway(bytes).await,
            Protocol::Http2(exchanges) => {
                exchanges.pending.as_mut().expect("a request that was begun").more(bytes, last);
            }
        }
    }

    /// The head of the answer to what was begun.
    pub async fn head(&mut self) -> Head {
        match &mut self.0 {
            Protocol::Http1(client) => client.head().await,
            Protocol::Http2(exchanges) => exchanges.head().await,
        }
    }

    /// The whole answer to what was begun.
    pub async fn answer(&mut self) -> Answer {
        let Head { status, headers } = self.head().await;
        let body = self.rest(&Head { status, headers: headers.clone() }).await;
        Answer { status, headers, body }
    }

    /// The body that belongs to a head.
    pub async fn rest(&mut self, head: &Head) -> Vec<u8> {
        match &mut self.0 {
            Protocol::Http1(client) => client.rest(head).await,
            Protocol::Http2(exchanges) => exchanges.reply().rest().await,
        }
    }

    /// The next event of a stream, its blank line included; `None` after the end or a cut.
    pub async fn event(&mut self) -> Option<String> {
        match &mut self.0 {
            Protocol::Http1(client) => client.event().await,
            Protocol::Http2(exchanges) => exchanges.event().await,
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

    /// What is left of a stream, and whether it ended as its protocol says: with the last chunk, or with the last
    /// frame of the stream.
    pub async fn remains(&mut self) -> (Vec<u8>, bool) {
        match &mut self.0 {
            Protocol::Http1(client) => client.chunks().await,
            Protocol::Http2(exchanges) => exchanges.remains().await,
        }
    }

    /// Asserts that the gateway keeps the connection: another request on it is answered.
    pub async fn assert_kept(&mut self) {
        let answer = self.ask(&Request::get("/livez")).await;
        assert_eq!(answer.status, 200, "the connection serves the next request");
    }

    /// Asserts that the gateway closes: without another byte, and in HTTP/2 with all its streams done.
    pub async fn assert_closed(&mut self) {
        match &mut self.0 {
            Protocol::Http1(client) => client.assert_closed().await,
            Protocol::Http2(exchanges) => exchanges.h2.ended().await,
        }
    }
}

impl Exchanges {
    async fn head(&mut self) -> Head {
        let reply = self.pending.take().expect("a request that was begun").head().await;
        let head = Head { status: reply.status, headers: reply.headers.clone() };
        (self.reply, self.events) = (Some(reply), Events::default());
        head
    }

    fn reply(&mut self) -> &mut Reply {
        self.reply.as_mut().expect("a head before the body")
    }

    async fn event(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.events.take_event() {
                return Some(event);
            }
            match self.reply().next_piece().await {
                Piece::Data(piece) => self.events.push(&piece),
                Piece::End | Piece::Reset => return None,
            }
        }
    }

    async fn remains(&mut self) -> (Vec<u8>, bool) {
        let mut whole = self.events.take();
        loop {
            match self.reply().next_piece().await {
                Piece::Data(piece) => whole.extend_from_slice(&piece),
                Piece::End => return (whole, true),
                Piece::Reset => return (whole, false),
            }
        }
    }
}

/// Bytes of a stream on their way to becoming events.
#[derive(Default)]
pub struct Events(Vec<u8>);

impl Events {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The first event that is whole.
    pub fn take_event(&mut self) -> Option<String> {
        let end = blank_line(&self.0)?;
        let event: Vec<u8> = self.0.drain(..end).collect();
        Some(String::from_utf8(event).expect("events are UTF-8"))
    }

    /// What has not been given out yet.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

fn blank_line(bytes: &[u8]) -> Option<usize> {
    let plain = super::wire::find(bytes, b"\n\n").map(|at| at + 2);
    let crlf = super::wire::find(bytes, b"\r\n\r\n").map(|at| at + 4);
    match (plain, crlf) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
