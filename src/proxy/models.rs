//! `GET /v1/models`: what a caller may use, in the shape its client expects.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::node::{Settings, World};
use crate::dialect::DialectId;
use crate::policy::auth::Caller;
use crate::resources::{Model, Shape};

/// The list as JSON text. Wildcards are patterns, not models, and are left out; so are multi-target aliases
/// unless the operator shows them.
pub fn list(
    settings: &Settings,
    world: &World,
    caller: &Caller,
    shape: DialectId,
    query: Option<&str>,
) -> Vec<u8> {
    let listed = world
        .snapshot
        .models()
        .filter(|model| is_listed(settings, model) && caller.key.allows(&model.display_name));
    let seconds = world.applied_at.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    let list = match shape {
        DialectId::Anthropic => anthropic(listed.collect(), world, query),
        _ => openai(listed, seconds),
    };
    list.to_string().into_bytes()
}

fn is_listed(settings: &Settings, model: &Model) -> bool {
    match model.shape() {
        Shape::Direct => !model.is_wildcard(),
        Shape::Ensemble => true,
        Shape::Routing | Shape::Semantic => settings.show_routing,
    }
}

/// <https://platform.openai.com/docs/api-reference/models/list>
fn openai<'a>(models: impl Iterator<Item = &'a std::sync::Arc<Model>>, created: u64) -> Value {
    let data: Vec<Value> = models
        .map(|model| {
            let owner = model.provider.as_deref().unwrap_or("aisix");
            json!({"id": model.display_name, "object": "model", "created": created, "owned_by": owner})
        })
        .collect();
    json!({"object": "list", "data": data})
}

/// <https://docs.anthropic.com/en/api/models-list>: pages by `limit`, `after_id` and `before_id`.
fn anthropic(models: Vec<&std::sync::Arc<Model>>, world: &World, query: Option<&str>) -> Value {
    let created =
        jiff::Timestamp::try_from(world.applied_at).map(|at| format!("{at:.0}")).unwrap_or_default();
    let limit = parameter(query, "limit")
        .and_then(|text| text.parse().ok())
        .unwrap_or(DEFAULT_PAGE)
        .clamp(1, MAX_PAGE);
    let position = |id: &str| models.iter().position(|model| model.display_name == id);
    let (start, end) = match (
        parameter(query, "after_id").and_then(position),
        parameter(query, "before_id").and_then(position),
    ) {
        (Some(after), _) => (after + 1, (after + 1 + limit).min(models.len())),
        (None, Some(before)) => (before.saturating_sub(limit), before),
        (None, None) => (0, limit.min(models.len())),
    };
    let page = models.get(start..end).unwrap_or_default();
    let data: Vec<Value> = page
        .iter()
        .map(|model| json!({"type": "model", "id": model.display_name, "display_name": model.display_name, "created_at": created}))
        .collect();
    let id = |model: Option<&&std::sync::Arc<Model>>| model.map(|model| model.display_name.clone());
    json!({"data": data, "has_more": end < models.len(), "first_id": id(page.first()), "last_id": id(page.last())})
}

fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    query?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

const DEFAULT_PAGE: usize = 20;
const MAX_PAGE: usize = 1000;
