//! What a gateway keeps on this machine when nobody says where.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::store::absent::Absent;
use crate::store::sqlite::SqliteStore;
use crate::store::{Failure, Store};

/// The store of a start without configuration: a database in the user's data directory. Where there can be none, or
/// another process has it, the gateway runs without, and says so.
///
/// # Errors
/// There is a database, and it cannot be used: without it every caller whose key is in there would be turned away.
pub fn store() -> Result<Box<dyn Store>, String> {
    match database() {
        Ok(Ok(store)) => Ok(Box::new(store)),
        Ok(Err(why)) => {
            tracing::warn!(why, "running without a database: what the Admin API could change would be lost");
            let why = Failure::ReadOnly(format!("there is no database to write to: {why}"));
            Ok(Box::new(Absent { name: "environment", why }))
        }
        Err(failure) => Err(failure.to_string()),
    }
}

/// The database, or why the gateway can do without one.
fn database() -> Result<Result<SqliteStore, String>, Failure> {
    let Some(folder) = folder(&|name| std::env::var_os(name)) else {
        return Ok(Err("none of AISIX_DATA_DIR, XDG_DATA_HOME and HOME is set".to_owned()));
    };
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(&folder) {
        return Ok(Err(format!("{}: {error}; AISIX_DATA_DIR names another folder", folder.display())));
    }
    let path = folder.join(DATABASE);
    let is_new = !path.exists();
    match SqliteStore::open(&path) {
        Ok(store) => Ok(Ok(store)),
        Err(Failure::InUse(why)) => Ok(Err(format!("{why}; AISIX_DATA_DIR names another folder"))),
        Err(Failure::Unavailable(why)) if is_new => Ok(Err(why)),
        Err(failure) => Err(failure),
    }
}

/// Where the last known good configuration is kept; None where it is not.
pub fn last_known_good(config: &Config) -> Option<PathBuf> {
    match config.last_known_good_file() {
        Some("") => None,
        Some(path) => Some(path.into()),
        None => Some(folder(&|name| std::env::var_os(name))?.join(LAST_KNOWN_GOOD)),
    }
}

/// The data directory: the one named for us, that of the service manager, or that of the user. Relative ones of the
/// latter two do not count: <https://specifications.freedesktop.org/basedir-spec/latest/#variables>.
fn folder(environment: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let named = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let absolute = |name: &str| named(name).filter(|path| path.is_absolute());
    // systemd gives a list where a unit has several.
    let state = named("STATE_DIRECTORY").and_then(|list| {
        let first = list.to_str()?.split(':').next().map(Path::new)?.to_owned();
        first.is_absolute().then_some(first)
    });
    let home = || absolute("HOME").map(|home| home.join(".local/share"));
    named("AISIX_DATA_DIR").or(state).or_else(|| Some(absolute("XDG_DATA_HOME").or_else(home)?.join("aisix")))
}

const DATABASE: &str = "aisix.db";
const LAST_KNOWN_GOOD: &str = "last-known-good.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_is_the_one_named_for_us_else_the_services_else_the_users() {
        type Variables = &'static [(&'static str, &'static str)];
        let table: &[(Variables, Option<&str>)] = &[
            (&[], None),
            (&[("HOME", "/h")], Some("/h/.local/share/aisix")),
            (&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")], Some("/x/aisix")),
            (&[("HOME", "/h"), ("XDG_DATA_HOME", "")], Some("/h/.local/share/aisix")),
            (&[("HOME", "h"), ("XDG_DATA_HOME", "x")], None),
            (&[("HOME", "/h"), ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")], Some("/var/lib/a")),
            (&[("AISIX_DATA_DIR", "d"), ("STATE_DIRECTORY", "/s"), ("HOME", "/h")], Some("d")),
        ];
        for (pairs, expected) in table {
            let environment =
                |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
            assert_eq!(folder(&environment), expected.map(PathBuf::from), "{pairs:?}");
        }
    }
}
