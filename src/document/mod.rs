//! Text files with settings in them: reading them with positions, decoding them strictly, saying what is
//! wrong.
//!
//! `config` and `resources` both read their files through this room. It knows the formats and nothing of
//! what the files mean.

pub mod cidr;
mod decode;
pub mod emit;
pub mod header;
mod json;
mod keys;
mod problem;
mod secret;
mod toml;
mod yaml;

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

pub use decode::{Decoded, Texts, decode, decode_with_texts};
pub use keys::keys;
pub use problem::{Fault, Problem, Problems};
pub use secret::Secret;

/// What a file says, and where it says it.
///
/// Places are called as an operator would: `proxy.url_rewrites[0].match`.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub value: Value,
    lines: HashMap<String, usize>,
}

/// The languages settings are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Yaml,
    Toml,
    Json,
}

impl Format {
    /// By extension: `yaml`, `yml`, `toml`, `json`.
    pub fn of(file: &Path) -> Option<Format> {
        let extension = file.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "yaml" | "yml" => Some(Format::Yaml),
            "toml" => Some(Format::Toml),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

impl Document {
    /// Reads a text. `file` only names it in problems.
    ///
    /// # Errors
    /// It is not of that format, says a thing twice, or grows beyond bounds.
    pub fn read(text: &str, format: Format, file: &Path) -> Result<Document, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = match format {
            Format::Yaml => yaml::read(text),
            Format::Toml => toml::read(text),
            Format::Json => json::read(text),
        };
        read.map_err(|snags| Problems::from(snags.into_iter().map(|snag| snag.at(file)).collect::<Vec<_>>()))
    }

    /// The line of a place, or of the nearest place around it.
    pub fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = path.get(..path.rfind(['.', '[']).unwrap_or(0))?;
            if path.is_empty() {
                return None;
            }
        }
    }
}

/// What stops a file from being read at all.
#[derive(Clone, Debug)]
struct Snag {
    line: Option<usize>,
    path: String,
    message: String,
}

impl Snag {
    fn new(line: Option<usize>, message: impl Into<String>) -> Self {
        Snag { line, path: "(file)".to_owned(), message: message.into() }
    }

    fn at(self, file: &Path) -> Problem {
        Problem { file: Some(file.to_owned()), line: self.line, path: self.path, message: self.message }
    }
}

/// `, did you mean "addr"?`, if one of the known names is near enough to be meant.
pub fn suggestion<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    match nearest(name, known) {
        Some(near) => format!(", did you mean {near:?}?"),
        None => String::new(),
    }
}

/// The known name that was probably meant: at most a third of its letters differ.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name: String = name.chars().take(LONGEST_NAME).collect::<String>().to_ascii_lowercase();
    let length = name.chars().count();
    known
        .into_iter()
        .filter_map(|candidate| {
            let letters = candidate.chars().count();
            let bound = (letters / 3).max(1);
            let distance =
                (letters.abs_diff(length) <= bound).then(|| strsim::osa_distance(&name, candidate));
            distance.filter(|distance| *distance <= bound).map(|distance| (distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// The path of a member of the thing at `path`.
fn member(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Longer names are cut before they are compared, which takes time in the product of the lengths.
const LONGEST_NAME: usize = 100;

#[cfg(test)]
mod tests;
