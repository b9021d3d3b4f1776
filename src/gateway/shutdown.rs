//! Signals: reload, drain, stop.
//!
//! Pingora closes its listeners the moment it learns of a shutdown, so it learns of it last. Until then the
//! probes say 503, new requests are served, and every answer closes its connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::banner::Banner;
use super::{Certificates, Gateway, fleets};
use crate::config::Shutdown;
use crate::life::Life;
use crate::store::file::Reload;

/// Waits for signals and decides what they mean.
pub struct Signals {
    min_drain: Duration,
    /// How long running requests may go on after the drain window; None = as long as they take.
    budget: Option<Duration>,
    banner: Banner,
    life: Arc<Life>,
    node: Arc<Gateway>,
    /// Where somebody has to say when resources are to be read again.
    resources: Option<Reload>,
    certificates: Certificates,
}

impl Signals {
    pub fn new(
        shutdown: &Shutdown,
        banner: Banner,
        node: &Arc<Gateway>,
        resources: Option<Reload>,
        certificates: Certificates,
    ) -> Self {
        Signals {
            min_drain: shutdown.min_drain().unwrap_or_default(),
            budget: shutdown.stream_budget(),
            banner,
            life: Arc::clone(&node.life),
            node: Arc::clone(node),
            resources,
            certificates,
        }
    }

    fn reload(&self) {
        if let Err(error) = self.certificates.reload() {
            tracing::warn!(%error, "reload failed");
        }
        self.resources.iter().for_each(Reload::ask);
    }

    async fn drain(&self) {
        tracing::info!(in_flight = self.life.in_flight(), "draining");
        self.life.drain();
        tokio::time::sleep(self.min_drain).await;
        let finished = async {
            loop {
                match tokio::time::timeout(PROGRESS, self.life.quiet()).await {
                    Ok(()) => return,
                    Err(_) => tracing::info!(in_flight = self.life.in_flight(), "draining"),
                }
            }
        };
        match self.budget {
            Some(budget) => {
                if tokio::time::timeout(budget, finished).await.is_err() {
                    tracing::warn!(in_flight = self.life.in_flight(), "the time for draining is over");
                }
            }
            None => finished.await,
        }
        if tokio::time::timeout(LAST_WRITES, self.life.close()).await.is_err() {
            tracing::warn!("connections were cut that did not take what was left for them");
        }
        tracing::info!("drain complete");
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let signals =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
        let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
            tracing::error!("signals cannot be watched; the gateway can only be killed");
            return std::future::pending().await;
        };
        // Only now: whoever reads that the gateway is ready may send a signal at once.
        self.life.configured();
        self.banner.print();
        #[cfg(target_os = "linux")]
        super::pages::give_back();
        // Here, and in no thread of its own: it has little to do, and ends when the drain begins.
        let mut fleets = Box::pin(fleets::watch(&self.node));
        loop {
            tokio::select! {
                never = &mut fleets => match never {},
                _ = hangup.recv() => self.reload(),
                _ = interrupt.recv() => return ShutdownSignal::FastShutdown,
                _ = terminate.recv() => break,
            }
        }
        drop(fleets);
        self.drain_or(&mut terminate, &mut interrupt).await
    }
}

impl Signals {
    /// Drains; a second signal ends it at once.
    async fn drain_or(&self, terminate: &mut Signal, interrupt: &mut Signal) -> ShutdownSignal {
        tokio::select! {
            () = self.drain() => ShutdownSignal::GracefulTerminate,
            _ = terminate.recv() => ShutdownSignal::FastShutdown,
            _ = interrupt.recv() => ShutdownSignal::FastShutdown,
        }
    }
}

/// How often a long drain says what it waits for.
const PROGRESS: Duration = Duration::from_secs(5);
/// How long connections may take to write what is left once no request is under way.
const LAST_WRITES: Duration = Duration::from_secs(2);
