//! The prompt of a request, whatever the dialect, as the bytes it was sent in.

use super::{members, skip_space, value_end};

/// The conversation, and what the caller wrote before it of that which models are shown before it: its tools and its system
/// prompt. Bytes of the request, in its order, `most` of them; none where there is no conversation. A later turn begins with the
/// prompt of the one before, but for the bracket at its end. No more than `most` bytes of it are looked at.
pub fn of(body: &[u8], most: usize) -> &[u8] {
    let mut members = members(body);
    let mut begins = None;
    while let Some(member) = members.name() {
        let (name, start) = (member.key(), member.value.start);
        let is_talk = TALK.contains(&&*name);
        if begins.is_none() && (is_talk || BEFORE.contains(&&*name)) {
            begins = Some(start);
            members.json = body.get(..start.saturating_add(most)).unwrap_or(body);
        }
        let Some(end) = value_end(members.json, start) else {
            return begins.and_then(|begins| members.json.get(begins..)).unwrap_or_default();
        };
        if is_talk {
            return begins.and_then(|begins| body.get(begins..end)).unwrap_or_default();
        }
        members.at = skip_space(members.json, end);
    }
    &[]
}

const TALK: [&[u8]; 4] = [b"messages", b"input", b"contents", b"prompt"];
const BEFORE: [&[u8]; 5] =
    [b"tools", b"system", b"instructions", b"systemInstruction", b"system_instruction"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_conversation_and_begins_with_what_is_written_before() {
        let table = [
            (r#"{"model":"m","messages":[1,2],"stream":true}"#, "[1,2]"),
            (
                r#"{"system":"s", "max_tokens":1,"messages":[1],"x":2}"#,
                r#""s", "max_tokens":1,"messages":[1]"#,
            ),
            (r#"{"messages":[1],"tools":[2]}"#, "[1]"),
            (r#"{"x":{"messages":[0]},"\u0069nput": "x"}"#, r#""x""#),
            (r#"{"contents":[1"#, "[1"),
            (r#"{"messages":["a conversation that is long"]}"#, r#"["a conversation t"#),
            (r#"{"system":"a system prompt that is long","messages":[]}"#, r#""a system prompt t"#),
            (r#"{"system":"s"}"#, ""),
            (r#"{"model":"m"}"#, ""),
            ("no JSON", ""),
        ];
        for (body, expected) in table {
            let most = if body.contains("long") { 18 } else { usize::MAX };
            assert_eq!(of(body.as_bytes(), most), expected.as_bytes(), "{body}");
        }
    }
}
