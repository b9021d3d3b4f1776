//! Callers who speak Gemini: the model in the path, Google's credentials, streams as events or as one array, and
//! errors in Google's envelope.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::formats::Format::{self, *};
use crate::support::formats::answers::{self, Failure, TEXT};
use crate::support::formats::told::{self, Told};
use crate::support::formats::{GEMINI_SECRET, TARGETS, every_target};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Gate, Upstream};

through_every_door! {
    the_path_names_the_model_however_it_is_written,
    a_gemini_target_gets_the_callers_bytes_and_answers_in_its_own,
    any_of_googles_credentials_lets_in_and_none_travels_or_is_logged,
    a_stream_is_events_where_they_are_asked_for_and_an_array_elsewhere,
    an_array_stays_json_while_its_provider_is_silent,
    an_array_that_fails_is_json_with_an_error_at_its_end,
    an_array_is_closed_when_its_provider_leaves_after_the_end,
    errors_wear_googles_envelope,
    tokens_are_counted_by_gemini_and_by_nobody_else,
}

const BODY: &str = r#"{ "contents":[{"role":"user","parts":[{"text":"caf\u00e9 ☕"}]}],
  "x_unknown": {"deep":[1,2.50]} }"#;

async fn started(door: Door) -> (Gateway, Upstream) {
    let upstream = Upstream::queue([]).await;
    let row = |alias: &str, to: Format| {
        let provider = if to == Gemini { "gemini" } else { "acme-o" };
        json!({"display_name": alias, "provider": provider, "model_name": to.model(),
            "provider_key": format!("{}-key", to.alias())})
    };
    let setup = every_target(door.setup(&upstream), &upstream)
        .row("models", row("google/gemini pro", Gemini))
        .row("models", row("team:chat", OpenAi))
        .api_key("few", "sk-few", json!({"allowed_models": ["at-gemini"]}));
    (setup.start().await, upstream)
}

fn post(target: &str) -> Request {
    Request::post(target, BODY).header("x-goog-api-key", CALLER)
}

async fn the_path_names_the_model_however_it_is_written(door: Door) {
    let (gateway, upstream) = started(door).await;
    let aliases = [
        ("at-gemini", "at-gemini", Gemini),
        ("google%2Fgemini%20pro", "google/gemini pro", Gemini),
        ("google/gemini%20pro", "google/gemini pro", Gemini),
        ("g%6Fogle%2fgemini%20pro", "google/gemini pro", Gemini),
        ("team:chat", "team:chat", OpenAi),
        ("team%3Achat", "team:chat", OpenAi),
    ];
    for (written, alias, target) in aliases {
        for after in ["", "/", "?x=1", "/?x=1"] {
            upstream.always(answers::answering(target, false));
            let answer =
                gateway.ask(&post(&format!("/v1beta/models/{written}:generateContent{after}"))).await;
            assert_eq!(answer.status, 200, "{written}{after}: {}", answer.text());
            assert_eq!(answer.json()["modelVersion"], alias, "{written}{after}");
            let path = upstream.last().path;
            assert_eq!(path.split('?').next().unwrap_or_default(), target.path(false), "{written}{after}");
        }
    }
}

async fn a_gemini_target_gets_the_callers_bytes_and_answers_in_its_own(door: Door) {
    let (gateway, upstream) = started(door).await;
    let whole = r#"{"candidates": [ {"content":{"parts":[{"text":"caf\u00e9"}],"role":"model"},"finishReason":"STOP"}],"modelVersion" : "real-2026","x_new":[1.50]}"#;
    upstream.always(replies::json(200, whole));
    let request = post("/v1beta/models/at-gemini:generateContent?fields=candidates");
    let answer = gateway.ask(&request.header("x-goog-api-client", "genai-js/1.0")).await;
    assert_eq!((answer.status, answer.text()), (200, whole.replace("real-2026", "at-gemini")));
    let seen = upstream.last();
    assert_eq!(
        (seen.text().as_str(), seen.path.as_str()),
        (BODY, "/v1beta/models/gemini-real:generateContent?fields=candidates")
    );
    assert_eq!(seen.header("x-goog-api-key"), Some(GEMINI_SECRET));
    assert_eq!(seen.header("x-goog-api-client"), Some("genai-js/1.0"));

    upstream.always(answers::answering(Gemini, true));
    let answer = gateway.ask(&post("/v1beta/models/at-gemini:streamGenerateContent?alt=sse")).await;
    let frames = String::from_utf8(answers::frames(Gemini).concat()).expect("text");
    assert_eq!((answer.status, answer.text()), (200, frames.replace(answers::REAL, "at-gemini")));
    assert_eq!(upstream.last().path, Gemini.path(true), "events are asked for once");
    assert_eq!(upstream.last().text(), BODY);
}

async fn any_of_googles_credentials_lets_in_and_none_travels_or_is_logged(door: Door) {
    let (gateway, upstream) = started(door).await;
    let path = "/v1beta/models/ALIAS:generateContent";
    let plain = |query: &str| Request::post(&format!("{path}{query}"), BODY);
    let requests = [
        plain("").header("x-goog-api-key", CALLER),
        plain("").bearer(CALLER),
        plain("").header("x-api-key", CALLER),
        plain(&format!("?key={CALLER}")),
        plain(&format!("?x=1&key={CALLER}")),
        plain(&format!("?key={CALLER}&alt=json")),
    ];
    for target in [Gemini, OpenAi, Anthropic] {
        for request in &requests {
            upstream.always(answers::answering(target, false));
            let mut request = request.clone();
            request.target = request.target.replace("ALIAS", target.alias());
            let answer = gateway.ask(&request).await;
            assert_eq!(answer.status, 200, "{}: {}", request.target, answer.text());
            let seen = upstream.last();
            let all = format!("{} {:?} {}", seen.path, seen.headers.0, seen.text());
            assert!(!all.contains(CALLER) && !all.contains("key="), "{all}");
            gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
        }
    }
    let wrong =
        [plain(""), plain("?key="), plain("?key=sk-wrong"), plain("").header("x-goog-api-key", "sk-wrong")];
    for request in wrong {
        let answer = gateway.ask(&request).await;
        assert_eq!(
            (answer.status, status_of(&answer).as_str()),
            (401, "UNAUTHENTICATED"),
            "{}",
            answer.text()
        );
        assert!(!answer.text().contains("sk-wrong"));
        gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
    }
    // In the other formats a key in the query is none.
    let query = Request::post(
        &format!("/v1/chat/completions?key={CALLER}"),
        OpenAi.body("at-openai", false).to_string(),
    );
    assert_eq!(gateway.ask(&query).await.status, 401);
    let log = gateway.log.all().join("\n");
    assert!(!log.contains(CALLER) && !log.contains("sk-wrong"), "{log}");
}

/// `error.status` of Google's envelope, whose code must be the answer's.
fn status_of(answer: &Answer) -> String {
    told::refusal(Gemini, answer.status, &answer.json());
    answer.error_field("status")
}

/// The elements of an array, as their reader understands them.
fn told_by(elements: &Value) -> Told {
    let mut told = Told::default();
    for element in elements.as_array().expect("an array") {
        told.element(Gemini, element);
    }
    told
}

async fn a_stream_is_events_where_they_are_asked_for_and_an_array_elsewhere(door: Door) {
    let (gateway, upstream) = started(door).await;
    for target in TARGETS {
        for streamed in [true, false] {
            // A Gemini provider that was asked for events sends them.
            if target == Gemini && !streamed {
                continue;
            }
            upstream.always(answers::answering(target, streamed));
            let method = format!("/v1beta/models/{}:streamGenerateContent", target.alias());
            let case = format!("{target:?}, streamed {streamed}");
            let events = gateway.ask(&post(&format!("{method}?alt=sse"))).await;
            assert_eq!(events.status, 200, "{case}: {}", events.text());
            assert!(
                events.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")),
                "{case}"
            );
            let by_events = told::streamed(Gemini, &events.text());
            assert_eq!((by_events.text.as_str(), by_events.completed), (TEXT, 1), "{case}");
            for query in ["", "?alt=json", "?x=alt=sse"] {
                let array = gateway.ask(&post(&format!("{method}{query}"))).await;
                assert_eq!(array.status, 200, "{case}: {}", array.text());
                assert_eq!(array.header("content-type"), Some("application/json"), "{case}");
                let by_array = told_by(&array.json());
                let comparable = |told: &Told| {
                    (told.text.clone(), told.model.clone(), told.input, told.output, told.completed)
                };
                assert_eq!(comparable(&by_array), comparable(&by_events), "{case}");
                assert!(upstream.last().path.starts_with(target.path(true)), "{case}");
            }
        }
    }
}

/// An open stream of events, whose comments tell that time passes, beside an array that must not have any.
async fn an_array_stays_json_while_its_provider_is_silent(door: Door) {
    let upstream = Upstream::queue([]).await;
    let setup = every_target(door.setup(&upstream), &upstream).config(HEARTBEAT, 30);
    let gateway = setup.start().await;
    for target in [Gemini, OpenAi, Bedrock] {
        let gate = Gate::closed();
        let frames = answers::frames(target);
        let rest = frames.iter().fold(answers::open(target).wait(&gate), |script, frame| {
            script.send(replies::chunk(frame)).wait(&gate)
        });
        upstream.always(rest.send(replies::LAST_CHUNK));
        let method = format!("/v1beta/models/{}:streamGenerateContent", target.alias());
        let mut clock = gateway.caller().await;
        let mut array = gateway.caller().await;
        let head = array.open(&post(&method)).await;
        assert_eq!((head.status, head.headers.first("content-type")), (200, Some("application/json")));
        clock.open(&post(&format!("{method}?alt=sse"))).await;
        for _ in 0..3 {
            assert_eq!(clock.event().await.as_deref(), Some(":\n\n"));
        }
        gate.open();
        let (body, whole) = array.remains().await;
        assert!(whole, "{target:?}");
        let elements: Value = serde_json::from_slice(&body).expect("one JSON array");
        assert_eq!((told_by(&elements).text.as_str(), told_by(&elements).completed), (TEXT, 1), "{target:?}");
    }
}

const HEARTBEAT: &str = "downstream.sse_keepalive_interval_ms";

async fn an_array_that_fails_is_json_with_an_error_at_its_end(door: Door) {
    let (gateway, upstream) = started(door).await;
    for target in TARGETS {
        let frames = answers::frames(target);
        let sent = answers::frames_to_text(target);
        let begun = &frames[..sent];
        let half = replies::chunk(&frames[sent][..9]);
        let gate = Gate::closed();
        let held = || answers::begun(target, begun).wait(&gate);
        let failure = replies::chunk(&answers::failure(target, Failure::Broken));
        let scripts = [
            ("failed", held().send(failure).send(replies::LAST_CHUNK)),
            ("cut", held().close()),
            ("cut in a frame", held().send(half).close()),
        ];
        for (what, script) in scripts {
            upstream.always(script);
            let path = format!("/v1beta/models/{}:streamGenerateContent", target.alias());
            let mut caller = gateway.caller().await;
            let head = caller.open(&post(&path)).await;
            gate.step();
            let (body, _) = caller.remains().await;
            let case = format!("{target:?} {what}: {}", String::from_utf8_lossy(&body));
            assert_eq!(head.status, 200, "{case}");
            let elements: Value = serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{e}: {case}"));
            let told = told_by(&elements);
            assert_eq!((told.text.as_str(), told.completed, told.errors.len()), (TEXT, 0, 1), "{case}");
            let last = elements.as_array().and_then(|all| all.last()).expect("an element");
            assert!(last["error"]["code"].is_u64() && last["error"]["status"].is_string(), "{case}");
        }
        upstream.always(answers::stream(target, &[answers::failure(target, Failure::Limited)]));
        let answer =
            gateway.ask(&post(&format!("/v1beta/models/{}:streamGenerateContent", target.alias()))).await;
        assert_eq!((answer.status, status_of(&answer).as_str()), (429, "RESOURCE_EXHAUSTED"), "{target:?}");
    }
}

/// Providers that say in the stream that it is complete may break off afterwards; the answer is whole all the same.
async fn an_array_is_closed_when_its_provider_leaves_after_the_end(door: Door) {
    let (gateway, upstream) = started(door).await;
    for target in [OpenAi, Responses, Anthropic, Gemini] {
        upstream.always(answers::begun(target, &answers::frames(target)).close());
        let method = format!("/v1beta/models/{}:streamGenerateContent", target.alias());
        let answer = gateway.ask(&post(&method)).await;
        let told = told_by(&answer.json());
        let read = (told.text.as_str(), told.completed, told.errors.len());
        assert_eq!(read, (TEXT, 1, 0), "{target:?}: {}", answer.text());
    }
}

async fn errors_wear_googles_envelope(door: Door) {
    let (gateway, upstream) = started(door).await;
    let few = |target: &str| Request::post(target, BODY).header("x-goog-api-key", "sk-few");
    let body = |body: &str| Request::post("/v1beta/models/at-gemini:generateContent", body).bearer(CALLER);
    let cases = [
        (post("/v1beta/models/at-gemini:embedContent"), 404, "NOT_FOUND"),
        (post("/v1beta/models/at-gemini"), 404, "NOT_FOUND"),
        (post("/v1beta/models/:generateContent"), 404, "NOT_FOUND"),
        (post("/v1beta/tunedModels/x:generateContent"), 404, "NOT_FOUND"),
        (Request::get("/v1beta/models/at-gemini:generateContent").bearer(CALLER), 405, "INVALID_ARGUMENT"),
        (post("/v1beta/models/nowhere:generateContent"), 404, "NOT_FOUND"),
        (post("/v1beta/models/%FF:generateContent"), 404, "NOT_FOUND"),
        (few("/v1beta/models/at-openai:generateContent"), 403, "PERMISSION_DENIED"),
        (body("{"), 400, "INVALID_ARGUMENT"),
        (body("[]"), 400, "INVALID_ARGUMENT"),
        (body(r#"{"contents":[]}"#), 400, "INVALID_ARGUMENT"),
        (body(""), 400, "INVALID_ARGUMENT"),
    ];
    for (request, status, word) in cases {
        let answer = gateway.ask(&request).await;
        let case = format!("{} {}: {}", request.method, request.target, answer.text());
        assert_eq!(answer.status, status, "{case}");
        assert_eq!(status_of(&answer), word, "{case}");
        assert!(!answer.error_field("message").is_empty(), "{case}");
    }
    assert_eq!(upstream.count(), 0);
    let refusal = r#"{ "error":{"code":400,"message":"m","status":"FAILED_PRECONDITION","details":[]} }"#;
    upstream.always(replies::json(400, refusal));
    let answer = gateway.ask(&post("/v1beta/models/at-gemini:generateContent")).await;
    assert_eq!((answer.status, answer.text().as_str()), (400, refusal), "its own words are handed on");
}

async fn tokens_are_counted_by_gemini_and_by_nobody_else(door: Door) {
    let (gateway, upstream) = started(door).await;
    let counted = r#"{ "totalTokens": 31, "promptTokensDetails":[{"modality":"TEXT","tokenCount":31}] }"#;
    upstream.always(replies::json(200, counted));
    let answer = gateway
        .ask(&post("/v1beta/models/at-gemini:countTokens").header("x-aisix-request-id", "it-count"))
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, counted));
    let seen = upstream.last();
    assert_eq!((seen.path.as_str(), seen.text().as_str()), ("/v1beta/models/gemini-real:countTokens", BODY));
    let line = gateway.log.access("it-count").await;
    assert_eq!((line.number("prompt_tokens"), line.number("total_tokens")), (None, None), "nothing was used");
    for target in [OpenAi, Responses, Anthropic, Bedrock] {
        let answer = gateway.ask(&post(&format!("/v1beta/models/{}:countTokens", target.alias()))).await;
        assert_eq!((answer.status, status_of(&answer).as_str()), (501, "UNIMPLEMENTED"), "{target:?}");
    }
    assert_eq!(upstream.count(), 1);
}
