//! Struct definitions read as text: their members, types and doc comments, flattened to rows of a reference page.
//!
//! The definitions are the documentation of the files operators write. What this reads is compared with what
//! serde knows (`document::keys`), so a definition that is read wrongly fails a test.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The structs and enums of some source files, by name.
#[derive(Debug, Default)]
pub struct Definitions(HashMap<String, Definition>);

#[derive(Debug, Default)]
struct Definition {
    doc: String,
    /// Attributes of the definition itself.
    serde: String,
    is_enum: bool,
    members: Vec<Member>,
}

/// A field of a struct, or a variant of an enum.
#[derive(Debug)]
struct Member {
    name: String,
    /// Empty for a variant.
    of: String,
    doc: String,
    serde: String,
}

/// One line of a reference page.
#[derive(Debug)]
pub struct Row {
    /// Place in a file, such as `routing.targets[].model`.
    pub path: String,
    /// Other spellings of the last part.
    pub aliases: Vec<String>,
    pub of: String,
    pub required: bool,
    pub doc: String,
    /// Has it members of its own?
    pub is_section: bool,
}

impl Definitions {
    /// Reads all definitions of the files.
    pub fn read<'p>(files: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut definitions = Definitions::default();
        for file in files {
            definitions.add(&fs::read_to_string(file).expect("a readable source file"));
        }
        definitions
    }

    fn add(&mut self, text: &str) {
        let (mut doc, mut serde) = (String::new(), String::new());
        let mut current: Option<(String, Definition)> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if let Some(comment) = trimmed.strip_prefix("///") {
                push_words(&mut doc, comment);
            } else if let Some(attribute) = trimmed.strip_prefix("#[") {
                if attribute.starts_with("serde(") {
                    serde.push_str(attribute);
                }
            } else if let Some((name, is_enum)) = opens(line) {
                let (doc, serde) = (std::mem::take(&mut doc), std::mem::take(&mut serde));
                current = Some((name, Definition { doc, serde, is_enum, members: Vec::new() }));
            } else if line == "}" {
                self.0.extend(current.take());
            } else {
                let (doc, serde) = (std::mem::take(&mut doc), std::mem::take(&mut serde));
                if let Some((_, definition)) = &mut current {
                    definition.members.extend(member(trimmed, definition.is_enum, doc, serde));
                }
            }
        }
    }

    /// What a struct says about itself.
    pub fn doc(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |definition| &definition.doc)
    }

    /// Every member of a struct at every depth, in the order of the definition.
    pub fn rows(&self, name: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        self.collect(name, "", &mut rows);
        rows
    }

    fn collect(&self, name: &str, path: &str, rows: &mut Vec<Row>) {
        let definition = self.0.get(name).unwrap_or_else(|| panic!("{name} is not defined"));
        let all_optional = has_word(&definition.serde, "default");
        for member in definition.members.iter().filter(|member| !has_word(&member.serde, "skip")) {
            let path = format!("{path}{}", spelled(member, ""));
            let inner = inner(&member.of);
            let is_section = self.0.get(inner.name).is_some_and(|definition| !definition.is_enum);
            let optional = all_optional || has_word(&member.serde, "default") || inner.is_optional;
            rows.push(Row {
                of: self.shown_type(member, &inner),
                aliases: quoted(&member.serde, "alias").into_iter().collect(),
                required: !optional,
                doc: member.doc.clone(),
                is_section,
                path: path.clone(),
            });
            if is_section {
                self.collect(inner.name, &format!("{path}{}.", inner.steps()), rows);
            }
        }
    }

    fn shown_type(&self, member: &Member, inner: &Inner<'_>) -> String {
        // A member read by a function of its own has the form that function reads.
        let read = quoted(&member.serde, "deserialize_with").unwrap_or_default();
        let single = match (read.as_str(), inner.name) {
            ("hash", _) => "64 hexadecimal digits".to_owned(),
            ("pairs::texts" | "pairs::headers", _) => return "mapping of text".to_owned(),
            ("pairs::json", _) => return "mapping of anything".to_owned(),
            (_, "String") => "text".to_owned(),
            (_, "bool") => "true or false".to_owned(),
            (_, "u16" | "u32" | "u64" | "usize" | "i32") => "whole number".to_owned(),
            (_, "f64") => "number".to_owned(),
            (_, "SocketAddr") => "address:port".to_owned(),
            (_, "IpNet" | "ipnet::IpNet") => "address or range".to_owned(),
            (_, "Glob") => "pattern".to_owned(),
            (_, "Secret") => "secret text".to_owned(),
            (_, "SystemTime") => "RFC 3339 time".to_owned(),
            (_, name) => match self.0.get(name) {
                Some(definition) if definition.is_enum => choices(definition),
                Some(_) if inner.in_list || inner.in_map => "mappings".to_owned(),
                Some(_) => return "mapping".to_owned(),
                None => panic!("the page has no words for the type {name}"),
            },
        };
        match (inner.in_list, inner.in_map) {
            (true, _) => format!("list of {single}"),
            (_, true) => format!("mapping of {single}"),
            _ => single,
        }
    }
}

/// A type without what is around it.
struct Inner<'t> {
    name: &'t str,
    is_optional: bool,
    in_list: bool,
    in_map: bool,
}

impl Inner<'_> {
    /// How its members are reached.
    fn steps(&self) -> &'static str {
        match (self.in_list, self.in_map) {
            (true, _) => "[]",
            (_, true) => ".*",
            _ => "",
        }
    }
}

fn inner(of: &str) -> Inner<'_> {
    let mut inner = Inner { name: of, is_optional: false, in_list: false, in_map: false };
    loop {
        let of = inner.name;
        let within = |outer: &str| of.strip_prefix(outer)?.strip_suffix('>');
        if let Some(name) = within("Option<") {
            (inner.name, inner.is_optional) = (name, true);
        } else if let Some(name) = within("Vec<") {
            (inner.name, inner.in_list) = (name, true);
        } else if let Some(name) = within("BTreeMap<String, ") {
            (inner.name, inner.in_map) = (name, true);
        } else {
            return inner;
        }
    }
}

fn opens(line: &str) -> Option<(String, bool)> {
    let head = line.strip_suffix(" {")?;
    let name =
        |kind: &str| head.strip_prefix(kind).filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric()));
    let (name, is_enum) =
        name("pub struct ").map(|name| (name, false)).or(name("pub enum ").map(|name| (name, true)))?;
    Some((name.to_owned(), is_enum))
}

fn member(line: &str, is_enum: bool, doc: String, serde: String) -> Option<Member> {
    let line = line.strip_suffix(',')?;
    let (name, of) = if is_enum { (line, "") } else { line.strip_prefix("pub ")?.split_once(": ")? };
    Some(Member { name: name.to_owned(), of: of.to_owned(), doc, serde })
}

/// How a member is written in a file; `case` is what `rename_all` says.
fn spelled(member: &Member, case: &str) -> String {
    if let Some(name) = quoted(&member.serde, "rename") {
        return name;
    }
    let name = member.name.split('(').next().unwrap_or_default();
    match case {
        "lowercase" => name.to_ascii_lowercase(),
        "snake_case" => words(name, '_'),
        "kebab-case" => words(name, '-'),
        _ => name.to_owned(),
    }
}

fn choices(definition: &Definition) -> String {
    let case = quoted(&definition.serde, "rename_all").unwrap_or_default();
    let names: Vec<String> = definition
        .members
        .iter()
        .map(|member| match member.name.contains('(') {
            true => format!("`{{{}: …}}`", spelled(member, &case)),
            false => format!("`{}`", spelled(member, &case)),
        })
        .collect();
    names.join(" or ")
}

/// `ConsistentHash` to `consistent_hash`.
fn words(name: &str, separator: char) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push(separator);
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// The text of `key = "text"` in attributes.
fn quoted(attributes: &str, key: &str) -> Option<String> {
    let (_, rest) = attributes.split_once(&format!("{key} = \""))?;
    Some(rest.split('"').next().unwrap_or_default().to_owned())
}

/// Does `serde(…)` hold this word by itself or with a value?
fn has_word(attributes: &str, word: &str) -> bool {
    attributes.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|part| part == word)
}

fn push_words(doc: &mut String, comment: &str) {
    if !doc.is_empty() && !comment.trim().is_empty() {
        doc.push(' ');
    }
    doc.push_str(comment.trim());
}

#[test]
fn a_definition_becomes_rows_as_a_file_spells_them() {
    let mut definitions = Definitions::default();
    definitions.add(
        r#"
/// About it.
#[derive(Deserialize)]
pub struct Row {
    #[serde(skip)]
    pub id: String,
    /// First line,
    /// second line.
    #[serde(rename = "match", alias = "like")]
    pub pattern: String,
    pub parts: Option<Vec<Part>>,
}

#[derive(Default)]
#[serde(default)]
pub struct Part {
    pub mode: Mode,
}

#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    TwoWords,
    #[serde(rename = "1h")]
    Hour,
}
"#,
    );
    let rows = definitions.rows("Row");
    let paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    assert_eq!(paths, ["match", "parts", "parts[].mode"]);
    assert_eq!(rows.iter().map(|row| row.required).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(
        (rows[0].doc.as_str(), rows[0].aliases.as_slice()),
        ("First line, second line.", &["like".into()][..])
    );
    assert_eq!(rows[2].of, "`two-words` or `1h`");
    assert_eq!(definitions.doc("Row"), "About it.");
}
