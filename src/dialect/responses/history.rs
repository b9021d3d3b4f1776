//! Conversations that go on from an earlier answer, where the provider keeps none: what is to be stored after an answer,
//! and how it comes before the input of the next request.
//!
//! Stored is a JSON array of items: those of the earlier conversation, of the input, and of the output. Instructions
//! are not among them: those of an earlier request do not hold for a later one (OpenAI API reference, "Create a model
//! response", `instructions`).

use super::codec::{instruction_turns, read_items::Items};
use crate::dialect::canon::Request;
use crate::dialect::json::{Array, Read, Reader, Shape};
use crate::dialect::skim;

/// The items of a conversation after an answer. `previous` are those that were stored before it, `request` the body of
/// the request, `output` the items of the answer: see [`output`] and
/// [`EventWriter::answer`](crate::dialect::codec::EventWriter::answer).
pub fn items(previous: Option<&str>, request: &str, output: &str) -> String {
    let mut out = Vec::with_capacity(previous.map_or(0, str::len) + request.len() + output.len());
    {
        let mut all = Array::new(&mut out);
        add(previous.unwrap_or("[]"), &mut all);
        let input =
            skim::value(request.as_bytes(), &["input"]).and_then(|input| std::str::from_utf8(input).ok());
        add(input.unwrap_or("[]"), &mut all);
        add(output, &mut all);
    }
    String::from_utf8(out).unwrap_or_default()
}

/// The items of a whole answer.
pub fn output(answer: &str) -> &str {
    let output = skim::value(answer.as_bytes(), &["output"]);
    output.and_then(|output| std::str::from_utf8(output).ok()).unwrap_or("[]")
}

/// Puts a stored conversation before what the request says itself, behind its instructions. `body` is the request as it
/// was sent.
///
/// # Errors
/// What was stored are no items.
pub fn prepend<'a>(request: &mut Request<'a>, body: &str, stored: &'a str) -> Read<()> {
    let mut earlier = Items::default();
    earlier.read(&mut Reader::new(stored))?;
    let place = instruction_turns(body)?.min(request.turns.len());
    drop(request.turns.splice(place..place, earlier.turns));
    request.tools.append(&mut earlier.tools);
    request.previous = None;
    Ok(())
}

/// Is the answer to be kept for later requests? It is, unless the caller says no.
pub fn is_kept(request: &Request<'_>) -> bool {
    request.store != Some(false)
}

/// Adds a list of items. A bare text is a message of the user. What cannot be read was refused before.
fn add(items: &str, all: &mut Array<'_>) {
    let mut items = Reader::new(items);
    if items.shape() == Shape::Text {
        if let Ok(text) = items.text() {
            all.object(|item| {
                item.text("type", "message").text("role", "user").text("content", &text);
            });
        }
        return;
    }
    let _ = items.array(|item| {
        all.raw(item.raw()?);
        Ok(())
    });
}
