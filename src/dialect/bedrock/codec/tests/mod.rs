//! What the tests of the codec share.

mod answers;
mod recordings;
mod requests;
mod steering;
mod streams;

use serde_json::Value;

use super::super::Bedrock;
use crate::dialect::canon::{Content, Losses, Part, Request, Role, Turn};
use crate::dialect::codec::{Codec, Manner, Outward};
use crate::dialect::quirks::Quirks;
use crate::dialect::{DialectId, Usage, skim::strict};
use crate::error::Result;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn manner(model: &str) -> Manner<'_> {
    Manner { model, ask_usage: true, quirks: &Quirks::NONE }
}

fn outward() -> Outward {
    Outward {
        alias: "alias".to_owned(),
        request_id: "req-1".to_owned(),
        created: 1,
        usage_asked: true,
        prompt_estimate: 0,
        body: bytes::Bytes::new(),
        spent: Usage::default(),
    }
}

/// The body for a model, and what was lost.
fn written(request: &Request<'_>, model: &str) -> Result<(Value, Vec<String>)> {
    let mut losses = Losses::default();
    let body = Bedrock.write_request(request, &manner(model), &mut losses)?;
    assert!(strict::is_object(&body), "{}", String::from_utf8_lossy(&body));
    let body = serde_json::from_slice(&body).expect("JSON");
    Ok((body, losses.names().iter().map(|name| name.to_string()).collect()))
}

/// One question.
fn request(text: &'static str) -> Request<'static> {
    let mut request = Request::new(DialectId::OpenAiChat);
    request.turns.push(user(vec![say(text)]));
    request
}

fn user<'a>(parts: Vec<Part<'a>>) -> Turn<'a> {
    Turn::new(Role::User, parts)
}

fn model<'a>(parts: Vec<Part<'a>>) -> Turn<'a> {
    Turn::new(Role::Assistant, parts)
}

fn say(text: &str) -> Part<'_> {
    Content::Text(text.into()).into()
}
