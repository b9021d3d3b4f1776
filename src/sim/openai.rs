//! OpenAI's dialect: reading a chat completions request, writing the answer whole or as chunks, the error
//! envelope and the model list.
//!
//! Shapes as in OpenAI's API reference (platform.openai.com/docs/api-reference/chat), the objects "chat
//! completion" and "chat completion chunk". Log probabilities, stop sequences, audio and the padding field
//! `obfuscation` are not imitated.

mod check;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::{Answer, Block, Stop, Usage};
use super::call::{Call, Extra, Messages, Output, Refusal, Schema, Str, Thinking, Tool, ToolChoice};
use super::json::{push_escaped, push_number, push_string};
use super::route::Platform;
use super::stream::Grammar;

pub(super) use words::{
    Words, at_least, function_name, function_schema, missing, missing_output, no_such_tool, not_json,
    only_with_stream, strict_schema, unsupported, within,
};

/// Reads a request body. Refuses what OpenAI refuses: broken JSON, members nobody knows, values out of range, and
/// with [`check`] what does not fit together in messages, tools and formats.
pub(super) fn read<'a>(body: &'a [u8], platform: &Platform) -> Result<Call<'a>, Refusal> {
    let bytes = body;
    let body: ChatBody = serde_json::from_slice(bytes).map_err(unreadable)?;
    let model = match (body.model, platform) {
        (Some(Str(model)), _) => model,
        (None, Platform::Azure { deployment: Some(deployment), .. }) => Cow::Owned(deployment.clone()),
        (None, _) => return Err(Refusal::new(400, "you must provide a model parameter")),
    };
    let messages = body.messages.ok_or_else(|| missing("messages"))?;
    if messages.count == 0 {
        return Err(out_of_range("messages", "Invalid 'messages': empty array.", "empty_array"));
    }
    let choices = body.n.unwrap_or(1);
    if !(1..=MAX_CHOICES).contains(&choices) {
        return Err(out_of_range("n", "Invalid 'n': expected 1 to 128.", "integer_out_of_range"));
    }
    for (name, number, most) in [("temperature", body.temperature, 2.0), ("top_p", body.top_p, 1.0)] {
        words::bounded(name, number.unwrap_or(1.0), 0.0, most)?;
    }
    let stream = body.stream.unwrap_or(false);
    if body.stream_options.is_some() && !stream {
        return Err(only_with_stream());
    }
    let elaborate = messages.elaborate || body.stop.is_some_and(|stop| stop.get().starts_with('['));
    let raw = [body.tools, body.tool_choice, body.response_format];
    if elaborate || body.parallel_tool_calls.is_some() || raw.iter().any(Option::is_some) {
        check::check(bytes)?;
    }
    Ok(Call {
        model,
        stream,
        include_usage: body.stream_options.is_some_and(|options| options.include_usage.unwrap_or(false)),
        choices,
        max_tokens: body.max_completion_tokens.or(body.max_tokens),
        prompt_chars: messages.chars + body.tools.map_or(0, |tools| tools.get().len() as u64),
        tools: body.tools.map(tools).unwrap_or_default(),
        tool_choice: body.tool_choice.map_or(ToolChoice::Auto, tool_choice),
        output: body.response_format.map_or(Output::Text, output),
        parallel: body.parallel_tool_calls.unwrap_or(true),
        tool_results: messages.tool_results,
        thinking: match body.reasoning_effort {
            Some(Str(effort)) if effort != "none" => Thinking::Hidden,
            _ => Thinking::Off,
        },
        directive: messages.directive,
        extra: if matches!(platform, Platform::Azure { .. }) { Extra::Azure } else { Extra::None },
    })
}

/// Appends the whole answer, a "chat completion" object.
pub(super) fn write(answer: &Answer, out: &mut Vec<u8>) {
    push_opening(answer, "chat.completion", out);
    out.extend_from_slice(b",\"choices\":[");
    for index in 0..answer.choices {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"index\":");
        push_number(out, index.into());
        out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",\"content\":");
        push_content(answer, out);
        push_tool_calls(answer, index, out);
        out.extend_from_slice(
            b",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"",
        );
        out.extend_from_slice(finish_reason(answer.stop));
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"],\"usage\":");
    push_usage(&answer.usage, out);
    if let Extra::Azure = answer.extra {
        out.extend_from_slice(FILTERED);
    }
    out.push(b'}');
}

/// Appends the error envelope.
pub(super) fn write_error(refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":{\"message\":");
    push_string(out, &refusal.message);
    out.extend_from_slice(b",\"type\":");
    push_string(out, error_type(refusal.status));
    for (name, value) in [(&b",\"param\":"[..], refusal.param.as_deref()), (b",\"code\":", code(refusal))] {
        out.extend_from_slice(name);
        match value {
            Some(value) => push_string(out, value),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.extend_from_slice(b"}}");
}

/// Appends the model list.
pub(super) fn write_models(models: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
    for (index, model) in models.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_model(model, out);
    }
    out.extend_from_slice(b"]}");
}

/// Appends one model.
pub(super) fn write_model(model: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    push_string(out, model);
    out.extend_from_slice(b",\"object\":\"model\",\"created\":1735689600,\"owned_by\":\"aisix-sim\"}");
}

/// The chunks of one streamed answer.
pub(super) struct Chunks<'a> {
    answer: &'a Answer<'a>,
    /// Every chunk up to and including `"choices":[`.
    opening: Vec<u8>,
    /// Every chunk from `]` on; asked for usage, each chunk but the last says `"usage":null`.
    closing: &'static [u8],
}

impl<'a> Chunks<'a> {
    pub(super) fn of(answer: &'a Answer<'a>) -> Chunks<'a> {
        let mut opening = b"data: ".to_vec();
        push_opening(answer, "chat.completion.chunk", &mut opening);
        opening.extend_from_slice(b",\"choices\":[");
        let closing: &[u8] = if answer.include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" };
        Chunks { answer, opening, closing }
    }

    /// One chunk for each choice; `write_delta` writes the members of the delta.
    fn push_each(&self, finish: Option<Stop>, out: &mut Vec<u8>, write_delta: impl Fn(u32, &mut Vec<u8>)) {
        for index in 0..self.answer.choices {
            out.extend_from_slice(&self.opening);
            out.extend_from_slice(b"{\"index\":");
            push_number(out, index.into());
            out.extend_from_slice(b",\"delta\":{");
            write_delta(index, out);
            out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
            match finish {
                None => out.extend_from_slice(b"null}"),
                Some(stop) => {
                    out.push(b'"');
                    out.extend_from_slice(finish_reason(stop));
                    out.extend_from_slice(b"\"}");
                }
            }
            out.extend_from_slice(self.closing);
        }
    }

    /// The block's place among the tool calls.
    fn call_index(&self, block: usize) -> u64 {
        self.answer.blocks.iter().take(block).filter(|block| matches!(block, Block::Tool { .. })).count()
            as u64
    }
}

impl Grammar for Chunks<'_> {
    fn open(&mut self, out: &mut Vec<u8>) {
        if let Extra::Azure = self.answer.extra {
            out.extend_from_slice(
                b"data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\"",
            );
            out.extend_from_slice(FILTERED);
            out.extend_from_slice(b"}\n\n");
        }
        let role: &[u8] = match self.answer.stop {
            Stop::ToolUse => b"\"role\":\"assistant\",\"content\":null",
            _ => b"\"role\":\"assistant\",\"content\":\"\",\"refusal\":null",
        };
        self.push_each(None, out, |_, out| out.extend_from_slice(role));
    }

    fn open_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        let Block::Tool { name, .. } = block else { return };
        let call = self.call_index(index);
        self.push_each(None, out, |choice, out| {
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            push_number(out, call);
            out.extend_from_slice(b",\"id\":\"");
            push_call_id(self.answer.serial, choice, call, out);
            out.extend_from_slice(b"\",\"type\":\"function\",\"function\":{\"name\":");
            push_string(out, name);
            out.extend_from_slice(b",\"arguments\":\"\"}}]");
        });
    }

    fn delta(&mut self, index: usize, block: &Block, tokens: Range<usize>, out: &mut Vec<u8>) {
        match block {
            Block::Text(text) => self.push_each(None, out, |_, out| {
                out.extend_from_slice(b"\"content\":\"");
                text.push_escaped(tokens.clone(), out);
                out.push(b'"');
            }),
            // Chat completions do not show what was thought.
            Block::Thinking { .. } => {}
            Block::Tool { arguments, .. } => self.push_each(None, out, |_, out| {
                out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
                push_number(out, self.call_index(index));
                out.extend_from_slice(b",\"function\":{\"arguments\":\"");
                arguments.push_escaped(tokens.clone(), out);
                out.extend_from_slice(b"\"}}]");
            }),
        }
    }

    fn close_block(&mut self, _: usize, _: &Block, _: &mut Vec<u8>) {}

    fn close(&mut self, out: &mut Vec<u8>) {
        self.push_each(Some(self.answer.stop), out, |_, _| {});
        if self.answer.include_usage {
            out.extend_from_slice(&self.opening);
            out.extend_from_slice(b"],\"usage\":");
            push_usage(&self.answer.usage, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn broken(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.opening);
        out.extend_from_slice(b"{\"index\":0,\"delta\":{\"content\n\n");
    }

    fn error(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        let message = "The simulated server had an error while processing your request.";
        write_error(&Refusal::new(500, message), out);
        out.extend_from_slice(b"\n\n");
    }
}

/// Every member OpenAI knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "many members are named only so that they are known")]
struct ChatBody<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    messages: Option<Messages<'a>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    reasoning_effort: Option<Str<'a>>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    stop: Option<&'a RawValue>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    audio: Option<IgnoredAny>,
    frequency_penalty: Option<f64>,
    function_call: Option<IgnoredAny>,
    functions: Option<IgnoredAny>,
    logit_bias: Option<IgnoredAny>,
    logprobs: Option<bool>,
    metadata: Option<IgnoredAny>,
    modalities: Option<IgnoredAny>,
    moderation: Option<IgnoredAny>,
    prediction: Option<IgnoredAny>,
    presence_penalty: Option<f64>,
    prompt_cache_key: Option<IgnoredAny>,
    prompt_cache_options: Option<IgnoredAny>,
    prompt_cache_retention: Option<IgnoredAny>,
    safety_identifier: Option<IgnoredAny>,
    seed: Option<i64>,
    service_tier: Option<IgnoredAny>,
    store: Option<bool>,
    top_logprobs: Option<u64>,
    user: Option<IgnoredAny>,
    verbosity: Option<IgnoredAny>,
    web_search_options: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// Why the body could not be read: a member nobody knows, or no JSON.
fn unreadable(error: serde_json::Error) -> Refusal {
    let text = error.to_string();
    match text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        Some(name) => words::unknown(name),
        None => not_json(&error),
    }
}

fn out_of_range(param: &'static str, message: &str, code: &'static str) -> Refusal {
    Refusal::new(400, message).param(param).code(code)
}

/// The function tools; custom and hosted tools cannot be called with JSON arguments and are passed over.
fn tools(raw: &RawValue) -> Vec<Tool<'_>> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        function: Option<Function<'a>>,
    }
    #[derive(Deserialize)]
    struct Function<'a> {
        #[serde(borrow)]
        name: Str<'a>,
        #[serde(borrow)]
        parameters: Option<&'a RawValue>,
    }
    let entries: Vec<Entry> = serde_json::from_str(raw.get()).unwrap_or_default();
    let functions = entries.into_iter().filter_map(|entry| entry.function);
    functions
        .map(|function| Tool { name: function.name.0, schema: function.parameters.map(Schema::Raw) })
        .collect()
}

fn tool_choice(raw: &RawValue) -> ToolChoice {
    #[derive(Deserialize)]
    struct Forced {
        function: Function,
    }
    #[derive(Deserialize)]
    struct Function {
        name: String,
    }
    if raw.get() == "\"none\"" {
        return ToolChoice::None;
    }
    serde_json::from_str(raw.get())
        .map_or(ToolChoice::Auto, |forced: Forced| ToolChoice::Named(forced.function.name))
}

fn output(raw: &RawValue) -> Output<'_> {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
        #[serde(borrow)]
        json_schema: Option<JsonSchema<'a>>,
    }
    #[derive(Deserialize)]
    struct JsonSchema<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }
    let Ok(format) = serde_json::from_str::<Format>(raw.get()) else { return Output::Text };
    match (format.kind.0.as_ref(), format.json_schema.and_then(|wrapper| wrapper.schema)) {
        ("json_schema", Some(schema)) => Output::Schema(Schema::Raw(schema)),
        ("json_schema" | "json_object", _) => Output::Json,
        _ => Output::Text,
    }
}

/// Both objects begin alike: `{"id":…,"system_fingerprint":…`, the object left open.
fn push_opening(answer: &Answer, object: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"chatcmpl-sim-");
    push_number(out, answer.serial);
    out.extend_from_slice(b"\",\"object\":\"");
    out.extend_from_slice(object.as_bytes());
    out.extend_from_slice(b"\",\"created\":");
    push_number(out, answer.created);
    out.extend_from_slice(b",\"model\":");
    push_string(out, &answer.model);
    out.extend_from_slice(b",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_aisix_sim\"");
}

/// The text of all text blocks, or null when there is none.
fn push_content(answer: &Answer, out: &mut Vec<u8>) {
    if !answer.blocks.iter().any(|block| matches!(block, Block::Text(_))) {
        return out.extend_from_slice(b"null");
    }
    out.push(b'"');
    for block in &answer.blocks {
        if let Block::Text(text) = block {
            text.push_escaped(0..text.tokens(), out);
        }
    }
    out.push(b'"');
}

fn push_tool_calls(answer: &Answer, choice: u32, out: &mut Vec<u8>) {
    let mut call = 0;
    for block in &answer.blocks {
        let Block::Tool { name, arguments } = block else { continue };
        out.extend_from_slice(if call == 0 { b",\"tool_calls\":[{\"id\":\"" } else { b",{\"id\":\"" });
        push_call_id(answer.serial, choice, call, out);
        out.extend_from_slice(b"\",\"type\":\"function\",\"function\":{\"name\":");
        push_string(out, name);
        out.extend_from_slice(b",\"arguments\":\"");
        push_escaped(out, arguments.slice(0..arguments.tokens()));
        out.extend_from_slice(b"\"}}");
        call += 1;
    }
    if call > 0 {
        out.push(b']');
    }
}

fn push_call_id(serial: u64, choice: u32, call: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"call_sim_");
    for (number, separator) in [(serial, b'_'), (choice.into(), b'_')] {
        push_number(out, number);
        out.push(separator);
    }
    push_number(out, call);
}

fn push_usage(usage: &Usage, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"prompt_tokens\":");
    push_number(out, usage.prompt);
    out.extend_from_slice(b",\"completion_tokens\":");
    push_number(out, usage.completion);
    out.extend_from_slice(b",\"total_tokens\":");
    push_number(out, usage.prompt + usage.completion);
    out.extend_from_slice(b",\"prompt_tokens_details\":{\"cached_tokens\":");
    push_number(out, usage.cached);
    out.extend_from_slice(b",\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":");
    push_number(out, usage.reasoning);
    out.extend_from_slice(
        b",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}",
    );
}

fn finish_reason(stop: Stop) -> &'static [u8] {
    match stop {
        Stop::End => b"stop",
        Stop::Length => b"length",
        Stop::ToolUse => b"tool_calls",
    }
}

/// The types OpenAI sends with each status (platform.openai.com/docs/guides/error-codes).
fn error_type(status: u16) -> &'static str {
    match status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn code(refusal: &Refusal) -> Option<&'static str> {
    refusal.code.or(match refusal.status {
        401 => Some("invalid_api_key"),
        429 => Some("rate_limit_exceeded"),
        _ => None,
    })
}

/// What Azure's content filters found in the prompt; in a stream it comes first, in a chunk without choices
/// (learn.microsoft.com/azure/ai-services/openai/concepts/content-streaming).
const FILTERED: &[u8] = b",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\
    \"hate\":{\"filtered\":false,\"severity\":\"safe\"},\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"},\
    \"sexual\":{\"filtered\":false,\"severity\":\"safe\"},\"violence\":{\"filtered\":false,\"severity\":\"safe\"}}}]";

/// OpenAI's own bound on `n`.
const MAX_CHOICES: u32 = 128;
