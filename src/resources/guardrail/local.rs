//! Guardrails that ask nobody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FindingAction, OnBufferExceeded, max_buffer_bytes};
use crate::resources::rules::Rules;
use crate::resources::values::expression;

guardrail! {
    /// Stops texts in which a word or a pattern occurs.
    local struct Keyword {
        /// What must not occur; empty allows everything.
        patterns: Vec<Pattern>,
    }
}

guardrail! {
    /// Takes personal data and credentials out of texts, or stops texts with them.
    local struct Pii {
        /// What is looked for.
        #[serde(default)]
        detectors: Vec<Detector>,
        /// What else is looked for.
        #[serde(default)]
        custom_patterns: Vec<CustomPattern>,
        /// What is done about a finding where nothing else is said.
        #[serde(default)]
        default_action: FindingAction,
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
    /// Takes sentences out of texts that mean what must not be said. Needs a local embedding model.
    local struct Semantic {
        /// What must not be said.
        #[schemars(length(min = 1, max = 30))]
        categories: Vec<SemanticCategory>,
    }
}

/// Something that must not occur.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Pattern {
    /// How the value is meant.
    pub kind: PatternKind,
    /// The text, or the expression.
    #[schemars(length(min = 1))]
    pub value: String,
}

/// How a pattern is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatternKind {
    /// The text itself, regardless of case.
    Literal,
    /// A regular expression.
    Regex,
}

/// A kind of data that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub struct Detector {
    /// Which data.
    #[serde(rename = "type")]
    pub kind: DetectorType,
    /// What is done about it; None = `default_action`.
    pub action: Option<FindingAction>,
}

/// Kinds of data that can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectorType {
    Email,
    ChinaMobile,
    ChinaIdCard,
    BankCard,
    UsSsn,
    IpAddress,
    ApiKey,
    Jwt,
    PrivateKey,
}

/// Data that operators describe.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct CustomPattern {
    /// What it is called where it is counted and masked.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// A regular expression. With a group in it, the group alone is masked.
    #[schemars(length(min = 1))]
    pub regex: String,
    /// What is done about it; None = `default_action`.
    pub action: Option<FindingAction>,
    /// What is put in its place; None = `[<NAME>_REDACTED]`.
    #[schemars(length(max = 256))]
    pub replacement: Option<String>,
}

/// A subject that must not be spoken of.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct SemanticCategory {
    /// What it is called where it is counted and masked.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// What it is about.
    #[serde(default)]
    #[schemars(length(max = 1000), extend("x-ui" = {"multiline": true}))]
    pub description: String,
    /// Sentences that belong to it.
    #[schemars(length(min = 1, max = 10), inner(length(min = 1)))]
    pub candidate_patterns: Vec<String>,
    /// Words without which a sentence is not looked at: one of each group.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub hotword_groups: Vec<HotwordGroup>,
    /// Sentences that do not belong to it although they are near.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1)))]
    pub negative_patterns: Vec<String>,
    /// The least likeness to one of its sentences, -1 to 1.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub threshold: f64,
    /// What is put in place of a sentence; None = `[<NAME>_REDACTED]`.
    #[schemars(length(max = 256))]
    pub replacement: Option<String>,
    /// What is done about a sentence.
    #[serde(default)]
    pub action: SemanticAction,
}

/// Words of which one is enough.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct HotwordGroup {
    /// The words.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1)))]
    pub terms: Vec<String>,
}

/// What is done about a sentence that must not be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SemanticAction {
    #[default]
    Mask,
}

impl Keyword {
    pub(super) fn check(&self, rules: &mut Rules) {
        for (index, pattern) in self.patterns.iter().enumerate() {
            if pattern.kind == PatternKind::Regex {
                rules.try_at(format!("patterns[{index}].value"), expression(&pattern.value, false));
            }
        }
    }
}

impl Pii {
    pub(super) fn check(&self, rules: &mut Rules) {
        for (index, pattern) in self.custom_patterns.iter().enumerate() {
            rules.try_at(format!("custom_patterns[{index}].regex"), expression(&pattern.regex, false));
        }
    }
}
