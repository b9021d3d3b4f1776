//! Errors of providers before an answer, in the caller's format and with their meaning.

use crate::support::client::Answer;
use crate::support::door::{Door, through_every_door};
use crate::support::formats::Format::{self, *};
use crate::support::formats::answers::{self, Failure};
use crate::support::formats::{every_target, pairs, told};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Script, Upstream};

through_every_door! {
    a_refusal_keeps_its_status_its_words_and_its_hints,
    a_refusal_in_no_format_at_all_keeps_its_status,
    a_providers_fault_is_a_bad_gateway_without_its_words,
    a_refused_credential_is_the_gateways_fault,
    nonsense_instead_of_an_answer_is_a_bad_gateway,
    an_error_in_place_of_the_first_event_is_an_error_answer,
    an_error_in_place_of_the_first_event_is_tried_again_where_that_may_help,
    a_hint_in_the_body_becomes_a_header,
}

async fn started(door: Door, retries: u32) -> (Gateway, Upstream) {
    let upstream = Upstream::queue([]).await;
    let setup = every_target(door.setup(&upstream), &upstream).config("upstream.retries", retries);
    (setup.start().await, upstream)
}

/// The caller's message of the answer to a script, whose envelope must be the caller's.
async fn refused(
    (gateway, upstream): (&Gateway, &Upstream),
    (caller, target, stream): (Format, Format, bool),
    script: Script,
    status: u16,
) -> (String, Answer) {
    upstream.always(script);
    let answer = gateway.ask(&caller.request(target.alias(), stream)).await;
    let case = format!("{caller:?} to {target:?}, stream {stream}: {}", answer.text());
    assert_eq!(answer.status, status, "{case}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
    (told::refusal(caller, status, &answer.json()), answer)
}

async fn a_refusal_keeps_its_status_its_words_and_its_hints(door: Door) {
    let (gateway, upstream) = started(door, 0).await;
    for (caller, target) in pairs() {
        for (status, stream) in
            [(400, false), (400, true), (403, false), (404, false), (413, false), (422, false), (429, true)]
        {
            let body = answers::refusal(target, status, "the prompt is too long");
            let script = replies::answer(status, &[("retry-after", "7")], &body);
            let (message, answer) =
                refused((&gateway, &upstream), (caller, target, stream), script, status).await;
            assert_eq!(message, "the prompt is too long");
            assert_eq!(answer.header("retry-after"), Some("7"), "{caller:?} to {target:?} {status}");
            let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
            assert_eq!((line.status(), line.text("error_kind")), (u64::from(status), "upstream_refused"));
            assert!(!line.0.to_string().contains("the prompt is too long"), "a prompt may be quoted in it");
        }
    }
}

async fn a_refusal_in_no_format_at_all_keeps_its_status(door: Door) {
    let (gateway, upstream) = started(door, 0).await;
    for (caller, target) in pairs() {
        for body in ["<html>no</html>", "", "[1]", "\"no\""] {
            let script = replies::typed(429, "text/html", body);
            let (message, _) = refused((&gateway, &upstream), (caller, target, false), script, 429).await;
            assert_eq!(message, "upstream returned 429", "{body}");
        }
    }
}

async fn a_providers_fault_is_a_bad_gateway_without_its_words(door: Door) {
    let (gateway, upstream) = started(door, 0).await;
    for (caller, target) in pairs() {
        for (status, stream) in [(500, false), (503, true), (529, false), (302, true)] {
            let body = answers::refusal(target, status, "stack trace");
            let script = replies::answer(status, &[("retry-after", "3")], &body);
            let (message, answer) =
                refused((&gateway, &upstream), (caller, target, stream), script, 502).await;
            assert_eq!(message, format!("upstream returned {status}"), "{caller:?} to {target:?}");
            assert_eq!(answer.header("retry-after"), Some("3"), "{caller:?} to {target:?}");
        }
    }
}

async fn a_refused_credential_is_the_gateways_fault(door: Door) {
    let (gateway, upstream) = started(door, 0).await;
    for (caller, target) in pairs() {
        let body = answers::refusal(target, 401, "Incorrect API key sk-xyz");
        let (message, answer) =
            refused((&gateway, &upstream), (caller, target, false), replies::json(401, &body), 502).await;
        assert!(message.contains("credential") && !answer.text().contains("sk-xyz"), "{message}");
        match caller {
            OpenAi | Responses => assert_eq!(answer.error_field("code"), "upstream_auth_failed"),
            Gemini => assert!(answer.text().contains("upstream_auth_failed"), "{}", answer.text()),
            _ => assert_eq!(answer.error_type(), "api_error"),
        }
    }
}

async fn nonsense_instead_of_an_answer_is_a_bad_gateway(door: Door) {
    let (gateway, upstream) = started(door, 0).await;
    for (caller, target) in pairs() {
        for body in [
            "",
            "not json",
            "[]",
            "\"text\"",
            "{\"id\":",
            "<html></html>",
            "{\"choices\":7,\"output\":7,\"content\":7,\"candidates\":7}",
        ] {
            for stream in [false, true] {
                let script = replies::json(200, body);
                refused((&gateway, &upstream), (caller, target, stream), script, 502).await;
            }
        }
    }
}

async fn an_error_in_place_of_the_first_event_is_an_error_answer(door: Door) {
    let (gateway, upstream) = started(door, 0).await;
    for (caller, target) in pairs() {
        let failing = |kind| answers::stream(target, &[answers::failure(target, kind)]);
        let at = (&gateway, &upstream);
        let (message, _) = refused(at, (caller, target, true), failing(Failure::Limited), 429).await;
        assert_eq!(message, Failure::Limited.message(), "{caller:?} to {target:?}");
        let (message, _) = refused(at, (caller, target, true), failing(Failure::Broken), 502).await;
        assert!(!message.contains(Failure::Broken.message()), "{caller:?} to {target:?}: {message}");
        refused(at, (caller, target, true), answers::stream(target, &[answers::malformed(target)]), 502)
            .await;
        refused(at, (caller, target, true), answers::stream(target, &[]), 502).await;
        refused(at, (caller, target, true), answers::open(target).close(), 502).await;
        refused(at, (caller, target, true), answers::open(target).reset(), 502).await;
    }
}

async fn an_error_in_place_of_the_first_event_is_tried_again_where_that_may_help(door: Door) {
    let (gateway, upstream) = started(door, 1).await;
    for caller in [OpenAi, Anthropic] {
        for target in [Responses, Gemini, Bedrock] {
            let before = upstream.count();
            upstream.next(answers::stream(target, &[answers::failure(target, Failure::Broken)]));
            upstream.next(answers::answering(target, true));
            let answer = gateway.ask(&caller.request(target.alias(), true)).await;
            let read = told::streamed(caller, &answer.text());
            assert_eq!((read.completed, read.text.as_str()), (1, answers::TEXT), "{caller:?} to {target:?}");
            assert_eq!(upstream.count(), before + 2, "{caller:?} to {target:?}");

            upstream.next(answers::stream(target, &[answers::failure(target, Failure::Limited)]));
            let answer = gateway.ask(&caller.request(target.alias(), true)).await;
            assert_eq!(answer.status, 429, "{}", answer.text());
            assert_eq!(upstream.count(), before + 3, "a refusal is not tried again");
        }
    }
}

async fn a_hint_in_the_body_becomes_a_header(door: Door) {
    let (gateway, upstream) = started(door, 0).await;
    let body = r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}"#;
    for caller in [OpenAi, Responses, Anthropic] {
        let at = (&gateway, &upstream);
        let (message, answer) = refused(at, (caller, Gemini, false), replies::json(429, body), 429).await;
        assert_eq!((message.as_str(), answer.header("retry-after")), ("quota", Some("35")), "{caller:?}");
    }
}
