//! A simulated provider: an upstream that needs no key, no network and no model.
//!
//! It speaks five dialects, whole and streamed, from its own small HTTP/1.1 server, so that the gateway, its tests
//! and its load tests have something fast and scriptable to call: OpenAI chat completions and Responses (also on
//! Azure's paths), Anthropic messages (also Vertex's rawPredict), Gemini (also Vertex's) and Bedrock Converse; and it
//! gives OAuth tokens. It stands on the other side of the wire: it imports nothing else of this crate, shares no wire
//! code with the gateway, and learns of a request only what arrives on the socket. It is strict where the vendors
//! are: what a vendor's documentation forbids is refused in the vendor's words, so that a request that was translated
//! badly fails. It does no TLS, HTTP/2 or compression, and does not verify signatures and tokens beyond their form.
//!
//! Tools are called and answered in a loop: a request with tools is answered with a call whose arguments satisfy the
//! tool's schema, one with their results with a text that quotes them. Thoughts come with a seal that must come back.
//!
//! A request meets the files in this order: `server` accepts, `connection` reads with `http` and `route`, `plan`
//! decides what to answer (`access` looks at keys, the dialect's file reads the body into a `call`, `script` says how,
//! `answer` composes), and `stream` or the dialect's writer puts it on the wire. OpenAI's chat and Anthropic's messages,
//! which carry the load tests, are read in one pass that borrows from the body, and looked at closer only when they
//! are more than plain texts; the others are read as trees (`node`).
//!
//! Every request can be scripted, by headers (`x-sim-tokens: 5`) or, where a gateway in between drops unknown
//! headers, by a directive in the last user message: `[[sim tokens=5 tps=100 tool=get_weather]]`. The names
//! are those of [`Settings`] and of the table in `script`.

mod access;
mod answer;
mod anthropic;
mod bedrock;
mod cache;
mod call;
mod connection;
mod gemini;
mod http;
mod json;
mod node;
mod oauth;
mod openai;
mod plan;
mod responses;
mod route;
mod schema;
mod script;
mod seal;
mod server;
mod settings;
mod stream;
mod text;

#[cfg(test)]
mod tests;

pub use server::{Handle, run, spawn};
pub use settings::Settings;
