//! The same questions answered the slow and obvious way, to compare with.

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
    events.iter().any(|event| match dialect {
        DialectId::OpenAiChat => event.data.as_deref().is_some_and(|data| data.trim() == "[DONE]"),
        DialectId::Anthropic => event.kind() == "message_stop",
    })
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
    read(dialect, &[answer["usage"].clone()])
}

/// Usage of a stream.
pub fn usage_of_stream(dialect: DialectId, events: &[Event]) -> Usage {
    let json = events.iter().filter_map(Event::json);
    let objects: Vec<Value> =
        json.flat_map(|json| [json["message"]["usage"].clone(), json["usage"].clone()]).collect();
    read(dialect, &objects)
}

fn read(dialect: DialectId, objects: &[Value]) -> Usage {
    let last = |path: &str| objects.iter().rev().find_map(|object| count(object.pointer(path)?));
    match dialect {
        DialectId::OpenAiChat => Usage {
            input: last("/prompt_tokens"),
            output: last("/completion_tokens"),
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
    }
}

fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64))
}
