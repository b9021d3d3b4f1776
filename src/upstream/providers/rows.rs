//! The rows. What a vendor speaks, and how it differs, is what its documentation says at the address beside it.
//!
//! A format stands in a row only if the vendor documents it for all its models: callers of that format are passed
//! through to it as they are. Where it does not, they are translated.

use super::{Auth, Layout, Provider, Speaks};
use crate::dialect::DialectId::{self, Anthropic, Bedrock, Gemini, OpenAiChat, Responses};
use crate::dialect::canon::Effort;
use crate::dialect::quirks::Quirks;

const fn speaks(dialect: DialectId, at: &'static str, auth: Auth) -> Speaks {
    Speaks { dialect, at, auth }
}

/// What rows begin with: speaks OpenAI chat by its older names, at an address of its user's.
const ROW: Provider = Provider {
    label: "",
    also: &[],
    site: None,
    speaks: &[speaks(OpenAiChat, "", Auth::Bearer)],
    named: &[],
    layout: Layout::Plain,
    local: false,
    key_env: &[],
    base_env: "",
    aliases: &[],
    quirks: Quirks::COMPATIBLE,
};

/// OpenAI chat at `/v1`, as most vendors have it.
const CHAT_V1: &[Speaks] = &[speaks(OpenAiChat, "/v1", Auth::Bearer)];

/// Nobody knows what is behind it: what its callers say goes as they say it.
pub const ANY_OPENAI: Provider = Provider { quirks: Quirks { corrects: false, ..Quirks::COMPATIBLE }, ..ROW };
pub const ANY_RESPONSES: Provider =
    Provider { speaks: &[speaks(Responses, "", Auth::Bearer)], quirks: Quirks::NONE, ..ROW };
pub const ANY_ANTHROPIC: Provider =
    Provider { speaks: &[speaks(Anthropic, "", Auth::XApiKey)], quirks: Quirks::NONE, ..ROW };
pub const ANY_GEMINI: Provider =
    Provider { speaks: &[speaks(Gemini, "", Auth::XGoogApiKey)], quirks: Quirks::NONE, ..ROW };

/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>; keys as
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html>. The region of the key gives the address.
pub const BEDROCK: Provider = Provider {
    label: "bedrock",
    also: &["aws-bedrock"],
    speaks: &[speaks(Bedrock, "", Auth::Aws)],
    key_env: &["AWS_BEARER_TOKEN_BEDROCK"],
    base_env: "BEDROCK_BASE_URL",
    aliases: &["bedrock/*"],
    quirks: Quirks::NONE,
    ..ROW
};

/// Gemini: <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>; Claude:
/// <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>; others:
/// <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis>.
pub const VERTEX: Provider = Provider {
    label: "vertex",
    also: &["vertex-ai", "vertex_ai"],
    speaks: &[
        speaks(Gemini, "", Auth::Google),
        speaks(Anthropic, "", Auth::Google),
        speaks(OpenAiChat, "", Auth::Google),
    ],
    layout: Layout::Vertex,
    quirks: Quirks {
        knows_its_own: true,
        anthropic_version: Some("vertex-2023-10-16"),
        ..Quirks::COMPATIBLE
    },
    ..ROW
};

/// <https://learn.microsoft.com/en-us/azure/foundry/openai/api-version-lifecycle>; Claude, at a resource of its own:
/// <https://platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry>.
pub const AZURE: Provider = Provider {
    label: "azure-openai",
    also: &["azure"],
    speaks: &[speaks(OpenAiChat, "", Auth::Azure), speaks(Responses, "", Auth::Azure)],
    named: &[speaks(Anthropic, "/anthropic", Auth::Azure)],
    layout: Layout::Azure,
    key_env: &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"],
    base_env: "AZURE_OPENAI_ENDPOINT",
    aliases: &["azure/*"],
    quirks: Quirks::NONE,
    ..ROW
};

pub static PROVIDERS: &[Provider] = &[
    // https://developers.openai.com/api/reference/overview
    Provider {
        label: "openai",
        site: Some("https://api.openai.com"),
        speaks: &[speaks(OpenAiChat, "/v1", Auth::Bearer), speaks(Responses, "/v1", Auth::Bearer)],
        key_env: &["OPENAI_API_KEY"],
        base_env: "OPENAI_BASE_URL",
        aliases: &["openai/*", "gpt-*", "o1*", "o3*", "o4*", "chatgpt-*"],
        quirks: Quirks::NONE,
        ..ROW
    },
    // https://platform.claude.com/docs/en/api/overview
    Provider {
        label: "anthropic",
        site: Some("https://api.anthropic.com"),
        speaks: &[speaks(Anthropic, "", Auth::XApiKey)],
        key_env: &["ANTHROPIC_API_KEY"],
        base_env: "ANTHROPIC_BASE_URL",
        aliases: &["anthropic/*", "claude-*"],
        quirks: Quirks::NONE,
        ..ROW
    },
    // https://ai.google.dev/api/generate-content, and for the second format https://ai.google.dev/gemini-api/docs/openai
    Provider {
        label: "gemini",
        also: &["google"],
        site: Some("https://generativelanguage.googleapis.com"),
        speaks: &[speaks(Gemini, "/v1beta", Auth::XGoogApiKey)],
        named: &[speaks(OpenAiChat, "/v1beta/openai", Auth::Bearer)],
        key_env: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        base_env: "GEMINI_BASE_URL",
        aliases: &["gemini/*", "gemini-*"],
        quirks: Quirks {
            knows_its_own: true,
            efforts: &[Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High],
            ..Quirks::COMPATIBLE
        },
        ..ROW
    },
    AZURE,
    VERTEX,
    BEDROCK,
    // https://api-docs.deepseek.com and https://api-docs.deepseek.com/guides/anthropic_api. A turn with a tool call is
    // refused without its thoughts (https://api-docs.deepseek.com/guides/thinking_mode); content is documented as text
    // (https://api-docs.deepseek.com/api/create-chat-completion).
    Provider {
        label: "deepseek",
        site: Some("https://api.deepseek.com"),
        speaks: &[speaks(OpenAiChat, "", Auth::Bearer), speaks(Anthropic, "/anthropic", Auth::XApiKey)],
        key_env: &["DEEPSEEK_API_KEY"],
        base_env: "DEEPSEEK_BASE_URL",
        aliases: &["deepseek/*", "deepseek-*"],
        quirks: Quirks {
            returns_thoughts: true,
            plain_content: true,
            thinking_switch: true,
            efforts: &[Effort::Low, Effort::High, Effort::Max],
            ..Quirks::COMPATIBLE
        },
        ..ROW
    },
    // https://docs.mistral.ai/api/endpoint/chat: members it does not list are refused; usage comes unasked. Efforts as
    // https://docs.mistral.ai/capabilities/reasoning/adjustable.
    Provider {
        label: "mistral",
        site: Some("https://api.mistral.ai"),
        speaks: CHAT_V1,
        key_env: &["MISTRAL_API_KEY"],
        base_env: "MISTRAL_BASE_URL",
        aliases: &["mistral/*", "mistral-*"],
        quirks: Quirks {
            stream_options: false,
            efforts: &[Effort::None, Effort::High],
            call_id_length: Some(9),
            renames: &[("seed", "random_seed")],
            refuses: &[
                "logit_bias",
                "logprobs",
                "modalities",
                "audio",
                "safety_identifier",
                "service_tier",
                "store",
                "top_logprobs",
                "user",
                "verbosity",
            ],
            ..Quirks::COMPATIBLE
        },
        ..ROW
    },
    // https://console.groq.com/docs/openai (what is refused) and https://console.groq.com/docs/reasoning
    Provider {
        label: "groq",
        site: Some("https://api.groq.com"),
        speaks: &[speaks(OpenAiChat, "/openai/v1", Auth::Bearer)],
        key_env: &["GROQ_API_KEY"],
        base_env: "GROQ_BASE_URL",
        aliases: &["groq/*"],
        quirks: Quirks {
            max_tokens: "max_completion_tokens",
            thoughts: "reasoning",
            refuses: &["logit_bias", "logprobs", "top_logprobs"],
            ..Quirks::COMPATIBLE
        },
        ..ROW
    },
    // https://docs.x.ai/developers/rest-api-reference/inference/chat and
    // https://docs.x.ai/developers/model-capabilities/text/comparison. Its Anthropic format is deprecated.
    Provider {
        label: "xai",
        site: Some("https://api.x.ai"),
        speaks: &[speaks(OpenAiChat, "/v1", Auth::Bearer), speaks(Responses, "/v1", Auth::Bearer)],
        key_env: &["XAI_API_KEY"],
        base_env: "XAI_BASE_URL",
        aliases: &["xai/*", "grok-*"],
        quirks: Quirks { max_tokens: "max_completion_tokens", ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://openrouter.ai/docs/api-reference/overview; thoughts as
    // https://openrouter.ai/docs/use-cases/reasoning-tokens. Anthropic's format is documented for Anthropic's own models
    // (https://openrouter.ai/docs/guides/coding-agents/claude-code-integration), Responses as a beta.
    Provider {
        label: "openrouter",
        site: Some("https://openrouter.ai"),
        speaks: &[speaks(OpenAiChat, "/api/v1", Auth::Bearer)],
        named: &[speaks(Anthropic, "/api", Auth::Bearer)],
        key_env: &["OPENROUTER_API_KEY"],
        base_env: "OPENROUTER_BASE_URL",
        aliases: &["openrouter/*"],
        quirks: Quirks {
            knows_its_own: true,
            thoughts: "reasoning",
            returns_thoughts: true,
            top_k: true,
            cache_marks: true,
            efforts: Quirks::NONE.efforts,
            ..Quirks::COMPATIBLE
        },
        ..ROW
    },
    // https://docs.together.ai/docs/openai-api-compatibility. Its other formats are documented for some models.
    Provider {
        label: "together",
        also: &["together_ai", "togetherai"],
        site: Some("https://api.together.xyz"),
        speaks: CHAT_V1,
        key_env: &["TOGETHER_API_KEY"],
        base_env: "TOGETHER_BASE_URL",
        aliases: &["together/*"],
        quirks: Quirks { thoughts: "reasoning", top_k: true, ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://docs.fireworks.ai/tools-sdks/openai-compatibility, https://docs.fireworks.ai/guides/response-api and
    // https://docs.fireworks.ai/tools-sdks/anthropic-compatibility
    Provider {
        label: "fireworks",
        also: &["fireworks_ai", "fireworks-ai"],
        site: Some("https://api.fireworks.ai"),
        speaks: &[
            speaks(OpenAiChat, "/inference/v1", Auth::Bearer),
            speaks(Responses, "/inference/v1", Auth::Bearer),
            speaks(Anthropic, "/inference", Auth::Bearer),
        ],
        key_env: &["FIREWORKS_API_KEY"],
        base_env: "FIREWORKS_BASE_URL",
        aliases: &["fireworks/*"],
        quirks: Quirks { top_k: true, ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://docs.perplexity.ai/docs/agent-api/openai-compatibility. Its chat completions ended in September 2026
    // (https://docs.perplexity.ai/docs/agent-api/migrate-from-sonar/overview).
    Provider {
        label: "perplexity",
        site: Some("https://api.perplexity.ai"),
        speaks: &[speaks(Responses, "/v1", Auth::Bearer)],
        key_env: &["PERPLEXITY_API_KEY"],
        base_env: "PERPLEXITY_BASE_URL",
        aliases: &["perplexity/*"],
        quirks: Quirks::NONE,
        ..ROW
    },
    // https://docs.cohere.com/docs/compatibility-api lists what it does not take.
    Provider {
        label: "cohere",
        site: Some("https://api.cohere.com"),
        speaks: &[speaks(OpenAiChat, "/compatibility/v1", Auth::Bearer)],
        key_env: &["COHERE_API_KEY", "CO_API_KEY"],
        base_env: "COHERE_BASE_URL",
        aliases: &["cohere/*", "command-*"],
        quirks: Quirks {
            efforts: &[Effort::None, Effort::High],
            refuses: &[
                "audio",
                "logit_bias",
                "metadata",
                "modalities",
                "n",
                "parallel_tool_calls",
                "prediction",
                "service_tier",
                "store",
                "top_logprobs",
            ],
            ..Quirks::COMPATIBLE
        },
        ..ROW
    },
    // https://jina.ai/embeddings, https://jina.ai/reranker. Its one chat model is at https://deepsearch.jina.ai/v1.
    Provider {
        label: "jina",
        also: &["jina_ai"],
        site: Some("https://api.jina.ai"),
        speaks: CHAT_V1,
        key_env: &["JINA_API_KEY"],
        base_env: "JINA_BASE_URL",
        aliases: &["jina/*"],
        ..ROW
    },
    // https://platform.kimi.ai/docs/api/chat and https://platform.kimi.ai/docs/guide/agent-support. Thoughts of tool calls are
    // wanted back (https://platform.kimi.ai/docs/guide/use-kimi-k2-thinking-model); thinking has a switch
    // (https://platform.kimi.ai/docs/api/models-overview).
    Provider {
        label: "moonshot",
        also: &["kimi", "moonshotai"],
        site: Some("https://api.moonshot.ai"),
        speaks: &[speaks(OpenAiChat, "/v1", Auth::Bearer), speaks(Anthropic, "/anthropic", Auth::Bearer)],
        key_env: &["MOONSHOT_API_KEY"],
        base_env: "MOONSHOT_BASE_URL",
        aliases: &["moonshot/*", "kimi-*"],
        quirks: Quirks {
            returns_thoughts: true,
            thinking_switch: true,
            efforts: &[Effort::Low, Effort::High, Effort::Max],
            ..Quirks::COMPATIBLE
        },
        ..ROW
    },
    // https://www.alibabacloud.com/help/en/model-studio/base-url. The other formats are documented for some models:
    // https://www.alibabacloud.com/help/en/model-studio/anthropic-api-messages and
    // https://www.alibabacloud.com/help/en/model-studio/compatibility-with-openai-responses-api.
    Provider {
        label: "qwen",
        also: &["dashscope"],
        site: Some("https://dashscope-intl.aliyuncs.com"),
        speaks: &[speaks(OpenAiChat, "/compatible-mode/v1", Auth::Bearer)],
        named: &[
            speaks(Anthropic, "/apps/anthropic", Auth::XApiKey),
            speaks(Responses, "/api/v2/apps/protocols/compatible-mode/v1", Auth::Bearer),
        ],
        key_env: &["DASHSCOPE_API_KEY"],
        base_env: "DASHSCOPE_BASE_URL",
        aliases: &["qwen/*"],
        quirks: Quirks { top_k: true, ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://docs.bigmodel.cn/cn/guide/develop/openai/introduction and https://docs.bigmodel.cn/cn/guide/develop/claude/introduction; thoughts
    // are wanted back between tool calls (https://docs.z.ai/guides/capabilities/thinking-mode).
    Provider {
        label: "zhipu",
        also: &["zhipuai", "bigmodel"],
        site: Some("https://open.bigmodel.cn"),
        speaks: ZHIPU,
        key_env: &["ZHIPU_API_KEY", "ZHIPUAI_API_KEY"],
        base_env: "ZHIPU_BASE_URL",
        aliases: &["zhipu/*"],
        quirks: ZHIPU_QUIRKS,
        ..ROW
    },
    // The same outside China: https://docs.z.ai/guides/develop/openai/python
    Provider {
        label: "zai",
        also: &["z-ai"],
        site: Some("https://api.z.ai"),
        speaks: ZHIPU,
        key_env: &["ZAI_API_KEY"],
        base_env: "ZAI_BASE_URL",
        aliases: &["zai/*"],
        quirks: ZHIPU_QUIRKS,
        ..ROW
    },
    // https://docs.api.nvidia.com/nim/reference/llm-apis
    Provider {
        label: "nvidia",
        also: &["nvidia_nim", "nvidia-nim", "nim"],
        site: Some("https://integrate.api.nvidia.com"),
        speaks: CHAT_V1,
        key_env: &["NVIDIA_API_KEY"],
        base_env: "NVIDIA_BASE_URL",
        aliases: &["nvidia/*"],
        ..ROW
    },
    // https://docs.vllm.ai/en/latest/serving/openai_compatible_server/ and
    // https://docs.vllm.ai/en/latest/features/reasoning_outputs/; port 8000.
    Provider {
        label: "vllm",
        also: &["hosted_vllm"],
        local: true,
        speaks: LOCAL_ALL,
        key_env: &["VLLM_API_KEY"],
        base_env: "VLLM_BASE_URL",
        aliases: &["vllm/*"],
        quirks: Quirks { thoughts: "reasoning", top_k: true, ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://docs.sglang.io/docs/basic_usage/openai_api_completions and
    // https://docs.sglang.io/docs/basic_usage/anthropic_api; port 30000.
    Provider {
        label: "sglang",
        local: true,
        speaks: LOCAL_CHAT_AND_MESSAGES,
        key_env: &["SGLANG_API_KEY"],
        base_env: "SGLANG_BASE_URL",
        aliases: &["sglang/*"],
        quirks: Quirks { top_k: true, ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://docs.ollama.com/api/openai-compatibility and https://docs.ollama.com/api/anthropic-compatibility; port 11434.
    // The same at https://ollama.com/v1 with a key, which is a bearer in both formats.
    Provider {
        label: "ollama",
        local: true,
        speaks: LOCAL_ALL,
        key_env: &["OLLAMA_API_KEY"],
        base_env: "OLLAMA_BASE_URL",
        aliases: &["ollama/*"],
        quirks: Quirks { thoughts: "reasoning", refuses: &["logit_bias", "user", "n"], ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://lmstudio.ai/docs/developer/openai-compat and https://lmstudio.ai/docs/developer/anthropic-compat; port 1234.
    Provider {
        label: "lmstudio",
        also: &["lm-studio", "lm_studio"],
        local: true,
        speaks: LOCAL_ALL,
        key_env: &["LM_API_TOKEN", "LMSTUDIO_API_KEY"],
        base_env: "LMSTUDIO_BASE_URL",
        aliases: &["lmstudio/*"],
        quirks: Quirks { top_k: true, ..Quirks::COMPATIBLE },
        ..ROW
    },
    // https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; port 8080.
    Provider {
        label: "llamacpp",
        also: &["llama.cpp", "llama-cpp"],
        local: true,
        speaks: LOCAL_CHAT_AND_MESSAGES,
        key_env: &["LLAMA_API_KEY"],
        base_env: "LLAMACPP_BASE_URL",
        aliases: &["llamacpp/*"],
        quirks: Quirks { top_k: true, ..Quirks::COMPATIBLE },
        ..ROW
    },
];

const ZHIPU: &[Speaks] =
    &[speaks(OpenAiChat, "/api/paas/v4", Auth::Bearer), speaks(Anthropic, "/api/anthropic", Auth::XApiKey)];

const ZHIPU_QUIRKS: Quirks = Quirks { returns_thoughts: true, thinking_switch: true, ..Quirks::COMPATIBLE };

const LOCAL_CHAT_AND_MESSAGES: &[Speaks] =
    &[speaks(OpenAiChat, "/v1", Auth::Bearer), speaks(Anthropic, "", Auth::Bearer)];

const LOCAL_ALL: &[Speaks] = &[
    speaks(OpenAiChat, "/v1", Auth::Bearer),
    speaks(Responses, "/v1", Auth::Bearer),
    speaks(Anthropic, "", Auth::Bearer),
];
