//! An upstream without a network, for tests of the engine and the walk.
//!
//! A test scripts one [`Script`] per call in the order in which calls are opened, and reads afterwards what
//! was sent and what became of each call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Call, Fault, FaultKind, Fields, Outgoing, Upstream};
use crate::upstream::endpoint::Endpoint;

/// What one call does.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub reused: bool,
    pub refuse_connect: bool,
    /// Fails while the request is being sent.
    pub fail_send: bool,
    /// None: the peer closes without an answer.
    pub status: Option<u16>,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<Step>,
    pub close_delimited: bool,
}

/// One event of a body.
#[derive(Clone, Debug)]
pub enum Step {
    Piece(&'static str),
    /// The peer resets here.
    Cut,
    /// Nothing comes any more.
    Hang,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Released,
    Dropped,
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Seen {
    pub sent: Vec<(String, Bytes)>,
    pub fresh: Vec<bool>,
    pub fates: Vec<Fate>,
}

/// The double.
#[derive(Clone, Default)]
pub struct MemoryUpstream {
    scripts: Arc<Mutex<VecDeque<Script>>>,
    pub seen: Arc<Mutex<Seen>>,
}

impl MemoryUpstream {
    pub fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        MemoryUpstream { scripts: Arc::new(Mutex::new(scripts.into_iter().collect())), ..Self::default() }
    }
}

impl Script {
    /// A whole answer.
    pub fn whole(status: u16, body: &'static str) -> Self {
        Script {
            status: Some(status),
            headers: vec![("content-type", "application/json")],
            body: vec![Step::Piece(body)],
            ..Script::default()
        }
    }

    /// A stream.
    pub fn stream(steps: Vec<Step>) -> Self {
        Script {
            status: Some(200),
            headers: vec![("content-type", "text/event-stream")],
            body: steps,
            ..Script::default()
        }
    }
}

impl Upstream for MemoryUpstream {
    type Call = MemoryCall;

    async fn open(
        &self,
        _endpoint: &Endpoint,
        fresh: bool,
        _budget: Option<Duration>,
    ) -> Result<MemoryCall, Fault> {
        let script =
            self.scripts.lock().expect("no test panics here").pop_front().expect("a script for each call");
        self.seen.lock().expect("no test panics here").fresh.push(fresh);
        if script.refuse_connect {
            return Err(Fault::new(FaultKind::Connect, "refused"));
        }
        let headers = script
            .headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Ok(MemoryCall {
            body: script.body.clone().into(),
            script,
            headers,
            seen: Arc::clone(&self.seen),
            released: false,
        })
    }
}

/// One scripted call.
pub struct MemoryCall {
    script: Script,
    headers: HeaderMap,
    body: VecDeque<Step>,
    seen: Arc<Mutex<Seen>>,
    released: bool,
}

impl Call for MemoryCall {
    fn reused(&self) -> bool {
        self.script.reused
    }

    async fn send(&mut self, request: &Outgoing<'_>) -> Result<(), Fault> {
        self.seen
            .lock()
            .expect("no test panics here")
            .sent
            .push((request.path.to_string(), request.body.clone()));
        if self.script.fail_send { Err(Fault::new(FaultKind::Closed, "broken pipe")) } else { Ok(()) }
    }

    async fn head(&mut self) -> Result<u16, Fault> {
        self.script.status.ok_or_else(|| Fault::new(FaultKind::Closed, "closed"))
    }

    fn fields(&self) -> Fields<'_> {
        Fields::Map(&self.headers)
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        match self.body.pop_front() {
            None => Ok(None),
            Some(Step::Piece(piece)) => Ok(Some(Bytes::from_static(piece.as_bytes()))),
            Some(Step::Cut) => Err(Fault::new(FaultKind::Cut, "reset")),
            Some(Step::Hang) => std::future::pending().await,
        }
    }

    fn close_delimited(&self) -> bool {
        self.script.close_delimited
    }

    async fn release(mut self) {
        self.released = true;
    }
}

impl Drop for MemoryCall {
    fn drop(&mut self) {
        let fate = if self.released { Fate::Released } else { Fate::Dropped };
        self.seen.lock().expect("no test panics here").fates.push(fate);
    }
}
