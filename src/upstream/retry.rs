//! What a failed try means: the end, the same target once more, or the next one.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::attempt::Failure;
use super::dispatch::Policy;
use crate::dialect::refusal::Meaning;
use crate::error::Kind;
use crate::resources::Model;
use crate::resources::model::{FallbackOn, Hedge, Routing};
use crate::routing::{Plan, Target};

/// The rules by which the tries of one plan follow each other.
#[derive(Clone, Copy)]
pub struct Rules<'p> {
    routing: Option<&'p Routing>,
    /// Tries after the first on the same target, where an alias of several says so.
    of_group: Option<u32>,
    /// Tries after the first on the same target, for the last target of a plan.
    of_deployment: u32,
}

impl<'p> Rules<'p> {
    pub fn of(plan: &'p Plan, policy: &Policy) -> Self {
        Rules::of_alias(&plan.requested.model, policy)
    }

    pub fn of_alias(alias: &'p Model, policy: &Policy) -> Self {
        let routing = alias.routing.as_ref();
        // A direct alias is its own target, whose own budget comes first anyway.
        let of_group = routing.map_or(alias.retries, |routing| routing.retries);
        Rules { routing, of_group, of_deployment: policy.retries }
    }

    /// Are there several targets to choose from?
    pub fn is_of_several(&self) -> bool {
        self.routing.is_some()
    }

    /// The targets that may be tried: a stream that must not change its target has one.
    pub fn eligible<'t>(&self, targets: &'t [Target], stream: bool) -> &'t [Target] {
        let stays = stream && self.routing.is_some_and(|routing| !routing.stream_failover);
        targets.get(..1).filter(|_| stays).unwrap_or(targets)
    }

    /// The most tries, whatever their targets.
    pub fn max_attempts(&self) -> u32 {
        self.routing.and_then(|routing| routing.max_attempts).unwrap_or(u32::MAX)
    }

    /// The time for all tries together.
    pub fn total(&self) -> Option<Duration> {
        self.routing.and_then(|routing| routing.total_timeout).map(Duration::from_millis)
    }

    /// The time to a stream's first frame.
    pub fn first_frame(&self) -> Option<Duration> {
        self.routing.and_then(|routing| routing.first_frame_timeout).map(Duration::from_millis)
    }

    /// When a second target is asked beside the first.
    pub fn hedge(&self) -> Option<Duration> {
        let Hedge { after_ms } = self.routing?.hedge?;
        Some(Duration::from_millis(after_ms))
    }

    /// May the same target be tried again after `tries` tries?
    pub fn again(&self, target: &Target, is_last: bool, tries: u32, failure: &Failure) -> bool {
        let explicit = target.model.retries.or(self.of_group);
        let budget = explicit.unwrap_or(if is_last { self.of_deployment } else { 0 });
        // Whoever was turned away by busy servers has waited for them already.
        if failure.error.kind == Kind::Saturated {
            return false;
        }
        // A budget that somebody wrote covers everything; the deployment's default never covers timeouts.
        tries < budget && self.is_transient(failure) && (explicit.is_some() || !failure.timed_out)
    }

    /// Could it be otherwise in a moment, or elsewhere?
    fn is_transient(&self, failure: &Failure) -> bool {
        match failure.status() {
            Some(429) => self.retry_on_429() == Some(true) || self.is_listed(429),
            Some(408 | 409) => true,
            Some(status) if self.is_listed(status) => true,
            _ => failure.error.retryable(),
        }
    }

    /// May the next target be tried?
    pub fn onward(&self, failure: &Failure) -> bool {
        let Some(routing) = self.routing else { return self.is_transient(failure) || failure.is_of_target() };
        let reasons = routing.fallback_on.as_deref().unwrap_or(REASONS);
        let falls_back = |meaning: Meaning| reasons.contains(&fallback_on(meaning));
        self.is_transient(failure)
            || failure.is_of_target()
            || failure.status() == Some(429) && self.retry_on_429() != Some(false)
            || failure.meaning.is_some_and(falls_back)
    }

    fn retry_on_429(&self) -> Option<bool> {
        self.routing.and_then(|routing| routing.retry_on_429)
    }

    fn is_listed(&self, status: u16) -> bool {
        self.routing.is_some_and(|routing| routing.fallback_on_statuses.contains(&status))
    }
}

impl Failure {
    /// Status with which the upstream refused.
    fn status(&self) -> Option<u16> {
        self.refused_with
    }

    /// Is it this target alone that cannot serve the request?
    fn is_of_target(&self) -> bool {
        self.cannot || matches!(self.error.kind, Kind::UpstreamCredential | Kind::NoProvider)
    }
}

fn fallback_on(meaning: Meaning) -> FallbackOn {
    match meaning {
        Meaning::ContextLength => FallbackOn::ContextLength,
        Meaning::UnknownModel => FallbackOn::ModelNotFound,
        Meaning::ContentPolicy => FallbackOn::ContentPolicy,
    }
}

/// The upstream's own hint when it is short, else doubling from 250 ms to 2 s; plus up to 250 ms at random,
/// so that callers who failed together do not return together.
pub fn backoff(tries: u32, hint: Option<u32>) -> Duration {
    let base = match hint {
        Some(seconds) if seconds <= LONGEST_HINT => Duration::from_secs(seconds.into()),
        _ => (FIRST_BACKOFF * 2u32.saturating_pow(tries.min(8))).min(LONGEST_BACKOFF),
    };
    base + Duration::from_millis(RandomState::new().hash_one(Instant::now()) % JITTER_MILLIS)
}

/// Refusals of one target after which the next is asked, where nobody says which.
const REASONS: &[FallbackOn] = &[FallbackOn::ContextLength, FallbackOn::ModelNotFound];

const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// Seconds of `Retry-After` that are worth waiting within one request.
const LONGEST_HINT: u32 = 5;
const JITTER_MILLIS: u64 = 250;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Error;

    fn rules_of(routing: Option<Value>, retries: Option<u32>) -> Model {
        let routing = routing.map(|mut block| {
            block["targets"] = json!([{"model": "a"}]);
            serde_json::from_value(block).expect("a block")
        });
        Model { routing, retries, ..Model::default() }
    }

    fn rules(alias: &Model) -> Rules<'_> {
        Rules { routing: alias.routing.as_ref(), of_group: None, of_deployment: 2 }
    }

    fn refused(status: u16) -> Failure {
        let error = Error::new(Kind::UpstreamRefused, "no").with_status(status);
        Failure { refused_with: Some(status), ..error.into() }
    }

    #[test]
    fn a_failure_sends_on_what_another_target_may_serve_and_nothing_else() {
        let failed = |kind| Failure::from(Error::new(kind, "x"));
        let meant = |status, meaning| Failure { meaning: Some(meaning), ..refused(status) };
        let plain = json!({});
        let table = [
            (failed(Kind::UpstreamUnreachable), &plain, true),
            (failed(Kind::UpstreamTimeout), &plain, true),
            (failed(Kind::UpstreamCredential), &plain, true),
            (Failure { cannot: true, ..failed(Kind::BadRequest) }, &plain, true),
            (failed(Kind::CallerGone), &plain, false),
            (refused(400), &plain, false),
            (refused(408), &plain, true),
            (refused(409), &plain, true),
            (refused(422), &plain, false),
            (refused(422), &json!({"fallback_on_statuses": [422]}), true),
            (refused(429), &plain, true),
            (refused(429), &json!({"retry_on_429": false}), false),
            (refused(429), &json!({"retry_on_429": true}), true),
            (meant(413, Meaning::ContextLength), &plain, true),
            (meant(413, Meaning::ContextLength), &json!({"fallback_on": []}), false),
            (meant(404, Meaning::UnknownModel), &plain, true),
            (meant(400, Meaning::ContentPolicy), &plain, false),
            (meant(400, Meaning::ContentPolicy), &json!({"fallback_on": ["content_policy"]}), true),
        ];
        for (failure, block, expected) in table {
            let alias = rules_of(Some(block.clone()), None);
            assert_eq!(rules(&alias).onward(&failure), expected, "{failure:?} {block}");
        }
    }

    #[test]
    fn the_same_target_is_asked_again_as_often_as_somebody_said() {
        let target = |retries| Target {
            model: std::sync::Arc::new(rules_of(None, retries)),
            upstream_model: "m".into(),
            state: crate::routing::TargetState::new(),
        };
        let late = Failure { timed_out: true, ..Error::new(Kind::UpstreamTimeout, "late").into() };
        let cut = || Failure::from(Error::new(Kind::UpstreamCut, "cut"));
        let alias = rules_of(None, None);
        let rules = rules(&alias);
        // The deployment's budget is for the last target, and never for timeouts.
        assert!(rules.again(&target(None), true, 1, &cut()) && !rules.again(&target(None), true, 2, &cut()));
        assert!(!rules.again(&target(None), false, 0, &cut()) && !rules.again(&target(None), true, 0, &late));
        // A budget that was written holds everywhere and for everything.
        let own = target(Some(1));
        assert!(rules.again(&own, false, 0, &late) && !rules.again(&own, false, 1, &late));
        assert!(!rules.again(&own, false, 0, &refused(400)) && !rules.again(&own, false, 0, &refused(429)));
        let group = Rules { of_group: Some(1), ..rules };
        assert!(
            group.again(&target(None), false, 0, &late) && !group.again(&target(Some(0)), true, 0, &cut())
        );
    }

    #[test]
    fn backoff_doubles_up_to_a_bound_and_follows_a_short_hint() {
        let between = |duration: Duration, low: u64| {
            (low..low + JITTER_MILLIS).contains(&u64::try_from(duration.as_millis()).expect("short"))
        };
        assert!(between(backoff(0, None), 250));
        assert!(between(backoff(1, None), 500));
        assert!(between(backoff(9, None), 2_000));
        assert!(between(backoff(0, Some(3)), 3_000));
        assert!(between(backoff(0, Some(60)), 250));
    }
}
