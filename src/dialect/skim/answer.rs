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
pub fn splice(body: &Bytes, model: &str, usage: impl FnMut(&[u8])) -> Result<Bytes> {
    splice_members(body, ["model", "usage"], model, usage)
}

/// As [`splice`], where the members that hold the model id and the usage have these names.
///
/// # Errors
/// As [`splice`].
#[inline(always)]
pub fn splice_members(
    body: &Bytes,
    [model_name, usage_name]: [&str; 2],
    model: &str,
    mut usage: impl FnMut(&[u8]),
) -> Result<Bytes> {
    let json = splice::json_string(model);
    let mut edits = SmallVec::<[Edit<'_>; 1]>::new();
    let pass = strict::members(body, |member| {
        let value = body.get(member.value.clone()).unwrap_or_default();
        if member.is(usage_name) {
            usage(value);
        } else if member.is(model_name) && value.starts_with(b"\"") && !string_is(value, model) {
            edits.push(Edit { at: member.value.clone(), with: &json });
        }
    });
    pass.map_err(|fault| {
        Error::new(Kind::UpstreamUnreadable, "upstream returned an unreadable answer").because(fault)
    })?;
    Ok(splice::apply(body, &mut edits))
}
