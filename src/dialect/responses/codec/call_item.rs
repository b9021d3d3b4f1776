//! A call that is being told.

use super::frames::{Kind, Repeated};
use super::place::{Place, quoted};
use crate::dialect::json::{Object, Reader, Shape};

/// A call, told as the caller knows the tool.
#[derive(Debug)]
pub struct Call {
    id: String,
    call_id: String,
    name: String,
    namespace: Option<String>,
    custom: bool,
    /// The arguments are an object that holds the free text: they are told when it is known.
    wrapped: bool,
    delta: Repeated,
    arguments: Vec<u8>,
}

impl Call {
    pub fn open(id: &str, name: &str, custom: bool, place: &mut Place<'_>) -> Call {
        let known = place.caller.tool(name);
        let free = custom || known.is_some_and(|tool| tool.custom);
        let call_id =
            if id.is_empty() { format!("call_{}_{}", place.part, place.calls) } else { id.to_owned() };
        *place.calls += 1;
        let mut call = Call {
            id: place.id(if free { "ctc" } else { "fc" }),
            call_id,
            name: known.map_or(name, |tool| &tool.name).to_owned(),
            namespace: known.and_then(|tool| tool.namespace.clone()),
            custom: free,
            wrapped: free && !custom,
            delta: Repeated::default(),
            arguments: Vec::new(),
        };
        let index = *place.items;
        call.delta = Repeated::new(call.kind(), |event| {
            event.text("item_id", &call.id).value("output_index", index);
        });
        place.added(|item| call.write(item, "in_progress"));
        call
    }

    fn kind(&self) -> Kind {
        if self.custom { Kind::Input } else { Kind::Arguments }
    }

    fn write(&self, item: &mut Object<'_>, status: &str) {
        let (kind, member) =
            if self.custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
        item.text("id", &self.id).text("type", kind).text("status", status);
        quoted(item.member(member), &self.arguments);
        item.text("call_id", &self.call_id).text("name", &self.name);
        item.text_if("namespace", self.namespace.as_deref());
    }

    pub fn finish(mut self, status: &'static str, place: &mut Place<'_>) {
        if self.wrapped {
            let text = free_text(&self.arguments);
            self.arguments.clear();
            self.tell(&text, place);
        } else if self.arguments.is_empty() && !self.custom {
            self.tell("{}", place);
        }
        let index = *place.items;
        let (name, member) = if self.custom {
            ("response.custom_tool_call_input.done", "input")
        } else {
            ("response.function_call_arguments.done", "arguments")
        };
        place.event(name, |event| {
            event.text("item_id", &self.id).value("output_index", index);
            if !self.custom {
                event.text("name", &self.name);
            }
            quoted(event.member(member), &self.arguments);
        });
        place.done(|item| self.write(item, status));
    }

    /// More of the arguments.
    #[inline]
    pub fn take(&mut self, text: &str, place: &mut Place<'_>) {
        if self.wrapped {
            return self.arguments.extend_from_slice(text.as_bytes());
        }
        self.tell(text, place);
    }

    fn tell(&mut self, text: &str, place: &mut Place<'_>) {
        let written = place.frames.repeat(&self.delta, text, place.out);
        self.arguments.extend_from_slice(place.out.get(written).unwrap_or_default());
    }
}

/// The text that a model put into an object, where its dialect knows no tools that take free text: the member `input`,
/// or the only text there is.
fn free_text(arguments: &[u8]) -> String {
    let written = String::from_utf8_lossy(arguments);
    let (mut input, mut other, mut others) = (None, None, 0);
    let read = Reader::new(&written).object(|name, value| {
        if value.shape() == Shape::Text {
            let slot = if name == "input" { &mut input } else { &mut other };
            *slot = Some(value.text()?.into_owned());
            others += usize::from(name != "input");
        }
        Ok(())
    });
    match (read, input, other) {
        (Ok(()), Some(input), _) => input,
        (Ok(()), None, Some(other)) if others == 1 => other,
        _ => written.into_owned(),
    }
}
