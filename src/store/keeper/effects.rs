//! What a change would do to those who use the gateway, told before it is made.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::judge::Judged;
use super::{Intent, Keeper, Outcome, Refusal};
use crate::resources::kind::downcast;
use crate::resources::reference::By;
use crate::resources::{ApiKey, Breach, Entry, Glob, Model, Resource, Shape};
use crate::store::Changed;

/// What would follow from an intent.
#[derive(Debug)]
pub struct Effects {
    /// The rows before and after, secrets masked.
    pub changes: Vec<Changed>,
    /// Aliases that lead to a model now and would lead to none.
    pub aliases: Vec<String>,
    /// Callers who could use less than now.
    pub callers: Vec<Loss>,
}

/// What one caller key would lose.
#[derive(Debug)]
pub struct Loss {
    pub id: String,
    /// What the key is called.
    pub name: String,
    /// Aliases it may use now and could not use any more.
    pub aliases: Vec<String>,
}

impl Keeper {
    /// Judges an intent as if it were forced, writes nothing, and tells what would follow.
    ///
    /// # Errors
    /// Why it could not be carried out, forced or not.
    pub fn foresee(&mut self, intent: &Intent) -> Result<(Outcome, Effects), Refusal> {
        let judged = self.judge(intent, true)?;
        let before = self.aliases();
        let callers = self.callers();
        let former = self.try_on(&judged);
        let after = self.aliases();
        let left = Left { gone: before.difference(&after).collect(), before: &before, after: &after };
        let touched: BTreeSet<&str> = judged.ids(ApiKey::COLLECTION).collect();
        let losses = callers.iter().filter_map(|(entry, key)| {
            let aliases = if touched.contains(entry.id.as_str()) {
                let now = self.catalog.get(ApiKey::COLLECTION, &entry.id).and_then(caller);
                left.to_changed(key, now.as_deref())
            } else {
                left.to(key)
            };
            let loss = Loss { id: entry.id.clone(), name: entry.name.clone(), aliases };
            (!loss.aliases.is_empty()).then_some(loss)
        });
        let losses = losses.collect();
        let gone = left.gone.iter().map(|alias| (**alias).clone()).collect();
        self.take_off(former);
        let effects = Effects { changes: judged.changed(), aliases: gone, callers: losses };
        let rows = judged.puts.iter().map(|row| row.stored(self.revision)).collect();
        Ok((Outcome { rows, revision: self.revision, broken: judged.broken }, effects))
    }

    /// The aliases that lead to a model.
    fn aliases(&self) -> BTreeSet<String> {
        let models = self.catalog.entries().filter(|entry| entry.kind.collection == Model::COLLECTION);
        models.filter(|entry| self.works(entry)).map(|entry| entry.name.clone()).collect()
    }

    /// Does a model lead to one that can be asked? A routing model needs one of its targets, the others need all that they
    /// name.
    fn works(&self, entry: &Entry) -> bool {
        self.leads_on(entry, DEEPEST)
    }

    /// The same, through so many models at most.
    fn leads_on(&self, entry: &Entry, left: usize) -> bool {
        let Some(model) = entry.row.clone().and_then(downcast::<Model>) else { return false };
        if model.shape() == Shape::Direct {
            let breaches = self.catalog.breaches(entry);
            return !breaches.iter().any(|breach| matches!(breach, Breach::Reference(_)));
        }
        let Some(left) = left.checked_sub(1) else { return false };
        let mut targets = Resource::references(&*model).into_iter().map(|reference| {
            let entry = match &reference.by {
                By::Id(id) => self.catalog.get(reference.to, id),
                By::Name(name) => {
                    let id = self.catalog.id_of(reference.to, name);
                    id.and_then(|id| self.catalog.get(reference.to, &id))
                }
            };
            // Of a row that could not be read nothing bad is known.
            entry.is_some_and(|entry| entry.row.is_none() || self.leads_on(entry, left))
        });
        if model.shape() == Shape::Routing { targets.any(|works| works) } else { targets.all(|works| works) }
    }

    /// The caller keys that are let in.
    fn callers(&self) -> Vec<(Entry, Arc<ApiKey>)> {
        let keys = self.catalog.entries().filter(|entry| entry.kind.collection == ApiKey::COLLECTION);
        keys.filter_map(|entry| Some((entry.clone(), caller(entry)?))).collect()
    }
}

/// A caller key that is let in.
fn caller(entry: &Entry) -> Option<Arc<ApiKey>> {
    let key = entry.row.clone().and_then(downcast::<ApiKey>)?;
    (!key.disabled && !key.expired(SystemTime::now())).then_some(key)
}

/// What is left of the aliases.
struct Left<'l> {
    gone: Vec<&'l String>,
    before: &'l BTreeSet<String>,
    after: &'l BTreeSet<String>,
}

impl Left<'_> {
    /// What a key loses that stays as it is.
    fn to(&self, key: &ApiKey) -> Vec<String> {
        let lost = self.gone.iter().filter(|alias| allows(key, alias) && !self.answered(alias));
        lost.map(|alias| (**alias).clone()).collect()
    }

    /// What a key loses that is changed, or goes.
    fn to_changed(&self, key: &ApiKey, now: Option<&ApiKey>) -> Vec<String> {
        // With another hash, whoever holds the key of today is not let in.
        let now = now.filter(|now| now.hash == key.hash);
        let kept = |alias: &String| {
            now.is_some_and(|now| allows(now, alias)) && (self.after.contains(alias) || self.answered(alias))
        };
        self.before.iter().filter(|alias| allows(key, alias) && !kept(alias)).cloned().collect()
    }

    /// Does a pattern among the aliases answer to this name?
    fn answered(&self, alias: &str) -> bool {
        self.after.iter().any(|other| other.contains('*') && Glob::new(other.as_str()).matches(alias))
    }
}

/// May the key use this alias, or some of the names it stands for?
fn allows(key: &ApiKey, alias: &str) -> bool {
    let pattern = Glob::new(alias);
    key.allows(alias)
        || pattern.is_pattern() && key.allowed_models.iter().any(|allowed| pattern.matches(allowed.as_str()))
}

impl Judged {
    fn ids<'j>(&'j self, collection: &'static str) -> impl Iterator<Item = &'j str> {
        let puts = self.puts.iter().map(|row| (row.entry.kind.collection, row.entry.id.as_str()));
        let deletes = self.deletes.iter().map(|(of, id, _)| (*of, id.as_str()));
        puts.chain(deletes).filter(move |(of, _)| *of == collection).map(|(_, id)| id)
    }
}

/// Models that one request goes through.
const DEEPEST: usize = 9;
