//! What configuration is in force, and what became of the last attempt to change it.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use serde_json::{Value, json};

use crate::resources::{Shape, Snapshot};

/// The state shown on the status pages; written by whoever loads configurations.
#[derive(Default)]
pub struct Board {
    state: ArcSwap<State>,
}

#[derive(Clone, Default)]
struct State {
    source: &'static str,
    applied: Option<Applied>,
    last_reload: Option<(bool, SystemTime)>,
    last_failure: Option<(String, SystemTime)>,
}

#[derive(Clone)]
struct Applied {
    snapshot: Arc<Snapshot>,
    at: SystemTime,
}

impl Board {
    /// A board for configurations from `source` (`file`, `environment`).
    pub fn new(source: &'static str) -> Self {
        Board { state: ArcSwap::from_pointee(State { source, ..State::default() }) }
    }

    /// A configuration is in force from now on.
    pub fn applied(&self, snapshot: Arc<Snapshot>, at: SystemTime) {
        let mut state = State::clone(&self.state.load());
        state.applied = Some(Applied { snapshot, at });
        state.last_reload = Some((true, at));
        self.state.store(Arc::new(state));
    }

    /// A configuration was refused; what was in force stays. `why` names no secret.
    pub fn refused(&self, why: String, at: SystemTime) {
        let mut state = State::clone(&self.state.load());
        state.last_reload = Some((false, at));
        state.last_failure = Some((why, at));
        self.state.store(Arc::new(state));
    }

    pub fn is_configured(&self) -> bool {
        self.state.load().applied.is_some()
    }

    /// The document at `/status/config`.
    pub fn config(&self) -> Value {
        let state = self.state.load();
        let rejected = state.last_reload.is_some_and(|(successful, _)| !successful);
        let name = match &state.applied {
            None => "never_loaded",
            Some(_) if rejected => "out_of_sync",
            Some(applied) if applied.snapshot.counts().iter().all(|(_, count)| *count == 0) => "empty",
            Some(_) => "synced",
        };
        let mut page = json!({
            "state": name,
            "source": {"type": state.source},
            "last_failure": state.last_failure.as_ref().map(|(why, at)| json!({
                "at": rfc3339(*at), "last_error_kind": "validate", "last_error": why,
            })),
            "rejected": [],
            "partially_compatible": [],
        });
        if let Some(applied) = &state.applied {
            let counts: serde_json::Map<String, Value> = applied
                .snapshot
                .counts()
                .into_iter()
                .map(|(kind, count)| (kind.to_owned(), count.into()))
                .collect();
            page["applied"] = json!({
                "applied_revision": applied.snapshot.generation(),
                "apply_seq": applied.snapshot.generation(),
                "config_hash": applied.snapshot.hash(),
                "applied_at": rfc3339(applied.at),
                "resource_counts": counts,
            });
        }
        if let Some((successful, at)) = state.last_reload {
            page["last_reload"] = json!({"successful": successful, "at": rfc3339(at)});
        }
        page
    }

    /// The document at `/status/models`.
    pub fn models(&self) -> Value {
        let state = self.state.load();
        let Some(applied) = &state.applied else { return json!([]) };
        let rows = applied.snapshot.models().map(|model| {
            let (kind, status) = match model.shape() {
                Shape::Direct => ("direct", "healthy"),
                Shape::Routing => ("routing", "not_applicable"),
                Shape::Ensemble => ("ensemble", "not_applicable"),
                Shape::Semantic => ("semantic", "not_applicable"),
            };
            json!({"id": model.id, "display_name": model.display_name, "kind": kind, "status": status})
        });
        Value::Array(rows.collect())
    }
}

fn rfc3339(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.0}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_tells_what_is_in_force_and_what_was_refused() {
        let board = Board::new("file");
        assert_eq!(board.config()["state"], "never_loaded");
        board.applied(Arc::new(Snapshot::empty()), SystemTime::UNIX_EPOCH);
        assert_eq!(board.config()["state"], "empty");
        assert_eq!(board.config()["applied"]["applied_at"], "1970-01-01T00:00:00Z");
        board.refused("resources.yaml:3: no".into(), SystemTime::UNIX_EPOCH);
        let page = board.config();
        assert_eq!(page["state"], "out_of_sync");
        assert_eq!(page["last_failure"]["last_error"], "resources.yaml:3: no");
        board.applied(Arc::new(Snapshot::empty()), SystemTime::UNIX_EPOCH);
        assert_eq!(board.config()["state"], "empty");
    }
}
