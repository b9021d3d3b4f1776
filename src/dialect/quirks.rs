//! What vendors do differently within one dialect, as data.

use super::canon::Effort;

/// How one vendor departs from the dialect it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Name of the bound on an answer's tokens (OpenAI chat).
    pub max_tokens: &'static str,
    /// Takes `developer` messages (OpenAI chat).
    pub developer_role: bool,
    /// Takes `stream_options`; one that does not tells usage unasked, or not at all.
    pub stream_options: bool,
    /// Member of a message that holds thoughts.
    pub thoughts: &'static str,
    /// Wants the thoughts of earlier turns back; most refuse or ignore them.
    pub returns_thoughts: bool,
    /// Wants text content as one string and not as a list.
    pub plain_content: bool,
    /// Takes what few but OpenAI take: `custom` tools, the choice `allowed_tools`, parts of type `refusal`.
    pub openai_only: bool,
    /// Takes `top_k` (OpenAI chat).
    pub top_k: bool,
    /// Takes `cache_control` on parts and tools (OpenAI chat).
    pub cache_marks: bool,
    /// The words it takes for `reasoning_effort`, from least to most. Others become the nearest one below, or the first.
    pub efforts: &'static [Effort],
    /// Thinking is switched by `thinking.type`, `enabled` or `disabled` (OpenAI chat).
    pub thinking_switch: bool,
    /// Ids of calls must have exactly so many letters and digits (OpenAI chat).
    pub call_id_length: Option<usize>,
    /// Members it calls otherwise: ours, theirs.
    pub renames: &'static [(&'static str, &'static str)],
    /// Members it refuses. Left out and named.
    pub refuses: &'static [&'static str],
    /// `anthropic_version` in the body, in place of the header and of `model` (Vertex).
    pub anthropic_version: Option<&'static str>,
}

impl Quirks {
    /// As the dialect's owner documents it.
    pub const NONE: Quirks = Quirks {
        max_tokens: "max_completion_tokens",
        developer_role: true,
        stream_options: true,
        thoughts: "reasoning_content",
        returns_thoughts: false,
        plain_content: false,
        openai_only: true,
        top_k: false,
        cache_marks: false,
        efforts: &[
            Effort::None,
            Effort::Minimal,
            Effort::Low,
            Effort::Medium,
            Effort::High,
            Effort::ExtraHigh,
        ],
        thinking_switch: false,
        call_id_length: None,
        renames: &[],
        refuses: &[],
        anthropic_version: None,
    };

    /// As most servers speak OpenAI chat: by its older names.
    pub const COMPATIBLE: Quirks = Quirks {
        max_tokens: "max_tokens",
        developer_role: false,
        openai_only: false,
        efforts: &[Effort::Low, Effort::Medium, Effort::High],
        ..Quirks::NONE
    };
}
