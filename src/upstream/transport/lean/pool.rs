//! Idle connections, kept apart for each worker.
//!
//! A connection stays with the worker that made it, so taking one waits for no other worker. Each pool is
//! behind a mutex all the same, because an idle connection also ends by time, and whoever looks after that may
//! run elsewhere; on the path of a request it is never contended when a worker is one thread.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::Connection;

/// What two requests must have in common to use one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub address: SocketAddr,
    /// Name the certificate was checked against; None without TLS.
    pub sni: Option<String>,
    /// Trust roots, client certificate and verification, as a fingerprint.
    pub identity: u64,
}

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Idle connections of one worker to one address.
    pub per_peer: usize,
    /// Longest time a connection idles; None = for ever.
    pub idle: Option<Duration>,
}

/// The pools of all workers.
pub struct Pools {
    shards: Vec<Mutex<Pool>>,
    bounds: Bounds,
}

#[derive(Default)]
struct Pool {
    by_peer: foldhash::HashMap<Arc<Key>, VecDeque<Idle>>,
    count: usize,
    /// Somebody looks after old connections.
    swept: bool,
}

struct Idle {
    conn: Box<Connection>,
    since: Instant,
}

impl Pools {
    pub fn new(workers: usize, bounds: Bounds) -> Self {
        Pools { shards: (0..workers.max(1)).map(|_| Mutex::default()).collect(), bounds }
    }

    /// The connection of this worker that was used last, if it is still good.
    pub fn take(&self, key: &Arc<Key>) -> Option<Box<Connection>> {
        let mut pool = self.mine();
        let oldest = self.bounds.idle.and_then(|idle| Instant::now().checked_sub(idle));
        let idles = pool.by_peer.get_mut(key)?;
        let mut looked_at = 0;
        let found = loop {
            let Some(mut idle) = idles.pop_back() else { break None };
            looked_at += 1;
            let young = oldest.is_none_or(|oldest| idle.since > oldest);
            // The newest is too old, so all are; they are dropped one after the other.
            if young && idle.conn.is_quiet() {
                break Some(idle.conn);
            }
        };
        pool.count -= looked_at;
        found
    }

    /// Keeps a connection for the next request.
    pub fn put(self: &Arc<Self>, key: &Arc<Key>, conn: Box<Connection>) {
        if self.bounds.per_peer == 0 {
            return;
        }
        let mut pool = self.mine();
        let idle = Idle { conn, since: Instant::now() };
        let evicted = match pool.by_peer.get_mut(key) {
            Some(idles) => {
                idles.push_back(idle);
                if idles.len() > self.bounds.per_peer { idles.pop_front() } else { None }
            }
            None => {
                pool.by_peer.insert(Arc::clone(key), VecDeque::from([idle]));
                None
            }
        };
        pool.count += usize::from(evicted.is_none());
        let crowded = if pool.count > MAX_IDLE { pool.evict() } else { None };
        let unswept = !std::mem::replace(&mut pool.swept, true);
        drop(pool);
        drop((evicted, crowded));
        if unswept {
            self.sweep_from_now_on(shard_of(self.shards.len()));
        }
    }

    fn mine(&self) -> MutexGuard<'_, Pool> {
        self.shard(shard_of(self.shards.len()))
    }

    fn shard(&self, index: usize) -> MutexGuard<'_, Pool> {
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after one worker's idle connections for as long as there are any.
    #[expect(
        clippy::disallowed_methods,
        reason = "one task for each worker; it ends with the last idle connection"
    )]
    fn sweep_from_now_on(self: &Arc<Self>, index: usize) {
        let pools: Weak<Pools> = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(pools) = pools.upgrade() else { return };
                if !pools.sweep(index) {
                    return;
                }
            }
        });
    }

    /// Drops what is too old or dead. False when nothing is left to look after.
    fn sweep(&self, index: usize) -> bool {
        let oldest = self.bounds.idle.and_then(|idle| Instant::now().checked_sub(idle));
        let mut pool = self.shard(index);
        let mut dropped = Vec::new();
        for idles in pool.by_peer.values_mut() {
            let mut kept = VecDeque::with_capacity(idles.len());
            for mut idle in idles.drain(..) {
                let young = oldest.is_none_or(|oldest| idle.since > oldest);
                if young && idle.conn.is_quiet() { kept.push_back(idle) } else { dropped.push(idle) }
            }
            *idles = kept;
        }
        pool.by_peer.retain(|_, idles| !idles.is_empty());
        pool.count -= dropped.len();
        pool.swept = pool.count > 0;
        let left = pool.swept;
        drop(pool);
        drop(dropped);
        left
    }
}

impl Pool {
    /// The oldest connection of the peer that has most: no peer takes the room of the others.
    fn evict(&mut self) -> Option<Idle> {
        let fullest = self.by_peer.values_mut().max_by_key(|idles| idles.len())?;
        let evicted = fullest.pop_front();
        self.count -= usize::from(evicted.is_some());
        evicted
    }
}

/// The shard of this thread.
fn shard_of(shards: usize) -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let thread = THREAD.get().unwrap_or_else(|| {
        let thread = THREADS.fetch_add(1, Ordering::Relaxed);
        THREAD.set(Some(thread));
        thread
    });
    thread % shards
}

/// How often idle connections are looked after.
const SWEEP: Duration = Duration::from_secs(1);
/// Idle connections of one worker to all addresses together.
const MAX_IDLE: usize = 4096;
