//! Requests: what is read of them, and the one edit: a model that is named within the body.
//!
//! A token count may hold the whole request it is about (`generateContentRequest`), and that names its model again. It
//! must be the one of the path, so it is replaced as that is.

use std::ops::Range;

use bytes::Bytes;

use crate::dialect::skim::request::{invalid, wrong};
use crate::dialect::skim::{self, strict};
use crate::dialect::splice::{self, Edit};
use crate::dialect::{Peek, Places};
use crate::error::{Error, Result};

pub fn peek(body: &[u8]) -> Result<Peek> {
    let request = Request::read(body)?;
    let mut model = request.model;
    match (request.contents, request.counted) {
        (Some(contents), _) => check_contents(body.get(contents).unwrap_or_default())?,
        (None, Some(place)) => {
            let counted = body.get(place.clone()).unwrap_or_default();
            let contents =
                skim::value(counted, &["contents"]).ok_or_else(|| wrong("contents", "is required"))?;
            check_contents(contents)?;
            let inner = skim::lookup(counted, &["model"]);
            model = model.or(inner.map(|inner| place.start + inner.start..place.start + inner.end));
        }
        (None, None) => return Err(wrong("contents", "is required")),
    }
    let model = model.filter(|place| body.get(place.start) == Some(&b'"')).unwrap_or_default();
    let places = Places { model, stream_options: None };
    Ok(Peek { model: String::new(), stream: false, usage_asked: true, places })
}

/// `models/alias` becomes `models/target`, whatever stands before the last slash.
pub fn splice(body: &Bytes, peek: &Peek, model: &str) -> Bytes {
    let place = &peek.places.model;
    let Some(named) = body.get(place.clone()).and_then(skim::text) else { return body.clone() };
    let prefix = named.rfind('/').and_then(|slash| named.get(..=slash)).unwrap_or_default();
    let name = model.rsplit('/').next().unwrap_or_default();
    let json = splice::json_string(&format!("{prefix}{name}"));
    splice::apply(body, &mut [Edit { at: place.clone(), with: &json }])
}

/// Places of the members we read, each at most once.
#[derive(Default)]
struct Request {
    contents: Option<Range<usize>>,
    counted: Option<Range<usize>>,
    model: Option<Range<usize>>,
}

impl Request {
    fn read(body: &[u8]) -> Result<Request> {
        let mut found = Request::default();
        let mut twice = None;
        let pass = strict::members(body, |member| {
            let (name, slot) = match &*member.key() {
                // `content` is what embeddings call it.
                b"contents" | b"content" => ("contents", &mut found.contents),
                b"generateContentRequest" | b"generate_content_request" => {
                    ("generateContentRequest", &mut found.counted)
                }
                b"model" => ("model", &mut found.model),
                _ => return,
            };
            if slot.replace(member.value.clone()).is_some() {
                twice = Some(name);
            }
        });
        pass.map_err(|fault| invalid(format_args!("{fault}")))?;
        match twice {
            Some(name) => Err(wrong(name, "appears more than once")),
            None => Ok(found),
        }
    }
}

/// Google takes a lone message for a list of one.
fn check_contents(contents: &[u8]) -> Result<()> {
    match contents.first() {
        Some(b'[') if skim::is_empty_array(contents) => {
            Err(Error::bad_request("\"contents\" must not be empty").param("contents"))
        }
        Some(b'[' | b'{') => Ok(()),
        _ => Err(wrong("contents", "must be an array")),
    }
}
