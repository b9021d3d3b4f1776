//! Real traffic, recorded by others: `AISIX_VECTORS_DIR` says where. Without it nothing is replayed.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::super::super::Anthropic;
use super::{check_grammar, outward, read, rewritten, told, written};
use crate::dialect::canon::{Request, Turn};
use crate::dialect::codec::Codec;

#[test]
fn recorded_traffic_is_read_and_written_again_as_it_was() {
    let Some(root) = std::env::var_os("AISIX_VECTORS_DIR").map(PathBuf::from) else { return };
    let mut seen = [0; 3];
    for entry in fs::read_dir(root.join("anthropic-messages")).expect("a folder of recordings") {
        let file = entry.expect("a file").path();
        let name = file.display().to_string();
        let recording: Value = serde_json::from_slice(&fs::read(&file).expect("readable")).expect(&name);
        if recording["request"]["body"]["messages"].is_array() {
            check_request(&name, &recording["request"]["body"]);
            seen[0] += 1;
        }
        let response = &recording["response"];
        if let Some(stream) = stream_of(response) {
            check_stream(&name, &stream);
            seen[1] += 1;
        } else if response["status"].as_u64().is_none_or(|status| status < 400) {
            check_answer(&name, &text_of(&response["body"]));
            seen[2] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

fn check_request(name: &str, body: &Value) {
    let text = body.to_string();
    let request = read(&text);
    let (out, losses) = written(&request, body["model"].as_str().expect("a model"));
    assert_eq!(losses, Vec::<String>::new(), "{name}");
    assert_eq!(read(&out), merged(request), "{name}: {out}");
}

/// Neighbouring turns of one role are sent as one.
fn merged(mut request: Request<'_>) -> Request<'_> {
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for turn in request.turns.drain(..) {
        match turns.last_mut().filter(|last| last.role == turn.role) {
            Some(last) => last.parts.extend(turn.parts),
            None => turns.push(turn),
        }
    }
    request.turns = turns;
    request
}

fn check_answer(name: &str, body: &str) {
    let response = Anthropic.read_response(body).expect(name);
    let out = String::from_utf8(Anthropic.write_response(&response, &outward())).expect("UTF-8");
    let mut again = Anthropic.read_response(&out).expect(name);
    again.model.clone_from(&response.model);
    assert_eq!(again, response, "{name}");
}

fn check_stream(name: &str, stream: &str) {
    let out = rewritten(stream);
    check_grammar(&out);
    assert_eq!(told(&out), told(stream), "{name}");
}

fn stream_of(response: &Value) -> Option<String> {
    if let Some(chunks) = response["chunks"].as_array() {
        return Some(chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect());
    }
    let text = response["body"].as_str()?;
    (response["stream"] == true).then(|| text.to_owned())
}

fn text_of(body: &Value) -> String {
    body.as_str().map_or_else(|| body.to_string(), str::to_owned)
}
