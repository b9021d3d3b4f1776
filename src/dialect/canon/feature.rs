//! What a request may ask for and an answer may hold, feature by feature, and what dialects make of it.
//!
//! Each dialect says in one table what becomes of each feature when it is the target. [`super::fit()`] acts on that
//! table and the reference page shows it, so that the page cannot say something else than what happens.

use super::request::{Content, Format, MediaKind, Part, Request, Role, Source, ToolChoice, ToolKind};
use crate::dialect::DialectId;

/// Something a request may ask for, or an answer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Feature {
    DeveloperRole,
    ParticipantName,
    ImageBase64,
    ImageUrl,
    AudioInput,
    VideoInput,
    DocumentBase64,
    DocumentUrl,
    DocumentText,
    FileId,
    Tools,
    CustomTools,
    HostedTools,
    StrictTools,
    ToolChoiceNone,
    ToolChoiceAny,
    ToolChoiceOne,
    ToolChoiceAmong,
    ParallelToolsOff,
    ToolResultMedia,
    ToolResultFailed,
    Thoughts,
    CacheMarks,
    MaxTokens,
    Temperature,
    TopP,
    TopK,
    Seed,
    Penalties,
    Stop,
    Choices,
    Logprobs,
    LogitBias,
    JsonMode,
    JsonSchema,
    Reasoning,
    Verbosity,
    User,
    Metadata,
    ServiceTier,
    CacheKey,
    Store,
    Previous,
    ForeignBlocks,
    Refusals,
    Citations,
    MediaOutput,
}

/// What becomes of a feature at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The dialect says it in its own words.
    Native,
    /// Something near it is said; what.
    Approximated(&'static str),
    /// Left out and named; why.
    Dropped(&'static str),
    /// The request is refused; what the caller is told to do.
    Refused(&'static str),
}

/// One line of a dialect's table. What has no line is native.
#[derive(Clone, Copy, Debug)]
pub struct Support {
    pub feature: Feature,
    pub verdict: Verdict,
}

/// A line of a table.
pub const fn line(feature: Feature, verdict: Verdict) -> Support {
    Support { feature, verdict }
}

/// How a feature is found in a request and taken out of it.
#[derive(Debug)]
pub struct Row {
    pub feature: Feature,
    /// Name in losses, errors and the reference page.
    pub name: &'static str,
    pub doc: &'static str,
    pub is_asked: fn(&Request<'_>) -> bool,
    pub take_out: fn(&mut Request<'_>),
}

impl Feature {
    pub fn row(self) -> &'static Row {
        &FEATURES[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What becomes of it where a dialect has this table.
    pub fn verdict(self, table: &[Support]) -> Verdict {
        table.iter().find(|line| line.feature == self).map_or(Verdict::Native, |line| line.verdict)
    }
}

/// Every feature once, in the order of the enum, so that a feature indexes its own row.
pub static FEATURES: &[Row] = {
    use Feature::*;
    &[
        row(
            DeveloperRole,
            "developer_role",
            "instructions of the application as a role of its own",
            |r| r.turns.iter().any(|turn| turn.role == Role::Developer),
            |r| {
                r.turns
                    .iter_mut()
                    .filter(|turn| turn.role == Role::Developer)
                    .for_each(|turn| turn.role = Role::System);
            },
        ),
        row(
            ParticipantName,
            "name",
            "a participant's name on a message",
            |r| r.turns.iter().any(|turn| turn.name.is_some()),
            |r| r.turns.iter_mut().for_each(|turn| turn.name = None),
        ),
        row(
            ImageBase64,
            "image",
            "an image in the request",
            |r| has(r, &|c| is_media(c, MediaKind::Image, is_base64)),
            |r| remove(r, &|c| is_media(c, MediaKind::Image, is_base64)),
        ),
        row(
            ImageUrl,
            "image_url",
            "an image by its address",
            |r| has(r, &|c| is_media(c, MediaKind::Image, is_url)),
            |r| remove(r, &|c| is_media(c, MediaKind::Image, is_url)),
        ),
        row(
            AudioInput,
            "audio",
            "a recording in the request",
            |r| has(r, &|c| is_media(c, MediaKind::Audio, |_| true)),
            |r| remove(r, &|c| is_media(c, MediaKind::Audio, |_| true)),
        ),
        row(
            VideoInput,
            "video",
            "a video in the request",
            |r| has(r, &|c| is_media(c, MediaKind::Video, |_| true)),
            |r| remove(r, &|c| is_media(c, MediaKind::Video, |_| true)),
        ),
        row(
            DocumentBase64,
            "document",
            "a document in the request",
            |r| has(r, &|c| is_media(c, MediaKind::Document, is_base64)),
            |r| remove(r, &|c| is_media(c, MediaKind::Document, is_base64)),
        ),
        row(
            DocumentUrl,
            "document_url",
            "a document by its address",
            |r| has(r, &|c| is_media(c, MediaKind::Document, is_url)),
            |r| remove(r, &|c| is_media(c, MediaKind::Document, is_url)),
        ),
        row(
            DocumentText,
            "document_text",
            "a document as plain text",
            |r| has(r, &|c| is_media(c, MediaKind::Document, is_plain)),
            |r| remove(r, &|c| is_media(c, MediaKind::Document, is_plain)),
        ),
        row(FileId, "file_id", "a file kept at the provider", |r| has(r, &is_file), |r| remove(r, &is_file)),
        row(Tools, "tools", "functions the model may call", |r| !r.tools.is_empty(), |r| r.tools.clear()),
        row(
            CustomTools,
            "custom_tools",
            "tools that take free text",
            |r| r.tools.iter().any(|tool| matches!(tool.kind, ToolKind::Custom { .. })),
            |r| r.tools.retain(|tool| !matches!(tool.kind, ToolKind::Custom { .. })),
        ),
        row(
            HostedTools,
            "hosted_tools",
            "tools the provider runs",
            |r| r.tools.iter().any(|tool| matches!(tool.kind, ToolKind::Hosted(_))),
            |r| r.tools.retain(|tool| !matches!(tool.kind, ToolKind::Hosted(_))),
        ),
        row(
            StrictTools,
            "strict",
            "arguments that must follow their schema",
            |r| {
                r.tools
                    .iter()
                    .any(|tool| matches!(&tool.kind, ToolKind::Function(f) if f.strict == Some(true)))
            },
            |r| {
                r.tools.iter_mut().for_each(|tool| {
                    if let ToolKind::Function(f) = &mut tool.kind {
                        f.strict = None;
                    }
                });
            },
        ),
        row(
            ToolChoiceNone,
            "tool_choice_none",
            "tools are declared and must not be called",
            |r| r.tool_choice == Some(ToolChoice::None),
            |r| r.tool_choice = None,
        ),
        row(
            ToolChoiceAny,
            "tool_choice_any",
            "some tool must be called",
            |r| r.tool_choice == Some(ToolChoice::Any),
            |r| r.tool_choice = None,
        ),
        row(
            ToolChoiceOne,
            "tool_choice_one",
            "this tool must be called",
            |r| matches!(r.tool_choice, Some(ToolChoice::One(_))),
            |r| r.tool_choice = None,
        ),
        row(
            ToolChoiceAmong,
            "allowed_tools",
            "only these of the declared tools may be called",
            |r| matches!(r.tool_choice, Some(ToolChoice::Among { .. })),
            |r| r.tool_choice = None,
        ),
        row(
            ParallelToolsOff,
            "parallel_tool_calls",
            "one call at a time",
            |r| r.parallel_tools == Some(false),
            |r| r.parallel_tools = None,
        ),
        row(
            ToolResultMedia,
            "tool_result_media",
            "images and documents in the result of a tool",
            |r| in_results(r, &|c| matches!(c, Content::Media(_))),
            |r| each_result(r, &mut |parts| parts.retain(|part| !matches!(part.content, Content::Media(_)))),
        ),
        row(
            ToolResultFailed,
            "is_error",
            "the call of a tool failed",
            |r| has(r, &|c| matches!(c, Content::ToolResult(result) if result.failed)),
            |r| {
                each_part(r, &mut |part| {
                    if let Content::ToolResult(result) = &mut part.content {
                        result.failed = false;
                    }
                });
            },
        ),
        row(
            Thoughts,
            "thoughts",
            "what the model thought in earlier turns",
            |r| has(r, &|c| matches!(c, Content::Thought(_))),
            |r| remove(r, &|c| matches!(c, Content::Thought(_))),
        ),
        row(
            CacheMarks,
            "cache_control",
            "marks of what the provider is to keep in its prompt cache",
            |r| {
                r.tools.iter().any(|tool| tool.cache.is_some())
                    || r.turns.iter().flat_map(|turn| &turn.parts).any(|part| part.cache.is_some())
            },
            |r| {
                r.tools.iter_mut().for_each(|tool| tool.cache = None);
                each_part(r, &mut |part| part.cache = None);
            },
        ),
        row(
            MaxTokens,
            "max_tokens",
            "a bound on the answer's tokens",
            |r| r.max_tokens.is_some(),
            |r| r.max_tokens = None,
        ),
        row(
            Temperature,
            "temperature",
            "how freely the next token is chosen",
            |r| r.sampling.temperature.is_some(),
            |r| r.sampling.temperature = None,
        ),
        row(
            TopP,
            "top_p",
            "only the likeliest tokens that make up this share",
            |r| r.sampling.top_p.is_some(),
            |r| r.sampling.top_p = None,
        ),
        row(
            TopK,
            "top_k",
            "only so many of the likeliest tokens",
            |r| r.sampling.top_k.is_some(),
            |r| r.sampling.top_k = None,
        ),
        row(Seed, "seed", "the same answer again", |r| r.sampling.seed.is_some(), |r| r.sampling.seed = None),
        row(
            Penalties,
            "penalties",
            "`presence_penalty` and `frequency_penalty`",
            |r| r.sampling.presence_penalty.is_some() || r.sampling.frequency_penalty.is_some(),
            |r| (r.sampling.presence_penalty, r.sampling.frequency_penalty) = (None, None),
        ),
        row(Stop, "stop", "texts that end the answer", |r| !r.stop.is_empty(), |r| r.stop.clear()),
        row(Choices, "n", "several answers", |r| r.choices.is_some_and(|n| n > 1), |r| r.choices = None),
        row(
            Logprobs,
            "logprobs",
            "how likely each token was",
            |r| r.logprobs.is_some(),
            |r| r.logprobs = None,
        ),
        row(
            LogitBias,
            "logit_bias",
            "tokens to prefer or avoid",
            |r| r.logit_bias.is_some(),
            |r| r.logit_bias = None,
        ),
        row(
            JsonMode,
            "json_object",
            "an answer that is some JSON object",
            |r| r.format == Some(Format::Json),
            |r| r.format = None,
        ),
        row(
            JsonSchema,
            "json_schema",
            "an answer that is JSON of a schema",
            |r| matches!(r.format, Some(Format::Schema { .. })),
            |r| r.format = None,
        ),
        row(Reasoning, "reasoning", "how hard to think", |r| r.reasoning.is_some(), |r| r.reasoning = None),
        row(
            Verbosity,
            "verbosity",
            "how long an answer is wanted",
            |r| r.verbosity.is_some(),
            |r| r.verbosity = None,
        ),
        row(User, "user", "the end user's id", |r| r.user.is_some(), |r| r.user = None),
        row(
            Metadata,
            "metadata",
            "texts kept with the answer",
            |r| r.metadata.is_some(),
            |r| r.metadata = None,
        ),
        row(
            ServiceTier,
            "service_tier",
            "priority at the provider",
            |r| r.service_tier.is_some(),
            |r| r.service_tier = None,
        ),
        row(
            CacheKey,
            "prompt_cache_key",
            "requests that share a prompt",
            |r| r.cache_key.is_some(),
            |r| r.cache_key = None,
        ),
        row(
            Store,
            "store",
            "the provider is to keep the answer",
            |r| r.store == Some(true),
            |r| r.store = None,
        ),
        row(
            Previous,
            "previous_response_id",
            "an earlier answer to go on from",
            |r| r.previous.is_some(),
            |r| r.previous = None,
        ),
        row(
            ForeignBlocks,
            "foreign_blocks",
            "blocks that only one dialect knows",
            |r| has(r, &|c| matches!(c, Content::Foreign(_))),
            |r| remove(r, &|c| matches!(c, Content::Foreign(_))),
        ),
        answered(Refusals, "refusal", "the model's words on why it does not answer"),
        answered(Citations, "citations", "the sources of a text"),
        answered(MediaOutput, "media_output", "images and sound in an answer"),
    ]
};

const fn row(
    feature: Feature,
    name: &'static str,
    doc: &'static str,
    is_asked: fn(&Request<'_>) -> bool,
    take_out: fn(&mut Request<'_>),
) -> Row {
    Row { feature, name, doc, is_asked, take_out }
}

/// A feature of answers: there is nothing in a request to find or take out.
const fn answered(feature: Feature, name: &'static str, doc: &'static str) -> Row {
    row(feature, name, doc, |_| false, |_| {})
}

/// Is there such a block, results of tools included?
pub fn has(request: &Request<'_>, is: &dyn Fn(&Content<'_>) -> bool) -> bool {
    request.turns.iter().flat_map(|turn| &turn.parts).any(|part| is(&part.content)) || in_results(request, is)
}

fn in_results(request: &Request<'_>, is: &dyn Fn(&Content<'_>) -> bool) -> bool {
    request.turns.iter().flat_map(|turn| &turn.parts).any(|part| match &part.content {
        Content::ToolResult(result) => result.parts.iter().any(|part| is(&part.content)),
        _ => false,
    })
}

/// Takes such blocks out, and with them the turns that held nothing else.
pub fn remove(request: &mut Request<'_>, is: &dyn Fn(&Content<'_>) -> bool) {
    request.turns.retain_mut(|turn| {
        let before = turn.parts.len();
        turn.parts.retain(|part| !is(&part.content));
        before == 0 || !turn.parts.is_empty()
    });
    each_result(request, &mut |parts| parts.retain(|part| !is(&part.content)));
}

fn each_part<'a>(request: &mut Request<'a>, change: &mut dyn FnMut(&mut Part<'a>)) {
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        change(part);
        if let Content::ToolResult(result) = &mut part.content {
            result.parts.iter_mut().for_each(&mut *change);
        }
    }
}

fn each_result<'a>(request: &mut Request<'a>, change: &mut dyn FnMut(&mut Vec<Part<'a>>)) {
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        if let Content::ToolResult(result) = &mut part.content {
            change(&mut result.parts);
        }
    }
}

fn is_media(content: &Content<'_>, kind: MediaKind, from: fn(&Source<'_>) -> bool) -> bool {
    matches!(content, Content::Media(media) if media.kind == kind && from(&media.source) && !is_file(content))
}

fn is_file(content: &Content<'_>) -> bool {
    matches!(content, Content::Media(media) if matches!(media.source, Source::File { .. }))
}

fn is_base64(source: &Source<'_>) -> bool {
    matches!(source, Source::Base64 { .. })
}

fn is_url(source: &Source<'_>) -> bool {
    matches!(source, Source::Url { .. })
}

fn is_plain(source: &Source<'_>) -> bool {
    matches!(source, Source::Text(_))
}

/// The reference page: every feature at every target.
pub fn reference_page(dialects: &[(DialectId, &[Support])]) -> String {
    let mut page = String::from(
        "# Dialects\n\nWhat becomes of a request's features when the target speaks another dialect than the caller. Written by \
         a test from the tables the dialects have in `src/dialect`; the gateway acts on the same tables.\n\n",
    );
    let mut notes = Vec::new();
    let header: Vec<&str> = dialects.iter().map(|(id, _)| id.title()).collect();
    page.push_str(&format!("| feature | {} |\n|---|{}\n", header.join(" | "), "---|".repeat(dialects.len())));
    for row in FEATURES {
        page.push_str(&format!("| `{}`: {} |", row.name, row.doc));
        for (id, table) in dialects {
            let (word, note) = match row.feature.verdict(table) {
                Verdict::Native => ("native", None),
                Verdict::Approximated(note) => ("approximated", Some(note)),
                Verdict::Dropped(note) => ("dropped", Some(note)),
                Verdict::Refused(note) => ("refused", Some(note)),
            };
            page.push_str(&format!(" {word} |"));
            notes.extend(note.map(|note| format!("- `{}` at {}: {word}, {note}\n", row.name, id.title())));
        }
        page.push('\n');
    }
    page.push_str("\n## Notes\n\n");
    page.extend(notes);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_indexes_its_own_row() {
        for (index, row) in FEATURES.iter().enumerate() {
            assert_eq!(row.feature as usize, index, "{} is out of order", row.name);
        }
        assert_eq!(Feature::MediaOutput as usize + 1, FEATURES.len());
        let names: std::collections::HashSet<&str> = FEATURES.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), FEATURES.len());
    }
}
