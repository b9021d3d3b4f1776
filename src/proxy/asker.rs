//! What all asks on behalf of one caller have in common. Most requests make one; an ensemble makes several.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use super::downstream::Downstream;
use super::exchange::Origin;
use super::node::Node;
use super::relay;
use super::tries::Tries;
use crate::dialect::{DialectId, Peek};
use crate::error::{Error, Kind, Result};
use crate::policy::auth::Caller;
use crate::routing::Plan;
use crate::upstream::dispatch::Ledger;
use crate::upstream::transport::{Headers, Upstream};
use crate::upstream::{self, Answer, Ask, Failure, Operation, Part};

/// The caller as upstreams see it.
pub struct Asker<'x> {
    pub origin: Origin<'x>,
    pub caller: &'x Caller,
    /// The name the caller used.
    pub alias: &'x str,
    /// The caller's headers that may travel.
    pub headers: Headers,
    pub query: Option<String>,
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct Matter<'m> {
    pub operation: Operation,
    pub dialect: DialectId,
    pub body: &'m Bytes,
    pub peek: &'m Peek,
    pub part: Part<'m>,
}

/// Fills a `${name}` in an operator's default header.
pub type Fill<'f> = dyn Fn(&str) -> Option<String> + Sync + 'f;

impl<'x> Asker<'x> {
    /// With those of the caller's headers for which `travels` holds.
    pub fn new<D: Downstream>(
        origin: Origin<'x>,
        down: &D,
        caller: &'x Caller,
        alias: &'x str,
        travels: fn(&str) -> bool,
    ) -> Self {
        let query = down.query().map(str::to_owned);
        Asker { origin, caller, alias, headers: down.headers_where(travels), query }
    }

    /// For asks that are the gateway's own: nothing of what the caller said to its provider goes along.
    pub fn own(origin: Origin<'x>, caller: &'x Caller, alias: &'x str) -> Self {
        Asker { origin, caller, alias, headers: Headers::default(), query: None }
    }

    /// A request about this matter.
    pub fn ask<'a>(&'a self, matter: Matter<'a>, fill: &'a Fill<'a>) -> Ask<'a> {
        let Matter { operation, dialect, body, peek, part } = matter;
        let query = self.query.as_deref();
        Ask {
            operation,
            dialect,
            body,
            peek,
            alias: self.alias,
            headers: &self.headers,
            query,
            as_array: dialect == DialectId::Gemini && peek.stream && !asks_for_events(query),
            history: self.origin.history,
            part,
            request_id: self.origin.id,
            priority: self.caller.key.priority,
            created: self.origin.at.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs()),
            fill,
        }
    }

    /// Asks the plan's targets, for as long as there is patience for it.
    ///
    /// # Errors
    /// The last failure.
    pub async fn call<U: Upstream>(
        &self,
        node: &Node<U>,
        plan: &Plan,
        matter: Matter<'_>,
        patience: Option<Duration>,
        ledger: &mut Tries,
    ) -> Result<Answer<U::Call>, Failure> {
        let fill = |name: &str| self.value(plan, name);
        let ask = self.ask(matter, &fill);
        let (endpoints, policy) = (&self.origin.world.endpoints, &node.settings.policy);
        let asking = Box::pin(upstream::dispatch(&node.upstream, endpoints, plan, &ask, policy, ledger));
        let Some(bound) = patience else { return asking.await };
        match pingora_timeout::timeout(bound, asking).await {
            Ok(answered) => answered,
            Err(_) => {
                let late = relay::out_of_time(patience);
                ledger.end(Some(&late));
                Err(late.into())
            }
        }
    }

    /// Value of a `${name}` in an operator's default header of the plan's first target.
    pub fn value(&self, plan: &Plan, name: &str) -> Option<String> {
        let target = plan.targets.first()?;
        match name {
            "request.id" => Some(self.origin.id.to_owned()),
            "request.api_key.id" => Some(self.caller.key.id.clone()),
            "request.api_key.name" => self.caller.key.display_name.clone(),
            "request.api_key.team_id" => self.caller.key.team_id.clone(),
            "request.api_key.user_id" => self.caller.key.user_id.clone(),
            "model.id" => Some(target.model.id.clone()),
            "model.name" => Some(target.model.display_name.clone()),
            "provider_key.id" => target.model.provider_key_id.clone(),
            "provider_key.name" => {
                let key =
                    self.origin.world.snapshot.provider_key(target.model.provider_key_id.as_deref()?)?;
                Some(key.display_name.clone())
            }
            _ => None,
        }
    }
}

/// Does the work for as long as the caller is there and the request has time.
///
/// # Errors
/// `CallerGone`, or `UpstreamTimeout` when `total` since the request began, of which `left` is left, is over.
pub async fn attended<D: Downstream, T>(
    down: &mut D,
    total: Option<Duration>,
    left: Option<Duration>,
    work: impl Future<Output = T>,
) -> Result<T> {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => Ok(done),
        () = down.gone() => Err(Error::new(Kind::CallerGone, "the caller left before its answer began")),
        () = relay::sleep(left) => Err(relay::out_of_time(total)),
    }
}

/// Google's streams are events only if that is asked for.
fn asks_for_events(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"))
}
