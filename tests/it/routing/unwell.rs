use serde_json::json;

use super::{Fleet, ask, attempts, ok};
use crate::support::door::{Door, through_every_door};
use crate::support::eventually;
use crate::support::replies;

through_every_door! {
    a_target_that_failed_is_left_alone_and_tried_again_later,
    when_all_are_left_alone_they_are_tried_all_the_same,
    a_limited_target_is_left_alone_for_as_long_as_it_asks,
    hardly_a_request_meets_a_target_that_always_fails,
}

async fn a_target_that_failed_is_left_alone_and_tried_again_later(door: Door) {
    let fleet = Fleet::of([replies::json(503, "{}"), ok()]).await;
    let setup = fleet.setup_with(door, json!({}), json!({"cooldown": {"default_seconds": 1}}));
    let gateway = setup.start().await;
    let first = gateway.ask(&ask("many")).await;
    assert_eq!(attempts(&gateway, &first).await.len(), 2);
    for _ in 0..20 {
        assert_eq!(gateway.ask(&ask("many")).await.status, 200);
    }
    assert_eq!(fleet.counts(), [1, 21]);
    fleet.upstreams[0].always(ok());
    eventually("the first target to be tried again", || async {
        gateway.ask(&ask("many")).await;
        (fleet.counts()[0] > 1).then_some(())
    })
    .await;
    let served = fleet.counts()[1];
    for _ in 0..5 {
        gateway.ask(&ask("many")).await;
    }
    assert_eq!(fleet.counts()[1], served, "it is the first choice again");
}

async fn when_all_are_left_alone_they_are_tried_all_the_same(door: Door) {
    let fleet = Fleet::of([replies::json(503, "{}"), replies::json(500, "{}")]).await;
    let gateway = fleet.setup(door, json!({})).start().await;
    assert_eq!(gateway.ask(&ask("many")).await.status, 502);
    fleet.upstreams[1].always(ok());
    assert_eq!(gateway.ask(&ask("many")).await.status, 200);
}

async fn a_limited_target_is_left_alone_for_as_long_as_it_asks(door: Door) {
    let limited = replies::answer(429, &[("retry-after", "1")], r#"{"error":{"message":"m","type":"t"}}"#);
    let fleet = Fleet::of([limited, ok()]).await;
    let gateway = fleet.setup(door, json!({})).start().await;
    for _ in 0..5 {
        assert_eq!(gateway.ask(&ask("many")).await.status, 200);
    }
    assert_eq!(fleet.counts(), [1, 5]);
    fleet.upstreams[0].always(ok());
    // Its second is over long before the thirty of a target that says nothing.
    eventually("the first target to be tried again", || async {
        gateway.ask(&ask("many")).await;
        (fleet.counts()[0] > 1).then_some(())
    })
    .await;
}

async fn hardly_a_request_meets_a_target_that_always_fails(door: Door) {
    let fleet = Fleet::of([replies::json(500, "{}"), ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"strategy": "round_robin"})).start().await;
    let mut caller = gateway.caller().await;
    for _ in 0..2000 {
        assert_eq!(caller.ask(&ask("many")).await.status, 200);
    }
    let [broken, ..] = fleet.counts()[..] else { panic!("three counts") };
    assert!((1..=2).contains(&broken), "{broken} of 2000");
}
