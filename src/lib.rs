//! AISIX: a gateway between applications and AI model providers.
//!
//! The rooms in the order in which a request meets them:
//!
//! ```text
//!  caller ──► proxy::doors ──► proxy::lifecycle ──────────────────────────► caller
//!                                 │ identify   policy::auth       credential → caller
//!                                 │ read       proxy::body        bytes, bounded
//!                                 │ peek       dialect            what is asked for
//!                                 │ resolve    routing            alias → plan of targets
//!                                 │ permit     policy::access     may this caller use it?
//!                                 │ reserve    policy::limits     hold what will be used
//!                                 │ inspect    policy::guardrails
//!                                 │ recall     policy::cache
//!                                 │ dispatch   upstream           the tries, until one answers
//!                                 │ relay      proxy::relay       frames back to the caller
//!                                 └ settle     proxy::settle      one record → telemetry
//! ```
//!
//! `resources` defines what operators write, `store` brings it in, `gateway` wires everything together.

pub mod admin;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod document;
pub mod error;
pub mod gateway;
pub mod http1;
pub mod life;
pub mod policy;
pub mod proxy;
pub mod resources;
pub mod routing;
pub mod sim;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod wire;

/// Installs the process's cryptography. Repeated calls do nothing.
pub fn install_crypto() {
    // A second installation is refused, and the first one stays: exactly what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
