//! What holds for every ordered pair of dialects, judged by plain readings of both sides.

use aisix::dialect::DialectId;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::naive::answers::{Answer, Finish, answer};
use super::naive::requests::request;
use super::naive::streams::streamed;
use super::naive::{Event, events_of, is_complete, is_error};
use super::{Fixture, agreeing, fixtures, grammar, translating};
use translating::others;

/// Every fixture of a group at every other dialect; tells all that is wrong, not the first alone.
fn each(group: &str, mut wrong: impl FnMut(&Fixture, DialectId) -> Vec<String>) {
    let mut found = Vec::new();
    for fixture in fixtures(group) {
        for to in others(fixture.dialect) {
            let of = |what: String| format!("{} to {}: {what}", fixture.name, to.title());
            found.extend(wrong(&fixture, to).into_iter().map(of));
        }
    }
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}

fn tree(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[test]
fn a_request_asks_the_same_everywhere_or_is_refused_with_a_reason() {
    each("request", |fixture, to| {
        let body = std::str::from_utf8(&fixture.body).expect("UTF-8");
        match translating::request(fixture.dialect, to, body, false) {
            Ok(translated) => {
                let source = request(fixture.dialect, &tree(&fixture.body));
                let target = request(to, &tree(&translated.body));
                agreeing::requests(&source, &target, to, &translated).0
            }
            Err(error) if agreeing::is_explained(&error, to) => Vec::new(),
            Err(_) if request(fixture.dialect, &tree(&fixture.body)).turns.is_empty() => Vec::new(),
            Err(error) => vec![format!("refused: {error}")],
        }
    });
}

/// The answer of a token count, which is not translated.
fn is_no_answer(fixture: &Fixture) -> bool {
    fixture.name.ends_with("count_tokens.json")
}

/// Streams that only come to callers who ask for them as no translated request does, and why they are refused.
const UNASKED: [(&str, &str); 1] = [("gemini/stream/call_arguments_in_pieces.sse", "must be whole")];

/// Does it hold no answer at all?
fn is_empty(source: &Answer) -> bool {
    source.choices.is_empty()
}

#[test]
fn an_answer_says_the_same_everywhere() {
    each("response", |fixture, to| {
        if is_no_answer(fixture) {
            return Vec::new();
        }
        let source = answer(fixture.dialect, &tree(&fixture.body));
        match translating::answer(fixture.dialect, to, &fixture.body) {
            Ok(_) if is_empty(&source) => Vec::new(),
            Ok(translated) => agreeing::answers(&source, &answer(to, &tree(&translated.body)), to).0,
            Err(_) if is_empty(&source) => Vec::new(),
            Err(error) => vec![format!("unreadable: {error}")],
        }
    });
}

#[test]
fn an_answer_told_as_a_stream_says_the_same() {
    each("response", |fixture, to| {
        if is_no_answer(fixture) {
            return Vec::new();
        }
        let source = answer(fixture.dialect, &tree(&fixture.body));
        let translated = match translating::answer_as_stream(fixture.dialect, to, &fixture.body) {
            Ok(_) if is_empty(&source) => return Vec::new(),
            Ok(translated) => translated,
            Err(_) if is_empty(&source) => return Vec::new(),
            Err(error) => return vec![format!("unreadable: {error}")],
        };
        let events = events_of(to, &translated.body);
        let mut wrong = agreeing::answers(&source, &streamed(to, &events), to).0;
        wrong.extend(grammar::broken(to, &events, false, !translated.usage.is_empty()));
        wrong
    });
}

#[test]
fn a_stream_says_the_same_everywhere_and_keeps_the_grammar() {
    each("stream", |fixture, to| {
        let translated = translating::stream(fixture.dialect, to, &fixture.body, &[]);
        let events = events_of(to, &translated.output);
        let failed = translated.failed.is_some();
        let mut wrong = grammar::broken(to, &events, failed, !translated.usage.is_empty());
        if let Some((_, why)) = UNASKED.iter().find(|(name, _)| *name == fixture.name) {
            wrong.extend(translated.failed.filter(|error| !error.contains(why)));
            return wrong;
        }
        let from = events_of(fixture.dialect, &fixture.body);
        if translated.complete == failed {
            wrong.push(format!("complete: {}, failed: {:?}", translated.complete, translated.failed));
        }
        let damaged = from.iter().any(|event| is_damaged(event) || is_error(fixture.dialect, event));
        let cut = damaged || !has_ended(fixture.dialect, &from);
        if cut != failed {
            wrong.push(format!("cut: {cut}, failed: {:?}", translated.failed));
        }
        let (mut source, target) = (streamed(fixture.dialect, &from), streamed(to, &events));
        if failed {
            unfinished(&mut source);
        }
        if !damaged {
            wrong.extend(agreeing::answers(&source, &target, to).0);
        }
        wrong
    });
}

/// What a stream that broke off leaves open.
fn unfinished(source: &mut Answer) {
    source.usage = Default::default();
    source.choices.iter_mut().for_each(|choice| choice.finish = Finish::Unsaid);
}

#[test]
fn what_follows_the_end_or_an_error_of_a_stream_changes_nothing() {
    each("stream", |fixture, to| {
        let expected = translating::stream(fixture.dialect, to, &fixture.body, &[]);
        let ended = is_complete(fixture.dialect, &events_of(fixture.dialect, &fixture.body));
        let open =
            ["tail", "other_fields", "without_metadata"].iter().any(|case| fixture.name.contains(case));
        // Gemini has no event for the end.
        if !ended || !expected.complete || open || fixture.dialect == DialectId::Gemini {
            return Vec::new();
        }
        let longer = Bytes::from([&fixture.body, &b"\n\ndata: \xff{\n\n"[..]].concat());
        let found = translating::stream(fixture.dialect, to, &longer, &[]);
        if found == expected { Vec::new() } else { vec![format!("{:?}", found.failed)] }
    });
}

#[test]
fn an_event_with_empty_data_says_nothing() {
    each("stream", |fixture, to| {
        if fixture.dialect == DialectId::Bedrock {
            return Vec::new();
        }
        let expected = translating::stream(fixture.dialect, to, &fixture.body, &[]);
        let longer = Bytes::from([&b"data\n\ndata: \n\n"[..], &fixture.body].concat());
        let found = translating::stream(fixture.dialect, to, &longer, &[]);
        // The mark at the very beginning of a stream is one no longer.
        let same = found == expected || fixture.name.contains("byte_order_mark");
        if same { Vec::new() } else { vec![format!("{:?}", found.failed)] }
    });
}

/// Has the stream said why its answers ended? Then nothing of them is missing, whether or not it says that it is over.
fn has_ended(dialect: DialectId, events: &[Event]) -> bool {
    let choices = streamed(dialect, events).choices;
    let said = choices.iter().all(|choice| choice.finish != Finish::Unsaid);
    !choices.is_empty() && (said || is_complete(dialect, events))
}

/// Data that is neither JSON nor the end of an OpenAI stream.
fn is_damaged(event: &Event) -> bool {
    let data = event.data.as_deref().unwrap_or_default().trim();
    !data.is_empty() && data != "[DONE]" && event.json().is_none()
}

#[test]
fn a_stream_split_anywhere_becomes_the_same_stream() {
    each("stream", |fixture, to| {
        let length = fixture.body.len();
        let expected = translating::stream(fixture.dialect, to, &fixture.body, &[]);
        let every: Vec<usize> = (0..length).collect();
        let mut splits: Vec<Vec<usize>> = (0..length).step_by(1 + length / 50).map(|at| vec![at]).collect();
        splits.push(every);
        splits.retain(|places| translating::stream(fixture.dialect, to, &fixture.body, places) != expected);
        splits.iter().map(|places| format!("differs when split at {places:?}")).collect()
    });
}

/// The pairs in which streams are cut short: their bytes are many, so a step is a few of them.
#[test]
fn a_stream_cut_short_is_a_success_only_if_it_had_ended() {
    each("stream", |fixture, to| {
        let mut wrong = Vec::new();
        for at in (0..fixture.body.len()).step_by(1 + fixture.body.len() / 8) {
            let part = fixture.body.slice(..at);
            let translated = translating::stream(fixture.dialect, to, &part, &[]);
            let events = events_of(to, &translated.output);
            let ended = has_ended(fixture.dialect, &readable(fixture.dialect, &part));
            let success = is_complete(to, &events) && !events.iter().any(|event| is_error(to, event));
            if (translated.complete || success) && !ended {
                wrong.push(format!("cut at {at}: a success"));
            }
            let told = !translated.usage.is_empty();
            let broken = grammar::broken(to, &events, translated.failed.is_some(), told);
            wrong.extend(broken.into_iter().map(|rule| format!("cut at {at}: {rule}")));
        }
        wrong
    });
}

/// The events of a stream that may end within a letter.
fn readable(dialect: DialectId, part: &[u8]) -> Vec<Event> {
    match dialect {
        DialectId::Bedrock => events_of(dialect, part),
        _ => events_of(dialect, String::from_utf8_lossy(part).as_bytes()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_stream_chunked_at_random_becomes_the_same_stream(
        splits in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        choice in any::<prop::sample::Index>(),
        target in any::<prop::sample::Index>(),
    ) {
        let fixtures = fixtures("stream");
        let Fixture { dialect, body, .. } = choice.get(&fixtures);
        let targets: Vec<DialectId> = others(*dialect).collect();
        let to = *target.get(&targets);
        let splits: Vec<usize> = splits.iter().map(|split| split.index(body.len() + 1)).collect();
        let whole = translating::stream(*dialect, to, body, &[]);
        prop_assert_eq!(translating::stream(*dialect, to, body, &splits), whole);
    }

    /// Fixtures with bytes replaced are no fixtures any more, and nothing breaks over them.
    #[test]
    fn a_stream_with_damage_keeps_the_grammar_of_its_target(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        choice in any::<prop::sample::Index>(),
        target in any::<prop::sample::Index>(),
    ) {
        let fixtures = fixtures("stream");
        let Fixture { dialect, body, .. } = choice.get(&fixtures);
        let targets: Vec<DialectId> = others(*dialect).collect();
        let to = *target.get(&targets);
        let mut bytes = body.to_vec();
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        let translated = translating::stream(*dialect, to, &Bytes::from(bytes), &[]);
        let events = events_of(to, &translated.output);
        let broken = grammar::broken(to, &events, translated.failed.is_some(), !translated.usage.is_empty());
        prop_assert!(broken.is_empty(), "{broken:?}");
    }
}
