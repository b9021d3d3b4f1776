//! What this dialect can say: reading and writing the canonical form.
//!
//! Format: Claude API reference, "Messages" (<https://platform.claude.com/docs/en/api/messages>), and Claude docs,
//! "Streaming messages", "Thinking", "Structured outputs", "Citations", "Handling stop reasons"
//! (<https://platform.claude.com/docs/en/build-with-claude/overview>).

mod custom;
mod format;
mod media;
mod model;
mod read_blocks;
mod read_citations;
mod read_events;
mod read_request;
mod read_response;
mod read_tools;
mod schema;
#[cfg(test)]
mod tests;
mod thinking;
mod write_blocks;
mod write_citations;
mod write_events;
mod write_messages;
mod write_request;
mod write_response;
mod write_tools;

use super::Anthropic;
use crate::dialect::canon::feature::line;
use crate::dialect::canon::names::PLAIN_64;
use crate::dialect::canon::{Feature, Losses, Request, Response, Support, Verdict};
use crate::dialect::codec::{Codec, EventReader, EventWriter, Facts, Framing, Manner, Outward};
use crate::dialect::json::Read;
use crate::error::Result;

impl Codec for Anthropic {
    fn facts(&self) -> &'static Facts {
        &FACTS
    }

    fn read_request<'a>(&self, body: &'a str) -> Read<Request<'a>> {
        read_request::read(body)
    }

    fn write_request(
        &self,
        request: &Request<'_>,
        manner: &Manner<'_>,
        losses: &mut Losses,
    ) -> Result<Vec<u8>> {
        write_request::write_request(request, manner, losses)
    }

    fn read_response<'a>(&self, body: &'a str) -> Read<Response<'a>> {
        read_response::read(body)
    }

    fn write_response(&self, response: &Response<'_>, outward: &Outward) -> Vec<u8> {
        write_response::write_response(response, outward)
    }

    fn reader(&self) -> Box<dyn EventReader> {
        Box::new(read_events::Reads::default())
    }

    fn writer(&self, outward: &Outward) -> Box<dyn EventWriter> {
        Box::new(write_events::Writes::new(outward))
    }
}

static FACTS: Facts = Facts {
    support: SUPPORT,
    tool_names: PLAIN_64,
    call_ids: PLAIN_64,
    framing: Framing::Sse,
    user_first: true,
};

/// Name of the tool whose arguments are the answer, where the answer must follow a schema and the model has no other
/// means. Answers are read by it alone, so that nothing must be remembered.
const ANSWER_TOOL: &str = "aisix_json_answer";

/// What becomes of features here. What has no line is native.
const SUPPORT: &[Support] = {
    use Feature::*;
    use Verdict::{Approximated, Dropped, Refused};
    &[
        line(DeveloperRole, Approximated("the same as `system`")),
        line(ParticipantName, Dropped("messages have no names")),
        line(AudioInput, Refused("Claude does not listen; send a transcript")),
        line(VideoInput, Refused("Claude does not watch videos; send single images")),
        line(DocumentBase64, Approximated("PDF and text; other types are refused")),
        line(FileId, Approximated("sent as it is: the file must be kept at this provider")),
        line(
            CustomTools,
            Approximated("a function with one text member; a grammar becomes part of its description"),
        ),
        line(HostedTools, Dropped("tools of another provider do not run here")),
        line(StrictTools, Approximated("where the model keeps to schemas, and within its limits on them")),
        line(ToolChoiceAny, Approximated("`auto` on models that cannot be forced to call a tool")),
        line(ToolChoiceOne, Approximated("`auto` on models that cannot be forced to call a tool")),
        line(ToolChoiceAmong, Approximated("only these tools are declared")),
        line(Thoughts, Approximated("thoughts with a signature of Claude's; others are left out")),
        line(
            MaxTokens,
            Approximated("4096 and room to think where none is given; at most what the model writes"),
        ),
        line(Temperature, Approximated("at most 1; left out where the model thinks or takes none")),
        line(TopP, Approximated("left out beside a temperature, and where the model takes none")),
        line(TopK, Approximated("left out where the model thinks or takes none")),
        line(Seed, Dropped("answers cannot be made again")),
        line(Penalties, Dropped("there are none")),
        line(Choices, Refused("one answer is given; ask once for each")),
        line(Logprobs, Dropped("probabilities are not told")),
        line(LogitBias, Dropped("tokens cannot be weighed")),
        line(JsonMode, Approximated("the model is told to answer with one JSON object")),
        line(
            JsonSchema,
            Approximated("natively where the model keeps to such a schema, else as a forced tool"),
        ),
        line(
            Reasoning,
            Approximated(
                "an effort or a budget, whichever the model takes; left out beside forced tools and in tool loops without signed thoughts where only a budget is taken",
            ),
        ),
        line(Verbosity, Dropped("ask for it in the prompt")),
        line(Metadata, Dropped("nothing is kept with an answer")),
        line(ServiceTier, Approximated("`auto` and `default`")),
        line(CacheKey, Dropped("what to cache is marked on the prompt")),
        line(Store, Dropped("answers are not kept")),
        line(Previous, Refused("answers are not kept; send the whole conversation")),
        line(ForeignBlocks, Dropped("blocks of another provider mean nothing here")),
        line(Refusals, Approximated("text, and the stop reason `refusal`")),
        line(MediaOutput, Dropped("answers hold text alone")),
    ]
};
