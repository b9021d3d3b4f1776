//! Messages. Results of tools become messages of their own, straight behind the calls they answer: nothing else may
//! stand between them.

use std::borrow::Cow;

use super::write_parts::{result_text, text_of, write_part, write_text_part};
use crate::dialect::canon::names::exact_id;
use crate::dialect::canon::{Content, Feature, Losses, Part, Request, Role, ToolCall, ToolResult, Turn};
use crate::dialect::json::{Array, Joined, Object, Words};
use crate::dialect::quirks::Quirks;

/// Writes the array of messages.
pub fn write(out: &mut Vec<u8>, request: &Request<'_>, quirks: &Quirks, losses: &mut Losses) {
    let mut messages = Messages { array: Array::new(out), quirks, losses };
    let answers =
        |one: &Turn<'_>, next: &Turn<'_>| (one.role == Role::Assistant) == (next.role == Role::Assistant);
    for run in request.turns.chunk_by(answers) {
        match run.first() {
            Some(turn) if turn.role == Role::Assistant => messages.answers(run),
            _ => messages.others(run),
        }
    }
}

struct Messages<'m> {
    array: Array<'m>,
    quirks: &'m Quirks,
    losses: &'m mut Losses,
}

impl Messages<'_> {
    /// Turns between two answers: the results first, what belongs to them and is no text next, then the rest in order.
    fn others(&mut self, run: &[Turn<'_>]) {
        let results = || {
            run.iter().flat_map(|turn| &turn.parts).filter_map(|part| match &part.content {
                Content::ToolResult(result) => Some((part, result)),
                _ => None,
            })
        };
        results().for_each(|(part, result)| self.result(part, result));
        self.result_media(results().map(|(_, result)| result));
        for turn in run {
            self.message(turn);
        }
    }

    fn result(&mut self, part: &Part<'_>, result: &ToolResult<'_>) {
        let mut texts: Vec<Cow<'_, Words<'_>>> =
            result.parts.iter().filter_map(|part| result_text(&part.content)).collect();
        texts.extend(result.json.map(|json| Cow::Owned(json.into())));
        if texts.is_empty() && result.parts.iter().any(is_beside) {
            texts.push(Cow::Owned(SEE_NEXT.into()));
        }
        let before = if result.failed { "Error: " } else { "" };
        let text = Joined { before, ..Joined::new(&texts, "\n") };
        let id = call_id(&result.id, self.quirks);
        let mark = Some(part).filter(|part| self.quirks.cache_marks && part.cache.is_some());
        self.array.object(|message| {
            message.text("role", "tool").text("tool_call_id", &id).text_if("name", result.name.as_deref());
            match mark {
                Some(_) => {
                    message.array("content", |content| write_text_part(content, &text, mark));
                }
                None => {
                    message.text("content", &text);
                }
            }
        });
    }

    /// Messages of tools hold text alone: pictures and documents follow as the user's.
    fn result_media<'r, 'a: 'r>(&mut self, results: impl Iterator<Item = &'r ToolResult<'a>>) {
        let results: Vec<_> = results.filter(|result| result.parts.iter().any(is_beside)).collect();
        if results.is_empty() {
            return;
        }
        let Messages { array, quirks, losses } = self;
        array.object(|message| {
            message.text("role", "user").array("content", |content| {
                for result in results {
                    let id = call_id(&result.id, quirks);
                    write_text_part(content, &format!("Result of the tool call {id}:"), None);
                    for part in result.parts.iter().filter(|part| is_beside(part)) {
                        write_part(content, part, quirks.cache_marks, losses);
                    }
                }
            });
        });
    }

    /// A message of the system or the user, without the results it held.
    fn message(&mut self, turn: &Turn<'_>) {
        let said: Vec<&Part<'_>> = turn.parts.iter().filter(|part| self.can_say(turn.role, part)).collect();
        if said.is_empty() {
            return;
        }
        let role = match turn.role {
            Role::Developer if self.quirks.developer_role => "developer",
            Role::System | Role::Developer => "system",
            Role::User | Role::Assistant => "user",
        };
        let Messages { array, quirks, losses } = self;
        array.object(|message| {
            message.text("role", role).text_if("name", turn.name.as_deref());
            let texts: Vec<&Words<'_>> = said.iter().filter_map(|part| text_of(&part.content)).collect();
            let marked = quirks.cache_marks && said.iter().any(|part| part.cache.is_some());
            // Lists are sure to be understood from users only.
            let plain = texts.len() <= 1 || quirks.plain_content || turn.role != Role::User;
            if texts.len() == said.len() && plain && !marked {
                message.text("content", &Joined::new(&texts, "\n"));
                return;
            }
            message.array("content", |content| {
                said.iter().for_each(|part| write_part(content, part, quirks.cache_marks, losses));
            });
        });
    }

    fn can_say(&mut self, role: Role, part: &Part<'_>) -> bool {
        match &part.content {
            Content::Media(_) if role != Role::User => {
                self.losses.drop("system_media");
                false
            }
            content => text_of(content).is_some() || is_media(part),
        }
    }

    /// Turns of the assistant that follow one another. Calls and what is said around them are one message, since the
    /// results must follow at once; a text that is complete before the next one begins stays a message of its own.
    fn answers(&mut self, run: &[Turn<'_>]) {
        let mut start = 0;
        for (next, turn) in run.iter().enumerate().skip(1) {
            let group = run.get(start..next).unwrap_or_default();
            if has(group, is_text) && !has(group, is_call) && has(std::slice::from_ref(turn), is_text) {
                self.answer(group);
                start = next;
            }
        }
        self.answer(run.get(start..).unwrap_or_default());
    }

    fn answer(&mut self, group: &[Turn<'_>]) {
        let parts = || group.iter().flat_map(|turn| &turn.parts);
        let calls: Vec<&ToolCall<'_>> = parts().filter_map(call_of).collect();
        let said = has(group, is_text);
        let thoughts = self.thoughts(group);
        if has(group, is_media) {
            self.losses.drop(Feature::MediaOutput.name());
        }
        if calls.iter().any(|call| call.seal.is_some()) {
            self.losses.drop(Feature::Thoughts.name());
        }
        if !said && calls.is_empty() {
            return;
        }
        let quirks = self.quirks;
        let name = group.iter().find_map(|turn| turn.name.as_deref());
        self.array.object(|message| {
            message.text("role", "assistant").text_if("name", name);
            match said {
                true => write_said(message, group, quirks),
                false => {
                    message.null("content");
                }
            }
            let thoughts = thoughts.as_deref().map(|texts| Joined::new(texts, "\n"));
            message.text_if(quirks.thoughts, thoughts.as_ref());
            if !calls.is_empty() {
                message.array("tool_calls", |array| {
                    calls.iter().for_each(|call| write_call(array, call, quirks));
                });
            }
        });
    }

    /// What was thought, where the vendor wants it back.
    fn thoughts<'t, 'a>(&mut self, group: &'t [Turn<'a>]) -> Option<Vec<&'t Words<'a>>> {
        let parts = group.iter().flat_map(|turn| &turn.parts);
        let thoughts = parts.filter_map(|part| match &part.content {
            Content::Thought(thought) => Some(&thought.text),
            _ => None,
        });
        let texts: Vec<&Words<'_>> = thoughts.collect();
        if texts.is_empty() {
            return None;
        }
        if !self.quirks.returns_thoughts {
            self.losses.drop(Feature::Thoughts.name());
            return None;
        }
        Some(texts).filter(|texts| texts.iter().any(|text| !text.is_empty()))
    }
}

/// The texts of an answer. Blocks of one turn are one text; turns are told apart.
fn write_said<'t, 'a>(message: &mut Object<'_>, group: &'t [Turn<'a>], quirks: &Quirks) {
    let parts = || group.iter().flat_map(|turn| &turn.parts).filter(|part| is_text(part));
    let marked = quirks.cache_marks && parts().any(|part| part.cache.is_some());
    let refused = quirks.openai_only && parts().any(is_refusal);
    if marked || refused {
        message.array("content", |content| {
            for part in parts() {
                match &part.content {
                    Content::Refusal(text) if quirks.openai_only => content.object(|object| {
                        object.text("type", "refusal").text("refusal", text);
                    }),
                    _ => write_part(content, part, quirks.cache_marks, &mut Losses::default()),
                }
            }
        });
        return;
    }
    let turns = group.iter().filter(|turn| turn.parts.iter().any(is_text));
    let texts_of = |turn: &'t Turn<'a>| turn.parts.iter().filter_map(|part| text_of(&part.content)).collect();
    let turns: Vec<Vec<&Words<'_>>> = turns.map(texts_of).collect();
    let texts: Vec<Joined<'_, _>> = turns.iter().map(|texts| Joined::new(texts, "")).collect();
    message.text("content", &Joined::new(&texts, "\n\n"));
}

fn write_call(array: &mut Array<'_>, call: &ToolCall<'_>, quirks: &Quirks) {
    array.object(|object| {
        object.text("id", &call_id(&call.id, quirks));
        if call.custom && quirks.openai_only {
            object.text("type", "custom").object("custom", |custom| {
                custom.text("name", &call.name).text("input", &call.arguments);
            });
            return;
        }
        object.text("type", "function").object("function", |function| {
            function.text("name", &call.name);
            if call.custom {
                let mut arguments = Vec::new();
                Object::new(&mut arguments).text("input", &call.arguments);
                function.text("arguments", &String::from_utf8_lossy(&arguments));
            } else {
                function.text("arguments", call.arguments.or(&"{}"));
            }
        });
    });
}

fn call_id<'i>(id: &'i str, quirks: &Quirks) -> Cow<'i, str> {
    match quirks.call_id_length {
        Some(length) => exact_id(id, length),
        None => Cow::Borrowed(id),
    }
}

fn has(turns: &[Turn<'_>], is: fn(&Part<'_>) -> bool) -> bool {
    turns.iter().flat_map(|turn| &turn.parts).any(is)
}

fn is_text(part: &Part<'_>) -> bool {
    text_of(&part.content).is_some()
}

fn is_refusal(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Refusal(_))
}

fn is_media(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Media(_))
}

/// What a message of a tool cannot hold.
fn is_beside(part: &Part<'_>) -> bool {
    is_media(part) && result_text(&part.content).is_none()
}

fn is_call(part: &Part<'_>) -> bool {
    call_of(part).is_some()
}

fn call_of<'p, 'a>(part: &'p Part<'a>) -> Option<&'p ToolCall<'a>> {
    match &part.content {
        Content::ToolCall(call) => Some(call),
        _ => None,
    }
}

const SEE_NEXT: &str = "The result follows in the next message.";
