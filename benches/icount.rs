//! Runs one case a given number of times, and nothing else, so that callgrind can count its instructions:
//! `icount CASE TIMES`. Without arguments it lists the cases. See `icount.sh`.
//!
//! Only what a request does on the processor is here. What whole requests cost is measured in `load-tests`.

use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use aisix::dialect::{DialectId, StreamEdits};
use aisix::policy::auth::{self, Credentials};
use aisix::resources::{ApiKey, Model, ProviderKey, Snapshot};
use bytes::Bytes;

/// One run of a case.
type Run = Box<dyn FnMut()>;

/// A case: its name, and what prepares it. Preparation is not counted.
type Case = (&'static str, fn() -> Run);

const CASES: &[Case] = &[
    ("identify_among_1000_keys", identify),
    ("find_model_among_1000", find_model),
    ("peek_chat_300b", || peek(DialectId::OpenAiChat, 300)),
    ("peek_chat_2k", || peek(DialectId::OpenAiChat, 2 * 1024)),
    ("peek_chat_16k", || peek(DialectId::OpenAiChat, 16 * 1024)),
    ("peek_messages_2k", || peek(DialectId::Anthropic, 2 * 1024)),
    ("splice_chat_request_2k", || splice_request(DialectId::OpenAiChat)),
    ("splice_messages_request_2k", || splice_request(DialectId::Anthropic)),
    ("splice_chat_answer", || splice_answer(DialectId::OpenAiChat, CHAT_ANSWER)),
    ("splice_messages_answer", || splice_answer(DialectId::Anthropic, MESSAGES_ANSWER)),
    ("pass_chat_frame", || pass(DialectId::OpenAiChat, CHAT_FRAME, 1, None)),
    ("pass_chat_frame_renamed", || pass(DialectId::OpenAiChat, CHAT_FRAME, 1, Some(ALIAS))),
    ("pass_64_chat_frames_renamed", || pass(DialectId::OpenAiChat, CHAT_FRAME, 64, Some(ALIAS))),
    ("pass_messages_frame", || pass(DialectId::Anthropic, MESSAGES_FRAME, 1, None)),
    ("pass_messages_frame_renamed", || pass(DialectId::Anthropic, MESSAGES_FRAME, 1, Some(ALIAS))),
    ("pass_64_messages_frames_renamed", || pass(DialectId::Anthropic, MESSAGES_FRAME, 64, Some(ALIAS))),
];

fn main() -> ExitCode {
    // Cargo adds flags of its own.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [name, times] = arguments.as_slice() else {
        return list();
    };
    let case = CASES.iter().find(|(known, _)| known == name);
    let (Some((_, prepare)), Ok(times)) = (case, times.parse::<u64>()) else {
        return ExitCode::FAILURE;
    };
    let mut run = prepare();
    for _ in 0..times {
        run();
    }
    ExitCode::SUCCESS
}

fn list() -> ExitCode {
    let mut out = std::io::stdout().lock();
    for (name, _) in CASES {
        if writeln!(out, "{name}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// From the credential in a header to the caller.
fn identify() -> Run {
    let snapshot = snapshot();
    let now = SystemTime::now();
    Box::new(move || {
        let credentials = Credentials { authorization: Some(b"Bearer sk-key-500"), x_api_key: None };
        black_box(auth::identify(&snapshot, black_box(credentials), now)).expect("the key is known");
    })
}

fn find_model() -> Run {
    let snapshot = snapshot();
    Box::new(move || {
        black_box(snapshot.model(black_box("model-500"))).expect("the model is known");
    })
}

fn snapshot() -> Snapshot {
    let mut builder = Snapshot::builder()
        .add_provider_key(ProviderKey::new("provider", "openai", "sk-upstream"), "provider-key-id");
    for index in 0..1000 {
        builder = builder
            .add_api_key(ApiKey::new(&format!("sk-key-{index}"), &["*"]), format!("key-{index}"))
            .add_model(
                Model::direct(&format!("model-{index}"), "openai", UPSTREAM_MODEL, "provider-key-id"),
                format!("model-id-{index}"),
            );
    }
    builder.build().expect("the rows fit together")
}

fn peek(dialect: DialectId, size: usize) -> Run {
    let body = request(size);
    Box::new(move || {
        black_box(dialect.dialect().peek(black_box(&body))).expect("the body is sound");
    })
}

fn splice_request(dialect: DialectId) -> Run {
    let body = request(2 * 1024);
    let peek = dialect.dialect().peek(&body).expect("the body is sound");
    Box::new(move || {
        black_box(dialect.dialect().splice_request(black_box(&body), &peek, UPSTREAM_MODEL, true));
    })
}

fn splice_answer(dialect: DialectId, answer: &'static str) -> Run {
    let body = Bytes::from_static(answer.as_bytes());
    Box::new(move || {
        black_box(dialect.dialect().splice_answer(black_box(&body), ALIAS)).expect("the answer is sound");
    })
}

/// Frames of a stream under way, `count` of them in one chunk.
fn pass(dialect: DialectId, frame: &'static str, count: usize, alias: Option<&str>) -> Run {
    let chunk = Bytes::from(frame.repeat(count));
    let edits = StreamEdits { model: alias.map(str::to_owned), hide_usage: true };
    let mut pass = dialect.dialect().stream(edits);
    Box::new(move || {
        black_box(pass.push(black_box(chunk.clone()))).expect("the frames are short");
    })
}

/// A request of about `size` bytes, with the escapes that text has.
fn request(size: usize) -> Bytes {
    let head = format!(r#"{{"model":"{ALIAS}","stream":true,"max_tokens":256,"temperature":0.7,"messages":"#);
    let (open, close) = (r#"[{"role":"user","content":"Hello. "#, r#""}]}"#);
    let missing = size.saturating_sub(head.len() + open.len() + close.len());
    let text = SENTENCE.repeat(missing / SENTENCE.len());
    Bytes::from([&head, open, &text, close].concat())
}

/// As it stands in JSON: a line of text with two quotes and a line break.
const SENTENCE: &str =
    r#"The quick brown fox said \"jump\" and jumped over the lazy dog, twice, to be on the safe side.\n"#;
const ALIAS: &str = "load-chat";
const UPSTREAM_MODEL: &str = "gpt-4o-mini-2024-07-18";

const CHAT_ANSWER: &str = concat!(
    r#"{"id":"chatcmpl-1","object":"chat.completion","created":1795233354,"model":"gpt-4o-mini-2024-07-18","#,
    r#""service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"message":{"role":"#,
    r#""assistant","content":"This answer is short.","refusal":null,"annotations":[]},"logprobs":null,"#,
    r#""finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,"#,
    r#""prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":"#,
    r#"{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}"#,
);
const MESSAGES_ANSWER: &str = concat!(
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":"#,
    r#"[{"type":"text","text":"This answer is short."}],"stop_reason":"end_turn","stop_sequence":null,"#,
    r#""usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3,"#,
    r#""cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"service_tier":"standard"}}"#,
);
const CHAT_FRAME: &str = concat!(
    r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795233352,"#,
    r#""model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_1","#,
    r#""choices":[{"index":0,"delta":{"content":" answer"},"logprobs":null,"finish_reason":null}]}"#,
    "\n\n",
);
const MESSAGES_FRAME: &str = concat!(
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" answer"}}"#,
    "\n\n",
);
