//! A dry run tells what would be different and who would lose what, and changes nothing.

use serde_json::{Value, json};

use crate::support::fixtures::*;
use crate::support::operated::{Operated, path};

/// Provider key `up`, the models `chat` and `spare` on it, `either` that leads to `chat` or `other`, and three callers.
async fn populated() -> (Operated, Value) {
    let operated = Operated::start().await;
    let key = operated.provider_key().await;
    operated.model().await;
    let spare =
        json!({"display_name": "spare", "provider": "openai", "model_name": "m", "provider_key": "up"});
    operated.create("models", spare).await;
    let mut body = json!({"display_name": "down", "provider": "openai", "api_key": OPENAI_SECRET});
    operated.create("provider_keys", body.clone()).await;
    body = json!({"display_name": "other", "provider": "openai", "model_name": "m", "provider_key": "down"});
    operated.create("models", body).await;
    let either =
        json!({"display_name": "either", "routing": {"targets": [{"model": "chat"}, {"model": "other"}]}});
    operated.create("models", either).await;
    for (name, models) in
        [("all", json!(["*"])), ("chatter", json!(["chat", "either"])), ("off", json!(["*"]))]
    {
        let row = json!({"display_name": name, "allowed_models": models, "disabled": name == "off"});
        operated.create("api_keys", row).await;
    }
    (operated, key)
}

/// The names of those who lose something, and what.
fn losses(effects: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let callers = effects["callers"].as_array().expect("callers").iter();
    let mut losses: Vec<_> = callers
        .map(|caller| {
            let aliases = caller["aliases_lost"].as_array().expect("aliases").iter().map(text).collect();
            (text(&caller["name"]), aliases)
        })
        .collect();
    losses.sort();
    losses
}

fn loss(name: &str, aliases: &[&str]) -> (String, Vec<String>) {
    (name.to_owned(), aliases.iter().map(|alias| (*alias).to_owned()).collect())
}

#[tokio::test]
async fn a_deletion_tried_out_names_aliases_and_callers_who_would_lose_them() {
    let (operated, key) = populated().await;
    let place = path("provider_keys", &key);
    let refused = operated.gateway.operate("DELETE", &format!("{place}?dry_run=true"), None).await;
    assert_eq!(refused.status, 409, "as the deletion itself would be");
    let forced = operated.gateway.operate("DELETE", &format!("{place}?dry_run=true&force=true"), None).await;
    assert_eq!((forced.status, forced.json()["deleted"].clone()), (200, json!(false)));
    for page in [refused.json(), forced.json()] {
        let effects = &page["effects"];
        assert_eq!(effects["aliases_lost"], json!(["chat", "spare"]), "{page}");
        assert_eq!(losses(effects), [loss("all", &["chat", "spare"]), loss("chatter", &["chat"])]);
        assert_eq!(effects["changes"][0]["before"]["api_key"], "********");
        assert_eq!(effects["changes"][0]["after"], Value::Null);
        assert_eq!(effects["broken"][0], json!({"collection": "models", "name": "chat"}));
    }
    assert_eq!(operated.gateway.operate("GET", &place, None).await.status, 200, "nothing is gone");
}

#[tokio::test]
async fn a_change_tried_out_names_who_would_be_able_to_do_less() {
    let (operated, _) = populated().await;
    let rows = operated.gateway.operate("GET", "/admin/v1/api_keys?name=all", None).await.json();
    let place = path("api_keys", &rows[0]);
    let tried = async |body: Value| {
        let answer = operated.gateway.operate("PATCH", &format!("{place}?dry_run=true"), Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        losses(&answer.json()["effects"])
    };
    assert_eq!(
        tried(json!({"allowed_models": ["chat"]})).await,
        [loss("all", &["either", "other", "spare"])]
    );
    assert_eq!(tried(json!({"disabled": true})).await, [loss("all", &["chat", "either", "other", "spare"])]);
    assert!(tried(json!({"display_name": "everyone"})).await.is_empty());
    let rotated = operated.gateway.operate("POST", &format!("{place}/rotate?dry_run=true"), None).await;
    assert_eq!(losses(&rotated.json()["effects"]).len(), 1, "whoever holds the present key");
    assert!(rotated.json().get("plaintext").is_none(), "no key was made: {}", rotated.text());
}

#[tokio::test]
async fn a_key_that_is_not_made_is_not_shown() {
    let operated = Operated::start().await;
    let row = json!({"display_name": "k", "allowed_models": []});
    let tried = operated.gateway.operate("POST", "/admin/v1/api_keys?dry_run=true", Some(&row)).await;
    assert_eq!(tried.status, 200, "{}", tried.text());
    assert!(tried.json().get("plaintext").is_none(), "{}", tried.text());
    assert_eq!(tried.json()["effects"]["changes"][0]["before"], Value::Null);
    let listed = operated.gateway.operate("GET", "/admin/v1/api_keys", None).await.json();
    assert_eq!(listed, json!([]));
    let given = json!({"display_name": "k", "key": CALLER, "allowed_models": []});
    let target = "/admin/v1/api_keys/x?upsert=true&dry_run=true";
    let upserted = operated.gateway.operate("PUT", target, Some(&given)).await;
    assert!(!upserted.text().contains(CALLER));
}

#[tokio::test]
async fn going_back_can_be_tried_out_too() {
    let (operated, _) = populated().await;
    let tried = operated.gateway.operate("POST", "/admin/v1/revisions/2/rollback?dry_run=true", None).await;
    assert_eq!(tried.status, 200, "{}", tried.text());
    assert_eq!(tried.json()["effects"]["aliases_lost"], json!(["either", "other", "spare"]));
    assert_eq!(
        operated.gateway.operate("GET", "/admin/v1/models", None).await.json().as_array().map(Vec::len),
        Some(4)
    );
}
