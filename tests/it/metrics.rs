//! The scrape page after traffic: the families are there, and no label holds what a caller invented.

use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::metrics::Scrape;
use crate::support::replies;
use crate::support::upstream::{Gate, Upstream};

through_every_door! {
    the_families_appear_after_traffic_and_count_it,
    what_a_caller_invents_never_becomes_a_label,
    every_attempt_is_counted_where_it_went,
    what_is_in_flight_is_counted_while_it_is,
    a_body_over_the_limit_is_counted,
    the_scrape_page_is_where_the_operator_put_it,
}

/// Families which any successful and any refused call must bring into being.
const FAMILIES: &[&str] = &[
    "aisix_proxy_requests_total",
    "aisix_proxy_failed_requests_total",
    "aisix_llm_input_tokens_total",
    "aisix_llm_output_tokens_total",
    "aisix_llm_total_tokens_total",
    "aisix_request_e2e_latency_seconds_bucket",
    "aisix_request_ttft_seconds_bucket",
    "aisix_proxy_in_flight_requests",
    "aisix_auth_decisions_total",
];

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT).bearer(CALLER)
}

async fn the_families_appear_after_traffic_and_count_it(door: Door) {
    let upstream = Upstream::queue([replies::json(200, CHAT_ANSWER), replies::stream(CHAT_FRAMES)]).await;
    upstream.always(replies::json(503, "{}"));
    let gateway = door.setup(&upstream).start().await;
    gateway.ask(&chat()).await;
    gateway.ask(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
    gateway.ask(&chat()).await;
    gateway.ask(&Request::post("/v1/chat/completions", CHAT)).await;
    // A scrape may come between two families of one request.
    let families = [
        "aisix_proxy_requests_total",
        "aisix_request_e2e_latency_seconds_count",
        "aisix_auth_decisions_total",
    ];
    let counted = |scrape: &Scrape| families.iter().all(|family| scrape.sum(family, &[]) == 4.0);
    let scrape = eventually("four requests", || async { Some(gateway.scrape().await).filter(counted) }).await;
    for family in FAMILIES {
        assert!(scrape.has(family), "{family} is missing in:\n{}", scrape.text);
    }
    let labels = [("model", "chat"), ("provider", "openai")];
    assert_eq!(scrape.sum("aisix_llm_input_tokens_total", &labels), 20.0);
    assert_eq!(scrape.sum("aisix_llm_output_tokens_total", &labels), 9.0);
    assert_eq!(scrape.sum("aisix_request_ttft_seconds_count", &[]), 1.0);
    assert_eq!(scrape.sum("aisix_request_e2e_latency_seconds_count", &[]), 4.0);
    assert_eq!(scrape.sum("aisix_proxy_requests_total", &[("outcome", "success")]), 2.0);
    assert_eq!(scrape.sum("aisix_proxy_requests_total", &[("outcome", "upstream_error")]), 1.0);
    assert_eq!(scrape.sum("aisix_auth_decisions_total", &[("result", "denied")]), 1.0);
    let told = ["# HELP aisix_proxy_requests_total", "# TYPE aisix_proxy_requests_total counter"];
    assert!(told.iter().all(|line| scrape.text.contains(line)));
}

async fn what_a_caller_invents_never_becomes_a_label(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).model("wild/*", json!({"model_name": "*"})).start().await;
    let invented = "zz9-plural-z-alpha";
    let body =
        |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "x"}]}).to_string();
    let wild = format!("wild/{invented}");
    let requests = [
        (Request::post("/v1/chat/completions", body(invented)).bearer(CALLER), 404),
        (Request::post("/v1/chat/completions", body(&wild)).bearer(CALLER), 200),
        (Request::get(&format!("/v1/{invented}")).bearer(CALLER), 404),
        (Request::get("/v1/models").bearer(invented), 401),
        (Request::get("/v1/models").bearer(CALLER).header("user-agent", invented), 200),
        (Request::new("BREW", "/v1/models").bearer(CALLER), 405),
    ];
    let count = requests.len() as f64;
    for (request, status) in requests {
        assert_eq!(gateway.ask(&request).await.status, status, "{} {}", request.method, request.target);
    }
    let scrape = eventually("the requests to be counted", || async {
        let scrape = gateway.scrape().await;
        (scrape.sum("aisix_request_e2e_latency_seconds_count", &[]) >= count - 1.0).then_some(scrape)
    })
    .await;
    assert!(!scrape.text.contains(invented), "{}", scrape.text);
    assert!(!scrape.text.contains("BREW"), "{}", scrape.text);
    assert!(scrape.sum("aisix_proxy_requests_total", &[("model", "wild/*")]) == 1.0, "{}", scrape.text);
    assert!(scrape.sum("aisix_proxy_requests_total", &[("model", "unknown")]) >= 1.0, "{}", scrape.text);
}

async fn every_attempt_is_counted_where_it_went(door: Door) {
    let upstream = Upstream::queue([replies::json(503, "{}"), replies::json(200, CHAT_ANSWER)]).await;
    let gateway = door.setup(&upstream).config("upstream.retries", 1).start().await;
    assert_eq!(gateway.ask(&chat()).await.status, 200);
    let labels = [("model", "chat"), ("upstream_model", "gpt-real"), ("provider", "openai")];
    eventually("two attempts", || async {
        let scrape = gateway.scrape().await;
        let counts = ["requests", "success_responses", "failure_responses"]
            .map(|what| scrape.sum(&format!("aisix_deployment_{what}_total"), &labels));
        (counts == [2.0, 1.0, 1.0]).then_some(())
    })
    .await;
}

async fn what_is_in_flight_is_counted_while_it_is(door: Door) {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        let mut caller = gateway.caller().await;
        caller.open(&Request::post("/v1/chat/completions", CHAT_STREAM_REQUEST).bearer(CALLER)).await;
        callers.push(caller);
    }
    assert_eq!(gateway.scrape().await.sum("aisix_proxy_in_flight_requests", &[]), 3.0);
    gate.open();
    for caller in &mut callers {
        caller.events().await;
    }
    eventually("nothing in flight", || async {
        (gateway.scrape().await.sum("aisix_proxy_in_flight_requests", &[]) == 0.0).then_some(())
    })
    .await;
}

async fn a_body_over_the_limit_is_counted(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = door.setup(&upstream).config("proxy.request_body_limit_bytes", 10).start().await;
    assert_eq!(gateway.ask(&chat()).await.status, 413);
    eventually("the rejection", || async {
        let scrape = gateway.scrape().await;
        (scrape.sum("aisix_proxy_request_body_limit_rejections_total", &[]) == 1.0).then_some(())
    })
    .await;
}

async fn the_scrape_page_is_where_the_operator_put_it(door: Door) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway =
        door.setup(&upstream).config("observability.metrics.prometheus.path", "own/path").start().await;
    let answer = Request::get("/own/path").send(gateway.metrics).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").is_some_and(|kind| kind.contains("version=0.0.4")));
    assert_eq!(Request::get("/metrics").send(gateway.metrics).await.status, 404);
}
