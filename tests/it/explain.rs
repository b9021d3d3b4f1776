//! Why a request goes where it goes: told to operators before it is sent, and to callers who may know after.

use serde_json::{Value, json};

use crate::support::client::{Answer, Request};
use crate::support::door::{Door, through_every_door};
use crate::support::eventually;
use crate::support::fixtures::*;
use crate::support::gateway::{Gateway, command, run};
use crate::support::metrics::Scrape;
use crate::support::replies;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

through_every_door! {
    callers_who_may_are_told_how_a_request_was_routed_and_nobody_else,
}

const READER: &str = "sk-admin-who-reads";
const CURIOUS: &str = "sk-caller-who-may-ask";

/// `turns` goes to `chat` and `second` in turn; `smart` to `chat`, and to `second` when that fails.
fn setup(setup: Setup) -> Setup {
    let targets = json!([{"model": "chat"}, {"model": "second"}]);
    setup
        .model("second", json!({"model_name": "gpt-second"}))
        .row(
            "models",
            json!({"display_name": "turns", "routing": {"strategy": "round_robin", "targets": targets}}),
        )
        .row("models", json!({"display_name": "smart", "routing": {"targets": targets}}))
        .api_key("narrow", "sk-caller-of-chat-alone", json!({"allowed_models": ["chat"]}))
        .api_key("curious", CURIOUS, json!({"allowed_models": ["*"], "allow_explain": true}))
        .config("admin.admin_keys", json!([ADMIN]))
        .config("admin.operators", json!([{"name": "grafana", "key": READER, "read_only": true}]))
}

async fn explain(gateway: &Gateway, question: Value) -> Value {
    let answer = gateway.operate("POST", "/admin/v1/explain", Some(&question)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for secret in [OPENAI_SECRET, ANTHROPIC_SECRET, CALLER, CURIOUS] {
        assert!(!answer.text().contains(secret), "{}", answer.text());
    }
    answer.json()
}

async fn ask(gateway: &Gateway, model: &str, key: &str) -> Answer {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    gateway.ask(&Request::post("/v1/chat/completions", body.to_string()).bearer(key)).await
}

fn targets(told: &Value) -> Vec<&str> {
    told["targets"]
        .as_array()
        .expect("targets")
        .iter()
        .filter_map(|target| target["model"].as_str())
        .collect()
}

#[tokio::test]
async fn explaining_moves_nothing_and_says_what_the_next_request_does() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(Setup::new(&upstream)).start().await;
    let mut served = Vec::new();
    for _ in 0..4 {
        let told = explain(&gateway, json!({"model": "turns", "caller_key": "alice"})).await;
        let again = explain(&gateway, json!({"model": "turns", "caller_key": "alice"})).await;
        assert_eq!(targets(&told), targets(&again));
        assert_eq!((&told["served"], &told["strategy"]), (&json!(true), &json!("round_robin")), "{told}");
        assert_eq!(told["access"], json!({"allowed": true}));
        assert_eq!(told["candidates"][0]["verdict"], "chosen", "{told}");
        assert_eq!(told["targets"][0]["provider"], "openai", "{told}");
        let answer = ask(&gateway, "turns", CALLER).await;
        assert_eq!(answer.header("x-aisix-served-by"), Some(targets(&told)[0]), "{told}");
        served.push(targets(&told)[0].to_owned());
    }
    assert!(served[0] != served[1] && served[0] == served[2] && served[1] == served[3], "{served:?}");
    assert_eq!(upstream.count(), 4, "nothing was sent to explain");
    let counted = |scrape: &Scrape| scrape.sum("aisix_proxy_requests_total", &[]) == 4.0;
    eventually("four requests", || async { Some(gateway.scrape().await).filter(counted) }).await;
}

#[tokio::test]
async fn who_may_not_use_an_alias_and_what_leads_nowhere_is_told_with_the_reason() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(Setup::new(&upstream)).start().await;
    let denied = explain(&gateway, json!({"model": "smart", "caller_key": "narrow"})).await;
    assert_eq!((&denied["served"], &denied["access"]["allowed"]), (&json!(false), &json!(false)));
    assert_eq!(denied["access"]["refusal"]["status"], 403, "{denied}");
    assert_eq!(targets(&denied), ["chat", "second"], "where it would go is told all the same");
    let unknown = explain(&gateway, json!({"model": "nothing"})).await;
    assert_eq!((&unknown["served"], &unknown["refusal"]["status"]), (&json!(false), &json!(404)));
    for (question, what) in [
        (json!({"model": "chat", "caller_key": "nobody"}), "nobody"),
        (json!({"model": "chat", "dialect": "klingon"}), "klingon"),
        (json!({"modell": "chat"}), "modell"),
        (json!([]), "object"),
        (json!({"model": "chat", "proposed": {"modells": []}}), "modells"),
    ] {
        let answer = gateway.operate("POST", "/admin/v1/explain", Some(&question)).await;
        assert_eq!(answer.status, 400, "{question}");
        assert!(answer.text().contains(what), "{question}: {}", answer.text());
    }
    let ask = |method: &'static str, key: &str| {
        let mut request = Request::new(method, "/admin/v1/explain").bearer(key);
        request.body = json!({"model": "chat"}).to_string().into_bytes();
        request
    };
    assert_eq!(ask("POST", READER).send(gateway.admin).await.status, 200, "to ask is to read");
    assert_eq!(ask("GET", ADMIN).send(gateway.admin).await.status, 405);
    assert_eq!(ask("POST", CALLER).send(gateway.admin).await.status, 401);
}

#[tokio::test]
async fn a_drained_and_a_failing_target_are_told_with_their_state() {
    let upstream = Upstream::doing(replies::json(503, "{}")).await;
    let gateway = setup(Setup::new(&upstream)).start().await;
    ask(&gateway, "chat", CALLER).await;
    gateway.operate("POST", "/admin/v1/models/second/drain", None).await;
    let told = explain(&gateway, json!({"model": "smart"})).await;
    let candidate = |name: &str| {
        let all = told["candidates"].as_array().expect("candidates");
        all.iter().find(|one| one["model"] == name).unwrap_or_else(|| panic!("{name} in {told}"))
    };
    assert_eq!(candidate("second")["verdict"], "dropped", "{told}");
    assert_eq!(candidate("second")["dropped_for"], "drained", "{told}");
    assert_eq!(candidate("chat")["circuit"], "open", "{told}");
}

#[tokio::test]
async fn proposed_rows_are_answered_for_and_change_nothing() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(Setup::new(&upstream)).start().await;
    let proposed = |target: &str| {
        let row = json!({"display_name": "smart", "routing": {"targets": [{"model": target}]}});
        json!({"model": "smart", "proposed": {"models": [row]}})
    };
    let told = explain(&gateway, proposed("claude")).await;
    assert_eq!(
        (targets(&told), &told["targets"][0]["provider"]),
        (vec!["claude"], &json!("anthropic")),
        "{told}"
    );
    let new = json!({"model": "new", "proposed": {"provider_keys": [{"display_name": "p", "provider": "groq", "api_key": "${GROQ}"}],
        "models": [{"display_name": "new", "provider": "groq", "model_name": "m", "provider_key": "p"}]}});
    let told = explain(&gateway, new).await;
    assert_eq!(
        (&told["targets"][0]["provider"], &told["targets"][0]["upstream_model"]),
        (&json!("groq"), &json!("m")),
        "{told}"
    );
    let wrong = gateway.operate("POST", "/admin/v1/explain", Some(&proposed("nowhere"))).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("nowhere"), "{}", wrong.text());
    let told = explain(&gateway, json!({"model": "smart"})).await;
    assert_eq!(targets(&told), ["chat", "second"], "what is served stays");
    assert_eq!(ask(&gateway, "new", CALLER).await.status, 404);
}

async fn callers_who_may_are_told_how_a_request_was_routed_and_nobody_else(door: Door) {
    let upstream = Upstream::queue([replies::json(503, "{}")]).await;
    upstream.always(replies::json(200, CHAT_ANSWER));
    let gateway = setup(door.setup(&upstream)).start().await;
    let request = |model: &str, stream: bool, key: &str| {
        let body = json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
        Request::post("/v1/chat/completions", body.to_string()).bearer(key)
    };
    let told = |answer: &Answer| answer.header("x-aisix-explain").map(str::to_owned);
    let asks =
        |model: &str, stream: bool, key: &str| request(model, stream, key).header("x-aisix-explain", "1");

    let whole = gateway.ask(&asks("smart", false, CURIOUS)).await;
    let line = told(&whole).expect("an explanation");
    assert_eq!(whole.status, 200);
    assert!(line.starts_with("failover") && line.contains("chat chosen, second fallback"), "{line}");
    assert!(line.contains("chat=upstream_failed:503:") && line.contains("second=ok:200:"), "{line}");
    assert!(line.len() <= 2048 && line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line}");
    assert!(!line.contains("sk-") && !line.contains("127.0.0.1"), "{line}");

    upstream.always(replies::stream(CHAT_FRAMES));
    let streamed = gateway.ask(&asks("second", true, CURIOUS)).await;
    assert!(told(&streamed).expect("an explanation").starts_with("direct"), "{}", streamed.text());
    upstream.always(replies::json(422, r#"{"error":{"message":"no"}}"#));
    let refused = gateway.ask(&asks("second", false, CURIOUS)).await;
    assert_eq!(refused.status, 422);
    assert!(told(&refused).expect("an explanation").contains(":422:"), "{}", refused.text());
    assert!(told(&gateway.ask(&asks("nothing", false, CURIOUS)).await).is_some());
    for request in [
        request("second", false, CURIOUS),
        asks("second", false, CALLER),
        asks("second", false, "sk-of-nobody"),
    ] {
        assert_eq!(told(&gateway.ask(&request).await), None);
    }
}

#[tokio::test]
async fn the_command_line_explains_in_words_and_in_json() {
    let upstream = Upstream::doing(replies::json(200, CHAT_ANSWER)).await;
    let gateway = setup(Setup::new(&upstream)).start().await;
    let at = format!("http://{}", gateway.admin);
    std::fs::write(
        gateway.folder.path().join("proposed.yaml"),
        "models:\n  - { display_name: smart, routing: { targets: [{ model: claude }] } }\n",
    )
    .expect("a file");
    let aisix = async |args: &[&str]| {
        let mut command = command(gateway.folder.path());
        command.arg("explain").args(args).args(["--at", &at]).env("AISIX_ADMIN_KEY", ADMIN);
        run(command).await
    };
    let (status, out, err) = aisix(&["smart", "--caller", "alice", "--header", "x-a: b"]).await;
    assert_eq!(status.code(), Some(0), "{err}");
    assert!(out.contains("1. chat (gpt-real at openai): healthy") && out.contains("2. second"), "{out}");
    let (status, out, err) = aisix(&["smart", "--proposed", "proposed.yaml", "--json"]).await;
    assert_eq!(status.code(), Some(0), "{err}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(targets(&told), ["claude"]);
    let (status, out, _) = aisix(&["smart", "--caller", "narrow"]).await;
    assert!(status.code() == Some(1) && out.contains("refused with 403"), "{out}");
    let (status, _, err) = aisix(&["smart", "--header", "no header"]).await;
    assert!(status.code() == Some(2) && err.contains("NAME: VALUE"), "{err}");
}
