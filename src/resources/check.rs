//! What must hold of each row by itself and of all rows together.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{ApiKey, GenericRow, Glob, Model, ProviderKey, Shape, row_id};
use crate::document::{Fault, suggestion};

/// All rows that could be read, each with its place in its collection.
#[derive(Debug, Default)]
pub(crate) struct Rows<'a> {
    pub provider_keys: Vec<(usize, &'a ProviderKey)>,
    pub models: Vec<(usize, &'a Model)>,
    pub api_keys: Vec<(usize, &'a ApiKey)>,
    pub generic: Vec<(usize, &'a GenericRow)>,
    /// (collection, name) of rows that are there but could not be read: naming them is no mistake.
    pub unread: HashSet<(&'static str, String)>,
}

/// A fault of one row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub collection: &'static str,
    pub index: usize,
    pub fault: Fault,
}

impl Finding {
    /// The fault in one line: where in the row, then what.
    pub fn message(&self) -> String {
        match self.fault.path.as_str() {
            "" => self.fault.message.clone(),
            path => format!("{path}: {}", self.fault.message),
        }
    }
}

/// How a row is called in messages: `models[2] ("gpt-4o")`.
pub(crate) fn scope(collection: &str, index: usize, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{collection}[{index}] ({name:?})"),
        None => format!("{collection}[{index}]"),
    }
}

/// Everything that is wrong with the rows.
pub(crate) fn findings(rows: &Rows<'_>) -> Vec<Finding> {
    let mut checker = Checker { rows, names: Names::of(rows), findings: Vec::new() };
    checker.each_row();
    checker.same_names();
    checker.models();
    checker.api_keys();
    checker.oidc_providers();
    checker.claim_mappings();
    checker.addresses();
    checker.findings
}

/// What rows may be named by.
struct Names<'a> {
    models: HashMap<&'a str, &'a Model>,
    wildcards: Vec<Glob>,
    provider_key_ids: HashSet<String>,
    api_key_ids: HashSet<String>,
    generic: HashSet<(&'a str, &'a str)>,
}

impl<'a> Names<'a> {
    fn of(rows: &'a Rows<'a>) -> Self {
        let unread = |wanted: &'static str| {
            rows.unread
                .iter()
                .filter(move |(collection, _)| *collection == wanted)
                .map(|(_, name)| name.as_str())
        };
        let ids = |collection: &'static str| unread(collection).map(move |name| row_id(collection, name));
        let aliases = rows.models.iter().map(|(_, model)| model.display_name.as_str());
        Names {
            models: rows.models.iter().map(|(_, model)| (model.display_name.as_str(), *model)).collect(),
            wildcards: aliases.chain(unread("models")).map(Glob::from).filter(Glob::is_pattern).collect(),
            provider_key_ids: rows
                .provider_keys
                .iter()
                .map(|(_, key)| key.id.clone())
                .chain(ids("provider_keys"))
                .collect(),
            api_key_ids: rows.api_keys.iter().map(|(_, key)| key.id.clone()).chain(ids("api_keys")).collect(),
            generic: rows
                .generic
                .iter()
                .map(|(_, row)| (row.collection, row.name.as_str()))
                .chain(rows.unread.iter().map(|(collection, name)| (*collection, name.as_str())))
                .collect(),
        }
    }

    fn knows(&self, collection: &str, name: &str) -> bool {
        self.generic.contains(&(collection, name))
    }

    fn near_model(&self, alias: &str) -> String {
        suggestion(alias, self.models.keys().copied())
    }
}

struct Checker<'a> {
    rows: &'a Rows<'a>,
    names: Names<'a>,
    findings: Vec<Finding>,
}

impl<'a> Checker<'a> {
    fn add(
        &mut self,
        collection: &'static str,
        index: usize,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.findings.push(Finding { collection, index, fault: Fault::new(path, message) });
    }

    fn each_row(&mut self) {
        let rows = self.rows;
        let provider_keys =
            rows.provider_keys.iter().map(|(index, row)| ("provider_keys", *index, row.faults()));
        let models = rows.models.iter().map(|(index, row)| ("models", *index, row.faults()));
        let api_keys = rows.api_keys.iter().map(|(index, row)| ("api_keys", *index, row.faults()));
        for (collection, index, faults) in provider_keys.chain(models).chain(api_keys) {
            self.findings.extend(faults.into_iter().map(|fault| Finding { collection, index, fault }));
        }
    }

    fn same_names(&mut self) {
        let rows = self.rows;
        let provider_keys = rows
            .provider_keys
            .iter()
            .map(|(index, row)| ("provider_keys", *index, row.display_name.as_str()));
        let models = rows.models.iter().map(|(index, row)| ("models", *index, row.display_name.as_str()));
        let generic = rows.generic.iter().map(|(index, row)| (row.collection, *index, row.name.as_str()));
        let mut first = HashMap::new();
        for (collection, index, name) in provider_keys.chain(models).chain(generic) {
            if let Some(earlier) = first.insert((collection, name), index) {
                self.add(collection, index, "", same_name(collection, earlier));
                first.insert((collection, name), earlier);
            }
        }
    }

    fn models(&mut self) {
        for (index, model) in self.rows.models.iter() {
            for (path, alias) in model.references() {
                if let Some(message) = self.not_direct(alias) {
                    self.add("models", *index, path, message);
                }
            }
            let id = model.provider_key_id.as_ref();
            if id.is_some_and(|id| !id.is_empty() && !self.names.provider_key_ids.contains(id)) {
                self.add("models", *index, "provider_key_id", "matches no provider key");
            }
        }
    }

    /// Why an alias is not that of a direct model.
    fn not_direct(&self, alias: &str) -> Option<String> {
        match self.names.models.get(alias) {
            Some(model) if model.is_wildcard() => Some(format!("{alias:?} is a wildcard; name one model")),
            Some(model) if model.shape() != Shape::Direct => Some(format!("{alias:?} is not a direct model")),
            Some(_) => None,
            None if self.is_model(alias) => None,
            None => Some(format!("unknown model {alias:?}{}", self.names.near_model(alias))),
        }
    }

    fn is_model(&self, alias: &str) -> bool {
        self.names.models.contains_key(alias)
            || self.names.knows("models", alias)
            || self.names.wildcards.iter().any(|pattern| pattern.matches(alias))
    }

    fn api_keys(&mut self) {
        let mut hashes = HashMap::new();
        let mut subjects = HashMap::new();
        for (index, key) in self.rows.api_keys.iter() {
            if let Some(earlier) = hashes.insert(key.hash, *index) {
                self.add("api_keys", *index, "", format!("is the same key as api_keys[{earlier}]"));
            }
            if let (Some(subject), Some(provider)) = (&key.jwt_subject, &key.jwt_provider)
                && let Some(earlier) = subjects.insert((provider, subject), *index)
            {
                let message = format!("is bound to api_keys[{earlier}] already, with this jwt_provider");
                self.add("api_keys", *index, "jwt_subject", message);
            }
            self.allowed_names(*index, key);
        }
    }

    fn allowed_names(&mut self, index: usize, key: &ApiKey) {
        for (position, pattern) in key.allowed_models.iter().enumerate() {
            let name = pattern.as_str();
            if !name.contains('*') && !self.is_model(name) {
                let message = format!("unknown model {name:?}{}", self.names.near_model(name));
                self.add("api_keys", index, format!("allowed_models[{position}]"), message);
            }
        }
        for (position, pattern) in key.allowed_routes.iter().flatten().enumerate() {
            let name = pattern.as_str();
            if !name.contains('*') && !self.names.knows("passthrough_routes", name) {
                let message = format!("unknown passthrough route {name:?}");
                self.add("api_keys", index, format!("allowed_routes[{position}]"), message);
            }
        }
    }

    fn generic(
        &self,
        collection: &'static str,
    ) -> impl Iterator<Item = &'a (usize, &'a GenericRow)> + use<'a> {
        self.rows.generic.iter().filter(move |(_, row)| row.collection == collection)
    }

    fn oidc_providers(&mut self) {
        let mut issuers = HashMap::new();
        for (index, row) in self.generic("oidc_providers") {
            let enabled = row.body.get("enabled").and_then(Value::as_bool).unwrap_or(true);
            let Some(issuer) = row.body.get("issuer").and_then(Value::as_str).filter(|_| enabled) else {
                continue;
            };
            if let Some(earlier) = issuers.insert(issuer, *index) {
                let message = format!("is that of oidc_providers[{earlier}] already");
                self.add("oidc_providers", *index, "issuer", message);
            }
        }
    }

    fn claim_mappings(&mut self) {
        for (index, row) in self.generic("claim_mappings") {
            let provider = row.body.get("jwt_provider").and_then(Value::as_str);
            if let Some(provider) = provider.filter(|name| !self.names.knows("oidc_providers", name)) {
                self.add(
                    "claim_mappings",
                    *index,
                    "jwt_provider",
                    format!("unknown OIDC provider {provider:?}"),
                );
            }
            let key = row.body.pointer("/resolve/api_key_id").and_then(Value::as_str);
            if key.is_some_and(|id| !self.names.api_key_ids.contains(id)) {
                self.add("claim_mappings", *index, "resolve.api_key_id", "matches no caller key");
            }
        }
    }

    /// Addresses that are shown to others must not carry credentials.
    fn addresses(&mut self) {
        let places = [
            ("oidc_providers", "issuer"),
            ("oidc_providers", "jwks_uri"),
            ("mcp_auth_settings", "resource_url"),
        ];
        for (collection, name) in places {
            for (index, row) in self.generic(collection) {
                if row.body.get(name).and_then(Value::as_str).is_some_and(carries_credentials) {
                    self.add(collection, *index, name, "must not contain credentials");
                }
            }
        }
    }
}

/// The message for the second row of a name.
pub(crate) fn same_name(collection: &str, first: usize) -> String {
    format!("has the name of {collection}[{first}]")
}

/// A user part, or a query parameter that is named like a credential.
fn carries_credentials(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let query = rest.split('#').next().and_then(|rest| rest.split_once('?')).map_or("", |(_, query)| query);
    let mut names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    authority.contains('@')
        || names.any(|name| CREDENTIAL_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

const CREDENTIAL_PARAMETERS: &[&str] =
    &["access_token", "token", "client_secret", "password", "api_key", "apikey"];
