//! What is worked out for a routing alias when its configuration is applied.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Inquiry;
use super::filter::{self, When};
use super::strategy::ring::Ring;
use super::strategy::round_robin::{self, Sequence};
use super::strategy::{Choice, Order, available_first, declared, least, led_by, rendezvous, weighted};
use crate::resources::model::{HashKind, HashSource, Routing, Strategy};

/// The targets of a routing alias.
#[derive(Debug)]
pub struct Group {
    pub(super) strategy: Strategy,
    /// As declared.
    pub(super) members: Vec<Member>,
    /// The highest priority first.
    pub(super) tiers: Vec<Tier>,
    /// Where `consistent_hash` finds its key.
    keys: Vec<HashSource>,
    /// Does it keep sessions and conversations where they are?
    pub(super) sticks: bool,
}

/// One entry of the list of targets.
#[derive(Debug)]
pub(super) struct Member {
    pub name: Arc<str>,
    /// At least 1.
    pub weight: u32,
    priority: i32,
    pub tags: Vec<Arc<str>>,
    pub when: Vec<When>,
}

/// Targets of one priority.
#[derive(Debug)]
pub(super) struct Tier {
    /// Indices of members.
    pub members: Vec<usize>,
    sequence: Sequence,
    ring: Ring,
    /// Requests so far.
    turn: Arc<AtomicU64>,
}

impl Group {
    /// The group of a row; `former` is the one of the row before it.
    pub(super) fn new(routing: &Routing, former: Option<&Group>) -> Self {
        let members: Vec<Member> = routing.targets.iter().map(Member::new).collect();
        let former = former.filter(|former| {
            former.members.iter().map(Member::identity).eq(members.iter().map(Member::identity))
        });
        let priorities: BTreeSet<i32> = members.iter().map(|member| member.priority).collect();
        let tiers = priorities.into_iter().rev().enumerate().map(|(place, priority)| {
            let turn = former.and_then(|former| former.tiers.get(place)).map(|tier| Arc::clone(&tier.turn));
            Tier::new(routing.strategy, &members, priority, turn.unwrap_or_default())
        });
        let affinity = routing.affinity.clone().unwrap_or_default();
        Group {
            strategy: routing.strategy,
            tiers: tiers.collect(),
            members,
            keys: lower_case(routing.hash_on.as_deref()),
            sticks: affinity.enabled
                && !matches!(routing.strategy, Strategy::Failover | Strategy::ConsistentHash),
        }
    }

    /// The order of targets of one tier. `lead` is the one that a conversation or a session belongs to.
    pub(super) fn order(
        &self,
        tier: &Tier,
        lead: Option<usize>,
        choices: &[Choice<'_>],
        inquiry: &dyn Inquiry,
    ) -> Order {
        let order = match self.strategy {
            Strategy::Failover => return declared(choices),
            Strategy::ConsistentHash => return tier.ring.order(self.key(inquiry).as_bytes(), choices),
            Strategy::RoundRobin => {
                // A session takes no turn, so that the others are spread evenly.
                let turn = match lead {
                    None if !inquiry.dry() => tier.turn.fetch_add(1, Ordering::Relaxed),
                    _ => tier.turn.load(Ordering::Relaxed),
                };
                round_robin::order(&tier.sequence, tier.members.len(), turn, choices)
            }
            Strategy::Weighted => weighted::order(inquiry.random(), choices),
            Strategy::LeastCost => least::cost(choices),
            Strategy::LeastLatency => least::latency(choices),
            Strategy::LeastBusy => least::busy(choices),
        };
        led_by(lead, available_first(choices, order))
    }

    /// The target that a session named by the caller belongs to.
    pub(super) fn home(&self, session: u64, choices: &[Choice<'_>]) -> Option<usize> {
        rendezvous::pick(session, choices)
    }

    /// The first source that is there and not empty; else the empty key.
    fn key<'r>(&self, inquiry: &'r dyn Inquiry) -> Cow<'r, str> {
        let keys = self.keys.iter().filter_map(|source| find(source, inquiry));
        keys.into_iter().find(|key| !key.is_empty()).unwrap_or_default()
    }
}

impl Member {
    fn new(target: &crate::resources::model::Target) -> Self {
        Member {
            name: target.model.as_str().into(),
            weight: target.weight.max(1),
            priority: target.priority,
            tags: filter::tags(&target.tags),
            when: target.when.iter().map(When::new).collect(),
        }
    }

    /// What the counters of a group belong to.
    fn identity(&self) -> (&str, u32, i32) {
        (&self.name, self.weight, self.priority)
    }
}

impl Tier {
    fn new(strategy: Strategy, all: &[Member], priority: i32, turn: Arc<AtomicU64>) -> Self {
        let indexed = all.iter().enumerate().filter(|(_, member)| member.priority == priority);
        let (members, own): (Vec<usize>, Vec<(&str, u32)>) =
            indexed.map(|(index, member)| (index, (&*member.name, member.weight))).unzip();
        let weights: Vec<u32> = own.iter().map(|(_, weight)| *weight).collect();
        let sequence = match strategy {
            Strategy::RoundRobin => Sequence::new(&weights),
            _ => Sequence::default(),
        };
        let ring = match strategy {
            Strategy::ConsistentHash => Ring::new(&own),
            _ => Ring::default(),
        };
        Tier { members, sequence, ring, turn }
    }

    #[cfg(test)]
    pub(super) fn turns(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }
}

/// The sources of a row, or those that hold without any; names of headers as requests are asked for them.
fn lower_case(sources: Option<&[HashSource]>) -> Vec<HashSource> {
    let Some(sources) = sources else {
        let header = HashSource { kind: HashKind::Header, name: Some(KEY_HEADER.to_owned()) };
        return vec![header, HashSource { kind: HashKind::ApiKey, name: None }];
    };
    let mut sources = sources.to_vec();
    for source in sources.iter_mut().filter(|source| source.kind == HashKind::Header) {
        source.name.iter_mut().for_each(|name| name.make_ascii_lowercase());
    }
    sources
}

fn find<'r>(source: &HashSource, inquiry: &'r dyn Inquiry) -> Option<Cow<'r, str>> {
    let name = source.name.as_deref().unwrap_or_default();
    let hexadecimal = |hash: u64| format!("{hash:016x}").into();
    match source.kind {
        HashKind::Header => inquiry.header(name).map(Cow::from),
        HashKind::Cookie => inquiry.cookie(name).map(Cow::from),
        HashKind::ApiKey => Some(inquiry.key_id().into()),
        HashKind::ClientIp => inquiry.client(),
        HashKind::PromptCacheKey => inquiry.prompt_cache_key(),
        HashKind::Session => inquiry.session().map(hexadecimal),
        HashKind::Conversation => inquiry.beginning().map(hexadecimal),
    }
}

const KEY_HEADER: &str = "x-aisix-routing-key";
