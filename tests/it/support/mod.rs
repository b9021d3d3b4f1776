//! What the tests stand on: the gateway as a process, a provider scripted inside the test, callers for every
//! door, and readers for logs and metrics. Nothing here knows what the gateway should do.

pub mod caller;
pub mod certs;
pub mod client;
pub mod detour;
pub mod door;
pub mod etcd;
pub mod fixtures;
pub mod formats;
pub mod gateway;
pub mod h2;
pub mod logs;
pub mod metrics;
pub mod operated;
pub mod replies;
pub mod setup;
#[cfg(test)]
mod tests;
pub mod upstream;
pub mod upstream_h2;
pub mod wire;

use std::future::Future;
use std::time::Duration;

/// How long anything may take before a test gives up. Generous on purpose: time never decides a verdict.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The future's output, or a panic that names what was awaited.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// Asks again until there is an answer. For states that announce themselves to nobody (a probe, a scrape).
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    within(what, async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
