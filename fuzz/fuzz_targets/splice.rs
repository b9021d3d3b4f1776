//! Answers, streams and error bodies of any upstream: nothing panics, chunking does not matter, and what is
//! not edited is not changed. The tolerant scanner agrees with the strict one on whatever is JSON.
#![no_main]

use aisix::dialect::skim::{self, Member, strict};
use aisix::dialect::{DialectId, Problem, StreamEdits, Usage};
use aisix::{DIALECTS, chunkings};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    for id in DIALECTS {
        check_answer(id, &input);
        check_stream(id, &input);
        let problem = id.dialect().read_error(400, &input);
        assert!(problem.message.is_none_or(|message| message.len() <= 1024));
    }
    check_scanners(&input);
});

fn check_answer(id: DialectId, body: &Bytes) {
    let Ok(answer) = id.dialect().splice_answer(body, "alias") else { return };
    let again = id.dialect().splice_answer(&answer.body, "alias").expect("still JSON");
    assert_eq!(again.body, answer.body);
    assert_eq!(again.usage, answer.usage);
}

fn check_stream(id: DialectId, input: &Bytes) {
    let alias = StreamEdits { model: Some("alias".to_owned()), hide_usage: true };
    let nothing = StreamEdits { model: None, hide_usage: false };
    for edits in [&alias, &nothing] {
        let [whole, bytes, pieces] = chunkings(input).map(|chunks| pass(id, edits, &chunks));
        assert_eq!(whole, bytes);
        assert_eq!(whole, pieces);
        assert!(edits.model.is_some() || whole.0 == *input);
    }
}

type Passed = (Vec<u8>, u64, bool, Option<Problem>, Usage);

fn pass(id: DialectId, edits: &StreamEdits, chunks: &[Bytes]) -> Passed {
    let mut pass = id.dialect().stream(edits.clone());
    let mut output = Vec::new();
    for chunk in chunks {
        output.extend_from_slice(&pass.push(chunk.clone()).expect("inputs are short"));
    }
    output.extend_from_slice(&pass.finish().unwrap_or_default());
    (output, pass.events(), pass.complete(), pass.problem().cloned(), *pass.usage())
}

fn check_scanners(body: &Bytes) {
    let mut strict_members = Vec::new();
    let note = |member: &Member<'_>| strict_members.push((member.name().into_owned(), member.value.clone()));
    if strict::members(body, note).is_err() {
        return;
    }
    let skimmed: Vec<_> =
        skim::members(body).map(|member| (member.name().into_owned(), member.value)).collect();
    assert_eq!(skimmed, strict_members);
}
