//! How requests come in.
//!
//! [`listener`] accepts connections, [`front`] looks at each one and picks its door, [`pingora`] is the
//! `ProxyHttp` door behind which Pingora's own sessions carry HTTP/1.1 and HTTP/2.

mod conn;
mod framing;
pub mod front;
pub mod listener;
pub mod pingora;
pub mod tls;
