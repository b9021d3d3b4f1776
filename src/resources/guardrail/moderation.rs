//! Guardrails that have texts classified by degree, window by window: Azure's text moderation and Alibaba Cloud's
//! two services.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OnBufferExceeded, StreamProcessingMode, five_seconds, max_buffer_bytes};
use crate::document::Secret;
use crate::resources::address;
use crate::resources::rules::Rules;

guardrail! {
    /// Azure AI Content Safety: texts with hate, sexual content, self-harm or violence.
    remote struct AzureTextModeration {
        /// The resource's endpoint, an http or https URL.
        #[schemars(length(min = 1))]
        endpoint: String,
        /// Key of the resource.
        #[schemars(length(min = 1))]
        api_key: Secret,
        /// What is looked for.
        #[serde(default = "all_categories")]
        categories: Vec<AzureCategory>,
        /// Severity from which a text is stopped, 0 to 7.
        #[serde(default = "two")]
        #[schemars(range(min = 0, max = 7))]
        severity_threshold: u8,
        /// Severities from which a text is stopped, for categories that have one of their own.
        #[serde(default)]
        severity_threshold_by_category: SeverityThresholds,
        /// How finely severities are told apart.
        #[serde(default)]
        output_type: OutputType,
        /// Block lists of the resource that are looked through.
        #[serde(default)]
        #[schemars(inner(length(min = 1)))]
        blocklist_names: Vec<String>,
        /// Skips the categories when a block list matches.
        #[serde(default)]
        halt_on_blocklist_hit: bool,
        /// Which messages of a prompt are looked at.
        #[serde(default)]
        text_source: TextSource,
        /// How much of a streamed answer is held back.
        #[serde(default)]
        stream_processing_mode: StreamProcessingMode,
        /// Characters that are checked at once.
        #[serde(default = "azure_window")]
        #[schemars(range(min = 1, max = 10_000))]
        window_size: u32,
        /// Characters that are checked again with the next ones. Fewer than `window_size`.
        #[serde(default = "azure_overlap")]
        window_overlap_size: u32,
        /// Bytes of an answer that are held back with `buffer_full`.
        #[serde(default = "max_buffer_bytes")]
        #[schemars(range(min = 1))]
        max_buffer_bytes: u64,
        /// What becomes of an answer with more bytes.
        #[serde(default)]
        on_buffer_exceeded: OnBufferExceeded,
        /// Milliseconds for a verdict.
        #[serde(default = "five_seconds")]
        #[schemars(range(min = 1))]
        timeout_ms: u64,
    }
}

guardrail! {
    /// Alibaba Cloud's text moderation.
    remote struct AliyunTextModeration {
        /// Region of the service.
        #[schemars(regex(pattern = "^[a-z0-9-]+$"), extend("x-must" = NOT_A_REGION))]
        region: String,
        /// Id of the access key.
        #[schemars(length(min = 1))]
        access_key_id: String,
        /// Secret of the access key.
        #[schemars(length(min = 1))]
        access_key_secret: Secret,
        /// Host or http or https URL of the service; None = the region's.
        #[schemars(length(min = 1))]
        endpoint: Option<String>,
        /// Risk from which a text is stopped.
        #[serde(default)]
        risk_level_threshold: BlockedLevel,
        /// How much of a streamed answer is held back.
        #[serde(default)]
        stream_processing_mode: StreamProcessingMode,
        /// Characters that are checked at once.
        #[serde(default = "aliyun_window")]
        #[schemars(range(min = 1, max = 2000))]
        window_size: u32,
        /// Characters that are checked again with the next ones. Fewer than `window_size`.
        #[serde(default = "aliyun_overlap")]
        window_overlap_size: u32,
        /// Bytes of an answer that are held back with `buffer_full`.
        #[serde(default = "max_buffer_bytes")]
        #[schemars(range(min = 1))]
        max_buffer_bytes: u64,
        /// What becomes of an answer with more bytes.
        #[serde(default)]
        on_buffer_exceeded: OnBufferExceeded,
        /// Milliseconds for a verdict.
        #[serde(default = "five_seconds")]
        #[schemars(range(min = 1))]
        timeout_ms: u64,
    }
}

guardrail! {
    /// Alibaba Cloud's AI guardrail.
    remote struct AliyunAiGuardrail {
        /// Region of the service.
        #[schemars(regex(pattern = "^[a-z0-9-]+$"), extend("x-must" = NOT_A_REGION))]
        region: String,
        /// Id of the access key.
        #[schemars(length(min = 1))]
        access_key_id: String,
        /// Secret of the access key.
        #[schemars(length(min = 1))]
        access_key_secret: Secret,
        /// Host or http or https URL of the service; None = the region's.
        #[schemars(length(min = 1))]
        endpoint: Option<String>,
        /// Which service is asked.
        #[serde(default)]
        service_level: ServiceLevel,
        /// How much of a streamed answer is held back.
        #[serde(default)]
        stream_processing_mode: StreamProcessingMode,
        /// Characters that are checked at once.
        #[serde(default = "aliyun_window")]
        #[schemars(range(min = 1, max = 2000))]
        window_size: u32,
        /// Characters that are checked again with the next ones. Fewer than `window_size`.
        #[serde(default = "aliyun_overlap")]
        window_overlap_size: u32,
        /// Bytes of an answer that are held back with `buffer_full`.
        #[serde(default = "max_buffer_bytes")]
        #[schemars(range(min = 1))]
        max_buffer_bytes: u64,
        /// What becomes of an answer with more bytes.
        #[serde(default)]
        on_buffer_exceeded: OnBufferExceeded,
        /// Milliseconds for a verdict.
        #[serde(default = "five_seconds")]
        #[schemars(range(min = 1))]
        timeout_ms: u64,
    }
}

/// What Azure's text moderation looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum AzureCategory {
    Hate,
    Sexual,
    SelfHarm,
    Violence,
}

/// Severities from which a text is stopped, 0 to 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "PascalCase")]
pub struct SeverityThresholds {
    /// For hate.
    #[schemars(range(min = 0, max = 7))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hate: Option<u8>,
    /// For sexual content.
    #[schemars(range(min = 0, max = 7))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sexual: Option<u8>,
    /// For self-harm.
    #[schemars(range(min = 0, max = 7))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_harm: Option<u8>,
    /// For violence.
    #[schemars(range(min = 0, max = 7))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub violence: Option<u8>,
}

/// How finely Azure tells severities apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum OutputType {
    /// 0, 2, 4 and 6.
    #[default]
    FourSeverityLevels,
    /// 0 to 7.
    EightSeverityLevels,
}

/// Which messages of a prompt are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextSource {
    /// The user's.
    #[default]
    ConcatenateUserContent,
    /// All.
    ConcatenateAllContent,
}

/// Degrees of risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockedLevel {
    Low,
    Medium,
    #[default]
    High,
}

/// Services of Alibaba Cloud's AI guardrail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceLevel {
    #[default]
    Pro,
    Basic,
}

impl AzureTextModeration {
    pub(super) fn check(&self, rules: &mut Rules) {
        rules.try_at("endpoint", address::web(&self.endpoint));
        overlap(self.window_overlap_size, self.window_size, rules);
    }
}

impl AliyunTextModeration {
    pub(super) fn check(&self, rules: &mut Rules) {
        rules.try_at("endpoint", service(self.endpoint.as_deref()));
        overlap(self.window_overlap_size, self.window_size, rules);
    }
}

impl AliyunAiGuardrail {
    pub(super) fn check(&self, rules: &mut Rules) {
        rules.try_at("endpoint", service(self.endpoint.as_deref()));
        overlap(self.window_overlap_size, self.window_size, rules);
    }
}

/// A window that overlaps itself never moves on.
fn overlap(overlap: u32, window: u32, rules: &mut Rules) {
    rules.check(overlap < window, "window_overlap_size", "must be smaller than window_size");
}

/// Is it a host, or an address?
fn service(endpoint: Option<&str>) -> Result<(), &'static str> {
    match endpoint {
        None => Ok(()),
        Some(address) if address.contains("://") => address::web(address),
        Some(host) if address::is_host(host) => Ok(()),
        Some(_) => Err("must be a host, or an http:// or https:// address"),
    }
}

fn all_categories() -> Vec<AzureCategory> {
    use AzureCategory::{Hate, SelfHarm, Sexual, Violence};
    vec![Hate, Sexual, SelfHarm, Violence]
}

fn two() -> u8 {
    2
}

fn azure_window() -> u32 {
    10_000
}

fn azure_overlap() -> u32 {
    256
}

fn aliyun_window() -> u32 {
    2000
}

fn aliyun_overlap() -> u32 {
    128
}

const NOT_A_REGION: &str = "must be a region such as cn-shanghai: a-z, 0-9 and hyphens";
