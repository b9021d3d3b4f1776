//! What a translation must have kept, judged by plain readings of both sides.

use std::collections::BTreeMap;

use aisix::dialect::bridge::Translated;
use aisix::dialect::canon::feature::{FEATURES, Feature, Verdict};
use aisix::dialect::{DialectId, Usage};
use aisix::error::Error;
use serde_json::{Value, json};

use super::naive::answers::{Answer, Call, Choice, Finish, arguments};
use super::naive::requests::{Asked, Speaker, plain_result, plain_schema};

/// Differences in words of a reader; empty when there are none.
#[derive(Debug, Default)]
pub struct Differences(pub Vec<String>);

impl Differences {
    fn expect<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, source: &T, target: &T) {
        if source != target {
            self.0.push(format!("{what}: {source:?} became {target:?}"));
        }
    }

    fn must(&mut self, holds: bool, what: impl Fn() -> String) {
        if !holds {
            self.0.push(what());
        }
    }
}

/// Does an answer say the same in the caller's dialect?
pub fn answers(source: &Answer, target: &Answer, to: DialectId) -> Differences {
    let mut differences = Differences::default();
    let several = matches!(to, DialectId::OpenAiChat | DialectId::Gemini);
    if several {
        differences.expect("number of answers", &source.choices.len(), &target.choices.len());
    }
    for (source, target) in source.choices.iter().zip(&target.choices) {
        choices(&mut differences, source, target, to);
    }
    usage(&mut differences, &source.usage, &target.usage, to);
    differences
}

fn choices(differences: &mut Differences, source: &Choice, target: &Choice, to: DialectId) {
    let shown = |choice: &Choice| format!("{}{}", choice.text, choice.refusal);
    differences.expect("text", &shown(source), &shown(target));
    if !source.refusal.is_empty() && matches!(to, DialectId::OpenAiChat | DialectId::Responses) {
        differences.expect("refusal", &source.refusal, &target.refusal);
    }
    differences.expect("thoughts", &squashed(&source.thoughts), &squashed(&target.thoughts));
    calls(differences, &source.calls, &target.calls, to);
    if to != DialectId::Gemini {
        let mut ids: Vec<&str> = target.calls.iter().map(|call| &*call.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let told = target.calls.iter().all(|call| !call.id.is_empty());
        differences
            .must(told && ids.len() == target.calls.len(), || format!("ids of calls: {:?}", target.calls));
    }
    let known = !matches!(source.finish, Finish::Other | Finish::Unsaid | Finish::Failed);
    if known {
        differences.expect("finish", &source.finish, &target.finish);
    }
}

/// Do calls agree as far as both sides can say them? Where arguments are an object, the text of a custom tool is its only
/// member, and what is neither becomes an empty one.
fn calls_agree(source: &Call, target: &Call, to: DialectId) -> bool {
    let (before, after) = (arguments(&source.arguments), arguments(&target.arguments));
    let text = matches!(to, DialectId::OpenAiChat | DialectId::Responses);
    let mut members = after.as_object().into_iter().flatten();
    let wrapped = matches!((members.next(), members.next()), (Some((_, only)), None) if *only == before);
    let lost = !text && !before.is_object() && after == json!({});
    before == after || wrapped || lost
}

fn calls(differences: &mut Differences, source: &[Call], target: &[Call], to: DialectId) {
    let names = |calls: &[Call]| calls.iter().map(|call| call.name.clone()).collect::<Vec<_>>();
    differences.expect("calls", &names(source), &names(target));
    for (source, target) in source.iter().zip(target) {
        differences.must(calls_agree(source, target, to), || {
            format!("call: {} became {}", source.arguments, target.arguments)
        });
    }
}

fn usage(differences: &mut Differences, source: &Usage, target: &Usage, to: DialectId) {
    let mut count = |what: &str, source: Option<u64>, target: Option<u64>| {
        if let Some(count) = source {
            differences.expect(what, &count, &target.unwrap_or(0));
        }
    };
    count("input tokens", source.input, target.input);
    count("output tokens", source.output, target.output);
    count("cached tokens", source.cache_read, target.cache_read);
    if matches!(to, DialectId::OpenAiChat | DialectId::Responses | DialectId::Gemini) {
        count("reasoning tokens", source.reasoning, target.reasoning);
    }
    if matches!(to, DialectId::Anthropic | DialectId::Bedrock) {
        count("tokens written to the cache", source.cache_write, target.cache_write);
    }
}

/// Words alone: vendors part blocks by different white space.
fn squashed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Does a request ask the same in the target's dialect, but for what its table says?
pub fn requests(source: &Asked, target: &Asked, to: DialectId, translated: &Translated) -> Differences {
    let mut check = Requests { differences: Differences::default(), to, translated };
    check.words(source, target);
    check.tools(source, target);
    check.media(source, target);
    check.bounds(source, target);
    check.differences
}

struct Requests<'t> {
    differences: Differences,
    to: DialectId,
    translated: &'t Translated,
}

impl Requests<'_> {
    /// Was the feature left out and named, or is it only approximated?
    fn excused(&self, features: &[Feature]) -> bool {
        features.iter().any(|feature| {
            let verdict = feature.verdict(self.to.codec().facts().support);
            matches!(verdict, Verdict::Approximated(_)) || self.is_lost(feature.name())
        })
    }

    fn is_lost(&self, name: &str) -> bool {
        self.translated
            .losses
            .names()
            .iter()
            .any(|lost| lost == name || lost.starts_with(&format!("{name}.")))
    }

    fn words(&mut self, source: &Asked, target: &Asked) {
        let format = self.excused(&[Feature::JsonMode, Feature::JsonSchema]);
        let (before, after) = (squashed(&source.system), squashed(&target.system));
        if !(format && after.contains(&before)) {
            self.differences.expect("instructions", &before, &after);
        }
        let (before, after) = (spoken(&source.turns), spoken(&target.turns));
        // What cannot be shown as it is may be told in words.
        let told = [
            Feature::DocumentText,
            Feature::DocumentBase64,
            Feature::ToolResultMedia,
            Feature::Thoughts,
            Feature::Tools,
        ];
        let mut rest = after.iter();
        let longer = before
            .iter()
            .all(|(speaker, text)| rest.any(|(spoke, told)| spoke == speaker && is_within(text, told)));
        if !(self.excused(&told) && longer) {
            self.differences.expect("turns", &before, &after);
        }
    }

    fn tools(&mut self, source: &Asked, target: &Asked) {
        let original = |name: &str| self.translated.renames.original(name).to_owned();
        let call = |call: &Call| Call { name: original(&call.name), ..call.clone() };
        let after: Vec<Call> = target.calls.iter().map(call).collect();
        let tools = |asked: &Asked| {
            let tool = |(name, schema): &(String, Value)| (original(name), plain_schema(schema));
            asked.tools.iter().map(tool).collect::<Vec<_>>()
        };
        let (declared, declares) = (tools(source), tools(target));
        let chosen = target.choice.as_deref().map(original);
        calls(&mut self.differences, &source.calls, &after, self.to);
        // Fewer where only some may be called; more where a tool stands for a schema or takes free text.
        let features =
            [Feature::ToolChoiceNone, Feature::ToolChoiceAmong, Feature::JsonSchema, Feature::CustomTools];
        let some = |these: &[(String, Value)], those: &[(String, Value)]| {
            these.iter().all(|tool| those.contains(tool))
        };
        let near = some(&declared, &declares) || some(&declares, &declared);
        let excused = self.is_lost("tools") || (near && self.excused(&features));
        if !excused {
            self.differences.expect("tools", &declared, &declares);
        }
        self.results(source, target);
        let features = [
            Feature::ToolChoiceNone,
            Feature::ToolChoiceAny,
            Feature::ToolChoiceOne,
            Feature::ToolChoiceAmong,
            Feature::Tools,
        ];
        let plain = [None, Some("auto"), Some("validated")];
        if !plain.contains(&source.choice.as_deref()) && !self.excused(&features) {
            self.differences.expect("choice of a tool", &source.choice, &chosen);
        }
    }

    fn results(&mut self, source: &Asked, target: &Asked) {
        let plain = |asked: &Asked| {
            let results = asked.results.iter().map(|(call, result)| (*call, plain_result(result)));
            results.collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (plain(source), plain(target));
        let longer = before.len() == after.len()
            && before.iter().all(|(call, result)| {
                let words = squashed(&super::naive::answers::written(result));
                after
                    .get(call)
                    .is_some_and(|after| squashed(&super::naive::answers::written(after)).contains(&words))
            });
        let features = [Feature::ToolResultFailed, Feature::ToolResultMedia];
        if !(longer && self.excused(&features)) {
            self.differences.expect("results", &before, &after);
        }
    }

    fn media(&mut self, source: &Asked, target: &Asked) {
        let features = [
            Feature::ImageBase64,
            Feature::ImageUrl,
            Feature::AudioInput,
            Feature::VideoInput,
            Feature::DocumentBase64,
            Feature::DocumentUrl,
            Feature::DocumentText,
            Feature::FileId,
        ];
        let (mut before, mut after) = (source.media.clone(), target.media.clone());
        before.sort();
        after.sort();
        if !self.excused(&features) {
            self.differences.expect("media", &before, &after);
        }
    }

    fn bounds(&mut self, source: &Asked, target: &Asked) {
        if source.max_tokens.is_some() && !self.excused(&[Feature::MaxTokens]) {
            self.differences.expect("bound on tokens", &source.max_tokens, &target.max_tokens);
        }
        let numbers = [
            ("temperature", Feature::Temperature, source.temperature, target.temperature),
            ("top_p", Feature::TopP, source.top_p, target.top_p),
        ];
        for (name, feature, before, after) in numbers {
            if before.is_some() && !self.excused(&[feature]) {
                self.differences.expect(name, &before, &after);
            }
        }
        let kept = if self.excused(&[Feature::Stop]) { target.stop.len() } else { source.stop.len() };
        let before = source.stop.get(..kept).unwrap_or_default().to_vec();
        self.differences.expect("stop", &before, &target.stop);
        let schema = |asked: &Asked| asked.schema.as_ref().map(plain_schema);
        if source.schema.is_some() && !self.excused(&[Feature::JsonSchema]) {
            self.differences.expect("schema", &schema(source), &schema(target));
        }
    }
}

/// Are all letters there and in order? What was put into words stands between them.
fn is_within(text: &str, told: &str) -> bool {
    let mut told = told.chars();
    text.chars().all(|letter| told.any(|other| other == letter))
}

/// Turns that say something, neighbours of one speaker together.
fn spoken(turns: &[(Speaker, String)]) -> Vec<(Speaker, String)> {
    let mut spoken: Vec<(Speaker, String)> = Vec::new();
    for (speaker, text) in turns.iter().filter(|(_, text)| !text.trim().is_empty()) {
        match spoken.last_mut() {
            Some((last, before)) if last == speaker => *before += &squashed(text),
            _ => spoken.push((*speaker, squashed(text))),
        }
    }
    spoken
}

/// Is a refusal of a request one that the target's table explains? Or is nothing of the last message left?
pub fn is_explained(error: &Error, to: DialectId) -> bool {
    let table = to.codec().facts().support;
    let mut limited = FEATURES.iter().filter(|row| row.feature.verdict(table) != Verdict::Native);
    let by_table = limited.any(|row| error.param.as_deref() == Some(row.name));
    error.status() == 400 && (by_table || error.param.as_deref() == Some("messages"))
}
