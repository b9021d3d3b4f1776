//! Calls of tools, as messages and answers hold them.

use crate::dialect::canon::{Maker, Seal, ToolCall};
use crate::dialect::json::{Object, Read, Reader, Shape, Words};

/// Reads `{"id","type","function":{"name","arguments"}}`, or `custom` with `input` in place of `function`.
pub fn read<'a>(value: &mut Reader<'a>) -> Read<ToolCall<'a>> {
    let mut call = ToolCall::new("".into(), "".into(), "".into());
    value.object(|name, value| {
        match name {
            "id" => call.id = value.text_if()?.unwrap_or_default(),
            "function" => read_function(value, &mut call)?,
            "custom" if value.shape() == Shape::Object => {
                call.custom = true;
                read_function(value, &mut call)?;
            }
            "extra_content" => call.seal = read_seal(value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(call)
}

/// Reads `{"name","arguments"}`. Also the whole of the older `function_call`.
pub fn read_function<'a>(value: &mut Reader<'a>, call: &mut ToolCall<'a>) -> Read<()> {
    value.object_if(|name, value| {
        match name {
            "name" => call.name = value.text_if()?.unwrap_or_default(),
            "arguments" | "input" => call.arguments = read_arguments(value)?,
            _ => {}
        }
        Ok(())
    })
}

/// JSON in a text; some write the object itself.
pub fn read_arguments<'a>(value: &mut Reader<'a>) -> Read<Words<'a>> {
    match value.shape() {
        Shape::Text => value.words(),
        Shape::Object => value.raw().map(Words::from),
        _ => value.skip().map(|()| Words::default()),
    }
}

/// Gemini's signature on a call, where Google's OpenAI endpoint has it:
/// `{"google":{"thought_signature"}}`.
pub fn read_seal<'a>(value: &mut Reader<'a>) -> Read<Option<Seal<'a>>> {
    let mut seal = None;
    value.object_if(|name, value| {
        if name != "google" {
            return Ok(());
        }
        value.object_if(|name, value| {
            if name == "thought_signature" {
                seal = value.text_if()?.map(|data| Seal { maker: Maker::Gemini, data });
            }
            Ok(())
        })
    })?;
    Ok(seal)
}

/// The seal as a member of a call, for callers that bring it back. Only Gemini has a place for it.
pub fn write_seal(call: &mut Object<'_>, seal: Option<&Seal<'_>>) {
    if let Some(Seal { maker: Maker::Gemini, data }) = seal {
        call.object("extra_content", |extra| {
            extra.object("google", |google| {
                google.text("thought_signature", data);
            });
        });
    }
}
