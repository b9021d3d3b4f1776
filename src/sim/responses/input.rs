//! The input of a request: what was said before, who called which function, and what came of it.

use std::borrow::Cow;

use super::super::call::Refusal;
use super::super::node::{Node, chars};
use super::super::openai::{self, missing_output};
use super::super::script;
use super::super::seal::Maker;
use super::{ResponseId, THOUGHTFUL_CALL, call_id};

/// The conversation as far as the answer depends on it.
#[derive(Default)]
pub(super) struct Conversation {
    pub(super) chars: u64,
    /// Outputs of functions since the last message of the model.
    pub(super) results: Vec<Cow<'static, str>>,
    pub(super) directive: Option<String>,
    /// The model has thought before.
    pub(super) thought: bool,
    /// Ids of calls that have no output yet.
    pending: Vec<String>,
    /// Ids of reasoning items that came so far.
    reasoning: Vec<String>,
    /// The id of a reasoning item that waits for what follows from it.
    dangling: Option<String>,
}

impl Conversation {
    pub(super) fn read(body: &Node, earlier: Option<&ResponseId>) -> Result<Conversation, Refusal> {
        let mut conversation = Conversation::default();
        if let Some(instructions) = body.text_of("instructions")? {
            conversation.chars += chars(instructions);
        }
        if let Some(earlier) = earlier {
            conversation.pending = (0..earlier.calls).map(|call| call_id(earlier.serial, call)).collect();
        }
        match body.get("input") {
            Some(input) if input.value.is_string() => conversation.user(input.text()?),
            Some(input) => {
                for item in input.items()? {
                    conversation.item(&item)?;
                }
            }
            None if body.get("prompt").is_some() || body.get("conversation").is_some() => {}
            None => return Err(openai::missing("input")),
        }
        conversation.settle()?;
        Ok(conversation)
    }

    /// Nothing may be left open at the end.
    fn settle(&self) -> Result<(), Refusal> {
        if let Some(call) = self.pending.first() {
            return Err(missing_output(&format!("No tool output found for function call {call}.")));
        }
        self.followed()
    }

    fn followed(&self) -> Result<(), Refusal> {
        match &self.dangling {
            None => Ok(()),
            Some(id) => {
                let message = format!(
                    "Item '{id}' of type 'reasoning' was provided without its required following item."
                );
                Err(Refusal::new(400, message).param("input"))
            }
        }
    }

    fn user(&mut self, text: &str) {
        self.chars += chars(text);
        self.directive = script::directive_in(text).map(str::to_owned);
    }

    fn item(&mut self, item: &Node) -> Result<(), Refusal> {
        let kind = match item.get("type") {
            Some(kind) => kind.word(&ITEMS)?,
            None if item.get("role").is_some() => "message",
            None => return Err(openai::missing(&item.path_of("type"))),
        };
        match kind {
            "message" => self.message(item),
            "function_call" => self.function_call(item),
            "function_call_output" => self.function_output(item),
            "reasoning" => self.reasoning(item),
            _ => Ok(()),
        }
    }

    fn message(&mut self, item: &Node) -> Result<(), Refusal> {
        item.only(&["type", "id", "status", "role", "content", "phase"])?;
        let role = item.need("role")?.word(&["assistant", "system", "developer", "user"])?;
        expect_id(item, "msg")?;
        let content = item.need("content")?;
        if role == "assistant" {
            self.results.clear();
            self.dangling = None;
        }
        if content.value.is_string() {
            let text = content.text()?;
            if role == "user" {
                self.user(text);
            } else {
                self.chars += chars(text);
            }
            return Ok(());
        }
        let mut said = None;
        for part in content.items()? {
            if let Some(text) = text_part(&part, role == "assistant")? {
                self.chars += chars(text);
                said = Some(said.flatten().or(script::directive_in(text)));
            }
        }
        if let (Some(directive), "user") = (said, role) {
            self.directive = directive.map(str::to_owned);
        }
        Ok(())
    }

    fn function_call(&mut self, item: &Node) -> Result<(), Refusal> {
        item.only(&["type", "id", "status", "call_id", "name", "arguments", "namespace"])?;
        let call = item.need("call_id")?.text()?;
        openai::function_name(&item.need("name")?)?;
        let arguments = item.need("arguments")?.text()?;
        expect_id(item, "fc")?;
        if let Some(id) = item.text_of("id")? {
            self.reasoned(id)?;
        }
        self.dangling = None;
        self.chars += chars(arguments);
        self.pending.push(call.to_owned());
        Ok(())
    }

    /// A call that the model made after thinking is not taken back without its thoughts.
    fn reasoned(&self, id: &str) -> Result<(), Refusal> {
        let serial = id.strip_prefix(THOUGHTFUL_CALL).and_then(|rest| rest.split('_').next());
        let needed = serial.map(|serial| format!("rs_sim_{serial}_0"));
        match needed.filter(|needed| !self.reasoning.contains(needed)) {
            None => Ok(()),
            Some(needed) => {
                let message = format!(
                    "Item '{id}' of type 'function_call' was provided without its required 'reasoning' item: \
                     '{needed}'."
                );
                Err(Refusal::new(400, message).param("input"))
            }
        }
    }

    fn function_output(&mut self, item: &Node) -> Result<(), Refusal> {
        item.only(&["type", "id", "status", "call_id", "output"])?;
        let call = item.need("call_id")?.text()?;
        expect_id(item, "fc")?;
        let Some(at) = self.pending.iter().position(|pending| pending == call) else {
            let message = format!("No tool call found for function call output with call_id {call}.");
            return Err(missing_output(&message));
        };
        self.pending.swap_remove(at);
        let output = item.need("output")?;
        let mut text = String::new();
        if output.value.is_string() {
            text.push_str(output.text()?);
        } else {
            for part in output.items()? {
                text.push_str(text_part(&part, false)?.unwrap_or_default());
            }
        }
        self.chars += chars(&text);
        self.results.push(Cow::Owned(text));
        Ok(())
    }

    fn reasoning(&mut self, item: &Node) -> Result<(), Refusal> {
        item.only(&["type", "id", "status", "summary", "content", "encrypted_content"])?;
        item.need("summary")?.items()?.try_for_each(|part| {
            self.chars += chars(part.need("text")?.text()?);
            part.need("type")?.word(&["summary_text"]).map(|_| ())
        })?;
        expect_id(item, "rs")?;
        self.followed()?;
        let id = item.text_of("id")?.unwrap_or_default();
        let seal = item.text_of("encrypted_content")?;
        if seal.is_some_and(|seal| Maker::OpenAi.open(seal).is_none()) {
            let message = format!("The encrypted content for item {id} could not be verified.");
            return Err(Refusal::new(400, message).code("invalid_encrypted_content"));
        }
        if seal.is_none() && !id.starts_with("rs_sim_") {
            let message = format!("Item with id '{id}' not found.");
            return Err(Refusal::new(404, message).param("input"));
        }
        self.thought = true;
        self.reasoning.push(id.to_owned());
        self.dangling = Some(id.to_owned());
        Ok(())
    }
}

/// The text of a part, if it is one; the assistant's parts and those of others have different names.
fn text_part<'v>(part: &Node<'v, '_>, assistant: bool) -> Result<Option<&'v str>, Refusal> {
    let allowed: &[&str] = if assistant { &SAID } else { &GIVEN };
    match part.need("type")?.word(allowed)? {
        "input_text" => {
            part.only(&["type", "text", "prompt_cache_breakpoint"])?;
            part.need("text")?.text().map(Some)
        }
        "output_text" => {
            part.only(&["type", "text", "annotations", "logprobs"])?;
            part.need("text")?.text().map(Some)
        }
        "refusal" => part.need("refusal")?.text().map(Some),
        "input_image" => {
            part.only(&["type", "image_url", "file_id", "detail", "prompt_cache_breakpoint"])?;
            match (part.text_of("image_url")?, part.text_of("file_id")?) {
                (None, None) => Err(openai::missing(&part.path_of("image_url"))),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// An item that has an id has one of its own kind.
fn expect_id(item: &Node, prefix: &str) -> Result<(), Refusal> {
    match item.text_of("id")? {
        Some(id) if !id.starts_with(prefix) => {
            let path = item.path_of("id");
            let message = format!("Invalid '{path}': '{id}'. Expected an ID that begins with '{prefix}'.");
            Err(Refusal::new(400, message).param(path).code("invalid_value"))
        }
        _ => Ok(()),
    }
}

const SAID: [&str; 2] = ["output_text", "refusal"];
const GIVEN: [&str; 4] = ["input_text", "input_image", "input_file", "input_audio"];
const ITEMS: [&str; 27] = [
    "message",
    "function_call",
    "function_call_output",
    "reasoning",
    "item_reference",
    "custom_tool_call",
    "custom_tool_call_output",
    "web_search_call",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "compaction",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
];
