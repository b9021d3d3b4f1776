//! What the models behind Bedrock's ids understand. Converse is one format, but models refuse parts of it and have
//! parameters of their own.
//!
//! Sources: Bedrock user guide, "Supported models and model features", "Get validated JSON results from models",
//! "Adaptive thinking", "Prompt caching", "OpenAI models" (<https://docs.aws.amazon.com/bedrock/latest/userguide/>);
//! Nova user guide, "Extended thinking" (<https://docs.aws.amazon.com/nova/latest/nova2-userguide/>).

/// A model, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    pub publisher: Publisher,
    /// Its name, without region and publisher.
    name: &'a str,
    generation: Generation,
}

/// Who made the model, as far as that makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publisher {
    Claude,
    Nova,
    /// gpt-oss.
    GptOss,
    /// OpenAI's other models.
    OpenAi,
    Cohere,
    Meta,
    Mistral,
    DeepSeek,
    /// Models that take `reasoning_config`: Qwen, Kimi, GLM.
    Reasoners,
    /// Other open-weight models that Bedrock constrains to a schema.
    OpenWeight,
    Other,
    /// The id does not say: an application's inference profile, an imported model.
    Unknown,
}

/// Version of a Claude model.
type Generation = (u32, u32);

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinks {
    /// It cannot be told.
    Never,
    /// Claude: at most so many tokens.
    Budget,
    /// Claude: as much as it thinks right, more or less by a word.
    Adaptive,
    /// Nova: `reasoningConfig`.
    ReasoningConfig,
    /// gpt-oss: `reasoning_effort`.
    ReasoningEffort,
    /// OpenAI: `reasoning.effort`.
    Reasoning,
    /// `reasoning_config`, a word.
    Word,
}

impl<'a> Model<'a> {
    /// The model of an id, of an inference profile's id, or of the ARN of either.
    pub fn of(id: &'a str) -> Self {
        let id = id.rsplit('/').next().unwrap_or(id);
        let unknown = Model { publisher: Publisher::Unknown, name: id, generation: (0, 0) };
        let mut rest = id;
        // A region may stand before the publisher: `us.anthropic.claude-…`.
        for _ in 0..2 {
            let Some((segment, name)) = rest.split_once('.') else { break };
            if let Some(publisher) = publisher(segment, name) {
                return Model { publisher, name, generation: generation(name) };
            }
            rest = name;
        }
        unknown
    }

    pub fn thinks(&self) -> Thinks {
        match self.publisher {
            Publisher::Claude if self.generation >= (4, 6) => Thinks::Adaptive,
            Publisher::Claude if self.generation >= (3, 7) => Thinks::Budget,
            Publisher::Nova if self.name.starts_with("nova-2") => Thinks::ReasoningConfig,
            Publisher::GptOss => Thinks::ReasoningEffort,
            Publisher::OpenAi => Thinks::Reasoning,
            Publisher::Reasoners => Thinks::Word,
            _ => Thinks::Never,
        }
    }

    /// Refuses requests without thinking, and with it a forced choice of a tool.
    pub fn always_thinks(&self) -> bool {
        self.publisher == Publisher::Claude && ["fable", "mythos"].iter().any(|name| self.name.contains(name))
    }

    /// Takes `outputConfig.effort`.
    pub fn takes_effort(&self) -> bool {
        let from = if self.name.contains("opus") { (4, 5) } else { (4, 6) };
        self.publisher == Publisher::Claude && self.generation >= from
    }

    /// Takes the efforts above `high`.
    pub fn takes_highest_effort(&self) -> bool {
        self.publisher == Publisher::Claude && self.generation >= (4, 7)
    }

    /// Takes temperature and the like; Claude's newest models refuse them.
    pub fn samples(&self) -> bool {
        self.publisher != Publisher::Claude || self.generation < (4, 7)
    }

    /// Takes temperature and `topP` in one request.
    pub fn samples_both(&self) -> bool {
        self.publisher != Publisher::Claude || self.generation < (4, 1)
    }

    /// Takes a schema for its answers and strict tools. Where a Claude model does not, it can be made to call a tool.
    pub fn constrains(&self) -> bool {
        match self.publisher {
            Publisher::Claude => {
                matches!(self.generation, (4, 5 | 6)) || self.generation >= (5, 0) || self.always_thinks()
            }
            Publisher::GptOss | Publisher::OpenAi | Publisher::Reasoners | Publisher::OpenWeight => true,
            Publisher::DeepSeek => !self.name.starts_with("r1"),
            Publisher::Mistral => !OLD_MISTRAL.iter().any(|old| self.name.starts_with(old)),
            _ => false,
        }
    }

    /// Can be made to call one tool by name.
    pub fn takes_one_tool(&self) -> bool {
        matches!(self.publisher, Publisher::Claude | Publisher::Nova | Publisher::Unknown)
            && !self.always_thinks()
    }

    /// Can be made to call some tool.
    pub fn takes_any_tool(&self) -> bool {
        self.publisher != Publisher::Meta && !self.always_thinks()
    }

    /// Has a prompt cache that is asked for by marks.
    pub fn caches(&self) -> bool {
        matches!(self.publisher, Publisher::Claude | Publisher::Nova | Publisher::Unknown)
    }

    /// Takes marks among the tools.
    pub fn caches_tools(&self) -> bool {
        matches!(self.publisher, Publisher::Claude | Publisher::Unknown)
    }

    /// Keeps a prompt for an hour if asked to.
    pub fn caches_one_hour(&self) -> bool {
        self.publisher == Publisher::Claude && self.generation >= (4, 5)
    }

    /// Takes `status` on the results of tools.
    pub fn takes_status(&self) -> bool {
        matches!(self.publisher, Publisher::Claude | Publisher::Nova | Publisher::Unknown)
    }

    /// Reads Claude's signatures.
    pub fn reads_seals(&self) -> bool {
        matches!(self.publisher, Publisher::Claude | Publisher::Unknown)
    }
}

fn publisher(segment: &str, name: &str) -> Option<Publisher> {
    Some(match segment {
        "anthropic" => Publisher::Claude,
        "amazon" if name.starts_with("nova") => Publisher::Nova,
        "openai" if name.starts_with("gpt-oss") => Publisher::GptOss,
        "openai" => Publisher::OpenAi,
        "cohere" => Publisher::Cohere,
        "meta" => Publisher::Meta,
        "mistral" => Publisher::Mistral,
        "deepseek" => Publisher::DeepSeek,
        "qwen" | "moonshot" | "moonshotai" | "zai" => Publisher::Reasoners,
        "google" | "minimax" | "nvidia" => Publisher::OpenWeight,
        "amazon" | "ai21" | "writer" | "twelvelabs" | "stability" | "luma" => Publisher::Other,
        _ => return None,
    })
}

/// `claude-opus-4-6-v1` is (4, 6), `claude-3-7-sonnet-20250219-v1:0` is (3, 7). A name without numbers is of a preview
/// of the newest; only the oldest have `v` before theirs.
fn generation(name: &str) -> Generation {
    let mut words = name.split('-');
    let short = |word: &str| if word.len() <= 2 { word.parse::<u32>().ok() } else { None };
    while let Some(word) = words.next() {
        if let Some(major) = short(word) {
            return (major, words.next().and_then(short).unwrap_or(0));
        }
        if word == "instant" || word.starts_with("v2") {
            return (2, 0);
        }
    }
    (u32::MAX, 0)
}

/// Mistral models that are not constrained to a schema.
const OLD_MISTRAL: &[&str] = &[
    "mistral-7b",
    "mixtral-8x7b",
    "mistral-large-2402",
    "mistral-large-2407",
    "mistral-small-2402",
    "pixtral",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_told_by_its_id_its_profile_or_its_arn() {
        let table = [
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Publisher::Claude, (3, 7), Thinks::Budget),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", Publisher::Claude, (4, 0), Thinks::Budget),
            ("global.anthropic.claude-opus-4-6-v1", Publisher::Claude, (4, 6), Thinks::Adaptive),
            ("anthropic.claude-mythos-preview", Publisher::Claude, (u32::MAX, 0), Thinks::Adaptive),
            ("anthropic.claude-opus-5", Publisher::Claude, (5, 0), Thinks::Adaptive),
            ("anthropic.claude-v2:1", Publisher::Claude, (2, 0), Thinks::Never),
            (
                "arn:aws:bedrock:us-east-1:1234:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0",
                Publisher::Claude,
                (4, 5),
                Thinks::Budget,
            ),
            ("us.amazon.nova-2-lite-v1:0", Publisher::Nova, (2, 0), Thinks::ReasoningConfig),
            ("us-gov.amazon.nova-lite-v1:0", Publisher::Nova, (u32::MAX, 0), Thinks::Never),
            ("openai.gpt-oss-120b-1:0", Publisher::GptOss, (u32::MAX, 0), Thinks::ReasoningEffort),
            ("us.openai.gpt-5.2", Publisher::OpenAi, (u32::MAX, 0), Thinks::Reasoning),
            ("moonshotai.kimi-k2.5", Publisher::Reasoners, (u32::MAX, 0), Thinks::Word),
        ];
        for (id, publisher, generation, thinks) in table {
            let model = Model::of(id);
            assert_eq!((model.publisher, model.thinks()), (publisher, thinks), "{id}");
            if publisher == Publisher::Claude {
                assert_eq!(model.generation, generation, "{id}");
            }
        }
        for id in ["arn:aws:bedrock:eu-west-1:1:application-inference-profile/a1b2c3", "my.own.model", ""] {
            assert_eq!(Model::of(id).publisher, Publisher::Unknown, "{id}");
        }
    }

    #[test]
    fn schemas_are_for_models_that_keep_them() {
        let takes = |id| Model::of(id).constrains();
        assert!(takes("anthropic.claude-sonnet-4-5-20250929-v1:0") && takes("anthropic.claude-fable-5-1"));
        assert!(!takes("anthropic.claude-opus-4-7") && !takes("anthropic.claude-3-haiku-20240307-v1:0"));
        assert!(takes("deepseek.v3-v1:0") && !takes("us.deepseek.r1-v1:0"));
        assert!(!takes("amazon.nova-lite-v1:0") && !takes("mistral.mistral-7b-instruct-v0:2"));
    }
}
