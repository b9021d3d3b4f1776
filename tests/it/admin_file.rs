//! The Admin API where resources come from a file: it reads them, and says where to change them.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn start() -> (Gateway, Setup) {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let setup = || Setup::new(&upstream).config("admin.admin_keys", json!([ADMIN]));
    (setup().start().await, setup())
}

async fn status(gateway: &Gateway) -> Value {
    Request::get("/status/config").send(gateway.metrics).await.json()
}

#[tokio::test]
async fn rows_of_a_file_are_listed_and_read_with_their_secrets_masked() {
    let (gateway, _) = start().await;
    let models = gateway.operate("GET", "/admin/v1/models?name=chat", None).await.json();
    let id = models[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(models[0]["revision"], 1);
    let keys = gateway.operate("GET", "/admin/v1/provider_keys", None).await;
    assert!(!keys.text().contains(OPENAI_SECRET), "{}", keys.text());
    assert!(keys.text().contains("********"), "{}", keys.text());
    let one = gateway.operate("GET", &format!("/admin/v1/models/{id}"), None).await;
    assert_eq!((one.status, one.header("etag")), (200, Some("\"1\"")));
    let value = &one.json()["value"];
    assert!(
        value["provider_key_id"].is_string() && value["provider_key"].is_null(),
        "as it would be stored: {value}"
    );
    assert_eq!(gateway.operate("GET", "/admin/v1/audit", None).await.json(), json!([]));
}

#[tokio::test]
async fn a_write_is_refused_with_the_file_to_change_and_how_to_have_it_read() {
    let (gateway, _) = start().await;
    let row = json!({"display_name": "k", "allowed_models": []});
    let refused = gateway.operate("POST", "/admin/v1/api_keys", Some(&row)).await;
    assert_eq!(refused.status, 409);
    for words in ["resources.yaml", "SIGHUP"] {
        assert!(refused.text().contains(words), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_reload_counts_a_generation_when_it_is_good_and_keeps_what_is_served_when_not() {
    let (gateway, setup) = start().await;
    let before = status(&gateway).await;
    assert_eq!((&before["state"], &before["source"]["type"]), (&json!("synced"), &json!("file")));
    assert_eq!(
        (&before["applied"]["applied_revision"], &before["applied"]["apply_seq"]),
        (&json!(1), &json!(1))
    );
    gateway.write_resources(&setup.resources);
    gateway.reload();
    gateway.log.containing("configuration reloaded").await;
    let same = eventually("a generation", || async {
        let page = status(&gateway).await;
        (page["applied"]["applied_revision"] == 2).then_some(page)
    })
    .await;
    assert_eq!(same["applied"]["config_hash"], before["applied"]["config_hash"]);
    assert_eq!(same["source"]["source_hash"], before["source"]["source_hash"]);

    std::fs::write(gateway.folder.path().join("resources.yaml"), "surprise: []\n").expect("a file");
    gateway.reload();
    gateway.log.containing("reload failed").await;
    let refused = eventually("the refusal", || async {
        let page = status(&gateway).await;
        (page["state"] == "out_of_sync").then_some(page)
    })
    .await;
    assert_eq!(refused["last_failure"]["last_error_kind"], "validate");
    assert_eq!(refused["last_reload"]["successful"], false);
    assert_eq!(refused["applied"]["applied_revision"], 2);
    let scrape = gateway.scrape().await;
    assert_eq!(scrape.sum("aisix_config_reload_failures_total", &[]), 1.0);
    assert_eq!(scrape.sum("aisix_config_reloads_total", &[]), 1.0);

    gateway.write_resources(&setup.model("fresh", json!({})).resources);
    gateway.reload();
    let after = eventually("the next generation", || async {
        let page = status(&gateway).await;
        (page["state"] == "synced").then_some(page)
    })
    .await;
    assert_eq!(after["applied"]["applied_revision"], 3);
    assert_ne!(after["applied"]["config_hash"], before["applied"]["config_hash"]);
    let listed = gateway.operate("GET", "/admin/v1/models", None).await.json();
    let revisions: Vec<_> =
        listed.as_array().expect("a list").iter().map(|row| row["revision"].as_u64()).collect();
    assert_eq!(revisions.iter().filter(|revision| **revision == Some(3)).count(), 1, "{listed}");
}
