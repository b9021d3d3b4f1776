//! Rows as they lie in etcd, good and bad.

use serde_json::{Value, json};

use super::*;
use crate::support::etcd::until_said;
use crate::support::eventually;

#[tokio::test]
async fn a_row_lies_in_etcd_as_bare_json_under_its_collection_and_id() {
    let fleet = Fleet::serving(1).await;
    let listed = fleet.gateway().operate("GET", "/admin/v1/provider_keys", None).await.json();
    let id = listed[0]["id"].as_str().expect("an id");
    let stored: Value =
        serde_json::from_str(&fleet.etcd.get(&format!("/aisix/provider_keys/{id}")).await).expect("JSON");
    assert_eq!(stored, fleet.provider_key());
    let keys = fleet.etcd.ctl(&["get", "--prefix", "/aisix/", "--keys-only"]).await;
    let rows = keys.lines().filter(|key| !key.is_empty() && !key.starts_with("/aisix/.aisix/")).count();
    assert_eq!(rows, 3, "{keys}");
}

#[tokio::test]
async fn rows_survive_the_gateway_and_every_write_can_be_taken_back() {
    let mut fleet = Fleet::serving(1).await;
    let good =
        fleet.gateway().operate("GET", "/admin/v1/audit?limit=1", None).await.json()[0]["revision"].clone();
    let key = fleet.gateway().operate("GET", "/admin/v1/api_keys", None).await.json()[0]["id"].clone();
    let place = format!("/admin/v1/api_keys/{}", key.as_str().expect("an id"));
    assert_eq!(fleet.gateway().operate("DELETE", &place, None).await.status, 200);
    assert_eq!(chat(fleet.gateway(), CALLER).await.status, 401);

    // Another gateway on the same etcd, as after a restart.
    let next = fleet.setup(&[fleet.etcd.endpoint()]).start().await;
    fleet.gateways = vec![next];
    assert_eq!(chat(fleet.gateway(), CALLER).await.status, 401);
    let audit = fleet.gateway().operate("GET", "/admin/v1/audit", None).await.json();
    let actions: Vec<_> = audit.as_array().expect("a list").iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["delete", "create", "create", "create"]);
    let before = audit[1]["revision"].as_u64().expect("a revision");
    let earlier =
        fleet.gateway().operate("GET", &format!("/admin/v1/audit?before={before}"), None).await.json();
    assert_eq!(earlier.as_array().map(Vec::len), Some(2));
    let back = fleet.gateway().operate("POST", &format!("/admin/v1/revisions/{good}/rollback"), None).await;
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(chat(fleet.gateway(), CALLER).await.status, 200);

    let revision = fleet.etcd.revision().await;
    fleet.etcd.ctl(&["compact", &revision.to_string()]).await;
    let forgotten = fleet.gateway().operate("GET", &format!("/admin/v1/revisions/{good}"), None).await;
    assert_eq!(forgotten.status, 404, "{}", forgotten.text());
}

#[tokio::test]
async fn what_somebody_else_writes_is_served() {
    let fleet = Fleet::serving(1).await;
    let hash = "7f56ea3ae23aaf2a1ac0e6ed1cbbfc92d8b94fbcf8d36b9ff5ba5b9be7b1a6d6";
    let row = json!({"display_name": "by hand", "key_hash": hash, "allowed_models": ["*"]});
    fleet.etcd.put("/aisix/api_keys/by-hand", &row.to_string()).await;
    eventually("the row", || async {
        let row = fleet.gateway().operate("GET", "/admin/v1/api_keys/by-hand", None).await;
        (row.status == 200).then_some(())
    })
    .await;
    // A caller's key, renamed behind the gateway's back, and deleted.
    let key = fleet.gateway().operate("GET", "/admin/v1/api_keys?name=k", None).await.json();
    let place = format!("/aisix/api_keys/{}", key[0]["id"].as_str().expect("an id"));
    fleet.etcd.ctl(&["del", &place]).await;
    until_chat_is(fleet.gateway(), CALLER, 401).await;
}

#[tokio::test]
async fn a_bad_row_is_left_out_alone_and_keeps_its_last_good_form() {
    let fleet = Fleet::serving(1).await;
    let models = fleet.gateway().operate("GET", "/admin/v1/models", None).await.json();
    let place = format!("/aisix/models/{}", models[0]["id"].as_str().expect("an id"));
    let good = fleet.etcd.get(&place).await;
    let log = &fleet.gateway().log;
    for (key, value, said) in [
        (place.as_str(), "{\"display_name\": ", "is not JSON"),
        (place.as_str(), "{\"display_name\": 3}", "a stored row cannot be served"),
        ("/aisix/models", "{}", "its key is not <collection>/<id>"),
        ("/aisix/unheard_of/x", "{}", "is of a kind that this version does not know"),
    ] {
        let from = log.all().len();
        fleet.etcd.put(key, value).await;
        until_said(log, from, said).await;
        assert_eq!(chat(fleet.gateway(), CALLER).await.status, 200, "{key}");
    }
    // Others are not held up by them, and a good form ends it.
    let (_, key) = new_key(fleet.gateway(), "after").await;
    assert_eq!(chat(fleet.gateway(), &key).await.status, 200);
    fleet.etcd.put(&place, &good.replace("\"chat\"", "\"talk\"")).await;
    until_chat_is(fleet.gateway(), CALLER, 404).await;

    // A gateway that never saw a good form serves all the others.
    fleet.etcd.put(&place, "not json at all").await;
    let late = fleet.setup(&[fleet.etcd.endpoint()]).start().await;
    assert_eq!(chat(&late, &key).await.status, 404);
    until_said(&late.log, 0, "is not JSON").await;
}

#[tokio::test]
async fn a_write_of_more_rows_than_a_transaction_has_operations_is_one_write_all_the_same() {
    let fleet = Fleet::serving(2).await;
    let revision =
        fleet.gateway().operate("GET", "/admin/v1/audit?limit=1", None).await.json()[0]["revision"].clone();
    let mut keys = Vec::new();
    for number in 0..200 {
        keys.push(new_key(fleet.gateway(), &format!("k{number}")).await);
    }
    let before = fleet.etcd.revision().await;
    let back =
        fleet.gateway().operate("POST", &format!("/admin/v1/revisions/{revision}/rollback"), None).await;
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(fleet.etcd.revision().await, before + 1, "one revision for all rows");
    for gateway in &fleet.gateways {
        until_chat_is(gateway, &keys[199].1, 401).await;
        assert_eq!(chat(gateway, &keys[0].1).await.status, 401);
        assert_eq!(chat(gateway, CALLER).await.status, 200);
    }
}
