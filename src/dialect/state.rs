//! What a conversation holds that only its maker takes back: signed or encrypted thoughts, and the ids of items that a
//! provider keeps. Which members those are, each dialect knows: [`Dialect::strip_foreign_state`](super::Dialect) and
//! [`Dialect::strip_bound_state`](super::Dialect).

use super::Problem;

/// Does an upstream refuse a request because of what another account, or another vendor, put into its conversation? Without
/// it ([`Dialect::strip_bound_state`](super::Dialect)) the same request may be answered.
pub fn is_bound_state_refusal(problem: &Problem) -> bool {
    if problem.code.as_deref() == Some("invalid_encrypted_content") {
        return true;
    }
    let Some(message) = &problem.message else { return false };
    let mut message = message.to_ascii_lowercase();
    message.retain(|letter| letter != '`');
    WORDINGS.iter().any(|words| words.iter().all(|word| message.contains(word)))
}

/// How vendors say it, in small letters and without back quotes; all words of a line must be there.
const WORDINGS: &[&[&str]] = &[
    // Anthropic, and Claude at Bedrock and Vertex.
    &["invalid signature in thinking block"],
    &["invalid data in redacted_thinking block"],
    &["expected thinking or redacted_thinking, but found"],
    &["thinking or redacted_thinking blocks", "cannot be modified"],
    // OpenAI and Azure.
    &["encrypted content", "could not be verified"],
    &["encrypted content", "could not be decrypted"],
    &["item with id 'rs_", "not found"],
    &["was provided without its required 'reasoning' item"],
    // Gemini, at AI Studio ("Corrupted thought signature.") and Vertex.
    &["thought signature"],
    &["thought_signature"],
];

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::DialectId::{self, *};

    type Stripped = Option<(String, Vec<String>)>;

    fn foreign(dialect: DialectId, body: &str) -> Stripped {
        let body = Bytes::copy_from_slice(body.as_bytes());
        told(dialect.dialect().strip_foreign_state(&body, "gemini-3-pro"))
    }

    fn bound(dialect: DialectId, body: &str) -> Stripped {
        told(dialect.dialect().strip_bound_state(&Bytes::copy_from_slice(body.as_bytes())))
    }

    fn told(stripped: Option<(Bytes, crate::dialect::canon::Losses)>) -> Stripped {
        stripped.map(|(body, losses)| {
            let names = losses.names().iter().map(ToString::to_string).collect();
            (String::from_utf8(body.to_vec()).expect("text"), names)
        })
    }

    fn lost(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn claude_is_spared_thoughts_that_nobody_signed() {
        let body = r#"{"model":"m" ,"messages":[ {"role":"user","content":"hi"},
            {"role":"assistant","content":[{"type":"thinking","thinking":"other","signature":""}, {"type":"text","text":"a"}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"alone"}]},
            {"role":"user","content":[{"type":"text","text":"\"thinking\""}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"own","signature":"Eq=="},{"type":"redacted_thinking","data":""},{"type":"redacted_thinking","data":"x"}]}]}"#;
        let expected = r#"{"model":"m" ,"messages":[ {"role":"user","content":"hi"},
            {"role":"assistant","content":[{"type":"text","text":"a"}]},
            {"role":"user","content":[{"type":"text","text":"\"thinking\""}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"own","signature":"Eq=="},{"type":"redacted_thinking","data":"x"}]}]}"#;
        assert_eq!(foreign(Anthropic, body), Some((expected.to_owned(), lost(&["thoughts"]))));
        assert_eq!(foreign(Anthropic, expected), None);
    }

    #[test]
    fn a_loop_of_tools_that_lost_its_thoughts_is_gone_on_with_without_thinking() {
        let loop_of = |thinking: &str, thought: &str, last: &str| {
            format!(
                r#"{{"thinking":{thinking},"context_management":{{"edits":[{{"type":"clear_thinking_20251015"}},{{"type":"clear_tool_uses_20250919"}}]}},"messages":[{{"role":"user","content":"go"}},{{"role":"assistant","content":[{thought}{{"type":"tool_use","id":"t","name":"f","input":{{}}}}]}},{{"role":"user","content":{last}}}],"max_tokens":9}}"#
            )
        };
        let unsigned = r#"{"type":"thinking","thinking":"hm","signature":""},"#;
        let result = r#"[{"type":"tool_result","tool_use_id":"t","content":"ok"}]"#;
        let (written, names) =
            foreign(Anthropic, &loop_of(r#"{"type":"enabled","budget_tokens":1024}"#, unsigned, result))
                .expect("something goes");
        assert_eq!(names, ["thoughts", "reasoning"]);
        let sent: Value = serde_json::from_str(&written).expect("JSON");
        assert_eq!(sent.get("thinking"), None);
        assert_eq!(sent["context_management"], json!({"edits": [{"type": "clear_tool_uses_20250919"}]}));
        assert_eq!(sent["messages"][1]["content"][0]["type"], "tool_use");
        // Adaptive thinking asks for none, and a new question ends the loop.
        for (thinking, last) in
            [(r#"{"type":"adaptive"}"#, result), (r#"{"type":"enabled","budget_tokens":1024}"#, r#""so?""#)]
        {
            let written = foreign(Anthropic, &loop_of(thinking, unsigned, last));
            assert_eq!(written, Some((loop_of(thinking, "", last), lost(&["thoughts"]))));
        }
    }

    #[test]
    fn for_another_account_all_of_claudes_thoughts_go() {
        let body = r#"{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"x"},{"type":"thinking","thinking":"a","signature":"E"},{"type":"text","text":"a"}]},{"role":"user","content":"b"}]}"#;
        let expected = r#"{"messages":[{"role":"assistant","content":[{"type":"text","text":"a"}]},{"role":"user","content":"b"}]}"#;
        assert_eq!(bound(Anthropic, body), Some((expected.to_owned(), lost(&["thoughts"]))));
        assert_eq!(foreign(Anthropic, body), None);
    }

    #[test]
    fn openai_is_spared_thoughts_with_ids_of_our_making() {
        let body = r#"{"reasoning":{},"input":[{"type":"reasoning","id":"rs_01a-7_0","summary":[]},{"type":"message","id":"msg_01a-7_1"},
            {"type":"reasoning","id":"rs_68af4030","summary":[]} ,{"type":"reasoning","id":"rs_01a-7_2","encrypted_content":"gAAA"},{"type":"reasoning","id":"rs_01a-7_3","encrypted_content":null}]}"#;
        let expected = r#"{"reasoning":{},"input":[{"type":"message","id":"msg_01a-7_1"},
            {"type":"reasoning","id":"rs_68af4030","summary":[]} ,{"type":"reasoning","id":"rs_01a-7_2","encrypted_content":"gAAA"}]}"#;
        assert_eq!(foreign(Responses, body), Some((expected.to_owned(), lost(&["thoughts"]))));
        assert_eq!(foreign(Responses, expected), None);
        assert_eq!(foreign(Responses, r#"{"input":"\"reasoning\"","reasoning":{}}"#), None);
    }

    #[test]
    fn for_another_account_items_that_it_does_not_keep_go() {
        let body = r#"{"previous_response_id":"resp_1","input":[{"type":"item_reference","id":"fc_0"},{"type":"reasoning","id":"rs_68","encrypted_content":"gAAA"},{"id":"fc_1","type":"function_call","call_id":"c"},{"type":"function_call_output","id":"fco_1","call_id":"c"}]}"#;
        let expected = r#"{"previous_response_id":"resp_1","input":[{"type":"function_call","call_id":"c"},{"type":"function_call_output","id":"fco_1","call_id":"c"}]}"#;
        assert_eq!(bound(Responses, body), Some((expected.to_owned(), lost(&["thoughts"]))));
        assert_eq!(bound(Responses, expected), None);
    }

    const WORD: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

    #[test]
    fn calls_that_are_not_geminis_are_signed_as_google_documents() {
        let body = r#"{"contents":[{"role":"model","parts":[{"text":"a"},{ "functionCall":{"name":"f"}},{"functionCall":{"name":"g"}}]},
            {"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":""}]},{"role":"model","parts":[{"thoughtSignature":"own","functionCall":{}}]}]}"#;
        let expected = body
            .replacen(r#"{ "functionCall""#, &format!(r#"{{"thoughtSignature":"{WORD}", "functionCall""#), 1)
            .replacen(r#""thoughtSignature":"""#, &format!(r#""thoughtSignature":"{WORD}""#), 1);
        assert_eq!(foreign(Gemini, body), Some((expected.clone(), Vec::new())));
        assert_eq!(foreign(Gemini, &expected), None);
        let older = Bytes::copy_from_slice(body.as_bytes());
        assert!(Gemini.dialect().strip_foreign_state(&older, "gemini-2.5-pro").is_none());
        let another = expected.replace(r#""own""#, &format!("{WORD:?}"));
        assert_eq!(bound(Gemini, &expected), Some((another, lost(&["thoughts"]))));
        assert_eq!(bound(Gemini, body.split_once(',').expect("a comma").0), None);
    }

    #[test]
    fn refusals_of_bound_state_are_told_from_others() {
        let refused = |code: Option<&str>, message: &str| {
            let (code, message) = (code.map(str::to_owned), Some(message.to_owned()));
            is_bound_state_refusal(&Problem { code, message, ..Problem::default() })
        };
        let bound = [
            "messages.1.content.0: Invalid `signature` in `thinking` block",
            "messages.3.content.0: Invalid signature in thinking block",
            "messages.5.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled",
            "The encrypted content gAAA...DQ== could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
            "The encrypted content for item rs_04b7 could not be verified.",
            "Item with id 'rs_68af' not found. Items are not persisted when `store` is set to false.",
            "Corrupted thought signature.",
            "Unable to submit request because function call `f` in the 2. content block is missing a `thought_signature`.",
        ];
        for message in bound {
            assert!(refused(None, message), "{message}");
        }
        assert!(refused(Some("invalid_encrypted_content"), "anything"));
        for other in [
            "max_tokens is too large",
            "Item with id 'msg_1' not found.",
            "thinking.budget_tokens: must be at least 1024",
        ] {
            assert!(!refused(Some("invalid_request_error"), other), "{other}");
        }
        assert!(!is_bound_state_refusal(&Problem::default()));
    }

    /// A part of a conversation, as it is written, and whether it goes to another account.
    fn part(dialect: DialectId) -> BoxedStrategy<(String, bool)> {
        let goes: &[&str] = match dialect {
            Anthropic => &[
                r#"{"type" : "thinking","thinking":"[,]","signature":"E\"}"}"#,
                r#"{"data":"x","type":"redacted_th\u0069nking"}"#,
            ],
            _ => &[
                r#"{"type":"reasoning","id":"rs_1","summary":[ ]}"#,
                r#"{"id":"x","type" : "item_reference"}"#,
            ],
        };
        let stays: &[&str] = &[
            r#"{"type":"text","text":"\"thinking\", \"reasoning\""}"#,
            r#"{ "type":"tool_use","input":{"type":"thinking"}}"#,
            "7",
            "[ ]",
        ];
        let goes = prop::sample::select(goes.to_vec()).prop_map(|it| (it.to_owned(), true));
        let stays = prop::sample::select(stays.to_vec()).prop_map(|it| (it.to_owned(), false));
        prop_oneof![goes, stays].boxed()
    }

    fn list(dialect: DialectId) -> impl Strategy<Value = Vec<(String, bool)>> {
        prop::collection::vec(part(dialect), 0..6)
    }

    fn joined(parts: &[(String, bool)], space: &str) -> String {
        let parts: Vec<&str> = parts.iter().map(|(part, _)| part.as_str()).collect();
        format!("[{}]", parts.join(&format!("{space},{space}")))
    }

    fn assert_only_these_go(dialect: DialectId, body: &str, parts: &[(String, bool)], path: &str) {
        let kept: Vec<&String> = parts.iter().filter(|(_, goes)| !goes).map(|(part, _)| part).collect();
        let Some((written, names)) = bound(dialect, body) else {
            assert_eq!(kept.len(), parts.len(), "{body}");
            return;
        };
        assert_eq!(names, ["thoughts"]);
        let sent: Value = serde_json::from_str(&written).expect("JSON");
        let expected: Vec<Value> =
            kept.iter().map(|part| serde_json::from_str(part).expect("JSON")).collect();
        let left = sent.pointer(path).cloned().unwrap_or_else(|| json!([]));
        assert_eq!(left, Value::Array(expected), "{written}");
        let mut rest = written.as_str();
        for part in kept {
            let found = rest.find(part.as_str()).unwrap_or_else(|| panic!("{part} in {written}"));
            rest = &rest[found + part.len()..];
        }
    }

    proptest! {
        #[test]
        fn what_claude_may_keep_keeps_its_bytes(parts in list(Anthropic), space in "[ \n]{0,2}") {
            let content = joined(&parts, &space);
            let body = format!(r#"{{"messages":[{{"role":"assistant","content"{space}:{content}}}]{space},"x":"\"thinking\""}}"#);
            assert_only_these_go(Anthropic, &body, &parts, "/messages/0/content");
        }

        #[test]
        fn what_openai_may_keep_keeps_its_bytes(parts in list(Responses), space in "[ \n]{0,2}") {
            let body = format!(r#"{{"input"{space}:{}{space},"reasoning":{{"effort":"low"}}}}"#, joined(&parts, &space));
            assert_only_these_go(Responses, &body, &parts, "/input");
        }

        #[test]
        fn no_body_makes_it_fail(body in r#"(\{|\}|\[|\]|,|:|"(messages|input|contents|parts|content|type|thinking|reasoning|functionCall|thoughtSignature)"| ){0,40}"#) {
            for dialect in DialectId::ALL {
                let (_, _) = (foreign(dialect, &body), bound(dialect, &body));
            }
        }
    }
}
