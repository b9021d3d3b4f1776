//! Tests of the loader: every step, every rule, and that nothing secret is ever said.

mod generic;
mod keys;
mod models;

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::resources::{Guardrail, row_id, sha256, to_hex};

const OPENAI: &str = "sk-openai-s3cret";
const CALLER: &str = "sk-caller-s3cret";

fn env(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" | "ANTHROPIC_API_KEY" => Some(OPENAI.to_owned()),
        "AISIX_CALLER_KEY" | "SAME_KEY" => Some(CALLER.to_owned()),
        "NAME" => Some("named".to_owned()),
        "EMPTY" => Some(String::new()),
        "UNRESOLVED" => Some("${AISIX_CALLER_KEY}".to_owned()),
        "PADDED" => Some(format!("{CALLER}\n")),
        _ => None,
    }
}

fn read(text: &str) -> Result<Snapshot, Problems> {
    load(text, Path::new("r.yaml"), &env, 1)
}

fn sound(text: &str) -> Snapshot {
    read(text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is wrong, without the name of the file.
fn problems(text: &str) -> String {
    read(text).expect_err(text).to_string().replace("r.yaml:", "")
}

/// One row of each acting kind, to which rows are added.
const BASE: &str = r#"_format_version: "1"
provider_keys:
  - {display_name: openai-main, provider: openai, api_key: "${OPENAI_API_KEY}"}
models:
  - {display_name: gpt, provider: openai, model_name: gpt-4o, provider_key: openai-main}
  - {display_name: "wild/*", provider: openai, provider_key: openai-main}
"#;

/// BASE with one more model.
fn with_model(members: &str) -> String {
    format!("{BASE}  - {{display_name: m, {members}}}\n")
}

/// BASE with one caller key.
fn with_key(members: &str) -> String {
    format!("{BASE}api_keys:\n  - {{display_name: k, {members}}}\n")
}

/// BASE with one more provider key.
fn with_provider_key(members: &str) -> String {
    let row = format!("provider_keys:\n  - {{display_name: p, {members}}}\n");
    BASE.replace("provider_keys:\n", &row)
}

#[test]
fn the_example_file_is_sound() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/resources.yaml");
    let text = std::fs::read_to_string(&file).expect("it is there");
    let snapshot = load(&text, &file, &env, 1).unwrap_or_else(|problems| panic!("{problems}"));
    let key = snapshot.caller_key(&sha256(CALLER.as_bytes())).expect("the example has a caller key");
    assert!(key.allows("openai/gpt-4.1") && key.allows("claude") && !key.allows("other"));
    let found = snapshot.model("openai/gpt-4.1").expect("the wildcard matches");
    assert_eq!(found.model.upstream_model(found.captured.as_deref()), "gpt-4.1");
    assert_eq!(snapshot.generation(), 1);
    assert!(snapshot.dormant().is_empty());
}

#[test]
fn rows_get_their_ids_and_the_references_between_them() {
    let snapshot = sound(&with_key("key_env: AISIX_CALLER_KEY, allowed_models: ['*']"));
    let model = snapshot.model("gpt").expect("it is there").model;
    assert_eq!(model.id, row_id("models", "gpt"));
    let id = model.provider_key_id.as_deref().expect("the name was replaced");
    assert_eq!(id, row_id("provider_keys", "openai-main"));
    let provider_key = snapshot.provider_key(id).expect("it is there");
    assert_eq!((provider_key.display_name.as_str(), provider_key.secret.expose()), ("openai-main", OPENAI));
    let key = snapshot.caller_key(&sha256(CALLER.as_bytes())).expect("it is there");
    assert_eq!((key.id.as_str(), key.display_name.as_deref()), (row_id("api_keys", "k").as_str(), Some("k")));
}

#[test]
fn every_problem_of_a_file_is_said_at_once_with_its_line() {
    let text = r#"_format_version: 1
modells: []
provider_keys:
  - display_name: a
    provider: openai
    api_key: ${UNSET}
  - display_name: b
    secret: x
    api_base: ftp://h
    tls:
      ca_crt: x
      verify: maybe
  - display_name: b
    api_key: y
models:
  - display_name: one
    provider: OpenAI
    model_name: x
    provider_key: a
  - display_name: two
    routing:
      strategy: fastest
      targets: [{model: one, wieght: 2}]
  - display_name: three
    routing:
      targets:
        - model: one
        - model: won
        - model: four
  - display_name: four
    routing: {targets: []}
    cost: {input_per_1k: 1, output_per_1k: 1}
  - id: x
    display_name: five
  - just text
  - provider: openai
api_keys:
  - display_name: k1
    key_env: AISIX_CALLER_KEY
    allowed_models: [one, oen, "none/*"]
    expires_at: tomorrow
  - display_name: k2
    key_env: SAME_KEY
    allowed_models: []
  - display_name: k3
    key_env: SAME_KEY
    allowed_models: [thre]
guardrails:
  - name: g
  - name: g
a2a_agents: {}
"#;
    let expected = r#"r.yaml:1: _format_version: must be the text "1"; put it in quotes
r.yaml:2: modells: unknown key, did you mean "models"?
r.yaml:6: provider_keys[0] ("a"): api_key: the variable "UNSET" is not set or empty
r.yaml:11: provider_keys[1] ("b"): tls.ca_crt: unknown key, did you mean "ca_cert"?
r.yaml:12: provider_keys[1] ("b"): tls.verify: must be true or false
r.yaml:13: provider_keys[2] ("b"): has the name of provider_keys[1]
r.yaml:17: models[0] ("one"): provider: must be 1 to 64 of a-z, 0-9, dot, underscore and hyphen, a letter or digit first
r.yaml:22: models[1] ("two"): routing.strategy: must be one of "failover", "round_robin", "weighted", "consistent_hash", "least_cost", "least_latency", "least_busy"
r.yaml:23: models[1] ("two"): routing.targets[0].wieght: unknown key, did you mean "weight"?
r.yaml:28: models[2] ("three"): routing.targets[1].model: unknown model "won"
r.yaml:31: models[3] ("four"): routing.targets: needs at least one entry
r.yaml:32: models[3] ("four"): cost: does not belong in a routing model
r.yaml:33: models[4] ("five"): id: must not be given: it is derived from the name
r.yaml:35: models[5]: must be a mapping
r.yaml:36: models[6]: display_name: is required
r.yaml:41: api_keys[0] ("k1"): expires_at: must be an RFC 3339 time such as 2027-01-31T00:00:00Z
r.yaml:45: api_keys[2] ("k3"): is the same key as api_keys[1]
r.yaml:47: api_keys[2] ("k3"): allowed_models[0]: unknown model "thre", did you mean "three"?
r.yaml:49: guardrails[0] ("g"): kind: is required
r.yaml:50: guardrails[1] ("g"): has the name of guardrails[0]
r.yaml:51: a2a_agents: must be a list"#;
    assert_eq!(read(text).expect_err("much is wrong").to_string(), expected);
}

#[test]
fn the_outer_form_is_strict() {
    let table = [
        ("", "1: (file): must be one mapping"),
        ("- a", "1: (file): must be one mapping"),
        ("{}", "1: (file): _format_version: \"1\" is required"),
        ("_format_version: '2'", "1: _format_version: must be \"1\", the only version there is"),
        ("_format_version: 1", "1: _format_version: must be the text \"1\"; put it in quotes"),
        ("_format_version: '1'\nmodels: {}", "2: models: must be a list"),
        ("_format_version: '1'\nmodels: [1]", "2: models[0]: must be a mapping"),
        ("_format_version: '1'\n---\n", "2: (file): holds several YAML documents; one is allowed"),
        (
            "_format_version: '1'\nmodels: [{display_name: 7}]",
            "models[0]: display_name: must be a text; put it in",
        ),
        ("_format_version: '1'\nmodels: [{display_name: ' '}]", "models[0]: display_name: must not be empty"),
        ("_format_version: '1'\nguardrails: [{}]", "guardrails[0]: name: is required"),
        (
            "_format_version: '1'\nmcp_auth_settings: [{}, {}]",
            "[1]: is the second row of a collection of one",
        ),
    ];
    for (text, expected) in table {
        assert!(problems(text).contains(expected), "{text:?}: {}", problems(text));
    }
    for empty in ["_format_version: '1'", "_format_version: '1'\nmodels:\napi_keys: []\n"] {
        assert!(sound(empty).counts().iter().all(|(_, count)| *count == 0));
    }
}

#[test]
fn variables_are_resolved_in_every_text_of_every_kind() {
    let text = format!(
        "{BASE}  - {{display_name: '${{NAME}}', provider: openai, model_name: 'x-${{NAME}}$$', provider_key: openai-main}}\n\
         guardrails: [{{name: 'g-${{NAME}}', kind: keyword, patterns: [{{kind: literal, value: '${{NAME}}'}}]}}]\n"
    );
    let snapshot = sound(&text);
    let model = snapshot.model("named").expect("the name was resolved").model;
    assert_eq!(model.model_name.as_deref(), Some("x-named$"));
    assert_eq!(model.id, row_id("models", "named"));
    let guardrail = snapshot.row::<Guardrail>(&row_id("guardrails", "g-named")).expect("it is there");
    let Guardrail::Keyword(keyword) = &*guardrail else { panic!("it is of another kind: {guardrail:?}") };
    assert_eq!(keyword.patterns.first().map(|pattern| pattern.value.as_str()), Some("named"));
}

fn pem() -> (String, String) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a name is enough");
    (pair.cert.pem(), pair.signing_key.serialize_pem())
}

#[test]
fn naming_a_row_that_is_itself_wrong_is_not_a_second_problem() {
    let text =
        BASE.replace("model_name: gpt-4o", "model_nam: gpt-4o").replace("${OPENAI_API_KEY}", "${UNSET}")
            + "api_keys: [{display_name: k, key_env: NAME, allowed_models: [gpt]}]\n";
    let text = problems(&text);
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn the_hash_follows_the_content_and_nothing_else() {
    let base = sound(BASE);
    assert_eq!(base.hash().len(), 64);
    assert_eq!(base.hash(), sound(&format!("# note\n{BASE}")).hash());
    assert_eq!(
        base.hash(),
        sound(
            &BASE
                .replace("provider: openai, api_key", "api_key")
                .replace("_KEY}\"}", "_KEY}\", provider: openai}")
        )
        .hash()
    );
    assert_ne!(base.hash(), sound(&BASE.replace("gpt-4o", "gpt-4")).hash());
    let other_secret =
        load(BASE, Path::new("r.yaml"), &|_| Some("other".to_owned()), 2).expect("it is sound");
    assert_ne!(base.hash(), other_secret.hash());
    assert_eq!(other_secret.generation(), 2);
}

#[test]
fn debug_of_everything_hides_secrets() {
    let (certificate, client_key) = pem();
    let text = with_provider_key(&format!(
        "api_key: s3cret, tls: {{client_cert: {certificate:?}, client_key: {client_key:?}}}"
    )) + "mcp_servers: [{name: s, url: 'https://m', secret: s3cret}]\napi_keys: [{display_name: k, key_env: AISIX_CALLER_KEY, allowed_models: []}]\n";
    let shown = format!("{:?}", sound(&text));
    assert!(shown.contains("***"), "{shown}");
    let inner = client_key.lines().nth(1).expect("a key has lines");
    for secret in ["s3cret", inner] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_loader_panic(text in prop_oneof![
        any::<String>(),
        "(_format_version: '1'\n)?(models|api_keys|guardrails|rate_limit_policies): *[\\[\\]{}:, a-z$*&!|'\"\n-]{0,60}",
    ]) {
        let _ = read(&text);
    }

    #[test]
    fn a_sound_file_cut_and_stirred_gives_an_answer(cut in 0usize..600, at in 0usize..600, with in "[\\[\\]{}:,$*&!|>'\"%@`#\\n\\t -]{0,4}") {
        let mut text = with_key("key_env: AISIX_CALLER_KEY, allowed_models: ['*'], expires_at: '2027-01-31T00:00:00Z'");
        text.truncate(cut.min(text.len()));
        text.insert_str(at.min(text.len()), &with);
        let _ = read(&text);
    }
}
