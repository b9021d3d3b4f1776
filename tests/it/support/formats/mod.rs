//! The five formats as a test meets them: one model behind each, what callers send, what providers answer, and how
//! an answer of any of them is read. Written from the vendors' documentation; nothing here knows what the gateway does.

pub mod answers;
pub mod told;

use serde_json::{Value, json};

use super::client::Request;
use super::fixtures::{ANTHROPIC_SECRET, CALLER, OPENAI_SECRET};
use super::setup::Setup;
use super::upstream::Upstream;

/// What the gateway must send to the Gemini-shaped upstream.
pub const GEMINI_SECRET: &str = "provider-gemini-5ecre7";
/// Who signs requests to the Bedrock-shaped upstream. The secret half never leaves the gateway.
pub const AWS_ID: &str = "AKIAITTESTS";
pub const AWS_SECRET: &str = "aws-5ecre7";

/// What the user says in every request, and the application before it.
pub const PROMPT: &str = "Grüß \"sie\" \u{1f600}";
pub const INSTRUCTIONS: &str = "be brief";

/// Headers and query of callers that mean something to one vendor alone.
pub const VENDORS_HEADERS: &[(&str, &str)] = &[
    ("anthropic-version", "2020-02-02"),
    ("anthropic-beta", "prompt-caching-2024-07-31"),
    ("openai-beta", "assistants=v2"),
    ("openai-organization", "org-callers"),
    ("openai-project", "proj-callers"),
    ("x-goog-api-client", "genai-js/1.0"),
    ("x-goog-user-project", "callers-project"),
];

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
    Bedrock,
}

use Format::{Anthropic, Bedrock, Gemini, OpenAi, Responses};

/// Formats that callers may speak.
pub const CALLERS: [Format; 4] = [OpenAi, Responses, Anthropic, Gemini];
/// Formats that providers may speak.
pub const TARGETS: [Format; 5] = [OpenAi, Responses, Anthropic, Gemini, Bedrock];

/// Every caller with every target of another format.
pub fn pairs() -> impl Iterator<Item = (Format, Format)> {
    let targets = |caller| TARGETS.into_iter().filter(move |target| *target != caller);
    CALLERS.into_iter().flat_map(move |caller| targets(caller).map(move |target| (caller, target)))
}

impl Format {
    /// The alias of the model that a provider of this format serves, and of that format alone.
    pub fn alias(self) -> &'static str {
        match self {
            OpenAi => "at-openai",
            Responses => "at-responses",
            Anthropic => "at-anthropic",
            Gemini => "at-gemini",
            Bedrock => "at-bedrock",
        }
    }

    /// The provider's own id of it.
    pub fn model(self) -> &'static str {
        match self {
            OpenAi | Responses => "gpt-real",
            Anthropic => "claude-real",
            Gemini => "gemini-real",
            Bedrock => "amazon.real-v1:0",
        }
    }

    /// Where a provider of this format is asked.
    pub fn path(self, stream: bool) -> &'static str {
        match (self, stream) {
            (OpenAi, _) => "/o/v1/chat/completions",
            (Responses, _) => "/r/v1/responses",
            (Anthropic, _) => "/a/v1/messages",
            (Gemini, false) => "/v1beta/models/gemini-real:generateContent",
            (Gemini, true) => "/v1beta/models/gemini-real:streamGenerateContent?alt=sse",
            (Bedrock, false) => "/model/amazon.real-v1%3A0/converse",
            (Bedrock, true) => "/model/amazon.real-v1%3A0/converse-stream",
        }
    }

    /// A caller's path for an alias, without a query but for the one that a stream of events needs.
    pub fn target(self, alias: &str, stream: bool) -> String {
        match (self, stream) {
            (OpenAi, _) => "/v1/chat/completions".into(),
            (Responses, _) => "/v1/responses".into(),
            (Anthropic, _) => "/v1/messages".into(),
            (Gemini, false) => format!("/v1beta/models/{alias}:generateContent"),
            (Gemini, true) => format!("/v1beta/models/{alias}:streamGenerateContent?alt=sse"),
            (Bedrock, _) => panic!("nobody calls in this format"),
        }
    }

    /// A caller's request for an alias.
    pub fn body(self, alias: &str, stream: bool) -> Value {
        match self {
            OpenAi => {
                let mut body = json!({"model": alias, "max_tokens": 64, "temperature": 0.5,
                    "messages": [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": PROMPT}]});
                if stream {
                    body["stream"] = json!(true);
                    body["stream_options"] = json!({"include_usage": true});
                }
                body
            }
            Responses => {
                json!({"model": alias, "max_output_tokens": 64, "temperature": 0.5, "stream": stream,
                "instructions": INSTRUCTIONS, "input": PROMPT})
            }
            Anthropic => json!({"model": alias, "max_tokens": 64, "temperature": 0.5, "stream": stream,
                "system": INSTRUCTIONS, "messages": [{"role": "user", "content": PROMPT}]}),
            Gemini => json!({"systemInstruction": {"parts": [{"text": INSTRUCTIONS}]},
                "contents": [{"role": "user", "parts": [{"text": PROMPT}]}],
                "generationConfig": {"maxOutputTokens": 64, "temperature": 0.5}}),
            Bedrock => panic!("nobody calls in this format"),
        }
    }

    /// A caller's request with its vendor's credential.
    pub fn request(self, alias: &str, stream: bool) -> Request {
        self.sends(alias, stream, &self.body(alias, stream))
    }

    /// The same with a body of the test's own.
    pub fn sends(self, alias: &str, stream: bool, body: &Value) -> Request {
        let request = Request::post(&self.target(alias, stream), body.to_string());
        match self {
            Anthropic => request.header("x-api-key", CALLER),
            Gemini => request.header("x-goog-api-key", CALLER),
            _ => request.bearer(CALLER),
        }
    }

    /// What stands in a request of this format where [`Format::body`] says something: instructions, prompt, and the
    /// bound on the answer's tokens.
    pub fn read_request(self, body: &Value) -> [Value; 3] {
        let at = |pointers: &[&str]| {
            let found =
                pointers.iter().filter_map(|pointer| body.pointer(pointer)).find(|value| !value.is_object());
            found.cloned().unwrap_or_default()
        };
        let text = |pointer: &str| {
            let parts = [pointer.to_owned(), format!("{pointer}/0/text")];
            parts.iter().filter_map(|p| body.pointer(p)).find(|v| v.is_string()).cloned().unwrap_or_default()
        };
        match self {
            OpenAi => [
                text("/messages/0/content"),
                text("/messages/1/content"),
                at(&["/max_tokens", "/max_completion_tokens"]),
            ],
            Responses => {
                let prompt = [text("/input"), text("/input/0/content")].into_iter().find(Value::is_string);
                [text("/instructions"), prompt.unwrap_or_default(), at(&["/max_output_tokens"])]
            }
            Anthropic => [text("/system"), text("/messages/0/content"), at(&["/max_tokens"])],
            Gemini => [
                text("/systemInstruction/parts"),
                text("/contents/0/parts"),
                at(&["/generationConfig/maxOutputTokens"]),
            ],
            Bedrock => [text("/system"), text("/messages/0/content"), at(&["/inferenceConfig/maxTokens"])],
        }
    }
}

/// Adds a provider for each format, all of them the same double, and a model behind each.
pub fn every_target(setup: Setup, upstream: &Upstream) -> Setup {
    let host = format!("http://{}", upstream.addr);
    let aws = json!({"access_key_id": AWS_ID, "secret_access_key": AWS_SECRET, "region": "eu-west-1"});
    let keys = [
        (OpenAi, "acme-o", Some("openai"), OPENAI_SECRET.to_owned(), format!("{host}/o/v1")),
        (Responses, "acme-r", Some("openai-responses"), OPENAI_SECRET.to_owned(), format!("{host}/r/v1")),
        (Anthropic, "acme-a", Some("anthropic"), ANTHROPIC_SECRET.to_owned(), format!("{host}/a")),
        (Gemini, "gemini", None, GEMINI_SECRET.to_owned(), format!("{host}/v1beta")),
        (Bedrock, "bedrock", None, aws.to_string(), host),
    ];
    keys.into_iter().fold(setup, |setup, (format, provider, adapter, secret, base)| {
        let name = format!("{}-key", format.alias());
        let mut key =
            json!({"display_name": name, "provider": provider, "api_key": secret, "api_base": base});
        if let Some(adapter) = adapter {
            key["adapter"] = adapter.into();
        }
        let model = json!({"display_name": format.alias(), "provider": provider, "model_name": format.model(),
            "provider_key": name});
        setup.row("provider_keys", key).row("models", model)
    })
}
