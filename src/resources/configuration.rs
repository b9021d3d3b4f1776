//! A configuration as a whole, wherever it is kept: rows in their stored form, and what they look like to people, who
//! know names and no ids. Two of them can be compared, and one can be laid over another.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::catalog::{Catalog, Entry};
use super::place;
use super::reference::By;
use super::{Kind, MASK, kind};

/// A row as a store holds it. May hold credentials, so nothing prints it.
#[derive(Clone)]
pub struct Row {
    pub kind: &'static Kind,
    pub id: String,
    pub name: String,
    /// Without the id.
    pub body: Value,
}

/// A row as people write it: what it names by id in a store, it names by name. May hold credentials, so nothing prints
/// it.
pub struct Named {
    pub kind: &'static Kind,
    pub name: String,
    pub members: Map<String, Value>,
}

/// Every row once. No two rows of a kind have the same name.
#[derive(Clone, Default)]
pub struct Configuration {
    rows: Vec<Row>,
    /// Where the row of a name stands.
    places: HashMap<(&'static str, String), usize>,
}

/// Something that could not be taken from a store.
#[derive(Debug)]
pub struct Notice {
    /// `models/<id>`
    pub place: String,
    pub message: String,
    /// Is the whole row left out?
    pub row: bool,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: left out: {}", self.place, self.message)
    }
}

/// How one row differs between two configurations.
#[derive(Debug)]
pub struct Difference {
    pub kind: &'static Kind,
    pub name: String,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    OnlyInFirst,
    OnlyInSecond,
    /// Never empty.
    Members(Vec<Member>),
}

/// A member that differs, secrets masked.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    pub path: String,
    pub first: Option<Value>,
    pub second: Option<Value>,
    /// Only that it differs is told.
    pub secret: bool,
}

impl Configuration {
    /// Takes rows from a store: collection, id and body of each. What cannot be taken is told in words, and left out.
    pub fn stored(rows: impl IntoIterator<Item = (String, String, Value)>) -> (Self, Vec<Notice>) {
        let mut notices = Vec::new();
        let mut found = BTreeMap::new();
        for (collection, id, body) in rows {
            match taken(&collection, &id, body, &mut notices) {
                Ok(row) => {
                    let place = super::KINDS.iter().position(|kind| kind.collection == row.kind.collection);
                    match found.entry((place, row.name.clone())) {
                        Slot::Vacant(free) => drop(free.insert(row)),
                        Slot::Occupied(_) => {
                            let message = format!("another row is called {:?}", row.name);
                            notices.push(Notice { place: format!("{collection}/{id}"), message, row: true });
                        }
                    }
                }
                Err(message) => {
                    notices.push(Notice { place: format!("{collection}/{id}"), message, row: true });
                }
            }
        }
        (Configuration::of(found.into_values().collect()), notices)
    }

    /// Rows of which it is known that each has a name of its own.
    pub(super) fn of(rows: Vec<Row>) -> Self {
        let places = rows.iter().enumerate();
        let places = places.map(|(place, row)| ((row.kind.collection, row.name.clone()), place)).collect();
        Configuration { rows, places }
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a name.
    pub fn named(&self, collection: &'static str, name: &str) -> Option<&Row> {
        self.rows.get(*self.places.get(&(collection, name.to_owned()))?)
    }

    /// What is wrong with the rows beside one another.
    pub fn faults(&self) -> Vec<String> {
        let mut catalog = Catalog::default();
        let mut entries = Vec::new();
        for (order, row) in self.rows.iter().enumerate() {
            let read = row.kind.load(&row.id, &row.body).row;
            let entry =
                Entry { kind: row.kind, id: row.id.clone(), name: row.name.clone(), row: read, order };
            catalog.put(entry.clone());
            entries.push(entry);
        }
        let called = |entry: &Entry| format!("{} {:?}", entry.kind.collection, entry.name);
        let faults = entries.iter().flat_map(|entry| {
            let breaches = catalog.breaches(entry).into_iter();
            breaches.map(|breach| format!("{}: {}", called(entry), breach.fault(called))).collect::<Vec<_>>()
        });
        faults.collect()
    }

    /// The rows as people write them.
    pub fn for_people(&self) -> Vec<Named> {
        let names: HashMap<(&str, &str), &str> =
            self.rows.iter().map(|row| ((row.kind.collection, row.id.as_str()), row.name.as_str())).collect();
        let named = self.rows.iter().map(|row| {
            let mut body = row.body.clone();
            for (path, to, id) in row.references_by_id() {
                if let Some(name) = names.get(&(to, id.as_str())) {
                    rename(&mut body, &path, &id, name);
                    place::strip_id(&mut body, &path);
                }
            }
            let members = if let Value::Object(members) = body { members } else { Map::new() };
            Named { kind: row.kind, name: row.name.clone(), members: ordered(row.kind, members) }
        });
        named.collect()
    }

    /// The same rows with ids for a place beside others: a row of a name that is there gets the id that it has there.
    #[must_use]
    pub fn beside(&self, there: &Configuration) -> Configuration {
        let by_name: HashMap<(&str, &str), &Row> =
            there.rows.iter().map(|row| ((row.kind.collection, row.name.as_str()), row)).collect();
        let taken: HashSet<(&str, &str)> =
            there.rows.iter().map(|row| (row.kind.collection, row.id.as_str())).collect();
        let ids: HashMap<(&str, &str), String> = self
            .rows
            .iter()
            .map(|row| {
                let own = (row.kind.collection, row.id.as_str());
                let id = match by_name.get(&(row.kind.collection, row.name.as_str())) {
                    Some(there) => there.id.clone(),
                    None if taken.contains(&own) => Uuid::new_v4().to_string(),
                    None => row.id.clone(),
                };
                (own, id)
            })
            .collect();
        let moved = self.rows.iter().map(|row| {
            let mut body = row.body.clone();
            for (path, to, id) in row.references_by_id() {
                if let Some(new) = ids.get(&(to, id.as_str())) {
                    rename(&mut body, &path, &id, new);
                }
            }
            let id = ids.get(&(row.kind.collection, row.id.as_str())).unwrap_or(&row.id).clone();
            Row { kind: row.kind, id, name: row.name.clone(), body }
        });
        Configuration::of(moved.collect())
    }
}

impl Row {
    /// The places at which it names others by id: path, their collection, the id.
    fn references_by_id(&self) -> Vec<(String, &'static str, String)> {
        let references = self.kind.load(&self.id, &self.body).row.map(|row| row.references());
        let by_id = references.into_iter().flatten().filter_map(|reference| match reference.by {
            By::Id(id) => Some((reference.path, reference.to, id)),
            By::Name(_) => None,
        });
        by_id.collect()
    }
}

/// A stored row, if this version can read it, without members that it does not know.
fn taken(collection: &str, id: &str, body: Value, notices: &mut Vec<Notice>) -> Result<Row, String> {
    let kind = kind(collection).ok_or("it is of a kind that this version does not know")?;
    let mut body = body;
    kind.respell(&mut body);
    if let Value::Object(members) = &mut body {
        members.retain(|_, value| !value.is_null());
    }
    let read = kind.load(id, &body);
    if read.row.is_none() {
        let said: Vec<String> = read.faults.iter().map(ToString::to_string).collect();
        return Err(said.join("; "));
    }
    for unknown in &read.unknown {
        place::remove(&mut body, &unknown.path);
        let place = format!("{collection}/{id}.{}", unknown.path);
        notices.push(Notice { place, message: "this version does not know it".to_owned(), row: false });
    }
    let name = body.as_object().and_then(|body| kind.name_of(body).ok()).unwrap_or_else(|| id.to_owned());
    Ok(Row { kind, id: id.to_owned(), name, body })
}

/// Puts another text in place of an id, also where the id ends a longer text: `api_key:<id>`.
fn rename(body: &mut Value, path: &str, from: &str, to: &str) {
    if let Some(Value::String(text)) = place::at(body, path)
        && let Some(before) = text.strip_suffix(from)
    {
        *text = format!("{before}{to}");
    }
}

/// The members in the order of their definition, the name first.
fn ordered(kind: &Kind, members: Map<String, Value>) -> Map<String, Value> {
    let properties = kind.schema().get("properties").and_then(Value::as_object);
    let known: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let rank = |name: &str| {
        let stored = format!("{name}_id");
        let place = known.iter().position(|known| *known == name || *known == stored);
        (kind.identity != Some(name), place.unwrap_or(usize::MAX))
    };
    let mut members: Vec<(String, Value)> = members.into_iter().collect();
    members.sort_by_key(|(name, _)| rank(name));
    members.into_iter().collect()
}

/// How two configurations differ: rows are the same by kind and name, and ids do not matter.
pub fn differences(first: &Configuration, second: &Configuration) -> Vec<Difference> {
    let (first, second) = (first.for_people(), second.for_people());
    let by_name = |rows: &[Named]| -> HashMap<(&'static str, String), usize> {
        let keys = rows.iter().enumerate();
        keys.map(|(index, row)| ((row.kind.collection, row.name.clone()), index)).collect()
    };
    let (of_first, of_second) = (by_name(&first), by_name(&second));
    let mut found = Vec::new();
    for row in &first {
        let twin =
            of_second.get(&(row.kind.collection, row.name.clone())).and_then(|index| second.get(*index));
        let what = match twin {
            None => What::OnlyInFirst,
            Some(twin) => match members(row, twin) {
                members if members.is_empty() => continue,
                members => What::Members(members),
            },
        };
        found.push(Difference { kind: row.kind, name: row.name.clone(), what });
    }
    let new = second.iter().filter(|row| !of_first.contains_key(&(row.kind.collection, row.name.clone())));
    found.extend(new.map(|row| Difference {
        kind: row.kind,
        name: row.name.clone(),
        what: What::OnlyInSecond,
    }));
    let place = |kind: &Kind| super::KINDS.iter().position(|known| known.collection == kind.collection);
    found.sort_by(|one, other| (place(one.kind), &one.name).cmp(&(place(other.kind), &other.name)));
    found
}

fn members(first: &Named, second: &Named) -> Vec<Member> {
    let shown = |row: &Named| row.kind.masked(Value::Object(row.members.clone()));
    let whole = |row: &Named| Value::Object(row.members.clone());
    let (one, other) = ((whole(first), shown(first)), (whole(second), shown(second)));
    let mut found = Vec::new();
    walk("", Some((&one.0, &one.1)), Some((&other.0, &other.1)), &mut found);
    found
}

/// A value, and what may be seen of it.
type Seen<'v> = Option<(&'v Value, &'v Value)>;

fn walk(path: &str, first: Seen<'_>, second: Seen<'_>, found: &mut Vec<Member>) {
    let first = first.filter(|(value, _)| !value.is_null());
    let second = second.filter(|(value, _)| !value.is_null());
    match (first, second) {
        (Some((Value::Object(one), one_seen)), Some((Value::Object(other), other_seen))) => {
            let more = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(more) {
                let of = |values: &'_ Map<String, Value>| values.contains_key(name);
                let one = of(one).then(|| (&one[name], &one_seen[name]));
                let other = of(other).then(|| (&other[name], &other_seen[name]));
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(&path, one, other, found);
            }
        }
        (Some((Value::Array(one), one_seen)), Some((Value::Array(other), other_seen)))
            if one.len() == other.len() =>
        {
            for (index, values) in one.iter().zip(other).enumerate() {
                let one = Some((values.0, &one_seen[index]));
                let other = Some((values.1, &other_seen[index]));
                walk(&format!("{path}[{index}]"), one, other, found);
            }
        }
        (first, second) if first.map(|(value, _)| value) != second.map(|(value, _)| value) => {
            let masked = |seen: Seen<'_>| seen.is_some_and(|(_, seen)| seen.as_str() == Some(MASK));
            let secret = masked(first) || masked(second);
            // A mask in place of the value tells nothing about it.
            let unseen = |seen: Seen<'_>| seen.is_some_and(|(value, _)| value.as_str() == Some(MASK));
            if secret && first.is_some() && second.is_some() && (unseen(first) || unseen(second)) {
                return;
            }
            let seen = |seen: Seen<'_>| seen.map(|(_, seen)| seen.clone());
            found.push(Member { path: path.to_owned(), first: seen(first), second: seen(second), secret });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration(rows: &[(&str, &str, Value)]) -> Configuration {
        let rows = rows.iter().map(|(of, id, body)| ((*of).to_owned(), (*id).to_owned(), body.clone()));
        let (configuration, notices) = Configuration::stored(rows);
        assert!(notices.is_empty(), "{notices:?}");
        configuration
    }

    fn one(key: &str, secret: &str) -> Configuration {
        configuration(&[
            ("provider_keys", key, json!({"display_name": "p", "provider": "openai", "api_key": secret})),
            (
                "models",
                "m",
                json!({"display_name": "a", "provider": "openai", "model_name": "x", "provider_key_id": key}),
            ),
            ("api_keys", "k", json!({"display_name": "c", "key_hash": "0".repeat(64), "allowed_models": []})),
            ("cache_policies", "cp", json!({"name": "c", "applies_to": "api_key:k"})),
        ])
    }

    #[test]
    fn ids_do_not_matter_and_secrets_are_not_shown() {
        assert!(differences(&one("1", "sk-a"), &one("2", "sk-a")).is_empty());
        let found = differences(&one("1", "sk-a"), &one("1", "sk-b"));
        let What::Members(members) = &found[0].what else { panic!("{found:?}") };
        assert_eq!((found.len(), members.len()), (1, 1));
        assert!(members[0].secret && members[0].path == "api_key", "{members:?}");
        assert!(!format!("{found:?}").contains("sk-"), "{found:?}");
        assert!(differences(&one("1", MASK), &one("1", "sk-b")).is_empty(), "a mask tells nothing");
    }

    #[test]
    fn people_see_names_where_stores_hold_ids() {
        let rows = one("1", "sk-a").for_people();
        let model = rows.iter().find(|row| row.kind.collection == "models").expect("a model");
        assert_eq!(model.members.get("provider_key"), Some(&json!("p")));
        assert_eq!(model.members.get("provider_key_id"), None);
        let policy = rows.iter().find(|row| row.kind.collection == "cache_policies").expect("a policy");
        assert_eq!(policy.members.get("applies_to"), Some(&json!("api_key:c")));
    }

    #[test]
    fn rows_take_the_ids_of_their_namesakes_and_references_follow() {
        let moved = one("1", "sk-a").beside(&one("2", "sk-b"));
        assert_eq!(moved.named("provider_keys", "p").expect("a key").id, "2");
        assert_eq!(moved.named("models", "a").expect("a model").body["provider_key_id"], "2");
        assert_eq!(moved.named("provider_keys", "p").expect("a key").body["api_key"], "sk-a");
    }

    #[test]
    fn what_cannot_be_taken_is_told() {
        let rows = [
            ("wonders", "1", json!({})),
            ("models", "2", json!({"display_name": 1})),
            ("provider_keys", "3", json!({"display_name": "p", "api_key": "s", "later": {"x": 1}})),
            ("provider_keys", "4", json!({"display_name": "p", "api_key": "s"})),
        ];
        let rows = rows.map(|(of, id, body)| (of.to_owned(), id.to_owned(), body));
        let (configuration, notices) = Configuration::stored(rows);
        assert_eq!(configuration.rows().len(), 1);
        assert_eq!(configuration.rows()[0].body.get("later"), None);
        assert_eq!(notices.len(), 4, "{notices:?}");
    }
}
