//! Requests: what is read of them, and the one edit: `model`.

use bytes::Bytes;

use crate::dialect::skim::request::Request;
use crate::dialect::splice::{self, Edit};
use crate::dialect::{Peek, Places};
use crate::error::Result;

/// Usage stands in the last event of every stream: nobody has to ask.
pub fn peek(body: &[u8]) -> Result<Peek> {
    let request = Request::read_responses(body)?;
    let (model, place) = request.model(body)?;
    let stream = request.stream(body)?;
    request.check_input(body)?;
    Ok(Peek { model, stream, usage_asked: true, places: Places { model: place, stream_options: None } })
}

pub fn splice(body: &Bytes, peek: &Peek, model: &str) -> Bytes {
    if peek.model == model {
        return body.clone();
    }
    let json = splice::json_string(model);
    splice::apply(body, &mut [Edit { at: peek.places.model.clone(), with: &json }])
}
