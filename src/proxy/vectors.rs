//! Vectors of texts that are compared again and again: the examples of semantic routers.

use std::sync::Arc;

use crate::resources::Model;
use crate::routing::semantic::Vector;

/// Vectors by the model that made them and the text they stand for; the latest used ones.
pub struct Vectors {
    kept: moka::sync::Cache<(Arc<str>, Arc<str>), Vector>,
}

impl Vectors {
    /// Keeps at most `bytes` of texts and numbers.
    pub fn new(bytes: u64) -> Self {
        let weigh = |(space, text): &(Arc<str>, Arc<str>), vector: &Vector| {
            let bytes = space.len() + text.len() + size_of_val(&**vector) + OVERHEAD;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Vectors { kept: moka::sync::Cache::builder().max_capacity(bytes).weigher(weigh).build() }
    }

    /// The vector of a text, if it is known.
    pub fn get(&self, space: &Arc<str>, text: &str) -> Option<Vector> {
        self.kept.get(&(Arc::clone(space), text.into()))
    }

    pub fn put(&self, space: &Arc<str>, text: &str, vector: Vector) {
        self.kept.insert((Arc::clone(space), text.into()), vector);
    }
}

/// What must be the same for vectors to be comparable: the model, whoever serves it, and their length.
pub fn space(model: &Model) -> Arc<str> {
    let dimensions = model.embedding.as_ref().map_or(0, |embedding| embedding.dimensions);
    let normalize = model.embedding.as_ref().is_some_and(|embedding| embedding.normalize);
    let upstream = model.upstream_model(None);
    let key = model.provider_key_id.as_deref().unwrap_or_default();
    format!("{}\n{key}\n{upstream}\n{dimensions}\n{normalize}", model.id).into()
}

/// What an entry costs beside its texts and numbers, roughly.
const OVERHEAD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::model::Embedding;

    #[test]
    fn a_text_has_a_vector_for_each_model_and_the_bound_holds() {
        let vectors = Vectors::new(10_000);
        let mut model = Model::direct("embed", "openai", "small", "key");
        let small = space(&model);
        model.model_name = Some("large".to_owned());
        let large = space(&model);
        model.embedding = Some(Embedding { dimensions: 2, normalize: true });
        let short = space(&model);
        vectors.put(&small, "a", [1.0].into());
        vectors.put(&large, "a", [2.0].into());
        assert_eq!(vectors.get(&small, "a").as_deref(), Some(&[1.0][..]));
        assert_eq!(vectors.get(&large, "a").as_deref(), Some(&[2.0][..]));
        assert_eq!(vectors.get(&short, "a"), None);
        for number in 0..200 {
            vectors.put(&small, &number.to_string(), [0.0; 100].into());
        }
        vectors.kept.run_pending_tasks();
        assert!(vectors.kept.weighted_size() <= 10_000);
    }
}
