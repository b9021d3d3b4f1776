//! Pages that stay as they are while the process runs.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, header};

use super::reply::Reply;
use crate::resources::{sha256, to_hex};

/// One such page, made once and known by its tag.
pub struct Page {
    content_type: &'static str,
    body: Bytes,
    tag: String,
    headers: Vec<(HeaderName, String)>,
}

impl Page {
    pub fn new(content_type: &'static str, body: String) -> Self {
        let tag = format!("\"{:.32}\"", to_hex(&sha256(body.as_bytes())));
        Page { content_type, body: body.into(), tag, headers: Vec::new() }
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The page, or that the client has it already.
    pub fn reply(&self, head: &Parts) -> Reply {
        let known = head.headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        if known.is_some_and(|tags| tags.contains(&self.tag)) {
            return Reply::not_modified(&self.tag);
        }
        let reply = Reply::new(200, self.content_type, self.body.clone());
        let reply = reply.header(header::ETAG, &self.tag).header(header::CACHE_CONTROL, "no-cache");
        self.headers.iter().fold(reply, |reply, (name, value)| reply.header(name.clone(), value))
    }
}
