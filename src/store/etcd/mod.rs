//! Resources in etcd, for any number of gateways: every change, by whichever of them or by anybody else, is heard of by
//! all within moments. Nothing here knows what a row means.
//!
//! Contact may be lost at any time. What was heard stays heard: the watch goes on behind it, and only what etcd itself
//! no longer knows is loaded anew.

mod commit;
mod contact;
mod failure;
mod hold;
mod known;
mod layout;
mod link;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::GetOptions;
use tokio::time::Instant;

use super::{Audit, Batch, Event, Failure, Rows, Store, Write};
use crate::document::Secret;
use commit::{Entry, Transaction};
use contact::Contact;
use failure::Trouble;
use hold::Hold;
use known::{Known, Pair, number, signed};
use layout::{Layout, Place};
use link::Keys;
use watch::Watch;

/// Where the cluster is and how to talk to it. Holds credentials, so nothing prints it.
pub struct Settings {
    /// `http://` or `https://` addresses of members, at least one.
    endpoints: Vec<String>,
    layout: Layout,
    user: Option<(String, Secret)>,
    /// How long connecting may take, and an answer.
    dial: Duration,
    request: Duration,
    tls: Option<Tls>,
    /// To get the first contact.
    tries: u32,
}

/// Trust and identity towards etcd.
pub struct Tls {
    /// PEM.
    pub ca: Vec<u8>,
    pub certificate: Vec<u8>,
    pub key: Secret,
    /// The name a member's certificate must have.
    pub domain: String,
}

impl Settings {
    /// Members at these addresses; rows under `<prefix>[/<env_id>]/`.
    pub fn new(endpoints: Vec<String>, prefix: &str, env_id: &str) -> Self {
        Settings {
            endpoints,
            layout: Layout::new(prefix, env_id),
            user: None,
            dial: Duration::from_secs(5),
            request: Duration::from_secs(5),
            tls: None,
            tries: 5,
        }
    }

    #[must_use]
    pub fn user(mut self, user: Option<(String, Secret)>) -> Self {
        self.user = user;
        self
    }

    #[must_use]
    pub fn timeouts(mut self, dial: Duration, request: Duration) -> Self {
        (self.dial, self.request) = (dial, request);
        self
    }

    /// How often contact is tried for at the start, before that fails.
    #[must_use]
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries.max(1);
        self
    }

    #[must_use]
    pub fn tls(mut self, tls: Option<Tls>) -> Self {
        self.tls = tls;
        self
    }
}

/// A cluster, as far as we are in contact with it.
pub struct EtcdStore {
    settings: Arc<Settings>,
    contact: Contact,
    watch: Option<Watch>,
    /// A watch that is not confirmed yet.
    asking: Option<Asking>,
    /// The connection that watch is of.
    watched: u64,
    /// Nothing before the first load.
    known: Option<Known>,
    /// What was heard and is not handed over yet.
    news: Vec<Event>,
    /// The newest revision that was handed over.
    told: u64,
    /// Is what the cluster says not believed?
    hold: Option<Hold>,
}

type Asking = Pin<Box<dyn Future<Output = Result<Watch, Trouble>> + Send>>;

impl EtcdStore {
    /// Nothing is connected before the first load.
    pub fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        EtcdStore {
            contact: Contact::new(Arc::clone(&settings)),
            settings,
            watch: None,
            asking: None,
            watched: 0,
            known: None,
            news: Vec::new(),
            told: 0,
            hold: None,
        }
    }

    /// A request over the connection there is. One that fails for want of an answer ends the connection.
    async fn keys(&mut self, ranges: &[(String, String)], at: Option<u64>) -> Result<Keys, Trouble> {
        let answer = self.contact.link().await?.keys(ranges, at).await;
        self.left_if_lost(answer)
    }

    fn left_if_lost<T>(&mut self, answer: Result<T, Trouble>) -> Result<T, Trouble> {
        if let Err(Trouble::Lost(said)) = &answer {
            self.contact.leave(said);
        }
        answer
    }

    /// All rows and the guard, at one revision.
    async fn everything(&mut self) -> Result<Keys, Trouble> {
        let layout = &self.settings.layout;
        let guard = layout.guard();
        let [before, behind] = layout.rows();
        let ranges = [before, behind, (guard.clone(), guard + "\0")];
        for _ in 0..TRIES {
            match self.keys(&ranges, None).await {
                // Compacted while pages were read.
                Err(Trouble::Compacted) => {}
                answer => return answer,
            }
        }
        Err(Trouble::Compacted)
    }

    /// Is what was loaded to be believed? If not, we wait for better.
    fn believe(&mut self, keys: &Keys) -> Result<(), Failure> {
        let known = self.known.as_ref();
        let Some(reason) = known.and_then(|known| Hold::reason(known, keys.cluster, keys.revision)) else {
            return Ok(());
        };
        let is_row = |pair: &Pair| matches!(self.settings.layout.place(&pair.key), Place::Row { .. });
        let filled = keys.pairs.iter().any(is_row);
        let is_over = self.hold.as_ref().is_some_and(|hold| hold.cluster == keys.cluster && hold.is_over());
        if is_over && filled {
            return Ok(());
        }
        let hold = Hold::begin(reason, keys, filled);
        let words = hold.words();
        self.hold = Some(hold);
        Err(Failure::Invalid(words))
    }

    /// Sees to it that there is a watch from where we are.
    async fn follow(&mut self) -> Result<(), Trouble> {
        let link = self.contact.regained().await?;
        let (member, revision, is_new) = (link.cluster, link.revision, std::mem::take(&mut link.is_new));
        let (cluster, after) = match (&self.hold, &self.known) {
            (Some(hold), _) => (hold.cluster, hold.revision),
            (None, Some(known)) => (known.cluster, known.revision),
            (None, None) => return Err(Trouble::Compacted),
        };
        let expected = self.known.as_ref().filter(|_| self.hold.is_none()).map_or(after, Known::newest);
        if is_new && (member != cluster || revision < expected) {
            return Err(Trouble::Compacted);
        }
        if self.watched != self.contact.serial {
            (self.watch, self.asking) = (None, None);
            self.watched = self.contact.serial;
        }
        if self.watch.is_none() {
            let link = self.contact.link().await?;
            let asking = self.asking.get_or_insert_with(|| Box::pin(link.watch(after)));
            let answer = asking.await;
            self.asking = None;
            self.watch = Some(answer?);
        }
        Ok(())
    }

    /// The next message of the watch, taken in.
    async fn hear(&mut self) -> Result<(), Trouble> {
        let Some(watch) = &mut self.watch else { return Err(Trouble::Compacted) };
        let keys = watch.next().await?;
        let some = !keys.is_empty();
        self.take_in(keys);
        if some && self.hold.is_none() {
            self.gather().await;
        }
        Ok(())
    }

    /// What comes right behind belongs to the same batch: a burst is one snapshot, not a thousand.
    async fn gather(&mut self) {
        let until = Instant::now() + LONGEST_BURST;
        while Instant::now() < until && self.news.len() < LARGEST_BATCH {
            let Some(watch) = &mut self.watch else { return };
            match watch.more(MOMENT).await {
                Ok(Some(keys)) => self.take_in(keys),
                // A watch that has ended says so again.
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn take_in(&mut self, pairs: Vec<Pair>) {
        let layout = &self.settings.layout;
        for pair in pairs {
            if let Some(hold) = &mut self.hold {
                hold.heard(
                    pair.revision,
                    !pair.is_gone && matches!(layout.place(&pair.key), Place::Row { .. }),
                );
            } else if let Some(known) = &mut self.known {
                known.revision = known.revision.max(pair.revision);
                self.news.extend(known.news(layout, pair));
            }
        }
    }

    fn batch(&mut self, after: u64) -> Batch {
        let heard = self.known.as_ref().map_or(0, |known| known.revision);
        self.told = after.max(heard);
        Batch { events: std::mem::take(&mut self.news), revision: self.told }
    }

    /// The watch is over, or contact is lost.
    fn stop_watching(&mut self, trouble: &Trouble) {
        (self.watch, self.asking) = (None, None);
        if let Trouble::Lost(said) = trouble {
            self.contact.leave(said);
        }
    }
}

#[async_trait]
impl Store for EtcdStore {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn identity(&self) -> String {
        format!("etcd {} at {}", self.settings.layout.root(), self.settings.endpoints.join(" "))
    }

    fn is_remote(&self) -> bool {
        true
    }

    async fn load(&mut self) -> Result<Rows, Failure> {
        match self.known {
            None => self.contact.made(self.settings.tries).await?,
            Some(_) => {
                self.contact.sought().await?;
            }
        }
        let keys = self.everything().await?;
        // What was read tells more than what the connection began with.
        self.contact.link().await?.is_new = false;
        self.believe(&keys)?;
        let (known, rows) = Known::begin(keys.cluster, keys.revision, &self.settings.layout, keys.pairs);
        (self.known, self.hold) = (Some(known), None);
        (self.watch, self.asking) = (None, None);
        self.news.clear();
        self.told = rows.revision;
        Ok(rows)
    }

    async fn changes(&mut self, after: u64) -> Result<Batch, Failure> {
        if !self.news.is_empty() {
            return Ok(self.batch(after));
        }
        loop {
            if let Err(trouble) = self.follow().await {
                self.stop_watching(&trouble);
                return Err(trouble.into());
            }
            match self.hear().await {
                Ok(()) if self.hold.as_ref().is_some_and(Hold::is_over) => return Err(Failure::Compacted),
                Ok(()) => return Ok(self.batch(after)),
                Err(trouble @ Trouble::Lost(_)) => {
                    tracing::warn!("contact with etcd is lost: {}", trouble.words());
                    self.stop_watching(&trouble);
                }
                Err(trouble) => {
                    self.stop_watching(&trouble);
                    return Err(trouble.into());
                }
            }
        }
    }

    async fn commit(&mut self, write: Write) -> Result<u64, Failure> {
        if let Some(hold) = &self.hold {
            return Err(Failure::Unavailable(hold.words()));
        }
        let Some(known) = &mut self.known else { return Err(Failure::Compacted) };
        // What was heard and not handed over was not judged either.
        if !self.news.is_empty() || write.judged_at < self.told {
            return Err(Failure::Overtaken);
        }
        let link = self.contact.link().await.map_err(|trouble| commit::not_written(trouble.words()))?;
        if let Some(reason) = Hold::reason(known, link.cluster, link.revision).filter(|_| link.is_new) {
            return Err(commit::not_written(&format!("etcd was replaced or lost its data: {reason}")));
        }
        let layout = &self.settings.layout;
        let transaction = Transaction::of(&write, known, layout);
        let revision = transaction.carry_out(&mut self.contact).await?;
        known.wrote(layout, &write, revision, transaction.count);
        self.told = revision;
        Ok(revision)
    }

    async fn audit(&mut self, before: Option<u64>, limit: usize) -> Result<Vec<Audit>, Failure> {
        let (from, to) = self.settings.layout.entries();
        let mut asked = GetOptions::new().with_range(to).with_limit(i64::try_from(limit).unwrap_or(i64::MAX));
        match before {
            Some(0 | 1) => return Ok(Vec::new()),
            Some(before) => asked = asked.with_max_mod_revision(signed(before) - 1),
            None => {}
        }
        let answer = self.contact.link().await?.get(from, asked).await;
        let answer = self.left_if_lost(answer)?;
        let entries = answer.kvs().iter().filter_map(|key| {
            let Entry { entry, .. } = serde_json::from_slice(key.value()).ok()?;
            Some(Audit { revision: number(key.mod_revision()), ..entry })
        });
        Ok(entries.collect())
    }

    async fn at(&mut self, revision: u64) -> Result<Option<Rows>, Failure> {
        if revision == 0 {
            return Ok(None);
        }
        let ranges = self.settings.layout.rows();
        match self.keys(&ranges, Some(revision)).await {
            Ok(keys) => Ok(Some(Known::begin(keys.cluster, revision, &self.settings.layout, keys.pairs).1)),
            Err(Trouble::Compacted | Trouble::Ahead) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }
}

/// What arrives within this time of something else belongs to it.
const MOMENT: Duration = Duration::from_millis(3);
/// How long a batch may grow, and how large.
const LONGEST_BURST: Duration = Duration::from_millis(20);
const LARGEST_BATCH: usize = 2000;
/// Loads that a compaction may thwart.
const TRIES: usize = 3;
