//! Parts of a message's content: texts and media.

use std::borrow::Cow;

use super::part::file_name;
use super::write_tools::write_cache;
use crate::dialect::base64;
use crate::dialect::canon::{Content, Losses, Media, MediaKind, Part, Source};
use crate::dialect::json::{Array, Object, Say, Words, write_pieces};

/// The text of a part, if it is one.
pub fn text_of<'p, 'a>(content: &'p Content<'a>) -> Option<&'p Words<'a>> {
    match content {
        Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => Some(text),
        _ => None,
    }
}

/// The text of a part of a result: documents that are text are one too.
pub fn result_text<'p>(content: &'p Content<'p>) -> Option<Cow<'p, Words<'p>>> {
    match content {
        Content::Media(media) => document_text(media),
        content => text_of(content).map(Cow::Borrowed),
    }
}

/// A text part.
pub fn write_text_part(array: &mut Array<'_>, text: &(impl Say + ?Sized), part: Option<&Part<'_>>) {
    array.object(|object| {
        object.text("type", "text").text("text", text);
        write_cache(object, part.and_then(|part| part.cache));
    });
}

/// A part of what a user says. `marks`: the vendor takes marks of its cache.
pub fn write_part(array: &mut Array<'_>, part: &Part<'_>, marks: bool, losses: &mut Losses) {
    let marked = Some(part).filter(|_| marks);
    match &part.content {
        Content::Text(text) | Content::Cited(text, _) | Content::Refusal(text) => {
            write_text_part(array, text, marked);
        }
        Content::Media(media) => write_media(array, media, marked, losses),
        Content::ToolCall(_) | Content::ToolResult(_) | Content::Thought(_) | Content::Foreign(_) => {}
    }
}

fn write_media(array: &mut Array<'_>, media: &Media<'_>, part: Option<&Part<'_>>, losses: &mut Losses) {
    if media.citations || media.context.is_some() {
        losses.drop("document_options");
    }
    if let Some(text) = document_text(media) {
        return write_text_part(array, &text, part);
    }
    if matches!(media.source, Source::File { .. }) && media.kind != MediaKind::Document {
        return losses.drop("file_id");
    }
    array.object(|object| {
        match media.kind {
            MediaKind::Image => write_address(object, "image_url", media),
            MediaKind::Video => write_address(object, "video_url", media),
            MediaKind::Audio => write_audio(object, media),
            MediaKind::Document => write_file(object, media),
        }
        write_cache(object, part.and_then(|part| part.cache));
    });
}

/// The text of a document that is text, under its title: OpenAI takes no other files than PDF.
fn document_text<'m>(media: &'m Media<'m>) -> Option<Cow<'m, Words<'m>>> {
    let text = match &media.source {
        Source::Text(text) => Cow::Borrowed(text),
        Source::Base64 { media_type, data } if media.kind == MediaKind::Document && is_text(media_type) => {
            Cow::Owned(base64::decode_text(data)?.into())
        }
        _ => return None,
    };
    Some(match media.title.as_deref().filter(|title| !title.is_empty()) {
        Some(title) => Cow::Owned(format!("{title}\n\n{}", &**text).into()),
        None => text,
    })
}

fn is_text(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || matches!(essence, "application/json" | "application/xml")
}

/// `{"type":"image_url","image_url":{"url","detail"}}`, and the same for videos.
fn write_address(object: &mut Object<'_>, kind: &'static str, media: &Media<'_>) {
    object.text("type", kind).object(kind, |inner| {
        write_source(inner.member("url"), &media.source);
        inner.text_if("detail", media.detail.as_deref());
    });
}

fn write_audio(object: &mut Object<'_>, media: &Media<'_>) {
    let Source::Base64 { media_type, data } = &media.source else {
        return write_address(object, "audio_url", media);
    };
    let subtype = media_type.strip_prefix("audio/").unwrap_or(media_type);
    let format = match subtype.split(';').next().unwrap_or_default() {
        "mpeg" | "mp3" => "mp3",
        "wav" | "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    };
    object.text("type", "input_audio").object("input_audio", |audio| {
        audio.text("data", data).text("format", format);
    });
}

fn write_file(object: &mut Object<'_>, media: &Media<'_>) {
    object.text("type", "file").object("file", |file| {
        if let Source::File { id } = &media.source {
            file.text("file_id", id);
            return;
        }
        let name = match (&media.title, &media.source) {
            (Some(title), _) => Some(&**title),
            // Data must have a name.
            (None, Source::Base64 { media_type, .. }) => Some(file_name(media_type)),
            (None, _) => None,
        };
        file.text_if("filename", name);
        write_source(file.member("file_data"), &media.source);
    });
}

/// The address of a medium; base64 becomes a `data:` address.
pub fn write_source(out: &mut Vec<u8>, source: &Source<'_>) {
    match source {
        Source::Base64 { media_type, data } => {
            let media_type = if media_type.is_empty() { "application/octet-stream" } else { media_type };
            write_pieces(out, ["data:", media_type, ";base64,", data]);
        }
        Source::Url { url, .. } => write_pieces(out, [&**url]),
        Source::File { id } => write_pieces(out, [&**id]),
        Source::Text(text) => write_pieces(out, [&**text]),
    }
}
