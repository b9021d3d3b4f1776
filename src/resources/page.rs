//! What a kind holds, in words: from its schema to tables, and from these to the reference page.

use serde_json::{Map, Value};

use super::{KINDS, Kind};

/// `docs/reference/resources.md`
pub fn reference_page() -> String {
    let mut page = String::from(HEAD);
    for kind in &KINDS {
        page.push_str(&section(kind));
    }
    page
}

/// The members of a kind, or of one of its variants.
#[derive(Debug)]
pub struct Table {
    /// `kind: keyword`; None for a kind without variants.
    pub variant: Option<String>,
    pub about: String,
    pub members: Vec<Member>,
}

/// One member. Texts have code between backticks.
#[derive(Debug)]
pub struct Member {
    /// `routing.targets[].model`
    pub path: String,
    /// What its value may be.
    pub holds: String,
    pub needed: bool,
    /// None where there is none.
    pub default: Option<String>,
    pub meaning: String,
}

impl Kind {
    /// Its members, in one table or in one for each variant.
    pub fn tables(&self) -> Vec<Table> {
        let schema = self.schema();
        Pages { root: schema }.tables(schema)
    }

    /// What it is for.
    pub fn about(&self) -> String {
        description(self.schema())
    }
}

fn section(kind: &Kind) -> String {
    let mut page = format!("\n## {}\n\n{}\n", kind.collection, kind.about());
    let named = match kind.identity {
        Some(member) => format!("Named by `{member}`."),
        None => "One row at most.".to_owned(),
    };
    let force = if kind.acts { "" } else { " Stored, checked and served; not in force in this version." };
    page.push_str(&format!("\n{named}{force}\n"));
    for table in kind.tables() {
        if let Some(variant) = &table.variant {
            page.push_str(&format!("\n### `{variant}`\n\n{}\n", table.about));
        }
        page.push_str("\n| member | holds | default | meaning |\n|---|---|---|---|\n");
        page.extend(table.members.iter().map(line));
    }
    page
}

fn line(member: &Member) -> String {
    let default = match &member.default {
        _ if member.needed => "needed",
        None => "–",
        Some(default) => default,
    };
    let meaning = member.meaning.replace('|', "\\|");
    format!("| `{}` | {} | {default} | {meaning} |\n", member.path, member.holds)
}

struct Pages<'s> {
    root: &'s Value,
}

impl<'s> Pages<'s> {
    fn tables(&self, schema: &'s Value) -> Vec<Table> {
        let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else {
            let members = self.members(schema, "");
            return vec![Table { variant: None, about: description(schema), members }];
        };
        let tables = variants.iter().map(|variant| {
            let variant = self.followed(variant);
            let tag = members(variant)
                .find_map(|(name, schema)| Some(format!("{name}: {}", schema.get("const")?.as_str()?)));
            let (about, members) = (description(variant), self.members(variant, ""));
            Table { variant: Some(tag.unwrap_or_default()), about, members }
        });
        tables.collect()
    }

    /// The members of a mapping, and those of mappings in it.
    fn members(&self, schema: &'s Value, above: &str) -> Vec<Member> {
        let mut found = Vec::new();
        if above.matches(['.', '[']).count() > DEEPEST {
            return found;
        }
        let required: Vec<&str> = strings(schema.get("required")).collect();
        for (name, schema) in members(schema).filter(|(_, schema)| schema.get("const").is_none()) {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            let inner = self.followed(schema);
            found.push(self.member(&path, schema, inner, required.contains(&name.as_str())));
            let (item, below) = match inner.get("items") {
                Some(items) => (self.followed(items), format!("{path}[]")),
                None => (inner, path),
            };
            found.extend(self.members(item, &below));
            for variant in item.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
                found.extend(self.members(self.followed(variant), &below));
            }
        }
        found
    }

    fn member(&self, path: &str, schema: &Value, inner: &'s Value, needed: bool) -> Member {
        let default = match schema.get("default").or_else(|| inner.get("default")) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) if !object.is_empty() => Some("as below".to_owned()),
            Some(value) => Some(format!("`{value}`")),
        };
        let meaning = match description(schema) {
            own if own.is_empty() => description(inner),
            own => own,
        };
        Member { path: path.to_owned(), holds: self.holds(inner), needed, default, meaning }
    }

    /// What a value may be, in words.
    fn holds(&self, schema: &'s Value) -> String {
        let words: Vec<String> = words(schema).iter().map(|word| format!("`{word}`")).collect();
        if !words.is_empty() {
            return words.join(" or ");
        }
        if let Some(items) = schema.get("items") {
            let item = self.holds(self.followed(items));
            return format!("list of {item}{}", counts(schema, "minItems", "maxItems", "entries"));
        }
        match schema.get("type") {
            Some(Value::String(name)) => plain(name, schema),
            Some(Value::Array(names)) => {
                let name = names.iter().filter_map(Value::as_str).find(|name| *name != "null");
                name.map_or_else(|| "anything".to_owned(), |name| plain(name, schema))
            }
            _ if schema.get("oneOf").is_some() => "one of several mappings".to_owned(),
            _ => "anything".to_owned(),
        }
    }

    /// The schema behind a reference or an option.
    fn followed(&self, schema: &'s Value) -> &'s Value {
        if let Some(path) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'))
        {
            return self.root.pointer(path).map_or(schema, |target| self.followed(target));
        }
        let options = schema.get("anyOf").and_then(Value::as_array);
        let some =
            options.into_iter().flatten().find(|option| option.get("type").is_none_or(|kind| kind != "null"));
        some.map_or(schema, |option| self.followed(option))
    }
}

fn plain(name: &str, schema: &Value) -> String {
    match name {
        "string" if schema.get("writeOnly").is_some() => "secret text".to_owned(),
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some("pattern") => "pattern".to_owned(),
            Some("date-time") => "time (RFC 3339)".to_owned(),
            _ => format!("text{}", counts(schema, "minLength", "maxLength", "characters")),
        },
        "integer" => format!("whole number{}", range(schema)),
        "number" => format!("number{}", range(schema)),
        "boolean" => "true or false".to_owned(),
        "object" => match schema.get("additionalProperties") {
            Some(Value::Object(others)) if others.get("type").is_some() => {
                "mapping of names to values".to_owned()
            }
            _ => "mapping".to_owned(),
        },
        other => other.to_owned(),
    }
}

fn range(schema: &Value) -> String {
    let bound =
        |name: &str| schema.get(name).and_then(Value::as_f64).filter(|bound| bound.abs() < SOME_TYPES_BOUND);
    match (bound("minimum").filter(|least| *least != 0.0), bound("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

fn counts(schema: &Value, least: &str, most: &str, what: &str) -> String {
    let count = |name: &str| schema.get(name).and_then(Value::as_u64);
    match (count(least), count(most)) {
        (Some(least), Some(most)) => format!(", {least} to {most} {what}"),
        (Some(1), None) => ", not empty".to_owned(),
        (Some(least), None) => format!(", {least} {what} or more"),
        (None, Some(most)) => format!(", at most {most} {what}"),
        (None, None) => String::new(),
    }
}

/// The words a text may be, where there are only some.
fn words(schema: &Value) -> Vec<&str> {
    let listed = strings(schema.get("enum"));
    let branches = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let words = branches
        .flat_map(|branch| strings(branch.get("enum")).chain(branch.get("const").and_then(Value::as_str)));
    listed.chain(words).collect()
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn members(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn description(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Bounds from here on are those of the number's type and mean nothing to people.
const SOME_TYPES_BOUND: f64 = 65_535.0;
/// Nesting that is shown.
const DEEPEST: usize = 6;
const HEAD: &str = "# Resources

What operators define, in `resources_file`, in a store, and through the Admin API. Written by a test from the structs in
`src/resources`. Unknown members are refused. A member with a default may be left out.

In a file, `_format_version: \"1\"` stands at the top and each kind is a list under the name of its section here. `${NAME}`
is an environment variable, `$$` a literal `$`. Ids are derived from names and are not written; where a row names
another one by id (`provider_key_id`), a file writes its name (`provider_key`). A caller key's `key_env` names the variable that
holds the key, in place of `key_hash`. Anything wrong anywhere refuses the whole file: `aisix validate --resources FILE`
lists all of it.
";
