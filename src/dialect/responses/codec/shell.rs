//! The response object, which answers hold alone and streams in their first and last events.
//!
//! Format: OpenAI API reference, "The response object".

use super::caller::Caller;
use crate::dialect::Usage;
use crate::dialect::canon::Finish;
use crate::dialect::json::Object;
use crate::dialect::responses::error;
use crate::error::Error;

/// What a response object says besides what it repeats.
pub struct Shell<'s> {
    pub id: &'s str,
    pub created: u64,
    pub model: &'s str,
    pub state: State<'s>,
    /// Items, a comma between each two.
    pub output: &'s [u8],
    pub usage: Usage,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug)]
pub enum State<'s> {
    InProgress,
    Completed,
    /// Why it stops short.
    Incomplete(&'static str),
    Failed(&'s Error),
}

impl State<'_> {
    /// What an end means. A model that will not answer says so in a part of its own, if it says so.
    pub fn of(finish: &Finish<'_>, refused: bool) -> Self {
        match finish {
            Finish::Length | Finish::ContextFull => State::Incomplete("max_output_tokens"),
            Finish::Filtered => State::Incomplete("content_filter"),
            Finish::Refusal if !refused => State::Incomplete("content_filter"),
            _ => State::Completed,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            State::InProgress => "in_progress",
            State::Completed => "completed",
            State::Incomplete(_) => "incomplete",
            State::Failed(_) => "failed",
        }
    }
}

impl Shell<'_> {
    pub fn write(&self, caller: &Caller, response: &mut Object<'_>) {
        response.text("id", self.id).text("object", "response").value("created_at", self.created);
        response.text("status", self.state.name());
        caller.echo("background", "instructions", response);
        match self.state {
            State::Failed(error) => error::write_inner(response, error),
            _ => {
                response.null("error");
            }
        }
        match self.state {
            State::Incomplete(reason) => {
                response.object("incomplete_details", |details| {
                    details.text("reason", reason);
                });
            }
            _ => {
                response.null("incomplete_details");
            }
        }
        caller.echo("instructions", "parallel_tool_calls", response);
        response.text("model", self.model);
        let output = response.member("output");
        output.push(b'[');
        output.extend_from_slice(self.output);
        output.push(b']');
        caller.echo("parallel_tool_calls", "user", response);
        self.write_usage(response);
        caller.echo("user", "", response);
    }

    fn write_usage(&self, response: &mut Object<'_>) {
        let usage = &self.usage;
        if usage.is_empty() {
            response.null("usage");
            return;
        }
        let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
        response.object("usage", |object| {
            object.value("input_tokens", input).object("input_tokens_details", |details| {
                details.value("cached_tokens", usage.cache_read.unwrap_or(0));
                details.value_if("cache_write_tokens", usage.cache_write);
            });
            object.value("output_tokens", output).object("output_tokens_details", |details| {
                details.value("reasoning_tokens", usage.reasoning.unwrap_or(0));
            });
            object.value("total_tokens", usage.total.unwrap_or(input.saturating_add(output)));
        });
    }
}
