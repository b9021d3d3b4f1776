//! `aisix import`: resources from any place, or from another product's file, into any place.

use std::path::Path;

use serde_json::Value;

use super::address::{self, Address, Missing};
use super::arguments::{Foreign, Import};
use super::client::report;
use super::target::{Plan, Target, There};
use super::{Done, export, litellm, say, tell};
use crate::resources::configuration::{Difference, Row, What, differences};
use crate::resources::file::write::Secrets;
use crate::resources::{Configuration, MASK, file};

/// # Errors
/// A place cannot be read or written, or the rows were refused.
pub fn run(arguments: &Import) -> Result<Done, String> {
    if let Some(Foreign::Litellm) = arguments.from {
        return translated(arguments);
    }
    let (source, left_out) = address::load(&arguments.source)?;
    report(&left_out);
    if let Address::File(path) = &arguments.to {
        free(path, arguments)?;
        if arguments.dry_run {
            say(format_args!("would write {} rows to {}", source.rows().len(), path.display()));
            return Ok(Done::Well);
        }
        let whole = export::to_file(&source, &arguments.source, path, Secrets::Named)?;
        return Ok(if whole && left_out.is_empty() { Done::Well } else { Done::Not });
    }
    let done = bring(&source, arguments)?;
    Ok(if left_out.is_empty() { done } else { Done::Not })
}

/// A LiteLLM configuration, first as a resources file, then to where it belongs.
fn translated(arguments: &Import) -> Result<Done, String> {
    let (text, path) = match &arguments.source {
        Address::Input => (address::input()?, Path::new("-")),
        Address::File(path) => {
            let text = std::fs::read_to_string(path);
            (text.map_err(|error| format!("{}: cannot be read: {error}", path.display()))?, path.as_path())
        }
        other => return Err(format!("{other} is no file")),
    };
    let translation = litellm::translate(&text, path).map_err(|problems| problems.to_string())?;
    for note in &translation.notes {
        tell(note);
    }
    match &arguments.to {
        Address::File(target) => {
            free(target, arguments)?;
            for (name, place) in translation.literals() {
                tell(format_args!("set {name} to what stands at {place}"));
            }
            let faults = translation.faults();
            faults.iter().for_each(|fault| tell(format_args!("would be refused: {fault}")));
            if !arguments.dry_run {
                export::put(target, &translation.text, false)?;
            }
            Ok(if faults.is_empty() { Done::Well } else { Done::Not })
        }
        _ => {
            let env = |name: &str| translation.literal(name).or_else(|| address::environment(name));
            let rows = file::read(&translation.text, path, &env).map_err(|problems| problems.to_string())?;
            bring(&rows, arguments)
        }
    }
}

fn free(path: &Path, arguments: &Import) -> Result<(), String> {
    let there = path != Path::new("-") && path.exists();
    if there && !arguments.force {
        return Err(format!("{} is there already; use --force to replace it", path.display()));
    }
    Ok(())
}

/// Writes what differs.
fn bring(source: &Configuration, arguments: &Import) -> Result<Done, String> {
    let missing = if arguments.dry_run { Missing::Refused } else { Missing::Made };
    let mut target = Target::open(&arguments.to, missing)?;
    let There { configuration: there, left_out, revisions } = target.rows()?;
    report(&left_out);
    let source = source.beside(&there);
    let found = differences(&there, &source);
    let row = |of: &Configuration, difference: &Difference| {
        of.named(difference.kind.collection, &difference.name).cloned()
    };
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    for difference in &found {
        match &difference.what {
            What::OnlyInFirst => deletes.extend(row(&there, difference).filter(|_| arguments.prune)),
            What::OnlyInSecond | What::Members(_) => puts.extend(row(&source, difference)),
        }
    }
    unknown_secrets(&puts, &there)?;
    let (written, deleted) = (puts.len(), deletes.len());
    if written + deleted > 0 {
        let plan =
            Plan { action: "import", puts, deletes, force: arguments.force, dry_run: arguments.dry_run };
        let broken = target.carry_out(plan, &revisions)?;
        broken.iter().for_each(|row| tell(format_args!("names nothing any more: {row}")));
    }
    found.iter().for_each(|difference| show(difference, arguments));
    let (would, to) = (if arguments.dry_run { "would write" } else { "wrote" }, &arguments.to);
    say(format_args!(
        "{would} {written} rows and delete{} {deleted} in {to}",
        if arguments.dry_run { "" } else { "d" }
    ));
    Ok(Done::Well)
}

/// A running gateway does not tell secrets: where a row is new, there is nothing that its masks could stand for.
fn unknown_secrets(puts: &[Row], there: &Configuration) -> Result<(), String> {
    fn masked(value: &Value) -> bool {
        match value {
            Value::String(text) => text == MASK,
            Value::Array(items) => items.iter().any(masked),
            Value::Object(members) => members.values().any(masked),
            _ => false,
        }
    }
    let new = puts.iter().filter(|row| there.named(row.kind.collection, &row.name).is_none());
    let names: Vec<String> = new
        .filter(|row| masked(&row.body))
        .map(|row| format!("{} {:?}", row.kind.collection, row.name))
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the secrets of {} are not known: the Admin API does not show them. Export to a file, set its variables, and \
         import that",
        names.join(", ")
    ))
}

fn show(difference: &Difference, arguments: &Import) {
    let row = format!("{} {:?}", difference.kind.collection, difference.name);
    match &difference.what {
        What::OnlyInFirst if arguments.prune => say(format_args!("delete {row}")),
        What::OnlyInFirst => {}
        What::OnlyInSecond => say(format_args!("create {row}")),
        What::Members(members) => {
            let paths: Vec<&str> = members.iter().map(|member| member.path.as_str()).collect();
            say(format_args!("change {row}: {}", paths.join(", ")));
        }
    }
}
