//! The messages of a conversation: their blocks, and the order of calls and results that Anthropic insists on.
//!
//! Neighbouring messages of the same role are one turn.

use serde_json::Value;

use super::super::call::Refusal;
use super::super::node::Node;
use super::words::{self, Words, at_place};

/// Judges the messages; a model that thinks by a budget wants its thoughts of the current turn back.
pub(super) fn read(body: &Node, budget: bool, marks: &mut usize) -> Result<(), Refusal> {
    let takes_system = body.text_of("model")?.is_some_and(takes_system);
    let messages = body.need("messages")?;
    let count = messages.items()?.len();
    let mut turns = Turns { opening: ("thinking", String::new()), ..Turns::default() };
    for (index, message) in messages.items()?.enumerate() {
        message.only(&["role", "content"])?;
        let role = role(&message, index)?;
        let content = message.need("content")?;
        let last = index + 1 == count;
        match role {
            "user" => turns.user(&content, index, marks)?,
            "assistant" => turns.assistant(&content, index, marks)?,
            _ if takes_system && turns.role == "user" => system(&content, marks)?,
            _ => return Err(Refusal::new(400, NO_SYSTEM_ROLE)),
        }
        empty(&content, role, index, last)?;
        if last && role == "assistant" {
            ending(&content)?;
        }
        turns.role = role;
    }
    turns.settle()?;
    match budget && !turns.answered.is_empty() && !THOUGHTS.contains(&turns.opening.0) {
        true => Err(words::thoughtless(&turns.opening.1, turns.opening.0)),
        false => Ok(()),
    }
}

/// The last two turns, as far as the next one depends on them.
#[derive(Default)]
struct Turns<'v> {
    /// Of the message before.
    role: &'v str,
    /// The kind of the first block of the assistant's turn, and its place.
    opening: (&'v str, String),
    /// What the assistant called, and in which message.
    called: Vec<&'v str>,
    calling: usize,
    /// Results of the user's turn.
    answered: Vec<&'v str>,
    /// The user's turn has more than results.
    spoke: bool,
}

impl<'v> Turns<'v> {
    fn assistant(&mut self, content: &Node<'v, '_>, index: usize, marks: &mut usize) -> Result<(), Refusal> {
        if self.role != "assistant" {
            self.settle()?;
            self.called.clear();
            self.answered.clear();
            self.spoke = false;
            self.opening = begins(content)?;
        }
        self.calling = index;
        assistant(content, &mut self.called, marks)
    }

    /// Every call has its result.
    fn settle(&self) -> Result<(), Refusal> {
        let open: Vec<&str> = self.called.iter().copied().filter(|id| !self.answered.contains(id)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let message = format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
             `tool_use` block must have a corresponding `tool_result` block in the next message.",
            self.calling,
            open.join(", ")
        );
        Err(Refusal::new(400, message))
    }

    fn user(&mut self, content: &Node<'v, '_>, index: usize, marks: &mut usize) -> Result<(), Refusal> {
        if content.value.is_string() {
            self.spoke = true;
            return Ok(());
        }
        for block in content.items()? {
            match block.need("type")?.word(&GIVEN)? {
                "tool_result" => {
                    let id = result(&block, marks)?;
                    self.answer(id, &block, index)?;
                    continue;
                }
                "text" => text(&block, "messages", marks)?,
                "image" => media(&block, &["type", "source", "cache_control"], marks)?,
                "document" => media(&block, &DOCUMENT, marks)?,
                _ => mark(&block, marks)?,
            }
            self.spoke = true;
        }
        Ok(())
    }

    /// A result has its call in the turn before, and stands before everything else in its own.
    fn answer(&mut self, id: &'v str, block: &Node, index: usize) -> Result<(), Refusal> {
        let path = block.path();
        if !self.called.contains(&id) {
            let problem = format!(
                "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a \
                 corresponding `tool_use` block in the previous message."
            );
            return Err(at_place(&path, &problem));
        }
        if self.answered.contains(&id) {
            let problem = format!(
                "each tool_use must have a single result. Found multiple `tool_result` blocks with id: {id}"
            );
            return Err(at_place(&path, &problem));
        }
        if self.spoke {
            let problem = "`tool_result` blocks must come before all other blocks.";
            return Err(at_place(&format!("messages.{index}"), problem));
        }
        self.answered.push(id);
        Ok(())
    }
}

/// Models that take instructions between the turns (platform.claude.com, "Mid-conversation system messages").
fn takes_system(model: &str) -> bool {
    ["opus-4-8", "opus-5", "sonnet-5", "fable", "mythos"].iter().any(|newer| model.contains(newer))
}

fn system(content: &Node, marks: &mut usize) -> Result<(), Refusal> {
    if content.value.is_string() {
        return Ok(());
    }
    content.items()?.try_for_each(|block| match block.need("type")?.text()? {
        "text" => text(&block, "system", marks),
        _ => mark(&block, marks),
    })
}

fn role<'v>(message: &Node<'v, '_>, index: usize) -> Result<&'v str, Refusal> {
    match (message.need("role")?.text()?, index) {
        ("system", _) => Ok("system"),
        ("assistant", 0) => Err(Refusal::new(400, "messages: first message must use the \"user\" role")),
        _ => message.need("role")?.word(&["user", "assistant"]),
    }
}

fn empty(content: &Node, role: &str, index: usize, last: bool) -> Result<(), Refusal> {
    let is_empty = match content.value {
        Value::String(text) => text.is_empty(),
        Value::Array(blocks) => blocks.is_empty(),
        _ => return Err(content.mistyped("an array")),
    };
    if is_empty && !(last && role == "assistant") {
        let problem =
            "all messages must have non-empty content except for the optional final assistant message";
        return Err(at_place(&format!("messages.{index}"), problem));
    }
    Ok(())
}

fn result<'v>(block: &Node<'v, '_>, marks: &mut usize) -> Result<&'v str, Refusal> {
    block.only(&["type", "tool_use_id", "content", "is_error", "cache_control"])?;
    mark(block, marks)?;
    block.flag_of("is_error")?;
    if let Some(content) = block.get("content").filter(|content| !content.value.is_string()) {
        for part in content.items()? {
            match part.need("type")?.word(&RESULT)? {
                "text" => text(&part, "messages", marks)?,
                "image" => media(&part, &["type", "source", "cache_control"], marks)?,
                _ => {}
            }
        }
    }
    block.need("tool_use_id")?.text()
}

/// The ids of the calls, after those the turn has made so far.
fn assistant<'v>(
    content: &Node<'v, '_>,
    called: &mut Vec<&'v str>,
    marks: &mut usize,
) -> Result<(), Refusal> {
    if content.value.is_string() {
        return Ok(());
    }
    for block in content.items()? {
        match block.need("type")?.word(&SAID)? {
            "text" => text(&block, "messages", marks)?,
            "thinking" => {
                block.only(&["type", "thinking", "signature"])?;
                let thought = block.need("thinking")?.text()?;
                words::sealed(&block.path(), thought, block.text_of("signature")?)?;
            }
            "redacted_thinking" => {
                block.only(&["type", "data"])?;
                block.need("data")?.text()?;
            }
            "tool_use" => {
                block.only(&["type", "id", "name", "input", "cache_control", "caller"])?;
                mark(&block, marks)?;
                identifier(&block.need("id")?, usize::MAX)?;
                identifier(&block.need("name")?, MAX_NAME)?;
                block.need("input")?.object()?;
                let id = block.need("id")?.text()?;
                if called.contains(&id) {
                    return Err(Refusal::new(400, "messages: `tool_use` ids must be unique"));
                }
                called.push(id);
            }
            _ => mark(&block, marks)?,
        }
    }
    Ok(())
}

/// The kind of a message's first block, and its place.
fn begins<'v>(content: &Node<'v, '_>) -> Result<(&'v str, String), Refusal> {
    if content.value.is_string() {
        return Ok(("text", content.path()));
    }
    match content.items()?.next() {
        Some(block) => Ok((block.need("type")?.text()?, block.path())),
        None => Ok(("nothing", content.path())),
    }
}

/// What the answer is to go on from does not end with a blank.
fn ending(content: &Node) -> Result<(), Refusal> {
    let last = match content.value {
        Value::String(text) => Some(text.as_str()),
        _ => content.items()?.last().and_then(|block| block.get("text")?.value.as_str()),
    };
    match last.is_some_and(|text| text.ends_with(char::is_whitespace)) {
        true => {
            Err(Refusal::new(400, "messages: final assistant content cannot end with trailing whitespace"))
        }
        false => Ok(()),
    }
}

pub(super) fn text(block: &Node, part: &str, marks: &mut usize) -> Result<(), Refusal> {
    block.only(&["type", "text", "cache_control", "citations"])?;
    mark(block, marks)?;
    match block.need("text")?.text()? {
        "" => Err(at_place(part, "text content blocks must be non-empty")),
        text if text.trim().is_empty() => {
            Err(at_place(part, "text content blocks must contain non-whitespace text"))
        }
        _ => Ok(()),
    }
}

fn media(block: &Node, members: &[&str], marks: &mut usize) -> Result<(), Refusal> {
    block.only(members)?;
    mark(block, marks)?;
    let source = block.need("source")?;
    match source.need("type")?.word(&["base64", "url", "file", "text", "content"])? {
        kind @ ("base64" | "text") => {
            source.only(&["type", "media_type", "data"])?;
            let media = source.need("media_type")?.text()?;
            let data = source.need("data")?.text()?;
            if kind == "base64" && !(IMAGES.contains(&media) || media == "application/pdf") {
                return Err(Words::media(&source.path_of("media_type")));
            }
            match data.is_empty() {
                true => Err(at_place(&source.path_of("data"), "String should have at least 1 character")),
                false => Ok(()),
            }
        }
        "url" => {
            source.only(&["type", "url"])?;
            source.need("url")?.text().map(|_| ())
        }
        "file" => source.need("file_id")?.text().map(|_| ()),
        _ => Ok(()),
    }
}

impl Words {
    fn media(at: &str) -> Refusal {
        at_place(at, "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'")
    }
}

/// Counts a cache mark.
pub(super) fn mark(block: &Node, marks: &mut usize) -> Result<(), Refusal> {
    let Some(control) = block.get("cache_control") else { return Ok(()) };
    *marks += 1;
    control.only(&["type", "ttl"])?;
    control.need("type")?.word(&["ephemeral"])?;
    control.get("ttl").map_or(Ok(()), |ttl| ttl.word(&["5m", "1h"]).map(|_| ()))
}

/// Names of tools and ids of their uses.
pub(super) fn identifier(node: &Node, most: usize) -> Result<(), Refusal> {
    let text = node.text()?;
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if fits && !text.is_empty() && text.len() <= most {
        return Ok(());
    }
    let length = if most == usize::MAX { "+".to_owned() } else { format!("{{1,{most}}}") };
    Err(at_place(&node.path(), &format!("String should match pattern '^[a-zA-Z0-9_-]{length}$'")))
}

const NO_SYSTEM_ROLE: &str = "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` \
                              parameter, not \"system\" as an input message role.";
const THOUGHTS: [&str; 2] = ["thinking", "redacted_thinking"];
const GIVEN: [&str; 6] = ["text", "image", "document", "search_result", "tool_result", "container_upload"];
const RESULT: [&str; 5] = ["text", "image", "document", "search_result", "tool_reference"];
const SAID: [&str; 16] = [
    "text",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
    "compaction",
    "fallback",
];
const DOCUMENT: [&str; 6] = ["type", "source", "title", "context", "citations", "cache_control"];
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
pub(super) const MAX_NAME: usize = 128;
