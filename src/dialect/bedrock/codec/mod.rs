//! Converse, read and written: requests, answers, streams.
//!
//! Format: Bedrock API reference, "Converse", "ConverseStream" and the types they name
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).

mod finish;
mod media;
mod model;
mod read_blocks;
mod read_events;
mod read_request;
mod read_response;
mod support;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
pub(super) mod usage;
mod write_blocks;
mod write_events;
mod write_request;
mod write_response;

use super::Bedrock;
use crate::dialect::canon::names::PLAIN_64;
use crate::dialect::canon::{Losses, Request, Response};
use crate::dialect::codec::{Codec, EventReader, EventWriter, Facts, Framing, Manner, Outward};
use crate::dialect::json::Read;
use crate::error::Result;

impl Codec for Bedrock {
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

    fn write_response(&self, response: &Response<'_>, _outward: &Outward) -> Vec<u8> {
        write_response::write(response)
    }

    fn reader(&self) -> Box<dyn EventReader> {
        Box::new(read_events::Events::default())
    }

    fn writer(&self, _outward: &Outward) -> Box<dyn EventWriter> {
        Box::new(write_events::Writer::default())
    }
}

static FACTS: Facts = Facts {
    support: support::TABLE,
    tool_names: PLAIN_64,
    call_ids: PLAIN_64,
    framing: Framing::EventStream,
    user_first: true,
};

/// Name of the tool by which models are held to a form of their answer that Bedrock does not hold them to. Its
/// arguments are the answer, and readers tell them as text: nothing else has to be remembered of the request.
const ANSWER_TOOL: &str = "gateway_final_answer";

/// Where Claude tells which text ended its answer: whole answers at the first place, streams at the second.
const STOP_SEQUENCE_PATHS: [&str; 2] = ["/stop_sequence", "/delta/stop_sequence"];
