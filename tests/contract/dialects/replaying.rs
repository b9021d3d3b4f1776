//! Recordings of real provider traffic in every caller's format, and recorded requests at every target: what the
//! provider said, and what was asked, is judged by plain readings of both sides.

use std::fs;

use aisix::dialect::DialectId;
use bytes::Bytes;
use serde_json::Value;

use super::naive::answers::{Answer, answer};
use super::naive::requests::request;
use super::naive::streams::streamed;
use super::naive::{events_of, is_error};
use super::recordings::{FOLDERS, bytes_of, files, is_of, root, stream_of};
use super::{agreeing, grammar, translating};
use translating::others;

/// What disagrees and why that is right: a part of the recording's name and of the difference.
const EXPLAINED: &[(&str, &str, &str)] = &[
    (
        "function_calls_with_events",
        "to Bedrock Converse: ids of calls",
        "calls of the older form have no id, and nobody calls in Bedrock's dialect",
    ),
    (
        "google-stream-tool-call-arguments",
        "",
        "arguments in pieces are sent to callers that ask for them, which the gateway does not",
    ),
];

/// How many calls were compared, and what was wrong with which.
#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    agree: usize,
    /// Lines of a summary.
    explained: Vec<String>,
    wrong: Vec<String>,
}

impl Tally {
    fn count(&mut self, call: &str, differences: &[String]) {
        self.calls += 1;
        if differences.is_empty() {
            self.agree += 1;
            return;
        }
        for difference in differences {
            let told = format!("{call}: {difference}");
            let known = EXPLAINED.iter().find(|(name, what, _)| told.contains(name) && told.contains(what));
            match known {
                Some((_, _, reason)) if self.explained.last().is_none_or(|last| !last.starts_with(call)) => {
                    self.explained.push(format!("{call}: {reason}"));
                }
                Some(_) => {}
                None => self.wrong.push(told),
            }
        }
    }

    #[allow(clippy::print_stdout, reason = "the summary of a replay is read by people")]
    fn report(&self, what: &str) {
        println!("{what}: {} of {} calls agree", self.agree, self.calls);
        self.explained.iter().for_each(|line| println!("  {line}"));
        assert!(self.wrong.is_empty(), "{} differences\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(self.agree * 100 >= self.calls * 99, "fewer than 99 of 100 calls agree");
    }
}

/// Shows `each` the recordings, with their dialect and name.
fn replay(mut each: impl FnMut(DialectId, &str, &Value)) {
    let Some(root) = root() else { return };
    for (folder, dialect) in FOLDERS {
        for file in files(&root.join(folder)) {
            let name = format!("{folder}/{}", file.file_name().expect("a name").display());
            let recording = serde_json::from_slice(&fs::read(&file).expect("readable file")).expect(&name);
            each(dialect, &name, &recording);
        }
    }
}

#[test]
fn recorded_answers_and_streams_say_the_same_to_every_caller() {
    let mut tally = Tally::default();
    answers(&mut tally);
    streams(&mut tally);
    tally.report("answers and streams");
}

fn answers(tally: &mut Tally) {
    replay(|from, name, recording| {
        let response = &recording["response"];
        if stream_of(from, response).is_some()
            || response["status"].as_u64().is_some_and(|status| status >= 400)
        {
            return;
        }
        let body = bytes_of(&response["body"]);
        if !is_answer(from, &response["body"]) {
            return;
        }
        let source = answer(from, &tree(&body));
        for to in DialectId::ALL {
            let call = format!("{name} to {}", to.title());
            tally.count(&call, &whole(from, to, &source, &body));
        }
    });
}

/// The folders hold some answers of other operations, and errors.
fn is_answer(dialect: DialectId, body: &Value) -> bool {
    let name = match dialect {
        DialectId::OpenAiChat => "choices",
        DialectId::Responses => return body["object"] == "response" && body["error"].is_null(),
        DialectId::Anthropic => "content",
        DialectId::Gemini => return body["candidates"].is_array() || body["promptFeedback"].is_object(),
        DialectId::Bedrock => "output",
    };
    !body[name].is_null()
}

fn whole(from: DialectId, to: DialectId, source: &Answer, body: &Bytes) -> Vec<String> {
    let translated = match from == to {
        true => from.dialect().splice_answer(body, "the-alias"),
        false => translating::answer(from, to, body),
    };
    match translated {
        Ok(translated) => {
            let mut differences = agreeing::answers(source, &answer(to, &tree(&translated.body)), to).0;
            differences.retain(|difference| from != to || !difference.starts_with("ids of calls"));
            if translated.usage.input != source.usage.input || translated.usage.output != source.usage.output
            {
                differences.push(format!("usage: {:?} was read as {:?}", source.usage, translated.usage));
            }
            differences
        }
        Err(error) => vec![format!("unreadable: {error}")],
    }
}

fn streams(tally: &mut Tally) {
    replay(|from, name, recording| {
        let Some(stream) = stream_of(from, &recording["response"]) else { return };
        let events = events_of(from, &stream);
        let source = streamed(from, &events);
        let fails = events.iter().any(|event| is_error(from, event));
        for to in others(from) {
            let call = format!("{name} to {}", to.title());
            let translated = translating::stream(from, to, &stream, &[]);
            let events = events_of(to, &translated.output);
            let failed = translated.failed.is_some();
            let mut differences = grammar::broken(to, &events, failed, !translated.usage.is_empty());
            if failed != fails {
                differences.push(format!("failed: {:?}", translated.failed));
            }
            if !fails {
                differences.extend(agreeing::answers(&source, &streamed(to, &events), to).0);
            }
            tally.count(&call, &differences);
        }
    });
}

#[test]
fn recorded_requests_ask_the_same_of_every_target() {
    let mut tally = Tally::default();
    let mut refused = Vec::new();
    replay(|from, name, recording| {
        let body = &recording["request"]["body"];
        if !is_of(from, body) {
            return;
        }
        let text = body.to_string();
        let stream = recording["request"]["uri"].as_str().is_some_and(|uri| uri.contains("tream"));
        let source = request(from, body);
        for to in others(from) {
            let call = format!("{name} to {}", to.title());
            match translating::request(from, to, &text, stream) {
                Ok(translated) => {
                    let target = request(to, &tree(&translated.body));
                    tally.count(&call, &agreeing::requests(&source, &target, to, &translated).0);
                }
                Err(error) if agreeing::is_explained(&error, to) => refused.push(format!("{call}: {error}")),
                Err(error) => tally.count(&call, &[format!("refused: {error}")]),
            }
        }
    });
    report_refused(&refused);
    tally.report("requests");
}

#[allow(clippy::print_stdout, reason = "the summary of a replay is read by people")]
fn report_refused(refused: &[String]) {
    println!("refused with a reason: {}", refused.len());
    refused.iter().for_each(|line| println!("  {line}"));
}

fn tree(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}
