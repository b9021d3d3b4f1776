//! Whole answers, as OpenAI's own clients parse them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::{call, outcome, write_parts};
use crate::dialect::canon::{
    Choice, Citation, Content, Finish, Media, MediaKind, Response, Source, ToolCall,
};
use crate::dialect::codec::Outward;
use crate::dialect::json::{Array, Object, write_pieces};
use crate::dialect::skim;

pub fn write(response: &Response<'_>, outward: &Outward) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::new(&mut out);
    let made = answer_id(outward);
    let created = response.created.unwrap_or(outward.created);
    let id = response.id.as_deref().unwrap_or(&made);
    object.text("id", id).text("object", "chat.completion").value("created", created);
    object.text("model", &outward.alias).array("choices", |choices| {
        // Ids that are missing are numbered through the whole answer.
        let mut calls = 0;
        for (index, choice) in response.choices.iter().enumerate() {
            choices.object(|object| {
                object.value("index", index);
                let older = choice.finish == Finish::ToolCalls && asks_older(outward);
                let message = Message { choice, outward, created, older };
                object.object("message", |object| message.write(object, &mut calls));
                write_end(object, choice, older);
            });
        }
    });
    if !response.usage.is_empty() {
        object.object("usage", |usage| outcome::write_usage(usage, &response.usage));
    }
    object.text_if("service_tier", response.service_tier.as_deref());
    drop(object);
    out
}

/// The id of an answer whose provider gives none.
pub fn answer_id(outward: &Outward) -> String {
    format!("chatcmpl-{}", outward.request_id)
}

/// Did the caller declare `functions`, the form before tools? Then it knows no other call than `function_call`.
pub fn asks_older(outward: &Outward) -> bool {
    static FUNCTIONS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"functions\""));
    let body = &outward.body;
    FUNCTIONS.find(body).is_some()
        && skim::members(body).any(|member| member.is("functions"))
        && !skim::members(body).any(|member| member.is("tools"))
}

/// The id of a call whose provider gives none.
pub fn made_call_id(outward: &Outward, number: u64) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let request: String = outward.request_id.chars().filter(plain).take(LONGEST_REQUEST).collect();
    format!("call_{request}_{number}")
}

fn write_end(object: &mut Object<'_>, choice: &Choice<'_>, older: bool) {
    if choice.logprobs.is_empty() {
        object.null("logprobs");
    } else {
        outcome::write_chances(object.member("logprobs"), &choice.logprobs);
    }
    let refused = choice.parts.iter().any(|part| matches!(part.content, Content::Refusal(_)));
    let word = if older { "function_call" } else { outcome::finish_word(&choice.finish, refused) };
    object.text("finish_reason", word);
}

struct Message<'m> {
    choice: &'m Choice<'m>,
    outward: &'m Outward,
    created: u64,
    /// Calls have the form before tools.
    older: bool,
}

impl Message<'_> {
    fn contents(&self) -> impl Iterator<Item = &Content<'_>> {
        self.choice.parts.iter().map(|part| &part.content)
    }

    fn write(&self, object: &mut Object<'_>, calls: &mut u64) {
        object.text("role", "assistant");
        let texts = || self.contents().filter_map(said);
        let calling = self.contents().any(|content| matches!(content, Content::ToolCall(_)));
        let refusals = || self.contents().filter_map(refused);
        if texts().next().is_none() && (calling || refusals().next().is_some()) {
            object.null("content");
        } else {
            write_pieces(object.member("content"), texts());
        }
        match refusals().next() {
            Some(_) => write_pieces(object.member("refusal"), refusals()),
            None => {
                object.null("refusal");
            }
        }
        self.write_thoughts(object);
        object.array("annotations", |annotations| self.write_citations(annotations));
        self.write_media(object);
        if calling {
            self.write_calls(object, calls);
        }
    }

    fn write_calls(&self, object: &mut Object<'_>, number: &mut u64) {
        let mut calls = self.contents().filter_map(|content| match content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        });
        if self.older {
            // There was but one.
            if let Some(call) = calls.next() {
                object.object("function_call", |inner| write_function(inner, call));
            }
            return;
        }
        object.array("tool_calls", |array| {
            for call in calls {
                write_call(array, call, self.outward, *number);
                *number += 1;
            }
        });
    }

    /// The name that most servers and clients know for them.
    fn write_thoughts(&self, object: &mut Object<'_>) {
        let thoughts = self.contents().filter_map(|content| match content {
            Content::Thought(thought) if !thought.text.is_empty() => Some(&*thought.text),
            _ => None,
        });
        let texts: Vec<&str> = thoughts.collect();
        match texts.as_slice() {
            [] => {}
            [text] => {
                object.text("reasoning_content", text);
            }
            texts => {
                object.text("reasoning_content", &texts.join("\n\n"));
            }
        }
    }

    fn write_citations(&self, annotations: &mut Array<'_>) {
        let mut start = 0;
        for content in self.contents() {
            let end = start + said(content).map_or(0, |text| text.chars().count() as u64);
            if let Content::Cited(_, citations) = content {
                citations.iter().for_each(|one: &Citation<'_>| {
                    outcome::write_citation(annotations, one, (start, end));
                });
            }
            start = end;
        }
    }

    fn write_media(&self, object: &mut Object<'_>) {
        let media = |kind| {
            self.contents().filter_map(move |content| match content {
                Content::Media(media) if media.kind == kind => Some(media),
                _ => None,
            })
        };
        if media(MediaKind::Image).next().is_some() {
            object.array("images", |images| {
                media(MediaKind::Image)
                    .enumerate()
                    .for_each(|(index, image)| write_image(images, image, index));
            });
        }
        if let Some(Media { source: Source::Base64 { data, .. }, .. }) = media(MediaKind::Audio).next() {
            object.object("audio", |audio| {
                audio.text("id", &format!("audio_{}", self.outward.request_id)).text("data", data);
                audio.value("expires_at", self.created).text("transcript", "");
            });
        }
    }
}

/// A picture as OpenRouter has it in answers.
pub fn write_image(images: &mut Array<'_>, image: &Media<'_>, index: usize) {
    images.object(|object| {
        object.text("type", "image_url").value("index", index).object("image_url", |inner| {
            write_parts::write_source(inner.member("url"), &image.source);
        });
    });
}

fn write_call(array: &mut Array<'_>, call: &ToolCall<'_>, outward: &Outward, number: u64) {
    array.object(|object| {
        match &*call.id {
            "" => object.text("id", &made_call_id(outward, number)),
            id => object.text("id", id),
        };
        if call.custom {
            object.text("type", "custom").object("custom", |custom| {
                custom.text("name", &call.name).text("input", &call.arguments);
            });
        } else {
            object.text("type", "function").object("function", |function| write_function(function, call));
        }
        call::write_seal(object, call.seal.as_ref());
    });
}

fn write_function(function: &mut Object<'_>, call: &ToolCall<'_>) {
    function.text("name", &call.name).text("arguments", call.arguments.or(&"{}"));
}

fn said<'c>(content: &'c Content<'_>) -> Option<&'c str> {
    match content {
        Content::Text(text) | Content::Cited(text, _) => Some(text),
        _ => None,
    }
}

fn refused<'c>(content: &'c Content<'_>) -> Option<&'c str> {
    match content {
        Content::Refusal(text) => Some(text),
        _ => None,
    }
}

/// With `call_` and a number an id stays within 40 characters, the most OpenAI takes back.
const LONGEST_REQUEST: usize = 30;
