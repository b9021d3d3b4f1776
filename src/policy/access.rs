//! Caller and source address against the alias.

use std::net::IpAddr;

use super::auth::Caller;
use crate::error::{Error, Kind, Result};
use crate::resources::Model;
use crate::routing::Requested;

/// May this caller, from this address, use the alias?
///
/// # Errors
/// `Forbidden`. The message never shows the allowed ranges.
pub fn permit(caller: &Caller, requested: &Requested, source: Option<IpAddr>) -> Result<()> {
    if !caller.key.allows(&requested.alias) {
        return Err(
            Error::new(Kind::Forbidden, "this API key may not use the requested model").param("model")
        );
    }
    if admits(&requested.model, source) {
        return Ok(());
    }
    Err(excluded())
}

/// The caller's address is none of those that a model allows.
pub fn excluded() -> Error {
    Error::new(Kind::Forbidden, "this model may not be used from your network address").code("ip_restricted")
}

/// May a caller at this address use the model?
pub fn admits(model: &Model, source: Option<IpAddr>) -> bool {
    let ranges = &model.allowed_cidrs;
    ranges.is_empty() || source.is_some_and(|address| ranges.iter().any(|range| range.contains(&address)))
}
