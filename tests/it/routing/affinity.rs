use serde_json::{Value, json};

use super::{Fleet, ok};
use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;

through_every_door! {
    later_turns_of_a_conversation_go_where_the_first_one_went,
    requests_that_merely_begin_alike_are_spread,
    a_session_stays_at_its_target,
    a_conversation_leaves_a_target_that_fails_and_stays_where_it_went,
    affinity_can_be_switched_off,
}

/// A request of a conversation: its beginning and as many turns behind it.
fn turn(subject: &str, turns: usize) -> Request {
    let mut messages =
        vec![json!({"role": "system", "content": "be brief"}), json!({"role": "user", "content": subject})];
    for number in 1..turns {
        messages.push(json!({"role": "assistant", "content": format!("answer {number}")}));
        messages.push(json!({"role": "user", "content": format!("question {number}")}));
    }
    let body: Value = json!({"model": "many", "messages": messages});
    Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)
}

async fn later_turns_of_a_conversation_go_where_the_first_one_went(door: Door) {
    let fleet = Fleet::of([ok(), ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"strategy": "round_robin"})).start().await;
    for subject in ["cats", "dogs", "birds", "fish"] {
        gateway.ask(&turn(subject, 1)).await;
    }
    let first = fleet.counts();
    assert_eq!(first, [2, 1, 1]);
    for turns in 2..8 {
        gateway.ask(&turn("dogs", turns)).await;
    }
    assert_eq!(fleet.counts(), [2, 7, 1], "all went to one");
}

async fn requests_that_merely_begin_alike_are_spread(door: Door) {
    let fleet = Fleet::of([ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"strategy": "round_robin"})).start().await;
    for _ in 0..10 {
        gateway.ask(&turn("cats", 1)).await;
    }
    assert_eq!(fleet.counts(), [5, 5]);
}

async fn a_session_stays_at_its_target(door: Door) {
    let fleet = Fleet::of([ok(), ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"strategy": "round_robin"})).start().await;
    for session in 0..12 {
        let before = fleet.counts();
        for number in 0..3 {
            let request = turn(&format!("{session} {number}"), 1);
            gateway.ask(&request.header("x-claude-code-session-id", &format!("session-{session}"))).await;
        }
        let counts = fleet.counts();
        let grown: Vec<usize> = counts.iter().zip(&before).map(|(now, before)| now - before).collect();
        assert!(grown.contains(&3), "session {session}: {grown:?}");
    }
    assert!(fleet.counts().iter().all(|count| *count > 0), "sessions are spread: {:?}", fleet.counts());
}

async fn a_conversation_leaves_a_target_that_fails_and_stays_where_it_went(door: Door) {
    let fleet = Fleet::of([ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"strategy": "round_robin"})).start().await;
    gateway.ask(&turn("cats", 1)).await;
    assert_eq!(fleet.counts(), [1, 0]);
    fleet.upstreams[0].always(replies::json(500, "{}"));
    assert_eq!(gateway.ask(&turn("cats", 2)).await.status, 200);
    assert_eq!(fleet.counts(), [2, 1]);
    for turns in 3..6 {
        assert_eq!(gateway.ask(&turn("cats", turns)).await.status, 200);
    }
    assert_eq!(fleet.counts(), [2, 4]);
}

async fn affinity_can_be_switched_off(door: Door) {
    let fleet = Fleet::of([ok(), ok()]).await;
    let routing = json!({"strategy": "round_robin", "affinity": {"enabled": false}});
    let gateway = fleet.setup(door, routing).start().await;
    for turns in 1..7 {
        gateway.ask(&turn("cats", turns).header("session_id", "one")).await;
    }
    assert_eq!(fleet.counts(), [3, 3]);
}
