//! Citations: which source a text of an answer quotes.
//!
//! Source: Claude API reference, "Messages" (<https://platform.claude.com/docs/en/api/messages>), "Citations".

use super::read_blocks::list;
use crate::dialect::canon::Citation;
use crate::dialect::json::{Raw, Read, Reader};

/// All citations of a text.
///
/// # Errors
/// It is no list of objects.
pub fn citations(json: Raw<'_>) -> Read<Vec<Citation<'_>>> {
    list(&mut Reader::new(json), |value| citation(value.raw()?))
}

/// One citation.
///
/// # Errors
/// It is no object.
pub fn citation(json: Raw<'_>) -> Read<Citation<'_>> {
    let mut citation = Citation { json: Some(json), ..Citation::default() };
    Reader::new(json).object(|name, value| {
        match name {
            "url" | "source" => citation.url = value.text_if()?.or(citation.url.take()),
            "title" | "document_title" => citation.title = value.text_if()?.or(citation.title.take()),
            "cited_text" => citation.quote = value.text_if()?,
            "document_index" => citation.document = value.count_if()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(citation)
}
