//! The gateway without any configuration: what the environment offers, and a simulated provider.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::config::Config;
use crate::resources::{ApiKey, Model, ProviderKey, Resource, Secret, api_key, kind};
use crate::sim;
use crate::store::keeper::Offered;
use crate::upstream::{PROVIDERS, Provider};

/// What a start without configuration came to.
pub struct Standalone {
    /// What the environment offers, and the caller key of this run.
    pub offered: Vec<Offered>,
    /// The key callers use.
    pub caller_key: RunKey,
    /// The key of the Admin API.
    pub admin_key: RunKey,
    /// Aliases by where they come from.
    pub aliases: Vec<(String, Vec<String>)>,
    /// Keeps the simulated provider running.
    _sim: sim::Handle,
}

/// A key for this run.
pub enum RunKey {
    /// Made for it; shown once, to the person who started it.
    Made(Secret),
    /// Brought in a variable; its owner knows it.
    Brought(&'static str, Secret),
    /// There is nothing to use one for, or others are configured.
    None,
}

impl RunKey {
    fn of(variable: &'static str, prefix: &str, environment: &Environment<'_>) -> Self {
        match environment(variable) {
            Some(key) => RunKey::Brought(variable, Secret::new(key)),
            None => RunKey::Made(Secret::new(format!("{prefix}{}", uuid::Uuid::new_v4().simple()))),
        }
    }

    pub fn secret(&self) -> Option<Secret> {
        match self {
            RunKey::Made(key) | RunKey::Brought(_, key) => Some(key.clone()),
            RunKey::None => None,
        }
    }
}

type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Starts the simulated provider and collects what the environment offers.
///
/// # Errors
/// When the simulated provider cannot be started.
pub fn start(config: &Config) -> Result<Standalone, String> {
    let listener =
        TcpListener::bind("127.0.0.1:0").map_err(|error| format!("simulated provider: {error}"))?;
    let sim = sim::spawn(sim::Settings::default(), listener)
        .map_err(|error| format!("simulated provider: {error}"))?;
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let caller_key = RunKey::of("AISIX_CALLER_KEY", "sk-", &environment);
    let admin_key = match config.admin.enabled && config.admin.admin_keys.is_empty() {
        true => RunKey::of("AISIX_ADMIN_KEY", "admin-", &environment),
        false => RunKey::None,
    };
    let (mut offered, aliases) = offers(&format!("http://{}", sim.addr()), &environment);
    let hash = caller_key.secret().map(|key| api_key::hash_of(key.expose()));
    let row = json!({"display_name": "standalone", "key_hash": hash, "allowed_models": ["*"]});
    offered.extend(offer::<ApiKey>(row));
    Ok(Standalone { offered, caller_key, admin_key, aliases, _sim: sim })
}

fn offer<R: Resource>(body: Value) -> Option<Offered> {
    Some(Offered { kind: kind(R::COLLECTION)?, body })
}

type Aliases = Vec<(String, Vec<String>)>;

/// Provider keys first: models name them.
fn offers(sim: &str, environment: &Environment<'_>) -> (Vec<Offered>, Aliases) {
    let mut offered = Vec::new();
    let simulated = SIMULATIONS.iter().map(|simulation| simulation.alias.to_owned()).collect();
    let mut aliases = vec![(SIMULATED.to_owned(), simulated)];
    for Simulation { alias, adapter, path, secret } in SIMULATIONS {
        let key = json!({
            "display_name": alias, "provider": SIMULATED, "api_key": secret, "adapter": adapter,
            "api_base": format!("{sim}{path}"),
        });
        offered.extend(offer::<ProviderKey>(key));
        offered.extend(offer::<Model>(model(alias, SIMULATED, alias, alias)));
    }
    for provider in PROVIDERS {
        let Some(key) = found(provider, environment) else { continue };
        offered.extend(offer::<ProviderKey>(key));
        for alias in provider.aliases {
            // What stands before a slash names the vendor, and is no part of the id.
            let upstream = alias.split_once('/').map_or(*alias, |(_, id)| id);
            offered.extend(offer::<Model>(model(alias, provider.label, upstream, provider.label)));
        }
        aliases.push((
            provider.label.to_owned(),
            provider.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        ));
    }
    (offered, aliases)
}

fn model(alias: &str, provider: &str, upstream: &str, key: &str) -> Value {
    json!({"display_name": alias, "provider": provider, "model_name": upstream, "provider_key": key})
}

/// A vendor counts as found when its key is set, or its address where no key is needed; both where there is no address
/// that is everybody's.
fn found(provider: &Provider, environment: &Environment<'_>) -> Option<Value> {
    let secret = provider.key_env.iter().find_map(|name| environment(name));
    let base = environment(provider.base_env);
    let (lacks_key, lacks_base) =
        (!provider.local && secret.is_none(), provider.site.is_none() && base.is_none());
    if lacks_key || lacks_base {
        return None;
    }
    let base = base.map(|base| if provider.local { with_version(&base) } else { base });
    let mut key = json!({
        "display_name": provider.label, "provider": provider.label, "api_key": secret.as_deref().unwrap_or(NO_KEY),
    });
    if let Some(base) = base {
        key["api_base"] = base.into();
    }
    Some(key)
}

/// Users of local servers write the bare origin; their OpenAI-compatible API is below `/v1`.
fn with_version(base: &str) -> String {
    let base = base.trim().trim_end_matches('/');
    let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
    let is_bare = base.split("://").nth(1).is_some_and(|rest| !rest.contains('/'));
    if is_bare { format!("{base}/v1") } else { base }
}

/// The alias that first requests are shown with.
pub const SIM_OPENAI: &str = "sim-openai";

/// A way to ask the simulated provider: one for each format that providers speak.
struct Simulation {
    alias: &'static str,
    adapter: &'static str,
    /// Where its API begins.
    path: &'static str,
    secret: &'static str,
}

const SIMULATIONS: &[Simulation] = &[
    Simulation { alias: SIM_OPENAI, adapter: "openai", path: "/v1", secret: SIMULATED },
    Simulation { alias: "sim-anthropic", adapter: "anthropic", path: "", secret: SIMULATED },
    Simulation { alias: "sim-responses", adapter: "openai-responses", path: "/v1", secret: SIMULATED },
    Simulation { alias: "sim-gemini", adapter: "gemini", path: "/v1beta", secret: SIMULATED },
    Simulation {
        alias: "sim-bedrock",
        adapter: "bedrock",
        path: "",
        secret: r#"{"access_key_id":"AKIASIMULATED","secret_access_key":"simulated","region":"us-east-1"}"#,
    },
];
/// Vendor label of the simulated provider.
const SIMULATED: &str = "simulated";
/// Sent where a local server wants a key and checks none.
const NO_KEY: &str = "none";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::resources::Snapshot;
    use crate::store::Failure;
    use crate::store::absent::Absent;
    use crate::store::keeper::{self, Opening};

    /// What is served when a store that holds nothing is opened with what this environment offers.
    fn served(pairs: &[(&str, &str)]) -> Arc<Snapshot> {
        let environment =
            |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let (told, heard) = std::sync::mpsc::channel();
        let publish = move |snapshot: &Arc<Snapshot>| told.send(Arc::clone(snapshot)).expect("it is heard");
        let store = Absent { name: "environment", why: Failure::ReadOnly(String::new()) };
        let mut opening = Opening::new(Box::new(store), Box::new(publish));
        opening.offered = offers("http://127.0.0.1:1", &environment).0;
        keeper::start(opening).map(drop).expect("nothing can fail");
        heard.recv().expect("the first snapshot")
    }

    #[test]
    fn providers_of_the_environment_become_aliases() {
        let snapshot = served(&[("OPENAI_API_KEY", "sk-x"), ("OLLAMA_BASE_URL", "http://localhost:11434")]);
        let upstream = |alias: &str| {
            let found = snapshot.model(alias)?;
            Some(found.model.upstream_model(found.captured.as_deref()).into_owned())
        };
        assert_eq!(upstream("gpt-4o-mini").as_deref(), Some("gpt-4o-mini"));
        assert_eq!(upstream("openai/gpt-4o").as_deref(), Some("gpt-4o"));
        assert_eq!(upstream("ollama/llama3").as_deref(), Some("llama3"));
        assert_eq!(upstream("sim-openai").as_deref(), Some("sim-openai"));
        assert_eq!(upstream("claude-x"), None, "there is no Anthropic key");
        let bases: Vec<_> = snapshot.provider_keys().filter_map(|key| key.api_base.clone()).collect();
        assert!(bases.contains(&"http://localhost:11434/v1".to_owned()));
    }

    #[test]
    fn a_vendor_without_an_address_of_its_own_needs_both_key_and_address() {
        let keys = |pairs: &[(&str, &str)]| served(pairs).provider_keys().count();
        let none = keys(&[]);
        let (key, base) =
            (("AZURE_OPENAI_API_KEY", "k"), ("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com"));
        assert_eq!((keys(&[key]), keys(&[base]), keys(&[key, base])), (none, none, none + 1));
        let snapshot = served(&[key, base, ("PERPLEXITY_API_KEY", "k")]);
        let upstream = |alias: &str| {
            let found = snapshot.model(alias)?;
            Some(found.model.upstream_model(found.captured.as_deref()).into_owned())
        };
        assert_eq!(upstream("azure/my-gpt").as_deref(), Some("my-gpt"));
        assert_eq!(upstream("perplexity/perplexity/sonar").as_deref(), Some("perplexity/sonar"));
    }

    #[test]
    fn a_local_address_gets_its_scheme_and_version() {
        assert_eq!(with_version("localhost:8000"), "http://localhost:8000/v1");
        assert_eq!(with_version("http://gpu:8000/api/v1/"), "http://gpu:8000/api/v1");
    }
}
