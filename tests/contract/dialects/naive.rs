//! The same questions answered the slow and obvious way, to compare with.

pub mod answers;
pub mod frames;
pub mod requests;
pub mod streams;

use aisix::dialect::{DialectId, Usage};
use serde_json::Value;

/// An event as any client sees it.
#[derive(Debug, Default)]
pub struct Event {
    pub name: String,
    pub data: Option<String>,
}

impl Event {
    /// The data, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(self.data.as_deref()?).ok()
    }

    /// What the data says of its type, else the name.
    fn kind(&self) -> String {
        let json = self.json();
        let kind = json.as_ref().and_then(|json| json["type"].as_str());
        kind.unwrap_or(&self.name).to_owned()
    }
}

/// All events of a stream of this dialect.
pub fn events_of(dialect: DialectId, stream: &[u8]) -> Vec<Event> {
    match dialect {
        DialectId::Bedrock => frames::decode(stream).0,
        _ => events(std::str::from_utf8(stream).expect("UTF-8")),
    }
}

/// All events of a stream, an unterminated last one included.
pub fn events(stream: &str) -> Vec<Event> {
    let text = stream.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    text.split("\n\n").map(|block| block.lines().fold(Event::default(), add_line)).collect()
}

fn add_line(mut event: Event, line: &str) -> Event {
    let (field, value) = line.split_once(':').unwrap_or((line, ""));
    let value = value.strip_prefix(' ').unwrap_or(value);
    match (field, &mut event.data) {
        ("event", _) => event.name = value.to_owned(),
        ("data", Some(data)) => *data = format!("{data}\n{value}"),
        ("data", none) => *none = Some(value.to_owned()),
        _ => {}
    }
    event
}

/// Does the stream say that it is complete?
pub fn is_complete(dialect: DialectId, events: &[Event]) -> bool {
    const ENDS: [&str; 3] = ["response.completed", "response.incomplete", "response.failed"];
    let any = |says: &dyn Fn(&Event) -> bool| events.iter().any(says);
    match dialect {
        DialectId::OpenAiChat => {
            any(&|event| event.data.as_deref().is_some_and(|data| data.trim() == "[DONE]"))
        }
        DialectId::Anthropic => any(&|event| event.kind() == "message_stop"),
        DialectId::Responses => any(&|event| ENDS.contains(&event.kind().as_str())),
        // There is no event for the end: every answer says why it ended.
        DialectId::Gemini => {
            let choices = streams::streamed(dialect, events).choices;
            !choices.is_empty() && choices.iter().all(|choice| choice.finish != answers::Finish::Unsaid)
        }
        DialectId::Bedrock => any(&|event| event.name == "messageStop"),
    }
}

/// Does an event report an error?
pub fn is_error(dialect: DialectId, event: &Event) -> bool {
    let Some(json) = event.json() else { return event.name == "error" };
    let flat = json["object"] == "error";
    let inside =
        !json["error"].is_null() && (json["choices"].is_null() || json["error"]["message"].is_string());
    match dialect {
        DialectId::OpenAiChat => event.name == "error" || flat || inside,
        DialectId::Anthropic => event.name == "error" || event.kind() == "error",
        DialectId::Responses => {
            ["error", "response.failed"].contains(&event.kind().as_str()) || json["error"].is_object()
        }
        DialectId::Gemini => event.name == "error" || json["error"].is_object(),
        DialectId::Bedrock => event.name.ends_with("Exception"),
    }
}

/// Is it the frame that OpenAI sends because of `include_usage`?
pub fn is_usage_only(event: &Event) -> bool {
    let Some(json) = event.json() else { return false };
    let no_choice = json["choices"].as_array().is_none_or(Vec::is_empty);
    json["usage"].is_object() && no_choice && json["error"].is_null()
}

/// Usage of a whole answer.
pub fn usage_of_answer(dialect: DialectId, answer: &Value) -> Usage {
    read(dialect, &usages(dialect, answer))
}

/// Usage of a stream.
pub fn usage_of_stream(dialect: DialectId, events: &[Event]) -> Usage {
    let json = events.iter().filter_map(Event::json);
    let objects: Vec<Value> = json.flat_map(|json| usages(dialect, &json)).collect();
    read(dialect, &objects)
}

/// Where a dialect tells usage.
fn usages(dialect: DialectId, json: &Value) -> Vec<Value> {
    match dialect {
        DialectId::OpenAiChat | DialectId::Anthropic => {
            vec![json["message"]["usage"].clone(), json["usage"].clone()]
        }
        DialectId::Responses => vec![json["response"]["usage"].clone(), json["usage"].clone()],
        DialectId::Gemini => vec![json["usageMetadata"].clone()],
        DialectId::Bedrock => vec![json["usage"].clone()],
    }
}

fn read(dialect: DialectId, objects: &[Value]) -> Usage {
    let last = |path: &str| objects.iter().rev().find_map(|object| count(object.pointer(path)?));
    match dialect {
        DialectId::OpenAiChat => Usage {
            input: last("/prompt_tokens"),
            output: match (last("/completion_tokens"), last("/completion_tokens_details/reasoning_tokens")) {
                // xAI leaves thoughts out, and only its total tells.
                (Some(text), Some(thoughts))
                    if last("/total_tokens")
                        == last("/prompt_tokens").map(|prompt| prompt + text + thoughts) =>
                {
                    Some(text + thoughts)
                }
                (output, _) => output,
            },
            total: last("/total_tokens"),
            cache_read: last("/prompt_tokens_details/cached_tokens")
                .or_else(|| last("/prompt_cache_hit_tokens"))
                .or_else(|| last("/num_cached_tokens")),
            cache_write: last("/prompt_tokens_details/cache_write_tokens"),
            cache_write_1h: None,
            reasoning: last("/completion_tokens_details/reasoning_tokens"),
            audio_input: last("/prompt_tokens_details/audio_tokens"),
            audio_output: last("/completion_tokens_details/audio_tokens"),
        },
        DialectId::Anthropic => {
            let cache_read = last("/cache_read_input_tokens");
            let cache_write = last("/cache_creation_input_tokens");
            let cached = cache_read.unwrap_or(0) + cache_write.unwrap_or(0);
            Usage {
                input: last("/input_tokens").map(|input| input + cached),
                output: last("/output_tokens"),
                cache_read,
                cache_write,
                cache_write_1h: last("/cache_creation/ephemeral_1h_input_tokens"),
                reasoning: last("/output_tokens_details/thinking_tokens"),
                ..Usage::default()
            }
        }
        DialectId::Responses => Usage {
            input: last("/input_tokens"),
            output: last("/output_tokens"),
            total: last("/total_tokens"),
            cache_read: last("/input_tokens_details/cached_tokens"),
            cache_write: last("/input_tokens_details/cache_write_tokens"),
            reasoning: last("/output_tokens_details/reasoning_tokens"),
            audio_input: last("/input_tokens_details/audio_tokens"),
            audio_output: last("/output_tokens_details/audio_tokens"),
            ..Usage::default()
        },
        DialectId::Gemini => {
            let sum = |one: &str, other: &str| match (last(one), last(other)) {
                (None, None) => None,
                (one, other) => Some(one.unwrap_or(0) + other.unwrap_or(0)),
            };
            Usage {
                input: sum("/promptTokenCount", "/toolUsePromptTokenCount"),
                output: sum("/candidatesTokenCount", "/thoughtsTokenCount"),
                total: last("/totalTokenCount"),
                cache_read: last("/cachedContentTokenCount"),
                reasoning: last("/thoughtsTokenCount"),
                audio_input: audio(objects, "promptTokensDetails"),
                audio_output: audio(objects, "candidatesTokensDetails"),
                ..Usage::default()
            }
        }
        DialectId::Bedrock => {
            let (cache_read, cache_write) = (last("/cacheReadInputTokens"), last("/cacheWriteInputTokens"));
            let cached = cache_read.unwrap_or(0) + cache_write.unwrap_or(0);
            Usage {
                input: last("/inputTokens").map(|input| input + cached),
                output: last("/outputTokens"),
                total: last("/totalTokens"),
                cache_read,
                cache_write,
                cache_write_1h: kept_for_an_hour(objects),
                ..Usage::default()
            }
        }
    }
}

/// Bedrock's tokens in the cache by how long they are kept.
fn kept_for_an_hour(objects: &[Value]) -> Option<u64> {
    let last = objects.iter().rev().find(|object| object["cacheDetails"].is_array())?;
    let mut details = answers::each(&last["cacheDetails"]);
    details.find(|detail| detail["ttl"] == "1h").and_then(|detail| count(&detail["inputTokens"]))
}

/// Gemini's tokens of sound, from the last list that tells the kinds.
fn audio(objects: &[Value], list: &str) -> Option<u64> {
    let last = objects.iter().rev().find(|object| object[list].is_array())?;
    answers::each(&last[list])
        .find(|kind| kind["modality"] == "AUDIO")
        .and_then(|kind| count(&kind["tokenCount"]))
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64))
}
