//! What a dialect can say, apart from how its own bytes are passed on: reading and writing the canonical form.

use bytes::Bytes;

use super::canon::names::NameRule;
use super::canon::{Event, Losses, Request, Response, Support};
use super::json::{Read, Wrong};
use super::quirks::Quirks;
use super::usage::Usage;
use crate::error::{Error, Kind, Result};

/// Reads and writes what one dialect can say. Pure functions; streams have state of their own.
pub trait Codec: Sync {
    /// What does not change.
    fn facts(&self) -> &'static Facts;

    /// What the caller asks. `body` has been proved to be a JSON object.
    ///
    /// # Errors
    /// The request does not have the form its dialect documents.
    fn read_request<'a>(&self, body: &'a str) -> Read<Request<'a>>;

    /// A request for the target. It has been fitted to this dialect's table, names and ids included.
    ///
    /// # Errors
    /// `BadRequest`: it cannot be said after all.
    fn write_request(
        &self,
        request: &Request<'_>,
        manner: &Manner<'_>,
        losses: &mut Losses,
    ) -> Result<Vec<u8>>;

    /// An answer of the target.
    ///
    /// # Errors
    /// It is none.
    fn read_response<'a>(&self, body: &'a str) -> Read<Response<'a>>;

    /// An answer for the caller.
    fn write_response(&self, response: &Response<'_>, outward: &Outward) -> Vec<u8>;

    /// A reader for one stream of the target.
    fn reader(&self) -> Box<dyn EventReader>;

    /// A writer for one stream to the caller.
    fn writer(&self, outward: &Outward) -> Box<dyn EventWriter>;
}

/// What does not change about a dialect.
#[derive(Debug)]
pub struct Facts {
    /// What becomes of features when it is the target. What has no line is native.
    pub support: &'static [Support],
    pub tool_names: NameRule,
    pub call_ids: NameRule,
    /// How frames of a stream are told apart.
    pub framing: Framing,
    /// Must the first turn after the instructions be a user's?
    pub user_first: bool,
}

/// How a stream is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// `application/vnd.amazon.eventstream`.
    EventStream,
}

/// How a request is to be written, beyond what it says.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// The target's model id, for dialects that have it in the body.
    pub model: &'a str,
    /// Ask for the usage of a stream where it is not told unasked.
    pub ask_usage: bool,
    /// What this vendor does differently.
    pub quirks: &'a Quirks,
}

/// What a writer must know of the request to answer it.
#[derive(Clone, Debug)]
pub struct Outward {
    /// The name the caller used.
    pub alias: String,
    /// The gateway's id of the request. Ids that are missing are made from it.
    pub request_id: String,
    /// Seconds since 1970, for answers that do not say when they were made.
    pub created: u64,
    /// Does the caller want the usage of a stream, where that is asked for?
    pub usage_asked: bool,
    /// Tokens of the prompt, estimated, for dialects that tell them before the provider does.
    pub prompt_estimate: u64,
    /// The caller's request, parts of which some dialects repeat in the answer.
    pub body: Bytes,
    /// What was consumed for the answer before it was asked for. Told together with the answer's own usage.
    pub spent: Usage,
}

/// One frame of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Value of `event`, or of `:event-type`.
    pub name: Option<&'a str>,
    pub data: &'a str,
    /// The frame is an exception (event-stream framing).
    pub exception: bool,
}

/// Reads the frames of one stream. Any chunking of the bytes gives the same frames.
pub trait EventReader: Send {
    /// Tells what one frame says: zero or more events, in the grammar of [`super::canon::event`].
    ///
    /// # Errors
    /// The frame has no form of this dialect's.
    fn read(&mut self, frame: &Frame<'_>, tell: &mut dyn FnMut(Event<'_>)) -> Read<()>;

    /// The upstream ended the stream as HTTP has it. Tells what was held back, and `End` if the answer is complete.
    fn end(&mut self, tell: &mut dyn FnMut(Event<'_>));
}

/// Writes one stream to the caller.
pub trait EventWriter: Send {
    /// Appends what an event becomes: zero or more whole frames. `Failed` never comes here.
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>);

    /// Appends the dialect's own way to say that the stream has failed. No success terminator follows.
    fn fail(&mut self, error: &Error, out: &mut Vec<u8>);

    /// What the answer was, after `End`, in the form that its dialect keeps for later requests: for Responses the JSON
    /// array of the output items. None where the dialect keeps nothing.
    fn answer(&self) -> Option<&[u8]> {
        None
    }
}

impl dyn Codec {
    /// What a caller asks with a body that has been proved to be JSON.
    ///
    /// # Errors
    /// `BadRequest`: it has not the form its dialect documents.
    pub fn request<'a>(&self, body: &'a [u8]) -> Result<Request<'a>> {
        let text = std::str::from_utf8(body).map_err(|_| Error::bad_request("the body is not UTF-8"))?;
        self.read_request(text).map_err(Wrong::into_refusal)
    }
}

impl Wrong {
    /// The caller's request is not what its dialect documents.
    pub fn into_refusal(self) -> Error {
        let error = Error::bad_request(format!("invalid request body: {self}"));
        let top = self.path().split(['.', '[']).next().unwrap_or_default().to_owned();
        if top.is_empty() { error } else { error.param(top) }
    }

    /// The upstream's answer is none.
    pub fn into_unreadable(self) -> Error {
        Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(self)
    }
}
