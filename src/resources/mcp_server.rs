//! Servers whose tools the gateway offers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address;
use super::kind::Resource;
use super::rules::Rules;
use super::values::{on, sendable};
use crate::document::{Fault, Secret, header};

/// An MCP server behind the gateway, or an HTTP API whose operations are offered as tools.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"name": "github", "url": "https://mcp.example.com/mcp", "auth_type": "bearer", "secret": "server-token"}]))]
pub struct McpServer {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What callers call it: its tools are `<name>__<tool>`.
    #[serde(alias = "display_name")]
    #[schemars(
        regex(pattern = "^(_?[^_])+$"),
        extend("x-must" = "must not be empty, contain __ or end with _", "x-also" = ["display_name"])
    )]
    pub name: String,
    /// Its MCP endpoint, or the root of the API: an http or https URL.
    #[schemars(length(min = 1))]
    pub url: String,
    /// What it speaks.
    #[serde(rename = "type", default)]
    pub kind: ServerKind,
    /// How MCP messages travel.
    #[serde(default)]
    pub transport: Transport,
    /// How the gateway identifies itself there.
    #[serde(default)]
    pub auth_type: ServerAuth,
    /// The credential: a token, a key, or the secret of the client. Required unless `auth_type` is `none`.
    #[schemars(length(min = 1))]
    pub secret: Option<Secret>,
    /// The client at the token endpoint. Required for `oauth2`.
    #[schemars(length(min = 1))]
    pub client_id: Option<String>,
    /// The token endpoint, an http or https URL. Required for `oauth2`.
    #[schemars(length(min = 1))]
    pub token_url: Option<String>,
    /// Scopes asked for at the token endpoint.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub scopes: Vec<String>,
    /// The revision of MCP without a handshake; None = agreed on with `initialize`.
    pub protocol_version: Option<McpRevision>,
    /// Milliseconds to connect, and again for an answer; None = 30,000.
    #[schemars(range(min = 1))]
    pub timeout_ms: Option<u64>,
    /// Its tools are offered only while true.
    #[serde(default = "on")]
    pub enabled: bool,
    /// Description of the API, OpenAPI 3. Required for `openapi`.
    #[schemars(extend("x-ui" = {"multiline": true}))]
    pub spec: Option<Map<String, Value>>,
    /// The header that carries the credential of `auth_type` `api_key`; None = `x-api-key`. Only for `openapi`.
    #[schemars(length(min = 1))]
    pub api_key_header: Option<String>,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// MCP.
    #[default]
    Mcp,
    /// HTTP as its `spec` describes it.
    Openapi,
}

/// How MCP messages travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    StreamableHttp,
}

/// How the gateway identifies itself to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerAuth {
    /// Not at all.
    #[default]
    None,
    /// `authorization: Bearer <secret>`
    Bearer,
    /// The secret in a header of its own.
    ApiKey,
    /// A token got with the client's own credentials.
    Oauth2,
}

/// Revisions of MCP that need no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum McpRevision {
    #[serde(rename = "2026-07-28")]
    Stateless,
}

impl Resource for McpServer {
    const COLLECTION: &'static str = "mcp_servers";
    const TITLE: &'static str = "MCP server";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        rules.try_at("url", address::web(&self.url));
        self.credentials(&mut rules);
        self.api(&mut rules);
        rules.faults()
    }
}

impl McpServer {
    fn credentials(&self, rules: &mut Rules) {
        let needed = self.auth_type != ServerAuth::None;
        rules.check(!needed || self.secret.is_some(), "secret", "is required for this auth_type");
        if let (ServerAuth::Bearer | ServerAuth::ApiKey, Some(secret)) = (self.auth_type, &self.secret) {
            rules.try_at("secret", sendable(secret.expose()));
        }
        let oauth2 = self.auth_type == ServerAuth::Oauth2;
        for (name, present) in
            [("client_id", self.client_id.is_some()), ("token_url", self.token_url.is_some())]
        {
            rules.check(!oauth2 || present, name, "is required for this auth_type");
        }
        rules.try_at("token_url", self.token_url.as_deref().map_or(Ok(()), address::web));
    }

    fn api(&self, rules: &mut Rules) {
        let is_api = self.kind == ServerKind::Openapi;
        rules.only_if(is_api, self.spec.is_some(), "spec", "this type");
        if let Some(spec) = self.spec.as_ref().filter(|_| is_api) {
            rules.try_at("spec", described(spec));
        }
        let Some(name) = &self.api_key_header else { return };
        let message = match (is_api && self.auth_type == ServerAuth::ApiKey, header::is_name(name)) {
            (false, _) => "belongs to the type openapi with the auth_type api_key only",
            (true, false) => "is not a header name",
            (true, true) => return,
        };
        rules.check(false, "api_key_header", message);
    }
}

/// Is it a description from which tools can be made?
fn described(spec: &Map<String, Value>) -> Result<(), &'static str> {
    let version = spec.get("openapi").and_then(Value::as_str);
    if !version.is_some_and(|version| version.starts_with("3.")) {
        return Err("must be an OpenAPI 3 document (with openapi: 3.…; Swagger 2 is not supported)");
    }
    let paths = spec.get("paths").and_then(Value::as_object).into_iter().flatten();
    let mut operations = paths.flat_map(|(_, path)| METHODS.iter().filter_map(|method| path.get(*method)));
    if operations.any(Value::is_object) { Ok(()) } else { Err("has no operation that could be a tool") }
}

/// Operations that become tools.
const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn a_server_has_a_name_that_can_be_told_from_its_tools_and_the_credential_it_says() {
        trial::table::<McpServer>(
            &json!({"name": "git_hub", "url": "https://mcp.example/mcp"}),
            &[
                (json!({}), &[]),
                (json!({"name": null, "display_name": "x"}), &[]),
                (json!({"name": "a__b"}), &["name: must not be empty, contain __ or end with _"]),
                (json!({"name": "a_"}), &["name: must not be empty, contain __ or end with _"]),
                (json!({"auth_type": "bearer"}), &["secret: is required for this auth_type"]),
                (
                    json!({"auth_type": "api_key", "secret": "a\nb"}),
                    &["secret: contains characters that no header may carry"],
                ),
                (
                    json!({"auth_type": "oauth2", "secret": "s", "token_url": "x"}),
                    &[
                        "client_id: is required for this auth_type",
                        "token_url: must be an http:// or https:// address",
                    ],
                ),
                (
                    json!({"timeout_ms": 0, "transport": "sse"}),
                    &["timeout_ms: must be at least 1", "transport: must be \"streamable_http\""],
                ),
                (
                    json!({"spec": {}, "api_key_header": "x-key"}),
                    &[
                        "api_key_header: belongs to the type openapi with the auth_type api_key only",
                        "spec: does not belong to this type",
                    ],
                ),
            ],
        );
    }

    #[test]
    fn an_api_is_described_by_openapi_3_with_an_operation() {
        let spec = json!({"openapi": "3.1.0", "paths": {"/x": {"get": {"operationId": "x"}}}});
        trial::table::<McpServer>(
            &json!({"name": "a", "url": "https://api.example", "type": "openapi", "spec": spec}),
            &[
                (json!({}), &[]),
                (json!({"auth_type": "api_key", "secret": "s", "api_key_header": "x-key"}), &[]),
                (json!({"spec": null}), &["spec: is required for this type"]),
                (
                    json!({"spec": {"swagger": "2.0"}}),
                    &["spec: must be an OpenAPI 3 document (with openapi: 3.…; Swagger 2 is not supported)"],
                ),
                (
                    json!({"spec": {"openapi": "3.0.0", "paths": {"/x": {"head": {}}}}}),
                    &["spec: has no operation that could be a tool"],
                ),
            ],
        );
    }
}
