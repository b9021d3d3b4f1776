//! What OpenAI chat can say, read into the canonical form and written from it.
//!
//! Formats: OpenAI API reference, "Chat" and "Chat streaming"; where other vendors of the dialect add something or
//! depart from it, that is named where it is read. What they take differently is data: [`crate::dialect::quirks`].

mod call;
mod calls;
mod outcome;
mod part;
mod read_events;
mod read_messages;
mod read_request;
mod read_response;
mod read_tools;
#[cfg(test)]
mod tests;
mod write_events;
mod write_messages;
mod write_parts;
mod write_request;
mod write_response;
mod write_tools;

use super::OpenAiChat;
use crate::dialect::canon::feature::line;
use crate::dialect::canon::names::{NameRule, PLAIN_64};
use crate::dialect::canon::{Feature, Losses, Request, Response, Support, Verdict};
use crate::dialect::codec::{Codec, EventReader, EventWriter, Facts, Framing, Manner, Outward};
use crate::dialect::json::Read;
use crate::error::Result;

impl Codec for OpenAiChat {
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
        Box::new(write_events::ChunkWriter::new(outward))
    }
}

static FACTS: Facts = Facts {
    support: SUPPORT,
    tool_names: PLAIN_64,
    call_ids: CALL_IDS,
    framing: Framing::Sse,
    user_first: false,
};

/// OpenAI refuses longer ids of calls ("string too long. Expected a string with maximum length 40").
const CALL_IDS: NameRule = NameRule { longest: 40, allows: PLAIN_64.allows };

const SUPPORT: &[Support] = &[
    near(Feature::DeveloperRole, "a system message for vendors that do not know the role"),
    near(
        Feature::AudioInput,
        "base64 as `input_audio`; an address as `audio_url`, which OpenAI does not take",
    ),
    near(Feature::VideoInput, "as `video_url`, which OpenAI itself does not take"),
    near(
        Feature::DocumentBase64,
        "as a `file` part, text as a text part; of other files OpenAI takes PDF alone",
    ),
    near(Feature::DocumentUrl, "the address as `file_data`; OpenAI itself fetches none"),
    near(Feature::DocumentText, "as a text part under its title"),
    refused(Feature::FileId, "ids of files hold at one provider only; send the file itself"),
    near(Feature::CustomTools, "left out, and named, for vendors that do not know them"),
    dropped(Feature::HostedTools, "they run at the provider that offers them"),
    near(
        Feature::ToolChoiceAmong,
        "only these tools are declared to vendors that do not know `allowed_tools`",
    ),
    near(Feature::ToolResultMedia, "in a user message behind the results"),
    near(Feature::ToolResultFailed, "the result's text begins with `Error: `"),
    near(Feature::Thoughts, "left out, and named, unless the vendor wants them back"),
    near(Feature::CacheMarks, "left out, and named, unless the vendor takes them; most cache by themselves"),
    near(Feature::TopK, "left out, and named, unless the vendor takes it"),
    near(Feature::Stop, "the first four"),
    near(Feature::Logprobs, "those of 20 alternatives at most"),
    near(Feature::Reasoning, "as the nearest `reasoning_effort` the vendor knows; `disabled` goes unsaid"),
    near(Feature::Metadata, "only together with `store`; left out, and named, otherwise"),
    near(Feature::ServiceTier, "`standard_only` becomes `default`"),
    refused(Feature::Previous, "send the whole conversation"),
    near(Feature::Citations, "sources with an address, as `url_citation`"),
    near(Feature::MediaOutput, "pictures as `images`, sound as `audio`"),
];

const fn near(feature: Feature, note: &'static str) -> Support {
    line(feature, Verdict::Approximated(note))
}

const fn dropped(feature: Feature, note: &'static str) -> Support {
    line(feature, Verdict::Dropped(note))
}

const fn refused(feature: Feature, note: &'static str) -> Support {
    line(feature, Verdict::Refused(note))
}
