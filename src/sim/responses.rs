//! OpenAI's Responses: reading a request, writing the response whole or as events.
//!
//! Shapes as in OpenAI's API reference (platform.openai.com/docs/api-reference/responses, responses-streaming).
//! Hosted tools, background and stored conversations are not imitated. Nothing is stored: what a later request
//! must know of a response that it names, the response's id says.

mod events;
mod input;
mod read;

use super::answer::{Answer, Block, Stop};
use super::call::Extra;
use super::json::{push_number, push_string};
use super::text::Text;

pub(super) use events::Events;
pub(super) use read::read;

/// What of a request the response repeats, and what depends on it.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// Members of the response object, as JSON with a comma before each.
    members: String,
    /// Reasoning comes with its encrypted content.
    encrypted: bool,
    /// The response can be named by a later request.
    stored: bool,
}

/// How far a response has come.
#[derive(Clone, Copy, PartialEq)]
enum Status {
    InProgress,
    Final,
    Failed,
}

/// Appends the whole response.
pub(super) fn write(answer: &Answer, out: &mut Vec<u8>) {
    push_response(answer, Status::Final, out);
}

fn push_response(answer: &Answer, status: Status, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(ResponseId::of(answer).to_string().as_bytes());
    out.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
    push_number(out, answer.created);
    out.extend_from_slice(b",\"status\":\"");
    out.extend_from_slice(status_word(answer, status));
    out.extend_from_slice(b"\",\"background\":false,\"error\":");
    out.extend_from_slice(match status {
        Status::Failed => FAILURE,
        _ => b"null",
    });
    out.extend_from_slice(b",\"incomplete_details\":");
    out.extend_from_slice(match (status, answer.stop) {
        (Status::Final, Stop::Length) => b"{\"reason\":\"max_output_tokens\"}",
        _ => b"null" as &[u8],
    });
    out.extend_from_slice(b",\"model\":");
    push_string(out, &answer.model);
    out.extend_from_slice(b",\"output\":[");
    if status == Status::Final {
        for (index, block) in answer.blocks.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            Item { answer, index, block }.push(true, out);
        }
    }
    out.push(b']');
    if let Extra::Responses(echo) = &answer.extra {
        out.extend_from_slice(echo.members.as_bytes());
    }
    out.extend_from_slice(b",\"usage\":");
    match status {
        Status::Final => push_usage(answer, out),
        _ => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

fn status_word(answer: &Answer, status: Status) -> &'static [u8] {
    match (status, answer.stop) {
        (Status::InProgress, _) => b"in_progress",
        (Status::Failed, _) => b"failed",
        (Status::Final, Stop::Length) => b"incomplete",
        (Status::Final, _) => b"completed",
    }
}

fn push_usage(answer: &Answer, out: &mut Vec<u8>) {
    let usage = &answer.usage;
    out.extend_from_slice(b"{\"input_tokens\":");
    push_number(out, usage.prompt);
    out.extend_from_slice(b",\"input_tokens_details\":{\"cached_tokens\":");
    push_number(out, usage.cached);
    out.extend_from_slice(b"},\"output_tokens\":");
    push_number(out, usage.completion);
    out.extend_from_slice(b",\"output_tokens_details\":{\"reasoning_tokens\":");
    push_number(out, usage.reasoning);
    out.extend_from_slice(b"},\"total_tokens\":");
    push_number(out, usage.prompt + usage.completion);
    out.push(b'}');
}

/// One block of the answer as an item of the output.
#[derive(Clone, Copy)]
struct Item<'a> {
    answer: &'a Answer<'a>,
    index: usize,
    block: &'a Block,
}

impl Item<'_> {
    /// The item, complete or as it is announced.
    fn push(self, complete: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        self.push_id(out);
        out.extend_from_slice(b"\",\"type\":\"");
        match self.block {
            Block::Thinking { text, seal } => self.push_reasoning(text, seal, complete, out),
            Block::Text(text) => {
                out.extend_from_slice(b"message\",\"status\":\"");
                out.extend_from_slice(if complete {
                    status_word(self.answer, Status::Final)
                } else {
                    b"in_progress"
                });
                out.extend_from_slice(b"\",\"content\":[");
                if complete {
                    push_part(text, true, out);
                }
                out.extend_from_slice(b"],\"role\":\"assistant\"}");
            }
            Block::Tool { name, arguments } => {
                out.extend_from_slice(b"function_call\",\"status\":\"");
                out.extend_from_slice(if complete { b"completed" } else { b"in_progress" as &[u8] });
                out.extend_from_slice(b"\",\"arguments\":\"");
                if complete {
                    arguments.push_escaped(0..arguments.tokens(), out);
                }
                out.extend_from_slice(b"\",\"call_id\":\"");
                out.extend_from_slice(call_id(self.answer.serial, self.call_number()).as_bytes());
                out.extend_from_slice(b"\",\"name\":");
                push_string(out, name);
                out.push(b'}');
            }
        }
    }

    fn push_reasoning(self, text: &Text, seal: &str, complete: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"reasoning\",");
        if matches!(&self.answer.extra, Extra::Responses(echo) if echo.encrypted) {
            out.extend_from_slice(b"\"encrypted_content\":");
            push_string(out, seal);
            out.push(b',');
        }
        out.extend_from_slice(b"\"summary\":[");
        if complete && text.tokens() > 0 {
            push_summary(text, true, out);
        }
        out.extend_from_slice(b"]}");
    }

    fn push_id(self, out: &mut Vec<u8>) {
        let thought = matches!(self.answer.blocks.first(), Some(Block::Thinking { .. }));
        out.extend_from_slice(match (self.block, thought) {
            (Block::Thinking { .. }, _) => b"rs_sim_",
            (Block::Text(_), _) => b"msg_sim_",
            (Block::Tool { .. }, false) => b"fc_sim_",
            (Block::Tool { .. }, true) => THOUGHTFUL_CALL.as_bytes(),
        });
        push_number(out, self.answer.serial);
        out.push(b'_');
        push_number(out, self.index as u64);
    }

    /// Its place among the function calls.
    fn call_number(self) -> u64 {
        calls(self.answer.blocks.get(..self.index).unwrap_or_default())
    }
}

/// An `output_text` part, complete or as it is announced.
fn push_part(text: &Text, complete: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"");
    if complete {
        text.push_escaped(0..text.tokens(), out);
    }
    out.extend_from_slice(b"\"}");
}

/// A part of a reasoning summary.
fn push_summary(text: &Text, complete: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"summary_text\",\"text\":\"");
    if complete {
        text.push_escaped(0..text.tokens(), out);
    }
    out.extend_from_slice(b"\"}");
}

fn calls(blocks: &[Block]) -> u64 {
    blocks.iter().filter(|block| matches!(block, Block::Tool { .. })).count() as u64
}

fn call_id(serial: u64, call: u64) -> String {
    format!("call_sim_{serial}_0_{call}")
}

/// A response's id, and what it says of the response.
#[derive(Debug, PartialEq)]
struct ResponseId {
    serial: u64,
    /// Function calls that wait for their output.
    calls: u64,
    /// Tokens of the conversation so far.
    tokens: u64,
    stored: bool,
}

impl ResponseId {
    fn of(answer: &Answer) -> ResponseId {
        let stored = matches!(&answer.extra, Extra::Responses(echo) if echo.stored);
        let tokens = answer.usage.prompt + answer.usage.completion;
        ResponseId { serial: answer.serial, calls: calls(&answer.blocks), tokens, stored }
    }

    fn parse(id: &str) -> Option<ResponseId> {
        let mut numbers = id.strip_prefix("resp_sim_")?.split('_').map(|number| number.parse().ok());
        let mut number = || numbers.next().flatten();
        let parsed = ResponseId { serial: number()?, calls: number()?, tokens: number()?, stored: true };
        (parsed.to_string() == id).then_some(parsed)
    }
}

impl std::fmt::Display for ResponseId {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let kind = if self.stored { "sim" } else { "unstored" };
        write!(f, "resp_{kind}_{}_{}_{}", self.serial, self.calls, self.tokens)
    }
}

/// The beginning of a function call's id when the model thought before it.
const THOUGHTFUL_CALL: &str = "fc_simr_";
const FAILURE: &[u8] =
    b"{\"code\":\"server_error\",\"message\":\"The simulated server had an error while processing your \
                         request.\"}";
