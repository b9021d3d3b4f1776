//! Rows of the kinds that have a name and a place but do not act yet.

use serde_json::Value;

/// A row kept as it was written, after interpolation and the replacement of names by ids.
#[derive(Clone)]
pub struct GenericRow {
    pub id: String,
    /// The collection it stands in, `guardrails` for one.
    pub collection: &'static str,
    /// Its identity within the collection.
    pub name: String,
    /// The row itself. May hold credentials, so Debug does not show it.
    pub body: Value,
}

impl std::fmt::Debug for GenericRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenericRow")
            .field("id", &self.id)
            .field("collection", &self.collection)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
