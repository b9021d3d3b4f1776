//! The prompt of a request, whatever the dialect, as the bytes it was sent in.

use super::{members, skip_space, value_end};

/// The request from its prompt on: from the first of its tools, system prompt and messages, in the order in which the caller
/// wrote them; what follows the prompt is there too. Empty where there is none. What comes after the beginning of the
/// prompt is not looked at, so that finding it costs the same for prompts of any length.
pub fn of(body: &[u8]) -> &[u8] {
    let mut members = members(body);
    while let Some(member) = members.name() {
        let start = member.value.start;
        if NAMES.contains(&&*member.key()) {
            return body.get(start..).unwrap_or_default();
        }
        let Some(end) = value_end(body, start) else { break };
        members.at = skip_space(body, end);
    }
    &[]
}

/// What prompts are made of in all dialects.
const NAMES: [&[u8]; 9] = [
    b"messages",
    b"system",
    b"tools",
    b"input",
    b"instructions",
    b"contents",
    b"systemInstruction",
    b"system_instruction",
    b"prompt",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_whatever_of_it_is_written_first() {
        let table = [
            (r#"{"model":"m","messages":[1,2],"stream":true}"#, r#"[1,2],"stream":true}"#),
            (r#"{"system":"s", "max_tokens":1,"messages":[1]}"#, r#""s", "max_tokens":1,"messages":[1]}"#),
            (r#"{"x":{"messages":[0]},"\u0069nput": "x"}"#, r#""x"}"#),
            (r#"{"contents":[1"#, "[1"),
            (r#"{"model":"m"}"#, ""),
            ("no JSON", ""),
        ];
        for (body, expected) in table {
            assert_eq!(of(body.as_bytes()), expected.as_bytes(), "{body}");
        }
    }
}
