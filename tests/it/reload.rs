//! SIGHUP: the resources file is read again, all of it or none.

use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Gate, Upstream};

through_every_door! {
    a_good_file_takes_force_and_a_bad_one_changes_nothing,
    a_key_taken_away_stops_working_on_open_connections_too,
    a_running_stream_survives_the_removal_of_its_model,
    a_new_credential_is_used_by_the_next_request,
    nobody_notices_reloads_under_load,
}

async fn lists(gateway: &Gateway, alias: &str) -> bool {
    let answer = gateway.ask(&Request::get("/v1/models").bearer(CALLER)).await;
    answer.text().contains(&format!("\"{alias}\""))
}

async fn config_state(gateway: &Gateway) -> String {
    let status = Request::get("/status/config").send(gateway.metrics).await.json();
    status["state"].as_str().expect("a state").to_owned()
}

async fn until_listed(gateway: &Gateway, alias: &str) {
    eventually(alias, || async { lists(gateway, alias).await.then_some(()) }).await;
}

async fn a_good_file_takes_force_and_a_bad_one_changes_nothing(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = door.setup(&upstream);
    let good = door.setup(&upstream).model("fresh", json!({})).resources;
    let gateway = setup.start().await;
    assert!(!lists(&gateway, "fresh").await, "nothing is read before the signal");
    gateway.write_resources(&good);
    gateway.reload();
    until_listed(&gateway, "fresh").await;

    let mut bad = good.clone();
    bad["models"].as_array_mut().expect("a list").clear();
    bad["surprise"] = json!([]);
    gateway.write_resources(&bad);
    gateway.reload();
    let line = gateway.log.containing("reload failed").await;
    assert!(!line.contains("panicked"));
    assert!(lists(&gateway, "fresh").await, "the last good file stays in force");
    eventually("a status that shows what is wrong", || async {
        let status = Request::get("/status/config").send(gateway.metrics).await.text();
        status.contains("surprise").then_some(())
    })
    .await;
    assert_eq!(config_state(&gateway).await, "out_of_sync");

    gateway.write_resources(&good);
    gateway.reload();
    eventually("a clean status", || async { (config_state(&gateway).await == "synced").then_some(()) }).await;
}

async fn a_key_taken_away_stops_working_on_open_connections_too(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = door.setup(&upstream).api_key("second", "sk-second", json!({"allowed_models": ["*"]}));
    let gateway = setup.start().await;
    let mut caller = gateway.caller().await;
    let request = Request::get("/v1/models").bearer("sk-second");
    assert_eq!(caller.ask(&request).await.status, 200);
    gateway.write_resources(&door.setup(&upstream).model("mark", json!({})).resources);
    gateway.reload();
    until_listed(&gateway, "mark").await;
    assert_eq!(caller.ask(&request).await.status, 401);
}

async fn a_running_stream_survives_the_removal_of_its_model(door: Door) {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)).await;
    caller.event().await;
    let mut without = door.setup(&upstream).model("mark", json!({})).resources;
    without["models"].as_array_mut().expect("a list").remove(0);
    gateway.write_resources(&without);
    gateway.reload();
    until_listed(&gateway, "mark").await;
    gate.open();
    let expected: Vec<String> = CHAT_FRAMES[1..].iter().map(|frame| aliased(frame)).collect();
    assert_eq!(caller.events().await, expected);
    let answer = gateway.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
    assert_eq!(answer.status, 404);
}

async fn a_new_credential_is_used_by_the_next_request(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let request = Request::post("/v1/chat/completions", CHAT).bearer(CALLER);
    caller.ask(&request).await;
    let rotated = door
        .setup(&upstream)
        .change("provider_keys", "openai-up", "api_key", json!("sk-rotated"))
        .model("mark", json!({}));
    gateway.write_resources(&rotated.resources);
    gateway.reload();
    until_listed(&gateway, "mark").await;
    caller.ask(&request).await;
    assert_eq!(upstream.last().header("authorization"), Some("Bearer sk-rotated"));
}

async fn nobody_notices_reloads_under_load(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).config("proxy.workers", 3).start().await;
    let good = door.setup(&upstream).model("mark", json!({})).resources;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut caller = gateway.caller().await;
        tasks.spawn(async move {
            for _ in 0..60 {
                let answer = caller.ask(&Request::post("/v1/chat/completions", CHAT).bearer(CALLER)).await;
                assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
            }
        });
    }
    for content in [good.to_string(), "nonsense: [".to_owned(), good.to_string()].iter().cycle().take(30) {
        std::fs::write(gateway.folder.path().join("resources.yaml"), content).expect("a file");
        gateway.reload();
        lists(&gateway, "chat").await;
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("every call is served");
    }
    until_listed(&gateway, "mark").await;
}
