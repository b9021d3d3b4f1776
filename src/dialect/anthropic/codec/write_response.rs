//! An answer for the caller.

use std::borrow::Cow;

use super::write_blocks::{Goes, says, write};
use crate::dialect::Usage;
use crate::dialect::canon::{Content, Finish, Losses, Response};
use crate::dialect::codec::Outward;
use crate::dialect::json::Object;

/// Writes an answer: the first, where there are several.
pub fn write_response(response: &Response<'_>, outward: &Outward) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    let id = response.id.as_deref().filter(|id| !id.is_empty());
    object.text("id", &id.map_or_else(|| message_id(outward), Cow::Borrowed));
    object.text("type", "message").text("role", "assistant").text("model", &outward.alias);
    let mut seen = Seen::default();
    object.array("content", |array| {
        let parts = response.choices.first().map_or(&[][..], |choice| &choice.parts);
        let said = parts.iter().filter(|part| says(&part.content, Goes::Back));
        let mut calls = 0;
        for part in said {
            seen.note(&part.content);
            match &part.content {
                Content::ToolCall(call) if call.id.is_empty() => {
                    let mut call = call.clone();
                    call.id = call_id(outward, calls).into();
                    write(
                        array.element(),
                        &Content::ToolCall(call).into(),
                        Goes::Back,
                        &mut Losses::default(),
                    );
                }
                _ => write(array.element(), part, Goes::Back, &mut Losses::default()),
            }
            calls += usize::from(matches!(part.content, Content::ToolCall(_)));
        }
        if !seen.anything {
            // Callers read the first block unasked.
            write(array.element(), &Content::Text("".into()).into(), Goes::Back, &mut Losses::default());
        }
    });
    let finish = response.choices.first().map_or(&Finish::Stop, |choice| &choice.finish);
    let (reason, sequence) = seen.stop_reason(finish);
    object.text("stop_reason", reason);
    match sequence {
        Some(sequence) => object.text("stop_sequence", sequence),
        None => object.null("stop_sequence"),
    };
    object.object("usage", |usage| {
        let input = response.usage.input.unwrap_or(outward.prompt_estimate);
        write_usage(usage, &Usage { input: Some(input), ..response.usage });
        let tier = response.service_tier.as_deref().and_then(tier);
        usage.text_if("service_tier", tier);
    });
    drop(object);
    out
}

/// What an answer held, as far as it decides why it ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub anything: bool,
    pub call: bool,
    pub refusal: bool,
}

impl Seen {
    fn note(&mut self, content: &Content<'_>) {
        self.anything = true;
        self.call |= matches!(content, Content::ToolCall(_));
        self.refusal |= matches!(content, Content::Refusal(_));
    }

    /// `stop_reason` and `stop_sequence`.
    pub fn stop_reason<'f>(self, finish: &'f Finish<'_>) -> (&'static str, Option<&'f str>) {
        let reason = match finish {
            Finish::Stop | Finish::Other(_) | Finish::ToolCalls if self.call => "tool_use",
            Finish::Stop if self.refusal => "refusal",
            Finish::Stop | Finish::Other(_) | Finish::ToolCalls => "end_turn",
            Finish::StopSequence(sequence) => return ("stop_sequence", sequence.as_deref()),
            Finish::Length => "max_tokens",
            Finish::ContextFull => "model_context_window_exceeded",
            Finish::Filtered | Finish::Refusal => "refusal",
            Finish::Pause => "pause_turn",
        };
        (reason, None)
    }
}

/// Counters in this dialect's meaning: `input_tokens` leaves out what the cache had or took.
pub fn write_usage(object: &mut Object<'_>, usage: &Usage) {
    let cached = usage.cache_read.unwrap_or(0).saturating_add(usage.cache_write.unwrap_or(0));
    object.value_if("input_tokens", usage.input.map(|input| input.saturating_sub(cached)));
    object.value_if("cache_creation_input_tokens", usage.cache_write);
    object.value_if("cache_read_input_tokens", usage.cache_read);
    if let Some(one_hour) = usage.cache_write_1h {
        object.object("cache_creation", |parts| {
            let all = usage.cache_write.unwrap_or(one_hour);
            parts.value("ephemeral_5m_input_tokens", all.saturating_sub(one_hour));
            parts.value("ephemeral_1h_input_tokens", one_hour);
        });
    }
    object.value("output_tokens", usage.output.unwrap_or(0));
    if let Some(thinking) = usage.reasoning {
        object.object("output_tokens_details", |details| {
            details.value("thinking_tokens", thinking);
        });
    }
}

/// An id for an answer that has none.
pub fn message_id(outward: &Outward) -> Cow<'static, str> {
    format!("msg_{}", plain(&outward.request_id)).into()
}

/// An id for the call of that number.
pub fn call_id(outward: &Outward, number: usize) -> String {
    format!("call_{}_{number}", plain(&outward.request_id))
}

/// As much of a request's id as may stand in ids of this dialect.
fn plain(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(MOST_OF_ID).collect()
}

fn tier(word: &str) -> Option<&str> {
    match word {
        "default" | "standard" => Some("standard"),
        "priority" | "batch" => Some(word),
        _ => None,
    }
}

const MOST_OF_ID: usize = 40;
