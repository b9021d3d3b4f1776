//! Asking servers how busy they are, at intervals and beside the requests.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};

use super::Replica;
use super::load::Load;
use super::servers::Several;
use crate::dialect::DialectId;
use crate::resources::LoadRules;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::transport::client::Client;
use crate::upstream::transport::pingora::Pool;
use crate::upstream::transport::{Call, Fault, Outgoing, Upstream};

/// Looks after all fleets of a gateway: asks their servers, and learns the addresses of their names.
pub struct Poller {
    client: Client,
}

impl Default for Poller {
    fn default() -> Self {
        let pool = Pool { per_peer: 1, idle: Some(Duration::from_secs(30)), keepalive: None, workers: 1 };
        Poller { client: Client::new(pool) }
    }
}

impl Poller {
    /// Does this for ever: whoever wants it to end drops it. `fleets` says each time which ones there are.
    pub async fn run(&self, mut fleets: impl FnMut() -> Vec<Arc<Several>>) -> Infallible {
        loop {
            let began = Instant::now();
            let fleets = fleets();
            for several in &fleets {
                if let Err(cause) = several.refresh().await {
                    warn(several, "the name of a fleet could not be looked up", 1, &cause);
                }
                // Whoever waits and could be served by a server that is back.
                several.fleet.serve_waiting();
            }
            self.look(&fleets).await;
            let next = fleets.iter().filter_map(|several| several.load.as_ref()).map(interval).min();
            let pause = next.map_or(IDLE, |next| next.min(IDLE));
            tokio::time::sleep(pause.saturating_sub(began.elapsed()).max(SHORTEST)).await;
        }
    }

    /// Asks the servers of those fleets whose time it is, a few at a time.
    async fn look(&self, fleets: &[Arc<Several>]) {
        let mut looks: Vec<BoxFuture<'_, ()>> = Vec::new();
        for several in fleets {
            let Some(load) = &several.load else { continue };
            // The pause before the next round may end a little early.
            if several.is_due(&several.next_look, interval(load).saturating_sub(SHORTEST)) {
                let replicas = several.fleet.replicas();
                looks.extend(
                    replicas.iter().map(|replica| self.tell(several, load, Arc::clone(replica)).boxed()),
                );
            }
        }
        stream::iter(looks).buffer_unordered(AT_A_TIME).collect::<()>().await;
    }

    async fn tell(&self, several: &Several, rules: &LoadRules, replica: Arc<Replica<Endpoint>>) {
        let patience = interval(rules).clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE);
        let asked = tokio::time::timeout(patience, self.ask(&replica.endpoint, rules, patience)).await;
        match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(load) => replica.tell(load),
            Err(cause) => {
                // What it said before is no longer true, whatever is.
                replica.untold();
                warn(several, "a server of a fleet does not say how busy it is", 60, &cause);
            }
        }
    }

    async fn ask(&self, endpoint: &Endpoint, rules: &LoadRules, patience: Duration) -> Result<Load, String> {
        let kept = self.page(endpoint, rules, false, patience).await;
        // A connection that was kept may have ended since.
        let page = match kept {
            Ok(page) => page,
            Err(_) => self.page(endpoint, rules, true, patience).await?,
        };
        let page = String::from_utf8_lossy(&page);
        Load::read(&page, rules.kind)
            .ok_or_else(|| "the page has none of the series that are known".to_owned())
    }

    async fn page(
        &self,
        endpoint: &Endpoint,
        rules: &LoadRules,
        fresh: bool,
        patience: Duration,
    ) -> Result<Vec<u8>, String> {
        let fault = |fault: Fault| fault.cause;
        let headers = endpoint.fixed(DialectId::OpenAiChat, false).clone();
        let request = Outgoing::get(&rules.path, headers);
        let mut call = self.client.open(endpoint, fresh, Some(patience)).await.map_err(fault)?;
        call.send(&request).await.map_err(fault)?;
        let status = call.head().await.map_err(fault)?;
        let mut page = Vec::new();
        while call.chunk_onto(&mut page).await.map_err(fault)? {
            if page.len() > LONGEST_PAGE {
                return Err("the page is too long".to_owned());
            }
        }
        call.release().await;
        match status {
            200 => Ok(page),
            status => Err(format!("status {status}")),
        }
    }
}

/// Says it, unless it was said lately; `seconds` from one time to the next.
fn warn(several: &Several, what: &str, seconds: u64, cause: &str) {
    if several.is_due(&several.next_warning, Duration::from_secs(seconds.max(10))) {
        tracing::warn!(provider_key_id = several.provider_key_id(), cause, "{what}");
    }
}

fn interval(rules: &LoadRules) -> Duration {
    Duration::from_millis(rules.interval_ms)
}

/// Servers that are asked at the same time.
const AT_A_TIME: usize = 16;
/// From one round to the next where no fleet wants more.
const IDLE: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(20);
/// How long one server may take.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(500);
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);
/// A page of vLLM's is some 100 KB.
const LONGEST_PAGE: usize = 8 * 1024 * 1024;
