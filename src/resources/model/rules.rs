//! Shapes and ranges: what the types alone cannot refuse in a model.

use super::{
    BackgroundModelCheck, Cooldown, Ensemble, HashKind, HashSource, Model, Routing, Semantic, Shape, Strategy,
};
use crate::document::Fault;

impl Model {
    /// Everything that is wrong with the row by itself.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        rules.name(self);
        rules.shape(self);
        rules.common(self);
        if let Some(routing) = &self.routing {
            rules.routing(routing);
        }
        if let Some(ensemble) = &self.ensemble {
            rules.ensemble(ensemble);
        }
        if let Some(semantic) = &self.semantic {
            rules.semantic(semantic);
        }
        rules.0
    }

    /// Every alias the row names, with the place where it does.
    pub(crate) fn references(&self) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        for (index, target) in self.routing.iter().flat_map(|routing| &routing.targets).enumerate() {
            found.push((format!("routing.targets[{index}].model"), target.model.as_str()));
        }
        if let Some(ensemble) = &self.ensemble {
            for (index, member) in ensemble.panel.iter().enumerate() {
                found.push((format!("ensemble.panel[{index}].model"), member.model.as_str()));
            }
            found.push(("ensemble.judge.model".to_owned(), ensemble.judge.model.as_str()));
        }
        if let Some(semantic) = &self.semantic {
            found.extend(semantic.references());
        }
        found
    }
}

impl Semantic {
    fn references(&self) -> Vec<(String, &str)> {
        let mut found = vec![
            ("semantic.embedding_model".to_owned(), self.embedding_model.as_str()),
            ("semantic.default".to_owned(), self.default.as_str()),
        ];
        for (index, route) in self.routes.iter().enumerate() {
            found.push((format!("semantic.routes[{index}].target"), route.target.as_str()));
        }
        if let super::OnEmbeddingFailure::Target(alias) = &self.on_embedding_failure {
            found.push(("semantic.on_embedding_failure.target".to_owned(), alias.as_str()));
        }
        found
    }
}

#[derive(Default)]
struct Rules(Vec<Fault>);

impl Rules {
    fn check(&mut self, holds: bool, path: impl Into<String>, message: impl Into<String>) {
        if !holds {
            self.0.push(Fault::new(path, message));
        }
    }

    fn filled(&mut self, path: impl Into<String>, text: &str) {
        self.check(!text.trim().is_empty(), path, "must not be empty");
    }

    fn name(&mut self, model: &Model) {
        let name = &model.display_name;
        self.filled("display_name", name);
        let stars = name.matches('*').count();
        self.check(stars <= 1, "display_name", "may contain one * only");
        let direct = model.shape() == Shape::Direct;
        self.check(stars == 0 || direct, "display_name", "may contain a * in a direct model only");
    }

    fn shape(&mut self, model: &Model) {
        let blocks = blocks(model);
        let shapes: Vec<&str> =
            SHAPE_BLOCKS.iter().copied().filter(|name| blocks.contains(&(name, true))).collect();
        if let [first, second, ..] = shapes.as_slice() {
            self.check(false, *second, format!("cannot stand beside {first}: a model has one shape"));
            return;
        }
        match shapes.first() {
            Some(shape) => self.forbidden(shape, &blocks),
            None => self.direct(model),
        }
    }

    fn forbidden(&mut self, shape: &str, blocks: &[(&'static str, bool)]) {
        let article = if shape == "ensemble" { "an" } else { "a" };
        for (name, present) in blocks {
            let allowed = *name == shape || !is_forbidden(shape, name);
            self.check(allowed || !present, *name, format!("does not belong in {article} {shape} model"));
        }
    }

    fn direct(&mut self, model: &Model) {
        let required = [
            ("provider", model.provider.is_some()),
            ("model_name", model.model_name.is_some() || model.is_wildcard()),
            ("provider_key", model.provider_key_id.is_some()),
        ];
        if required.iter().all(|(_, present)| !present) {
            let needs = "needs provider, model_name and provider_key, or else routing, ensemble or semantic";
            self.check(false, "", needs);
            return;
        }
        for (name, present) in required {
            self.check(present, name, "is required in a direct model");
        }
    }

    fn common(&mut self, model: &Model) {
        if let Some(provider) = &model.provider {
            let message = "must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, a letter or digit first";
            self.check(is_vendor(provider), "provider", message);
        }
        self.filled("model_name", model.model_name.as_deref().unwrap_or("-"));
        self.filled("provider_key_id", model.provider_key_id.as_deref().unwrap_or("-"));
        if let Some(cost) = model.cost {
            self.check(cost.input_per_1k >= 0.0, "cost.input_per_1k", NOT_NEGATIVE);
            self.check(cost.output_per_1k >= 0.0, "cost.output_per_1k", NOT_NEGATIVE);
        }
        if let Some(cooldown) = &model.cooldown {
            self.cooldown(cooldown);
        }
        if let Some(check) = &model.background_model_check {
            self.background(check);
        }
        let dimensions = model.embedding.as_ref().is_none_or(|embedding| embedding.dimensions >= 1);
        self.check(dimensions, "embedding.dimensions", AT_LEAST_ONE);
    }

    fn cooldown(&mut self, cooldown: &Cooldown) {
        self.check(cooldown.max_seconds >= 1, "cooldown.max_seconds", AT_LEAST_ONE);
        self.statuses("cooldown.trigger_statuses", &cooldown.trigger_statuses);
    }

    fn background(&mut self, check: &BackgroundModelCheck) {
        let path = |name: &str| format!("background_model_check.{name}");
        self.check(check.interval_seconds >= 5, path("interval_seconds"), "must be at least 5");
        self.check(check.timeout_seconds >= 1, path("timeout_seconds"), AT_LEAST_ONE);
        self.check(!check.prompt.is_empty(), path("prompt"), "must not be empty");
        self.check(check.max_tokens >= 1, path("max_tokens"), AT_LEAST_ONE);
        self.check(check.stale_after_seconds >= 1, path("stale_after_seconds"), AT_LEAST_ONE);
        self.statuses("background_model_check.ignore_statuses", &check.ignore_statuses);
    }

    fn statuses(&mut self, path: &str, statuses: &[u16]) {
        for (index, status) in statuses.iter().enumerate() {
            let holds = (100..=599).contains(status);
            self.check(holds, format!("{path}[{index}]"), "must be an HTTP status from 100 to 599");
        }
    }

    fn routing(&mut self, routing: &Routing) {
        self.check(!routing.targets.is_empty(), "routing.targets", AT_LEAST_ONE_ITEM);
        self.statuses("routing.fallback_on_statuses", &routing.fallback_on_statuses);
        let Some(sources) = &routing.hash_on else { return };
        let hashes = routing.strategy == Strategy::ConsistentHash;
        self.check(hashes, "routing.hash_on", "belongs to the strategy consistent_hash only");
        self.check(!sources.is_empty(), "routing.hash_on", AT_LEAST_ONE_ITEM);
        for (index, source) in sources.iter().enumerate() {
            self.hash_source(&format!("routing.hash_on[{index}].name"), source);
        }
    }

    fn hash_source(&mut self, path: &str, source: &HashSource) {
        let named = source.name.as_ref().is_some_and(|name| !name.trim().is_empty());
        match source.kind {
            HashKind::Header | HashKind::Cookie => self.check(named, path, "is required for this type"),
            HashKind::ApiKey | HashKind::ClientIp => {
                self.check(source.name.is_none(), path, "does not belong to this type");
            }
        }
    }

    fn ensemble(&mut self, ensemble: &Ensemble) {
        self.check(!ensemble.panel.is_empty(), "ensemble.panel", AT_LEAST_ONE_ITEM);
        for (index, member) in ensemble.panel.iter().enumerate() {
            let warm = member.temperature.is_none_or(|temperature| temperature >= 0.0);
            self.check(warm, format!("ensemble.panel[{index}].temperature"), NOT_NEGATIVE);
        }
        let prompt = ensemble.judge.synthesis_prompt.as_deref().unwrap_or("-");
        self.check(!prompt.is_empty(), "ensemble.judge.synthesis_prompt", "must not be empty");
        let reachable = ensemble.min_responses.is_none_or(|least| {
            least >= 1 && usize::try_from(least).is_ok_and(|least| least <= ensemble.panel.len())
        });
        self.check(reachable, "ensemble.min_responses", "must be from 1 to the size of the panel");
    }

    fn semantic(&mut self, semantic: &Semantic) {
        self.share("semantic.match.threshold", semantic.matching.threshold);
        self.check(!semantic.routes.is_empty(), "semantic.routes", AT_LEAST_ONE_ITEM);
        for (index, route) in semantic.routes.iter().enumerate() {
            let path = |name: &str| format!("semantic.routes[{index}].{name}");
            self.filled(path("name"), &route.name);
            self.check(!route.examples.is_empty(), path("examples"), AT_LEAST_ONE_ITEM);
            self.share(path("threshold"), route.threshold.unwrap_or(0.0));
        }
    }

    fn share(&mut self, path: impl Into<String>, number: f64) {
        self.check((0.0..=1.0).contains(&number), path, "must be from 0 to 1");
    }
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

fn is_vendor(text: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST_VENDOR
        && bytes.first().is_some_and(letter)
        && bytes.iter().all(|byte| letter(byte) || b"._-".contains(byte))
}

const SHAPE_BLOCKS: [&str; 3] = ["routing", "ensemble", "semantic"];
const LONGEST_VENDOR: usize = 64;
const NOT_NEGATIVE: &str = "must not be negative";
const AT_LEAST_ONE: &str = "must be at least 1";
const AT_LEAST_ONE_ITEM: &str = "needs at least one entry";
