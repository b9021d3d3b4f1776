//! A second opinion on references: which members of stored rows name other rows, written down by hand from the
//! documentation of the kinds, and looked up in the JSON alone.

use serde_json::Value;

/// A member that names another row.
pub struct Named {
    /// `models.routing.targets`, without positions.
    pub path: String,
    /// The collection it names a row of, by what.
    to: &'static str,
    by: By,
    what: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Id,
    /// A name that a row has, or a pattern that it is.
    Name,
}

/// Every member that names another row.
pub const PATHS: &[&str] = &[
    "models.provider_key_id",
    "models.routing.targets",
    "models.ensemble.panel",
    "models.ensemble.judge",
    "models.semantic.embedding_model",
    "models.semantic.default",
    "models.semantic.routes",
    "models.semantic.on_embedding_failure",
    "api_keys.allowed_models",
    "api_keys.allowed_routes",
    "guardrail_attachments.guardrail_id",
    "guardrail_attachments.scope_id",
    "mcp_auth_settings.anonymous.api_key_id",
    "mcp_auth_settings.anonymous.servers",
    "cache_policies.applies_to",
    "cache_policies.semantic.embedding_model",
    "rate_limit_policies.scope_ref",
    "rate_limit_policies.conditions",
    "claim_mappings.jwt_provider",
    "claim_mappings.resolve.api_key_id",
    "passthrough_routes.provider_key_id",
    "passthrough_routes.anonymous_key_id",
];

/// Every reference in these rows (collection, id, body) that leads nowhere, in words.
pub fn references(rows: &[(String, String, Value)]) -> Vec<String> {
    let mut dangling = Vec::new();
    for (collection, id, body) in rows {
        for named in named(collection, body) {
            let there = rows.iter().filter(|(of, ..)| of == named.to).any(|(_, id, body)| match named.by {
                By::Id => *id == named.what,
                By::Name => answers(body, &named.what),
            });
            if !there {
                dangling.push(format!("{collection}/{id}: {} names {:?}", named.path, named.what));
            }
        }
    }
    dangling
}

fn answers(body: &Value, name: &str) -> bool {
    let own = body.get("display_name").or_else(|| body.get("name")).and_then(Value::as_str);
    let Some(own) = own else { return false };
    match own.split_once('*') {
        _ if own == name => true,
        Some((before, after)) if !after.contains('*') => {
            name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
        }
        _ => false,
    }
}

/// What a row names.
pub fn named(collection: &str, body: &Value) -> Vec<Named> {
    let mut found = Found { collection: collection.to_owned(), named: Vec::new() };
    match collection {
        "models" => models(body, &mut found),
        "api_keys" => {
            found.names("allowed_models", &body["allowed_models"], "models");
            found.names("allowed_routes", &body["allowed_routes"], "passthrough_routes");
        }
        "guardrail_attachments" => {
            found.add("guardrail_id", &body["guardrail_id"], "guardrails", By::Id);
            let to = match body["scope_type"].as_str() {
                Some("model") => "models",
                Some("mcp_server") => "mcp_servers",
                Some("api_key") => "api_keys",
                Some("passthrough_route") => "passthrough_routes",
                _ => return found.named,
            };
            found.add("scope_id", &body["scope_id"], to, By::Id);
        }
        "mcp_auth_settings" => {
            found.add("anonymous.api_key_id", &body["anonymous"]["api_key_id"], "api_keys", By::Id);
            found.names("anonymous.servers", &body["anonymous"]["servers"], "mcp_servers");
        }
        "cache_policies" => {
            let model = &body["semantic"]["embedding_model"];
            found.add("semantic.embedding_model", model, "models", By::Name);
            match body["applies_to"].as_str().and_then(|text| text.split_once(':')) {
                Some(("model", name)) if !name.is_empty() => {
                    found.add("applies_to", &name.into(), "models", By::Name);
                }
                Some(("api_key", id)) if !id.is_empty() => {
                    found.add("applies_to", &id.into(), "api_keys", By::Id);
                }
                _ => {}
            }
        }
        "rate_limit_policies" => {
            if let Some(to) = by_dimension(&body["scope"]) {
                found.add("scope_ref", &body["scope_ref"], to, By::Id);
            }
            conditions(&body["conditions"], &mut found);
        }
        "claim_mappings" => {
            found.add("jwt_provider", &body["jwt_provider"], "oidc_providers", By::Name);
            found.add("resolve.api_key_id", &body["resolve"]["api_key_id"], "api_keys", By::Id);
        }
        "passthrough_routes" => {
            found.add("provider_key_id", &body["provider_key_id"], "provider_keys", By::Id);
            found.add("anonymous_key_id", &body["anonymous_key_id"], "api_keys", By::Id);
        }
        _ => {}
    }
    found.named
}

fn models(body: &Value, found: &mut Found) {
    found.add("provider_key_id", &body["provider_key_id"], "provider_keys", By::Id);
    let (ensemble, semantic) = (&body["ensemble"], &body["semantic"]);
    for target in list(&body["routing"]["targets"]) {
        found.add("routing.targets", &target["model"], "models", By::Name);
    }
    for member in list(&ensemble["panel"]) {
        found.add("ensemble.panel", &member["model"], "models", By::Name);
    }
    found.add("ensemble.judge", &ensemble["judge"]["model"], "models", By::Name);
    found.add("semantic.embedding_model", &semantic["embedding_model"], "models", By::Name);
    found.add("semantic.default", &semantic["default"], "models", By::Name);
    for route in list(&semantic["routes"]) {
        found.add("semantic.routes", &route["target"], "models", By::Name);
    }
    let failure = &semantic["on_embedding_failure"]["target"];
    found.add("semantic.on_embedding_failure", failure, "models", By::Name);
}

fn conditions(value: &Value, found: &mut Found) {
    for condition in list(value) {
        conditions(&condition["children"], found);
        let Some(to) = by_dimension(&condition["dimension"]) else { continue };
        match &condition["value"] {
            Value::Array(ids) => ids.iter().for_each(|id| found.add("conditions", id, to, By::Id)),
            id => found.add("conditions", id, to, By::Id),
        }
    }
}

fn by_dimension(word: &Value) -> Option<&'static str> {
    match word.as_str() {
        Some("api_key") => Some("api_keys"),
        Some("model") => Some("models"),
        _ => None,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

struct Found {
    collection: String,
    named: Vec<Named>,
}

impl Found {
    fn add(&mut self, path: &str, what: &Value, to: &'static str, by: By) {
        if let Some(what) = what.as_str() {
            let path = format!("{}.{path}", self.collection);
            self.named.push(Named { path, to, by, what: what.to_owned() });
        }
    }

    /// Patterns name nothing.
    fn names(&mut self, path: &str, names: &Value, to: &'static str) {
        for name in list(names).iter().filter(|name| name.as_str().is_some_and(|name| !name.contains('*'))) {
            self.add(path, name, to, By::Name);
        }
    }
}
