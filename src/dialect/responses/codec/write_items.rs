//! Turns as items of an input.

use super::read_parts::TYPES;
use super::write_parts::write_annotations;
use crate::dialect::DialectId;
use crate::dialect::canon::{
    Content, Losses, Maker, Media, MediaKind, Part, Role, Source, Thought, ToolCall, ToolResult, Turn,
};
use crate::dialect::json::{Array, Object, Words, write_text};

/// What decides on what may be written.
pub struct Scope<'s> {
    /// The dialect the request was read from.
    pub origin: DialectId,
    pub losses: &'s mut Losses,
}

/// Appends what a turn becomes: messages of neighbouring parts, and items of their own for all else.
pub fn write_turn(turn: &Turn<'_>, items: &mut Array<'_>, scope: &mut Scope<'_>) {
    let mut rest = turn.parts.as_slice();
    while let Some(first) = rest.first() {
        let said = rest.iter().take_while(|part| is_said(&part.content, turn.role)).count();
        if said > 0 {
            let (message, others) = rest.split_at(said);
            write_message(turn.role, message, items);
            rest = others;
            continue;
        }
        write_item(&first.content, items, scope);
        rest = rest.get(1..).unwrap_or_default();
    }
}

/// Is it part of a message? Models are shown media, they say none.
fn is_said(content: &Content<'_>, role: Role) -> bool {
    match content {
        Content::Text(_) | Content::Cited(..) | Content::Refusal(_) => true,
        Content::Media(_) => role != Role::Assistant,
        _ => false,
    }
}

fn write_message(role: Role, parts: &[Part<'_>], items: &mut Array<'_>) {
    let (name, kind) = match role {
        Role::System => ("system", "input_text"),
        Role::Developer => ("developer", "input_text"),
        Role::User => ("user", "input_text"),
        Role::Assistant => ("assistant", "output_text"),
    };
    items.object(|item| {
        item.text("type", "message").text("role", name);
        item.array("content", |content| parts.iter().for_each(|part| write_part(part, kind, content)));
    });
}

fn write_part(part: &Part<'_>, kind: &str, content: &mut Array<'_>) {
    match &part.content {
        Content::Text(text) => content.object(|part| {
            part.text("type", kind).text("text", text);
        }),
        Content::Cited(text, citations) => content.object(|part| {
            part.text("type", kind).text("text", text);
            if kind == "output_text" {
                write_annotations(part.member("annotations"), citations, text);
            }
        }),
        Content::Refusal(refusal) if kind == "output_text" => content.object(|part| {
            part.text("type", "refusal").text("refusal", refusal);
        }),
        Content::Refusal(text) => content.object(|part| {
            part.text("type", kind).text("text", text);
        }),
        Content::Media(media) => write_media(media, content),
        _ => {}
    }
}

fn write_media(media: &Media<'_>, content: &mut Array<'_>) {
    let source = &media.source;
    content.object(|part| match (media.kind, source) {
        (_, Source::Text(text)) => {
            part.text("type", "input_text").text("text", text);
        }
        (MediaKind::Image, source) => {
            part.text("type", "input_image");
            write_source(part, source, "image_url", "image_url");
            part.text_if("detail", media.detail.as_deref());
        }
        (MediaKind::Audio, Source::Base64 { media_type, data }) => {
            let format = media_type.strip_prefix("audio/").unwrap_or(media_type);
            let format = if format == "mpeg" { "mp3" } else { format };
            part.text("type", "input_audio").object("input_audio", |audio| {
                audio.text("data", data).text("format", format);
            });
        }
        (_, source) => {
            part.text("type", "input_file");
            if let (Source::Base64 { media_type, .. }, None) = (source, &media.title) {
                part.text("filename", &default_name(media_type));
            }
            part.text_if("filename", media.title.as_deref());
            write_source(part, source, "file_data", "file_url");
        }
    });
}

/// A file must have a name whose end says what it is.
fn default_name(media_type: &str) -> String {
    let extension = TYPES.iter().find(|(_, known)| *known == media_type).map_or("pdf", |(end, _)| end);
    format!("document.{extension}")
}

fn write_source(
    part: &mut Object<'_>,
    source: &Source<'_>,
    data_member: &'static str,
    url_member: &'static str,
) {
    match source {
        Source::Base64 { media_type, data } => {
            let out = part.member(data_member);
            // The type is the caller's and may need escapes; base64 needs none, and what is none is escaped too.
            write_text(out, "data:");
            out.pop();
            inside(out, media_type);
            out.extend_from_slice(b";base64,");
            inside(out, data);
            out.push(b'"');
        }
        Source::Url { url, .. } => {
            part.text(url_member, url);
        }
        Source::File { id } => {
            part.text("file_id", id);
        }
        Source::Text(_) => {}
    }
}

/// A text that goes on within a string: its opening quote takes the place of the byte before it, which is put back.
fn inside(out: &mut Vec<u8>, text: &str) {
    let Some(before) = out.pop() else { return };
    let place = out.len();
    write_text(out, text);
    out.pop();
    if let Some(byte) = out.get_mut(place) {
        *byte = before;
    }
}

fn write_item(content: &Content<'_>, items: &mut Array<'_>, scope: &mut Scope<'_>) {
    match content {
        Content::ToolCall(call) => write_call(call, items),
        Content::ToolResult(result) => write_result(result, items),
        Content::Thought(thought) => write_thought(thought, items, scope),
        Content::Foreign(foreign) if scope.origin == DialectId::Responses => items.raw(foreign.json),
        Content::Foreign(_) => scope.losses.drop("foreign_blocks"),
        Content::Media(_) => scope.losses.drop("media_output"),
        Content::Text(_) | Content::Cited(..) | Content::Refusal(_) => {}
    }
}

fn write_call(call: &ToolCall<'_>, items: &mut Array<'_>) {
    items.object(|item| {
        if call.custom {
            item.text("type", "custom_tool_call").text("call_id", &call.id).text("name", &call.name);
            item.text("input", &call.arguments);
        } else {
            item.text("type", "function_call").text("call_id", &call.id).text("name", &call.name);
            item.text("arguments", call.arguments.or(&"{}"));
        }
    });
}

/// One text is written as such, all else as a list of parts.
fn write_result(result: &ToolResult<'_>, items: &mut Array<'_>) {
    items.object(|item| {
        let kind = if result.custom { "custom_tool_call_output" } else { "function_call_output" };
        item.text("type", kind).text("call_id", &result.id);
        match (result.parts.as_slice(), result.json) {
            ([], json) => item.text("output", json.unwrap_or_default()),
            ([Part { content: Content::Text(text), .. }], None) => item.text("output", text),
            (parts, json) => item.array("output", |output| {
                parts.iter().for_each(|part| write_part(part, "input_text", output));
                if let Some(json) = json {
                    output.object(|part| {
                        part.text("type", "input_text").text("text", json);
                    });
                }
            }),
        };
    });
}

/// OpenAI takes back what it sealed itself. Of its own callers it also knows thoughts by their id.
fn write_thought(thought: &Thought<'_>, items: &mut Array<'_>, scope: &mut Scope<'_>) {
    let own = thought.seal.as_ref().filter(|seal| seal.maker == Maker::OpenAi);
    if own.is_none() && scope.origin != DialectId::Responses {
        return scope.losses.drop("thoughts");
    }
    items.object(|item| {
        item.text("type", "reasoning").text_if("id", thought.id.as_deref());
        let text = Some(&thought.text).filter(|text| !text.is_empty());
        write_texts(item, "summary", "summary_text", text.filter(|_| thought.summary));
        if let Some(plain) = text.filter(|_| !thought.summary) {
            write_texts(item, "content", "reasoning_text", Some(plain));
        }
        item.text_if("encrypted_content", own.map(|seal| &*seal.data));
    });
}

/// A list of one text, or of none.
pub fn write_texts(item: &mut Object<'_>, member: &'static str, kind: &str, text: Option<&Words<'_>>) {
    item.array(member, |texts| {
        if let Some(text) = text {
            texts.object(|part| {
                part.text("type", kind).text("text", text);
            });
        }
    });
}
