//! Shapes and ranges: what the types alone cannot refuse in a model.

use super::{Ensemble, HashKind, HashSource, Model, Routing, Semantic, Shape, Strategy, answers, is_direct};
use crate::document::Fault;
use crate::resources::kind::AnyRow;
use crate::resources::rules::Rules;

impl Model {
    /// Everything that is wrong with the row by itself.
    pub(super) fn own_faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        name(&mut rules, self);
        shape(&mut rules, self);
        if let Some(block) = &self.routing {
            routing(&mut rules, block);
        }
        if let Some(block) = &self.ensemble {
            ensemble(&mut rules, block);
        }
        rules.faults()
    }

    /// Every alias the row names, with the place where it does and what it wants of the model there.
    pub(super) fn aliases(&self) -> Vec<(String, &str, Needs)> {
        let mut found: Vec<(String, &str, Needs)> = Vec::new();
        for (index, target) in self.routing.iter().flat_map(|routing| &routing.targets).enumerate() {
            found.push((format!("routing.targets[{index}].model"), &target.model, answers));
        }
        if let Some(ensemble) = &self.ensemble {
            for (index, member) in ensemble.panel.iter().enumerate() {
                found.push((format!("ensemble.panel[{index}].model"), &member.model, answers));
            }
            found.push(("ensemble.judge.model".to_owned(), &ensemble.judge.model, answers));
        }
        if let Some(semantic) = &self.semantic {
            found.extend(semantic.references());
        }
        found
    }
}

/// What must hold of a row that is named, see [`Reference::that`](crate::resources::reference::Reference::that).
type Needs = fn(&dyn AnyRow) -> Option<&'static str>;

impl Semantic {
    fn references(&self) -> Vec<(String, &str, Needs)> {
        let mut found: Vec<(String, &str, Needs)> = vec![
            ("semantic.embedding_model".to_owned(), &self.embedding_model, is_direct),
            ("semantic.default".to_owned(), &self.default, answers),
        ];
        for (index, route) in self.routes.iter().enumerate() {
            found.push((format!("semantic.routes[{index}].target"), &route.target, answers));
        }
        if let super::OnEmbeddingFailure::Target(alias) = &self.on_embedding_failure {
            found.push(("semantic.on_embedding_failure.target".to_owned(), alias, answers));
        }
        found
    }
}

fn name(rules: &mut Rules, model: &Model) {
    let name = &model.display_name;
    let stars = name.matches('*').count();
    rules.check(stars <= 1, "display_name", "may contain one * only");
    let direct = model.shape() == Shape::Direct;
    rules.check(stars == 0 || direct, "display_name", "may contain a * in a direct model only");
}

fn shape(rules: &mut Rules, model: &Model) {
    let blocks = blocks(model);
    let shapes: Vec<&str> =
        SHAPE_BLOCKS.iter().copied().filter(|name| blocks.contains(&(name, true))).collect();
    if let [first, second, ..] = shapes.as_slice() {
        rules.check(false, *second, format!("cannot stand beside {first}: a model has one shape"));
        return;
    }
    match shapes.first() {
        Some(shape) => forbidden(rules, shape, &blocks),
        None => direct(rules, model),
    }
}

fn forbidden(rules: &mut Rules, shape: &str, blocks: &[(&'static str, bool)]) {
    let article = if shape == "ensemble" { "an" } else { "a" };
    for (name, present) in blocks {
        let allowed = *name == shape || !is_forbidden(shape, name);
        rules.check(allowed || !present, *name, format!("does not belong in {article} {shape} model"));
    }
}

fn direct(rules: &mut Rules, model: &Model) {
    let required = [
        ("provider", model.provider.is_some()),
        ("model_name", model.model_name.is_some() || model.is_wildcard()),
        ("provider_key", model.provider_key_id.is_some()),
    ];
    if required.iter().all(|(_, present)| !present) {
        let needs = "needs provider, model_name and provider_key, or else routing, ensemble or semantic";
        rules.check(false, "", needs);
        return;
    }
    for (name, present) in required {
        rules.check(present, name, "is required in a direct model");
    }
}

fn routing(rules: &mut Rules, routing: &Routing) {
    for (index, target) in routing.targets.iter().enumerate() {
        for (at, condition) in target.when.iter().enumerate() {
            let path = format!("routing.targets[{index}].when[{at}].matches");
            rules.check(!condition.matches.as_slice().is_empty(), path, "needs at least one pattern");
        }
    }
    let Some(sources) = &routing.hash_on else { return };
    let hashes = routing.strategy == Strategy::ConsistentHash;
    rules.check(hashes, "routing.hash_on", "belongs to the strategy consistent_hash only");
    for (index, source) in sources.iter().enumerate() {
        hash_source(rules, &format!("routing.hash_on[{index}].name"), source);
    }
}

fn hash_source(rules: &mut Rules, path: &str, source: &HashSource) {
    let named = source.name.as_ref().is_some_and(|name| !name.trim().is_empty());
    match source.kind {
        HashKind::Header | HashKind::Cookie => rules.check(named, path, "is required for this type"),
        _ => {
            rules.check(source.name.is_none(), path, "does not belong to this type");
        }
    }
}

fn ensemble(rules: &mut Rules, ensemble: &Ensemble) {
    let reachable = ensemble
        .min_responses
        .is_none_or(|least| usize::try_from(least).is_ok_and(|least| least <= ensemble.panel.len()));
    rules.check(reachable, "ensemble.min_responses", "must be from 1 to the size of the panel");
}

/// The members whose presence depends on the shape, and whether they are there.
fn blocks(model: &Model) -> [(&'static str, bool); 14] {
    [
        ("provider", model.provider.is_some()),
        ("model_name", model.model_name.is_some()),
        ("provider_key", model.provider_key_id.is_some()),
        ("routing", model.routing.is_some()),
        ("ensemble", model.ensemble.is_some()),
        ("semantic", model.semantic.is_some()),
        ("embedding", model.embedding.is_some()),
        ("background_model_check", model.background_model_check.is_some()),
        ("cooldown", model.cooldown.is_some()),
        ("auto_prompt_caching", model.auto_prompt_caching.is_some()),
        ("cost", model.cost.is_some()),
        ("retries", model.retries.is_some()),
        ("timeout", model.timeout.is_some()),
        ("stream_timeout", model.stream_timeout.is_some()),
    ]
}

/// A routing model may set timeouts for its group, a semantic one retries too, an ensemble none of these.
fn is_forbidden(shape: &str, name: &str) -> bool {
    match name {
        "timeout" | "stream_timeout" => shape == "ensemble",
        "retries" => shape != "semantic",
        _ => true,
    }
}

const SHAPE_BLOCKS: [&str; 3] = ["routing", "ensemble", "semantic"];
