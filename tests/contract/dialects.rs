//! What every dialect promises: bytes it does not own pass untouched, however they are chunked, and what it
//! reads on the side is what a plain reading of the same bytes gives.
//!
//! Runs over `tests/fixtures` and, when `AISIX_VECTORS_DIR` names a folder of them, over recordings of real
//! provider traffic.

mod envelopes;
mod naive;
mod passing;
mod recordings;

use std::fs;
use std::path::{Path, PathBuf};

use aisix::dialect::{DialectId, StreamEdits};
use bytes::Bytes;
use proptest::prelude::*;

use passing::{Passed, check_answer, check_request, check_stream, pass};

/// One file below `tests/fixtures`.
#[derive(Debug)]
struct Fixture {
    dialect: DialectId,
    name: String,
    body: Bytes,
}

/// All fixtures of a group (`request`, `response`, `stream`, `error`), in a stable order.
fn fixtures(group: &str) -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let of = |dialect: DialectId, folder: &str| {
        let mut files: Vec<PathBuf> = fs::read_dir(root.join(folder).join(group))
            .expect("the group has a folder")
            .map(|entry| entry.expect("readable folder").path())
            .collect();
        files.sort();
        files.into_iter().map(move |path| Fixture {
            dialect,
            name: path.strip_prefix(root_of(&path)).expect("below the root").display().to_string(),
            body: Bytes::from(fs::read(&path).expect("readable file")),
        })
    };
    let all: Vec<Fixture> =
        of(DialectId::OpenAiChat, "openai_chat").chain(of(DialectId::Anthropic, "anthropic")).collect();
    assert!(all.len() >= 10, "{group}: fixtures are missing");
    all
}

/// The folder that holds the dialects' folders.
fn root_of(file: &Path) -> &Path {
    file.ancestors().nth(3).expect("dialect, group and file lie below the root")
}

#[test]
fn every_request_changes_in_its_model_alone_and_back_again() {
    for fixture in fixtures("request") {
        check_request(fixture.dialect, &fixture.name, &fixture.body);
    }
}

#[test]
fn every_answer_changes_in_its_model_alone_and_its_usage_is_read() {
    for fixture in fixtures("response") {
        check_answer(fixture.dialect, &fixture.name, &fixture.body);
    }
}

#[test]
fn every_stream_changes_in_its_model_alone_and_its_readings_are_true() {
    for fixture in fixtures("stream") {
        check_stream(fixture.dialect, &fixture.name, &fixture.body);
    }
}

#[test]
fn every_error_is_understood() {
    let foreign = ["google_array", "ollama_string", "fastapi_detail", "mistral_flat"];
    for fixture in fixtures("error") {
        let problem = fixture.dialect.dialect().read_error(400, &fixture.body);
        assert!(problem.message.is_some(), "{}: {problem:?}", fixture.name);
        let is_foreign = foreign.iter().any(|name| fixture.name.contains(name));
        assert_eq!(problem.native, !is_foreign, "{}: {problem:?}", fixture.name);
    }
}

/// The edits under which streams are passed: everything at once, and nothing.
fn all_edits() -> [StreamEdits; 2] {
    let model = Some("an \"alias\" of some length".to_owned());
    [StreamEdits { model, hide_usage: true }, StreamEdits { model: None, hide_usage: false }]
}

fn whole(fixture: &Fixture, edits: &StreamEdits) -> Passed {
    pass(fixture.dialect, edits, &fixture.body, &[])
}

#[test]
fn a_stream_split_at_any_byte_gives_the_same_output_and_readings() {
    for fixture in fixtures("stream") {
        for edits in all_edits() {
            let expected = whole(&fixture, &edits);
            for split in 0..=fixture.body.len() {
                let passed = pass(fixture.dialect, &edits, &fixture.body, &[split]);
                assert_eq!(passed, expected, "{} split at {split}", fixture.name);
            }
            let each: Vec<usize> = (0..fixture.body.len()).collect();
            assert_eq!(pass(fixture.dialect, &edits, &fixture.body, &each), expected, "{}", fixture.name);
        }
    }
}

proptest! {
    #[test]
    fn a_stream_chunked_at_random_gives_the_same_output_and_readings(
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        choice in any::<prop::sample::Index>(),
    ) {
        let fixtures = fixtures("stream");
        let fixture = choice.get(&fixtures);
        let splits: Vec<usize> = splits.iter().map(|split| split.index(fixture.body.len() + 1)).collect();
        for edits in all_edits() {
            prop_assert_eq!(pass(fixture.dialect, &edits, &fixture.body, &splits), whole(fixture, &edits));
        }
    }
}
