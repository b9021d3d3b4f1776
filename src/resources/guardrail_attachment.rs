//! To what a guardrail applies. One without any attachment applies to everything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::Resource;
use super::reference::{Names, Reference};
use super::rules::Rules;
use super::values::on;
use crate::document::Fault;

/// A guardrail applied to all requests or to some.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"guardrail": "no-access-keys", "scope_type": "env", "priority": 10}]))]
pub struct GuardrailAttachment {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What operators call it. Needed in files, where the id comes from it.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// The guardrail. In files also `guardrail` with its name.
    #[schemars(length(min = 1), extend("x-ui" = {"ids": "guardrails"}))]
    pub guardrail_id: String,
    /// What kind of thing it is attached to; `env` is every request.
    pub scope_type: ScopeType,
    /// Id of the thing it is attached to: of a row, or of a team. None for `env`. In files also `scope` with its
    /// name.
    #[schemars(length(min = 1))]
    pub scope_id: Option<String>,
    /// Of several attachments of one guardrail to a request, the one with the highest priority counts.
    pub priority: i32,
    /// Counts only while true.
    #[serde(default = "on")]
    pub enabled: bool,
    /// Kept, and without effect.
    pub env_id: Option<String>,
}

/// What a guardrail may be attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeType {
    /// Every request.
    Env,
    /// Requests for an alias.
    Model,
    /// Calls to the tools of an MCP server.
    McpServer,
    /// Requests with a caller key.
    ApiKey,
    /// Requests with a caller key of a team.
    Team,
    /// Requests to a passthrough route.
    PassthroughRoute,
}

impl ScopeType {
    /// Where the rows stand that it may name.
    fn collection(self) -> Option<&'static str> {
        match self {
            ScopeType::Model => Some("models"),
            ScopeType::McpServer => Some("mcp_servers"),
            ScopeType::ApiKey => Some("api_keys"),
            ScopeType::PassthroughRoute => Some("passthrough_routes"),
            ScopeType::Env | ScopeType::Team => None,
        }
    }
}

impl Resource for GuardrailAttachment {
    const COLLECTION: &'static str = "guardrail_attachments";
    const TITLE: &'static str = "guardrail attachment";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        let scoped = self.scope_type != ScopeType::Env;
        rules.only_if(scoped, self.scope_id.is_some(), "scope_id", "this scope_type");
        rules.faults()
    }

    fn references(&self) -> Vec<Reference> {
        let guardrail = Reference::id("guardrail_id", "guardrails", &self.guardrail_id);
        let scope = self.scope_type.collection().zip(self.scope_id.as_ref());
        let scope = scope.map(|(collection, id)| Reference::id("scope_id", collection, id));
        [guardrail].into_iter().chain(scope).collect()
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        names.named(row, "guardrail", "guardrail_id", "guardrails")?;
        let scope_type = row.get("scope_type").and_then(|value| ScopeType::deserialize(value).ok());
        match scope_type.and_then(ScopeType::collection) {
            Some(collection) => names.named(row, "scope", "scope_id", collection),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn an_attachment_names_a_thing_unless_it_is_to_everything() {
        trial::table::<GuardrailAttachment>(
            &json!({"guardrail_id": "g", "scope_type": "env", "priority": -3}),
            &[
                (json!({}), &[]),
                (json!({"scope_type": "team", "scope_id": "t"}), &[]),
                (json!({"scope_type": "model"}), &["scope_id: is required for this scope_type"]),
                (json!({"scope_id": "m"}), &["scope_id: does not belong to this scope_type"]),
                (
                    json!({"priority": null, "guardrail_id": ""}),
                    &["guardrail_id: must not be empty", "priority: is required"],
                ),
            ],
        );
    }

    #[test]
    fn a_guardrail_and_a_thing_are_named_by_id() {
        let row = json!({"guardrail_id": "g", "scope_type": "mcp_server", "scope_id": "s", "priority": 0});
        assert_eq!(
            trial::references::<GuardrailAttachment>(&row),
            ["guardrail_id -> guardrails Id(\"g\")", "scope_id -> mcp_servers Id(\"s\")",]
        );
    }
}
