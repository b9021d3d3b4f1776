//! Parts of messages, which requests, answers and the chunks of streams share.

use std::borrow::Cow;

use crate::dialect::canon::{
    Content, Foreign, Maker, Media, MediaKind, Part, Seal, Source, Thought, ToolCall, ToolResult,
};
use crate::dialect::json::{Raw, Read, Reader, Shape, Words, Wrong};

/// A part as it is written: data of one kind, and what is said of it.
#[derive(Default)]
pub struct WirePart<'a> {
    pub data: Data<'a>,
    /// The text is a thought.
    pub thought: bool,
    pub signature: Option<Cow<'a, str>>,
}

#[derive(Default)]
pub enum Data<'a> {
    #[default]
    None,
    Text(Words<'a>),
    Call(ToolCall<'a>),
    Result(ToolResult<'a>),
    Media(Media<'a>),
    Foreign(Foreign<'a>),
}

/// Reads a part. `other` hears of members that nothing is made of.
pub fn read<'a>(value: &mut Reader<'a>, other: &mut dyn FnMut(&str)) -> Read<WirePart<'a>> {
    let whole = value.clone();
    let mut part = WirePart::default();
    value.object(|name, value| {
        match name {
            "text" => part.data = value.maybe(Reader::words)?.map_or(Data::None, Data::Text),
            "thought" => part.thought = value.maybe(Reader::flag)?.unwrap_or(false),
            "thoughtSignature" | "thought_signature" => part.signature = value.maybe(Reader::text)?,
            "functionCall" | "function_call" => part.data = Data::Call(call(value, other)?),
            "functionResponse" | "function_response" => part.data = Data::Result(result(value, other)?),
            "inlineData" | "inline_data" => part.data = Data::Media(inline(value)?),
            "fileData" | "file_data" => part.data = Data::Media(file(value)?),
            // Said of the data, and no data.
            "videoMetadata" | "video_metadata" | "mediaResolution" | "media_resolution" | "partMetadata" => {
                other(name);
            }
            _ if value.shape() == Shape::Null => {}
            _ if matches!(part.data, Data::None) => {
                part.data =
                    Data::Foreign(Foreign { kind: name.to_owned().into(), json: whole.clone().raw()? });
            }
            _ => other(name),
        }
        Ok(())
    })?;
    Ok(part)
}

/// Reads a part of an answer. Vertex gives calls in pieces to those who ask for it, and nobody here does: a piece would
/// be taken for the whole.
pub fn read_answered<'a>(value: &mut Reader<'a>) -> Read<WirePart<'a>> {
    let mut pieces = false;
    let mut part = read(value, &mut |name| pieces |= matches!(name, "partialArgs" | "willContinue"))?;
    if pieces {
        return Err(Wrong::new("must be whole"));
    }
    if matches!(&part.data, Data::Call(call) if call.name.is_empty()) {
        part.data = Data::None;
    }
    Ok(part)
}

/// The seal that a signature is.
pub fn seal(data: Cow<'_, str>) -> Seal<'_> {
    Seal { maker: Maker::Gemini, data }
}

impl<'a> WirePart<'a> {
    /// Appends what the part is. A signature on data that has no place for one stands before it, on a thought without
    /// text.
    pub fn tell(self, parts: &mut Vec<Part<'a>>) {
        let mut signature = self.signature.map(seal);
        let content = match self.data {
            Data::Text(text) if self.thought => {
                Some(Content::Thought(Thought { text, seal: signature.take(), ..Thought::default() }))
            }
            Data::Call(call) => Some(Content::ToolCall(ToolCall { seal: signature.take(), ..call })),
            Data::Text(text) => (!text.is_empty()).then_some(Content::Text(text)),
            Data::Result(result) => Some(Content::ToolResult(result)),
            Data::Media(media) => Some(Content::Media(media)),
            // As it is written, signature included.
            Data::Foreign(foreign) => {
                signature = None;
                Some(Content::Foreign(foreign))
            }
            Data::None => None,
        };
        if let Some(seal) = signature {
            parts.push(Content::Thought(Thought { seal: Some(seal), ..Thought::default() }).into());
        }
        parts.extend(content.map(Part::from));
    }
}

fn call<'a>(value: &mut Reader<'a>, other: &mut dyn FnMut(&str)) -> Read<ToolCall<'a>> {
    let mut call = ToolCall::new("".into(), "".into(), "{}".into());
    value.object(|name, value| {
        match name {
            "id" => call.id = value.maybe(Reader::text)?.unwrap_or_default(),
            "name" => call.name = value.text()?,
            "args" => call.arguments = value.maybe(object)?.unwrap_or("{}").into(),
            _ => other(name),
        }
        Ok(())
    })?;
    Ok(call)
}

fn object<'a>(value: &mut Reader<'a>) -> Read<Raw<'a>> {
    if value.shape() == Shape::Object { value.raw() } else { Err(Wrong::new("must be an object")) }
}

/// The result of a function. `{"output":…}`, `{"result":…}` and `{"error":…}` are wrappers, anything else is the result
/// itself.
fn result<'a>(value: &mut Reader<'a>, other: &mut dyn FnMut(&str)) -> Read<ToolResult<'a>> {
    let mut result =
        ToolResult { id: "".into(), name: None, parts: Vec::new(), json: None, failed: false, custom: false };
    let mut media = Vec::new();
    value.object(|name, value| {
        match name {
            "id" => result.id = value.maybe(Reader::text)?.unwrap_or_default(),
            "name" => result.name = value.maybe(Reader::text)?,
            "response" => response(value, &mut result)?,
            "parts" => each(value, |part| {
                read(part, other)?.tell(&mut media);
                Ok(())
            })?,
            _ => other(name),
        }
        Ok(())
    })?;
    result.parts.append(&mut media);
    Ok(result)
}

fn response<'a>(value: &mut Reader<'a>, result: &mut ToolResult<'a>) -> Read<()> {
    if value.shape() == Shape::Null {
        return value.skip();
    }
    let start = value.clone();
    let (mut members, mut text, mut json) = (0, None, None);
    value.object(|name, value| {
        members += 1;
        if let "output" | "result" | "error" = name {
            result.failed = name == "error";
            match value.shape() {
                Shape::Text => text = Some(value.words()?),
                _ => json = Some(value.raw()?),
            }
        }
        Ok(())
    })?;
    if members == 1 && (text.is_some() || json.is_some()) {
        result.parts.extend(text.map(|text| Content::Text(text).into()));
        result.json = json;
    } else {
        result.failed = false;
        result.json = (members > 0).then(|| value.since(&start));
    }
    Ok(())
}

fn inline<'a>(value: &mut Reader<'a>) -> Read<Media<'a>> {
    let (mut media_type, mut data, mut title) = (Cow::from(""), Cow::from(""), None);
    value.object(|name, value| {
        match name {
            "mimeType" | "mime_type" => media_type = value.text()?,
            "data" => data = value.text()?,
            "displayName" | "display_name" => title = value.maybe(Reader::text)?,
            _ => {}
        }
        Ok(())
    })?;
    let kind = kind_of(&media_type);
    Ok(Media { title, ..Media::new(kind, Source::Base64 { media_type, data }) })
}

/// What only Google can fetch is a file kept there; any other address is one.
fn file<'a>(value: &mut Reader<'a>) -> Read<Media<'a>> {
    let (mut media_type, mut uri, mut title) = (None, Cow::from(""), None);
    value.object(|name, value| {
        match name {
            "mimeType" | "mime_type" => media_type = value.maybe(Reader::text)?,
            "fileUri" | "file_uri" => uri = value.text()?,
            "displayName" | "display_name" => title = value.maybe(Reader::text)?,
            _ => {}
        }
        Ok(())
    })?;
    let kind = match media_type.as_deref() {
        Some(media_type) => kind_of(media_type),
        None if is_video(&uri) => MediaKind::Video,
        None => super::media::type_of(&uri).map_or(MediaKind::Document, kind_of),
    };
    let source =
        if is_googles(&uri) { Source::File { id: uri } } else { Source::Url { media_type, url: uri } };
    Ok(Media { title, ..Media::new(kind, source) })
}

pub fn kind_of(media_type: &str) -> MediaKind {
    match media_type.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::Document,
    }
}

/// Is it a file kept at Google: with the Files API, or in Cloud Storage?
pub fn is_googles(uri: &str) -> bool {
    ["gs://", "files/", "https://generativelanguage.googleapis.com/"]
        .iter()
        .any(|start| uri.starts_with(start))
}

fn is_video(uri: &str) -> bool {
    ["https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/"]
        .iter()
        .any(|start| uri.starts_with(start))
}

/// The elements of a list. Google takes a lone element for a list of one.
pub fn each<'a>(value: &mut Reader<'a>, mut read: impl FnMut(&mut Reader<'a>) -> Read<()>) -> Read<()> {
    match value.shape() {
        Shape::Array => value.array(read),
        Shape::Null => value.skip(),
        _ => read(value),
    }
}
