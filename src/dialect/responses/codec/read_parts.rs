//! The parts of a message's content, and of the result of a tool.

use std::borrow::Cow;

use crate::dialect::canon::{Cache, Citation, Content, Foreign, Media, MediaKind, Part, Source};
use crate::dialect::json::{Raw, Read, Reader, Shape, Words, Wrong};

/// A text, or an array of parts. Empty texts say nothing and are left out.
pub fn read_content<'a>(content: &mut Reader<'a>, parts: &mut Vec<Part<'a>>) -> Read<()> {
    match content.shape() {
        Shape::Null => content.skip(),
        Shape::Text => {
            let text = content.words()?;
            if !text.is_empty() {
                parts.push(Content::Text(text).into());
            }
            Ok(())
        }
        Shape::Array => content.array(|part| {
            let part = read_part(part)?;
            if !matches!(&part.content, Content::Text(text) | Content::Refusal(text) if text.is_empty()) {
                parts.push(part);
            }
            Ok(())
        }),
        _ => Err(Wrong::new("must be a string or an array")),
    }
}

/// The members of every kind of part.
#[derive(Default)]
pub struct Fields<'a> {
    pub kind: Cow<'a, str>,
    pub text: Option<Words<'a>>,
    pub refusal: Option<Words<'a>>,
    pub annotations: Vec<Citation<'a>>,
    pub logprobs: Option<Raw<'a>>,
    image_url: Option<Cow<'a, str>>,
    file_id: Option<Cow<'a, str>>,
    file_url: Option<Cow<'a, str>>,
    file_data: Option<Cow<'a, str>>,
    filename: Option<Cow<'a, str>>,
    detail: Option<Cow<'a, str>>,
    audio: Option<(Cow<'a, str>, Cow<'a, str>)>,
    marked: bool,
}

impl<'a> Fields<'a> {
    /// Tolerant of types: what is missing is missed where it is needed.
    pub fn read(part: &mut Reader<'a>) -> Read<Fields<'a>> {
        let mut fields = Fields::default();
        part.object(|name, value| {
            match name {
                "type" => fields.kind = value.text_if()?.unwrap_or_default(),
                "text" => fields.text = value.words_if()?,
                "refusal" => fields.refusal = value.words_if()?,
                "annotations" => fields.annotations = read_citations(value)?,
                "logprobs" => fields.logprobs = Some(value.raw()?),
                "image_url" => fields.image_url = read_address(value)?,
                "file_id" => fields.file_id = value.text_if()?,
                "file_url" => fields.file_url = value.text_if()?,
                "file_data" => fields.file_data = value.text_if()?,
                "filename" => fields.filename = value.text_if()?,
                "detail" => fields.detail = value.text_if()?,
                "input_audio" => fields.audio = read_audio(value)?,
                "prompt_cache_breakpoint" => fields.marked = value.shape() == Shape::Object,
                _ => {}
            }
            Ok(())
        })?;
        Ok(fields)
    }

    fn image(&mut self) -> Option<Media<'a>> {
        let source = match (self.image_url.take(), self.file_id.take()) {
            (Some(url), _) => Source::from_url(url),
            (None, id) => Source::File { id: id? },
        };
        let mut media = Media::new(MediaKind::Image, source);
        media.detail = self.detail.take();
        Some(media)
    }

    fn file(&mut self) -> Option<Media<'a>> {
        let source = match (self.file_data.take(), self.file_url.take(), self.file_id.take()) {
            (Some(data), _, _) => file_source(data, self.filename.as_deref()),
            (None, Some(url), _) => Source::Url { media_type: None, url },
            (None, None, id) => Source::File { id: id? },
        };
        let kind = match &source {
            Source::Base64 { media_type, .. } => kind_of(media_type),
            _ => MediaKind::Document,
        };
        let mut media = Media::new(kind, source);
        media.title = self.filename.take();
        Some(media)
    }

    fn recording(&mut self) -> Option<Media<'a>> {
        let (data, format) = self.audio.take()?;
        let media_type = format!("audio/{}", if format == "mp3" { "mpeg" } else { &*format }).into();
        Some(Media::new(MediaKind::Audio, Source::Base64 { media_type, data }))
    }
}

fn read_part<'a>(part: &mut Reader<'a>) -> Read<Part<'a>> {
    let mut whole = part.clone();
    let mut fields = Fields::read(part)?;
    let missing = |name: &'static str| Wrong::new("must be a string").within(name);
    let content = match &*fields.kind {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let text = fields.text.ok_or_else(|| missing("text"))?;
            match fields.annotations {
                none if none.is_empty() => Content::Text(text),
                annotations => Content::Cited(text, annotations),
            }
        }
        "refusal" => Content::Refusal(fields.refusal.ok_or_else(|| missing("refusal"))?),
        "input_image" => Content::Media(fields.image().ok_or_else(|| missing("image_url"))?),
        "input_file" => Content::Media(fields.file().ok_or_else(|| missing("file_data"))?),
        "input_audio" => Content::Media(fields.recording().ok_or_else(|| missing("input_audio"))?),
        "" => return Err(missing("type")),
        _ => Content::Foreign(Foreign { kind: fields.kind, json: whole.raw()? }),
    };
    Ok(Part { content, cache: fields.marked.then_some(Cache { one_hour: false }) })
}

/// An address, also in the form that chat has it.
fn read_address<'a>(value: &mut Reader<'a>) -> Read<Option<Cow<'a, str>>> {
    if value.shape() != Shape::Object {
        return value.text_if();
    }
    let mut url = None;
    value.object(|name, value| {
        if name == "url" {
            url = value.text_if()?;
        }
        Ok(())
    })?;
    Ok(url)
}

fn read_audio<'a>(value: &mut Reader<'a>) -> Read<Option<(Cow<'a, str>, Cow<'a, str>)>> {
    let (mut data, mut format) = (None, None);
    value.object_if(|name, value| {
        match name {
            "data" => data = value.text_if()?,
            "format" => format = value.text_if()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(data.zip(format.or(Some("wav".into()))))
}

/// A `data:` address, or bare base64 of what the file's name says.
fn file_source<'a>(data: Cow<'a, str>, name: Option<&str>) -> Source<'a> {
    match Source::from_url(data) {
        Source::Url { url: data, .. } => {
            let extension = name.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
            let known =
                |extension: &str| TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
            let media_type =
                extension.and_then(known).map_or("application/pdf", |(_, media_type)| media_type);
            Source::Base64 { media_type: media_type.into(), data }
        }
        source => source,
    }
}

fn kind_of(media_type: &str) -> MediaKind {
    match media_type.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::Document,
    }
}

/// `annotations` of a text. File citations have a name in place of a title.
pub fn read_citations<'a>(value: &mut Reader<'a>) -> Read<Vec<Citation<'a>>> {
    let mut citations = Vec::new();
    value.array_if(|annotation| {
        if annotation.shape() == Shape::Object {
            citations.push(read_citation(annotation)?);
        }
        Ok(())
    })?;
    Ok(citations)
}

/// One annotation.
pub fn read_citation<'a>(annotation: &mut Reader<'a>) -> Read<Citation<'a>> {
    let mut citation = Citation { json: Some(annotation.clone().raw()?), ..Citation::default() };
    let (mut start, mut end) = (None, None);
    annotation.object(|name, value| {
        match name {
            "url" => citation.url = value.text_if()?,
            "title" | "filename" => citation.title = value.text_if()?.or(citation.title.take()),
            "start_index" => start = value.count_if()?,
            "end_index" => end = value.count_if()?,
            _ => {}
        }
        Ok(())
    })?;
    citation.range = start.zip(end);
    Ok(citation)
}

/// Media types of files by the ends of their names, and back.
pub const TYPES: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];
