//! The black-box suite: drives the real binary over the wire, as callers, providers and operators meet it, and
//! does not link the crate. The upstream is scripted inside each test, so that both ends of the wire are on one
//! screen. `AISIX_BIN` names another binary than the one Cargo built.

// A test owns its tasks to its end, and shows the gateway's log when it fails.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

/// The Admin API over a database.
mod admin;
/// Who is let in to the Admin API, and what its listener bears.
mod admin_access;
/// What a dry run tells.
mod admin_effects;
/// The Admin API over a resources file.
mod admin_file;
/// The Admin API as the first generation had it.
mod admin_former;
/// How models and configuration are, and what the API says of itself.
mod admin_pages;
/// Credentials and what each key may use.
mod auth;
/// A slow reader slows the upstream down instead of filling memory.
mod backpressure;
/// Chat completions, plain and streamed: what the upstream receives and what the caller gets back.
mod chat;
/// The command line: validate, version, help, refusals.
mod cli;
/// Caller keys made by the command line.
mod cli_keys;
/// A LiteLLM configuration taken over.
mod cli_litellm;
/// Resources carried between files, databases and running gateways.
mod cli_stores;
/// Keys of the configuration that change what a caller meets.
mod configuration;
/// Token counting.
mod count_tokens;
/// Many callers at once.
mod crowd;
/// Callers who leave, at every moment.
mod disconnect;
/// Models that an operator sets aside.
mod drain;
/// Several models answer, one judges.
mod ensemble;
/// What the caller reads when the upstream fails.
mod errors;
/// Resources in etcd, shared by several gateways, through everything that can happen to etcd.
mod etcd;
/// Why a request goes where it goes.
mod explain;
/// Several servers behind one provider key: which one gets a request, and who waits.
mod fleet;
/// Bodies and lengths of HTTP/1.1.
mod framing;
/// Callers who speak Gemini.
mod gemini_ingress;
/// Which headers travel to the upstream and back.
mod headers;
/// Heads of requests at and beyond the edge of the rules.
mod heads;
/// How models are, and what probes find out.
mod health;
/// Messages nobody should send, from either side, a row each.
mod hostile;
/// HTTP/2 callers, by prior knowledge and by ALPN.
mod http2;
/// Connections of callers and what they carry.
mod keepalive;
/// Start, reload, drain and end of the process.
mod lifecycle;
/// Anthropic Messages, plain and streamed.
mod messages;
/// What a scrape shows after traffic, and what it must never show.
mod metrics;
/// The list of models in both shapes.
mod models;
/// Connections to upstreams of HTTP/1.1: shared, kept, replaced, and never lent to the wrong request.
mod pool;
/// Which of several faults of one request is reported.
mod precedence;
/// Resources read again on SIGHUP.
mod reload;
/// The Responses API, and conversations kept for its callers.
mod responses;
/// Second tries towards the upstream, and when there must be none.
mod retries;
/// Aliases of several targets.
mod routing;
/// Nothing secret in any output.
mod secrets;
/// How requests and answers are cut into segments.
mod segments;
/// Models chosen by what a prompt is about.
mod semantic;
/// How streams are delivered, not only what they contain.
mod streaming;
mod support;
/// Certificates on both sides of the gateway.
mod tls;
/// Callers of one format and providers of another.
mod translation;
/// Upstreams that speak HTTP/2.
mod upstream_h2;
/// Start without any configuration.
mod zero_config;
/// What a start without configuration keeps.
mod zero_config_store;
