//! When what a cluster says is not believed.
//!
//! A cluster that lost its data comes back empty, with a history shorter than the one we know, or under another
//! identity. Nobody deleted those rows, and to follow it would lock every caller out. So what is served stays until rows
//! are there again and nobody is still writing them. Rows that were deleted in the cluster we know are deleted, however
//! many: its history goes on.

use std::time::Duration;

use tokio::time::Instant;

use super::known::Known;
use super::link::Keys;

/// What is served stays, whatever the cluster says.
#[derive(Debug)]
pub struct Hold {
    pub cluster: u64,
    /// Events up to here were heard.
    pub revision: u64,
    /// Are there rows?
    filled: bool,
    /// When rows were last written.
    since: Instant,
    reason: &'static str,
}

impl Hold {
    /// Is this not the cluster that was followed so far?
    pub fn reason(known: &Known, cluster: u64, revision: u64) -> Option<&'static str> {
        if known.is_empty() {
            // Then there is nothing to lose.
            return None;
        }
        if cluster != known.cluster {
            return Some("it is another cluster than before");
        }
        (revision < known.newest()).then_some("its history ends before what is served")
    }

    pub fn begin(reason: &'static str, keys: &Keys, filled: bool) -> Self {
        Hold { cluster: keys.cluster, revision: keys.revision, filled, since: Instant::now(), reason }
    }

    /// Rows were written, or deleted.
    pub fn heard(&mut self, revision: u64, is_put: bool) {
        self.revision = self.revision.max(revision);
        self.filled |= is_put;
        self.since = Instant::now();
    }

    /// Are there rows, and is nobody writing any more?
    pub fn is_over(&self) -> bool {
        self.filled && self.since.elapsed() >= SETTLED
    }

    pub fn words(&self) -> String {
        let state = if self.filled { "Rows are being restored there" } else { "It is empty" };
        format!(
            "etcd was replaced or lost its data: {}. {state}; what is served stays as it was, and nothing can be \
             written, until rows are there and have not changed for {} s. To serve what etcd holds now, restart the \
             gateway",
            self.reason,
            SETTLED.as_secs()
        )
    }
}

/// A script that restores rows one by one takes less than this between two of them.
const SETTLED: Duration = Duration::from_secs(5);
