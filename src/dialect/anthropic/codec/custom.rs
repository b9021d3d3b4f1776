//! Tools that take free text, as functions with one text member. The member's name says what they are, so that answers
//! can be read without knowing the request.

use std::borrow::Cow;

use crate::dialect::canon::{Content, Part};
use crate::dialect::json::{Object, Raw, Read, Reader, Say};

/// The member.
pub const MEMBER: &str = "free_form_text";

/// Schema of such a function.
pub const SCHEMA: Raw<'static> =
    r#"{"type":"object","properties":{"free_form_text":{"type":"string"}},"required":["free_form_text"]}"#;

/// Arguments that carry the text.
pub fn write_input(out: &mut Vec<u8>, text: &(impl Say + ?Sized)) {
    Object::new(out).text(MEMBER, text);
}

/// Makes a call of such a function one of the tool it stands for.
pub fn unwrap(part: &mut Part<'_>) {
    if let Content::ToolCall(call) = &mut part.content
        && begins(&call.arguments) == Some(true)
        && let Some(text) = text_of(&call.arguments)
    {
        (call.arguments, call.custom) = (text.into(), true);
    }
}

/// Are these, or the begin of them, such arguments? None: too early to say.
pub fn begins(arguments: &str) -> Option<bool> {
    let arguments = arguments.trim_start();
    if arguments.is_empty() {
        return None;
    }
    let Some(rest) = arguments.strip_prefix('{') else { return Some(false) };
    let rest = rest.trim_start();
    if rest.starts_with(QUOTED) {
        return Some(true);
    }
    if QUOTED.starts_with(rest) { None } else { Some(false) }
}

/// The text that arguments carry; None if they are not whole.
pub fn text_of(arguments: &str) -> Option<String> {
    let mut text = None;
    let read: Read<()> = Reader::new(arguments).object(|name, value| {
        if name == MEMBER {
            text = value.text_if()?.map(Cow::into_owned);
        }
        Ok(())
    });
    read.ok().and(text)
}

/// What the model is told of a tool: its description, and what its text must look like.
pub fn description(description: Option<&str>, format: Option<Raw<'_>>) -> Option<String> {
    let grammar = format.and_then(grammar);
    let text =
        [description.map(str::to_owned), grammar].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    (!text.is_empty()).then_some(text)
}

fn grammar(format: Raw<'_>) -> Option<String> {
    let (mut kind, mut syntax, mut definition) = (None, None, None);
    let read: Read<()> = Reader::new(format).object(|name, value| {
        match name {
            "type" => kind = value.text_if()?,
            "syntax" => syntax = value.text_if()?,
            "definition" => definition = value.text_if()?,
            _ => {}
        }
        Ok(())
    });
    read.ok()?;
    let definition = definition.filter(|_| kind.as_deref() == Some("grammar"))?;
    let syntax = syntax.as_deref().unwrap_or("following");
    Some(format!("The text must follow this {syntax} grammar:\n{definition}"))
}

const QUOTED: &str = "\"free_form_text\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_is_known_as_soon_as_it_can_be() {
        let table = [
            ("", None),
            (" {", None),
            ("{\"free", None),
            ("{ \"free_form_text\"", Some(true)),
            ("{}", Some(false)),
            ("{\"from", Some(false)),
            ("[", Some(false)),
        ];
        for (arguments, expected) in table {
            assert_eq!(begins(arguments), expected, "{arguments}");
        }
        assert_eq!(text_of(r#"{"free_form_text":"a\nb"}"#).as_deref(), Some("a\nb"));
        assert_eq!(text_of(r#"{"free_form_text":"a"#), None);
    }
}
