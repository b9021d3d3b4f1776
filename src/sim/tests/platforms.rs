//! Azure, Vertex and the token endpoints: other paths, other keys, the same dialects.

use serde_json::json;

use super::client::Client;
use super::plain;

const CHAT: &str = r#"{"messages":[{"role":"user","content":"Hello"}]}"#;
const CHAT_WITH_MODEL: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hello"}]}"#;
const AZURE: &str = "api-key: k\r\n";
const BEARER: &str = "authorization: Bearer t\r\n";

#[test]
fn azure_takes_a_deployment_and_a_version_or_its_v1_path() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let deployed = "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21";
    assert_eq!(client.post(deployed, AZURE, CHAT).json()["model"], "my-gpt");
    assert_eq!(client.post(deployed, BEARER, CHAT_WITH_MODEL).json()["model"], "m");
    let stream =
        client.post(deployed, AZURE, &CHAT.replace("{\"messages\"", "{\"stream\":true,\"messages\""));
    let first = &stream.frames()[0];
    assert_eq!((&first["choices"], &first["id"]), (&json!([]), &json!("")));
    assert!(first["prompt_filter_results"].is_array());
    let input = r#"{"model":"m","input":"Hello"}"#;
    for (path, body, status) in [
        ("/openai/v1/chat/completions", CHAT_WITH_MODEL, 200),
        ("/openai/v1/responses", input, 200),
        ("/openai/responses?api-version=2025-03-01-preview", input, 200),
        ("/openai/v1/chat/completions", CHAT, 400),
        ("/openai/deployments/my-gpt/chat/completions", CHAT, 404),
        ("/openai/deployments/my-gpt/responses?api-version=1", input, 404),
        ("/openai/chat/completions?api-version=1", CHAT, 404),
    ] {
        assert_eq!(client.post(path, AZURE, body).status, status, "{path}");
    }
    for headers in ["", "x-api-key: k\r\n", "api-key: sk-sim-bad\r\n"] {
        let refused = client.post(deployed, headers, CHAT);
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("401")));
    }
}

#[test]
fn vertex_serves_gemini_to_those_who_bring_a_token() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"#;
    let models = "/v1/projects/p/locations/global/publishers/google/models";
    let path = format!("{models}/gemini-3-pro:generateContent");
    assert_eq!(client.post(&path, BEARER, body).json()["modelVersion"], "gemini-3-pro");
    let stream = client.post(&format!("{models}/gemini-3-pro:streamGenerateContent?alt=sse"), BEARER, body);
    assert!(stream.frames().len() > 1);
    assert_eq!(client.post(&format!("{models}/g:countTokens"), BEARER, body).json()["totalTokens"], 2);
    let refused = client.post(&path, "x-goog-api-key: k\r\n", body);
    assert_eq!((refused.status, &refused.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
}

#[test]
fn gemini_wants_a_key_in_a_header_or_in_the_query() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"#;
    let path = "/v1beta/models/gemini-3-pro:generateContent";
    for (path, headers, status) in [
        (path, "", 403),
        (path, "x-goog-api-key: k\r\n", 200),
        ("/v1beta/models/gemini-3-pro:generateContent?key=k", "", 200),
        ("/v1/models/gemini-3-pro:generateContent?key=k", "", 200),
        (path, "x-goog-api-key: sk-sim-bad\r\n", 400),
        ("/v1beta/models/gemini-3-pro:predict?key=k", "", 404),
    ] {
        assert_eq!(client.post(path, headers, body).status, status, "{path} {headers}");
    }
}

#[test]
fn vertex_serves_messages_without_a_model_and_with_a_version() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let models = "/v1/projects/p/locations/us-east5/publishers/anthropic/models";
    let messages = r#""max_tokens":50,"messages":[{"role":"user","content":"Hello"}]"#;
    let version = r#""anthropic_version":"vertex-2023-10-16""#;
    let path = format!("{models}/claude-x@1:rawPredict");
    let whole = client.post(&path, BEARER, &format!("{{{version},{messages}}}")).json();
    assert_eq!((&whole["model"], &whole["type"]), (&json!("claude-x@1"), &json!("message")));
    let path = format!("{models}/claude-x@1:streamRawPredict");
    let stream = client.post(&path, BEARER, &format!(r#"{{{version},"stream":true,{messages}}}"#));
    assert_eq!(stream.events().last(), Some(&"message_stop"));
    for (members, words) in [
        (messages.to_owned(), "anthropic_version: Field required"),
        (format!(r#"{version},"model":"m",{messages}"#), "model: Extra inputs are not permitted"),
    ] {
        let refused = client.post(&path, BEARER, &format!("{{{members}}}"));
        assert!(refused.status == 400 && refused.body.contains(words), "{}", refused.body);
    }
    assert_eq!(client.post(&path, AZURE, &format!("{{{version},{messages}}}")).status, 401);
    let direct = client.post("/v1/messages", "", &format!(r#"{{{version},"model":"m",{messages}}}"#));
    assert_eq!(direct.status, 400);
}

#[test]
fn tokens_are_given_in_googles_and_entras_flows() {
    let provider = plain();
    let mut client = Client::to(provider.addr());
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let entra = "/tenant-1/oauth2/v2.0/token";
    let secret = "grant_type=client_credentials&client_id=c&client_secret=s&scope=https%3A%2F%2Fx%2F.default";
    for (path, body) in [
        ("/token", "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=aa.bb.cc"),
        ("/token", "grant_type=refresh_token&refresh_token=r&client_id=c&client_secret=s"),
        (entra, secret),
        (
            entra,
            "grant_type=client_credentials&client_id=c&client_assertion=a.b.c&client_assertion_type=t&scope=x",
        ),
    ] {
        let answer = client.post(path, form, body);
        let token = answer.json();
        assert_eq!(
            (answer.status, &token["token_type"], &token["expires_in"]),
            (200, &json!("Bearer"), &json!(3599))
        );
        assert!(token["access_token"].as_str().is_some_and(|token| token.starts_with("sim-token-")));
    }
    for (body, error) in [
        ("", "invalid_request"),
        ("grant_type=password&username=u", "unsupported_grant_type"),
        ("grant_type=client_credentials&client_id=c&scope=x", "invalid_request"),
        ("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=x", "invalid_grant"),
        ("grant_type=client_credentials&client_id=c&client_secret=sk-sim-bad&scope=x", "invalid_client"),
    ] {
        let answer = client.post(entra, form, body);
        assert!(answer.status >= 400 && answer.json()["error"] == error, "{body}: {}", answer.body);
    }
    assert_eq!(client.post("/token", "x-sim-status: 503\r\n", secret).status, 503);
    assert_eq!(provider.calls(), 0);
}
