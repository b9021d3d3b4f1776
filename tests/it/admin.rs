//! The Admin API over a database: what is written there is served at once, and is still there after any end.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::fixtures::*;
use crate::support::operated::{Operated, path};

#[tokio::test]
async fn rows_that_are_written_are_served_by_the_next_request() {
    let operated = Operated::start().await;
    operated.provider_key().await;
    operated.model().await;
    let key = operated.create("api_keys", json!({"display_name": "k", "allowed_models": ["chat"]})).await;
    let plaintext = key["plaintext"].as_str().expect("a key is made where none is given").to_owned();
    assert!(plaintext.starts_with("sk-") && plaintext.len() == 35, "{plaintext}");
    assert_eq!(operated.chat(&plaintext).await.status, 200);

    let read = operated.gateway.operate("GET", &path("api_keys", &key), None).await;
    assert!(!read.text().contains(&plaintext), "a key is shown once");
    let rotated = operated.gateway.operate("POST", &(path("api_keys", &key) + "/rotate"), None).await.json();
    let fresh = rotated["plaintext"].as_str().expect("the new key");
    assert_eq!(operated.chat(&plaintext).await.status, 401);
    assert_eq!(operated.chat(fresh).await.status, 200);

    let disabled = json!({"disabled": true});
    operated.gateway.operate("PATCH", &path("api_keys", &key), Some(&disabled)).await;
    assert_eq!(operated.chat(fresh).await.error_field("code"), "api_key_disabled");
    let gone = operated.gateway.operate("DELETE", &path("api_keys", &key), None).await;
    assert_eq!((gone.status, gone.json()["deleted"].clone()), (200, json!(true)));
    assert_eq!(operated.chat(fresh).await.status, 401);
}

#[tokio::test]
async fn secrets_are_masked_and_a_mask_that_comes_back_changes_nothing() {
    let operated = Operated::start().await;
    let key = operated.provider_key().await;
    operated.model().await;
    operated.create("api_keys", json!({"display_name": "k", "key": CALLER, "allowed_models": ["*"]})).await;
    let mut read = operated.gateway.operate("GET", &path("provider_keys", &key), None).await.json();
    assert_eq!(read["value"]["api_key"], "********");
    read["value"]["provider"] = json!("deepseek");
    let replaced = operated.gateway.operate("PUT", &path("provider_keys", &key), Some(&read["value"])).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text());
    assert_eq!(operated.chat(CALLER).await.status, 200);
    let last = operated.upstream.request(0).await;
    assert_eq!(last.header("authorization"), Some(format!("Bearer {OPENAI_SECRET}").as_str()));
    let listed = operated.gateway.operate("GET", "/admin/v1/provider_keys", None).await;
    assert!(!listed.text().contains(OPENAI_SECRET), "{}", listed.text());
}

#[tokio::test]
async fn what_does_not_fit_is_refused_in_words() {
    let operated = Operated::start().await;
    let key = operated.provider_key().await;
    let model = operated.model().await;
    let model_row =
        json!({"display_name": "chat", "provider": "openai", "model_name": "x", "provider_key": "up"});
    let table: &[(&str, &str, Value, u16, &str)] = &[
        (
            "POST",
            "models",
            json!({"display_name": "m", "provder": "openai"}),
            400,
            "provder: unknown key, did you mean",
        ),
        ("POST", "models", model_row, 409, "has the name of the model \"chat\""),
        (
            "POST",
            "models",
            json!({"display_name": "r", "routing": {"targets": [{"model": "chta"}]}}),
            400,
            "unknown model \"chta\", did you mean \"chat\"?",
        ),
        (
            "POST",
            "cache_policies",
            json!({"name": "c", "ttl_seconds": 0}),
            400,
            "ttl_seconds: must be from 1 to 604800",
        ),
        ("POST", "api_keys", json!({"allowed_models": [], "key": "short"}), 400, "at least 8 characters"),
        ("POST", "nothing", json!({}), 404, "nothing at this path"),
        ("POST", "models", json!([]), 400, "one JSON object"),
        ("PUT", "models/none", json!({}), 404, "resource not found"),
    ];
    for (method, place, body, status, words) in table {
        let answer = operated.gateway.operate(method, &format!("/admin/v1/{place}"), Some(body)).await;
        let message = answer.json()["error_msg"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status, *status, "{place} {body}: {message}");
        assert!(message.contains(words), "{place} {body}: {message}");
    }
    let used = operated.gateway.operate("DELETE", &path("provider_keys", &key), None).await;
    assert_eq!(used.status, 409);
    assert!(used.text().contains("models \\\"chat\\\""), "{}", used.text());
    let renamed = json!({"display_name": "talk"});
    operated
        .create("models", json!({"display_name": "r", "routing": {"targets": [{"model": "chat"}]}}))
        .await;
    let renaming = operated.gateway.operate("PATCH", &path("models", &model), Some(&renamed)).await;
    assert_eq!(renaming.status, 409, "others would name nothing: {}", renaming.text());
    let tried = operated
        .gateway
        .operate("DELETE", &(path("models", &model) + "?force=true&dry_run=true"), None)
        .await;
    assert_eq!(tried.json()["broken"], json!([{"collection": "models", "name": "r"}]));
    assert_eq!(operated.gateway.operate("GET", &path("models", &model), None).await.status, 200);
}

#[tokio::test]
async fn a_write_on_something_that_has_changed_meanwhile_is_refused() {
    let operated = Operated::start().await;
    let key = operated.provider_key().await;
    let place = path("provider_keys", &key);
    let read = operated.gateway.operate("GET", &place, None).await;
    let tag = read.header("etag").expect("a tag").to_owned();
    let patch = |provider: &str, tag: &str| {
        let mut request = Request::new("PATCH", &place).bearer(ADMIN).header("if-match", tag);
        request.body = json!({"provider": provider}).to_string().into_bytes();
        request
    };
    assert_eq!(patch("mistral", &tag).send(operated.gateway.admin).await.status, 200);
    assert_eq!(patch("groq", &tag).send(operated.gateway.admin).await.status, 412);
    let unchanged =
        Request::get(&place).bearer(ADMIN).header("if-none-match", &tag).send(operated.gateway.admin).await;
    assert_eq!((unchanged.status, unchanged.json()["value"]["provider"].clone()), (200, json!("mistral")));
}

#[tokio::test]
async fn nobody_without_an_admin_key_is_let_in() {
    let operated = Operated::start().await;
    for request in [
        Request::get("/admin/v1/models"),
        Request::get("/admin/v1/models").bearer("sk-guess"),
        Request::get("/admin/v1/models").header("authorization", ADMIN).header("x-api-key", ADMIN),
    ] {
        let answer = request.send(operated.gateway.admin).await;
        assert_eq!(answer.status, 401, "{request:?}");
        assert_eq!(answer.json(), json!({"error_msg": "missing or malformed admin authorization"}));
    }
    let bare = Request::get("/admin/v1/models").header("x-api-key", ADMIN).send(operated.gateway.admin).await;
    assert_eq!((bare.status, bare.json()), (200, json!([])));
    assert_eq!(Request::get("/admin/v1/models").bearer(ADMIN).send(operated.gateway.proxy).await.status, 404);
}

#[tokio::test]
async fn pages_follow_one_another() {
    let operated = Operated::start().await;
    for number in 0..5 {
        operated
            .create("api_keys", json!({"display_name": format!("k{number}"), "allowed_models": []}))
            .await;
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let target = format!("/admin/v1/apikeys?page_size=2&page_token={token}");
        let page = operated.gateway.operate("GET", &target, None).await;
        let rows = page.json();
        let rows = rows.as_array().expect("a list").clone();
        assert!(rows.len() <= 2);
        seen.extend(rows.iter().map(|row| row["value"]["display_name"].as_str().expect("a name").to_owned()));
        match page.header("x-next-page-token") {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["k0", "k1", "k2", "k3", "k4"]);
    let named = operated.gateway.operate("GET", "/admin/v1/api_keys?name=k3", None).await.json();
    assert_eq!(named.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let mut operated = Operated::start().await;
    let mut acknowledged = Vec::new();
    // More by hand: AISIX_KILLS=200.
    let rounds = std::env::var("AISIX_KILLS").map_or(20, |rounds| rounds.parse().expect("a number"));
    for round in 0..rounds {
        for number in 0..round % 4 + 1 {
            let name = format!("k{round}-{number}");
            let row = operated.create("api_keys", json!({"display_name": name, "allowed_models": []})).await;
            acknowledged.push((row["id"].clone(), row["revision"].clone()));
        }
        // One more is under way when the end comes.
        let dying = operated.gateway.admin;
        let body = json!({"display_name": format!("last {round}"), "allowed_models": []}).to_string();
        let write = tokio::spawn(async move {
            let mut client = crate::support::client::Client::connect(dying).await;
            client.write_anyway(&Request::post("/admin/v1/api_keys", body).bearer(ADMIN).bytes()).await;
        });
        write.await.expect("it is written");
        operated = operated.restarted(Signal::KILL).await;
        let listed = operated.gateway.operate("GET", "/admin/v1/api_keys", None).await.json();
        let there: Vec<(Value, Value)> = listed
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| (row["id"].clone(), row["revision"].clone()))
            .collect();
        for row in &acknowledged {
            assert!(there.contains(row), "round {round}: {row:?} is lost");
        }
    }
}

#[tokio::test]
async fn the_openapi_document_holds_all_that_it_refers_to() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let operated = Operated::start().await;
    let document = Request::get("/admin/openapi.json").send(operated.gateway.admin).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("it is in this document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    assert!(document.pointer("/paths/~1admin~1v1~1api_keys~1{id}~1rotate/post").is_some());
}

#[tokio::test]
async fn every_write_is_in_the_audit_log_and_can_be_taken_back() {
    let operated = Operated::start().await;
    let key = operated.provider_key().await;
    let model = operated.model().await;
    operated.create("api_keys", json!({"display_name": "k", "key": CALLER, "allowed_models": ["*"]})).await;
    let good =
        operated.gateway.operate("GET", "/admin/v1/audit?limit=1", None).await.json()[0]["revision"].clone();
    let wrong = json!({"api_key": "sk-of-someone-else"});
    operated.gateway.operate("PATCH", &path("provider_keys", &key), Some(&wrong)).await;
    operated.gateway.operate("DELETE", &path("models", &model), None).await;
    assert_eq!(operated.chat(CALLER).await.status, 404);

    let audit = operated.gateway.operate("GET", "/admin/v1/audit", None).await;
    for secret in [OPENAI_SECRET, CALLER, "sk-of-someone-else"] {
        assert!(!audit.text().contains(secret), "{}", audit.text());
    }
    let entries = audit.json();
    let actions: Vec<_> = entries.as_array().expect("a list").iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["delete", "patch", "create", "create", "create"]);
    assert_eq!(entries[0]["who"], "admin key 1");
    assert_eq!(entries[0]["changes"][0]["before"]["display_name"], "chat");

    let diff = operated.gateway.operate("GET", &format!("/admin/v1/revisions/{good}"), None).await.json();
    assert_eq!(diff["changes"].as_array().map(Vec::len), Some(2), "{diff}");
    let back = operated.gateway.operate("POST", &format!("/admin/v1/revisions/{good}/rollback"), None).await;
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(operated.chat(CALLER).await.status, 200);
    let sent = operated.upstream.last();
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {OPENAI_SECRET}").as_str()));
    assert_eq!(operated.gateway.operate("GET", "/admin/v1/revisions/999", None).await.status, 404);
}
