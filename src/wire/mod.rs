//! Bytes on connections, for both sides of the gateway.
//!
//! [`inbox`] and [`outbox`] are what the lean HTTP/1.1 codec reads and writes with; [`gathered`] is for
//! Pingora's sessions, [`plain`] a connection without TLS.

pub mod gathered;
pub mod inbox;
pub mod outbox;
pub mod plain;

pub use gathered::Gathered;
pub(crate) use gathered::like_the_stream_inside;
pub use inbox::Inbox;
pub use plain::Plain;
