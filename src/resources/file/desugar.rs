//! Spellings for people, turned into the stored form: names into ids, keys into hashes.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::document::{Fault, suggestion};
use crate::resources::{row_id, sha256, to_hex};

type Members = Map<String, Value>;

/// What a row may refer to.
pub(super) struct Names<'a> {
    /// (collection, name) of every row of the file.
    pub rows: HashSet<(&'static str, String)>,
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl Names<'_> {
    /// Rewrites the sugar of one row.
    ///
    /// # Errors
    /// The first thing that is wrong with it. Never shows the plaintext of a key.
    pub fn desugar(&self, collection: &str, row: &mut Members) -> Result<(), Fault> {
        match collection {
            "models" => self.named(row, "provider_key", "provider_key_id", "provider_keys"),
            "provider_keys" => one_credential(row),
            "api_keys" => self.key(row).and_then(|()| allowed_tools(row)),
            "rate_limit_policies" => self.policy(row),
            "claim_mappings" => match row.get_mut("resolve") {
                Some(Value::Object(resolve)) => self
                    .named(resolve, "api_key", "api_key_id", "api_keys")
                    .map_err(|fault| Fault::new(format!("resolve.{}", fault.path), fault.message)),
                _ => Ok(()),
            },
            "passthrough_routes" => {
                self.named(row, "provider_key", "provider_key_id", "provider_keys")?;
                self.named(row, "anonymous_key", "anonymous_key_id", "api_keys")
            }
            _ => Ok(()),
        }
    }

    /// Replaces the name under `sugar` by the id under `stored`.
    fn named(
        &self,
        row: &mut Members,
        sugar: &str,
        stored: &str,
        collection: &'static str,
    ) -> Result<(), Fault> {
        let Some(name) = row.remove(sugar).filter(|name| !name.is_null()) else { return Ok(()) };
        if row.get(stored).is_some_and(|id| !id.is_null()) {
            return Err(Fault::new(sugar, format!("cannot stand beside {stored}")));
        }
        let Value::String(name) = name else { return Err(Fault::new(sugar, "must be a text")) };
        let id = self.id(collection, &name).map_err(|message| Fault::new(sugar, message))?;
        row.insert(stored.to_owned(), Value::String(id));
        Ok(())
    }

    fn id(&self, collection: &'static str, name: &str) -> Result<String, String> {
        if self.rows.contains(&(collection, name.to_owned())) {
            return Ok(row_id(collection, name));
        }
        let mut known: Vec<&str> =
            self.rows.iter().filter(|(of, _)| *of == collection).map(|(_, name)| name.as_str()).collect();
        known.sort_unstable();
        let near = suggestion(name, known.iter().copied());
        let shown =
            known.iter().take(MOST_SHOWN).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let more = if known.len() > MOST_SHOWN { ", …" } else { "" };
        Err(match known.len() {
            0 => format!("{name:?} is not among {collection}: there are none"),
            _ => format!("{name:?} is not among {collection}{near} (known: {shown}{more})"),
        })
    }

    /// `key_env` becomes `key_hash`.
    fn key(&self, row: &mut Members) -> Result<(), Fault> {
        let hashed = row.get("key_hash").is_some_and(|hash| !hash.is_null());
        let Some(variable) = row.remove("key_env").filter(|name| !name.is_null()) else {
            return if hashed { Ok(()) } else { Err(Fault::new("", "needs key_env or key_hash")) };
        };
        if hashed {
            return Err(Fault::new("key_env", "cannot stand beside key_hash"));
        }
        let Value::String(variable) = variable else {
            return Err(Fault::new("key_env", "must be the name of an environment variable"));
        };
        let plaintext = self.plaintext(&variable).map_err(|message| Fault::new("key_env", message))?;
        row.insert("key_hash".to_owned(), Value::String(to_hex(&sha256(plaintext.as_bytes()))));
        Ok(())
    }

    /// The key in a variable. Messages name the variable only where it looks like the name of one, for
    /// fear that the key itself was written there.
    fn plaintext(&self, variable: &str) -> Result<String, String> {
        let is_name = variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || variable.is_empty() {
            return Err(
                "must be the name of an environment variable: letters, digits and underscores".to_owned()
            );
        }
        let Some(plaintext) = (self.env)(variable).filter(|plaintext| !plaintext.is_empty()) else {
            return Err(format!("the variable {variable:?} is not set or empty"));
        };
        if plaintext.contains("${") {
            return Err(format!("the variable {variable:?} holds an unresolved ${{…}}"));
        }
        if plaintext.trim() != plaintext {
            return Err(format!("the variable {variable:?} has white space around the key"));
        }
        Ok(plaintext)
    }

    fn policy(&self, row: &mut Members) -> Result<(), Fault> {
        let scope = match row.get("scope").and_then(Value::as_str) {
            Some("api_key") => Some("api_keys"),
            Some("model") => Some("models"),
            _ => None,
        };
        if let (Some(collection), Some(Value::String(name))) = (scope, row.get_mut("scope_ref")) {
            *name = self.id(collection, name).map_err(|message| Fault::new("scope_ref", message))?;
        }
        match row.get_mut("conditions") {
            Some(Value::Array(conditions)) => self.conditions(conditions, "conditions"),
            _ => Ok(()),
        }
    }

    fn conditions(&self, conditions: &mut [Value], path: &str) -> Result<(), Fault> {
        for (index, condition) in conditions.iter_mut().enumerate() {
            let path = format!("{path}[{index}]");
            if let Some(Value::Array(children)) = condition.get_mut("children") {
                self.conditions(children, &format!("{path}.children"))?;
            }
            let collection = match condition.get("dimension").and_then(Value::as_str) {
                Some("api_key") => "api_keys",
                Some("model") => "models",
                _ => continue,
            };
            let names = match condition.get_mut("value") {
                Some(Value::Array(names)) => names.as_mut_slice(),
                Some(name) => std::slice::from_mut(name),
                None => continue,
            };
            for name in names {
                let Value::String(name) = name else { continue };
                *name = self
                    .id(collection, name)
                    .map_err(|message| Fault::new(format!("{path}.value"), message))?;
            }
        }
        Ok(())
    }
}

/// `api_key` and `secret` are two spellings of one member.
fn one_credential(row: &Members) -> Result<(), Fault> {
    let present = |name| row.get(name).is_some_and(|value: &Value| !value.is_null());
    match (present("api_key"), present("secret")) {
        (true, true) => Err(Fault::new("secret", "cannot stand beside api_key: they are the same")),
        (false, false) => Err(Fault::new("api_key", "is required")),
        _ => Ok(()),
    }
}

/// The older spelling of the MCP grant.
fn allowed_tools(row: &mut Members) -> Result<(), Fault> {
    let Some(tools) = row.remove("allowed_tools").filter(|tools| !tools.is_null()) else { return Ok(()) };
    if row.get("mcp_access").is_some_and(|access| !access.is_null()) {
        return Err(Fault::new("allowed_tools", "cannot stand beside mcp_access: it is the older spelling"));
    }
    row.insert("mcp_access".to_owned(), json!({"allow": tools}));
    Ok(())
}

/// Names listed in a message.
const MOST_SHOWN: usize = 20;
