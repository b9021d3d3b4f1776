//! Guardrails that ask another service for a verdict on the whole text.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FindingAction, OnBufferExceeded, five_seconds, max_buffer_bytes};
use crate::document::Secret;
use crate::resources::address;
use crate::resources::rules::Rules;

guardrail! {
    /// Amazon Bedrock Guardrails.
    remote struct Bedrock {
        /// AWS region of the guardrail.
        #[schemars(
            regex(pattern = "^[a-z0-9-]+$"),
            extend("x-must" = "must be a region such as eu-central-1: a-z, 0-9 and hyphens")
        )]
        region: String,
        /// Id of the guardrail at AWS.
        #[schemars(length(min = 1, max = 64))]
        guardrail_id: String,
        /// Its version, a number or `DRAFT`.
        #[schemars(length(min = 1, max = 16))]
        guardrail_version: String,
        /// The credential.
        aws_credentials: AwsCredentials,
        /// How long a verdict is waited for.
        latency_mode: LatencyMode,
    }
}

guardrail! {
    /// Azure AI Content Safety's Prompt Shield: prompts that try to take over the model.
    remote struct AzurePromptShield {
        /// The resource's endpoint, an http or https URL.
        #[schemars(length(min = 1))]
        endpoint: String,
        /// Key of the resource.
        #[schemars(length(min = 1))]
        api_key: Secret,
        /// Milliseconds for a verdict.
        #[serde(default = "five_seconds")]
        #[schemars(range(min = 1))]
        timeout_ms: u64,
    }
}

guardrail! {
    /// Lakera Guard. Personal data is masked, everything else it finds stops the text.
    remote struct Lakera {
        /// The key.
        #[schemars(length(min = 1))]
        api_key: Secret,
        /// Root of the API, an http or https URL.
        #[serde(default = "lakera")]
        #[schemars(length(min = 1))]
        endpoint: String,
        /// The project whose policy applies; None = that of the account.
        #[schemars(length(min = 1))]
        project_id: Option<String>,
        /// Milliseconds for a verdict.
        #[serde(default = "five_seconds")]
        #[schemars(range(min = 1))]
        timeout_ms: u64,
        /// Bytes of an answer that are held back until it is checked.
        #[serde(default = "max_buffer_bytes")]
        #[schemars(range(min = 1))]
        max_buffer_bytes: u64,
        /// What becomes of an answer with more bytes.
        #[serde(default)]
        on_buffer_exceeded: OnBufferExceeded,
    }
}

guardrail! {
    /// OpenAI's moderation endpoint.
    remote struct OpenAiModeration {
        /// The key.
        #[schemars(length(min = 1))]
        api_key: Secret,
        /// Root of the API, an http or https URL.
        #[serde(default = "openai")]
        #[schemars(length(min = 1))]
        endpoint: String,
        /// The moderation model.
        #[serde(default = "moderation_model")]
        #[schemars(length(min = 1))]
        model: String,
        /// Scores from which a text is stopped although the model does not flag it, 0 to 1, by category.
        #[serde(default)]
        category_thresholds: BTreeMap<String, Score>,
        /// Milliseconds for a verdict.
        #[serde(default = "five_seconds")]
        #[schemars(range(min = 1))]
        timeout_ms: u64,
    }
}

guardrail! {
    /// Microsoft Presidio: takes personal data out of texts, or stops texts with it.
    remote struct Presidio {
        /// Root of the analyzer, an http or https URL.
        #[schemars(length(min = 1))]
        analyzer_url: String,
        /// Root of the anonymizer, an http or https URL.
        #[schemars(length(min = 1))]
        anonymizer_url: String,
        /// What is looked for; empty = all that the analyzer knows.
        #[serde(default)]
        entities: Vec<PresidioEntity>,
        /// What is done about a finding where nothing else is said.
        #[serde(default)]
        default_action: FindingAction,
        /// How a finding is masked.
        #[serde(default)]
        operator: PresidioOperator,
        /// Language of the texts, two letters.
        #[serde(default = "english")]
        #[schemars(length(min = 1))]
        language: String,
        /// Certainty from which a finding counts, 0 to 1; None = the analyzer's.
        #[schemars(range(min = 0.0, max = 1.0))]
        score_threshold: Option<f64>,
        /// Milliseconds for each of the two calls.
        #[serde(default = "five_seconds")]
        #[schemars(range(min = 1))]
        timeout_ms: u64,
        /// Bytes of an answer that are held back until it is checked.
        #[serde(default = "max_buffer_bytes")]
        #[schemars(range(min = 1))]
        max_buffer_bytes: u64,
        /// What becomes of an answer with more bytes.
        #[serde(default)]
        on_buffer_exceeded: OnBufferExceeded,
    }
}

/// A credential for AWS, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "kind:AwsCredentials", rename_all = "snake_case")]
#[schemars(tag = "kind", rename = "AwsCredentials")]
pub enum AwsCredentials {
    Static(StaticCredentials),
}

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct StaticCredentials {
    /// Id of the access key.
    #[schemars(length(min = 1))]
    pub access_key_id: String,
    /// Secret of the access key.
    #[schemars(length(min = 1))]
    pub secret_access_key: Secret,
}

/// How long a verdict is waited for, told apart by `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename = "kind:LatencyMode", rename_all = "snake_case")]
#[schemars(tag = "kind", rename = "LatencyMode")]
pub enum LatencyMode {
    /// As long as it takes.
    Serial,
    Timed(TimedLatency),
}

/// For a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TimedLatency {
    /// Milliseconds after which the check counts as failed.
    #[schemars(range(min = 100, max = 5000))]
    pub timeout_ms: u64,
}

/// A score, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Score(#[schemars(range(min = 0.0, max = 1.0))] pub f64);

/// A kind of data that Presidio looks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct PresidioEntity {
    /// Presidio's name of it: `CREDIT_CARD`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1))]
    pub kind: String,
    /// What is done about it; None = `default_action`.
    pub action: Option<FindingAction>,
}

/// How Presidio masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresidioOperator {
    #[default]
    Replace,
    Mask,
    Hash,
    Redact,
}

impl AzurePromptShield {
    pub(super) fn check(&self, rules: &mut Rules) {
        rules.try_at("endpoint", address::web(&self.endpoint));
    }
}

impl Lakera {
    pub(super) fn check(&self, rules: &mut Rules) {
        rules.try_at("endpoint", address::web(&self.endpoint));
    }
}

impl OpenAiModeration {
    pub(super) fn check(&self, rules: &mut Rules) {
        rules.try_at("endpoint", address::web(&self.endpoint));
    }
}

impl Presidio {
    pub(super) fn check(&self, rules: &mut Rules) {
        rules.try_at("analyzer_url", address::web(&self.analyzer_url));
        rules.try_at("anonymizer_url", address::web(&self.anonymizer_url));
    }
}

fn lakera() -> String {
    "https://api.lakera.ai".to_owned()
}

fn openai() -> String {
    "https://api.openai.com/v1".to_owned()
}

fn moderation_model() -> String {
    "omni-moderation-latest".to_owned()
}

fn english() -> String {
    "en".to_owned()
}
