//! What a provider's refusal is about, where another target may do better.

use super::Problem;

/// A reason to ask another model for the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The prompt, or prompt and answer together, do not fit into this model.
    ContextLength,
    /// The provider does not serve this model, or not to this account.
    UnknownModel,
    /// The provider will not answer this content.
    ContentPolicy,
}

/// The meaning of a refusal with `status`; None where it is the request that is at fault, or nobody knows.
pub fn meaning(status: u16, problem: &Problem) -> Option<Meaning> {
    let said = |words: &[&str]| {
        [&problem.code, &problem.kind].into_iter().flatten().any(|said| words.contains(&said.as_str()))
    };
    let message = problem.message.as_deref().unwrap_or_default();
    let message = message.get(..message.len().min(LONGEST_MESSAGE)).unwrap_or(message).to_ascii_lowercase();
    let told = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    match status {
        413 => Some(Meaning::ContextLength),
        400 | 422 if said(CONTEXT_CODES) || told(CONTEXT_PHRASES) => Some(Meaning::ContextLength),
        400 | 403 if said(POLICY_CODES) || told(POLICY_PHRASES) => Some(Meaning::ContentPolicy),
        404 => Some(Meaning::UnknownModel),
        400 | 403 if said(MODEL_CODES) || told(MODEL_PHRASES) => Some(Meaning::UnknownModel),
        _ => None,
    }
}

/// OpenAI and those compatible with it; llama.cpp.
const CONTEXT_CODES: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size_error",
    "string_above_max_length",
    "max_tokens_exceeded",
];
/// OpenAI and vLLM; Anthropic; Gemini; Bedrock; Mistral; Cohere.
const CONTEXT_PHRASES: &[&str] = &[
    "maximum context length",
    "context window",
    "context limit",
    "prompt is too long",
    "input token count",
    "input tokens exceed",
    "input is too long",
    "too large for model with",
    "too many tokens",
    "exceeds the available context size",
    "longer than the model's context length",
];
/// OpenAI; Azure.
const POLICY_CODES: &[&str] = &["content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation"];
/// Azure; Anthropic.
const POLICY_PHRASES: &[&str] = &["content management policy", "content filtering policy", "usage policy"];
/// OpenAI; Azure; Groq; DashScope.
const MODEL_CODES: &[&str] =
    &["model_not_found", "DeploymentNotFound", "model_decommissioned", "ModelNotFound", "invalid_model"];
/// OpenAI; DeepSeek; Bedrock; Mistral.
const MODEL_PHRASES: &[&str] = &[
    "does not exist or you do not have access",
    "model not exist",
    "model identifier is invalid",
    "invalid model",
    "don't have access to the model",
];
/// Bytes of a message that are searched.
const LONGEST_MESSAGE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_words_for_what_another_model_could_serve_are_known() {
        use Meaning::*;
        let table = [
            (400, "", "context_length_exceeded", Some(ContextLength)),
            (400, "This model's maximum context length is 8192 tokens. However, …", "", Some(ContextLength)),
            (400, "prompt is too long: 215430 tokens > 200000 maximum", "", Some(ContextLength)),
            (
                400,
                "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).",
                "",
                Some(ContextLength),
            ),
            (400, "Input is too long for requested model.", "", Some(ContextLength)),
            (
                400,
                "the request exceeds the available context size",
                "exceed_context_size_error",
                Some(ContextLength),
            ),
            (413, "", "", Some(ContextLength)),
            (
                404,
                "The model `gpt-9` does not exist or you do not have access to it.",
                "model_not_found",
                Some(UnknownModel),
            ),
            (404, "model: claude-9", "not_found_error", Some(UnknownModel)),
            (400, "The provided model identifier is invalid.", "", Some(UnknownModel)),
            (403, "You don't have access to the model with the specified model ID.", "", Some(UnknownModel)),
            (
                400,
                "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                "content_filter",
                Some(ContentPolicy),
            ),
            (400, "Output blocked by content filtering policy", "", Some(ContentPolicy)),
            (400, "messages: at least one message is required", "invalid_request_error", None),
            (422, "temperature must be at most 2", "", None),
            (429, "too many tokens per minute", "", None),
            (500, "context window", "", None),
        ];
        for (status, message, code, expected) in table {
            let problem = Problem {
                message: Some(message.to_owned()),
                code: Some(code.to_owned()),
                ..Problem::default()
            };
            assert_eq!(meaning(status, &problem), expected, "{status} {message} {code}");
        }
    }
}
