//! Which rows a list shows: parameters of a query that name members of a kind.

use serde_json::{Map, Value};

use super::reply::Reply;
use super::request::Request;
use crate::resources::Kind;
use crate::store::Stored;

/// What a row must hold to be shown.
pub struct Filters {
    kind: &'static Kind,
    /// What the row is called.
    name: Option<String>,
    /// Member and value.
    members: Vec<(String, String)>,
}

impl Filters {
    /// The filters of a query.
    ///
    /// # Errors
    /// The query has a parameter that is none of this list: a filter that is misspelt must not show everything.
    pub fn of(kind: &'static Kind, request: &Request) -> Result<Self, Reply> {
        let known = members(kind);
        let names = known.iter().map(|(name, _)| *name);
        request.takes(&names.chain(["name", "page_size", "page_token"]).collect::<Vec<_>>())?;
        let filters = request.query.iter().filter(|(name, _)| known.iter().any(|(member, _)| member == name));
        let members = filters.filter(|(name, _)| name != "name").cloned().collect();
        Ok(Filters { kind, name: request.query("name").map(str::to_owned), members })
    }

    pub fn show(&self, row: &Stored) -> bool {
        let Some(body) = row.body.as_object() else { return false };
        let named = |name: &String| self.kind.name_of(body).is_ok_and(|own| own == *name);
        self.name.as_ref().is_none_or(named)
            && self.members.iter().all(|(member, value)| self.holds(body, member, value))
    }

    fn holds(&self, body: &Map<String, Value>, member: &str, wanted: &str) -> bool {
        let default = || members(self.kind).into_iter().find(|(name, _)| *name == member)?.1.get("default");
        match body.get(member).filter(|value| !value.is_null()).or_else(default) {
            Some(Value::String(text)) => text == wanted,
            Some(Value::Bool(on)) => on.to_string() == wanted,
            _ => false,
        }
    }
}

/// The members a list can be filtered by, with their schemas: texts and switches that are no secrets.
pub fn members(kind: &Kind) -> Vec<(&str, &Value)> {
    let root = kind.schema();
    let variants = root.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let mut found: Vec<(&str, &Value)> = Vec::new();
    for mapping in [root].into_iter().chain(variants.map(|variant| followed(root, variant))) {
        for (name, schema) in mapping.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if !found.iter().any(|(known, _)| known == name) && is_plain(followed(root, schema)) {
                found.push((name, schema));
            }
        }
    }
    found
}

fn is_plain(schema: &Value) -> bool {
    let is = |name: &Value| matches!(name.as_str(), Some("string" | "boolean" | "null"));
    let plain = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().all(is),
        Some(name) => is(name),
        // A choice of words.
        None => schema.get("oneOf").and_then(Value::as_array).is_some_and(|words| words.iter().all(is_plain)),
    };
    plain && schema.get("writeOnly").is_none()
}

/// The schema behind a reference or an option.
fn followed<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#')) {
        return root.pointer(path).map_or(schema, |target| followed(root, target));
    }
    let mut options = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let some = options.find(|option| option.get("type").is_none_or(|kind| kind != "null"));
    some.map_or(schema, |option| followed(root, option))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::kind;
    use serde_json::json;

    fn names(collection: &str) -> Vec<&'static str> {
        members(kind(collection).expect("a kind")).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn plain_members_are_filters_and_secrets_are_not() {
        let keys = names("provider_keys");
        assert!(keys.contains(&"provider") && keys.contains(&"adapter"), "{keys:?}");
        assert!(!keys.contains(&"api_key"), "{keys:?}");
        assert!(names("guardrails").contains(&"hook_point"), "members of variants count");
        assert!(!names("models").contains(&"routing") && !names("models").contains(&"timeout"));
    }

    #[test]
    fn a_member_that_is_not_written_has_its_default() {
        let kind = kind("api_keys").expect("a kind");
        let row = |body: Value| Stored { collection: "api_keys".into(), id: "1".into(), body, revision: 1 };
        let shown = |name: &str, value: &str, body: Value| {
            let request = Request { query: vec![(name.into(), value.into())], ..Request::default() };
            Filters::of(kind, &request).ok().map(|filters| filters.show(&row(body)))
        };
        assert_eq!(shown("disabled", "false", json!({"display_name": "k"})), Some(true));
        assert_eq!(shown("disabled", "true", json!({"display_name": "k"})), Some(false));
        assert_eq!(shown("name", "k", json!({"display_name": "k"})), Some(true));
        assert_eq!(shown("team_id", "t", json!({"display_name": "k", "team_id": "u"})), Some(false));
        assert_eq!(shown("teamid", "t", json!({})), None, "a misspelt filter is refused");
    }
}
