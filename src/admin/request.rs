//! A request to the Admin API, as far as it matters there.

use std::time::Duration;

use http::request::Parts;
use http::{Method, header};
use percent_encoding::percent_decode_str;
use pingora_core::protocols::http::ServerSession;
use serde_json::{Map, Value};

use super::reply::Reply;
use crate::document::suggestion;

/// Holds credentials, so nothing prints it.
#[derive(Default)]
pub struct Request {
    /// GET for HEAD, which is answered alike.
    pub method: Method,
    /// Below the API's root, in its segments.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub authorization: Option<Vec<u8>>,
    pub x_api_key: Option<Vec<u8>>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub body: Vec<u8>,
}

impl Request {
    /// What the head says; the body is not read yet.
    pub fn of(head: &Parts, below: &str) -> Self {
        let value = |name: &str| head.headers.get(name).map(|value| value.as_bytes().to_vec());
        let text = |name: &str| value(name).and_then(|value| String::from_utf8(value).ok());
        Request {
            method: if head.method == Method::HEAD { Method::GET } else { head.method.clone() },
            path: below.split('/').map(decoded).collect(),
            query: head.uri.query().map(pairs).unwrap_or_default(),
            authorization: value("authorization"),
            x_api_key: value("x-api-key"),
            if_match: text("if-match"),
            if_none_match: text("if-none-match"),
            body: Vec::new(),
        }
    }

    /// Reads the body, which must come within bounds of size and time.
    ///
    /// # Errors
    /// The answer to a body that does not.
    pub async fn read_body(&mut self, session: &mut ServerSession) -> Result<(), Reply> {
        let head = session.req_header();
        let length = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > MOST_BODY_BYTES)
        {
            return Err(too_large());
        }
        if head.headers.contains_key(header::EXPECT) && session.write_continue_response().await.is_err() {
            return Err(unreadable());
        }
        match tokio::time::timeout(BODY_TIME, self.collect_body(session)).await {
            Ok(read) => read,
            Err(_) => Err(Reply::error(408, "the body did not arrive in time")),
        }
    }

    async fn collect_body(&mut self, session: &mut ServerSession) -> Result<(), Reply> {
        while let Some(piece) = session.read_request_body().await.map_err(|_| unreadable())? {
            if (self.body.len() + piece.len()) as u64 > MOST_BODY_BYTES {
                return Err(too_large());
            }
            self.body.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// The body, which must be one JSON object.
    ///
    /// # Errors
    /// What else it is.
    pub fn object(&self) -> Result<Map<String, Value>, NoObject> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(NoObject::Other),
            Err(error) => Err(NoObject::NoJson(error)),
        }
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Is a switch on? It may be named alone.
    ///
    /// # Errors
    /// It is neither on nor off: a dry run that is misspelt must not become a write.
    pub fn flag(&self, name: &str) -> Result<bool, Reply> {
        match self.query(name) {
            Some("" | "1" | "true") => Ok(true),
            None | Some("0" | "false") => Ok(false),
            Some(_) => Err(Reply::error(400, format!("{name} must be true or false"))),
        }
    }

    /// Refuses parameters that mean nothing here: with one that is misspelt, something else would be done than was meant.
    ///
    /// # Errors
    /// There is one.
    pub fn takes(&self, known: &[&str]) -> Result<(), Reply> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let near = suggestion(name, known.iter().copied());
                Err(Reply::error(400, format!("unknown parameter {name:?}{near}")))
            }
        }
    }

    /// A whole number in the query.
    ///
    /// # Errors
    /// It is there and is none.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Reply> {
        let number = self.query(name).map(str::parse).transpose();
        number.map_err(|_| Reply::error(400, format!("{name} must be a whole number")))
    }
}

/// Why a body is no object.
pub enum NoObject {
    NoJson(serde_json::Error),
    Other,
}

fn too_large() -> Reply {
    Reply::error(413, "the body is larger than 4 MiB")
}

fn unreadable() -> Reply {
    Reply::error(400, "the body could not be read")
}

/// Name and value of each parameter; `+` is a space here.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = |text: &str| decoded(&text.replace('+', " "));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Percent-encoding undone.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Largest body: OpenAPI documents of MCP servers are among them.
const MOST_BODY_BYTES: u64 = 4 << 20;
/// Time for a whole body.
const BODY_TIME: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(target: &str) -> Request {
        let head = http::Request::head(target).header("if-match", "\"7\"").body(()).expect("a head");
        let (head, ()) = head.into_parts();
        Request::of(&head, target.split('?').next().expect("a path").trim_start_matches('/'))
    }

    #[test]
    fn a_plus_is_a_space_in_a_query_and_itself_in_a_path() {
        let request = parsed("/models/a+b%2Fc%20d?name=a+b%2Bc&dry_run&empty=&&bad=%zz");
        assert_eq!(request.path, ["models", "a+b/c d"]);
        assert_eq!(request.query("name"), Some("a b+c"));
        let on = |name: &str| request.flag(name).ok();
        assert_eq!(["dry_run", "empty", "none", "name"].map(on), [Some(true), Some(true), Some(false), None]);
        assert_eq!(request.query("bad"), Some("%zz"), "what is no encoding stays as it is");
    }

    #[test]
    fn the_head_says_what_is_asked_for() {
        let request = parsed("/models?page_size=3&limit=x");
        assert_eq!(request.method, Method::GET, "HEAD is answered as GET is");
        assert_eq!(request.if_match.as_deref(), Some("\"7\""));
        assert!(matches!(request.number("page_size"), Ok(Some(3))));
        assert!(matches!(request.number("none"), Ok(None)));
        assert!(request.number("limit").is_err());
    }
}
