//! What a caller of each format reads in an answer.

use serde_json::Value;

use super::Format::{self, Anthropic, Bedrock, Gemini, OpenAi, Responses};

/// An answer, whole or streamed, as its caller understands it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub text: String,
    pub model: String,
    /// Tokens of the prompt, what was cached included.
    pub input: Option<u64>,
    pub cached: Option<u64>,
    pub output: Option<u64>,
    /// How often it was said that the answer is complete.
    pub completed: usize,
    /// The messages of errors inside the stream.
    pub errors: Vec<String>,
    /// The id under which the answer is known.
    pub id: String,
}

/// A whole answer.
pub fn whole(format: Format, body: &Value) -> Told {
    let mut told = Told::default();
    match format {
        OpenAi => {
            told.text = text(body, "/choices/0/message/content");
            told.completed = usize::from(text(body, "/choices/0/finish_reason") == "stop");
        }
        Responses => {
            told.text = text(body, "/output/0/content/0/text");
            told.completed = usize::from(text(body, "/status") == "completed");
        }
        Anthropic => {
            told.text = text(body, "/content/0/text");
            told.completed = usize::from(text(body, "/stop_reason") == "end_turn");
        }
        Gemini => {
            told.text = text(body, "/candidates/0/content/parts/0/text");
            told.completed = usize::from(text(body, "/candidates/0/finishReason") == "STOP");
        }
        Bedrock => panic!("nobody calls in this format"),
    }
    told.named(format, body);
    told.metered(format, body);
    told
}

/// A stream of events.
pub fn streamed(format: Format, body: &str) -> Told {
    let mut told = Told::default();
    for event in body.split("\n\n").filter(|event| !event.trim().is_empty()) {
        let data: String = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        if data == "[DONE]" {
            told.completed += 1;
        } else if !data.is_empty() {
            told.element(format, &serde_json::from_str(&data).unwrap_or_else(|e| panic!("{e} in {event:?}")));
        }
    }
    told
}

impl Told {
    /// Takes in one element of a stream.
    pub fn element(&mut self, format: Format, data: &Value) {
        self.named(format, data);
        let kind = data["type"].as_str().unwrap_or_default();
        match (format, kind) {
            (OpenAi, _) => self.text += &text(data, "/choices/0/delta/content"),
            (Gemini, _) => {
                self.text += &text(data, "/candidates/0/content/parts/0/text");
                self.completed += usize::from(!text(data, "/candidates/0/finishReason").is_empty());
            }
            (Responses, "response.output_text.delta") => self.text += &text(data, "/delta"),
            (Responses, "response.completed") => self.completed += 1,
            (Responses, "response.failed") => self.errors.push(text(data, "/response/error/message")),
            (Anthropic, "content_block_delta") => self.text += &text(data, "/delta/text"),
            (Anthropic, "message_stop") => self.completed += 1,
            (Bedrock, _) => panic!("nobody calls in this format"),
            _ => {}
        }
        if data["error"].is_object() {
            self.errors.push(text(data, "/error/message"));
        }
        match (format, kind) {
            (Responses, _) => self.metered(format, &data["response"]),
            (Anthropic, "message_start") => {}
            _ => self.metered(format, data),
        }
    }

    fn named(&mut self, format: Format, body: &Value) {
        let (model, id) = match (format, body["type"].as_str()) {
            (Gemini, _) => ("/modelVersion", "/responseId"),
            (Responses, Some(_)) => ("/response/model", "/response/id"),
            (Anthropic, Some("message_start")) => ("/message/model", "/message/id"),
            _ => ("/model", "/id"),
        };
        if let Some(model) = body.pointer(model).and_then(Value::as_str) {
            self.model = model.to_owned();
            self.id = text(body, id);
        }
    }

    fn metered(&mut self, format: Format, body: &Value) {
        let count = |pointer: &str| body.pointer(pointer).and_then(Value::as_u64);
        let (input, cached, output) = match format {
            OpenAi => (
                count("/usage/prompt_tokens"),
                count("/usage/prompt_tokens_details/cached_tokens"),
                count("/usage/completion_tokens"),
            ),
            Responses => (
                count("/usage/input_tokens"),
                count("/usage/input_tokens_details/cached_tokens"),
                count("/usage/output_tokens"),
            ),
            Gemini => (
                count("/usageMetadata/promptTokenCount"),
                count("/usageMetadata/cachedContentTokenCount"),
                count("/usageMetadata/candidatesTokenCount"),
            ),
            _ => {
                let cached = count("/usage/cache_read_input_tokens");
                (
                    count("/usage/input_tokens").map(|fresh| fresh + cached.unwrap_or(0)),
                    cached,
                    count("/usage/output_tokens"),
                )
            }
        };
        if output.is_some() {
            (self.input, self.cached, self.output) = (input, cached, output);
        }
    }
}

/// The message of an error answer, whose envelope must be the format's.
pub fn refusal(format: Format, status: u16, body: &Value) -> String {
    let error = &body["error"];
    match format {
        OpenAi | Responses => assert!(error["type"].is_string() && body.get("type").is_none(), "{body}"),
        Anthropic => assert!(error["type"].is_string() && body["type"] == "error", "{body}"),
        Gemini => assert!(error["code"] == status && error["status"].is_string(), "{body}"),
        Bedrock => panic!("nobody calls in this format"),
    }
    error["message"].as_str().unwrap_or_else(|| panic!("a message in {body}")).to_owned()
}

fn text(body: &Value, pointer: &str) -> String {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
