//! The endpoints of a configuration, and what becomes of them when the next one comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::resources::shards::Shards;
use crate::resources::{Model, ProviderKey, Shape, Snapshot};
use crate::upstream::credential::{Fetches, Tokens};
use crate::upstream::fleet::{Servers, Several};
use crate::upstream::transport::tls::TlsIdentity;

/// The endpoints of a configuration: one for each provider key and vendor label that a model goes to. A copy shares
/// what stays, so that the next configuration costs what is different in it.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// By provider key; most have one label.
    by_key: Shards<String, Vec<Account>>,
    /// Fetches tokens, for accounts that need them.
    tokens: Tokens,
}

/// A provider key as models of one vendor label use it.
#[derive(Clone, Debug)]
struct Account {
    label: String,
    /// Models that go there. The account is given up with the last one.
    models: usize,
    /// The row the endpoint was made from.
    key: Option<Arc<ProviderKey>>,
    servers: Result<Servers>,
}

impl Endpoints {
    /// Works out the endpoint of every direct model. A row that cannot be reached keeps its reason, so that
    /// one bad row never takes the others down.
    pub fn build(snapshot: &Snapshot, trust: &TlsIdentity) -> Self {
        Self::default().next(&Snapshot::empty(), snapshot, trust)
    }

    /// The endpoints of the configuration that follows `former`. One whose provider key is the same row stays, with all
    /// that has been learnt about it.
    #[must_use]
    pub fn next(&self, former: &Snapshot, snapshot: &Snapshot, trust: &TlsIdentity) -> Self {
        let mut next = self.clone();
        let is_direct = |model: &&Arc<Model>| model.shape() == Shape::Direct;
        for model in snapshot.models_beyond(former).filter(is_direct) {
            next.enter(model, snapshot, trust);
        }
        for model in former.models_beyond(snapshot).filter(is_direct) {
            next.leave(model);
        }
        for key in former.provider_keys_beyond(snapshot).chain(snapshot.provider_keys_beyond(former)) {
            next.renew(&key.id, snapshot.provider_key(&key.id), trust);
        }
        next
    }

    /// How fetching tokens went, of this configuration and of those before and after it.
    pub fn token_fetches(&self) -> Arc<Fetches> {
        Arc::clone(&self.tokens.fetches)
    }

    fn enter(&mut self, model: &Model, snapshot: &Snapshot, trust: &TlsIdentity) {
        let (id, label) = place(model);
        let mut accounts = self.by_key.get(id).cloned().unwrap_or_default();
        match accounts.iter_mut().find(|account| account.label == label) {
            Some(account) => account.models += 1,
            None => accounts.push(Account::new(label, 1, snapshot.provider_key(id), trust, &self.tokens)),
        }
        self.by_key.insert(id.to_owned(), accounts);
    }

    fn leave(&mut self, model: &Model) {
        let (id, label) = place(model);
        let Some(mut accounts) = self.by_key.get(id).cloned() else { return };
        for account in accounts.iter_mut().filter(|account| account.label == label) {
            account.models -= 1;
        }
        accounts.retain(|account| account.models > 0);
        match accounts.is_empty() {
            true => drop(self.by_key.remove(id)),
            false => drop(self.by_key.insert(id.to_owned(), accounts)),
        }
    }

    /// Makes the endpoints of a provider key again, where it is another row than before or there no longer.
    fn renew(&mut self, id: &str, key: Option<&Arc<ProviderKey>>, trust: &TlsIdentity) {
        let Some(mut accounts) = self.by_key.get(id).cloned() else { return };
        for account in &mut accounts {
            if account.key.as_ref().map(Arc::as_ptr) != key.map(Arc::as_ptr) {
                *account = Account::new(&account.label, account.models, key, trust, &self.tokens);
            }
        }
        self.by_key.insert(id.to_owned(), accounts);
    }

    /// The servers of a model row.
    ///
    /// # Errors
    /// Why the row cannot be reached.
    pub fn of(&self, model: &Model) -> Result<&Servers> {
        let (id, label) = place(model);
        let account = self.by_key.get(id).and_then(|accounts| accounts.iter().find(|one| one.label == label));
        match account {
            Some(account) => account.servers.as_ref().map_err(Clone::clone),
            None => Err(Error::new(Kind::NoProvider, "this model cannot be reached")),
        }
    }

    /// Accounts with several servers, in no particular order.
    pub fn fleets(&self) -> impl Iterator<Item = &Arc<Several>> {
        self.by_key.values().flatten().filter_map(|account| match &account.servers {
            Ok(Servers::Several(several)) => Some(several),
            _ => None,
        })
    }

    /// Provider keys that are new since `former`, or that new models go to, and cannot be reached, with the reason, for
    /// the operator.
    pub fn unreachable<'e>(
        &'e self,
        former: &'e Snapshot,
        snapshot: &'e Snapshot,
    ) -> BTreeMap<&'e str, &'e Error> {
        let models = snapshot.models_beyond(former).map(|model| place(model).0);
        let keys = snapshot.provider_keys_beyond(former).chain(former.provider_keys_beyond(snapshot));
        let ids = models.chain(keys.map(|key| key.id.as_str()));
        let accounts = ids.filter_map(|id| Some((id, self.by_key.get(id)?)));
        let failed = accounts.filter_map(|(id, accounts)| {
            Some((id, accounts.iter().find_map(|account| account.servers.as_ref().err())?))
        });
        failed.collect()
    }
}

impl Account {
    fn new(
        label: &str,
        models: usize,
        key: Option<&Arc<ProviderKey>>,
        trust: &TlsIdentity,
        tokens: &Tokens,
    ) -> Self {
        let servers = match key {
            Some(key) => Servers::new(label, key, trust, tokens),
            None => Err(Error::bad_request("this model has no provider key")),
        };
        Account { label: label.to_owned(), models, key: key.cloned(), servers }
    }
}

/// Provider key and vendor label of a model.
fn place(model: &Model) -> (&str, &str) {
    (model.provider_key_id.as_deref().unwrap_or_default(), model.provider.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{AnyRow, Change, SnapshotBuilder};

    #[test]
    fn the_next_endpoints_are_those_a_fresh_start_would_make_and_keep_what_stays() {
        let trust = TlsIdentity::default();
        let row = |id: &str, base: &str| {
            let mut key = ProviderKey::new(id, "openai", "sk");
            key.api_base = Some(base.to_owned());
            key
        };
        let built = |builder: SnapshotBuilder| builder.build().expect("sound");
        let both = || Snapshot::builder().add_provider_key(row("a", "http://one"), "a");
        let first = built(both().add_model(Model::direct("m", "openai", "x", "a"), "m"));
        let endpoints = Endpoints::build(&first, &trust);
        let change = |kind: &str, id: &str, old, new| {
            let kind = crate::resources::kind(kind).expect("a kind");
            Change { kind, id: id.to_owned(), order: 0, old, new }
        };
        let model = |alias: &str, key: &str| {
            let mut model = Model::direct(alias, "openai", "x", key);
            model.id = alias.to_owned();
            Arc::new(model)
        };
        // Another model of the same key, one of a key that is not there, and the first one leaves.
        let (n, o) = (model("n", "a"), model("o", "b"));
        let old = first.model("m").map(|found| Arc::clone(found.model) as Arc<dyn AnyRow>);
        let changes = [
            change("models", "n", None, Some(Arc::clone(&n) as _)),
            change("models", "o", None, Some(Arc::clone(&o) as _)),
            change("models", "m", old, None),
        ];
        let second = first.after(changes, 2, String::new());
        let next = endpoints.next(&first, &second, &trust);
        let of = |endpoints: &Endpoints, model: &Model| {
            endpoints.of(model).map(|servers| Arc::clone(servers.face()))
        };
        let kept = of(&next, &n).expect("reached");
        assert!(Arc::ptr_eq(&kept, &of(&endpoints, &n).expect("the same account")));
        assert_eq!(of(&next, &o).expect_err("no key").kind, Kind::BadRequest);
        assert_eq!(next.unreachable(&first, &second).into_keys().collect::<Vec<_>>(), ["b"]);
        // Its key comes, and the other one changes.
        let key = |id: &str, base: &str| {
            let mut key = row(id, base);
            key.id = id.to_owned();
            Some(Arc::new(key) as Arc<dyn AnyRow>)
        };
        let changes = [
            change("provider_keys", "b", None, key("b", "http://two")),
            change("provider_keys", "a", None, key("a", "http://three")),
        ];
        let third = second.after(changes, 3, String::new());
        let last = next.next(&second, &third, &trust);
        assert_eq!(of(&last, &o).expect("reached").host, "two");
        assert_eq!(of(&last, &n).expect("reached").host, "three");
        assert!(last.unreachable(&second, &third).is_empty());
        assert_eq!(of(&next, &n).expect("as it was").host, "one");
        // The last model of a key takes its account along.
        let changes = [change("models", "o", Some(Arc::clone(&o) as _), None)];
        let fourth = third.after(changes, 4, String::new());
        let least = last.next(&third, &fourth, &trust);
        assert_eq!(of(&least, &o).expect_err("gone").kind, Kind::NoProvider);
        assert_eq!(least.by_key.len(), 1);
    }
}
