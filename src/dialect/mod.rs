//! Wire formats: bytes to meaning and back. No I/O, no configuration, no policy, no clock.
//!
//! A *dialect* is a format in which requests, answers, streams and errors are written. When caller and
//! target speak the same one, the caller's bytes are *spliced*: only the members the gateway owns change,
//! and every byte it does not own arrives as it was sent, in both directions.

mod base64;

pub mod anthropic;
pub mod bedrock;
pub mod bridge;
pub mod canon;
pub mod codec;
pub mod conversation;
pub mod embeddings;
pub mod ensemble;
pub mod frame;
pub mod gemini;
pub mod json;
pub mod openai_chat;
pub mod prune;
pub mod quirks;
pub mod refusal;
pub mod responses;
pub mod skim;
pub mod splice;
pub mod state;
pub mod text;
pub mod usage;

use bytes::Bytes;

use crate::error::{Error, Result};
use canon::Losses;
use codec::Codec;
pub use usage::Usage;

/// The wire formats this gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialectId {
    /// OpenAI chat completions and everything compatible with it.
    OpenAiChat,
    /// Anthropic messages.
    Anthropic,
    /// OpenAI responses.
    Responses,
    /// Gemini `generateContent`, at AI Studio and Vertex.
    Gemini,
    /// Bedrock Converse.
    Bedrock,
}

impl DialectId {
    /// The code that speaks it.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            DialectId::OpenAiChat => &openai_chat::OpenAiChat,
            DialectId::Anthropic => &anthropic::Anthropic,
            DialectId::Responses => &responses::Responses,
            DialectId::Gemini => &gemini::Gemini,
            DialectId::Bedrock => &bedrock::Bedrock,
        }
    }

    /// Every dialect.
    pub const ALL: [DialectId; 5] = [
        DialectId::OpenAiChat,
        DialectId::Responses,
        DialectId::Anthropic,
        DialectId::Gemini,
        DialectId::Bedrock,
    ];

    /// What it can say.
    pub fn codec(self) -> &'static dyn Codec {
        match self {
            DialectId::OpenAiChat => &openai_chat::OpenAiChat,
            DialectId::Anthropic => &anthropic::Anthropic,
            DialectId::Responses => &responses::Responses,
            DialectId::Gemini => &gemini::Gemini,
            DialectId::Bedrock => &bedrock::Bedrock,
        }
    }

    /// Label in logs and metrics (`inbound_protocol`).
    pub fn name(self) -> &'static str {
        match self {
            DialectId::OpenAiChat => "openai",
            DialectId::Anthropic => "anthropic",
            DialectId::Responses => "openai_responses",
            DialectId::Gemini => "gemini",
            DialectId::Bedrock => "bedrock",
        }
    }

    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            DialectId::OpenAiChat => "OpenAI chat",
            DialectId::Anthropic => "Anthropic messages",
            DialectId::Responses => "OpenAI responses",
            DialectId::Gemini => "Gemini",
            DialectId::Bedrock => "Bedrock Converse",
        }
    }
}

/// What a request asks for, as far as the gateway must know before it decides anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// The alias, unescaped.
    pub model: String,
    /// Does the caller want a stream?
    pub stream: bool,
    /// Did the caller itself ask for the usage frame of a stream? Always true where usage is part of the
    /// protocol and nobody has to ask.
    pub usage_asked: bool,
    /// Where the members we own stand in the body.
    pub(crate) places: Places,
}

/// Byte ranges of the members the gateway may edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Value of `model`, quotes included.
    pub model: std::ops::Range<usize>,
    /// Value of `stream_options`, when present.
    pub stream_options: Option<std::ops::Range<usize>>,
}

/// An answer that was read whole and is ready for the caller.
#[derive(Clone, Debug)]
pub struct Answer {
    pub body: Bytes,
    pub usage: Usage,
}

/// What an upstream said when it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// Status named inside the body or implied by its type, if any (in-band errors have no other).
    pub status: Option<u16>,
    pub message: Option<String>,
    pub kind: Option<String>,
    pub code: Option<String>,
    pub param: Option<String>,
    /// Seconds after which to try again, where the body itself says so.
    pub retry_after: Option<u32>,
    /// The body is an error envelope of this very dialect and may be handed to the caller as it is.
    pub native: bool,
}

impl Problem {
    /// What the log may say about an upstream's refusal: its status, type and code. Its words may quote a prompt or a
    /// key. `status` is what HTTP said, 0 inside a stream.
    pub fn classified(&self, status: u16) -> String {
        let mut text = match self.status.unwrap_or(status) {
            0 => "in-band error".to_owned(),
            status => format!("status {status}"),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        for (label, name) in [("type", &self.kind), ("code", &self.code)] {
            let name = name.as_deref().filter(|name| name.len() <= MAX_NAME_BYTES && name.bytes().all(plain));
            if let Some(name) = name {
                text.push_str(&format!(", {label} {name}"));
            }
        }
        text
    }
}

/// How a stream is to be edited on its way to the caller.
#[derive(Clone, Debug)]
pub struct StreamEdits {
    /// Written in place of the upstream's model id. None leaves it.
    pub model: Option<String>,
    /// Swallow the usage-only frame that the gateway, not the caller, asked for.
    pub hide_usage: bool,
}

/// Passes one stream from upstream to caller: cuts frames, edits what we own, reads usage on the side.
///
/// Any chunking of the same bytes gives the same output bytes and the same readings.
pub trait StreamPass: Send {
    /// Takes the next bytes from upstream and returns what may leave now: whole frames only, so that a
    /// comment or an error frame can be written between any two calls. May be empty.
    ///
    /// # Errors
    /// A frame beyond the size limit.
    fn push(&mut self, chunk: Bytes) -> Result<Bytes>;

    /// The upstream ended. Returns what was held back: an unterminated last frame.
    ///
    /// # Errors
    /// The stream was not complete, and what it says must be.
    fn finish(&mut self) -> Result<Bytes>;

    /// Ends a stream that has failed, after an error of this pass or of the connection: what may still leave, and the
    /// dialect's way to tell the error. None where [`Dialect::error_frame`] is that way.
    fn fail(&mut self, _error: &Error) -> Option<Bytes> {
        None
    }

    /// What closes the stream for the caller when the upstream broke off after it was complete.
    fn close(&mut self) -> Bytes {
        Bytes::new()
    }

    /// Frames with data seen so far, comments not counted.
    fn events(&self) -> u64;

    /// The stream said by its own means that it is complete (`[DONE]`, `message_stop`).
    fn complete(&self) -> bool;

    /// The very first event was an error: nothing of an answer was sent.
    fn stillborn(&self) -> bool;

    /// The first error the upstream sent in-band.
    fn problem(&self) -> Option<&Problem>;

    /// Usage as reported so far.
    fn usage(&self) -> &Usage;

    /// What the answer was, once it is complete, if its dialect keeps it for later requests: see
    /// [`codec::EventWriter::answer`].
    fn answer(&self) -> Option<&[u8]> {
        None
    }
}

/// One wire format. Pure functions over bytes.
pub trait Dialect: Sync {
    /// Reads what the gateway must know of a request and checks that the body is JSON all through.
    ///
    /// # Errors
    /// `BadRequest` with a message a caller can act on.
    fn peek(&self, body: &[u8]) -> Result<Peek>;

    /// The caller's body with the target's model id and, if `ask_usage`, a request for the usage frame.
    /// Nothing else changes.
    fn splice_request(&self, body: &Bytes, peek: &Peek, model: &str, ask_usage: bool) -> Bytes;

    /// Leaves out of a caller's request, or replaces, what other vendors' models left in the conversation and a model of the
    /// dialect's owner refuses because it did not make it; and names it. None where there is no such thing.
    fn strip_foreign_state(&self, _body: &Bytes, _model: &str) -> Option<(Bytes, Losses)> {
        None
    }

    /// Leaves out, or replaces, all that only the account which made it takes back, so that another may answer: see
    /// [`state::is_bound_state_refusal`]. A `previous_response_id` stays. None where there is no such thing.
    fn strip_bound_state(&self, _body: &Bytes) -> Option<(Bytes, Losses)> {
        None
    }

    /// The upstream's whole answer with the caller's alias in place of its model id.
    ///
    /// # Errors
    /// `UpstreamUnreadable` when it is not JSON.
    fn splice_answer(&self, body: &Bytes, model: &str) -> Result<Answer>;

    /// The editor for one stream.
    fn stream(&self, edits: StreamEdits) -> Box<dyn StreamPass>;

    /// Reads an upstream's error body, whatever it looks like.
    fn read_error(&self, status: u16, body: &[u8]) -> Problem;

    /// An error in this dialect's envelope.
    fn write_error(&self, error: &Error, request_id: &str) -> Vec<u8>;

    /// An error inside a stream that has begun; no success terminator may follow it.
    fn error_frame(&self, error: &Error, request_id: &str) -> Bytes;
}

/// Longer ones are no type or code.
const MAX_NAME_BYTES: usize = 64;
