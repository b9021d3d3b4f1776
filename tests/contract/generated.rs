//! The reference pages, and the tables other pages show. `UPDATE=1` writes them, a plain run compares.

mod structs;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use aisix::config::Config;
use aisix::dialect::DialectId;
use aisix::dialect::canon::feature;
use aisix::document::{Document, Format, keys};
use aisix::error::{ROWS, Side};
use serde_json::Value;

use crate::house::{self, root};
use structs::{Definitions, Row};

#[test]
fn endpoints_are_as_their_page_says() {
    agree("docs/reference/routes.md", &aisix::proxy::routes::reference_page());
}

#[test]
fn providers_are_as_their_page_says() {
    agree("docs/reference/providers.md", &aisix::upstream::providers::reference_page());
}

#[test]
fn metrics_are_as_their_page_says() {
    agree("docs/reference/metrics.md", &aisix::telemetry::reference_page());
}

#[test]
fn errors_are_as_their_page_says() {
    agree("docs/reference/errors.md", &errors());
}

#[test]
fn settings_are_as_their_page_says() {
    let definitions = definitions("src/config", &["mod", "listeners", "observability", "stores", "traffic"]);
    let rows = definitions.rows("Config");
    assert_eq!(
        spellings(&rows),
        keys::<Config>().into_iter().collect(),
        "the page reads definitions wrongly"
    );
    agree("docs/reference/config.md", &config(&definitions, &rows));
}

#[test]
fn resources_are_as_their_page_says() {
    agree("docs/reference/resources.md", &aisix::resources::reference_page());
}

#[test]
fn dialects_are_as_their_page_says() {
    let tables: Vec<_> = DialectId::ALL.iter().map(|id| (*id, id.codec().facts().support)).collect();
    agree("docs/dialects.md", &feature::reference_page(&tables));
}

#[test]
fn the_admin_api_is_as_its_document_and_its_page_say() {
    let document = serde_json::to_string_pretty(&aisix::admin::openapi::document()).expect("JSON");
    agree("docs/reference/openapi.json", &format!("{document}\n"));
    agree("docs/reference/admin-api.html", &aisix::admin::reference::document());
}

#[test]
fn commands_are_as_their_page_says() {
    agree("docs/reference/cli.md", &aisix::cli::reference_page());
}

#[test]
fn the_architecture_page_shows_the_tables_of_the_house() {
    let path = "docs/architecture.md";
    let page = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (before, rest) = page.split_once(ROOMS_BEGIN).expect("a begin mark");
    let (_, after) = rest.split_once(ROOMS_END).expect("an end mark");
    agree(path, &format!("{before}{ROOMS_BEGIN}\n{}{ROOMS_END}{after}", house::page()));
}

#[test]
fn every_direct_dependency_is_explained() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let page = fs::read_to_string(root().join("docs/dependencies.md")).expect("a page");
    let explained: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut section = "";
    let mut depended = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") {
            depended.extend(line.split_once(" = ").map(|(name, _)| name));
        }
    }
    assert_eq!(explained, depended);
}

/// Compares a page with what the code says, or writes it.
fn agree(path: &str, expected: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        return fs::write(&file, expected).expect("the page can be written");
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    let differs = there.lines().zip(expected.lines()).position(|(old, new)| old != new);
    assert!(
        there == expected,
        "{path} is out of date from line {}; run the tests with UPDATE=1",
        differs.unwrap_or_else(|| there.lines().count().min(expected.lines().count())) + 1
    );
}

fn definitions(folder: &str, files: &[&str]) -> Definitions {
    let files: Vec<_> = files.iter().map(|name| root().join(folder).join(format!("{name}.rs"))).collect();
    Definitions::read(files.iter().map(AsRef::<Path>::as_ref))
}

/// What serde knows of these rows: every spelling, except below mappings with names of the operator's own.
fn spellings(rows: &[Row]) -> BTreeSet<String> {
    let parent = |path: &str| path.rfind('.').map_or(String::new(), |at| path[..=at].to_owned());
    rows.iter()
        .filter(|row| !row.path.contains(".*"))
        .flat_map(|row| {
            let aliases = row.aliases.iter().map(move |alias| parent(&row.path) + alias);
            aliases.chain([row.path.clone()])
        })
        .collect()
}

fn errors() -> String {
    let mut page = String::from(ERRORS);
    for row in ROWS {
        let side = match row.side {
            Side::Caller => "caller",
            Side::Gateway => "gateway",
            Side::Upstream => "upstream",
        };
        let again = if row.retryable { "yes" } else { "no" };
        page.push_str(&format!(
            "| `{}` | {} | `{}` | {side} | {again} |\n",
            row.name, row.status, row.openai_type
        ));
    }
    page
}

fn config(definitions: &Definitions, rows: &[Row]) -> String {
    let text = fs::read_to_string(root().join("conf/aisix.yaml")).expect("the commented file");
    let defaults = Document::read(&text, Format::Yaml, Path::new("conf/aisix.yaml")).expect("YAML").value;
    let mut page = String::from(CONFIG);
    page.push_str("\n## At the top\n\n| key | type | default | meaning |\n|---|---|---|---|\n");
    for row in rows.iter().filter(|row| !row.path.contains('.') && !row.is_section) {
        page.push_str(&setting(row, &defaults));
    }
    for section in rows.iter().filter(|row| !row.path.contains('.') && row.is_section) {
        let doc = definitions.doc(&capital(&section.path));
        page.push_str(&format!("\n## {}\n\n{}", section.path, paragraph(doc)));
        page.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        let below = format!("{}.", section.path);
        for row in rows.iter().filter(|row| row.path.starts_with(&below) && !row.is_section) {
            page.push_str(&setting(row, &defaults));
        }
    }
    page
}

fn setting(row: &Row, defaults: &Value) -> String {
    let found = defaults.pointer(&format!("/{}", row.path.replace('.', "/")));
    let default = match found {
        None | Some(Value::Null) if row.required => "required".to_owned(),
        None | Some(Value::Null) => "–".to_owned(),
        Some(value) => format!("`{value}`"),
    };
    format!("| `{}` | {} | {default} | {} |\n", row.path, row.of, cell(&row.doc))
}

/// `rate_limit` to the name of its struct.
fn capital(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    match name {
        "ratelimit" => "RateLimit".to_owned(),
        _ => first.to_ascii_uppercase() + rest,
    }
}

fn paragraph(doc: &str) -> String {
    if doc.is_empty() { String::new() } else { format!("{}\n\n", plain(doc)) }
}

/// A doc comment as a table cell.
fn cell(doc: &str) -> String {
    plain(doc).replace('|', "\\|")
}

/// A doc comment outside rustdoc: links to items become their text.
fn plain(doc: &str) -> String {
    doc.replace("[`", "`").replace("`]", "`")
}

const ROOMS_BEGIN: &str = "<!-- rooms:begin -->";
const ROOMS_END: &str = "<!-- rooms:end -->";

const ERRORS: &str = "# Errors

Everything that can go wrong with a request. Written by a test from the table in `src/error.rs`.

`error_kind` names the failure in the access log. The status is that of the kind unless the upstream chose
another. OpenAI routes answer with OpenAI's envelope and the `error.type` of this table, Anthropic routes with
Anthropic's envelope, whose type follows from the status. *Tried again* means: before anything of an answer has
reached the caller, the same target may be tried again.

| `error_kind` | status | `error.type` | whose | tried again |
|---|---|---|---|---|
";

const CONFIG: &str = "# Settings

The bootstrap file (`--config`, YAML, TOML or JSON). Written by a test from the definitions in `src/config`; the
defaults are those of `conf/aisix.yaml`, which holds every key. Unknown keys are refused.

A variable overrides each key: `AISIX_PROXY__ADDR` for `proxy.addr`, two underscores between levels. Lists of
plain values take commas, lists of mappings a JSON array. Where a time is 0 there is no bound, unless its line
says otherwise.
";
