//! Events of a stream as frames, each with its name and the next number.

use crate::dialect::json::{Object, write_text};

/// Numbers the events of one stream.
#[derive(Debug, Default)]
pub struct Frames {
    sequence: u64,
}

/// An event that comes again and again and differs in its number and one text: all else is kept written.
#[derive(Debug, Default)]
pub struct Repeated {
    /// Up to the number.
    head: &'static str,
    /// From behind the number to the text.
    middle: Vec<u8>,
    /// From behind the text.
    tail: &'static str,
}

impl Frames {
    /// Appends one event.
    pub fn write(&mut self, name: &str, out: &mut Vec<u8>, fill: impl FnOnce(&mut Object<'_>)) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        {
            let mut event = Object::new(out);
            event.text("type", name);
            write_number(event.member("sequence_number"), self.next());
            fill(&mut event);
        }
        out.extend_from_slice(b"\n\n");
    }

    /// Appends the event with this text, and returns the place of the text, without its quotes.
    pub fn repeat(&mut self, event: &Repeated, text: &str, out: &mut Vec<u8>) -> std::ops::Range<usize> {
        out.extend_from_slice(event.head.as_bytes());
        write_number(out, self.next());
        out.extend_from_slice(&event.middle);
        let start = out.len() + 1;
        write_text(out, text);
        let end = out.len() - 1;
        out.extend_from_slice(event.tail.as_bytes());
        start..end
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }
}

impl Repeated {
    /// Of this kind, with these members between its number and its text.
    pub fn new(kind: Kind, fill: impl FnOnce(&mut Object<'_>)) -> Repeated {
        let mut middle = Vec::with_capacity(128);
        {
            let mut members = Object::new(&mut middle);
            fill(&mut members);
        }
        // The braces make way for what stands around the members.
        if let Some(brace) = middle.first_mut() {
            *brace = b',';
        }
        middle.pop();
        middle.extend_from_slice(b",\"delta\":");
        let (head, tail) = kind.edges();
        Repeated { head, middle, tail }
    }
}

/// Events that repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Refusal,
    Summary,
    Arguments,
    Input,
}

impl Kind {
    fn edges(self) -> (&'static str, &'static str) {
        let head = match self {
            Kind::Text => head!("response.output_text.delta"),
            Kind::Refusal => head!("response.refusal.delta"),
            Kind::Summary => head!("response.reasoning_summary_text.delta"),
            Kind::Arguments => head!("response.function_call_arguments.delta"),
            Kind::Input => head!("response.custom_tool_call_input.delta"),
        };
        let tail = if self == Kind::Text { ",\"logprobs\":[]}\n\n" } else { "}\n\n" };
        (head, tail)
    }
}

/// A frame up to the value of its number.
macro_rules! head {
    ($name:literal) => {
        concat!("event: ", $name, "\ndata: {\"type\":\"", $name, "\",\"sequence_number\":")
    };
}
use head;

fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; 20];
    let mut rest = number;
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        length += 1;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
}
