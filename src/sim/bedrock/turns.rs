//! The messages of a conversation: their blocks, and the order that Bedrock insists on.

use std::borrow::Cow;

use serde_json::Value;

use super::super::anthropic;
use super::super::call::Refusal;
use super::super::node::{Node, chars};
use super::super::script;
use super::read::{identifier, name, of_model};

/// The conversation as far as the answer depends on it.
#[derive(Default)]
pub(super) struct Turns<'v> {
    pub(super) chars: u64,
    /// Tool results since the model last spoke.
    pub(super) results: Vec<Cow<'static, str>>,
    pub(super) directive: Option<String>,
    pub(super) uses_tools: bool,
    /// Ids of tool uses that the next message must answer.
    pending: Vec<&'v str>,
}

impl<'v> Turns<'v> {
    /// Reads system and messages; a model that thinks by a budget wants its thoughts of the current turn back.
    pub(super) fn read(body: &Node<'v, '_>, thinking: bool) -> Result<Turns<'v>, Refusal> {
        let mut turns = Turns::default();
        if let Some(system) = body.get("system") {
            for block in system.items()? {
                block.only(&["text", "cachePoint", "guardContent"])?;
                if let Some(text) = block.text_of("text")? {
                    turns.chars += said(text, &block, "SystemContentBlock")?;
                }
            }
        }
        let messages = body.need("messages")?;
        let (mut before, mut begins_with_thought, mut place) = ("", true, String::new());
        for message in messages.items()? {
            message.only(&["role", "content"])?;
            let role = message.need("role")?.word(&["user", "assistant"])?;
            match (before, role) {
                ("", "assistant") => return Err(Refusal::new(400, START)),
                (before, role) if before == role => return Err(Refusal::new(400, ALTERNATE)),
                _ => {}
            }
            before = role;
            let content = message.need("content")?;
            if content.items()?.len() == 0 {
                let message = format!(
                    "The content field in the Message object at {} is empty. Add a ContentBlock object to the \
                     content field and try again.",
                    message.path()
                );
                return Err(Refusal::new(400, message));
            }
            if role == "user" {
                turns.user(&content)?;
            } else {
                turns.assistant(&content)?;
                begins_with_thought =
                    content.items()?.next().is_none_or(|block| block.get("reasoningContent").is_some());
                place = content.path();
            }
        }
        if before.is_empty() {
            return Err(Refusal::new(400, START));
        }
        turns.settle("messages")?;
        if let (false, false, true) = (turns.results.is_empty(), begins_with_thought, thinking) {
            return Err(of_model(anthropic::thoughtless(&format!("{place}.0"), "tool_use")));
        }
        Ok(turns)
    }

    fn user(&mut self, content: &Node<'v, '_>) -> Result<(), Refusal> {
        let mut spoke = false;
        let mut directive = None;
        for block in content.items()? {
            one_kind(&block)?;
            for kind in ["toolUse", "reasoningContent"] {
                if block.get(kind).is_some() {
                    return Err(misplaced(&block, kind, "user"));
                }
            }
            if let Some(text) = block.text_of("text")? {
                self.chars += said(text, &block, "ContentBlock")?;
                directive = directive.or(script::directive_in(text));
                spoke = true;
            }
            if let Some(result) = block.get("toolResult") {
                self.result(&result)?;
            }
        }
        if spoke {
            self.directive = directive.map(str::to_owned);
        }
        self.settle(&content.path())
    }

    /// Every tool use of the message before has its result.
    fn settle(&self, at: &str) -> Result<(), Refusal> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let missing = self.pending.join(", ");
        Err(Refusal::new(400, format!("Expected toolResult blocks at {at} for the following Ids: {missing}")))
    }

    fn result(&mut self, result: &Node<'v, '_>) -> Result<(), Refusal> {
        self.uses_tools = true;
        result.only(&["toolUseId", "content", "status", "type"])?;
        let id = result.need("toolUseId")?;
        identifier(&id)?;
        let id = id.text()?;
        let Some(at) = self.pending.iter().position(|pending| *pending == id) else {
            let message = format!(
                "The number of toolResult blocks at {} exceeds the number of toolUse blocks of previous turn.",
                result.path().rsplit_once(".content").map_or("messages", |(message, _)| message)
            );
            return Err(Refusal::new(400, message));
        };
        self.pending.swap_remove(at);
        let failed = result.get("status").map(|status| status.word(&["success", "error"])).transpose()?
            == Some("error");
        let content = result.need("content")?;
        let mut text = String::new();
        for block in content.items()? {
            block.only(&["text", "json", "image", "document", "video", "searchResult"])?;
            if let Some(said_text) = block.text_of("text")? {
                said(said_text, &block, "ToolResultContentBlock")?;
                text.push_str(said_text);
            }
            if let Some(json) = block.get("json") {
                json.object()?;
                text.push_str(&json.value.to_string());
            }
        }
        if failed && content.value.as_array().is_some_and(Vec::is_empty) {
            let at = result.path();
            let message = format!("The content field at {at} cannot be empty when status value is error.");
            return Err(Refusal::new(400, message));
        }
        self.chars += chars(&text);
        self.results.push(Cow::Owned(text));
        Ok(())
    }

    fn assistant(&mut self, content: &Node<'v, '_>) -> Result<(), Refusal> {
        self.results.clear();
        for block in content.items()? {
            one_kind(&block)?;
            if is_hosted(&block) {
                continue;
            }
            for kind in ["toolResult", "image", "document", "video"] {
                if block.get(kind).is_some() {
                    return Err(misplaced(&block, kind, "assistant"));
                }
            }
            if let Some(text) = block.text_of("text")? {
                self.chars += said(text, &block, "ContentBlock")?;
            }
            if let Some(tool) = block.get("toolUse") {
                self.tool_use(&tool)?;
            }
            if let Some(reasoning) = block.get("reasoningContent") {
                self.chars += thought(&reasoning, &block.path())?;
            }
        }
        Ok(())
    }

    fn tool_use(&mut self, tool: &Node<'v, '_>) -> Result<(), Refusal> {
        self.uses_tools = true;
        tool.only(&["toolUseId", "name", "input", "type"])?;
        let id = tool.need("toolUseId")?;
        identifier(&id)?;
        name(&tool.need("name")?)?;
        let input = tool.need("input")?;
        if !input.value.is_object() {
            let path = input.path();
            let message = format!(
                "The format of the value at {path} is invalid. Provide a json object for the field and try again."
            );
            return Err(Refusal::new(400, message));
        }
        self.chars += input.value.to_string().len() as u64;
        let id = id.text()?;
        if self.pending.contains(&id) {
            let message = format!("The toolUse blocks at messages contain duplicate Ids: {id}");
            return Err(Refusal::new(400, message));
        }
        self.pending.push(id);
        Ok(())
    }
}

/// Whether the block is of a tool that Bedrock runs itself: its uses and results both stand in the model's turn.
fn is_hosted(block: &Node) -> bool {
    ["toolUse", "toolResult"]
        .iter()
        .any(|name| block.get(name).is_some_and(|tool| tool.get("type").is_some()))
}

/// A thought comes back as it was given, with the signature over it.
fn thought(reasoning: &Node, at: &str) -> Result<u64, Refusal> {
    reasoning.only(&["reasoningText", "redactedContent"])?;
    let Some(thought) = reasoning.get("reasoningText") else { return Ok(0) };
    thought.only(&["text", "signature"])?;
    let text = thought.need("text")?.text()?;
    anthropic::sealed(at, text, thought.text_of("signature")?).map_err(of_model)?;
    Ok(chars(text))
}

/// A block is of exactly one kind.
fn one_kind(block: &Node) -> Result<(), Refusal> {
    block.only(&BLOCK)?;
    match block.object()?.values().filter(|value| **value != Value::Null).count() {
        1 => Ok(()),
        _ => {
            let message = format!(
                "ContentBlock object at {} must set one of the following keys: {}.",
                block.path(),
                BLOCK.join(", ")
            );
            Err(Refusal::new(400, message))
        }
    }
}

/// The characters of a text, which is not blank.
fn said(text: &str, block: &Node, kind: &str) -> Result<u64, Refusal> {
    if text.trim().is_empty() {
        let message = format!(
            "The text field in the {kind} object at {} is blank. Add text to the text field, and try again.",
            block.path()
        );
        return Err(Refusal::new(400, message));
    }
    Ok(chars(text))
}

fn misplaced(block: &Node, name: &str, role: &str) -> Refusal {
    let at = block.path();
    Refusal::new(400, format!("The {name} block at {at} cannot be used in a message with the role {role}."))
}

const START: &str = "A conversation must start with a user message. Try again with a conversation that starts with a user message.";
const ALTERNATE: &str = "A conversation must alternate between user and assistant roles. Make sure the conversation \
                         alternates between user and assistant roles and try again.";
const BLOCK: [&str; 12] = [
    "text",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "guardContent",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
];
