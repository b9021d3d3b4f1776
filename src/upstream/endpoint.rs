//! Where a target is and how it is addressed: everything about it that does not change between requests,
//! worked out once when a configuration is applied.

use std::borrow::Cow;
use std::collections::BTreeMap;
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
use crate::resources::shards::Shards;
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

/// The endpoints of a configuration: one for each provider key and vendor label that a model goes to. A copy shares
/// what stays, so that the next configuration costs what is different in it.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// By provider key; most have one label.
    by_key: Shards<String, Vec<Account>>,
}

/// A provider key as models of one vendor label use it.
#[derive(Clone, Debug)]
struct Account {
    label: String,
    /// Models that go there. The account is given up with the last one.
    models: usize,
    /// The row the endpoint was made from.
    key: Option<Arc<ProviderKey>>,
    endpoint: Result<Arc<Endpoint>>,
}

impl Endpoints {
    /// Works out the endpoint of every direct model. A row that cannot be reached keeps its reason, so that
    /// one bad row never takes the others down.
    pub fn build(snapshot: &Snapshot, trust: &TlsIdentity) -> Self {
        Self::default().next(&Snapshot::empty(), snapshot, trust)
    }

    /// The endpoints of the configuration that follows `former`. One whose provider key is the same row stays, with all
    /// that has been learnt about it.
    #[must_use]
    pub fn next(&self, former: &Snapshot, snapshot: &Snapshot, trust: &TlsIdentity) -> Self {
        let mut next = self.clone();
        let is_direct = |model: &&Arc<Model>| model.shape() == Shape::Direct;
        for model in snapshot.models_beyond(former).filter(is_direct) {
            next.enter(model, snapshot, trust);
        }
        for model in former.models_beyond(snapshot).filter(is_direct) {
            next.leave(model);
        }
        for key in former.provider_keys_beyond(snapshot).chain(snapshot.provider_keys_beyond(former)) {
            next.renew(&key.id, snapshot.provider_key(&key.id), trust);
        }
        next
    }

    fn enter(&mut self, model: &Model, snapshot: &Snapshot, trust: &TlsIdentity) {
        let (id, label) = place(model);
        let mut accounts = self.by_key.get(id).cloned().unwrap_or_default();
        match accounts.iter_mut().find(|account| account.label == label) {
            Some(account) => account.models += 1,
            None => accounts.push(Account::new(label, 1, snapshot.provider_key(id), trust)),
        }
        self.by_key.insert(id.to_owned(), accounts);
    }

    fn leave(&mut self, model: &Model) {
        let (id, label) = place(model);
        let Some(mut accounts) = self.by_key.get(id).cloned() else { return };
        for account in accounts.iter_mut().filter(|account| account.label == label) {
            account.models -= 1;
        }
        accounts.retain(|account| account.models > 0);
        match accounts.is_empty() {
            true => drop(self.by_key.remove(id)),
            false => drop(self.by_key.insert(id.to_owned(), accounts)),
        }
    }

    /// Makes the endpoints of a provider key again, where it is another row than before or there no longer.
    fn renew(&mut self, id: &str, key: Option<&Arc<ProviderKey>>, trust: &TlsIdentity) {
        let Some(mut accounts) = self.by_key.get(id).cloned() else { return };
        for account in &mut accounts {
            if account.key.as_ref().map(Arc::as_ptr) != key.map(Arc::as_ptr) {
                *account = Account::new(&account.label, account.models, key, trust);
            }
        }
        self.by_key.insert(id.to_owned(), accounts);
    }

    /// The endpoint of a model row.
    ///
    /// # Errors
    /// Why the row cannot be reached.
    pub fn of(&self, model: &Model) -> Result<&Arc<Endpoint>> {
        let (id, label) = place(model);
        let account = self.by_key.get(id).and_then(|accounts| accounts.iter().find(|one| one.label == label));
        match account {
            Some(account) => account.endpoint.as_ref().map_err(Clone::clone),
            None => Err(Error::new(Kind::NoProvider, "this model cannot be reached")),
        }
    }

    /// Provider keys that are new since `former`, or that new models go to, and cannot be reached, with the reason, for
    /// the operator.
    pub fn unreachable<'e>(
        &'e self,
        former: &'e Snapshot,
        snapshot: &'e Snapshot,
    ) -> BTreeMap<&'e str, &'e Error> {
        let models = snapshot.models_beyond(former).map(|model| place(model).0);
        let keys = snapshot.provider_keys_beyond(former).chain(former.provider_keys_beyond(snapshot));
        let ids = models.chain(keys.map(|key| key.id.as_str()));
        let accounts = ids.filter_map(|id| Some((id, self.by_key.get(id)?)));
        let failed = accounts.filter_map(|(id, accounts)| {
            Some((id, accounts.iter().find_map(|account| account.endpoint.as_ref().err())?))
        });
        failed.collect()
    }
}

impl Account {
    fn new(label: &str, models: usize, key: Option<&Arc<ProviderKey>>, trust: &TlsIdentity) -> Self {
        let endpoint = match key {
            Some(key) => Endpoint::new(label, key, trust).map(Arc::new),
            None => Err(Error::bad_request("this model has no provider key")),
        };
        Account { label: label.to_owned(), models, key: key.cloned(), endpoint }
    }
}

/// Provider key and vendor label of a model.
fn place(model: &Model) -> (&str, &str) {
    (model.provider_key_id.as_deref().unwrap_or_default(), model.provider.as_deref().unwrap_or_default())
}

impl Endpoint {
    fn new(label: &str, key: &ProviderKey, trust: &TlsIdentity) -> Result<Self> {
        let label = if label.is_empty() { key.provider.as_str() } else { label };
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
    use crate::resources::{AnyRow, Change, SnapshotBuilder};

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
    fn the_next_endpoints_are_those_a_fresh_start_would_make_and_keep_what_stays() {
        let trust = TlsIdentity::default();
        let row = |id: &str, base: &str| {
            let mut key = ProviderKey::new(id, "openai", "sk");
            key.api_base = Some(base.to_owned());
            key
        };
        let built = |builder: SnapshotBuilder| builder.build().expect("sound");
        let both = || Snapshot::builder().add_provider_key(row("a", "http://one"), "a");
        let first = built(both().add_model(Model::direct("m", "openai", "x", "a"), "m"));
        let endpoints = Endpoints::build(&first, &trust);
        let change = |kind: &str, id: &str, old, new| {
            let kind = crate::resources::kind(kind).expect("a kind");
            Change { kind, id: id.to_owned(), order: 0, old, new }
        };
        let model = |alias: &str, key: &str| {
            let mut model = Model::direct(alias, "openai", "x", key);
            model.id = alias.to_owned();
            Arc::new(model)
        };
        // Another model of the same key, one of a key that is not there, and the first one leaves.
        let (n, o) = (model("n", "a"), model("o", "b"));
        let old = first.model("m").map(|found| Arc::clone(found.model) as Arc<dyn AnyRow>);
        let changes = [
            change("models", "n", None, Some(Arc::clone(&n) as _)),
            change("models", "o", None, Some(Arc::clone(&o) as _)),
            change("models", "m", old, None),
        ];
        let second = first.after(changes, 2, String::new());
        let next = endpoints.next(&first, &second, &trust);
        let of = |endpoints: &Endpoints, model: &Model| endpoints.of(model).map(Arc::clone);
        let kept = of(&next, &n).expect("reached");
        assert!(Arc::ptr_eq(&kept, &of(&endpoints, &n).expect("the same account")));
        assert_eq!(of(&next, &o).expect_err("no key").kind, Kind::BadRequest);
        assert_eq!(next.unreachable(&first, &second).into_keys().collect::<Vec<_>>(), ["b"]);
        // Its key comes, and the other one changes.
        let key = |id: &str, base: &str| {
            let mut key = row(id, base);
            key.id = id.to_owned();
            Some(Arc::new(key) as Arc<dyn AnyRow>)
        };
        let changes = [
            change("provider_keys", "b", None, key("b", "http://two")),
            change("provider_keys", "a", None, key("a", "http://three")),
        ];
        let third = second.after(changes, 3, String::new());
        let last = next.next(&second, &third, &trust);
        assert_eq!(of(&last, &o).expect("reached").host, "two");
        assert_eq!(of(&last, &n).expect("reached").host, "three");
        assert!(last.unreachable(&second, &third).is_empty());
        assert_eq!(of(&next, &n).expect("as it was").host, "one");
        // The last model of a key takes its account along.
        let changes = [change("models", "o", Some(Arc::clone(&o) as _), None)];
        let fourth = third.after(changes, 4, String::new());
        let least = last.next(&third, &fourth, &trust);
        assert_eq!(of(&least, &o).expect_err("gone").kind, Kind::NoProvider);
        assert_eq!(least.by_key.len(), 1);
    }

    #[test]
    fn an_unknown_vendor_needs_an_adapter() {
        assert_eq!(dialect_of("acme", None).expect_err("no row").kind, Kind::NoProvider);
        assert_eq!(dialect_of("acme", Some(Adapter::OpenAi)).expect("named"), DialectId::OpenAiChat);
        assert_eq!(dialect_of("gemini", None).expect("a row"), DialectId::OpenAiChat);
        assert_eq!(dialect_of("acme", Some(Adapter::Bedrock)).expect_err("later").kind, Kind::Unsupported);
    }
}
