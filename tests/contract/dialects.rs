//! What every dialect promises: bytes it does not own pass untouched, however they are chunked, and what it
//! reads on the side is what a plain reading of the same bytes gives.
//!
//! Between dialects: what a request asks and what an answer says is the same on both sides, and every stream keeps the
//! grammar of its dialect.
//!
//! Runs over `tests/fixtures` and, when `AISIX_VECTORS_DIR` names a folder of them, over recordings of real
//! provider traffic.

mod agreeing;
mod envelopes;
mod grammar;
mod grid;
mod naive;
mod pairs;
mod passing;
mod recordings;
mod replaying;
mod returning;
mod translating;

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
    let of = |dialect: DialectId| {
        let folder = root.join(folder(dialect)).join(group);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .expect("the group has a folder")
            .map(|entry| entry.expect("readable folder").path())
            .collect();
        files.sort();
        assert!(files.len() >= 4, "{}: fixtures are missing", folder.display());
        files.into_iter().map(move |path| Fixture {
            dialect,
            name: path.strip_prefix(root_of(&path)).expect("below the root").display().to_string(),
            body: travelling(&path),
        })
    };
    DialectId::ALL.into_iter().flat_map(of).collect()
}

/// Where a dialect's fixtures are.
fn folder(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::OpenAiChat => "openai_chat",
        DialectId::Anthropic => "anthropic",
        DialectId::Responses => "responses",
        DialectId::Gemini => "gemini",
        DialectId::Bedrock => "bedrock",
    }
}

/// The bytes of a file as they travel: event streams are kept as lines.
fn travelling(path: &Path) -> Bytes {
    let bytes = fs::read(path).expect("readable file");
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl") => naive::frames::encode_lines(std::str::from_utf8(&bytes).expect("UTF-8")).into(),
        _ => bytes.into(),
    }
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
    let foreign = ["google_array", "ollama_string", "fastapi_detail", "mistral_flat", "security_token"];
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
            // Long streams repeat themselves: some places of theirs are enough.
            for split in (0..=fixture.body.len()).step_by(1 + fixture.body.len() / 300) {
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
