//! Composing what the simulated model says to a call, before any dialect's spelling of it.

use std::borrow::Cow;

use super::call::{Call, Dialect, Extra, Output, Schema, Thinking, Tool, ToolChoice};
use super::script::{Script, ToolWish};
use super::seal::{self, Maker};
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
    pub(super) extra: Extra,
}

/// One part of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    /// What the model thought, in words if the caller gets to see them, and the seal over it.
    Thinking {
        text: Text,
        seal: String,
    },
    Text(Text),
    Tool {
        name: String,
        arguments: Text,
    },
}

impl Block {
    /// The part that is delivered token by token.
    pub(super) fn text(&self) -> &Text {
        match self {
            Block::Text(text) => text,
            Block::Tool { arguments, .. } => arguments,
            Block::Thinking { text, .. } => text,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stop {
    End,
    Length,
    ToolUse,
}

/// Token counts. `prompt` includes `cached`, `completion` includes `reasoning`; both of the latter are sums over
/// all choices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    pub(super) cached: u64,
    pub(super) completion: u64,
    pub(super) reasoning: u64,
}

impl<'a> Answer<'a> {
    pub(super) fn compose(
        dialect: Dialect,
        call: Call<'a>,
        script: &Script,
        serial: u64,
        created: u64,
    ) -> Answer<'a> {
        let thought = Thought::of(&call, script);
        let tools = wanted_tools(&call, script);
        let (mut blocks, stop) = match tools.is_empty() {
            false => (tool_blocks(&tools, script), Stop::ToolUse),
            true => text_block(&call, script),
        };
        let prompt = text::estimate(call.prompt_chars);
        let spoken: usize = blocks.iter().map(|block| block.text().tokens()).sum();
        if let Some(block) = thought.block(dialect, serial) {
            blocks.insert(0, block);
        }
        let choices = u64::from(call.choices);
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
                completion: (spoken as u64 + thought.tokens) * choices,
                reasoning: thought.tokens * choices,
            },
            blocks,
            extra: call.extra,
        }
    }

    /// Tokens of one choice: what pacing counts.
    pub(super) fn tokens(&self) -> u64 {
        self.usage.completion / u64::from(self.choices.max(1))
    }
}

/// What the model thinks before it speaks.
struct Thought {
    tokens: u64,
    seen: Thinking,
}

impl Thought {
    fn of(call: &Call, script: &Script) -> Thought {
        let tokens = match call.thinking {
            Thinking::Off => 0,
            _ => script.think.unwrap_or(THOUGHT_TOKENS).into(),
        };
        Thought { tokens, seen: call.thinking }
    }

    fn block(&self, dialect: Dialect, serial: u64) -> Option<Block> {
        let words = match self.seen {
            _ if self.tokens == 0 => return None,
            Thinking::Off | Thinking::Hidden => return None,
            Thinking::Sealed => String::new(),
            Thinking::Shown => text::thought(self.tokens as usize),
        };
        let seal = match dialect {
            Dialect::Anthropic | Dialect::Bedrock => Maker::Claude.seal(seal::digest(words.as_bytes())),
            Dialect::Gemini => Maker::Gemini.seal(serial as u32),
            Dialect::OpenAi | Dialect::Responses => Maker::OpenAi.seal(serial as u32),
        };
        Some(Block::Thinking { text: Text::verbatim(words), seal })
    }
}

/// The tools this call must be answered with: none once a tool has answered.
fn wanted_tools<'c, 'a>(call: &'c Call<'a>, script: &Script) -> Vec<&'c Tool<'a>> {
    if !call.tool_results.is_empty() {
        return Vec::new();
    }
    let named = match (&script.tool, &call.tool_choice) {
        (ToolWish::None, _) | (ToolWish::Any, ToolChoice::None) => return Vec::new(),
        (ToolWish::Named(name), _) | (ToolWish::Any, ToolChoice::Named(name)) => Some(name),
        (ToolWish::Any, ToolChoice::Auto) => None,
    };
    let found = named.and_then(|name| call.tools.iter().find(|tool| tool.name == *name));
    let mut wanted: Vec<&Tool> = match (found.or(call.tools.first()), script.parallel && named.is_none()) {
        (_, true) => call.tools.iter().collect(),
        (Some(tool), false) => vec![tool; script.calls as usize],
        (None, false) => Vec::new(),
    };
    if !call.parallel {
        wanted.truncate(1);
    }
    wanted
}

fn tool_blocks(tools: &[&Tool], script: &Script) -> Vec<Block> {
    let preamble = script.preamble.then(|| Block::Text(Text::verbatim(PREAMBLE.to_owned())));
    let calls = tools.iter().map(|tool| Block::Tool {
        name: tool.name.clone().into_owned(),
        arguments: Text::verbatim(tool.schema.as_ref().map_or_else(|| "{}".to_owned(), Schema::instance)),
    });
    preamble.into_iter().chain(calls).collect()
}

/// A text answer. The request's own limit cuts words and quotes, never JSON, which would be broken by it.
fn text_block(call: &Call, script: &Script) -> (Vec<Block>, Stop) {
    let mut text = match &call.output {
        Output::Schema(schema) => return (vec![json_block(schema.instance())], Stop::End),
        Output::Json => return (vec![json_block(r#"{"simulated":true}"#.to_owned())], Stop::End),
        Output::Text if call.tool_results.is_empty() => Text::Words(script.tokens as usize),
        Output::Text => Text::verbatim(quote(&call.tool_results)),
    };
    let limit = call.max_tokens.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let stop = if text.truncate(limit) { Stop::Length } else { Stop::End };
    (vec![Block::Text(text)], stop)
}

fn json_block(json: String) -> Block {
    Block::Text(Text::verbatim(json))
}

/// The beginnings of all results, in order.
fn quote(results: &[Cow<str>]) -> String {
    let beginning = |result: &Cow<str>| result.chars().take(QUOTED_CHARS).collect::<String>();
    let quoted: Vec<_> = results.iter().map(beginning).collect();
    format!("The tool answered: {} (this answer is simulated)", quoted.join("; "))
}

const PREAMBLE: &str = "Let me look (simulated). ";
const QUOTED_CHARS: usize = 80;
/// What the model thinks when nobody says how much.
const THOUGHT_TOKENS: u32 = 8;
