//! Content blocks, as requests and answers hold them alike.

use std::borrow::Cow;

use super::read_citations::citations;
use crate::dialect::canon::{
    Cache, Content, Foreign, Maker, Media, MediaKind, Part, Seal, Source, Thought, ToolCall, ToolResult,
};
use crate::dialect::json::{Raw, Read, Reader, Shape, Words, Wrong};

/// The members of a block that mean something in some kind of block; `type` may come after them.
#[derive(Debug, Default)]
pub struct Draft<'a> {
    pub kind: Cow<'a, str>,
    json: Raw<'a>,
    text: Option<Field<'a>>,
    thinking: Option<Field<'a>>,
    signature: Option<Field<'a>>,
    data: Option<Field<'a>>,
    id: Option<Field<'a>>,
    tool_use_id: Option<Field<'a>>,
    name: Option<Field<'a>>,
    title: Option<Field<'a>>,
    context: Option<Field<'a>>,
    content: Option<Field<'a>>,
    input: Option<Field<'a>>,
    source: Option<Field<'a>>,
    citations: Option<Field<'a>>,
    is_error: Option<Field<'a>>,
    cache_control: Option<Field<'a>>,
}

/// A member's value.
#[derive(Debug)]
enum Field<'a> {
    Text(Words<'a>),
    Json(Raw<'a>),
}

impl<'a> Draft<'a> {
    /// Takes a block apart.
    ///
    /// # Errors
    /// It is no object, or has no `type`.
    pub fn read(value: &mut Reader<'a>) -> Read<Draft<'a>> {
        let mut whole = value.clone();
        let mut draft = Draft::default();
        value.object(|name, value| {
            if name == "type" {
                draft.kind = value.text()?;
                return Ok(());
            }
            let Some(slot) = draft.slot(name) else { return Ok(()) };
            *slot = field(value)?;
            Ok(())
        })?;
        if draft.kind.is_empty() {
            return Err(Wrong::new("is required").within("type"));
        }
        if !is_known(&draft.kind) {
            draft.json = whole.raw()?;
        }
        Ok(draft)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Field<'a>>> {
        Some(match name {
            "text" => &mut self.text,
            "thinking" => &mut self.thinking,
            "signature" => &mut self.signature,
            "data" => &mut self.data,
            "id" => &mut self.id,
            "tool_use_id" => &mut self.tool_use_id,
            "name" => &mut self.name,
            "title" => &mut self.title,
            "context" => &mut self.context,
            "content" => &mut self.content,
            "input" => &mut self.input,
            "source" => &mut self.source,
            "citations" => &mut self.citations,
            "is_error" => &mut self.is_error,
            "cache_control" => &mut self.cache_control,
            _ => return None,
        })
    }

    /// What the block means. A kind that only this dialect knows stays as it is.
    ///
    /// # Errors
    /// A member has not the form its kind of block documents.
    pub fn part(self) -> Read<Part<'a>> {
        let cache = match &self.cache_control {
            Some(Field::Json(json)) => Some(cache(&mut Reader::new(json))?),
            _ => None,
        };
        Ok(Part { content: self.content()?, cache })
    }

    fn content(self) -> Read<Content<'a>> {
        Ok(match &*self.kind {
            "text" => {
                let text = need_words(self.text, "text")?;
                match self.citations {
                    Some(Field::Json(json)) if json.starts_with('[') => cited(text, json)?,
                    _ => Content::Text(text),
                }
            }
            "image" => media(MediaKind::Image, self)?,
            "document" => media(MediaKind::Document, self)?,
            "thinking" => {
                let seal = text(self.signature, "signature")?.filter(|data| !data.is_empty());
                let text = words(self.thinking, "thinking")?.unwrap_or_default();
                Content::Thought(Thought { text, seal: seal.map(sealed), ..Thought::default() })
            }
            "redacted_thinking" => {
                let seal = Some(sealed(need(self.data, "data")?));
                Content::Thought(Thought { seal, redacted: true, ..Thought::default() })
            }
            "tool_use" => {
                let arguments = match self.input {
                    Some(Field::Json(json)) if json.starts_with('{') => json.into(),
                    None => Words::default(),
                    _ => return Err(Wrong::new("must be an object").within("input")),
                };
                Content::ToolCall(ToolCall::new(need(self.id, "id")?, need(self.name, "name")?, arguments))
            }
            "tool_result" => tool_result(self)?,
            _ => Content::Foreign(Foreign { kind: self.kind, json: self.json }),
        })
    }
}

fn is_known(kind: &str) -> bool {
    matches!(
        kind,
        "text" | "image" | "document" | "thinking" | "redacted_thinking" | "tool_use" | "tool_result"
    )
}

/// Text, or a list of blocks.
///
/// # Errors
/// It is neither, or a block is not of its form.
pub fn parts<'a>(value: &mut Reader<'a>) -> Read<Vec<Part<'a>>> {
    match value.shape() {
        Shape::Text => Ok(vec![Content::Text(value.words()?).into()]),
        Shape::Array => list(value, |block| Draft::read(block)?.part()),
        _ => Err(Wrong::new("must be a string or an array of content blocks")),
    }
}

/// The elements of an array.
///
/// # Errors
/// The value is none, or `read` says so.
pub fn list<'a, T>(value: &mut Reader<'a>, mut read: impl FnMut(&mut Reader<'a>) -> Read<T>) -> Read<Vec<T>> {
    let mut elements = Vec::new();
    value.array(|value| {
        elements.push(read(value)?);
        Ok(())
    })?;
    Ok(elements)
}

/// `cache_control`.
///
/// # Errors
/// It is no object.
pub fn cache(value: &mut Reader<'_>) -> Read<Cache> {
    let mut one_hour = false;
    let read = value.object(|name, value| {
        if name == "ttl" {
            one_hour = value.text_if()?.is_some_and(|ttl| ttl == "1h");
        }
        Ok(())
    });
    read.map(|()| Cache { one_hour }).map_err(|wrong| wrong.within("cache_control"))
}

pub fn sealed(data: Cow<'_, str>) -> Seal<'_> {
    Seal { maker: Maker::Claude, data }
}

fn field<'a>(value: &mut Reader<'a>) -> Read<Option<Field<'a>>> {
    Ok(match value.shape() {
        Shape::Text => Some(Field::Text(value.words()?)),
        Shape::Null => value.skip().map(|()| None)?,
        _ => Some(Field::Json(value.raw()?)),
    })
}

fn text<'a>(field: Option<Field<'a>>, name: &str) -> Read<Option<Cow<'a, str>>> {
    Ok(words(field, name)?.map(Words::into_text))
}

fn words<'a>(field: Option<Field<'a>>, name: &str) -> Read<Option<Words<'a>>> {
    match field {
        None => Ok(None),
        Some(Field::Text(text)) => Ok(Some(text)),
        Some(Field::Json(_)) => Err(Wrong::new("must be a string").within(name)),
    }
}

fn need<'a>(field: Option<Field<'a>>, name: &str) -> Read<Cow<'a, str>> {
    need_words(field, name).map(Words::into_text)
}

fn need_words<'a>(field: Option<Field<'a>>, name: &str) -> Read<Words<'a>> {
    words(field, name)?.ok_or_else(|| Wrong::new("is required").within(name))
}

fn cited<'a>(text: Words<'a>, json: Raw<'a>) -> Read<Content<'a>> {
    let citations = citations(json)?;
    Ok(if citations.is_empty() { Content::Text(text) } else { Content::Cited(text, citations) })
}

fn tool_result<'a>(draft: Draft<'a>) -> Read<Content<'a>> {
    let parts = match draft.content {
        None => Vec::new(),
        Some(Field::Text(text)) => vec![Content::Text(text).into()],
        Some(Field::Json(json)) => parts(&mut Reader::new(json)).map_err(|wrong| wrong.within("content"))?,
    };
    let failed = matches!(draft.is_error, Some(Field::Json("true")));
    let id = need(draft.tool_use_id, "tool_use_id")?;
    Ok(Content::ToolResult(ToolResult { id, name: None, parts, json: None, failed, custom: false }))
}

fn media<'a>(kind: MediaKind, draft: Draft<'a>) -> Read<Content<'a>> {
    let Some(Field::Json(json)) = draft.source else {
        return Err(Wrong::new("must be an object").within("source"));
    };
    let source = source(json).map_err(|wrong| wrong.within("source"))?;
    let mut media = Media::new(kind, source);
    media.title = text(draft.title, "title")?;
    media.context = text(draft.context, "context")?;
    if let Some(Field::Json(json)) = draft.citations {
        Reader::new(json).object_if(|name, value| {
            if name == "enabled" {
                media.citations = value.raw()? == "true";
            }
            Ok(())
        })?;
    }
    Ok(Content::Media(media))
}

fn source(json: Raw<'_>) -> Read<Source<'_>> {
    let (mut kind, mut media_type, mut data) = (Cow::default(), None, None);
    let (mut url, mut file, mut content) = (None, None, None);
    Reader::new(json).object(|name, value| {
        match name {
            "type" => kind = value.text()?,
            "media_type" => media_type = field(value)?,
            "data" => data = field(value)?,
            "url" => url = field(value)?,
            "file_id" => file = field(value)?,
            "content" => content = Some(parts(value)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(match &*kind {
        "base64" => {
            let media_type = need(media_type, "media_type")?;
            Source::Base64 { media_type, data: need(data, "data")? }
        }
        "url" => Source::Url { media_type: None, url: need(url, "url")? },
        "file" => Source::File { id: need(file, "file_id")? },
        "text" => Source::Text(need_words(data, "data")?),
        "content" => {
            Source::Text(joined(content.ok_or_else(|| Wrong::new("is required").within("content"))?))
        }
        _ => {
            return Err(
                Wrong::new("must be \"base64\", \"url\", \"text\", \"content\" or \"file\"").within("type")
            );
        }
    })
}

/// The text of a document that comes in pieces.
fn joined<'a>(parts: Vec<Part<'a>>) -> Words<'a> {
    let mut texts = parts.into_iter().filter_map(|part| match part.content {
        Content::Text(text) | Content::Cited(text, _) => Some(text),
        _ => None,
    });
    let Some(mut text) = texts.next() else { return Words::default() };
    for more in texts {
        text.push_str("\n");
        text.push_str(&more);
    }
    text
}
