//! Choosing one of several models by rules: the `routing` block of a model row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resources::values::{self, Texts};

/// A choice among models, each direct or itself a choice.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Routing {
    #[serde(default)]
    pub strategy: Strategy,
    /// At least one.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// Tries again on the same target; None = the deployment's.
    pub retries: Option<u32>,
    /// Targets after the first one that may be tried; None = all.
    pub max_fallbacks: Option<u32>,
    /// A 429 is the answer (`false`), or may be tried again at the same target too (`true`). None = the next target is
    /// asked, and the same one is not.
    pub retry_on_429: Option<bool>,
    /// Statuses that send the request on although they would not by themselves.
    #[serde(default)]
    #[schemars(inner(range(min = 100, max = 599)))]
    pub fallback_on_statuses: Vec<u16>,
    /// Also written `on_all_filtered`.
    #[serde(default, alias = "on_all_filtered")]
    #[schemars(extend("x-also" = ["on_all_filtered"]))]
    pub when_all_unavailable: WhenAllUnavailable,
    /// Where `consistent_hash` finds its key, first non-empty source first. Only with that strategy.
    #[schemars(length(min = 1))]
    pub hash_on: Option<Vec<HashSource>>,
    /// Keeps a conversation at one target; None = it does, for an hour.
    pub affinity: Option<Affinity>,
    /// Asks a second target when the first one is slow; None = never.
    pub hedge: Option<Hedge>,
    /// Tries over all targets; None = as many as targets and retries give.
    #[schemars(range(min = 1))]
    pub max_attempts: Option<u32>,
    /// Milliseconds for all tries together; None = no bound beyond those of the single tries.
    #[schemars(range(min = 1))]
    pub total_timeout: Option<u64>,
    /// Milliseconds until a stream's first frame, after which the next target is tried; None = the deployment's.
    #[schemars(range(min = 1))]
    pub first_frame_timeout: Option<u64>,
    /// May a stream that has sent nothing yet go on to the next target?
    #[serde(default = "values::on")]
    pub stream_failover: bool,
    /// Refusals that another target may not share, and that send the request on although other refusals of a
    /// request do not. None = `context_length` and `model_not_found`.
    pub fallback_on: Option<Vec<FallbackOn>>,
}

/// How a conversation is kept at the target that answered it before, so that the prompt cache there is of use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Affinity {
    pub enabled: bool,
    /// Seconds after its last answer for which a conversation is remembered, 1 to 86400.
    #[schemars(range(min = 1, max = 86400))]
    pub ttl_seconds: u32,
}

impl Default for Affinity {
    fn default() -> Self {
        Affinity { enabled: true, ttl_seconds: 3600 }
    }
}

/// When a second target is asked beside the first one; whichever answers first is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Hedge {
    /// Milliseconds without a first frame, at least 1.
    #[schemars(range(min = 1))]
    pub after_ms: u64,
}

/// Why a target may refuse a request that another one takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FallbackOn {
    /// The prompt is longer than the target's context.
    ContextLength,
    /// The provider does not have the model.
    ModelNotFound,
    /// The provider's own content filter refused.
    ContentPolicy,
}

/// In which order targets are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    #[default]
    Failover,
    RoundRobin,
    Weighted,
    ConsistentHash,
    LeastCost,
    LeastLatency,
    LeastBusy,
}

/// One choice of a routing model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Target {
    /// Alias of a direct model or of another routing model.
    pub model: String,
    /// Share among the targets of its tier; 0 counts as 1.
    #[serde(default = "one")]
    pub weight: u32,
    /// Higher tiers are tried first.
    #[serde(default)]
    pub priority: i32,
    /// What the caller may ask for with `x-aisix-routing-tags`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What must hold of a request that goes there, all of it.
    #[serde(default)]
    pub when: Vec<Condition>,
}

/// What a request's header must be like.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Condition {
    #[schemars(length(min = 1))]
    pub header: String,
    /// A pattern, or several of which one must match. A header that is not there matches none.
    pub matches: Texts,
    /// Turns it around: none may match.
    #[serde(default)]
    pub negate: bool,
}

/// What to do when every target is known to be unwell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenAllUnavailable {
    #[default]
    Fail,
    TryAnyway,
}

/// One place to find a hash key in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct HashSource {
    #[serde(rename = "type")]
    pub kind: HashKind,
    /// Header or cookie name; required for those two, refused for the others.
    pub name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashKind {
    Header,
    Cookie,
    ApiKey,
    ClientIp,
    /// The `prompt_cache_key` of the request.
    PromptCacheKey,
    /// The session that the request names: in `prompt_cache_key`, or in the header of an agent.
    Session,
    /// How the conversation begins.
    Conversation,
}

impl Default for Routing {
    fn default() -> Self {
        Routing {
            strategy: Strategy::default(),
            targets: Vec::new(),
            retries: None,
            max_fallbacks: None,
            retry_on_429: None,
            fallback_on_statuses: Vec::new(),
            when_all_unavailable: WhenAllUnavailable::default(),
            hash_on: None,
            affinity: None,
            hedge: None,
            max_attempts: None,
            total_timeout: None,
            first_frame_timeout: None,
            stream_failover: true,
            fallback_on: None,
        }
    }
}

impl Routing {
    /// Does a refusal of this sort send the request on?
    pub fn falls_back_on(&self, sort: FallbackOn) -> bool {
        match &self.fallback_on {
            Some(sorts) => sorts.contains(&sort),
            None => matches!(sort, FallbackOn::ContextLength | FallbackOn::ModelNotFound),
        }
    }
}

fn one() -> u32 {
    1
}

impl Strategy {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Failover => "failover",
            Strategy::RoundRobin => "round_robin",
            Strategy::Weighted => "weighted",
            Strategy::ConsistentHash => "consistent_hash",
            Strategy::LeastCost => "least_cost",
            Strategy::LeastLatency => "least_latency",
            Strategy::LeastBusy => "least_busy",
        }
    }
}
