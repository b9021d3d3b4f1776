use serde_json::{Value, json};

use super::{Fleet, ask, ask_stream, attempts, ok};
use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Script, Upstream};

through_every_door! {
    a_target_that_fails_is_followed_by_one_that_answers,
    a_refusal_of_the_request_itself_is_the_answer,
    when_all_have_failed_the_last_failure_is_told,
    tries_and_fallbacks_are_bounded,
    a_stream_goes_on_to_the_next_target_until_its_first_frame,
    a_stream_that_must_not_change_its_target_does_not,
    the_next_target_is_asked_when_the_first_frame_is_late,
    all_tries_together_have_a_time,
}

/// A provider's failure, by the wish for a stream; None where it has no meaning.
type Failing = fn(bool) -> Option<Script>;

fn refusing(status: u16) -> Script {
    replies::json(status, r#"{"error":{"message":"no","type":"some_error","code":"some_code"}}"#)
}

/// An error that clients of both formats know as one.
const IN_BAND: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"overloaded\"}}\n\n";

/// Everything that may become of a try, all of it before a caller has seen a byte.
const FAILURES: &[(&str, Failing)] = &[
    ("reset", |_| Some(Script::reading().reset())),
    ("close", |_| Some(Script::reading().close())),
    ("hang before the head", |_| Some(Script::reading().hang())),
    ("hang after the head", |stream| {
        let head = replies::head(200, &[], "application/json", 900);
        let whole = || Script::reading().send(head).hang();
        Some(if stream { replies::open_stream().hang() } else { whole() })
    }),
    ("stall in the body", |stream| {
        let head = replies::head(200, &[], "application/json", 900);
        (!stream).then(|| Script::reading().send(head).send("{\"id\":").hang())
    }),
    ("truncated body", |stream| {
        let head = replies::head(200, &[], "application/json", 900);
        let whole = || Script::reading().send(head).send("{\"id\":").close();
        Some(if stream { replies::open_stream().close() } else { whole() })
    }),
    ("empty answer", |stream| {
        let empty = || replies::json(200, "");
        Some(if stream { replies::open_stream().send(replies::LAST_CHUNK) } else { empty() })
    }),
    ("garbage", |_| Some(Script::reading().send("\x00\x01 garbage\r\n\r\n").close())),
    ("garbage JSON", |stream| (!stream).then(|| replies::json(200, "{\"id\": nonsense"))),
    ("in-band error first", |stream| stream.then(|| replies::stream(&[IN_BAND]))),
    ("401", |_| Some(refusing(401))),
    ("404", |_| Some(refusing(404))),
    ("408", |_| Some(refusing(408))),
    ("409", |_| Some(refusing(409))),
    ("413", |_| Some(refusing(413))),
    ("422", |_| Some(refusing(422))),
    ("429", |_| Some(refusing(429))),
    ("500", |_| Some(refusing(500))),
    ("502", |_| Some(refusing(502))),
    ("503", |_| Some(refusing(503))),
    ("529", |_| Some(refusing(529))),
];

const STRATEGIES: [&str; 7] =
    ["failover", "round_robin", "weighted", "consistent_hash", "least_cost", "least_latency", "least_busy"];

/// An answer in both dialects, by what is asked for.
async fn well(stream: bool) -> (Upstream, Upstream) {
    match stream {
        true => (
            Upstream::doing(replies::stream(CHAT_FRAMES)).await,
            Upstream::doing(replies::stream(MESSAGE_FRAMES)).await,
        ),
        false => (Upstream::doing(ok()).await, Upstream::doing(replies::json(200, MESSAGE_ANSWER)).await),
    }
}

/// Models `chat` and `claude` fail; `chat-well` and `claude-well` do not. The cooldown is off, so that every request
/// meets the failure, and their time is short.
fn grid(door: Door, broken: &Upstream, chat: &Upstream, claude: &Upstream) -> Setup {
    let key = |name: &str, provider: &str, base: String| json!({"display_name": name, "provider": provider, "api_key": OPENAI_SECRET, "api_base": base});
    let mut setup = door
        .setup(broken)
        .row("provider_keys", key("chat-well-key", "openai", format!("http://{}/v1", chat.addr)))
        .row("provider_keys", key("claude-well-key", "anthropic", format!("http://{}", claude.addr)))
        .model("chat-well", json!({"provider_key": "chat-well-key"}))
        .claude("claude-well", json!({"provider_key": "claude-well-key"}));
    for model in ["chat", "claude"] {
        setup = setup.change("models", model, "cooldown", json!({"enabled": false}));
        setup =
            setup.change("models", model, "timeout", json!(100)).change("models", model, "retries", json!(0));
    }
    for strategy in STRATEGIES {
        for (bad, good) in PAIRS {
            let alias = format!("{strategy}-{bad}-{good}");
            // The one that fails is tried first, however targets are chosen.
            let targets = json!([{"model": bad, "priority": 1}, {"model": good}]);
            let routing = json!({"strategy": strategy, "targets": targets, "fallback_on_statuses": [422]});
            setup = setup.row("models", json!({"display_name": alias, "routing": routing}));
        }
    }
    setup
}

/// Whoever fails, and whoever answers then.
const PAIRS: [(&str, &str); 4] =
    [("chat", "chat-well"), ("chat", "claude-well"), ("claude", "claude-well"), ("claude", "chat-well")];

fn request(dialect: &str, alias: &str, stream: bool) -> Request {
    let body = json!({"model": alias, "max_tokens": 64, "stream": stream,
        "messages": [{"role": "user", "content": "hi"}]});
    let path = if dialect == "chat" { "/v1/chat/completions" } else { "/v1/messages" };
    Request::post(path, body.to_string()).bearer(CALLER)
}

async fn a_target_that_fails_is_followed_by_one_that_answers(door: Door) {
    // Every door leads to the same walk; the whole grid goes through one of them.
    let strategies = if door == Door::Lean { &STRATEGIES[..] } else { &STRATEGIES[..1] };
    for stream in [false, true] {
        let (chat, claude) = well(stream).await;
        for (name, failing) in FAILURES {
            let Some(script) = failing(stream) else { continue };
            let broken = Upstream::doing(script).await;
            let gateway = grid(door, &broken, &chat, &claude).start().await;
            let mut asked = 0;
            for strategy in strategies {
                for (bad, good) in PAIRS {
                    let what = format!("{name}, {strategy}, {bad} then {good}, stream {stream}");
                    let (before, served) = (broken.count(), chat.count() + claude.count());
                    let alias = format!("{strategy}-{bad}-{good}");
                    let answer = gateway.ask(&request(bad, &alias, stream)).await;
                    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                    let end = if bad == "chat" { "[DONE]" } else { "message_stop" };
                    assert!(!stream || answer.text().contains(end), "{what}: {}", answer.text());
                    assert!(!answer.text().contains("\"error\""), "{what}: {}", answer.text());
                    assert_eq!(broken.count(), before + 1, "{what}");
                    assert_eq!(chat.count() + claude.count(), served + 1, "{what}");
                    let tried = attempts(&gateway, &answer).await;
                    let models: Vec<&str> = tried.iter().map(|(model, _)| model.as_str()).collect();
                    assert_eq!(models, [bad, good], "{what}");
                    assert_eq!((tried[0].1 == "ok", tried[1].1.as_str()), (false, "ok"), "{what}");
                    asked += 1;
                }
            }
            let scrape = gateway.scrape().await;
            assert_eq!(scrape.sum("aisix_proxy_requests_total", &[]), f64::from(asked), "{name}");
            assert_eq!(
                scrape.sum("aisix_deployment_failure_responses_total", &[]),
                f64::from(asked),
                "{name}"
            );
            assert_eq!(
                scrape.sum("aisix_deployment_success_responses_total", &[]),
                f64::from(asked),
                "{name}"
            );
        }
    }
}

async fn a_refusal_of_the_request_itself_is_the_answer(door: Door) {
    let told = r#"{"error":{"message":"temperature is out of range","type":"invalid_request_error"}}"#;
    let fleet = Fleet::of([replies::json(400, told), ok()]).await;
    let gateway = fleet.setup(door, json!({})).start().await;
    let answer = gateway.ask(&ask("many")).await;
    assert_eq!((answer.status, answer.text().as_str()), (400, told));
    assert_eq!(fleet.counts(), [1, 0]);
    let limited = Fleet::of([refusing(429), ok()]).await;
    let gateway = limited.setup(door, json!({"retry_on_429": false})).start().await;
    assert_eq!(gateway.ask(&ask("many")).await.status, 429);
    assert_eq!(limited.counts(), [1, 0]);
}

async fn when_all_have_failed_the_last_failure_is_told(door: Door) {
    let script = replies::answer(429, &[("retry-after", "7")], r#"{"error":{"message":"later","type":"x"}}"#);
    let fleet = Fleet::of([refusing(503), script]).await;
    let gateway = fleet.setup(door, json!({})).start().await;
    let answer = gateway.ask(&ask("many")).await;
    assert_eq!((answer.status, answer.error_field("message").as_str()), (429, "later"));
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(attempts(&gateway, &answer).await.len(), 2);
}

async fn tries_and_fallbacks_are_bounded(door: Door) {
    let cases: [(Value, [usize; 3]); 4] = [
        (json!({"max_fallbacks": 1}), [1, 1, 0]),
        (json!({"max_fallbacks": 0}), [1, 0, 0]),
        (json!({"retries": 1}), [2, 2, 2]),
        (json!({"retries": 2, "max_attempts": 4}), [3, 1, 0]),
    ];
    for (routing, expected) in cases {
        let fleet = Fleet::of([refusing(503), refusing(503), refusing(503)]).await;
        let gateway = fleet.setup(door, routing.clone()).start().await;
        assert_eq!(gateway.ask(&ask("many")).await.status, 502);
        assert_eq!(fleet.counts(), expected, "{routing}");
    }
}

async fn a_stream_goes_on_to_the_next_target_until_its_first_frame(door: Door) {
    let broken = replies::open_stream().send(replies::chunk(CHAT_FRAMES[0].as_bytes())).close();
    let fleet = Fleet::of([broken, replies::stream(CHAT_FRAMES)]).await;
    let gateway = fleet.setup(door, json!({})).start().await;
    let answer = gateway.ask(&ask_stream("many")).await;
    let text = answer.text();
    assert!(text.contains("event: error\n") && !text.contains("[DONE]"), "{text}");
    assert_eq!(fleet.counts(), [1, 0], "a stream that has begun stays where it is");
    let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
    assert_eq!(line.text("served_by_model"), "a");
}

async fn a_stream_that_must_not_change_its_target_does_not(door: Door) {
    let fleet = Fleet::of([refusing(503), replies::stream(CHAT_FRAMES)]).await;
    let gateway = fleet.setup(door, json!({"stream_failover": false})).start().await;
    assert_eq!(gateway.ask(&ask_stream("many")).await.status, 502);
    assert_eq!(fleet.counts(), [1, 0]);
}

async fn the_next_target_is_asked_when_the_first_frame_is_late(door: Door) {
    let fleet = Fleet::of([replies::open_stream().hang(), replies::stream(CHAT_FRAMES)]).await;
    let gateway = fleet.setup(door, json!({"first_frame_timeout": 200})).start().await;
    let answer = gateway.ask(&ask_stream("many")).await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(fleet.counts(), [1, 1]);
    fleet.upstreams[0].last().gone().await;
}

async fn all_tries_together_have_a_time(door: Door) {
    let fleet = Fleet::of([Script::reading().hang(), Script::reading().hang()]).await;
    let gateway = fleet.setup(door, json!({"total_timeout": 300})).start().await;
    let answer = gateway.ask(&ask("many")).await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(fleet.counts(), [1, 0]);
    fleet.upstreams[0].last().gone().await;
}
