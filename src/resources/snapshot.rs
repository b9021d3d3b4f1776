//! One consistent set of rows, and the lookups a request makes.
//!
//! A snapshot never changes; what follows it shares all that stayed the same. It holds no counters and nothing
//! that a request could write to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ring::digest::{Context, SHA256};

use super::catalog::{Catalog, Entry};
use super::kind::{AnyRow, Kind, downcast};
use super::provider_key::ResponseRules;
use super::shards::Shards;
use super::{ApiKey, Glob, KINDS, Model, ProviderKey, Resource, sha256, to_hex};
use crate::document::{Problem, Problems};

/// All rows of one generation.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// No two snapshots with rows have the same in one process.
    serial: u64,
    generation: u64,
    hash: String,
    /// Wildcards left out: their alias is a pattern, not a name.
    by_alias: Shards<String, Arc<Model>>,
    wildcards: Arc<Vec<Wildcard>>,
    provider_keys: Shards<String, Arc<ProviderKey>>,
    by_key_hash: Shards<[u8; 32], Arc<ApiKey>>,
    /// Rows of the other kinds by id, for each collection.
    others: BTreeMap<&'static str, Shards<String, Arc<dyn AnyRow>>>,
    /// The models by alias, once somebody has asked for them.
    listed: OnceLock<Vec<Arc<Model>>>,
}

/// The serial of the next snapshot; 0 is that of those without rows.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A model that stands for all names its pattern matches.
#[derive(Clone, Debug)]
struct Wildcard {
    pattern: Glob,
    /// Breaks the tie between patterns with equally long literal parts.
    order: usize,
    model: Arc<Model>,
}

/// The model a name led to.
#[derive(Debug)]
pub struct Match<'a> {
    pub model: &'a Arc<Model>,
    /// The text under the `*` of a wildcard alias.
    pub captured: Option<String>,
}

/// One row that comes, goes, or takes the place of its former self.
#[derive(Clone, Debug)]
pub struct Change {
    pub kind: &'static Kind,
    pub id: String,
    /// Where it stands among its kind, where that means something.
    pub order: usize,
    pub old: Option<Arc<dyn AnyRow>>,
    pub new: Option<Arc<dyn AnyRow>>,
}

impl Snapshot {
    /// No rows at all, generation 0: what is served before the first load.
    pub fn empty() -> Self {
        Snapshot { hash: to_hex(&sha256(b"")), ..Snapshot::default() }
    }

    pub fn builder() -> SnapshotBuilder {
        SnapshotBuilder::default()
    }

    /// The snapshot that follows when rows change. Costs what the change is.
    #[must_use]
    pub fn after(
        &self,
        changes: impl IntoIterator<Item = Change>,
        generation: u64,
        hash: String,
    ) -> Snapshot {
        let mut next = Snapshot {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            generation,
            hash,
            by_alias: self.by_alias.clone(),
            wildcards: Arc::clone(&self.wildcards),
            provider_keys: self.provider_keys.clone(),
            by_key_hash: self.by_key_hash.clone(),
            others: self.others.clone(),
            listed: OnceLock::new(),
        };
        let mut wildcards_changed = false;
        for change in changes {
            wildcards_changed |= next.apply(change);
        }
        if wildcards_changed {
            Arc::make_mut(&mut next.wildcards).sort_by(|one, other| one.rank().cmp(&other.rank()));
        }
        next
    }

    /// Is a wildcard among what changed?
    fn apply(&mut self, change: Change) -> bool {
        let Change { kind, id, order, old, new } = change;
        match kind.collection {
            Model::COLLECTION => {
                let old = old.and_then(downcast::<Model>);
                let new = new.and_then(downcast::<Model>);
                return self.apply_model(order, old, new);
            }
            ProviderKey::COLLECTION => match new.and_then(downcast::<ProviderKey>) {
                Some(new) => drop(self.provider_keys.insert(id, new)),
                None => drop(self.provider_keys.remove(&id)),
            },
            ApiKey::COLLECTION => {
                // A hash may have passed to another row in the same change.
                let old = old.and_then(downcast::<ApiKey>);
                let held = old.as_ref().and_then(|old| self.by_key_hash.get(&old.hash));
                if let Some(old) = old.as_ref().filter(|old| held.is_some_and(|there| there.id == old.id)) {
                    self.by_key_hash.remove(&old.hash);
                }
                if let Some(new) = new.and_then(downcast::<ApiKey>) {
                    self.by_key_hash.insert(new.hash, new);
                }
            }
            collection => {
                let rows = self.others.entry(collection).or_default();
                match new {
                    Some(new) => drop(rows.insert(id, new)),
                    None => drop(rows.remove(&id)),
                }
            }
        }
        false
    }

    fn apply_model(&mut self, order: usize, old: Option<Arc<Model>>, new: Option<Arc<Model>>) -> bool {
        let is_wildcard =
            |model: &Option<Arc<Model>>| model.as_ref().is_some_and(|model| model.is_wildcard());
        let wildcards_changed = is_wildcard(&old) || is_wildcard(&new);
        if let Some(old) = old.as_ref().filter(|old| old.is_wildcard()) {
            Arc::make_mut(&mut self.wildcards).retain(|wildcard| wildcard.model.id != old.id);
        } else if let Some(old) = old {
            // An alias may have passed to another row in the same change.
            if self.by_alias.get(&old.display_name).is_some_and(|there| there.id == old.id) {
                self.by_alias.remove(&old.display_name);
            }
        }
        if let Some(model) = new {
            match Resource::pattern(model.as_ref()) {
                Some(pattern) => Arc::make_mut(&mut self.wildcards).push(Wildcard { pattern, order, model }),
                None => drop(self.by_alias.insert(model.display_name.clone(), model)),
            }
        }
        wildcards_changed
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
        self.wildcards.iter().find_map(|Wildcard { pattern, model, .. }| {
            let captured = pattern.capture(alias)?;
            let names_an_upstream = !captured.is_empty() || model.names_itself();
            names_an_upstream.then(|| Match { model, captured: Some(captured.to_owned()) })
        })
    }

    /// Sorted by alias.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Model>> {
        let listed = self.listed.get_or_init(|| {
            let wildcards = self.wildcards.iter().map(|wildcard| &wildcard.model);
            let mut models: Vec<_> = self.by_alias.values().chain(wildcards).cloned().collect();
            models.sort_by(|one, other| one.display_name.cmp(&other.display_name));
            models
        });
        listed.iter()
    }

    /// The model of an id. Looks through all of them.
    pub fn model_of_id(&self, id: &str) -> Option<&Arc<Model>> {
        self.models().find(|model| model.id == id)
    }

    /// The models that another snapshot does not have as they are here. Costs what is different between the two.
    pub fn models_beyond<'s>(&'s self, other: &'s Snapshot) -> impl Iterator<Item = &'s Arc<Model>> {
        let named = self.by_alias.beyond(&other.by_alias, Arc::ptr_eq).map(|(_, model)| model);
        let pattern = (!Arc::ptr_eq(&self.wildcards, &other.wildcards)).then(|| {
            let known: HashSet<*const Model> =
                other.wildcards.iter().map(|wildcard| Arc::as_ptr(&wildcard.model)).collect();
            let wildcards = self.wildcards.iter().map(|wildcard| &wildcard.model);
            wildcards.filter(move |model| !known.contains(&Arc::as_ptr(model)))
        });
        named.chain(pattern.into_iter().flatten())
    }

    /// The same for provider keys.
    pub fn provider_keys_beyond<'s>(
        &'s self,
        other: &'s Snapshot,
    ) -> impl Iterator<Item = &'s Arc<ProviderKey>> {
        self.provider_keys.beyond(&other.provider_keys, Arc::ptr_eq).map(|(_, key)| key)
    }

    pub fn provider_key(&self, id: &str) -> Option<&Arc<ProviderKey>> {
        self.provider_keys.get(id)
    }

    /// In no particular order.
    pub fn provider_keys(&self) -> impl Iterator<Item = &Arc<ProviderKey>> {
        self.provider_keys.values()
    }

    /// Caller keys in no particular order.
    pub fn api_keys(&self) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.by_key_hash.values()
    }

    /// Rows of a kind without an index of its own, in no particular order.
    pub fn rows<R: Resource>(&self) -> impl Iterator<Item = Arc<R>> {
        let rows = self.others.get(R::COLLECTION).into_iter().flat_map(Shards::values);
        rows.filter_map(|row| downcast::<R>(Arc::clone(row)))
    }

    /// A row of such a kind by its id.
    pub fn row<R: Resource>(&self, id: &str) -> Option<Arc<R>> {
        self.others.get(R::COLLECTION)?.get(id).and_then(|row| downcast::<R>(Arc::clone(row)))
    }

    /// Rows per collection, every collection in its order, zero included.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        KINDS.iter().map(|kind| (kind.collection, self.count(kind.collection))).collect()
    }

    fn count(&self, collection: &str) -> usize {
        match collection {
            ProviderKey::COLLECTION => self.provider_keys.len(),
            Model::COLLECTION => self.by_alias.len() + self.wildcards.len(),
            ApiKey::COLLECTION => self.by_key_hash.len(),
            other => self.others.get(other).map_or(0, Shards::len),
        }
    }

    /// What was accepted but is not in force, one sentence each, for a loud warning.
    pub fn dormant(&self) -> Vec<String> {
        let kinds = KINDS.iter().filter(|kind| !kind.acts);
        let models = |has: fn(&Model) -> bool| self.models().filter(|model| has(model)).count();
        let keys = |has: fn(&ProviderKey) -> bool| self.provider_keys().filter(|key| has(key)).count();
        kinds
            .map(|kind| (kind.collection, self.count(kind.collection)))
            .chain([
                ("rate_limit on api_keys", self.api_keys().filter(|key| key.rate_limit.is_some()).count()),
                ("rate_limit on models", models(|model| model.rate_limit.is_some())),
                (
                    "background_model_check on models with a pattern or embeddings",
                    models(|model| {
                        model.background_model_check.is_some()
                            && (model.is_wildcard() || model.embedding.is_some())
                    }),
                ),
                ("auto_prompt_caching on models", models(|model| model.auto_prompt_caching.is_some())),
                ("cost on models, but for least_cost", models(|model| model.cost.is_some())),
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
    entries: Vec<Entry>,
    /// Rows of each collection so far.
    added: BTreeMap<&'static str, usize>,
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
    pub fn add_model(self, model: Model, id: impl Into<String>) -> Self {
        let name = model.display_name.clone();
        self.add(model, name, id)
    }

    #[must_use]
    pub fn add_api_key(self, key: ApiKey, id: impl Into<String>) -> Self {
        let id = id.into();
        let name = key.display_name.clone().unwrap_or_else(|| id.clone());
        self.add(key, name, id)
    }

    #[must_use]
    pub fn add_provider_key(self, key: ProviderKey, id: impl Into<String>) -> Self {
        let name = key.display_name.clone();
        self.add(key, name, id)
    }

    fn add<R: Resource>(mut self, mut row: R, name: String, id: impl Into<String>) -> Self {
        let id = id.into();
        row.identified(&id);
        if let Some(kind) = super::kind(R::COLLECTION) {
            let order = self.added.entry(R::COLLECTION).or_default();
            self.entries.push(Entry { kind, id, name, row: Some(Arc::new(row)), order: *order });
            *order += 1;
        }
        self
    }

    /// A row that was read already.
    #[must_use]
    pub fn add_entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// The snapshot, if the rows are whole and fit together.
    ///
    /// # Errors
    /// Every row that breaks a rule of its kind, is there twice, or names another one that is not there.
    pub fn build(self) -> Result<Snapshot, Problems> {
        let mut catalog = Catalog::default();
        let mut problems = Vec::new();
        self.entries.iter().for_each(|entry| catalog.put(entry.clone()));
        for entry in catalog.entries() {
            let own = entry.row.iter().flat_map(|row| row.faults());
            let breaches = catalog.breaches(entry);
            let faults = own.chain(breaches.iter().map(|breach| breach.fault(Entry::place)));
            problems.extend(faults.map(|fault| Problem {
                file: None,
                line: None,
                path: entry.scope(),
                message: fault.to_string(),
            }));
        }
        Problems::from(problems).or(()).map(|()| self.assemble())
    }

    /// The snapshot of rows that have been checked.
    pub(crate) fn assemble(self) -> Snapshot {
        let hash = self.hash.clone().unwrap_or_else(|| self.digest());
        let generation = self.generation.unwrap_or(1);
        let changes = self.entries.into_iter().map(|entry| Change {
            kind: entry.kind,
            id: entry.id,
            order: entry.order,
            old: None,
            new: entry.row,
        });
        Snapshot::default().after(changes, generation, hash)
    }

    /// A digest of rows that came without a source. Debug shows all of a row but its credentials, so these
    /// are added.
    fn digest(&self) -> String {
        let mut digest = Context::new(&SHA256);
        for entry in &self.entries {
            digest.update(format!("{}/{}{:?}", entry.kind.collection, entry.name, entry.row).as_bytes());
            let Some(key) = entry.row.clone().and_then(downcast::<ProviderKey>) else { continue };
            digest.update(&sha256(key.secret.expose().as_bytes()));
            let client_key = key.tls.client_key.as_ref().map_or("", |secret| secret.expose());
            digest.update(&sha256(client_key.as_bytes()));
        }
        to_hex(digest.finish().as_ref())
    }
}

impl Wildcard {
    /// The longest literal part first, then as written.
    fn rank(&self) -> (Reverse<usize>, usize, &str) {
        (Reverse(self.pattern.literal_len()), self.order, &self.model.display_name)
    }
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
            .expect_err("three things are wrong");
        let expected = "api_keys[0]: allowed_models[0]: unknown model \"b\", did you mean \"a\"?\n\
                        models[0] (\"a\"): provider_key_id: matches no provider key\n\
                        models[1] (\"a\"): has the name of models[0]";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn aliases_may_stand_within_aliases_but_not_lead_back_to_themselves() {
        let routing = |alias: &str, targets: &[&str]| {
            let targets = targets.iter().map(|target| crate::resources::model::Target {
                model: (*target).to_owned(),
                ..Default::default()
            });
            let routing =
                crate::resources::model::Routing { targets: targets.collect(), ..Default::default() };
            Model { display_name: alias.to_owned(), routing: Some(routing), ..Model::default() }
        };
        let rows = |last: &[&str]| {
            Snapshot::builder()
                .add_provider_key(provider_key(), "p1")
                .add_model(Model::direct("m", "openai", "x", "p1"), "m")
                .add_model(routing("a", &["m", "b", "c"]), "a")
                .add_model(routing("b", &["c"]), "b")
                .add_model(routing("c", last), "c")
                .build()
        };
        assert!(rows(&["m"]).is_ok());
        let problems = rows(&["m", "b"]).expect_err("b and c lead to each other");
        let expected = "models[2]: routing.targets[0].model: leads back to \"b\" itself: b → c → b\n\
                        models[3]: routing.targets[1].model: leads back to \"c\" itself: c → b → c";
        assert_eq!(problems.to_string(), expected);
        let problems = rows(&["a"]).expect_err("all three do");
        assert_eq!(problems.to_string().matches("leads back").count(), 4);
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
