//! Pictures and documents for the provider.
//!
//! Source: Claude docs, "Vision", "PDF support", "Citations": documents are PDF or plain text.

use std::borrow::Cow;

use crate::dialect::base64;
use crate::dialect::canon::{Content, Media, MediaKind, Part, Request, Source};
use crate::dialect::json::Object;
use crate::error::{Error, Result};

/// Does Claude look at such a medium?
pub fn is_taken(media: &Media<'_>) -> bool {
    matches!(media.kind, MediaKind::Image | MediaKind::Document)
}

/// Is every document of a form that can be said?
///
/// # Errors
/// `BadRequest`: one is neither a PDF nor a text.
pub fn check(request: &Request<'_>) -> Result<()> {
    fn check(part: &Part<'_>) -> Result<()> {
        match &part.content {
            Content::ToolResult(result) => result.parts.iter().try_for_each(check),
            Content::Media(media) if matches!(body(media), Body::Unknown) => Err(Error::bad_request(
                "a document of this type cannot be used with this model: send a PDF or plain text",
            )
            .param("messages")),
            _ => Ok(()),
        }
    }
    request.turns.iter().flat_map(|turn| &turn.parts).try_for_each(check)
}

/// Writes the members of an image or document block.
pub fn write(object: &mut Object<'_>, media: &Media<'_>) {
    let body = body(media);
    let is_image = matches!(body, Body::Image(_)) || media.kind == MediaKind::Image;
    object.text("type", if is_image { "image" } else { "document" });
    object.object("source", |source| match (&body, &media.source) {
        (_, Source::Url { url, .. }) => {
            source.text("type", "url").text("url", url);
        }
        (_, Source::File { id }) => {
            source.text("type", "file").text("file_id", id);
        }
        (Body::Text(text), _) => {
            source.text("type", "text").text("media_type", "text/plain").text("data", text);
        }
        (_, Source::Text(text)) => {
            source.text("type", "text").text("media_type", "text/plain").text("data", text);
        }
        (_, Source::Base64 { media_type, data }) => {
            let media_type = match &body {
                Body::Image(media_type) => media_type,
                Body::Pdf => "application/pdf",
                _ => media_type,
            };
            source.text("type", "base64").text("media_type", media_type).text("data", data);
        }
    });
    if is_image {
        return;
    }
    object.text_if("title", media.title.as_deref()).text_if("context", media.context.as_deref());
    if media.citations {
        object.object("citations", |citations| {
            citations.value("enabled", true);
        });
    }
}

/// What bytes in a request are.
enum Body<'m> {
    Image(&'m str),
    Pdf,
    Text(Cow<'m, str>),
    /// An address or a file: the provider sees.
    Elsewhere,
    Unknown,
}

fn body<'m>(media: &'m Media<'_>) -> Body<'m> {
    let (media_type, data) = match &media.source {
        Source::Text(text) => return Body::Text(Cow::Borrowed(text)),
        Source::Url { .. } | Source::File { .. } => return Body::Elsewhere,
        Source::Base64 { media_type, data } => (&**media_type, &**data),
    };
    if media_type == "image/jpg" {
        return Body::Image("image/jpeg");
    }
    if media.kind == MediaKind::Image || media_type.starts_with("image/") {
        return Body::Image(media_type);
    }
    if media_type == "application/pdf" || data.starts_with(PDF) {
        return Body::Pdf;
    }
    let is_text = media_type.starts_with("text/") || TEXTS.contains(&media_type);
    match decode(data).filter(|_| is_text).map(String::from_utf8) {
        Some(Ok(text)) => Body::Text(Cow::Owned(text)),
        _ => Body::Unknown,
    }
}

/// Base64 in either alphabet, padded or not.
fn decode(data: &str) -> Option<Vec<u8>> {
    let digits = data.trim_end_matches('=').bytes().filter(|byte| !matches!(byte, b'\n' | b'\r'));
    base64::gather(digits).map(|(bytes, _)| bytes)
}

/// `%PDF-` in base64, as far as its bits go.
const PDF: &str = "JVBERi0";
const TEXTS: [&str; 6] = [
    "application/json",
    "application/xml",
    "application/x-yaml",
    "application/yaml",
    "application/javascript",
    "application/x-ndjson",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_in_either_alphabet() {
        assert_eq!(decode("aGVsbG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(decode("aGVs\nbG8").as_deref(), Some(&b"hello"[..]));
        assert_eq!(decode("-_8="), decode("+/8="));
        assert_eq!(decode("a*b"), None);
    }
}
