//! What operators define: caller keys, models, provider keys, and the kinds that do not act yet.
//!
//! One documented struct per kind is the definition; everything else (strict reading, checks, tables)
//! starts from it. A [`Snapshot`] is one consistent set of rows that never changes. Where rows come from is
//! the business of `store`; what they permit is decided elsewhere.

pub mod api_key;
mod check;
pub mod file;
pub mod generic;
pub mod glob;
pub mod model;
mod pairs;
pub mod provider_key;
pub mod rate_limit;
pub mod snapshot;

use ring::digest::{SHA256, digest};
use uuid::Uuid;

pub use crate::document::Secret;
pub use api_key::ApiKey;
pub use generic::GenericRow;
pub use glob::Glob;
pub use model::{Model, Shape};
pub use provider_key::{Adapter, ProviderKey};
pub use rate_limit::RateLimit;
pub use snapshot::{Match, Snapshot, SnapshotBuilder};

/// A kind of row: where it stands in a resources file and what names it.
#[derive(Debug)]
pub struct Collection {
    /// Key in a resources file, path segment in stores and interfaces.
    pub name: &'static str,
    /// The member that identifies a row; None for a collection of one.
    pub identity: Option<&'static str>,
    /// Another spelling of it.
    pub alternative: Option<&'static str>,
    /// Does the gateway act on its rows?
    pub acts: bool,
}

const fn collection(
    name: &'static str,
    identity: Option<&'static str>,
    alternative: Option<&'static str>,
    acts: bool,
) -> Collection {
    Collection { name, identity, alternative, acts }
}

/// Every kind once, in the order in which they are counted and shown.
pub static COLLECTIONS: &[Collection] = {
    const NAME: Option<&str> = Some("name");
    const LABEL: Option<&str> = Some("display_name");
    &[
        collection("provider_keys", LABEL, None, true),
        collection("models", LABEL, None, true),
        collection("api_keys", LABEL, None, true),
        collection("guardrails", NAME, None, false),
        collection("guardrail_attachments", NAME, None, false),
        collection("mcp_servers", NAME, LABEL, false),
        collection("mcp_policies", NAME, None, false),
        collection("mcp_auth_settings", None, None, false),
        collection("a2a_agents", NAME, LABEL, false),
        collection("cache_policies", NAME, None, false),
        collection("observability_exporters", NAME, None, false),
        collection("rate_limit_policies", NAME, None, false),
        collection("oidc_providers", NAME, None, false),
        collection("claim_mappings", NAME, None, false),
        collection("passthrough_routes", NAME, LABEL, false),
    ]
};

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
pub(crate) fn to_hex(bytes: &[u8]) -> String {
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
