//! The `config.yaml` of a LiteLLM proxy as a resources file. Its form is documented at
//! <https://docs.litellm.ai/docs/proxy/configs> and <https://docs.litellm.ai/docs/proxy/config_settings>.
//!
//! Deployments become models, accounts become provider keys, and where several deployments share a name or have
//! fallbacks, the name becomes an alias that chooses among them. Whatever has no counterpart is told.

mod deployment;
mod routing;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::document::{Document, Format, Problems, emit};
use crate::resources::file;
use deployment::{Defaults, Deployment};
use routing::Routing;
use source::{Notes, Source};

/// What became of a configuration.
pub struct Translation {
    /// A resources file.
    pub text: String,
    /// What was left out or changed, with paths and reasons.
    pub notes: Vec<String>,
    literals: Literals,
}

/// Secrets that stood in the file itself, by the variables that stand for them now: place and value. Nothing prints the
/// values.
#[derive(Default)]
pub struct Literals(BTreeMap<String, (String, String)>);

impl Translation {
    /// The variables to set, each with the place of what belongs into it.
    pub fn literals(&self) -> Vec<(&str, &str)> {
        self.literals.0.iter().map(|(name, (place, _))| (name.as_str(), place.as_str())).collect()
    }

    /// The secret a variable stands for.
    pub fn literal(&self, name: &str) -> Option<String> {
        self.literals.0.get(name).map(|(_, value)| value.clone())
    }

    /// Why the resources file would be refused, whatever its variables hold.
    pub fn faults(&self) -> Vec<String> {
        let env = |name: &str| Some(format!("value-of-{name}"));
        match file::read(&self.text, Path::new("(import)"), &env) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Literals {
    /// `${NAME}` for a credential: of the variable it is in, or of one that it has to be put into.
    pub fn variable(&mut self, credential: &str, name: &str, place: &str) -> String {
        if let Some(variable) = credential.strip_prefix(IN_ENVIRONMENT) {
            return format!("${{{variable}}}");
        }
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let free = |name: &String| self.0.get(name).is_none_or(|(_, value)| value == credential);
        let name = [name.to_owned()].into_iter().chain(numbered).find(free).unwrap_or_default();
        self.0.entry(name.clone()).or_insert_with(|| (place.to_owned(), credential.to_owned()));
        format!("${{{name}}}")
    }
}

/// Reads the text of a LiteLLM configuration. `file` names it in problems.
///
/// # Errors
/// It is no YAML of one mapping.
pub fn translate(text: &str, file: &Path) -> Result<Translation, Problems> {
    let document = Document::read(text, Format::Yaml, file)?;
    let mut notes = Notes::default();
    let mut literals = Literals::default();
    let mut top = Source::new("", Some(document.value), &mut notes);
    let entries = top.list("model_list", &mut notes);
    let mut router = top.inner("router_settings", &mut notes);
    let mut library = top.inner("litellm_settings", &mut notes);
    let mut general = top.inner("general_settings", &mut notes);
    let defaults = Defaults::take(&mut router, &mut library, &mut notes);
    let routing = Routing::take(&mut router, &mut library, &defaults, &mut notes);
    let mut accounts = deployment::Accounts::default();
    let mut deployments = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let mut entry = Source::new(format!("model_list[{index}]"), Some(entry), &mut notes);
        deployments.extend(Deployment::take(&mut entry, &defaults, &mut accounts, &mut literals, &mut notes));
        entry.finish(|_| NO_COUNTERPART, &mut notes);
    }
    let mut rows: Vec<(&str, Vec<Map<String, Value>>)> = vec![
        ("provider_keys", accounts.rows()),
        ("models", routing.models(deployments, &mut notes)),
        ("api_keys", master_key(&mut general, &mut literals, &mut notes)),
        ("cache_policies", cache(&mut library, &mut notes)),
    ];
    router.finish(router_reason, &mut notes);
    library.finish(library_reason, &mut notes);
    general.finish(general_reason, &mut notes);
    top.finish(|_| NO_COUNTERPART, &mut notes);
    rows.retain(|(_, rows)| !rows.is_empty());
    Ok(Translation { text: written(&rows), notes: notes.into_vec(), literals })
}

fn written(collections: &[(&str, Vec<Map<String, Value>>)]) -> String {
    let mut text = String::from("# From a LiteLLM configuration.\n\n_format_version: \"1\"\n");
    for (collection, rows) in collections {
        text.push_str(&format!("\n{collection}:\n"));
        let rows: Vec<String> = rows.iter().map(|row| emit::entry(row, 1)).collect();
        text.push_str(&rows.join("\n"));
    }
    text
}

/// The master key opens every model, and everything else of the proxy.
fn master_key(general: &mut Source, literals: &mut Literals, notes: &mut Notes) -> Vec<Map<String, Value>> {
    let Some(key) = general.text("master_key", notes) else { return Vec::new() };
    let path = general.path("master_key");
    let variable = literals.variable(&key, "LITELLM_MASTER_KEY", &path);
    let variable = variable.trim_start_matches("${").trim_end_matches('}');
    notes.add(
        &path,
        "becomes a caller key for all models; it is no admin key here: those are admin.admin_keys of the bootstrap file",
    );
    let row = json!({"display_name": "litellm-master-key", "key_env": variable, "allowed_models": ["*"]});
    mapping(row).into_iter().collect()
}

/// `cache` and `cache_params`.
fn cache(library: &mut Source, notes: &mut Notes) -> Vec<Map<String, Value>> {
    let on = library.take("cache").is_some_and(|on| on == Value::Bool(true));
    let path = library.path("cache_params");
    let mut params = library.inner("cache_params", notes);
    let kind = params.text("type", notes);
    let backend = match kind.as_deref() {
        None | Some("local") => "memory",
        Some(kind) if kind.starts_with("redis") => "redis",
        Some(_) => {
            notes.add(&format!("{path}.type"), "becomes memory: there is no such store of answers");
            "memory"
        }
    };
    let seconds = params.whole("ttl", notes).map(|seconds| seconds.clamp(1, 604_800));
    params.finish(|_| "connections stand in the bootstrap file, under cache", notes);
    if !on {
        return Vec::new();
    }
    let mut row = Map::new();
    row.insert("name".to_owned(), "litellm".into());
    row.insert("backend".to_owned(), backend.into());
    // What LiteLLM keeps is served to every key.
    row.insert("scope".to_owned(), "env".into());
    seconds.map(|seconds| row.insert("ttl_seconds".to_owned(), seconds.into()));
    vec![row]
}

fn mapping(value: Value) -> Option<Map<String, Value>> {
    if let Value::Object(members) = value { Some(members) } else { None }
}

fn router_reason(name: &str) -> &'static str {
    match name {
        "allowed_fails" | "allowed_fails_policy" => "the first failure of a trigger cools a target down",
        "context_window_fallbacks" | "content_policy_fallbacks" => {
            "targets are not chosen by the kind of a failure"
        }
        name if name.starts_with("redis") => "connections stand in the bootstrap file",
        "enable_pre_call_checks" => "there are no such checks before a call",
        _ => NO_COUNTERPART,
    }
}

fn library_reason(name: &str) -> &'static str {
    match name {
        "drop_params" => "members of a request are passed on as they are",
        "callbacks" | "success_callback" | "failure_callback" | "service_callback" => {
            "see observability_exporters for where usage can be sent"
        }
        "context_window_fallbacks" | "content_policy_fallbacks" => {
            "targets are not chosen by the kind of a failure"
        }
        _ => NO_COUNTERPART,
    }
}

fn general_reason(name: &str) -> &'static str {
    match name {
        "database_url" | "store_model_in_db" | "database_connection_pool_limit" => {
            "virtual keys, teams and spend in its database are not in the file; make keys with aisix key create"
        }
        _ => NO_COUNTERPART,
    }
}

const NO_COUNTERPART: &str = "it has no counterpart here";
/// What LiteLLM writes in front of the name of a variable.
const IN_ENVIRONMENT: &str = "os.environ/";

#[cfg(test)]
mod tests;
