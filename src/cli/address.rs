//! Places where resources are kept, by their addresses, and what is there.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::client::Client;
use super::runtime;
use crate::config::{self, Config, Etcd};
use crate::gateway;
use crate::resources::configuration::Notice;
use crate::resources::{Configuration, Secret, file};
use crate::store::etcd::EtcdStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Failure, Rows, Store};

/// Where resources are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Standard input.
    Input,
    File(PathBuf),
    Database(PathBuf),
    Etcd(String),
    /// The Admin API of a running gateway.
    Gateway(String),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = |scheme: &str| text.strip_prefix(scheme).filter(|rest| !rest.is_empty());
        if text == "-" {
            return Ok(Address::Input);
        }
        if let Some(path) = scheme("sqlite:") {
            return Ok(Address::Database(path.into()));
        }
        if let Some(path) = scheme("file:") {
            return Ok(Address::File(path.into()));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Address::Gateway(text.trim_end_matches('/').to_owned()));
        }
        if text.starts_with("etcd://") || text.starts_with("etcds://") {
            return Ok(Address::Etcd(text.to_owned()));
        }
        let extension = Path::new(text).extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("yaml" | "yml" | "json") => Ok(Address::File(text.into())),
            Some("db" | "sqlite" | "sqlite3") => Ok(Address::Database(text.into())),
            _ => Err("is no place that is known: FILE.yaml, FILE.db, sqlite:PATH, etcd://HOST:2379/PREFIX, \
                      http://HOST:3001"
                .to_owned()),
        }
    }
}

impl Address {
    /// An etcd by its endpoints, with or without scheme, and the root of its keys.
    pub fn etcd(endpoints: &str, prefix: &str) -> Self {
        let secure = endpoints.contains("https://");
        let hosts = endpoints.split(',').map(str::trim).map(|endpoint| {
            let endpoint = endpoint.strip_prefix("http://").unwrap_or(endpoint);
            endpoint.strip_prefix("https://").unwrap_or(endpoint).trim_end_matches('/')
        });
        let scheme = if secure { "etcds" } else { "etcd" };
        let hosts: Vec<&str> = hosts.collect();
        Address::Etcd(format!("{scheme}://{}/{}", hosts.join(","), prefix.trim_start_matches('/')))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Input => f.write_str("standard input"),
            Address::File(path) | Address::Database(path) => write!(f, "{}", path.display()),
            Address::Etcd(address) | Address::Gateway(address) => f.write_str(&without_user(address)),
        }
    }
}

/// Addresses may hold credentials.
fn without_user(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest.get(..end).and_then(|host| host.rfind('@')) {
        Some(at) => format!("{scheme}://{}", rest.get(at + 1..).unwrap_or_default()),
        None => address.to_owned(),
    }
}

/// Is something made where nothing is?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Refused,
    Made,
}

/// Opens a store.
///
/// # Errors
/// It cannot be used; what to do.
pub fn open(address: &Address, missing: Missing) -> Result<Box<dyn Store>, String> {
    match address {
        Address::Database(path) => {
            if missing == Missing::Refused && !path.exists() {
                return Err(format!("{}: there is no database", path.display()));
            }
            match SqliteStore::open(path) {
                Ok(store) => Ok(Box::new(store)),
                Err(failure @ (Failure::Unavailable(_) | Failure::InUse(_))) => Err(format!(
                    "{failure}\nIf a gateway is running on it, go through its Admin API: http://127.0.0.1:3001 in \
                     place of the database, and an admin key in AISIX_ADMIN_KEY"
                )),
                Err(failure) => Err(failure.to_string()),
            }
        }
        Address::Etcd(text) => Ok(Box::new(etcd(text).map_err(|why| format!("{address}: {why}"))?)),
        Address::File(_) | Address::Input | Address::Gateway(_) => Err(format!("{address} is no store")),
    }
}

/// What a gateway would use if its `etcd` section were set by variables (`AISIX_ETCD__TLS__CA_CERT_FILE`, …), at the
/// members and below the root that the address names. A user and password may stand in the address.
fn etcd(address: &str) -> Result<EtcdStore, String> {
    let settings =
        Config::from_env_only(config::environment()).map_err(|problems| problems.to_string())?.etcd;
    let (scheme, rest) = address.split_once("://").unwrap_or(("etcd", address));
    let (members, root) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, members) = members.rsplit_once('@').map_or((None, members), |(user, rest)| (Some(user), rest));
    let scheme = if scheme == "etcds" { "https" } else { "http" };
    let endpoints = members.split(',').map(|member| format!("{scheme}://{member}")).collect();
    let prefix = if root.len() > 1 { root.to_owned() } else { settings.prefix.clone() };
    let made = gateway::etcd_settings(&Etcd { endpoints, prefix, ..settings })?;
    let user = user.map(|user| user.split_once(':').unwrap_or((user, "")));
    Ok(EtcdStore::new(match user {
        Some((name, password)) => made.user(Some((name.to_owned(), Secret::new(password)))),
        None => made,
    }))
}

/// All that is kept at a place, and what of it cannot be taken.
///
/// # Errors
/// It cannot be read, or it is a file with anything wrong in it.
pub fn load(address: &Address) -> Result<(Configuration, Vec<Notice>), String> {
    match address {
        Address::File(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
            Ok((from_text(&text, path)?, Vec::new()))
        }
        Address::Input => Ok((from_text(&input()?, Path::new("-"))?, Vec::new())),
        Address::Gateway(address) => Client::new(address)?.configuration(),
        Address::Database(_) | Address::Etcd(_) => {
            let mut store = open(address, Missing::Refused)?;
            let rows = runtime()?.block_on(store.load()).map_err(|failure| failure.to_string())?;
            Ok(configuration(rows))
        }
    }
}

/// What a store holds.
pub fn configuration(rows: Rows) -> (Configuration, Vec<Notice>) {
    let stored = rows.rows.into_iter().map(|row| (row.collection, row.id, row.body));
    let (configuration, mut notices) = Configuration::stored(stored);
    notices.extend(rows.unreadable.into_iter().map(|one| Notice {
        place: format!("{}/{}", one.collection, one.id),
        message: one.why,
        row: true,
    }));
    (configuration, notices)
}

fn from_text(text: &str, path: &Path) -> Result<Configuration, String> {
    file::read(text, path, &environment).map_err(|problems| problems.to_string())
}

/// # Errors
/// It cannot be read.
pub fn input() -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| format!("standard input: cannot be read: {error}"))?;
    Ok(text)
}

/// What stands in the environment of this process.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_kind_of_place_it_is() {
        let cases = [
            ("resources.yaml", Address::File("resources.yaml".into())),
            ("file:x", Address::File("x".into())),
            ("a.DB", Address::Database("a.DB".into())),
            ("sqlite:/x/y", Address::Database("/x/y".into())),
            ("http://h:1/", Address::Gateway("http://h:1".into())),
            ("etcd://h:1/p", Address::Etcd("etcd://h:1/p".into())),
            ("-", Address::Input),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let etcd = Address::etcd("http://a:1, http://b:2/", "/aisix");
        assert_eq!(etcd, Address::Etcd("etcd://a:1,b:2/aisix".to_owned()));
        assert!("x".parse::<Address>().is_err() && "sqlite:".parse::<Address>().is_err());
        let shown = "etcd://root:pw@h:1/p".parse::<Address>().map(|address| address.to_string());
        assert_eq!(shown, Ok("etcd://h:1/p".to_owned()));
    }
}
