//! Blocks of content, as messages, results of tools and answers hold them: objects with one member that says what they
//! are. A block that is not understood is kept as it was written.

use std::borrow::Cow;

use super::media;
use crate::dialect::canon::{
    Cache, Citation, Content, Foreign, Maker, Media, MediaKind, Part, Seal, Source, Thought, ToolCall,
    ToolResult,
};
use crate::dialect::json::{Raw, Read, Reader, Shape, Words};

/// Reads an array of blocks. A cache point marks the block before it.
pub fn parts<'a>(value: &mut Reader<'a>) -> Read<Vec<Part<'a>>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    value.array(|block| {
        let start = block.clone();
        match read_block(block)? {
            Block::Json(_) => {
                let json = block.since(&start);
                parts.push(Content::Foreign(Foreign { kind: "json".into(), json }).into());
            }
            Block::Part(content) => parts.push(content.into()),
            Block::CachePoint(cache) => {
                if let Some(last) = parts.last_mut() {
                    last.cache = Some(cache);
                }
            }
            Block::Nothing => {}
        }
        Ok(())
    })?;
    Ok(parts)
}

enum Block<'a> {
    Part(Content<'a>),
    CachePoint(Cache),
    /// Results alone have it.
    Json(Raw<'a>),
    Nothing,
}

fn read_block<'a>(value: &mut Reader<'a>) -> Read<Block<'a>> {
    let start = value.clone();
    let mut found = Block::Nothing;
    let mut unknown: Option<Cow<'static, str>> = None;
    value.object(|name, value| {
        let content = match name {
            "text" => value.words_if()?.map(Content::Text),
            "image" => read_media(MediaKind::Image, value)?,
            "document" => read_media(MediaKind::Document, value)?,
            "video" => read_media(MediaKind::Video, value)?,
            "audio" => read_media(MediaKind::Audio, value)?,
            "toolUse" => read_call(value)?,
            "toolResult" => read_result(value)?,
            "reasoningContent" => read_thought(value)?,
            "citationsContent" => Some(read_cited(value)?),
            "cachePoint" => {
                found = Block::CachePoint(cache_point(value)?);
                return Ok(());
            }
            "json" => {
                found = Block::Json(value.raw()?);
                return Ok(());
            }
            // Some models leave their own word for the block's kind in it, and streams are padded.
            "type" | "p" => return Ok(()),
            _ => None,
        };
        match content {
            Some(content) => found = Block::Part(content),
            None => unknown = Some(name.to_owned().into()),
        }
        Ok(())
    })?;
    if let (Block::Nothing, Some(kind)) = (&found, unknown) {
        return Ok(Block::Part(Content::Foreign(Foreign { kind, json: value.since(&start) })));
    }
    Ok(found)
}

/// `{"type":"default","ttl":"1h"}`.
pub fn cache_point(value: &mut Reader<'_>) -> Read<Cache> {
    let mut cache = Cache { one_hour: false };
    value.object_if(|name, value| {
        if name == "ttl" {
            cache.one_hour = value.text_if()?.is_some_and(|ttl| ttl == "1h");
        }
        Ok(())
    })?;
    Ok(cache)
}

/// None where there is more to it than a medium of ours says.
fn read_media<'a>(kind: MediaKind, value: &mut Reader<'a>) -> Read<Option<Content<'a>>> {
    let mut format = None;
    let mut source = None;
    let mut media = Media::new(kind, Source::Text("".into()));
    value.object_if(|name, value| {
        match name {
            "format" => format = value.text_if()?,
            "source" => source = read_source(value)?,
            "name" => media.title = value.text_if()?,
            "context" => media.context = value.text_if()?,
            "citations" => value.object_if(|name, value| {
                if name == "enabled" {
                    media.citations = value.raw()? == "true";
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    let Some(source) = source else { return Ok(None) };
    media.source = match source {
        Held::Bytes(data) => {
            let format = format.unwrap_or_default();
            let known = media::media_type(kind, &format);
            let media_type = known.map_or_else(|| format!("{}/{format}", family(kind)).into(), Cow::from);
            Source::Base64 { media_type, data }
        }
        Held::S3(id) => Source::File { id },
        Held::Text(text) => Source::Text(text),
    };
    Ok(Some(Content::Media(media)))
}

/// Where a medium's bytes are.
enum Held<'a> {
    Bytes(Cow<'a, str>),
    S3(Cow<'a, str>),
    Text(Words<'a>),
}

fn read_source<'a>(value: &mut Reader<'a>) -> Read<Option<Held<'a>>> {
    let mut source = None;
    value.object_if(|name, value| {
        source = match name {
            "bytes" => value.text_if()?.map(Held::Bytes),
            "text" => value.words_if()?.map(Held::Text),
            "s3Location" => {
                let (mut uri, mut owner) = (None, false);
                value.object_if(|name, value| {
                    match name {
                        "uri" => uri = value.text_if()?,
                        "bucketOwner" => owner = value.shape() == Shape::Text,
                        _ => {}
                    }
                    Ok(())
                })?;
                uri.filter(|_| !owner).map(Held::S3)
            }
            _ => None,
        };
        Ok(())
    })?;
    Ok(source)
}

fn family(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::Document => "application",
    }
}

/// None for the calls of tools that run at the provider, and for what is no call.
fn read_call<'a>(value: &mut Reader<'a>) -> Read<Option<Content<'a>>> {
    let mut call = ToolCall::new("".into(), "".into(), "{}".into());
    let mut at_provider = false;
    value.object_if(|name, value| {
        match name {
            "toolUseId" => call.id = value.text_if()?.unwrap_or_default(),
            "name" => call.name = value.text_if()?.unwrap_or_default(),
            "input" => call.arguments = value.raw()?.into(),
            "type" => at_provider = value.text_if()?.is_some_and(|kind| kind == "server_tool_use"),
            _ => {}
        }
        Ok(())
    })?;
    Ok((!at_provider && !call.name.is_empty()).then_some(Content::ToolCall(call)))
}

/// None for the results of tools that ran at the provider: those have a `type`.
fn read_result<'a>(value: &mut Reader<'a>) -> Read<Option<Content<'a>>> {
    let (id, parts) = (Cow::from(""), Vec::new());
    let mut result = ToolResult { id, name: None, parts, json: None, failed: false, custom: false };
    let mut at_provider = false;
    value.object_if(|name, value| {
        match name {
            "toolUseId" => result.id = value.text_if()?.unwrap_or_default(),
            "content" => value.array_if(|block| read_result_block(block, &mut result))?,
            "status" => result.failed = value.text_if()?.is_some_and(|status| status == "error"),
            "type" => at_provider = value.shape() == Shape::Text,
            _ => {}
        }
        Ok(())
    })?;
    Ok((!at_provider).then_some(Content::ToolResult(result)))
}

/// The first JSON is the result's; another one is told as text.
fn read_result_block<'a>(block: &mut Reader<'a>, result: &mut ToolResult<'a>) -> Read<()> {
    match read_block(block)? {
        Block::Json(json) if result.json.is_none() => result.json = Some(json),
        Block::Json(json) => result.parts.push(Content::Text(json.into()).into()),
        Block::Part(content) => result.parts.push(content.into()),
        Block::CachePoint(_) | Block::Nothing => {}
    }
    Ok(())
}

fn read_thought<'a>(value: &mut Reader<'a>) -> Read<Option<Content<'a>>> {
    let mut thought = None;
    value.object_if(|name, value| {
        match name {
            "reasoningText" => {
                let mut told = Thought::default();
                value.object_if(|name, value| {
                    match name {
                        "text" => told.text = value.words_if()?.unwrap_or_default(),
                        "signature" => told.seal = value.text_if()?.filter(|text| !text.is_empty()).map(seal),
                        _ => {}
                    }
                    Ok(())
                })?;
                thought = Some(told);
            }
            "redactedContent" => {
                let seal = value.text_if()?.and_then(|data| media::decode_text(&data));
                let seal = seal.map(|data| self::seal(data.into()));
                thought = Some(Thought { redacted: true, seal, ..Thought::default() });
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(thought.map(Content::Thought))
}

/// The models that sign are Claude's.
pub fn seal(data: Cow<'_, str>) -> Seal<'_> {
    Seal { maker: Maker::Claude, data }
}

fn read_cited<'a>(value: &mut Reader<'a>) -> Read<Content<'a>> {
    let mut text = Words::default();
    let mut citations = Vec::new();
    value.object_if(|name, value| {
        match name {
            "content" => value.array_if(|piece| {
                piece.object_if(|name, value| {
                    if name == "text"
                        && let Some(more) = value.words_if()?
                    {
                        if text.is_empty() {
                            text = more;
                        } else {
                            text.push_str(&more);
                        }
                    }
                    Ok(())
                })
            })?,
            "citations" => value.array_if(|element| {
                citations.push(citation(element)?);
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Content::Cited(text, citations))
}

/// A source, also as streams tell it.
pub fn citation<'a>(value: &mut Reader<'a>) -> Read<Citation<'a>> {
    let mut citation = Citation { json: Some(value.clone().raw()?), ..Citation::default() };
    value.object_if(|name, value| {
        match name {
            "title" => citation.title = value.text_if()?,
            "source" => {
                let address = |source: &Cow<'_, str>| source.starts_with("http");
                citation.url = value.text_if()?.filter(address).or(citation.url.take());
            }
            "sourceContent" => value.array_if(|piece| {
                piece.object_if(|name, value| {
                    if name == "text" && citation.quote.is_none() {
                        citation.quote = value.text_if()?;
                    }
                    Ok(())
                })
            })?,
            "location" => value.object_if(|_, place| {
                place.object_if(|name, value| {
                    match name {
                        "url" => citation.url = value.text_if()?,
                        "documentIndex" => citation.document = value.count_if()?,
                        _ => {}
                    }
                    Ok(())
                })
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(citation)
}
