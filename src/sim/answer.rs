//! Composing what the simulated model says to a call, before any dialect's spelling of it.

use std::borrow::Cow;

use serde_json::Value;

use super::call::{Call, Dialect, Output, Tool, ToolChoice};
use super::schema;
use super::script::{Script, ToolWish};
use super::text::{self, Text};

/// A complete answer. `serial` numbers the requests of this process; every id is made from it.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) dialect: Dialect,
    pub(super) serial: u64,
    /// Unix seconds.
    pub(super) created: u64,
    pub(super) model: Cow<'a, str>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// How many times the same answer is given.
    pub(super) choices: u32,
    pub(super) blocks: Vec<Block>,
    pub(super) stop: Stop,
    pub(super) usage: Usage,
}

/// One part of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    Text(Text),
    Tool { name: String, arguments: Text },
}

impl Block {
    /// The part that is delivered token by token.
    pub(super) fn text(&self) -> &Text {
        match self {
            Block::Text(text) => text,
            Block::Tool { arguments, .. } => arguments,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stop {
    End,
    Length,
    ToolUse,
}

/// Token counts. `prompt` includes `cached`; `completion` is the sum over all choices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    pub(super) cached: u64,
    pub(super) completion: u64,
}

impl<'a> Answer<'a> {
    pub(super) fn compose(
        dialect: Dialect,
        call: Call<'a>,
        script: &Script,
        serial: u64,
        created: u64,
    ) -> Answer<'a> {
        let (blocks, stop) = match wanted_tool(&call, script) {
            Some(tool) => (tool_blocks(tool, script), Stop::ToolUse),
            None => text_block(&call, script),
        };
        let prompt = text::estimate(call.prompt_chars);
        let spoken: usize = blocks.iter().map(|block| block.text().tokens()).sum();
        Answer {
            dialect,
            serial,
            created,
            model: call.model,
            stream: call.stream,
            include_usage: call.include_usage,
            choices: call.choices,
            stop,
            usage: Usage {
                prompt,
                cached: script.cached.min(prompt),
                completion: spoken as u64 * u64::from(call.choices),
            },
            blocks,
        }
    }

    /// Tokens of one choice: what pacing counts.
    pub(super) fn tokens(&self) -> u64 {
        self.usage.completion / u64::from(self.choices.max(1))
    }
}

/// The tool this call must be answered with, if any: none once a tool has answered.
fn wanted_tool<'c, 'a>(call: &'c Call<'a>, script: &Script) -> Option<&'c Tool<'a>> {
    if call.tool_result.is_some() {
        return None;
    }
    let named = match (&script.tool, &call.tool_choice) {
        (ToolWish::None, _) | (ToolWish::Any, ToolChoice::None) => return None,
        (ToolWish::Named(name), _) | (ToolWish::Any, ToolChoice::Named(name)) => Some(name),
        (ToolWish::Any, ToolChoice::Auto) => None,
    };
    match named {
        Some(name) => call.tools.iter().find(|tool| tool.name == *name).or(call.tools.first()),
        None => call.tools.first(),
    }
}

fn tool_blocks(tool: &Tool, script: &Script) -> Vec<Block> {
    let preamble = script.preamble.then(|| Block::Text(Text::verbatim(PREAMBLE.to_owned())));
    let arguments = tool.schema.map_or_else(|| "{}".to_owned(), |schema| instance_of(schema.get()));
    let call =
        || Block::Tool { name: tool.name.clone().into_owned(), arguments: Text::verbatim(arguments.clone()) };
    preamble.into_iter().chain((0..script.calls).map(|_| call())).collect()
}

/// A text answer. The request's own limit cuts words and quotes, never JSON, which would be broken by it.
fn text_block(call: &Call, script: &Script) -> (Vec<Block>, Stop) {
    let mut text = match (&call.output, &call.tool_result) {
        (Output::Schema(schema), _) => return (vec![json_block(instance_of(schema.get()))], Stop::End),
        (Output::Json, _) => return (vec![json_block(r#"{"simulated":true}"#.to_owned())], Stop::End),
        (Output::Text, Some(result)) => Text::verbatim(quote(result)),
        (Output::Text, None) => Text::Words(script.tokens as usize),
    };
    let limit = call.max_tokens.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let stop = if text.truncate(limit) { Stop::Length } else { Stop::End };
    (vec![Block::Text(text)], stop)
}

fn json_block(json: String) -> Block {
    Block::Text(Text::verbatim(json))
}

fn instance_of(schema: &str) -> String {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    schema::instance(&schema).to_string()
}

fn quote(result: &str) -> String {
    let beginning: String = result.chars().take(QUOTED_CHARS).collect();
    format!("The tool answered: {beginning} (this answer is simulated)")
}

const PREAMBLE: &str = "Let me look (simulated). ";
const QUOTED_CHARS: usize = 80;
