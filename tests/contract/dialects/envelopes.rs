//! Every error the gateway can answer with, in every envelope: what callers see, for reviewers to read.

use std::fmt::Write;

use aisix::dialect::DialectId;
use aisix::error::{Error, ROWS};

#[test]
fn every_kind_of_error_in_the_openai_envelope() {
    compare("errors_openai", DialectId::OpenAiChat);
}

#[test]
fn every_kind_of_error_in_the_anthropic_envelope() {
    compare("errors_anthropic", DialectId::Anthropic);
}

/// `INSTA_UPDATE=always cargo test` rewrites the snapshots after a wanted change.
fn compare(name: &str, id: DialectId) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, grid(id)));
}

/// One line a kind, and a last one with everything an error can carry.
fn grid(id: DialectId) -> String {
    let full = Error::bad_request("two\nlines and \"quotes\"").code("a_code").param("messages");
    let bare = ROWS.iter().map(|row| Error::new(row.kind, "what went wrong"));
    let mut out = String::new();
    for error in bare.chain([full.retry_after(7).because("not for the caller")]) {
        let body = id.dialect().write_error(&error, "req-1");
        let text = String::from_utf8(body).expect("UTF-8");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
        let frame = id.dialect().error_frame(&error, "req-1");
        assert_eq!(frame, format!("event: error\ndata: {text}\n\n"), "frame and body agree");
        writeln!(out, "{:<21} {} {text}", error.kind.row().name, error.status()).expect("a string grows");
    }
    out
}
