//! How the models and the configuration are.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value, json};

use super::api::Api;
use super::reply::Reply;
use super::status::{Board, Check, InForce};
use super::time::rfc3339;
use crate::resources::{Model, Shape};
use crate::routing::{Circuit, StateView};

impl Api {
    /// The document at `/admin/v1/health`.
    pub fn health(&self) -> Reply {
        let in_force = self.board.in_force();
        let models: Vec<(&Model, u8)> = in_force
            .iter()
            .flat_map(|in_force| in_force.snapshot.models())
            .map(|model| (&**model, health(self.board.failures(&model.display_name))))
            .collect();
        let config = self.board.contact();
        let late = config.is_some_and(|(_, age)| age.is_none_or(|age| age > LATE));
        let worst = models.iter().map(|(_, health)| *health).max().unwrap_or_default();
        let status = match worst {
            2.. => "unhealthy",
            0 if !late => "ok",
            _ => "degraded",
        };
        let models: Vec<Value> = models
            .into_iter()
            .map(|(model, health)| json!({"id": model.id, "name": model.display_name, "health": health}))
            .collect();
        let mut page = json!({"status": status, "models": models});
        if let Some((revision, age)) = config {
            page["config"] = json!({"snapshot_revision": revision, "snapshot_age_seconds": age});
        }
        Reply::json(200, &page)
    }
}

/// The document at `/status/models` and `/admin/v1/models/status`.
pub fn models(board: &Board) -> Value {
    let Some(in_force) = board.in_force() else { return json!([]) };
    let now = Now::here();
    let rows = in_force.snapshot.models().map(|model| {
        let mut row = Map::new();
        row.insert("id".into(), model.id.clone().into());
        row.insert("display_name".into(), model.display_name.clone().into());
        row.insert("kind".into(), kind(model).into());
        row.insert("health".into(), health(board.failures(&model.display_name)).into());
        row.extend(state(&in_force, model, board, now));
        if let Some(routing) = &model.routing {
            let targets =
                routing.targets.iter().map(|target| of_target(&in_force, &target.model, board, now));
            row.insert("targets".into(), targets.collect());
        }
        Value::Object(row)
    });
    Value::Array(rows.collect())
}

/// The model of an alias by itself.
pub fn of_model(board: &Board, in_force: &InForce, alias: &str) -> Value {
    of_target(in_force, alias, board, Now::here())
}

/// A target of an alias: as its own row has it, or that there is none.
fn of_target(in_force: &InForce, name: &str, board: &Board, now: Now) -> Value {
    let mut row = Map::new();
    row.insert("model".into(), name.into());
    match in_force.snapshot.model(name) {
        None => drop(row.insert("status".into(), "unknown".into())),
        Some(found) => {
            row.insert("id".into(), found.model.id.clone().into());
            row.insert("kind".into(), kind(found.model).into());
            row.extend(state(in_force, found.model, board, now));
        }
    }
    Value::Object(row)
}

/// The same moment on both clocks.
#[derive(Clone, Copy)]
struct Now {
    instant: Instant,
    at: SystemTime,
}

impl Now {
    fn here() -> Self {
        Now { instant: Instant::now(), at: SystemTime::now() }
    }
}

/// What is known of a model, if it is a direct one.
fn state(in_force: &InForce, model: &Model, board: &Board, now: Now) -> Map<String, Value> {
    match in_force.targets.state(&model.id) {
        Some(state) => {
            let view = state.view(now.instant);
            let view = StateView { failures: board.failures(&model.display_name), ..view };
            members(&view, board.check(&model.id), now)
        }
        None => Map::from_iter([("status".to_owned(), "not_applicable".into())]),
    }
}

/// What is told of a state.
fn members(view: &StateView, check: Option<Check>, now: Now) -> Map<String, Value> {
    let mut row = Map::new();
    let mut tell = |name: &str, value: Value| drop(row.insert(name.to_owned(), value));
    let (status, reason) = status(view);
    tell("status", status.into());
    if let Some(reason) = reason {
        tell("status_reason", reason.into());
    }
    tell("circuit", view.circuit.name().into());
    if let Some(reason) = view.reason {
        tell("circuit_reason", reason.name().into());
    }
    if let Some(open_for) = view.open_for {
        tell("open_for_seconds", seconds(open_for));
        tell("cooldown_until", rfc3339(now.at + open_for).into());
    }
    tell("openings", view.openings.into());
    tell("failures", view.failures.into());
    tell("in_flight", view.in_flight.into());
    for (name, latency) in [("latency_ms", view.latency), ("first_frame_ms", view.first_frame)] {
        if let Some(latency) = latency {
            tell(name, millis(latency).into());
        }
    }
    tell("drained", view.drained.into());
    tell("unwell", view.unwell_for.is_some().into());
    if let Some(unwell_for) = view.unwell_for {
        tell("unwell_for_seconds", seconds(unwell_for));
    }
    if let Some(check) = check {
        tell("last_checked_at", rfc3339(check.at).into());
        tell("last_check_status", check.outcome.into());
        if let Some(detail) = check.detail {
            tell("last_check_detail", detail.into());
        }
    }
    row
}

/// The status of a direct model, and why it is not `healthy`.
fn status(view: &StateView) -> (&'static str, Option<String>) {
    if view.unwell_for.is_some() {
        return ("unhealthy", Some("the last probe failed".to_owned()));
    }
    let failures = view.failures;
    let failed = (failures > 0).then(|| format!("{failures} consecutive upstream failures"));
    match view.circuit {
        _ if failures >= DOWN => ("unhealthy", failed),
        Circuit::Open => ("cooldown", view.reason.map(|reason| reason.name().to_owned()).or(failed)),
        Circuit::Closed | Circuit::HalfOpen => ("healthy", failed),
    }
}

fn kind(model: &Model) -> &'static str {
    match model.shape() {
        Shape::Direct => "direct",
        Shape::Routing => "routing",
        Shape::Ensemble => "ensemble",
        Shape::Semantic => "semantic",
    }
}

/// To the tenth.
fn seconds(span: Duration) -> Value {
    ((span.as_secs_f64() * 10.0).ceil() / 10.0).into()
}

/// To the tenth.
fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 10_000.0).round() / 10.0
}

/// 0 is well, 1 is unwell, 2 is down: by tries that failed one after the other.
fn health(failures: u32) -> u8 {
    match failures {
        DOWN.. => 2,
        UNWELL.. => 1,
        _ => 0,
    }
}

const UNWELL: u32 = 4;
const DOWN: u32 = 8;
/// Seconds without word from the store after which the configuration may be an old one.
const LATE: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{Reason, TargetState};

    #[test]
    fn four_failures_are_unwell_and_eight_are_down() {
        assert_eq!([0, 3, 4, 7, 8, 900].map(health), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn the_status_of_a_model_follows_its_probe_its_failures_and_its_circuit() {
        let well = || TargetState::new().view(Instant::now());
        let open = |failures| StateView {
            circuit: Circuit::Open,
            reason: Some(Reason::RateLimited),
            open_for: Some(Duration::from_millis(1_510)),
            failures,
            ..well()
        };
        let unwell = StateView { unwell_for: Some(Duration::from_secs(3)), ..well() };
        let cases = [
            (&well(), "healthy", None),
            (&open(1), "cooldown", Some("upstream_rate_limited")),
            (&unwell, "unhealthy", Some("the last probe failed")),
            (&open(8), "unhealthy", Some("8 consecutive upstream failures")),
        ];
        for (view, expected, reason) in cases {
            assert_eq!(status(view), (expected, reason.map(str::to_owned)), "{view:?}");
        }
        let now = Now { instant: Instant::now(), at: SystemTime::UNIX_EPOCH };
        let told = members(&open(1), None, now);
        assert_eq!(
            (&told["open_for_seconds"], &told["cooldown_until"]),
            (&json!(1.6), &json!("1970-01-01T00:00:01Z"))
        );
        assert_eq!((&told["circuit"], &told["unwell"]), (&json!("open"), &json!(false)));
        assert!(!told.contains_key("latency_ms") && !told.contains_key("last_checked_at"));
    }
}
