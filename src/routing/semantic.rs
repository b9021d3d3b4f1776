//! The choice by meaning: which route's examples are nearest to what the user says.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::resources::model::{Embedding, Semantic, SemanticRoute};

/// A text as a model sees it. Of length one, so that the cosine of two is the sum of their products.
pub type Vector = Arc<[f32]>;

/// The examples of all routes, in the order in which [`claims`] expects their vectors.
pub fn examples(semantic: &Semantic) -> impl Iterator<Item = &str> {
    semantic.routes.iter().flat_map(|route| &route.examples).map(String::as_str)
}

/// Makes what an embedding model gave comparable with others of the same model.
///
/// # Errors
/// `BadRequest`: it has not the length that the model's row says.
pub fn fitted(mut vector: Vec<f32>, embedding: Option<&Embedding>) -> Result<Vector> {
    if let Some(row) = embedding
        && !u32::try_from(vector.len()).is_ok_and(|length| length == row.dimensions)
    {
        return Err(mismatch(row.dimensions as usize, vector.len()));
    }
    if !embedding.is_some_and(|row| row.normalize) {
        let length = dot(&vector, &vector).sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|number| *number = (f64::from(*number) / length) as f32);
        }
    }
    Ok(vector.into())
}

/// The route whose best example is nearest to the prompt, if it is near enough. Of two that are equally near, the first.
///
/// # Errors
/// `BadRequest`: the vectors are of different lengths.
pub fn claims<'s>(
    semantic: &'s Semantic,
    prompt: &[f32],
    mut examples: &[Vector],
) -> Result<Option<&'s SemanticRoute>> {
    let mut best: Option<(f64, &SemanticRoute)> = None;
    for route in &semantic.routes {
        let (own, others) = examples.split_at(route.examples.len().min(examples.len()));
        examples = others;
        if let Some(other) = own.iter().find(|example| example.len() != prompt.len()) {
            return Err(mismatch(other.len(), prompt.len()));
        }
        let Some(score) = own.iter().map(|example| dot(prompt, example)).reduce(f64::max) else { continue };
        // What is equal on paper may differ in the last places.
        let is_near = score + ROUNDING >= route.threshold.unwrap_or(semantic.matching.threshold);
        if is_near && best.is_none_or(|(least, _)| score > least) {
            best = Some((score, route));
        }
    }
    Ok(best.map(|(_, route)| route))
}

fn dot(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
}

fn mismatch(expected: usize, found: usize) -> Error {
    Error::bad_request(format!(
        "the embedding model of this router gave a vector of {found} dimensions where {expected} were expected; \
         tell the operator"
    ))
}

/// Vectors come in single precision.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::model::{Aggregation, DistanceMetric, Matching, OnEmbeddingFailure};

    fn route(name: &str, examples: usize, threshold: Option<f64>) -> SemanticRoute {
        SemanticRoute {
            name: name.to_owned(),
            target: name.to_owned(),
            examples: (0..examples).map(|number| format!("{name} {number}")).collect(),
            threshold,
            description: None,
        }
    }

    fn router(routes: Vec<SemanticRoute>) -> Semantic {
        Semantic {
            embedding_model: "embed".to_owned(),
            default: "default".to_owned(),
            matching: Matching {
                threshold: 0.8,
                distance_metric: DistanceMetric::Cosine,
                aggregation: Aggregation::Max,
            },
            routes,
            embedding_timeout_ms: None,
            on_embedding_failure: OnEmbeddingFailure::Default,
        }
    }

    fn vector(numbers: [f32; 2]) -> Vector {
        fitted(numbers.to_vec(), None).expect("any length")
    }

    fn chosen(router: &Semantic, prompt: [f32; 2], examples: &[[f32; 2]]) -> Option<String> {
        let examples: Vec<Vector> = examples.iter().copied().map(vector).collect();
        let route = claims(router, &vector(prompt), &examples).expect("of one length");
        route.map(|route| route.name.clone())
    }

    #[test]
    fn the_nearest_example_decides_and_no_route_need_claim_a_prompt() {
        let router = router(vec![route("code", 2, None), route("law", 1, None)]);
        assert_eq!(examples(&router).collect::<Vec<_>>(), ["code 0", "code 1", "law 0"]);
        let examples = [[-1.0, 0.0], [3.0, 0.1], [0.0, 2.0]];
        assert_eq!(chosen(&router, [5.0, 0.0], &examples).as_deref(), Some("code"));
        assert_eq!(chosen(&router, [0.1, 1.0], &examples).as_deref(), Some("law"));
        assert_eq!(chosen(&router, [1.0, 1.0], &examples), None);
        assert_eq!(chosen(&router, [0.0, 0.0], &examples), None, "says nothing");
    }

    #[test]
    fn a_route_may_be_choosier_than_its_router_or_less_so() {
        let examples = [[1.0, 0.0], [0.0, 1.0]];
        let prompt = [4.0, 3.0];
        let strict = router(vec![route("a", 1, Some(0.81)), route("b", 1, Some(0.6))]);
        assert_eq!(chosen(&strict, prompt, &examples).as_deref(), Some("b"), "the nearer one is too choosy");
        let exact = router(vec![route("a", 1, None), route("b", 1, Some(0.0))]);
        assert_eq!(chosen(&exact, prompt, &examples).as_deref(), Some("a"), "0.8 is 0.8");
        assert_eq!(chosen(&exact, [1.0, 1.0], &[[1.0, 1.0], [1.0, 1.0]]).as_deref(), Some("a"), "the first");
    }

    #[test]
    fn vectors_are_made_comparable_unless_the_model_says_that_they_are() {
        let row = |normalize| Embedding { dimensions: 2, normalize };
        assert_eq!(fitted(vec![3.0, 4.0], Some(&row(false))).expect("two").to_vec(), [0.6, 0.8]);
        assert_eq!(fitted(vec![3.0, 4.0], Some(&row(true))).expect("two").to_vec(), [3.0, 4.0]);
        assert_eq!(fitted(vec![0.0, 0.0], None).expect("two").to_vec(), [0.0, 0.0]);
    }

    #[test]
    fn another_length_than_expected_is_told() {
        let row = Embedding { dimensions: 3, normalize: true };
        let error = fitted(vec![1.0, 2.0], Some(&row)).expect_err("two of three");
        assert_eq!(error.status(), 400);
        assert!(error.message.contains("of 2 dimensions where 3"), "{}", error.message);
        let router = router(vec![route("a", 1, None)]);
        assert!(claims(&router, &[1.0], &[vector([1.0, 0.0])]).is_err());
    }
}
