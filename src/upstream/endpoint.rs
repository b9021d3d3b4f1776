//! Where a target is and how it is addressed: everything about it that does not change between requests,
//! worked out once when a configuration is applied.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};

use super::headers::is_of_one_connection;
use super::providers::{Operation, provider};
use super::resolve::Addresses;
use super::transport::Headers;
use super::transport::pingora::Known;
use super::transport::tls::TlsIdentity;
use crate::dialect::DialectId;
use crate::document::header::is_reserved;
use crate::error::{Error, Kind, Result};
use crate::resources::{Adapter, Glob, Model, ProviderKey, Shape, Snapshot};

/// One upstream account at one address.
pub struct Endpoint {
    pub dialect: DialectId,
    /// Vendor label, for telemetry.
    pub provider: String,
    pub provider_key_id: String,
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// `Host` header, and `:authority`.
    pub authority: HeaderValue,
    /// Path of each operation.
    paths: [String; Operation::ALL.len()],
    /// What every request carries: the gateway's own headers and the operator's, the credential among them; of one
    /// that wants a whole answer, and of one that wants a stream.
    fixed: [Headers; 2],
    /// `${…}` templates among the operator's headers, filled per request.
    pub templates: Vec<(HeaderName, String)>,
    /// When not empty, only these caller headers pass.
    pub only_headers: Vec<Glob>,
    pub addresses: Addresses,
    pub identity: TlsIdentity,
    /// What the transport has learnt about it.
    pub known: Arc<Known>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("provider", &self.provider)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// The endpoints of a configuration, by model row.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// By provider key and vendor label, each with the row it was made from.
    by_account: HashMap<(String, String), Account>,
    by_model: foldhash::HashMap<String, Result<Arc<Endpoint>>>,
}

/// The endpoint of a provider key, and the row it was made from.
#[derive(Clone, Debug)]
struct Account {
    key: Arc<ProviderKey>,
    endpoint: Result<Arc<Endpoint>>,
}

impl Endpoints {
    /// Works out the endpoint of every direct model. A row that cannot be reached keeps its reason, so that
    /// one bad row never takes the others down.
    pub fn build(snapshot: &Snapshot, trust: &TlsIdentity) -> Self {
        Self::default().next(snapshot, trust)
    }

    /// The endpoints of the configuration that follows. One whose provider key is the same row stays, with all that has
    /// been learnt about it.
    #[must_use]
    pub fn next(&self, snapshot: &Snapshot, trust: &TlsIdentity) -> Self {
        let mut next = Endpoints::default();
        for model in snapshot.models().filter(|model| model.shape() == Shape::Direct) {
            let label = model.provider.clone().unwrap_or_default();
            let key_id = model.provider_key_id.clone().unwrap_or_default();
            let endpoint = match snapshot.provider_key(&key_id) {
                Some(key) => next.account(self, (key_id, label), key, || Endpoint::new(model, key, trust)),
                None => Err(Error::bad_request("this model has no provider key")),
            };
            next.by_model.insert(model.id.clone(), endpoint);
        }
        next
    }

    fn account(
        &mut self,
        former: &Endpoints,
        place: (String, String),
        key: &Arc<ProviderKey>,
        make: impl FnOnce() -> Result<Endpoint>,
    ) -> Result<Arc<Endpoint>> {
        if let Some(account) = self.by_account.get(&place) {
            return account.endpoint.clone();
        }
        let kept = former.by_account.get(&place).filter(|account| Arc::ptr_eq(&account.key, key));
        let account =
            kept.cloned().unwrap_or_else(|| Account { key: Arc::clone(key), endpoint: make().map(Arc::new) });
        let endpoint = account.endpoint.clone();
        self.by_account.insert(place, account);
        endpoint
    }

    /// The endpoint of a model row.
    ///
    /// # Errors
    /// Why the row cannot be reached.
    pub fn of(&self, model: &Model) -> Result<&Arc<Endpoint>> {
        match self.by_model.get(&model.id) {
            Some(Ok(endpoint)) => Ok(endpoint),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::new(Kind::NoProvider, "this model cannot be reached")),
        }
    }

    /// Rows that cannot be reached, with the reason, for the operator.
    pub fn unreachable(&self) -> impl Iterator<Item = (&str, &Error)> {
        self.by_model.iter().filter_map(|(id, endpoint)| Some((id.as_str(), endpoint.as_ref().err()?)))
    }
}

impl Endpoint {
    fn new(model: &Model, key: &ProviderKey, trust: &TlsIdentity) -> Result<Self> {
        let label = model.provider.as_deref().filter(|label| !label.is_empty()).unwrap_or(&key.provider);
        let dialect = dialect_of(label, key.adapter)?;
        let base = key.api_base.as_deref().map(str::trim).filter(|base| !base.is_empty());
        let base = match base {
            Some(base) => base,
            None => default_base(label)?,
        };
        let address = Address::parse(&root_of(dialect, base))?;
        let (own, templates) = own_headers(dialect, key)?;
        Ok(Endpoint {
            dialect,
            provider: if label.is_empty() { "unknown".into() } else { label.to_owned() },
            provider_key_id: key.id.clone(),
            addresses: Addresses::new(&address.host, address.port),
            tls: address.tls,
            authority: address.authority,
            host: address.host,
            port: address.port,
            paths: Operation::ALL.map(|operation| format!("{}{}", address.path, operation.path())),
            fixed: [fixed("application/json", &own), fixed("text/event-stream", &own)],
            templates,
            only_headers: lower_case(&key.request.forward_client_headers),
            identity: trust.for_key(key)?,
            known: Arc::default(),
        })
    }

    /// What every request carries, whoever asks.
    pub fn fixed(&self, stream: bool) -> &Headers {
        let [whole, streamed] = &self.fixed;
        if stream { streamed } else { whole }
    }

    /// Path of an operation at this endpoint.
    pub fn path(&self, operation: Operation, query: Option<&str>) -> Cow<'_, str> {
        let [chat, messages, count_tokens] = &self.paths;
        let path = match operation {
            Operation::Chat => chat,
            Operation::Messages => messages,
            Operation::CountTokens => count_tokens,
        };
        match query {
            Some(query) => format!("{path}?{query}").into(),
            None => path.into(),
        }
    }
}

/// Header names have no case.
fn lower_case(patterns: &[Glob]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::new(pattern.as_str().to_ascii_lowercase())).collect()
}

/// The wire format: a vendor of its own kind first, else the adapter the operator named, else the row.
fn dialect_of(label: &str, adapter: Option<Adapter>) -> Result<DialectId> {
    match (label, adapter) {
        ("anthropic", _) => Ok(DialectId::Anthropic),
        ("openai", _) => Ok(DialectId::OpenAiChat),
        (_, Some(Adapter::OpenAi)) => Ok(DialectId::OpenAiChat),
        (_, Some(Adapter::Anthropic)) => Ok(DialectId::Anthropic),
        (_, Some(Adapter::Bedrock | Adapter::Vertex | Adapter::AzureOpenAi)) => Err(Error::new(
            Kind::Unsupported,
            "this model's provider speaks a format that this gateway does not speak yet",
        )),
        (label, None) => provider(label).map(|row| row.dialect).ok_or_else(|| {
            Error::new(
                Kind::NoProvider,
                "this model's provider key names neither a known provider nor an adapter",
            )
        }),
    }
}

/// A key labelled with one vendor is never sent to another vendor's host.
fn default_base(label: &str) -> Result<&'static str> {
    provider(label).and_then(|row| row.base).ok_or_else(|| {
        Error::bad_request("this model's provider key has no api_base, and its provider has no default one")
    })
}

/// The root of the API. A pasted endpoint path is cut off; the bare OpenAI host gets its `/v1`; nothing is
/// invented for other hosts.
fn root_of(dialect: DialectId, base: &str) -> String {
    let mut root = base.trim_end_matches('/');
    let suffixes: &[&str] = match dialect {
        DialectId::OpenAiChat => &[
            "/chat/completions",
            "/completions",
            "/embeddings",
            "/images/generations",
            "/audio/speech",
            "/audio/transcriptions",
            "/audio/translations",
        ],
        DialectId::Anthropic => &["/v1/messages", "/v1"],
    };
    if let Some(cut) = suffixes.iter().find_map(|suffix| root.strip_suffix(suffix)) {
        root = cut.trim_end_matches('/');
    }
    match root {
        "https://api.openai.com" | "http://api.openai.com" => format!("{root}/v1"),
        other => other.to_owned(),
    }
}

struct Address {
    tls: bool,
    host: String,
    port: u16,
    authority: HeaderValue,
    path: String,
}

impl Address {
    fn parse(root: &str) -> Result<Self> {
        let bad = || {
            Error::new(
                Kind::NoProvider,
                "this model's provider key has an api_base that is not an http(s) URL",
            )
        };
        let uri: Uri = root.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(bad());
        }
        Ok(Address {
            tls,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
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

/// The operator's headers, credential first, and the templates among them.
fn own_headers(dialect: DialectId, key: &ProviderKey) -> Result<(Headers, Vec<(HeaderName, String)>)> {
    let mut headers = Headers::default();
    let (name, value) = credential(dialect, key.secret.expose())?;
    headers.push(&name, &value);
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
    Ok((headers, templates))
}

fn credential(dialect: DialectId, secret: &str) -> Result<(HeaderName, HeaderValue)> {
    let (name, text) = match dialect {
        DialectId::OpenAiChat => (http::header::AUTHORIZATION, format!("Bearer {secret}")),
        DialectId::Anthropic => (HeaderName::from_static("x-api-key"), secret.to_owned()),
    };
    let value = HeaderValue::from_str(&text).map_err(|_| {
        Error::new(Kind::UpstreamCredential, "the provider key of this model cannot be sent as a header")
            .code("upstream_auth_failed")
    })?;
    Ok((name, value))
}

/// May an operator's default header have this name? Credentials and framing are the gateway's own.
fn settable(name: &str) -> bool {
    !is_reserved(name) && !is_of_one_connection(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_addresses_are_normalised_once_for_all_routes() {
        let cases = [
            (DialectId::OpenAiChat, "https://api.openai.com", "https://api.openai.com/v1"),
            (DialectId::OpenAiChat, "https://api.openai.com/v1/", "https://api.openai.com/v1"),
            (
                DialectId::OpenAiChat,
                "https://api.openai.com/v1/chat/completions",
                "https://api.openai.com/v1",
            ),
            (DialectId::OpenAiChat, "http://vllm:8000", "http://vllm:8000"),
            (DialectId::OpenAiChat, "http://vllm:8000/v1//", "http://vllm:8000/v1"),
            (DialectId::Anthropic, "https://api.anthropic.com/v1/messages", "https://api.anthropic.com"),
            (DialectId::Anthropic, "https://api.anthropic.com/v1", "https://api.anthropic.com"),
            (DialectId::Anthropic, "https://proxy.example/anthropic/", "https://proxy.example/anthropic"),
        ];
        for (dialect, base, root) in cases {
            assert_eq!(root_of(dialect, base), root, "{base}");
        }
    }

    #[test]
    fn an_address_gives_host_port_and_authority() {
        let address = Address::parse("http://[::1]:8000/v1").expect("a URL");
        assert_eq!((address.host.as_str(), address.port, address.tls), ("::1", 8000, false));
        assert_eq!(address.authority, "[::1]:8000");
        assert_eq!(address.path, "/v1");
        for bad in ["ftp://x", "https://user:pw@host", "not a url", "https://"] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_vendor_needs_an_adapter() {
        assert_eq!(dialect_of("acme", None).expect_err("no row").kind, Kind::NoProvider);
        assert_eq!(dialect_of("acme", Some(Adapter::OpenAi)).expect("named"), DialectId::OpenAiChat);
        assert_eq!(dialect_of("gemini", None).expect("a row"), DialectId::OpenAiChat);
        assert_eq!(dialect_of("acme", Some(Adapter::Bedrock)).expect_err("later").kind, Kind::Unsupported);
    }
}
