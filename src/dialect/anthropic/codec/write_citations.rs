//! Citations to callers, and back to the provider with earlier answers.

use crate::dialect::canon::Citation;
use crate::dialect::json::{Array, Object};
use crate::dialect::skim;

/// The list of a text's citations.
pub fn write_citations<'c>(out: &mut Vec<u8>, citations: impl Iterator<Item = &'c Citation<'c>>) {
    let mut array = Array::new(out);
    for citation in citations {
        write_citation(array.element(), citation);
    }
}

/// One citation. Another dialect's becomes the nearest kind of ours.
pub fn write_citation(out: &mut Vec<u8>, citation: &Citation<'_>) {
    if let Some(json) = citation.json.filter(|_| is_own(citation)) {
        return out.extend_from_slice(json.as_bytes());
    }
    let quote = citation.quote.as_deref().unwrap_or_default();
    let title = citation.title.as_deref();
    let mut object = Object::new(out);
    match (citation.document, &citation.url) {
        (Some(document), None) => {
            object.text("type", "char_location").text("cited_text", quote).value("document_index", document);
            match title {
                Some(title) => object.text("document_title", title),
                None => object.null("document_title"),
            };
            object.value("start_char_index", 0).value("end_char_index", quote.chars().count());
        }
        (_, url) => {
            object.text("type", "web_search_result_location").text("cited_text", quote);
            // Clients want texts, empty if need be.
            object.text("url", url.as_deref().unwrap_or_default()).text("title", title.unwrap_or_default());
            object.text("encrypted_index", "");
        }
    }
}

/// Was it written in this dialect? The provider takes back no other.
pub fn is_own(citation: &Citation<'_>) -> bool {
    let kind = citation.json.and_then(|json| skim::string(json.as_bytes(), &["type"]));
    kind.is_some_and(|kind| kind.ends_with("_location"))
}
