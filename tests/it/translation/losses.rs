//! What a target cannot be told: named where it is left out, refused where the caller would miss it.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::formats::Format::{self, *};
use crate::support::formats::{answers, every_target, told};
use crate::support::gateway::Gateway;
use crate::support::upstream::Upstream;

through_every_door! {
    what_is_left_out_is_named_to_who_asks_and_in_the_log,
    losses_are_counted_under_names_of_our_own,
    nothing_is_lost_where_nothing_is_translated,
    a_vendor_of_the_callers_own_format_is_told_only_what_it_takes,
    what_the_caller_would_miss_is_refused_by_name,
    a_request_that_has_not_its_formats_form_is_refused_by_name,
    token_counting_is_not_translated,
}

async fn started(door: Door) -> (Gateway, Upstream) {
    let upstream = Upstream::queue([]).await;
    let gateway = every_target(door.setup(&upstream), &upstream).start().await;
    (gateway, upstream)
}

/// A request with more members than the plain one.
fn asking(caller: Format, target: Format, stream: bool, more: Value) -> Request {
    let mut body = caller.body(target.alias(), stream);
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    caller.sends(target.alias(), stream, &body)
}

fn names(text: &str) -> Vec<&str> {
    let mut names: Vec<_> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names
}

async fn what_is_left_out_is_named_to_who_asks_and_in_the_log(door: Door) {
    let (gateway, upstream) = started(door).await;
    let cases = [
        (
            OpenAi,
            Anthropic,
            json!({"seed": 7, "logit_bias": {"50256": -100}, "x_new": {"secret": "v"}}),
            vec!["logit_bias", "seed", "x_new"],
        ),
        (OpenAi, Bedrock, json!({"presence_penalty": 1, "logprobs": true}), vec!["logprobs", "penalties"]),
        (Responses, Gemini, json!({"metadata": {"a": "b"}, "store": true}), vec!["metadata", "store"]),
        (Anthropic, Responses, json!({"top_k": 4, "stop_sequences": ["END"]}), vec!["stop", "top_k"]),
        (Anthropic, OpenAi, json!({"x-odd.name": 1}), vec!["x-odd.name"]),
        (Gemini, Anthropic, json!({"safetySettings": []}), vec!["safetySettings"]),
    ];
    for (number, (caller, target, more, expected)) in cases.iter().enumerate() {
        for stream in [false, true] {
            upstream.always(answers::answering(*target, stream));
            let id = format!("it-lost-{number}-{stream}");
            let request = asking(*caller, *target, stream, more.clone()).header("x-aisix-request-id", &id);
            let silent = gateway.ask(&request.clone().header("x-aisix-request-id", "it-silent")).await;
            assert_eq!(silent.header("x-aisix-dropped-fields"), None, "only who asks is told");
            let answer = gateway.ask(&request.header("x-aisix-dropped-fields", "1")).await;
            let case = format!("{caller:?} to {target:?}: {}", answer.text());
            assert_eq!(answer.status, 200, "{case}");
            assert_eq!(
                names(answer.header("x-aisix-dropped-fields").unwrap_or_default()),
                *expected,
                "{case}"
            );
            let line = gateway.log.access(&id).await;
            assert_eq!(names(line.text("dropped_fields")), *expected, "{case}: {line:?}");
            assert!(!upstream.last().text().contains("secret"), "{case}");
        }
    }
}

async fn losses_are_counted_under_names_of_our_own(door: Door) {
    let (gateway, upstream) = started(door).await;
    upstream.always(answers::answering(Anthropic, false));
    let request = asking(OpenAi, Anthropic, false, json!({"seed": 7, "x_callers_own": 1}));
    assert_eq!(gateway.ask(&request.header("x-aisix-request-id", "it-counted")).await.status, 200);
    gateway.log.access("it-counted").await;
    let scrape = gateway.scrape().await;
    let count = |field: &str| {
        let labels = [("endpoint", "/v1/chat/completions"), ("model", "at-anthropic"), ("field", field)];
        scrape.sum("aisix_request_dropped_fields_total", &labels)
    };
    assert_eq!((count("seed"), count("other")), (1.0, 1.0), "{}", scrape.text);
    assert!(!scrape.text.contains("x_callers_own"), "a caller must not make series");
}

async fn nothing_is_lost_where_nothing_is_translated(door: Door) {
    let (gateway, upstream) = started(door).await;
    upstream.always(answers::answering(OpenAi, false));
    let request = asking(OpenAi, OpenAi, false, json!({"seed": 7, "x_new": 1}));
    let answer = gateway.ask(&request.header("x-aisix-dropped-fields", "1")).await;
    assert_eq!((answer.status, answer.header("x-aisix-dropped-fields")), (200, None));
    let sent = upstream.last().json();
    assert_eq!((&sent["seed"], &sent["x_new"]), (&json!(7), &json!(1)));
}

async fn a_vendor_of_the_callers_own_format_is_told_only_what_it_takes(door: Door) {
    let upstream = Upstream::queue([]).await;
    upstream.always(answers::answering(OpenAi, false));
    let key = json!({"display_name": "le-key", "provider": "mistral", "api_key": OPENAI_SECRET,
        "api_base": format!("http://{}/v1", upstream.addr)});
    let model = json!({"display_name": "le-chat", "provider": "mistral", "model_name": "mistral-real",
        "provider_key": "le-key"});
    let gateway = door.setup(&upstream).row("provider_keys", key).row("models", model).start().await;
    let body = r#"{"model":"le-chat","messages":[{"role":"user","content":"hi","user":1}], "max_completion_tokens" : 9,"seed":7,
        "user":"u-1","stream_options":{"include_usage":true},"service_tier":"auto","temperature":0.50}"#;
    let request = Request::post("/v1/chat/completions", body).bearer(CALLER);
    let request = request.header("x-aisix-request-id", "it-quirks").header("x-aisix-dropped-fields", "1");
    let answer = gateway.ask(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = r#"{"model":"mistral-real","messages":[{"role":"user","content":"hi","user":1}], "max_tokens" : 9,"random_seed":7,"temperature":0.50}"#;
    assert_eq!(upstream.last().text(), sent);
    let lost = answer.header("x-aisix-dropped-fields").unwrap_or_default();
    assert_eq!(names(lost), ["service_tier", "user"]);
    assert_eq!(names(gateway.log.access("it-quirks").await.text("dropped_fields")), ["service_tier", "user"]);
    let scrape = gateway.scrape().await;
    let labels = [("endpoint", "/v1/chat/completions"), ("model", "le-chat"), ("field", "user")];
    assert_eq!(scrape.sum("aisix_request_dropped_fields_total", &labels), 1.0, "{}", scrape.text);
}

/// Asserts a 400 of the gateway's own that names a parameter, and that the provider hears nothing.
fn assert_refused(caller: Format, answer: &Answer, name: &str, upstream: &Upstream) {
    let case = format!("{caller:?}, {name}: {}", answer.text());
    assert_eq!(answer.status, 400, "{case}");
    assert!(told::refusal(caller, 400, &answer.json()).contains(name), "{case}");
    if matches!(caller, OpenAi | Responses) {
        assert_eq!(answer.error_field("param"), name, "{case}");
    }
    assert_eq!(upstream.count(), 0, "{case}");
}

async fn what_the_caller_would_miss_is_refused_by_name(door: Door) {
    let (gateway, upstream) = started(door).await;
    let audio = json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "listen"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]}]});
    let many = json!({"generationConfig": {"candidateCount": 2}});
    let cases = [
        (OpenAi, Anthropic, json!({"n": 2}), "n"),
        (OpenAi, Bedrock, json!({"n": 3}), "n"),
        (OpenAi, Responses, json!({"n": 2}), "n"),
        (OpenAi, Anthropic, audio.clone(), "audio"),
        (OpenAi, Responses, audio, "audio"),
        (Gemini, Anthropic, many, "n"),
    ];
    for (caller, target, more, name) in cases {
        for stream in [false, true] {
            let answer = gateway.ask(&asking(caller, target, stream, more.clone())).await;
            assert_refused(caller, &answer, name, &upstream);
        }
    }
    let line = gateway.log.access_so_far();
    assert!(line.iter().all(|line| line.text("error_kind") == "bad_request"), "{line:?}");
}

async fn a_request_that_has_not_its_formats_form_is_refused_by_name(door: Door) {
    let (gateway, upstream) = started(door).await;
    let cases = [
        (OpenAi, Anthropic, json!({"temperature": "hot"}), "temperature"),
        (OpenAi, Gemini, json!({"messages": [{"role": "user", "content": 7}]}), "messages"),
        (OpenAi, Bedrock, json!({"tools": {"a": 1}}), "tools"),
        (
            Responses,
            Anthropic,
            json!({"input": [{"type": "message", "role": "user", "content": 7}]}),
            "input",
        ),
        (Anthropic, OpenAi, json!({"messages": [{"role": "user", "content": 7}]}), "messages"),
        (Anthropic, Bedrock, json!({"max_tokens": "many"}), "max_tokens"),
        (Gemini, OpenAi, json!({"generationConfig": {"temperature": "hot"}}), "generationConfig"),
        (Gemini, Responses, json!({"contents": [{"role": "user", "parts": 7}]}), "contents"),
    ];
    for (caller, target, more, name) in cases {
        let answer = gateway.ask(&asking(caller, target, false, more)).await;
        assert_refused(caller, &answer, name, &upstream);
    }
}

async fn token_counting_is_not_translated(door: Door) {
    let (gateway, upstream) = started(door).await;
    for target in [OpenAi, Responses, Gemini, Bedrock] {
        let body = Anthropic.body(target.alias(), false).to_string();
        let answer = gateway.ask(&Request::post("/v1/messages/count_tokens", body).bearer(CALLER)).await;
        assert_eq!((answer.status, answer.error_type().as_str()), (501, "api_error"), "{}", answer.text());
        assert_eq!(answer.json()["type"], "error");
    }
    assert_eq!(upstream.count(), 0);
}
