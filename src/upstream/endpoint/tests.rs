//! Endpoints as rows and provider keys make them.

use super::*;
use crate::error::Kind;
use crate::resources::Adapter;

fn endpoint(key: &ProviderKey) -> Result<Endpoint> {
    Endpoint::of_key(key)
}

/// The endpoint of a key, with or without an address of its own.
fn at(label: &str, base: Option<&str>, adapter: Option<Adapter>) -> Endpoint {
    let mut key = ProviderKey::new("k", label, "sk");
    key.api_base = base.map(str::to_owned);
    key.adapter = adapter;
    endpoint(&key).unwrap_or_else(|error| panic!("{label} {base:?}: {error}"))
}

fn with_secret(label: &str, secret: &str) -> Endpoint {
    endpoint(&ProviderKey::new("k", label, secret)).unwrap_or_else(|error| panic!("{label}: {error}"))
}

/// Where a request goes: host and path.
fn place(endpoint: &Endpoint, dialect: DialectId, model: &str, stream: bool) -> String {
    format!("{}{}", endpoint.host, endpoint.path(dialect, Operation::Generate, model, stream, None))
}

fn spoken(endpoint: &Endpoint) -> Vec<DialectId> {
    endpoint.formats().map(|format| format.dialect).collect()
}

use DialectId::{Anthropic, Bedrock, Gemini, OpenAiChat, Responses};

#[test]
fn an_unknown_vendor_needs_an_adapter() {
    let dialect_of =
        |label: &str, adapter| Choice::of(label, adapter, None).map(|choice| choice.preferred.dialect);
    assert_eq!(dialect_of("acme", None).expect_err("no row").kind, Kind::NoProvider);
    assert_eq!(dialect_of("acme", Some(Adapter::OpenAi)).expect("named"), OpenAiChat);
    assert_eq!(dialect_of("acme", Some(Adapter::OpenAiResponses)).expect("named"), Responses);
    assert_eq!(dialect_of("acme", Some(Adapter::Bedrock)).expect("named"), Bedrock);
    assert_eq!(dialect_of("gemini", None).expect("a row"), Gemini);
    assert_eq!(dialect_of("gemini", Some(Adapter::OpenAi)).expect("its other format"), OpenAiChat);
}

#[test]
fn a_vendor_is_asked_in_the_callers_format_where_it_speaks_that() {
    let generate = |endpoint: &Endpoint, caller| endpoint.dialect_for(caller, Operation::Generate, "m");
    let openai = at("openai", None, None);
    assert_eq!(generate(&openai, Responses), Responses);
    assert_eq!(generate(&openai, Anthropic), OpenAiChat);
    assert_eq!(place(&openai, OpenAiChat, "m", true), "api.openai.com/v1/chat/completions");
    assert_eq!(place(&openai, Responses, "m", true), "api.openai.com/v1/responses");
    let deepseek = at("deepseek", Some("https://api.deepseek.com/"), None);
    assert_eq!(generate(&deepseek, Anthropic), Anthropic);
    assert_eq!(place(&deepseek, OpenAiChat, "m", false), "api.deepseek.com/chat/completions");
    assert_eq!(place(&deepseek, Anthropic, "m", false), "api.deepseek.com/anthropic/v1/messages");
    assert_eq!(
        deepseek.path(Anthropic, Operation::CountTokens, "m", false, Some("beta=true")),
        "/anthropic/v1/messages/count_tokens?beta=true"
    );
    let vllm = at("vllm", Some("http://gpu:8000/v1"), None);
    assert_eq!(place(&vllm, Anthropic, "m", false), "gpu/v1/messages");
    assert_eq!(place(&vllm, Responses, "m", false), "gpu/v1/responses");
    assert_eq!(vllm.dialect_for(Gemini, Operation::CountTokens, "m"), Anthropic);
}

#[test]
fn an_adapter_or_an_address_narrows_a_row_to_one_format() {
    assert_eq!(spoken(&at("deepseek", None, Some(Adapter::OpenAi))), [OpenAiChat]);
    assert_eq!(spoken(&at("deepseek", Some("https://api.deepseek.com/anthropic"), None)), [Anthropic]);
    for (base, dialect) in [("/api/v1", OpenAiChat), ("/api", Anthropic)] {
        assert_eq!(spoken(&at("openrouter", Some(&format!("https://openrouter.ai{base}")), None)), [dialect]);
    }
    let compatible = "https://generativelanguage.googleapis.com/v1beta/openai";
    for adapter in [None, Some(Adapter::OpenAi)] {
        let gemini = at("gemini", Some(compatible), adapter);
        assert_eq!(spoken(&gemini), [OpenAiChat]);
        let path = "generativelanguage.googleapis.com/v1beta/openai/chat/completions";
        assert_eq!(place(&gemini, OpenAiChat, "m", false), path);
        assert!(gemini.fixed(OpenAiChat, false).contains("authorization"));
    }
    // A format in a vendor's name cannot be taken from it.
    assert_eq!(spoken(&at("anthropic", None, Some(Adapter::OpenAi))), [Anthropic]);
}

#[test]
fn gemini_has_the_model_and_the_method_in_its_path() {
    let gemini = at("google", None, None);
    let host = "generativelanguage.googleapis.com/v1beta";
    assert_eq!(
        place(&gemini, Gemini, "gemini-2.5-pro", false),
        format!("{host}/models/gemini-2.5-pro:generateContent")
    );
    let streamed = gemini.path(Gemini, Operation::Generate, "models/g", true, Some("alt=json&x=1"));
    assert_eq!(streamed, "/v1beta/models/g:streamGenerateContent?alt=sse&x=1");
    assert_eq!(
        gemini.path(Gemini, Operation::CountTokens, "tunedModels/t", true, None),
        "/v1beta/tunedModels/t:countTokens"
    );
    assert_eq!(
        place(&gemini, Gemini, "a/../b?c#d", false),
        format!("{host}/models/a%2F..%2Fb%3Fc%23d:generateContent")
    );
    assert!(gemini.fixed(Gemini, false).contains("x-goog-api-key"));
    assert!(!gemini.needs_authorizing());
}

#[test]
fn azure_has_a_deployment_in_its_path_or_the_v1_api() {
    let azure = at("azure", Some("my-res"), None);
    assert_eq!(spoken(&azure), [OpenAiChat, Responses]);
    assert_eq!(
        place(&azure, OpenAiChat, "my gpt", true),
        "my-res.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    );
    assert_eq!(place(&azure, Responses, "d", true), "my-res.openai.azure.com/openai/v1/responses");
    assert_eq!(
        azure.path(OpenAiChat, Operation::Generate, "d", false, Some("api-version=1&a=b")),
        "/openai/deployments/d/chat/completions?api-version=2024-10-21&a=b"
    );
    assert!(azure.fixed(Responses, false).contains("api-key"));
    let v1 = at("acme", Some("https://my-res.openai.azure.com/openai/v1/"), Some(Adapter::AzureOpenAi));
    assert_eq!(place(&v1, OpenAiChat, "d", false), "my-res.openai.azure.com/openai/v1/chat/completions");
    assert_eq!(place(&v1, Responses, "d", false), "my-res.openai.azure.com/openai/v1/responses");
    let claude = at("azure", Some("https://my-res.services.ai.azure.com/anthropic"), None);
    assert_eq!(spoken(&claude), [Anthropic]);
    assert_eq!(place(&claude, Anthropic, "d", false), "my-res.services.ai.azure.com/anthropic/v1/messages");
}

#[test]
fn vertex_has_a_project_a_location_and_a_publisher_in_its_path() {
    let key = |region| format!(r#"{{"project": "p-1", "region": "{region}", "access_token": "t"}}"#);
    let vertex = with_secret("vertex", &key("us-central1"));
    let root = "us-central1-aiplatform.googleapis.com/v1/projects/p-1/locations/us-central1";
    let cases = [
        ("gemini-2.5-pro", Gemini, false, "publishers/google/models/gemini-2.5-pro:generateContent"),
        (
            "gemini-2.5-pro",
            Gemini,
            true,
            "publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        ),
        (
            "claude-opus-4@20250514",
            Anthropic,
            false,
            "publishers/anthropic/models/claude-opus-4@20250514:rawPredict",
        ),
        ("claude-x", Anthropic, true, "publishers/anthropic/models/claude-x:streamRawPredict"),
        ("meta/llama-4", OpenAiChat, true, "endpoints/openapi/chat/completions"),
        ("mistral-large", OpenAiChat, true, "publishers/mistralai/models/mistral-large:streamRawPredict"),
    ];
    for (model, dialect, stream, path) in cases {
        assert_eq!(vertex.dialect_for(Responses, Operation::Generate, model), dialect, "{model}");
        assert_eq!(place(&vertex, dialect, model, stream), format!("{root}/{path}"));
    }
    let count = vertex.path(Anthropic, Operation::CountTokens, "claude-x", false, None);
    assert!(count.ends_with("/publishers/anthropic/models/count-tokens:rawPredict"), "{count}");
    assert_eq!(vertex.quirks().anthropic_version, Some("vertex-2023-10-16"));
    assert!(vertex.fixed(Gemini, true).contains("authorization") && !vertex.needs_authorizing());
    assert_eq!(with_secret("vertex", &key("global")).host, "aiplatform.googleapis.com");
    assert_eq!(with_secret("vertex", &key("eu")).host, "aiplatform.eu.rep.googleapis.com");
}

#[test]
fn bedrock_is_in_its_region_and_has_the_model_in_its_path() {
    let key = |region| format!(r#"{{"access_key_id": "a", "secret_access_key": "b", "region": "{region}"}}"#);
    let bedrock = with_secret("bedrock", &key("eu-west-1"));
    let model = "eu.anthropic.claude-v1:0";
    let root = "bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-v1%3A0";
    assert_eq!(place(&bedrock, Bedrock, model, false), format!("{root}/converse"));
    assert_eq!(place(&bedrock, Bedrock, model, true), format!("{root}/converse-stream"));
    assert!(bedrock.needs_authorizing());
    let accept = |stream| {
        let fixed = bedrock.fixed(Bedrock, stream);
        let found = fixed.iter().find(|(name, _)| *name == "accept").map(|(_, value)| value.to_vec());
        String::from_utf8(found.expect("there")).expect("text")
    };
    assert_eq!(
        (accept(false).as_str(), accept(true).as_str()),
        ("application/json", "application/vnd.amazon.eventstream")
    );
    assert_eq!(
        with_secret("bedrock", &key("cn-north-1")).host,
        "bedrock-runtime.cn-north-1.amazonaws.com.cn"
    );
    // A Bedrock API key says no region; the address does.
    assert!(endpoint(&ProviderKey::new("k", "bedrock", "bedrock-api-key")).is_err());
    let with_key = at("bedrock", Some("https://bedrock-runtime.us-east-1.amazonaws.com"), None);
    assert!(with_key.fixed(Bedrock, false).contains("authorization") && !with_key.needs_authorizing());
}

#[test]
fn every_row_with_an_address_makes_an_endpoint() {
    for row in crate::upstream::PROVIDERS {
        let mut key = ProviderKey::new("k", row.label, "sk");
        key.api_base = row.local.then(|| "http://127.0.0.1:1/v1".to_owned());
        if row.base().is_none() && !row.local {
            continue;
        }
        let endpoint = endpoint(&key).unwrap_or_else(|error| panic!("{}: {error}", row.label));
        let speaks: Vec<_> = row.speaks.iter().map(|speaks| speaks.dialect).collect();
        assert_eq!(spoken(&endpoint), speaks, "{}", row.label);
        assert_eq!(endpoint.quirks(), &row.quirks);
    }
}

#[test]
fn a_key_that_is_not_what_its_vendor_wants_says_so_to_the_operator_alone() {
    for (label, secret) in
        [("vertex", "plain"), ("bedrock", "{\"region\": \"x\"}"), ("azure", "{\"tenant_id\": 1}")]
    {
        let mut key = ProviderKey::new("k", label, secret);
        key.api_base = Some("https://x.example".into());
        let error = endpoint(&key).expect_err(label);
        assert_eq!((error.status(), error.code.as_deref()), (502, Some("upstream_auth_failed")), "{label}");
        assert!(error.cause.is_some_and(|cause| cause.starts_with("api_key ")), "{label}");
        assert!(!error.message.contains("api_key"));
    }
}
