//! Sources of a text: `groundingMetadata` and `citationMetadata`.

use std::borrow::Cow;

use crate::dialect::canon::Citation;
use crate::dialect::json::{Object, Raw, Read, Reader};

/// A source, and the part of the answer it is told of.
pub struct Source<'a> {
    /// Which of the answer's parts, counted from 0.
    pub part: usize,
    /// Its range counts bytes.
    pub citation: Citation<'a>,
}

/// The sources of an answer, [`MOST`] of them.
pub fn read<'a>(grounding: Option<Raw<'a>>, citations: Option<Raw<'a>>) -> Read<Vec<Source<'a>>> {
    let mut sources = Vec::new();
    if let Some(json) = grounding {
        read_grounding(json, &mut sources)?;
    }
    if let Some(json) = citations {
        Reader::new(json).object_if(|name, value| match name {
            // AI Studio, Vertex.
            "citationSources" | "citations" => value.array_if(|value| {
                let (citation, range) = (read_source(value.clone())?, read_range(value)?.1);
                push(&mut sources, Source { part: 0, citation: Citation { range, ..citation } });
                Ok(())
            }),
            _ => Ok(()),
        })?;
    }
    Ok(sources)
}

fn read_grounding<'a>(json: Raw<'a>, sources: &mut Vec<Source<'a>>) -> Read<()> {
    let (mut chunks, mut supports) = (Vec::new(), None);
    Reader::new(json).object_if(|name, value| {
        match name {
            "groundingChunks" => value.array_if(|chunk| {
                let citation = read_chunk(chunk)?;
                if chunks.len() < MOST {
                    chunks.push(citation);
                }
                Ok(())
            })?,
            "groundingSupports" => supports = Some(value.clone()),
            _ => {}
        }
        Ok(())
    })?;
    let before = sources.len();
    if let Some(mut supports) = supports {
        supports.array_if(|support| read_support(support, &chunks, sources))?;
    }
    if sources.len() == before {
        chunks.into_iter().for_each(|citation| push(sources, Source { part: 0, citation }));
    }
    Ok(())
}

/// A source within the member that says of what kind it is: `web`, `retrievedContext`, `maps`.
fn read_chunk<'a>(chunk: &mut Reader<'a>) -> Read<Citation<'a>> {
    let mut citation = Citation::default();
    chunk.object_if(|_, value| {
        citation = read_source(value.clone())?;
        Ok(())
    })?;
    Ok(citation)
}

fn read_source<'a>(mut value: Reader<'a>) -> Read<Citation<'a>> {
    let mut citation = Citation::default();
    // Copied to every place that rests on it: a hostile one may be long.
    let short = |text: &Cow<'a, str>| text.len() <= LONGEST;
    value.object_if(|name, value| {
        match name {
            "uri" => citation.url = value.text_if()?.filter(short),
            "title" => citation.title = value.text_if()?.filter(short),
            "text" => citation.quote = value.text_if()?.filter(short),
            _ => {}
        }
        Ok(())
    })?;
    Ok(citation)
}

fn read_support<'a>(
    support: &mut Reader<'a>,
    chunks: &[Citation<'a>],
    sources: &mut Vec<Source<'a>>,
) -> Read<()> {
    let (mut segment, mut indices) = ((0, None), None);
    support.object_if(|name, value| {
        match name {
            "segment" => segment = read_range(value)?,
            "groundingChunkIndices" => indices = Some(value.clone()),
            _ => {}
        }
        Ok(())
    })?;
    let Some(mut indices) = indices else { return Ok(()) };
    let (part, range) = segment;
    indices.array_if(|index| {
        let index = index.count_if()?.and_then(|index| usize::try_from(index).ok());
        if let Some(chunk) = index.and_then(|index| chunks.get(index)) {
            push(sources, Source { part, citation: Citation { range, ..chunk.clone() } });
        }
        Ok(())
    })
}

/// The part and the range in it. A start of 0 is not written.
fn read_range(value: &mut Reader<'_>) -> Read<(usize, Option<(u64, u64)>)> {
    let (mut part, mut start, mut end) = (0, 0, None);
    value.object_if(|name, value| {
        match name {
            "partIndex" => part = value.count_if()?.and_then(|part| part.try_into().ok()).unwrap_or(0),
            "startIndex" => start = value.count_if()?.unwrap_or(0),
            "endIndex" => end = value.count_if()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((part, end.map(|end| (start, end))))
}

fn push<'a>(sources: &mut Vec<Source<'a>>, source: Source<'a>) {
    if sources.len() < MOST {
        sources.push(source);
    }
}

/// Sources on their way to the caller, as they will be written.
#[derive(Debug, Default)]
pub struct Grounding {
    chunks: Vec<u8>,
    supports: Vec<u8>,
    count: usize,
}

impl Grounding {
    /// Adds a source; `range` counts bytes of the answer's part of that number.
    pub fn add(&mut self, citation: &Citation<'_>, part: usize, range: Option<(u64, u64)>) {
        if self.count == MOST {
            return;
        }
        comma(&mut self.chunks);
        let kind =
            if citation.quote.is_some() || citation.url.is_none() { "retrievedContext" } else { "web" };
        Object::new(&mut self.chunks).object(kind, |source| {
            source.text_if("uri", citation.url.as_deref()).text_if("title", citation.title.as_deref());
            source.text_if("text", citation.quote.as_deref());
        });
        comma(&mut self.supports);
        let mut support = Object::new(&mut self.supports);
        if let Some((start, end)) = range {
            support.object("segment", |segment| {
                segment.value_if("partIndex", Some(part).filter(|part| *part > 0));
                segment.value("startIndex", start).value("endIndex", end);
            });
        }
        support.array("groundingChunkIndices", |indices| indices.value(self.count));
        drop(support);
        self.count += 1;
    }

    pub fn write(&self, candidate: &mut Object<'_>) {
        if self.count == 0 {
            return;
        }
        candidate.object("groundingMetadata", |metadata| {
            for (name, list) in [("groundingChunks", &self.chunks), ("groundingSupports", &self.supports)] {
                let out = metadata.member(name);
                out.push(b'[');
                out.extend_from_slice(list);
                out.push(b']');
            }
        });
    }
}

fn comma(list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.push(b',');
    }
}

/// Sources that are told of one answer.
const MOST: usize = 1024;
/// Bytes of an address, a title or a quote.
const LONGEST: usize = 8192;
