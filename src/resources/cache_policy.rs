//! Which answers are kept, for how long, and for whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::Resource;
use super::reference::{Names, Reference};
use super::values::on;
use crate::document::Fault;

/// Keeps answers to chat completions and gives them to later requests that ask the same.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"name": "fast-answers", "applies_to": "model:fast", "ttl_seconds": 600, "scope": "api_key"}]))]
pub struct CachePolicy {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What operators call it.
    #[schemars(length(min = 1, max = 120))]
    pub name: String,
    /// Keeps and serves answers only while true.
    #[serde(default = "on")]
    pub enabled: bool,
    /// To which requests it applies: `all`, `model:<alias>` or `api_key:<id>`, in files also `api_key:<name>`. Anything
    /// else means all.
    #[serde(default = "all")]
    #[schemars(length(min = 1, max = 255))]
    pub applies_to: String,
    /// Where answers are kept. `redis` needs the connection in the configuration of the cache.
    #[serde(default)]
    pub backend: Backend,
    /// Seconds for which an answer is kept.
    #[serde(default = "hour")]
    #[schemars(range(min = 1, max = 604_800))]
    pub ttl_seconds: u32,
    /// Who is served the answers to one caller.
    #[serde(default)]
    pub scope: CacheScope,
    /// Answers kept under another number are not served any more: a larger one forgets all.
    #[serde(default)]
    pub purge_generation: u32,
    /// Serves answers to questions that mean the same, too.
    pub semantic: Option<SemanticCache>,
}

/// Where answers are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// In the process.
    #[default]
    Memory,
    /// In Redis.
    Redis,
}

/// Who is served an answer that was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheScope {
    /// The same caller key only.
    #[default]
    ApiKey,
    /// Everyone.
    Env,
}

/// How near in meaning a question must be to one that was answered.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct SemanticCache {
    /// Alias of the embedding model.
    #[schemars(length(min = 1), extend("x-ui" = {"names": "models"}))]
    pub embedding_model: String,
    /// The least likeness, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    /// Milliseconds for the embedding call; None = the embedding model's.
    pub embedding_timeout_ms: Option<u64>,
    /// Answers kept at most; the oldest goes first.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_entries: u32,
}

/// The requests a cache policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppliesTo<'p> {
    All,
    /// Those for this alias.
    Model(&'p str),
    /// Those with the caller key of this id.
    ApiKey(&'p str),
}

impl CachePolicy {
    pub fn requests(&self) -> AppliesTo<'_> {
        match self.applies_to.split_once(':') {
            Some(("model", alias)) if !alias.is_empty() => AppliesTo::Model(alias),
            Some(("api_key", id)) if !id.is_empty() => AppliesTo::ApiKey(id),
            _ => AppliesTo::All,
        }
    }
}

impl Resource for CachePolicy {
    const COLLECTION: &'static str = "cache_policies";
    const TITLE: &'static str = "cache policy";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn references(&self) -> Vec<Reference> {
        let applies_to = match self.requests() {
            AppliesTo::Model(alias) => Some(Reference::name("applies_to", "models", alias)),
            AppliesTo::ApiKey(id) => Some(Reference::id("applies_to", "api_keys", id)),
            AppliesTo::All => None,
        };
        let embedding = self
            .semantic
            .as_ref()
            .map(|semantic| Reference::name("semantic.embedding_model", "models", &semantic.embedding_model));
        applies_to.into_iter().chain(embedding).collect()
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        let Some(Value::String(applies_to)) = row.get_mut("applies_to") else { return Ok(()) };
        if let Some(name) = applies_to.strip_prefix("api_key:").filter(|name| !name.is_empty()) {
            let id = names.id("api_keys", name).map_err(|message| Fault::new("applies_to", message))?;
            *applies_to = format!("api_key:{id}");
        }
        Ok(())
    }
}

fn all() -> String {
    "all".to_owned()
}

fn hour() -> u32 {
    3600
}

fn thousand() -> u32 {
    1000
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn a_cache_policy_needs_a_name_and_stays_within_bounds() {
        trial::table::<CachePolicy>(
            &json!({"name": "c"}),
            &[
                (json!({}), &[]),
                (json!({"semantic": {"embedding_model": "e", "threshold": 1}}), &[]),
                (json!({"name": "ä".repeat(120), "ttl_seconds": 604_800}), &[]),
                (json!({"name": "ä".repeat(121)}), &["name: must not be longer than 120 characters"]),
                (
                    json!({"ttl_seconds": 0, "applies_to": ""}),
                    &["applies_to: must not be empty", "ttl_seconds: must be from 1 to 604800"],
                ),
                (
                    json!({"semantic": {"threshold": 1.1, "max_entries": 10_001}}),
                    &[
                        "semantic.embedding_model: is required",
                        "semantic.max_entries: must be from 1 to 10000",
                        "semantic.threshold: must be from 0 to 1",
                    ],
                ),
            ],
        );
    }

    #[test]
    fn models_are_named_by_alias_and_keys_by_id() {
        let row = |applies_to: &str| json!({"name": "c", "applies_to": applies_to});
        let table: [(&str, &[&str]); 4] = [
            ("model:a:b", &["applies_to -> models Name(\"a:b\")"]),
            ("api_key:k", &["applies_to -> api_keys Id(\"k\")"]),
            ("all", &[]),
            ("model:", &[]),
        ];
        for (applies_to, expected) in table {
            assert_eq!(trial::references::<CachePolicy>(&row(applies_to)), expected, "{applies_to}");
        }
    }
}
