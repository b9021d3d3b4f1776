//! For which requests a target is meant: tags and conditions.

use std::sync::Arc;

use super::Inquiry;
use super::decision::Dropped;
use super::group::Member;
use crate::resources::Glob;
use crate::resources::model::Condition;

/// A condition with its patterns made ready.
#[derive(Debug)]
pub(super) struct When {
    header: String,
    patterns: Vec<Glob>,
    negate: bool,
}

impl When {
    pub fn new(condition: &Condition) -> Self {
        When {
            header: condition.header.to_ascii_lowercase(),
            patterns: condition
                .matches
                .as_slice()
                .iter()
                .map(|pattern| Glob::new(pattern.as_str()))
                .collect(),
            negate: condition.negate,
        }
    }

    fn holds(&self, inquiry: &dyn Inquiry) -> bool {
        let value = inquiry.header(&self.header);
        let matched = value.is_some_and(|value| self.patterns.iter().any(|pattern| pattern.matches(value)));
        matched != self.negate
    }
}

/// Which targets the request's tags leave: those that share one, else those tagged `default`; without tags in the
/// request those tagged `default`, else all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tagged<'r> {
    All,
    Default,
    Sharing(&'r str),
}

impl<'r> Tagged<'r> {
    pub fn of(members: &[Member], inquiry: &'r dyn Inquiry) -> Self {
        if members.iter().all(|member| member.tags.is_empty()) {
            return Tagged::All;
        }
        let any = |tagged: Tagged<'_>| members.iter().any(|member| tagged.admits(member));
        match inquiry.header(TAGS_HEADER).filter(|tags| asked(tags).next().is_some()) {
            Some(tags) if any(Tagged::Sharing(tags)) => Tagged::Sharing(tags),
            Some(_) => Tagged::Default,
            None if any(Tagged::Default) => Tagged::Default,
            None => Tagged::All,
        }
    }

    fn admits(self, member: &Member) -> bool {
        let has = |tag: &str| member.tags.iter().any(|own| &**own == tag);
        match self {
            Tagged::All => true,
            Tagged::Default => has(DEFAULT_TAG),
            Tagged::Sharing(tags) => asked(tags).any(has),
        }
    }
}

/// Why a target is not meant for the request; None = it is.
pub(super) fn excludes(member: &Member, tagged: Tagged<'_>, inquiry: &dyn Inquiry) -> Option<Dropped> {
    if !tagged.admits(member) {
        return Some(Dropped::Tag);
    }
    let all = member.when.iter().all(|when| when.holds(inquiry));
    (!all).then_some(Dropped::Condition)
}

/// The tags of a row.
pub(super) fn tags(tags: &[String]) -> Vec<Arc<str>> {
    tags.iter().map(|tag| tag.trim().into()).collect()
}

fn asked(tags: &str) -> impl Iterator<Item = &str> {
    tags.split(',').map(str::trim).filter(|tag| !tag.is_empty())
}

const TAGS_HEADER: &str = "x-aisix-routing-tags";
const DEFAULT_TAG: &str = "default";
