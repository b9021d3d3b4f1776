//! The choice by meaning: the prompt is embedded, and the route whose examples are nearest decides.

use std::time::Duration;

use super::asker::{Asker, Matter};
use super::node::Node;
use super::tries::Tries;
use super::vectors::space;
use crate::dialect::{DialectId, embeddings, text};
use crate::error::{Error, Kind, Result};
use crate::resources::model::{OnEmbeddingFailure, Semantic};
use crate::routing::semantic::{Vector, claims, examples, fitted};
use crate::routing::{self, Plan};
use crate::upstream::transport::Upstream;
use crate::upstream::{Answer, Operation, Part};

/// The alias that is to answer.
pub struct Choice<'s> {
    pub alias: &'s str,
    /// The route that claimed the prompt.
    pub route: Option<&'s str>,
}

/// Chooses by what the user said last.
///
/// # Errors
/// `BadRequest` when vectors have not the length they should have; `NoProvider` when there are none and the router's
/// policy is to fail.
pub async fn choose<'s, U: Upstream>(
    node: &Node<U>,
    semantic: &'s Semantic,
    asker: &Asker<'_>,
    said: Option<&str>,
    tries: &mut Tries,
) -> Result<Choice<'s>> {
    let default = Choice { alias: &semantic.default, route: None };
    let Some(said) = said else { return Ok(default) };
    let beginning = text::beginning(said, LONGEST_PROMPT);
    let embedded = match plan(asker, semantic) {
        Ok(plan) => embed(node, semantic, &plan, asker, beginning, tries).await,
        Err(error) => Err(error),
    };
    match embedded {
        Ok((prompt, examples)) => {
            let route = claims(semantic, &prompt, &examples)?;
            Ok(route.map_or(default, |route| Choice { alias: &route.target, route: Some(&route.name) }))
        }
        // Nothing but the operator's configuration helps.
        Err(error) if error.kind == Kind::BadRequest => Err(error),
        Err(error) => match &semantic.on_embedding_failure {
            OnEmbeddingFailure::Default => Ok(default),
            OnEmbeddingFailure::Target(alias) => Ok(Choice { alias, route: None }),
            OnEmbeddingFailure::Fail => Err(unembedded(&error)),
        },
    }
}

/// The plan of the embedding model. Who may use that by itself does not matter here.
fn plan(asker: &Asker<'_>, semantic: &Semantic) -> Result<Plan> {
    let world = asker.origin.world;
    let requested = routing::resolve(&world.snapshot, &semantic.embedding_model.as_str().into())?;
    routing::direct(&world.board, &requested)
}

/// The vectors of the prompt and of all examples. Those that are not known yet are asked for together with the prompt's.
async fn embed<U: Upstream>(
    node: &Node<U>,
    semantic: &Semantic,
    plan: &Plan,
    asker: &Asker<'_>,
    said: &str,
    tries: &mut Tries,
) -> Result<(Vector, Vec<Vector>)> {
    let model = &plan.requested.model;
    let space = space(model);
    let mut known: Vec<Option<Vector>> =
        examples(semantic).map(|example| node.vectors.get(&space, example)).collect();
    let unknown = examples(semantic).zip(&known).filter(|(_, known)| known.is_none());
    let texts: Vec<&str> = std::iter::once(said).chain(unknown.map(|(example, _)| example)).collect();
    let patience = semantic.embedding_timeout_ms.filter(|&millis| millis > 0).map(Duration::from_millis);
    let mut vectors = ask(node, plan, asker, &texts, patience, tries).await?.into_iter();
    let mut next = || fitted(vectors.next().unwrap_or_default(), model.embedding.as_ref());
    let prompt = next()?;
    for (slot, example) in known.iter_mut().zip(examples(semantic)).filter(|(slot, _)| slot.is_none()) {
        let vector = next()?;
        node.vectors.put(&space, example, Vector::clone(&vector));
        *slot = Some(vector);
    }
    Ok((prompt, known.into_iter().flatten().collect()))
}

async fn ask<U: Upstream>(
    node: &Node<U>,
    plan: &Plan,
    asker: &Asker<'_>,
    texts: &[&str],
    patience: Option<Duration>,
    tries: &mut Tries,
) -> Result<Vec<Vec<f32>>> {
    let (body, peek) = embeddings::request(&plan.requested.alias, texts);
    let (operation, dialect, part) = (Operation::Embed, DialectId::OpenAiChat, Part::Sole);
    let matter = Matter { operation, dialect, body: &body, peek: &peek, part };
    tries.of(plan, false);
    let answered = asker.call(node, plan, matter, patience, tries).await.map_err(|failure| failure.error)?;
    match answered {
        Answer::Whole(whole) => match whole.refused {
            Some(error) => Err(error),
            None => embeddings::vectors(&whole.body, texts.len()),
        },
        Answer::Stream(_) => {
            Err(Error::new(Kind::UpstreamUnreadable, "upstream gave a stream where vectors were asked for"))
        }
    }
}

fn unembedded(error: &Error) -> Error {
    Error::new(
        Kind::NoProvider,
        "the prompt could not be embedded, which the choice of a model needs; try again",
    )
    .because(error)
}

/// Bytes of a prompt that are embedded: about what embedding models take. Its beginning says what a longer one is about.
const LONGEST_PROMPT: usize = 16 * 1024;
