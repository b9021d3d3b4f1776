//! One request with several faults is answered for the first of them in a fixed order: credential, its state,
//! body, messages, alias, permission, address.

use serde_json::json;

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

through_every_door! {
    the_first_fault_of_a_chat_request_is_the_one_reported,
    the_first_fault_of_a_messages_request_is_the_one_reported,
    a_bad_body_names_what_is_wrong_with_it,
}

/// Every way a credential can be, and the refusal it brings.
const KEYS: &[(Option<&str>, Option<Refusal>)] = &[
    (None, Some((401, "invalid_api_key", ""))),
    (Some("sk-unknown"), Some((401, "invalid_api_key", ""))),
    (Some("sk-off"), Some((401, "invalid_api_key", "api_key_disabled"))),
    (Some("sk-old"), Some((401, "invalid_api_key", "api_key_expired"))),
    (Some("sk-some"), None),
];

/// Every way a body can be; `ALIAS` stands for the alias.
const BODIES: &[(&str, Option<Refusal>)] = &[
    ("not json", Some((400, "invalid_request_error", ""))),
    (r#"{"messages":[{"role":"user","content":"x"}]}"#, Some((400, "invalid_request_error", ""))),
    (r#"{"model":"ALIAS","messages":[]}"#, Some((400, "invalid_request_error", ""))),
    (r#"{"model":"ALIAS","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#, None),
];

/// Every way an alias can be: `forbidden` to the key, `away` from the caller's address.
const ALIASES: &[(&str, Option<Refusal>)] = &[
    ("nowhere", Some((404, "model_not_found", ""))),
    ("forbidden-away", Some((403, "permission_denied", ""))),
    ("forbidden", Some((403, "permission_denied", ""))),
    ("open-away", Some((403, "permission_denied", "ip_restricted"))),
    ("open", None),
];

/// Status, `error.type` and `error.code` of the OpenAI envelope.
type Refusal = (u16, &'static str, &'static str);

fn setup(door: Door, upstream: &Upstream, anthropic: bool) -> Setup {
    let mut setup = door
        .setup(upstream)
        .api_key("some", "sk-some", json!({"allowed_models": ["open*"]}))
        .api_key("off", "sk-off", json!({"allowed_models": [], "disabled": true}))
        .api_key("old", "sk-old", json!({"allowed_models": [], "expires_at": "2020-01-01T00:00:00Z"}));
    for (alias, _) in ALIASES.iter().filter(|(alias, _)| *alias != "nowhere") {
        let cidrs = if alias.contains("away") { json!(["10.0.0.0/8"]) } else { json!([]) };
        let more = json!({"allowed_cidrs": cidrs});
        setup = if anthropic { setup.claude(alias, more) } else { setup.model(alias, more) };
    }
    setup
}

/// Sends the whole grid over one connection and compares every answer with the first refusal that applies.
async fn assert_order(
    door: Door,
    target: &str,
    upstream: &Upstream,
    anthropic: bool,
    envelope: impl Fn(Refusal, &Answer),
) {
    let gateway = setup(door, upstream, anthropic).start().await;
    let mut caller = gateway.caller().await;
    for (key, key_refusal) in KEYS {
        for (body, body_refusal) in BODIES {
            for (alias, alias_refusal) in ALIASES {
                let mut request = Request::post(target, body.replace("ALIAS", alias));
                if let Some(key) = key {
                    request = request.bearer(key);
                }
                let answer = caller.ask(&request).await;
                let case = format!("{key:?} {body} {alias}");
                match key_refusal.or(*body_refusal).or(*alias_refusal) {
                    None => assert_eq!(answer.status, 200, "{case}: {}", answer.text()),
                    Some(refusal) => {
                        assert_eq!(answer.status, refusal.0, "{case}: {}", answer.text());
                        envelope(refusal, &answer);
                    }
                }
            }
        }
    }
    assert_eq!(upstream.count(), 1, "one case of the grid is without fault");
}

async fn the_first_fault_of_a_chat_request_is_the_one_reported(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let envelope = |(_, kind, code): Refusal, answer: &Answer| {
        assert_eq!((answer.error_type(), answer.error_field("code")), (kind.into(), code.into()));
        assert!(!answer.error_field("message").is_empty());
    };
    assert_order(door, "/v1/chat/completions", &upstream, false, envelope).await;
}

async fn the_first_fault_of_a_messages_request_is_the_one_reported(door: Door) {
    let upstream = Upstream::doing(replies::json(200, MESSAGE_ANSWER)).await;
    let envelope = |(status, _, _): Refusal, answer: &Answer| {
        let kind = match status {
            400 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            _ => "api_error",
        };
        assert_eq!((answer.json()["type"].as_str(), answer.error_type()), (Some("error"), kind.into()));
        assert!(!answer.error_field("message").is_empty());
    };
    assert_order(door, "/v1/messages", &upstream, true, envelope).await;
}

async fn a_bad_body_names_what_is_wrong_with_it(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let cases = [
        ("{", "invalid JSON request body"),
        ("[]", "invalid JSON request body"),
        ("", "invalid JSON request body"),
        (r#"{"model":1,"messages":[{}]}"#, "model"),
        (r#"{"model":"chat","messages":"x"}"#, "messages"),
        (r#"{"model":"chat","messages":[]}"#, "messages array must not be empty"),
        (r#"{"model":"chat","model":"chat","messages":[{}]}"#, "model"),
        (r#"{"model":"chat","messages":[{}]} trailing"#, "invalid JSON request body"),
        (r#"{"model":"chat","stream":"yes","messages":[{}]}"#, "stream"),
    ];
    for (body, part) in cases {
        let answer = gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await;
        assert_eq!((answer.status, answer.error_type().as_str()), (400, "invalid_request_error"), "{body}");
        assert!(answer.error_field("message").contains(part), "{body}: {}", answer.text());
    }
    let deep = format!(r#"{{"model":"chat","messages":[{}{}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let answer = gateway.ask(&Request::post("/v1/chat/completions", deep).bearer(CALLER)).await;
    assert!(matches!(answer.status, 200 | 400), "depth neither crashes nor hangs: {}", answer.status);
    assert_eq!(gateway.ask(&Request::get("/livez")).await.status, 200);
}
