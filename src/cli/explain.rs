//! `aisix explain`: where a request to a running gateway would go, in words.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::arguments::Explain;
use super::client::Client;
use super::{Done, say};
use crate::document::{Document, Format};

/// # Errors
/// What is asked makes no sense, or the gateway cannot be asked.
pub fn run(arguments: &Explain) -> Result<Done, String> {
    let client = Client::new(&arguments.at.address)?;
    let answer = client.ask("POST", "explain", Some(&question(arguments)?))?.body;
    match arguments.json {
        true => say(&answer),
        false => lines(&answer).iter().for_each(say),
    }
    let served = answer.get("served").and_then(Value::as_bool).unwrap_or_default();
    Ok(if served { Done::Well } else { Done::Not })
}

fn question(arguments: &Explain) -> Result<Value, String> {
    let headers = arguments.header.iter().map(|header| match header.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().into())),
        None => Err(format!("{header:?} is no header: write NAME: VALUE")),
    });
    let headers: Map<String, Value> = headers.collect::<Result<_, _>>()?;
    let mut question = json!({
        "model": arguments.model, "headers": headers, "dialect": arguments.dialect, "stream": arguments.stream,
    });
    if let Some(caller) = &arguments.caller {
        question["caller_key"] = caller.as_str().into();
    }
    if let Some(client) = arguments.client {
        question["client_address"] = client.to_string().into();
    }
    if let Some(path) = &arguments.body {
        let body = serde_json::from_str(&text(path)?);
        question["body"] = body.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &arguments.proposed {
        // Variables stay as they are written: no secret leaves for this.
        let document = Document::read(&text(path)?, Format::Yaml, path).map_err(|wrong| wrong.to_string())?;
        question["proposed"] = document.value;
    }
    Ok(question)
}

fn text(path: &Path) -> Result<String, String> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| format!("{}: {error}", path.display()))
}

/// The answer for people.
fn lines(answer: &Value) -> Vec<String> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut lines = Vec::new();
    if let Some(requested) = answer.get("requested") {
        let (alias, model) = (text(requested, "alias"), text(requested, "model"));
        let strategy = text(answer, "strategy").map(|strategy| format!(", {strategy}")).unwrap_or_default();
        lines.push(format!(
            "{} is the model {:?}{strategy}",
            alias.unwrap_or_default(),
            model.unwrap_or_default()
        ));
    }
    for refused in [answer.get("access").and_then(|access| access.get("refusal")), answer.get("refusal")] {
        let Some(refused) = refused else { continue };
        let status = refused.get("status").and_then(Value::as_u64).unwrap_or_default();
        lines.push(format!("refused with {status}: {}", text(refused, "message").unwrap_or_default()));
    }
    if answer.get("although_unavailable").and_then(Value::as_bool) == Some(true) {
        lines.push("no target is known to be well; they are tried all the same".to_owned());
    }
    for (place, target) in list(answer, "targets").enumerate() {
        let upstream = text(target, "upstream_model").unwrap_or_default();
        let way = match text(target, "unreachable") {
            Some(why) => format!("cannot be reached: {why}"),
            None => format!("{upstream} at {}", text(target, "provider").unwrap_or_default()),
        };
        lines.push(format!("{}. {} ({way}): {}", place + 1, name(target), health(target)));
    }
    let passed_over = list(answer, "candidates")
        .filter(|candidate| text(candidate, "verdict").is_none_or(|verdict| verdict == "dropped"));
    for candidate in passed_over {
        let why = text(candidate, "dropped_for").map(|why| format!(" ({why})")).unwrap_or_default();
        lines.push(format!("-  {} not tried{why}: {}", name(candidate), health(candidate)));
    }
    lines
}

fn list<'v>(answer: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn name(model: &Value) -> &str {
    model.get("model").and_then(Value::as_str).unwrap_or_default()
}

/// `cooldown, upstream_rate_limited, for 12.3 s; 2 in flight`
fn health(model: &Value) -> String {
    let mut told = model.get("status").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    if let Some(reason) = model.get("status_reason").and_then(Value::as_str) {
        told.push_str(&format!(", {reason}"));
    }
    if let Some(seconds) = model.get("open_for_seconds").and_then(Value::as_f64) {
        told.push_str(&format!(", for {seconds} s"));
    }
    if model.get("drained").and_then(Value::as_bool) == Some(true) {
        told.push_str(", drained");
    }
    if let Some(in_flight) = model.get("in_flight").and_then(Value::as_u64).filter(|count| *count > 0) {
        told.push_str(&format!("; {in_flight} in flight"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_in_the_order_of_the_tries() {
        let answer = json!({
            "served": true, "requested": {"alias": "smart", "model": "smart"}, "strategy": "failover",
            "targets": [
                {"model": "b", "status": "healthy", "upstream_model": "u", "provider": "openai", "in_flight": 2},
                {"model": "c", "status": "healthy", "unreachable": "no key"},
            ],
            "candidates": [
                {"model": "b", "verdict": "chosen", "status": "healthy"},
                {"model": "a", "verdict": "dropped", "dropped_for": "cooldown", "status": "cooldown",
                 "status_reason": "upstream_rate_limited", "open_for_seconds": 12.3},
            ],
        });
        let expected = [
            "smart is the model \"smart\", failover",
            "1. b (u at openai): healthy; 2 in flight",
            "2. c (cannot be reached: no key): healthy",
            "-  a not tried (cooldown): cooldown, upstream_rate_limited, for 12.3 s",
        ];
        assert_eq!(lines(&answer), expected);
        let refused = json!({"served": false, "refusal": {"status": 404, "message": "no such model"}});
        assert_eq!(lines(&refused), ["refused with 404: no such model"]);
    }
}
