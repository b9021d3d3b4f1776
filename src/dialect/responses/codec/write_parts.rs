//! Annotations and chances of tokens, which requests, answers and streams share.

use crate::dialect::canon::{Citation, TokenChance};
use crate::dialect::json::{Array, Object};
use crate::dialect::skim;

/// A list of annotations.
pub fn write_annotations(out: &mut Vec<u8>, citations: &[Citation<'_>], text: &str) {
    let mut list = Array::new(out);
    for citation in citations.iter().filter(|citation| is_sayable(citation)) {
        write_annotation(list.element(), citation, || text.chars().count() as u64);
    }
}

/// Sources have an address here, or are files of OpenAI's.
pub fn is_sayable(citation: &Citation<'_>) -> bool {
    citation.url.is_some() || own_json(citation).is_some()
}

/// A source. One without a range is that of the whole text up to here, which is `length` characters long.
pub fn write_annotation(out: &mut Vec<u8>, citation: &Citation<'_>, length: impl FnOnce() -> u64) {
    if let Some(json) = own_json(citation) {
        return write_line(out, json);
    }
    let (start, end) = citation.range.unwrap_or_else(|| (0, length()));
    let url = citation.url.as_deref().unwrap_or_default();
    let mut annotation = Object::new(out);
    annotation.text("type", "url_citation").value("start_index", start).value("end_index", end);
    annotation.text("url", url).text("title", citation.title.as_deref().unwrap_or(url));
}

/// The annotation as this dialect wrote it, if it did and it is none of a page: chat writes those otherwise.
fn own_json<'c>(citation: &Citation<'c>) -> Option<&'c str> {
    let json = citation.json?;
    let kind = skim::string(json.as_bytes(), &["type"])?;
    let own = matches!(&*kind, "file_citation" | "container_file_citation" | "file_path");
    own.then_some(json)
}

/// The chances of some tokens, each behind a comma unless it is the first in `out`.
pub fn write_chances(out: &mut Vec<u8>, chances: &[TokenChance<'_>]) {
    for chance in chances {
        if !out.is_empty() {
            out.push(b',');
        }
        let mut object = Object::new(out);
        write_chance(&mut object, &chance.token, chance.logprob);
        object.array("top_logprobs", |top| {
            for (token, logprob) in &chance.top {
                top.object(|object| write_chance(object, token, *logprob));
            }
        });
    }
}

fn write_chance(object: &mut Object<'_>, token: &str, logprob: f64) {
    object.text("token", token).value("bytes", token.as_bytes()).value("logprob", logprob);
}

/// JSON of somebody else's, on one line: between the lines of JSON stands white space alone.
pub fn write_line(out: &mut Vec<u8>, json: &str) {
    if memchr::memchr2(b'\n', b'\r', json.as_bytes()).is_none() {
        return out.extend_from_slice(json.as_bytes());
    }
    out.extend(json.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
}
