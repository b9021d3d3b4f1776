//! `aisix export`: resources from any place as a file.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::address::{self, Address};
use super::arguments::Export;
use super::client::report;
use super::{Done, tell};
use crate::resources::Configuration;
use crate::resources::file::write::{Secrets, Written, write};

/// # Errors
/// The place cannot be read, or the file cannot be written.
pub fn run(arguments: &Export) -> Result<Done, String> {
    let from = arguments.from()?;
    if arguments.reveal_secrets && matches!(from, Address::Gateway(_)) {
        return Err("the Admin API shows no secrets; export from the store itself to reveal them".to_owned());
    }
    let (configuration, left_out) = address::load(&from)?;
    report(&left_out);
    let secrets = if arguments.reveal_secrets { Secrets::Revealed } else { Secrets::Named };
    let whole = to_file(&configuration, &from, &arguments.to, secrets)?;
    Ok(if whole && left_out.is_empty() { Done::Well } else { Done::Not })
}

/// Writes a file, and tells what it needs and what is wrong with it. Will it load?
///
/// # Errors
/// It cannot be written.
pub fn to_file(
    configuration: &Configuration,
    from: &Address,
    to: &Path,
    secrets: Secrets,
) -> Result<bool, String> {
    let written = write(configuration, &format!("Exported from {from} by aisix {VERSION}."), secrets);
    let private = secrets == Secrets::Revealed;
    put(to, &written.text, private)?;
    variables(&written);
    let faults = written.check(configuration);
    for fault in &faults {
        tell(format_args!("would be refused: {fault}"));
    }
    Ok(faults.is_empty())
}

fn variables(written: &Written) {
    if !written.variables.is_empty() {
        tell("secrets are not in the file; it needs these variables:");
    }
    for variable in &written.variables {
        tell(format_args!("  {}  for {}", variable.name, variable.place));
    }
}

/// Writes a text where it belongs: all of it or nothing. `-` is standard output.
///
/// # Errors
/// It cannot be written.
pub fn put(to: &Path, text: &str, private: bool) -> Result<(), String> {
    if to == Path::new("-") {
        return std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| format!("standard output: {error}"));
    }
    let mut draft = to.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = (|| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(if private { 0o600 } else { 0o644 });
        let mut file = options.open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, to)
    })();
    written.map_err(|error: std::io::Error| {
        // It may not be there.
        let _ = std::fs::remove_file(&draft);
        format!("{}: cannot be written: {error}", to.display())
    })
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
