//! Plans of whole configurations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::resources::model::Cooldown;
use crate::resources::{AnyRow, Change, ProviderKey};

/// A request that asks for what a test gives it.
struct Request {
    headers: &'static [(&'static str, &'static str)],
    session: Option<u64>,
    conversation: Option<u64>,
    /// Models that the caller's address or the operation rules out.
    elsewhere: &'static [&'static str],
    unable: &'static [&'static str],
}

const PLAIN: Request =
    Request { headers: &[], session: None, conversation: None, elsewhere: &[], unable: &[] };

impl Inquiry for Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        (name == "sid").then_some("cookie")
    }

    fn key_id(&self) -> &str {
        "key"
    }

    fn client(&self) -> Option<Cow<'_, str>> {
        Some("192.0.2.1".into())
    }

    fn prompt_cache_key(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn admitted(&self, model: &Model) -> bool {
        !self.elsewhere.contains(&model.display_name.as_str())
    }

    fn serves(&self, model: &Model) -> bool {
        !self.unable.contains(&model.display_name.as_str())
    }

    fn session(&self) -> Option<u64> {
        self.session
    }

    fn conversation(&self) -> Option<u64> {
        self.conversation
    }

    fn stream(&self) -> bool {
        false
    }

    fn random(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        hash::mix(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Five direct models, a wildcard, and an alias `r` with this `routing` block; `more` are further aliases.
struct House {
    snapshot: Snapshot,
    board: Board,
    now: Instant,
}

impl House {
    fn new(routing: Value) -> Self {
        House::with(&[("r", routing)])
    }

    fn with(aliases: &[(&str, Value)]) -> Self {
        let mut builder = Snapshot::builder().add_provider_key(ProviderKey::new("p", "openai", "s"), "p");
        for alias in ["a", "b", "c", "d", "e"] {
            builder = builder.add_model(Model::direct(alias, "openai", &format!("up-{alias}"), "p"), alias);
        }
        builder = builder.add_model(Model::direct("w-*", "openai", "*", "p"), "w");
        for (alias, routing) in aliases {
            builder = builder.add_model(alias_of(alias, routing), *alias);
        }
        let snapshot = builder.build().expect("sound rows");
        let board = Board::default().next(&Snapshot::empty(), &snapshot);
        House { snapshot, board, now: Instant::now() }
    }

    fn requested(&self, alias: &str) -> Requested {
        resolve(&self.snapshot, &alias.into()).expect("it is there")
    }

    fn plan(&self, request: &Request) -> Result<Plan> {
        plan(&self.snapshot, &self.board, &self.requested("r"), request, self.now)
    }

    /// The targets in order.
    fn order(&self, request: &Request) -> String {
        names(&self.plan(request).expect("there are targets"))
    }

    fn refusal(&self, request: &Request) -> Error {
        self.plan(request).expect_err("there are no targets")
    }

    fn state(&self, model: &str) -> &Arc<TargetState> {
        self.board.state(model).expect("it is there")
    }

    /// Opens the circuit of a model for some seconds.
    fn cool(&self, model: &str, seconds: u64) {
        let retry_after = Some(Duration::from_secs(seconds));
        let told = Told::Failed { cause: Cause::Status, status: Some(429), retry_after };
        self.state(model).report(&Cooldown::default(), told, self.now);
    }
}

fn alias_of(alias: &str, routing: &Value) -> Model {
    let row = json!({"display_name": alias, "routing": routing});
    serde_json::from_value(row).expect("it has the form of a row")
}

fn names(plan: &Plan) -> String {
    plan.targets.iter().map(|target| &*target.upstream_model).collect::<Vec<_>>().join(" ").replace("up-", "")
}

fn targets(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"model": name})).collect()
}

fn said(house: &House, request: &Request) -> String {
    house.plan(request).expect("there are targets").decision.expect("it is told").to_string()
}

#[test]
fn an_unknown_alias_is_quoted_but_cut() {
    let error = resolve(&Snapshot::empty(), &"é".repeat(500).into()).expect_err("nothing is defined");
    assert_eq!(error.kind, Kind::UnknownModel);
    assert_eq!(error.message.matches('é').count(), MAX_QUOTED_CHARS);
}

#[test]
fn a_direct_alias_is_its_own_target_and_nothing_is_told_of_it() {
    let house = House::new(json!({"targets": targets(&["a"])}));
    for (alias, upstream) in [("a", "up-a"), ("w-x", "x")] {
        let plan =
            plan(&house.snapshot, &house.board, &house.requested(alias), &PLAIN, house.now).expect("direct");
        assert_eq!((&*plan.targets[0].upstream_model, plan.targets.len()), (upstream, 1));
        assert!(plan.anyway && plan.decision.is_none());
    }
}

#[test]
fn higher_priorities_come_first_and_within_one_the_list_counts() {
    let list = json!([
        {"model": "a"}, {"model": "b", "priority": 5}, {"model": "w-y"}, {"model": "c", "priority": -1},
        {"model": "d", "priority": 5},
    ]);
    let house = House::new(json!({"targets": list}));
    assert_eq!(house.order(&PLAIN), "b d a y c");
    assert_eq!(said(&house, &PLAIN), "failover: b chosen, d fallback, a fallback, w-y fallback, c fallback");
}

#[test]
fn tags_choose_those_that_share_one_else_the_default_ones() {
    let list = json!([
        {"model": "a", "tags": ["eu", "fast"]}, {"model": "b", "tags": ["us"]}, {"model": "c", "tags": ["default"]},
        {"model": "d"},
    ]);
    let house = House::new(json!({"targets": list}));
    let tagged = |tags: &'static [(&str, &str)]| house.order(&Request { headers: tags, ..PLAIN });
    assert_eq!(tagged(&[("x-aisix-routing-tags", " eu , us")]), "a b");
    assert_eq!(tagged(&[("x-aisix-routing-tags", "fast")]), "a");
    assert_eq!(tagged(&[("x-aisix-routing-tags", "moon")]), "c");
    assert_eq!(tagged(&[("x-aisix-routing-tags", " ,")]), "c");
    assert_eq!(tagged(&[]), "c");
    let untagged = House::new(json!({"targets": targets(&["a", "b"])}));
    assert_eq!(untagged.order(&Request { headers: &[("x-aisix-routing-tags", "eu")], ..PLAIN }), "a b");
    let none = House::new(json!({"targets": [{"model": "a", "tags": ["eu"]}, {"model": "b"}]}));
    assert_eq!(none.order(&PLAIN), "a b");
    let error = none.refusal(&Request { headers: &[("x-aisix-routing-tags", "us")], ..PLAIN });
    assert_eq!((error.status(), &*error.message), (400, "no routing target matches request tags"));
}

#[test]
fn a_target_with_conditions_takes_the_requests_that_meet_them_all() {
    let list = json!([
        {"model": "a", "when": [{"header": "X-Tier", "matches": ["gold", "plat*"]}, {"header": "x-beta", "matches": "*"}]},
        {"model": "b", "when": [{"header": "x-tier", "matches": "gold", "negate": true}]},
    ]);
    let house = House::new(json!({"targets": list}));
    let order = |headers: &'static [(&str, &str)]| house.order(&Request { headers, ..PLAIN });
    assert_eq!(order(&[("x-tier", "platinum"), ("x-beta", "")]), "a b");
    assert_eq!(order(&[("x-tier", "gold"), ("x-beta", "1")]), "a");
    assert_eq!(order(&[]), "b");
    let error = house.refusal(&Request { headers: &[("x-tier", "gold")], ..PLAIN });
    assert_eq!((error.status(), &*error.message), (400, "no routing target matches this request"));
}

#[test]
fn targets_for_other_addresses_or_other_operations_are_left_out() {
    let house = House::new(json!({"targets": targets(&["a", "b", "c"])}));
    assert_eq!(house.order(&Request { elsewhere: &["a"], unable: &["c"], ..PLAIN }), "b");
    let error = house.refusal(&Request { elsewhere: &["a", "b", "c"], ..PLAIN });
    assert_eq!((error.status(), error.code.as_deref()), (403, Some("ip_restricted")));
    assert!(error.message.contains("\"r\""), "{}", error.message);
    assert_eq!(house.refusal(&Request { unable: &["a", "b", "c"], ..PLAIN }).kind, Kind::Unsupported);
}

#[test]
fn no_more_targets_than_max_fallbacks_follow_the_first() {
    let house = House::new(json!({"targets": targets(&["a", "b", "c"]), "max_fallbacks": 1}));
    let told = "failover: a chosen, b fallback, c dropped (beyond max_fallbacks)";
    assert_eq!((house.order(&PLAIN), said(&house, &PLAIN)), ("a b".into(), told.into()));
    let house =
        House::new(json!({"targets": targets(&["a", "b"]), "max_fallbacks": 0, "strategy": "round_robin"}));
    house.cool("a", 60);
    assert_eq!(
        [house.order(&PLAIN), house.order(&PLAIN)],
        ["b", "b"],
        "the one that is left is one that is well"
    );
}

#[test]
fn those_left_alone_are_not_tried_while_others_are_well() {
    let house = House::new(json!({"targets": targets(&["a", "b", "c"])}));
    house.cool("a", 60);
    assert_eq!(said(&house, &PLAIN), "failover: b chosen, c fallback, a dropped (cooldown)");
    assert!(!house.plan(&PLAIN).expect("two are well").anyway);
    house.state("b").mark_unwell(house.now + Duration::from_secs(60));
    house.cool("c", 30);
    let plan = house.plan(&PLAIN).expect("two are only left alone");
    assert_eq!((names(&plan), plan.anyway), ("c a".into(), true));
}

#[test]
fn when_all_are_unwell_the_row_decides() {
    for (policy, expected) in [("fail", None), ("try_anyway", Some("a b"))] {
        let house = House::new(json!({"targets": targets(&["a", "b"]), "when_all_unavailable": policy}));
        for model in ["a", "b"] {
            house.state(model).mark_unwell(house.now + Duration::from_secs(60));
        }
        match expected {
            Some(order) => assert_eq!(house.order(&PLAIN), order),
            None => {
                let error = house.refusal(&PLAIN);
                let told = (error.status(), error.kind.row().openai_type, error.retry_after);
                assert_eq!(told, (503, "all_candidates_unavailable", Some(30)));
            }
        }
    }
}

#[test]
fn a_drained_target_gets_nothing_at_all() {
    let house = House::new(json!({"targets": targets(&["a", "b"]), "when_all_unavailable": "try_anyway"}));
    house.state("a").drain(true);
    assert_eq!(house.order(&PLAIN), "b");
    house.cool("b", 60);
    assert_eq!(house.order(&PLAIN), "b");
    house.state("b").drain(true);
    assert_eq!(house.refusal(&PLAIN).kind, Kind::NoTarget);
    house.state("a").drain(false);
    assert_eq!(house.order(&PLAIN), "a");
}

#[test]
fn aliases_among_the_targets_are_replaced_by_their_own() {
    let house = House::with(&[
        ("r", json!({"targets": targets(&["a", "inner", "e"])})),
        ("inner", json!({"targets": targets(&["b", "deeper", "a"]), "max_fallbacks": 2})),
        ("deeper", json!({"strategy": "round_robin", "targets": targets(&["c", "d"])})),
    ]);
    assert_eq!([house.order(&PLAIN), house.order(&PLAIN)], ["a b c d e", "a b d c e"]);
    house.cool("a", 60);
    assert_eq!(house.order(&PLAIN), "b c d e");
}

#[test]
fn an_alias_among_the_targets_counts_as_the_target_it_would_choose() {
    let house = House::with(&[
        ("r", json!({"strategy": "least_busy", "targets": targets(&["a", "inner"])})),
        ("inner", json!({"targets": targets(&["b", "c"])})),
    ]);
    assert_eq!(house.order(&PLAIN), "a b c");
    let _busy = house.state("a").enter();
    assert_eq!(house.order(&PLAIN), "b c a");
}

#[test]
fn a_circle_that_came_in_unchecked_ends() {
    let house = House::new(json!({"targets": targets(&["a"])}));
    let list: Vec<&str> = ["r", "s"].into_iter().cycle().take(20).chain(["b"]).collect();
    let changes = ["r", "s"].map(|alias| {
        let mut model = alias_of(alias, &json!({"targets": targets(&list)}));
        alias.clone_into(&mut model.id);
        let old = house.snapshot.model(alias).map(|found| Arc::clone(found.model) as Arc<dyn AnyRow>);
        let kind = crate::resources::kind("models").expect("a kind");
        Change { kind, id: alias.to_owned(), order: 0, old, new: Some(Arc::new(model)) }
    });
    let snapshot = house.snapshot.after(changes, 2, String::new());
    let board = house.board.next(&house.snapshot, &snapshot);
    let house = House { snapshot, board, ..house };
    assert!(
        house.plan(&PLAIN).is_ok_and(|plan| plan.targets.len() <= 1) || house.refusal(&PLAIN).status() == 501
    );
}

#[test]
fn a_list_of_names_that_nothing_has_is_refused() {
    let house = House::new(json!({"targets": targets(&["a"])}));
    let kind = crate::resources::kind("models").expect("a kind");
    let old = house.snapshot.model("a").map(|found| Arc::clone(found.model) as Arc<dyn AnyRow>);
    let gone = Change { kind, id: "a".to_owned(), order: 0, old, new: None };
    let snapshot = house.snapshot.after([gone], 2, String::new());
    let board = house.board.next(&house.snapshot, &snapshot);
    assert_eq!(House { snapshot, board, ..house }.refusal(&PLAIN).status(), 400);
}

#[test]
fn a_session_stays_at_one_target_on_every_gateway() {
    for strategy in ["round_robin", "weighted", "least_busy", "least_cost", "least_latency"] {
        let routing = json!({"strategy": strategy, "targets": targets(&["a", "b", "c", "d"])});
        let (house, other) = (House::new(routing.clone()), House::new(routing));
        let mut firsts = BTreeMap::new();
        for session in 0..400 {
            let request = Request { session: Some(hash::mix(session)), ..PLAIN };
            let order = house.order(&request);
            let first = order.split(' ').next().expect("one").to_owned();
            assert!(other.order(&request).starts_with(&first) && order.len() == 7, "{strategy}: {order}");
            *firsts.entry(first).or_insert(0) += 1;
        }
        assert!(firsts.values().all(|share| (60..140).contains(share)), "{strategy}: {firsts:?}");
    }
}

#[test]
fn only_the_sessions_of_a_lost_target_move_and_they_return() {
    let house = House::new(json!({"strategy": "round_robin", "targets": targets(&["a", "b", "c"])}));
    let firsts = || -> Vec<String> {
        let first =
            |session| house.order(&Request { session: Some(hash::mix(session)), ..PLAIN })[..1].to_owned();
        (0..300).map(first).collect()
    };
    let before = firsts();
    house.cool("b", 60);
    let without = firsts();
    assert!(before.iter().zip(&without).all(|(old, new)| (old == "b") != (old == new)));
    house.state("b").report(
        &Cooldown::default(),
        Told::Answered { latency: Duration::ZERO, streamed: false },
        house.now,
    );
    assert_eq!(firsts(), before);
}

#[test]
fn a_conversation_goes_to_the_target_that_answered_it_while_that_is_available() {
    let house = House::new(json!({"strategy": "round_robin", "targets": [
        {"model": "a", "priority": 1}, {"model": "b", "priority": 1}, {"model": "w-x", "priority": 1}, {"model": "e"},
    ]}));
    let request = Request { conversation: Some(42), ..PLAIN };
    let requested = house.requested("r");
    let plan = house.plan(&PLAIN).expect("there are targets");
    let x = plan.targets.iter().find(|target| &*target.upstream_model == "x").expect("it is among them");
    house.board.remember(&requested, 42, x, house.now);
    for _ in 0..5 {
        assert!(house.order(&request).starts_with("x "));
    }
    assert!(said(&house, &request).starts_with("round_robin, affinity conversation: w-x chosen"));
    let others = Request { conversation: Some(43), ..PLAIN };
    let firsts: Vec<String> = (0..3).map(|_| house.order(&others)[..1].to_owned()).collect();
    assert!(firsts.iter().any(|first| first != "x"), "{firsts:?}");
    let later = House { now: house.now + Duration::from_secs(3700), ..house };
    let firsts: Vec<String> = (0..3).map(|_| later.order(&request)[..1].to_owned()).collect();
    assert!(firsts.iter().any(|first| first != "x"), "{firsts:?}");
    // A target of a lower tier answered while the others were away; they come first when they are back.
    let plan = later.plan(&PLAIN).expect("there are targets");
    later.board.remember(&requested, 42, &plan.targets[3], later.now);
    assert!(later.order(&request).ends_with(" e"));
}

#[test]
fn affinity_can_be_switched_off() {
    let house = House::new(
        json!({"strategy": "round_robin", "targets": targets(&["a", "b"]), "affinity": {"enabled": false}}),
    );
    let request = Request { session: Some(1), ..PLAIN };
    assert_eq!([house.order(&request), house.order(&request)], ["a b", "b a"]);
    let plan = house.plan(&PLAIN).expect("there are targets");
    house.board.remember(&house.requested("r"), 42, &plan.targets[0], house.now);
    let request = Request { conversation: Some(42), ..PLAIN };
    assert_ne!(house.order(&request), house.order(&request));
}

#[test]
fn a_hash_key_comes_from_the_first_source_that_has_one() {
    let order = |hash_on: Value, headers| {
        let mut routing = json!({"strategy": "consistent_hash", "targets": targets(&["a", "b", "c", "d"])});
        if !hash_on.is_null() {
            routing["hash_on"] = hash_on;
        }
        House::new(routing).order(&Request { headers, session: Some(7), ..PLAIN })
    };
    let own: &'static [_] = &[("x-aisix-routing-key", "key")];
    assert_eq!(
        order(Value::Null, &[]),
        order(Value::Null, own),
        "the key's id, and a header of the same text"
    );
    assert_ne!(order(Value::Null, &[("x-aisix-routing-key", "another")]), order(Value::Null, own));
    let cookie = json!([{"type": "header", "name": "X-None"}, {"type": "cookie", "name": "sid"}]);
    let literal = json!([{"type": "header", "name": "X-User"}]);
    assert_eq!(order(cookie, &[]), order(literal.clone(), &[("x-user", "cookie")]));
    let session = json!([{"type": "prompt_cache_key"}, {"type": "conversation"}, {"type": "session"}]);
    assert_eq!(order(session, &[]), order(literal.clone(), &[("x-user", "0000000000000007")]));
    assert_eq!(
        order(literal.clone(), &[]),
        order(literal, &[("x-user", "")]),
        "without a key all go one way"
    );
}

#[test]
fn what_is_learnt_survives_the_next_configuration() {
    let house = House::new(json!({"strategy": "round_robin", "targets": targets(&["a", "b", "c"])}));
    house.cool("c", 60);
    assert!(house.order(&PLAIN).starts_with('a') || house.order(&PLAIN).len() == 3);
    let turns_before = house.board.group(&house.requested("r").model).expect("a group").tiers[0].turns();
    let change = |id: &str, new: Model| {
        let kind = crate::resources::kind("models").expect("a kind");
        let old = house.snapshot.model(id).map(|found| Arc::clone(found.model) as Arc<dyn AnyRow>);
        let mut new = new;
        id.clone_into(&mut new.id);
        Change { kind, id: id.to_owned(), order: 0, old, new: Some(Arc::new(new)) }
    };
    let same = json!({"strategy": "round_robin", "targets": targets(&["a", "b", "c"]), "max_fallbacks": 1});
    let changes =
        [change("c", Model::direct("renamed", "openai", "other", "p")), change("r", alias_of("r", &same))];
    let snapshot = house.snapshot.after(changes, 2, String::new());
    let board = house.board.next(&house.snapshot, &snapshot);
    assert!(Arc::ptr_eq(board.state("c").expect("it stays"), house.state("c")));
    let turns = |board: &Board| board.group(&alias("r")).expect("a group").tiers[0].turns();
    assert_eq!(turns(&board), turns_before);
    // Other weights are another sequence.
    let other = json!({"strategy": "round_robin", "targets": [{"model": "a", "weight": 2}, {"model": "b"}]});
    let mut model = alias_of("r", &other);
    "r".clone_into(&mut model.id);
    let kind = crate::resources::kind("models").expect("a kind");
    let old = snapshot.model("r").map(|found| Arc::clone(found.model) as Arc<dyn AnyRow>);
    let last = snapshot.after(
        [Change { kind, id: "r".to_owned(), order: 0, old, new: Some(Arc::new(model)) }],
        3,
        String::new(),
    );
    assert_eq!(turns(&board.next(&snapshot, &last)), 0);
    assert_eq!(board.states().count(), 6);
}

/// A row by which a group is found.
fn alias(id: &str) -> Model {
    Model { id: id.to_owned(), ..Model::default() }
}

#[test]
fn a_target_that_always_fails_is_hardly_touched() {
    let mut house = House::new(json!({"strategy": "round_robin", "targets": targets(&["a", "b", "c"])}));
    let rules = Cooldown::default();
    let (mut touched, start) = (0, house.now);
    // Ten minutes of two hundred requests a second.
    const REQUESTS: u32 = 120_000;
    for request in 0..REQUESTS {
        house.now = start + Duration::from_millis(u64::from(request) * 5);
        let plan = house.plan(&PLAIN).expect("two are well");
        for target in &plan.targets {
            let claim = target.state.claim(house.now);
            if matches!(claim, Claim::Refused { .. }) {
                continue;
            }
            let _busy = target.state.enter();
            if &*target.upstream_model == "up-a" {
                touched += 1;
                let told = Told::Failed { cause: Cause::Status, status: Some(500), retry_after: None };
                target.state.report(&rules, told, house.now);
            } else {
                let told = Told::Answered { latency: Duration::from_millis(10), streamed: false };
                target.state.report(&rules, told, house.now);
                break;
            }
        }
    }
    assert!((2..REQUESTS / 1000).contains(&touched), "{touched}");
}

#[test]
fn a_decision_is_bounded_and_one_line() {
    let names: Vec<String> = (0..100).map(|number| format!("w-{number}\n")).collect();
    let list: Value = names.iter().map(|name| json!({"model": name})).collect();
    let house = House::new(json!({"targets": list, "max_fallbacks": 5}));
    let decision = house.plan(&PLAIN).expect("there are targets").decision.expect("it is told");
    assert_eq!((decision.candidates.len(), decision.untold), (decision::MOST_TOLD, 68));
    let line = decision.to_string();
    assert!(line.starts_with("failover: w-0 chosen, w-1 fallback") && line.ends_with(", 68 more"), "{line}");
    assert!(!line.contains('\n'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_target_that_is_meant_appears_exactly_once(
        list in proptest::collection::vec((0u8..12, any::<u32>(), -2i32..3), 1..10),
        strategy in 0usize..7,
        cooling in 0u8..4,
        session in proptest::option::of(any::<u64>()),
    ) {
        let strategies =
            ["failover", "round_robin", "weighted", "consistent_hash", "least_cost", "least_latency", "least_busy"];
        let name = |number: &u8| format!("w-{number}");
        let rows: Value = list.iter().map(|(number, weight, priority)| {
            json!({"model": name(number), "weight": weight, "priority": priority})
        }).collect();
        let house = House::new(json!({"strategy": strategies[strategy], "targets": rows}));
        if cooling == 0 {
            house.cool("w", 60);
        }
        let request = Request { session, ..PLAIN };
        let plan = house.plan(&request).expect("there are targets");
        let mut found: Vec<String> = plan.targets.iter().map(|target| format!("w-{}", target.upstream_model)).collect();
        found.sort();
        let mut expected: Vec<String> = list.iter().map(|(number, _, _)| name(number)).collect();
        expected.sort();
        expected.dedup();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(plan.anyway, cooling == 0);
        let highest = list.iter().map(|(_, _, priority)| priority).max();
        let first = &plan.targets[0].upstream_model;
        let of_first = list.iter().filter(|(number, _, _)| number.to_string() == **first);
        prop_assert_eq!(of_first.map(|(_, _, priority)| priority).max(), highest);
    }
}
