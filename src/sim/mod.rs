//! A simulated provider: an upstream that needs no key, no network and no model.
//!
//! It speaks OpenAI chat completions and Anthropic messages, whole and streamed, from its own small HTTP/1.1
//! server, so that the gateway, its tests and its load tests have something fast and scriptable to call. It
//! stands on the other side of the wire: it imports nothing else of this crate, shares no wire code with the
//! gateway, and learns of a request only what arrives on the socket. It does not judge whether a request is
//! sensible beyond the members a real provider insists on, and it does no TLS, HTTP/2 or compression.
//!
//! A request meets the files in this order: `server` accepts, `connection` reads with `http`, `plan` decides
//! what to answer (`openai` or `anthropic` read the body into a `call`, `script` says how, `answer` composes),
//! and `stream` or the dialect's writer puts it on the wire.
//!
//! Every request can be scripted, by headers (`x-sim-tokens: 5`) or, where a gateway in between drops unknown
//! headers, by a directive in the last user message: `[[sim tokens=5 tps=100 tool=get_weather]]`. The names
//! are those of [`Settings`] and of the table in `script`.

mod answer;
mod anthropic;
mod call;
mod connection;
mod http;
mod json;
mod openai;
mod plan;
mod schema;
mod script;
mod server;
mod settings;
mod stream;
mod text;

#[cfg(test)]
mod tests;

pub use server::{Handle, run, spawn};
pub use settings::Settings;
