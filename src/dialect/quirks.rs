//! What vendors do differently within one dialect, as data.

use bytes::Bytes;

use super::DialectId;
use super::canon::{Effort, Losses};
use super::prune::{self, Item};
use super::splice::{self, Edit};

/// How one vendor departs from the dialect it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Requests of callers who speak the dialect themselves are corrected to what the vendor takes: see
    /// [`Quirks::correct`]. Not where the dialect's owner is asked, nor where nobody knows who is.
    pub corrects: bool,
    /// Refuses thoughts, and calls, of earlier turns that it did not make (Anthropic, Responses, Gemini).
    pub knows_its_own: bool,
    /// Name of the bound on an answer's tokens (OpenAI chat).
    pub max_tokens: &'static str,
    /// Takes `developer` messages (OpenAI chat).
    pub developer_role: bool,
    /// Takes `stream_options`; one that does not tells usage unasked, or not at all.
    pub stream_options: bool,
    /// Member of a message that holds thoughts.
    pub thoughts: &'static str,
    /// Wants the thoughts of earlier turns back; most refuse or ignore them.
    pub returns_thoughts: bool,
    /// Wants text content as one string and not as a list.
    pub plain_content: bool,
    /// Takes what few but OpenAI take: `custom` tools, the choice `allowed_tools`, parts of type `refusal`.
    pub openai_only: bool,
    /// Takes `top_k` (OpenAI chat).
    pub top_k: bool,
    /// Takes `cache_control` on parts and tools (OpenAI chat).
    pub cache_marks: bool,
    /// The words it takes for `reasoning_effort`, from least to most. Others become the nearest one below, or the first.
    pub efforts: &'static [Effort],
    /// Thinking is switched by `thinking.type`, `enabled` or `disabled` (OpenAI chat).
    pub thinking_switch: bool,
    /// Ids of calls must have exactly so many letters and digits (OpenAI chat).
    pub call_id_length: Option<usize>,
    /// Members it calls otherwise: ours, theirs.
    pub renames: &'static [(&'static str, &'static str)],
    /// Members it refuses. Left out and named.
    pub refuses: &'static [&'static str],
    /// `anthropic_version` in the body, in place of the header and of `model` (Vertex).
    pub anthropic_version: Option<&'static str>,
}

impl Quirks {
    /// As the dialect's owner documents it.
    pub const NONE: Quirks = Quirks {
        corrects: false,
        knows_its_own: true,
        max_tokens: "max_completion_tokens",
        developer_role: true,
        stream_options: true,
        thoughts: "reasoning_content",
        returns_thoughts: false,
        plain_content: false,
        openai_only: true,
        top_k: false,
        cache_marks: false,
        efforts: &[
            Effort::None,
            Effort::Minimal,
            Effort::Low,
            Effort::Medium,
            Effort::High,
            Effort::ExtraHigh,
        ],
        thinking_switch: false,
        call_id_length: None,
        renames: &[],
        refuses: &[],
        anthropic_version: None,
    };

    /// As most servers speak OpenAI chat: by its older names.
    pub const COMPATIBLE: Quirks = Quirks {
        corrects: true,
        knows_its_own: false,
        max_tokens: "max_tokens",
        developer_role: false,
        openai_only: false,
        efforts: &[Effort::Low, Effort::Medium, Effort::High],
        ..Quirks::NONE
    };

    /// A request whose caller speaks the vendor's dialect, with the vendor's names for its members and without those it
    /// refuses. Only members of the outermost object are looked at, and every byte of the others stays.
    ///
    /// A member that stands there under the vendor's name as well gives way to the one that is renamed, as it does where
    /// requests are translated.
    pub fn correct(&self, dialect: DialectId, body: Bytes, losses: &mut Losses) -> Bytes {
        if !self.corrects {
            return body;
        }
        let mut edits: Vec<Edit<'_>> = Vec::new();
        let mut renamed: Vec<Edit<'_>> = Vec::new();
        prune::take_out(&body, 0, &mut edits, |item| match self.fate(dialect, &body, item) {
            Fate::Stays => false,
            Fate::Renamed(theirs) => {
                let inside = item.name.start + 1..item.name.end - 1;
                renamed.push(Edit { at: inside, with: theirs.as_bytes() });
                false
            }
            Fate::Unsaid => true,
            Fate::Lost(name) => {
                losses.drop(name);
                true
            }
        });
        edits.append(&mut renamed);
        splice::apply(&body, &mut edits)
    }

    fn fate(&self, dialect: DialectId, body: &[u8], item: &Item) -> Fate {
        let value = body.get(item.value.clone()).unwrap_or_default();
        let chat = dialect == DialectId::OpenAiChat;
        if chat && !self.stream_options && item.is(body, "stream_options") {
            return Fate::Unsaid;
        }
        if let Some(name) = self.refuses.iter().find(|name| item.is(body, name)) {
            return if asks_nothing(name, value) { Fate::Unsaid } else { Fate::Lost(name) };
        }
        let bound = (Quirks::NONE.max_tokens, self.max_tokens);
        for (ours, theirs) in self.renames.iter().copied().chain(Some(bound).filter(|_| chat)) {
            if ours == theirs {
                continue;
            }
            if item.is(body, ours) {
                return if asks_nothing(ours, value) { Fate::Unsaid } else { Fate::Renamed(theirs) };
            }
            let said = || prune::member(body, 0, ours).and_then(|place| body.get(place));
            if item.is(body, theirs) && said().is_some_and(|value| !asks_nothing(ours, value)) {
                return Fate::Lost(theirs);
            }
        }
        Fate::Stays
    }
}

/// What becomes of a member.
enum Fate {
    Stays,
    /// It has another name at the vendor.
    Renamed(&'static str),
    /// It is left out, and nobody misses it.
    Unsaid,
    /// It is left out and named.
    Lost(&'static str),
}

/// Would the answer be the same without the member?
fn asks_nothing(name: &str, value: &[u8]) -> bool {
    value == b"null" || IDLE.iter().any(|(idle, same)| *idle == name && *same == value)
}

/// Values that say what is so anyway.
const IDLE: &[(&str, &[u8])] =
    &[("logprobs", b"false"), ("n", b"1"), ("store", b"false"), ("top_logprobs", b"0")];

#[cfg(test)]
mod tests {
    use super::*;

    const VENDOR: Quirks = Quirks {
        stream_options: false,
        renames: &[("seed", "random_seed")],
        refuses: &["user", "n"],
        ..Quirks::COMPATIBLE
    };

    fn corrected(quirks: &Quirks, dialect: DialectId, body: &str) -> (String, Vec<String>) {
        let mut losses = Losses::default();
        let body = quirks.correct(dialect, Bytes::copy_from_slice(body.as_bytes()), &mut losses);
        let names = losses.names().iter().map(ToString::to_string).collect();
        (String::from_utf8(body.to_vec()).expect("text"), names)
    }

    #[test]
    fn members_are_renamed_or_left_out_and_the_rest_keeps_its_bytes() {
        let table: &[(&str, &str, &[&str])] = &[
            (r#"{"model":"m" , "seed" : 7}"#, r#"{"model":"m" , "random_seed" : 7}"#, &[]),
            (r#"{"max_completion_tokens":9,"x":[1, 2]}"#, r#"{"max_tokens":9,"x":[1, 2]}"#, &[]),
            (r#"{"max_tokens":9}"#, r#"{"max_tokens":9}"#, &[]),
            (r#"{"max_tokens":9,"max_completion_tokens":8}"#, r#"{"max_tokens":8}"#, &["max_tokens"]),
            (r#"{"max_tokens":9,"max_completion_tokens":null}"#, r#"{"max_tokens":9}"#, &[]),
            (r#"{"user":"u","a":1}"#, r#"{"a":1}"#, &["user"]),
            (r#"{"\u0075ser":"u"}"#, r#"{}"#, &["user"]),
            (r#"{"user":null,"n":1}"#, r#"{}"#, &[]),
            (r#"{"a":{"user":1},"n":2}"#, r#"{"a":{"user":1}}"#, &["n"]),
            (r#"{"stream":true,"stream_options":{"include_usage":true}}"#, r#"{"stream":true}"#, &[]),
        ];
        for (body, expected, lost) in table {
            let (written, losses) = corrected(&VENDOR, DialectId::OpenAiChat, body);
            assert_eq!(written, *expected, "{body}");
            assert_eq!(losses, *lost, "{body}");
        }
    }

    #[test]
    fn names_of_one_dialect_stay_in_others() {
        let body = r#"{"max_completion_tokens":9,"stream_options":{},"user":"u"}"#;
        let (written, losses) = corrected(&VENDOR, DialectId::Responses, body);
        assert_eq!(written, r#"{"max_completion_tokens":9,"stream_options":{}}"#);
        assert_eq!(losses, ["user"]);
    }

    #[test]
    fn a_body_in_which_nothing_is_wrong_is_not_copied() {
        for quirks in [&Quirks::NONE, &VENDOR] {
            let body = Bytes::from_static(br#"{"model":"m","messages":[{"user":1}],"temperature":1}"#);
            let mut losses = Losses::default();
            let after = quirks.correct(DialectId::OpenAiChat, body.clone(), &mut losses);
            assert_eq!(after.as_ptr(), body.as_ptr());
            assert!(losses.is_empty());
        }
    }
}
