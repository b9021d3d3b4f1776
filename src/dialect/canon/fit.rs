//! Makes a request one that its target can answer: what the target's table says is approximated, dropped or refused,
//! before its dialect writes anything.

use std::borrow::Cow;

use super::feature::{FEATURES, Feature, Support, Verdict};
use super::request::{Content, Request, Role};
use crate::error::{Error, Result};

/// What was lost on the way to a target. Names, never values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    names: Vec<Cow<'static, str>>,
}

impl Losses {
    /// Notes that something was left out. A name counts once.
    pub fn drop(&mut self, name: impl Into<Cow<'static, str>>) {
        let name = name.into();
        if !self.names.contains(&name) && self.names.len() < MOST_NAMES {
            self.names.push(name);
        }
    }

    /// Notes what was lost elsewhere.
    pub fn add(&mut self, other: Losses) {
        other.names.into_iter().for_each(|name| self.drop(name));
    }

    /// What was left out, in the order in which it was found.
    pub fn names(&self) -> &[Cow<'static, str>] {
        &self.names
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Fits a request to a target with this table. What only the source dialect knows is taken out with the rest.
///
/// # Errors
/// `BadRequest`: the request asks for something the target cannot do and the caller would miss.
pub fn fit(request: &mut Request<'_>, table: &[Support], losses: &mut Losses) -> Result<()> {
    for member in std::mem::take(&mut request.rest) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if (1..=MAX_NAME).contains(&member.name.len()) && member.name.bytes().all(plain) {
            losses.drop(member.name.into_owned());
        }
    }
    drop_foreign_blocks(request, losses)?;
    for line in table {
        let row = line.feature.row();
        if !(row.is_asked)(request) {
            continue;
        }
        match line.verdict {
            Verdict::Native | Verdict::Approximated(_) => {}
            Verdict::Refused(advice) => return Err(refused(row.name, advice)),
            Verdict::Dropped(_) => {
                (row.take_out)(request);
                losses.drop(row.name);
            }
        }
    }
    Ok(())
}

/// Blocks of one dialect alone mean nothing to another. In the history they are left out; where nothing else is left of
/// what the user last said, there is nothing to answer.
fn drop_foreign_blocks(request: &mut Request<'_>, losses: &mut Losses) -> Result<()> {
    let row = Feature::ForeignBlocks.row();
    if !(row.is_asked)(request) {
        return Ok(());
    }
    let last = request.turns.last().filter(|turn| turn.role == Role::User);
    let lone =
        last.is_some_and(|turn| turn.parts.iter().all(|part| matches!(part.content, Content::Foreign(_))));
    if lone {
        return Err(refused(
            "messages",
            "the last message holds nothing that this model's provider understands",
        ));
    }
    (row.take_out)(request);
    losses.drop(row.name);
    Ok(())
}

fn refused(name: &'static str, advice: &'static str) -> Error {
    Error::bad_request(format!("\"{name}\" cannot be used with this model: {advice}"))
        .param(name)
        .code("unsupported_parameter")
}

impl<'r> IntoIterator for &'r Losses {
    type Item = &'r Cow<'static, str>;
    type IntoIter = std::slice::Iter<'r, Cow<'static, str>>;

    fn into_iter(self) -> Self::IntoIter {
        self.names.iter()
    }
}

/// Every feature a table speaks of, once.
pub fn is_well_formed(table: &[Support]) -> bool {
    let speaks = |feature: Feature| table.iter().filter(|line| line.feature == feature).count();
    FEATURES.iter().all(|row| speaks(row.feature) <= 1)
}

/// Names that are kept; a hostile body has more.
const MOST_NAMES: usize = 32;
/// Bytes of a member's name that may be told on.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::DialectId;
    use crate::dialect::canon::{Foreign, Member, Part, Turn};

    const TABLE: &[Support] = &[
        Support { feature: Feature::Seed, verdict: Verdict::Dropped("no such thing") },
        Support { feature: Feature::Choices, verdict: Verdict::Refused("ask once for each answer") },
        Support { feature: Feature::Temperature, verdict: Verdict::Approximated("at most 1") },
    ];

    fn text(text: &'static str) -> Part<'static> {
        Content::Text(text.into()).into()
    }

    fn foreign() -> Part<'static> {
        Content::Foreign(Foreign { kind: "search_result".into(), json: "{}" }).into()
    }

    #[test]
    fn what_a_target_lacks_is_dropped_and_named_or_refused() {
        let mut request = Request::new(DialectId::OpenAiChat);
        request.sampling.seed = Some(1);
        request.sampling.temperature = Some(0.5);
        request.rest.push(Member { name: "prediction".into(), value: "{}" });
        request.rest.push(Member { name: "not a\nname".into(), value: "1" });
        let mut losses = Losses::default();
        fit(&mut request, TABLE, &mut losses).expect("nothing is refused");
        assert_eq!(losses.names(), ["prediction", "seed"]);
        assert_eq!((request.sampling.seed, request.sampling.temperature), (None, Some(0.5)));
        request.choices = Some(2);
        let error = fit(&mut request, TABLE, &mut losses).expect_err("two answers");
        assert_eq!((error.status(), error.param.as_deref()), (400, Some("n")));
    }

    #[test]
    fn foreign_blocks_leave_the_history_but_not_an_empty_question() {
        let mut request = Request::new(DialectId::Anthropic);
        request.turns.push(Turn::new(Role::User, vec![foreign(), text("hi")]));
        request.turns.push(Turn::new(Role::Assistant, vec![foreign()]));
        request.turns.push(Turn::new(Role::User, vec![text("and?")]));
        let mut losses = Losses::default();
        fit(&mut request, &[], &mut losses).expect("a question is left");
        assert_eq!(losses.names(), ["foreign_blocks"]);
        assert_eq!(request.turns.len(), 2);
        request.turns.push(Turn::new(Role::User, vec![foreign()]));
        assert!(fit(&mut request, &[], &mut losses).is_err());
    }
}
