//! Several servers behind one provider key: where requests go, who waits, and that every place is given back.

use serde_json::{Value, json};

use crate::support::caller::Caller;
use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door! {
    requests_go_to_the_server_with_the_least_to_do,
    turns_go_round,
    a_conversation_stays_with_the_server_that_has_seen_it,
    a_server_that_cannot_be_reached_is_passed_over_and_comes_back,
    a_seat_is_given_back_whatever_ends_the_request,
    who_waits_goes_by_priority_and_then_by_arrival,
    beyond_the_queue_callers_are_refused_in_their_own_envelope,
    a_caller_who_leaves_the_queue_is_forgotten,
    a_server_that_says_it_is_busy_is_left_to_those_who_keep_it_so,
    addresses_of_one_name_are_servers,
}

const HIGH: &str = "sk-ffeeddccbbaa99887766554433221100";
const CHATS: &str = "/v1/chat/completions";

fn chat() -> Request {
    Request::post(CHATS, CHAT).bearer(CALLER)
}

fn chat_stream() -> Request {
    Request::post(CHATS, CHAT_STREAM_REQUEST).bearer(CALLER)
}

async fn several(count: usize, script: &Script) -> Vec<Upstream> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(Upstream::doing(script.clone()).await);
    }
    all
}

/// Both provider keys lead to these servers.
fn setup(door: Door, servers: &[Upstream], fleet: Value) -> Setup {
    let urls =
        |path: &str| -> Value { servers.iter().map(|one| format!("http://{}{path}", one.addr)).collect() };
    let mut setup = door.setup(&servers[0]);
    for (key, path) in [("openai-up", "/v1"), ("anthropic-up", "")] {
        setup = setup
            .change("provider_keys", key, "api_base", Value::Null)
            .change("provider_keys", key, "replicas", urls(path))
            .change("provider_keys", key, "fleet", fleet.clone());
    }
    setup
}

fn counts(servers: &[Upstream]) -> Vec<usize> {
    servers.iter().map(Upstream::count).collect()
}

/// Waits until a number of the fleets is this, summed over all of them.
async fn until(gateway: &Gateway, what: &str, number: f64) {
    let family = format!("aisix_fleet_{what}");
    eventually(&format!("{family} = {number}"), || async {
        (gateway.scrape().await.sum(&family, &[]) == number).then_some(())
    })
    .await;
}

async fn requests_go_to_the_server_with_the_least_to_do(door: Door) {
    let gate = Gate::closed();
    let servers = several(2, &replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = setup(door, &servers, json!({})).start().await;
    let mut callers = Vec::new();
    for open in 1..=8 {
        let mut caller = gateway.caller().await;
        caller.open(&chat_stream()).await;
        callers.push(caller);
        let counts = counts(&servers);
        assert!(counts[0].abs_diff(counts[1]) <= 1 && counts[0] + counts[1] == open, "{counts:?}");
    }
    assert_eq!(gateway.scrape().await.sum("aisix_fleet_outstanding_requests", &[]), 8.0);
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.events().await.last().map(String::as_str), Some("data: [DONE]\n\n"));
    }
    until(&gateway, "outstanding_requests", 0.0).await;
}

async fn turns_go_round(door: Door) {
    let servers = several(3, &replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(door, &servers, json!({"strategy": "round_robin"})).start().await;
    for _ in 0..6 {
        assert_eq!(gateway.ask(&chat()).await.status, 200);
    }
    assert_eq!(counts(&servers), [2, 2, 2]);
}

async fn a_conversation_stays_with_the_server_that_has_seen_it(door: Door) {
    let servers = several(4, &replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(door, &servers, json!({"strategy": "prefix_affinity"})).start().await;
    let mut places = Vec::new();
    for talk in 0..12 {
        let said =
            |role: &str, turn: i32| json!({"role": role, "content": format!("{talk} {turn} ").repeat(1000)});
        let mut messages = vec![json!({"role": "system", "content": "the same for all. ".repeat(300)})];
        let before = counts(&servers);
        for turn in 0..4 {
            messages.push(said("user", turn));
            let body = json!({"model": "chat", "messages": messages, "temperature": turn}).to_string();
            assert_eq!(gateway.ask(&Request::post(CHATS, body).bearer(CALLER)).await.status, 200);
            messages.push(said("assistant", turn));
        }
        let gained: Vec<usize> =
            counts(&servers).iter().zip(before).map(|(now, before)| now - before).collect();
        places.push(gained.iter().position(|gained| *gained == 4).unwrap_or_else(|| panic!("{gained:?}")));
    }
    let used = (0..4).filter(|server| places.contains(server)).count();
    assert!(used >= 3, "a system prompt that all share fills no server: {places:?}");
}

async fn a_server_that_cannot_be_reached_is_passed_over_and_comes_back(door: Door) {
    let mut servers = several(2, &replies::json(200, CHAT_ANSWER)).await;
    // A port that nobody listens on.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let urls = json!([format!("http://{address}/v1"), format!("http://{}/v1", servers[0].addr)]);
    let gateway = setup(door, &servers, json!({"strategy": "round_robin"}))
        .change("provider_keys", "openai-up", "replicas", urls)
        .start()
        .await;
    for asked in 1..=6 {
        assert_eq!(gateway.ask(&chat()).await.status, 200);
        assert_eq!(servers[0].count(), asked);
    }
    let line = gateway.scrape().await;
    assert_eq!(line.sum("aisix_deployment_failure_responses_total", &[]), 0.0, "it is the same target");
    assert_eq!(line.sum("aisix_fleet_unreachable_servers", &[]), 1.0);
    servers.push(Upstream::doing_at(address, replies::json(200, CHAT_ANSWER)).await);
    eventually("a request at the server that is back", || async {
        assert_eq!(gateway.ask(&chat()).await.status, 200);
        (servers[2].count() > 1).then_some(())
    })
    .await;
    until(&gateway, "unreachable_servers", 0.0).await;
}

async fn a_seat_is_given_back_whatever_ends_the_request(door: Door) {
    let gate = Gate::closed();
    let servers = several(1, &replies::json(200, CHAT_ANSWER)).await;
    let rules = json!({"max_outstanding": 1, "queue": {"size": 0}});
    let gateway = setup(door, &servers, rules).config("upstream.timeout_ms", 1000).start().await;
    let begun = || replies::open_stream().send(replies::chunk(CHAT_FRAMES[0].as_bytes()));
    let endings = [
        ("an answer", replies::json(200, CHAT_ANSWER)),
        ("a refusal", replies::json(400, r#"{"error":{"message":"no"}}"#)),
        ("a failure", replies::json(503, "{}")),
        ("nonsense", replies::json(200, "nonsense")),
        ("a reset", Script::reading().reset()),
        ("silence", Script::reading().hang()),
        ("a stream", replies::stream(CHAT_FRAMES)),
        ("a stream that breaks off", begun().close()),
        ("a stream that falls silent", begun().hang()),
    ];
    for (what, script) in endings {
        servers[0].next(script);
        let request = if what.contains("stream") { chat_stream() } else { chat() };
        assert_ne!(gateway.ask(&request).await.status, 429, "{what}");
        until(&gateway, "outstanding_requests", 0.0).await;
    }
    for request in [chat(), chat_stream()] {
        servers[0].next(replies::gated_stream(CHAT_FRAMES, &gate));
        let number = servers[0].count();
        let mut caller = gateway.caller().await;
        caller.begin(&request).await;
        servers[0].request(number).await;
        assert_eq!(gateway.ask(&chat()).await.status, 429, "the only seat is taken");
        drop(caller);
        until(&gateway, "outstanding_requests", 0.0).await;
    }
    assert_eq!(gateway.ask(&chat()).await.status, 200);
}

/// A server that is busy until the gate opens, and the caller who keeps it so.
async fn busy(door: Door, queue: Value) -> (Gateway, Vec<Upstream>, Gate, Caller) {
    let gate = Gate::closed();
    let servers = several(1, &replies::json(200, CHAT_ANSWER)).await;
    servers[0].next(replies::gated_stream(CHAT_FRAMES, &gate));
    let gateway = setup(door, &servers, json!({"max_outstanding": 1, "queue": queue}))
        .api_key("high", HIGH, json!({"allowed_models": ["*"], "priority": 7}))
        .start()
        .await;
    let mut caller = gateway.caller().await;
    caller.open(&chat_stream()).await;
    (gateway, servers, gate, caller)
}

fn signed(name: &str, key: &str) -> Request {
    let body = json!({"model": "chat", "messages": [{"role": "user", "content": name}]});
    Request::post(CHATS, body.to_string()).bearer(key)
}

async fn who_waits_goes_by_priority_and_then_by_arrival(door: Door) {
    let (gateway, servers, gate, _holder) = busy(door, json!({"timeout_ms": 60_000})).await;
    let mut waiting = Vec::new();
    for (place, (name, key)) in
        [("first", CALLER), ("second", CALLER), ("third", HIGH), ("fourth", HIGH)].into_iter().enumerate()
    {
        let mut caller = gateway.caller().await;
        caller.begin(&signed(name, key)).await;
        until(&gateway, "waiting_requests", place as f64 + 1.0).await;
        waiting.push(caller);
    }
    assert_eq!(servers[0].count(), 1, "nobody overtakes");
    gate.open();
    for caller in &mut waiting {
        assert_eq!(caller.answer().await.status, 200);
    }
    let order: Vec<String> = (1..5)
        .map(|number| {
            servers[0].seen(number).json()["messages"][0]["content"].as_str().expect("a text").to_owned()
        })
        .collect();
    assert_eq!(order, ["third", "fourth", "first", "second"]);
}

fn assert_shed(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let seconds: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&seconds));
}

async fn beyond_the_queue_callers_are_refused_in_their_own_envelope(door: Door) {
    let (gateway, servers, gate, mut holder) = busy(door, json!({"size": 1, "timeout_ms": 60_000})).await;
    let mut waiting = gateway.caller().await;
    waiting.begin(&signed("waits", CALLER)).await;
    until(&gateway, "waiting_requests", 1.0).await;
    let refused = gateway.ask(&signed("too many", CALLER)).await;
    assert_shed(&refused);
    assert_eq!(refused.json()["error"]["code"], "fleet_saturated");
    let mut preferred = gateway.caller().await;
    preferred.begin(&signed("preferred", HIGH)).await;
    assert_shed(&waiting.answer().await);
    gate.open();
    assert_eq!(preferred.answer().await.status, 200);
    holder.events().await;

    let gate = Gate::closed();
    servers[0].next(replies::gated_stream(MESSAGE_FRAMES, &gate));
    let (door, servers) = (gateway.entrance.door, &servers);
    let rules = json!({"max_outstanding": 1, "queue": {"timeout_ms": 50}});
    let other = setup(door, servers, rules).start().await;
    let message = Request::post("/v1/messages", MESSAGE_STREAM_REQUEST).bearer(CALLER);
    let mut caller = other.caller().await;
    caller.open(&message).await;
    let late = other.ask(&message).await;
    assert_shed(&late);
    assert_eq!(
        (late.json()["type"].as_str(), late.error_type().as_str()),
        (Some("error"), "rate_limit_error")
    );
    until(&other, "shed_requests_total", 1.0).await;
    until(&other, "waiting_requests", 0.0).await;
}

async fn a_caller_who_leaves_the_queue_is_forgotten(door: Door) {
    let (gateway, servers, gate, mut holder) = busy(door, json!({"timeout_ms": 60_000})).await;
    let mut waiting = gateway.caller().await;
    waiting.begin(&signed("leaves", CALLER)).await;
    until(&gateway, "waiting_requests", 1.0).await;
    drop(waiting);
    until(&gateway, "waiting_requests", 0.0).await;
    gate.open();
    holder.events().await;
    assert_eq!(gateway.ask(&signed("stays", CALLER)).await.status, 200);
    assert_eq!(servers[0].count(), 2);
}

async fn a_server_that_says_it_is_busy_is_left_to_those_who_keep_it_so(door: Door) {
    let servers = several(2, &replies::json(200, CHAT_ANSWER)).await;
    let vllm = "vllm:num_requests_running{engine=\"0\"} 50\nvllm:num_requests_waiting{engine=\"0\"} 9\n";
    servers[0].at("/load", replies::typed(200, "text/plain", vllm));
    servers[1].at("/load", replies::typed(200, "text/plain", "sglang:num_running_reqs{} 1.0\n"));
    let rules = json!({"load": {"path": "/load", "interval_ms": 100}});
    let gateway = setup(door, &servers, rules).start().await;
    for server in &servers {
        eventually("a second look", || async { (server.count_at("/load") > 3).then_some(()) }).await;
    }
    for _ in 0..8 {
        assert_eq!(gateway.ask(&chat()).await.status, 200);
    }
    assert_eq!((servers[0].count_at(CHATS), servers[1].count_at(CHATS)), (0, 8));
    let look = servers[0].seen(0);
    assert_eq!((look.method.as_str(), look.header("content-length")), ("GET", None));
    servers[1].at("/load", replies::json(500, "{}"));
    let line = gateway.log.containing("does not say how busy it is").await;
    assert!(line.contains("status 500") && !line.contains(OPENAI_SECRET), "{line}");
}

async fn addresses_of_one_name_are_servers(door: Door) {
    let servers = several(1, &replies::json(200, CHAT_ANSWER)).await;
    let base = format!("http://localhost:{}/v1", servers[0].addr.port());
    let gateway = door
        .setup(&servers[0])
        .change("provider_keys", "openai-up", "api_base", base.into())
        .change("provider_keys", "openai-up", "fleet", json!({"spread_addresses": true}))
        .start()
        .await;
    assert_eq!(gateway.ask(&chat()).await.status, 200);
    let seen = servers[0].last();
    assert_eq!(seen.header("host"), Some(format!("localhost:{}", servers[0].addr.port()).as_str()));
    assert!(gateway.scrape().await.sum("aisix_fleet_servers", &[]) >= 1.0);
}
