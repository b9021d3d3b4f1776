//! What Gemini can say.

mod chunk;
mod grounding;
mod media;
mod model;
mod parts;
mod read_config;
mod read_events;
mod read_request;
mod read_response;
mod schema;
#[cfg(test)]
mod tests;
mod time;
mod write_config;
mod write_contents;
mod write_events;
mod write_request;
mod write_response;

pub use model::Model;
pub use write_contents::UNSIGNED;

use super::Gemini;
use crate::dialect::canon::feature::Feature::*;
use crate::dialect::canon::feature::Verdict::{Approximated, Dropped, Refused};
use crate::dialect::canon::feature::line;
use crate::dialect::canon::names::{NameRule, PLAIN_64};
use crate::dialect::canon::{Losses, Request, Response, Support};
use crate::dialect::codec::{Codec, EventReader, EventWriter, Facts, Framing, Manner, Outward};
use crate::dialect::json::Read;
use crate::error::Result;

impl Codec for Gemini {
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
        write_request::write(request, manner, losses)
    }

    fn read_response<'a>(&self, body: &'a str) -> Read<Response<'a>> {
        read_response::read(body)
    }

    fn write_response(&self, response: &Response<'_>, outward: &Outward) -> Vec<u8> {
        write_response::write(response, outward)
    }

    fn reader(&self) -> Box<dyn EventReader> {
        Box::new(read_events::Chunks::default())
    }

    fn writer(&self, outward: &Outward) -> Box<dyn EventWriter> {
        Box::new(write_events::Chunks::new(outward))
    }
}

/// Ids of calls are any text.
const IDS: NameRule = NameRule { longest: 512, allows: |byte| byte.is_ascii_graphic() };

static FACTS: Facts =
    Facts { support: SUPPORT, tool_names: PLAIN_64, call_ids: IDS, framing: Framing::Sse, user_first: true };

static SUPPORT: &[Support] = &[
    line(DeveloperRole, Approximated("as `systemInstruction`; later ones as a user's message")),
    line(ParticipantName, Dropped("messages have no names")),
    line(
        ImageUrl,
        Approximated(
            "as `fileData`: Google fetches it, if it is public and the model is Gemini 2.5 or later",
        ),
    ),
    line(
        DocumentUrl,
        Approximated(
            "as `fileData`: Google fetches it, if it is public and the model is Gemini 2.5 or later",
        ),
    ),
    line(DocumentText, Approximated("as text")),
    line(
        FileId,
        Approximated("the URI of a file uploaded to Gemini, or in Cloud Storage; ids of others are refused"),
    ),
    line(CustomTools, Dropped("tools take JSON only")),
    line(HostedTools, Dropped("each provider runs tools of its own")),
    line(StrictTools, Approximated("by the mode `VALIDATED`, for all tools at once")),
    line(ToolChoiceAmong, Approximated("where a call is not a must, by the mode `VALIDATED`")),
    line(ParallelToolsOff, Dropped("the model may always call several tools at once")),
    line(ToolResultMedia, Approximated("within the result from Gemini 3 on, beside it before")),
    line(ToolResultFailed, Approximated("as `{\"error\":…}`")),
    line(Thoughts, Approximated("only its own, by their signatures")),
    line(CacheMarks, Dropped("long prompts are cached without being asked")),
    line(Stop, Approximated("the first five")),
    line(LogitBias, Dropped("there is no such setting")),
    line(
        Reasoning,
        Approximated(
            "as a level from Gemini 3 on, as a number of tokens for Gemini 2.5; older ones do not think",
        ),
    ),
    line(Verbosity, Dropped("there is no such setting")),
    line(User, Dropped("there is no such member")),
    line(Metadata, Dropped("there is no such member")),
    line(ServiceTier, Approximated("`flex`, `priority` and the standard one, at AI Studio")),
    line(CacheKey, Dropped("long prompts are cached without being asked")),
    line(Store, Dropped("answers are not kept")),
    line(Previous, Refused("send the earlier messages with the request")),
    line(Refusals, Approximated("as text, with the finish reason `SAFETY`")),
];
