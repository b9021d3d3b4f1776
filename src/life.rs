//! The life of the process: serving, draining, done; and what its probes say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use tokio::sync::{Notify, watch};

/// Is the process draining, and how many requests are under way.
#[derive(Default)]
pub struct Life {
    draining: AtomicBool,
    configured: AtomicBool,
    contact: OnceLock<Contact>,
    in_flight: AtomicU64,
    quiet: Notify,
    closing: watch::Sender<bool>,
    connections: watch::Sender<usize>,
    closed: AtomicBool,
    seats: Mutex<Seats>,
}

/// Why the configuration in force can no longer be trusted, if so.
type Contact = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// Whom to wake when connections are to close.
#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<AtomicWaker>>,
}

/// A connection's place in the list of those that are woken when idle connections are to close. Taken once for a
/// connection, so that waiting for the next request takes no lock.
pub struct Seat {
    life: Arc<Life>,
    number: u64,
    waker: Arc<AtomicWaker>,
}

impl Seat {
    /// Are idle connections to close? If not yet, the task is woken when they are.
    pub fn is_closing(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.life.closed.load(Ordering::Acquire)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.life.seats().taken.remove(&self.number);
    }
}

/// Counts one connection until it is dropped.
pub struct Connection(watch::Sender<usize>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Life {
    /// From now on probes answer 503 and connections are closed after their answer.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// A configuration is in force.
    pub fn configured(&self) {
        self.configured.store(true, Ordering::Release);
    }

    pub fn is_configured(&self) -> bool {
        self.configured.load(Ordering::Acquire)
    }

    /// Whom to ask, from now on, whether there is contact with whoever keeps the configuration.
    pub fn watch(&self, contact: Box<dyn Fn() -> Option<String> + Send + Sync>) {
        // The first one stays.
        let _ = self.contact.set(contact);
    }

    /// Why requests should go elsewhere as far as the configuration is concerned.
    fn unconfigured(&self) -> Option<String> {
        match self.is_configured() {
            true => self.contact.get().and_then(|contact| contact()),
            false => Some("not ready".to_owned()),
        }
    }

    /// A request begins.
    pub fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// A request ended.
    pub fn leave(&self) {
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 && self.is_draining() {
            self.quiet.notify_waiters();
        }
    }

    /// Requests begun and not finished.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Resolves when no request is under way.
    pub async fn quiet(&self) {
        loop {
            let wait = self.quiet.notified();
            tokio::pin!(wait);
            wait.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            wait.await;
        }
    }

    /// Turns true when listeners are to close, idle connections with them.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// A place for a connection that will wait for requests.
    pub fn seat(self: &Arc<Self>) -> Seat {
        let waker = Arc::new(AtomicWaker::new());
        let mut seats = self.seats();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Arc::clone(&waker));
        Seat { life: Arc::clone(self), number, waker }
    }

    fn seats(&self) -> std::sync::MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was accepted.
    pub fn connected(&self) -> Connection {
        self.connections.send_modify(|open| *open += 1);
        Connection(self.connections.clone())
    }

    /// Closes listeners and idle connections, and waits until every connection has written what it still has
    /// to write: the last frames of an HTTP/2 stream leave after its request has ended.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.closing.send_replace(true);
        for waker in self.seats().taken.values() {
            waker.wake();
        }
        // The senders live as long as this does.
        let _ = self.connections.subscribe().wait_for(|open| *open == 0).await;
    }

    /// Answers a probe: status and text. The checks are listed when asked for and when one fails.
    pub fn probe(&self, probe: Probe, query: Option<&str>) -> (u16, String) {
        let shutdown = ("shutdown", self.is_draining().then(|| probe.shutdown_reason().to_owned()));
        let (name, checks) = match probe {
            Probe::Livez => ("livez", vec![("ping", None), shutdown]),
            Probe::Readyz => ("readyz", vec![shutdown, ("config", self.unconfigured())]),
        };
        let ok = checks.iter().all(|(_, failure)| failure.is_none());
        let verbose =
            query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("verbose")));
        match (ok, verbose) {
            (true, false) => (200, "ok".into()),
            _ => (if ok { 200 } else { 503 }, report(name, &checks, ok)),
        }
    }
}

/// The two probes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    Livez,
    Readyz,
}

impl Probe {
    fn shutdown_reason(self) -> &'static str {
        match self {
            Probe::Livez => "reason withheld",
            Probe::Readyz => "draining",
        }
    }
}

fn report(name: &str, checks: &[(&str, Option<String>)], ok: bool) -> String {
    let mut text = String::new();
    for (check, failure) in checks {
        text.push_str(&match failure {
            None => format!("[+]{check} ok\n"),
            Some(reason) => format!("[-]{check} failed: {reason}\n"),
        });
    }
    text.push_str(&format!("{name} check {}\n", if ok { "passed" } else { "failed" }));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn quiet_waits_for_the_last_request() {
        let life = Life::default();
        life.enter();
        life.enter();
        life.drain();
        let mut waiting = std::pin::pin!(life.quiet());
        life.leave();
        assert!(futures_util::poll!(&mut waiting).is_pending());
        life.leave();
        waiting.await;
    }

    #[tokio::test]
    async fn closing_waits_for_the_last_connection() {
        let life = Life::default();
        let connection = life.connected();
        let closing = life.closing();
        let mut waiting = std::pin::pin!(life.close());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(*closing.borrow());
        drop(connection);
        waiting.await;
    }

    #[tokio::test]
    async fn a_seated_connection_is_woken_when_connections_are_to_close() {
        let life = Arc::new(Life::default());
        let seat = life.seat();
        let waiting = std::future::poll_fn(|cx| {
            if seat.is_closing(cx) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let ((), ()) = tokio::join!(waiting, life.close());
        drop(seat);
        assert!(life.seats().taken.is_empty());
    }

    #[test]
    fn probes_follow_configuration_and_draining() {
        let life = Life::default();
        assert_eq!(life.probe(Probe::Livez, None), (200, "ok".into()));
        let (status, text) = life.probe(Probe::Readyz, None);
        assert_eq!(
            (status, text.as_str()),
            (503, "[+]shutdown ok\n[-]config failed: not ready\nreadyz check failed\n")
        );
        life.configured();
        let (status, text) = life.probe(Probe::Readyz, Some("verbose"));
        assert_eq!((status, text.as_str()), (200, "[+]shutdown ok\n[+]config ok\nreadyz check passed\n"));
        life.drain();
        let (status, text) = life.probe(Probe::Livez, None);
        assert_eq!(
            (status, text.as_str()),
            (503, "[+]ping ok\n[-]shutdown failed: reason withheld\nlivez check failed\n")
        );
        assert!(life.probe(Probe::Readyz, None).1.contains("[-]shutdown failed: draining"));
    }

    #[test]
    fn readiness_is_lost_with_contact_and_comes_back_with_it() {
        let life = Life::default();
        let silent = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&silent);
        life.watch(Box::new(move || asked.load(Ordering::Acquire).then(|| "no contact".to_owned())));
        assert_eq!(life.probe(Probe::Readyz, None).0, 503, "nothing is in force yet");
        life.configured();
        assert_eq!(life.probe(Probe::Readyz, None).0, 200);
        silent.store(true, Ordering::Release);
        let (status, text) = life.probe(Probe::Readyz, None);
        assert_eq!(
            (status, text.as_str()),
            (503, "[+]shutdown ok\n[-]config failed: no contact\nreadyz check failed\n")
        );
        assert_eq!(life.probe(Probe::Livez, None).0, 200);
        silent.store(false, Ordering::Release);
        assert_eq!(life.probe(Probe::Readyz, None).0, 200);
    }
}
