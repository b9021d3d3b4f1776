//! After a busy run, no output of any kind holds a credential or a word of anybody's conversation.

use rustix::process::Signal;
use serde_json::json;

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::{Script, Upstream};

through_every_door! {
    no_output_holds_a_credential_or_a_word_of_the_conversation,
}

const PROMPT: &str = "my-private-prompt-words";
const COMPLETION: &str = "their-private-completion-words";
const WRONG: &str = "sk-wrong-but-still-somebodys-secret";

/// Requests of every fate: served, streamed, refused by us and by the upstream, cut, unreachable.
fn scripts() -> Vec<Script> {
    let answer = CHAT_ANSWER.replace("the model is", COMPLETION);
    let frame = CHAT_FRAMES[1].replace("Grüße", COMPLETION);
    let error = format!(r#"{{"error":{{"message":"bad key {OPENAI_SECRET}: {COMPLETION}","type":"x"}}}}"#);
    vec![
        replies::json(200, &answer),
        replies::stream(&[CHAT_FRAMES[0], &frame, CHAT_FRAMES[5]]),
        replies::open_stream().send(replies::chunk(frame.as_bytes())).close(),
        replies::json(401, &error),
        replies::json(500, &error),
        replies::json(200, COMPLETION),
        replies::json(422, &error),
        Script::reading().reset(),
    ]
}

async fn no_output_holds_a_credential_or_a_word_of_the_conversation(door: Door) {
    let scripts = scripts();
    let rounds = scripts.len();
    let upstream = Upstream::queue(scripts).await;
    upstream.always(Script::reading().reset());
    let setup = door.setup(&upstream).config("observability.log_level", "debug");
    let setup = setup.api_key("off", "sk-off-secret", json!({"allowed_models": [], "disabled": true}));
    let mut gateway = setup.start().await;
    for round in 0..rounds {
        let body = json!({"model": "chat", "stream": round == 1 || round == 2,
            "messages": [{"role": "user", "content": PROMPT}]});
        gateway.ask(&Request::post("/v1/chat/completions", body.to_string()).bearer(CALLER)).await;
    }
    for key in [WRONG, "sk-off-secret"] {
        let request = Request::post(&format!("/v1/chat/completions?key={WRONG}"), PROMPT).bearer(key);
        assert_eq!(gateway.ask(&request).await.status, 401);
    }
    let broken = format!("{{\"model\": \"chat\", \"messages\": [\"{PROMPT}");
    gateway.ask(&Request::post("/v1/chat/completions", broken).bearer(CALLER)).await;
    gateway.reload();
    let mut outputs = Vec::new();
    for path in ["/metrics", "/status/config", "/status/models"] {
        outputs.push((path, Request::get(path).send(gateway.metrics).await.text()));
    }
    gateway.signal(Signal::TERM);
    gateway.exit().await;
    gateway.log.containing("drain complete").await;
    outputs.push(("stderr", gateway.log.all().join("\n")));
    outputs.push(("stdout", gateway.stdout.all().join("\n")));
    for (output, text) in &outputs {
        for secret in [CALLER, OPENAI_SECRET, ANTHROPIC_SECRET, PROMPT, COMPLETION, WRONG, "sk-off-secret"] {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{output} holds {secret}: {}", line.unwrap_or_default());
        }
    }
    assert_eq!(gateway.log.access_so_far().len(), rounds + 3);
}
