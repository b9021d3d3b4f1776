//! The Admin API as a page for people: one file that loads nothing from anywhere, written from what the OpenAPI document
//! is written from.

mod html;

use std::sync::LazyLock;

use http::header;
use serde_json::{Map, Value};

use super::openapi::operation::{Operation, words};
use super::openapi::{self, ABOUT};
use super::page::Page;
use crate::resources::{Kind, Member, kind, sha256};
use html::{Html, prose};

/// `/admin/openapi-scalar` and `/openapi`, written once.
pub static PUBLISHED: LazyLock<Page> = LazyLock::new(|| {
    Page::new("text/html; charset=utf-8", document())
        .header(header::CONTENT_SECURITY_POLICY, format!("{}; frame-ancestors 'none'", policy()))
        .header(header::REFERRER_POLICY, "no-referrer")
});

/// The page.
pub fn document() -> String {
    let operations = openapi::operations();
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n", policy()))
        .raw("<title>AISIX Admin API</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n<header class=\"top\"><h1>AISIX Admin API<small>")
        .text(env!("CARGO_PKG_VERSION"))
        .raw("</small></h1><input id=\"search\" type=\"search\" placeholder=\"Search paths, members, words  ( / )\" aria-label=\"Search\">")
        .raw("<button id=\"theme\" type=\"button\" hidden aria-label=\"Light or dark\">◐</button></header>\n<div class=\"frame\">\n");
    contents(&mut page, &operations);
    page.raw("<main id=\"main\">\n");
    introduction(&mut page);
    for tag in openapi::tags() {
        let name = tag["name"].as_str().unwrap_or_default();
        group(&mut page, name, tag["description"].as_str().unwrap_or_default(), &operations);
    }
    page.raw("<p id=\"nothing\" class=\"nothing\" hidden>Nothing here has all of these words.</p>\n</main>\n</div>\n<script>")
        .raw(SCRIPT)
        .raw("</script>\n</body>\n</html>\n");
    page.done()
}

type Described = (String, &'static str, Operation);

fn contents(page: &mut Html, operations: &[Described]) {
    page.raw("<nav aria-label=\"Contents\"><details open><summary>Contents</summary><ul>\n<li><a href=\"#introduction\"><b>introduction</b></a></li>\n");
    for tag in openapi::tags() {
        let name = tag["name"].as_str().unwrap_or_default();
        page.raw(&format!("<li><a href=\"#{}\"><b>", anchor(name))).text(name).raw("</b></a><ul>\n");
        for (_, method, operation) in operations.iter().filter(|(_, _, operation)| operation.tag == name) {
            page.raw(&format!("<li><a href=\"#{}\">", operation.id));
            verb(page, method);
            page.text(&operation.summary).raw("</a></li>\n");
        }
        page.raw("</ul></li>\n");
    }
    page.raw("</ul></details></nav>\n");
}

fn introduction(page: &mut Html) {
    page.raw("<section id=\"introduction\"><div class=\"lead about\">\n");
    for paragraph in ABOUT.split("\n\n") {
        page.raw("<p>").raw(&prose(paragraph)).raw("</p>\n");
    }
    page.raw("<p>The same as a document for programs: <a href=\"/admin/openapi.json\">openapi.json</a>.</p></div>\n");
    sample(
        page,
        "export ADMIN=http://127.0.0.1:3001 ADMIN_KEY=…\ncurl -H \"Authorization: Bearer $ADMIN_KEY\" $ADMIN/admin/v1/health",
    );
    page.raw("<h3 id=\"refusals\">Refusals</h3><table><tbody>\n");
    for status in [400, 401, 403, 404, 405, 408, 409, 412, 413, 500] {
        page.raw(&format!(
            "<tr><td><span class=\"status bad\">{status}</span></td><td>{{error_msg}}</td><td>"
        ));
        page.text(words(status)).raw("</td></tr>\n");
    }
    page.raw("</tbody></table></section>\n");
}

fn group(page: &mut Html, name: &str, about: &str, operations: &[Described]) {
    page.raw(&format!("<section id=\"{}\"><div class=\"about\"><h2>", anchor(name)))
        .text(name)
        .raw("</h2>\n<p class=\"lead\">");
    page.raw(&prose(about)).raw("</p>\n");
    if let Some(kind) = kind(name) {
        members(page, kind);
    }
    page.raw("</div>\n");
    for (path, method, operation) in operations.iter().filter(|(_, _, operation)| operation.tag == name) {
        card(page, path, method, operation);
    }
    page.raw("</section>\n");
}

/// What a row of a kind holds.
fn members(page: &mut Html, kind: &Kind) {
    for table in kind.tables() {
        page.raw("<details class=\"schema\"><summary>");
        match &table.variant {
            Some(variant) => page.raw("Members with <code>").text(variant).raw("</code>"),
            None => page.raw("Members"),
        };
        page.raw("</summary>\n");
        if table.variant.is_some() {
            page.raw("<p>").raw(&prose(&table.about)).raw("</p>");
        }
        page.raw("<table><thead><tr><th>member</th><th>holds</th><th>meaning</th></tr></thead><tbody>\n");
        table.members.iter().for_each(|member| line(page, member));
        page.raw("</tbody></table></details>\n");
    }
    for example in kind.schema().get("examples").and_then(Value::as_array).into_iter().flatten() {
        sample(page, &serde_json::to_string_pretty(example).unwrap_or_default());
    }
}

fn line(page: &mut Html, member: &Member) {
    page.raw("<tr><td><code>").text(&member.path).raw("</code>");
    if member.needed {
        page.raw("<span class=\"needed\">needed</span>");
    }
    page.raw("</td><td>").raw(&prose(&member.holds));
    if let Some(default) = member.default.as_ref().filter(|_| !member.needed) {
        page.raw("<span class=\"default\">default ").raw(&prose(default)).raw("</span>");
    }
    page.raw("</td><td>").raw(&prose(&member.meaning)).raw("</td></tr>\n");
}

fn card(page: &mut Html, path: &str, method: &str, operation: &Operation) {
    page.raw(&format!("<article id=\"{}\"><details><summary>", operation.id));
    verb(page, method);
    page.raw("<code class=\"path\">").text(path).raw("</code>");
    if operation.former {
        page.raw("<span class=\"old\">superseded</span>");
    }
    page.raw("<span class=\"says\">")
        .text(&operation.summary)
        .raw("</span></summary><div class=\"inside\">\n");
    if !operation.more.is_empty() {
        page.raw("<p>").raw(&prose(&operation.more)).raw("</p>\n");
    }
    parameters(page, operation);
    answers(page, operation);
    page.raw("<h4>Example</h4>\n");
    sample(page, &curl(path, method, operation));
    page.raw("</div></details></article>\n");
}

fn parameters(page: &mut Html, operation: &Operation) {
    if operation.parameters.is_empty() {
        return;
    }
    page.raw("<h4>Parameters</h4><table><thead><tr><th>name</th><th>where and what</th><th>meaning</th></tr></thead><tbody>\n");
    for parameter in &operation.parameters {
        let text = |name: &str| parameter[name].as_str().unwrap_or_default();
        let holds = parameter.pointer("/schema/type").and_then(Value::as_str).unwrap_or_default();
        page.raw("<tr><td><code>").text(text("name")).raw("</code>");
        if parameter["required"] == true {
            page.raw("<span class=\"needed\">needed</span>");
        }
        page.raw("</td><td>").text(text("in")).raw(", ").text(holds);
        page.raw("</td><td>").raw(&prose(text("description"))).raw("</td></tr>\n");
    }
    page.raw("</tbody></table>\n");
}

fn answers(page: &mut Html, operation: &Operation) {
    page.raw("<h4>Answers</h4><table><tbody>\n");
    let mut row = |status: u16, about: &str, holds: &str| {
        page.raw(&format!("<tr><td><span class=\"status good\">{status}</span></td><td>")).text(holds);
        page.raw("</td><td>").raw(&prose(about)).raw("</td></tr>\n");
    };
    for answer in &operation.answers {
        let headers: Vec<String> =
            answer.headers.iter().map(|(name, about)| format!("`{name}`: {about}")).collect();
        let about = [&[answer.about.to_owned()], &*headers].concat().join(" ");
        let holds = answer.content.as_ref().map_or_else(String::new, |(kind, schema)| shape(kind, schema));
        row(answer.status, &about, &holds);
    }
    page.raw("</tbody></table>\n");
    if !operation.errors.is_empty() {
        let mut errors = operation.errors.clone();
        errors.sort_unstable();
        page.raw("<p class=\"refusals\">Refused with");
        for status in errors {
            page.raw(&format!(
                " <a class=\"status bad\" href=\"#refusals\" title=\"{}\">{status}</a>",
                words(status)
            ));
        }
        page.raw("</p>\n");
    }
}

/// What an answer holds, in short.
fn shape(content_type: &str, schema: &Value) -> String {
    let name = |schema: &Value| {
        let target = schema.get("$ref").and_then(Value::as_str);
        target.and_then(|target| target.rsplit('/').next()).map(|name| match name.strip_suffix("Entry") {
            Some(_) => "{id, value, revision}".to_owned(),
            None => name.to_owned(),
        })
    };
    let members = |schema: &Value| {
        let properties = schema.get("properties").and_then(Value::as_object);
        let names = properties.into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
        (!names.is_empty()).then(|| format!("{{{}}}", names.join(", ")))
    };
    let shown = match schema.get("items") {
        Some(items) => name(items).or_else(|| members(items)).map(|item| format!("list of {item}")),
        None => name(schema).or_else(|| members(schema)),
    };
    shown.unwrap_or_else(|| content_type.to_owned())
}

/// The operation as a command.
fn curl(path: &str, method: &str, operation: &Operation) -> String {
    let verb = if method == "get" { String::new() } else { format!(" -X {}", method.to_ascii_uppercase()) };
    let key = if operation.open { "" } else { " -H \"Authorization: Bearer $ADMIN_KEY\"" };
    let path = path.replace("{id}", "$ID").replace("{revision}", "$REVISION");
    let mut command = format!("curl{verb}{key} $ADMIN{path}");
    if let Some((_, examples)) = &operation.body {
        let example = examples.first().map_or_else(|| "{…}".to_owned(), Value::to_string);
        command.push_str(&format!(" \\\n  -H 'Content-Type: application/json' \\\n  -d '{example}'"));
    }
    command
}

fn sample(page: &mut Html, text: &str) {
    page.raw("<div class=\"sample\"><button type=\"button\" hidden>copy</button><pre>")
        .text(text)
        .raw("</pre></div>\n");
}

fn verb(page: &mut Html, method: &str) {
    page.raw(&format!("<span class=\"verb {method}\">{}</span>", method.to_ascii_uppercase()));
}

fn anchor(name: &str) -> String {
    name.replace(' ', "-")
}

/// What a browser may do with the page: nothing but show it, with its own style and script.
fn policy() -> String {
    let hash = |text: &str| html::base64(&sha256(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
