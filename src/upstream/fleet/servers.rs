//! Where the requests of an account go: to one server, or to one of several.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Fleet, Wish, prefix};
use crate::dialect::skim;
use crate::error::{Error, Kind, Result};
use crate::resources::{FleetRules, LoadRules, ProviderKey};
use crate::upstream::attempt::{Answer, Ask, Budgets, Failure, Trace, attempt};
use crate::upstream::credential::Tokens;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::transport::Upstream;
use crate::upstream::transport::tls::TlsIdentity;

/// The servers of an account.
#[derive(Clone, Debug)]
pub enum Servers {
    One(Arc<Endpoint>),
    Several(Arc<Several>),
}

/// Several servers, and what they have in common.
pub struct Several {
    /// Stands for all of them where it does not matter which one: it has their vendor, credential and formats.
    face: Arc<Endpoint>,
    pub fleet: Arc<Fleet>,
    pub load: Option<LoadRules>,
    /// Makes the endpoint of one of the addresses of a name, where each is a server.
    pinned: Option<Pinned>,
    began: Instant,
    /// Milliseconds since then: when they are next asked how busy they are, and when it may next be said that they do not
    /// answer.
    pub(super) next_look: AtomicU64,
    pub(super) next_warning: AtomicU64,
}

type Pinned = Box<dyn Fn(SocketAddr) -> Option<Endpoint> + Send + Sync>;

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Several").field("face", &self.face).finish_non_exhaustive()
    }
}

impl Servers {
    /// The servers of a provider key, for models of one vendor label.
    ///
    /// # Errors
    /// One of them cannot be reached, by what the row says.
    pub fn new(label: &str, key: &ProviderKey, trust: &TlsIdentity, tokens: &Tokens) -> Result<Self> {
        if !key.is_fleet() {
            return Endpoint::new(label, key, trust, tokens).map(|one| Servers::One(Arc::new(one)));
        }
        let rules = key.fleet.clone().unwrap_or_default();
        let at = |base: &String| {
            let key = ProviderKey { api_base: Some(base.clone()), ..key.clone() };
            Endpoint::new(label, &key, trust, tokens).map(Arc::new)
        };
        let mut endpoints: Vec<Arc<Endpoint>> = key.replicas.iter().map(at).collect::<Result<_>>()?;
        if endpoints.is_empty() {
            endpoints.push(Arc::new(Endpoint::new(label, key, trust, tokens)?));
        }
        Several::new(label, key, &rules, endpoints, trust, tokens)
            .map(|several| Servers::Several(Arc::new(several)))
    }

    /// Vendor, credential and formats, which all of them have.
    pub fn face(&self) -> &Arc<Endpoint> {
        match self {
            Servers::One(endpoint) => endpoint,
            Servers::Several(several) => &several.face,
        }
    }

    /// One try, at one of them.
    ///
    /// # Errors
    /// The try's own; `Saturated` where no server had room in time.
    pub async fn attempt<U: Upstream>(
        &self,
        upstream: &U,
        upstream_model: &str,
        ask: &Ask<'_>,
        budgets: &Budgets,
        trace: &mut Trace,
    ) -> Result<Answer<U::Call>, Failure> {
        match self {
            Servers::One(endpoint) => attempt(upstream, endpoint, upstream_model, ask, budgets, trace).await,
            // On the heap, so that what most requests carry does not grow.
            Servers::Several(several) => {
                Box::pin(several.attempt(upstream, upstream_model, ask, budgets, trace)).await
            }
        }
    }
}

impl Several {
    fn new(
        label: &str,
        key: &ProviderKey,
        rules: &FleetRules,
        endpoints: Vec<Arc<Endpoint>>,
        trust: &TlsIdentity,
        tokens: &Tokens,
    ) -> Result<Self> {
        let face = endpoints.first().cloned();
        let face =
            face.ok_or_else(|| Error::new(Kind::NoProvider, "this model's provider key has no replicas"))?;
        let spread = rules.spread_addresses;
        let pinned = spread.then(|| -> Pinned {
            let (label, key, trust, tokens) = (label.to_owned(), key.clone(), trust.clone(), tokens.clone());
            Box::new(move |address| {
                let endpoint = Endpoint::new(&label, &key, &trust, &tokens).ok()?;
                Some(endpoint.pinned(address))
            })
        });
        Ok(Several {
            fleet: Arc::new(Fleet::new(rules, endpoints.into_iter().filter(|_| !spread))),
            face,
            load: rules.load.clone(),
            pinned,
            began: Instant::now(),
            next_look: AtomicU64::new(0),
            next_warning: AtomicU64::new(0),
        })
    }

    pub fn provider_key_id(&self) -> &str {
        &self.face.provider_key_id
    }

    /// Is something due that is not to be done again for `pause`?
    pub(super) fn is_due(&self, next: &AtomicU64, pause: Duration) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = millis(self.began.elapsed());
        let due = next.load(Ordering::Relaxed) <= now;
        if due {
            next.store(now.saturating_add(millis(pause)), Ordering::Relaxed);
        }
        due
    }

    /// Where each address of a name is a server: those that it has now. Names are looked up when what is known of them
    /// is old.
    ///
    /// # Errors
    /// Nothing is known of the name, and nothing to be learnt.
    pub async fn refresh(&self) -> Result<(), String> {
        let Some(pinned) = &self.pinned else { return Ok(()) };
        let mut addresses = self.face.addresses.candidates().await?;
        addresses.sort_unstable();
        self.fleet.spread(&addresses, pinned);
        Ok(())
    }

    /// A try ends with an answer, or with a failure that is not for want of a connection; for want of one the next server
    /// is tried.
    async fn attempt<U: Upstream>(
        &self,
        upstream: &U,
        upstream_model: &str,
        ask: &Ask<'_>,
        budgets: &Budgets,
        trace: &mut Trace,
    ) -> Result<Answer<U::Call>, Failure> {
        if self.pinned.is_some() && self.fleet.replicas().is_empty() {
            let unknown = |cause| {
                Error::new(Kind::UpstreamUnreachable, "the upstream could not be reached").because(cause)
            };
            self.refresh().await.map_err(unknown)?;
        }
        let reads = self.fleet.reads_prompts();
        let prompt = if reads { skim::prompt::of(ask.body, prefix::HASHED_BYTES) } else { &[] };
        let seed = if reads { prefix::seed(upstream_model) } else { 0 };
        let mut wish = Wish { seed, prompt, priority: ask.priority, tried: 0 };
        loop {
            let seat = match self.fleet.seat(&wish) {
                Some(seat) => seat,
                None => self.fleet.wait(&wish).await?,
            };
            trace.picked = seat.why;
            let mut result = attempt(upstream, &seat, upstream_model, ask, budgets, trace).await;
            match &mut result {
                Err(failure) if failure.unreached => {
                    seat.unreachable();
                    wish.tried |= seat.bit();
                    if self.fleet.has_others(wish.tried) {
                        continue;
                    }
                }
                Ok(Answer::Stream(stream)) => {
                    seat.reached();
                    stream.seat = Some(seat);
                }
                _ if trace.status.is_some() => seat.reached(),
                _ => {}
            }
            return result;
        }
    }
}
