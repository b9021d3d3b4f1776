//! Which MCP tools may be called at all, or by a team.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::glob::Glob;
use super::kind::Resource;
use super::rules::Rules;
use super::values::on;
use crate::document::Fault;

/// A layer of the grant of MCP tools: a call must be allowed by each layer that is there, and denied by none.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"scope": "team", "scope_ref": "payments", "allow": ["github__*"], "deny": ["github__delete_repository"]}]))]
pub struct McpPolicy {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What operators call it. Needed in files, where the id comes from it.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Whom it is for.
    pub scope: McpScope,
    /// Id of the team. Required for `team`.
    #[schemars(length(min = 1))]
    pub scope_ref: Option<String>,
    /// Tools that may be called: patterns over `<server>__<tool>`. `*` allows all.
    pub allow: Vec<Glob>,
    /// Tools that may not be called although they are allowed: patterns over `<server>__<tool>`.
    #[serde(default)]
    pub deny: Vec<Glob>,
    /// Counts only while true.
    #[serde(default = "on")]
    pub enabled: bool,
}

/// Whom an MCP policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpScope {
    /// Every caller.
    Env,
    /// Callers with a key of the team.
    Team,
}

impl Resource for McpPolicy {
    const COLLECTION: &'static str = "mcp_policies";
    const TITLE: &'static str = "MCP policy";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        rules.only_if(self.scope == McpScope::Team, self.scope_ref.is_some(), "scope_ref", "this scope");
        rules.faults()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn a_policy_says_what_is_allowed_and_a_team_policy_to_which_team() {
        trial::table::<McpPolicy>(
            &json!({"scope": "env", "allow": ["*"]}),
            &[
                (json!({}), &[]),
                (json!({"scope": "team", "scope_ref": "t", "allow": [], "deny": ["github__*"]}), &[]),
                (json!({"allow": null}), &["allow: is required"]),
                (json!({"scope": "team"}), &["scope_ref: is required for this scope"]),
                (json!({"scope_ref": "t"}), &["scope_ref: does not belong to this scope"]),
            ],
        );
    }
}
