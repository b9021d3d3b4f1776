//! Tests of caller keys and provider keys.

use super::*;

#[test]
fn every_rule_of_a_caller_key_has_its_message() {
    let hash = to_hex(&sha256(b"x"));
    let table = [
        ("allowed_models: []", "needs key_env or key_hash"),
        ("allowed_models: [], key_env: UNSET", "key_env: the variable \"UNSET\" is not set or empty"),
        ("allowed_models: [], key_env: EMPTY", "key_env: the variable \"EMPTY\" is not set or empty"),
        (
            "allowed_models: [], key_env: UNRESOLVED",
            "key_env: the variable \"UNRESOLVED\" holds an unresolved ${…}",
        ),
        (
            "allowed_models: [], key_env: PADDED",
            "key_env: the variable \"PADDED\" has white space around the key",
        ),
        (
            "allowed_models: [], key_env: sk-s3cret",
            "key_env: must be the name of an environment variable: letters",
        ),
        ("allowed_models: [], key_env: 7", "key_env: must be the name of an environment variable"),
        ("allowed_models: [], key_env: NAME, key_hash: x", "key_env: cannot stand beside key_hash"),
        ("allowed_models: [], key_hash: x", "key_hash: must be the SHA-256 of the key"),
        ("key_env: NAME", "allowed_models: is required"),
        (
            "HASH, allowed_models: ['*', gtp]",
            "allowed_models[1]: unknown model \"gtp\", did you mean \"gpt\"?",
        ),
        (
            "HASH, allowed_models: [], allowed_routes: [r, 'x/*']",
            "allowed_routes[0]: unknown passthrough route \"r\"",
        ),
        ("HASH, allowed_models: [], jwt_subject: s", "jwt_subject: needs jwt_provider beside it"),
        ("HASH, allowed_models: [], jwt_provider: s", "jwt_provider: needs jwt_subject beside it"),
        ("HASH, allowed_models: [], mcp_access: {}", "mcp_access.allow: is required"),
        (
            "HASH, allowed_models: [], mcp_access: {allow: []}, allowed_tools: []",
            "allowed_tools: cannot stand beside",
        ),
        ("HASH, allowed_models: [], mcp_rate_limits: {s: {tpm: 1}}", "mcp_rate_limits.s.tpm: unknown key"),
        ("HASH, allowed_models: [], rate_limit: {rpm: x}", "rate_limit.rpm: must be a whole number from 0"),
        ("HASH, allowed_models: [], disabled: 1", "disabled: must be true or false"),
        ("HASH, allowed_models: [], expires_at: 2027-01-01", "expires_at: must be an RFC 3339 time"),
        ("HASH, alowed_models: []", "alowed_models: unknown key, did you mean \"allowed_models\"?"),
    ];
    for (members, expected) in table {
        let text = problems(&with_key(&members.replace("HASH", &format!("key_hash: {hash}"))));
        assert!(text.contains(&format!("api_keys[0] (\"k\"): {expected}")), "{members}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn all_values_of_a_caller_key_arrive() {
    let snapshot = sound(&with_key(
        "key_env: AISIX_CALLER_KEY, allowed_models: [gpt, 'wild/x', 'any*'], allowed_tools: ['s__*'], disabled: true, \
         expires_at: '2027-01-31T00:00:00+01:00', team_id: t, rate_limit: {rpm: 5, concurrency: 1}, \
         mcp_rate_limits: {s: {rps: 2}}",
    ));
    let key = snapshot.caller_key(&sha256(CALLER.as_bytes())).expect("it is there");
    assert!(key.disabled && key.allows("anything") && key.allows("gpt") && !key.allows("gp"));
    assert!(
        key.mcp_access.as_ref().is_some_and(|access| access.allow.iter().any(|glob| glob.matches("s__x")))
    );
    let end = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_801_350_000);
    assert_eq!(key.expires_at, Some(end));
    assert!(key.expired(end) && !key.expired(end - std::time::Duration::from_secs(1)));
    assert_eq!(key.rate_limit.as_ref().and_then(|limit| limit.rpm), Some(5));
    assert_eq!(
        snapshot.dormant(),
        ["rate_limit on api_keys: 1 row is accepted but not in force in this build"]
    );
}

#[test]
fn caller_keys_are_unique_in_key_and_identity() {
    let hash = |text: &str| to_hex(&sha256(text.as_bytes()));
    let text = format!(
        "{BASE}api_keys:\n  - {{display_name: a, key_hash: {}, allowed_models: [], jwt_subject: s, jwt_provider: p}}\n  \
         - {{display_name: b, key_hash: {}, allowed_models: [], jwt_subject: s, jwt_provider: p}}\n  \
         - {{display_name: c, key_hash: {}, allowed_models: []}}\n",
        hash("1"),
        hash("2"),
        hash("1")
    );
    let text = problems(&text);
    assert!(text.contains("api_keys[1] (\"b\"): jwt_subject: is bound to api_keys[0] already"), "{text}");
    assert!(text.contains("api_keys[2] (\"c\"): is the same key as api_keys[0]"), "{text}");
}

#[test]
fn every_rule_of_a_provider_key_has_its_message() {
    let table = [
        ("provider: openai", "api_key: is required"),
        ("api_key: a, secret: b", "secret: cannot stand beside api_key: they are the same"),
        ("api_key: ' '", "api_key: must not be empty"),
        ("api_key: \"s3cret\\n\"", "api_key: contains characters that no header may carry"),
        ("api_key: s3crét", "api_key: contains characters that no header may carry"),
        ("secret: [s3cret]", "api_key: must be a text"),
        (
            "api_key: a, adapter: opneai",
            "adapter: must be one of \"openai\", \"openai-responses\", \"anthropic\", \"gemini\", \"bedrock\", \"vertex\", \"azure-openai\"",
        ),
        ("api_key: a, api_base: 'example.com/v1'", "api_base: must be an http:// or https:// address"),
        ("api_key: a, api_base: 'ftp://example.com'", "api_base: must be an http:// or https:// address"),
        ("api_key: a, api_base: 'https:///v1'", "api_base: must be an http:// or https:// address"),
        (
            "api_key: a, api_base: 'https://u:s3cret@example.com'",
            "api_base: must not contain a user or password",
        ),
        (
            "api_key: a, api_base: 'https://example.com/?k=s3cret'",
            "api_base: must not contain a query or fragment",
        ),
        ("api_key: a, api_base: 'https://example.com/#x'", "api_base: must not contain a query or fragment"),
        ("api_key: a, strip_headers: ['a b']", "strip_headers[0]: is not a header name"),
        (
            "api_key: a, request: {default_headers: {'a b': x}}",
            "request.default_headers.a b: is not a header name",
        ),
        (
            "api_key: a, request: {default_headers: {Authorization: x}}",
            "request.default_headers.authorization: is reserved",
        ),
        (
            "api_key: a, request: {default_headers: {a: \"x\\r\\ny\"}}",
            "request.default_headers.a: must not contain line ends",
        ),
        (
            "api_key: a, request: {default_headers: {a: 1}}",
            "request.default_headers.a: must be a text; put it in quotes",
        ),
        (
            "api_key: a, request: {param_renames: {a: ''}}",
            "request.param_renames.a: must have a name on both sides",
        ),
        (
            "api_key: a, request: {param_constraints: {temperature_min: 1, temperature_max: 0}}",
            "request.param_constraints.temperature_min: must not be larger than temperature_max",
        ),
        (
            "api_key: a, response: {reasoning_field: reasoning}",
            "response.reasoning_field: must start with \"delta.\"",
        ),
        (
            "api_key: a, response: {stream_done_marker: x}",
            "must be one of \"required\", \"optional\", \"none\"",
        ),
        ("api_key: a, tls: {ca_cert: hello}", "tls.ca_cert: must be one or more certificates in PEM"),
        ("api_key: a, tls: {ca_cert: EMPTY_DER}", "tls.ca_cert: must be one or more certificates in PEM"),
        ("api_key: a, tls: {client_cert: CERT}", "tls: client_cert and client_key must come together"),
        (
            "api_key: a, tls: {client_cert: CERT, client_key: s3cret}",
            "tls.client_key: must be a private key in PEM",
        ),
        ("api_key: a, telemetry_tags: {kind: x}", "telemetry_tags.kind: must be one of \"catalog\", \"byo\""),
        (
            "api_key: a, request: {default_header: {}}",
            "request.default_header: unknown key, did you mean \"default_headers\"?",
        ),
    ];
    let (certificate, _) = pem();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (members, expected) in table {
        let members = members
            .replace("CERT", &format!("{certificate:?}"))
            .replace("EMPTY_DER", &format!("{garbage:?}"));
        let text = problems(&with_provider_key(&members));
        assert!(text.contains(expected), "{members}: {text}");
        assert!(!text.contains("s3cr"), "{text}");
    }
}

#[test]
fn all_values_of_a_provider_key_arrive() {
    use crate::resources::Adapter;
    use crate::resources::provider_key::StreamDoneMarker;
    let (certificate, key) = pem();
    let members = format!(
        "secret: s, adapter: azure-openai, api_base: ' https://x.example:8443/v1 ', strip_headers: [X-A], \
         request: {{param_renames: {{b: c, a: d}}, default_body_fields: {{n: {{x: [1]}}, m: null}}, \
         default_headers: {{X-Trace: '$${{request.id}}'}}, forward_client_headers: ['x-my-*'], \
         param_constraints: {{temperature_max: 1}}}}, response: {{stream_done_marker: none, content_list_to_string: true}}, \
         tls: {{ca_cert: {certificate:?}, client_cert: {certificate:?}, client_key: {key:?}, verify: false}}, \
         telemetry_tags: {{kind: byo, featured: true}}"
    );
    let snapshot = sound(&with_provider_key(&members));
    let key = snapshot.provider_key(&row_id("provider_keys", "p")).expect("it is there");
    assert_eq!(
        (key.adapter, key.api_base.as_deref()),
        (Some(Adapter::AzureOpenAi), Some("https://x.example:8443/v1"))
    );
    assert_eq!(key.strip_headers, ["x-a"]);
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(key.request.param_renames, pairs(&[("b", "c"), ("a", "d")]));
    assert_eq!(key.request.default_headers, pairs(&[("x-trace", "${request.id}")]));
    let fields: Vec<_> =
        key.request.default_body_fields.iter().map(|(name, raw)| (name.as_str(), raw.get())).collect();
    assert_eq!(fields, [("n", r#"{"x":[1]}"#), ("m", "null")]);
    assert_eq!(key.response.stream_done_marker, Some(StreamDoneMarker::None));
    assert!(!key.tls.verify && key.tls.client_key.is_some());
    let bare = sound(BASE);
    let bare = bare.provider_keys().next().expect("it is there");
    assert!(bare.tls.verify && bare.api_base.is_none());
    assert_eq!(bare.strip_headers, ["authorization", "cookie", "set-cookie", "x-api-key"]);
}
