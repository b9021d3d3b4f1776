//! Rules of a Responses stream: items and their parts begin, grow and end, and the last event repeats them all.

use aisix::dialect::DialectId;
use serde_json::Value;

use super::super::naive::Event;
use super::super::naive::answers::answer;
use super::super::naive::streams::streamed;
use super::{Rules, Told};

const ENDS: [&str; 3] = ["response.completed", "response.incomplete", "response.failed"];

pub(super) fn responses(rules: &mut Rules, told: &[Told], failed: bool) {
    // A stream that fails before it has begun may say just that.
    if failed && told.len() == 1 && told[0].kind() == "error" {
        return;
    }
    for (number, event) in told.iter().enumerate() {
        rules.must(event.name == event.kind(), || format!("named {}: {}", event.name, event.text));
        rules
            .must(event.json["sequence_number"] == number, || format!("not number {number}: {}", event.text));
    }
    let first = told.first().map(Told::kind);
    rules.must(first == Some("response.created"), || format!("begins with {first:?}"));
    let ends: Vec<&Told> = told.iter().filter(|event| ENDS.contains(&event.kind())).collect();
    rules.must(ends.len() == 1, || format!("{} ends", ends.len()));
    let last = told.last().map_or("", Told::kind);
    rules.must(ENDS.contains(&last) && (last == "response.failed") == failed, || format!("ends with {last}"));
    items(rules, told, failed);
    if let Some(end) = ends.first().filter(|_| !failed) {
        repeated(rules, told, &end.json["response"]);
    }
}

/// Every item is added in order, and done once; deltas and parts name an item that is open.
fn items(rules: &mut Rules, told: &[Told], failed: bool) {
    let mut open: Vec<(Value, bool)> = Vec::new();
    let mut parts = 0i64;
    for event in told {
        let json = &event.json;
        let at = json["output_index"].as_u64().map(|at| at as usize);
        match event.kind() {
            "response.output_item.added" => {
                rules.must(at == Some(open.len()), || format!("added: {}", event.text));
                open.push((json["item"]["id"].clone(), true));
            }
            "response.output_item.done" => {
                let item = at.and_then(|at| open.get_mut(at));
                let ours = item.is_some_and(|(id, open)| *id == json["item"]["id"] && std::mem::take(open));
                rules.must(ours, || format!("done: {}", event.text));
            }
            _ if at.is_some() => {
                let item = at.and_then(|at| open.get(at));
                let ours = item.is_some_and(|(id, open)| *id == json["item_id"] && *open);
                rules.must(ours, || format!("of no open item: {}", event.text));
            }
            _ => {}
        }
        parts += i64::from(event.kind().ends_with("_part.added"))
            - i64::from(event.kind().ends_with("_part.done"));
        rules.must((0..=1).contains(&parts), || format!("parts overlap: {}", event.text));
    }
    rules.must(failed || (parts == 0 && open.iter().all(|(_, open)| !open)), || "left open".to_owned());
}

/// The response at the end holds the items as they were when they were done, and those say what the deltas said.
fn repeated(rules: &mut Rules, told: &[Told], response: &Value) {
    let done: Vec<&Value> = told
        .iter()
        .filter(|event| event.kind() == "response.output_item.done")
        .map(|event| &event.json["item"])
        .collect();
    let output: Vec<&Value> = response["output"].as_array().into_iter().flatten().collect();
    rules.must(done == output, || format!("ends with {output:?}, told {done:?}"));
    let deltas: Vec<Event> = told
        .iter()
        .filter(|event| event.kind() != "response.output_item.done")
        .map(|event| Event { name: event.name.clone(), data: Some(event.text.clone()) })
        .collect();
    let (told, whole) = (streamed(DialectId::Responses, &deltas), answer(DialectId::Responses, response));
    rules.must(told.choices == whole.choices, || format!("deltas say {told:?}, the end says {whole:?}"));
}
