//! How models are: what active probes find out, what routing makes of it, and where operators see it.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::metrics::Scrape;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

const PROMPT: &str = "are-you-there";

/// `smart` leads to `first`, which is at an upstream of its own, and then to `chat`.
fn two_targets(first: &Upstream, second: &Upstream, more: Value) -> Setup {
    let key = json!({"display_name": "first-up", "provider": "openai", "api_key": OPENAI_SECRET,
        "api_base": format!("http://{}/v1", first.addr)});
    let mut model = more;
    model["provider_key"] = "first-up".into();
    Setup::new(second)
        .row("provider_keys", key)
        .model("first", model)
        .row(
            "models",
            json!({"display_name": "smart", "routing": {"targets": [{"model": "first"}, {"model": "chat"}]}}),
        )
        .config("admin.admin_keys", json!([ADMIN]))
}

fn check(more: Value) -> Value {
    let mut check = json!({"enabled": true, "interval_seconds": 5, "timeout_seconds": 10, "prompt": PROMPT,
        "max_tokens": 3, "stale_after_seconds": 600});
    for (name, value) in more.as_object().expect("an object") {
        check[name] = value.clone();
    }
    json!({"background_model_check": check})
}

async fn smart(gateway: &Gateway) -> Answer {
    let body = CHAT.replacen(r#""model" : "chat""#, r#""model" : "smart""#, 1);
    gateway.ask(&Request::post("/v1/chat/completions", body).bearer(CALLER)).await
}

/// The row of a model on the status page.
async fn row(gateway: &Gateway, name: &str) -> Value {
    let rows = Request::get("/status/models").send(gateway.metrics).await.json();
    let rows = rows.as_array().expect("rows");
    rows.iter().find(|row| row["display_name"] == name).cloned().expect("the model")
}

/// Waits until a member of a model's row has a value.
async fn until(gateway: &Gateway, name: &str, member: &str, value: Value) -> Value {
    eventually(&format!("{member} = {value} of {name}"), || async {
        Some(row(gateway, name).await).filter(|row| row[member] == value)
    })
    .await
}

#[tokio::test]
async fn a_probe_that_fails_has_a_model_passed_over_until_one_is_answered() {
    let (first, second) = (
        Upstream::doing(replies::json(503, "{}")).await,
        Upstream::doing(replies::json(200, CHAT_ANSWER)).await,
    );
    let gateway = two_targets(&first, &second, check(json!({}))).start().await;
    let unwell = until(&gateway, "first", "unwell", json!(true)).await;
    assert_eq!(
        (&unwell["status"], &unwell["last_check_status"]),
        (&json!("unhealthy"), &json!("failed")),
        "{unwell}"
    );
    assert!(
        unwell["last_checked_at"].is_string() && unwell["unwell_for_seconds"].as_f64() > Some(500.0),
        "{unwell}"
    );
    let probe = first.request(0).await;
    assert_eq!(probe.path, "/v1/chat/completions");
    assert_eq!(probe.json()["messages"], json!([{"role": "user", "content": PROMPT}]));
    assert_eq!(probe.json()["model"], "gpt-real");
    assert!(probe.text().contains("tokens\":3"), "{}", probe.text());
    gateway.log.containing("a probe failed").await;

    let answer = smart(&gateway).await;
    assert_eq!((answer.status, answer.header("x-aisix-served-by")), (200, Some("chat")));
    assert_eq!(second.count(), 1);
    let asked = |upstream: &Upstream| {
        (0..upstream.count()).any(|number| !upstream.seen(number).text().contains(PROMPT))
    };
    assert!(!asked(&first), "only probes came");

    first.always(replies::json(200, CHAT_ANSWER));
    until(&gateway, "first", "unwell", json!(false)).await;
    let answer = smart(&gateway).await;
    assert_eq!((answer.status, answer.header("x-aisix-served-by")), (200, Some("first")));
    assert_eq!(second.count(), 1);
    let counted = |scrape: &Scrape| scrape.sum("aisix_proxy_requests_total", &[]) == 2.0;
    // Probes are nobody's requests.
    let scrape = eventually("two requests", || async { Some(gateway.scrape().await).filter(counted) }).await;
    for result in ["failed", "ok"] {
        assert!(scrape.sum("aisix_model_checks_total", &[("model", "first"), ("result", result)]) >= 1.0);
    }
    let log = gateway.log.all().join("\n");
    assert!(!log.contains(OPENAI_SECRET) && !log.contains(PROMPT), "{log}");
}

#[tokio::test]
async fn a_status_that_does_not_count_leaves_a_model_as_it_is() {
    let (first, second) = (
        Upstream::doing(replies::json(429, "{}")).await,
        Upstream::doing(replies::json(200, CHAT_ANSWER)).await,
    );
    let gateway = two_targets(&first, &second, check(json!({"ignore_statuses": [429]}))).start().await;
    let row = until(&gateway, "first", "last_check_status", json!("ignored")).await;
    assert_eq!(
        (&row["unwell"], &row["status"], &row["circuit"]),
        (&json!(false), &json!("healthy"), &json!("closed"))
    );
}

#[tokio::test]
async fn a_new_configuration_begins_and_ends_probes() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = Setup::new(&upstream);
    let mut resources = setup.resources.clone();
    let gateway = setup.start().await;
    resources["models"][0]["background_model_check"] = check(json!({}))["background_model_check"].clone();
    gateway.write_resources(&resources);
    gateway.reload();
    assert!(upstream.request(0).await.text().contains(PROMPT));
    until(&gateway, "chat", "last_check_status", json!("ok")).await;
    resources["models"].as_array_mut().expect("models").remove(0);
    gateway.write_resources(&resources);
    gateway.reload();
    eventually("the end of the model", || async {
        let rows = Request::get("/status/models").send(gateway.metrics).await.text();
        (!rows.contains("\"chat\"")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_state_of_targets_is_shown_and_counted_and_fallbacks_are_told() {
    let (first, second) = (
        Upstream::doing(replies::json(503, "{}")).await,
        Upstream::doing(replies::json(200, CHAT_ANSWER)).await,
    );
    let gateway = two_targets(&first, &second, json!({})).start().await;
    let answer = smart(&gateway).await;
    assert_eq!((answer.status, answer.header("x-aisix-served-by")), (200, Some("chat")));
    let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
    let tries = line.field("attempts");
    assert_eq!((&tries[0]["model"], &tries[0]["status"]), (&json!("first"), &json!(503)), "{tries}");
    assert_eq!((&tries[1]["model"], &tries[1]["outcome"]), (&json!("chat"), &json!("ok")), "{tries}");
    assert!(tries[0]["ms"].is_number(), "{tries}");
    assert!(
        line.text("routing").starts_with("failover") && line.text("routing").contains("first chosen"),
        "{line:?}"
    );

    let open = row(&gateway, "first").await;
    assert_eq!((&open["status"], &open["circuit"]), (&json!("cooldown"), &json!("open")), "{open}");
    assert_eq!(
        (&open["circuit_reason"], &open["failures"]),
        (&json!("upstream_server_error"), &json!(1)),
        "{open}"
    );
    assert!(open["open_for_seconds"].as_f64() > Some(1.0) && open["cooldown_until"].is_string(), "{open}");
    let well = until(&gateway, "chat", "in_flight", json!(0)).await;
    assert!(well["circuit"] == "closed" && well["latency_ms"].is_number(), "{well}");
    let alias = row(&gateway, "smart").await;
    assert_eq!((&alias["kind"], &alias["status"]), (&json!("routing"), &json!("not_applicable")));
    assert_eq!(
        (&alias["targets"][0]["model"], &alias["targets"][0]["circuit"]),
        (&json!("first"), &json!("open")),
        "{alias}"
    );
    let scrape = gateway.scrape().await;
    assert_eq!(scrape.sum("aisix_deployment_state", &[("model", "first")]), 2.0);
    assert_eq!(scrape.sum("aisix_deployment_state", &[("model", "chat")]), 0.0);
    assert_eq!(scrape.sum("aisix_deployment_cooled_down_total", &[("model", "first")]), 1.0);
    let fallback = [("model", "smart"), ("target", "first"), ("reason", "upstream_failed")];
    assert_eq!(scrape.sum("aisix_routing_fallbacks_total", &fallback), 1.0, "{}", scrape.text);
}
