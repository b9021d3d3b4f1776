//! The gateway without any configuration: what the environment offers, and a simulated provider.

use std::net::TcpListener;
use std::sync::Arc;

use crate::resources::{Adapter, ApiKey, Model, ProviderKey, Snapshot, SnapshotBuilder};
use crate::sim;
use crate::upstream::{PROVIDERS, Provider};

/// What a start without configuration came to.
pub struct Standalone {
    pub snapshot: Arc<Snapshot>,
    /// The key callers use.
    pub caller_key: CallerKey,
    /// Aliases by where they come from.
    pub aliases: Vec<(String, Vec<String>)>,
    /// Keeps the simulated provider running.
    _sim: sim::Handle,
}

/// The key of the only caller.
pub enum CallerKey {
    /// Made for this run; shown once, to the person who started it.
    Made(String),
    /// Brought in `AISIX_CALLER_KEY`; its owner knows it.
    Brought,
}

/// Starts the simulated provider and collects what the environment offers.
///
/// # Errors
/// When the simulated provider cannot be started or the environment holds something unusable.
pub fn start() -> Result<Standalone, String> {
    let listener =
        TcpListener::bind("127.0.0.1:0").map_err(|error| format!("simulated provider: {error}"))?;
    let sim = sim::spawn(sim::Settings::default(), listener)
        .map_err(|error| format!("simulated provider: {error}"))?;
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let caller_key = match environment("AISIX_CALLER_KEY") {
        Some(_) => CallerKey::Brought,
        None => CallerKey::Made(format!("sk-{}", uuid::Uuid::new_v4().simple())),
    };
    let plaintext = match &caller_key {
        CallerKey::Made(key) => key.clone(),
        CallerKey::Brought => environment("AISIX_CALLER_KEY").unwrap_or_default(),
    };
    let mut caller = ApiKey::new(&plaintext, &["*"]);
    caller.display_name = Some("standalone".into());
    let builder = Snapshot::builder().generation(1).add_api_key(caller, "standalone");
    let (builder, aliases) = add_providers(builder, &format!("http://{}", sim.addr()), &environment);
    let snapshot = builder.build().map_err(|problems| problems.to_string())?;
    Ok(Standalone { snapshot: Arc::new(snapshot), caller_key, aliases, _sim: sim })
}

type Aliases = Vec<(String, Vec<String>)>;

fn add_providers(
    mut builder: SnapshotBuilder,
    sim: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (SnapshotBuilder, Aliases) {
    let mut aliases = vec![(SIMULATED.to_owned(), vec![SIM_OPENAI.to_owned(), SIM_ANTHROPIC.to_owned()])];
    for (alias, adapter, base) in [
        (SIM_OPENAI, Adapter::OpenAi, format!("{sim}/v1")),
        (SIM_ANTHROPIC, Adapter::Anthropic, sim.to_owned()),
    ] {
        let mut key = ProviderKey::new(alias, SIMULATED, SIMULATED);
        key.adapter = Some(adapter);
        key.api_base = Some(base);
        builder = builder
            .add_provider_key(key, alias)
            .add_model(Model::direct(alias, SIMULATED, alias, alias), alias);
    }
    for provider in PROVIDERS {
        let Some(key) = found(provider, environment) else { continue };
        builder = builder.add_provider_key(key, provider.label);
        for alias in provider.aliases {
            let upstream =
                alias.strip_prefix(provider.label).and_then(|rest| rest.strip_prefix('/')).unwrap_or(alias);
            builder =
                builder.add_model(Model::direct(alias, provider.label, upstream, provider.label), *alias);
        }
        aliases.push((
            provider.label.to_owned(),
            provider.aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        ));
    }
    (builder, aliases)
}

/// A vendor counts as found when its key is set, or its address where no key is needed.
fn found(provider: &Provider, environment: &dyn Fn(&str) -> Option<String>) -> Option<ProviderKey> {
    let secret = provider.key_env.iter().find_map(|name| environment(name));
    let base = environment(provider.base_env);
    let needs_key = provider.base.is_some();
    if needs_key && secret.is_none() || !needs_key && base.is_none() {
        return None;
    }
    let mut key = ProviderKey::new(provider.label, provider.label, secret.as_deref().unwrap_or(NO_KEY));
    key.api_base = base.map(|base| if needs_key { base } else { with_version(&base) });
    Some(key)
}

/// Users of local servers write the bare origin; their OpenAI-compatible API is below `/v1`.
fn with_version(base: &str) -> String {
    let base = base.trim().trim_end_matches('/');
    let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
    let is_bare = base.split("://").nth(1).is_some_and(|rest| !rest.contains('/'));
    if is_bare { format!("{base}/v1") } else { base }
}

/// Alias of the simulated provider's OpenAI side.
pub const SIM_OPENAI: &str = "sim-openai";
/// Alias of the simulated provider's Anthropic side.
pub const SIM_ANTHROPIC: &str = "sim-anthropic";
/// Vendor label of the simulated provider.
const SIMULATED: &str = "simulated";
/// Sent where a local server wants a key and checks none.
const NO_KEY: &str = "none";

#[cfg(test)]
mod tests {
    use super::*;

    fn built(pairs: &[(&str, &str)]) -> Snapshot {
        let environment =
            |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        add_providers(Snapshot::builder(), "http://127.0.0.1:1", &environment).0.build().expect("sound")
    }

    #[test]
    fn providers_of_the_environment_become_aliases() {
        let snapshot = built(&[("OPENAI_API_KEY", "sk-x"), ("OLLAMA_BASE_URL", "http://localhost:11434")]);
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
    fn a_local_address_gets_its_scheme_and_version() {
        assert_eq!(with_version("localhost:8000"), "http://localhost:8000/v1");
        assert_eq!(with_version("http://gpu:8000/api/v1/"), "http://gpu:8000/api/v1");
    }
}
