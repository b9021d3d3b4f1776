//! Who is let in to the Admin API and what they may do there; what its listener bears.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request};
use crate::support::fixtures::*;
use crate::support::gateway::{command, run};
use crate::support::operated::{Operated, path};

const READER: &str = "sk-admin-who-reads";
const WRITER: &str = "sk-admin-who-writes";

async fn with_operators() -> Operated {
    let operators = json!([
        {"name": "grafana", "key": READER, "read_only": true},
        {"name": "alice", "key": WRITER},
    ]);
    Operated::configured(|setup| setup.config("admin.operators", operators)).await
}

async fn ask(operated: &Operated, method: &'static str, target: &str, key: &str, body: Value) -> Answer {
    let mut request = Request::new(method, target).bearer(key);
    if !body.is_null() {
        request.body = body.to_string().into_bytes();
    }
    request.send(operated.gateway.admin).await
}

#[tokio::test]
async fn who_may_only_read_reads_and_tries_out_and_writes_nothing() {
    let operated = with_operators().await;
    let key = operated.provider_key().await;
    let row = json!({"display_name": "k", "allowed_models": []});
    let place = path("provider_keys", &key);
    assert_eq!(ask(&operated, "GET", &place, READER, Value::Null).await.status, 200);
    for (method, target, body) in [
        ("POST", "/admin/v1/api_keys".to_owned(), row.clone()),
        ("PATCH", place.clone(), json!({"provider": "groq"})),
        ("PUT", place.clone(), json!({})),
        ("DELETE", place.clone(), Value::Null),
        ("DELETE", format!("{place}?force=true&dry_run=false"), Value::Null),
        ("POST", "/admin/v1/revisions/1/rollback".to_owned(), Value::Null),
        ("POST", "/aisix/admin/apikeys".to_owned(), row.clone()),
        (
            "DELETE",
            format!("/aisix/admin/providers/{}?dry_run=true", key["id"].as_str().expect("an id")),
            Value::Null,
        ),
    ] {
        let answer = ask(&operated, method, &target, READER, body).await;
        assert!(matches!(answer.status, 400 | 403), "{method} {target}: {} {}", answer.status, answer.text());
        if answer.status == 403 {
            assert!(answer.text().contains("may only read"), "{}", answer.text());
        }
    }
    let tried = ask(&operated, "DELETE", &format!("{place}?dry_run=true"), READER, Value::Null).await;
    assert_eq!((tried.status, tried.json()["deleted"].clone()), (200, json!(false)));
    assert_eq!(ask(&operated, "GET", &place, READER, Value::Null).await.json(), key, "nothing was written");
}

#[tokio::test]
async fn the_audit_log_names_operators_as_the_configuration_does() {
    let operated = with_operators().await;
    let row = json!({"display_name": "k", "allowed_models": []});
    assert_eq!(ask(&operated, "POST", "/admin/v1/api_keys", WRITER, row).await.status, 200);
    let audit = ask(&operated, "GET", "/admin/v1/audit", READER, Value::Null).await;
    assert_eq!(audit.json()[0]["who"], "alice");
    assert!(!audit.text().contains(WRITER));
}

#[tokio::test]
async fn a_public_address_without_keys_is_a_failure_to_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let run_with = async |admin: Value| {
        let config = json!({
            "proxy": {"addr": "127.0.0.1:0"}, "admin": admin, "store_file": folder.path().join("a.db"),
            "observability": {"metrics": {"prometheus": {"addr": "127.0.0.1:0"}}},
        });
        let file = folder.path().join("aisix.json");
        std::fs::write(&file, config.to_string()).expect("a file");
        let mut command = command(folder.path());
        command.arg("--config").arg(file);
        run(command).await
    };
    let (status, _, stderr) = run_with(json!({"addr": "0.0.0.0:0"})).await;
    assert!(!status.success());
    assert!(stderr.contains("needs at least one key unless admin.addr is a loopback address"), "{stderr}");
    let twice = json!({"addr": "127.0.0.1:0", "admin_keys": ["sk-1-secret"], "operators": [
        {"name": "a", "key": "sk-1-secret", "read_only": true}]});
    let (status, _, stderr) = run_with(twice).await;
    assert!(!status.success() && stderr.contains("admin.operators[0].key: is there twice"), "{stderr}");
    assert!(!stderr.contains("sk-1-secret"), "{stderr}");
}

#[tokio::test]
async fn the_proxy_listener_has_no_surface_for_operators() {
    let operated = Operated::start().await;
    for target in [
        "/admin/v1/models",
        "/admin/openapi.json",
        "/admin/openapi-scalar",
        "/aisix/admin/models",
        "/openapi",
        "/admin/v1/health",
    ] {
        let answer = Request::get(target).bearer(ADMIN).send(operated.gateway.proxy).await;
        assert_eq!(answer.status, 404, "{target}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_body_is_bounded_and_nobody_elses_is_read() {
    let operated = Operated::start().await;
    let huge = vec![b' '; (4 << 20) + 1];
    let mut announced = Request::post("/admin/v1/models", Vec::new()).bearer(ADMIN);
    announced.body.clone_from(&huge);
    let answer = announced.send(operated.gateway.admin).await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    let mut client = Client::connect(operated.gateway.admin).await;
    client.write_anyway(&announced.chunked(64 << 10)).await;
    assert_eq!(client.answer().await.status, 413, "one that does not say how long it is");

    let mut stranger = Client::connect(operated.gateway.admin).await;
    let head = Request { headers: Vec::new(), ..announced }.head_bytes();
    stranger.write(&head).await;
    assert_eq!(stranger.answer().await.status, 401, "before a byte of the body has come");
}

#[tokio::test]
async fn clients_that_dawdle_keep_nobody_else_waiting() {
    let operated = Operated::start().await;
    let row = json!({"display_name": "slow", "allowed_models": []}).to_string();
    let mut slow = Vec::new();
    for _ in 0..20 {
        let request = Request::post("/admin/v1/api_keys", row.clone()).bearer(ADMIN);
        let mut client = Client::connect(operated.gateway.admin).await;
        let bytes = request.bytes();
        client.write(&bytes[..bytes.len() - 1]).await;
        slow.push(client);
        let mut silent = Client::connect(operated.gateway.admin).await;
        silent.write(b"GET /admin/v1/models HTTP/1.1\r\nhost: x\r\n").await;
        slow.push(silent);
    }
    operated.create("api_keys", json!({"display_name": "quick", "allowed_models": []})).await;
    slow[0].write(b"}").await;
    assert_eq!(slow[0].answer().await.status, 200, "and the slow one is served when it is done");
}

#[tokio::test]
async fn a_connection_whose_first_request_does_not_come_is_closed() {
    let operated = Operated::start().await;
    let mut silent = Client::connect(operated.gateway.admin).await;
    let mut halting = Client::connect(operated.gateway.admin).await;
    halting.write(b"GET /admin/v1/models HTTP/1.1\r\nhost: x\r\n").await;
    silent.assert_closed().await;
    halting.assert_closed().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let operated = Operated::start().await;
    let mut client = Client::connect(operated.gateway.admin).await;
    for (request, status) in [
        (Request::get("/admin/v1/models").bearer(ADMIN), 200),
        (Request::post("/admin/v1/models", "[]").bearer(ADMIN), 400),
        (Request::get("/admin/v1/nothing").bearer(ADMIN), 404),
        (Request::get("/livez"), 200),
        (Request::get("/admin/openapi.json"), 200),
    ] {
        client.write(&request.bytes()).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (status, Some("keep-alive")), "{request:?}");
    }
}

#[tokio::test]
async fn a_parameter_or_switch_that_is_misspelt_is_refused() {
    let operated = Operated::start().await;
    let key = operated.provider_key().await;
    let place = path("provider_keys", &key);
    for (method, target, words) in [
        (
            "DELETE",
            format!("{place}?dryrun=true"),
            "unknown parameter \\\"dryrun\\\", did you mean \\\"dry_run\\\"?",
        ),
        ("DELETE", format!("{place}?dry_run=yes"), "dry_run must be true or false"),
        ("GET", "/admin/v1/provider_keys?provder=openai".to_owned(), "did you mean \\\"provider\\\"?"),
        ("GET", "/admin/v1/provider_keys?page_size=0".to_owned(), "page_size must be 1 or more"),
        ("GET", "/admin/v1/audit?limit=-1".to_owned(), "limit must be a whole number"),
    ] {
        let answer = operated.gateway.operate(method, &target, None).await;
        assert_eq!(answer.status, 400, "{target}: {}", answer.text());
        assert!(answer.text().contains(words), "{target}: {}", answer.text());
    }
    assert_eq!(operated.gateway.operate("GET", &place, None).await.status, 200, "it is still there");
}

#[tokio::test]
async fn a_plus_in_a_path_is_no_space() {
    let operated = Operated::start().await;
    let row = json!({"display_name": "k", "allowed_models": []});
    let made = operated.gateway.operate("PUT", "/admin/v1/api_keys/a+b?upsert=true", Some(&row)).await;
    // Without a key or a hash nothing can be made, but the path was understood.
    assert_eq!(made.status, 400, "{}", made.text());
    let row = json!({"display_name": "k", "key": CALLER, "allowed_models": []});
    let made = operated.gateway.operate("PUT", "/admin/v1/api_keys/a+b?upsert=true", Some(&row)).await;
    assert_eq!((made.status, made.json()["id"].clone()), (200, json!("a+b")), "{}", made.text());
    let read = operated.gateway.operate("GET", "/admin/v1/api_keys/a%2Bb", None).await;
    assert_eq!(read.status, 200);
}

#[tokio::test]
async fn lists_are_filtered_by_members() {
    let operated = Operated::start().await;
    operated.provider_key().await;
    let body = json!({"display_name": "claude", "provider": "anthropic", "api_key": ANTHROPIC_SECRET});
    operated.create("provider_keys", body).await;
    let names = async |query: &str| {
        let target = format!("/admin/v1/provider_keys?{query}");
        let rows = operated.gateway.operate("GET", &target, None).await.json();
        let rows = rows.as_array().expect("a list").clone();
        rows.iter()
            .map(|row| row["value"]["display_name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("provider=anthropic").await, ["claude"]);
    assert_eq!(names("provider=openai&name=up").await, ["up"]);
    assert!(names("provider=openai&name=claude").await.is_empty());
    assert_eq!(names("page_size=2").await.len(), 2);
    // A secret is no filter: it could be guessed piece by piece.
    let guess = operated.gateway.operate("GET", "/admin/v1/provider_keys?api_key=sk", None).await;
    assert_eq!(guess.status, 400, "{}", guess.text());
}

#[tokio::test]
async fn no_log_holds_an_admin_key() {
    let mut operated = Operated::configured(|setup| {
        let operators = json!([{"name": "alice", "key": WRITER}]);
        setup.config("observability.log_level", "debug").config("admin.operators", operators)
    })
    .await;
    operated.provider_key().await;
    for key in [ADMIN, WRITER, "sk-wrong-but-still-somebodys"] {
        for target in
            ["/admin/v1/models", "/admin/v1/nothing", "/aisix/admin/models", "/admin/v1/models/status"]
        {
            Request::get(target).bearer(key).send(operated.gateway.admin).await;
            Request::get(target).header("authorization", key).send(operated.gateway.admin).await;
            Request::get(&format!("{target}?key={key}"))
                .header("x-api-key", key)
                .send(operated.gateway.admin)
                .await;
        }
        Request::post("/admin/v1/models", "{").bearer(key).send(operated.gateway.admin).await;
    }
    operated.gateway.signal(rustix::process::Signal::TERM);
    operated.gateway.exit().await;
    let log = operated.gateway.log.all().join("\n");
    for secret in [ADMIN, WRITER, "sk-wrong-but-still-somebodys", OPENAI_SECRET] {
        assert!(!log.contains(secret), "{log}");
    }
}
