//! What configuration is in force, and what became of the last attempt to change it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwapOption;
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value, json};

use super::time::rfc3339;
use crate::resources::{Model, Shape, Snapshot, to_hex};
use crate::routing::{Board as Targets, Circuit};
use crate::store::Stored;
use crate::store::keeper::Rejected;
use crate::store::keeper::status::{Facts, Status};
use crate::telemetry::{Configuration, Deployment, Metrics};

/// What is shown on the status pages: what the keeper knows, and what is served.
pub struct Board {
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    in_force: ArcSwapOption<InForce>,
    /// What probes found last, by model id.
    checks: Mutex<HashMap<String, Check>>,
    /// Worked out when somebody asks, once for each configuration.
    hashes: Mutex<Option<Hashes>>,
}

/// A configuration that is served, and what routing knows of its models.
pub struct InForce {
    pub snapshot: Arc<Snapshot>,
    pub targets: Targets,
}

/// What a probe found.
#[derive(Clone, Debug)]
pub struct Check {
    pub at: SystemTime,
    /// `ok`, `failed` or `ignored`.
    pub outcome: &'static str,
    /// Why it is not `ok`.
    pub detail: Option<String>,
}

/// Digests of one configuration.
#[derive(Clone)]
struct Hashes {
    sequence: u64,
    /// Of all that the store holds.
    source: String,
    /// Of all that is served.
    served: String,
}

impl Board {
    pub fn new(status: Arc<Status>, metrics: Arc<Metrics>) -> Self {
        let (in_force, checks) = (ArcSwapOption::empty(), Mutex::default());
        Board { status, metrics, in_force, checks, hashes: Mutex::new(None) }
    }

    /// A configuration is in force from now on.
    pub fn applied(&self, snapshot: Arc<Snapshot>, targets: Targets) {
        self.checks().retain(|id, _| targets.state(id).is_some());
        self.in_force.store(Some(Arc::new(InForce { snapshot, targets })));
    }

    /// What is in force.
    pub fn in_force(&self) -> Option<Arc<InForce>> {
        self.in_force.load_full()
    }

    /// A model has been probed.
    pub fn checked(&self, model_id: &str, check: Check) {
        self.checks().insert(model_id.to_owned(), check);
    }

    /// What a model's last probe found.
    pub fn check(&self, model_id: &str) -> Option<Check> {
        self.checks().get(model_id).cloned()
    }

    /// Tries at a model that failed since its last success, whatever its row says of cooling down.
    pub fn failures(&self, model: &str) -> u32 {
        self.metrics.failures(model)
    }

    fn checks(&self) -> MutexGuard<'_, HashMap<String, Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision in force, and for how many seconds it has not been known to be the latest, if it ever was. None where
    /// a file is read when somebody says so.
    pub fn contact(&self) -> Option<(u64, Option<u64>)> {
        let facts = self.status.facts();
        if facts.source == "file" {
            return None;
        }
        // A store on this machine is never out of reach of the one process that writes it.
        let age = facts.heard_at.map(|_| self.status.silence().unwrap_or_default().as_secs());
        Some((facts.applied.map_or(0, |applied| applied.revision), age))
    }

    pub fn is_configured(&self) -> bool {
        self.in_force.load().is_some()
    }

    /// Brings what is counted of configuration and models up to now.
    pub fn count(&self) {
        self.metrics.configuration(&self.counted());
        let Some(in_force) = self.in_force.load_full() else { return };
        let now = Instant::now();
        let models = in_force.snapshot.models().filter(|model| model.shape() == Shape::Direct);
        self.metrics.deployments(models.filter_map(|model| in_force.deployment(model, now)));
    }

    /// As far as it is counted.
    fn counted(&self) -> Configuration {
        let facts = self.status.facts();
        Configuration {
            revision: facts.applied.map_or(0, |applied| applied.revision),
            observed: facts.observed,
            applied: facts.applied.map_or(0, |applied| applied.sequence),
            failures: facts.failures,
            last_was_good: facts.last_load.is_some_and(|(good, _)| good),
            connected: facts.connected(),
            rejected: facts.rejected.len(),
        }
    }

    /// The document at `/status/config`. What it costs depends on how much there is: nothing of it is worked out before
    /// somebody asks.
    pub fn config(&self) -> Value {
        let facts = self.status.facts();
        let in_force = self.in_force.load_full();
        let counts: Vec<(&str, usize)> =
            in_force.map(|in_force| in_force.snapshot.counts()).unwrap_or_default();
        let hashes = self.hashes(&facts);
        let mut source = json!({"type": facts.source, "connected": facts.connected()});
        if let Some(at) = facts.heard_at {
            source["observed_revision"] = facts.observed.into();
            source["observed_at"] = rfc3339(at).into();
        }
        let mut page = json!({
            "state": state(&facts, counts.iter().map(|(_, count)| count).sum()),
            "source": source,
            "from_last_known_good": facts.from_last_known_good,
            "last_failure": facts.last_failure.as_ref().map(|failure| json!({
                "at": rfc3339(failure.at), "last_error_kind": failure.kind, "last_error": failure.what,
            })),
            "rejected": rejected(&facts),
            "partially_compatible": partially_compatible(&facts),
        });
        if let (Some(applied), Some(hashes)) = (facts.applied, hashes) {
            let counts: Map<String, Value> =
                counts.into_iter().map(|(kind, count)| (kind.to_owned(), count.into())).collect();
            page["source"]["source_hash"] = hashes.source.into();
            page["applied"] = json!({
                "applied_revision": applied.revision,
                "apply_seq": applied.sequence,
                "config_hash": hashes.served,
                "applied_at": rfc3339(applied.at),
                "resource_counts": counts,
            });
        }
        if let Some((successful, at)) = facts.last_load {
            page["last_reload"] = json!({"successful": successful, "at": rfc3339(at)});
        }
        page
    }

    fn hashes(&self, facts: &Facts) -> Option<Hashes> {
        let sequence = facts.applied?.sequence;
        let mut known = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| known.sequence != sequence) {
            *known = Some(Hashes::of(facts, sequence));
        }
        known.clone()
    }
}

impl InForce {
    /// A direct model as it is counted. The labels are those that its tries are counted under.
    fn deployment<'m>(&'m self, model: &'m Model, now: Instant) -> Option<Deployment<'m>> {
        let view = self.targets.state(&model.id)?.view(now);
        let key_id = model.provider_key_id.as_deref().unwrap_or_default();
        let of_key = || self.snapshot.provider_key(key_id).map(|key| key.provider.as_str());
        let named = |name: Option<&'m str>| name.filter(|name| !name.is_empty());
        Some(Deployment {
            provider: named(model.provider.as_deref()).or_else(|| named(of_key())).unwrap_or("unknown"),
            model: &model.display_name,
            upstream_model: match (&model.model_name, model.is_wildcard()) {
                (Some(name), _) => name,
                (None, true) => "*",
                (None, false) => &model.display_name,
            },
            provider_key_id: key_id,
            state: match view.circuit {
                Circuit::Closed => 0,
                Circuit::HalfOpen => 1,
                Circuit::Open => 2,
            },
            in_flight: view.in_flight,
            drained: view.drained,
            unwell: view.unwell_for.is_some(),
            opened: view.opened,
        })
    }
}

/// `never_loaded`, `out_of_sync`, `degraded`, `empty`, `synced`
fn state(facts: &Facts, served: usize) -> &'static str {
    let refused = facts.last_load.is_some_and(|(good, _)| !good)
        && facts.last_failure.as_ref().is_some_and(|failure| failure.kind == "validate");
    match (facts.applied, served) {
        (None, _) => "never_loaded",
        _ if refused => "out_of_sync",
        (_, 0) if !facts.rejected.is_empty() => "out_of_sync",
        _ if !facts.is_whole() => "degraded",
        (_, 0) => "empty",
        _ => "synced",
    }
}

/// What the store holds and what is not served as it is there, latest first.
fn rejected(facts: &Facts) -> Value {
    let mut rows: Vec<(&(String, String), &Rejected)> = facts.rejected.iter().collect();
    rows.sort_by(|(place, one), (other_place, other)| (other.seen, *place).cmp(&(one.seen, *other_place)));
    let rows = rows.into_iter().take(MOST_REJECTED).map(|((collection, id), row)| {
        let faults: Vec<String> = row.faults.iter().map(ToString::to_string).collect();
        let mut shown = json!({
            "resource_kind": collection,
            "resource_id": id,
            "last_error_kind": row.flaw.name(),
            "last_error": faults.join("; "),
            "first_seen_at": rfc3339(row.since),
            "last_seen_at": rfc3339(row.seen),
        });
        if row.pinned.is_some() {
            shown["serving_stale_since"] = rfc3339(row.since).into();
            shown["serving_stale_age_seconds"] = row.since.elapsed().unwrap_or_default().as_secs().into();
        }
        shown
    });
    Value::Array(rows.collect())
}

fn partially_compatible(facts: &Facts) -> Value {
    let rows = facts.unknown.iter().take(MOST_UNKNOWN).map(
        |((collection, field), count)| json!({"resource_kind": collection, "field": field, "count": count}),
    );
    Value::Array(rows.collect())
}

impl Hashes {
    fn of(facts: &Facts, sequence: u64) -> Self {
        let stored = facts.rows.values().map(|row| &**row).filter(|row| row.revision > 0);
        let unknown = facts.rejected.values().filter_map(|row| row.stored.as_deref());
        let unknown = unknown.filter(|row| crate::resources::kind(&row.collection).is_none());
        let served = facts.rows.values().map(|row| &**row);
        let served =
            served.filter_map(|row| match facts.rejected.get(&(row.collection.clone(), row.id.clone())) {
                Some(rejected) => rejected.pinned.as_deref(),
                None => Some(row),
            });
        Hashes { sequence, source: digest(stored.chain(unknown)), served: digest(served) }
    }
}

/// SHA-256 over all rows in order of collection and id, each as (collection, `/`, id, NUL, canonical JSON, newline).
fn digest<'r>(rows: impl Iterator<Item = &'r Stored>) -> String {
    let mut rows: Vec<&Stored> = rows.collect();
    rows.sort_unstable_by_key(|row| row.place());
    let mut digest = Context::new(&SHA256);
    for row in rows {
        let mut body = row.body.clone();
        body.sort_all_objects();
        digest.update(format!("{}/{}\0{body}\n", row.collection, row.id).as_bytes());
    }
    to_hex(digest.finish().as_ref())
}

/// Entries that are shown; the newest, and the first by name.
const MOST_REJECTED: usize = 256;
const MOST_UNKNOWN: usize = 1024;
