//! As which caller key a token counts, by what it claims.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kind::Resource;
use super::reference::{Names, Reference};
use super::values::on;
use crate::document::Fault;

/// Gives the holders of some tokens of an OIDC provider the rights of a caller key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"name": "engineers", "jwt_provider": "corporate", "match": [{"claim": "groups", "op": "contains", "values": ["engineering"]}], "resolve": {"api_key": "checkout-service"}}]))]
pub struct ClaimMapping {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What operators call it. Mappings of one priority are tried in the order of their names.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Name of the OIDC provider of the tokens.
    #[schemars(length(min = 1), extend("x-ui" = {"names": "oidc_providers"}))]
    pub jwt_provider: String,
    /// What a token must claim, all of it; empty = nothing.
    #[serde(rename = "match")]
    pub matching: Vec<ClaimMatch>,
    /// As what it counts then.
    pub resolve: Resolve,
    /// Mappings with lower numbers are tried first.
    #[serde(default)]
    pub priority: u32,
    /// Tried only while true.
    #[serde(default = "on")]
    pub enabled: bool,
}

/// What a claim must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ClaimMatch {
    /// The claim; dots lead into it.
    #[schemars(length(min = 1))]
    pub claim: String,
    /// How it is compared.
    pub op: ClaimOperator,
    /// Values of which one must fit.
    #[schemars(length(min = 1))]
    pub values: Vec<String>,
}

/// How a claim is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimOperator {
    /// The claim is the value.
    Exact,
    /// The claim is a list with the value, or a text with the value in it.
    Contains,
}

/// As what a token counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Resolve {
    /// The caller key. In files also `api_key` with its name.
    #[schemars(length(min = 1), extend("x-ui" = {"ids": "api_keys"}))]
    pub api_key_id: String,
}

impl Resource for ClaimMapping {
    const COLLECTION: &'static str = "claim_mappings";
    const TITLE: &'static str = "claim mapping";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn references(&self) -> Vec<Reference> {
        vec![
            Reference::name("jwt_provider", "oidc_providers", &self.jwt_provider),
            Reference::id("resolve.api_key_id", "api_keys", &self.resolve.api_key_id),
        ]
    }

    fn desugar(row: &mut Map<String, Value>, names: &Names<'_>) -> Result<(), Fault> {
        match row.get_mut("resolve") {
            Some(Value::Object(resolve)) => names
                .named(resolve, "api_key", "api_key_id", "api_keys")
                .map_err(|fault| Fault::new(format!("resolve.{}", fault.path), fault.message)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn a_mapping_leads_from_claims_of_a_provider_to_a_key() {
        let base = json!({"name": "m", "jwt_provider": "o", "match": [], "resolve": {"api_key_id": "k"}});
        assert_eq!(
            trial::references::<ClaimMapping>(&base),
            ["jwt_provider -> oidc_providers Name(\"o\")", "resolve.api_key_id -> api_keys Id(\"k\")",]
        );
        trial::table::<ClaimMapping>(
            &base,
            &[
                (
                    json!({"match": [{"claim": "groups", "op": "contains", "values": ["a"]}], "priority": 3}),
                    &[],
                ),
                (
                    json!({"match": null, "resolve": {}}),
                    &["match: is required", "resolve.api_key_id: is required"],
                ),
                (
                    json!({"match": [{"claim": "", "op": "like", "values": []}]}),
                    &[
                        "match[0].claim: must not be empty",
                        "match[0].op: must be one of \"exact\", \"contains\"",
                        "match[0].values: needs at least one entry",
                    ],
                ),
            ],
        );
    }
}
