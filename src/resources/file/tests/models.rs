//! Tests of models.

use super::*;

#[test]
fn models_keep_the_rules_of_their_shape() {
    let routing = "routing: {targets: [{model: gpt}]}";
    let ensemble = "ensemble: {panel: [{model: gpt}], judge: {model: gpt}}";
    let semantic = "semantic: {embedding_model: gpt, default: gpt, match: {threshold: 0.5}, \
                    routes: [{name: r, target: gpt, examples: [x]}]}";
    for accepted in [
        format!(
            "{routing}, timeout: 1, stream_timeout: 0, rate_limit: {{rpm: 1}}, allowed_cidrs: [10.0.0.1]"
        ),
        ensemble.to_owned(),
        format!("{semantic}, retries: 0, timeout: 5"),
    ] {
        sound(&with_model(&accepted));
    }
    let every = [
        "provider: x",
        "model_name: x",
        "provider_key: openai-main",
        "embedding: {dimensions: 1}",
        CHECK,
        "cooldown: {}",
        "auto_prompt_caching: {enabled: true}",
        "cost: {input_per_1k: 0, output_per_1k: 0}",
    ];
    let mut refused: Vec<(String, String)> = Vec::new();
    for (shape, kind) in [(routing, "a routing"), (ensemble, "an ensemble"), (semantic, "a semantic")] {
        let extra: &[&str] = match kind {
            "a routing" => &["retries: 1"],
            "an ensemble" => &["retries: 1", "timeout: 1", "stream_timeout: 1"],
            _ => &[],
        };
        for member in every.iter().chain(extra) {
            let name = member.split(':').next().unwrap_or_default();
            refused.push((format!("{shape}, {member}"), format!("{name}: does not belong in {kind} model")));
        }
    }
    refused.push((format!("{routing}, {ensemble}"), "ensemble: cannot stand beside routing".to_owned()));
    refused.push((format!("{semantic}, {ensemble}"), "semantic: cannot stand beside ensemble".to_owned()));
    for (members, expected) in refused {
        let text = problems(&with_model(&members));
        assert!(text.contains(&expected), "{members}: {text}");
    }
}

const CHECK: &str = "background_model_check: {enabled: true, interval_seconds: 5, timeout_seconds: 1, prompt: p, \
                     max_tokens: 1, stale_after_seconds: 1}";

#[test]
fn every_rule_of_a_model_has_its_message() {
    let direct = "provider: openai, model_name: x, provider_key: openai-main";
    let table: &[(&str, &str)] = &[
        ("timeout: 1", "needs provider, model_name and provider_key, or else routing, ensemble or semantic"),
        ("provider: openai", "model_name: is required in a direct model"),
        ("provider: openai, model_name: x", "provider_key: is required in a direct model"),
        ("model_name: x, provider_key: openai-main", "provider: is required in a direct model"),
        ("provider: -x, model_name: x, provider_key: openai-main", "provider: must be 1 to 64 of"),
        ("provider: openai, model_name: '', provider_key: openai-main", "model_name: must not be empty"),
        (
            "provider: openai, model_name: x, provider_key: opena-main",
            "provider_key: \"opena-main\" is not among provider_keys, did you mean \"openai-main\"? (known: \"openai-main\")",
        ),
        (
            "provider: openai, model_name: x, provider_key_id: nope",
            "provider_key_id: matches no provider key",
        ),
        (
            "provider: openai, model_name: x, provider_key: openai-main, provider_key_id: x",
            "provider_key: cannot stand beside provider_key_id",
        ),
        ("provider: openai, model_name: x, provider_key: [a]", "provider_key: must be a text"),
        ("DIRECT, timeout: -1", "timeout: must be a whole number from 0 to"),
        ("DIRECT, retries: 1.5", "retries: must be a whole number from 0 to 4294967295"),
        ("DIRECT, rate_limit: {tps: 1}", "rate_limit.tps: unknown key, did you mean"),
        ("DIRECT, cost: {input_per_1k: -1, output_per_1k: 1}", "cost.input_per_1k: must not be negative"),
        ("DIRECT, cost: {input_per_1k: 1}", "cost.output_per_1k: is required"),
        (
            "DIRECT, allowed_cidrs: [10.0.0.0/99]",
            "allowed_cidrs: \"10.0.0.0/99\" is neither an address nor a range",
        ),
        ("DIRECT, cooldown: {max_seconds: 0}", "cooldown.max_seconds: must be at least 1"),
        (
            "DIRECT, cooldown: {trigger_statuses: [99]}",
            "cooldown.trigger_statuses[0]: must be from 100 to 599",
        ),
        (
            "DIRECT, background_model_check: {enabled: true}",
            "background_model_check.interval_seconds: is required",
        ),
        (
            "DIRECT, background_model_check: {enabled: true, interval_seconds: 4, timeout_seconds: 1, prompt: p, \
             max_tokens: 1, stale_after_seconds: 1}",
            "background_model_check.interval_seconds: must be at least 5",
        ),
        ("DIRECT, embedding: {dimensions: 0}", "embedding.dimensions: must be at least 1"),
        (
            "DIRECT, auto_prompt_caching: {enabled: true, ttl: 2h}",
            "auto_prompt_caching.ttl: must be one of \"5m\", \"1h\"",
        ),
        ("DIRECT, auto_prompt_caching: {}", "auto_prompt_caching.enabled: is required"),
        ("routing: {targets: []}", "routing.targets: needs at least one entry"),
        ("routing: {strategy: weighted}", "routing.targets: is required"),
        ("routing: {targets: [{}]}", "routing.targets[0].model: is required"),
        (
            "routing: {targets: [{model: gpt, weight: -1}]}",
            "routing.targets[0].weight: must be a whole number",
        ),
        (
            "routing: {targets: [{model: gtp}]}",
            "routing.targets[0].model: unknown model \"gtp\", did you mean \"gpt\"?",
        ),
        (
            "routing: {targets: [{model: 'wild/*'}]}",
            "routing.targets[0].model: \"wild/*\" is a wildcard; name one model",
        ),
        ("routing: {targets: [{model: m}]}", "routing.targets[0].model: leads back to \"m\" itself: m → m"),
        (
            "routing: {targets: [{model: gpt, when: [{header: x-tier, matches: []}]}]}",
            "routing.targets[0].when[0].matches: needs at least one pattern",
        ),
        (
            "routing: {targets: [{model: gpt}], affinity: {ttl_seconds: 0}}",
            "routing.affinity.ttl_seconds: must be from 1 to 86400",
        ),
        (
            "routing: {targets: [{model: gpt}], fallback_on: [weather]}",
            "must be one of \"context_length\", \"model_not_found\", \"content_policy\"",
        ),
        (
            "routing: {targets: [{model: gpt}], fallback_on_statuses: [600]}",
            "fallback_on_statuses[0]: must be from 100 to 599",
        ),
        (
            "routing: {targets: [{model: gpt}], when_all_unavailable: x}",
            "must be one of \"fail\", \"try_anyway\"",
        ),
        (
            "routing: {targets: [{model: gpt}], hash_on: [{type: api_key}]}",
            "hash_on: belongs to the strategy consistent_hash",
        ),
        (
            "routing: {strategy: consistent_hash, targets: [{model: gpt}], hash_on: []}",
            "hash_on: needs at least one",
        ),
        (
            "routing: {strategy: consistent_hash, targets: [{model: gpt}], hash_on: [{type: header}]}",
            "routing.hash_on[0].name: is required for this type",
        ),
        (
            "routing: {strategy: consistent_hash, targets: [{model: gpt}], hash_on: [{type: client_ip, name: x}]}",
            "routing.hash_on[0].name: does not belong to this type",
        ),
        ("ensemble: {panel: [], judge: {model: gpt}}", "ensemble.panel: needs at least one entry"),
        ("ensemble: {panel: [{model: gpt}]}", "ensemble.judge: is required"),
        ("ensemble: {panel: [{model: x}], judge: {model: y}}", "ensemble.judge.model: unknown model \"y\""),
        (
            "ensemble: {panel: [{model: gpt, temperature: -1}], judge: {model: gpt}}",
            "panel[0].temperature: must not be",
        ),
        (
            "ensemble: {panel: [{model: gpt}], judge: {model: gpt, synthesis_prompt: ''}}",
            "synthesis_prompt: must not be",
        ),
        (
            "ensemble: {panel: [{model: gpt}], judge: {model: gpt}, min_responses: 2}",
            "min_responses: must be from 1",
        ),
        (
            "ensemble: {panel: [{model: gpt}], judge: {model: gpt}, min_responses: 0}",
            "min_responses: must be at least 1",
        ),
        (
            "SEMANTIC threshold: 1.5}, routes: [{name: r, target: gpt, examples: [x]}]}",
            "match.threshold: must be from 0",
        ),
        ("SEMANTIC threshold: 1}, routes: []}", "semantic.routes: needs at least one entry"),
        (
            "SEMANTIC threshold: 1}, routes: [{name: r, target: gpt, examples: []}]}",
            "examples: needs at least one",
        ),
        (
            "SEMANTIC threshold: 1}, routes: [{name: r, target: x, examples: [x]}]}",
            "routes[0].target: unknown model",
        ),
        ("SEMANTIC threshold: 1, aggregation: min}, routes: []}", "match.aggregation: must be \"max\""),
        (
            "SEMANTIC threshold: 1}, on_embedding_failure: {target: x}, routes: [{name: r, target: gpt, examples: [x]}]}",
            "semantic.on_embedding_failure.target: unknown model \"x\"",
        ),
        (
            "SEMANTIC threshold: 1}, on_embedding_failure: retry, routes: []}",
            "must be one of \"default\", \"fail\", \"target\"",
        ),
        ("DIRECT, modle_name: y", "modle_name: unknown key, did you mean \"model_name\"?"),
    ];
    for (members, expected) in table {
        let members = members.replace("DIRECT", direct);
        let members = members.replace("SEMANTIC", "semantic: {embedding_model: gpt, default: gpt, match: {");
        let text = problems(&with_model(&members));
        assert!(
            text.contains(&format!("models[2] (\"m\"): {expected}")) || text.contains(expected),
            "{members}: {text}"
        );
    }
    for (name, expected) in
        [("a*b*", "may contain one * only"), ("r*", "may contain a * in a direct model only")]
    {
        let text =
            with_model("routing: {targets: [{model: gpt}]}").replace("name: m,", &format!("name: '{name}',"));
        assert!(problems(&text).contains(expected), "{name}");
    }
}

#[test]
fn all_values_of_a_model_arrive() {
    use crate::resources::model::*;
    let text = with_model(
        "routing: {strategy: consistent_hash, targets: [{model: gpt, weight: 3, priority: -1, tags: [a]}, {model: wild/x}], \
         retries: 1, max_fallbacks: 0, retry_on_429: true, fallback_on_statuses: [404], on_all_filtered: try_anyway, \
         hash_on: [{type: header, name: x-user}, {type: client_ip}]}",
    );
    let snapshot = sound(&text);
    let model = snapshot.model("m").expect("it is there").model;
    assert_eq!(model.shape(), Shape::Routing);
    let routing = model.routing.as_ref().expect("it is a routing model");
    assert_eq!(
        (routing.strategy, routing.when_all_unavailable),
        (Strategy::ConsistentHash, WhenAllUnavailable::TryAnyway)
    );
    let targets: Vec<_> = routing.targets.iter().map(|t| (t.model.as_str(), t.weight, t.priority)).collect();
    assert_eq!(targets, [("gpt", 3, -1), ("wild/x", 1, 0)]);
    let text = with_model(
        "semantic: {embedding_model: gpt, default: gpt, match: {threshold: 0}, on_embedding_failure: {target: gpt}, \
         routes: [{name: r, target: gpt, examples: [x], threshold: 1}]}",
    );
    let snapshot = sound(&text);
    let semantic =
        snapshot.model("m").and_then(|found| found.model.semantic.clone()).expect("it is a semantic model");
    assert_eq!(semantic.on_embedding_failure, OnEmbeddingFailure::Target("gpt".to_owned()));
}
