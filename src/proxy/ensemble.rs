//! Several models answer, one judges: the panel side by side in the task of its request, then the judge, whose answer is
//! the caller's. Every call is a try of the same exchange.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::asker::{Asker, Matter};
use super::node::Node;
use super::tries::Tries;
use crate::dialect::ensemble::{self, Judge, Tuning};
use crate::dialect::{DialectId, Usage, skim};
use crate::error::{Error, Kind, Result};
use crate::resources::model::{Ensemble, Panelist};
use crate::routing::Plan;
use crate::upstream::dispatch::Ledger as _;
use crate::upstream::transport::Upstream;
use crate::upstream::{Answer, Failure, Operation, Part, WholeAnswer};

/// An ensemble that is to answer one request.
pub struct Panel {
    members: Vec<Member>,
    /// It decides what the caller is told.
    pub judge: Plan,
    template: Option<String>,
    /// Answers that the judge needs.
    least: usize,
    /// Longest time for each call.
    patience: Option<Duration>,
}

struct Member {
    /// Who may answer for it, or why nobody may.
    plan: Result<Plan>,
    tuning: Tuning,
}

impl Panel {
    /// Plans every call. `plan` finds the targets of an alias.
    ///
    /// # Errors
    /// The judge has no target. A member without one is a member that does not answer.
    pub fn new(row: &Ensemble, plan: impl Fn(&str) -> Result<Plan>) -> Result<Self> {
        let member = |row: &Panelist| Member {
            plan: plan(&row.model),
            tuning: Tuning { temperature: row.temperature, seed: row.seed },
        };
        let least = row.min_responses.and_then(|least| usize::try_from(least).ok());
        Ok(Panel {
            members: row.panel.iter().map(member).collect(),
            judge: plan(&row.judge.model)?,
            template: row.judge.synthesis_prompt.clone(),
            least: least.unwrap_or(LEAST.min(row.panel.len())),
            patience: row.timeout_ms.filter(|&millis| millis > 0).map(Duration::from_millis),
        })
    }
}

/// Refuses what an ensemble cannot do.
///
/// # Errors
/// `BadRequest`.
pub fn check(operation: Operation, dialect: DialectId, body: &Bytes) -> Result<()> {
    if operation == Operation::Generate {
        return ensemble::check(&dialect.codec().request(body)?);
    }
    let message = "this model is an ensemble of several, which can answer a request but not count its tokens";
    Err(Error::bad_request(message).param("model"))
}

/// Asks the panel, then the judge. What the panel consumed is added to `usage` as it becomes known.
///
/// # Errors
/// Too few members answered, or the judge failed.
pub async fn answer<U: Upstream>(
    node: &Node<U>,
    panel: &Panel,
    asker: &Asker<'_>,
    matter: Matter<'_>,
    tries: &mut Tries,
    usage: &mut Usage,
) -> Result<Answer<U::Call>, Failure> {
    let body = ensemble::asked_whole(matter.dialect, matter.body, asker.origin.history)?;
    let mut peek = matter.dialect.dialect().peek(&body)?;
    peek.model.clone_from(&matter.peek.model);
    let asked = Matter { body: &body, peek: &peek, ..matter };
    let answers = consult(node, panel, asker, asked, tries, usage).await?;
    let keeps = skim::value(matter.body, &["store"]) != Some(b"false");
    let judge = Judge::new(panel.template.as_deref(), (matter.dialect, &body), &answers, keeps, *usage)?;
    tries.of(&panel.judge, matter.peek.stream);
    let matter = Matter { part: Part::Judge(&judge), ..matter };
    asker.call(node, &panel.judge, matter, panel.patience, tries).await
}

/// The texts of the panel's answers, in the order of its members.
async fn consult<U: Upstream>(
    node: &Node<U>,
    panel: &Panel,
    asker: &Asker<'_>,
    matter: Matter<'_>,
    tries: &mut Tries,
    usage: &mut Usage,
) -> Result<Vec<String>> {
    let mut texts = vec![None; panel.members.len()];
    let mut failures = Vec::new();
    {
        let branches = tries.fork(panel.members.len());
        let mut asking: FuturesUnordered<_> = (0..)
            .zip(panel.members.iter().zip(branches))
            .map(|(index, (member, ledger)): (usize, _)| {
                let answering = consult_one(node, member, asker, matter, panel.patience, ledger);
                Box::pin(answering.map(move |answered| (index, answered)))
            })
            .collect();
        while let Some((index, answered)) = asking.next().await {
            let text = answered.and_then(|whole| {
                usage.add(&whole.usage);
                ensemble::answer_text(matter.dialect, &whole.body)
            });
            match text {
                Ok(text) => texts[index] = Some(text),
                Err(error) => failures.push(error),
            }
            // Nobody is asked on for an answer that cannot come.
            if panel.members.len() - failures.len() < panel.least {
                break;
            }
        }
    }
    tries.join(panel.members.len().saturating_sub(1));
    let texts: Vec<String> = texts.into_iter().flatten().collect();
    if texts.len() < panel.least { Err(too_few(texts.len(), panel, &failures)) } else { Ok(texts) }
}

async fn consult_one<U: Upstream>(
    node: &Node<U>,
    member: &Member,
    asker: &Asker<'_>,
    matter: Matter<'_>,
    patience: Option<Duration>,
    ledger: &mut Tries,
) -> Result<WholeAnswer> {
    let plan = member.plan.as_ref().map_err(Clone::clone)?;
    ledger.of(plan, false);
    let matter = Matter { part: Part::Panel(member.tuning), ..matter };
    match asker.call(node, plan, matter, patience, ledger).await {
        Ok(Answer::Whole(whole)) => match whole.refused {
            Some(error) => Err(error),
            None => Ok(*whole),
        },
        Ok(Answer::Stream(_)) => Err(Error::new(
            Kind::UpstreamUnreadable,
            "upstream gave a stream where a whole answer was asked for",
        )),
        Err(failure) => Err(failure.error),
    }
}

fn too_few(answered: usize, panel: &Panel, failures: &[Error]) -> Error {
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    let (all, least) = (panel.members.len(), panel.least);
    let message =
        format!("only {answered} of the {all} models of this ensemble answered, and {least} are needed");
    Error::new(Kind::UpstreamFailed, message).because(told.join("; "))
}

/// Answers that the judge needs, where nobody says how many.
const LEAST: usize = 2;
