//! Agents that callers reach through the gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address;
use super::kind::Resource;
use super::rules::Rules;
use super::values::{on, sendable};
use crate::document::{Fault, Secret};

/// An agent behind the gateway that speaks A2A.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"name": "planner", "url": "https://agents.example.com/planner", "auth_type": "bearer", "secret": "agent-token"}]))]
pub struct A2aAgent {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What callers call it: it is at `/a2a/<name>`.
    #[serde(alias = "display_name")]
    #[schemars(
        regex(pattern = r"^[^/?#%\s]+$"),
        extend("x-must" = "must be one segment of a path: not empty, without / ? # % and white space", "x-also" = ["display_name"])
    )]
    pub name: String,
    /// Where it is: an http or https URL.
    #[schemars(length(min = 1))]
    pub url: String,
    /// How the gateway identifies itself there.
    #[serde(default)]
    pub auth_type: AgentAuth,
    /// The credential. Required unless `auth_type` is `none`.
    #[schemars(length(min = 1))]
    pub secret: Option<Secret>,
    /// The version of A2A it speaks.
    #[serde(default)]
    pub protocol_version: A2aVersion,
    /// Milliseconds for an answer, or until a stream begins; None = the deployment's.
    #[schemars(range(min = 1))]
    pub timeout_ms: Option<u64>,
    /// Can be reached only while true.
    #[serde(default = "on")]
    pub enabled: bool,
}

/// How the gateway identifies itself to an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentAuth {
    /// Not at all.
    #[default]
    None,
    /// `authorization: Bearer <secret>`
    Bearer,
    /// `x-api-key: <secret>`
    ApiKey,
}

/// Versions of A2A.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum A2aVersion {
    #[default]
    #[serde(rename = "1.0")]
    V1,
    #[serde(rename = "0.3")]
    V03,
}

impl Resource for A2aAgent {
    const COLLECTION: &'static str = "a2a_agents";
    const TITLE: &'static str = "A2A agent";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        rules.try_at("url", address::web(&self.url));
        match &self.secret {
            Some(secret) => rules.try_at("secret", sendable(secret.expose())),
            None => {
                let needless = self.auth_type == AgentAuth::None;
                rules.check(needless, "secret", "is required for this auth_type");
            }
        }
        rules.faults()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn an_agent_is_one_segment_of_a_path_at_a_web_address() {
        let name = "name: must be one segment of a path: not empty, without / ? # % and white space";
        trial::table::<A2aAgent>(
            &json!({"name": "a", "url": "https://agent.example/a2a"}),
            &[
                (json!({}), &[]),
                (json!({"name": null, "display_name": "b", "auth_type": "bearer", "secret": "s"}), &[]),
                (json!({"name": "a/b"}), &[name]),
                (json!({"name": "a b"}), &[name]),
                (json!({"url": "agent.example"}), &["url: must be an http:// or https:// address"]),
                (json!({"auth_type": "api_key"}), &["secret: is required for this auth_type"]),
                (
                    json!({"protocol_version": "0.2"}),
                    &["protocol_version: must be one of \"1.0\", \"0.3\", did you mean \"0.3\"?"],
                ),
            ],
        );
    }
}
