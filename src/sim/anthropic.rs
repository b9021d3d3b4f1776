//! Anthropic's dialect: reading a messages or count_tokens request, writing the answer whole or as events, the
//! error envelope and the model list.
//!
//! Shapes as in Anthropic's API reference (docs.anthropic.com: messages, streaming messages, count message
//! tokens, errors, list models). Server tools, citations and stop sequences are not imitated.

mod check;
mod turns;
mod words;

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::answer::{Answer, Block, Stop, Usage};
use super::call::{Call, Content, Extra, Messages, Output, Refusal, Schema, Str, Thinking, Tool, ToolChoice};
use super::json::{push_number, push_string};
use super::route::Platform;
use super::stream::Grammar;

pub(super) use words::{sealed, thinking, thoughtless};

/// Reads a messages request. Refuses what Anthropic refuses: broken JSON, members nobody knows, no model, messages
/// or max_tokens, values out of range, and with [`check`] what does not fit together in messages and tools.
pub(super) fn read<'a>(body: &'a [u8], platform: &Platform) -> Result<Call<'a>, Refusal> {
    let bytes = body;
    let mut body = parse(bytes)?;
    match (platform, &body.model, &body.anthropic_version) {
        (Platform::Vertex(_), Some(_), _) => return Err(words::unknown("model")),
        (Platform::Vertex(_), None, None) => return Err(required("anthropic_version")),
        (Platform::Vertex(Some(model)), None, Some(_)) => body.model = Some(Str(Cow::Owned(model.clone()))),
        (Platform::Vertex(None), ..) => {}
        (_, _, Some(_)) => return Err(words::unknown("anthropic_version")),
        (_, _, None) => {}
    }
    match body.max_tokens {
        None => return Err(required("max_tokens")),
        Some(0) => return Err(words::at_place("max_tokens", "Input should be greater than or equal to 1")),
        Some(_) => {}
    }
    for (name, number) in [("temperature", body.temperature), ("top_p", body.top_p)] {
        if number.is_some_and(|number| !(0.0..=1.0).contains(&number)) {
            return Err(words::at_place(name, "Input should be less than or equal to 1"));
        }
    }
    call(body, bytes)
}

/// Reads a count_tokens request, which needs no max_tokens.
pub(super) fn read_count(body: &[u8]) -> Result<Call<'_>, Refusal> {
    call(parse(body)?, body)
}

/// Appends the whole answer, a "message" object.
pub(super) fn write(answer: &Answer, out: &mut Vec<u8>) {
    push_opening(answer, out);
    for (index, block) in answer.blocks.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match block {
            Block::Text(text) => {
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"");
                text.push_escaped(0..text.tokens(), out);
                out.extend_from_slice(b"\"}");
            }
            Block::Thinking { text, seal } => {
                out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":\"");
                text.push_escaped(0..text.tokens(), out);
                out.extend_from_slice(b"\",\"signature\":");
                push_string(out, seal);
                out.push(b'}');
            }
            Block::Tool { name, arguments } => {
                push_tool_use(answer.serial, index, name, arguments.slice(0..arguments.tokens()), out);
            }
        }
    }
    out.extend_from_slice(b"],\"stop_reason\":\"");
    out.extend_from_slice(stop_reason(answer.stop));
    out.extend_from_slice(b"\",\"stop_sequence\":null,\"usage\":");
    push_usage(&answer.usage, answer.usage.completion, out);
    out.push(b'}');
}

/// Appends the answer of count_tokens.
pub(super) fn write_count(tokens: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"input_tokens\":");
    push_number(out, tokens);
    out.push(b'}');
}

/// Appends the error envelope.
pub(super) fn write_error(refusal: &Refusal, serial: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{\"type\":");
    push_string(out, error_type(refusal.status));
    out.extend_from_slice(b",\"message\":");
    push_string(out, &refusal.message);
    if let Some(code) = refusal.code {
        out.extend_from_slice(b",\"details\":{\"error_code\":");
        push_string(out, code);
        out.push(b'}');
    }
    out.extend_from_slice(b"},\"request_id\":\"req_sim_");
    push_number(out, serial);
    out.extend_from_slice(b"\"}");
}

/// Appends the model list: one page, nothing after it.
pub(super) fn write_models(models: &[&str], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"data\":[");
    for (index, model) in models.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_model(model, out);
    }
    out.extend_from_slice(b"],\"has_more\":false");
    for (name, model) in [(&b",\"first_id\":"[..], models.first()), (b",\"last_id\":", models.last())] {
        out.extend_from_slice(name);
        push_string(out, model.copied().unwrap_or_default());
    }
    out.push(b'}');
}

/// Appends one model.
pub(super) fn write_model(model: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"model\",\"id\":");
    push_string(out, model);
    out.extend_from_slice(b",\"display_name\":");
    push_string(out, model);
    out.extend_from_slice(b",\"created_at\":\"2025-01-01T00:00:00Z\"}");
}

/// The events of one streamed answer.
pub(super) struct Events<'a> {
    pub(super) answer: &'a Answer<'a>,
}

impl Grammar for Events<'_> {
    fn open(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        push_opening(self.answer, out);
        out.extend_from_slice(b"],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        push_usage(&self.answer.usage, 1, out);
        out.extend_from_slice(b"}}\n\n");
    }

    fn open_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        push_event(b"content_block_start", index, out);
        out.extend_from_slice(b",\"content_block\":");
        match block {
            Block::Thinking { .. } => {
                out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
            }
            Block::Text(_) => out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"\"}"),
            Block::Tool { name, .. } => push_tool_use(self.answer.serial, index, name, "{}", out),
        }
        out.extend_from_slice(b"}\n\n");
        if index == 0 {
            out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
        }
    }

    fn delta(&mut self, index: usize, block: &Block, tokens: Range<usize>, out: &mut Vec<u8>) {
        push_event(b"content_block_delta", index, out);
        out.extend_from_slice(match block {
            Block::Thinking { .. } => b",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"" as &[u8],
            Block::Text(_) => b",\"delta\":{\"type\":\"text_delta\",\"text\":\"",
            Block::Tool { .. } => b",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"",
        });
        block.text().push_escaped(tokens, out);
        out.extend_from_slice(b"\"}}\n\n");
    }

    fn close_block(&mut self, index: usize, block: &Block, out: &mut Vec<u8>) {
        if let Block::Thinking { seal, .. } = block {
            push_event(b"content_block_delta", index, out);
            out.extend_from_slice(b",\"delta\":{\"type\":\"signature_delta\",\"signature\":");
            push_string(out, seal);
            out.extend_from_slice(b"}}\n\n");
        }
        push_event(b"content_block_stop", index, out);
        out.extend_from_slice(b"}\n\n");
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"",
        );
        out.extend_from_slice(stop_reason(self.answer.stop));
        out.extend_from_slice(b"\",\"stop_sequence\":null},\"usage\":{");
        push_counts(&self.answer.usage, self.answer.usage.completion, out);
        out.extend_from_slice(b"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    fn broken(&mut self, out: &mut Vec<u8>) {
        push_event(b"content_block_delta", 0, out);
        out.extend_from_slice(b",\"delta\":{\"type\":\"text_del\n\n");
    }

    fn error(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        write_error(&Refusal::new(529, "Overloaded (simulated)"), self.answer.serial, out);
        out.extend_from_slice(b"\n\n");
    }
}

/// Every member Anthropic knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "many members are named only so that they are known")]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    messages: Option<Messages<'a>>,
    #[serde(borrow)]
    system: Option<Content<'a>>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    output_config: Option<OutputConfig<'a>>,
    /// The beta spelling of `output_config.format`.
    #[serde(borrow)]
    output_format: Option<Format<'a>>,
    #[serde(borrow)]
    thinking: Option<Wish<'a>>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    stop_sequences: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    /// Where the model runs elsewhere, this stands in place of a header.
    anthropic_version: Option<IgnoredAny>,
    anthropic_beta: Option<IgnoredAny>,
    cache_control: Option<IgnoredAny>,
    container: Option<IgnoredAny>,
    context_management: Option<IgnoredAny>,
    inference_geo: Option<IgnoredAny>,
    mcp_servers: Option<IgnoredAny>,
    service_tier: Option<IgnoredAny>,
    speed: Option<IgnoredAny>,
    user_profile_id: Option<IgnoredAny>,
}

impl Body<'_> {
    /// Whether there is more than plain texts, for `check` to judge.
    fn is_elaborate(&self) -> bool {
        let raw = self.tools.is_some() || self.tool_choice.is_some() || self.thinking.is_some();
        let small = self.stop_sequences.is_some() || self.metadata.is_some();
        let output = self.output_config.is_some() || self.output_format.is_some();
        let texts = |messages: &Messages| messages.elaborate || messages.prefilled || !messages.dialogue;
        raw || small
            || output
            || self.messages.as_ref().is_some_and(texts)
            || self.system.as_ref().is_some_and(|system| system.elaborate)
    }
}

#[derive(Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow)]
    format: Option<Format<'a>>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

/// `thinking`: whether the model thinks, and whether its thoughts are shown.
#[derive(Deserialize)]
struct Wish<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    display: Option<Str<'a>>,
}

impl Wish<'_> {
    fn seen(&self) -> Thinking {
        match (self.kind.0.as_ref(), self.display.as_ref().map(|display| display.0.as_ref())) {
            ("disabled", _) => Thinking::Off,
            (_, Some("omitted")) => Thinking::Sealed,
            _ => Thinking::Shown,
        }
    }
}

fn parse(body: &[u8]) -> Result<Body<'_>, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
            Some(name) => words::unknown(name),
            None => not_json(&error),
        }
    })
}

fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::new(400, format!("The request body is not valid JSON: {error}"))
}

fn call<'a>(body: Body<'a>, bytes: &'a [u8]) -> Result<Call<'a>, Refusal> {
    let elaborate = body.is_elaborate();
    let Some(Str(model)) = body.model else { return Err(required("model")) };
    let Some(messages) = body.messages else { return Err(required("messages")) };
    if messages.count == 0 {
        return Err(Refusal::new(400, "messages: at least one message is required"));
    }
    if elaborate {
        check::check(bytes)?;
    }
    let format = body.output_config.and_then(|config| config.format).or(body.output_format);
    let system = body.system.map_or(0, |system| system.chars);
    let choice = body.tool_choice.map(tool_choice);
    Ok(Call {
        model,
        stream: body.stream.unwrap_or(false),
        include_usage: true,
        choices: 1,
        max_tokens: body.max_tokens,
        prompt_chars: messages.chars + system + body.tools.map_or(0, |tools| tools.get().len() as u64),
        tools: body.tools.map(tools).unwrap_or_default(),
        parallel: choice.as_ref().is_none_or(|choice| choice.parallel),
        tool_choice: choice.map_or(ToolChoice::Auto, |choice| choice.tool),
        output: format
            .and_then(|format| format.schema)
            .map_or(Output::Text, |schema| Output::Schema(Schema::Raw(schema))),
        tool_results: messages.tool_results,
        thinking: body.thinking.map_or(Thinking::Off, |thinking| thinking.seen()),
        directive: messages.directive,
        extra: Extra::None,
    })
}

fn required(member: &'static str) -> Refusal {
    Refusal::new(400, format!("{member}: Field required")).param(member)
}

/// The client tools, known by their schema; server tools have none and are passed over.
fn tools(raw: &RawValue) -> Vec<Tool<'_>> {
    #[derive(Deserialize)]
    struct Entry<'a> {
        #[serde(borrow)]
        name: Option<Str<'a>>,
        #[serde(borrow)]
        input_schema: Option<&'a RawValue>,
    }
    let entries: Vec<Entry> = serde_json::from_str(raw.get()).unwrap_or_default();
    let callable = entries.into_iter().filter(|entry| entry.input_schema.is_some());
    callable
        .filter_map(|entry| Some(Tool { name: entry.name?.0, schema: entry.input_schema.map(Schema::Raw) }))
        .collect()
}

/// Which tool, and whether it may be more than one call.
struct Choice {
    tool: ToolChoice,
    parallel: bool,
}

fn tool_choice(raw: &RawValue) -> Choice {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
        name: Option<String>,
        #[serde(default)]
        disable_parallel_tool_use: bool,
    }
    let Ok(wire) = serde_json::from_str::<Wire>(raw.get()) else {
        return Choice { tool: ToolChoice::Auto, parallel: true };
    };
    let tool = match (wire.kind.0.as_ref(), wire.name) {
        ("none", _) => ToolChoice::None,
        (_, Some(name)) => ToolChoice::Named(name),
        _ => ToolChoice::Auto,
    };
    Choice { tool, parallel: !wire.disable_parallel_tool_use }
}

/// A message up to and including `"content":[`.
fn push_opening(answer: &Answer, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"msg_sim_");
    push_number(out, answer.serial);
    out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    push_string(out, &answer.model);
    out.extend_from_slice(b",\"content\":[");
}

/// An event's name and the beginning of its data, the object left open.
fn push_event(name: &[u8], index: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\ndata: {\"type\":\"");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\",\"index\":");
    push_number(out, index as u64);
}

/// A tool_use block; `input` is JSON.
fn push_tool_use(serial: u64, index: usize, name: &str, input: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"tool_use\",\"id\":\"toolu_sim_");
    push_number(out, serial);
    out.push(b'_');
    push_number(out, index as u64);
    out.extend_from_slice(b"\",\"name\":");
    push_string(out, name);
    out.extend_from_slice(b",\"input\":");
    out.extend_from_slice(input.as_bytes());
    out.push(b'}');
}

fn push_usage(usage: &Usage, output: u64, out: &mut Vec<u8>) {
    out.push(b'{');
    push_counts(usage, output, out);
    out.extend_from_slice(
        b",\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0},\
          \"service_tier\":\"standard\"}",
    );
}

/// Anthropic counts cached tokens apart from `input_tokens`.
fn push_counts(usage: &Usage, output: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"input_tokens\":");
    push_number(out, usage.prompt - usage.cached);
    out.extend_from_slice(b",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":");
    push_number(out, usage.cached);
    out.extend_from_slice(b",\"output_tokens\":");
    push_number(out, output);
}

fn stop_reason(stop: Stop) -> &'static [u8] {
    match stop {
        Stop::End => b"end_turn",
        Stop::Length => b"max_tokens",
        Stop::ToolUse => b"tool_use",
    }
}

/// The table of docs.anthropic.com/en/api/errors.
fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
