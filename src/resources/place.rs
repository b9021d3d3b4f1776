//! Places within a row, by their path: `routing.targets[0].model`.

use serde_json::{Map, Value};

/// The value at a path. Members may have dots in their names: the one that leads on is meant.
pub(super) fn at<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    if path.is_empty() {
        return Some(value);
    }
    match value {
        Value::Object(members) => {
            let name =
                members.keys().find(|name| leads(path, name) && holds(&members[*name], after(path, name)));
            let name = name?.clone();
            at(members.get_mut(&name)?, after(path, &name))
        }
        Value::Array(items) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            at(items.get_mut(index.parse::<usize>().ok()?)?, rest.strip_prefix('.').unwrap_or(rest))
        }
        _ => None,
    }
}

fn leads(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn after<'p>(path: &'p str, name: &str) -> &'p str {
    let rest = path.get(name.len()..).unwrap_or_default();
    rest.strip_prefix('.').unwrap_or(rest)
}

fn holds(value: &Value, path: &str) -> bool {
    match value {
        _ if path.is_empty() => true,
        Value::Object(members) => {
            members.iter().any(|(name, value)| leads(path, name) && holds(value, after(path, name)))
        }
        Value::Array(items) => {
            let inner = path.strip_prefix('[').and_then(|path| path.split_once(']'));
            inner.is_some_and(|(index, rest)| {
                let item = index.parse::<usize>().ok().and_then(|index| items.get(index));
                item.is_some_and(|item| holds(item, rest.strip_prefix('.').unwrap_or(rest)))
            })
        }
        _ => false,
    }
}

/// The mapping around a path, and the name of the member in it.
fn around<'v, 'p>(value: &'v mut Value, path: &'p str) -> Option<(&'v mut Map<String, Value>, &'p str)> {
    let mut cuts: Vec<usize> = path.match_indices('.').map(|(cut, _)| cut).collect();
    cuts.reverse();
    let splits = cuts.into_iter().map(|cut| (&path[..cut], &path[cut + 1..])).chain([("", path)]);
    let fits = |(before, name): &(&str, &str)| match at(&mut value.clone(), before) {
        Some(Value::Object(members)) => members.contains_key(*name),
        _ => false,
    };
    let (before, name) = splits.into_iter().find(fits)?;
    match at(value, before)? {
        Value::Object(members) => Some((members, name)),
        _ => None,
    }
}

/// Takes the member at a path away.
pub(super) fn remove(value: &mut Value, path: &str) {
    if let Some((members, name)) = around(value, path) {
        members.shift_remove(name);
    }
}

/// Gives the member at a path its name without `_id`, in the same place among the others.
pub(super) fn strip_id(value: &mut Value, path: &str) {
    let Some((members, name)) = around(value, path) else { return };
    let Some(short) = name.strip_suffix("_id") else { return };
    let renamed = |(member, value): (String, Value)| match member {
        member if member == name => (short.to_owned(), value),
        member => (member, value),
    };
    *members = std::mem::take(members).into_iter().map(renamed).collect();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_lists_and_names_with_dots() {
        let mut value = json!({"a": [{"b.c": 1, "b": {"d": 2}}], "a.b": {"x": 3}});
        assert_eq!(at(&mut value, "a[0].b.c"), Some(&mut json!(1)));
        assert_eq!(at(&mut value, "a[0].b.d"), Some(&mut json!(2)));
        assert_eq!(at(&mut value, "a.b.x"), Some(&mut json!(3)));
        assert_eq!(at(&mut value, "a[1].b"), None);
        remove(&mut value, "a[0].b.c");
        remove(&mut value, "a.b.x");
        assert_eq!(value, json!({"a": [{"b": {"d": 2}}], "a.b": {}}));
        let mut value = json!({"r": {"x": 0, "key_id": 1, "y": 2}});
        strip_id(&mut value, "r.key_id");
        assert_eq!(value.to_string(), r#"{"r":{"x":0,"key":1,"y":2}}"#);
    }
}
