//! The turns of a conversation: their parts, and the order of calls and responses that Google insists on.

use std::borrow::Cow;

use super::super::call::Refusal;
use super::super::node::{Node, chars};
use super::super::script;
use super::super::seal::Maker;
use super::read::argument;

/// The conversation as far as the answer depends on it.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) chars: u64,
    /// Function responses since the model last spoke.
    pub(super) results: Vec<Cow<'static, str>>,
    pub(super) directive: Option<String>,
    /// The names of calls that the next turn must respond to.
    pending: Vec<String>,
    /// The place of a call of the current turn that lacks its signature.
    unsigned: Option<(String, usize)>,
}

impl Turns {
    /// Reads the contents; `signed` wants signatures on the calls of the current turn.
    pub(super) fn read(body: &Node, signed: bool) -> Result<Turns, Refusal> {
        let mut turns = Turns::default();
        if let Some(system) = body.get("systemInstruction") {
            system.only(&["role", "parts"])?;
            system.each("parts", |part| {
                turns.chars += chars(part.need("text")?.text()?);
                Ok(())
            })?;
        }
        let contents =
            body.get("contents").ok_or_else(|| argument("contents", "contents is not specified"))?;
        let contents = contents.items()?;
        if contents.len() == 0 {
            return Err(argument("contents", "contents is not specified"));
        }
        let mut before = None;
        for (position, content) in contents.enumerate() {
            before = Some(turns.turn(&content, before, position)?);
        }
        if !turns.pending.is_empty() {
            return Err(Refusal::new(400, RESPONSE_AFTER_CALL));
        }
        match turns.unsigned {
            Some((name, position)) if signed => Err(unsigned(&name, position)),
            _ => Ok(turns),
        }
    }

    fn turn(&mut self, content: &Node, before: Option<Role>, position: usize) -> Result<Role, Refusal> {
        content.only(&["role", "parts"])?;
        let role = match content.text_of("role")? {
            Some("model") => Role::Model,
            None | Some("user" | "function") => Role::User,
            Some(_) => return Err(Refusal::new(400, "Please use a valid role: user, model.")),
        };
        let parts = content.get("parts").ok_or_else(|| empty(content))?;
        let parts = parts.items()?;
        if parts.len() == 0 {
            return Err(empty(content));
        }
        let mut turn = Turn::default();
        for part in parts {
            turn.part(&part)?;
        }
        self.chars += turn.chars;
        match role {
            Role::User => self.user(turn)?,
            Role::Model => self.model(turn, before, position)?,
        }
        Ok(role)
    }

    fn user(&mut self, turn: Turn) -> Result<(), Refusal> {
        if !turn.calls.is_empty() {
            return Err(Refusal::new(
                400,
                "Please ensure that function calls are made in a turn of the model.",
            ));
        }
        if turn.responses.is_empty() {
            if !self.pending.is_empty() {
                return Err(Refusal::new(400, RESPONSE_AFTER_CALL));
            }
            self.unsigned = None;
        } else {
            if self.pending.is_empty() {
                return Err(Refusal::new(400, RESPONSE_AFTER_CALL));
            }
            if self.pending.len() != turn.responses.len() {
                return Err(Refusal::new(400, AS_MANY_RESPONSES));
            }
            for (name, response) in turn.responses {
                match self.pending.iter().position(|pending| *pending == name) {
                    Some(at) => self.pending.swap_remove(at),
                    None => return Err(Refusal::new(400, AS_MANY_RESPONSES)),
                };
                self.results.push(Cow::Owned(response));
            }
        }
        if turn.spoke {
            self.directive = turn.directive;
        }
        Ok(())
    }

    fn model(&mut self, turn: Turn, before: Option<Role>, position: usize) -> Result<(), Refusal> {
        if !turn.responses.is_empty() {
            return Err(Refusal::new(400, RESPONSE_AFTER_CALL));
        }
        // SDKs keep each chunk of a stream as a turn of its own.
        let goes_on = before == Some(Role::Model) && !self.pending.is_empty();
        if turn.calls.is_empty() {
            if !goes_on {
                self.results.clear();
            }
            return Ok(());
        }
        if before.is_none() {
            return Err(Refusal::new(400, CALL_AFTER_USER));
        }
        if goes_on {
            self.pending.extend(turn.calls);
            return Ok(());
        }
        if let (Some(name), false, None) = (turn.calls.first(), turn.signed, &self.unsigned) {
            self.unsigned = Some((name.clone(), position + 1));
        }
        self.pending.extend(turn.calls);
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    User,
    Model,
}

/// The parts of one turn.
#[derive(Default)]
struct Turn {
    chars: u64,
    spoke: bool,
    directive: Option<String>,
    calls: Vec<String>,
    /// The first call has its signature.
    signed: bool,
    /// Names and texts.
    responses: Vec<(String, String)>,
}

impl Turn {
    fn part(&mut self, part: &Node) -> Result<(), Refusal> {
        part.only(&PART)?;
        let count = DATA.iter().filter(|name| part.get(name).is_some()).count();
        let path = part.path();
        if count != 1 {
            return Err(argument(
                &format!("{path}.data"),
                "required oneof field 'data' must have one initialized field",
            ));
        }
        let thought = part.flag_of("thought")?.unwrap_or(false);
        let signed = signature(part)?;
        if let Some(text) = part.text_of("text")? {
            self.chars += chars(text);
            if !thought {
                self.directive = self.directive.take().or(script::directive_in(text).map(str::to_owned));
                self.spoke = true;
            }
        }
        if let Some(call) = part.get("functionCall") {
            call.only(&["id", "name", "args", "partialArgs", "willContinue"])?;
            self.signed |= signed && self.calls.is_empty();
            self.calls.push(named(&call, "function_call")?.to_owned());
            if let Some(args) = call.get("args") {
                args.object()?;
                self.chars += args.value.to_string().len() as u64;
            }
        }
        if let Some(response) = part.get("functionResponse") {
            response.only(&["id", "name", "response", "parts", "willContinue", "scheduling"])?;
            let name = named(&response, "function_response")?.to_owned();
            let text = response.need("response")?;
            let text = spoken(text.object()?);
            self.chars += chars(&text);
            self.responses.push((name, text));
        }
        if let Some(data) = part.get("inlineData") {
            data.only(&["mimeType", "data", "displayName"])?;
            data.need("mimeType")?.text()?;
            data.need("data")?.text()?;
        }
        if let Some(file) = part.get("fileData") {
            file.only(&["mimeType", "fileUri", "displayName"])?;
            file.need("fileUri")?.text()?;
        }
        Ok(())
    }
}

/// Whether the part is signed. A signature that is neither the model's own nor one of the documented placeholders is
/// refused.
fn signature(part: &Node) -> Result<bool, Refusal> {
    match part.text_of("thoughtSignature")? {
        None => Ok(false),
        Some(seal) if Maker::Gemini.open(seal).is_some() || PLACEHOLDERS.contains(&seal) => Ok(true),
        Some(_) => Err(Refusal::new(400, "Corrupted thought signature.")),
    }
}

fn named<'v>(function: &Node<'v, '_>, kind: &str) -> Result<&'v str, Refusal> {
    match function.text_of("name")? {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(argument(
            &function.path_of("name"),
            &format!("[FIELD_INVALID] {kind}.name: Name cannot be empty."),
        )),
    }
}

/// What a function responded, in words: its only text, or all of it as JSON.
fn spoken(response: &serde_json::Map<String, serde_json::Value>) -> String {
    match (response.len(), response.values().next().and_then(serde_json::Value::as_str)) {
        (1, Some(text)) => text.to_owned(),
        _ => serde_json::to_string(response).unwrap_or_default(),
    }
}

fn empty(content: &Node) -> Refusal {
    argument(&content.path_of("parts"), "contents.parts must not be empty.")
}

fn unsigned(name: &str, position: usize) -> Refusal {
    let message = format!(
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work \
         correctly, and missing thought_signature may lead to degraded model performance. Additional data, function \
         call `default_api:{name}` , position {position}. Please refer to \
         https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    );
    Refusal::new(400, message)
}

const PART: [&str; 15] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "partMetadata",
    "mediaResolution",
    "mediaProcessingConfig",
];
const DATA: [&str; 9] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];
/// What stands for a signature that another model's history does not have, plain and as the SDKs encode it
/// (ai.google.dev/gemini-api/docs/thought-signatures).
const PLACEHOLDERS: [&str; 4] = [
    "skip_thought_signature_validator",
    "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
    "context_engineering_is_the_way_to_go",
    "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
];
const RESPONSE_AFTER_CALL: &str =
    "Please ensure that function response turn comes immediately after a function call turn.";
const CALL_AFTER_USER: &str = "Please ensure that function call turn comes immediately after a user turn or after a function response turn.";
const AS_MANY_RESPONSES: &str = "Please ensure that the number of function response parts is equal to the number of \
                                 function call parts of the function call turn.";
