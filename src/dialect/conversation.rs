//! Which conversation a request belongs to, as far as its own words tell.
//!
//! Clients send a conversation anew with every turn, so its turns have their beginning in common. Whoever sends a later
//! turn to where the earlier ones went finds the prompt in that provider's cache.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::{DialectId, skim};

/// The beginning of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Over the instructions and the first turn of the user, as bytes. Means nothing in another process.
    pub hash: u64,
    /// Has a model spoken in it before?
    pub goes_on: bool,
}

/// The beginning of the conversation in a request's body; None where there are no turns.
pub fn beginning(dialect: DialectId, body: &[u8]) -> Option<Beginning> {
    let Members { turns, instructions } = members(dialect);
    let (mut list, mut hasher) = (None, FixedState::with_seed(SEED).build_hasher());
    for member in skim::members(body) {
        let name = member.name();
        let value = body.get(member.value)?;
        if name == turns {
            list = Some(value);
        } else if instructions.contains(&&*name) {
            hasher.write(value);
        }
    }
    let list = list?;
    if list.first() == Some(&b'"') {
        hasher.write(list);
        return Some(Beginning { hash: hasher.finish(), goes_on: false });
    }
    let (mut begins, mut goes_on, mut any) = (true, false, false);
    for turn in skim::elements(list) {
        any = true;
        let role = skim::string(turn, &["role"]);
        let role = role.as_deref();
        goes_on |= matches!(role, Some("assistant" | "model" | "tool"));
        if goes_on {
            break;
        }
        if begins {
            hasher.write(turn);
            begins = role != Some("user");
        }
    }
    any.then(|| Beginning { hash: hasher.finish(), goes_on })
}

/// The members that hold a conversation.
struct Members {
    turns: &'static str,
    instructions: &'static [&'static str],
}

fn members(dialect: DialectId) -> Members {
    match dialect {
        DialectId::OpenAiChat => Members { turns: "messages", instructions: &[] },
        DialectId::Responses => Members { turns: "input", instructions: &["instructions"] },
        DialectId::Anthropic | DialectId::Bedrock => Members { turns: "messages", instructions: &["system"] },
        DialectId::Gemini => {
            Members { turns: "contents", instructions: &["systemInstruction", "system_instruction"] }
        }
    }
}

const SEED: u64 = 0x61_69_73_69_78;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_one_conversation_have_one_beginning_and_others_have_others() {
        use DialectId::*;
        let system = r#"{"role":"system","content":"s"},"#;
        let cases = [
            (
                OpenAiChat,
                r#"{"model":"m","messages":[S{"role":"user","content":"a"}"#,
                r#","temperature":1}"#,
            ),
            (Anthropic, r#"{"system":"s","messages":[{"role":"user","content":"a"}"#, r#","max_tokens":9}"#),
            (Responses, r#"{"instructions":"s","input":[{"role":"user","content":"a"}"#, "}"),
            (
                Gemini,
                r#"{"systemInstruction":{"parts":[]},"contents":[{"role":"user","parts":[{"text":"a"}]}"#,
                "}",
            ),
        ];
        for (dialect, start, end) in cases {
            let start = start.replace('S', system);
            let of = |turns: &str| {
                beginning(dialect, format!("{start}{turns}]{end}").as_bytes()).expect("there are turns")
            };
            let answered = match dialect {
                Gemini => {
                    r#",{"role":"model","parts":[{"text":"b"}]},{"role":"user","parts":[{"text":"c"}]}"#
                }
                _ => r#",{"role":"assistant","content":"b"},{"role":"user","content":"c"}"#,
            };
            let (first, second) = (of(""), of(answered));
            assert_eq!(first.hash, second.hash, "{dialect:?}");
            assert_eq!((first.goes_on, second.goes_on), (false, true), "{dialect:?}");
            let other = format!("{start}]{end}").replace("\"a\"", "\"z\"");
            assert_ne!(beginning(dialect, other.as_bytes()).expect("turns").hash, first.hash, "{dialect:?}");
        }
    }

    #[test]
    fn a_body_without_turns_has_no_beginning_and_a_text_is_a_turn() {
        assert_eq!(beginning(DialectId::OpenAiChat, br#"{"messages":[]}"#), None);
        assert_eq!(beginning(DialectId::OpenAiChat, b"{}"), None);
        let text = beginning(DialectId::Responses, br#"{"input":"hello"}"#).expect("a turn");
        assert!(!text.goes_on);
    }
}
