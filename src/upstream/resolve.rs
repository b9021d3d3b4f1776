//! Names to addresses, asynchronously and with memory.
//!
//! An endpoint keeps its addresses for a fixed time. When a lookup fails the old ones go on serving. The
//! address that worked last comes first, because connection pools are keyed by address; one that could not
//! be reached is put last for a while.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use smallvec::SmallVec;
use tokio::sync::Mutex;

/// Addresses in the order in which they should be tried.
pub type Candidates = SmallVec<[SocketAddr; 4]>;

/// The addresses of one host and port.
pub struct Addresses {
    host: String,
    port: u16,
    /// A literal address needs no lookup.
    literal: Option<SocketAddr>,
    known: ArcSwapOption<Known>,
    /// Held while a lookup runs, so that many requests share one.
    looking: Mutex<()>,
}

#[derive(Clone)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// Empty `addresses` with this set: the lookup failed recently.
    failure: Option<String>,
    fresh_until: Instant,
    preferred: Option<SocketAddr>,
    bad: Vec<(SocketAddr, Instant)>,
}

impl Addresses {
    /// Nothing is looked up yet.
    pub fn new(host: &str, port: u16) -> Self {
        let literal = host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        Addresses {
            host: host.to_owned(),
            port,
            literal,
            known: ArcSwapOption::empty(),
            looking: Mutex::new(()),
        }
    }

    /// One address, which needs no lookup.
    pub fn literal(address: SocketAddr) -> Self {
        Addresses { literal: Some(address), ..Addresses::new("", address.port()) }
    }

    /// The addresses to try, best first, never empty.
    ///
    /// # Errors
    /// Why the name could not be resolved.
    pub async fn candidates(&self) -> Result<Candidates, String> {
        if let Some(literal) = self.literal {
            return Ok(Candidates::from_slice(&[literal]));
        }
        if let Some(ready) = self.ready() {
            return ready;
        }
        let _only_one = self.looking.lock().await;
        if let Some(ready) = self.ready() {
            return ready;
        }
        self.look_up().await;
        self.ready().unwrap_or_else(|| Err("the lookup gave nothing".into()))
    }

    /// The address to try first, as far as it is known without a lookup.
    pub fn preferred(&self) -> Option<SocketAddr> {
        match self.literal {
            Some(literal) => Some(literal),
            // Where a connection exists already, an address that should be looked up again is still the right one.
            None => self.known.load().as_ref()?.ordered(Instant::now()).first().copied(),
        }
    }

    /// A connection to `address` was made: it comes first from now on.
    pub fn worked(&self, address: SocketAddr) {
        if self.literal.is_none() {
            self.change(|known| {
                let news =
                    known.preferred != Some(address) || known.bad.iter().any(|(bad, _)| *bad == address);
                known.preferred = Some(address);
                known.bad.retain(|(bad, _)| *bad != address);
                news
            });
        }
    }

    /// `address` could not be reached: it comes last for a while.
    pub fn failed(&self, address: SocketAddr) {
        if self.literal.is_none() {
            self.change(|known| {
                known.preferred = known.preferred.filter(|preferred| *preferred != address);
                known.bad.retain(|(bad, _)| *bad != address);
                known.bad.push((address, Instant::now() + BAD_FOR));
                true
            });
        }
    }

    fn ready(&self) -> Option<Result<Candidates, String>> {
        let known = self.known.load();
        let known = known.as_ref()?;
        if known.fresh_until <= Instant::now() {
            return None;
        }
        Some(match &known.failure {
            Some(failure) if known.addresses.is_empty() => Err(failure.clone()),
            _ => Ok(known.ordered(Instant::now())),
        })
    }

    async fn look_up(&self) {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let old = self.known.load_full();
        let mut next = old.as_deref().cloned().unwrap_or_else(Known::nothing);
        match found {
            Ok(addresses) => {
                next.addresses = addresses.collect();
                next.failure = next.addresses.is_empty().then(|| "the name has no address".to_owned());
            }
            Err(error) => next.failure = Some(error.to_string()),
        }
        let now = Instant::now();
        next.fresh_until = now + if next.failure.is_some() { FAILURE_TTL } else { TTL };
        next.bad.retain(|(_, until)| *until > now);
        next.preferred = next.preferred.filter(|preferred| next.addresses.contains(preferred));
        self.known.store(Some(Arc::new(next)));
    }

    fn change(&self, edit: impl Fn(&mut Known) -> bool) {
        let Some(known) = self.known.load_full() else { return };
        let mut next = (*known).clone();
        if edit(&mut next) {
            self.known.store(Some(Arc::new(next)));
        }
    }
}

impl Known {
    fn nothing() -> Self {
        Known {
            addresses: Vec::new(),
            failure: None,
            fresh_until: Instant::now(),
            preferred: None,
            bad: Vec::new(),
        }
    }

    fn ordered(&self, now: Instant) -> Candidates {
        let is_bad =
            |address: &SocketAddr| self.bad.iter().any(|(bad, until)| bad == address && *until > now);
        let mut ordered: Candidates = self.addresses.iter().copied().collect();
        ordered.sort_by_key(|address| (is_bad(address), Some(*address) != self.preferred));
        ordered
    }
}

/// How long addresses are used without asking again.
const TTL: Duration = Duration::from_secs(30);
/// How long a failed lookup is remembered.
const FAILURE_TTL: Duration = Duration::from_secs(2);
/// How long an unreachable address is tried last.
const BAD_FOR: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn known(addresses: &[&str]) -> Addresses {
        let it = Addresses::new("example.test", 443);
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        let fresh_until = Instant::now() + TTL;
        it.known.store(Some(Arc::new(Known { addresses, fresh_until, ..Known::nothing() })));
        it
    }

    #[tokio::test]
    async fn a_literal_address_is_never_looked_up() {
        let it = Addresses::new("::1", 80);
        assert_eq!(it.candidates().await.expect("literal")[0].to_string(), "[::1]:80");
    }

    #[tokio::test]
    async fn the_address_that_worked_comes_first_and_the_bad_one_last() {
        let it = known(&["10.0.0.1:443", "10.0.0.2:443", "10.0.0.3:443"]);
        it.worked("10.0.0.2:443".parse().expect("an address"));
        it.failed("10.0.0.1:443".parse().expect("an address"));
        let order: Vec<String> =
            it.candidates().await.expect("known").iter().map(ToString::to_string).collect();
        assert_eq!(order, ["10.0.0.2:443", "10.0.0.3:443", "10.0.0.1:443"]);
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_an_error_and_old_addresses_outlive_a_failed_lookup() {
        let unknown = Addresses::new("does-not-exist.invalid", 80);
        assert!(unknown.candidates().await.is_err());
        let it = Addresses::new("does-not-exist.invalid", 80);
        let addresses = vec!["10.0.0.1:80".parse().expect("an address")];
        it.known.store(Some(Arc::new(Known { addresses, ..Known::nothing() })));
        assert_eq!(it.candidates().await.expect("stale is better than nothing").len(), 1);
    }
}
