//! Blocks of content for messages, results of tools and answers.

use std::borrow::Cow;
use std::collections::HashSet;

use super::media;
use super::model::Model;
use crate::dialect::DialectId;
use crate::dialect::base64;
use crate::dialect::canon::{
    Cache, Citation, Content, Losses, Maker, Media, MediaKind, Part, Source, Thought, ToolCall, ToolResult,
};
use crate::dialect::json::{Array, Object, Say, Words};
use crate::dialect::skim::{self, strict};
use crate::error::{Error, Result};

/// Writes the blocks of one request.
pub struct Blocks<'w> {
    pub model: Model<'w>,
    /// Where the request was read: blocks that only Bedrock knows are written back to it.
    pub origin: DialectId,
    pub losses: &'w mut Losses,
    /// Names of documents so far: each may stand once.
    names: HashSet<String>,
    documents: usize,
}

impl<'w> Blocks<'w> {
    pub fn new(model: Model<'w>, origin: DialectId, losses: &'w mut Losses) -> Self {
        Blocks { model, origin, losses, names: HashSet::new(), documents: 0 }
    }

    /// Will a block be written for it? Bedrock refuses empty texts, and messages without a block.
    pub fn writes(&self, content: &Content<'_>) -> bool {
        match content {
            Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => !text.is_blank(),
            Content::Thought(thought) => self.model.reads_seals() && own_seal(thought).is_some(),
            Content::Foreign(_) => self.origin == DialectId::Bedrock,
            Content::Media(_) | Content::ToolCall(_) | Content::ToolResult(_) => true,
        }
    }

    /// Writes what a message holds.
    ///
    /// # Errors
    /// `BadRequest`: a medium that Bedrock cannot take.
    pub fn write(&mut self, part: &Part<'_>, out: &mut Array<'_>) -> Result<()> {
        if !self.writes(&part.content) {
            return Ok(());
        }
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => write_text(text, out),
            Content::Cited(text, citations) if self.origin == DialectId::Bedrock => {
                write_cited(text, citations, out);
            }
            // Sources of an earlier answer point into another vendor's documents.
            Content::Cited(text, citations) => {
                write_text(text, out);
                if !citations.is_empty() {
                    self.losses.drop("citations");
                }
            }
            Content::Media(media) => self.write_media(media, out)?,
            Content::ToolCall(call) => write_call(call, self.losses, out),
            Content::ToolResult(result) => self.write_result(result, out)?,
            Content::Thought(thought) => write_thought(thought, out),
            Content::Foreign(foreign) => out.raw(foreign.json),
        }
        self.write_cache(part.cache, out);
        Ok(())
    }

    /// A cache point behind what is marked.
    pub fn write_cache(&mut self, cache: Option<Cache>, out: &mut Array<'_>) {
        let Some(cache) = cache else { return };
        if !self.model.caches() {
            return self.losses.drop("cache_control");
        }
        let one_hour = cache.one_hour && self.model.caches_one_hour();
        if cache.one_hour && !one_hour {
            self.losses.drop("cache_control.ttl");
        }
        out.object(|block| {
            block.object("cachePoint", |point| {
                point.text("type", "default").text_if("ttl", one_hour.then_some("1h"));
            });
        });
    }

    fn write_result(&mut self, result: &ToolResult<'_>, out: &mut Array<'_>) -> Result<()> {
        let mut written = Ok(());
        let failed = result.failed && self.model.takes_status();
        if result.failed && !failed {
            self.losses.drop("is_error");
        }
        out.object(|block| {
            block.object("toolResult", |object| {
                object.text("toolUseId", &result.id);
                object.array("content", |content| written = self.write_result_content(result, content));
                object.text_if("status", failed.then_some("error"));
            });
        });
        written
    }

    /// There must be something in it.
    fn write_result_content(&mut self, result: &ToolResult<'_>, out: &mut Array<'_>) -> Result<()> {
        let mut empty = true;
        for part in &result.parts {
            match &part.content {
                Content::Text(text) | Content::Cited(text, _) if text.is_blank() => continue,
                Content::Text(text) | Content::Cited(text, _) => write_text(text, out),
                Content::Media(media) if media.kind == MediaKind::Audio => {
                    self.losses.drop("audio");
                    continue;
                }
                Content::Media(media) => self.write_media(media, out)?,
                Content::Foreign(foreign) if self.origin == DialectId::Bedrock => out.raw(foreign.json),
                _ => continue,
            }
            empty = false;
        }
        match result.json {
            Some(json) if json.starts_with('{') => out.object(|block| {
                block.raw("json", json);
            }),
            Some(json) => write_text(json, out),
            None if empty => write_text(NOTHING, out),
            None => {}
        }
        Ok(())
    }

    fn write_media(&mut self, media: &Media<'_>, out: &mut Array<'_>) -> Result<()> {
        let (member, (format, source)) = (member(media.kind), held(media)?);
        let name = (media.kind == MediaKind::Document).then(|| self.document_name(media.title.as_deref()));
        out.object(|block| {
            block.object(member, |object| {
                object.text_if("name", name.as_deref()).text("format", format);
                object.object("source", |place| match source {
                    Held::Bytes(data) => {
                        place.text("bytes", data);
                    }
                    Held::Text(text) => {
                        place.text("text", text);
                    }
                    Held::S3(uri) => {
                        place.object("s3Location", |location| {
                            location.text("uri", uri);
                        });
                    }
                });
                if media.kind == MediaKind::Document {
                    object.text_if("context", media.context.as_deref());
                    if media.citations {
                        object.object("citations", |citations| {
                            citations.value("enabled", true);
                        });
                    }
                }
            });
        });
        Ok(())
    }

    /// The title in the characters that a document's name may have, and unlike any other.
    fn document_name(&mut self, title: Option<&str>) -> String {
        self.documents += 1;
        let plain = title.map(plain_name).filter(|name| !name.is_empty());
        let name = plain.unwrap_or_else(|| format!("Document {}", self.documents));
        if self.names.insert(name.clone()) {
            return name;
        }
        let mut number = self.documents;
        loop {
            let other = format!("{name} {number}");
            if self.names.insert(other.clone()) {
                return other;
            }
            number += 1;
        }
    }
}

/// Writes a block of an answer.
pub fn write_answer(content: &Content<'_>, out: &mut Array<'_>) {
    match content {
        Content::Text(text) | Content::Refusal(text) => write_text(text, out),
        Content::Cited(text, citations) => write_cited(text, citations, out),
        Content::ToolCall(call) => write_call(call, &mut Losses::default(), out),
        Content::Thought(thought) if thought.redacted && own_seal(thought).is_none() => {}
        Content::Thought(thought) => write_thought(thought, out),
        Content::Foreign(_) | Content::ToolResult(_) => {}
        Content::Media(media) => {
            if let Ok((format, Held::Bytes(data))) = held(media) {
                out.object(|block| {
                    block.object(member(media.kind), |object| {
                        object.text("format", format).object("source", |source| {
                            source.text("bytes", data);
                        });
                    });
                });
            }
        }
    }
}

pub fn write_text(text: &(impl Say + ?Sized), out: &mut Array<'_>) {
    out.object(|block| {
        block.text("text", text);
    });
}

fn write_cited(text: &Words<'_>, citations: &[Citation<'_>], out: &mut Array<'_>) {
    if citations.is_empty() {
        return write_text(text, out);
    }
    out.object(|block| {
        block.object("citationsContent", |object| {
            object.array("content", |content| write_text(text, content));
            object.array("citations", |out| {
                for citation in citations {
                    write_citation(citation, out.element());
                }
            });
        });
    });
}

/// A source, also as streams tell it.
pub fn write_citation(citation: &Citation<'_>, out: &mut Vec<u8>) {
    // As Bedrock itself wrote it.
    if let Some(json) = citation.json
        && ["location", "sourceContent"].iter().any(|name| skim::lookup(json.as_bytes(), &[name]).is_some())
    {
        return out.extend_from_slice(json.as_bytes());
    }
    let mut object = Object::new(out);
    object.text_if("title", citation.title.as_deref());
    if let Some(quote) = &citation.quote {
        object.array("sourceContent", |content| write_text(quote, content));
    }
    match (&citation.url, citation.document) {
        (Some(url), _) => {
            object.object("location", |place| {
                place.object("web", |web| {
                    web.text("url", url);
                });
            });
        }
        (None, Some(document)) => {
            object.object("location", |place| {
                place.object("documentChar", |location| {
                    location.value("documentIndex", document);
                });
            });
        }
        (None, None) => {}
    }
}

fn write_call(call: &ToolCall<'_>, losses: &mut Losses, out: &mut Array<'_>) {
    out.object(|block| {
        block.object("toolUse", |object| {
            object.text("toolUseId", &call.id).text("name", &call.name);
            if call.custom {
                object.object("input", |input| {
                    input.text("input", &call.arguments);
                });
            } else {
                object.raw("input", arguments(call, losses));
            }
        });
    });
}

/// The arguments as an object.
fn arguments<'c>(call: &'c ToolCall<'_>, losses: &mut Losses) -> &'c str {
    if strict::is_object(call.arguments.as_bytes()) {
        return &call.arguments;
    }
    if !call.arguments.is_blank() {
        losses.drop("tool_call.arguments");
    }
    "{}"
}

fn write_thought(thought: &Thought<'_>, out: &mut Array<'_>) {
    let seal = own_seal(thought);
    out.object(|block| {
        block.object("reasoningContent", |object| {
            match seal {
                Some(data) if thought.redacted => {
                    object.text("redactedContent", &base64::encode(data.as_bytes()))
                }
                _ => object.object("reasoningText", |told| {
                    told.text("text", &thought.text).text_if("signature", seal);
                }),
            };
        });
    });
}

fn own_seal<'t>(thought: &'t Thought<'_>) -> Option<&'t str> {
    let seal = thought.seal.as_ref().filter(|seal| seal.maker == Maker::Claude)?;
    Some(&seal.data)
}

/// Where a medium's bytes are.
enum Held<'m> {
    Bytes(&'m str),
    Text(&'m Words<'m>),
    S3(&'m str),
}

/// A medium's format, and its bytes.
fn held<'m>(media: &'m Media<'m>) -> Result<(&'static str, Held<'m>)> {
    let kind = media.kind;
    let name = media.title.as_deref().unwrap_or_default();
    match &media.source {
        Source::Base64 { media_type, data } => {
            let format = media::format(kind, media_type, name);
            Ok((format.ok_or_else(|| refused(media::advice(kind)))?, Held::Bytes(data)))
        }
        Source::Text(text) => Ok(("txt", Held::Text(text))),
        Source::File { id: uri } | Source::Url { url: uri, .. } if uri.starts_with("s3://") => {
            let format = media::format(kind, "", uri).or_else(|| media::format(kind, "", name));
            Ok((format.ok_or_else(|| refused(media::advice(kind)))?, Held::S3(uri)))
        }
        Source::Url { .. } => Err(refused("Bedrock fetches no addresses; send the data itself, in base64")),
        Source::File { .. } => {
            Err(refused("the file is kept at another provider; send the data itself, in base64"))
        }
    }
}

fn member(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::Document => "document",
    }
}

fn refused(advice: &'static str) -> Error {
    Error::bad_request(Cow::Borrowed(advice)).param("messages").code("unsupported_parameter")
}

/// Letters, digits, single spaces, dashes, round and square brackets.
fn plain_name(title: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']');
    let mut name = String::new();
    for c in title.chars().map(|c| if allowed(c) { c } else { ' ' }) {
        if name.len() < LONGEST_NAME && !(c == ' ' && (name.is_empty() || name.ends_with(' '))) {
            name.push(c);
        }
    }
    name.truncate(name.trim_end().len());
    name
}

pub fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// What the model is told of a tool that gave nothing.
const NOTHING: &str = "(no output)";
/// Bytes of a document's name, below Bedrock's 200 by what makes it unlike others.
const LONGEST_NAME: usize = 180;
