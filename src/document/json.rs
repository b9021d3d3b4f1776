//! JSON with positions.

use serde_json::Value;

use super::{Document, Snag, yaml};

/// Reads a JSON text.
///
/// The value is what the JSON reader says. Positions and repeated keys are found by reading the text once
/// more as YAML, of which JSON is nearly a subset; where it is not, they are unknown.
pub(super) fn read(text: &str) -> Result<Document, Vec<Snag>> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let message = format!("is not JSON: {error}");
        vec![Snag::new(Some(error.line()), message)]
    })?;
    let (document, snags) = yaml::read_leniently(text);
    if document.value != value {
        return Ok(Document { value, ..Document::default() });
    }
    if snags.is_empty() { Ok(Document { value, ..document }) } else { Err(snags) }
}
