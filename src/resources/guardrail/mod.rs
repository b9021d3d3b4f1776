//! What looks at prompts and answers, and stops or rewrites them.

/// Writes the struct of a kind with the members that every kind has in front. `remote` kinds ask someone else and
/// have a member more.
macro_rules! guardrail {
    ($(#[$meta:meta])* local struct $kind:ident { $($own:tt)* }) => {
        guardrail! { @write [] $(#[$meta])* struct $kind { $($own)* } }
    };
    ($(#[$meta:meta])* remote struct $kind:ident { $($own:tt)* }) => {
        guardrail! {
            @write [output_fail_open]
            $(#[$meta])*
            struct $kind {
                /// Does an answer pass when it could not be checked? Prompts follow `fail_open`.
                #[serde(default)]
                output_fail_open: bool,
                $($own)*
            }
        }
    };
    (
        @write [$($fails_open:ident)?]
        $(#[$meta:meta])* struct $kind:ident { $($(#[$attr:meta])* $member:ident: $type:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[schemars(inline)]
        pub struct $kind {
            /// Derived from the row's name or given by the store.
            #[serde(skip)]
            pub id: String,
            /// What operators call it, and what a caller is told whose request it stops.
            #[schemars(length(min = 1))]
            pub name: String,
            /// Looks at requests only while true.
            #[serde(default = "crate::resources::values::on")]
            pub enabled: bool,
            /// What it looks at.
            #[serde(default)]
            pub hook_point: $crate::resources::guardrail::HookPoint,
            /// Does it act on what it finds, or only count it?
            #[serde(default)]
            pub enforcement_mode: $crate::resources::guardrail::EnforcementMode,
            /// Does a prompt pass when it could not be checked?
            #[serde(default = "crate::resources::values::on")]
            pub fail_open: bool,
            /// Stops whatever could not be checked, whatever else is said of failures.
            #[serde(default)]
            pub mandatory: bool,
            /// Kept, and without effect.
            pub direction: Option<String>,
            /// Guardrails are asked in the order of these times, those without one last. RFC 3339.
            #[serde(default, deserialize_with = "crate::resources::values::timestamp")]
            #[schemars(with = "Option<String>", extend("format" = "date-time"))]
            pub created_at: Option<std::time::SystemTime>,
            $($(#[$attr])* pub $member: $type,)*
        }

        impl $kind {
            pub(super) fn common(&self) -> $crate::resources::guardrail::Common<'_> {
                $crate::resources::guardrail::Common {
                    id: &self.id,
                    name: &self.name,
                    enabled: self.enabled,
                    hook_point: self.hook_point,
                    enforcement_mode: self.enforcement_mode,
                    fail_open: self.fail_open,
                    output_fail_open: false $(|| self.$fails_open)?,
                    mandatory: self.mandatory,
                    created_at: self.created_at,
                }
            }
        }
    };
}

mod local;
mod moderation;
mod remote;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::Resource;
use super::rules::Rules;
use crate::document::Fault;
pub use local::{
    CustomPattern, Detector, DetectorType, Keyword, Pattern, PatternKind, Pii, Semantic, SemanticCategory,
};
pub use moderation::{
    AliyunAiGuardrail, AliyunTextModeration, AzureCategory, AzureTextModeration, BlockedLevel, OutputType,
    ServiceLevel, SeverityThresholds, TextSource,
};
pub use remote::{
    AwsCredentials, AzurePromptShield, Bedrock, Lakera, LatencyMode, OpenAiModeration, Presidio,
    PresidioEntity, PresidioOperator, StaticCredentials, TimedLatency,
};

/// A check of prompts and answers, told apart by `kind`. It applies to all requests, or where it is attached.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename = "kind:Guardrail", rename_all = "snake_case")]
#[schemars(tag = "kind", rename = "Guardrail")]
#[schemars(extend("examples" = [{"name": "no-access-keys", "kind": "keyword", "hook_point": "both", "patterns": [{"kind": "regex", "value": "AKIA[0-9A-Z]{16}"}]}]))]
pub enum Guardrail {
    Keyword(Keyword),
    Pii(Pii),
    Bedrock(Bedrock),
    #[serde(rename = "azure_content_safety")]
    AzurePromptShield(AzurePromptShield),
    #[serde(rename = "azure_content_safety_text_moderation")]
    AzureTextModeration(AzureTextModeration),
    AliyunTextModeration(AliyunTextModeration),
    AliyunAiGuardrail(AliyunAiGuardrail),
    Lakera(Lakera),
    #[serde(rename = "openai_moderation")]
    OpenAiModeration(OpenAiModeration),
    Presidio(Presidio),
    Semantic(Semantic),
}

/// What every guardrail has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Common<'g> {
    pub id: &'g str,
    pub name: &'g str,
    pub enabled: bool,
    pub hook_point: HookPoint,
    pub enforcement_mode: EnforcementMode,
    pub fail_open: bool,
    /// False for kinds that ask nobody.
    pub output_fail_open: bool,
    pub mandatory: bool,
    pub created_at: Option<SystemTime>,
}

/// What a guardrail looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookPoint {
    /// Prompts.
    Input,
    /// Answers.
    Output,
    /// Both.
    #[default]
    Both,
}

/// What a guardrail does with what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnforcementMode {
    /// Stops or rewrites.
    #[default]
    Block,
    /// Counts.
    Monitor,
}

/// What is done about a finding that can be taken out of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingAction {
    /// Something else is put in its place.
    #[default]
    Mask,
    /// The request is stopped.
    Block,
}

/// What becomes of an answer that is too long to be held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBufferExceeded {
    /// It ends with an error.
    #[default]
    FailClosed,
    /// It passes unchecked.
    FailOpen,
}

/// How much of a streamed answer is held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamProcessingMode {
    /// As much as is checked at once.
    #[default]
    Window,
    /// All of it.
    BufferFull,
}

/// The same for every kind.
macro_rules! each {
    ($guardrail:expr, $own:ident => $what:expr) => {
        match $guardrail {
            Guardrail::Keyword($own) => $what,
            Guardrail::Pii($own) => $what,
            Guardrail::Bedrock($own) => $what,
            Guardrail::AzurePromptShield($own) => $what,
            Guardrail::AzureTextModeration($own) => $what,
            Guardrail::AliyunTextModeration($own) => $what,
            Guardrail::AliyunAiGuardrail($own) => $what,
            Guardrail::Lakera($own) => $what,
            Guardrail::OpenAiModeration($own) => $what,
            Guardrail::Presidio($own) => $what,
            Guardrail::Semantic($own) => $what,
        }
    };
}

impl Guardrail {
    /// What every guardrail has.
    pub fn common(&self) -> Common<'_> {
        each!(self, own => own.common())
    }
}

impl Resource for Guardrail {
    const COLLECTION: &'static str = "guardrails";
    const TITLE: &'static str = "guardrail";

    fn identified(&mut self, id: &str) {
        each!(self, own => id.clone_into(&mut own.id));
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        match self {
            Guardrail::Keyword(own) => own.check(&mut rules),
            Guardrail::Pii(own) => own.check(&mut rules),
            Guardrail::AzurePromptShield(own) => own.check(&mut rules),
            Guardrail::AzureTextModeration(own) => own.check(&mut rules),
            Guardrail::AliyunTextModeration(own) => own.check(&mut rules),
            Guardrail::AliyunAiGuardrail(own) => own.check(&mut rules),
            Guardrail::Lakera(own) => own.check(&mut rules),
            Guardrail::OpenAiModeration(own) => own.check(&mut rules),
            Guardrail::Presidio(own) => own.check(&mut rules),
            Guardrail::Bedrock(_) | Guardrail::Semantic(_) => {}
        }
        rules.faults()
    }
}

/// Milliseconds that a remote guardrail has for its verdict.
fn five_seconds() -> u64 {
    5000
}

/// Bytes of an answer that are held back.
fn max_buffer_bytes() -> u64 {
    262_144
}
