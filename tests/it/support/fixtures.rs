//! Requests and answers of the two dialects as their vendors document them, small enough to read.

/// The plaintext of the caller key every gateway of the suite knows.
pub const CALLER: &str = "sk-00112233445566778899aabbccddeeff";
/// An admin key.
pub const ADMIN: &str = "sk-admin-of-the-tests";
/// What the gateway must send to the OpenAI-shaped upstream.
pub const OPENAI_SECRET: &str = "sk-provider-openai-5ecre7";
/// What the gateway must send to the Anthropic-shaped upstream.
pub const ANTHROPIC_SECRET: &str = "sk-provider-anthropic-5ecre7";

/// A chat request with odd spacing, escapes, number spellings and unknown members, which all must survive.
pub const CHAT: &str = r#"{ "temperature": 1.0e0,"model" : "chat", "messages":[{"role":"user","content":"caf\u00e9 ☕ model"}],
  "x_unknown": {"model":"chat", "deep":[1,2.50,{"a":null}]} }"#;

/// The answer to it, with an upstream model id and members no gateway knows.
pub const CHAT_ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000, "model":"gpt-real-2026","choices":[{"index":0,"message":{"role":"assistant","content":"the model is gpt-real-2026","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":3}},"system_fingerprint":"fp_1","x_new":[1.50]}"#;

pub const CHAT_STREAM_REQUEST: &str =
    r#"{"model":"chat","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// The same, asking for the usage frame.
pub const CHAT_STREAM_USAGE_REQUEST: &str = r#"{"model":"chat","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;

/// A chat stream: role, two pieces of text, the finish, usage, the terminator.
pub const CHAT_FRAMES: &[&str] = &[
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-real-2026\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-real-2026\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-real-2026\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" again\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-real-2026\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-real-2026\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
    "data: [DONE]\n\n",
];

/// Which of [`CHAT_FRAMES`] is the usage frame.
pub const CHAT_USAGE_FRAME: usize = 4;

/// A Messages request, unknown members included.
pub const MESSAGE: &str = r#"{"model":"claude","max_tokens":64, "system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"h\u00e9llo"}],"thinking":{"type":"adaptive"},"x_new":1E2}"#;

pub const MESSAGE_ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-real-2026","content":[{"type":"text","text":"I am claude-real-2026"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":6,"service_tier":"standard"}}"#;

pub const MESSAGE_STREAM_REQUEST: &str =
    r#"{"model":"claude","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// A Messages stream with every kind of event a text answer has.
pub const MESSAGE_FRAMES: &[&str] = &[
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"claude-real-2026\",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

/// The upstream model ids become the aliases; nothing else changes.
pub fn aliased(text: &str) -> String {
    text.replace(r#""model":"gpt-real-2026""#, r#""model":"chat""#)
        .replace(r#""model":"claude-real-2026""#, r#""model":"claude""#)
}
