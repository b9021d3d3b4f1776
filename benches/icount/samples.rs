//! What the vendors' SDKs send and what the vendors answer, as it stands on the wire.

use bytes::Bytes;

/// One request and its answer.
pub struct Talk {
    pub request_head: String,
    pub request: Bytes,
    pub answer_head: String,
    /// Data of the answer's body, piece by piece as it arrives.
    pub pieces: Vec<Bytes>,
}

impl Talk {
    fn new(path: &str, fields: &str, request: Bytes, framing: &str, pieces: Vec<Bytes>) -> Self {
        let length = request.len();
        Talk {
            request_head: format!(
                "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n{fields}Content-Length: {length}\r\n\r\n"
            ),
            request,
            answer_head: format!("HTTP/1.1 200 OK\r\n{framing}\r\n{PROVIDER_FIELDS}\r\n"),
            pieces,
        }
    }
}

/// A small chat with a whole answer.
pub fn chat() -> Talk {
    let framing = format!("Content-Type: application/json\r\nContent-Length: {}", CHAT_ANSWER.len());
    Talk::new(
        CHAT,
        CHAT_FIELDS,
        request(300, false),
        &framing,
        vec![Bytes::from_static(CHAT_ANSWER.as_bytes())],
    )
}

/// A small message with a whole answer.
pub fn messages() -> Talk {
    let framing = format!("Content-Type: application/json\r\nContent-Length: {}", MESSAGES_ANSWER.len());
    let answer = vec![Bytes::from_static(MESSAGES_ANSWER.as_bytes())];
    Talk::new("/v1/messages", MESSAGES_FIELDS, request(300, false), &framing, answer)
}

/// A small chat with a stream: so many frames, each on its own, then usage and terminator together.
pub fn chat_stream(frames: usize) -> Talk {
    let framing = "Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked";
    let mut pieces = vec![Bytes::from_static(CHAT_FRAME.as_bytes()); frames];
    pieces.push(Bytes::from([CHAT_USAGE, "data: [DONE]\n\n"].concat()));
    Talk::new(CHAT, CHAT_FIELDS, request(300, true), framing, pieces)
}

/// A request of about `size` bytes, with the escapes that text has. Both dialects read it.
pub fn request(size: usize, stream: bool) -> Bytes {
    let head =
        format!(r#"{{"model":"{ALIAS}","stream":{stream},"max_tokens":256,"temperature":0.7,"messages":"#);
    let (open, close) = (r#"[{"role":"user","content":"Hello. "#, r#""}]}"#);
    let missing = size.saturating_sub(head.len() + open.len() + close.len());
    let text = SENTENCE.repeat(missing / SENTENCE.len());
    Bytes::from([&head, open, &text, close].concat())
}

/// As it stands in JSON: a line of text with two quotes and a line break.
const SENTENCE: &str =
    r#"The quick brown fox said \"jump\" and jumped over the lazy dog, twice, to be on the safe side.\n"#;
pub const ALIAS: &str = "load-chat";
pub const UPSTREAM_MODEL: &str = "gpt-4o-mini-2024-07-18";
pub const CALLER_KEY: &str = "sk-caller-0123456789abcdef0123456789abcdef";

const CHAT: &str = "/v1/chat/completions";

/// Of OpenAI's SDK for Python.
const CHAT_FIELDS: &str = concat!(
    "Accept-Encoding: gzip, deflate\r\n",
    "Connection: keep-alive\r\n",
    "Accept: application/json\r\n",
    "Content-Type: application/json\r\n",
    "User-Agent: OpenAI/Python 2.8.1\r\n",
    "X-Stainless-Lang: python\r\n",
    "X-Stainless-Package-Version: 2.8.1\r\n",
    "X-Stainless-OS: Linux\r\n",
    "X-Stainless-Arch: x64\r\n",
    "X-Stainless-Runtime: CPython\r\n",
    "X-Stainless-Runtime-Version: 3.12.3\r\n",
    "Authorization: Bearer sk-caller-0123456789abcdef0123456789abcdef\r\n",
    "X-Stainless-Async: false\r\n",
    "x-stainless-retry-count: 0\r\n",
    "x-stainless-read-timeout: 600\r\n",
);
/// Of Anthropic's.
const MESSAGES_FIELDS: &str = concat!(
    "Accept-Encoding: gzip, deflate\r\n",
    "Connection: keep-alive\r\n",
    "Accept: application/json\r\n",
    "Content-Type: application/json\r\n",
    "User-Agent: Anthropic/Python 0.75.0\r\n",
    "X-Stainless-Lang: python\r\n",
    "X-Stainless-Package-Version: 0.75.0\r\n",
    "X-Stainless-OS: Linux\r\n",
    "X-Stainless-Arch: x64\r\n",
    "X-Stainless-Runtime: CPython\r\n",
    "X-Stainless-Runtime-Version: 3.12.3\r\n",
    "X-Api-Key: sk-caller-0123456789abcdef0123456789abcdef\r\n",
    "X-Stainless-Async: false\r\n",
    "anthropic-version: 2023-06-01\r\n",
    "x-stainless-retry-count: 0\r\n",
    "x-stainless-timeout: 600\r\n",
);
/// As a load generator sends it.
pub const BARE_HEAD: &str = concat!(
    "POST /v1/chat/completions HTTP/1.1\r\n",
    "Host: 127.0.0.1:3000\r\n",
    "Content-Length: 311\r\n",
    "Content-Type: application/json\r\n",
    "Authorization: Bearer sk-caller-0123456789abcdef0123456789abcdef\r\n",
    "\r\n",
);
/// What a provider behind a content network says besides type and framing.
const PROVIDER_FIELDS: &str = concat!(
    "Date: Thu, 20 Nov 2025 09:29:14 GMT\r\n",
    "Connection: keep-alive\r\n",
    "access-control-expose-headers: X-Request-ID\r\n",
    "openai-organization: org-0123456789\r\n",
    "openai-processing-ms: 412\r\n",
    "openai-version: 2020-10-01\r\n",
    "x-envoy-upstream-service-time: 430\r\n",
    "x-ratelimit-limit-requests: 10000\r\n",
    "x-ratelimit-limit-tokens: 200000\r\n",
    "x-ratelimit-remaining-requests: 9999\r\n",
    "x-ratelimit-remaining-tokens: 199989\r\n",
    "x-ratelimit-reset-requests: 8.64s\r\n",
    "x-ratelimit-reset-tokens: 3ms\r\n",
    "x-request-id: req_0123456789abcdef0123456789abcdef\r\n",
    "strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n",
    "cf-cache-status: DYNAMIC\r\n",
    "Set-Cookie: __cf_bm=0123456789abcdef; path=/; HttpOnly; Secure; SameSite=None\r\n",
    "X-Content-Type-Options: nosniff\r\n",
    "Server: cloudflare\r\n",
    "CF-RAY: 0123456789abcdef-FRA\r\n",
    "alt-svc: h3=\":443\"; ma=86400\r\n",
);

pub const CHAT_ANSWER: &str = concat!(
    r#"{"id":"chatcmpl-1","object":"chat.completion","created":1795233354,"model":"gpt-4o-mini-2024-07-18","#,
    r#""service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"message":{"role":"#,
    r#""assistant","content":"This answer is short.","refusal":null,"annotations":[]},"logprobs":null,"#,
    r#""finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"#,
    r#""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":"#,
    r#"{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}"#,
);
pub const MESSAGES_ANSWER: &str = concat!(
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":"#,
    r#"[{"type":"text","text":"This answer is short."}],"stop_reason":"end_turn","stop_sequence":null,"#,
    r#""usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3,"#,
    r#""cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"service_tier":"standard"}}"#,
);
pub const CHAT_FRAME: &str = concat!(
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795233352,"#,
    r#""model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_1","#,
    r#""choices":[{"index":0,"delta":{"content":" answer"},"logprobs":null,"finish_reason":null}]}"#,
    "\n\n",
);
const CHAT_USAGE: &str = concat!(
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795233352,"#,
    r#""model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_1","choices":[],"#,
    r#""usage":{"prompt_tokens":5,"completion_tokens":64,"total_tokens":69,"prompt_tokens_details":"#,
    r#"{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"#,
    r#""audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}"#,
    "\n\n",
);
pub const MESSAGES_FRAME: &str = concat!(
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" answer"}}"#,
    "\n\n",
);
pub const MESSAGES_START: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","#,
    r#""model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,"stop_sequence":null,"#,
    r#""usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
    "\n\n",
);
pub const MESSAGES_OPEN: &str = concat!(
    "event: content_block_start\n",
    r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    "\n\n",
);
pub const GEMINI_FRAME: &str = concat!(
    r#"data: {"candidates": [{"content": {"parts": [{"text": " answer"}],"role": "model"},"index": 0}],"#,
    r#""usageMetadata": {"promptTokenCount": 5,"candidatesTokenCount": 3,"totalTokenCount": 8,"#,
    r#""promptTokensDetails": [{"modality": "TEXT","tokenCount": 5}]},"modelVersion": "gemini-2.5-flash","#,
    r#""responseId": "r-0123456789"}"#,
    "\r\n\r\n",
);
