//! Requests that are handed on as they are, told by host or path.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address;
use super::kind::Resource;
use super::reference::{Names, Reference};
use super::rules::Rules;
use super::values::on;
use crate::document::{Fault, cidr, header};

/// Hands requests on to an address without reading them as a dialect.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"name": "openai-files", "path_prefix": "/files", "target_url": "https://api.openai.com/v1/files", "auth_mode": "gateway_key", "provider_key": "openai-main"}]))]
pub struct PassthroughRoute {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What operators call it, and what caller keys allow.
    #[serde(alias = "display_name")]
    #[schemars(length(min = 1), extend("x-also" = ["display_name"]))]
    pub name: String,
    /// What the paths of its requests begin with. Without `hosts` not one of the gateway's own paths.
    #[schemars(
        regex(pattern = r"^/[^?#\s]*$"),
        extend("x-must" = "must start with / and have no query, fragment or white space")
    )]
    pub path_prefix: Option<String>,
    /// Hosts its requests are for: a name, or `*.` and a name for any one label in front. Empty = any host.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Where requests go, with `path_prefix` taken away: an http or https URL. Either this or `preserve_host`.
    #[schemars(length(min = 1))]
    pub target_url: Option<String>,
    /// Sends requests to the host they are for. Needs `hosts`.
    #[serde(default)]
    pub preserve_host: bool,
    /// How callers identify themselves.
    #[serde(default)]
    pub auth_mode: RouteAuth,
    /// The header that carries the caller key, in lower case. With `header_key` only.
    #[schemars(length(min = 1))]
    pub auth_header_name: Option<String>,
    /// The caller key in whose name requests without one are served. With `anonymous` only. In files also
    /// `anonymous_key` with its name.
    #[schemars(length(min = 1), extend("x-ui" = {"ids": "api_keys"}))]
    pub anonymous_key_id: Option<String>,
    /// Caller addresses that may use it, as ranges; empty allows all. Required for `anonymous`.
    #[serde(default, deserialize_with = "cidr::list")]
    #[schemars(with = "Vec<String>")]
    pub source_cidrs: Vec<IpNet>,
    /// Whose credential is sent on.
    #[serde(default)]
    pub credential_mode: CredentialMode,
    /// The provider key whose credential is sent. With `inject` only. In files also `provider_key` with its name.
    #[schemars(length(min = 1), extend("x-ui" = {"ids": "provider_keys"}))]
    pub provider_key_id: Option<String>,
    /// Header, in lower case, in which the upstream is told who called.
    #[schemars(length(min = 1))]
    pub identity_header: Option<String>,
    /// Milliseconds for a whole answer; None = the deployment's.
    pub timeout_ms: Option<u64>,
    /// Serves requests only while true.
    #[serde(default = "on")]
    pub enabled: bool,
}

/// How callers of a route identify themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteAuth {
    /// With a caller key, as everywhere.
    #[default]
    GatewayKey,
    /// With a caller key in a header of the route's own, so that other credentials pass untouched.
    HeaderKey,
    /// Not at all.
    Anonymous,
}

/// Whose credential the upstream gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialMode {
    /// That of a provider key.
    #[default]
    Inject,
    /// The caller's own.
    ForwardClient,
}

impl Resource for PassthroughRoute {
    const COLLECTION: &'static str = "passthrough_routes";
    const TITLE: &'static str = "passthrough route";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        self.requests(&mut rules);
        self.target(&mut rules);
        self.callers(&mut rules);
        let injects = self.credential_mode == CredentialMode::Inject;
        rules.only_if(injects, self.provider_key_id.is_some(), "provider_key_id", "this credential_mode");
        rules.try_at("identity_header", self.identity_header.as_deref().map_or(Ok(()), own_header));
        rules.faults()
    }

    fn references(&self) -> Vec<Reference> {
        let provider = self.provider_key_id.iter();
        let provider = provider.map(|id| Reference::id("provider_key_id", "provider_keys", id));
        let caller = self.anonymous_key_id.iter();
        let caller = caller.map(|id| Reference::id("anonymous_key_id", "api_keys", id));
        provider.chain(caller).collect()
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        names.named(row, "provider_key", "provider_key_id", "provider_keys")?;
        names.named(row, "anonymous_key", "anonymous_key_id", "api_keys")
    }
}

impl PassthroughRoute {
    /// Which requests are meant.
    fn requests(&self, rules: &mut Rules) {
        for (index, host) in self.hosts.iter().enumerate() {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let message = "must be a host such as api.example.com or *.example.com";
            rules.check(address::is_host(name), format!("hosts[{index}]"), message);
        }
        let Some(prefix) = &self.path_prefix else {
            return rules.check(!self.hosts.is_empty(), "", "needs path_prefix or hosts");
        };
        let taken =
            self.hosts.is_empty().then(|| RESERVED.iter().find(|own| is_below(prefix, own))).flatten();
        if let Some(own) = taken {
            rules.check(
                false,
                "path_prefix",
                format!("must not be below {own}, which is the gateway's own, without hosts"),
            );
        }
    }

    fn target(&self, rules: &mut Rules) {
        match (&self.target_url, self.preserve_host) {
            (Some(url), false) => rules.try_at("target_url", address::web(url)),
            (None, true) => rules.check(!self.hosts.is_empty(), "preserve_host", "needs hosts beside it"),
            (Some(_), true) => rules.check(false, "target_url", "cannot stand beside preserve_host"),
            (None, false) => rules.check(false, "", "needs target_url, or preserve_host: true"),
        }
    }

    fn callers(&self, rules: &mut Rules) {
        const MODE: &str = "this auth_mode";
        let by_header = self.auth_mode == RouteAuth::HeaderKey;
        rules.only_if(by_header, self.auth_header_name.is_some(), "auth_header_name", MODE);
        if let Some(name) = self.auth_header_name.as_deref().filter(|_| by_header) {
            rules.try_at("auth_header_name", own_header(name));
        }
        let anonymous = self.auth_mode == RouteAuth::Anonymous;
        rules.only_if(anonymous, self.anonymous_key_id.is_some(), "anonymous_key_id", MODE);
        let bounded = !anonymous || !self.source_cidrs.is_empty();
        rules.check(bounded, "source_cidrs", format!("is required for {MODE}"));
    }
}

/// Is the path this one, or below it?
fn is_below(path: &str, own: &str) -> bool {
    path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Is it a name a header of the operator's choice may have?
fn own_header(name: &str) -> Result<(), &'static str> {
    if !header::is_name(name) {
        Err("is not a header name")
    } else if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Err("must be in lower case")
    } else if header::is_reserved(name) {
        Err("must not be a header for credentials, or host")
    } else {
        Ok(())
    }
}

/// Paths of the gateway's own.
const RESERVED: [&str; 7] = ["/v1", "/mcp", "/a2a", "/admin", "/livez", "/readyz", "/metrics"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    fn base() -> Value {
        json!({"name": "r", "path_prefix": "/x", "target_url": "https://up.example/api", "provider_key_id": "p"})
    }

    #[test]
    fn a_route_is_told_by_path_or_host_and_leads_to_one_place() {
        let hosts = json!(["api.example.com", "*.example.com"]);
        trial::table::<PassthroughRoute>(
            &base(),
            &[
                (json!({}), &[]),
                (json!({"path_prefix": "/v1x"}), &[]),
                (json!({"path_prefix": "/v1/x", "hosts": hosts}), &[]),
                (
                    json!({"path_prefix": null, "hosts": hosts, "target_url": null, "preserve_host": true}),
                    &[],
                ),
                (json!({"path_prefix": null}), &[": needs path_prefix or hosts"]),
                (
                    json!({"path_prefix": "x?"}),
                    &["path_prefix: must start with / and have no query, fragment or white space"],
                ),
                (
                    json!({"path_prefix": "/v1/x"}),
                    &["path_prefix: must not be below /v1, which is the gateway's own, without hosts"],
                ),
                (
                    json!({"hosts": ["*.*.x", "a:80"]}),
                    &[
                        "hosts[0]: must be a host such as api.example.com or *.example.com",
                        "hosts[1]: must be a host such as api.example.com or *.example.com",
                    ],
                ),
                (json!({"target_url": null}), &[": needs target_url, or preserve_host: true"]),
                (json!({"preserve_host": true}), &["target_url: cannot stand beside preserve_host"]),
                (
                    json!({"target_url": null, "preserve_host": true}),
                    &["preserve_host: needs hosts beside it"],
                ),
                (json!({"target_url": "ftp://x"}), &["target_url: must be an http:// or https:// address"]),
            ],
        );
    }

    #[test]
    fn members_belong_to_the_modes_that_use_them() {
        let cidrs = json!(["10.0.0.0/8"]);
        trial::table::<PassthroughRoute>(
            &base(),
            &[
                (json!({"auth_mode": "header_key", "auth_header_name": "x-gateway-key"}), &[]),
                (json!({"auth_mode": "anonymous", "anonymous_key_id": "k", "source_cidrs": cidrs}), &[]),
                (json!({"source_cidrs": cidrs, "identity_header": "x-user"}), &[]),
                (json!({"credential_mode": "forward_client", "provider_key_id": null}), &[]),
                (
                    json!({"credential_mode": "forward_client"}),
                    &["provider_key_id: does not belong to this credential_mode"],
                ),
                (
                    json!({"provider_key_id": null}),
                    &["provider_key_id: is required for this credential_mode"],
                ),
                (
                    json!({"auth_header_name": "x-key", "anonymous_key_id": "k"}),
                    &[
                        "anonymous_key_id: does not belong to this auth_mode",
                        "auth_header_name: does not belong to this auth_mode",
                    ],
                ),
                (
                    json!({"auth_mode": "header_key", "auth_header_name": "authorization", "identity_header": "X-User"}),
                    &[
                        "auth_header_name: must not be a header for credentials, or host",
                        "identity_header: must be in lower case",
                    ],
                ),
                (
                    json!({"auth_mode": "anonymous"}),
                    &[
                        "anonymous_key_id: is required for this auth_mode",
                        "source_cidrs: is required for this auth_mode",
                    ],
                ),
            ],
        );
        assert_eq!(
            trial::references::<PassthroughRoute>(&base()),
            ["provider_key_id -> provider_keys Id(\"p\")"]
        );
    }
}
