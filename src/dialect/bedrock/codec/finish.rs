//! Why an answer ended, in Bedrock's words.

use std::borrow::Cow;

use crate::dialect::canon::Finish;

/// What a stop reason means. `called`: the answer holds calls of the caller's own tools, whatever the model says.
pub fn read<'a>(reason: Cow<'a, str>, sequence: Option<Cow<'a, str>>, called: bool) -> Finish<'a> {
    match &*reason {
        "tool_use" | "end_turn" if called => Finish::ToolCalls,
        "tool_use" | "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(sequence),
        "max_tokens" => Finish::Length,
        "model_context_window_exceeded" => Finish::ContextFull,
        "guardrail_intervened" | "content_filtered" => Finish::Filtered,
        "refusal" => Finish::Refusal,
        "pause_turn" => Finish::Pause,
        _ => Finish::Other(reason),
    }
}

/// The stop reason.
pub fn word<'f>(finish: &'f Finish<'_>) -> &'f str {
    match finish {
        Finish::Stop | Finish::Pause => "end_turn",
        Finish::StopSequence(_) => "stop_sequence",
        Finish::Length => "max_tokens",
        Finish::ContextFull => "model_context_window_exceeded",
        Finish::ToolCalls => "tool_use",
        Finish::Filtered | Finish::Refusal => "content_filtered",
        Finish::Other(word) => word,
    }
}
