//! `aisix key`: caller keys without a client for the Admin API. A plaintext is printed once, and is all that standard
//! output ever holds of `create` and `rotate`.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::address::{Missing, environment};
use super::arguments::{Create, KeyCommand, On};
use super::client::encoded;
use super::target::{Plan, Revisions, Target, There};
use super::{Done, say, tell};
use crate::resources::configuration::Row;
use crate::resources::{ApiKey, Configuration, Resource, api_key, kind, row_id};

/// # Errors
/// The keys cannot be read or written, or there is no such key.
pub fn run(command: &KeyCommand) -> Result<Done, String> {
    match command {
        KeyCommand::Create(create) => self::create(create),
        KeyCommand::Rotate { key, on } => rotate(key, on),
        KeyCommand::Revoke { key, delete, on } => revoke(key, *delete, on),
        KeyCommand::List { on } => list(on),
    }
    .map(|()| Done::Well)
}

fn create(create: &Create) -> Result<(), String> {
    let made = api_key::new_plaintext();
    let brought = create.key_env.as_deref().map(brought).transpose()?;
    let mut keys = Keys::open(&create.on)?;
    let body = body(create, brought.as_deref().unwrap_or(&made))?;
    if keys.rows.named(ApiKey::COLLECTION, &create.name).is_some() {
        return Err(format!(
            "there is a caller key {:?} already; rotate it, or choose another name",
            create.name
        ));
    }
    match &mut keys.target {
        Target::Gateway(client) => drop(client.ask("POST", "api_keys", Some(&body))?),
        Target::Store(..) => {
            let mut id = row_id(ApiKey::COLLECTION, &create.name);
            if keys.revisions.contains_key(&(ApiKey::COLLECTION.to_owned(), id.clone())) {
                id = uuid::Uuid::new_v4().to_string();
            }
            let kind = kind(ApiKey::COLLECTION).ok_or("there are no caller keys")?;
            keys.write("create", Row { kind, id, name: create.name.clone(), body })?;
        }
    }
    match brought {
        Some(_) => tell(format_args!("made the caller key {:?}", create.name)),
        None => {
            tell(format_args!("made the caller key {:?}; this is shown once:", create.name));
            say(&made);
        }
    }
    Ok(())
}

fn body(create: &Create, plaintext: &str) -> Result<Value, String> {
    let limits = [
        ("rps", create.rps),
        ("rpm", create.rpm),
        ("rpd", create.rpd),
        ("tpm", create.tpm),
        ("tpd", create.tpd),
        ("concurrency", create.concurrency),
    ];
    let limits: Map<String, Value> =
        limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), limit?.into()))).collect();
    let expires = create.expires.as_deref().map(|when| moment(when, SystemTime::now())).transpose()?;
    let mut body = json!({
        "display_name": create.name,
        "key_hash": api_key::hash_of(plaintext),
        "allowed_models": create.models,
        "rate_limit": if limits.is_empty() { Value::Null } else { Value::Object(limits) },
        "expires_at": expires,
        "team_id": create.team,
        "user_id": create.user,
    });
    if let Value::Object(members) = &mut body {
        members.retain(|_, value| !value.is_null());
    }
    Ok(body)
}

/// A key that is in use elsewhere already.
fn brought(variable: &str) -> Result<String, String> {
    let key = environment(variable).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| format!("the variable {variable:?} is not set or empty"))?;
    match api_key::is_acceptable(&key) {
        true => Ok(key),
        false => Err(format!(
            "the key in {variable:?} must have at least {} characters and no space around it",
            api_key::SHORTEST
        )),
    }
}

/// When a key ends: a while from now, or a moment.
fn moment(when: &str, now: SystemTime) -> Result<String, String> {
    let units = [("m", 60), ("h", 3600), ("d", 86_400), ("w", 7 * 86_400)];
    let span = units.iter().find_map(|(unit, seconds)| {
        let count = when.strip_suffix(unit)?.parse::<u64>().ok()?;
        Some(Duration::from_secs(count.checked_mul(*seconds)?))
    });
    let wrong = || format!("{when:?} is no end: write 90m, 12h, 30d, 8w, or 2027-01-31T00:00:00Z");
    match span {
        Some(span) => {
            let end = now.checked_add(span).ok_or_else(wrong)?;
            let end = jiff::Timestamp::try_from(end).map_err(|_| wrong())?;
            Ok(format!("{end:.0}"))
        }
        None => when.parse::<jiff::Timestamp>().map(|end| end.to_string()).map_err(|_| wrong()),
    }
}

fn rotate(key: &str, on: &On) -> Result<(), String> {
    let mut keys = Keys::open(on)?;
    let mut row = keys.find(key)?;
    let plaintext = match &mut keys.target {
        Target::Gateway(client) => {
            let answer = client.ask("POST", &format!("api_keys/{}/rotate", encoded(&row.id)), None)?;
            let plaintext = answer.body.get("plaintext").and_then(Value::as_str);
            plaintext.ok_or("the gateway did not answer with a key")?.to_owned()
        }
        Target::Store(..) => {
            let plaintext = api_key::new_plaintext();
            row.body["key_hash"] = api_key::hash_of(&plaintext).into();
            keys.write("rotate", row)?;
            plaintext
        }
    };
    tell(format_args!("the caller key {key:?} has a new plaintext; this is shown once:"));
    say(plaintext);
    Ok(())
}

fn revoke(key: &str, delete: bool, on: &On) -> Result<(), String> {
    let mut keys = Keys::open(on)?;
    let mut row = keys.find(key)?;
    let path = format!("api_keys/{}", encoded(&row.id));
    match (&mut keys.target, delete) {
        (Target::Gateway(client), true) => drop(client.ask("DELETE", &path, None)?),
        (Target::Gateway(client), false) => {
            drop(client.ask("PATCH", &path, Some(&json!({"disabled": true})))?);
        }
        (Target::Store(..), true) => {
            let plan =
                Plan { action: "delete", puts: Vec::new(), deletes: vec![row], force: false, dry_run: false };
            keys.target.carry_out(plan, &keys.revisions)?;
        }
        (Target::Store(..), false) => {
            row.body["disabled"] = true.into();
            keys.write("patch", row)?;
        }
    }
    tell(format_args!("the caller key {key:?} is {}", if delete { "deleted" } else { "disabled" }));
    Ok(())
}

fn list(on: &On) -> Result<(), String> {
    let keys = Keys::open(on)?;
    for row in keys.rows.rows().iter().filter(|row| row.kind.collection == ApiKey::COLLECTION) {
        let text = |name: &str| row.body.get(name).and_then(Value::as_str);
        let ended = text("expires_at").and_then(|end| end.parse::<jiff::Timestamp>().ok());
        let ended = ended.is_some_and(|end| SystemTime::from(end) <= SystemTime::now());
        let disabled = row.body.get("disabled").and_then(Value::as_bool).unwrap_or_default();
        let state = match (disabled, ended, text("expires_at")) {
            (true, ..) => "disabled".to_owned(),
            (_, true, _) => "expired".to_owned(),
            (_, _, Some(end)) => format!("until {end}"),
            _ => "active".to_owned(),
        };
        let models = row.body.get("allowed_models").and_then(Value::as_array).into_iter().flatten();
        let models: Vec<&str> = models.filter_map(Value::as_str).collect();
        say(format_args!("{}\t{state}\t{}\t{}", row.name, models.join(","), row.id));
    }
    Ok(())
}

/// The keys of a place, and the way to write them.
struct Keys {
    target: Target,
    rows: Configuration,
    revisions: Revisions,
}

impl Keys {
    fn open(on: &On) -> Result<Self, String> {
        let target = Target::open(&on.address, Missing::Refused)?;
        let There { configuration: rows, revisions, .. } = target.rows()?;
        Ok(Keys { target, rows, revisions })
    }

    /// The key of a name, else the one of an id.
    fn find(&self, key: &str) -> Result<Row, String> {
        let mut keys = self.rows.rows().iter().filter(|row| row.kind.collection == ApiKey::COLLECTION);
        let by_id = keys.find(|row| row.id == key);
        let found = self.rows.named(ApiKey::COLLECTION, key).or(by_id);
        found
            .cloned()
            .ok_or_else(|| format!("there is no caller key {key:?}; aisix key list shows those there are"))
    }

    fn write(&mut self, action: &'static str, row: Row) -> Result<(), String> {
        let plan = Plan { action, puts: vec![row], deletes: Vec::new(), force: false, dry_run: false };
        self.target.carry_out(plan, &self.revisions).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_while_from_now_or_a_moment() {
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(moment("30d", now).as_deref(), Ok("1970-01-31T00:00:00Z"));
        assert_eq!(moment("90m", now).as_deref(), Ok("1970-01-01T01:30:00Z"));
        assert_eq!(moment("2027-01-31T00:00:00Z", now).as_deref(), Ok("2027-01-31T00:00:00Z"));
        for wrong in ["", "d", "1y", "-1d", "99999999999999999999d", "18446744073709551615w", "tomorrow"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}
