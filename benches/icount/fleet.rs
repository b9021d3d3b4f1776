//! From a request to one of eight servers, and back from there.

use std::hint::black_box;
use std::sync::Arc;

use aisix::dialect::skim::prompt;
use aisix::resources::{FleetRules, FleetStrategy};
use aisix::upstream::fleet::{Fleet, HASHED_BYTES, Wish};
use serde_json::json;

use super::Run;

/// A conversation of so many bytes that is known, with a turn more each time.
pub fn pick(strategy: FleetStrategy, bytes: usize) -> Run {
    let rules = FleetRules { strategy, max_outstanding: Some(100), ..FleetRules::default() };
    let fleet: Arc<Fleet<usize>> = Arc::new(Fleet::new(&rules, (0..8).map(Arc::new)));
    let bodies: Vec<String> = (0..64).map(|turn| body(bytes, turn)).collect();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % bodies.len();
        let body = black_box(bodies.get(turn).map_or(&[][..], |body| body.as_bytes()));
        let reads = fleet.reads_prompts();
        let prompt = if reads { prompt::of(body, HASHED_BYTES) } else { &[] };
        let wish = Wish { seed: 1, prompt, ..Wish::default() };
        drop(black_box(fleet.seat(&wish)).expect("there is room"));
    })
}

fn body(bytes: usize, turn: usize) -> String {
    let said =
        |role: &str, number: usize| json!({"role": role, "content": format!("{number:05} ").repeat(80)});
    let turns = bytes / 500;
    let mut messages: Vec<_> = (0..turns).map(|number| said("user", number)).collect();
    messages.push(said("user", 10_000 + turn));
    json!({"model": "m", "temperature": 0.5, "messages": messages, "stream": true}).to_string()
}
