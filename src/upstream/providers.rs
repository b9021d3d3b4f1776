//! The vendors we know, as rows of data.
//!
//! A row says which wire format a vendor speaks, where it is, and which environment variables its users
//! already set. A vendor without a row works as well: it names its adapter and its base address.

use crate::dialect::DialectId;

/// What is asked of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Chat,
    Messages,
    CountTokens,
}

impl Operation {
    pub const ALL: [Operation; 3] = [Operation::Chat, Operation::Messages, Operation::CountTokens];

    /// Path below the endpoint's root.
    pub fn path(self) -> &'static str {
        match self {
            Operation::Chat => "/chat/completions",
            Operation::Messages => "/v1/messages",
            Operation::CountTokens => "/v1/messages/count_tokens",
        }
    }
}

/// One vendor.
#[derive(Debug)]
pub struct Provider {
    /// The vendor label of `provider` members.
    pub label: &'static str,
    pub dialect: DialectId,
    /// Root of its API; none where every user has an own one.
    pub base: Option<&'static str>,
    /// Variable that holds a key, with older spellings behind it.
    pub key_env: &'static [&'static str],
    /// Variable that overrides or gives the base address.
    pub base_env: &'static str,
    /// Aliases made when the gateway starts from its environment alone; `*` captures the model id.
    pub aliases: &'static [&'static str],
}

const fn openai_like(
    label: &'static str,
    base: Option<&'static str>,
    key_env: &'static [&'static str],
    base_env: &'static str,
    aliases: &'static [&'static str],
) -> Provider {
    Provider { label, dialect: DialectId::OpenAiChat, base, key_env, base_env, aliases }
}

/// Base addresses as the vendors document them for their OpenAI-compatible or native endpoints.
pub static PROVIDERS: &[Provider] = &[
    openai_like(
        "openai",
        Some("https://api.openai.com/v1"),
        &["OPENAI_API_KEY"],
        "OPENAI_BASE_URL",
        &["openai/*", "gpt-*", "o1*", "o3*", "o4*", "chatgpt-*"],
    ),
    Provider {
        label: "anthropic",
        dialect: DialectId::Anthropic,
        base: Some("https://api.anthropic.com"),
        key_env: &["ANTHROPIC_API_KEY"],
        base_env: "ANTHROPIC_BASE_URL",
        aliases: &["anthropic/*", "claude-*"],
    },
    openai_like(
        "gemini",
        Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        "GEMINI_BASE_URL",
        &["gemini/*", "gemini-*"],
    ),
    openai_like(
        "deepseek",
        Some("https://api.deepseek.com"),
        &["DEEPSEEK_API_KEY"],
        "DEEPSEEK_BASE_URL",
        &["deepseek/*", "deepseek-*"],
    ),
    openai_like(
        "mistral",
        Some("https://api.mistral.ai/v1"),
        &["MISTRAL_API_KEY"],
        "MISTRAL_BASE_URL",
        &["mistral/*", "mistral-*"],
    ),
    openai_like(
        "groq",
        Some("https://api.groq.com/openai/v1"),
        &["GROQ_API_KEY"],
        "GROQ_BASE_URL",
        &["groq/*"],
    ),
    openai_like("xai", Some("https://api.x.ai/v1"), &["XAI_API_KEY"], "XAI_BASE_URL", &["xai/*", "grok-*"]),
    openai_like(
        "openrouter",
        Some("https://openrouter.ai/api/v1"),
        &["OPENROUTER_API_KEY"],
        "OPENROUTER_BASE_URL",
        &["openrouter/*"],
    ),
    openai_like(
        "together",
        Some("https://api.together.xyz/v1"),
        &["TOGETHER_API_KEY"],
        "TOGETHER_BASE_URL",
        &["together/*"],
    ),
    openai_like("ollama", None, &["OLLAMA_API_KEY"], "OLLAMA_BASE_URL", &["ollama/*"]),
    openai_like("vllm", None, &["VLLM_API_KEY"], "VLLM_BASE_URL", &["vllm/*"]),
];

/// The row of a vendor label.
pub fn provider(label: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.label == label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_aliases_are_unique_and_bases_parse() {
        let mut seen = std::collections::HashSet::new();
        for row in PROVIDERS {
            assert!(seen.insert(row.label), "{}", row.label);
            assert!(
                row.aliases.iter().all(|alias| seen.insert(alias) && alias.ends_with('*')),
                "{}",
                row.label
            );
            if let Some(base) = row.base {
                let uri: http::Uri = base.parse().expect("a URL");
                assert_eq!(uri.scheme_str(), Some("https"), "{}", row.label);
            }
        }
    }
}
