//! The walk of a request and nothing else: a caller and an upstream in memory that cost next to nothing.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use aisix::http1;
use aisix::proxy::downstream::{Broken, Downstream, Drained, ResponseHead};
use aisix::proxy::serve;
use aisix::upstream::Endpoint;
use aisix::upstream::transport::{Call, Fault, Fields, Headers, Outgoing, Upstream};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Method;
use smallvec::SmallVec;

use super::samples::Talk;
use super::{Run, house};

/// One request after the other, each with the same answer.
pub fn run(talk: Talk) -> Run {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it needs no driver");
    let mut head = http1::RequestHead::default();
    head.read(talk.request_head.as_bytes()).expect("the head is sound").expect("it is complete");
    let vendor = if head.path() == "/v1/messages" { "anthropic" } else { "openai" };
    let node = house::node(vendor, Provider::new(&talk));
    let mut caller = Caller { head, body: talk.request, unread: true, status: 0, received: 0 };
    let whole = talk.pieces.iter().map(Bytes::len).sum::<usize>();
    Box::new(move || {
        // Timers are set, and none rings.
        let _context = runtime.enter();
        (caller.unread, caller.status, caller.received) = (true, 0, 0);
        serve(&node, &mut caller).now_or_never().expect("there is nothing to wait for");
        assert_eq!(caller.status, 200);
        // The alias is shorter than the upstream's name, and the usage frame is not the caller's.
        assert!(caller.received > 0 && caller.received < whole);
    })
}

/// A caller whose request is there, and who takes whatever comes.
struct Caller {
    head: http1::RequestHead,
    body: Bytes,
    unread: bool,
    status: u16,
    received: usize,
}

impl Downstream for Caller {
    fn method(&self) -> &Method {
        &self.head.method
    }
    fn path(&self) -> &str {
        self.head.path()
    }
    fn query(&self) -> Option<&str> {
        self.head.query()
    }
    fn version(&self) -> &'static str {
        "HTTP/1.1"
    }
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.fields.get(name)
    }
    fn header_values(&self, name: &str) -> SmallVec<[&[u8]; 2]> {
        self.head.fields.all(name).collect()
    }
    fn announced(&self) -> Option<u64> {
        Some(self.body.len() as u64)
    }
    fn headers_where(&self, keep: fn(&str) -> bool) -> Headers {
        self.head.fields.copied(keep)
    }
    fn peer(&self) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
    async fn invite(&mut self) -> Result<(), Broken> {
        Ok(())
    }
    async fn read_onto(&mut self, body: &mut Vec<u8>) -> Result<bool, Broken> {
        let unread = std::mem::take(&mut self.unread);
        if unread {
            body.extend_from_slice(&self.body);
        }
        Ok(unread)
    }
    async fn send_head(&mut self, head: ResponseHead) -> Result<(), Broken> {
        self.status = black_box(head).status;
        Ok(())
    }
    async fn send(&mut self, piece: Bytes, _last: bool) -> Result<(), Broken> {
        self.received += black_box(piece).len();
        Ok(())
    }
    async fn gone(&mut self) {
        std::future::pending::<()>().await;
    }
    async fn drain(&mut self) -> Drained {
        Drained::Completed
    }
    fn close_after(&mut self) {}
    async fn abort(&mut self) {}
}

/// An upstream that has its answer ready.
struct Provider(Arc<Answer>);

struct Answer {
    head: http1::ResponseHead,
    pieces: Vec<Bytes>,
}

impl Provider {
    fn new(talk: &Talk) -> Self {
        let mut head = http1::ResponseHead::default();
        head.read(talk.answer_head.as_bytes()).expect("the head is sound").expect("it is complete");
        Provider(Arc::new(Answer { head, pieces: talk.pieces.clone() }))
    }
}

impl Upstream for Provider {
    type Call = Exchange;

    async fn open(&self, _: &Endpoint, _fresh: bool, _budget: Option<Duration>) -> Result<Exchange, Fault> {
        Ok(Exchange { answer: Arc::clone(&self.0), next: 0 })
    }
}

struct Exchange {
    answer: Arc<Answer>,
    next: usize,
}

impl Call for Exchange {
    fn reused(&self) -> bool {
        true
    }
    async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Fault> {
        black_box(request);
        Ok(())
    }
    async fn head(&mut self) -> Result<u16, Fault> {
        Ok(self.answer.head.status)
    }
    fn fields(&self) -> Fields<'_> {
        Fields::Wire(&self.answer.head.fields)
    }
    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        let piece = self.answer.pieces.get(self.next).cloned();
        self.next += 1;
        Ok(piece)
    }
    fn close_delimited(&self) -> bool {
        false
    }
    async fn release(self) {}
}
