//! The targets behind a routing alias for one request: those that are meant for it, in order, the aliases among them
//! replaced by their own targets.

use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::affinities::{Print, print};
use super::decision::{Affinity, Considered, Dropped, MOST_TOLD, Verdict};
use super::filter::{Tagged, excludes};
use super::group::{Group, Member, Tier};
use super::strategy::{Choice, Order};
use super::{Board, Inquiry, Target};
use crate::resources::{Match, Model, Shape, Snapshot};

/// A target that the request may go to.
#[derive(Debug)]
pub(super) struct Candidate {
    /// As the list of targets names it.
    pub alias: Arc<str>,
    pub target: Target,
    /// Until when it is left alone.
    pub cooling: Option<Instant>,
    pub unwell: bool,
}

impl Candidate {
    pub fn is_available(&self) -> bool {
        self.cooling.is_none() && !self.unwell
    }

    fn is(&self, other: &Candidate) -> bool {
        let (own, others) = (&self.target, &other.target);
        Arc::ptr_eq(&own.state, &others.state) && own.upstream_model == others.upstream_model
    }

    fn print(&self) -> Print {
        print(&self.target.model.id, &self.target.upstream_model)
    }
}

pub(super) type Candidates = SmallVec<[Candidate; 4]>;

/// One walk from an alias down to its targets.
pub(super) struct Walk<'w> {
    pub snapshot: &'w Snapshot,
    pub board: &'w Board,
    pub inquiry: &'w dyn Inquiry,
    pub now: Instant,
    /// The requested alias, under which conversations are noted.
    pub root: &'w Model,
    pub affinity: Affinity,
    /// The session that the request names, once it was asked for.
    session: Option<Option<u64>>,
    /// Those that are not tried, as far as they are told.
    pub dropped: Vec<Considered>,
    /// What they were dropped for, told or not.
    pub reasons: Vec<Dropped>,
    pub untold: usize,
    /// Entries of lists that may still be looked at.
    left: usize,
}

impl<'w> Walk<'w> {
    pub fn new(
        snapshot: &'w Snapshot,
        board: &'w Board,
        inquiry: &'w dyn Inquiry,
        root: &'w Model,
        now: Instant,
    ) -> Self {
        let (dropped, reasons) = (Vec::new(), Vec::new());
        let (affinity, session) = (Affinity::None, None);
        Walk {
            snapshot,
            board,
            inquiry,
            now,
            root,
            affinity,
            session,
            dropped,
            reasons,
            untold: 0,
            left: MOST_LOOKED_AT,
        }
    }

    /// The targets of a routing alias in the order in which they are tried, each once.
    pub fn expand(&mut self, alias: &Model, depth: usize) -> Candidates {
        let mut found = Candidates::new();
        let (Some(group), Some(routing)) = (self.board.group(alias), &alias.routing) else { return found };
        let tagged = Tagged::of(&group.members, self.inquiry);
        for tier in &group.tiers {
            let mut branches = self.branches(group, tier, tagged, depth);
            for index in self.order(group, tier, &branches) {
                let branch = branches.get_mut(index).map(|branch| std::mem::take(&mut branch.candidates));
                for candidate in branch.into_iter().flatten() {
                    if !found.iter().any(|other| other.is(&candidate)) {
                        found.push(candidate);
                    }
                }
            }
        }
        let most = routing.max_fallbacks.map_or(usize::MAX, |most| (most as usize).saturating_add(1));
        for beyond in found.drain(most.min(found.len())..) {
            self.drop(&beyond.alias, Dropped::BeyondMaxFallbacks);
        }
        found
    }

    fn order(&mut self, group: &Group, tier: &Tier, branches: &[Branch<'_>]) -> Order {
        let stream = self.inquiry.stream();
        let choices = branches.iter().map(|branch| branch.choice(stream, self.now));
        let choices: SmallVec<[Choice<'_>; 4]> = choices.collect();
        let lead = self.lead(group, branches, &choices);
        group.order(tier, lead, &choices, self.inquiry)
    }

    /// What the entries of a tier that are meant for the request lead to.
    fn branches<'g>(
        &mut self,
        group: &'g Group,
        tier: &Tier,
        tagged: Tagged<'_>,
        depth: usize,
    ) -> SmallVec<[Branch<'g>; 4]> {
        let mut branches = SmallVec::new();
        for (place, index) in tier.members.iter().enumerate() {
            let Some(member) = group.members.get(*index) else { continue };
            let candidates = match excludes(member, tagged, self.inquiry) {
                None => self.behind(&member.name, depth),
                Some(why) => Err(why),
            };
            match candidates {
                Ok(candidates) if candidates.is_empty() => {}
                Ok(candidates) => branches.push(Branch { place, member, candidates }),
                Err(why) => self.drop(&member.name, why),
            }
        }
        branches
    }

    /// What an entry of a list of targets leads to. Empty when all behind it was dropped.
    fn behind(&mut self, name: &Arc<str>, depth: usize) -> Result<Candidates, Dropped> {
        let found = self.snapshot.model(name).ok_or(Dropped::Unknown)?;
        if !self.inquiry.admitted(found.model) {
            return Err(Dropped::Address);
        }
        self.left = self.left.checked_sub(1).ok_or(Dropped::CannotServe)?;
        match found.model.shape() {
            Shape::Direct => self.direct(name, found).map(|candidate| smallvec::smallvec![candidate]),
            Shape::Routing if depth < DEEPEST => Ok(self.expand(found.model, depth + 1)),
            _ => Err(Dropped::CannotServe),
        }
    }

    fn direct(&self, name: &Arc<str>, found: Match<'_>) -> Result<Candidate, Dropped> {
        let Match { model, captured } = found;
        let direct = self.board.direct(model).ok_or(Dropped::Unknown)?;
        if !self.inquiry.serves(model) {
            return Err(Dropped::CannotServe);
        }
        if direct.state.is_drained() {
            return Err(Dropped::Drained);
        }
        Ok(Candidate {
            alias: Arc::clone(name),
            cooling: direct.state.cooling(self.now),
            unwell: direct.state.is_unwell(self.now),
            target: direct.target(model, captured.as_deref()),
        })
    }

    /// The choice that the request's session or conversation belongs to.
    fn lead(&mut self, group: &Group, branches: &[Branch<'_>], choices: &[Choice<'_>]) -> Option<usize> {
        if choices.len() < 2 {
            return None;
        }
        if let Some(lead) = self.inquiry.bound().and_then(|stored| self.answered(stored, branches)) {
            self.affinity = Affinity::Conversation;
            return Some(lead);
        }
        if !group.sticks {
            return None;
        }
        if let Some(session) = *self.session.get_or_insert_with(|| self.inquiry.session()) {
            self.affinity = Affinity::Session;
            return group.home(session, choices);
        }
        let lead = self.answered(self.inquiry.conversation()?, branches)?;
        self.affinity = Affinity::Conversation;
        Some(lead)
    }

    /// The choice with the target that answered before, if it is available.
    fn answered(&self, conversation: u64, branches: &[Branch<'_>]) -> Option<usize> {
        let known = self.board.recall(self.root, conversation, self.now)?;
        let answered = |candidate: &Candidate| candidate.is_available() && candidate.print() == known;
        branches.iter().position(|branch| branch.candidates.iter().any(answered))
    }

    /// Takes note of a target that is not tried.
    pub fn drop(&mut self, alias: &Arc<str>, why: Dropped) {
        if !self.reasons.contains(&why) {
            self.reasons.push(why);
        }
        if self.dropped.len() < MOST_TOLD {
            self.dropped.push(Considered { alias: Arc::clone(alias), verdict: Verdict::Dropped(why) });
        } else {
            self.untold += 1;
        }
    }
}

/// An entry of a tier and the targets it leads to.
struct Branch<'g> {
    place: usize,
    member: &'g Member,
    /// Not empty.
    candidates: Candidates,
}

impl Branch<'_> {
    /// An alias counts as the target that it would choose.
    fn choice(&self, stream: bool, now: Instant) -> Choice<'_> {
        let first = self.candidates.iter().find(|candidate| candidate.is_available());
        let first = first.or(self.candidates.first()).map(|candidate| &candidate.target);
        Choice {
            place: self.place,
            name: &self.member.name,
            weight: self.member.weight,
            available: self.candidates.iter().any(Candidate::is_available),
            in_flight: first.map_or(0, |target| target.state.in_flight()),
            seconds: first.and_then(|target| target.state.speed(stream, now)).map(|time| time.as_secs_f64()),
            cost: first
                .and_then(|target| target.model.cost)
                .map(|cost| cost.input_per_1k + cost.output_per_1k),
        }
    }
}

/// Aliases within aliases.
const DEEPEST: usize = 8;
/// Entries of lists that one request looks at, lists within lists included.
const MOST_LOOKED_AT: usize = 1024;
