//! The members a gateway reads in every whole answer, whatever the dialect.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{strict, string_is};
use crate::dialect::splice::{self, Edit};
use crate::error::{Error, Kind, Result};

/// Proves the answer to be JSON, shows the value of its `usage` and puts the alias in place of its model
/// id. A `model` that is no string stays.
///
/// # Errors
/// `UpstreamUnreadable`: not a JSON object.
pub fn splice(body: &Bytes, model: &str, mut usage: impl FnMut(&[u8])) -> Result<Bytes> {
    let json = splice::json_string(model);
    let mut edits = SmallVec::<[Edit<'_>; 1]>::new();
    let pass = strict::members(body, |member| {
        let value = body.get(member.value.clone()).unwrap_or_default();
        match &*member.key() {
            b"model" if value.starts_with(b"\"") && !string_is(value, model) => {
                edits.push(Edit { at: member.value.clone(), with: &json });
            }
            b"usage" => usage(value),
            _ => {}
        }
    });
    pass.map_err(|fault| {
        Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(fault)
    })?;
    Ok(splice::apply(body, &mut edits))
}
