//! Messages nobody should send, one row each with what must come of it: requests at both HTTP/1.1 doors, and answers
//! of an upstream. The rules are those of RFC 9112 and RFC 9110, without the leniencies they allow.

/// Answers of an upstream: what the caller gets, and whether the connection is used again.
mod answers;
/// Requests of a caller: what is answered, and what becomes of the connection.
mod requests;
