//! The conversation: instructions apart, turns that alternate, results of tools first.
//!
//! Source: Claude API reference, "Messages"; "Tool use"; "Mid-conversation system messages".

use super::model::Model;
use super::write_blocks::{Goes, says, signature, write};
use crate::dialect::DialectId;
use crate::dialect::canon::{Content, Losses, Part, Request, Role, Turn};
use crate::dialect::json::{Array, Object};

/// A request's turns, arranged for this dialect.
#[derive(Debug)]
pub struct Conversation<'r, 'a> {
    /// Instructions that stand before everything else, turn by turn.
    pub system: Vec<Vec<&'r Part<'a>>>,
    pub messages: Vec<Message<'r, 'a>>,
    goes: Goes,
}

/// Neighbouring turns of one role, and what they say.
#[derive(Debug)]
pub struct Message<'r, 'a> {
    pub speaker: Speaker,
    pub parts: Vec<&'r Part<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    System,
    User,
    Assistant,
}

impl<'r, 'a> Conversation<'r, 'a> {
    pub fn new(request: &'r Request<'a>, model: Model, losses: &mut Losses) -> Self {
        let goes = Goes::Out { own: request.origin == DialectId::Anthropic };
        let is_system = |turn: &&Turn<'_>| speaker(turn.role) == Speaker::System;
        let leading = request.turns.iter().take_while(is_system).count();
        // Instructions alone are what the model is asked.
        let leading = if leading == request.turns.len() { 0 } else { leading };
        let (system, turns) = request.turns.split_at(leading);
        let system = system.iter().map(|turn| said(turn, goes, losses)).filter(|parts| !parts.is_empty());
        let system = system.collect();
        let mut messages: Vec<Message<'r, 'a>> = Vec::with_capacity(turns.len());
        for turn in turns {
            push(&mut messages, speaker(turn.role), said(turn, goes, losses));
        }
        Conversation { system, messages: settle(messages, model, goes), goes }
    }

    pub fn write_messages(&self, out: &mut Vec<u8>, losses: &mut Losses) {
        let mut array = Array::new(out);
        let last = self.messages.len().saturating_sub(1);
        for (place, message) in self.messages.iter().enumerate() {
            let mut object = Object::new(array.element());
            object.text("role", message.speaker.name());
            let mut content = Array::new(object.member("content"));
            let is_result = |part: &&&Part<'_>| matches!(part.content, Content::ToolResult(_));
            let rest = message.parts.iter().filter(|part| !is_result(part));
            let mut parts = message.parts.iter().filter(is_result).chain(rest).peekable();
            while let Some(part) = parts.next() {
                // A turn of the assistant's that is to be gone on with must not end in white space.
                let is_end = place == last && message.speaker == Speaker::Assistant && parts.peek().is_none();
                match &part.content {
                    Content::Text(text) if is_end && text.may_end_in_space() => {
                        let trimmed = Content::Text(text.trim_end().into());
                        let part = Part { content: trimmed, cache: part.cache };
                        write(content.element(), &part, self.goes, losses);
                    }
                    _ => write(content.element(), part, self.goes, losses),
                }
            }
        }
    }

    /// Would the provider miss thoughts? Within a loop of tool calls, which is one turn to it, the first message must
    /// begin with them while budgeted thinking is on.
    pub fn lacks_thoughts(&self) -> bool {
        let has_result = |message: &Message<'_, '_>| {
            message.parts.iter().any(|part| matches!(part.content, Content::ToolResult(_)))
        };
        let mut first = None;
        for message in self.messages.iter().rev() {
            match message.speaker {
                Speaker::Assistant => first = Some(message),
                Speaker::User if !has_result(message) => break,
                Speaker::User | Speaker::System => {}
            }
        }
        let in_loop = self.messages.iter().rev().find(|message| message.speaker != Speaker::System);
        let in_loop = in_loop.is_some_and(|message| message.speaker == Speaker::User && has_result(message));
        let begins = |message: &Message<'_, '_>| {
            matches!(message.parts.first().map(|part| &part.content),
                Some(Content::Thought(thought)) if signature(thought.seal.as_ref()).is_some())
        };
        in_loop && !first.is_some_and(begins)
    }

    /// Is the model to go on with a turn of its own?
    pub fn is_prefilled(&self) -> bool {
        self.messages.last().is_some_and(|message| message.speaker == Speaker::Assistant)
    }
}

impl Speaker {
    fn name(self) -> &'static str {
        match self {
            Speaker::System => "system",
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        }
    }
}

fn speaker(role: Role) -> Speaker {
    match role {
        Role::System | Role::Developer => Speaker::System,
        Role::User => Speaker::User,
        Role::Assistant => Speaker::Assistant,
    }
}

fn said<'r, 'a>(turn: &'r Turn<'a>, goes: Goes, losses: &mut Losses) -> Vec<&'r Part<'a>> {
    let mut keep = |part: &&'r Part<'a>| {
        let says = says(&part.content, goes);
        if !says && matches!(part.content, Content::Thought(_)) {
            losses.drop("thoughts");
        }
        says
    };
    turn.parts.iter().filter(|part| keep(part)).collect()
}

fn push<'r, 'a>(messages: &mut Vec<Message<'r, 'a>>, speaker: Speaker, parts: Vec<&'r Part<'a>>) {
    if parts.is_empty() {
        return;
    }
    match messages.last_mut().filter(|last| last.speaker == speaker) {
        Some(last) => last.parts.extend(parts),
        None => messages.push(Message { speaker, parts }),
    }
}

/// Instructions among the messages stay so where the model takes them: after the user, before the assistant or at the
/// end. Elsewhere the user says them. This dialect's own stay as they are.
fn settle<'r, 'a>(messages: Vec<Message<'r, 'a>>, model: Model, goes: Goes) -> Vec<Message<'r, 'a>> {
    let mut settled: Vec<Message<'r, 'a>> = Vec::with_capacity(messages.len());
    let mut messages = messages.into_iter().peekable();
    while let Some(message) = messages.next() {
        let after_user = settled.last().is_some_and(|last| last.speaker == Speaker::User);
        let before_user = messages.peek().is_some_and(|next| next.speaker == Speaker::User);
        let is_text = message.parts.iter().all(|part| matches!(part.content, Content::Text(_)));
        let stays = model.takes_system_turns() && after_user && !before_user && is_text;
        let stays = stays || goes == Goes::Out { own: true };
        match message.speaker {
            Speaker::System if !stays => push(&mut settled, Speaker::User, message.parts),
            speaker => push(&mut settled, speaker, message.parts),
        }
    }
    settled
}
