//! What the responses dialect can say.

mod call_item;
mod caller;
mod frames;
mod names;
mod open_item;
mod place;
mod read_events;
pub mod read_items;
mod read_parts;
mod read_request;
mod read_response;
mod read_tools;
mod shell;
#[cfg(test)]
mod tests;
mod write_events;
mod write_items;
mod write_parts;
mod write_request;

use super::Responses;
use crate::dialect::canon::blocks::Tell;
use crate::dialect::canon::feature::line;
use crate::dialect::canon::names::PLAIN_64;
use crate::dialect::canon::{
    Choice, Content, Event, Feature, Losses, Request, Response, Support, Verdict, event,
};
use crate::dialect::codec::{Codec, EventReader, EventWriter, Facts, Framing, Manner, Outward};
use crate::dialect::json::{Object, Read};
use crate::error::Result;
pub use read_request::instruction_turns;

static FACTS: Facts = Facts {
    support: SUPPORT,
    tool_names: PLAIN_64,
    call_ids: PLAIN_64,
    framing: Framing::Sse,
    user_first: false,
};

const SUPPORT: &[Support] = {
    use Feature::*;
    use Verdict::{Approximated, Dropped, Refused};
    &[
        line(ParticipantName, Dropped("messages name no participant")),
        line(AudioInput, Refused("this API takes no audio")),
        line(VideoInput, Refused("this API takes no video")),
        line(DocumentText, Approximated("sent as text of the message")),
        line(FileId, Approximated("passed on; the file must be kept at OpenAI")),
        line(HostedTools, Dropped("a provider's tools are its own")),
        line(ToolResultFailed, Dropped("a result says by its words alone that the call failed")),
        line(Thoughts, Approximated("only what OpenAI's models sealed themselves is sent back")),
        line(CacheMarks, Dropped("the provider finds what to cache by itself")),
        line(MaxTokens, Approximated("at least 16")),
        line(TopK, Dropped("there is no such parameter")),
        line(Seed, Dropped("there is no such parameter")),
        line(Penalties, Dropped("there is no such parameter")),
        line(Stop, Dropped("there is no such parameter")),
        line(Choices, Refused("ask once for each answer")),
        line(LogitBias, Dropped("there is no such parameter")),
        line(User, Approximated("as safety_identifier, if it is at most 64 bytes long")),
        line(ServiceTier, Approximated("only tiers that OpenAI knows")),
        line(MediaOutput, Dropped("images are made by a tool of the provider's")),
    ]
};

impl Codec for Responses {
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
        Ok(write_request::write(request, manner, losses))
    }

    fn read_response<'a>(&self, body: &'a str) -> Read<Response<'a>> {
        read_response::read(body)
    }

    /// The items are those of a stream, whose events are thrown away.
    fn write_response(&self, response: &Response<'_>, outward: &Outward) -> Vec<u8> {
        let mut writer = write_events::Writer::new(outward);
        let mut events = Vec::new();
        let mut tell = |event: Event<'_>| {
            events.clear();
            writer.write(&event, &mut events);
        };
        tell(Event::Begin { id: response.id.as_deref(), model: None, created: response.created });
        if let Some(choice) = response.choices.first() {
            replay_choice(choice, &mut tell);
        }
        tell(Event::Usage(&response.usage));
        let mut out = Vec::with_capacity(events.len());
        writer.shell(writer.state()).write(writer.caller(), &mut Object::new(&mut out));
        out
    }

    fn reader(&self) -> Box<dyn EventReader> {
        Box::new(read_events::EventsReader::default())
    }

    fn writer(&self, outward: &Outward) -> Box<dyn EventWriter> {
        Box::new(write_events::Writer::new(outward))
    }
}

/// Tells an answer block by block, with the chances of its tokens behind its first text.
fn replay_choice(choice: &Choice<'_>, tell: &mut Tell<'_>) {
    let mut chances = Some(&choice.logprobs).filter(|chances| !chances.is_empty());
    for (block, part) in (0..).zip(&choice.parts) {
        event::replay_part(0, block, part, tell);
        if matches!(part.content, Content::Text(_) | Content::Cited(..))
            && let Some(chances) = chances.take()
        {
            tell(Event::Chances { choice: 0, chances });
        }
    }
    tell(Event::Finish { choice: 0, finish: choice.finish.clone() });
}
