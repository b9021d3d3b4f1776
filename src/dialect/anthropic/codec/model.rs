//! What each generation of Claude takes.
//!
//! Source: Claude docs, "Troubleshooting thinking" (thinking support by model), "Effort", "Structured outputs",
//! "Mid-conversation system messages", and the migration guides of the models
//! (<https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting>), as of November 2026.

use crate::dialect::canon::Effort;

/// A model by its id, as far as requests must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    family: Family,
    /// Major and minor number.
    version: (u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Haiku,
    Sonnet,
    Opus,
    Fable,
    Mythos,
    /// A Claude that says no family.
    Unnamed,
    /// Another vendor's model behind this dialect.
    Stranger,
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not at all.
    None,
    /// `enabled`, with a number of tokens.
    Budget,
    /// `adaptive`, with an effort.
    Adaptive,
}

/// How a model is told not to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// It does not unless it is told to.
    Unasked,
    /// `disabled`.
    Disabled,
    /// `between_tools`: nothing less is taken.
    BetweenTools,
    /// It always thinks.
    Never,
}

impl Model {
    /// Reads an id as any platform writes it: `claude-opus-4-6`, `claude-3-7-sonnet-20250219`,
    /// `claude-sonnet-4-5@20250929`, `us.anthropic.claude-haiku-4-5-20251001-v1:0`.
    pub fn named(id: &str) -> Model {
        let id = id.to_ascii_lowercase();
        let Some(place) = id.find("claude") else {
            return Model { family: Family::Stranger, version: (0, 0) };
        };
        let words = id.get(place..).unwrap_or_default().split(|c: char| !c.is_ascii_alphanumeric());
        let mut family = Family::Unnamed;
        let mut numbers = [None::<u8>; 2];
        for word in words {
            family = FAMILIES.iter().find(|(name, _)| *name == word).map_or(family, |(_, known)| *known);
            // Dates are longer.
            let number = word.parse().ok().filter(|_| word.len() <= 2);
            if let Some(slot) = numbers.iter_mut().find(|slot| slot.is_none()).filter(|_| number.is_some()) {
                *slot = number;
            }
        }
        let version = match numbers {
            [Some(major), minor] => (major, minor.unwrap_or(0)),
            _ if matches!(family, Family::Fable | Family::Mythos) => (5, 0),
            _ => UNSAID,
        };
        Model { family, version }
    }

    pub fn form(self) -> Form {
        match self.version {
            _ if self.family == Family::Stranger => Form::Budget,
            (..3, _) | (3, ..7) => Form::None,
            version if version < (4, 6) => Form::Budget,
            _ => Form::Adaptive,
        }
    }

    /// Does it think unless told otherwise?
    pub fn thinks_unasked(self) -> bool {
        self.version >= (5, 0)
    }

    pub fn quiet(self) -> Quiet {
        use Family::*;
        let since = |version| self.version >= version;
        match self.family {
            Stranger => Quiet::Disabled,
            _ if !since((5, 0)) => Quiet::Unasked,
            Fable | Mythos => Quiet::Never,
            Opus if since((5, 5)) => Quiet::Never,
            Sonnet if since((5, 5)) => Quiet::BetweenTools,
            _ => Quiet::Disabled,
        }
    }

    /// The word for an effort, the next lower one where the model has not this. None: it takes none.
    pub fn effort(self, wanted: Effort) -> Option<&'static str> {
        use Family::*;
        let takes = match self.family {
            Stranger => false,
            Opus => self.version >= (4, 5),
            Haiku => self.version >= (5, 0),
            _ => self.version >= (4, 6),
        };
        let wanted = match wanted {
            Effort::None | Effort::Minimal => Effort::Low,
            Effort::ExtraHigh if self.version < (4, 7) => Effort::High,
            Effort::Max if self.version < (4, 6) => Effort::High,
            wanted => wanted,
        };
        takes.then(|| wanted.name())
    }

    /// Does it take `temperature`, `top_p` and `top_k` other than their defaults?
    pub fn takes_sampling(self) -> bool {
        self.family == Family::Stranger || self.version < (4, 7)
    }

    /// Does it take `temperature` and `top_p` in one request?
    pub fn takes_both_samplings(self) -> bool {
        self.family == Family::Stranger || self.version < (4, 1)
    }

    /// May a tool be forced?
    pub fn takes_forced_tools(self) -> bool {
        use Family::*;
        match self.family {
            Fable | Mythos => self.version < (5, 1),
            Opus | Sonnet => self.version < (5, 5),
            _ => true,
        }
    }

    /// Does it keep to a JSON schema (`output_config.format`, `strict`)?
    pub fn keeps_schemas(self) -> bool {
        self.family != Family::Stranger && self.version >= (4, 5)
    }

    /// Does it take `system` turns among the messages?
    pub fn takes_system_turns(self) -> bool {
        use Family::*;
        match self.family {
            Fable | Mythos => true,
            Opus => self.version >= (4, 8),
            Sonnet | Haiku => self.version >= (5, 5),
            Unnamed | Stranger => false,
        }
    }

    /// Most tokens of an answer; None where that is not known.
    pub fn most_tokens(self) -> Option<u64> {
        match self.version {
            _ if matches!(self.family, Family::Stranger | Family::Unnamed) => None,
            (..3, _) | (3, ..5) => Some(4_096),
            (3, 5) => Some(8_192),
            (4, ..5) if self.family == Family::Opus => Some(32_000),
            version if version < (4, 6) => Some(64_000),
            _ => None,
        }
    }
}

const FAMILIES: [(&str, Family); 5] = [
    ("haiku", Family::Haiku),
    ("sonnet", Family::Sonnet),
    ("opus", Family::Opus),
    ("fable", Family::Fable),
    ("mythos", Family::Mythos),
];

/// Taken for ids without a number: the generation that takes both the older and the newer forms.
const UNSAID: (u8, u8) = (4, 6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_platform_name_the_same_model() {
        let table = [
            ("claude-3-7-sonnet-20250219", Family::Sonnet, (3, 7)),
            ("claude-3-5-haiku-latest", Family::Haiku, (3, 5)),
            ("claude-sonnet-4-20250514", Family::Sonnet, (4, 0)),
            ("claude-sonnet-4-5@20250929", Family::Sonnet, (4, 5)),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", Family::Haiku, (4, 5)),
            ("anthropic.claude-opus-4-6-v1", Family::Opus, (4, 6)),
            ("anthropic/claude-4.7-opus", Family::Opus, (4, 7)),
            ("claude-sonnet-5", Family::Sonnet, (5, 0)),
            ("Claude-Opus-5-5", Family::Opus, (5, 5)),
            ("claude-mythos-preview", Family::Mythos, (5, 0)),
            ("claude-2.1", Family::Unnamed, (2, 1)),
            ("claude-x", Family::Unnamed, UNSAID),
            ("deepseek-chat", Family::Stranger, (0, 0)),
        ];
        for (id, family, version) in table {
            assert_eq!(Model::named(id), Model { family, version }, "{id}");
        }
    }

    #[test]
    fn generations_differ_in_how_they_think() {
        use Form::{Adaptive, Budget};
        let table = [
            ("claude-3-5-sonnet-20241022", Form::None, Quiet::Unasked),
            ("claude-3-7-sonnet-20250219", Budget, Quiet::Unasked),
            ("claude-haiku-4-5", Budget, Quiet::Unasked),
            ("claude-sonnet-4-6", Adaptive, Quiet::Unasked),
            ("claude-opus-4-8", Adaptive, Quiet::Unasked),
            ("claude-sonnet-5", Adaptive, Quiet::Disabled),
            ("claude-haiku-5-5", Adaptive, Quiet::Disabled),
            ("claude-sonnet-5-5", Adaptive, Quiet::BetweenTools),
            ("claude-opus-5", Adaptive, Quiet::Disabled),
            ("claude-opus-5-5", Adaptive, Quiet::Never),
            ("claude-fable-5", Adaptive, Quiet::Never),
            ("kimi-k2", Budget, Quiet::Disabled),
        ];
        for (id, form, quiet) in table {
            assert_eq!((Model::named(id).form(), Model::named(id).quiet()), (form, quiet), "{id}");
        }
    }

    #[test]
    fn an_effort_a_model_lacks_becomes_the_next_lower_one() {
        let effort = |id: &str, effort| Model::named(id).effort(effort);
        assert_eq!(effort("claude-sonnet-4-5", Effort::High), None);
        assert_eq!(effort("claude-opus-4-5", Effort::Max), Some("high"));
        assert_eq!(effort("claude-opus-4-6", Effort::ExtraHigh), Some("high"));
        assert_eq!(effort("claude-opus-4-6", Effort::Max), Some("max"));
        assert_eq!(effort("claude-sonnet-5", Effort::ExtraHigh), Some("xhigh"));
        assert_eq!(effort("claude-sonnet-5", Effort::Minimal), Some("low"));
    }
}
