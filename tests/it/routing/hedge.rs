use serde_json::json;

use super::{Fleet, ask, ask_stream, attempts, ok};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::Script;

through_every_door! {
    a_slow_target_is_outrun_and_its_connection_closed,
    a_quick_target_is_asked_alone,
    a_first_target_that_fails_early_is_followed_at_once,
    when_the_second_fails_the_first_may_still_answer,
    a_caller_who_leaves_ends_both,
}

async fn a_slow_target_is_outrun_and_its_connection_closed(door: Door) {
    let fleet = Fleet::of([replies::open_stream().hang(), replies::stream(CHAT_FRAMES)]).await;
    let gateway = fleet.setup(door, json!({"hedge": {"after_ms": 50}})).start().await;
    let answer = gateway.ask(&ask_stream("many")).await;
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    fleet.upstreams[0].last().gone().await;
    let tried = attempts(&gateway, &answer).await;
    assert_eq!(tried, [("a".into(), "outrun".into()), ("b".into(), "ok".into())]);
    let scrape = gateway.scrape().await;
    assert_eq!(scrape.sum("aisix_proxy_requests_total", &[]), 1.0);
    assert_eq!(scrape.sum("aisix_deployment_requests_total", &[]), 2.0);
}

async fn a_quick_target_is_asked_alone(door: Door) {
    let fleet = Fleet::of([ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"hedge": {"after_ms": 60_000}})).start().await;
    assert_eq!(gateway.ask(&ask("many")).await.status, 200);
    assert_eq!(fleet.counts(), [1, 0]);
}

async fn a_first_target_that_fails_early_is_followed_at_once(door: Door) {
    let fleet = Fleet::of([replies::json(503, "{}"), ok()]).await;
    let gateway = fleet.setup(door, json!({"hedge": {"after_ms": 60_000}})).start().await;
    let answer = gateway.ask(&ask("many")).await;
    assert_eq!(answer.status, 200);
    let tried = attempts(&gateway, &answer).await;
    assert_eq!(tried, [("a".into(), "upstream_failed".into()), ("b".into(), "ok".into())]);
}

async fn when_the_second_fails_the_first_may_still_answer(door: Door) {
    let gate = crate::support::upstream::Gate::closed();
    let late =
        Script::reading().wait(&gate).send(replies::head(200, &[], "application/json", CHAT_ANSWER.len()));
    let broken = replies::json(503, "{}");
    let fleet = Fleet::of([late.send(CHAT_ANSWER), broken, Script::reading().hang()]).await;
    let gateway = fleet.setup(door, json!({"hedge": {"after_ms": 50}})).start().await;
    let request = ask("many");
    let asking = gateway.ask(&request);
    let opening = async {
        // It is asked once the second has failed.
        fleet.upstreams[2].request(0).await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(asking, opening);
    assert_eq!(answer.status, 200);
    let tried = attempts(&gateway, &answer).await;
    let expected = [("b", "upstream_failed"), ("c", "outrun"), ("a", "ok")];
    assert_eq!(tried, expected.map(|(model, outcome)| (model.to_owned(), outcome.to_owned())));
}

async fn a_caller_who_leaves_ends_both(door: Door) {
    let fleet = Fleet::of([Script::reading().hang(), Script::reading().hang()]).await;
    let gateway = fleet.setup(door, json!({"hedge": {"after_ms": 20}})).start().await;
    let mut caller = gateway.caller().await;
    let waiting = tokio::spawn(async move { caller.ask(&ask("many")).await });
    fleet.upstreams[1].request(0).await;
    waiting.abort();
    fleet.upstreams[0].last().gone().await;
    fleet.upstreams[1].last().gone().await;
    let line = gateway.log.containing("client_disconnected").await;
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["attempts"].as_array().map(Vec::len), Some(2), "{line}");
}
