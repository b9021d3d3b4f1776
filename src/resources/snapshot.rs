//! One consistent set of rows, and the lookups a request makes.
//!
//! A snapshot never changes; a reload builds the next one. It holds no caches and no counters.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest::{Context, SHA256};

use super::check::{self, Finding, Rows};
use super::provider_key::ResponseRules;
use super::{ApiKey, COLLECTIONS, GenericRow, Glob, Model, ProviderKey, Shape, sha256, to_hex};
use crate::document::{Problem, Problems};

/// All rows of one generation.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// No two snapshots with rows have the same in one process.
    serial: u64,
    generation: u64,
    hash: String,
    /// Sorted by alias.
    models: Vec<Arc<Model>>,
    /// Wildcards left out: their alias is a pattern, not a name.
    by_alias: foldhash::HashMap<String, Arc<Model>>,
    /// The longest literal part first, then in the order they were written.
    wildcards: Vec<(Glob, Arc<Model>)>,
    /// Sorted by display name.
    provider_keys: Vec<Arc<ProviderKey>>,
    by_provider_key_id: HashMap<String, Arc<ProviderKey>>,
    by_key_hash: foldhash::HashMap<[u8; 32], Arc<ApiKey>>,
    generic: Vec<GenericRow>,
}

/// The serial of the next snapshot; 0 is that of those without rows.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// The model a name led to.
#[derive(Debug)]
pub struct Match<'a> {
    pub model: &'a Arc<Model>,
    /// The text under the `*` of a wildcard alias.
    pub captured: Option<String>,
}

impl Snapshot {
    /// No rows at all, generation 0: what is served before the first load.
    pub fn empty() -> Self {
        Snapshot { hash: to_hex(&sha256(b"")), ..Snapshot::default() }
    }

    pub fn builder() -> SnapshotBuilder {
        SnapshotBuilder::default()
    }

    /// Tells this snapshot from every other of this process.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Counts successful loads; 1 at boot.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The caller key whose plaintext has this SHA-256. Does not say whether it is enabled.
    pub fn caller_key(&self, sha256: &[u8; 32]) -> Option<&Arc<ApiKey>> {
        self.by_key_hash.get(sha256)
    }

    /// The model for a name: the exact alias first, then the wildcard with the longest literal part.
    /// Allocates only for a wildcard.
    pub fn model(&self, alias: &str) -> Option<Match<'_>> {
        if let Some(model) = self.by_alias.get(alias) {
            return Some(Match { model, captured: None });
        }
        self.wildcards.iter().find_map(|(pattern, model)| {
            let captured = pattern.capture(alias)?;
            let names_an_upstream = !captured.is_empty() || model.names_itself();
            names_an_upstream.then(|| Match { model, captured: Some(captured.to_owned()) })
        })
    }

    /// Sorted by alias.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.models.iter()
    }

    pub fn provider_key(&self, id: &str) -> Option<&Arc<ProviderKey>> {
        self.by_provider_key_id.get(id)
    }

    /// Sorted by display name.
    pub fn provider_keys(&self) -> impl Iterator<Item = &Arc<ProviderKey>> {
        self.provider_keys.iter()
    }

    /// Caller keys in no particular order.
    pub fn api_keys(&self) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.by_key_hash.values()
    }

    /// Rows of the kinds that do not act yet.
    pub fn generic(&self) -> impl Iterator<Item = &GenericRow> {
        self.generic.iter()
    }

    /// Rows per collection, every collection in its order, zero included.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        COLLECTIONS.iter().map(|collection| (collection.name, self.count(collection.name))).collect()
    }

    fn count(&self, collection: &str) -> usize {
        match collection {
            "provider_keys" => self.provider_keys.len(),
            "models" => self.models.len(),
            "api_keys" => self.by_key_hash.len(),
            other => self.generic.iter().filter(|row| row.collection == other).count(),
        }
    }

    /// What was accepted but is not in force, one sentence each, for a loud warning.
    pub fn dormant(&self) -> Vec<String> {
        let kinds = COLLECTIONS.iter().filter(|collection| !collection.acts);
        let models = |has: fn(&Model) -> bool| self.models().filter(|model| has(model)).count();
        let keys = |has: fn(&ProviderKey) -> bool| self.provider_keys().filter(|key| has(key)).count();
        kinds
            .map(|collection| (collection.name, self.count(collection.name)))
            .chain([
                ("rate_limit on api_keys", self.api_keys().filter(|key| key.rate_limit.is_some()).count()),
                ("rate_limit on models", models(|model| model.rate_limit.is_some())),
                ("routing, ensemble or semantic on models", models(|model| model.shape() != Shape::Direct)),
                ("cooldown on models", models(|model| model.cooldown.is_some())),
                ("background_model_check on models", models(|model| model.background_model_check.is_some())),
                ("auto_prompt_caching on models", models(|model| model.auto_prompt_caching.is_some())),
                ("cost on models", models(|model| model.cost.is_some())),
                ("request body rules on provider_keys", keys(|key| key.request.edits_bodies())),
                ("response rules on provider_keys", keys(|key| key.response != ResponseRules::default())),
            ])
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| {
                let rows = if count == 1 { "row is" } else { "rows are" };
                format!("{what}: {count} {rows} accepted but not in force in this build")
            })
            .collect()
    }

    /// SHA-256 in hexadecimal over all rows, credentials included. Equal for equal rows.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Collects rows for a [`Snapshot`].
#[derive(Debug, Default)]
pub struct SnapshotBuilder {
    generation: Option<u64>,
    hash: Option<String>,
    models: Vec<Model>,
    api_keys: Vec<ApiKey>,
    provider_keys: Vec<ProviderKey>,
    generic: Vec<GenericRow>,
}

impl SnapshotBuilder {
    /// 1 unless said otherwise.
    #[must_use]
    pub fn generation(mut self, generation: u64) -> Self {
        self.generation = Some(generation);
        self
    }

    /// The digest of the source, where the rows came from one; computed from the rows otherwise.
    #[must_use]
    pub fn hash(mut self, hash: String) -> Self {
        self.hash = Some(hash);
        self
    }

    #[must_use]
    pub fn add_model(mut self, mut model: Model, id: impl Into<String>) -> Self {
        model.id = id.into();
        self.models.push(model);
        self
    }

    #[must_use]
    pub fn add_api_key(mut self, mut key: ApiKey, id: impl Into<String>) -> Self {
        key.id = id.into();
        self.api_keys.push(key);
        self
    }

    #[must_use]
    pub fn add_provider_key(mut self, mut key: ProviderKey, id: impl Into<String>) -> Self {
        key.id = id.into();
        self.provider_keys.push(key);
        self
    }

    #[must_use]
    pub fn add_generic(mut self, row: GenericRow) -> Self {
        self.generic.push(row);
        self
    }

    /// The snapshot, if the rows are whole and fit together.
    ///
    /// # Errors
    /// Every row that breaks a rule of its kind, is there twice, or names another one that is not there.
    pub fn build(self) -> Result<Snapshot, Problems> {
        let findings = check::findings(&self.rows());
        let problems: Vec<Problem> = findings.iter().map(|finding| self.problem(finding)).collect();
        Problems::from(problems).or(()).map(|()| self.assemble())
    }

    fn rows(&self) -> Rows<'_> {
        Rows {
            provider_keys: self.provider_keys.iter().enumerate().collect(),
            models: self.models.iter().enumerate().collect(),
            api_keys: self.api_keys.iter().enumerate().collect(),
            generic: self.generic.iter().enumerate().collect(),
            unread: HashSet::new(),
        }
    }

    fn problem(&self, finding: &Finding) -> Problem {
        let index = finding.index;
        let name = match finding.collection {
            "provider_keys" => self.provider_keys.get(index).map(|row| row.display_name.as_str()),
            "models" => self.models.get(index).map(|row| row.display_name.as_str()),
            "api_keys" => self.api_keys.get(index).and_then(|row| row.display_name.as_deref()),
            _ => self.generic.get(index).map(|row| row.name.as_str()),
        };
        let path = check::scope(finding.collection, index, name);
        Problem { file: None, line: None, path, message: finding.message() }
    }

    /// The snapshot of rows that were checked already.
    pub(crate) fn assemble(self) -> Snapshot {
        let hash = self.hash.clone().unwrap_or_else(|| self.digest());
        let mut models: Vec<Arc<Model>> = self.models.into_iter().map(Arc::new).collect();
        let wildcards = wildcards(&models);
        models.sort_by(|a, b| a.display_name.cmp(&b.display_name));
        let mut provider_keys: Vec<Arc<ProviderKey>> = self.provider_keys.into_iter().map(Arc::new).collect();
        provider_keys.sort_by(|a, b| a.display_name.cmp(&b.display_name));
        Snapshot {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            generation: self.generation.unwrap_or(1),
            hash,
            by_alias: models
                .iter()
                .filter(|model| !model.is_wildcard())
                .map(|model| (model.display_name.clone(), model.clone()))
                .collect(),
            models,
            wildcards,
            by_provider_key_id: provider_keys.iter().map(|key| (key.id.clone(), key.clone())).collect(),
            provider_keys,
            by_key_hash: self.api_keys.into_iter().map(|key| (key.hash, Arc::new(key))).collect(),
            generic: self.generic,
        }
    }

    /// A digest of rows that came without a source. Debug shows all of a row but its credentials, so these
    /// are added.
    fn digest(&self) -> String {
        let mut digest = Context::new(&SHA256);
        digest.update(format!("{:?}{:?}{:?}", self.models, self.api_keys, self.provider_keys).as_bytes());
        for key in &self.provider_keys {
            digest.update(&sha256(key.secret.expose().as_bytes()));
            let client_key = key.tls.client_key.as_ref().map_or("", |secret| secret.expose());
            digest.update(&sha256(client_key.as_bytes()));
        }
        for row in &self.generic {
            digest.update(format!("{}/{}{}", row.collection, row.name, row.body).as_bytes());
        }
        to_hex(digest.finish().as_ref())
    }
}

/// The wildcard models, the longest literal part first, then as written.
fn wildcards(models: &[Arc<Model>]) -> Vec<(Glob, Arc<Model>)> {
    let mut found: Vec<(Glob, Arc<Model>)> = models
        .iter()
        .filter(|model| model.shape() == Shape::Direct)
        .map(|model| (Glob::new(model.display_name.as_str()), model.clone()))
        .filter(|(pattern, _)| pattern.is_pattern())
        .collect();
    found.sort_by_key(|(pattern, _)| Reverse(pattern.literal_len()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider_key() -> ProviderKey {
        ProviderKey::new("p", "openai", "s3cret")
    }

    fn aliases(aliases: &[&str]) -> Snapshot {
        let mut builder = Snapshot::builder().add_provider_key(provider_key(), "p1");
        for alias in aliases {
            let mut model = Model::direct(alias, "openai", "up-*", "p1");
            if alias.ends_with("bare*") {
                model.model_name = None;
            }
            builder = builder.add_model(model, *alias);
        }
        builder.build().expect("the rows are sound")
    }

    #[test]
    fn the_exact_alias_wins_then_the_longest_literal_part() {
        let snapshot = aliases(&["*", "gpt-*", "gpt-4*", "*-4o", "gpt-4o", "bare*"]);
        let table = [
            ("gpt-4o", Some(("gpt-4o", None, "up-*"))),
            ("gpt-4.1", Some(("gpt-4*", Some(".1"), "up-.1"))),
            ("gpt-4", Some(("gpt-4*", Some(""), "up-"))),
            ("gpt-5", Some(("gpt-*", Some("5"), "up-5"))),
            ("x-4o", Some(("*-4o", Some("x"), "up-x"))),
            ("gpt-*", Some(("gpt-*", Some("*"), "up-*"))),
            ("bare1", Some(("bare*", Some("1"), "1"))),
            ("bare", Some(("*", Some("bare"), "up-bare"))),
            ("", Some(("*", Some(""), "up-"))),
        ];
        for (name, expected) in table {
            let found = snapshot.model(name).map(|found| {
                let upstream = found.model.upstream_model(found.captured.as_deref()).into_owned();
                (found.model.display_name.clone(), found.captured, upstream)
            });
            let expected = expected
                .map(|(alias, captured, up)| (alias.to_owned(), captured.map(str::to_owned), up.to_owned()));
            assert_eq!(found, expected, "{name:?}");
        }
        assert!(aliases(&["a", "b*"]).model("c").is_none());
    }

    #[test]
    fn equally_long_wildcards_are_tried_as_written() {
        assert_eq!(
            aliases(&["a*", "*b"]).model("ab").map(|found| found.model.display_name.clone()),
            Some("a*".into())
        );
        assert_eq!(
            aliases(&["*b", "a*"]).model("ab").map(|found| found.model.display_name.clone()),
            Some("*b".into())
        );
    }

    #[test]
    fn models_are_listed_by_alias_and_keys_found_by_hash() {
        let snapshot = Snapshot::builder()
            .add_provider_key(provider_key(), "p1")
            .add_model(Model::direct("b", "openai", "x", "p1"), "m1")
            .add_model(Model::direct("a", "openai", "x", "p1"), "m2")
            .add_api_key(ApiKey::new("sk-1", &["a"]), "k1")
            .build()
            .expect("the rows are sound");
        let listed: Vec<&str> = snapshot.models().map(|model| model.display_name.as_str()).collect();
        assert_eq!(listed, ["a", "b"]);
        assert_eq!(snapshot.caller_key(&sha256(b"sk-1")).map(|key| key.id.as_str()), Some("k1"));
        assert!(snapshot.caller_key(&sha256(b"sk-2")).is_none());
        assert_eq!((snapshot.generation(), Snapshot::empty().generation()), (1, 0));
        assert!(Snapshot::empty().models().next().is_none());
    }

    #[test]
    fn a_builder_refuses_rows_that_do_not_fit_together() {
        let problems = Snapshot::builder()
            .add_provider_key(ProviderKey::new("p", "openai", ""), "p1")
            .add_model(Model::direct("a", "openai", "x", "p2"), "m1")
            .add_model(Model::direct("a", "openai", "x", "p1"), "m2")
            .add_api_key(ApiKey::new("sk-1", &["b"]), "k1")
            .build()
            .expect_err("four things are wrong");
        let expected = "api_keys[0]: allowed_models[0]: unknown model \"b\", did you mean \"a\"?\n\
                        models[0] (\"a\"): provider_key_id: matches no provider key\n\
                        models[1] (\"a\"): has the name of models[0]\n\
                        provider_keys[0] (\"p\"): api_key: must not be empty";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn the_hash_of_built_rows_covers_their_secrets() {
        let hash = |secret: &str| {
            let key = ProviderKey::new("p", "openai", secret);
            Snapshot::builder().add_provider_key(key, "p1").build().expect("it is sound").hash().to_owned()
        };
        assert_eq!(hash("a"), hash("a"));
        assert_ne!(hash("a"), hash("b"));
    }

    #[test]
    fn a_snapshot_can_be_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Snapshot>();
    }
}
