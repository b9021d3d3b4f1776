//! Every fixture in every other dialect, one file a fixture, for reviewers to read.

use std::fmt::Write;

use aisix::dialect::{DialectId, Usage};
use serde_json::Value;

use super::{Fixture, fixtures, naive, translating};
use translating::others;

#[test]
fn every_request_at_every_other_target() {
    compare("request", |fixture, to| {
        let body = std::str::from_utf8(&fixture.body).expect("UTF-8");
        match translating::request(fixture.dialect, to, body, fixture.name.contains("stream")) {
            Ok(translated) => {
                let lost = translated.losses.names().join(", ");
                let lost = if lost.is_empty() { String::new() } else { format!("lost: {lost}\n") };
                format!("{lost}{}", pretty(&translated.body))
            }
            Err(error) => {
                let of = |name: &str, text: Option<&str>| {
                    text.map_or(String::new(), |text| format!(", {name} {text}"))
                };
                let (code, param) = (of("code", error.code.as_deref()), of("param", error.param.as_deref()));
                format!("refused: {}{code}{param}: {error}", error.status())
            }
        }
    });
}

#[test]
fn every_answer_for_every_other_caller() {
    compare("response", |fixture, to| match translating::answer(fixture.dialect, to, &fixture.body) {
        Ok(answer) => format!("{}\n{}", pretty(&answer.body), counts(&answer.usage)),
        Err(error) => format!("unreadable: {error}"),
    });
}

#[test]
fn every_stream_for_every_other_caller() {
    compare("stream", |fixture, to| {
        let streamed = translating::stream(fixture.dialect, to, &fixture.body, &[]);
        let shown = match to {
            DialectId::Bedrock => lines(&streamed.output),
            _ => String::from_utf8(streamed.output).expect("UTF-8").trim_end().to_owned(),
        };
        let failed = streamed.failed.map_or(String::new(), |error| format!("\nfailed: {error}"));
        format!("{shown}\n\n{}{failed}", counts(&streamed.usage))
    });
}

/// `INSTA_UPDATE=always cargo test grid` rewrites the snapshots after a wanted change.
fn compare(group: &str, shown: impl Fn(&Fixture, DialectId) -> String) {
    for fixture in fixtures(group) {
        let mut page = String::new();
        for to in others(fixture.dialect) {
            let text = shown(&fixture, to);
            writeln!(page, "== {}\n{}\n", to.title(), text.trim_end()).expect("a string grows");
        }
        let (folder, name) = fixture.name.rsplit_once('/').expect("below a folder");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(format!("../snapshots/grid/{folder}"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let name = name.split_once('.').map_or(name, |(name, _)| name);
        settings.bind(|| insta::assert_snapshot!(name, page));
    }
}

fn pretty(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).expect("JSON");
    serde_json::to_string_pretty(&value).expect("JSON")
}

/// An event stream as text.
fn lines(stream: &[u8]) -> String {
    let (events, rest) = naive::frames::decode(stream);
    assert_eq!(rest, 0, "an event in part");
    let line =
        |event: &naive::Event| format!("{}: {}", event.name, event.data.as_deref().unwrap_or_default());
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The counts that were read, in one line.
fn counts(usage: &Usage) -> String {
    let counts = [
        ("input", usage.input),
        ("output", usage.output),
        ("total", usage.total),
        ("cache read", usage.cache_read),
        ("cache written", usage.cache_write),
        ("for an hour", usage.cache_write_1h),
        ("reasoning", usage.reasoning),
        ("audio in", usage.audio_input),
        ("audio out", usage.audio_output),
    ];
    let told = counts.iter().filter_map(|(name, count)| Some(format!("{name} {}", (*count)?)));
    format!("usage: {}", told.collect::<Vec<_>>().join(", "))
}
