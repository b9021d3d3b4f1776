//! The credential an application presents, and what it may reach.

use std::collections::BTreeMap;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

use super::glob::Glob;
use super::kind::Resource;
use super::rate_limit::{McpRateLimit, RateLimit};
use super::reference::{Names, Reference, Unique};
use super::values;
use crate::document::Fault;

/// A caller key. The plaintext is never stored; its SHA-256 is what a request is looked up by.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"display_name": "checkout-service", "allowed_models": ["fast", "openai/*"], "rate_limit": {"rpm": 600, "tpm": 200000, "concurrency": 20}, "team_id": "payments"}]))]
pub struct ApiKey {
    /// Derived from the row's name, see [`super::row_id`].
    #[serde(skip)]
    pub id: String,
    /// Operator's label, and `${request.api_key.name}` in header templates.
    pub display_name: Option<String>,
    /// SHA-256 of the plaintext key, as 64 lower-case hexadecimal digits. Unique.
    #[serde(rename = "key_hash", deserialize_with = "hash")]
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub hash: [u8; 32],
    /// Patterns over the names callers send. Empty denies all, `*` allows all.
    #[schemars(extend("x-ui" = {"names": "models"}))]
    pub allowed_models: Vec<Glob>,
    /// Agents (patterns); None allows none.
    pub allowed_agents: Option<Vec<Glob>>,
    /// Passthrough routes (patterns); None allows none.
    #[schemars(extend("x-ui" = {"names": "passthrough_routes"}))]
    pub allowed_routes: Option<Vec<Glob>>,
    /// The key's own layer of the MCP tool grant.
    pub mcp_access: Option<McpAccess>,
    /// Limits per MCP server, by server name.
    #[serde(default)]
    pub mcp_rate_limits: BTreeMap<String, McpRateLimit>,
    pub rate_limit: Option<RateLimit>,
    /// Place in the queue of a fleet whose servers are all busy: higher ones go first.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Refused with 401 while true.
    #[serde(default)]
    pub disabled: bool,
    /// Refused with 401 from then on. RFC 3339 in files.
    #[serde(default, deserialize_with = "values::timestamp")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub expires_at: Option<SystemTime>,
    /// May it ask with the header `x-aisix-explain` how its requests were routed? The answer names models behind aliases.
    #[serde(default)]
    pub allow_explain: bool,
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
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
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
}

impl Resource for ApiKey {
    const COLLECTION: &'static str = "api_keys";
    const TITLE: &'static str = "caller key";
    const IDENTITY: Option<&'static str> = Some("display_name");
    const ACTS: bool = true;

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        match (&self.jwt_subject, &self.jwt_provider) {
            (Some(_), None) => vec![Fault::new("jwt_subject", "needs jwt_provider beside it")],
            (None, Some(_)) => vec![Fault::new("jwt_provider", "needs jwt_subject beside it")],
            _ => Vec::new(),
        }
    }

    fn references(&self) -> Vec<Reference> {
        let models = self.allowed_models.iter().map(Glob::as_str);
        let routes = self.allowed_routes.iter().flatten().map(Glob::as_str);
        let mut found = Reference::names("allowed_models", "models", models);
        found.extend(Reference::names("allowed_routes", "passthrough_routes", routes));
        found
    }

    fn unique(&self) -> Vec<Unique> {
        let hash = Unique {
            path: "",
            value: super::to_hex(&self.hash),
            message: |other| format!("is the same key as {other}"),
        };
        let subject = self.jwt_subject.as_ref().zip(self.jwt_provider.as_ref());
        let bound = subject.map(|(subject, provider)| Unique {
            path: "jwt_subject",
            value: format!("{provider}\0{subject}"),
            message: |other| format!("is bound to {other} already, with this jwt_provider"),
        });
        [hash].into_iter().chain(bound).collect()
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        hashed(row, names)?;
        allowed_tools(row)
    }
}

/// A new key: `sk-` and 32 hexadecimal digits.
pub fn new_plaintext() -> String {
    format!("sk-{}", uuid::Uuid::new_v4().simple())
}

/// What is kept of a key.
pub fn hash_of(plaintext: &str) -> String {
    super::to_hex(&super::sha256(plaintext.as_bytes()))
}

/// Is it a key to be let in with? Shorter ones can be guessed, and white space around it is a slip.
pub fn is_acceptable(plaintext: &str) -> bool {
    plaintext.len() >= SHORTEST && plaintext.trim() == plaintext
}

/// Fewest bytes of a key that somebody brings.
pub const SHORTEST: usize = 8;

/// `key_env` becomes `key_hash`.
fn hashed(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
    let hashed = row.get("key_hash").is_some_and(|hash| !hash.is_null());
    let Some(variable) = row.remove("key_env").filter(|name| !name.is_null()) else {
        return if hashed { Ok(()) } else { Err(Fault::new("", "needs key_env or key_hash")) };
    };
    if hashed {
        return Err(Fault::new("key_env", "cannot stand beside key_hash"));
    }
    let Value::String(variable) = variable else {
        return Err(Fault::new("key_env", "must be the name of an environment variable"));
    };
    let plaintext = plaintext(&variable, names.env).map_err(|message| Fault::new("key_env", message))?;
    row.insert("key_hash".to_owned(), hash_of(&plaintext).into());
    Ok(())
}

/// The key in a variable. Messages name the variable only where it looks like the name of one, for
/// fear that the key itself was written there.
fn plaintext(variable: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let is_name = variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || variable.is_empty() {
        return Err("must be the name of an environment variable: letters, digits and underscores".to_owned());
    }
    let Some(plaintext) = env(variable).filter(|plaintext| !plaintext.is_empty()) else {
        return Err(format!("the variable {variable:?} is not set or empty"));
    };
    if plaintext.contains("${") {
        return Err(format!("the variable {variable:?} holds an unresolved ${{…}}"));
    }
    if plaintext.trim() != plaintext {
        return Err(format!("the variable {variable:?} has white space around the key"));
    }
    Ok(plaintext)
}

/// The older spelling of the MCP grant.
fn allowed_tools(row: &mut Map<String, Value>) -> Result<(), Fault> {
    let Some(tools) = row.remove("allowed_tools").filter(|tools| !tools.is_null()) else { return Ok(()) };
    if row.get("mcp_access").is_some_and(|access| !access.is_null()) {
        return Err(Fault::new("allowed_tools", "cannot stand beside mcp_access: it is the older spelling"));
    }
    row.insert("mcp_access".to_owned(), json!({"allow": tools}));
    Ok(())
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    super::from_hex(&text)
        .ok_or_else(|| de::Error::custom("must be the SHA-256 of the key: 64 lower-case hexadecimal digits"))
}
