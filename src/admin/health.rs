//! How the models and the configuration are.

use serde_json::{Value, json};

use super::api::Api;
use super::reply::Reply;
use super::status::Board;
use crate::resources::{Model, Shape};
use crate::telemetry::Metrics;

impl Api {
    /// The document at `/admin/v1/health`.
    pub fn health(&self) -> Reply {
        let snapshot = self.board.snapshot();
        let models: Vec<(&Model, u8)> = snapshot
            .iter()
            .flat_map(|snapshot| snapshot.models())
            .map(|model| (&**model, health(self.metrics.failures(&model.display_name))))
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
pub fn models(board: &Board, metrics: &Metrics) -> Value {
    let Some(snapshot) = board.snapshot() else { return json!([]) };
    let rows = snapshot.models().map(|model| {
        let failures = metrics.failures(&model.display_name);
        let (kind, status) = match model.shape() {
            Shape::Direct if failures >= DOWN => ("direct", "unhealthy"),
            Shape::Direct => ("direct", "healthy"),
            Shape::Routing => ("routing", "not_applicable"),
            Shape::Ensemble => ("ensemble", "not_applicable"),
            Shape::Semantic => ("semantic", "not_applicable"),
        };
        let mut row = json!({
            "id": model.id, "display_name": model.display_name, "kind": kind, "status": status,
            "health": health(failures),
        });
        if failures > 0 {
            row["status_reason"] = format!("{failures} consecutive upstream failures").into();
        }
        row
    });
    Value::Array(rows.collect())
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

    #[test]
    fn four_failures_are_unwell_and_eight_are_down() {
        assert_eq!([0, 3, 4, 7, 8, 900].map(health), [0, 0, 1, 1, 2, 2]);
    }
}
