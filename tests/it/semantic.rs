//! Models chosen by what a prompt is about.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::formats::{CALLERS, told};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door! {
    the_nearest_route_answers_and_the_default_where_none_is_near,
    examples_are_embedded_once,
    every_caller_is_routed_by_what_the_user_said_last,
    what_becomes_of_a_prompt_that_cannot_be_embedded_is_the_operators_choice,
    vectors_of_another_length_are_an_error,
    a_route_that_is_closed_to_the_caller_gives_way_to_the_default,
    a_route_whose_model_fails_gives_way_to_the_default,
    a_caller_who_leaves_stops_the_embedding,
}

/// A provider of vectors and one of answers.
struct House {
    vectors: Upstream,
    answers: Upstream,
}

impl House {
    async fn new() -> Self {
        let vectors = Upstream::queue([]).await;
        House { vectors, answers: Upstream::doing(replies::json(200, CHAT_ANSWER)).await }
    }

    /// The alias `router`, with whatever is set beside its routes, and the models it chooses from.
    fn setup(&self, door: Door, more: Value) -> Setup {
        let mut semantic = json!({
            "embedding_model": "embed", "default": "plain", "match": {"threshold": 0.8},
            "routes": [
                {"name": "code", "target": "coder", "examples": ["fix the bug", "write a test"]},
                {"name": "law", "target": "lawyer", "examples": ["draft a contract"], "threshold": 0.6},
            ],
        });
        for (name, value) in more.as_object().expect("an object") {
            semantic[name] = value.clone();
        }
        let key = |name: &str, upstream: &Upstream| {
            json!({"display_name": name, "provider": "acme", "adapter": "openai", "api_key": "sk-v",
                "api_base": format!("http://{}/v1", upstream.addr)})
        };
        let mut setup = door
            .setup(&self.answers)
            .row("provider_keys", key("vectors", &self.vectors))
            .row("provider_keys", key("answers", &self.answers))
            .row(
                "models",
                json!({"display_name": "embed", "provider": "acme", "model_name": "embed-real",
                "provider_key": "vectors", "embedding": {"dimensions": 2, "normalize": false}}),
            );
        for alias in ["plain", "coder", "lawyer"] {
            let row = json!({"display_name": alias, "provider": "acme", "model_name": format!("real-{alias}"),
                "provider_key": "answers"});
            setup = setup.row("models", row);
        }
        setup.row("models", json!({"display_name": "router", "semantic": semantic}))
    }

    /// The next prompt has this vector; with it the examples are asked for.
    fn first(&self, prompt: [f64; 2]) {
        self.vectors.next(embedded(&[prompt, [3.0, 0.0], [2.0, 0.1], [0.0, 5.0]]));
    }

    /// The next prompt has this vector, and the examples are known.
    fn next(&self, prompt: [f64; 2]) {
        self.vectors.next(embedded(&[prompt]));
    }

    fn asked(&self) -> String {
        self.answers.last().json()["model"].as_str().expect("a model").to_owned()
    }
}

fn embedded(vectors: &[[f64; 2]]) -> Script {
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    let body = json!({"object": "list", "data": data, "model": "embed-real", "usage": {"prompt_tokens": 4, "total_tokens": 4}});
    replies::json(200, &body.to_string())
}

fn chat(text: &str) -> Request {
    let body = json!({"model": "router", "messages": [{"role": "user", "content": text}]});
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

fn route(answer: &Answer) -> Option<&str> {
    answer.header("x-aisix-route")
}

async fn started(door: Door, more: Value) -> (House, Gateway) {
    let house = House::new().await;
    let gateway = house.setup(door, more).start().await;
    (house, gateway)
}

async fn the_nearest_route_answers_and_the_default_where_none_is_near(door: Door) {
    let (house, gateway) = started(door, json!({})).await;
    house.first([9.0, 0.3]);
    let answer = gateway.ask(&chat("there is a bug")).await;
    assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some("router")), "{}", answer.text());
    assert_eq!((route(&answer), house.asked().as_str()), (Some("code"), "real-coder"));
    assert_eq!(answer.header("x-aisix-served-by"), Some("coder"));
    let asked = house.vectors.last();
    assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/v1/embeddings", Some("Bearer sk-v")));
    let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
    let calls: Vec<&Value> =
        line.field("attempts").as_array().expect("a list").iter().map(|call| &call["model"]).collect();
    assert_eq!(calls, ["embed", "coder"]);
    assert_eq!(line.field("attempts")[0]["prompt_tokens"], 4);
    assert_eq!(line.number("prompt_tokens"), Some(11), "of the answer alone");
    // Less near than the router wants, but near enough for the route.
    house.next([0.7, 0.7]);
    let answer = gateway.ask(&chat("about this contract")).await;
    assert_eq!((route(&answer), house.asked().as_str()), (Some("law"), "real-lawyer"));
    house.next([-1.0, -1.0]);
    let answer = gateway.ask(&chat("hello")).await;
    assert_eq!((answer.status, route(&answer), house.asked().as_str()), (200, None, "real-plain"));
}

async fn examples_are_embedded_once(door: Door) {
    let (house, gateway) = started(door, json!({})).await;
    house.first([1.0, 0.0]);
    gateway.ask(&chat("first")).await;
    let texts = json!(["first", "fix the bug", "write a test", "draft a contract"]);
    assert_eq!(house.vectors.last().json()["input"], texts);
    for _ in 0..2 {
        house.next([1.0, 0.0]);
        let answer = gateway.ask(&chat("again")).await;
        assert_eq!((answer.status, route(&answer)), (200, Some("code")));
        assert_eq!(house.vectors.last().json()["input"], json!(["again"]));
    }
    // A picture says nothing that could be compared.
    let body = json!({"model": "router", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}]}]});
    let answer = gateway.ask(&Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)).await;
    assert_eq!((answer.status, house.asked().as_str(), house.vectors.count()), (200, "real-plain", 3));
}

async fn every_caller_is_routed_by_what_the_user_said_last(door: Door) {
    let (house, gateway) = started(door, json!({})).await;
    house.first([1.0, 0.0]);
    gateway.ask(&chat("first")).await;
    for caller in CALLERS {
        house.next([0.0, 1.0]);
        let answer = gateway.ask(&caller.request("router", false)).await;
        assert_eq!((answer.status, route(&answer)), (200, Some("law")), "{caller:?}: {}", answer.text());
        let asked = house.vectors.last().json();
        assert_eq!(asked["input"], json!([crate::support::formats::PROMPT]), "{caller:?}");
        assert_eq!(told::whole(caller, &answer.json()).model, "router", "{caller:?}");
        house.next([0.0, 1.0]);
        house.answers.next(replies::stream(CHAT_FRAMES));
        let answer = gateway.ask(&caller.request("router", true)).await;
        assert_eq!(route(&answer), Some("law"), "{caller:?}");
        let read = told::streamed(caller, &answer.text());
        assert_eq!((read.completed, read.model.as_str()), (1, "router"), "{caller:?}: {}", answer.text());
    }
}

async fn what_becomes_of_a_prompt_that_cannot_be_embedded_is_the_operators_choice(door: Door) {
    let failures = [
        replies::json(500, "{}"),
        replies::json(400, r#"{"error":{"message":"too long"}}"#),
        replies::json(200, r#"{"data":[]}"#),
        Script::reading().hang(),
    ];
    let policies = [
        (json!({}), 200, "real-plain"),
        (json!({"on_embedding_failure": "default"}), 200, "real-plain"),
        (json!({"on_embedding_failure": {"target": "lawyer"}}), 200, "real-lawyer"),
        (json!({"on_embedding_failure": "fail"}), 503, ""),
    ];
    for (policy, status, model) in policies {
        let mut more = policy;
        more["embedding_timeout_ms"] = json!(300);
        let (house, gateway) = started(door, more).await;
        for failure in failures.clone() {
            house.vectors.next(failure);
            let answer = gateway.ask(&chat("hi")).await;
            assert_eq!((answer.status, route(&answer)), (status, None), "{}", answer.text());
            if status == 200 {
                assert_eq!(house.asked(), model);
            } else {
                assert_eq!(answer.error_type(), "provider_unavailable");
            }
        }
    }
}

async fn vectors_of_another_length_are_an_error(door: Door) {
    let (house, gateway) = started(door, json!({"on_embedding_failure": "default"})).await;
    let three = json!({"data": (0..4).map(|index| json!({"index": index, "embedding": [1, 2, 3]})).collect::<Vec<_>>()});
    house.vectors.next(replies::json(200, &three.to_string()));
    let answer = gateway.ask(&chat("hi")).await;
    assert_eq!(
        (answer.status, answer.error_type().as_str()),
        (400, "invalid_request_error"),
        "{}",
        answer.text()
    );
    assert_eq!(house.answers.count(), 0);
}

async fn a_route_that_is_closed_to_the_caller_gives_way_to_the_default(door: Door) {
    let house = House::new().await;
    let elsewhere = json!(["203.0.113.0/24"]);
    let gateway = house
        .setup(door, json!({}))
        .change("models", "coder", "allowed_cidrs", elsewhere.clone())
        .start()
        .await;
    house.first([1.0, 0.0]);
    let answer = gateway.ask(&chat("a bug")).await;
    assert_eq!((answer.status, house.asked().as_str()), (200, "real-plain"), "{}", answer.text());
    let mut setup = house.setup(door, json!({}));
    for alias in ["coder", "lawyer", "plain"] {
        setup = setup.change("models", alias, "allowed_cidrs", elsewhere.clone());
    }
    let answer = setup.start().await.ask(&chat("a bug")).await;
    assert_eq!(
        (answer.status, answer.error_field("code").as_str()),
        (403, "ip_restricted"),
        "{}",
        answer.text()
    );
}

async fn a_route_whose_model_fails_gives_way_to_the_default(door: Door) {
    let (house, gateway) = started(door, json!({})).await;
    house.first([1.0, 0.0]);
    house.answers.next(replies::json(503, "{}"));
    let answer = gateway.ask(&chat("a bug")).await;
    assert_eq!((answer.status, house.asked().as_str()), (200, "real-plain"), "{}", answer.text());
}

async fn a_caller_who_leaves_stops_the_embedding(door: Door) {
    let (house, gateway) = started(door, json!({})).await;
    let gate = Gate::closed();
    house.vectors.next(Script::reading().wait(&gate).hang());
    let mut caller = gateway.caller().await;
    caller.begin(&chat("hi").header("x-aisix-request-id", "it-left")).await;
    let asked = house.vectors.request(0).await;
    drop(caller);
    asked.gone().await;
    let line = gateway.log.access("it-left").await;
    assert_eq!((line.status(), line.text("error_kind")), (499, "client_disconnected"));
    assert_eq!(house.answers.count(), 0);
}
