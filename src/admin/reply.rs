//! Answers of the operators' doors.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// An answer in the making.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    content_type: &'static str,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
}

impl Reply {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Reply { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Reply::new(status, "text/plain; charset=utf-8", text.into())
    }

    pub fn json(status: u16, value: &Value) -> Self {
        Reply::new(status, JSON, value.to_string())
    }

    /// The one shape of all that goes wrong here.
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Reply::json(status, &json!({ "error_msg": message.into() }))
    }

    /// The path is one of ours, and takes other methods.
    pub fn wrong_method(allowed: &str) -> Self {
        Reply::error(405, format!("this path takes {allowed}")).header(header::ALLOW, allowed)
    }

    /// What the client has, is still so.
    pub fn not_modified(tag: impl Into<String>) -> Self {
        Reply::new(304, JSON, Bytes::new()).header(header::ETAG, tag)
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer as it leaves. One to HEAD says how long its body would be.
    pub fn into_response(self) -> Response<Bytes> {
        let length = self.body.len();
        let mut response = Response::new(self.body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let headers = response.headers_mut();
        let own = [
            (header::CONTENT_TYPE, self.content_type.to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::SERVER, concat!("AISIX/", env!("CARGO_PKG_VERSION")).to_owned()),
            (header::CONTENT_LENGTH, length.to_string()),
        ];
        for (name, value) in own.into_iter().chain(self.headers) {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(name, value);
            }
        }
        response
    }
}

const JSON: &str = "application/json";
