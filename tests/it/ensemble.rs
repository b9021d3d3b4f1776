//! Several models answer and one judges: what each is asked, what the caller gets, and what it costs.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::formats::{CALLERS, Format, told};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door! {
    the_judge_answers_from_what_the_panel_says,
    every_caller_gets_the_judges_answer_and_what_all_have_consumed,
    members_are_asked_side_by_side,
    a_member_that_is_too_slow_is_not_waited_for,
    too_few_answers_are_an_error_that_names_no_model,
    what_the_judge_is_refused_the_caller_is_told,
    tools_and_other_operations_are_refused_before_anybody_is_asked,
    a_caller_who_leaves_stops_every_member,
    a_caller_who_leaves_stops_the_judge_and_is_accounted_for_all,
    a_member_may_be_an_alias_of_several_targets,
    a_conversation_is_gone_on_with_whoever_was_asked,
}

/// Three providers: two members, and a judge.
struct House {
    one: Upstream,
    two: Upstream,
    judge: Upstream,
}

impl House {
    async fn new() -> Self {
        House {
            one: Upstream::doing(said("one says", 10, 1)).await,
            two: Upstream::doing(said("two says", 20, 2)).await,
            judge: Upstream::doing(said("so it is", 5, 3)).await,
        }
    }

    /// The alias `board`, with whatever is set beside its members.
    fn setup(&self, door: Door, more: Value) -> Setup {
        let mut ensemble = json!({
            "panel": [{"model": "one", "temperature": 0.9, "seed": 7}, {"model": "two"}],
            "judge": {"model": "judge"},
        });
        for (name, value) in more.as_object().expect("an object") {
            ensemble[name] = value.clone();
        }
        let mut setup = door.setup(&self.judge);
        for (alias, upstream) in [("one", &self.one), ("two", &self.two), ("judge", &self.judge)] {
            let key = format!("key-{alias}");
            let base = format!("http://{}/v1", upstream.addr);
            setup = setup
                .row(
                    "provider_keys",
                    json!({"display_name": key, "provider": "acme", "adapter": "openai",
                    "api_key": "sk-x", "api_base": base}),
                )
                .row(
                    "models",
                    json!({"display_name": alias, "provider": "acme", "model_name": format!("real-{alias}"),
                    "provider_key": key}),
                );
        }
        setup.row("models", json!({"display_name": "board", "ensemble": ensemble}))
    }
}

/// A whole chat answer.
fn said(text: &str, input: u64, output: u64) -> Script {
    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "real-x",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}});
    replies::json(200, &body.to_string())
}

/// The frames of a streamed chat answer.
fn frames() -> [String; 4] {
    let chunk = |choices: Value, usage: Value| {
        format!(
            "data: {}\n\n",
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1,
            "model": "real-judge", "choices": choices, "usage": usage})
        )
    };
    [
        chunk(
            json!([{"index": 0, "delta": {"role": "assistant", "content": "so "}, "finish_reason": null}]),
            json!(null),
        ),
        chunk(json!([{"index": 0, "delta": {"content": "it is"}, "finish_reason": "stop"}]), json!(null)),
        chunk(json!([]), json!({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8})),
        "data: [DONE]\n\n".to_owned(),
    ]
}

fn streamed() -> Script {
    replies::stream(&frames().each_ref().map(String::as_str))
}

fn chat(more: Value) -> Request {
    let mut body = json!({"model": "board", "messages": [{"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it?"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

fn id(answer: &Answer) -> &str {
    answer.header("x-aisix-request-id").expect("an id")
}

async fn the_judge_answers_from_what_the_panel_says(door: Door) {
    let house = House::new().await;
    let gateway = house.setup(door, json!({})).start().await;
    let answer = gateway.ask(&chat(json!({"temperature": 0.1, "max_tokens": 50}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(
        (&body["choices"][0]["message"]["content"], &body["model"]),
        (&json!("so it is"), &json!("board"))
    );
    assert_eq!(body["usage"]["prompt_tokens"], 35);
    assert_eq!(body["usage"]["completion_tokens"], 6);
    assert_eq!(body["usage"]["total_tokens"], 41);
    assert_eq!(answer.header("x-aisix-served-by"), None);

    let one = house.one.last().json();
    assert_eq!(
        (&one["model"], &one["temperature"], &one["seed"]),
        (&json!("real-one"), &json!(0.9), &json!(7))
    );
    let two = house.two.last().json();
    assert_eq!(
        (&two["model"], &two["temperature"], two.get("seed")),
        (&json!("real-two"), &json!(0.1), None)
    );
    assert_eq!(one["messages"], two["messages"]);

    let judged = house.judge.last().json();
    assert_eq!((&judged["temperature"], judged["messages"].as_array().map(Vec::len)), (&json!(0.2), Some(1)));
    let asked = judged["messages"][0]["content"].as_str().expect("a text");
    for part in ["System: Be brief.\nUser: Is it?", "Answer 1:\none says", "Answer 2:\ntwo says"] {
        assert!(asked.contains(part), "{asked}");
    }
    for name in ["real-", "board", "key-"] {
        assert!(!asked.contains(name), "{asked}");
    }
    assert_told_apart(&gateway, id(&answer)).await;
}

/// Each call stands in the record with what it consumed.
async fn assert_told_apart(gateway: &Gateway, id: &str) {
    let line = gateway.log.access(id).await;
    assert_eq!((line.number("prompt_tokens"), line.number("completion_tokens")), (Some(35), Some(6)));
    let calls: Vec<(Value, Value, Value)> = line
        .field("attempts")
        .as_array()
        .expect("a list")
        .iter()
        .map(|call| (call["model"].clone(), call["outcome"].clone(), call["prompt_tokens"].clone()))
        .collect();
    let called = |model: &str, input: u64| (json!(model), json!("ok"), json!(input));
    assert_eq!(calls, [called("one", 10), called("two", 20), called("judge", 5)]);
    assert_eq!((line.text("model"), line.text("served_by_model")), ("board", "judge"));
}

async fn every_caller_gets_the_judges_answer_and_what_all_have_consumed(door: Door) {
    let house = House::new().await;
    let gateway = house.setup(door, json!({})).start().await;
    for caller in CALLERS {
        let answer = gateway.ask(&caller.request("board", false)).await;
        assert_eq!(answer.status, 200, "{caller:?}: {}", answer.text());
        let read = told::whole(caller, &answer.json());
        assert_eq!((read.text.as_str(), read.model.as_str()), ("so it is", "board"), "{caller:?}");
        assert_eq!((read.input, read.output), (Some(35), Some(6)), "{caller:?}: {}", answer.text());

        house.judge.next(streamed());
        let answer = gateway.ask(&caller.request("board", true)).await;
        assert_eq!(answer.status, 200, "{caller:?}: {}", answer.text());
        let read = told::streamed(caller, &answer.text());
        assert_eq!(
            (read.text.as_str(), read.model.as_str(), read.completed),
            ("so it is", "board", 1),
            "{caller:?}"
        );
        assert_eq!((read.input, read.output), (Some(35), Some(6)), "{caller:?}: {}", answer.text());
        for member in [&house.one, &house.two] {
            assert_ne!(member.last().json()["stream"], true, "{caller:?}");
        }
        assert_told_apart(&gateway, id(&answer)).await;
    }
    let quiet = chat(json!({"stream": true}));
    house.judge.next(streamed());
    let answer = gateway.ask(&quiet).await;
    assert!(!answer.text().contains("prompt_tokens"), "nobody asked: {}", answer.text());
}

async fn members_are_asked_side_by_side(door: Door) {
    let house = House::new().await;
    let gate = Gate::closed();
    for member in [&house.one, &house.two] {
        member.next(
            Script::reading().wait(&gate).send(replies::head(503, &[], "application/json", 2)).send("{}"),
        );
    }
    let gateway = house.setup(door, json!({})).start().await;
    let mut caller = gateway.caller().await;
    caller.begin(&chat(json!({}))).await;
    // Neither has answered when the other is asked.
    house.one.request(0).await;
    house.two.request(0).await;
    gate.open();
    assert_eq!(caller.head().await.status, 502);
}

async fn a_member_that_is_too_slow_is_not_waited_for(door: Door) {
    let house = House::new().await;
    house.two.always(Script::reading().hang());
    let gateway = house.setup(door, json!({"min_responses": 1, "timeout_ms": 300})).start().await;
    let answer = gateway.ask(&chat(json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 15);
    house.two.request(0).await.gone().await;
    let asked = house.judge.last().text();
    assert!(asked.contains("one says") && !asked.contains("Answer 2"), "{asked}");
    let line = gateway.log.access(id(&answer)).await;
    let calls = line.field("attempts").as_array().expect("a list").clone();
    let slow = calls.iter().find(|call| call["model"] == "two").expect("a call");
    assert_eq!(slow["outcome"], "upstream_timeout");
}

async fn too_few_answers_are_an_error_that_names_no_model(door: Door) {
    let house = House::new().await;
    house.two.always(replies::json(400, r#"{"error":{"message":"not real-two","type":"x"}}"#));
    let gateway = house.setup(door, json!({})).start().await;
    for request in [chat(json!({})), chat(json!({"stream": true}))] {
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(!answer.text().contains("two"), "{}", answer.text());
        let line = gateway.log.access(id(&answer)).await;
        assert_eq!((line.status(), line.field("attempts").as_array().map(Vec::len)), (502, Some(2)));
    }
    assert_eq!(house.judge.count(), 0);
}

async fn what_the_judge_is_refused_the_caller_is_told(door: Door) {
    let house = House::new().await;
    let gateway = house.setup(door, json!({})).start().await;
    for (theirs, ours) in [(413, 413), (429, 429), (500, 502), (503, 502), (401, 502)] {
        house.judge.always(replies::json(theirs, r#"{"error":{"message":"no","type":"x"}}"#));
        for stream in [false, true] {
            let answer = gateway.ask(&chat(json!({"stream": stream}))).await;
            assert_eq!(answer.status, ours, "{theirs}: {}", answer.text());
        }
    }
    let gate = Gate::closed();
    let broken = [frames()[0].as_str(), "data: {\"error\":{\"message\":\"no\"}}\n\n"].map(str::to_owned);
    house.judge.always(replies::gated_stream(&broken.each_ref().map(String::as_str), &gate));
    let mut caller = gateway.caller().await;
    let request = chat(json!({"stream": true})).header("x-aisix-request-id", "it-broken");
    assert_eq!(caller.open(&request).await.status, 200);
    assert!(caller.event().await.is_some_and(|event| event.contains("\"board\"")));
    gate.open();
    let rest = caller.events().await.concat();
    assert!(rest.contains("event: error") && !rest.contains("[DONE]"), "{rest}");
    let line = gateway.log.access("it-broken").await;
    assert_eq!((line.number("prompt_tokens"), line.text("error_kind")), (Some(30), "upstream_failed"));
}

async fn tools_and_other_operations_are_refused_before_anybody_is_asked(door: Door) {
    let house = House::new().await;
    let gateway = house.setup(door, json!({})).start().await;
    let tool = json!({"type": "function", "function": {"name": "f"}});
    for more in [json!({"tools": [tool]}), json!({"tool_choice": "required"})] {
        let answer = gateway.ask(&chat(more)).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error_field("message"), "ensemble models do not support tools");
    }
    let anthropic = json!({"model": "board", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}]});
    let answer = gateway.ask(&Request::post("/v1/messages", anthropic.to_string()).bearer(CALLER)).await;
    assert_eq!((answer.status, answer.error_type().as_str()), (400, "invalid_request_error"));
    let count = json!({"model": "board", "messages": [{"role": "user", "content": "hi"}]});
    let answer =
        gateway.ask(&Request::post("/v1/messages/count_tokens", count.to_string()).bearer(CALLER)).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!([&house.one, &house.two, &house.judge].map(Upstream::count), [0, 0, 0]);
    let answer = gateway.ask(&chat(json!({"tools": [], "tool_choice": "auto"}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn a_caller_who_leaves_stops_every_member(door: Door) {
    let house = House::new().await;
    house.one.always(Script::reading().hang());
    house.two.always(Script::reading().hang());
    let gateway = house.setup(door, json!({})).config("upstream.retries", 2).start().await;
    for stream in [false, true] {
        let (ones, twos) = (house.one.count(), house.two.count());
        let mut caller = gateway.caller().await;
        let id = format!("it-left-{stream}");
        caller.begin(&chat(json!({"stream": stream})).header("x-aisix-request-id", &id)).await;
        let (one, two) = (house.one.request(ones).await, house.two.request(twos).await);
        drop(caller);
        one.gone().await;
        two.gone().await;
        let line = gateway.log.access(&id).await;
        assert_eq!((line.status(), line.text("error_kind")), (499, "client_disconnected"));
        let calls = line.field("attempts").as_array().expect("a list").clone();
        assert!(
            calls.iter().all(|call| call["outcome"] == "client_disconnected") && calls.len() == 2,
            "{calls:?}"
        );
    }
    assert_eq!((house.one.count(), house.two.count(), house.judge.count()), (2, 2, 0));
    let settled = gateway.log.access_so_far();
    assert_eq!(settled.iter().filter(|line| line.text("model") == "board").count(), 2, "each once");
}

async fn a_caller_who_leaves_stops_the_judge_and_is_accounted_for_all(door: Door) {
    let house = House::new().await;
    let gate = Gate::closed();
    let frames = frames();
    house.judge.always(replies::gated_stream(&frames.each_ref().map(String::as_str), &gate));
    let gateway = house.setup(door, json!({})).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&chat(json!({"stream": true})).header("x-aisix-request-id", "it-left")).await;
    let first = caller.event().await.expect("a frame");
    assert!(first.contains("\"board\""), "{first}");
    let judge = house.judge.request(0).await;
    drop(caller);
    judge.gone().await;
    let line = gateway.log.access("it-left").await;
    assert_eq!(
        (line.status(), line.number("prompt_tokens"), line.number("completion_tokens")),
        (499, Some(30), Some(3))
    );
}

async fn a_member_may_be_an_alias_of_several_targets(door: Door) {
    let house = House::new().await;
    house.one.always(replies::json(503, "{}"));
    let spare = Upstream::doing(said("the spare says", 40, 4)).await;
    let panel = json!([{"model": "robust"}, {"model": "two"}]);
    let setup = house
        .setup(door, json!({"panel": panel}))
        .row(
            "provider_keys",
            json!({"display_name": "key-spare", "provider": "acme", "adapter": "openai",
            "api_key": "sk-x", "api_base": format!("http://{}/v1", spare.addr)}),
        )
        .row(
            "models",
            json!({"display_name": "spare", "provider": "acme", "model_name": "real-spare",
            "provider_key": "key-spare"}),
        )
        .row(
            "models",
            json!({"display_name": "robust", "routing": {"targets": [{"model": "one"}, {"model": "spare"}]}}),
        );
    let gateway = setup.start().await;
    let answer = gateway.ask(&chat(json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        house.judge.last().text().contains("Answer 1:\\nthe spare says"),
        "{}",
        house.judge.last().text()
    );
    assert_eq!((house.one.count(), spare.count()), (1, 1));
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 65);
}

async fn a_conversation_is_gone_on_with_whoever_was_asked(door: Door) {
    let house = House::new().await;
    let gateway = house.setup(door, json!({})).start().await;
    let first =
        Format::Responses.sends("board", false, &json!({"model": "board", "input": "My name is Ada."}));
    let answer = gateway.ask(&first).await;
    let previous = answer.json()["id"].as_str().expect("an id").to_owned();
    let body = json!({"model": "board", "input": "What is my name?", "previous_response_id": previous});
    let answer = gateway.ask(&Format::Responses.sends("board", false, &body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let asked = house.judge.last().text();
    assert!(
        asked.contains("My name is Ada") && asked.contains("so it is") && asked.contains("What is my name"),
        "{asked}"
    );
    assert!(house.one.last().text().contains("My name is Ada"), "{}", house.one.last().text());
    let unknown = json!({"model": "board", "input": "And?", "previous_response_id": "resp_unknown"});
    let answer = gateway.ask(&Format::Responses.sends("board", false, &unknown)).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}
