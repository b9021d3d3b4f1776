//! What operators define: caller keys, models, provider keys, and the kinds that do not act yet.
//!
//! One documented struct per kind is the definition; everything else (schema, reading, bounds, references, pages)
//! starts from it. A [`Snapshot`] is one consistent set of rows that never changes. Where rows come from is
//! the business of `store`; what they permit is decided elsewhere.

pub mod a2a_agent;
mod address;
pub mod api_key;
mod bounds;
pub mod cache_policy;
pub mod catalog;
pub mod claim_mapping;
pub mod configuration;
pub mod file;
pub mod glob;
pub mod guardrail;
pub mod guardrail_attachment;
pub mod kind;
pub mod mcp_auth_settings;
pub mod mcp_policy;
pub mod mcp_server;
pub mod model;
pub mod observability_exporter;
pub mod oidc_provider;
mod page;
mod pairs;
pub mod passthrough_route;
mod place;
pub mod provider_key;
pub mod rate_limit;
pub mod rate_limit_policy;
pub mod reference;
mod rules;
mod schema;
pub mod shards;
pub mod snapshot;
pub mod values;

use std::ops::Deref;
use std::sync::OnceLock;

use ring::digest::{SHA256, digest};
use uuid::Uuid;

pub use crate::document::Secret;
pub use a2a_agent::A2aAgent;
pub use api_key::ApiKey;
pub use bounds::MASK;
pub use cache_policy::CachePolicy;
pub use catalog::{Breach, Catalog, Entry};
pub use claim_mapping::ClaimMapping;
pub use configuration::Configuration;
pub use glob::Glob;
pub use guardrail::Guardrail;
pub use guardrail_attachment::GuardrailAttachment;
pub use kind::{AnyRow, Kind, Read, Resource};
pub use mcp_auth_settings::McpAuthSettings;
pub use mcp_policy::McpPolicy;
pub use mcp_server::McpServer;
pub use model::{Model, Shape};
pub use observability_exporter::ObservabilityExporter;
pub use oidc_provider::OidcProvider;
pub use page::{Member, Table, reference_page};
pub use passthrough_route::PassthroughRoute;
pub use provider_key::{Adapter, FleetRules, FleetStrategy, LoadKind, LoadRules, ProviderKey, QueueRules};
pub use rate_limit::RateLimit;
pub use rate_limit_policy::RateLimitPolicy;
pub use snapshot::{Change, Match, Snapshot, SnapshotBuilder};

/// Every kind once, in the order in which they are counted and shown. A new kind is a file with its struct and a
/// line here.
fn ours() -> Vec<Kind> {
    vec![
        Kind::of::<ProviderKey>(),
        Kind::of::<Model>(),
        Kind::of::<ApiKey>(),
        Kind::of::<Guardrail>(),
        Kind::of::<GuardrailAttachment>(),
        Kind::of::<McpServer>(),
        Kind::of::<McpPolicy>(),
        Kind::of::<McpAuthSettings>(),
        Kind::of::<A2aAgent>(),
        Kind::of::<CachePolicy>(),
        Kind::of::<ObservabilityExporter>(),
        Kind::of::<RateLimitPolicy>(),
        Kind::of::<OidcProvider>(),
        Kind::of::<ClaimMapping>(),
        Kind::of::<PassthroughRoute>(),
    ]
}

/// The kinds of this process, a slice.
pub static KINDS: Kinds = Kinds(OnceLock::new());

/// Kinds that are settled when they are first asked for.
#[derive(Debug)]
pub struct Kinds(OnceLock<Vec<Kind>>);

impl Kinds {
    /// Adds kinds to ours, for a program that builds on this library. To be called before anything else.
    ///
    /// # Errors
    /// Somebody has asked for the kinds already.
    pub fn extend(&self, more: Vec<Kind>) -> Result<(), Vec<Kind>> {
        let mut kinds = ours();
        kinds.extend(more);
        self.0.set(kinds)
    }
}

impl Deref for Kinds {
    type Target = [Kind];

    fn deref(&self) -> &[Kind] {
        self.0.get_or_init(ours)
    }
}

impl<'k> IntoIterator for &'k Kinds {
    type Item = &'k Kind;
    type IntoIter = std::slice::Iter<'k, Kind>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The kind whose rows stand in a collection.
pub fn kind(collection: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.collection == collection)
}

/// The id of a row: a UUIDv5 of where it stands and what it is called, so that it survives reloads.
pub fn row_id(collection: &str, identity: &str) -> String {
    Uuid::new_v5(&ID_NAMESPACE, format!("{collection}/{identity}").as_bytes()).to_string()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// Lower-case hexadecimal.
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// 64 lower-case hexadecimal digits back to bytes.
pub(crate) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// UUIDv5 in the URL namespace of `https://github.com/api7/aisix#resources-file`: rows get the ids they
/// have in the product this file format comes from.
const ID_NAMESPACE: Uuid = Uuid::from_u128(0x63e5_0ab2_677a_54d3_8d1e_c0cb_29ce_ae94);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_derived_from_the_documented_namespace() {
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://github.com/api7/aisix#resources-file");
        assert_eq!(namespace, ID_NAMESPACE);
        assert_eq!(row_id("models", "a"), row_id("models", "a"));
        assert_ne!(row_id("models", "a"), row_id("api_keys", "a"));
    }

    #[test]
    fn hexadecimal_digits_come_back_as_the_bytes_they_were() {
        let bytes = sha256(b"sk-test");
        assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        let long = "0".repeat(66);
        for wrong in ["", "0", "zz", &long, &"A".repeat(64), &"é".repeat(32)] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
