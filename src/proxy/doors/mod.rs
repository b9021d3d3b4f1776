//! How requests come in.
//!
//! [`listener`] accepts connections and [`front`] looks at each one and picks its door: [`lean`] for plain HTTP/1.1
//! to the routes the gateway models, and [`pingora`], the `ProxyHttp` door behind which Pingora's own sessions
//! carry HTTP/2 and whatever else there is. Both lead to the same walk.

use std::time::Duration;

pub mod front;
mod lean;
mod lent;
pub mod listener;
pub mod pingora;
pub mod tls;

/// Times of a caller's connection while it has a request.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Longest pause between two pieces of a request body.
    pub read: Option<Duration>,
    /// Longest time a caller may leave a piece of its answer unread.
    pub write: Option<Duration>,
}
