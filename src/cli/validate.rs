//! `aisix validate`: what is wrong with resources, wherever they are kept.

use super::address::{self, Address};
use super::arguments::Validate;
use super::{Done, say, tell};
use crate::resources::{KINDS, Snapshot};
use crate::store::file;

/// # Errors
/// They cannot be read, or the file is refused.
pub fn run(arguments: &Validate) -> Result<Done, String> {
    let file = arguments.resources.clone().map(Address::File);
    match file.or_else(|| arguments.address.clone()) {
        Some(Address::File(path)) => {
            let snapshot = file::snapshot(&path).map_err(|problems| problems.to_string())?;
            counted(&path.display().to_string(), &snapshot.counts());
            noted(&snapshot);
            Ok(Done::Well)
        }
        Some(address) => stored(&address),
        None => Err("name what is to be checked".to_owned()),
    }
}

/// Rows of a store are kept one by one: each is checked by itself, and beside the others.
fn stored(address: &Address) -> Result<Done, String> {
    let (configuration, notices) = address::load(address)?;
    notices.iter().for_each(tell);
    let faults = configuration.faults();
    faults.iter().for_each(tell);
    if !faults.is_empty() || notices.iter().any(|notice| notice.row) {
        return Ok(Done::Not);
    }
    let count =
        |collection| configuration.rows().iter().filter(|row| row.kind.collection == collection).count();
    let counts: Vec<_> = KINDS.iter().map(|kind| (kind.collection, count(kind.collection))).collect();
    counted(&address.to_string(), &counts);
    Ok(Done::Well)
}

fn counted(place: &str, counts: &[(&'static str, usize)]) {
    let of_kinds: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(collection, count)| format!("{count} {collection}"))
        .collect();
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    say(format_args!("{place}: {total} resources are valid ({})", of_kinds.join(", ")));
}

fn noted(snapshot: &Snapshot) {
    for notice in snapshot.dormant() {
        tell(format_args!("note: {notice}"));
    }
}
