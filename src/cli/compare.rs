//! `aisix diff`: how two places differ, for people and for scripts.

use serde_json::Value;

use super::arguments::Diff;
use super::client::report;
use super::{Done, address, say};
use crate::resources::configuration::{Difference, Member, What, differences};

/// # Errors
/// One of the places cannot be read.
pub fn run(arguments: &Diff) -> Result<Done, String> {
    let (first, left_out) = address::load(&arguments.first)?;
    report(&left_out);
    let (second, left_out_too) = address::load(&arguments.second)?;
    report(&left_out_too);
    let found = differences(&first, &second);
    for difference in &found {
        show(difference, arguments);
    }
    let same = found.is_empty() && left_out.is_empty() && left_out_too.is_empty();
    Ok(if same { Done::Well } else { Done::Not })
}

fn show(difference: &Difference, arguments: &Diff) {
    let row = format!("{} {:?}", difference.kind.collection, difference.name);
    match &difference.what {
        What::OnlyInFirst => say(format_args!("{row}: only in {}", arguments.first)),
        What::OnlyInSecond => say(format_args!("{row}: only in {}", arguments.second)),
        What::Members(members) => {
            say(format_args!("{row}:"));
            members.iter().for_each(|member| say(format_args!("  {}", line(member))));
        }
    }
}

fn line(member: &Member) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map_or("(none)".to_owned(), ToString::to_string);
    match (member.secret, &member.first, &member.second) {
        (true, Some(_), Some(_)) => format!("{}: differs (secret)", member.path),
        _ => format!("{}: {} -> {}", member.path, shown(&member.first), shown(&member.second)),
    }
}
