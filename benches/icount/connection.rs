//! Requests on kept connections, from bytes to bytes: the lean door, the walk and the lean client, over streams in
//! memory. What is missing to a request in service is the kernel.

use std::future::Future;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use aisix::proxy::doors::Times;
use aisix::proxy::doors::front::{Front, FrontSettings};
use aisix::proxy::doors::pingora::Door;
use aisix::upstream::Endpoint;
use aisix::upstream::transport::lean::{Bounds, Connection, Key, LeanCall, Pools};
use aisix::upstream::transport::{Fault, Upstream};
use pingora_core::apps::ServerApp;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::http_proxy;

use super::memory::{End, Memory};
use super::samples::Talk;
use super::{Run, house};

/// One request after the other on one connection, each with the same answer.
pub fn run(talk: Talk) -> Run {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("it needs no driver");
    let caller = Arc::new(Caller::default());
    let mut serving = {
        let _context = runtime.enter();
        serving(&talk, Arc::clone(&caller))
    };
    let mut length = None;
    Box::new(move || {
        // Timers are set, and none rings.
        let _context = runtime.enter();
        caller.asks.store(true, Ordering::Relaxed);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(serving.as_mut().poll(&mut cx).is_pending(), "the connection is kept");
        assert_eq!(caller.answers.swap(0, Ordering::Relaxed), 1);
        let received = caller.received.swap(0, Ordering::Relaxed);
        assert_eq!(received, *length.get_or_insert(received), "all answers are alike");
    })
}

/// A connection being served, until it ends.
fn serving(talk: &Talk, caller: Arc<Caller>) -> Pin<Box<dyn Future<Output = ()>>> {
    let vendor = if talk.request_head.contains("/v1/messages") { "anthropic" } else { "openai" };
    let node = Arc::new(house::node(vendor, Provider::new(talk)));
    let times = Times { read: Some(Duration::from_secs(60)), write: Some(Duration::from_secs(60)) };
    // Requests of these cases never come to this door; it is there because the front has it.
    let conf = Arc::new(ServerConf { ca_file: Some("/dev/null".to_owned()), ..ServerConf::default() });
    let proxy = http_proxy(&conf, Door::new(Arc::clone(&node), times));
    let settings = FrontSettings {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Some(Duration::from_secs(60)),
        max_header_bytes: 64 << 10,
        http2: true,
        lean: true,
        times,
    };
    let front = Arc::new(Front::new(proxy, node, settings));
    let request = [talk.request_head.as_bytes(), &talk.request].concat();
    Box::pin(async move {
        let (_closing, shutdown) = tokio::sync::watch::channel(false);
        front.process_new(Box::new(Memory(CallersEnd { caller, request })), &shutdown).await;
    })
}

/// What the caller is about to do, and what came of it.
#[derive(Default)]
struct Caller {
    asks: AtomicBool,
    answers: AtomicUsize,
    received: AtomicUsize,
}

struct CallersEnd {
    caller: Arc<Caller>,
    /// As one segment.
    request: Vec<u8>,
}

impl End for CallersEnd {
    fn says(&mut self) -> Option<&[u8]> {
        self.caller.asks.swap(false, Ordering::Relaxed).then_some(&self.request)
    }

    fn hears(&mut self, pieces: &[IoSlice<'_>]) {
        let begins = pieces.first().is_some_and(|piece| piece.starts_with(b"HTTP/1.1 200 OK\r\n"));
        self.caller.answers.fetch_add(usize::from(begins), Ordering::Relaxed);
        let length = pieces.iter().map(|piece| piece.len()).sum();
        self.caller.received.fetch_add(length, Ordering::Relaxed);
    }
}

/// Lean calls on connections to [`ProvidersEnd`], pooled as the gateway's client pools them.
struct Provider {
    pools: Arc<Pools>,
    key: Arc<Key>,
    says: Arc<[Vec<u8>]>,
}

impl Provider {
    fn new(talk: &Talk) -> Self {
        let bounds = Bounds { per_peer: 1024, idle: Some(Duration::from_secs(30)) };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Provider {
            pools: Arc::new(Pools::new(1, bounds)),
            key: Arc::new(Key { address, sni: None, identity: 0 }),
            says: segments(talk).into(),
        }
    }
}

impl Upstream for Provider {
    type Call = LeanCall;

    async fn open(
        &self,
        endpoint: &Endpoint,
        _fresh: bool,
        _budget: Option<Duration>,
    ) -> Result<LeanCall, Fault> {
        let pooled = self.pools.take(&self.key);
        let reused = pooled.is_some();
        let connection = pooled.unwrap_or_else(|| {
            let end = ProvidersEnd { next: self.says.len(), says: Arc::clone(&self.says) };
            Box::new(Connection::new(Box::new(Memory(end))))
        });
        let (pools, key) = (Arc::clone(&self.pools), Arc::clone(&self.key));
        Ok(LeanCall::new(pools, key, endpoint.authority.clone(), connection, reused))
    }
}

/// An answer as it arrives: a whole one in one segment, a stream's head and frames one by one.
fn segments(talk: &Talk) -> Vec<Vec<u8>> {
    let head = talk.answer_head.as_bytes();
    let [whole] = talk.pieces.as_slice() else {
        let chunks = talk
            .pieces
            .iter()
            .map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        let mut segments: Vec<Vec<u8>> = std::iter::once(head.to_vec()).chain(chunks).collect();
        segments.last_mut().expect("the head at least").extend_from_slice(b"0\r\n\r\n");
        return segments;
    };
    vec![[head, whole].concat()]
}

/// Answers whatever it hears.
struct ProvidersEnd {
    says: Arc<[Vec<u8>]>,
    next: usize,
}

impl End for ProvidersEnd {
    fn says(&mut self) -> Option<&[u8]> {
        let said = self.says.get(self.next)?;
        self.next += 1;
        Some(said)
    }

    fn hears(&mut self, _: &[IoSlice<'_>]) {
        self.next = 0;
    }
}
