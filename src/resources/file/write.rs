//! A configuration as a resources file for people: names in place of ids, variables in place of secrets.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value};

use crate::document::emit;
use crate::resources::configuration::{Configuration, Named, What, differences};
use crate::resources::{KINDS, MASK};

/// A file, and what it needs.
pub struct Written {
    pub text: String,
    pub variables: Vec<Variable>,
}

/// A variable that stands for a secret. Nothing prints what it stands for.
pub struct Variable {
    pub name: String,
    /// What it is: `provider_keys "openai".api_key`.
    pub place: String,
    value: String,
}

/// What becomes of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They stand in variables.
    Named,
    /// They stand in the file.
    Revealed,
}

/// Writes a file with `comment` at its top. The same rows always give the same text.
pub fn write(configuration: &Configuration, comment: &str, secrets: Secrets) -> Written {
    let mut writer = Writer { secrets, variables: Vec::new(), taken: HashSet::new() };
    let mut sections = String::new();
    let rows = configuration.for_people();
    for kind in &KINDS {
        let rows: Vec<&Named> = rows.iter().filter(|row| row.kind.collection == kind.collection).collect();
        for (index, row) in rows.iter().enumerate() {
            sections.push('\n');
            if index == 0 {
                sections.push_str(&format!("{}:\n", kind.collection));
            }
            sections.push_str(&emit::entry(&writer.members(row), 1));
        }
    }
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    if !writer.variables.is_empty() {
        text.push_str("#\n# Secrets stand in variables of the environment:\n");
        writer.variables.iter().for_each(|variable| text.push_str(&format!("#   {}\n", variable.name)));
    }
    text.push_str("\n_format_version: \"1\"\n");
    Written { text: text + &sections, variables: writer.variables }
}

impl Written {
    /// Reads the file back, and says in how far it is not the configuration it was made from.
    pub fn check(&self, configuration: &Configuration) -> Vec<String> {
        let value = |name: &str| self.variables.iter().find(|variable| variable.name == name);
        let env = |name: &str| value(name).map(|variable| variable.value.clone());
        let read = match super::read(&self.text, Path::new("(export)"), &env) {
            Ok(read) => read,
            Err(problems) => return problems.iter().map(ToString::to_string).collect(),
        };
        // A row that has no name in its store is called by its id in a file.
        let new_name = |what: &What, name: &str| match what {
            What::Members(members) => members.iter().all(|member| {
                member.first.is_none() && member.second.as_ref().is_some_and(|new| new == name)
            }),
            _ => false,
        };
        differences(configuration, &read)
            .into_iter()
            .filter(|difference| !new_name(&difference.what, &difference.name))
            .map(|difference| {
                format!("{} {:?} does not read back", difference.kind.collection, difference.name)
            })
            .collect()
    }
}

struct Writer {
    secrets: Secrets,
    variables: Vec<Variable>,
    taken: HashSet<String>,
}

impl Writer {
    fn members(&mut self, row: &Named) -> Map<String, Value> {
        let mut members = row.members.clone();
        if let Some(identity) = row.kind.identity
            && !members.contains_key(identity)
        {
            members.shift_insert(0, identity.to_owned(), row.name.clone().into());
        }
        let mut body = Value::Object(members);
        let masked = row.kind.masked(body.clone());
        self.texts(row, "", &mut body, &masked);
        if let Value::Object(members) = body { members } else { Map::new() }
    }

    /// Gives every text the form that reads back as what it is.
    fn texts(&mut self, row: &Named, path: &str, value: &mut Value, masked: &Value) {
        match (value, masked) {
            (Value::Object(members), Value::Object(masked)) => {
                for (name, value) in members.iter_mut() {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.texts(row, &path, value, masked.get(name).unwrap_or(&Value::Null));
                }
            }
            (Value::Array(items), Value::Array(masked)) => {
                for (index, (value, masked)) in items.iter_mut().zip(masked).enumerate() {
                    self.texts(row, &format!("{path}[{index}]"), value, masked);
                }
            }
            (Value::String(text), masked) => {
                let secret = masked.as_str() == Some(MASK) && !text.is_empty();
                if secret && (self.secrets == Secrets::Named || text == MASK) {
                    *text = self.variable(row, path, text);
                } else {
                    *text = text.replace('$', "$$");
                }
            }
            _ => {}
        }
    }

    /// `${NAME}` for a secret.
    fn variable(&mut self, row: &Named, path: &str, secret: &str) -> String {
        let member = path.rsplit('.').next().unwrap_or(path);
        let words = [row.name.as_str(), member].map(shouted);
        let plain = words.join("_").trim_matches('_').to_owned();
        // Those that begin like our own settings are taken for settings.
        let refused = plain.starts_with("AISIX_") || plain.starts_with(|first: char| first.is_ascii_digit());
        let plain = if refused { format!("KEY_{plain}") } else { plain };
        let longer = format!("{plain}_OF_{}", shouted(row.kind.title));
        let numbered = (2..).map(|number| format!("{longer}_{number}"));
        let mut names = [plain, longer.clone()].into_iter().chain(numbered);
        let name = names.find(|name| !self.taken.contains(name)).unwrap_or_default();
        self.taken.insert(name.clone());
        let place = format!("{} {:?}.{path}", row.kind.collection, row.name);
        self.variables.push(Variable { name: name.clone(), place, value: secret.to_owned() });
        format!("${{{name}}}")
    }
}

/// `openai-main` as `OPENAI_MAIN`.
fn shouted(words: &str) -> String {
    let letters = words.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_uppercase(),
        _ => '_',
    });
    letters.collect::<String>().split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows() -> Configuration {
        let rows = [
            (
                "provider_keys",
                "1",
                json!({"api_key": "sk-$ecret", "display_name": "openai-main", "provider": "openai"}),
            ),
            ("provider_keys", "2", json!({"api_key": "sk-two", "display_name": "openai main"})),
            (
                "models",
                "3",
                json!({"provider_key_id": "1", "display_name": "${x}", "provider": "openai", "model_name": "g"}),
            ),
            ("api_keys", "4", json!({"key_hash": "0".repeat(64), "allowed_models": ["${x}"]})),
        ];
        let rows = rows.map(|(of, id, body)| (of.to_owned(), id.to_owned(), body));
        Configuration::stored(rows).0
    }

    #[test]
    fn a_file_is_readable_and_reads_back() {
        let rows = rows();
        let written = write(&rows, "From somewhere.", Secrets::Named);
        let expected = "\
# From somewhere.
#
# Secrets stand in variables of the environment:
#   OPENAI_MAIN_API_KEY
#   OPENAI_MAIN_API_KEY_OF_PROVIDER_KEY

_format_version: \"1\"

provider_keys:
  - display_name: openai main
    api_key: ${OPENAI_MAIN_API_KEY}

  - display_name: openai-main
    api_key: ${OPENAI_MAIN_API_KEY_OF_PROVIDER_KEY}
    provider: openai

models:
  - display_name: \"$${x}\"
    provider: openai
    model_name: g
    provider_key: openai-main

api_keys:
  - display_name: \"4\"
    key_hash: \"0000000000000000000000000000000000000000000000000000000000000000\"
    allowed_models: [\"$${x}\"]
";
        assert_eq!(written.text, expected);
        assert_eq!(written.check(&rows), Vec::<String>::new());
    }

    #[test]
    fn revealed_secrets_stand_in_the_file() {
        let rows = rows();
        let written = write(&rows, "", Secrets::Revealed);
        assert!(written.text.contains("api_key: \"sk-$$ecret\""), "{}", written.text);
        assert!(written.variables.is_empty());
        assert_eq!(written.check(&rows), Vec::<String>::new());
    }
}
