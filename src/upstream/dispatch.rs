//! The tries: targets in order, each as often as its budget allows, until one gives an answer.

use std::pin::{Pin, pin};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::attempt::{Answer, Ask, Budgets, Failure, Trace, bounded, timed_out};
use super::endpoint::{Endpoint, Endpoints};
use super::fleet::Servers;
use super::retry::{Rules, backoff};
use super::transport::Upstream;
use crate::dialect::Peek;
use crate::dialect::canon::Losses;
use crate::error::{Error, Kind};
use crate::resources::Model;
use crate::routing::{Plan, Target};

/// The deployment's times and retry budgets; a model row overrides what it sets.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub connect: Option<Duration>,
    /// Whole answers.
    pub timeout: Option<Duration>,
    /// Streams: to the head, and between pieces. None defers to `timeout`.
    pub stream_timeout: Option<Duration>,
    pub first_frame: Option<Duration>,
    /// Longest time a stream's head waits for its first frame.
    pub hold: Option<Duration>,
    /// Tries after the first on the same target, for the last target of a plan.
    pub retries: u32,
    pub max_answer: usize,
}

impl Policy {
    /// The times of one try at `model`, which stands behind the alias `group`. It may be that alias itself.
    pub fn budgets(&self, model: &Model, group: &Model, stream: bool, rules: &Rules<'_>) -> Budgets {
        let of_rows = model.timeout.or(group.timeout);
        let whole = match of_rows {
            Some(0) => None,
            Some(millis) => Some(Duration::from_millis(millis)),
            None => self.timeout,
        };
        let own = |row: &Model| row.stream_timeout.filter(|&millis| millis > 0).map(Duration::from_millis);
        let of_streams = own(model).or_else(|| own(group));
        let gap = match of_streams {
            _ if !stream => whole,
            Some(gap) => Some(gap),
            None if of_rows.is_some() => whole,
            None => self.stream_timeout.or(self.timeout),
        };
        // Where somebody said how long a target may stay silent, another one may have its chance then. A head that has
        // left could not be taken back.
        let waits = rules.first_frame().is_some()
            || rules.is_of_several() && (of_streams.is_some() || of_rows.is_some());
        Budgets {
            connect: self.connect,
            head: gap,
            first_frame: rules.first_frame().or(self.first_frame).or(gap),
            gap,
            hold: self.hold.filter(|_| !waits),
            max_answer: self.max_answer,
        }
    }
}

/// Receives what happened, try by try, so that a request abandoned half way is still told truly.
pub trait Ledger: Send {
    /// May this target be tried now? `last` = there is none after it, and none was tried.
    ///
    /// # Errors
    /// Why not; the next target is tried.
    fn admit(&mut self, target: &Target, last: bool) -> Result<(), Error>;
    /// A try begins.
    fn begin(&mut self, target: &Target, endpoint: &Arc<Endpoint>);
    /// What the running try has found out so far.
    fn trace(&mut self) -> &mut Trace;
    /// The try ended: `None` with an answer, else with an error.
    fn end(&mut self, error: Option<&Error>);
    /// So many parts of this ledger, for tries that run side by side.
    fn fork(&mut self, parts: usize) -> &mut [Self]
    where
        Self: Sized;
    /// The tries that ran side by side are over, and what that part tells decides what the request is told of.
    fn join(&mut self, winner: usize);
}

/// Tries the plan's targets until one answers.
///
/// # Errors
/// The last failure.
pub async fn dispatch<U: Upstream, L: Ledger>(
    upstream: &U,
    endpoints: &Endpoints,
    plan: &Plan,
    ask: &Ask<'_>,
    policy: &Policy,
    ledger: &mut L,
) -> Result<Answer<U::Call>, Failure> {
    let rules = Rules::of(plan, policy);
    let targets = rules.eligible(&plan.targets, ask.peek.stream);
    let left = AtomicU32::new(rules.max_attempts());
    let run = Run { upstream, endpoints, ask, policy, plan, rules, left: &left };
    let answered = match (rules.hedge(), rules.total()) {
        (None, None) => run.in_turn(targets, true, ledger).await,
        // What few plans ask for is not part of every request's memory.
        (hedge, total) => {
            let tries = Box::pin(run.hedged(targets, hedge, ledger));
            match bounded(total, tries).await {
                Some(answered) => answered,
                None => Err(timed_out(total)),
            }
        }
    };
    answered.or_else(Failure::into_answer)
}

/// The tries of one plan.
struct Run<'r, U> {
    upstream: &'r U,
    endpoints: &'r Endpoints,
    ask: &'r Ask<'r>,
    policy: &'r Policy,
    plan: &'r Plan,
    rules: Rules<'r>,
    /// Tries that may still be made.
    left: &'r AtomicU32,
}

impl<U: Upstream> Run<'_, U> {
    /// One target after the other. `whole` = there is nobody else to ask when they have failed.
    async fn in_turn<L: Ledger>(
        &self,
        targets: &[Target],
        whole: bool,
        ledger: &mut L,
    ) -> Result<Answer<U::Call>, Failure> {
        let mut last: Option<Failure> = None;
        for (index, target) in targets.iter().enumerate() {
            let is_last = whole && index + 1 == targets.len();
            let failure = match self.reach(target, is_last && last.is_none(), ledger) {
                Ok(servers) => match self.try_target(servers, target, is_last, ledger).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => failure,
                },
                Err(error) => Failure { cannot: true, ..error.into() },
            };
            let goes_on = self.rules.onward(&failure) && self.left.load(Ordering::Relaxed) > 0;
            // What an upstream said is worth more than that another target is none for this request.
            if !failure.cannot || last.is_none() {
                last = Some(failure);
            }
            if !goes_on {
                break;
            }
        }
        Err(last.unwrap_or_else(no_target))
    }

    /// Two targets side by side once the first has been silent for `after`; the first answer wins.
    async fn hedged<L: Ledger>(
        &self,
        targets: &[Target],
        after: Option<Duration>,
        ledger: &mut L,
    ) -> Result<Answer<U::Call>, Failure> {
        let (Some(after), [first, rest @ ..]) = (after.filter(|_| targets.len() > 1), targets) else {
            return self.in_turn(targets, true, ledger).await;
        };
        let (winner, answered) = {
            let [one, two] = ledger.fork(2) else { return Err(no_target()) };
            let mut first = pin!(self.in_turn(slice::from_ref(first), false, one));
            match bounded(Some(after), &mut first).await {
                Some(Err(failure)) if self.rules.onward(&failure) => (1, self.in_turn(rest, true, two).await),
                Some(answered) => (0, answered),
                None => self.race(first, pin!(self.in_turn(rest, true, two))).await,
            }
        };
        ledger.join(winner);
        answered
    }

    /// The first answer of two, or the last failure; and whose it is.
    async fn race<F, G>(&self, mut first: Pin<&mut F>, mut second: Pin<&mut G>) -> (usize, F::Output)
    where
        F: Future<Output = Result<Answer<U::Call>, Failure>>,
        G: Future<Output = F::Output>,
    {
        tokio::select! {
            biased;
            answered = &mut first => match answered {
                Err(failure) if self.rules.onward(&failure) => (1, second.await),
                answered => (0, answered),
            },
            answered = &mut second => match answered {
                Err(failure) if self.rules.onward(&failure) => (0, first.await),
                answered => (1, answered),
            },
        }
    }

    /// Where a target is, if it may be tried now.
    fn reach<L: Ledger>(&self, target: &Target, last: bool, ledger: &mut L) -> Result<&Servers, Error> {
        let servers = self.endpoints.of(&target.model)?;
        ledger.admit(target, last)?;
        Ok(servers)
    }

    async fn try_target<L: Ledger>(
        &self,
        servers: &Servers,
        target: &Target,
        is_last: bool,
        ledger: &mut L,
    ) -> Result<Answer<U::Call>, Failure> {
        let group = &self.plan.requested.model;
        let budgets = self.policy.budgets(&target.model, group, self.ask.peek.stream, &self.rules);
        let mut unbound = if self.plan.has_moved_to(target) { Unbound::of(self.ask) } else { None };
        let mut tries = 0;
        loop {
            ledger.begin(target, servers.face());
            let ask = unbound.as_ref().map_or(*self.ask, |unbound| unbound.ask(self.ask));
            let model = &target.upstream_model;
            let result = servers.attempt(self.upstream, model, &ask, &budgets, ledger.trace()).await;
            if let Some(unbound) = &unbound {
                ledger.trace().losses.add(unbound.losses.clone());
            }
            ledger.end(result.as_ref().err().map(|failure| &failure.error));
            let left = self.left.fetch_sub(1, Ordering::Relaxed) > 1;
            match result {
                // Nobody knew that another account had answered before: now the upstream has said it.
                Err(failure) if left && self.may_unbind(&failure) && unbound.is_none() => {
                    unbound = Unbound::of(self.ask);
                    if unbound.is_none() {
                        return Err(failure);
                    }
                }
                Err(failure) if left && self.rules.again(target, is_last, tries, &failure) => {
                    tokio::time::sleep(backoff(tries, failure.error.retry_after)).await;
                    tries += 1;
                }
                settled => return settled,
            }
        }
    }

    /// May the request be asked again without the state of another account? One that has a single target always goes to
    /// where its state is from: there the refusal is news for the caller.
    fn may_unbind(&self, failure: &Failure) -> bool {
        failure.bound_state && self.rules.is_of_several()
    }
}

/// A request without what is bound to the account that answered its conversation before.
struct Unbound {
    body: Bytes,
    peek: Peek,
    losses: Losses,
}

impl Unbound {
    /// None where nothing in it is bound.
    fn of(ask: &Ask<'_>) -> Option<Unbound> {
        let dialect = ask.dialect.dialect();
        let (body, losses) = dialect.strip_bound_state(ask.body)?;
        let peek = dialect.peek(&body).ok()?;
        let peek = Peek { model: ask.peek.model.clone(), stream: ask.peek.stream, ..peek };
        Some(Unbound { body, peek, losses })
    }

    fn ask<'a>(&'a self, ask: &Ask<'a>) -> Ask<'a> {
        Ask { body: &self.body, peek: &self.peek, ..*ask }
    }
}

fn no_target() -> Failure {
    Error::new(Kind::NoTarget, "no target of this model can answer now").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::model::Routing;

    fn policy() -> Policy {
        Policy {
            connect: None,
            timeout: Some(Duration::from_secs(100)),
            stream_timeout: None,
            first_frame: None,
            hold: Some(Duration::from_secs(9)),
            retries: 2,
            max_answer: 1 << 20,
        }
    }

    fn model(timeout: Option<u64>, stream_timeout: Option<u64>) -> Model {
        Model { timeout, stream_timeout, ..Model::default() }
    }

    #[test]
    fn a_model_overrides_its_group_which_overrides_the_deployments_times_and_zero_means_none() {
        let none = (None, None);
        let cases = [
            (none, none, false, Some(100_000)),
            ((Some(5_000), None), none, false, Some(5_000)),
            ((Some(0), None), (Some(7_000), None), false, None),
            (none, (Some(7_000), None), false, Some(7_000)),
            (none, (Some(0), None), false, None),
            ((Some(5_000), Some(700)), none, true, Some(700)),
            ((Some(5_000), Some(0)), none, true, Some(5_000)),
            ((Some(5_000), None), (None, Some(300)), true, Some(300)),
            ((Some(0), None), none, true, None),
            (none, (Some(7_000), Some(0)), true, Some(7_000)),
            (none, none, true, Some(100_000)),
        ];
        for (own, group, stream, expected) in cases {
            let (row, alias) = (model(own.0, own.1), model(group.0, group.1));
            let gap = policy().budgets(&row, &alias, stream, &Rules::of_alias(&alias, &policy())).gap;
            assert_eq!(gap, expected.map(Duration::from_millis), "{own:?} {group:?} {stream}");
        }
    }

    #[test]
    fn the_head_of_a_stream_waits_for_its_first_frame_where_another_target_could_do_better() {
        let alias = |routing: serde_json::Value, stream_timeout| Model {
            routing: Some(serde_json::from_value::<Routing>(routing).expect("a block")),
            stream_timeout,
            ..Model::default()
        };
        let plain = serde_json::json!({"targets": [{"model": "a"}]});
        let urgent = serde_json::json!({"targets": [{"model": "a"}], "first_frame_timeout": 400});
        let cases = [
            (model(None, Some(700)), Some(9_000), 700),
            (alias(plain.clone(), None), Some(9_000), 100_000),
            (alias(plain, Some(700)), None, 700),
            (alias(urgent, None), None, 400),
        ];
        for (alias, hold, first_frame) in cases {
            let rules = Rules::of_alias(&alias, &policy());
            let budgets = policy().budgets(&model(None, None), &alias, true, &rules);
            assert_eq!(budgets.hold, hold.map(Duration::from_millis));
            assert_eq!(budgets.first_frame, Some(Duration::from_millis(first_frame)));
        }
    }
}
