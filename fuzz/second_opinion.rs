//! What hyper makes of the same bytes. It runs on memory and without a runtime: whatever it asks for is there at
//! once, so a future that is pending waits for bytes that will not come.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;

use crate::http1::MAX_FIELDS;
use crate::messages::Field;

/// A message as either side has read it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Method, target and version, or version and status.
    pub line: String,
    /// By name; those of one name in the order in which they were sent.
    pub fields: Vec<Field>,
    pub data: Vec<u8>,
    /// The body has ended.
    pub whole: bool,
}

/// The first line of a request. The path is given as it was sent; another form of the target as a URI, which has
/// an empty path written out and the scheme in lower case.
pub fn request_line(method: &str, uri: &Uri, minor: u8) -> String {
    let path = uri.path_and_query().filter(|_| uri.authority().is_none() && uri.scheme().is_none());
    let target = path.map_or_else(|| uri.to_string(), ToString::to_string);
    format!("{method} {target} HTTP/1.{minor}")
}

pub fn by_name(mut fields: Vec<Field>) -> Vec<Field> {
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// What hyper has read of a connection.
#[derive(Debug)]
pub struct Opinion {
    pub messages: Vec<Message>,
    /// Bytes at the end that belong to none of them.
    pub left: usize,
    /// The connection could go on.
    pub ready: bool,
}

/// The requests at the start of `bytes`, one after the other.
pub fn requests(bytes: &Bytes) -> Opinion {
    let log = RefCell::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| {
        Box::pin(async {
            let (head, body) = request.into_parts();
            let line = request_line(head.method.as_str(), &head.uri, minor(head.version));
            note(&log, line, &head.headers, body).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        })
    });
    let mut settings = hyper::server::conn::http1::Builder::new();
    // A caller that has said everything still wants its answers.
    settings.half_close(true).auto_date_header(false).max_headers(MAX_FIELDS);
    let wire = Wire { incoming: bytes.clone(), ends: true, spoken: true };
    let mut connection = settings.serve_connection(wire, service);
    let _ = while_awake(|cx| connection.poll_without_shutdown(cx));
    let parts = connection.into_parts();
    let left = parts.io.incoming.len() + parts.read_buf.len();
    Opinion { messages: log.take(), left, ready: false }
}

/// The answer at the start of `bytes`. After them the connection `ends`, or is silent.
pub fn answer(bytes: &Bytes, ends: bool) -> Opinion {
    let log = RefCell::new(Vec::new());
    let mut settings = hyper::client::conn::http1::Builder::new();
    settings.max_headers(MAX_FIELDS);
    let wire = Wire { incoming: bytes.clone(), ends, spoken: false };
    let mut handshake = pin!(settings.handshake::<_, String>(wire));
    let Poll::Ready(Ok((mut sender, mut connection))) = while_awake(|cx| handshake.as_mut().poll(cx)) else {
        panic!("a connection needs nothing to begin");
    };
    let request = Request::get("/").header("host", "a").body(String::new()).expect("a request");
    let mut exchange = pin!(async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let line = format!("HTTP/1.{} {}", minor(head.version), head.status.as_u16());
        note(&log, line, &head.headers, body).await;
        poll_fn(|cx| sender.poll_ready(cx)).await
    });
    let mut over = false;
    let ready = while_awake(|cx| {
        over = over || connection.poll_without_shutdown(cx).is_ready();
        exchange.as_mut().poll(cx)
    });
    let ready = matches!(ready, Poll::Ready(Ok(()))) && !over;
    let parts = connection.into_parts();
    let left = parts.io.incoming.len() + parts.read_buf.len();
    Opinion { messages: log.take(), left, ready }
}

fn minor(version: Version) -> u8 {
    u8::from(version == Version::HTTP_11)
}

async fn note(log: &RefCell<Vec<Message>>, line: String, headers: &HeaderMap, mut body: Incoming) {
    let fields = headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let mut message = Message { line, fields: by_name(fields.collect()), ..Message::default() };
    message.whole = loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            Some(Ok(frame)) => message.data.extend(frame.into_data().unwrap_or_default()),
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    log.borrow_mut().push(message);
}

/// Polls until there is an end, or nothing that could still bring one.
fn while_awake<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let awake = Arc::new(Awake(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&awake));
    while awake.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(end) = poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(end);
        }
    }
    Poll::Pending
}

struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A connection on which everything has arrived, and which takes everything.
struct Wire {
    incoming: Bytes,
    /// What follows the bytes is the end, not silence.
    ends: bool,
    /// A peer that only answers says nothing until it was spoken to.
    spoken: bool,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.spoken || (self.incoming.is_empty() && !self.ends) {
            return Poll::Pending;
        }
        let fits = self.incoming.len().min(buf.remaining());
        buf.put_slice(&self.incoming.split_to(fits));
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.spoken = true;
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
