//! What is spoken at an endpoint: the vendor's row, or the adapter the operator named.

use super::address::root_of;
use crate::dialect::DialectId;
use crate::dialect::quirks::Quirks;
use crate::error::{Error, Kind, Result};
use crate::resources::Adapter;
use crate::upstream::providers::{Provider, Speaks, adapted, provider};

/// The formats of an endpoint, and the row they are from.
pub struct Choice {
    pub row: &'static Provider,
    pub preferred: &'static Speaks,
    pub others: &'static [Speaks],
    pub quirks: &'static Quirks,
}

impl Choice {
    /// A vendor whose name is a format speaks what its row says. Else an adapter names the one format that is spoken,
    /// or the cloud; without one the row does, and an `api_base` may name one of its formats.
    ///
    /// # Errors
    /// Neither is known.
    pub fn of(label: &str, adapter: Option<Adapter>, base: Option<&str>) -> Result<Self> {
        match (provider(label), adapter) {
            (Some(row), None) => Choice::named_by(row, base).map_or_else(|| Choice::all_of(row), Ok),
            (Some(row), Some(_)) if matches!(label, "openai" | "anthropic") => Choice::all_of(row),
            (row, Some(adapter)) => {
                let named = adapted(adapter);
                let of_row = row.filter(|_| named.label.is_empty()).zip(named.speaks.first());
                let one = of_row.and_then(|(row, speaks)| Choice::one_of(row, speaks.dialect));
                one.map_or_else(|| Choice::all_of(named), Ok)
            }
            (None, None) => Err(Error::new(
                Kind::NoProvider,
                "this model's provider key names neither a known provider nor an adapter",
            )),
        }
    }

    fn all_of(row: &'static Provider) -> Result<Self> {
        let (preferred, others) = row.speaks.split_first().ok_or_else(|| {
            Error::new(Kind::NoProvider, "this model's provider speaks no format that this gateway speaks")
        })?;
        Ok(Choice { row, preferred, others, quirks: &row.quirks })
    }

    fn one_of(row: &'static Provider, dialect: DialectId) -> Option<Self> {
        Some(Choice { row, preferred: row.speaks_in(dialect)?, others: &[], quirks: &row.quirks })
    }

    /// The format below whose path the address is, if that is not the preferred one.
    fn named_by(row: &'static Provider, base: Option<&str>) -> Option<Self> {
        let base = base?;
        let is_at =
            |speaks: &&Speaks| !speaks.at.is_empty() && root_of(speaks.dialect, base).ends_with(speaks.at);
        let one = row.speaks.iter().chain(row.named).filter(is_at).max_by_key(|speaks| speaks.at.len())?;
        let other = row.speaks.first().is_none_or(|preferred| preferred.at != one.at);
        other.then_some(Choice { row, preferred: one, others: &[], quirks: &row.quirks })
    }

    /// The vendor's own address of the preferred format.
    pub fn base(&self) -> Option<String> {
        Some(format!("{}{}", self.row.site?, self.preferred.at))
    }
}
