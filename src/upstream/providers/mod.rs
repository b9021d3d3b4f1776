//! The vendors we know, as rows of data.
//!
//! A row says which wire formats a vendor speaks and where, how it wants to be shown a key, what it does differently,
//! and which environment variables its users already set. A vendor without a row works as well: it names its adapter
//! and its base address.

mod page;
mod rows;

use crate::dialect::DialectId;
use crate::dialect::quirks::Quirks;
use crate::resources::Adapter;

pub use page::reference_page;
pub use rows::PROVIDERS;

/// What is asked of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An answer, in whatever dialect.
    Generate,
    /// How many tokens a prompt has.
    CountTokens,
    /// Texts as vectors, in OpenAI's format.
    Embed,
}

/// One vendor.
#[derive(Debug)]
pub struct Provider {
    /// The vendor label of `provider` members.
    pub label: &'static str,
    /// Other spellings of the label.
    pub also: &'static [&'static str],
    /// Scheme and host of its API; none where every user has an own one.
    pub site: Option<&'static str>,
    /// The formats it speaks, the preferred one first.
    pub speaks: &'static [Speaks],
    /// Formats it speaks only where `api_base` names them.
    pub named: &'static [Speaks],
    pub layout: Layout,
    /// It runs at its user's: it asks for no key, and has no address until somebody gives it one.
    pub local: bool,
    /// Variable that holds a key, with older spellings behind it.
    pub key_env: &'static [&'static str],
    /// Variable that overrides or gives the base address.
    pub base_env: &'static str,
    /// Aliases made when the gateway starts from its environment alone; `*` captures the model id.
    pub aliases: &'static [&'static str],
    pub quirks: Quirks,
}

/// One format of a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaks {
    pub dialect: DialectId,
    /// Path of the site below which the format's own paths are.
    pub at: &'static str,
    pub auth: Auth,
}

/// How a vendor wants to be shown a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer`
    Bearer,
    /// `x-api-key`
    XApiKey,
    /// `x-goog-api-key`
    XGoogApiKey,
    /// `api-key`, or a token of Entra where the key is a document.
    Azure,
    /// A token of a Google service account.
    Google,
    /// A signature, or a bearer where the key is a Bedrock API key.
    Aws,
}

/// How paths are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As each format's owner documents it.
    Plain,
    /// A deployment in the path, or the `v1` API.
    Azure,
    /// Project, location and publisher in the path; the model decides the format.
    Vertex,
}

impl Provider {
    /// Address of its API where nobody gives another: of the preferred format.
    pub fn base(&self) -> Option<String> {
        Some(format!("{}{}", self.site?, self.speaks.first()?.at))
    }

    /// What it speaks in one format, anywhere.
    pub fn speaks_in(&self, dialect: DialectId) -> Option<&'static Speaks> {
        self.speaks.iter().chain(self.named).find(|speaks| speaks.dialect == dialect)
    }
}

/// The row of a vendor label.
pub fn provider(label: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.label == label || provider.also.contains(&label))
}

/// What an adapter says of a vendor without a row: one format, or all of a cloud's.
pub fn adapted(adapter: Adapter) -> &'static Provider {
    match adapter {
        Adapter::OpenAi => &rows::ANY_OPENAI,
        Adapter::OpenAiResponses => &rows::ANY_RESPONSES,
        Adapter::Anthropic => &rows::ANY_ANTHROPIC,
        Adapter::Gemini => &rows::ANY_GEMINI,
        Adapter::Bedrock => &rows::BEDROCK,
        Adapter::Vertex => &rows::VERTEX,
        Adapter::AzureOpenAi => &rows::AZURE,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dialect::canon::Losses;

    #[test]
    fn labels_and_aliases_are_unique_and_bases_parse() {
        let mut seen = std::collections::HashSet::new();
        for row in PROVIDERS {
            assert!(seen.insert(row.label), "{}", row.label);
            assert!(row.also.iter().all(|label| seen.insert(label)), "{}", row.label);
            assert!(
                row.aliases.iter().all(|alias| seen.insert(alias) && alias.ends_with('*')),
                "{}",
                row.label
            );
            if let Some(base) = row.base() {
                let uri: http::Uri = base.parse().expect("a URL");
                assert_eq!(uri.scheme_str(), Some("https"), "{}", row.label);
                assert!(!base.ends_with('/'), "{}", row.label);
            }
            assert!(!row.local || row.site.is_none(), "{}", row.label);
        }
    }

    #[test]
    fn a_row_speaks_each_format_once_and_below_a_sound_path() {
        for row in PROVIDERS {
            assert!(!row.speaks.is_empty(), "{}", row.label);
            let mut seen = std::collections::HashSet::new();
            for speaks in row.speaks.iter().chain(row.named) {
                assert!(seen.insert(speaks.dialect), "{}", row.label);
                let sound = speaks.at.is_empty() || speaks.at.starts_with('/') && !speaks.at.ends_with('/');
                assert!(sound, "{} {}", row.label, speaks.at);
            }
        }
    }

    /// A request of a caller who speaks OpenAI chat and knows nothing of the vendor.
    fn everything() -> (Bytes, Vec<&'static str>) {
        let renames = PROVIDERS.iter().flat_map(|row| row.quirks.renames).map(|(ours, _)| *ours);
        let mut names: Vec<&str> = PROVIDERS.iter().flat_map(|row| row.quirks.refuses).copied().collect();
        names.extend(renames.chain(["max_completion_tokens", "stream_options", "temperature"]));
        names.sort_unstable();
        names.dedup();
        let members: Vec<String> = names.iter().map(|name| format!("\"{name}\" : \"of {name}\"")).collect();
        (format!("{{{}}}", members.join(" , ")).into(), names)
    }

    #[test]
    fn callers_who_speak_a_vendors_format_need_not_know_what_it_refuses() {
        let (body, names) = everything();
        for row in PROVIDERS {
            let quirks = &row.quirks;
            let mut losses = Losses::default();
            let sent = quirks.correct(DialectId::OpenAiChat, body.clone(), &mut losses);
            let told: serde_json::Value = serde_json::from_slice(&sent).expect("JSON");
            for name in &names {
                let theirs = quirks.renames.iter().find(|(ours, _)| ours == name).map_or(*name, |it| it.1);
                let theirs = if theirs == Quirks::NONE.max_tokens { quirks.max_tokens } else { theirs };
                let lost = quirks.refuses.contains(name);
                let unsaid = lost || *name == "stream_options" && !quirks.stream_options;
                let expected = Some(format!("of {name}")).filter(|_| !unsaid);
                assert_eq!(
                    told.get(theirs).and_then(|it| it.as_str()),
                    expected.as_deref(),
                    "{} {name}",
                    row.label
                );
                assert_eq!(losses.names().iter().any(|it| it == name), lost, "{} {name}", row.label);
            }
            assert!(quirks.corrects || sent == body, "{}", row.label);
        }
    }

    #[test]
    fn a_row_that_differs_is_corrected() {
        for row in PROVIDERS {
            let Quirks { renames, refuses, max_tokens, stream_options, .. } = row.quirks;
            let differs = !renames.is_empty() || !refuses.is_empty() || !stream_options;
            assert!(
                row.quirks.corrects || !differs && max_tokens == Quirks::NONE.max_tokens,
                "{}",
                row.label
            );
        }
    }

    #[test]
    fn other_spellings_find_the_same_row() {
        for (other, label) in [("google", "gemini"), ("azure", "azure-openai"), ("dashscope", "qwen")] {
            assert_eq!(provider(other).map(|row| row.label), Some(label));
        }
        assert!(provider("acme").is_none());
    }
}
