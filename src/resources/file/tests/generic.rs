//! Tests of the kinds that do not act yet.

use super::*;

#[test]
fn kinds_that_do_not_act_yet_are_kept_counted_and_announced() {
    let dormant: Vec<_> = COLLECTIONS.iter().filter(|collection| !collection.acts).collect();
    let mut text = BASE.to_owned();
    for collection in &dormant {
        let name = collection.alternative.or(collection.identity).unwrap_or("any");
        text.push_str(&format!("{}: [{{{name}: x, deep: {{a: [1]}}}}]\n", collection.name));
    }
    let snapshot = sound(&text);
    assert_eq!(dormant.len(), 12);
    assert_eq!(snapshot.generic().count(), 12);
    assert_eq!(snapshot.dormant().len(), 12);
    assert!(
        snapshot
            .dormant()
            .contains(&"guardrails: 1 row is accepted but not in force in this build".to_owned())
    );
    assert!(snapshot.counts().contains(&("models", 2)));
    assert_eq!(snapshot.counts().iter().map(|(_, count)| count).sum::<usize>(), 15);
}

#[test]
fn names_in_rows_that_do_not_act_yet_become_ids() {
    let key =
        format!("api_keys: [{{display_name: k, key_hash: {}, allowed_models: []}}]", to_hex(&sha256(b"x")));
    let text = format!(
        "{BASE}{key}\n\
         rate_limit_policies:\n  - {{name: a, scope: model, scope_ref: gpt}}\n  - {{name: b, scope: team, scope_ref: gpt}}\n  \
         - {{name: c, conditions: [{{dimension: api_key, operator: in, value: [k]}}, {{logic: or, children: \
         [{{dimension: model, operator: '==', value: gpt}}, {{dimension: team, operator: '==', value: gpt}}]}}]}}\n\
         oidc_providers: [{{name: o, issuer: 'https://i'}}]\n\
         claim_mappings: [{{name: m, jwt_provider: o, resolve: {{api_key: k}}}}]\n\
         passthrough_routes: [{{name: r, provider_key: openai-main, anonymous_key: k}}]\n"
    );
    let snapshot = sound(&text);
    let body = |name: &str| {
        snapshot.generic().find(|row| row.name == name).map(|row| row.body.clone()).expect("it is there")
    };
    let table = [
        ("a", "/scope_ref", row_id("models", "gpt")),
        ("b", "/scope_ref", "gpt".to_owned()),
        ("c", "/conditions/0/value/0", row_id("api_keys", "k")),
        ("c", "/conditions/1/children/0/value", row_id("models", "gpt")),
        ("c", "/conditions/1/children/1/value", "gpt".to_owned()),
        ("m", "/resolve/api_key_id", row_id("api_keys", "k")),
        ("r", "/provider_key_id", row_id("provider_keys", "openai-main")),
        ("r", "/anonymous_key_id", row_id("api_keys", "k")),
    ];
    for (name, pointer, expected) in table {
        assert_eq!(
            body(name).pointer(pointer).and_then(Value::as_str),
            Some(expected.as_str()),
            "{name} {pointer}"
        );
    }
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
        ("claim_mappings: [{name: a, jwt_provider: x}]", "jwt_provider: unknown OIDC provider \"x\""),
        (
            "claim_mappings: [{name: a, resolve: {api_key: x}}]",
            "resolve.api_key: \"x\" is not among api_keys",
        ),
        (
            "claim_mappings: [{name: a, resolve: {api_key_id: x}}]",
            "resolve.api_key_id: matches no caller key",
        ),
        (
            "passthrough_routes: [{name: a, provider_key: x}]",
            "provider_key: \"x\" is not among provider_keys",
        ),
        (
            "oidc_providers: [{name: a, issuer: i}, {name: b, issuer: i}]",
            "(\"b\"): issuer: is that of oidc_providers[0] already",
        ),
        ("oidc_providers: [{name: a, issuer: 'https://u:s3cret@i'}]", "issuer: must not contain credentials"),
        (
            "oidc_providers: [{name: a, issuer: i, jwks_uri: 'https://i/?a=b&Token=s3cret'}]",
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
    sound(&format!(
        "{BASE}oidc_providers: [{{name: a, issuer: i}}, {{name: b, issuer: i, enabled: false}}]\n"
    ));
    sound(&format!("{BASE}oidc_providers: [{{name: a, issuer: 'https://i/@x?tokens=1#token=1'}}]\n"));
}
