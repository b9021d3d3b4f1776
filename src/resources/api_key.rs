//! The credential an application presents, and what it may reach.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, de};

use super::glob::Glob;
use super::rate_limit::{McpRateLimit, RateLimit};
use crate::document::Fault;

/// A caller key. The plaintext is never stored; its SHA-256 is what a request is looked up by.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ApiKey {
    /// Derived from the row's name, see [`super::row_id`].
    #[serde(skip)]
    pub id: String,
    /// Operator's label, and `${request.api_key.name}` in header templates.
    pub display_name: Option<String>,
    /// SHA-256 of the plaintext; 64 hexadecimal digits in files. Unique.
    #[serde(rename = "key_hash", deserialize_with = "hash")]
    pub hash: [u8; 32],
    /// Patterns over the names callers send. Empty denies all, `*` allows all.
    pub allowed_models: Vec<Glob>,
    /// Agents (patterns); None allows none.
    pub allowed_agents: Option<Vec<Glob>>,
    /// Passthrough routes (patterns); None allows none.
    pub allowed_routes: Option<Vec<Glob>>,
    /// The key's own layer of the MCP tool grant.
    pub mcp_access: Option<McpAccess>,
    /// Limits per MCP server, by server name.
    #[serde(default)]
    pub mcp_rate_limits: BTreeMap<String, McpRateLimit>,
    pub rate_limit: Option<RateLimit>,
    /// Refused with 401 while true.
    #[serde(default)]
    pub disabled: bool,
    /// Refused with 401 from then on. RFC 3339 in files.
    #[serde(default, deserialize_with = "timestamp")]
    pub expires_at: Option<SystemTime>,
    /// Bucket of team policies and budgets.
    pub team_id: Option<String>,
    /// Bucket of member policies and budgets.
    pub user_id: Option<String>,
    /// A metrics label and nothing else.
    pub user_name: Option<String>,
    /// Subject of an external identity bound to this key. Only together with `jwt_provider`.
    pub jwt_subject: Option<String>,
    /// Name of the OIDC provider that vouches for `jwt_subject`.
    pub jwt_provider: Option<String>,
}

/// Patterns over `<server>__<tool>`: what a key may call, and what of it is taken away again.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct McpAccess {
    pub allow: Vec<Glob>,
    #[serde(default)]
    pub deny: Vec<Glob>,
}

impl ApiKey {
    /// A key for `plaintext` that may use the given aliases (patterns), without any limit.
    pub fn new(plaintext: &str, allowed_models: &[&str]) -> Self {
        ApiKey {
            hash: super::sha256(plaintext.as_bytes()),
            allowed_models: allowed_models.iter().map(|pattern| Glob::new(*pattern)).collect(),
            ..ApiKey::default()
        }
    }

    /// May it use this alias?
    pub fn allows(&self, alias: &str) -> bool {
        self.allowed_models.iter().any(|pattern| pattern.matches(alias))
    }

    /// Has it expired at `now`?
    pub fn expired(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// What the types alone cannot refuse.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        match (&self.jwt_subject, &self.jwt_provider) {
            (Some(_), None) => vec![Fault::new("jwt_subject", "needs jwt_provider beside it")],
            (None, Some(_)) => vec![Fault::new("jwt_provider", "needs jwt_subject beside it")],
            _ => Vec::new(),
        }
    }
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    super::from_hex(&text)
        .ok_or_else(|| de::Error::custom("must be the SHA-256 of the key: 64 lower-case hexadecimal digits"))
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match text.parse::<jiff::Timestamp>() {
        Ok(timestamp) => Ok(Some(timestamp.into())),
        Err(_) => Err(de::Error::custom("must be an RFC 3339 time such as 2027-01-31T00:00:00Z")),
    }
}
