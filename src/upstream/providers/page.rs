//! The reference page of providers.

use super::{Auth, Layout, PROVIDERS, Provider, Speaks};
use crate::dialect::DialectId;
use crate::dialect::quirks::Quirks;

/// Every provider: what it is called, what it speaks and where, and how it is shown a key.
pub fn reference_page() -> String {
    let mut page = String::from(INTRODUCTION);
    for row in PROVIDERS {
        let labels: Vec<String> =
            std::iter::once(&row.label).chain(row.also).map(|label| format!("`{label}`")).collect();
        let formats: Vec<String> = row.speaks.iter().map(|speaks| format(row, speaks)).collect();
        page.push_str(&format!(
            "| {} | {} | {} | {} | {} |\n",
            labels.join(", "),
            base(row),
            formats.join("; "),
            auth(row),
            variables(row)
        ));
    }
    page.push_str(NAMED);
    for (row, speaks) in PROVIDERS.iter().flat_map(|row| row.named.iter().map(move |speaks| (row, speaks))) {
        page.push_str(&format!("| `{}` | `{}` | {} |\n", row.label, speaks.at, speaks.dialect.title()));
    }
    page.push_str(CORRECTIONS);
    page.extend(PROVIDERS.iter().filter_map(corrections));
    page.push_str(CREDENTIALS);
    page
}

/// What requests lose or say otherwise at a provider.
fn corrections(row: &Provider) -> Option<String> {
    let quirks = Some(&row.quirks).filter(|quirks| quirks.corrects)?;
    let chat = row.speaks_in(DialectId::OpenAiChat).is_some();
    let bound = (Quirks::NONE.max_tokens, quirks.max_tokens);
    let renames = quirks.renames.iter().chain(Some(&bound).filter(|(ours, theirs)| chat && ours != theirs));
    let renamed: Vec<String> = renames.map(|(ours, theirs)| format!("`{ours}` as `{theirs}`")).collect();
    let unsaid = Some("stream_options").filter(|_| chat && !quirks.stream_options);
    let out: Vec<String> =
        quirks.refuses.iter().copied().chain(unsaid).map(|name| format!("`{name}`")).collect();
    let told = |list: Vec<String>| if list.is_empty() { "–".to_owned() } else { list.join(", ") };
    let any = !renamed.is_empty() || !out.is_empty();
    any.then(|| format!("| `{}` | {} | {} |\n", row.label, told(renamed), told(out)))
}

fn base(row: &Provider) -> String {
    match (row.base(), row.layout) {
        (Some(base), _) => format!("`{base}`"),
        (None, _) if row.local => "given by `api_base`, with `/v1` at its end".to_owned(),
        (None, Layout::Azure) => "given by `api_base`: the resource's name or address".to_owned(),
        (None, _) => "that of the key's region".to_owned(),
    }
}

fn format(row: &Provider, speaks: &Speaks) -> String {
    match row.speaks.first() {
        Some(preferred) if preferred.at != speaks.at && speaks.at.is_empty() => {
            format!("{} (at the root)", speaks.dialect.title())
        }
        Some(preferred) if preferred.at != speaks.at => {
            format!("{} (at `{}`)", speaks.dialect.title(), speaks.at)
        }
        _ => speaks.dialect.title().to_owned(),
    }
}

fn auth(row: &Provider) -> String {
    let mut schemes: Vec<&str> = row.speaks.iter().map(|speaks| scheme(speaks.auth)).collect();
    schemes.dedup();
    schemes.join("; ")
}

fn scheme(auth: Auth) -> &'static str {
    match auth {
        Auth::Bearer => "`Authorization: Bearer`",
        Auth::XApiKey => "`x-api-key`",
        Auth::XGoogApiKey => "`x-goog-api-key`",
        Auth::Azure => "`api-key`, or a token of Entra",
        Auth::Google => "a token of a service account",
        Auth::Aws => "a signature (SigV4), or a Bedrock API key",
    }
}

fn variables(row: &Provider) -> String {
    let names = row.key_env.iter().copied().chain((!row.base_env.is_empty()).then_some(row.base_env));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "–".to_owned() } else { names.join(", ") }
}

const INTRODUCTION: &str = "\
# Providers

What `provider` of a provider key or of a model may say, and what follows. Written by a test from the table in
`src/upstream/providers/rows.rs`, where the sources stand beside each row.

A caller is served in its own format where the provider speaks it, and else in the first one named here. An `adapter`
narrows a provider to one format: `openai`, `openai-responses`, `anthropic` or `gemini`. With an `adapter` and an
`api_base` any other provider works as well; `azure-openai`, `vertex` and `bedrock` as adapters stand for the rows of
these names. A model of Vertex AI is asked in Gemini's format if its id begins with `gemini-`, in Anthropic's if it
begins with `claude-`, else in OpenAI's.

| `provider` | `api_base` where none is given | formats | key | variables |
|---|---|---|---|---|
";

const NAMED: &str = "
## Formats that `api_base` names

These providers speak another format, and that alone, where `api_base` ends so:

| `provider` | end of `api_base` | format |
|---|---|---|
";

const CORRECTIONS: &str = "
## What providers name otherwise or refuse

Callers who speak the provider's format need not know this: members have the provider's name when they leave, and what it
would answer with an error stays here, named and counted as in a translation. A provider without a line here, and a server
that only an `adapter` describes, is told what its caller says.

| `provider` | said as | left out |
|---|---|---|
";

const CREDENTIALS: &str = "
## Keys with several parts

`api_key` is then a JSON document, written as a text.

| provider | document |
|---|---|
| `bedrock` | `{\"access_key_id\", \"secret_access_key\", \"region\", \"session_token\"?}`; a Bedrock API key is no document and needs `api_base` |
| `vertex` | `{\"project\", \"region\", \"access_token\"}`, or `{\"project\", \"region\", \"service_account_json\"}` with the account's key file as an object or a text |
| `azure-openai` | `{\"tenant_id\", \"client_id\", \"client_secret\", \"authority_host\"?, \"scope\"?}`; a plain key is sent as `api-key` |

Tokens are fetched when the first request needs one, kept until a minute before their end, and renewed some minutes
earlier while the old one serves. A failure is logged and says which provider key it was; callers without a token that
serves get 502 with the code `upstream_auth_failed`.

Azure: chat goes to `/openai/deployments/{model}/chat/completions?api-version=2024-10-21`, or, where `api_base` ends in
`/openai/v1`, to the `v1` API; responses go to the `v1` API always.
";
