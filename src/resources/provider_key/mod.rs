//! How to reach an upstream account: credential, address, and what to change on the way.

mod fleet;
mod rules;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::glob::Glob;
use super::kind::Resource;
use super::pairs;
use super::reference::Names;
use crate::document::{Fault, Secret};
pub use fleet::{FleetRules, FleetStrategy, LoadKind, LoadRules, QueueRules};

/// Credential and connection settings of one upstream account.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"display_name": "openai-main", "provider": "openai", "api_key": "sk-of-the-provider"}]))]
pub struct ProviderKey {
    /// Derived from the row's name, see [`super::row_id`].
    #[serde(skip)]
    pub id: String,
    /// What models and operators call it.
    #[schemars(length(min = 1))]
    pub display_name: String,
    /// The upstream credential. Also written `secret`. A JSON document in a text for providers whose credentials
    /// have several parts.
    #[serde(rename = "api_key", alias = "secret")]
    #[schemars(length(min = 1), extend("x-also" = ["secret"]))]
    pub secret: Secret,
    /// Vendor label; picks the wire family and the default address where it is a known one.
    #[serde(default)]
    pub provider: String,
    /// Wire family of vendors that are not known; of a vendor that speaks several, the one to speak.
    pub adapter: Option<Adapter>,
    /// Root of the upstream's API: an http or https URL without user, query and fragment.
    /// None, or empty in files = the vendor's own.
    #[serde(default, deserialize_with = "filled")]
    #[schemars(with = "Option<String>")]
    pub api_base: Option<String>,
    /// Several servers that are alike, each as in `api_base`, which does not stand beside them. A request goes to one of
    /// them, as `fleet` says.
    #[serde(default)]
    pub replicas: Vec<String>,
    /// How requests are spread over `replicas`, or over the addresses of one name. None = as if empty where there are
    /// several replicas.
    pub fleet: Option<FleetRules>,
    /// Header names (lower case) removed before a request is tunnelled.
    #[serde(default = "credential_headers", deserialize_with = "pairs::lower_case_list")]
    #[schemars(with = "Vec<String>")]
    pub strip_headers: Vec<String>,
    #[serde(default)]
    pub request: RequestRules,
    #[serde(default)]
    pub response: ResponseRules,
    #[serde(default)]
    pub tls: TlsRules,
    #[serde(default)]
    pub telemetry_tags: TelemetryTags,
}

/// The wire families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Adapter {
    #[serde(rename = "openai")]
    OpenAi,
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
    Anthropic,
    Gemini,
    Bedrock,
    Vertex,
    #[serde(rename = "azure-openai")]
    AzureOpenAi,
}

/// What is changed on the request. Applied in this order: renames, constraints, default fields, headers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RequestRules {
    /// Top-level body members to rename, (from, to); on a collision the renamed value wins.
    #[serde(deserialize_with = "pairs::texts")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub param_renames: Vec<(String, String)>,
    pub param_constraints: ParamConstraints,
    /// Body members added where absent: (name, value as JSON text).
    #[serde(deserialize_with = "pairs::json")]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub default_body_fields: Vec<(String, Box<RawValue>)>,
    /// Headers added where absent: (name in lower case, template).
    #[serde(deserialize_with = "pairs::headers")]
    #[schemars(with = "BTreeMap<String, Secret>")]
    pub default_headers: Vec<(String, String)>,
    /// The caller's headers that are passed on (patterns over lower-case names).
    pub forward_client_headers: Vec<Glob>,
}

/// Bounds on `temperature`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
pub struct ParamConstraints {
    pub temperature_min: Option<f64>,
    pub temperature_max: Option<f64>,
}

/// What is expected of, or changed on, the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ResponseRules {
    /// None = whatever comes.
    pub stream_done_marker: Option<StreamDoneMarker>,
    /// Flattens text-block arrays in the request's `messages[*].content`.
    pub content_list_to_string: bool,
    /// Dotted path under `delta.` whose text is moved to `delta.reasoning_content`.
    pub reasoning_field: Option<String>,
    /// Kept, and without effect.
    pub error_envelope: Option<String>,
}

/// Does the upstream end its streams with `[DONE]`?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamDoneMarker {
    Required,
    Optional,
    None,
}

/// Whom to trust at the other end, and who we are. All PEM, checked when the row is loaded.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TlsRules {
    /// Certificates trusted for this upstream.
    pub ca_cert: Option<String>,
    /// Our certificate chain; only together with `client_key`.
    pub client_cert: Option<String>,
    pub client_key: Option<Secret>,
    /// False accepts any certificate.
    pub verify: bool,
}

impl Default for TlsRules {
    fn default() -> Self {
        TlsRules { ca_cert: None, client_cert: None, client_key: None, verify: true }
    }
}

/// Copied to usage events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TelemetryTags {
    pub kind: Option<TagKind>,
    pub branded_provider: Option<String>,
    pub byo_label: Option<String>,
    pub pk_label: Option<String>,
    pub featured: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagKind {
    Catalog,
    Byo,
}

impl RequestRules {
    /// Do they change bodies, and not headers alone?
    pub fn edits_bodies(&self) -> bool {
        !self.param_renames.is_empty()
            || !self.default_body_fields.is_empty()
            || self.param_constraints != ParamConstraints::default()
    }
}

impl ProviderKey {
    /// A key with everything else at its default.
    pub fn new(display_name: &str, provider: &str, secret: &str) -> Self {
        ProviderKey {
            display_name: display_name.to_owned(),
            provider: provider.to_owned(),
            secret: Secret::new(secret),
            strip_headers: credential_headers(),
            ..ProviderKey::default()
        }
    }
}

impl Resource for ProviderKey {
    const COLLECTION: &'static str = "provider_keys";
    const TITLE: &'static str = "provider key";
    const IDENTITY: Option<&'static str> = Some("display_name");
    const ACTS: bool = true;

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        self.own_faults()
    }

    /// `api_key` and `secret` are two spellings of one member.
    fn desugar(row: &mut Map<String, Value>, _: &Names<'_>) -> Result<(), Fault> {
        let present = |name| row.get(name).is_some_and(|value: &Value| !value.is_null());
        match (present("api_key"), present("secret")) {
            (true, true) => Err(Fault::new("secret", "cannot stand beside api_key: they are the same")),
            (false, false) => Err(Fault::new("api_key", "is required")),
            _ => Ok(()),
        }
    }
}

/// A text that counts as absent when it is blank, for `deserialize_with`.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

fn credential_headers() -> Vec<String> {
    ["authorization", "cookie", "set-cookie", "x-api-key"].map(str::to_owned).to_vec()
}
