//! Tests of the kinds that do not act yet.

use super::*;
use crate::resources::reference::By;
use crate::resources::{
    ClaimMapping, Guardrail, KINDS, McpAuthSettings, PassthroughRoute, RateLimitPolicy, Resource,
};

const KEY: &str =
    "key_hash: '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', allowed_models: []";

/// A sound row of each kind that does not act yet, and the key and model they name.
fn one_of_each() -> String {
    format!(
        "{BASE}api_keys: [{{display_name: k, {KEY}}}]\n\
         guardrails: [{{name: g, kind: keyword, patterns: [{{kind: literal, value: x}}]}}]\n\
         guardrail_attachments: [{{name: a, guardrail: g, scope_type: model, scope: gpt, priority: 1}}]\n\
         mcp_servers: [{{display_name: s, url: 'https://s/mcp'}}]\n\
         mcp_policies: [{{name: p, scope: env, allow: ['*']}}]\n\
         mcp_auth_settings: [{{anonymous: {{api_key: k, servers: [s], source_cidrs: ['::1']}}}}]\n\
         a2a_agents: [{{name: a, url: 'https://a'}}]\n\
         cache_policies: [{{name: c, applies_to: 'model:gpt'}}]\n\
         observability_exporters: [{{name: e, kind: otlp_http, endpoint: 'https://e'}}]\n\
         rate_limit_policies: [{{name: l, scope: model, scope_ref: gpt, window: day, max_tokens: 1}}]\n\
         oidc_providers: [{{name: o, issuer: 'https://o', audiences: [a]}}]\n\
         claim_mappings: [{{name: m, jwt_provider: o, match: [], resolve: {{api_key: k}}}}]\n\
         passthrough_routes: [{{display_name: r, path_prefix: /r, target_url: 'https://r', provider_key: openai-main}}]\n"
    )
}

/// What the rows of a kind refer to, in the order of their places.
fn referred<R: Resource>(snapshot: &Snapshot) -> Vec<(String, By)> {
    let references = snapshot.rows::<R>().flat_map(|row| row.references());
    references.map(|reference| (reference.path, reference.by)).collect()
}

#[test]
fn kinds_that_do_not_act_yet_are_kept_counted_and_announced() {
    let snapshot = sound(&one_of_each());
    assert_eq!(KINDS.iter().filter(|kind| !kind.acts).count(), 12);
    assert_eq!(snapshot.dormant().len(), 12);
    assert!(
        snapshot
            .dormant()
            .contains(&"guardrails: 1 row is accepted but not in force in this build".to_owned())
    );
    assert!(snapshot.counts().contains(&("models", 2)));
    assert_eq!(snapshot.counts().iter().map(|(_, count)| count).sum::<usize>(), 16);
    let guardrail = snapshot.row::<Guardrail>(&row_id("guardrails", "g")).expect("it is there");
    assert_eq!(guardrail.common().name, "g");
}

#[test]
fn names_in_rows_that_do_not_act_yet_become_ids() {
    let conditions = "[{dimension: api_key, operator: in, value: [k]}, {logic: or, children: \
         [{dimension: model, operator: '==', value: gpt}, {dimension: team, operator: '==', value: gpt}]}]";
    let text = one_of_each()
        .replace(
            "rate_limit_policies: [",
            &format!(
                "rate_limit_policies: [{{name: t, scope: team, scope_ref: gpt, window: day, max_requests: 1}}, \
                 {{name: c, limits: {{rpm: 1}}, conditions: {conditions}}}, "
            ),
        )
        .replace("target_url: 'https://r',", "target_url: 'https://r', auth_mode: anonymous, anonymous_key: k, source_cidrs: ['::1'],");
    let snapshot = sound(&text);
    let id = |path: &str, collection: &str, name: &str| (path.to_owned(), By::Id(row_id(collection, name)));
    let mut limits = referred::<RateLimitPolicy>(&snapshot);
    limits.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert_eq!(
        limits,
        [
            id("conditions[0].value[0]", "api_keys", "k"),
            id("conditions[1].children[0].value", "models", "gpt"),
            id("scope_ref", "models", "gpt"),
        ]
    );
    assert_eq!(referred::<ClaimMapping>(&snapshot).last(), Some(&id("resolve.api_key_id", "api_keys", "k")));
    assert_eq!(
        referred::<McpAuthSettings>(&snapshot).last(),
        Some(&id("anonymous.api_key_id", "api_keys", "k"))
    );
    assert_eq!(
        referred::<PassthroughRoute>(&snapshot),
        [id("provider_key_id", "provider_keys", "openai-main"), id("anonymous_key_id", "api_keys", "k"),]
    );
}

#[test]
fn references_of_rows_that_do_not_act_yet_are_checked() {
    let table = [
        (
            "rate_limit_policies: [{name: a, scope: api_key, scope_ref: x}]",
            "scope_ref: \"x\" is not among api_keys: there are none",
        ),
        (
            "rate_limit_policies: [{name: a, conditions: [{children: [{dimension: model, value: x}]}]}]",
            "conditions[0].children[0].value: \"x\" is not among models (known: \"gpt\", \"wild/*\")",
        ),
        (
            "claim_mappings: [{name: a, jwt_provider: x, match: [], resolve: {api_key_id: y}}]",
            "jwt_provider: unknown OIDC provider \"x\"",
        ),
        (
            "claim_mappings: [{name: a, jwt_provider: x, match: [], resolve: {api_key_id: y}}]",
            "resolve.api_key_id: matches no caller key",
        ),
        (
            "claim_mappings: [{name: a, resolve: {api_key: x}}]",
            "resolve.api_key: \"x\" is not among api_keys",
        ),
        (
            "passthrough_routes: [{name: a, provider_key: x}]",
            "provider_key: \"x\" is not among provider_keys",
        ),
        (
            "guardrail_attachments: [{name: a, guardrail: x, scope_type: env, priority: 0}]",
            "guardrail: \"x\" is not among guardrails: there are none",
        ),
        (
            "oidc_providers: [{name: a, issuer: 'https://i', audiences: [x]}, {name: b, issuer: 'https://i', audiences: [x]}]",
            "(\"b\"): issuer: is that of oidc_providers[0] already",
        ),
        (
            "oidc_providers: [{name: a, issuer: 'https://u:s3cret@i', audiences: [x]}]",
            "issuer: must not contain credentials",
        ),
        (
            "oidc_providers: [{name: a, issuer: 'https://i', audiences: [x], jwks_uri: 'https://i/?a=b&Token=s3cret'}]",
            "jwks_uri: must not contain credentials",
        ),
        (
            "mcp_auth_settings: [{resource_url: 'https://i/mcp?api_key=s3cret'}]",
            "resource_url: must not contain credentials",
        ),
    ];
    for (rows, expected) in table {
        let text = problems(&format!("{BASE}{rows}\n"));
        assert!(text.contains(expected), "{rows}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let provider = "issuer: 'https://i/@x?tokens=1#token=1', audiences: [x]";
    sound(&format!(
        "{BASE}oidc_providers: [{{name: a, {provider}}}, {{name: b, {provider}, enabled: false}}]\n"
    ));
}
