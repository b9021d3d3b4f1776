//! What callers ask for by name: one upstream model, or a way to choose or combine several.

mod routing;
mod rules;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

pub use routing::{
    Affinity, Condition, FallbackOn, HashKind, HashSource, Hedge, Routing, Strategy, Target,
    WhenAllUnavailable,
};

use super::glob::Glob;
use super::kind::{AnyRow, Resource};
use super::rate_limit::RateLimit;
use super::reference::{Names, Reference};
use super::values;
use crate::document::{Fault, cidr};

/// An alias: of one upstream model, or of several that are chosen from (`routing`, `semantic`) or asked together
/// (`ensemble`). It is exactly one of the four.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"display_name": "fast", "provider": "openai", "model_name": "gpt-4o-mini", "provider_key": "openai-main", "timeout": 60000}, {"display_name": "robust", "routing": {"strategy": "failover", "targets": [{"model": "fast"}, {"model": "claude"}]}}]))]
pub struct Model {
    /// Derived from the row's name, see [`super::row_id`].
    #[serde(skip)]
    pub id: String,
    /// The alias callers send. One `*` in it makes a wildcard model (direct shape only).
    #[schemars(length(min = 1))]
    pub display_name: String,
    /// Vendor label, `^[a-z0-9][a-z0-9._-]*$`, at most 64 bytes. Direct shape.
    #[schemars(
        length(max = 64),
        regex(pattern = "^[a-z0-9][a-z0-9._-]*$"),
        extend("x-must" = "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, a letter or digit first")
    )]
    pub provider: Option<String>,
    /// The upstream's own id. In a wildcard model `*` stands for the captured text; absent there, the
    /// captured text is the id. Direct shape.
    #[schemars(length(min = 1))]
    pub model_name: Option<String>,
    /// The row that holds credential and address. Direct shape.
    #[schemars(length(min = 1), extend("x-ui" = {"ids": "provider_keys"}))]
    pub provider_key_id: Option<String>,
    /// Milliseconds for a whole non-streaming answer; 0 = no bound; None = the deployment's.
    pub timeout: Option<u64>,
    /// Milliseconds between chunks of a stream; 0 and None defer.
    pub stream_timeout: Option<u64>,
    /// Tries again on the same target after the first one.
    pub retries: Option<u32>,
    pub rate_limit: Option<RateLimit>,
    /// Prices, for `least_cost` and the spend metrics.
    pub cost: Option<Cost>,
    /// Caller addresses that may use it; empty allows all. A bare address stands for itself alone.
    #[serde(default, deserialize_with = "cidr::list")]
    #[schemars(with = "Vec<String>")]
    pub allowed_cidrs: Vec<ipnet::IpNet>,
    /// When a failing target is left alone; None = [`Cooldown::default`].
    pub cooldown: Option<Cooldown>,
    /// A prompt sent at intervals to see whether the model is well.
    pub background_model_check: Option<BackgroundModelCheck>,
    /// Marks an embedding model.
    pub embedding: Option<Embedding>,
    /// Cache breakpoints added for Anthropic direct models.
    pub auto_prompt_caching: Option<AutoPromptCaching>,
    pub routing: Option<Routing>,
    pub ensemble: Option<Ensemble>,
    pub semantic: Option<Semantic>,
}

/// What an alias stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One upstream model.
    Direct,
    /// One of several models, chosen by a strategy.
    Routing,
    /// Several models asked at once, and a judge.
    Ensemble,
    /// One of several models, chosen by what the prompt is about.
    Semantic,
}

/// Prices in US dollars per 1,000 tokens, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Cost {
    #[schemars(range(min = 0.0))]
    pub input_per_1k: f64,
    #[schemars(range(min = 0.0))]
    pub output_per_1k: f64,
}

/// When and how long a failing target is left alone.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cooldown {
    pub enabled: bool,
    /// Seconds without a `Retry-After`; 0 disables.
    pub default_seconds: u64,
    /// Upper bound of a `Retry-After`, at least 1.
    #[schemars(range(min = 1))]
    pub max_seconds: u64,
    pub honor_retry_after: bool,
    #[schemars(inner(range(min = 100, max = 599)))]
    pub trigger_statuses: Vec<u16>,
    pub trigger_on_timeout: bool,
    pub trigger_on_transport: bool,
    /// Failures in a row after which the target is left alone. A 429 that tells when to come back counts at once.
    #[schemars(range(min = 1, max = 1000))]
    pub after_failures: u32,
    /// Share of failed tries within the window, 0 to 1, from which on the target is left alone; None = the share does
    /// not matter.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub error_rate: Option<f64>,
    /// Length of the window, 1 to 3600.
    #[schemars(range(min = 1, max = 3600))]
    pub window_seconds: u64,
    /// Tries within the window below which the share does not matter, at least 1.
    #[schemars(range(min = 1))]
    pub min_requests: u32,
}

impl Default for Cooldown {
    fn default() -> Self {
        Cooldown {
            enabled: true,
            default_seconds: 30,
            max_seconds: 600,
            honor_retry_after: true,
            trigger_statuses: vec![401, 408, 429, 500, 502, 503, 504],
            trigger_on_timeout: true,
            trigger_on_transport: true,
            after_failures: 1,
            error_rate: None,
            window_seconds: 30,
            min_requests: 20,
        }
    }
}

/// A probe of a direct model.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct BackgroundModelCheck {
    pub enabled: bool,
    /// At least 5.
    #[schemars(range(min = 5))]
    pub interval_seconds: u64,
    /// At least 1.
    #[schemars(range(min = 1))]
    pub timeout_seconds: u64,
    /// Not empty.
    #[schemars(length(min = 1))]
    pub prompt: String,
    /// At least 1.
    #[schemars(range(min = 1))]
    pub max_tokens: u64,
    /// Age at which a bad verdict is forgotten, at least 1.
    #[schemars(range(min = 1))]
    pub stale_after_seconds: u64,
    /// Upstream statuses that do not count as a failure.
    #[serde(default)]
    #[schemars(inner(range(min = 100, max = 599)))]
    pub ignore_statuses: Vec<u16>,
}

/// What an embedding model gives.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Embedding {
    /// Length of the vectors, at least 1.
    #[schemars(range(min = 1))]
    pub dimensions: u32,
    /// Are the vectors already of length one?
    #[serde(default = "values::on")]
    pub normalize: bool,
}

/// Where to place cache breakpoints, and for how long the upstream shall keep them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct AutoPromptCaching {
    pub enabled: bool,
    #[serde(default)]
    pub ttl: CacheTtl,
}

/// Lifetimes Anthropic offers for a cached prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum CacheTtl {
    #[default]
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "1h")]
    OneHour,
}

/// Several models answer, one judges.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Ensemble {
    /// At least one.
    #[schemars(length(min = 1))]
    pub panel: Vec<Panelist>,
    pub judge: Judge,
    /// At least 1 and at most the panel; None = the smaller of 2 and the panel.
    #[schemars(range(min = 1))]
    pub min_responses: Option<u32>,
    /// Milliseconds per call; 0 and None = no bound of its own.
    pub timeout_ms: Option<u64>,
}

/// One member of an ensemble.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Panelist {
    /// Alias of a direct or a routing model.
    pub model: String,
    /// Not negative.
    #[schemars(range(min = 0.0))]
    pub temperature: Option<f64>,
    pub seed: Option<u64>,
    /// Accepted and without effect.
    pub weight: Option<f64>,
}

/// The model that writes the answer of an ensemble.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Judge {
    /// Alias of a direct or a routing model.
    pub model: String,
    /// Replaces the built-in prompt. Not empty.
    #[schemars(length(min = 1))]
    pub synthesis_prompt: Option<String>,
}

/// A choice by meaning.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Semantic {
    /// Alias of an embedding model.
    pub embedding_model: String,
    /// Alias of the direct or routing model for prompts no route claims.
    pub default: String,
    #[serde(rename = "match")]
    pub matching: Matching,
    /// At least one.
    #[schemars(length(min = 1))]
    pub routes: Vec<SemanticRoute>,
    /// Milliseconds for the embedding call; None = the embedding model's.
    pub embedding_timeout_ms: Option<u64>,
    #[serde(default)]
    pub on_embedding_failure: OnEmbeddingFailure,
}

/// How near a prompt must be to a route's examples.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Matching {
    /// 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    #[serde(default)]
    pub distance_metric: DistanceMetric,
    #[serde(default)]
    pub aggregation: Aggregation,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DistanceMetric {
    #[default]
    Cosine,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    #[default]
    Max,
}

/// A subject, its examples, and the model for it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct SemanticRoute {
    #[schemars(length(min = 1))]
    pub name: String,
    /// Alias of a direct or a routing model.
    pub target: String,
    /// At least one.
    #[schemars(length(min = 1))]
    pub examples: Vec<String>,
    /// 0 to 1; None = that of the router.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: Option<f64>,
    pub description: Option<String>,
}

/// What to do when the prompt could not be embedded: `default`, `fail`, or `{target: <alias>}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnEmbeddingFailure {
    /// Use the default model.
    #[default]
    Default,
    /// Answer 503.
    Fail,
    /// Use this alias.
    Target(String),
}

impl Model {
    /// A direct model.
    pub fn direct(alias: &str, provider: &str, model_name: &str, provider_key_id: &str) -> Self {
        Model {
            display_name: alias.to_owned(),
            provider: Some(provider.to_owned()),
            model_name: Some(model_name.to_owned()),
            provider_key_id: Some(provider_key_id.to_owned()),
            ..Model::default()
        }
    }

    /// What it stands for. A row that passed validation has exactly one shape.
    pub fn shape(&self) -> Shape {
        match (&self.routing, &self.ensemble, &self.semantic) {
            (Some(_), _, _) => Shape::Routing,
            (None, Some(_), _) => Shape::Ensemble,
            (None, None, Some(_)) => Shape::Semantic,
            (None, None, None) => Shape::Direct,
        }
    }

    /// Does it stand for every name its pattern matches?
    pub fn is_wildcard(&self) -> bool {
        // As `Glob` has it, without making one.
        self.display_name.bytes().filter(|byte| *byte == b'*').count() == 1
    }

    /// Is there an upstream id even when nothing was captured?
    pub(crate) fn names_itself(&self) -> bool {
        self.model_name.as_ref().is_some_and(|name| name != "*")
    }

    /// The id to send upstream, given the text under the `*` of a wildcard alias.
    pub fn upstream_model<'m>(&'m self, captured: Option<&'m str>) -> Cow<'m, str> {
        match (&self.model_name, captured) {
            (Some(name), Some(captured)) => Glob::new(name.as_str()).fill(captured).into(),
            (Some(name), None) => name.into(),
            (None, Some(captured)) => captured.into(),
            (None, None) => (&self.display_name).into(),
        }
    }
}

impl Resource for Model {
    const COLLECTION: &'static str = "models";
    const TITLE: &'static str = "model";
    const IDENTITY: Option<&'static str> = Some("display_name");
    const ACTS: bool = true;

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        self.own_faults()
    }

    fn references(&self) -> Vec<Reference> {
        let aliases = self.aliases().into_iter();
        let models = aliases.map(|(path, alias, needs)| Reference::name(path, "models", alias).that(needs));
        let key = self.provider_key_id.iter().filter(|id| !id.is_empty());
        models.chain(key.map(|id| Reference::id("provider_key_id", "provider_keys", id))).collect()
    }

    fn pattern(&self) -> Option<Glob> {
        Some(Glob::new(self.display_name.as_str())).filter(Glob::is_pattern)
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        names.named(row, "provider_key", "provider_key_id", "provider_keys")
    }
}

/// What one model wants of another that it sends requests to.
fn answers(row: &dyn AnyRow) -> Option<&'static str> {
    let model = (row as &dyn std::any::Any).downcast_ref::<Model>()?;
    match model.shape() {
        _ if model.is_wildcard() => Some("is a wildcard; name one model"),
        Shape::Direct | Shape::Routing => None,
        _ => Some("is neither a direct nor a routing model"),
    }
}

/// What it wants of one that embeds.
fn is_direct(row: &dyn AnyRow) -> Option<&'static str> {
    let model = (row as &dyn std::any::Any).downcast_ref::<Model>()?;
    answers(row).or((model.shape() != Shape::Direct).then_some("is not a direct model"))
}
