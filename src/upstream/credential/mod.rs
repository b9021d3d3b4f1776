//! How a request proves whose it is: by a header that never changes, by a token that is fetched, or by a signature.
//!
//! What never changes stands among the endpoint's fixed headers. The rest is worked out here, for each request.

mod document;
mod entry;
mod fetches;
mod grant;
mod sigv4;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;

use http::{HeaderName, HeaderValue};

pub use document::Document;
pub use entry::Entry;
pub use fetches::Fetches;
pub use sigv4::path_segment;
pub use token::Tokens;

use document::{Google, GoogleAccess};

use super::providers::Auth;
use crate::error::{Error, Kind, Result};

/// A request before it is authorized.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// Path and query.
    pub path: &'a str,
    pub body: &'a [u8],
}

/// A provider key, read once.
pub enum Key {
    /// Sent as it is.
    Plain(String),
    Document(Document),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Key {
    /// Reads a key in the form that the vendor's scheme has.
    ///
    /// # Errors
    /// A document that does not say what the scheme needs.
    pub fn read(auth: Auth, text: &str) -> Result<Self> {
        let is_document = text.trim_start().starts_with('{');
        match auth {
            Auth::Google => Document::google(text).map(Key::Document),
            Auth::Azure if is_document => Document::entra(text).map(Key::Document),
            Auth::Aws if is_document => Document::aws(text).map(Key::Document),
            _ => Ok(Key::Plain(text.to_owned())),
        }
    }

    /// The header that shows it, unless each request is shown something else.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn header(&self, auth: Auth) -> Result<Option<(HeaderName, HeaderValue)>> {
        let text = match self {
            Key::Plain(text) => text,
            Key::Document(Document::Google(Google { access: GoogleAccess::Token(token), .. })) => token,
            Key::Document(_) => return Ok(None),
        };
        let named = |name| (HeaderName::from_static(name), text.clone());
        let (name, text) = match auth {
            Auth::XApiKey => named("x-api-key"),
            Auth::XGoogApiKey => named("x-goog-api-key"),
            Auth::Azure => named("api-key"),
            Auth::Bearer | Auth::Google | Auth::Aws => {
                (http::header::AUTHORIZATION, format!("Bearer {text}"))
            }
        };
        let value = HeaderValue::from_str(&text)
            .map_err(|_| refused("the provider key of this model cannot be sent as a header"))?;
        Ok(Some((name, value)))
    }
}

/// The gateway's own credential is at fault, never the caller's.
pub fn refused(message: &'static str) -> Error {
    Error::new(Kind::UpstreamCredential, message).code("upstream_auth_failed")
}
