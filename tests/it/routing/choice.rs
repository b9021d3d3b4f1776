use serde_json::json;

use super::{Fleet, ask, ok};
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;

through_every_door! {
    strategies_spread_requests_as_they_say,
    higher_tiers_come_first,
    tags_and_headers_choose_among_targets,
    the_same_key_leads_to_the_same_target,
    aliases_of_aliases_lead_to_their_targets,
    an_alias_whose_targets_are_not_meant_for_the_request_says_so,
}

async fn strategies_spread_requests_as_they_say(door: Door) {
    let weighted = json!([{"model": "a", "weight": 3}, {"model": "b"}]);
    let cases = [
        (json!({"strategy": "failover"}), [40, 0]),
        (json!({"strategy": "round_robin"}), [20, 20]),
        (json!({"strategy": "round_robin", "targets": weighted}), [30, 10]),
        (json!({"strategy": "least_cost"}), [0, 40]),
    ];
    for (routing, expected) in cases {
        let fleet = Fleet::of([ok(), ok()]).await;
        let cost = |price: f64| json!({"input_per_1k": price, "output_per_1k": price});
        let setup = fleet.setup(door, routing.clone());
        let setup = setup.change("models", "a", "cost", cost(2.0)).change("models", "b", "cost", cost(1.0));
        let gateway = setup.start().await;
        let mut caller = gateway.caller().await;
        for _ in 0..40 {
            assert_eq!(caller.ask(&ask("many")).await.status, 200);
        }
        assert_eq!(fleet.counts(), expected, "{routing}");
    }
}

async fn higher_tiers_come_first(door: Door) {
    let targets = json!([{"model": "a"}, {"model": "b", "priority": 5}, {"model": "c", "priority": 5}]);
    let fleet = Fleet::of([ok(), ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"strategy": "round_robin", "targets": targets})).start().await;
    for _ in 0..10 {
        gateway.ask(&ask("many")).await;
    }
    assert_eq!(fleet.counts(), [0, 5, 5]);
}

async fn tags_and_headers_choose_among_targets(door: Door) {
    let targets = json!([
        {"model": "a", "tags": ["default"]},
        {"model": "b", "tags": ["eu", "fast"]},
        {"model": "c", "tags": ["default"], "when": [{"header": "x-tier", "matches": "gold*"}], "priority": 1},
    ]);
    let fleet = Fleet::of([ok(), ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"targets": targets})).start().await;
    type Row = (&'static [(&'static str, &'static str)], [usize; 3]);
    let table: [Row; 4] = [
        (&[], [1, 0, 0]),
        (&[("x-aisix-routing-tags", "other , eu")], [1, 1, 0]),
        (&[("x-aisix-routing-tags", "unknown")], [2, 1, 0]),
        (&[("x-tier", "gold-1")], [2, 1, 1]),
    ];
    for (headers, expected) in table {
        let request = headers.iter().fold(ask("many"), |request, (name, value)| request.header(name, value));
        assert_eq!(gateway.ask(&request).await.status, 200, "{headers:?}");
        assert_eq!(fleet.counts(), expected, "{headers:?}");
    }
}

async fn the_same_key_leads_to_the_same_target(door: Door) {
    let hash_on = json!([{"type": "header", "name": "x-user"}]);
    let fleet = Fleet::of([ok(), ok(), ok()]).await;
    let gateway = fleet.setup(door, json!({"strategy": "consistent_hash", "hash_on": hash_on})).start().await;
    let mut seen = fleet.counts();
    for user in 0..24 {
        let mut led = None;
        for _ in 0..2 {
            gateway.ask(&ask("many").header("x-user", &format!("user-{user}"))).await;
            let counts = fleet.counts();
            let to = counts.iter().zip(&seen).position(|(now, before)| now > before);
            assert!(led.is_none() || led == Some(to), "user {user}");
            (led, seen) = (Some(to), counts);
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "all three have some users: {seen:?}");
}

async fn aliases_of_aliases_lead_to_their_targets(door: Door) {
    let fleet = Fleet::of([ok(), ok(), ok()]).await;
    let outer = json!({"strategy": "failover", "targets": [{"model": "inner"}, {"model": "c"}]});
    let inner = json!({"strategy": "round_robin", "targets": [{"model": "a"}, {"model": "b"}]});
    let setup =
        fleet.setup(door, json!({})).row("models", json!({"display_name": "outer", "routing": outer}));
    let gateway = setup.row("models", json!({"display_name": "inner", "routing": inner})).start().await;
    for _ in 0..4 {
        assert_eq!(gateway.ask(&ask("outer")).await.status, 200);
    }
    assert_eq!(fleet.counts(), [2, 2, 0]);
}

async fn an_alias_whose_targets_are_not_meant_for_the_request_says_so(door: Door) {
    let fleet = Fleet::of([ok()]).await;
    let tagged = json!({"targets": [{"model": "a", "tags": ["eu"]}]});
    let gateway = fleet.setup(door, tagged).start().await;
    let answer = gateway.ask(&ask("many").header("x-aisix-routing-tags", "us")).await;
    assert_eq!((answer.status, fleet.counts()), (400, vec![0]), "{}", answer.text());
    assert_eq!(answer.error_field("message"), "no routing target matches request tags");
    let elsewhere = Fleet::of([ok()]).await;
    let members = json!({"allowed_cidrs": ["10.9.8.0/24"]});
    let gateway = elsewhere.setup_with(door, json!({}), members).start().await;
    let answer = gateway.ask(&ask("many")).await;
    assert_eq!((answer.status, elsewhere.counts()), (403, vec![0]), "{}", answer.text());
    assert_eq!(answer.error_field("code"), "ip_restricted");
    assert!(!answer.text().contains("10.9.8"), "{}", answer.text());
    assert!(answer.text().contains("many"), "{}", answer.text());
    assert!(!answer.text().contains(OPENAI_SECRET));
}
