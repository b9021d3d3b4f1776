//! Parts of a message's content, as callers and servers write them.
//!
//! Besides OpenAI's own: `video_url` and `audio_url` (vLLM, OpenRouter), `thinking` (Mistral), `cache_control`
//! (OpenRouter, and clients that are used to it), and the names the Responses API has for texts and images.

use std::borrow::Cow;

use crate::dialect::canon::{Cache, Content, Foreign, Media, MediaKind, Part, Source, Thought};
use crate::dialect::json::{Read, Reader, Shape, Words};

/// Reads one part. None: it does not hold what its type promises.
pub fn read<'a>(value: &mut Reader<'a>) -> Read<Option<Part<'a>>> {
    if value.shape() == Shape::Text {
        return Ok(Some(Content::Text(value.words()?).into()));
    }
    let mut whole = value.clone();
    let mut fields = Fields::default();
    value.object(|name, value| fields.take(name, value))?;
    let cache = fields.cache;
    let content = match fields.content() {
        Held::Content(content) => content,
        Held::Unknown(kind) => Content::Foreign(Foreign { kind, json: whole.raw()? }),
        Held::Nothing => return Ok(None),
    };
    Ok(Some(Part { content, cache }))
}

/// A mark that the prompt is worth keeping up to here.
pub fn read_cache(value: &mut Reader<'_>) -> Read<Option<Cache>> {
    if value.shape() != Shape::Object {
        return value.skip().map(|()| None);
    }
    let mut one_hour = false;
    value.object(|name, value| {
        if name == "ttl" {
            one_hour = value.text_if()?.as_deref() == Some("1h");
        }
        Ok(())
    })?;
    Ok(Some(Cache { one_hour }))
}

/// An image: `{"url","detail"}`, or the address alone.
pub fn read_image<'a>(value: &mut Reader<'a>) -> Read<Option<Media<'a>>> {
    let (url, detail) = read_address(value)?;
    Ok(url.map(|url| Media { detail, ..Media::new(MediaKind::Image, Source::from_url(url)) }))
}

/// The members of a part that mean something.
#[derive(Default)]
struct Fields<'a> {
    kind: Cow<'a, str>,
    text: Option<Words<'a>>,
    refusal: Option<Words<'a>>,
    thinking: Option<Words<'a>>,
    media: Option<Media<'a>>,
    cache: Option<Cache>,
}

enum Held<'a> {
    Content(Content<'a>),
    Unknown(Cow<'a, str>),
    Nothing,
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &mut Reader<'a>) -> Read<()> {
        match name {
            "type" => self.kind = value.text_if()?.unwrap_or_default(),
            "text" => self.text = value.words_if()?,
            "refusal" => self.refusal = value.words_if()?,
            "thinking" => self.thinking = Some(read_thinking(value)?),
            "image_url" => self.media = read_image(value)?,
            "video_url" => self.media = read_url(value, MediaKind::Video)?,
            "audio_url" => self.media = read_url(value, MediaKind::Audio)?,
            "input_audio" => self.media = read_audio(value)?,
            "file" => self.media = read_file(value)?,
            "cache_control" => self.cache = read_cache(value)?,
            _ => {}
        }
        Ok(())
    }

    fn content(self) -> Held<'a> {
        let content = match &*self.kind {
            "text" | "input_text" | "output_text" => self.text.map(Content::Text),
            "refusal" => self.refusal.map(Content::Refusal),
            "thinking" => self.thinking.map(|text| Content::Thought(Thought { text, ..Thought::default() })),
            "image_url" | "input_image" | "video_url" | "audio_url" | "input_audio" | "file" => {
                self.media.map(Content::Media)
            }
            "" => self.text.map(Content::Text),
            _ => return Held::Unknown(self.kind),
        };
        content.map_or(Held::Nothing, Held::Content)
    }
}

/// Mistral's thoughts: a text, or a list of text parts.
fn read_thinking<'a>(value: &mut Reader<'a>) -> Read<Words<'a>> {
    let mut thinking = Words::default();
    if value.shape() == Shape::Text {
        return value.words();
    }
    value.array_if(|value| {
        value.object_if(|name, value| {
            if name == "text" {
                match value.words_if()? {
                    Some(text) if thinking.is_empty() => thinking = text,
                    Some(text) => thinking.push_str(&text),
                    None => {}
                }
            }
            Ok(())
        })
    })?;
    Ok(thinking)
}

type Address<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

fn read_address<'a>(value: &mut Reader<'a>) -> Read<Address<'a>> {
    if value.shape() == Shape::Text {
        return Ok((Some(value.text()?), None));
    }
    let (mut url, mut detail) = (None, None);
    value.object_if(|name, value| {
        match name {
            "url" => url = value.text_if()?,
            "detail" => detail = value.text_if()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((url, detail))
}

fn read_url<'a>(value: &mut Reader<'a>, kind: MediaKind) -> Read<Option<Media<'a>>> {
    let (url, _) = read_address(value)?;
    Ok(url.map(|url| Media::new(kind, Source::from_url(url))))
}

/// `{"data","format"}`, the data in base64.
fn read_audio<'a>(value: &mut Reader<'a>) -> Read<Option<Media<'a>>> {
    let (mut data, mut format) = (None, Cow::Borrowed("wav"));
    value.object_if(|name, value| {
        match name {
            "data" => data = value.text_if()?,
            "format" => format = value.text_if()?.unwrap_or(Cow::Borrowed("wav")),
            _ => {}
        }
        Ok(())
    })?;
    let media_type = match &*format {
        "mp3" => Cow::Borrowed("audio/mpeg"),
        format => format!("audio/{format}").into(),
    };
    Ok(data.map(|data| Media::new(MediaKind::Audio, Source::Base64 { media_type, data })))
}

/// `{"file_data","filename"}` or `{"file_id"}`. The data is a `data:` address; some send an address to fetch
/// (OpenRouter), some the bare base64.
fn read_file<'a>(value: &mut Reader<'a>) -> Read<Option<Media<'a>>> {
    let (mut data, mut id, mut title) = (None, None, None);
    value.object_if(|name, value| {
        match name {
            "file_data" => data = value.text_if()?,
            "file_id" => id = value.text_if()?,
            "filename" => title = value.text_if()?,
            _ => {}
        }
        Ok(())
    })?;
    let source = match (data, id) {
        (Some(data), _) if is_address(&data) => Source::from_url(data),
        (Some(data), _) => {
            let media_type = media_type_of(title.as_deref().unwrap_or_default()).into();
            Source::Base64 { media_type, data }
        }
        (None, Some(id)) => Source::File { id },
        (None, None) => return Ok(None),
    };
    Ok(Some(Media { title, ..Media::new(MediaKind::Document, source) }))
}

/// Base64 has no colon.
fn is_address(data: &str) -> bool {
    data.bytes().take(LONGEST_SCHEME).any(|byte| byte == b':')
}

fn media_type_of(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = DOCUMENTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map_or("application/pdf", |(_, media_type)| media_type)
}

/// The name a document is sent under where it has none.
pub fn file_name(media_type: &str) -> &'static str {
    let known = DOCUMENTS.iter().find(|(_, known)| *known == media_type);
    match known {
        Some(("txt", _)) => "document.txt",
        Some(("md", _)) => "document.md",
        Some(("csv", _)) => "document.csv",
        Some(("html", _)) => "document.html",
        Some(("json", _)) => "document.json",
        Some(("docx", _)) => "document.docx",
        Some(("xlsx", _)) => "document.xlsx",
        _ => "document.pdf",
    }
}

const DOCUMENTS: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
];
const LONGEST_SCHEME: usize = 8;
