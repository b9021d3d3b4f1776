//! How callers of MCP find out where to sign in, and who may call without.

use http::Uri;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::address;
use super::kind::Resource;
use super::reference::{Names, Reference};
use super::rules::Rules;
use super::values::on;
use crate::document::{Fault, cidr};

/// Settings of the MCP endpoint. There is one such row at most.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"resource_url": "https://gateway.example.com/mcp"}]))]
pub struct McpAuthSettings {
    /// Derived or given by the store.
    #[serde(skip)]
    pub id: String,
    /// The URL under which callers know `/mcp`. With it, and with an OIDC provider, callers without a credential are
    /// told where to get one.
    #[schemars(length(min = 1))]
    pub resource_url: Option<String>,
    /// Calls without any credential; None = refused.
    pub anonymous: Option<AnonymousMcp>,
}

/// Who may call without a credential, and as whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct AnonymousMcp {
    /// Such calls are served only while true.
    #[serde(default = "on")]
    pub enabled: bool,
    /// The caller key in whose name they are served. In files also `api_key` with its name.
    #[schemars(length(min = 1), extend("x-ui" = {"ids": "api_keys"}))]
    pub api_key_id: String,
    /// The servers whose tools they may call; `*` is all.
    #[schemars(length(min = 1), inner(length(min = 1)), extend("x-ui" = {"names": "mcp_servers"}))]
    pub servers: Vec<String>,
    /// Caller addresses that may do so, as ranges. A bare address stands for itself alone.
    #[serde(deserialize_with = "cidr::list")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub source_cidrs: Vec<IpNet>,
    /// May they use `/mcp` as well as `/mcp/<server>`?
    #[serde(default)]
    pub aggregate_entry: bool,
}

impl Resource for McpAuthSettings {
    const COLLECTION: &'static str = "mcp_auth_settings";
    const TITLE: &'static str = "MCP auth settings";
    const IDENTITY: Option<&'static str> = None;

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        rules.try_at("resource_url", self.resource_url.as_deref().map_or(Ok(()), resource));
        rules.faults()
    }

    fn references(&self) -> Vec<Reference> {
        let Some(anonymous) = &self.anonymous else { return Vec::new() };
        let servers = anonymous.servers.iter().map(String::as_str);
        let mut found = Reference::names("anonymous.servers", "mcp_servers", servers);
        found.push(Reference::id("anonymous.api_key_id", "api_keys", &anonymous.api_key_id));
        found
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        match row.get_mut("anonymous") {
            Some(Value::Object(anonymous)) => names
                .named(anonymous, "api_key", "api_key_id", "api_keys")
                .map_err(|fault| Fault::new(format!("anonymous.{}", fault.path), fault.message)),
            _ => Ok(()),
        }
    }
}

/// Is it an address of `/mcp` and of nothing else?
fn resource(text: &str) -> Result<(), &'static str> {
    address::public(text)?;
    let path = text.parse::<Uri>().map(|uri| uri.path() == "/mcp").unwrap_or(false);
    if path && !text.contains(['?', '#']) { Ok(()) } else { Err("must end with /mcp right after the host") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn the_address_is_that_of_mcp_and_carries_no_credential() {
        let url = |url: &str| json!({"resource_url": url});
        let path = "resource_url: must end with /mcp right after the host";
        trial::table::<McpAuthSettings>(
            &json!({}),
            &[
                (url("https://gateway.example:8443/mcp"), &[]),
                (url("https://gateway.example/mcp/"), &[path]),
                (url("https://gateway.example/mcp?a=b"), &[path]),
                (url("https://gateway.example/mcp#"), &[path]),
                (url("/mcp"), &["resource_url: must be an http:// or https:// address"]),
                (url("https://i/mcp?api_key=x"), &["resource_url: must not contain credentials"]),
            ],
        );
    }

    #[test]
    fn anonymous_calls_need_a_key_servers_and_addresses() {
        let anonymous =
            json!({"api_key_id": "k", "servers": ["github", "*"], "source_cidrs": ["10.0.0.0/8", "::1"]});
        let row = json!({"anonymous": anonymous});
        assert_eq!(
            trial::references::<McpAuthSettings>(&row),
            [
                "anonymous.servers[0] -> mcp_servers Name(\"github\")",
                "anonymous.api_key_id -> api_keys Id(\"k\")",
            ]
        );
        trial::table::<McpAuthSettings>(
            &json!({}),
            &[
                (
                    json!({"anonymous": {"servers": [], "source_cidrs": []}}),
                    &[
                        "anonymous.api_key_id: is required",
                        "anonymous.servers: needs at least one entry",
                        "anonymous.source_cidrs: needs at least one entry",
                    ],
                ),
                (
                    json!({"anonymous": {"api_key_id": "k", "servers": ["a"], "source_cidrs": ["x"]}}),
                    &["anonymous.source_cidrs: \"x\" is neither an address nor a range such as 10.0.0.0/8"],
                ),
            ],
        );
    }
}
