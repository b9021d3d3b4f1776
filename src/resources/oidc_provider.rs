//! Who vouches for callers that come with a JWT.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::address;
use super::kind::Resource;
use super::reference::Unique;
use super::rules::Rules;
use super::values::{Texts, on};
use crate::document::Fault;

/// An OpenID Connect provider whose tokens are accepted in place of caller keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"name": "corporate", "issuer": "https://login.example.com/", "audiences": ["ai-gateway"]}]))]
pub struct OidcProvider {
    /// Derived from the row's name or given by the store.
    #[serde(skip)]
    pub id: String,
    /// What claim mappings and caller keys call it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The `iss` of its tokens, byte for byte. Of the providers that are enabled, one only may have it.
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// Audiences of which a token must name one.
    #[schemars(length(min = 1), inner(length(min = 1)))]
    pub audiences: Vec<String>,
    /// Where its public keys are, an http or https URL; None = as the issuer's discovery document says.
    #[schemars(length(min = 1))]
    pub jwks_uri: Option<String>,
    /// The claim that says who the caller is; dots lead into it.
    #[serde(default = "subject")]
    #[schemars(length(min = 1))]
    pub identity_claim: String,
    /// Scopes a token must have, all of them.
    #[serde(default)]
    #[schemars(inner(length(min = 1)))]
    pub required_scopes: Vec<String>,
    /// Claims a token must have: the value, or one of several values, by claim.
    #[serde(default)]
    pub bound_claims: BTreeMap<String, Texts>,
    /// Seconds by which clocks may differ.
    #[serde(default)]
    #[schemars(range(min = 0, max = 300))]
    pub leeway_secs: u16,
    /// Its tokens are accepted only while true.
    #[serde(default = "on")]
    pub enabled: bool,
}

impl Resource for OidcProvider {
    const COLLECTION: &'static str = "oidc_providers";
    const TITLE: &'static str = "OIDC provider";

    fn identified(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        rules.try_at("issuer", self.issuer());
        rules.try_at("jwks_uri", self.jwks_uri.as_deref().map_or(Ok(()), address::public));
        for (claim, values) in &self.bound_claims {
            let possible = !values.as_slice().is_empty();
            rules.check(possible, format!("bound_claims.{claim}"), "needs at least one entry");
        }
        rules.faults()
    }

    fn unique(&self) -> Vec<Unique> {
        let issuer = self.enabled.then(|| Unique {
            path: "issuer",
            value: self.issuer.clone(),
            message: |other| format!("is that of {other} already"),
        });
        issuer.into_iter().collect()
    }
}

impl OidcProvider {
    /// An issuer is any text, unless its keys must be discovered there.
    fn issuer(&self) -> Result<(), &'static str> {
        if address::carries_credentials(&self.issuer) {
            return Err("must not contain credentials");
        }
        match &self.jwks_uri {
            Some(_) => Ok(()),
            None => address::web(&self.issuer)
                .map_err(|_| "must be an http:// or https:// address, as there is no jwks_uri"),
        }
    }
}

fn subject() -> String {
    "sub".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rules::trial;
    use super::*;

    #[test]
    fn a_provider_has_audiences_and_keys_that_can_be_found() {
        trial::table::<OidcProvider>(
            &json!({"name": "o", "issuer": "https://i.example", "audiences": ["a"]}),
            &[
                (json!({"bound_claims": {"org": "x", "roles": ["a", "b"]}, "leeway_secs": 300}), &[]),
                (json!({"issuer": "accounts.example", "jwks_uri": "https://i.example/keys"}), &[]),
                (
                    json!({"issuer": "accounts.example"}),
                    &["issuer: must be an http:// or https:// address, as there is no jwks_uri"],
                ),
                (json!({"issuer": "https://u:p@i.example"}), &["issuer: must not contain credentials"]),
                (json!({"jwks_uri": "https://i/?Token=x"}), &["jwks_uri: must not contain credentials"]),
                (json!({"bound_claims": {"b": 1}}), &["bound_claims.b: must be a text or a list of texts"]),
                (
                    json!({"audiences": [], "leeway_secs": 301, "bound_claims": {"a": []}}),
                    &[
                        "audiences: needs at least one entry",
                        "bound_claims.a: needs at least one entry",
                        "leeway_secs: must be from 0 to 300",
                    ],
                ),
            ],
        );
    }
}
