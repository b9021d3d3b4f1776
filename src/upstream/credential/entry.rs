//! What is added to each request of an endpoint, where no fixed header lets it in.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderValue;

use super::document::{Aws, Google, GoogleAccess};
use super::grant::Grant;
use super::token::{TokenSource, Tokens};
use super::{Document, Key, Unsigned, sigv4};
use crate::error::Result;
use crate::http1::Headers;
use crate::resources::ProviderKey;
use crate::upstream::transport::tls::TlsIdentity;

/// How a request is let in.
pub enum Entry {
    /// By what stands among the fixed headers.
    Fixed,
    /// By a token that is fetched and lasts for a while.
    Token(Arc<TokenSource>),
    /// By a signature over the request.
    Signed(Box<Aws>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Entry::Fixed => "Fixed",
            Entry::Token(_) => "Token",
            Entry::Signed(_) => "Signed",
        })
    }
}

impl Entry {
    /// # Errors
    /// A private key or a token endpoint that cannot be used.
    pub fn new(secret: Key, key: &ProviderKey, trust: &TlsIdentity, tokens: &Tokens) -> Result<Self> {
        let grant = match secret {
            Key::Plain(_) => return Ok(Entry::Fixed),
            Key::Document(Document::Aws(aws)) => return Ok(Entry::Signed(Box::new(aws))),
            Key::Document(Document::Google(Google { access: GoogleAccess::Token(_), .. })) => {
                return Ok(Entry::Fixed);
            }
            Key::Document(Document::Google(Google { access: GoogleAccess::Account(account), .. })) => {
                Grant::google(account)?
            }
            Key::Document(Document::Entra(entra)) => Grant::entra(entra),
        };
        Ok(Entry::Token(Arc::new(TokenSource::new(&key.id, grant, trust, tokens)?)))
    }

    /// Adds what lets a request in.
    ///
    /// # Errors
    /// There is no token to be had, or the request cannot be signed.
    pub async fn authorize(
        &self,
        request: &Unsigned<'_>,
        authority: &HeaderValue,
        headers: &mut Headers,
    ) -> Result<()> {
        match self {
            Entry::Fixed => Ok(()),
            Entry::Token(source) => {
                let token = source.token().await?;
                headers.push(&http::header::AUTHORIZATION, &token.bearer);
                Ok(())
            }
            Entry::Signed(aws) => {
                let host = authority.to_str().unwrap_or_default();
                let signed = sigv4::Request {
                    method: "POST",
                    host,
                    path: request.path,
                    headers: &[],
                    body: request.body,
                };
                for (name, value) in sigv4::sign(&signer(aws), &signed, SystemTime::now())? {
                    headers.push(&name, &value);
                }
                Ok(())
            }
        }
    }
}

fn signer(aws: &Aws) -> sigv4::Signer<'_> {
    sigv4::Signer {
        access_key_id: &aws.access_key_id,
        secret_access_key: aws.secret_access_key.expose(),
        session_token: aws.session_token.as_ref().map(|token| token.expose()),
        region: &aws.region,
    }
}
