//! Where a target is and how it is addressed: everything about it that does not change between requests,
//! worked out once when a configuration is applied.

mod accounts;
mod address;
mod choice;
mod route;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::credential::{Entry, Key, Tokens};
use super::headers::is_of_one_connection;
use super::providers::{Layout, Operation, Speaks};
use super::resolve::Addresses;
use super::transport::Headers;
use super::transport::pingora::Known;
use super::transport::tls::TlsIdentity;
use crate::dialect::DialectId;
use crate::dialect::quirks::Quirks;
use crate::document::header::is_reserved;
use crate::error::Result;
use crate::resources::{Glob, ProviderKey};
pub use accounts::Endpoints;
use address::Address;
use choice::Choice;
use route::{Route, vertex_dialect};

pub use super::credential::Unsigned;

/// One upstream account at one address.
pub struct Endpoint {
    /// Vendor label, for telemetry.
    pub provider: String,
    pub provider_key_id: String,
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// `Host` header, and `:authority`.
    pub authority: HeaderValue,
    /// The format it speaks best, and the others.
    preferred: Format,
    others: Vec<Format>,
    layout: Layout,
    quirks: &'static Quirks,
    /// How each request is let in, where no fixed header does that.
    entry: Entry,
    /// `${…}` templates among the operator's headers, filled per request.
    pub templates: Vec<(HeaderName, String)>,
    /// When not empty, only these caller headers pass.
    pub only_headers: Vec<Glob>,
    pub addresses: Addresses,
    pub identity: TlsIdentity,
    /// What the transport has learnt about it.
    pub known: Arc<Known>,
}

/// One format an endpoint speaks.
struct Format {
    dialect: DialectId,
    route: Route,
    /// What every request carries: the gateway's own headers and the operator's, a credential that never changes among
    /// them; of one that wants a whole answer, and of one that wants a stream.
    fixed: [Headers; 2],
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("provider", &self.provider)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    pub(super) fn new(label: &str, key: &ProviderKey, trust: &TlsIdentity, tokens: &Tokens) -> Result<Self> {
        let label = if label.is_empty() { key.provider.as_str() } else { label };
        let base = key.api_base.as_deref().map(str::trim).filter(|base| !base.is_empty());
        let choice = Choice::of(label, key.adapter, base)?;
        let secret = Key::read(choice.preferred.auth, key.secret.expose())?;
        let address = Address::of(&choice, base, &secret)?;
        let (operators, templates) = operator_headers(key);
        let format = |speaks: &Speaks| -> Result<Format> {
            let mut own = Headers::default();
            if let Some((name, value)) = secret.header(speaks.auth)? {
                own.push(&name, &value);
            }
            own.extend(&operators);
            Ok(Format {
                dialect: speaks.dialect,
                route: Route::of(speaks, &choice, &address.path, &secret),
                fixed: [fixed("application/json", &own), fixed(stream_type(speaks.dialect), &own)],
            })
        };
        Ok(Endpoint {
            provider: if label.is_empty() { "unknown".into() } else { label.to_owned() },
            provider_key_id: key.id.clone(),
            addresses: Addresses::new(&address.host, address.port),
            preferred: format(choice.preferred)?,
            others: choice.others.iter().map(format).collect::<Result<_>>()?,
            tls: address.tls,
            authority: address.authority,
            host: address.host,
            port: address.port,
            layout: choice.row.layout,
            quirks: choice.quirks,
            entry: Entry::new(secret, key, trust, tokens)?,
            templates,
            only_headers: lower_case(&key.request.forward_client_headers),
            identity: trust.for_key(key)?,
            known: Arc::default(),
        })
    }

    /// The same, at this address alone, whatever its name stands for.
    #[must_use]
    pub(super) fn pinned(self, address: SocketAddr) -> Self {
        Endpoint { addresses: Addresses::literal(address), ..self }
    }

    /// The endpoint of a key by itself.
    #[cfg(test)]
    pub fn of_key(key: &ProviderKey) -> Result<Self> {
        Endpoint::new("", key, &TlsIdentity::default(), &Tokens::default())
    }

    /// A server that is asked one thing, at one address.
    ///
    /// # Errors
    /// It is no address.
    pub(super) fn bare(url: &str, trust: &TlsIdentity) -> Result<Self> {
        let address = Address::parse(url)?;
        let route = Route::Fixed(address.path);
        Ok(Endpoint {
            provider: String::new(),
            provider_key_id: String::new(),
            addresses: Addresses::new(&address.host, address.port),
            preferred: Format { dialect: DialectId::OpenAiChat, route, fixed: Default::default() },
            others: Vec::new(),
            tls: address.tls,
            authority: address.authority,
            host: address.host,
            port: address.port,
            layout: Layout::Plain,
            quirks: &Quirks::NONE,
            entry: Entry::Fixed,
            templates: Vec::new(),
            only_headers: Vec::new(),
            identity: trust.clone(),
            known: Arc::default(),
        })
    }

    /// The format in which a caller of `caller` is served here: its own if it is spoken, else the one spoken best.
    /// Tokens are counted in formats that have a way to ask for it, if any is spoken.
    pub fn dialect_for(&self, caller: DialectId, operation: Operation, model: &str) -> DialectId {
        if self.layout == Layout::Vertex {
            return vertex_dialect(model);
        }
        let spoken = |wanted: &dyn Fn(DialectId) -> bool| {
            self.formats().map(|format| format.dialect).find(|dialect| wanted(*dialect))
        };
        let counts = |dialect| matches!(dialect, DialectId::Anthropic | DialectId::Gemini);
        let other = || spoken(&|dialect| operation != Operation::CountTokens || counts(dialect));
        spoken(&|dialect| dialect == caller).or_else(other).unwrap_or(self.preferred.dialect)
    }

    /// What every request carries, whoever asks.
    pub fn fixed(&self, dialect: DialectId, stream: bool) -> &Headers {
        let [whole, streamed] = &self.format(dialect).fixed;
        if stream { streamed } else { whole }
    }

    /// Path of an operation at this endpoint, with the caller's query but for what the path says itself.
    pub fn path(
        &self,
        dialect: DialectId,
        operation: Operation,
        model: &str,
        stream: bool,
        query: Option<&str>,
    ) -> Cow<'_, str> {
        let path = self.format(dialect).route.path(dialect, operation, model, stream);
        match query {
            Some(query) => route::with_query(path, query),
            None => path,
        }
    }

    /// Must a request be signed or given a token before it leaves?
    pub fn needs_authorizing(&self) -> bool {
        !matches!(self.entry, Entry::Fixed)
    }

    /// Adds the credential to a request that is otherwise complete.
    ///
    /// # Errors
    /// `UpstreamCredential`: there is none to be had.
    pub async fn authorize(&self, request: &Unsigned<'_>, headers: &mut Headers) -> Result<()> {
        self.entry.authorize(request, &self.authority, headers).await
    }

    /// Can texts be turned into vectors here, in this format?
    pub fn embeds(&self, dialect: DialectId) -> bool {
        self.layout != Layout::Vertex && matches!(dialect, DialectId::OpenAiChat | DialectId::Gemini)
    }

    /// What this vendor does differently.
    pub fn quirks(&self) -> &'static Quirks {
        self.quirks
    }

    fn formats(&self) -> impl Iterator<Item = &Format> {
        std::iter::once(&self.preferred).chain(&self.others)
    }

    fn format(&self, dialect: DialectId) -> &Format {
        self.formats().find(|format| format.dialect == dialect).unwrap_or(&self.preferred)
    }
}

/// Header names have no case.
fn lower_case(patterns: &[Glob]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::new(pattern.as_str().to_ascii_lowercase())).collect()
}

fn stream_type(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::Bedrock => "application/vnd.amazon.eventstream",
        _ => "text/event-stream",
    }
}

/// The gateway's own headers, then the operator's where they have other names.
fn fixed(accept: &'static str, own: &Headers) -> Headers {
    let mut headers = Headers::default();
    headers.push_static("content-type", "application/json");
    headers.push_static("accept", accept);
    // A compressed answer could not be edited.
    headers.push_static("accept-encoding", "identity");
    headers.push_static("user-agent", concat!("aisix/", env!("CARGO_PKG_VERSION")));
    headers.push_absent(own);
    headers
}

/// The operator's headers, and the templates among them.
fn operator_headers(key: &ProviderKey) -> (Headers, Vec<(HeaderName, String)>) {
    let mut headers = Headers::default();
    let mut templates = Vec::new();
    for (name, value) in &key.request.default_headers {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        if !settable(name.as_str()) {
            continue;
        }
        if value.contains("${") {
            templates.push((name, value.clone()));
        } else if let Ok(value) = HeaderValue::from_str(value) {
            headers.push(&name, &value);
        }
    }
    (headers, templates)
}

/// May an operator's default header have this name? Credentials and framing are the gateway's own.
fn settable(name: &str) -> bool {
    !is_reserved(name) && !is_of_one_connection(name)
}
