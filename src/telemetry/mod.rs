//! Telling the world what happened. This room sees one plain [`Record`] per request and nothing else of
//! ours, so nothing can be told around it.

pub mod access_log;
mod families;
mod kept;
mod metrics;
mod record;
mod streaks;

pub use families::{FAMILIES, Family, FamilyKind, reference_page};
pub use metrics::{Configuration, Deployment, FleetState, Metrics};
pub use record::{Attempt, Record, TokenCounts};
pub use streaks::Verdict;

use std::sync::Arc;

use access_log::AccessLog;

/// Everyone who is told.
pub struct Telemetry {
    pub metrics: Arc<Metrics>,
    log: Option<AccessLog>,
}

impl Telemetry {
    /// With `log` absent the access log is off.
    pub fn new(metrics: Arc<Metrics>, log: Option<AccessLog>) -> Self {
        Telemetry { metrics, log }
    }

    /// Tells everyone about one finished request. Never blocks and never fails.
    pub fn emit(&self, record: &Record<'_>) {
        self.metrics.observe(record);
        if let Some(log) = &self.log {
            log.write(record);
        }
    }

    /// Waits until every line written so far has reached its destination.
    pub fn flush(&self) {
        if let Some(log) = &self.log {
            log.flush();
        }
    }
}
